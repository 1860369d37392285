# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What programs with goroutines add to model.py.

A task is a goroutine with what belongs to it: its own trace, fuel and serial
numbers, and its own ends of channels.  Function 0 is the root task; "spawn" makes
others.  Tasks run truly beside each other, and yet every run has one outcome:

  - A channel has one sending and one receiving end, and an end is in the hands of
    one task at a time.  A task has an `out` and an `in` for each line, 0 to 7, and
    LINES says what goes over it.  Ends move to a child when it is spawned, or over
    a line of type wire.  What task may send or receive next depends on nothing but
    what it has received (a Kahn network), so that the order in which tasks run
    shows nowhere, not even in which of them are left waiting for ever.
  - select has one case that can happen; a default only where the state of the
    channel is this task's own doing.  "merge" and the crews take from several
    lines or share a channel, and show only what does not depend on the order.
  - A task that ends closes its `out`s, and lets others drain its `in`s.
  - The driver prints the traces of a run when all its tasks have ended, each by
    itself, parents first.

Which ends a task has at hand is found out when it runs ("no in 3" is traced), so
that every list of statements is legal.
"""

from dataclasses import replace

LINES = ("int", "int", "int", "pair", "big", "unit", "panic", "wire")
INT_LINES = tuple(i for i, t in enumerate(LINES) if t == "int")
PANIC_LINE, WIRE_LINE = LINES.index("panic"), LINES.index("wire")
GETS = ("plain", "ok", "until", "select", "assign", "raise")
SPAWNS = ("go", "with", "try", "group")
DEAD = ("nil recv", "nil send", "never recv", "never send", "full send", "empty recv")
PAUSES = ("yield", "sleep", "spin", "thread", "timeout")
CREWS = ("crowd", "counted", "turns", "pingpong", "pipeline", "once", "once_func",
         "readers", "permits", "timer", "ticker")
LOCKS = ("mutex", "write", "read", "try")
OUTCOMES = ("normal", "panic", "goexit")
HANGS = ("nil send", "nil recv", "empty select", "nil select", "alone", "lock", "group",
         "full")
MISUSES = ("unlock", "unlock write", "unlock read", "negative")
DEFERRED_LINES = ("put", "shut", "hand over")

WEIGHTS = {
    "make": 9, "put": 11, "get": 9, "put_panic": 3, "put_wire": 1, "each": 4, "shut": 2,
    "spawn": 13, "join": 6, "wait": 2, "select": 6, "merge": 2, "crew": 3, "locked": 3,
    "pause": 3, "defer_line": 4, "hang": 0.15, "misuse": 0.05,
}


class TaskRules:
    """Mixed into model.Checker."""

    def line(self, s, *types):
        self.need(0 <= s["line"] < len(LINES), "no such line")
        self.need(not types or LINES[s["line"]] in types, "line of another type")

    def on_make(self, s, place):
        """A new channel with room for so many; both ends are the task's."""
        self.line(s)

    def on_put(self, s, place):
        """Sends, but what would wait for the task itself; rash: always."""
        self.line(s, "int", "pair", "big", "unit")
        self.expression(s["value"], place)

    def on_get(self, s, place):
        self.line(s)
        self.need(s["how"] in GETS, "get how")
        self.need(s["how"] != "assign" or s["line"] in INT_LINES, "assign what")

    def on_put_panic(self, s, place):
        """Sends a recovered value."""
        self.need(s["slot"] in place.slots, "unknown slot")

    def on_put_wire(self, s, place):
        """Sends the receiving end of an int line."""
        self.need(s["from"] in INT_LINES, "wire of ints only")

    def on_each(self, s, place):
        """For each value until the line is closed."""
        self.line(s)
        ints = place.ints
        if s["line"] in INT_LINES:
            ints += (f"i{s['name']}",)
        self.body(s["body"], replace(place, loop=True, ints=ints), False)

    def on_shut(self, s, place):
        """Closes the sending end; rash: even if there is none."""
        self.line(s)

    def on_spawn(self, s, place):
        """ends: [line, "in" or "out"], which go to the child."""
        self.need(s["how"] in SPAWNS, "spawn how")
        self.need(s["function"] > 0, "spawn of the root")
        self.call(s["function"], s["args"], place)
        for arg, kind in zip(s["args"], self.functions[s["function"]]["params"]):
            self.need((arg[0] == "cell") == (kind == "ref"), "cells are for refs")

    def on_join(self, s, place):
        """Waits for a child.  polite: lets go of all ends first; raise: panics with
        what the child panicked with."""

    def on_wait(self, s, place):
        """Waits for all children."""

    def on_select(self, s, place):
        """One case on a line, which is number `at` among cases that never happen."""
        self.line(s, "int")
        self.need(all(d in DEAD for d in s["dead"]), "dead case")
        self.need(s["at"] <= len(s["dead"]), "at")
        self.expression(s["value"], place)
        self.body(s["body"], place, False)
        self.body(s["else"], place, False)

    def on_merge(self, s, place):
        """Takes from several lines until all are closed."""

    def on_crew(self, s, place):
        """Goroutines that are no tasks do something together."""
        self.need(s["what"] in CREWS, "crew")

    def on_locked(self, s, place):
        """Adds to the run's total under its lock; may then panic or goexit."""

    def on_pause(self, s, place):
        """Lets others go first."""

    def on_defer_line(self, s, place):
        """A deferred call that sends, closes or lets go of all ends."""
        self.line(s, "int")
        self.may_defer_call(place)
        self.expression(s["value"], place)

    def on_hang(self, s, place):
        """Waits for ever."""

    def on_misuse(self, s, place):
        """A fatal error (or, negative, a panic) of sync's."""


