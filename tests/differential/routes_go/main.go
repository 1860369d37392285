// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// Builds the routers that routes.py has written on standard input, and answers its
// requests, as ../routes_tree.c does:
//
//	tree N                   a new router
//	p PATTERN                add a pattern: says ok, or why not
//	r METHOD TARGET HOST     ask: says the status, the pattern, its values, and the
//	                         headers Location and Allow
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
)

var (
	names = []string{"x", "y", "z", "_1", "été", "r"}
	place = regexp.MustCompile(`\(registered at [^)]*\)`)
	out   = bufio.NewWriterSize(os.Stdout, 1<<16)
)

type router struct {
	mux     *http.ServeMux
	added   []string
	pattern string
	values  []string
}

func (ro *router) answer(w http.ResponseWriter, r *http.Request) {
	for _, name := range names {
		if v := r.PathValue(name); v != "" {
			ro.values = append(ro.values, fmt.Sprintf("%s=%q", name, v))
		}
	}
}

func try(mux *http.ServeMux, pattern string, f http.HandlerFunc) (text string) {
	defer func() {
		if err, ok := recover().(error); ok {
			text = place.ReplaceAllString(err.Error(), "(registered at X)")
		}
	}()
	mux.HandleFunc(pattern, f)
	return "ok"
}

func path(pattern string) string {
	return pattern[strings.Index(pattern, "/"):]
}

func isMulti(pattern string) bool {
	last := pattern[strings.LastIndex(pattern, "/")+1:]
	return last == "" || last[0] == '{' && strings.HasSuffix(last, "...}")
}

// Whether all of it is wild: then Go compares it with all patterns in the order of a map.
func isWild(pattern string) bool {
	for _, s := range strings.Split(path(pattern)[1:], "/") {
		if s != "" && (s[0] != '{' || s == "{$}") {
			return false
		}
	}
	return true
}

// The first that pattern conflicts with, in the order in which they came, those that take
// all below before the others.
func (ro *router) firstConflict(pattern string) string {
	for _, multi := range []bool{true, false} {
		for _, other := range ro.added {
			mux := http.NewServeMux()
			if isMulti(other) != multi {
				continue
			}
			try(mux, other, ro.answer)
			if text := try(mux, pattern, ro.answer); text != "ok" {
				return text
			}
		}
	}
	return "no conflict"
}

func (ro *router) add(pattern string) {
	text := try(ro.mux, pattern, ro.answer)
	if text == "ok" {
		ro.added = append(ro.added, pattern)
	} else if strings.Contains(text, " conflicts with ") && isWild(pattern) {
		text = ro.firstConflict(pattern)
	}
	fmt.Fprintf(out, "%s\n", text)
}

func (ro *router) ask(line string) {
	w := strings.Split(line, " ")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
		w[0] + " " + w[1] + " HTTP/1.1\r\nHost: " + w[2] + "\r\n\r\n")))
	if err != nil {
		fmt.Fprintf(out, "refused: %v\n", err)
		return
	}
	ro.values = nil
	rec := httptest.NewRecorder()
	ro.mux.ServeHTTP(rec, r)
	fmt.Fprintf(out, "%d %q %s loc=%s allow=%s\n", rec.Code, r.Pattern,
		strings.Join(ro.values, ","), rec.Header().Get("Location"),
		rec.Header().Get("Allow"))
}

func main() {
	var ro *router
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line := in.Text()
		switch {
		case strings.HasPrefix(line, "tree "):
			fmt.Fprintln(out, line)
			ro = &router{mux: http.NewServeMux()}
		case strings.HasPrefix(line, "p "):
			ro.add(line[2:])
		default:
			ro.ask(line[2:])
		}
	}
	out.Flush()
}
