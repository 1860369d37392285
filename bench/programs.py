# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Builds the benchmark's programs, and runs one case of one of them."""

import os
import shlex
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# A function's place among the cache lines is worth some per cent: the same for
# the same function in every program.
OPTIONS = ["-O2", "-falign-functions=64", "-Wall", "-Wextra"]
SAME_IN_BOTH = ("CMAKE_BUILD_TYPE", "CMAKE_C_COMPILER", "CMAKE_C_FLAGS", "BELAY_SANITIZE")


class Failure(Exception):
    """Something could not be built or run."""


def output(command, **options):
    """What the command prints; Failure, with its complaints, if it fails."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, text=True, capture_output=True, **options)
    except OSError as e:
        raise Failure(f"{command[0]}: {e.strerror}") from e
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise Failure(f"status {done.returncode} from: {shlex.join(command)}\n{said}")
    return done.stdout


# --- building ----------------------------------------------------------------

def pkg_config(build, option):
    env = dict(os.environ, PKG_CONFIG_PATH=str(build))
    return shlex.split(output(["pkg-config", option, "belay"], env=env))


def build_belay(cc, build, to):
    """The cases with the library in `build`.  Returns, like the other two, the
    files it takes to run them, the program first."""
    flags, libs = pkg_config(build, "--cflags"), pkg_config(build, "--libs")
    # Without Belay's flags, as any library that a program calls.
    output([cc, *OPTIONS, "-c", HERE / "bench.c", "-o", to / "bench.o"])
    output([cc, *OPTIONS, *flags, HERE / "belay.c", to / "bench.o",
            "-o", to / "belay", *libs, "-pthread"])
    return [to / "belay", *build.glob("libbelay.so*")]


def build_hand(cc, to):
    output([cc, *OPTIONS, HERE / "hand.c", HERE / "bench.c",
            "-o", to / "hand", "-pthread"])
    return [to / "hand"]


def build_go(to):
    return go_program(to, "go", ".")


def go_program(to, name, package):
    output(["go", "build", "-o", to / name, package], cwd=HERE / "go")
    return [to / name]


def belay_program(cc, build, to, name, sources):
    """A program with goroutines, with the library in `build`.  Go's compiler does
    not vectorise: that is not what is compared."""
    flags, libs = pkg_config(build, "--cflags"), pkg_config(build, "--libs")
    output([cc, *OPTIONS, "-fno-tree-vectorize", *flags, *(HERE / s for s in sources),
            "-o", to / name, *libs, "-pthread"])
    return [to / name, *build.glob("libbelay.so*")]


def has_goroutines(source):
    return (source / "include/belay/sync.h").exists()


def build_tasks(cc, build, to):
    return belay_program(cc, build, to, "tasks", ("timing.c", "tasks.c", "parallel.c"))


def build_go_tasks(to):
    return go_program(to, "go-tasks", "./tasks")


def build_park(cc, build, to):
    return belay_program(cc, build, to, "park", ("park.c",))


def build_go_park(to):
    return go_program(to, "go-park", "./park")


def cached_options(build):
    """Options for CMake that make another build like the one in `build`."""
    lines = (build / "CMakeCache.txt").read_text().splitlines()
    entries = (line.partition("=") for line in lines if "=" in line)
    values = {key.partition(":")[0]: value for key, _, value in entries}
    return [f"-D{key}={values[key]}" for key in SAME_IN_BOTH if values.get(key)]


@contextmanager
def base_library(revision, build):
    """The build folder of that revision's library, made in a worktree; both are
    removed at the end."""
    top = build / "bench-base"
    source, made = top / "source", top / "build"
    git = ["git", "-C", ROOT, "worktree"]
    remove_worktree(git, source, top)
    output([*git, "add", "--detach", source, revision])
    try:
        output(["cmake", "-S", source, "-B", made, "-G", "Ninja", "-DBELAY_TESTS=OFF",
                *cached_options(build)])
        output(["cmake", "--build", made])
        yield made
    finally:
        remove_worktree(git, source, top)


def remove_worktree(git, source, top):
    if source.exists():
        output([*git, "remove", "--force", source])
    shutil.rmtree(top, ignore_errors=True)
    output([*git, "prune"])


# --- running -----------------------------------------------------------------

def clean_environment():
    """Without the options of both run times."""
    return {k: v for k, v in os.environ.items()
            if not k.startswith(("BELAY", "GO", "LD_"))}


@contextmanager
def fresh_copies(built, where):
    """Copies of the programs, by name, for one round.  The pages that a file gets
    in memory, and the caches' sets with them, are worth a few per cent of its
    speed; with the same file every time they would pass for a difference between
    the programs."""
    with TemporaryDirectory(dir=where) as directory:
        copies = {}
        for name, files in built.items():
            folder = Path(directory) / name
            folder.mkdir()
            for file in files:
                shutil.copy(file, folder, follow_symlinks=False)
            copies[name] = folder / files[0].name
        yield copies


@dataclass
class Sample:
    ns: float       # per operation
    sum: str        # of what the case did
    mallocs: float  # per operation; None: not counted


def environment(library, procs=None, debug=""):
    """With the libbelay.so in that folder."""
    env = dict(clean_environment(), LD_LIBRARY_PATH=str(library))
    if procs:
        env.update(BELAYMAXPROCS=str(procs), GOMAXPROCS=str(procs))
    if debug:
        env.update(BELAYDEBUG=debug)
    return env


def run_case(program, case):
    line = output([program, case.name], env=environment(program.parent, case.procs))
    name, ns, result, *mallocs = line.rstrip("\n").split("\t")
    if name != case.name or len(mallocs) != (case.mallocs is not None):
        raise Failure(f"{program} {case.name} printed {line!r}")
    return Sample(float(ns), result, float(mallocs[0]) if mallocs else None)


def usable_cpus():
    """Empty where processes can't be pinned."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()


def pin(cpu):
    """Puts this process, and what it starts, on one CPU: the given one, or the
    last that it may use.  Returns its number, or None if that can't be done."""
    cpus = usable_cpus()
    if not cpus:
        return None
    cpu = max(cpus) if cpu is None else cpu
    set_cpus({cpu})
    return cpu


def set_cpus(cpus):
    """Where this process, and what it starts, may run; an empty set: no change."""
    try:
        if cpus:
            os.sched_setaffinity(0, cpus)
    except OSError as e:
        raise Failure(f"can't run on CPU {cpus}: {e.strerror}") from e
