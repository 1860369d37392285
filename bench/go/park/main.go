// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// ../../park.c in Go.  What has ended is looked at after five seconds, and once more
// after debug.FreeOSMemory(), which collects garbage and gives back all that is free:
// without it that takes Go minutes.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

var ready, joined sync.WaitGroup

func readBytes(path, key string) int64 {
	text, _ := os.ReadFile(path)
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			kb, _ := strconv.ParseInt(fields[1], 10, 64)
			return kb * 1024
		}
	}
	return 0
}

func takenBytes() int64 {
	return readBytes("/proc/self/smaps_rollup", "Rss:") -
		readBytes("/proc/self/smaps_rollup", "LazyFree:") +
		readBytes("/proc/self/status", "VmPTE:")
}

func countMaps() int {
	text, _ := os.ReadFile("/proc/self/maps")
	return bytes.Count(text, []byte("\n"))
}

func waitForEnd(c chan int) {
	ready.Done()
	<-c
	joined.Done()
}

func makeParked(n int, c chan int) time.Duration {
	start := time.Now()
	ready.Add(n)
	joined.Add(n)
	for i := 0; i < n; i++ {
		go waitForEnd(c)
	}
	ready.Wait()
	return time.Since(start)
}

func each(bytes int64, n int) float64 { return float64(bytes) / float64(n) }

func reportParked(n int) {
	c := make(chan int)
	before := takenBytes()
	ns := makeParked(n, c)
	fmt.Printf("bytes=%.1f ns=%.1f maps=%d\n", each(takenBytes()-before, n),
		each(int64(ns), n), countMaps())
}

func reportEnded(n int) {
	c := make(chan int)
	before := takenBytes()
	makeParked(n, c)
	close(c)
	joined.Wait()
	time.Sleep(5 * time.Second)
	later := takenBytes()
	start := time.Now()
	debug.FreeOSMemory()
	ns := time.Since(start)
	fmt.Printf("later=%.1f call_ns=%.1f taken=%.1f\n", each(later-before, n),
		each(int64(ns), n), each(takenBytes()-before, n))
}

func main() {
	n := 0
	if len(os.Args) == 3 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	switch {
	case n > 0 && os.Args[1] == "parked":
		reportParked(n)
	case n > 0 && os.Args[1] == "ended":
		reportEnded(n)
	default:
		fmt.Fprintln(os.Stderr, "usage: park parked|ended N")
		os.Exit(2)
	}
}
