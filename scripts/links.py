#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Whether what the documents point at is there.

    scripts/links.py [FILE.md ...]     all, unless files are named

* Links to files and headings (`[text](file.md#heading)`) of all Markdown files.
* Figures (`107 ns`, `4.6 kB`) of the guide also stand in the README, in docs/*.md or in
  a header: it is not the place to measure.
* In `code`: names that begin with bl_ or BL_ are in a header, keys of BELAYDEBUG are
  in the table of knobs, and paths that begin with a folder of ours exist.

Links to other hosts are not followed: nothing here needs a network.
"""
import pathlib
import re
import sys

import man

ROOT = man.ROOT
FOLDERS = r"src|tests|examples|docs|include|scripts|gdb|bench|cmake|tools"
LINK = re.compile(r"(?<!!)\[(?:[^\][]|\[[^\]]*\])*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FIGURE = re.compile(r"(?<![\w.,])[\d.,]*\d (?:ns|µs|kB)(?!\w)")
PATH = re.compile(rf"(?:{FOLDERS})/[\w.*/+-]*")


def documents():
    folders = [ROOT, ROOT / "docs", ROOT / "docs" / "guide", ROOT / "src"]
    return sorted(path for folder in folders for path in folder.glob("*.md"))


def without_blocks(text):
    """The lines outside fenced blocks; the others are empty."""
    out, inside = [], False
    for line in text.split("\n"):
        fence = line.startswith(("```", "  ```"))
        inside ^= fence
        out.append("" if inside or fence else line)
    return "\n".join(out)


def slug(heading):
    """The anchor that a heading gets, here and where the sources are shown."""
    text = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return text.replace(" ", "-")


def headings(path):
    """The text of every heading; complains about none."""
    text = without_blocks(path.read_text())
    return re.findall(r"^#{1,6} (.+?)\s*$", text, re.M)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def shown(path):
    return str(path.relative_to(ROOT) if ROOT in path.parents else path)


class Checker:
    def __init__(self):
        self.names = man.every_identifier()
        self.knobs = {name for name, _ in man.knobs()}
        sources = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"),
                   *(ROOT / "include" / "belay").glob("*.h")]
        self.figures = {f for p in sources for f in FIGURE.findall(p.read_text())}
        self.count, self.bad = 0, []
        self.where = ""

    def check(self, holds, message):
        self.count += 1
        if not holds:
            self.bad.append(f"{self.where}: {message}")

    def check_link(self, path, target):
        if re.match(r"[a-z]+:", target):
            self.check(target.startswith("https://"), f"{target} is not https")
            return
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        self.check(file.exists() and ROOT in (file, *file.parents),
                   f"{target}: there is no such file")
        if anchor and file.suffix == ".md" and file.exists():
            anchors = {slug(h) for h in headings(file)}
            self.check(anchor in anchors, f"{target}: there is no such heading")

    def check_code(self, code):
        for name in man.IDENTIFIER.findall(code):
            is_prefix = name.endswith("_") or name + "*" in code
            known = name in self.names or is_prefix and any(
                n.startswith(name) for n in self.names)
            self.check(known, f"`{code}`: {name} is in no header")
        for settings in re.findall(r"BELAYDEBUG=([\w=,|]+)", code):
            for key in re.findall(r"([a-z]\w*)", re.sub(r"=\w+", "", settings)):
                self.check(key in self.knobs, f"`{code}`: there is no knob {key}")
        if PATH.fullmatch(code):
            self.check(any(ROOT.glob(code.rstrip("/"))), f"`{code}`: does not exist")

    def check_figures(self, path, text):
        for match in FIGURE.finditer(text):
            self.where = f"{shown(path)}:{line_of(text, match.start())}"
            self.check(match[0] in self.figures, f"{match[0]}: measured by whom?")

    def check_document(self, path):
        source = path.read_text()
        text = without_blocks(source)
        self.where = shown(path)
        titles = [slug(h) for h in headings(path)]
        twice = {t for t in titles if titles.count(t) > 1}
        self.check(not twice, f"two headings have the anchor {', '.join(twice)}")
        if path.parent.name == "guide":
            self.check_figures(path, text)
        for match in LINK.finditer(text):
            self.where = f"{shown(path)}:{line_of(text, match.start())}"
            self.check_link(path, match[1])
        for match in CODE.finditer(text):
            self.where = f"{shown(path)}:{line_of(text, match.start())}"
            self.check_code(match[1])
        # knobs are named in shell blocks, too
        for match in re.finditer(r"BELAYDEBUG=[\w=,|]+(?![\w=,|.])", source):
            self.where = f"{shown(path)}:{line_of(source, match.start())}"
            self.check_code(match[0])


def main():
    checker = Checker()
    files = [pathlib.Path(name).resolve() for name in sys.argv[1:]]
    for path in files or documents():
        checker.check_document(path)
    for line in checker.bad:
        print(line, file=sys.stderr)
    print(f"{checker.count} checked: links and names, {len(checker.bad)} bad")
    return 1 if checker.bad else 0


if __name__ == "__main__":
    sys.exit(main())