class TaskMaker:
    """Mixed into model.Generator."""

    def settle_tasks(self):
        """What the program's functions have in common."""
        lines = self.random.sample(range(len(LINES)), self.random.randint(2, 4))
        self.lines = tuple(lines) + (self.random.choice(INT_LINES),) * 3
        self.misuse = self.random.choice(MISUSES)
        self.calm = 0.5 + self.calm * 1.1
        self.rashness = self.random.choice((0, 0, 0, 0.05, 0.2))

    def rash(self):
        return self.random.random() < self.rashness

    def some_line(self, *types):
        lines = [n for n in self.lines if not types or LINES[n] in types]
        return self.random.choice(lines)

    def make_make(self, place, weights):
        return {"op": "make", "line": self.some_line(),
                "room": self.random.choice((0, 0, 0, 1, 2, 5))}

    def make_put(self, place, weights):
        line = self.some_line("int", "pair", "big", "unit")
        kind = "pair" if LINES[line] == "pair" else "int"
        return {"op": "put", "line": line, "value": self.value(kind, place),
                "rash": self.rash()}

    def make_get(self, place, weights):
        line = self.some_line()
        how = self.random.choice(GETS)
        if how == "assign" and line not in INT_LINES:
            how = "plain"
        return {"op": "get", "line": line, "how": how, "rash": self.rash()}

    def make_put_panic(self, place, weights):
        if not place.slots:
            return None
        return {"op": "put_panic", "slot": self.random.choice(place.slots)}

    def make_put_wire(self, place, weights):
        return {"op": "put_wire", "from": self.some_line("int")}

    def make_each(self, place, weights):
        if place.depth > 3:
            return None
        self.next_id += 1
        name, line, ints = self.next_id, self.some_line(), place.ints
        if line in INT_LINES:
            ints += (f"i{name}",)
        inside = replace(place, loop=True, ints=ints)
        return {"op": "each", "line": line, "name": name, "rash": self.rash(),
                "body": self.list_of(inside, weights, self.random.randint(0, 3))}

    def make_shut(self, place, weights):
        return {"op": "shut", "line": self.some_line(), "rash": self.rash()}

    def make_spawn(self, place, weights):
        target = self.target(place)
        if target is None:
            return None
        args = [["cell"] if kind == "ref" else self.value(kind, place)
                for kind in self.functions[target]["params"]]
        ends = []
        for line in sorted(set(self.lines)):
            side = self.random.choice(("in", "out", None))
            if side:
                ends.append([line, side])
        how = self.random.choice(SPAWNS[:1] * 4 + SPAWNS)
        return {"op": "spawn", "function": target, "args": args, "ends": ends, "how": how}

    def make_join(self, place, weights):
        return {"op": "join", "child": self.random.choice((0, 0, 0, 1, 1, 2)),
                "polite": not self.rash(), "raise": self.random.random() < 0.4}

    def make_wait(self, place, weights):
        return {"op": "wait", "polite": not self.rash()}

    def make_select(self, place, weights):
        if place.depth > 4:
            return None
        dead = [self.random.choice(DEAD) for _ in range(self.random.choice((0, 1, 1, 2, 3, 6)))]
        return {"op": "select", "line": self.some_line("int"), "dead": dead,
                "dir": self.random.choice(("recv", "send")),
                "at": self.random.randint(0, len(dead)),
                "value": self.value("int", place),
                "default": self.random.random() < 0.3,
                "body": self.list_of(place, weights, self.random.randint(0, 2)),
                "else": self.list_of(place, weights, self.random.randint(0, 1))}

    def make_merge(self, place, weights):
        count = self.random.randint(1, len(INT_LINES))
        return {"op": "merge", "lines": sorted(self.random.sample(INT_LINES, count)),
                "polite": not self.rash()}

    def make_crew(self, place, weights):
        return {"op": "crew", "what": self.random.choice(CREWS),
                "n": self.random.randint(1, 5), "m": self.random.randint(1, 9),
                "room": self.random.choice((0, 0, 1, 3))}

    def make_locked(self, place, weights):
        return {"op": "locked", "how": self.random.choice(LOCKS),
                "add": self.random.randint(1, 99),
                "outcome": self.random.choice(OUTCOMES[:1] * 5 + OUTCOMES)}

    def make_pause(self, place, weights):
        return {"op": "pause", "how": self.random.choice(PAUSES[:3] * 3 + PAUSES)}

    def make_defer_line(self, place, weights):
        if not self.may_defer_call(place):
            return None
        return {"op": "defer_line", "line": self.some_line("int"),
                "what": self.random.choice(("put", *DEFERRED_LINES)),
                "value": self.value("int", place)}

    def make_hang(self, place, weights):
        return {"op": "hang", "what": self.random.choice(HANGS)}

    def make_misuse(self, place, weights):
        return {"op": "misuse", "what": self.misuse}
