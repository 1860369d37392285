#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""The benchmark: Belay beside hand-written C and Go, or beside an older Belay.

    run.py --build build                    the table
    run.py --build build --json new.json    and everything behind it
    run.py --build build --base HEAD~3      what has changed since
    run.py --case 'panic/.*/100' --quick    a quick look at a few cases
    run.py --only tasks                     one part: engine, tasks or memory
    run.py --only memory --full             with a million goroutines, too

engine is defer, panic and recover.  For every case the programs take turns (belay,
hand, go, belay, hand, go, ...), all on one CPU, so that whatever else the machine does
meets them alike; in every round from fresh copies of their files, and several times
for the cheapest cases.  Times are CPU time: medians over the rounds, with half the
interquartile range after the sign; ratios are ratios of medians.  `over?` is over the
target by what may be chance.  A case whose programs did different work is an error,
not a number.

tasks is goroutines, messages, timers and sync, against Go in the same way, but with one
processor (P=1) and with two, all CPUs allowed; with two it is time on the wall, for
which the machine should have nothing else to do.  memory is what parked goroutines
take, and when the system gets it back (memory.py); it knows neither --base nor --case.
Without Go the times stand alone.

block/*     defer { }, against clean-up at every exit
returns/*   a recovering defer, and nothing goes wrong; by hand: setjmp
calls/*     defer_call, and nothing goes wrong; loop100 is per call
panic/*/N   panic N calls below the function that recovers: plain frames, a
            defer { } in each, a defer_call in each; by hand: longjmp, setjmp in
            each frame, a list of clean-ups
panic/...   error: an error value; fault: a NULL dereference; copy: a panic that
            is kept, and the one that may call malloc
go/*        switch: gosched, two goroutines a processor; spawn/N: made and joined, N at
            a time; pwj: 1000 made, parked in one channel that is closed, or each
            in its own, woken, joined; all per goroutine
chan/*      a message, to a goroutine that has nothing else to do; buffered: 128
select/*/N  ready: N channels hold a message, the one taken is refilled; waiting: the
            receiver has to wait in all N
