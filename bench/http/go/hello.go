// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// hello.c's twin: net/http.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Hello, world!\n"))
	})
	http.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(os.Args[2]))))
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
