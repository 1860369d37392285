#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Random trees of contexts, in C and in Go, each in a bubble with a clock of its own:
cancelled, with deadlines, causes, values and functions that run afterwards, while
goroutines wait.  Both must have the same errors, causes, deadlines, values and texts, and
the same goroutines must go on at the same time.

    contexts.py                      12,000 trees
    contexts.py --count 100000 --seed 7
    contexts.py --record             keep hashes of Go's answers in contexts.recorded ...
    contexts.py --recorded           ... and compare with those: for machines without Go

contexts_tree.c and contexts_go/main.go read the trees, which are lines of text: what they
mean is described in the latter.  trees.py does the rest.

Nothing happens at the same time as something else that it could depend on: the main
goroutine wakes at multiples of 10 ms, deadlines are 1 to 4 ms behind those, what
goroutines do 5 to 9 ms; and no two of them are the same.
"""

import sys

import trees

KEYS, VALUES, CAUSES = 4, 10, 3
MOST = 48               # nodes, functions


class Tree:
    """A tree under construction: its lines, and what each context is."""

    def __init__(self, chance):
        self.chance, self.lines = chance, []
        self.kinds, self.can_end, self.dropped = [], [], set()
        self.now, self.funcs, self.taken = 0, 0, set()

    def below(self, n):
        return self.chance.below(n)

    def node(self):
        """Most often one of the last; now and then a root."""
        n = len(self.kinds)
        if n == 0 or self.below(8) == 0:
            return -1 - self.below(2)
        i = n - 1 - self.below(min(n, 4)) if self.below(2) else self.below(n)
        return i if i not in self.dropped else -1

    def time(self, least, most):
        """A time in the future at which nothing else happens."""
        for _ in range(50):
            at = self.now + 10 * self.below(12) + least + self.below(most - least + 1)
            if at > self.now and at not in self.taken:
                break
        else:
            at = max(self.taken) // 10 * 10 + 10 + least
        self.taken.add(at)
        return at

    def add(self, line, kind, can_end):
        self.lines.append(line)
        self.kinds.append(kind)
        self.can_end.append(can_end)

    def cause(self):
        return self.below(CAUSES + 1) - 1

    def deadline(self):
        if self.below(8) == 0:
            return self.now - 10 * self.below(3)
        return self.time(1, 4)

    def grow(self):
        how, parent = self.below(12), self.node()
        ends = parent >= 0 and self.can_end[parent]
        if how < 4:
            self.add(f"cancel {parent}", "cancel", True)
        elif how < 6:
            self.add(f"deadline {parent} {self.deadline()} {self.cause()}", "end", True)
        elif how < 8:
            after = self.deadline() - self.now
            self.add(f"timeout {parent} {after} {self.cause()}", "end", True)
        elif how < 11:
            value = self.below(VALUES + 1) - 1
            self.add(f"value {parent} {self.below(KEYS)} {value}", "", ends)
        else:
            self.add(f"without {parent}", "", False)

    def end(self):
        some = [i for i, kind in enumerate(self.kinds)
                if kind and i not in self.dropped]
        if not some:
            return
        i = self.chance.one_of(some)
        if self.kinds[i] == "cancel" and self.below(2):
            self.lines.append(f"endc {i} {self.cause()}")
        else:
            self.lines.append(f"end {i}")
        if self.below(3) == 0:
            self.drop(i)

    def drop(self, i):
        self.lines.append(f"drop {i}")
        self.dropped.add(i)

    def goroutine(self):
        i = self.node()
        how = self.below(4)
        after = self.time(5, 9) - self.now
        if how == 0 and i >= 0 and self.can_end[i]:
            self.lines.append(f"wait {i}")
        elif how <= 1:
            self.lines.append(f"nap {i} {after}")
        else:
            self.lines.append(f"{'recv' if how == 2 else 'send'} {i} {after}")

    def func(self):
        if self.funcs and self.below(3) == 0:
            self.lines.append(f"stop {self.below(self.funcs)}")
        elif self.funcs < MOST:
            self.lines.append(f"after {self.node()}")
            self.funcs += 1

    def sleep(self):
        ms = 10 * self.below(6)
        self.now += ms
        self.lines.append(f"sleep {ms}")

    def look(self):
        self.lines += [f"look {i}" for i in range(-2, len(self.kinds))
                       if i not in self.dropped]

    def act(self):
        how = self.below(16)
        if how < 6 and len(self.kinds) < MOST:
            self.grow()
        elif how < 8:
            self.end()
        elif how < 10:
            self.goroutine()
        elif how < 12:
            self.func()
        elif how < 14:
            self.sleep()
        elif how == 14:
            self.lines.append(f"look {self.node()}")
        else:
            some = [i for i, kind in enumerate(self.kinds)
                    if not kind and i not in self.dropped]
            if some:
                self.drop(self.chance.one_of(some))


def random_tree(seed, number):
    chance = trees.Chance(seed * 1000003 + number)
    chance.below(2)
    tree = Tree(chance)
    for _ in range(3 + chance.below(50)):
        tree.act()
    tree.look()
    tree.sleep()
    tree.look()
    tree.lines.append("sleep 200")
    tree.look()
    return f"tree {number}\n" + "\n".join(tree.lines) + "\n"


if __name__ == "__main__":
    sys.exit(trees.main("contexts", __doc__, random_tree))
