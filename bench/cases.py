# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What is measured, and what we promise about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str               # as belay.c, hand.c and go/main.go print it
    target: float = None    # the ratio to `than` should not be above this
    than: str = None        # "hand" or "go"
    mallocs: int = 0        # per operation, with Belay
    without: tuple = ()     # programs that do not have it
    turns: int = 1          # in one round: more for times that a per cent matters to


CASES = (
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
