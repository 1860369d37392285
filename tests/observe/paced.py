#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""What /debug/pprof/sched says of tests/observe/paced.c is what that does.

    tests/observe/paced.py PACED
"""
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import checks
from checks import check, finish

GOROUTINES, PLAIN, PANICKING, EXITING, SLEEPING, BLOCKING = 1054, 700, 200, 100, 50, 4
BLOCKED_MS = 200
PROCESSORS = 2
HEAD_START_S = 1               # for a request to have come to the server
TAKEN = BLOCKING - PROCESSORS  # the last ones keep theirs: nobody else wants it


def milliseconds(text):
    n, unit = text.split()
    return int(n) / {"ns": 1e6, "µs": 1e3, "ms": 1}[unit]


class Said:
    """The counts, and the times: how many, and half, 90 %, 99 %, 99.9 %, all in ms."""

    def __init__(self, text):
        self.text = text
        self.counts = {what: int(n) for what, n in
                       re.findall(r"^(\S.*?) +(\d+) +[\d.]+/s$", text, re.M)}
        self.spans = {}
        for what, n, rest in re.findall(r"^(\S.*?) +(\d+)((?: +\d+ (?:ns|µs|ms))*)$", text, re.M):
            self.spans[what] = int(n), [milliseconds(t) for t in
                                        re.findall(r"\d+ (?:ns|µs|ms)", rest)]


class Program:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True,
                                        env={**os.environ, "BELAYMAXPROCS": str(PROCESSORS)})
        self.port = int(self.process.stdout.readline())

    def ask(self, query=""):
        url = f"http://127.0.0.1:{self.port}/debug/pprof/sched{query}"
        with urllib.request.urlopen(url) as answer:
            return Said(answer.read().decode())

    def work(self):
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        check("done", self.process.stdout.readline() == "done\n")

    def ask_while_it_works(self, seconds):
        said = []
        thread = threading.Thread(target=lambda: said.append(self.ask(f"?seconds={seconds}")))
        thread.start()
        time.sleep(HEAD_START_S)
        self.work()
        thread.join()
        return said[0]


def counts(said):
    by_engine = PANICKING * (3 + 1 + 1) + EXITING
    want = {
        "goroutines made": GOROUTINES,
        "goroutines ended": GOROUTINES,
        "bl_goexit called": EXITING,
        "calls deferred": by_engine + PLAIN,
        "called by a panic or goexit": by_engine, # also a recovered frame's remaining ones
        "called by their function's end": PLAIN,
    }
    for what, n in want.items():
        check(what, said.counts.get(what) == n, said.counts.get(what), "not", n)
    ready, run = said.counts["made runnable again"], said.counts["run"]
    check("each that has parked has been woken", SLEEPING + BLOCKING <= ready <= run, ready, run)
    check("each has run", run >= GOROUTINES + SLEEPING, run)
    check("timers", said.counts["timers that have come"] >= SLEEPING)
    check("blocked", TAKEN <= said.counts["lost the processor in C code"])


def spans(said):
    waited, ran = said.spans["waited for a processor"], said.spans["ran without a break"]
    blocked = said.spans["in C code, without a processor"]
    check("each run has been waited for", waited[0] == said.counts["run"], waited)
    check("and ended", abs(ran[0] - said.counts["run"] -
                           said.counts["lost the processor in C code"]) <= 2 * BLOCKING, ran)
    check("blocked calls", blocked[0] >= TAKEN, blocked)
    check("as long as they took", BLOCKED_MS * 0.9 <= blocked[1][-1] <= 3 * BLOCKED_MS, blocked)
    for what in said.spans.values():
        check("ordered", what[1] == sorted(what[1]) and len(what[1]) == 5, what)


def main():
    p = Program(sys.argv[1])
    said = p.ask_while_it_works(3)
    counts(said)
    spans(said)
    quiet = p.ask()
    check("nothing goes on", quiet.counts["goroutines made"] == 0 and
          quiet.spans["waited for a processor"] == (0, []), quiet.text)
    both = []
    threads = [threading.Thread(target=lambda s=s: both.append(p.ask(f"?seconds={s}")))
               for s in (3, 4)]
    for t in threads:
        t.start()
    time.sleep(HEAD_START_S)
    p.work()
    for t in threads:
        t.join()
    check("two who ask", [s.counts["goroutines made"] for s in both] == 2 * [GOROUTINES])
    try:
        p.ask("?seconds=no")
        check("not a number", False)
    except urllib.error.HTTPError as e:
        check("not a number", e.code == 400, e.code)
    p.process.stdin.close()
    check("it ends", p.process.wait(30) == 0)
    if checks.failures:
        print(said.text)
    finish("paced")


main()
