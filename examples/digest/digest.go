// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// digest.go is digest.c and main.c in Go, function for function: the same walk, the
// same channels, the same planted failures.  Its result has to be that of digest.c.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	jobsAhead    = 64
	bufferBytes  = 64 << 10
	largestFiles = 3
	mostWorkers  = 10000
)

const (
	whole = iota
	failed
	wrongUsage
	partial
)

type options struct {
	folder                    string
	workers                   int64
	files, bytes              int64
	vanish, trap, cancelAfter int64
	stats                     bool
}

type result struct {
	path   string
	bytes  int64
	digest [sha256.Size]byte
	err    error
	isCut  bool
	why    any
}

type total struct {
	files, bytes   int64
	digest         [sha256.Size]byte
	largest        [largestFiles]result
	errors, panics int64
	goroutines     int
	isCancelled    bool
}

type job struct {
	path   string
	isTrap bool
}

type pipeline struct {
	options             *options
	jobs                chan job
	results             chan result
	ended               chan bool
	done                chan bool
	interrupted         chan os.Signal
	walked, walkedBytes int64
}

// --- workers ----------------------------------------------------------------

func (p *pipeline) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

type worker struct {
	*pipeline
	sha    hash.Hash
	buffer []byte
}

func (w *worker) digestContents(f *os.File, r *result) error {
	for {
		if r.isCut = w.isDone(); r.isCut {
			return nil
		}
		n, err := f.Read(w.buffer)
		w.sha.Write(w.buffer[:n])
		r.bytes += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *worker) digestFile(j job, r *result) {
	defer func() { r.why = recover() }()

	f, err := os.OpenFile(j.path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		r.err = err
		return
	}
	defer f.Close()

	to := r
	if j.isTrap {
		to = nil
	}
	w.sha.Reset()
	w.sha.Write([]byte(j.path))
	w.sha.Write([]byte{0})
	r.err = w.digestContents(f, to)
	w.sha.Sum(r.digest[:0])
}

func (p *pipeline) work() {
	defer func() { p.ended <- true }()
	w := worker{p, sha256.New(), make([]byte, bufferBytes)}
	for {
		select {
		case j, isJob := <-p.jobs:
			if !isJob {
				return
			}
			r := result{path: j.path}
			w.digestFile(j, &r)
			p.results <- r
		case <-p.done:
			return
		}
	}
}

// --- the walk ---------------------------------------------------------------

func (p *pipeline) offer(path string, size int64) bool {
	p.walked++
	p.walkedBytes += size
	if p.walked == p.options.vanish {
		path += ".vanished"
	}
	select {
	case p.jobs <- job{path, p.walked == p.options.trap}:
		return p.walked < p.options.files && p.walkedBytes < p.options.bytes
	case <-p.done:
		return false
	}
}

func (p *pipeline) offerError(path string, err error) bool {
	p.results <- result{path: path, err: err}
	return true
}

func (p *pipeline) visit(folder string, entry os.DirEntry) bool {
	path := folder + "/" + entry.Name()
	about, err := os.Lstat(path)
	if err != nil {
		return p.offerError(path, err)
	}
	if about.IsDir() {
		return p.walk(path)
	}
	if !about.Mode().IsRegular() {
		return true
	}
	return p.offer(path, about.Size())
}

func (p *pipeline) walk(folder string) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return p.offerError(folder, err)
	}
	for _, entry := range entries {
		if !p.visit(folder, entry) {
			return false
		}
	}
	return true
}

func (p *pipeline) walkAll() {
	defer func() { p.ended <- true }()
	defer close(p.jobs)
	p.walk(p.options.folder)
}

// --- the collector ----------------------------------------------------------

func isLarger(a, b *result) bool {
	if a.path == "" || b.path == "" {
		return a.path != ""
	}
	if a.bytes != b.bytes {
		return a.bytes > b.bytes
	}
	return a.path < b.path
}

func (t *total) keepLargest(r result) {
	for i := range t.largest {
		if isLarger(&r, &t.largest[i]) {
			t.largest[i], r = r, t.largest[i]
		}
	}
}

func (t *total) add(r result) {
	if r.isCut {
		return
	}
	if r.why != nil {
		t.panics++
		say("%s: recovered: %v", r.path, r.why)
		return
	}
	if r.err != nil {
		t.errors++
		if e := errors.Unwrap(r.err); e != nil {
			r.err = e
		}
		say("%s: %v", r.path, r.err)
		return
	}
	t.files++
	t.bytes += r.bytes
	for i := range t.digest {
		t.digest[i] ^= r.digest[i]
	}
	t.keepLargest(r)
}

func (p *pipeline) cancel(t *total) {
	if !t.isCancelled {
		close(p.done)
	}
	t.isCancelled = true
}

func (p *pipeline) collect(t *total) {
	for {
		t.goroutines = max(t.goroutines, runtime.NumGoroutine())
		select {
		case r, isResult := <-p.results:
			if !isResult {
				return
			}
			t.add(r)
			if t.files >= p.options.cancelAfter {
				p.cancel(t)
			}
		case <-p.interrupted:
			p.cancel(t)
		}
	}
}

// --- all of it --------------------------------------------------------------

func (p *pipeline) closeResults() {
	for range p.options.workers + 1 {
		<-p.ended
	}
	close(p.results)
}

