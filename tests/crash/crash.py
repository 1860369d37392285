#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Runs every case of every PROGRAM.want in this folder, at -O0 with the static
library and at -O2 with the shared one, and compares exit status and stderr.

A want file holds comments, then sections:

    === CASE [WORD...]
    the stderr that is wanted

The words:
    status=N      the exit status, 2 if not said; 128 + N for death by signal N
    NAME=VALUE    (capital letters) an environment variable
    head          only the lines up to the first empty one are compared
    gcc           the case needs defer blocks
    -O0 -O2       only at this level
    closed        run without stdin, stdout and stderr
    stripped      strip the program first
    plain         not under sanitizers: they give every thread a signal stack
    unlike-go     Go prints something else, for a reason: see oracle_test.sh

Before comparing, addresses become 0x@ and numbers of lines @, or the mark that
the line bears: `/* @here */` gives {here}.  Goroutine ids but 1 become N, the
path of the repository is cut off, frames of the C library are folded into one
line, and those of a recursion as well.

    crash.py [--update] [PROGRAM [CASE]]

runs some of them; --update writes what was got into the want files.
"""
import difflib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("SOURCE") or os.path.realpath(__file__ + "/../../..")
BUILD = os.environ.get("BUILD") or SOURCE + "/build"
CC = os.environ.get("CC", "gcc")
CXX = os.environ.get("CXX", "g++")
SANITIZE = os.environ.get("SANITIZE", "")
HERE = SOURCE + "/tests/crash"
LEVELS = ("-O0", "-O2")
SECONDS = 10

WARNINGS = ["-Wall", "-Wextra", "-Wno-infinite-recursion",
            "-Wno-unknown-warning-option"]


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()


def is_gcc():
    return "clang" not in output_of(CC, "--version")


# --- the programs ------------------------------------------------------------

def options(gcc):
    flags = ["-std=gnu11", "-g", "-I" + SOURCE + "/include"]
    flags += ["-fexceptions", "-fnon-call-exceptions", "-fno-gcse"] if gcc else ["-fblocks"]
    return flags + (["-fsanitize=" + SANITIZE] if SANITIZE else [])


def compile_part(part, level, gcc, folder):
    """Compiles one of PROGRAM_*: the files that are there for how they are
    compiled."""
    command = [CC] + options(gcc) + [level] + WARNINGS
    if part.endswith("_bare.c"):
        command.append("-g0")
    elif part.endswith("_tableless.c"):
        command = [CC, "-g", level, "-fno-exceptions", "-fno-unwind-tables",
                   "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer"]
    elif part.endswith("_calls.c") and gcc:
        command.append("-fno-non-call-exceptions")
    elif part.endswith(".cc"):
        command = [CXX, "-g", level, "-I" + SOURCE + "/include"]
    target = f"{folder}/{os.path.basename(part)}{level}.o"
    subprocess.run(command + ["-c", part, "-o", target], check=True)
    return target


def build(name, level, gcc, folder):
    parts = sorted(glob.glob(f"{HERE}/{name}_*.[cS]") + glob.glob(f"{HERE}/{name}_*.cc"))
    objects = [compile_part(p, level, gcc, folder) for p in parts]
    if level == "-O0":
        library = [BUILD + "/libbelay.a", output_of("gcc", "-print-file-name=libbacktrace.a")]
    else:
        library = [BUILD + "/libbelay.so", "-Wl,-rpath," + BUILD]
    target = folder + "/" + name + level
    subprocess.run([CC] + options(gcc) + [level] + WARNINGS +
                   [f"{HERE}/{name}.c"] + objects + library +
                   ["-lpthread", "-lm", "-o", target], check=True)
    return target


# --- what a test may not depend on -------------------------------------------

def read_marks():
    marks = {}
    for path in glob.glob(HERE + "/*.[chS]") + glob.glob(HERE + "/*.cc"):
        with open(path) as file:
            for number, line in enumerate(file, 1):
                mark = re.search(r"/\* @([a-z-]+) \*/", line)
                if mark:
                    marks[f"{os.path.basename(path)}:{number}"] = mark.group(1)
    return marks


MARKS = read_marks()


def line_number(match):
    mark = MARKS.get(match.group(1) + ":" + match.group(2))
    return match.group(1) + ":" + ("{" + mark + "}" if mark else "@")


def fold_c_library(text):
    """Which frames the C library has is its own business, and whether it has debug
    information is the machine's."""
    frame = (r"(?:(?:__libc_\w+|_start)\(\.\.\.\)\n\t[^\n]*\n|"
             r"\S+\(\.\.\.\)\n\t(?:\.\.?/|\S*/lib(?:c|pthread)[.-])[^\n]*\n)+")
    return re.sub(r"(?m)^" + frame, "C library(...)\n", text)


def fold_repeated(text):
    """Frames of a recursion: once, and how often."""
    def times(match):
        count = len(match.group(0)) // len(match.group(1))
        return match.group(1) + f"... {count} times\n"
    return re.sub(r"(?m)^(\S+\(\.\.\.\)\n\t[^\n]*\n)\1{3,}", times, text)


