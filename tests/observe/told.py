#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""What tests/observe/told.c has told is what it was: tests/observe/told.py FOLDER"""
import re
import sys
from collections import Counter

import gostacks
from checks import check, finish

FOLDER = sys.argv[1]

# The function that one is known by: state, words, how many of them; None: any state.
OLD = ["7 minutes"]
WANT = {
    "give": ("chan send", OLD, 1),
    "receive_from_nothing": ("chan receive (nil chan)", OLD, 1),
    "want_lock": ("sync.Mutex.Lock", OLD, 1),
    "want_to_read": ("sync.RWMutex.RLock", OLD, 1),
    "want_to_write": ("sync.RWMutex.Lock", OLD, 1),
    "wait_for_all": ("sync.WaitGroup.Wait", OLD, 1),
    "acquire": ("semacquire", OLD, 1),
    "sit_in_kernel": ("running", [], 1),
    "receive_with_calls": ("chan receive", OLD, 1),
    "panic_and_wait": ("chan receive", OLD, 1),
    "bubble": ("synctest.Run", OLD, 1),
    "wait_in_bubble": ("chan receive", OLD + ["synctest bubble 1"], 1),
    "compute": ("running", [], 1),
}


def every_stack():
    every = gostacks.read(FOLDER + "/goroutine.2")
    for name, (state, words, n) in WANT.items():
        those = [g for g in every if name in {f[0] for f in g.frames}]
        check(f"{name}: {n}", len(those) == n, len(those))
        for g in those:
            check(name, (g.state, g.words) == (state, words), g.state, g.words)
    check("who asks stands first", every[0].id == 1 and every[0].state == "running")
    left = [g for g in every if g.state == "sync.WaitGroup.Wait"]
    check("one without a frame of its own", len(left) == 2 and
          all(g.frames[0][0] != "?" for g in left), [g.frames for g in left])
    check("locked", any(g.words == OLD + ["locked to thread"] for g in every))
    check("deep", sum(len(g.frames) > 90 for g in every) == 1)
    pending = next(g.pending for g in every if "receive_with_calls" in {f[0] for f in g.frames})
    check("deferred calls", pending == {"clean_ups[0]": 1, "*f": 12, "clean_up": 1}, pending)
    ids = {g.id for g in every}
    check("creators", all(g.creator and g.creator[1] in ids for g in every[1:]))
    check("a creator of its own", any(g.creator[0] == "start_one" for g in every[1:]))


def groups():
    """debug=1: counts, labels as Go quotes them, frames in columns."""
    text = open(FOLDER + "/goroutine.1", encoding="utf-8").read()
    total = int(re.match(r"goroutine profile: total (\d+)\n", text)[1])
    group = (r"(\d+) @((?: 0x[0-9a-f]+)+)\n"
             r'(?:# labels: \{("(?:[^"\\\n]|\\.)*":"(?:[^"\\\n]|\\.)*"'
             r'(?:, "(?:[^"\\\n]|\\.)*":"(?:[^"\\\n]|\\.)*")*)\}\n)?'
             r"((?:#\t0x[0-9a-f]+\t\S.*\+0x[0-9a-f]+\t+\S*:\d+\n)+)\n")
    at, counts, states = text.index("\n") + 1, [], Counter()
    while m := re.compile(group).match(text, at):
        counts.append(int(m[1]))
        states[re.search(r'"state":"([^"]*)"', m[3])[1]] += int(m[1])
        at = m.end()
    check("debug=1: nothing else", at == len(text), repr(text[at:at + 300]))
    check("debug=1: total", sum(counts) == total, counts, total)
    check("debug=1: sorted", counts == sorted(counts, reverse=True), counts)
    check("debug=1: labels", '"path":"/a \\"quoted\\" {one}, two]: three\\tgoroutine' in text.replace(
        "\\u0009", "\\t").replace("\\u000a", "\\n").replace("\\n\\t", "\\t"), text)
    return states


every_stack()
groups()
finish("told")
