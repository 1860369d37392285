// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// A server of Go's net/http for peers_test.sh: prints where it listens, without and with
// TLS.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func chunks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Sum")
	for i := range 3 {
		fmt.Fprintf(w, "%d ", i)
		w.(http.Flusher).Flush()
	}
	w.Header().Set("X-Sum", "behind")
}

func count(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, r.Method, " ", n, " ", r.ContentLength, " ", r.TransferEncoding, " ", err)
}

// Says at once what it hears.
func back(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).EnableFullDuplex()
	io.Copy(w, r.Body)
}

func refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	http.Error(w, "too much", http.StatusRequestEntityTooLarge)
}

func redirect(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/redirect/"))
	if n == 0 {
		fmt.Fprint(w, "there, from ", r.Referer()[strings.LastIndex(r.Referer(), "/"):])
		return
	}
	http.Redirect(w, r, strconv.Itoa(n-1), http.StatusFound)
}

func hints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Link", "</style.css>")
	w.WriteHeader(http.StatusEarlyHints)
	w.WriteHeader(http.StatusProcessing)
	fmt.Fprint(w, "after hints")
}

func whole(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "3000000")
	w.Write([]byte(strings.Repeat("x", 3000000)))
}

func oldConnection(w http.ResponseWriter, r *http.Request) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\nup to the end")
	conn.Close()
}

// What the connection is; the same for all requests on it.
func who(w http.ResponseWriter, r *http.Request) {
	proto := "none"
	if r.TLS != nil {
		proto = fmt.Sprint(tls.VersionName(r.TLS.Version), " ", r.TLS.NegotiatedProtocol, " ",
			r.TLS.ServerName)
	}
	fmt.Fprint(w, proto, " ", r.Host[:strings.Index(r.Host, ":")], " ", r.UserAgent())
}

func auth(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	fmt.Fprint(w, user, " ", password, " ", ok)
}

func main() {
	http.HandleFunc("/chunks", chunks)
	http.HandleFunc("/count", count)
	http.HandleFunc("/back", back)
	http.HandleFunc("/refuse", refuse)
	http.HandleFunc("/redirect/", redirect)
	http.HandleFunc("/hints", hints)
	http.HandleFunc("/whole", whole)
	http.HandleFunc("/old", oldConnection)
	http.HandleFunc("/who", who)
	http.HandleFunc("/auth", auth)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	secret, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(plain.Addr(), secret.Addr())
	go http.Serve(plain, nil)
	panic(http.ServeTLS(secret, nil, os.Args[1], os.Args[2]))
}
