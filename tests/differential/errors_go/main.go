// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// Builds the trees of errors that errors.py has written on standard input, and answers
// its questions, as ../errors_tree.c does.  A line makes the next node, numbered from 0;
// -1 is nil:
//
//	tree N                   forget everything
//	new TEXT, errno N, sent N
//	wrap NODE TEXT           "TEXT: %w"
//	fmt w v w|NODES          a format with verbs for the next arguments
//	fmt w2 v1 w2|NODES       or for numbered ones
//	join NODES
//	own KIND IS AS NODES     an error of ours that counts as IS, can be seen as AS,
//	                         and wraps the nodes
//
// and these ask for the text, Unwrap, what a node wraps, Is, As with a kind, and As
// with an interface:
//
//	t NODE, u NODE, c NODE, i NODE NODE, a NODE KIND, f NODE
//
// Errors of ours say when their Is (?) or As (!) is called.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

var (
	nodes []error
	quiet bool
	out   = bufio.NewWriterSize(os.Stdout, 1<<16)
)

// --- types of our own ----------------------------------------------------------------

type own struct {
	id     int
	target error
	seen   *leafB
	list   []error
}

func (o *own) Error() string { return fmt.Sprintf("own%d", o.id) }

func (o *own) Is(target error) bool {
	fmt.Fprintf(out, " ?%d", o.id)
	return o.target == target
}

func (o *own) As(target any) bool {
	if !quiet {
		fmt.Fprintf(out, " !%d", o.id)
	}
	if b, ok := target.(**leafB); ok && o.seen != nil {
		*b = o.seen
		return true
	}
	return false
}

type leafA struct{ own }
type leafB struct{ own }
type leafC struct{ own }
type chain struct{ own }
type multi struct{ own }

func (c *leafC) Marked()         {}
func (c *chain) Marked()         {}
func (m *multi) Unwrap() []error { return m.list }
func (c *chain) Unwrap() error {
	if len(c.list) == 0 {
		return nil
	}
	return c.list[0]
}

// --- building ------------------------------------------------------------------------

var sentinels = []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
	errors.ErrUnsupported, errors.New("one"), errors.New("two")}

func node(i int) error {
	if i < 0 {
		return nil
	}
	return nodes[i]
}

func numbers(text string) (list []int) {
	for _, word := range strings.Fields(text) {
		n, err := strconv.Atoi(word)
		if err != nil {
			panic(err)
		}
		list = append(list, n)
	}
	return
}

func formatted(line string) error {
	items, rest, _ := strings.Cut(line, "|")
	var format []string
	var args []any
	for _, item := range strings.Fields(items) {
		if len(item) > 1 {
			format = append(format, "%["+item[1:]+"]"+item[:1])
		} else {
			format = append(format, "%"+item)
		}
	}
	for _, i := range numbers(rest) {
		args = append(args, node(i))
	}
	return fmt.Errorf(strings.Join(format, ", "), args...)
}

func join(list []int) error {
	var errs []error
	for _, i := range list {
		errs = append(errs, node(i))
	}
	return errors.Join(errs...)
}

func makeOwn(list []int) error {
	o := own{id: len(nodes), target: node(list[1])}
	if list[2] >= 0 {
		o.seen = nodes[list[2]].(*leafB)
	}
	for _, i := range list[3:] {
		o.list = append(o.list, node(i))
	}
	switch list[0] {
	case 0:
		return &leafA{o}
	case 1:
		return &leafB{o}
	case 2:
		return &leafC{o}
	case 3:
		return &chain{o}
	}
	return &multi{o}
}

func build(what, rest string) error {
	switch what {
	case "new":
		return errors.New(rest)
	case "fmt":
		return formatted(rest)
	case "join":
		return join(numbers(rest))
	case "own":
		return makeOwn(numbers(rest))
	case "wrap":
		of, text, _ := strings.Cut(rest, " ")
		return fmt.Errorf("%s: %w", text, node(numbers(of)[0]))
	case "errno":
		return syscall.Errno(numbers(rest)[0])
	case "sent":
		return sentinels[numbers(rest)[0]]
	}
	panic("what is " + what)
}

// --- questions -----------------------------------------------------------------------

func printNode(err error) {
	if err == nil {
		fmt.Fprint(out, " nil")
		return
	}
	for i, n := range nodes {
		if n == err {
			fmt.Fprintf(out, " #%d", i)
			return
		}
	}
	fmt.Fprint(out, " another")
}

func printCauses(err error) {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			printNode(cause)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			printNode(cause)
		}
	}
}

func as[T error](err error) {
	var found T
	if errors.As(err, &found) {
		printNode(found)
	} else {
		printNode(nil)
	}
}

func printAs(err error, kind int) {
	switch kind {
	case 0:
		as[*leafA](err)
	case 1:
		as[*leafB](err)
	case 2:
		as[*leafC](err)
	case 3:
		as[*chain](err)
	case 4:
		as[*multi](err)
	}
}

func printMarked(err error) {
	var found interface{ Marked() }
	quiet = true
	if errors.As(err, &found) {
		printNode(found.(error))
	} else {
		printNode(nil)
	}
	quiet = false
}

func answer(what, rest string) {
	list := numbers(rest)
	err := node(list[0])
	fmt.Fprintf(out, "%s:", what)
	switch what {
	case "t":
		text := "<nil>"
		if err != nil {
			text = err.Error()
		}
		fmt.Fprint(out, strings.ReplaceAll(text, "\n", "\\n"))
	case "u":
		printNode(errors.Unwrap(err))
	case "c":
		printCauses(err)
	case "i":
		fmt.Fprintf(out, " %v", errors.Is(err, node(list[1])))
	case "a":
		printAs(err, list[1])
	case "f":
		printMarked(err)
	}
	fmt.Fprintln(out)
}

func main() {
	defer out.Flush()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case what == "tree":
			nodes = nodes[:0]
			fmt.Fprintln(out, "tree", rest)
		case len(what) == 1:
			answer(what, rest)
		default:
			nodes = append(nodes, build(what, rest))
		}
	}
}
