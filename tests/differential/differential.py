#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""The differential test: random programs, written out for C with Belay and for
Go, must print the same trace.

    differential.py --count 500                     what CI runs
    differential.py --count 9000 --keep failed      a long one
    differential.py --crash --count 300             reports of uncaught panics
    differential.py --tasks --count 200 --inputs 4  programs with goroutines
    differential.py --tasks --crash --count 200     their panics and deadlocks
    differential.py --replay failed/*.json          stored programs again
    differential.py --record FILE                   keep hashes of what Go printed ...
    differential.py --recorded FILE                 ... for machines without Go

Each program runs with several inputs, at every optimisation level; programs x
inputs x levels are the runs.  Go's own builds (default, -l, -N -l) have to agree
with each other, else the run is dropped.  With goroutines, each number of
processors and each repetition is a run of its own.

model.py     what a program is, which are legal, random ones
emit_c.py    a program in C
emit_go.py   a program in Go
runs.py      building and running batches
tasks.py, tasks_c.py, tasks_go.py   the same for what goroutines add
shrink.py    smaller programs that still fail
kept/        programs that once failed, or that show something worth keeping;
             replay with --replay kept/*.json
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import emit_c
import emit_go
import runs
from model import random_program
from shrink import shrink, size

BATCH = 250             # programs in one file
LEVELS = "-O0 -O1 -O2 -O3 -Os -flto"
SHRINK_REPEAT = 3       # with goroutines a difference may be a matter of luck
SHRUNK = 5              # failing programs that are made smaller, per session


def arguments():
    root = Path(__file__).resolve().parents[2]
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=500, metavar="N", help="programs (500)")
    p.add_argument("--first", type=int, default=0, metavar="N", help="number of the first one (0)")
    p.add_argument("--seed", default="1", metavar="S", help="of the random programs (1)")
    p.add_argument("--inputs", type=int, default=2, metavar="N", help="inputs per program (2)")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="J",
                   help="batches at a time (one per CPU)")
    p.add_argument("--batch", type=int, default=BATCH, metavar="N",
                   help=f"programs compiled as one file ({BATCH})")
    p.add_argument("--cc", default="gcc", help="C compiler; clang: deferred calls only (gcc)")
    p.add_argument("--opts", default=LEVELS, metavar="LEVELS",
                   help=f"optimisation levels; -flto is -O2 -flto ({LEVELS})")
    p.add_argument("--kinds", choices=("blocks", "records", "both"), default="both",
                   help="defer blocks, deferred calls, or both (both)")
    p.add_argument("--lib", default=str(root / "build"), metavar="DIR",
                   help="where libbelay.a is (build)")
    p.add_argument("--libs", default="-lbacktrace -lpthread",
                   help="what it needs (-lbacktrace -lpthread)")
    p.add_argument("--include", default=str(root / "include"), metavar="DIR",
                   help="Belay's headers (include)")
    p.add_argument("--crash", action="store_true",
                   help="compare the reports of uncaught panics")
    p.add_argument("--tasks", action="store_true",
                   help="programs with goroutines, channels, select and sync")
    p.add_argument("--repeat", type=int, default=1, metavar="N",
                   help="run what has goroutines so many times (1)")
    p.add_argument("--procs", default=" ".join(map(str, runs.PROCS)), metavar="NUMBERS",
                   help="and with so many processors (1 2)")
    p.add_argument("--keep", type=Path, metavar="DIR", help="where failing programs go")
    p.add_argument("--no-shrink", action="store_true", help="keep failing programs as they are")
    p.add_argument("--record", type=Path, metavar="FILE", help="write hashes of what Go printed")
    p.add_argument("--recorded", type=Path, metavar="FILE", help="read it instead of running Go")
    p.add_argument("--replay", type=Path, nargs="+", metavar="FILE",
                   help="run these stored programs")
    return settled(p, p.parse_args(joined(sys.argv[1:])))


def joined(words):
    """`--opts -O2` as `--opts=-O2`: argparse takes -O2 for an option."""
    words = list(words)
    for name in ("--opts", "--libs"):
        if name in words[:-1]:
            i = words.index(name)
            words[i:i + 2] = [f"{name}={words[i + 1]}"]
    return words


def settled(parser, args):
    if args.count < 1 or args.inputs < 1 or args.jobs < 1 or args.batch < 1 or args.repeat < 1:
        parser.error("--count, --inputs, --jobs, --batch and --repeat start at 1")
    if "clang" in Path(args.cc).name and args.kinds != "records":
        if args.kinds == "blocks":
            parser.error("clang has no defer blocks")
        args.kinds = "records"
    for path in (Path(args.lib) / "libbelay.a", Path(args.include) / "belay" / "belay.h"):
        if not path.exists():
            parser.error(f"no {path}: build the library, or see --lib and --include")
    if args.crash and (args.record or args.recorded):
        parser.error("--crash needs Go itself")
    args.lib, args.include = str(Path(args.lib).resolve()), str(Path(args.include).resolve())
    args.levels = args.opts.split()
    args.procs = [int(n) for n in args.procs.split()]
    return args


# --- one batch ---------------------------------------------------------------

class Difference:
    """A program that C and Go do not agree on, at one level."""

    def __init__(self, program, level, procs, input_, want, got):
        self.program, self.level, self.procs, self.input = program, level, procs, input_
        self.want, self.got = want, got


class Session:
    """What all batches share."""

    def __init__(self, args, scratch):
        self.args = args
        self.scratch = scratch
        self.compiler = runs.Compiler(args.cc, args.include, args.lib, args.libs)
        self.recorded = read_record(args) if args.recorded else None
        self.to_record = {}     # program hash -> what Go printed, by input

    def batch(self, programs, name, levels=None, modes=runs.GO_MODES, procs=None, repeat=1):
        """Compares a batch; returns its number of runs and the differences.  procs,
        repeat: for programs with goroutines."""
        directory = self.scratch / name
        levels = levels or self.args.levels
        rounds = [None]
        if has_tasks(programs):
            rounds = (procs or self.args.procs) * max(repeat, self.args.repeat)
        try:
            want, ways = self.wanted(programs, directory, modes)
            count, differences = 0, []
            for number, level in enumerate(levels):
                binary = self.compiler.build(programs, level, directory / f"c{number}")
                for n in rounds:
                    got = self.got(binary, programs, ways, n)
                    differences += self.compare(programs, (level, n), want, got)
                    count += len(want)
            return count, differences
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def wanted(self, programs, directory, modes):
        """Go's output by run index; of crashes, what is to be run."""
        if self.recorded is not None:
            return self.from_record(programs), None
        want = runs.go_traces(programs, self.args.inputs, directory, modes)
        if self.args.crash:
            if has_tasks(programs):
                ways = {i: runs.crash_way(i, text) for i, text in want.items()}
                ways = {i: way for i, way in ways.items() if way}
            else:
                ways = {i: None for i, text in want.items() if runs.ends_with_panic(text)}
            want = runs.go_crashes(ways, self.args.inputs, directory, modes)
            return want, {i: ways[i] for i in want}
        if self.args.record:
            self.record(programs, want)
        return want, None

    def got(self, binary, programs, ways, procs):
        inputs = self.args.inputs
        if self.args.crash:
            return runs.crashes(binary, ways, inputs, procs)
        return runs.trace(binary, len(programs) * inputs, inputs, procs)

    def compare(self, programs, how, want, got):
        inputs = self.args.inputs
        seen = (lambda text: text) if self.recorded is None else hash_of_text
        return [Difference(programs[i // inputs], *how, i % inputs, text,
                           got.get(i, "no output"))
                for i, text in want.items() if seen(got.get(i, "no output")) != text]

    # Recorded output, by the program's hash: a changed generator finds nothing.

    def record(self, programs, want):
        inputs = self.args.inputs
        for place, program in enumerate(programs):
            numbers = range(place * inputs, (place + 1) * inputs)
            self.to_record[hash_of(program)] = [
                hash_of_text(want[i]) if i in want else NOT_RUN for i in numbers]

    def from_record(self, programs):
        want = {}
        for place, program in enumerate(programs):
            hashes = self.recorded.get(hash_of(program))
            if hashes is None:
                raise runs.ToolError(f"{self.args.recorded} is of another version of "
                                     "the generator: record it again")
            for k, text in enumerate(hashes):
                if text != NOT_RUN:
                    want[place * self.args.inputs + k] = text
        return want


def has_tasks(programs):
    return programs[0].get("tasks", False)


def hash_of(program):
    text = json.dumps(program, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- recorded output ---------------------------------------------------------

SHAPE = ("count", "first", "seed", "inputs", "kinds", "tasks")
NOT_RUN = "-"


def hash_of_text(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_record(args, session):
    """A line that says what it is of, then one a program: its hash, and that of what Go
    printed for each input."""
    shape = {key: getattr(args, key) for key in SHAPE}
    shape["go"] = subprocess.run(["go", "version"], capture_output=True, text=True,
                                 check=False).stdout.strip()
    lines = [json.dumps(shape, sort_keys=True)]
    lines += [" ".join([key, *hashes]) for key, hashes in session.to_record.items()]
    args.record.write_text("\n".join(lines) + "\n")


def read_record(args):
    try:
        first, *lines = args.recorded.read_text().splitlines()
        shape = json.loads(first)
        want = {key: hashes for key, *hashes in map(str.split, lines)}
    except (OSError, ValueError) as error:
        raise runs.ToolError(f"{args.recorded}: {error}") from error
    kinds = args.kinds
    for key in SHAPE:
        setattr(args, key, shape[key])
    if kinds != args.kinds and "clang" in Path(args.cc).name:
        raise runs.ToolError("clang needs a record made with --kinds records")
    print(f"differential: Go is not run: its output is compared by hashes of what "
          f"{shape['go']} printed", file=sys.stderr)
    return want


# --- failing programs --------------------------------------------------------

class Keeper:
    """Shrinks, stores and shows programs that fail."""

    def __init__(self, session):
        self.session = session
        self.shrunk = 0
        self.seen = set()

    def keep(self, difference):
        number = difference.program["number"]
        if number in self.seen:
            return
        self.seen.add(number)
        args = self.session.args
        if not args.no_shrink and self.shrunk < SHRUNK and not args.recorded:
            self.shrunk += 1
            difference = self.smallest(difference)
        show(difference)
        if args.keep:
            self.store(difference)

    def smallest(self, difference):
        found = {hash_of(difference.program): difference}

        def failing(programs):
            try:
                _, differences = self.session.batch(
                    programs, "shrink", [difference.level], runs.GO_MODES[:1],
                    [difference.procs], SHRINK_REPEAT)
            except runs.ToolError:
                return [False] * len(programs)
            for d in differences:
                found.setdefault(hash_of(d.program), d)
            return [hash_of(p) in found for p in programs]

        small = shrink(difference.program, failing)
        return found[hash_of(small)]

    def store(self, difference):
        args = self.session.args
        args.keep.mkdir(parents=True, exist_ok=True)
        program = dict(difference.program, seed=args.seed, level=difference.level)
        tasks = "-tasks" * has_tasks([program])
        base = args.keep / f"s{args.seed}-{args.kinds}{tasks}-{program['number']}"
        blocks = not self.session.compiler.is_clang
        base.with_suffix(".json").write_text(json.dumps(program, indent=1) + "\n")
        base.with_suffix(".c").write_text(emit_c.c_file([program], blocks))
        base.with_suffix(".go").write_text(emit_go.go_file([program]))
        base.with_suffix(".diff").write_text(
            f"--- Go\n{difference.want}\n--- C\n{difference.got}\n")


def show(difference):
    # want may be no more than a hash
    want, got = difference.want.splitlines(), difference.got.splitlines()
    same = 0
    while same < min(len(want), len(got)) and want[same] == got[same]:
        same += 1
    procs = f" on {difference.procs}" * bool(difference.procs)
    print(f"DIFFERENT: program {difference.program['number']}, input {difference.input}, "
          f"{difference.level}{procs}; {size(difference.program)} characters; "
          f"the same for {same} lines, then")
    for name, lines in (("Go", want), ("C", got)):
        for line in lines[same:same + 6] or ["(end)"]:
            print(f"    {name:2} {line}")
    sys.stdout.flush()


# --- all batches -------------------------------------------------------------

def batches(args):
    if args.replay:
        stored = [json.loads(path.read_text()) for path in args.replay]
        with_tasks = [p for p in stored if has_tasks([p])]
        without = [p for p in stored if not has_tasks([p])]
        return [programs[i:i + args.batch] for programs in (without, with_tasks)
                for i in range(0, len(programs), args.batch)]
    end = args.first + args.count
    numbers = [range(i, min(i + args.batch, end)) for i in range(args.first, end, args.batch)]
    return [[random_program(args.seed, n, args.kinds, args.tasks) for n in ns] for ns in numbers]


class Progress:
    """A line on stderr now and then."""

    def __init__(self, total):
        self.total, self.done, self.last = total, 0, time.monotonic()

    def step(self):
        self.done += 1
        if time.monotonic() - self.last > 20:
            self.last = time.monotonic()
            print(f"differential: {self.done} of {self.total} batches", file=sys.stderr)


def compare_all(args, session):
    todo = batches(args)
    progress, keeper = Progress(len(todo)), Keeper(session)
    programs, count, differences = sum(map(len, todo)), 0, []
    with ThreadPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(session.batch, batch, f"b{i}") for i, batch in enumerate(todo)]
        try:
            for future in as_completed(waiting):
                runs_, found = future.result()
                count += runs_
                differences += found
                progress.step()
                for difference in found:
                    keeper.keep(difference)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"differential: {programs} programs, {count} runs, {len(differences)} differences")
    return 1 if differences else 0


def main():
    args = arguments()
    if not args.recorded and not shutil.which("go"):
        print("differential: there is no go here; use --recorded FILE", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="belay-differential-") as scratch:
        try:
            session = Session(args, Path(scratch))
            status = compare_all(args, session)
            if args.record:
                write_record(args, session)
            return status
        except runs.ToolError as error:
            print(f"differential: {error}", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
