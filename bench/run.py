#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""The benchmark: Belay beside hand-written C and Go, or beside an older Belay.

    run.py --build build                    the table
    run.py --build build --json new.json    and everything behind it
    run.py --build build --base HEAD~3      what has changed since
    run.py --case 'panic/.*/100' --quick    a quick look at a few cases

For every case the programs take turns (belay, hand, go, belay, hand, go, ...),
all on one CPU, so that whatever else the machine does meets them alike; in every
round from fresh copies of their files, and several times for the cheapest cases.  Times
are CPU time: medians over the rounds, with half the interquartile range after
the sign; ratios are ratios of medians.  `over?` is over the target by what may
be chance.  A case whose programs did different work is an error, not a number.

block/*     defer { }, against clean-up at every exit
returns/*   a recovering defer, and nothing goes wrong; by hand: setjmp
calls/*     defer_call, and nothing goes wrong; loop100 is per call
panic/*/N   panic N calls below the function that recovers: plain frames, a
            defer { } in each, a defer_call in each; by hand: longjmp, setjmp in
            each frame, a list of clean-ups
panic/...   error: an error value; fault: a NULL dereference; copy: a panic that
            is kept, and the one that may call malloc

cases.py    the cases and their targets     programs.py   building and running
table.py    what is printed                 stats.py      medians, the test
belay.c hand.c go/main.go                   the cases, three times
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import machine
import programs
import table
from cases import CASES
from programs import Failure
from stats import SIGNIFICANT, mann_whitney, summary

ROUNDS, QUICK_ROUNDS = 31, 5


def arguments():
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=Path, default=programs.ROOT / "build", metavar="DIR",
                   help="build folder of the library (build)")
    p.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    p.add_argument("--base", metavar="REV",
                   help="compare with that revision's library instead")
    p.add_argument("--case", type=regex, default="", metavar="REGEX",
                   help="only cases whose names match somewhere")
    p.add_argument("--rounds", type=int, metavar="N",
                   help=f"({ROUNDS}; with --quick {QUICK_ROUNDS})")
    p.add_argument("--quick", action="store_true", help="few rounds: to look, not to quote")
    p.add_argument("--cc", default="gcc", help="C compiler (gcc)")
    p.add_argument("--cpu", type=int, metavar="N", help="where to run (the last CPU)")
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
    args.cases = [c for c in CASES if args.case.search(c.name)]
    if not args.cases:
        parser.error(f"no case matches {args.case.pattern!r}")
    if args.rounds is None:
        args.rounds = QUICK_ROUNDS if args.quick else ROUNDS
    if args.rounds < 1:
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


# --- measuring ---------------------------------------------------------------

def measure(args, built):
    """Times of every case in every program that has it."""
    samples = {case: {name: [] for name in built if name not in case.without}
               for case in args.cases}
    for number in range(args.rounds):
        progress(f"round {number + 1} of {args.rounds}")
        with programs.fresh_copies(built, args.build / "bench") as copies:
            for case, by_name in samples.items():
                take_turns(case, by_name, copies)
    progress("")
    return {case.name: {name: summarised(taken) for name, taken in by_name.items()}
            for case, by_name in samples.items()}


def take_turns(case, by_name, copies):
    for _ in range(case.turns):
        for name, taken in by_name.items():
            taken.append(programs.run_case(copies[name], case))
    check_work(case, by_name)


def check_work(case, by_name):
    sums = {name: taken[-1].sum for name, taken in by_name.items()}
    if len(set(sums.values())) > 1:
        raise Failure(f"{case.name}: the programs did different work: {sums}")


def summarised(taken):
    return dict(summary([sample.ns for sample in taken]), mallocs=taken[-1].mallocs)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def compare_programs(args, to):
    """Belay, hand-written C and Go."""
    built = {"belay": programs.build_belay(args.cc, args.build, to),
             "hand": programs.build_hand(args.cc, to)}
    if shutil.which("go"):
        built["go"] = programs.build_go(to)
    args.cpu = programs.pin(args.cpu)
    results = measure(args, built)
    for case in args.cases:
        add_ratios(case, results[case.name])
    return results


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
        built = {"new": programs.build_belay(args.cc, args.build, to),
                 "base": programs.build_belay(args.cc, old, old_to)}
        args.cpu = programs.pin(args.cpu)
        results = {}
        for name, r in measure(args, built).items():
            r["ratio"] = r["new"]["median"] / r["base"]["median"]
            r["p"] = mann_whitney(r["new"]["times"], r["base"]["times"])
            results[name] = r
    return results


# --- main --------------------------------------------------------------------

def write_json(args, results, where):
    everything = {"commit": machine.describe(), "machine": where, "rounds": args.rounds,
                  "unit": "ns", "cases": results}
    if args.base is not None:
        everything["base"] = args.base_commit
    args.json.write_text(json.dumps(everything, indent=2) + "\n")


def main():
    args = arguments()
    to = args.build / "bench"
    to.mkdir(exist_ok=True)
    compare = compare_programs if args.base is None else compare_revisions
    results = compare(args, to)
    where = machine.machine(args.cc, args.cpu)
    table.show(args, results, where)
    if args.json:
        write_json(args, results, where)


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
