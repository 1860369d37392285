// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

package main

import "sync"

const (
	primes = 1500
	limit  = 12554
	ints   = 4 << 20
	chunk  = 4096
	chunks = ints / chunk
	nPairs = 4
	rivals = 4
)

// --- prime sieve --------------------------------------------------------------

func generate(out chan int64) {
	for i := int64(2); i < limit; i++ {
		out <- i
	}
	close(out)
	joined.Done()
}

func filter(prime int64, in, out chan int64) {
	for v := range in {
		if v%prime != 0 {
			out <- v
		}
	}
	close(out)
	joined.Done()
}

func sieveOnce() uint64 {
	sum := uint64(0)
	c := make(chan int64)
	joined.Add(1)
	go generate(c)
	for {
		prime, more := <-c
		if !more {
			break
		}
		sum = 31*sum + uint64(prime)
		next := make(chan int64)
		joined.Add(1)
		go filter(prime, c, next)
		c = next
	}
	joined.Wait()
	return sum
}

func sieve(n int64) uint64 {
	sum := uint64(0)
	for ; n > 0; n-- {
		sum += sieveOnce()
	}
	return sum
}

// --- sum ------------------------------------------------------------------------

var numbers []int32

func fillInts() {
	numbers = make([]int32, ints)
	x := uint32(1)
	for i := range numbers {
		x = x*1664525 + 1013904223
		numbers[i] = int32(x >> 8)
	}
}

func sumChunk(from []int32, to *uint64) {
	sum := uint64(0)
	for _, v := range from {
		sum += uint64(v)
	}
	*to = sum
	joined.Done()
}

var sums [chunks]uint64

func sumInChunks(n int64) uint64 {
	if numbers == nil {
		fillInts()
	}
	sum := uint64(0)
	for ; n > 0; n-- {
		joined.Add(chunks)
		for i := 0; i < chunks; i++ {
			go sumChunk(numbers[i*chunk:(i+1)*chunk], &sums[i])
		}
		joined.Wait()
		for i := range sums {
			sum = 31*sum + sums[i]
		}
	}
	return sum
}

// --- pairs -------------------------------------------------------------------------

func hit(there, back chan int64, n int64, sum *uint64) {
	s := uint64(0)
	for i := int64(0); i < n; i++ {
		there <- i
		s = 31*s + uint64(<-back)
	}
	*sum = s
	joined.Done()
}

func hitBack(there, back chan int64, n int64) {
	for i := int64(0); i < n; i++ {
		back <- <-there + 1
	}
	joined.Done()
}

func pairs(n int64) uint64 {
	var sums [nPairs]uint64
	joined.Add(2 * nPairs)
	for i := 0; i < nPairs; i++ {
		there, back := make(chan int64), make(chan int64)
		go hitBack(there, back, n/nPairs)
		go hit(there, back, n/nPairs, &sums[i])
	}
	joined.Wait()
	sum := uint64(0)
	for i := range sums {
		sum = 31*sum + sums[i]
	}
	return sum
}

// --- mutex ---------------------------------------------------------------------------

var mutex sync.Mutex
var counter uint64

func count(n int64) {
	for ; n > 0; n-- {
		mutex.Lock()
		counter++
		mutex.Unlock()
	}
	joined.Done()
}

func contended(n int64) uint64 {
	counter = 0
	joined.Add(rivals)
	for i := 0; i < rivals; i++ {
		go count(n / rivals)
	}
	joined.Wait()
	return counter
}

var parallelTasks = []task{
	{"parallel/sieve", sieve, 1, 1},
	{"parallel/sum", sumInChunks, 1, 1},
	{"parallel/pairs", pairs, 1, 1000},
	{"parallel/mutex", contended, 1, 1000},
}
