#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""The long random stress of goroutines: every program of this folder in turns, on
1 to 8 processors, with each kind of torture and without, and in deterministic mode.

    stress.py --seconds 1800                  what `make stress` runs
    stress.py --seconds 60 timers locks       only these
    stress.py --seed 7                        the same programs, settings and seeds again

Ends with one line, `stress: ... 0 failed` and status 0, or `stress: ... N failed` and
status 1.  Above that, for each failure: what was said last, the file that has all of
it, and the command that does the same again.  Scheduling is chance: it may take more
than one try, so the command is a loop (but with schedseed= one is enough).

A program that says that it does not go on is looked at with gdb, if that is here, and
then asked for its goroutines by SIGQUIT.  One that does not even say that, too.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PROCS = (1, 2, 4, 8)
TORTURE = (0, 1, 2, 4, 8, 15)
LATE_S = 120            # over its time and patience, until the driver steps in
DUMP_S = 20             # for a program to write what SIGQUIT asks for
TAIL = 30               # lines of a failure that are printed
# These wait for what is outside Belay, whose clock stands still meanwhile.
NOT_DETERMINISTIC = ("blocking", "net", "profiled", "threads")


def arguments():
    root = Path(__file__).resolve().parents[2]
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("programs", nargs="*", help="names, without stress- (all)")
    p.add_argument("--seconds", type=float, default=1800, metavar="S",
                   help="for all runs together (1800)")
    p.add_argument("--each", type=float, default=0, metavar="S",
                   help="for one run (10, less if there is time for few only)")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="(a random one)")
    p.add_argument("--stall", type=int, default=45, metavar="S",
                   help="without progress: a hang (45)")
    p.add_argument("--build", default=str(root / "build"), metavar="DIR",
                   help="where the programs are, in tests/ (build)")
    p.add_argument("--keep", metavar="DIR",
                   help="where failures' output goes (stress/ in the build folder)")
    p.add_argument("--stop", action="store_true", help="at the first failure")
    a = p.parse_args()
    found = sorted(f.name[len("stress-"):] for f in Path(a.build, "tests").glob("stress-*"))
    unknown = set(a.programs) - set(found)
    if unknown or not found:
        p.error(f"no such program: {' '.join(sorted(unknown)) or 'none is built'}")
    a.programs = a.programs or found
    a.seed = a.seed or random.SystemRandom().randrange(1, 10**6)
    a.each = a.each or min(10, max(1, a.seconds / len(a.programs)))
    a.keep = Path(a.keep or Path(a.build, "stress"))
    return a


def settings(program, rng):
    """The program's environments in a random order, for ever."""
    while True:
        some = [(procs, f"torture={t}" if t else "") for procs in PROCS for t in TORTURE]
        if program not in NOT_DETERMINISTIC:
            some += [(1, f"schedseed={rng.randrange(1, 10**6)}") for _ in range(2)]
        rng.shuffle(some)
        for procs, debug in some:
            if rng.random() < 0.2:
                debug += ("," if debug else "") + "madvdontneed=1"
            yield {"BELAYMAXPROCS": str(procs), "BELAYDEBUG": debug}


class Run:
    """One program, once."""

    def __init__(self, options, program, env, seed, number):
        self.env = env
        self.command = [str(Path(options.build, "tests", f"stress-{program}")),
                        "--seed", str(seed), "--seconds", f"{options.each:g}",
                        "--stall", str(options.stall)]
        self.log = options.keep / f"{number}-{program}.txt"
        self.limit = options.each + options.stall + LATE_S
        self.why = ""

    def text(self):
        return self.log.read_text(errors="replace")

    def gdb(self, pid):
        if not shutil.which("gdb"):
            return
        with open(self.log, "a") as log:
            log.write("\n--- gdb: what the threads do\n")
            log.flush()
            try:
                subprocess.run(["gdb", "-p", str(pid), "-batch", "-nx",
                                "-ex", "thread apply all bt 20"], timeout=60,
                               stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                log.write("gdb took too long\n")
            log.write("--- gdb: end\n\n")

    def look_at_hung(self, process):
        self.why = "hung"
        self.gdb(process.pid)
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(DUMP_S)
        except subprocess.TimeoutExpired:
            self.why = "hung, and did not answer SIGQUIT"
            process.kill()
            process.wait()

    def watch(self, process):
        began = time.monotonic()
        while process.poll() is None:
            time.sleep(0.05)
            late = time.monotonic() - began
            if late > self.limit or (late > 1 and "does not end" in self.text()):
                self.look_at_hung(process)

    def run(self):
        """Returns whether it has passed."""
        with open(self.log, "wb") as log:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, env={**os.environ, **self.env})
        self.watch(process)
        if process.returncode < 0 and not self.why:
            self.why = f"killed by {signal.Signals(-process.returncode).name}"
        elif process.returncode and not self.why:
            self.why = f"status {process.returncode}"
        return not self.why

    def repeat(self):
        env = " ".join(f"{k}={v}" for k, v in self.env.items())
        return f"while {env} {' '.join(self.command)}; do :; done"

    def explain(self):
        lines = [s for s in self.text().splitlines() if s.strip()]
        print(f"FAIL {self.log}: {self.why}")
        print("".join(f"    {s[:160]}\n" for s in lines[:TAIL]), end="")
        if len(lines) > TAIL:
            print("    ...")
        print(f"  again: {self.repeat()}", flush=True)


def main():
    options = arguments()
    # who runs us in the background ignores it, and our programs would inherit that
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    rng = random.Random(options.seed)
    streams = {p: settings(p, random.Random(f"{options.seed} {p}")) for p in options.programs}
    options.keep.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    runs = failed = 0
    print(f"stress: {' '.join(options.programs)}; {options.seconds:g} s, "
          f"{options.each:g} s each, --seed {options.seed}", flush=True)
    while ((runs < len(options.programs) or time.monotonic() - began < options.seconds)
           and not (failed and options.stop)):
        program = options.programs[runs % len(options.programs)]
        runs += 1
        run = Run(options, program, next(streams[program]), rng.randrange(1, 10**9), runs)
        passed = run.run()
        if passed:
            words = run.text().splitlines()
            print(f"ok   {words[-1] if words else program}  {' '.join(run.env.values())}",
                  flush=True)
            run.log.unlink()
        else:
            failed += 1
            run.explain()
    print(f"stress: {runs} runs of {len(options.programs)} programs, "
          f"{time.monotonic() - began:.0f} s, --seed {options.seed}: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
