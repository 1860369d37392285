#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Reads a list of goroutines as strictly as Go's runtime/traceback.go writes it, and more
strictly than most tools do:

    tests/observe/gostacks.py FILE

    goroutine 7 [chan receive, 5 minutes, locked to thread, synctest bubble 1]:
    function(...)
    <tab>path:12 +0x1d
    ...23 frames elided...
    created by function in goroutine 1
    <tab>path:33 +0x2e

An empty line stands between two of them.  A deferred call looks like a frame whose
function is "pending defer in function[, N times]: callee"."""
import re
import sys
from collections import Counter

# Go's, but for those of its collector; what Belay adds is none of Go's business.
STATES = {"running", "runnable", "syscall", "waiting", "dead", "chan receive", "chan send",
          "chan receive (nil chan)", "chan send (nil chan)", "select", "select (no cases)",
          "sleep", "IO wait", "semacquire", "sync.Mutex.Lock", "sync.RWMutex.RLock",
          "sync.RWMutex.Lock", "sync.Cond.Wait", "sync.WaitGroup.Wait", "synctest.Run",
          "synctest.Wait"}
HEADER = re.compile(r"goroutine ([1-9]\d*) \[([^\],]+)((?:, [^\],]+)*)\]:")
WORDS = re.compile(r"(, [1-9]\d* minutes)?(, locked to thread)?(, synctest bubble [1-9]\d*)?")
# One pair of parentheses, at the end: readers take what stands before for the name.
FUNCTION = re.compile(r"([^()\t\n]+)\(([^()\n]*)\)")
PENDING = re.compile(r"pending defer in [\w.]+(?:, ([1-9]\d*) times)?: (.+)")
FILE = re.compile(r"\t([^\t\n:]+):(\d+)(?: \+0x[0-9a-f]+)?")
CREATED = re.compile(r"created by ([^()\t\n]+) in goroutine ([1-9]\d*)")
ELIDED = re.compile(r"\.\.\.[1-9]\d* frames elided\.\.\.")
UNKNOWN = "\tgoroutine running on other thread; stack unavailable"


class Goroutine:
    def __init__(self, number, state, words):
        self.id, self.state, self.words = number, state, words
        self.frames, self.pending, self.creator = [], Counter(), None


class Reader:
    def __init__(self, text):
        assert text.endswith("\n"), "the last line has no end"
        self.lines = text[:-1].split("\n")
        self.at = 0

    def line(self):
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def take(self, pattern):
        m = pattern.fullmatch(self.line())
        assert m, f"line {self.at + 1}: {self.line()!r} is not {pattern.pattern}"
        self.at += 1
        return m

    def goroutine(self):
        m = self.take(HEADER)
        assert WORDS.fullmatch(m[3]), m[0]
        assert m[2] in STATES, f"no state of Go's: {m[2]}"
        g = Goroutine(int(m[1]), m[2], m[3].split(", ")[1:])
        if self.line() == UNKNOWN:
            self.at += 1
        else:
            self.frames(g)
        if self.line().startswith("created by "):
            m = self.take(CREATED)
            g.creator = m[1], int(m[2])
            self.take(FILE)
        return g

    def frames(self, g):
        while True:
            if g.frames and ELIDED.fullmatch(self.line()):
                self.at += 1
            name = self.take(FUNCTION)[1]
            file = self.take(FILE)
            pending = PENDING.fullmatch(name)
            if pending:
                assert g.frames, "a deferred call before the first frame"
                g.pending[pending[2]] += int(pending[1] or 1)
            else:
                assert not g.pending, "a frame behind deferred calls"
                g.frames.append((name, file[1], int(file[2])))
            if not self.line() or self.line().startswith("created by "):
                return

    def everything(self):
        every = [self.goroutine()]
        while self.at < len(self.lines):
            assert self.line() == "", f"line {self.at + 1}: more than a goroutine"
            self.at += 1
            every.append(self.goroutine())
        assert len({g.id for g in every}) == len(every), "an id twice"
        return every


def read(path):
    with open(path, encoding="utf-8") as f:
        return Reader(f.read()).everything()


if __name__ == "__main__":
    for goroutine in read(sys.argv[1]):
        print(goroutine.id, goroutine.state, *goroutine.words, len(goroutine.frames),
              dict(goroutine.pending), goroutine.creator)
