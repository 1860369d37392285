// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// Builds the trees of contexts that contexts.py has written on standard input, ends
// them, and says what can be seen of them, as ../contexts_tree.c does; each tree in a
// bubble, whose clock begins at 0.  A line makes the next context, numbered from 0, of
// which -1 is the background and -2 the TODO:
//
//	tree N                        forget everything
//	cancel P                      WithCancel
//	deadline P MS C               WithDeadlineCause, at that time; C is a cause, -1 none
//	timeout P MS C                WithTimeoutCause
//	value P KEY VALUE             WithValue; VALUE -1 is nil
//	without P                     WithoutCancel
//
// and these do something:
//
//	end N, endc N C               cancel, with a cause
//	sleep MS                      and wait until all is quiet
//	after N                       AfterFunc, numbered from 0; says so when it has run
//	stop I                        stops it
//	wait N                        a goroutine that waits for Done
//	nap N MS                      one that sleeps, but not behind N's end
//	recv N MS, send N MS          one that waits for a channel, which is ready after MS
//	drop N                        nobody will ask for N again (C: releases it)
//	look N                        Err, Cause, Deadline, Done, values, text
//
// What goroutines say is sorted, and printed by the next sleep.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type key int

func (k key) String() string { return fmt.Sprintf("k%d", int(k)) }

const keys = 4

var causes = []error{errors.New("c0"), errors.New("c1"), errors.New("c2")}

type node struct {
	ctx    context.Context
	cancel func(error)
}

type tree struct {
	began time.Time
	nodes []node
	stops []func() bool
	said  []string
	mutex sync.Mutex
}

var out = bufio.NewWriterSize(os.Stdout, 1<<16)

func (t *tree) ms(at time.Time) int64 { return at.Sub(t.began).Milliseconds() }

func (t *tree) say(format string, args ...any) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.said = append(t.said, fmt.Sprintf(format, args...)+fmt.Sprintf("@%d", t.ms(time.Now())))
}

func (t *tree) context(i int) context.Context {
	switch i {
	case -1:
		return context.Background()
	case -2:
		return context.TODO()
	}
	return t.nodes[i].ctx
}

func cause(i int) error {
	if i < 0 {
		return nil
	}
	return causes[i]
}

func name(err error) string {
	switch err {
	case nil:
		return "nil"
	case context.Canceled:
		return "canceled"
	case context.DeadlineExceeded:
		return "deadline"
	}
	return err.Error()
}

// --- making --------------------------------------------------------------------------

func plain(ctx context.Context, cancel context.CancelFunc) node {
	return node{ctx, func(error) { cancel() }}
}

func (t *tree) make(what string, a []int) bool {
	var n node
	switch what {
	case "cancel":
		ctx, cancel := context.WithCancelCause(t.context(a[0]))
		n = node{ctx, cancel}
	case "deadline":
		at := t.began.Add(time.Duration(a[1]) * time.Millisecond)
		n = plain(context.WithDeadlineCause(t.context(a[0]), at, cause(a[2])))
	case "timeout":
		n = plain(context.WithTimeoutCause(t.context(a[0]),
			time.Duration(a[1])*time.Millisecond, cause(a[2])))
	case "value":
		var value any
		if a[2] >= 0 {
			value = fmt.Sprintf("v%d", a[2])
		}
		n.ctx = context.WithValue(t.context(a[0]), key(a[1]), value)
	case "without":
		n.ctx = context.WithoutCancel(t.context(a[0]))
	default:
		return false
	}
	t.nodes = append(t.nodes, n)
	return true
}

// --- looking -------------------------------------------------------------------------

var (
	deadline = regexp.MustCompile(`WithDeadline\([^)]*\)`)
	value    = regexp.MustCompile(`, [^)]*\)`)
)

func text(ctx context.Context) string {
	s := deadline.ReplaceAllString(fmt.Sprint(ctx), "WithDeadline")
	return value.ReplaceAllString(s, ")")
}

