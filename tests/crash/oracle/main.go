// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// main.go - the cases of ../chains.c and ../values.c, written in Go: what Go
// prints for them is what ours have to print.  oracle_test.sh compares.
package main

import (
	"errors"
	"os"
	"runtime"
	"sync"
)

type celsius float64
type flag bool
type count int
type size uint
type phase complex128
type name string
type point struct{ x, y int }

type textPanics struct{ with any }

func (e textPanics) Error() string { panic(e.with) }

type textFaults struct{ p *string }

func (e textFaults) Error() string { return *e.p }

func raise(v any)        { panic(v) }
func recoverRaise(v any) { recover(); panic(v) }
func recoverOnly()       { recover() }
func recoverAgain()      { p := recover(); panic(p) }
func recoverUnlock()     { recover(); unlock() }
func unlock()            { var m sync.Mutex; m.Unlock() }
func fault()             { var p *int; *p = 1 }
func goexit()            { runtime.Goexit() }
func exit()              { os.Exit(7) }
func protected(f func()) { defer recoverOnly(); f() }
func inThread(f func())  { go f(); select {} }
func again(v any, deep int) {
	defer recoverAgain()
	if deep > 1 {
		again(v, deep-1)
	}
	panic(v)
}

func nested() {
	defer raise("B")
	panic("A")
}

// The panic that `inner` ends with meets a deferred call that raises v.
func then(v any, inner func()) {
	defer raise(v)
	inner()
}

