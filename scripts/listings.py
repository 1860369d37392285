#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Compiles, and runs, the listings of the guide.

    scripts/listings.py BUILD [FILE.md ...]     all of docs/guide, unless files are named

Words behind the language of a fenced block say what it is:

    ```c               a whole file: it has to compile without warnings
    ```c functions     the same behind the usual #includes
    ```c fragment      statements: the same in a function
    ```c refused       as `functions`, but must not compile; the ```text block that
                       follows is what the compiler says, among other things
    ```c run           a whole program; it has to print the ```text block that
                       follows (stdout, then stderr); reports call it prog.c
    ```LANGUAGE file=NAME    is written to the chapter's folder
    ```sh run          runs in the chapter's folder, where pkg-config and CMake
                       find the library; it has to print the ```text block

`status=N` behind `run` is the wanted exit status (0), `NAME=value` with a name in
capitals is set in the environment.  In a ```text block … stands for any characters, and
alone in a line for any lines.  An HTML comment `<!-- given: ... -->` before a listing
comes before it at file scope.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide"
WARNINGS = "-Wall -Wextra -Werror -Wno-unused-function"
PRELUDE = "\n".join(f"#include <{name}>" for name in (
    "errno.h", "fcntl.h", "pthread.h", "stdbool.h", "stdint.h", "stdio.h", "stdlib.h",
    "string.h", "unistd.h", "belay/belay.h", "belay/keywords.h")) + "\n"
SECONDS = 60


@dataclasses.dataclass
class Listing:
    path: pathlib.Path
    line: int  # of its first line
    language: str
    words: list
    text: str
    given: str
    output: str | None = None  # of the ```text block that follows

    @property
    def kind(self):
        kinds = [w for w in self.words if "=" not in w]
        return kinds[0] if kinds else ""

    def setting(self, name):
        return next((w.partition("=")[2] for w in self.words
                     if w.startswith(name + "=")), None)

    def where(self):
        return f"{self.path.name}:{self.line}"


def in_lists(lines):
    """Each line, with whether it belongs to a block that a list item indents."""
    inside = False
    for line in lines:
        fence = line.startswith("  ```")
        yield line, inside or fence
        inside ^= fence


def read_blocks(path):
    """The fenced blocks of a chapter, with what they print and what is given."""
    out, block, last = [], None, None
    lines = [line.removeprefix("  ") if re.match("  ", line) and inner else line
             for line, inner in in_lists(path.read_text().split("\n"))]
    for number, line in enumerate(lines, 1):
        if block is not None and not line.startswith("```"):
            block.text += line + "\n"
        elif line.startswith("```") and block is None:
            words = line[3:].split() or [""]
            block = Listing(path, number + 1, words[0], words[1:], "",
                            given_before(lines[:number - 1]))
        elif line.startswith("```"):
            if block.language == "text" and last:
                last.output, last = block.text, None
            else:
                out.append(block)
                last = block
            block = None
        elif line.startswith("#"):
            last = None  # a text block of the next section is not this one's
    if block is not None:
        sys.exit(f"{path}:{block.line}: the block does not end")
    return out


def given_before(lines):
    match = re.search(r"<!-- given:((?:(?!-->).)*)-->$", "\n".join(lines).rstrip(), re.S)
    return match[1].strip() + "\n" if match else ""


def pattern(text):
    """A text block as a regular expression."""
    out = []
    for line in text.rstrip("\n").split("\n"):
        if line.strip() == "…":
            out.append(r"(?:.*\n)*?")
        else:
            out.append(re.escape(line).replace("…", ".*") + r"\n")
    return "".join(out)


def indented(text):
    return "".join("    | " + line + "\n" for line in text.rstrip("\n").split("\n"))


