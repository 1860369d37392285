# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What is measured, and what we promise about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str               # as the programs print it
    target: float = None    # the ratio to `than` should not be above this
    than: str = None        # "hand" or "go"
    mallocs: int = 0        # per operation, with Belay; None: not counted
    without: tuple = ()     # programs that do not have it
    turns: int = 1          # in one round: more for times that a per cent matters to
    procs: int = None       # threads that run goroutines

    @property
    def label(self):
        return self.name if self.procs is None else f"{self.name} P={self.procs}"


ENGINE = (
    Case("block/one", 1.02, "hand", turns=4),
    Case("block/three", 1.02, "hand", turns=4),
    Case("block/loop", 1.02, "hand", turns=4),
    Case("block/mutex", 1.02, "hand", turns=4),
    Case("returns/quiet", 1.0, "go", turns=4),
    Case("calls/one"),
    Case("calls/loop100", 0.25, "go"),
    Case("panic/plain/1", 0.5, "go"),
    Case("panic/plain/10", 0.5, "go"),
    Case("panic/plain/100", 0.5, "go"),
    Case("panic/block/1", 0.5, "go"),
    Case("panic/block/10", 0.5, "go"),
    Case("panic/block/100", 0.5, "go"),
    Case("panic/call/1", 0.5, "go"),
    Case("panic/call/10", 0.5, "go"),
    Case("panic/call/100", 0.5, "go"),
    Case("panic/error", 0.5, "go", without=("hand",)),
    Case("panic/fault"),
    # bl_panic_copy() makes one malloc: this shows that mallocs are counted.
    Case("panic/copy", mallocs=1, without=("hand", "go")),
)

PROCS = (1, 2)


def on_each(name, target, parallel_only=False, ours_only=False):
    """The case on one processor, and on two."""
    return tuple(Case(name, None if parallel_only and procs == 1 else target, "go",
                      mallocs=None, without=("hand", "go") if ours_only else ("hand",),
                      procs=procs) for procs in PROCS)


TASKS = (
    *on_each("go/switch", 0.5),
    *on_each("go/spawn/1", 0.5),
    *on_each("go/spawn/100", 0.5),
    *on_each("go/pwj/one", 0.5),
    *on_each("go/pwj/own", 0.5),
    *on_each("chan/unbuffered", 0.5),
    *on_each("chan/buffered", 0.8),
    *on_each("select/ready/2", 0.8),
    *on_each("select/ready/4", 0.8),
    *on_each("select/waiting/2", 0.8),
    *on_each("select/waiting/4", 0.8),
    *on_each("mutex/alone", 0.8),
    *on_each("pool/item", 0.8),
    *on_each("pool/conn", None, ours_only=True),
    *on_each("pool/conn/aged", None, ours_only=True),
    *on_each("pool/conn/waiting", None, ours_only=True),
    *on_each("after/stopped", 0.8),
    *on_each("after/fired", 0.8),
    *on_each("context/cancel", 0.8),
    *on_each("context/child", 0.8),
    *on_each("context/timeout", 0.8),
    *on_each("context/tree", 0.8),
    *on_each("context/value", 0.8),
    *on_each("parallel/sieve", 1.0, parallel_only=True),
    *on_each("parallel/sum", 1.0, parallel_only=True),
    *on_each("parallel/pairs", 1.0, parallel_only=True),
    *on_each("parallel/mutex", 1.0, parallel_only=True),
    *on_each("net/echo/1", 0.83),
    *on_each("net/echo/64", 0.83),
    *on_each("net/stream", 0.83),
    *on_each("net/accept", 0.83),
)

# What the fastest coroutine libraries for C reach on one thread, in nanoseconds, as
# known from elsewhere: other machines, other compilers.
KNOWN = (
    ("switch", "15.6", "go/switch P=1"),
    ("spawn and join", "34-61", "go/spawn/100 P=1"),
    ("park, wake and join", "93", "go/pwj/one P=1"),
    ("unbuffered message", "28.6", "chan/unbuffered P=1"),
)
