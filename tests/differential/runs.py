# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Builds batches of programs and runs them: what each run printed.

A run is (program, input).  Many programs make one executable, which prints
`== NUMBER.INPUT` before each run; a run's output is what follows.  When a run
kills the executable, the runs after it are started anew.

With goroutines (tasks.py) a fatal error is an outcome, too: a deadlock most often.
"""

import os
import re
import subprocess
from pathlib import Path

import emit_c
import emit_go

RUN_SECONDS = 60
PROCS = (1, 2)          # BELAYMAXPROCS for programs with goroutines
GO_MODES = ((), ("-gcflags=-l",), ("-gcflags=-N -l",))
GO_MODULE = "module main\n\ngo 1.26\n"


# Values that exist only once in Go: it takes a second panic with one for the
# first panic raised again, and prints one line for both.
SHARED = re.compile(r"(\t?panic: (?:true|false|panic called with nil argument|runtime error: "
                    r"(?:invalid memory address or nil pointer dereference|integer divide by "
                    r"zero)))(?: \[.*\])?$")


# What Go and Belay find wrong with programs that have goroutines.
FATAL = re.compile(r"fatal error: (all goroutines are asleep|sync: )")


class ToolError(Exception):
    """A compiler or a linker failed: nothing was compared."""


def tool(command, cwd, environment=None):
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              errors="replace", check=False)
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise ToolError(" ".join(map(str, command)) + "\n" + done.stdout[-3000:])


# --- building ----------------------------------------------------------------

class Compiler:
    """How C is compiled: one C compiler, the library and its headers."""

    def __init__(self, cc, include, library, libs):
        self.cc = cc
        self.is_clang = "clang" in Path(cc).name
        self.include = include
        self.archive = Path(library) / "libbelay.a"
        self.libs = libs.split()

    def build(self, programs, level, directory):
        directory.mkdir(parents=True, exist_ok=True)
        source, binary = directory / "batch.c", directory / "batch"
        source.write_text(emit_c.c_file(programs, blocks=not self.is_clang))
        needed = (["-fblocks"] if self.is_clang
                  else ["-fexceptions", "-fnon-call-exceptions", "-fno-gcse"])
        options = "-O2 -flto" if level == "-flto" else level
        tool([self.cc, "-std=gnu11", "-w", *options.split(), *needed,
              "-I", self.include, source, "-o", binary, self.archive,
              *self.libs], directory)
        return binary


def build_go(programs, mode, directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "go.mod").write_text(GO_MODULE)
    (directory / "main.go").write_text(emit_go.go_file(programs))
    environment = dict(os.environ, GO111MODULE="on", GOFLAGS="", GOWORK="off",
                       GOTOOLCHAIN="local", GODEBUG="")
    tool(["go", "build", *mode, "-o", "batch", "."], directory, environment)
    return directory / "batch"


# --- running -----------------------------------------------------------------

def execute(command, procs=None):
    """Status and output; a run that hangs is killed."""
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("BELAYTRACEBACK", "BELAYDEBUG", "GOTRACEBACK", "GODEBUG")}
    if procs:
        environment["BELAYMAXPROCS"] = str(procs)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment)
    try:
        out, err = process.communicate(timeout=RUN_SECONDS)
        status = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        status = "hangs"
    return status, out.decode(errors="replace"), err.decode(errors="replace")


def trace(binary, count, inputs, procs=None):
    """The trace of every run, by index; a run that died says how."""
    traces, first = {}, 0
    while first < count:
        status, out, err = execute([binary, "trace", str(first), str(count - first),
                                    str(inputs)], procs)
        parts = re.split(r"^(?===)", out, flags=re.MULTILINE)
        parts = [part for part in parts if part.startswith("== ")]
        for offset, part in enumerate(parts):
            traces[first + offset] = part
        if status == 0 and len(parts) == count - first:
            break
        finished = sum("\n-- " in part for part in parts)
        victim = min(first + finished, count - 1)
        if FATAL.match(err):    # what was traced before is still in memory
            traces[victim] = f"{traces.get(victim, '')}status {status}\n{panic_lines(err)}"
        else:
            traces[victim] = f"died, status {status}\n{traces.get(victim, '')}\n{err[:3000]}"
        first = victim + 1
    return traces


def died(text):
    return text.startswith("died, status ")


def ends_with_panic(text):
    return not died(text) and "\n-- panic " in text


def crash(binary, index, inputs):
    """The trace, status and panic lines of a run that is not recovered."""
    status, out, err = execute([binary, "crash", str(index), str(inputs)])
    return f"{out}status {status}\n{panic_lines(err)}"


class Way:
    """How a run with goroutines comes to a bad end that is the same each time."""

    def __init__(self, on_main, path=None):
        self.on_main = on_main  # the root task is main's goroutine
        self.path = path        # the one task that panics; else a deadlock


def crash_way(index, text):
    """The Way of a run with this trace, if it has one."""
    if "\nfatal error: all goroutines" in text:
        return Way(index % 2)
    panics = re.findall(r"^task (\S+)\n(?:(?!\*\* ).*\n)*\*\* panic ", text, re.MULTILINE)
    if len(panics) == 1:
        return Way(index % 2, panics[0])
    if not panics and re.search(r"^task 0\n(?:(?!\*\* ).*\n)*\*\* goexit", text, re.MULTILINE):
        return Way(1)
    return None


def task_crash(binary, index, inputs, way, procs=None):
    """As crash().  Where tasks have got to when another one panics is a matter of
    luck, so that only the panicking task's trace counts."""
    status, out, err = execute([binary, "crash", str(index), str(inputs), str(way.on_main)],
                               procs)
    lines = {}
    for line in re.split(r"^(?=[\d.]+\||==|--)", out, flags=re.MULTILINE):
        lines.setdefault(line.split("|")[0], []).append(line)
    if way.path:
        lines = {path: lines[path] for path in (way.path,) if path in lines}
    elif not re.match("fatal error: (all|no) goroutines", err):
        return f"died, status {status}, not of a deadlock\n{err[:3000]}"
    text = "".join("".join(lines[path]) for path in sorted(lines))
    return f"{text}status {status}\n{panic_lines(err)}"


