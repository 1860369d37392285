# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What goroutines take from the system, and when it gets that back: runs park.c and
go/park.

A wave of goroutines is parked in a process that has done nothing before, so that every
page is a new one: bytes are resident memory and page tables, divided by their number;
the time is from the first `go` until all of them have parked."""

import shutil
import subprocess
from dataclasses import dataclass
from statistics import median

import programs
from cases import PROCS
from programs import Failure, output
from stats import SIGNIFICANT, mann_whitney

MANY, ALL = 100_000, 1_000_000
ROUNDS, ROUNDS_OF_ALL = 5, 3
RELEASES = 200


@dataclass(frozen=True)
class Kind:
    name: str
    program: str
    debug: str = ""
    most_bytes: int = None


KINDS = (
    Kind("belay, 256 KiB stacks", "belay", most_bytes=4700),
    Kind("belay, 64 KiB stacks", "belay", "stacksize=65536", 4350),
    Kind("go", "go"),
)
MOST_MAPS = 1000
POLICIES = (
    ("MADV_FREE", "madvdontneed=0"),
    ("MADV_DONTNEED", "madvdontneed=1"),
)


def build(args, to):
    built = {"belay": programs.build_park(args.cc, args.build, to)}
    if shutil.which("go"):
        built["go"] = programs.build_go_park(to)
    return built


def figures(line):
    try:
        return {key: float(value) for key, value in
                (word.split("=") for word in line.split())}
    except ValueError as e:
        raise Failure(f"park printed {line!r}") from e


# --- parked ------------------------------------------------------------------

def measure_parked(args, built, progress):
    """One row for every number of goroutines, of processors and kind."""
    rows = []
    for n, rounds in waves(args):
        for procs in PROCS:
            progress(f"{n:,} parked goroutines, P={procs}")
            rows += parked_rows(args, built, n, procs, rounds)
    progress("")
    return rows


def waves(args):
    """The option --rounds asks for less, never for more: these runs take long."""
    many = [(MANY, min(args.rounds or ROUNDS, ROUNDS))]
    return many + [(ALL, min(args.rounds or ROUNDS_OF_ALL, ROUNDS_OF_ALL))] * args.full


def parked_rows(args, built, n, procs, rounds):
    kinds = [kind for kind in KINDS if kind.program in built]
    taken = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            program = built[kind.program][0]
            env = programs.environment(args.build, procs, kind.debug)
            taken[kind].append(figures(output([program, "parked", n], env=env)))
    return judged([row(kind, n, procs, taken[kind]) for kind in kinds])


def row(kind, n, procs, taken):
    medians = {key: median(t[key] for t in taken) for key in ("bytes", "ns", "maps")}
    return {"kind": kind.name, "goroutines": n, "procs": procs, **medians,
            "most_bytes": kind.most_bytes, "times": [t["ns"] for t in taken]}


def judged(rows):
    """Adds the ratio of times to Go's, and what is over its target."""
    go = next((r for r in rows if r["kind"] == "go"), None)
    for r in rows:
        if r is not go:
            r["ratio"] = go and r["ns"] / go["ns"]
            r["over"] = over(r, go)
    return rows


def over(r, go):
    """With `?` where it may be chance."""
    found = ["bytes"] * (r["bytes"] > r["most_bytes"]) + ["maps"] * (r["maps"] >= MOST_MAPS)
    if go and r["ratio"] > 1.0:
        sure = mann_whitney(r["times"], go["times"]) < SIGNIFICANT
        found.append("time" if sure else "time?")
    return found


# --- given back --------------------------------------------------------------

def measure_reclaim(args, built, progress):
    """The long waits run together: they sleep."""
    progress("stacks that are given back")
    waits = {policy: start(args, built["belay"], "ended", MANY, debug)
             for policy, debug in POLICIES}
    if "go" in built:
        waits["go"] = start(args, built["go"], "ended", MANY)
    ended = {name: finished(process) for name, process in waits.items()}
    for policy, debug in POLICIES:
        calls = finished(start(args, built["belay"], "released", RELEASES, debug))
        ended[policy].update(call_p50_ns=calls["p50_ns"], call_p99_ns=calls["p99_ns"])
    progress("")
    return ended


def start(args, files, what, n, debug=""):
    env = programs.environment(args.build, PROCS[-1], debug)
    return subprocess.Popen([str(files[0]), what, str(n)], env=env, text=True,
                            stdout=subprocess.PIPE)


def finished(process):
    line, _ = process.communicate()
    if process.returncode:
        raise Failure(f"status {process.returncode} from: {' '.join(process.args)}")
    return figures(line)
