// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

package main

import (
	"context"
	"runtime"
	"sync"
	"time"
)

const (
	wave  = 1000
	batch = 100
)

var joined sync.WaitGroup

// --- goroutines ---------------------------------------------------------------

func yield(n int64) {
	for ; n > 0; n-- {
		runtime.Gosched()
	}
	joined.Done()
}

func switches(n int64) uint64 {
	workers := 2 * runtime.GOMAXPROCS(0)
	joined.Add(workers)
	for i := 0; i < workers; i++ {
		go yield(n / int64(workers))
	}
	joined.Wait()
	return uint64(n)
}

func end() { joined.Done() }

func spawnAndJoin(n int64, atATime int) uint64 {
	for i := int64(0); i < n; i++ {
		joined.Add(atATime)
		for j := 0; j < atATime; j++ {
			go end()
		}
		joined.Wait()
	}
	return uint64(n)
}

func spawnOne(n int64) uint64   { return spawnAndJoin(n, 1) }
func spawnBatch(n int64) uint64 { return spawnAndJoin(n, batch) }

// --- parked, woken, joined ------------------------------------------------------

var ready sync.WaitGroup

func waitForOne(c chan int64) {
	ready.Done()
	<-c
	joined.Done()
}

func expectWave() {
	ready.Add(wave)
	joined.Add(wave)
}

func parkInOne(n int64) uint64 {
	for i := int64(0); i < n; i++ {
		c := make(chan int64)
		expectWave()
		for j := 0; j < wave; j++ {
			go waitForOne(c)
		}
		ready.Wait()
		close(c)
		joined.Wait()
	}
	return uint64(n)
}

var own [wave]chan int64

func parkInOwn(n int64) uint64 {
	for j := 0; j < wave && own[j] == nil; j++ {
		own[j] = make(chan int64)
	}
	for i := int64(0); i < n; i++ {
		expectWave()
		for j := 0; j < wave; j++ {
			go waitForOne(own[j])
		}
		ready.Wait()
		for j := 0; j < wave; j++ {
			own[j] <- int64(j)
		}
		joined.Wait()
	}
	return uint64(n)
}

// --- messages ---------------------------------------------------------------------

func produce(c chan int64, n int64) {
	for i := int64(0); i < n; i++ {
		c <- i
	}
	joined.Done()
}

func consume(c chan int64, n int64, sum *uint64) {
	s := uint64(0)
	for i := int64(0); i < n; i++ {
		s = 31*s + uint64(<-c)
	}
	*sum = s
	joined.Done()
}

func messages(n int64, capacity int) uint64 {
	c := make(chan int64, capacity)
	sum := uint64(0)
	joined.Add(2)
	go consume(c, n, &sum)
	go produce(c, n)
	joined.Wait()
	return sum
}

func unbuffered(n int64) uint64 { return messages(n, 0) }
func buffered(n int64) uint64   { return messages(n, 128) }

// --- select -------------------------------------------------------------------------

func selectReady2(n int64) uint64 {
	a, b := make(chan int64, 1), make(chan int64, 1)
	v, sum := int64(0), uint64(0)
	a <- 1
	b <- 1
	for i := int64(0); i < n; i++ {
		select {
		case v = <-a:
			a <- v
		case v = <-b:
			b <- v
		}
		sum += uint64(v)
	}
	return sum
}

func makeFew(capacity int) (a, b, c, d chan int64) {
	return make(chan int64, capacity), make(chan int64, capacity),
		make(chan int64, capacity), make(chan int64, capacity)
}

func selectReady4(n int64) uint64 {
	a, b, c, d := makeFew(1)
	v, sum := int64(0), uint64(0)
	a <- 1
	b <- 1
	c <- 1
	d <- 1
	for i := int64(0); i < n; i++ {
		select {
		case v = <-a:
			a <- v
		case v = <-b:
			b <- v
		case v = <-c:
			c <- v
		case v = <-d:
			d <- v
		}
		sum += uint64(v)
	}
	return sum
}

func produceByTurns(to []chan int64, n int64) {
	k := int64(len(to))
	for i := int64(0); i < n; i++ {
		to[i%k] <- i
	}
	joined.Done()
}

func selectOf2(a, b chan int64, n int64, sum *uint64) {
	s, v, which := uint64(0), int64(0), int64(0)
	for i := int64(0); i < n; i++ {
		select {
		case v = <-a:
			which = 0
		case v = <-b:
			which = 1
		}
		s = 31*s + uint64(which+v)
	}
	*sum = s
	joined.Done()
}

func selectOf4(a, b, c, d chan int64, n int64, sum *uint64) {
	s, v, which := uint64(0), int64(0), int64(0)
	for i := int64(0); i < n; i++ {
		select {
		case v = <-a:
			which = 0
		case v = <-b:
			which = 1
		case v = <-c:
			which = 2
		case v = <-d:
			which = 3
		}
		s = 31*s + uint64(which+v)
	}
	*sum = s
	joined.Done()
}

