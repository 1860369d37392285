#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Compares profiles with what is known: tests/observe/measured.py BELAY FOLDER

ids Q20, Q21, Q22, Q26, Q32"""
import re
import subprocess
import sys

from checks import check, finish

BELAY, FOLDER = sys.argv[1:]


def prof(*arguments):
    out = subprocess.run([BELAY, "prof", *arguments], capture_output=True, text=True)
    check(" ".join(arguments), out.returncode == 0, out.stderr)
    return out.stdout


UNITS = {"": 1, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "mins": 60, "hrs": 3600,
         "B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3}


def number(text):
    m = re.fullmatch(r"(-?[0-9.]+)([a-zA-Z]*)", text)
    return float(m[1]) * UNITS[m[2]]


def cumulative(file, *options):
    """cum by function"""
    rows = {}
    for line in prof("-cum", "-n", "1000", *options, f"{FOLDER}/{file}").splitlines():
        m = re.match(r" *\S+ +\S+% +\S+% +(\S+) +\S+% +(\S+)", line)
        if m:
            rows[m[2]] = number(m[1])
    return rows


def shares():
    used = {k: int(v) * 1e-9 for k, v in (line.split() for line in open(FOLDER + "/used"))}
    total = sum(used.values())
    rows = cumulative("cpu.pb.gz")
    profiled = sum(rows.get(name, 0) for name in ("work", "thread"))
    used["own_loop"] += used.pop("thread")
    for name, seconds in used.items():
        want, got = 100 * seconds / total, 100 * rows.get(name, 0) / profiled
        check(f"share of {name}", abs(want - got) < 3, f"want {want:.1f} %, got {got:.1f} %")
    check("the whole", abs(profiled / total - 1) < 0.05, profiled, total)
    text = prof(FOLDER + "/cpu.pb.gz")
    whole, cut, lost = map(int, re.search(r"stacks: (\d+) whole, (\d+) cut, (\d+) lost", text).groups())
    check("99 % of stacks are whole", whole >= 99 * cut and lost == 0, whole, cut, lost)
    for name in ("own_loop", "print_floats", "sort_numbers", "allocate"):
        check("label " + name, re.search(r"\): " + name, prof("tags", FOLDER + "/cpu.pb.gz")))


def waits():
    block, mutex = open(FOLDER + "/block.txt").read(), open(FOLDER + "/mutex.txt").read()
    check("Q20", block.startswith("--- contention:\ncycles/second=1000000000\n"), block)
    check("Q21", mutex.startswith("--- mutex:\ncycles/second=1000000000\nsampling period="), mutex)
    rows = re.findall(r"^(\d+) (\d+) @[^\n]*\n#\t\S+\t(\w+)\+", block, re.M)
    found = {}
    for ns, count, name in rows:  # an unrolled loop has several places in a function
        had = found.get(name, (0, 0))
        found[name] = (had[0] + int(count), had[1] + int(ns))
    check("Q22 receives", found["receive_all"][0] == 20, found)
    check("Q22 for 100 ms", 0.09e9 < found["receive_all"][1] < 0.4e9, found)
    check("Q22 locks", found["want"][0] >= 5 and found["want"][1] > 0.24e9, found)
    check("block: sorted", [int(r[0]) for r in rows] == sorted((int(r[0]) for r in rows), reverse=True))
    rows = re.findall(r"^(\d+) (\d+) @[^\n]*\n#\t\S+\t(\w+)\+", mutex, re.M)
    found = {name for _, _, name in rows}
    check("Q22 unlocks", found == {"want", "hold"}, found)
    check("Q26", 0.24e9 < sum(int(ns) for ns, _, _ in rows) < 0.6e9, rows)
    check("mutex: contentions", sum(int(n) for _, n, _ in rows) >= 5, rows)


def heap():
    kept = cumulative("heap.pb.gz", "-sample", "inuse_space")
    allocated = cumulative("heap.pb.gz", "-sample", "alloc_space")
    for name, in_use, ever in (("keep_large", 64, 64), ("keep_small", 32, 32),
                               ("churn", 0, 256)):
        for rows, want, kind in ((kept, in_use, "in use"), (allocated, ever, "allocated")):
            got = rows.get(name, 0) / 1024**2
            check(f"{name}: {kind}", abs(got - want) <= 0.15 * want + 2, f"want {want} MB, got {got:.1f}")
    text = open(FOLDER + "/heap.txt").read()
    check("Q32", re.match(r"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/131072\n", text), text[:80])


shares()
waits()
heap()
finish("measured")