class Bench:
    """Where listings are tried."""

    def __init__(self, build, folder):
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith("BELAY")}
        self.environment |= {"PKG_CONFIG_PATH": str(build), "LC_ALL": "C",
                             "CMAKE_PREFIX_PATH": str(folder / "prefix")}
        flags = self.output_of(["pkg-config", "--cflags", "--libs", "belay"])
        self.flags = shlex.split(flags)
        self.http = ["-L" + str(build), "-Wl,-rpath," + str(build), "-lbelay-http"]

    def output_of(self, command):
        return subprocess.run(command, env=self.environment, check=True, text=True,
                              capture_output=True).stdout

    def run(self, command, folder, extra=()):
        """Status, stdout and stderr."""
        done = subprocess.run(command, cwd=folder, env=self.environment | dict(extra),
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=SECONDS)
        return done.returncode, done.stdout + done.stderr

    def source_of(self, listing):
        if listing.kind == "run":  # its reports name a file and lines of its own
            return listing.text
        text = f'#line {listing.line} "{listing.path.name}"\n{listing.text}'
        if listing.kind == "fragment":
            text = ("void listing(void);\nvoid\nlisting(void)\n{\n"
                    f"{text}}}\n")
        if listing.kind in ("fragment", "functions", "refused"):
            return "#define _GNU_SOURCE\n" + PRELUDE + listing.given + text
        return listing.given + text

    def compile(self, listing):
        """What the compiler complains of, and the program."""
        folder = self.folder / f"{listing.path.stem}-{listing.line}"
        folder.mkdir()
        source, program = folder / "prog.c", folder / "prog"
        source.write_text(self.source_of(listing))
        warnings = WARNINGS.split()
        if listing.kind == "fragment":
            warnings += ["-Wno-unused-variable", "-Wno-unused-but-set-variable"]
        command = ["gcc", "-std=gnu11", "-O2", "-g", *warnings, str(source), "-o",
                   str(program), *([] if listing.kind == "run" else ["-c"]),
                   *(self.http if "belay/http.h" in source.read_text() else []),
                   *self.flags]
        status, said = self.run(command, self.folder)
        return (None if status == 0 else said or "no reason given"), program

    def compare(self, listing, command, folder):
        extra = [w.split("=", 1) for w in listing.words if re.match(r"[A-Z_]+=", w)]
        status, printed = self.run(command, folder, extra)
        wanted = int(listing.setting("status") or 0)
        if status != wanted:
            return f"status {status}, not {wanted}; it printed\n{indented(printed)}"
        if listing.output is None:
            return "no ```text block follows"
        if not re.fullmatch(pattern(listing.output), printed):
            return f"it printed\n{indented(printed)}"
        return None

    def refused(self, listing):
        said, _ = self.compile(listing)
        if said is None:
            return "it compiles"
        for line in (listing.output or "").strip().split("\n"):
            if not line or line not in said:
                return f"the compiler does not say `{line}`, but\n{indented(said)}"
        return None

    def c_listing(self, listing):
        if listing.kind == "refused":
            return self.refused(listing)
        said, program = self.compile(listing)
        if said is not None:
            return f"does not compile\n{indented(said)}"
        if listing.kind == "run":
            return self.compare(listing, [str(program)], self.folder)
        return None

    def try_one(self, listing):
        """None, or what is wrong with it."""
        chapter = self.folder / listing.path.stem
        chapter.mkdir(exist_ok=True)
        try:
            if listing.setting("file"):
                (chapter / listing.setting("file")).write_text(listing.text)
            if listing.language == "c":
                if listing.kind not in ("", "functions", "fragment", "refused", "run"):
                    return f"what is `c {listing.kind}`?"
                return self.c_listing(listing)
            if listing.kind == "run":
                return self.compare(listing, ["sh", "-euc", listing.text], chapter)
        except subprocess.TimeoutExpired:
            return f"takes more than {SECONDS} seconds"
        return None

    def try_chapter(self, listings):
        return [(listing, self.try_one(listing)) for listing in listings]


def is_tried(listing):
    return listing.language == "c" or "run" in listing.words or listing.setting("file")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    files = options.files or sorted(GUIDE.glob("*.md"))
    chapters = [[b for b in read_blocks(path) if is_tried(b)] for path in files]
    bad = count = 0
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = pathlib.Path(folder)
        bench = Bench(options.build.resolve(), folder)
        subprocess.run(["cmake", "--install", options.build, "--prefix",
                        folder / "prefix"], check=True, capture_output=True)
        for results in pool.map(bench.try_chapter, chapters):
            for listing, wrong in results:
                count += 1
                if wrong:
                    bad += 1
                    print(f"FAIL {listing.where()}: {wrong}".rstrip(), file=sys.stderr)
    print(f"{count} listings checked, {bad} bad")
    return 1 if bad or not count else 0


if __name__ == "__main__":
    sys.exit(main())