func selectWaiting2(n int64) uint64 {
	a, b := make(chan int64), make(chan int64)
	sum := uint64(0)
	joined.Add(2)
	go selectOf2(a, b, n, &sum)
	go produceByTurns([]chan int64{a, b}, n)
	joined.Wait()
	return sum
}

func selectWaiting4(n int64) uint64 {
	a, b, c, d := makeFew(0)
	sum := uint64(0)
	joined.Add(2)
	go selectOf4(a, b, c, d, n, &sum)
	go produceByTurns([]chan int64{a, b, c, d}, n)
	joined.Wait()
	return sum
}

// --- mutex -----------------------------------------------------------------------------

var alone sync.Mutex
var aloneCounter uint64

func lockAndUnlock(n int64) uint64 {
	aloneCounter = 0
	for i := int64(0); i < n; i++ {
		alone.Lock()
		aloneCounter++
		alone.Unlock()
	}
	return aloneCounter
}

// --- pools -----------------------------------------------------------------------------

var item int

func poolItem(n int64) uint64 {
	var pool sync.Pool
	got := uint64(0)
	pool.Put(&item)
	for i := int64(0); i < n; i++ {
		p := pool.Get()
		if p == nil { // collections have emptied it
			p = &item
		}
		if p == &item {
			got++
		}
		pool.Put(p)
	}
	return got
}

// --- timers ----------------------------------------------------------------------------

func fired() { joined.Done() }

func timerStopped(n int64) uint64 {
	stopped := uint64(0)
	for i := int64(0); i < n; i++ {
		if time.AfterFunc(time.Hour, fired).Stop() {
			stopped++
		}
	}
	return stopped
}

func timerFired(n int64) uint64 {
	for i := int64(0); i < n; i++ {
		joined.Add(batch)
		for j := 0; j < batch; j++ {
			time.AfterFunc(1, fired)
		}
		joined.Wait()
	}
	return uint64(n)
}

// --- contexts --------------------------------------------------------------------------

func contexts(parent context.Context, timeout time.Duration, n int64) uint64 {
	ended := uint64(0)
	for i := int64(0); i < n; i++ {
		var ctx context.Context
		var cancel context.CancelFunc
		if timeout != 0 {
			ctx, cancel = context.WithTimeout(parent, timeout)
		} else {
			ctx, cancel = context.WithCancel(parent)
		}
		cancel()
		if i%100 == 0 && ctx.Err() == context.Canceled {
			ended++
		}
	}
	return ended
}

func contextCancelled(n int64) uint64 { return contexts(context.Background(), 0, n) }

func contextOfParent(n int64) uint64 {
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	return contexts(parent, 0, n)
}

func contextTimeout(n int64) uint64 { return contexts(context.Background(), time.Hour, n) }

func contextTree(n int64) uint64 {
	var children [batch]context.Context
	ended := uint64(0)
	for i := int64(0); i < n; i++ {
		parent, cancel := context.WithCancel(context.Background())
		for j := range children {
			children[j], _ = context.WithCancel(parent)
		}
		cancel()
		for _, child := range children {
			if child.Err() == context.Canceled {
				ended++
			}
		}
	}
	return ended
}

type contextKey int

func contextFindValue(n int64) uint64 {
	found := uint64(0)
	ctx := context.WithValue(context.Background(), contextKey(1), &found)
	for i := 1; i < 10; i++ {
		if i == 5 {
			ctx, _ = context.WithCancel(ctx)
		} else {
			ctx = context.WithValue(ctx, contextKey(2), nil)
		}
	}
	for i := int64(0); i < n; i++ {
		if ctx.Value(contextKey(1)) == &found {
			found++
		}
	}
	return found
}

var tasks = []task{
	{"go/switch", switches, 1, 1200},
	{"go/spawn/1", spawnOne, 1, 1000},
	{"go/spawn/100", spawnBatch, batch, 10},
	{"go/pwj/one", parkInOne, wave, 1},
	{"go/pwj/own", parkInOwn, wave, 1},
	{"chan/unbuffered", unbuffered, 1, 1000},
	{"chan/buffered", buffered, 1, 1000},
	{"select/ready/2", selectReady2, 1, 1000},
	{"select/ready/4", selectReady4, 1, 1000},
	{"select/waiting/2", selectWaiting2, 1, 1000},
	{"select/waiting/4", selectWaiting4, 1, 1000},
	{"mutex/alone", lockAndUnlock, 1, 1000},
	{"pool/item", poolItem, 1, 1000},
	{"after/stopped", timerStopped, 1, 1000},
	{"after/fired", timerFired, batch, 10},
	{"context/cancel", contextCancelled, 1, 1000},
	{"context/child", contextOfParent, 1, 1000},
	{"context/timeout", contextTimeout, 1, 1000},
	{"context/tree", contextTree, batch, 10},
	{"context/value", contextFindValue, 1, 1000},
}
