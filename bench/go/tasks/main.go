// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// The cases of ../../tasks.c and ../../parallel.c in Go.  Output and method are those
// of ../../timing.c.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"syscall"
	"unsafe"
)

type task struct {
	name    string
	op      func(n int64) uint64
	parts   int64
	checked int64
}

const (
	batches       = 5
	batchesOfLong = 3
	batchNs       = 5e6
)

func nowNs() float64 {
	clock := uintptr(1) // CLOCK_MONOTONIC
	if runtime.GOMAXPROCS(0) == 1 {
		clock = 2 // CLOCK_PROCESS_CPUTIME_ID
	}
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Nano())
}

func (t *task) timeNs(n int64) float64 {
	start := nowNs()
	t.op(n)
	return nowNs() - start
}

func (t *task) batchSize() (int64, float64) {
	for n := t.checked; ; n *= 2 {
		if ns := t.timeNs(n); ns >= batchNs/4 {
			return max(1, int64(float64(n)*batchNs/ns)), ns
		}
	}
}

func (t *task) quartileNs() float64 {
	n, first := t.batchSize()
	times := make([]float64, batches)
	if first > batchNs*2 {
		times = times[:batchesOfLong]
	}
	for i := range times {
		times[i] = t.timeNs(n)
	}
	sort.Float64s(times)
	return times[len(times)/4] / float64(n) / float64(t.parts)
}

func (t *task) measure() {
	result := t.op(t.checked)
	fmt.Printf("%s\t%.4f\t%d\n", t.name, t.quartileNs(), result)
}

func find(name string) *task {
	for _, list := range [][]task{tasks, parallelTasks} {
		for i := range list {
			if list[i].name == name {
				return &list[i]
			}
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
}
