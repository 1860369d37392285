#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Random trees of errors, built in C and in Go: both must have the same texts and
unwrap to the same errors, and Is and As must ask the same errors in the same order.

    errors.py                      12,000 trees, a few seconds
    errors.py --count 200000 --seed 7
    errors.py --record             keep hashes of Go's answers in errors.recorded ...
    errors.py --recorded           ... and compare with those: for machines without Go

errors_tree.c and errors_go/main.go read the trees, which are lines of text: what they
mean is described in the latter.  Exit status: 0 no difference; 1 some; 2 a tool failed.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "errors.recorded"
BATCH = 1000            # trees: one hash
ERRNOS = 132            # the first trees of all are the texts of what Go has a text for
KINDS = 5               # leafA, leafB, leafC, chain, multi
WORDS = ("open", "read", "a b", "", "100%", "%w", "x: y", "tail ")


class Chance:
    """Random numbers that are the same with every version of Python."""

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) % 2**64

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def one_of(self, things):
        return things[self.below(len(things))]


class Tree:
    """A tree under construction: its lines, and what each node is."""

    def __init__(self, chance):
        self.chance, self.lines, self.kinds, self.nils = chance, [], [], set()

    def add(self, line, kind="", nil=False):
        if nil:
            self.nils.add(len(self.kinds))
        self.kinds.append(kind)
        self.lines.append(line)

    def node(self):
        """Most often one of the last: deep trees."""
        n, c = len(self.kinds), self.chance
        if n == 0 or c.below(12) == 0:
            return -1
        return n - 1 - c.below(min(n, 3)) if c.below(3) else c.below(n)

    def error(self):
        """The same, and not nil; -1 if there is none."""
        for _ in range(20):
            i = self.node()
            if i >= 0 and i not in self.nils:
                return i
        return -1

    def nodes(self, most):
        return [self.node() for _ in range(self.chance.below(most + 1))]

    def leaf(self):
        c = self.chance
        kind = c.below(4)
        if kind == 0:
            self.add(f"sent {c.below(6)}")
        elif kind == 1:
            self.add(f"errno {c.one_of((1, 2, 13, 17, 22, 38, 39, 95))}")
        else:
            self.add(f"new {c.one_of(WORDS)}")

    def formatted(self):
        c = self.chance
        args = [self.node() for _ in range(1 + c.below(4))]
        if c.below(2):
            items = [c.one_of("wwv") for _ in args]
        else:   # numbered: every argument once at least, as Go wants it
            order = list(range(1, len(args) + 1)) + [1 + c.below(len(args))
                                                     for _ in range(c.below(3))]
            for i in range(len(order) - 1, 0, -1):
                j = c.below(i + 1)
                order[i], order[j] = order[j], order[i]
            items = [f"{c.one_of('wwv')}{i}" for i in order]
        self.add(f"fmt {' '.join(items)}|{' '.join(map(str, args))}")

    def join(self):
        list_ = self.nodes(4) or [-1]
        nil = all(i < 0 or i in self.nils for i in list_)
        self.add("join " + " ".join(map(str, list_)), nil=nil)

    def own(self):
        c = self.chance
        kind = c.below(KINDS)
        target = self.error() if c.below(3) == 0 else -1
        leaves = [i for i, k in enumerate(self.kinds) if k == "leafB"]
        seen = c.one_of(leaves) if leaves and c.below(3) == 0 else -1
        wraps = [self.node()] if kind == 3 else self.nodes(4) if kind == 4 else []
        self.add(" ".join(map(str, ["own", kind, target, seen, *wraps])),
                 "leafB" if kind == 1 else "")

    def grow(self):
        how = self.chance.below(8)
        if how == 0:
            self.leaf()
        elif how <= 2:
            i = self.error()
            self.add(f"wrap {i} {self.chance.one_of(WORDS)}") if i >= 0 else self.leaf()
        elif how <= 4:
            self.formatted()
        elif how <= 5:
            self.join()
        else:
            self.own()

    def ask(self):
        n, c = len(self.kinds), self.chance
        for i in (n - 1, c.below(n)):
            self.lines += [f"t {i}", f"u {i}", f"c {i}", f"f {i}",
                           f"a {i} {c.below(KINDS)}", f"a {i} 1"]
            self.lines += [f"i {i} {self.node()}" for _ in range(4)]
        self.lines.append(f"i {self.node()} -1")


