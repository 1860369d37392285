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
mean is described in the latter.  trees.py does the rest.
"""

import sys

import trees

ERRNOS = 132            # the first trees of all are the texts of what Go has a text for
KINDS = 5               # leafA, leafB, leafC, chain, multi
WORDS = ("open", "read", "a b", "", "100%", "%w", "x: y", "tail ")


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
    chance = trees.Chance(seed * 1000003 + number)
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


if __name__ == "__main__":
    sys.exit(trees.main("errors", __doc__, random_tree))