mutex/alone lock and unlock, nobody else wants it
pool/*      item: bl_pool get and put, against sync.Pool; conn: a connection got and put
            back; aged: with limits of age; waiting: four goroutines want one
after/*     AfterFunc stopped before it fires, or fired, run and joined, 100 at a time
context/*   made, cancelled and freed: with cancel, as the child of one, with a timeout;
            tree: 100 children that end with their parent; value: found, ten deep
parallel/*  sieve: the first 1500 primes by a chain of filters; sum: 4 M ints in 1024
            chunks; pairs: four pairs of goroutines, there and back; mutex: four
            goroutines want one mutex

cases.py    the cases and their targets     programs.py   building and running
table.py    what is printed                 stats.py      medians, the test
belay.c hand.c go/main.go                   the engine's cases, three times
tasks.c parallel.c go/tasks                 the tasks', twice
park.c go/park                              the programs that memory.py runs
"""

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

import machine
import memory
import programs
import table
from cases import ENGINE, PROCS, TASKS
from programs import Failure
from stats import SIGNIFICANT, mann_whitney, summary

PARTS = ("engine", "tasks", "memory")
ROUNDS = {"engine": 31, "tasks": 15}
QUICK_ROUNDS = 5


def arguments():
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=Path, default=programs.ROOT / "build", metavar="DIR",
                   help="build folder of the library (build)")
    p.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    p.add_argument("--base", metavar="REV",
                   help="compare with that revision's library instead")
    p.add_argument("--only", choices=PARTS, help="that part alone")
    p.add_argument("--full", action="store_true",
                   help="memory: a million goroutines as well")
    p.add_argument("--case", type=regex, default="", metavar="REGEX",
                   help="only cases whose names match somewhere")
    p.add_argument("--rounds", type=int, metavar="N",
                   help=f"({ROUNDS['engine']}, tasks: {ROUNDS['tasks']}; "
                        f"with --quick {QUICK_ROUNDS})")
    p.add_argument("--quick", action="store_true", help="few rounds: to look, not to quote")
    p.add_argument("--cc", default="gcc", help="C compiler (gcc)")
    p.add_argument("--cpu", type=int, metavar="N", help="where engine runs (the last CPU)")
    return settled(p, p.parse_args())


def regex(text):
    try:
        return re.compile(text)
    except re.error as e:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {e}") from e


def settled(parser, args):
    args.build = args.build.resolve()
    if not (args.build / "belay-uninstalled.pc").exists():
        parser.error(f"no library in {args.build}: build it with make, or see --build")
    choose(parser, args)
    if args.rounds is None and args.quick:
        args.rounds = QUICK_ROUNDS
    if args.rounds is not None and args.rounds < 1:
        parser.error("--rounds starts at 1")
    if args.cpu is not None and args.cpu not in programs.usable_cpus():
        parser.error(f"CPU {args.cpu} is not among {sorted(programs.usable_cpus())}")
    if args.json and not args.json.resolve().parent.is_dir():
        parser.error(f"no folder for {args.json}")
    if args.base is not None:
        args.base_commit = machine.resolve(args.base)
        if not args.base_commit:
            parser.error(f"no revision {args.base!r}")
    return args


def choose(parser, args):
    """The cases of each part that is wanted."""
    args.parts = {part: [c for c in cases if args.case.search(c.label)]
                  for part, cases in (("engine", ENGINE), ("tasks", tasks_here()))
                  if args.only in (None, part)}
    args.parts = {part: cases for part, cases in args.parts.items() if cases}
    narrowed = args.base is not None or args.case.pattern
    args.memory = args.only == "memory" or (args.only is None and not narrowed)
    if args.only == "memory" and narrowed:
        parser.error("--only memory knows neither --base nor --case")
    if not args.parts and not args.memory:
        parser.error(f"no case matches {args.case.pattern!r}")


def tasks_here():
    """Two processors need two CPUs."""
    cpus = len(programs.usable_cpus()) or os.cpu_count() or 1
    return [c for c in TASKS if c.procs <= cpus]


# --- measuring ---------------------------------------------------------------

def measure(args, part, built):
    """Times of every case of that part in every program that has it."""
    samples = {case: {name: [] for name in built if name not in case.without}
               for case in args.parts[part]}
    rounds = args.rounds or ROUNDS[part]
    for number in range(rounds):
        progress(f"{part}: round {number + 1} of {rounds}")
        with programs.fresh_copies(built, args.build / "bench") as copies:
            for case, by_name in samples.items():
                take_turns(case, by_name, copies)
    progress("")
    return {case.label: {name: summarised(taken) for name, taken in by_name.items()}
            for case, by_name in samples.items()}


def take_turns(case, by_name, copies):
    for _ in range(case.turns):
        for name, taken in by_name.items():
            taken.append(programs.run_case(copies[name], case))
    check_work(case, by_name)


def check_work(case, by_name):
    sums = {name: taken[-1].sum for name, taken in by_name.items()}
    if len(set(sums.values())) > 1:
        raise Failure(f"{case.label}: the programs did different work: {sums}")


def summarised(taken):
    return dict(summary([sample.ns for sample in taken]), mallocs=taken[-1].mallocs)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def build_programs(args, part, to):
    """Belay, hand-written C and Go."""
    with_go = shutil.which("go")
    if part == "tasks":
        built = {"belay": programs.build_tasks(args.cc, args.build, to)}
        return dict(built, go=programs.build_go_tasks(to)) if with_go else built
    built = {"belay": programs.build_belay(args.cc, args.build, to),
             "hand": programs.build_hand(args.cc, to)}
    return dict(built, go=programs.build_go(to)) if with_go else built


def compare_programs(args, to):
    built = {part: build_programs(args, part, to) for part in args.parts}
    results = {}
    for part, cases in args.parts.items():
        results |= on_its_cpus(args, part, built[part])
        for case in cases:
            add_ratios(case, results[case.label])
    return results


def on_its_cpus(args, part, built):
    """engine on one CPU, and tasks on all."""
    if part == "tasks":
        return measure(args, part, built)
    everywhere = programs.usable_cpus()
    args.cpu = programs.pin(args.cpu)
    try:
        return measure(args, part, built)
    finally:
        programs.set_cpus(everywhere)


def add_ratios(case, result):
    result["ratio"] = {name: result["belay"]["median"] / result[name]["median"]
                       for name in ("hand", "go") if name in result}
    result["target"] = case.target and {"than": case.than, "ratio": case.target}
    result["verdict"] = verdict(case, result)


def verdict(case, result):
    """ok, over (`over?` if that may be chance) or malloc; None where there is
    nothing to judge by."""
    if result["belay"]["mallocs"] != case.mallocs:
        return "malloc"
    if case.target is None or case.than not in result:
        return None
    if result["ratio"][case.than] <= case.target:
        return "ok"
    allowed = [ns * case.target for ns in result[case.than]["times"]]
    p = mann_whitney(result["belay"]["times"], allowed)
    return "over" if p < SIGNIFICANT else "over?"


def compare_revisions(args, to):
    """Belay as it is, and as it was."""
    with programs.base_library(args.base_commit, args.build) as old:
        old_to = old / "bench"
        old_to.mkdir()
        results = {}
        for part in args.parts:
            build = programs.build_tasks if part == "tasks" else programs.build_belay
            if part == "tasks" and not programs.has_goroutines(old.parent / "source"):
                raise Failure(f"{args.base} has no goroutines: see --only engine")
            built = {"new": build(args.cc, args.build, to),
                     "base": build(args.cc, old, old_to)}
            results |= on_its_cpus(args, part, built)
    for r in results.values():
        r["ratio"] = r["new"]["median"] / r["base"]["median"]
        r["p"] = mann_whitney(r["new"]["times"], r["base"]["times"])
    return results


def speed_ups(args, results):
    """How much faster two processors are than one: Belay's and Go's."""
    ups = {}
    for case in args.parts.get("tasks", ()):
        one, two = (results.get(f"{case.name} P={procs}") for procs in PROCS)
        if case.name.startswith("parallel/") and one and two:
            ups[case.name] = {name: one[name]["median"] / two[name]["median"]
                              for name in ("belay", "go", "new", "base") if name in one}
    return ups


# --- main --------------------------------------------------------------------

def write_json(args, everything):
    if args.base is not None:
        everything["base"] = args.base_commit
    args.json.write_text(json.dumps(everything, indent=2) + "\n")


def measure_all(args):
    """Everything that was asked for, as it goes to the file."""
    to = args.build / "bench"
    to.mkdir(exist_ok=True)
    compare = compare_programs if args.base is None else compare_revisions
    results = compare(args, to) if args.parts else {}
    all_of_it = {"commit": machine.describe(), "machine": machine.machine(args.cc, args.cpu),
                 "rounds": {part: args.rounds or ROUNDS[part] for part in args.parts},
                 "unit": "ns", "cases": results, "speed_up": speed_ups(args, results)}
    if args.memory:
        built = memory.build(args, to)
        all_of_it["parked"] = memory.measure_parked(args, built, progress)
        all_of_it["given_back"] = memory.measure_reclaim(args, built, progress)
    return all_of_it


def main():
    args = arguments()
    everything = measure_all(args)
    table.show(args, everything)
    if args.json:
        write_json(args, everything)


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
