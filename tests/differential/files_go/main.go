// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// Builds the folders that files.py has written on standard input, and answers its requests
// with what is in them, as ../files_tree.c does:
//
//	tree N                            an empty folder
//	f SIZE KIND SECONDS NANOS PATH    a file, of that size and time
//	t SECONDS                         all folders have that time
//	r METHOD TARGET^AHEADER^AHEADER   ask a file server
//	s PATH^AMETHOD TARGET^AHEADER...  the same, but it is that file that is served
//
// An answer is the status, and headers about the content: boundaries, which are random,
// are written as B.  Of the body there is a hash.  Belay sends an ETag, so we set the same.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/fnv"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

var (
	root string
	out  = bufio.NewWriterSize(os.Stdout, 1<<16)
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func content(size, kind int) []byte {
	starts := []string{"", "<!DOCTYPE html>", "\x89PNG\r\n\x1a\n", "  <p>", "%PDF-", "\x00\x01",
		"plain text\n", "<?xml"}
	data := []byte(starts[kind])
	state := uint32(size + kind)
	for len(data) < size {
		state = state*1664525 + 1013904223
		data = append(data, byte(32+(state>>24)%95))
	}
	return data[:size]
}

func makeFile(line string) {
	var size, kind int
	var seconds, nanos int64
	fmt.Sscanf(line, "f %d %d %d %d", &size, &kind, &seconds, &nanos)
	name := filepath.Join(root, strings.SplitN(line, " ", 6)[5])
	must(os.MkdirAll(filepath.Dir(name), 0o755))
	must(os.WriteFile(name, content(size, kind), 0o644))
	t := time.Unix(seconds, nanos)
	must(os.Chtimes(name, t, t))
}

func touchFolders(line string) {
	var seconds int64
	fmt.Sscanf(line, "t %d", &seconds)
	must(filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chtimes(name, time.Unix(seconds, 0), time.Unix(seconds, 0))
		}
		return err
	}))
}

func setTag(w http.ResponseWriter, name string) {
	st, err := os.Stat(name)
	if err == nil && st.IsDir() {
		st, err = os.Stat(filepath.Join(name, "index.html"))
	}
	if err == nil && !st.IsDir() {
		t := st.ModTime()
		w.Header().Set("ETag", fmt.Sprintf("\"%x.%x-%x\"", t.Unix(), t.Nanosecond(), st.Size()))
	}
}

func answer(line string) *httptest.ResponseRecorder {
	file := ""
	if line[0] == 's' {
		file, line, _ = strings.Cut(line[2:], "\x01")
	} else {
		line = line[2:]
	}
	parts := strings.Split(line, "\x01")
	text := parts[0] + " HTTP/1.1\r\nHost: h\r\n"
	for _, h := range parts[1:] {
		if h != "" {
			text += h + "\r\n"
		}
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n")))
	must(err)
	w := httptest.NewRecorder()
	if file != "" {
		setTag(w, filepath.Join(root, file))
		http.ServeFile(w, r, filepath.Join(root, file))
	} else {
		setTag(w, filepath.Join(root, path.Clean("/"+r.URL.Path)))
		http.FileServer(http.Dir(root)).ServeHTTP(w, r)
	}
	if r.Method == "HEAD" || w.Code == 304 {
		w.Body.Reset()
	}
	return w
}

func print(w *httptest.ResponseRecorder) {
	h := w.Header()
	body, kind := w.Body.Bytes(), h.Get("Content-Type")
	if start, boundary, found := strings.Cut(kind, "boundary="); found {
		body = bytes.ReplaceAll(body, []byte(boundary), []byte("B"))
		kind = start + "boundary=B"
	}
	hash := fnv.New64a()
	hash.Write(body)
	fmt.Fprintf(out, "%d %s|%s|%s|%d %x", w.Code, kind, h.Get("Content-Range"),
		h.Get("Accept-Ranges"), len(body), hash.Sum64())
	if h.Get("Accept-Ranges") != "" && !strings.HasPrefix(kind, "multipart") {
		fmt.Fprintf(out, "|%s", h.Get("Content-Length"))
	}
	if w.Code < 300 || w.Code == 304 {
		fmt.Fprintf(out, "|%s|%s", h.Get("Last-Modified"), h.Get("ETag"))
	}
	fmt.Fprintf(out, "|%s\n", h.Get("Location"))
}

func main() {
	// what the system's table says is another matter
	for ext, kind := range map[string]string{".html": "text/html; charset=utf-8",
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".png": "image/png", ".txt": "text/plain; charset=utf-8", ".pdf": "application/pdf",
		".svg": "image/svg+xml", ".json": "application/json", ".zip": "application/zip"} {
		must(mime.AddExtensionType(ext, kind))
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line := in.Text()
		switch line[0] {
		case 't':
			if strings.HasPrefix(line, "tree") {
				fmt.Fprintln(out, line)
				os.RemoveAll(root)
				var err error
				root, err = os.MkdirTemp("", "files")
				must(err)
			} else {
				touchFolders(line)
			}
		case 'f':
			makeFile(line)
		default:
			print(answer(line))
		}
	}
	os.RemoveAll(root)
	out.Flush()
}
