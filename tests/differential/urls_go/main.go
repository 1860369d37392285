// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

// Reads URLs that urls.py has written, one a line in hexadecimal digits, and says what
// net/url makes of each by itself, and of each but the first relative to the first.
// ../urls_tree.c says what Belay makes of them.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
)

var out = bufio.NewWriterSize(os.Stdout, 1<<16)

func show(u *url.URL) {
	password, has := u.User.Password()
	fmt.Fprintf(out, "%s|%x|%t %x|%t %x|%x|%x|%x|%x|%x|%x|%t %t\n", u.Scheme, u.Opaque,
		u.User != nil, u.User.Username(), has, password, u.Host, u.Path, u.RawPath,
		u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery, u.OmitHost)
	fmt.Fprintf(out, "= %x\n> %x\n: %x %x\n", u.String(), u.RequestURI(), u.Hostname(),
		u.Port())
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	var base *url.URL
	first := true
	for in.Scan() {
		line := in.Text()
		if strings.HasPrefix(line, "tree ") {
			fmt.Fprintln(out, line)
			base, first = nil, true
			continue
		}
		text, _ := hex.DecodeString(line)
		u, err := url.Parse(string(text))
		if err != nil {
			fmt.Fprintln(out, err)
		} else {
			show(u)
			if first {
				base = u
			} else if base != nil {
				show(base.ResolveReference(u))
			}
		}
		first = false
	}
	out.Flush()
}
