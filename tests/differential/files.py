#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Random folders, served in C and in Go: each request must get the same status, the same
headers about the content and the same bytes.

    files.py                       400 folders, 24,000 requests, some seconds
    files.py --count 4000 --seed 7
    files.py --record              keep hashes of Go's answers in files.recorded ...
    files.py --recorded            ... and compare with those: for machines without Go

files_tree.c and files_go/main.go read them, which are lines of text: what they mean is
described in the latter.  trees.py does the rest.
"""

import sys
import time

import trees

NAMES = ("a.html", "b.css", "c.js", "d.png", "e.txt", "f.qqq", "noext", "g h.txt", "%41.pdf",
         "i&<j>.svg", "k.JSON", ".hidden", "z\"q'.txt", "été.html", "index.html", "l;m,n.zip")
FOLDERS = ("", "", "", "d", "d/e", "p q", "index.html.d")
SIZES = (0, 1, 2, 10, 100, 511, 512, 513, 2048, 2049, 4096, 5000, 16384, 70000)
KINDS = 8
METHODS = ("GET", "GET", "GET", "GET", "HEAD", "POST")
YEAR_2020 = 1577836800


def date(seconds, form):
    forms = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
             "%a %b %e %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S +0000", "%d %b %Y")
    return time.strftime(forms[form], time.gmtime(seconds))


class Folder:
    """What is in it, and requests for that."""

    def __init__(self, chance):
        self.chance, self.lines, self.files = chance, [], {}

    def fill(self):
        c = self.chance
        for i in range(3 + c.below(6)):
            folder, name = c.one_of(FOLDERS), c.one_of(NAMES)
            path = f"{folder}/{name}" if folder else name
            seconds = YEAR_2020 + c.below(10**8) if c.below(12) else 0
            nanos = c.one_of((0, 0, 1, 500000000, 999999999)) if seconds else 0
            size = c.one_of(SIZES)
            if path in self.files:
                continue
            self.files[path] = (size, seconds, nanos)
            self.lines.append(f"f {size} {c.below(KINDS)} {seconds} {nanos} {path}")
        self.lines.append(f"t {YEAR_2020 + c.below(1000)}")

    # --- headers ------------------------------------------------------------------------

    def number(self, size):
        c = self.chance
        return c.one_of((0, 0, 1, 2, size // 2, size - 1, size, size + 1, 10**9,
                         c.below(size + 2), c.below(size + 2)))

    def one_range(self, size):
        c = self.chance
        kind = c.below(12)
        first, last = self.number(size), self.number(size)
        if kind < 6:
            first, last = min(first, last), max(first, last)
            return f"{first}-{last}"
        if kind < 8:
            return f"{first}-"
        if kind < 10:
            return f"-{last}"
        return c.one_of((f" {first} - {last} ", f"{last}-{first}", "-", "x-1", "1-x", "", "5",
                         "--3", "+1-+5", "-+4", "1--1", "9223372036854775807-",
                         "9223372036854775808-", "0-99999999999999999999", "\t0-1", "1 2-3"))

    def ranges(self, size):
        c = self.chance
        many = c.one_of((1, 1, 1, 2, 2, 3, 5))
        unit = "bytes=" if c.below(25) else c.one_of(("bytes", "Bytes=", "", "items=", "bytes =",
                                                     " bytes="))
        return unit + c.one_of((",", ", ")).join(self.one_range(size) for _ in range(many))

    def tag(self, file):
        size, seconds, nanos = file
        tag = f'"{seconds:x}.{nanos:x}-{size:x}"'
        return self.chance.one_of((tag, tag, tag, "W/" + tag, '"other"', 'W/"x"', "*", "bad",
                                   '"', '""', 'w/"x"'))

    def tags(self, file):
        c = self.chance
        return c.one_of((",", ", ", " , ,")).join(self.tag(file)
                                                  for _ in range(c.one_of((1, 1, 2, 3))))

    def time(self, file):
        c = self.chance
        return date(file[1] + c.one_of((0, 0, 0, 1, -1, 10**6, -10**6)),
                    c.one_of((0, 0, 0, 1, 2, 3, 4)))

    def headers(self, file):
        c = self.chance
        list_ = []
        if c.below(3):
            list_.append(("Range", self.ranges(file[0])))
        if c.below(4) == 0:
            list_.append(("If-Range", c.one_of((self.tag(file), self.time(file)))))
        for name in ("If-Match", "If-None-Match"):
            if c.below(6) == 0:
                list_.append((name, self.tags(file)))
        for name in ("If-Modified-Since", "If-Unmodified-Since"):
            if c.below(6) == 0:
                list_.append((name, self.time(file)))
        return list_

    # --- targets --------------------------------------------------------------------------

    def target(self, path):
        c = self.chance
        text = "".join(ch if ch.isascii() and (ch.isalnum() or ch in "/._-") else
                       "".join(f"%{b:02X}" for b in ch.encode()) for ch in path)
        kind = c.below(20)
        if kind == 0:
            text += "/"
        elif kind == 1:
            text = c.one_of(("d", "d/e", "p%20q", "nothing", "d/nothing", "index.html.d"))
        elif kind == 2:
            text = c.one_of(("", "d/", "d/e/", "p%20q/", "nothing/", "d/../", "./", "index.html",
                             "d/index.html", "../x", "d/e/../../e.txt", "%2e%2e/x"))
        elif kind == 3:
            text = "d/../" + text
        return "/" + text + c.one_of(("", "", "", "?q=1", "?"))

    def ask(self):
        c = self.chance
        path = c.one_of(sorted(self.files))
        headers = "\x01".join(f"{k}: {v}" for k, v in self.headers(self.files[path]))
        how = "s " + path + "\x01" if c.below(8) == 0 else "r "
        self.lines.append(f"{how}{c.one_of(METHODS)} {self.target(path)}\x01{headers}")


def random_tree(seed, number):
    chance = trees.Chance(seed * 1000003 + number)
    chance.below(2)
    folder = Folder(chance)
    folder.fill()
    for _ in range(60):
        folder.ask()
    return f"tree {number}\n" + "\n".join(folder.lines) + "\n"


if __name__ == "__main__":
    sys.exit(trees.main("files", __doc__, random_tree, count=400,
                        archives=("libbelay-http.a",),
                        libs="-lhttp_parser -lssl -lcrypto"))