func digestTree(o *options, interrupted chan os.Signal, t *total) {
	p := pipeline{
		options:     o,
		jobs:        make(chan job, jobsAhead),
		results:     make(chan result, o.workers),
		ended:       make(chan bool, o.workers+1),
		done:        make(chan bool),
		interrupted: interrupted,
	}
	go p.walkAll()
	for range o.workers {
		go p.work()
	}
	go p.closeResults()
	p.collect(t)
}

// --- options, readings, the printed result ----------------------------------

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "digest.go: "+format+"\n", args...)
}

// number is a flag's value: 1 or more, with k, M or G behind it.
type number struct {
	to   *int64
	most int64
}

func (n number) String() string {
	if n.to == nil {
		return "0"
	}
	return strconv.FormatInt(*n.to, 10)
}

func (n number) Set(text string) error {
	shift := 0
	if i := strings.IndexAny(text, "kMG"); i > 0 && i == len(text)-1 {
		shift = 10 * (strings.IndexByte("kMG", text[i]) + 1)
		text = text[:i]
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 1 || v > n.most>>shift {
		return errors.New("want a number above 0, and not too large")
	}
	*n.to = v << shift
	return nil
}

func readOptions() *options {
	const any = 1<<63 - 1
	o := &options{folder: "/usr", workers: 8, files: 50000, bytes: 1 << 30, cancelAfter: any}
	flag.Var(number{&o.workers, mostWorkers}, "workers", "goroutines that digest")
	flag.Var(number{&o.files, any}, "files", "end the walk after so many files")
	flag.Var(number{&o.bytes, any}, "bytes", "end the walk after so many bytes")
	flag.Var(number{&o.vanish, any}, "vanish", "plant an error: this file is gone")
	flag.Var(number{&o.trap, any}, "trap", "plant a panic on this file")
	flag.Var(number{&o.cancelAfter, any}, "cancel-after", "cancel after so many files")
	flag.BoolVar(&o.stats, "stats", false, "print `key value' lines")
	flag.Parse()
	if flag.NArg() > 1 {
		say("one folder, not %d", flag.NArg())
		os.Exit(wrongUsage)
	}
	if flag.NArg() == 1 {
		o.folder = flag.Arg(0)
	}
	return o
}

// isFolder opens it as a file: Go's poller, which keeps two descriptors, begins here.
func isFolder(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		_, err = f.ReadDir(-1)
	}
	if err != nil {
		say("%v", err)
	}
	return err == nil
}

type reading struct {
	at          time.Time
	descriptors int
	goroutines  int
}

func takeReading() reading {
	entries, _ := os.ReadDir("/proc/self/fd")
	return reading{time.Now(), len(entries), runtime.NumGoroutine()}
}

func waitForGoroutines(count int) {
	until := time.Now().Add(time.Second)
	for runtime.NumGoroutine() > count && time.Now().Before(until) {
		time.Sleep(10 * time.Microsecond)
	}
}

func (t *total) printStats(a, b reading) {
	fmt.Printf("files %d\nbytes %d\ndigest %x\n", t.files, t.bytes, t.digest)
	for i, r := range t.largest {
		if r.path != "" {
			fmt.Printf("largest_%d %d %x %s\n", i+1, r.bytes, r.digest, r.path)
		}
	}
	isPartial := 0
	if t.isCancelled {
		isPartial = 1
	}
	fmt.Printf("errors %d\npanics %d\npartial %d\ngoroutines_peak %d\n"+
		"goroutines_left %d\ndescriptors_leaked %d\nwall_us %d\n",
		t.errors, t.panics, isPartial, t.goroutines-a.goroutines+1,
		b.goroutines-a.goroutines+1, b.descriptors-a.descriptors,
		b.at.Sub(a.at).Microseconds())
}

func (t *total) printResult(a, b reading) {
	seconds, mb := b.at.Sub(a.at).Seconds(), float64(t.bytes)/1e6
	if t.isCancelled {
		fmt.Println("cancelled: this is a partial result")
	}
	fmt.Printf("%x  %d files\n", t.digest, t.files)
	fmt.Printf("%.1f MB in %.2f s, %.0f MB/s\n", mb, seconds, mb/seconds)
	for _, r := range t.largest {
		if r.path != "" {
			fmt.Printf("  %12d  %x...  %s\n", r.bytes, r.digest[:8], r.path)
		}
	}
	fmt.Printf("%d errors, %d panics survived\n", t.errors, t.panics)
	fmt.Printf("goroutines: %d at most, %d left; descriptors leaked: %d\n",
		t.goroutines-a.goroutines+1, b.goroutines-a.goroutines+1,
		b.descriptors-a.descriptors)
}

func main() {
	o := readOptions()
	if !isFolder(o.folder) {
		os.Exit(failed)
	}
	// Go has a goroutine for signals, for ever: it is not counted.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	runtime.Gosched()

	var t total
	before := takeReading()
	digestTree(o, interrupted, &t)
	waitForGoroutines(before.goroutines)
	after := takeReading()

	if o.stats {
		t.printStats(before, after)
	} else {
		t.printResult(before, after)
	}
	if after.descriptors > before.descriptors || after.goroutines > before.goroutines {
		os.Exit(failed)
	}
	if t.isCancelled {
		os.Exit(partial)
	}
}
