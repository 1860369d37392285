#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Which of Go's behaviours have a test.

The ids (D4, P10, ...) with their titles are in tests/catalogue-ids.txt.  A test
names the ids it covers in the name of a function or in a comment; every id has to
be named by one, or to stand in tests/catalogue-exempt.txt with the reason why not.
Ranges (`O6 to O10`) count as their two ends only: write every id out.  An exempt id
may be mentioned in a comment, but not be in a function's name.

    scripts/catalogue.py           counts per area; status 1 if an id is missing
    scripts/catalogue.py --list    every id with the files that name it
"""
import argparse
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
AREAS = "MDPORGFCSEXYTQ"
SUFFIXES = {".c", ".cc", ".h", ".S", ".sh", ".py", ".go"}
# In a name: `D4_last`, `P13_P14_nil`; in a comment: `D4:`, `ids D19, D22`.
NAME = re.compile(rf"(?<![A-Za-z0-9-])([{AREAS}]\d{{1,2}})(?![A-Za-z0-9])")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
HASH_COMMENT = re.compile(r"(?m)(?:^|\s)#[^\n]*")
FUNCTION = re.compile(r"\b[A-Za-z]\w*(?=\s*\()")


def read_table(path):
    """Lines `id<TAB>text`, as a dict; complains about anything else."""
    table = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, tab, text = line.partition("\t")
        if not tab or not text.strip() or not NAME.fullmatch(name):
            sys.exit(f"{path}:{number}: want `id<TAB>text`")
        if name in table:
            sys.exit(f"{path}:{number}: {name} twice")
        table[name] = text.strip()
    return table


def in_names(path, text):
    """The ids in the names of functions."""
    if path.suffix == ".sh":
        return set()
    code = text if path.suffix == ".py" else COMMENT.sub(" ", text)
    names = " ".join(FUNCTION.findall(code))
    return set(NAME.findall(names.replace("_", " ")))


def in_comments(path, text):
    if path.suffix == ".py":
        parts = HASH_COMMENT.findall(text) + re.findall(r'""".*?"""', text, re.S)
    elif path.suffix == ".sh":
        parts = HASH_COMMENT.findall(text)
    else:
        parts = COMMENT.findall(text)
    return set(NAME.findall(" ".join(parts)))


def covered(ids):
    """id -> the files that name it; and the ids that name a function."""
    files = collections.defaultdict(list)
    named = set()
    for path in sorted(TESTS.rglob("*")):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        names = in_names(path, text) & ids.keys()
        named |= names
        for name in names | (in_comments(path, text) & ids.keys()):
            files[name].append(str(path.relative_to(ROOT)))
    return files, named


def order(name):
    return AREAS.index(name[0]), int(name[1:])


def print_list(ids, files, exempt):
    for name in sorted(ids, key=order):
        if name in exempt:
            where = "exempt: " + exempt[name]
        else:
            where = ", ".join(files[name]) if name in files else "NO TEST"
        print(f"{name}\t{ids[name]}\n\t{where}")


def print_counts(ids, files, exempt):
    print("area   ids  tested  exempt  missing")
    total = [0, 0, 0, 0]
    for area in AREAS:
        mine = [i for i in ids if i[0] == area]
        row = [len(mine), sum(i in files and i not in exempt for i in mine),
               sum(i in exempt for i in mine),
               sum(i not in files and i not in exempt for i in mine)]
        total = [a + b for a, b in zip(total, row)]
        print("{:<6}{:>4}{:>8}{:>8}{:>9}".format(area, *row))
    print("{:<6}{:>4}{:>8}{:>8}{:>9}".format("all", *total))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true",
                        help="every id with the files that name it")
    options = parser.parse_args()
    ids = read_table(TESTS / "catalogue-ids.txt")
    exempt = read_table(TESTS / "catalogue-exempt.txt")
    files, named = covered(ids)

    if options.list:
        print_list(ids, files, exempt)
    else:
        print_counts(ids, files, exempt)
    missing = sorted((i for i in ids if i not in files and i not in exempt), key=order)
    stale = sorted((i for i in exempt if i not in ids or i in named), key=order)
    if missing:
        print("neither tested nor exempt: " + " ".join(missing))
    if stale:
        print("exempt, but tested or not in the catalogue: " + " ".join(stale))
    return 1 if missing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