def random_tree(seed, number):
    chance = Chance(seed * 1000003 + number)
    chance.below(2)
    tree = Tree(chance)
    if number < ERRNOS:
        tree.add(f"errno {number + 1}")
        tree.lines.append("t 0")
    else:
        tree.leaf()
        for _ in range(1 + chance.below(14)):
            tree.grow()
        tree.ask()
    return f"tree {number}\n" + "\n".join(tree.lines) + "\n"


# --- running -------------------------------------------------------------------------

def tool(command, cwd, environment=None, text=None):
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, input=text, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"errors.py: {command[0]}: {error}")
    if done.returncode:
        print(done.stderr.decode(errors="replace")[-3000:], file=sys.stderr)
        sys.exit(1 if text else 2)
    return done.stdout


def build_c(args, directory):
    needed = (["-fblocks"] if "clang" in Path(args.cc).name
              else ["-fexceptions", "-fnon-call-exceptions", "-fno-gcse"])
    binary = directory / "in_c"
    tool([args.cc, "-std=gnu11", "-O2", *needed, "-I", args.include,
          HERE / "errors_tree.c", "-o", binary, Path(args.lib).resolve() / "libbelay.a",
          *args.libs.split()], directory)
    return binary


def build_go(directory):
    binary = directory / "in_go"
    environment = dict(os.environ, GOFLAGS="-mod=mod", GO111MODULE="on",
                       GOTOOLCHAIN="local", GODEBUG="")
    tool(["go", "build", "-o", binary, "."], HERE / "errors_go", environment)
    return binary


def answers(binary, trees):
    """What the program says, tree by tree."""
    text = tool([binary], None, None, "".join(trees).encode()).decode()
    parts = text.split("tree ")[1:]
    if len(parts) != len(trees):
        sys.exit(f"errors.py: {binary.name} answered {len(parts)} of {len(trees)} trees")
    return parts


def digest(parts):
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:32]


def batches(parts):
    return [digest(parts[i:i + BATCH]) for i in range(0, len(parts), BATCH)]


def show_differences(trees, in_c, in_go):
    bad = [i for i, (c, go) in enumerate(zip(in_c, in_go)) if c != go]
    for i in sorted(bad, key=lambda i: len(trees[i]))[:3]:
        print(f"--- {trees[i]}--- in C\n{in_c[i]}--- in Go\n{in_go[i]}")
    return len(bad)


def compare_recorded(args, trees, in_c):
    head, *want = RECORDED.read_text().splitlines()
    if head != f"{args.seed} {args.count} {digest(trees)}":
        sys.exit(f"errors.py: {RECORDED.name} is of other trees: record again")
    bad = [i for i, (got, one) in enumerate(zip(batches(in_c), want)) if got != one]
    for i in bad:
        print(f"trees {i * BATCH} to {(i + 1) * BATCH - 1} differ from what Go has said")
    return len(bad)


def main():
    root = HERE.parents[1]
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.
                                RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=12000, metavar="N", help="trees (12000)")
    p.add_argument("--seed", type=int, default=1, metavar="S", help="of the trees (1)")
    p.add_argument("--lib", default=str(root / "build"), metavar="DIR",
                   help="where libbelay.a is (build)")
    p.add_argument("--include", default=str(root / "include"), metavar="DIR",
                   help="Belay's headers (include)")
    p.add_argument("--libs", default="-lbacktrace -lpthread", help="what it needs")
    p.add_argument("--cc", default="gcc", help="C compiler (gcc)")
    p.add_argument("--record", action="store_true", help="write errors.recorded")
    p.add_argument("--recorded", action="store_true", help="read it; no Go needed")
    args = p.parse_args()
    trees = [random_tree(args.seed, i) for i in range(args.count)]
    directory = Path(tempfile.mkdtemp())
    try:
        in_c = answers(build_c(args, directory), trees)
        if args.recorded:
            bad = compare_recorded(args, trees, in_c)
        else:
            in_go = answers(build_go(directory), trees)
            bad = show_differences(trees, in_c, in_go)
            if args.record:
                head = f"{args.seed} {args.count} {digest(trees)}"
                RECORDED.write_text("\n".join([head, *batches(in_go)]) + "\n")
    finally:
        shutil.rmtree(directory)
    lines = sum(part.count("\n") - 1 for part in in_c)
    print(f"differential: {len(trees)} trees of errors, {lines} answers, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
