// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// Writes profiles of itself into the current folder: real ones, with inlined frames,
// labels and recursion, for the belay command to be compared with go tool pprof on.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"time"
)

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func square(n int) int { return n*n + 1 }

func words(n int) int {
	all := map[string]int{}
	for i := 0; i < n; i++ {
		all[strings.Repeat("x", i%50)+fmt.Sprint(i)] = square(i)
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return len(keys)
}

func write(name, file string, debug int) {
	f, err := os.Create(file)
	if err != nil {
		panic(err)
	}
	pprof.Lookup(name).WriteTo(f, debug)
	f.Close()
}

func burn() {
	f, _ := os.Create("cpu.pb.gz")
	pprof.StartCPUProfile(f)
	label := func(f func(), labels ...string) {
		pprof.Do(context.Background(), pprof.Labels(labels...), func(context.Context) { f() })
	}
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); {
		label(func() { fib(27) }, "kind", "fib")
		label(func() { words(20000) }, "kind", "words", "size", "big")
	}
	pprof.StopCPUProfile()
	f.Close()
}

func block() {
	var lock sync.Mutex
	var done sync.WaitGroup
	never := make(chan int)
	for i := 0; i < 30; i++ {
		done.Add(1)
		go func() {
			lock.Lock()
			time.Sleep(time.Millisecond)
			lock.Unlock()
			done.Done()
			<-never
		}()
	}
	done.Wait()
	time.Sleep(50 * time.Millisecond)
}

var kept []*tree

func main() {
	runtime.MemProfileRate = 4096
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	burn()
	write("heap", "heap0.pb.gz", 0)
	for i := 0; i < 8; i++ {
		kept = append(kept, grow(12))
	}
	words(30000)
	runtime.GC()
	write("heap", "heap.pb.gz", 0)
	block()
	write("goroutine", "goroutine.pb.gz", 0)
	write("block", "block.pb.gz", 0)
	write("mutex", "mutex.pb.gz", 0)
	write("goroutine", "goroutine.txt", 2)
}
