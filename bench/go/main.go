// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// The cases of ../belay.c in Go.  Output and method are those of ../bench.c.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// --- the work ----------------------------------------------------------------

var sum, releases, afters uint64

var null *int64

//go:noinline
func acquire(n int64) int64 { return n }

//go:noinline
func use(h int64) int64 { return 3*h + 1 }

//go:noinline
func release(h int64) {
	releases++
	sum += uint64(h) * releases
}

//go:noinline
func after() { afters++ }

// --- defer, nothing goes wrong -----------------------------------------------

//go:noinline
func blockOne(n int64) int64 {
	h := acquire(n)
	defer func() { release(h) }()

	return use(h)
}

//go:noinline
func acquireThree(limit int64) int64 {
	a := acquire(limit - 1)
	if a < 0 {
		return -1
	}
	defer func() { release(a) }()

	b := acquire(limit - 2)
	if b < 0 {
		return -2
	}
	defer func() { release(b) }()

	c := acquire(limit - 3)
	if c < 0 {
		return -3
	}
	defer func() { release(c) }()

	return use(a + b + c)
}

//go:noinline
func blockThree(most int64) int64 {
	sum := int64(0)
	for limit := int64(0); limit <= most; limit++ {
		sum += acquireThree(limit)
	}
	return sum
}

// Go's defer waits for the function's end, so an iteration that has to clean up
// after itself is a function.
//
//go:noinline
func blockLoop(n int64) int64 {
	sum := int64(0)
	for i, more := int64(0), true; more; i++ {
		more = func() bool {
			h := acquire(i)
			defer func() { release(h) }()

			if i == n {
				return false
			}
			if i&1 != 0 {
				return true
			}
			sum += use(h)
			return true
		}()
	}
	return sum
}

var mutex sync.Mutex

//go:noinline
func blockMutex(n int64) int64 {
	mutex.Lock()
	defer mutex.Unlock()

	if use(n) < 0 {
		return -1
	}
	return use(n + 1)
}

// --- recover and deferred calls, nothing goes wrong --------------------------

//go:noinline
func returnsQuiet(n int64) (r int64) {
	defer func() {
		if recover() != nil {
			r = -1
		}
	}()
	r = use(n)
	return
}

//go:noinline
func callsOne(n int64) (r int64) {
	defer release(n)
	r = use(n)
	return
}

//go:noinline
func callsLoop(n int64) (r int64) {
	for i := int64(0); i < n; i++ {
		defer release(i)
	}
	r = n
	return
}

// --- panic and recover -------------------------------------------------------

//go:noinline
func recovering(frame func(int64), arg int64) (r int64) {
	defer func() {
		if recover() != nil {
			r = arg
		}
	}()
	frame(arg)
	return
}

//go:noinline
func plainFrame(depth int64) {
	if depth > 1 {
		plainFrame(depth - 1)
	} else if depth == 1 {
		release(depth) // that's for the sum
		panic("benchmark")
	}
	after()
}

//go:noinline
func blockFrame(depth int64) {
	defer func() { release(depth) }()

	if depth > 1 {
		blockFrame(depth - 1)
	} else if depth == 1 {
		panic("benchmark")
	}
	after()
}

//go:noinline
func callFrame(depth int64) {
	defer release(depth)
	if depth > 1 {
		callFrame(depth - 1)
	} else if depth == 1 {
		panic("benchmark")
	}
	after()
}

var errBenchmark = errors.New("benchmark")

//go:noinline
func errorFrame(arg int64) {
	if arg == 1 {
		panic(errBenchmark)
	}
	after()
}

//go:noinline
func faultFrame(arg int64) {
	*null = arg
	after()
}

func panicPlain(depth int64) int64 { return recovering(plainFrame, depth) }
func panicBlock(depth int64) int64 { return recovering(blockFrame, depth) }
func panicCall(depth int64) int64  { return recovering(callFrame, depth) }
func panicError(arg int64) int64   { return recovering(errorFrame, arg) }
func panicFault(arg int64) int64   { return recovering(faultFrame, arg) }

type benchCase struct {
	name string
	op   func(int64) int64
	arg  int64
	per  int
}

var cases = []benchCase{
	{"block/one", blockOne, 7, 1},
	{"block/three", blockThree, 3, 1},
	{"block/loop", blockLoop, 16, 1},
	{"block/mutex", blockMutex, 7, 1},
	{"returns/quiet", returnsQuiet, 7, 1},
	{"calls/one", callsOne, 7, 1},
	{"calls/loop100", callsLoop, 100, 100},
	{"panic/plain/1", panicPlain, 1, 1},
	{"panic/plain/10", panicPlain, 10, 1},
	{"panic/plain/100", panicPlain, 100, 1},
	{"panic/block/1", panicBlock, 1, 1},
	{"panic/block/10", panicBlock, 10, 1},
	{"panic/block/100", panicBlock, 100, 1},
	{"panic/call/1", panicCall, 1, 1},
	{"panic/call/10", panicCall, 10, 1},
	{"panic/call/100", panicCall, 100, 1},
	{"panic/error", panicError, 1, 1},
	{"panic/fault", panicFault, 1, 1},
}

// --- measuring ---------------------------------------------------------------

const (
	batches = 5
	checked = 100
	batchNs = 2e6
)

func (c *benchCase) repeat(n int64) uint64 {
	results := uint64(0)
	for ; n > 0; n-- {
		results += uint64(c.op(c.arg))
	}
	return results
}

// CPU time of the whole process: what the garbage collector does counts, on
// whichever thread.
func nowNs() float64 {
	const clockProcessCPU = 2
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU,
		uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Nano())
}

func (c *benchCase) timeNs(n int64) float64 {
	start := nowNs()
	c.repeat(n)
	return nowNs() - start
}

func (c *benchCase) batchSize() int64 {
	for n := int64(1); ; n *= 2 {
		if ns := c.timeNs(n); ns >= batchNs/4 {
			return 1 + int64(float64(n)*batchNs/ns)
		}
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func (c *benchCase) fastestNs() float64 {
	n := c.batchSize()
	best := c.timeNs(n)
	for i := 1; i < batches; i++ {
		best = min(best, c.timeNs(n))
	}
	return best / float64(n) / float64(c.per)
}

func (c *benchCase) measure() {
	ns := c.fastestNs()
	sum, releases, afters = 0, 0, 0
	before := mallocs()
	results := c.repeat(checked)
	made := mallocs() - before
	fmt.Printf("%s\t%.4f\t%d\t%g\n", c.name, ns, sum+results+afters,
		float64(made)/checked)
}

func find(name string) *benchCase {
	for i := range cases {
		if cases[i].name == name {
			return &cases[i]
		}
	}
	fmt.Fprintf(os.Stderr, "no case %s\n", name)
	os.Exit(2)
	return nil
}

func main() {
	for _, name := range os.Args[1:] {
		find(name).measure()
	}
	for i := range cases {
		if len(os.Args) == 1 {
			cases[i].measure()
		}
	}
}