func (t *tree) look(i int) {
	ctx := t.context(i)
	fmt.Fprintf(out, "%d: %s %s", i, name(ctx.Err()), name(context.Cause(ctx)))
	if at, ok := ctx.Deadline(); ok {
		fmt.Fprintf(out, " %d", t.ms(at))
	}
	if ctx.Done() != nil {
		select {
		case <-ctx.Done():
			fmt.Fprint(out, " done")
		default:
			fmt.Fprint(out, " open")
		}
	}
	for k := range keys {
		if v := ctx.Value(key(k)); v != nil {
			fmt.Fprintf(out, " k%d=%s", k, v)
		}
	}
	fmt.Fprintf(out, " %s\n", text(ctx))
}

// --- doing ---------------------------------------------------------------------------

func (t *tree) nap(id int, ctx context.Context, ms int) {
	select {
	case <-ctx.Done():
		t.say("nap%d:%s", id, name(ctx.Err()))
	case <-time.After(time.Duration(ms) * time.Millisecond):
		t.say("nap%d:nil", id)
	}
}

func (t *tree) message(id int, ctx context.Context, ms int, sends bool) {
	c := make(chan int)
	go func() {
		time.Sleep(time.Duration(ms) * time.Millisecond)
		if sends {
			select {
			case <-c:
			default:
			}
		} else {
			select {
			case c <- 7:
			default:
			}
		}
	}()
	if ctx.Err() != nil {
		t.say("msg%d:%s", id, name(ctx.Err()))
		return
	}
	in, back := c, c
	if sends {
		in = nil
	} else {
		back = nil
	}
	select {
	case <-ctx.Done():
		t.say("msg%d:%s", id, name(ctx.Err()))
	case v := <-in:
		t.say("msg%d:%d", id, v)
	case back <- 7:
		t.say("msg%d:sent", id)
	}
}

func (t *tree) do(id int, what string, a []int) {
	switch what {
	case "end":
		t.nodes[a[0]].cancel(nil)
	case "endc":
		t.nodes[a[0]].cancel(cause(a[1]))
	case "sleep":
		time.Sleep(time.Duration(a[0]) * time.Millisecond)
		synctest.Wait()
		slices.Sort(t.said)
		fmt.Fprintf(out, "%d: %s\n", t.ms(time.Now()), strings.Join(t.said, " "))
		t.said = nil
	case "after":
		t.stops = append(t.stops, context.AfterFunc(t.context(a[0]), func() {
			t.say("after%d", id)
		}))
	case "stop":
		fmt.Fprintf(out, "stop%d: %v\n", a[0], t.stops[a[0]]())
	case "wait":
		ctx := t.context(a[0])
		go func() {
			<-ctx.Done()
			t.say("wait%d:%s", id, name(ctx.Err()))
		}()
	case "nap":
		go t.nap(id, t.context(a[0]), a[1])
	case "recv", "send":
		go t.message(id, t.context(a[0]), a[1], what == "send")
	case "look":
		t.look(a[0])
	case "drop":
	default:
		panic("what is " + what)
	}
}

func (t *tree) run(lines []string) {
	t.began = time.Now()
	for id, line := range lines {
		words := strings.Fields(line)
		var args []int
		for _, word := range words[1:] {
			n, err := strconv.Atoi(word)
			if err != nil {
				panic(err)
			}
			args = append(args, n)
		}
		if !t.make(words[0], args) {
			t.do(id, words[0], args)
		}
	}
	for _, n := range t.nodes {
		if n.cancel != nil {
			n.cancel(nil)
		}
	}
}

func runAll(test *testing.T) {
	var lines []string
	var head string
	flush := func() {
		if head == "" {
			return
		}
		fmt.Fprintln(out, head)
		synctest.Test(test, func(*testing.T) { new(tree).run(lines) })
		lines = nil
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "tree ") {
			flush()
			head = in.Text()
		} else {
			lines = append(lines, in.Text())
		}
	}
	flush()
	out.Flush()
	os.Exit(0) // without the words of a test
}

func main() {
	testing.Main(func(_, _ string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "trees", F: runAll}}, nil, nil)
}