var cases = map[string]func(){
	"text":   func() { panic("A") },
	"nested": nested,
	"nested3": func() {
		defer raise("C")
		nested()
	},
	"recovered": func() {
		defer recoverRaise("B")
		panic("A")
	},
	"recovered-twice": func() {
		defer recoverRaise("C")
		defer recoverRaise("B")
		panic("A")
	},
	"recovered-older": func() {
		defer recoverRaise("C")
		nested()
	},
	"recovered-then-nested": func() {
		defer raise("C")
		defer recoverRaise("B")
		panic("A")
	},
	"repanicked":       func() { again("A", 1) },
	"repanicked-twice": func() { defer recoverAgain(); again("A", 1) },
	"repanicked-inner": func() {
		defer recoverRaise("B")
		again("A", 1)
	},
	"repanicked-outer": func() {
		defer recoverAgain()
		defer recoverRaise("B")
		panic("A")
	},
	"repanicked-unrecovered-older": func() {
		defer recoverAgain()
		nested()
	},
	"repanicked-error": func() {
		err := errors.New("bad sector")
		defer func() { panic(recover()) }()
		panic(err)
	},
	"same-error-unrecovered": func() {
		err := errors.New("bad sector")
		defer raise(err)
		panic(err)
	},
	"same-error-elsewhere": func() {
		err := errors.New("bad sector")
		defer recoverRaise(err)
		panic(err)
	},
	"repanicked-then-nested": func() {
		defer raise("B")
		again("A", 1)
	},
	"finished": func() {
		protected(func() { panic("A") })
		panic("B")
	},
	"finished-aborted": func() {
		protected(nested)
		panic("C")
	},
	"finished-inside": func() {
		defer raise("C")
		defer protected(func() { panic("B") })
		panic("A")
	},
	"while-returning": func() {
		defer raise("B")
		defer recoverOnly()
		panic("A")
	},
	"while-returning-nested": func() {
		defer raise("C")
		defer raise("B")
		defer recoverOnly()
		panic("A")
	},
	"while-returning-inside": func() {
		defer func() {
			defer raise("C")
			defer recoverOnly()
			panic("B")
		}()
		panic("A")
	},
	"while-returning-same": func() {
		err := errors.New("bad sector")
		defer func() {
			defer raise(err)
			defer recoverOnly()
			panic("B")
		}()
		panic(err)
	},
	"nil":        func() { panic(nil) },
	"fault":      fault,
	"fault-last": func() { defer fault(); panic("A") },
	"fault-first": func() {
		defer raise("B")
		fault()
	},
	"fault-recovered": func() {
		protected(fault)
		panic("A")
	},
	"fault-recovered-raise": func() {
		defer recoverRaise("B")
		fault()
	},
	"fault-recovered-inside": func() {
		defer protected(fault)
		panic("A")
	},
	"fault-repanicked": func() {
		defer recoverAgain()
		fault()
	},
	"goexit-panic": func() {
		inThread(func() {
			defer raise("A")
			runtime.Goexit()
		})
	},
	"goexit-panic-panic": func() {
		inThread(func() {
			defer raise("B")
			defer raise("A")
			runtime.Goexit()
		})
	},
	"panic-goexit-panic": func() {
		inThread(func() {
			defer raise("B")
			defer goexit()
			panic("A")
		})
	},
	"panic-goexit": func() {
		inThread(func() {
			defer exit()
			defer goexit()
			panic("A")
		})
	},
	"goexit-alone": func() { runtime.Goexit() },
	"exit-in-defer": func() {
		defer exit()
		panic("A")
	},
	"fatal": func() {
		defer recoverOnly()
		defer exit()
		unlock()
	},
	"fatal-in-panic": func() {
		defer unlock()
		panic("A")
	},
	"fatal-in-nested": func() {
		defer unlock()
		nested()
	},
	"fatal-recovered": func() {
		defer recoverUnlock()
		panic("A")
	},
	"fatal-finished": func() {
		protected(func() { panic("A") })
		unlock()
	},
	"text-panics":       func() { panic(textPanics{"cannot say"}) },
	"text-panics-error": func() { panic(textPanics{errors.New("cannot say")}) },
	"text-panics-named": func() { panic(textPanics{celsius(1)}) },
	"text-panics-nested": func() {
		defer raise(textPanics{"cannot say"})
		panic("A")
	},
	"text-panics-older": func() {
		defer raise("B")
		panic(textPanics{"cannot say"})
	},
	"text-faults": func() { panic(textFaults{nil}) },

	"error":              func() { panic(errors.New("bad sector")) },
	"error-lines":        func() { panic(errors.New("one\ntwo\n\ngoroutine 1 [running]:")) },
	"error-empty":        func() { panic(errors.New("")) },
	"lines":              func() { panic("one\ntwo\n") },
	"empty":              func() { panic("") },
	"bool":               func() { panic(true) },
	"bool-false":         func() { panic(false) },
	"int":                func() { panic(-42) },
	"int-least":          func() { panic(-1 << 63) },
	"uint":               func() { panic(^uint(0)) },
	"float":              func() { panic(1.5) },
	"float-small":        func() { panic(-2.5e-7) },
	"float-zero":         func() { var z float64; panic(z) },
	"float-minus-zero":   func() { var z float64; panic(-1 / (1 / z) * 0) },
	"float-nan":          func() { var z float64; panic(z / z) },
	"float-inf":          func() { var z float64; panic(-1 / z) },
	"float-greatest":     func() { panic(1.7976931348623157e308) },
	"float-least":        func() { panic(5e-324) },
	"float-digits":       func() { panic(9.9999999) },
	"float-third":        func() { panic(1.0 / 3) },
	"float-whole":        func() { panic(999999.0) },
	"float-million":      func() { panic(1e6) },
	"float-cents":        func() { panic(0.0001) },
	"float-tiny":         func() { panic(0.00001) },
	"complex":            func() { panic(complex(1.5, -2)) },
	"string":             func() { panic("plain") },
	"string-lines":       func() { panic("one\ntwo") },
	"named-float":        func() { panic(celsius(36.5)) },
	"named-bool":         func() { panic(flag(true)) },
	"named-int":          func() { panic(count(-3)) },
	"named-uint":         func() { panic(size(3)) },
	"named-complex":      func() { panic(phase(complex(0, 1))) },
	"named-string":       func() { panic(name("ada")) },
	"named-string-lines": func() { panic(name("one\ntwo")) },
	"pointer":            func() { panic(&point{1, 2}) },
	"pointer-nil":        func() { var p *point; panic(p) },
}

func main() { cases[os.Args[1]]() }
