# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What errors.py, contexts.py, urls.py, routes.py and files.py share: random trees, written
as lines of text, go to a program in C and to its twin in Go; what the two say has to be the
same.

NAME.py has the language: NAME_tree.c and NAME_go/main.go read it, and answer each tree
with `tree N` and lines.  NAME.recorded has hashes of Go's answers, for machines without
Go.  Exit status: 0 no difference; 1 some; 2 a tool failed.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BATCH = 1000            # trees: one hash


class Chance:
    """Random numbers that are the same with every version of Python."""

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) % 2**64

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def one_of(self, things):
        return things[self.below(len(things))]


# --- running -------------------------------------------------------------------------

def complain(text, status):
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr)
    sys.exit(status)


def tool(command, cwd, environment=None, text=None):
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, input=text, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        complain(f"{command[0]}: {error}", 1 if text else 2)
    if done.returncode:
        print(done.stderr.decode(errors="replace")[-3000:], file=sys.stderr)
        complain(f"{command[0]}: status {done.returncode}", 1 if text else 2)
    return done.stdout


def build_c(name, args, directory):
    needed = (["-fblocks"] if "clang" in Path(args.cc).name
              else ["-fexceptions", "-fnon-call-exceptions", "-fno-gcse"])
    binary = directory / "in_c"
    lib = Path(args.lib).resolve()
    sources = [args.sources / source for source in args.with_sources]
    tool([args.cc, "-std=gnu11", "-O2", *needed, "-I", args.include, "-I", args.sources,
          HERE / f"{name}_tree.c", *sources, "-o", binary,
          *(lib / archive for archive in args.archives), *args.libs.split()], directory)
    return binary


def build_go(name, directory):
    binary = directory / "in_go"
    environment = dict(os.environ, GOFLAGS="-mod=mod", GO111MODULE="on",
                       GOTOOLCHAIN="local", GODEBUG="")
    tool(["go", "build", "-o", binary, "."], HERE / f"{name}_go", environment)
    return binary


def answers(binary, trees):
    """What the program says, tree by tree."""
    text = tool([binary], None, None, "".join(trees).encode()).decode()
    parts = re.split(r"(?m)^tree ", text)[1:]
    if len(parts) != len(trees):
        complain(f"{binary.name} answered {len(parts)} of {len(trees)} trees", 1)
    return parts


def digest(parts):
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:32]


def batches(parts):
    return [digest(parts[i:i + BATCH]) for i in range(0, len(parts), BATCH)]


def show_differences(trees, in_c, in_go):
    bad = [i for i, (c, go) in enumerate(zip(in_c, in_go)) if c != go]
    for i in sorted(bad, key=lambda i: len(trees[i]))[:3]:
        print(f"--- {trees[i]}--- in C\n{in_c[i]}--- in Go\n{in_go[i]}")
    return len(bad)


def compare_recorded(recorded, head, in_c):
    first, *want = recorded.read_text().splitlines()
    if first != head:
        complain(f"{recorded.name} is of other trees: record again", 2)
    bad = [i for i, (got, one) in enumerate(zip(batches(in_c), want)) if got != one]
    for i in bad:
        print(f"trees {i * BATCH} to {(i + 1) * BATCH - 1} differ from what Go has said")
    return len(bad)


def compare(name, args, trees, directory):
    """How many trees, or batches of them, differ; and how many lines were compared."""
    recorded = HERE / f"{name}.recorded"
    head = f"{args.seed} {args.count} {digest(trees)}"
    in_c = answers(build_c(name, args, directory), trees)
    if args.recorded:
        bad = compare_recorded(recorded, head, in_c)
    else:
        in_go = answers(build_go(name, directory), trees)
        bad = show_differences(trees, in_c, in_go)
        if args.record:
            recorded.write_text("\n".join([head, *batches(in_go)]) + "\n")
    return bad, sum(part.count("\n") for part in in_c)


def main(name, doc, random_tree, count=12000, archives=(), libs="", sources=()):
    """The whole program; random_tree(seed, number) is a tree's text.  archives, libs: what
    the program in C needs beside libbelay.a; sources: of src/, what is not libbelay.a's."""
    root = HERE.parents[1]
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.
                                RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=count, metavar="N", help=f"trees ({count})")
    p.add_argument("--seed", type=int, default=1, metavar="S", help="of the trees (1)")
    p.add_argument("--lib", default=str(root / "build"), metavar="DIR",
                   help="where libbelay.a is (build)")
    p.add_argument("--include", default=str(root / "include"), metavar="DIR",
                   help="Belay's headers (include)")
    p.add_argument("--libs", default=f"{libs} -lbacktrace -lpthread", help="what it needs")
    p.add_argument("--cc", default="gcc", help="C compiler (gcc)")
    p.add_argument("--record", action="store_true", help=f"write {name}.recorded")
    p.add_argument("--recorded", action="store_true", help="read it; no Go needed")
    args = p.parse_args()
    args.archives = [*archives, "libbelay.a"]
    args.sources, args.with_sources = root / "src", sources
    trees = [random_tree(args.seed, i) for i in range(args.count)]
    directory = Path(tempfile.mkdtemp())
    try:
        bad, lines = compare(name, args, trees, directory)
    finally:
        shutil.rmtree(directory)
    print(f"differential: {len(trees)} trees of {name}, {lines} answers, {bad} differ")
    return 1 if bad else 0