def panic_lines(report):
    """The report up to the stacks.  Addresses and pcs differ, and so does how
    division by zero is found: by a signal here, by an instruction in Go.  Go
    also leaves the signal line of an older, recovered fault standing."""
    lines = []
    for line in report.split("\n\ngoroutine ")[0].splitlines():
        line = line.replace(" (use GODEBUG=panicnil=1 to disable)", "")
        if line.startswith("[signal "):
            stale = is_go(report) and "invalid memory" not in lines[-1]
            if "SIGFPE" in line or stale:
                continue
            line = re.sub(r" code=\S+| pc=\w+", "", line)
        line = re.sub(r"0x[0-9a-f]{6,}", "0x?", line)
        shared = SHARED.match(line)
        if shared:
            line = shared[1]
        if not (shared and lines and lines[-1].lstrip("\t") == line.lstrip("\t")):
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"


def is_go(report):
    return "\nmain." in report


# --- the oracle --------------------------------------------------------------

def go_traces(programs, inputs, directory, modes):
    """What Go prints, by index, for the runs on which its builds agree."""
    results = []
    for number, mode in enumerate(modes):
        binary = build_go(programs, mode, directory / f"go{number}")
        results.append(trace(binary, len(programs) * inputs, inputs))
    return agreed(results)


def crashes(binary, ways, inputs, procs=None):
    """ways: of the runs at hand, by index; None without goroutines."""
    return {i: task_crash(binary, i, inputs, way, procs) if way else crash(binary, i, inputs)
            for i, way in ways.items()}


def go_crashes(ways, inputs, directory, modes):
    """The same for the reports of uncaught panics, from the builds at hand."""
    results = []
    for number in range(len(modes)):
        binary = directory / f"go{number}" / "batch"
        results.append(crashes(binary, ways, inputs))
    return agreed(results)


def agreed(results):
    first = results[0]
    return {index: text for index, text in first.items()
            if not died(text) and all(r.get(index) == text for r in results)}
