// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// The cases of ../../net.c.
package main

import (
	"io"
	"net"
	"sync"
)

const (
	manyConns  = 64
	wordBytes  = 64
	blockBytes = 64 * 1024
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func listenSomewhere() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	return l
}

func echo(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		_, err = c.Write(buf[:n])
		must(err)
	}
	c.Close()
}

func serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go echo(c)
	}
}

func ask(where string, n int64, wg *sync.WaitGroup) {
	buf := make([]byte, wordBytes)
	c, err := net.Dial("tcp", where)
	must(err)
	for i := int64(0); i < n; i++ {
		_, err = c.Write(buf)
		must(err)
		_, err = io.ReadFull(c, buf)
		must(err)
	}
	c.Close()
	wg.Done()
}

func echoes(n int64, clients int) uint64 {
	var wg sync.WaitGroup
	l := listenSomewhere()
	go serve(l)
	for i := 0; i < clients; i++ {
		wg.Add(1)
		go ask(l.Addr().String(), n, &wg)
	}
	wg.Wait()
	l.Close()
	return uint64(n) * uint64(clients)
}

func echoOne(n int64) uint64 { return echoes(n, 1) }

func echoMany(n int64) uint64 { return echoes(n, manyConns) }

func sendBlocks(where string, n int64) {
	block := make([]byte, blockBytes)
	c, err := net.Dial("tcp", where)
	must(err)
	for i := int64(0); i < n; i++ {
		_, err = c.Write(block)
		must(err)
	}
	c.Close()
}

func stream(n int64) uint64 {
	buf := make([]byte, blockBytes)
	l := listenSomewhere()
	sum := uint64(0)
	go sendBlocks(l.Addr().String(), n)
	c, err := l.Accept()
	must(err)
	for {
		got, err := c.Read(buf)
		if err != nil {
			break
		}
		sum += uint64(got)
	}
	c.Close()
	l.Close()
	return sum
}

func dialOften(where string, n int64) {
	for i := int64(0); i < n; i++ {
		c, err := net.Dial("tcp", where)
		must(err)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func acceptOften(n int64) uint64 {
	l := listenSomewhere()
	got := uint64(0)
	go dialOften(l.Addr().String(), n)
	for ; got < uint64(n); got++ {
		c, err := l.Accept()
		must(err)
		c.Close()
	}
	l.Close()
	return got
}

var netTasks = []task{
	{"net/echo/1", echoOne, 1, 200},
	{"net/echo/64", echoMany, manyConns, 10},
	{"net/stream", stream, 1, 100},
	{"net/accept", acceptOften, 1, 50},
}