def normalise(text):
    text = text.replace(SOURCE + "/", "")
    # what UBSan says about the faults that are wanted
    text = re.sub(r"(?m)^\S+\.c:\d+:\d+: runtime error: .*\n", "", text)
    text = re.sub(r"(?m)^0x\S+: note: pointer points here\n.*\n", "", text)
    text = re.sub(r"\S*tests/(?:crash/)?tests/crash/", "tests/crash/", text)  # clang, *.S
    text = re.sub(r"(?m)^\t/\S*/([\w.-]+)-O[02]", r"\t\1", text)  # a program
    text = re.sub(r"(?m)^(panic\(\.\.\.\)\n)\t.*", r"\1\tBelay", text)
    text = re.sub(r"0x[0-9a-f]+", "0x@", text)
    text = re.sub(r"goroutine (?!1 )\d+ ", "goroutine N ", text)
    text = re.sub(r"([\w.-]+\.(?:c|cc|S|h)):(\d+)", line_number, text)
    text = re.sub(r"(?m)^belay: .* leaves (?:__libc_|_start).*\n", "", text)
    text = re.sub(r"\.\.\.\d{4,} frames", "...N frames", text)
    text = re.sub(r"(?m)(^\w{1,6} +0x@$\n?){9,}", "registers\n", text)
    return fold_repeated(fold_c_library(text.rstrip("\n") + "\n")).rstrip("\n")


def head(text):
    return text.split("\n\n")[0].rstrip("\n")


# --- the cases ---------------------------------------------------------------

class Section:
    def __init__(self, title, lines):
        self.name, *self.words = title.split()
        self.want = "\n".join(lines).rstrip("\n")
        self.status = 2
        self.environment = {}
        for word in self.words:
            key, equals, value = word.partition("=")
            if key == "status":
                self.status = int(value)
            elif equals and key.isupper():
                self.environment[key] = value

    def text(self):
        return "\n".join([" ".join(["===", self.name] + self.words), self.want])

    def applies(self, level, gcc):
        if "gcc" in self.words and not gcc or "plain" in self.words and SANITIZE:
            return False
        return level in self.words or not set(LEVELS) & set(self.words)

    def part(self, text):
        """What is compared.  Sanitizers add frames of their own."""
        return head(text) if "head" in self.words or SANITIZE else text

    def run(self, program):
        if "stripped" in self.words:
            shutil.copy(program, program + ".stripped")
            program += ".stripped"
            subprocess.run(["strip", program], check=True)
        return execute([program, self.name], self.environment, "closed" in self.words)


def execute(command, variables, closed):
    env = {k: v for k, v in os.environ.items() if not k.startswith("BELAY")}
    quiet = "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0"
    env.update(ASAN_OPTIONS=quiet + ":detect_leaks=0", UBSAN_OPTIONS=quiet,
               TSAN_OPTIONS=quiet)
    env.update(variables)
    command = ["sh", "-c", 'ulimit -c 0; ulimit -s 8192; exec "$@"' + (" <&- >&- 2>&-" if closed else ""),
               "sh"] + command
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        return "hangs", normalise((late.stderr or b"").decode("latin1"))
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return status, normalise(done.stderr.decode("latin1"))


def read_want(path):
    with open(path) as file:
        comment, *rest = re.split(r"(?m)^=== ", file.read())
    return comment, [Section(*split_first(text)) for text in rest]


def split_first(text):
    title, *lines = text.split("\n")
    return title, lines


def complain(where, status, got, section):
    """Prints how a case differs; returns whether it does."""
    want, got = section.part(section.want), section.part(got)
    if status == section.status and got == want:
        return False
    print(f"FAIL {where}: status {status}, want {section.status}")
    for line in difflib.unified_diff(want.split("\n"), got.split("\n"), "want", "got",
                                     lineterm=""):
        print("  " + line)
    return True


def check(name, case, update, folder):
    """All cases of one program.  Returns how many ran and how many failed."""
    gcc, ran, failed = is_gcc(), 0, 0
    comment, sections = read_want(f"{HERE}/{name}.want")
    programs = {level: build(name, level, gcc, folder) for level in LEVELS}
    for section in sections:
        if case and section.name != case:
            continue
        for level in LEVELS:
            if not section.applies(level, gcc):
                continue
            status, got = section.run(programs[level])
            if case:
                print(f"--- {name} {section.name} {level}: status {status}\n{got}")
            if update:
                section.want = section.part(got)
            ran += 1
            failed += complain(f"{name} {section.name} {level}", status, got, section)
    if update:
        with open(f"{HERE}/{name}.want", "w") as file:
            file.write(comment + "\n\n".join(s.text() for s in sections) + "\n")
    return ran, failed


def main(arguments):
    update = "--update" in arguments
    words = [a for a in arguments if a != "--update"]
    names = sorted(os.path.basename(p)[:-5] for p in glob.glob(HERE + "/*.want"))
    ran = failed = 0
    folder = tempfile.mkdtemp()
    try:
        for name in names:
            if words and name != words[0]:
                continue
            more, bad = check(name, words[1] if len(words) > 1 else None, update, folder)
            ran, failed = ran + more, failed + bad
    finally:
        shutil.rmtree(folder)
    print(f"{ran} runs, {failed} failures")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
