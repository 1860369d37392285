#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Manual pages from the public headers.

    scripts/man.py OUT            OUT/man3/bl_*.3, OUT/man7/belay*.7, OUT/man1/belay.1
    scripts/man.py --check        only complain about what is not documented
    scripts/man.py --lenient OUT  complain, and write the pages of the rest

What it goes by:

* A comment that begins in column 0 documents the declarations right below it, up to
  the next comment or empty line: one page, named after the first of them, and a link
  (`.so`) for each of the others.
* A comment that begins with `bl_name(...): ` says how a macro is written.
* `Call from:`, `Blocks:`, `Panics:`, `Owner:`, ... begin a row of the page's table.
* Lines indented by three more columns are code.
* A header's first comment, its types and its constants are a page of section 7.
* belay(7) is docs/belay.7.in, with the headers and the knobs filled in; belay(1) is
  docs/belay.1.in.
* The names of keywords.h are links `NAME.3belay`: they are common words.

A public function or macro without a comment is an error, and so is a comment that
names something with bl_ that is in no header.
"""
import argparse
import dataclasses
import datetime
import os
import pathlib
import re
import shutil
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include" / "belay"
SKIPPED = {"belay.h", "config.h", "keywords.h"}  # no functions; belay(7) has them
KEYS = ("Call from", "Blocks", "Allocates", "Returns", "Panics", "Fatal error", "Owner")
CONTRACT = re.compile(r"(?:^|(?<=[.;] ))(%s): " % "|".join(KEYS))
NAME = re.compile(r"\bbl_\w+")
PUBLIC = re.compile(r"bl_(?!_)\w+$")
IDENTIFIER = re.compile(r"\b(?:bl|BL)_(?!_)\w+")


@dataclasses.dataclass
class Declaration:
    name: str
    result: str | None  # None: a macro
    parameters: list | None  # None: a macro without parentheses


@dataclasses.dataclass
class Group:
    """What one comment documents."""
    header: str
    line: int
    comment: list
    members: list

    @property
    def name(self):
        return self.members[0].name


@dataclasses.dataclass
class Header:
    name: str
    top: list
    groups: list
    types: list  # texts, their comments included
    undocumented: list

    @property
    def page(self):
        return "belay_" + self.name.removesuffix(".h")


# --- reading headers ------------------------------------------------------------------


def uncomment(lines):
    """The text of a comment, without its stars."""
    text = "\n".join(lines).strip().removeprefix("/*").removesuffix("*/")
    return [re.sub(r"^ \* ?", "", line).rstrip() for line in text.split("\n")]


def take_comment(lines, i):
    """The comment that begins in line i, and the line behind it."""
    end = i
    while "*/" not in lines[end]:
        end += 1
    return lines[i:end + 1], end + 1


def take_logical(lines, i):
    """A preprocessor line with its continuations."""
    end = i
    while lines[end].endswith("\\"):
        end += 1
    return " ".join(part.rstrip("\\").strip() for part in lines[i:end + 1]), end + 1


def take_declaration(lines, i):
    """Up to the `;` or the closing brace in column 0, and the line behind it."""
    end = i
    while True:
        line = re.sub(r"/\*.*?\*/", "", lines[end]).rstrip()
        text = "\n".join(lines[i:end + 1])
        is_whole = text.count("{") == text.count("}")
        if line.startswith("}") or line.endswith(";") and is_whole:
            return lines[i:end + 1], end + 1
        end += 1


def split_parameters(text):
    if text.strip() in ("", "void"):
        return [text.strip()] if text.strip() else []
    parts, depth = [""], 0
    for c in text:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts]


def as_macro(text):
    match = re.match(r"#\s*define (bl_(?!_)\w+)(\(([^)]*)\))?", text)
    if not match:
        return None
    return Declaration(match[1], None, split_parameters(match[3]) if match[2] else None)


def as_function(lines):
    text = " ".join(" ".join(lines).split("{")[0].split())
    text = re.sub(r"\b(BL_API|BL_NORETURN|BL_COLD|static|inline)\b ?", "", text)
    text = re.sub(r"\bBL_PRINTF\([^)]*\) ?|__attribute__\(\(.*?\)\) ?", "", text)
    match = re.match(r"(\w[\w ]*?[ *]+)(bl_(?!_)\w+) ?\((.*)\);?$", text.strip())
    if not match:
        return None
    return Declaration(match[2], match[1].strip(), split_parameters(match[3]))


def is_type(text):
    return re.match(r"(BL_API extern|typedef|enum|struct)\b|# ?define BL_(?!_)", text) is not None


class Reader:
    """Reads one header, line by line."""

    def __init__(self, path):
        self.lines = path.read_text().splitlines()
        self.header = Header(path.name, [], [], [], [])
        self.comment, self.comment_lines, self.group = [], [], None
        self.was_type = False

    def forget(self):
        self.comment, self.comment_lines, self.group = [], [], None

    def add(self, declaration, line):
        if self.group:
            self.group.members.append(declaration)
        elif self.comment:
            self.group = Group(self.header.name, line, self.comment, [declaration])
            self.header.groups.append(self.group)
        else:
            self.header.undocumented.append((declaration.name, line))

    def add_type(self, lines, joined):
        """A type, constant or variable; joined: right below another one."""
        text = "\n".join(self.comment_lines + lines).replace("BL_API ", "")
        if not re.search(r"\bbl__\w+( \{|;)", text):
            if joined and not self.comment_lines and self.header.types:
                self.header.types[-1] += "\n" + text
            else:
                self.header.types.append(text)
        self.comment_lines, self.was_type = [], True

    def step_comment(self, i):
        self.forget()
        self.comment_lines, end = take_comment(self.lines, i)
        self.comment = uncomment(self.comment_lines)
        if not self.header.top and self.header.name in self.comment[0]:
            self.header.top = self.comment
        return end

    def step_directive(self, i, was_type):
        text, end = take_logical(self.lines, i)
        macro = as_macro(text)
        if macro:
            self.add(macro, i + 1)
        elif is_type(text) and "(" not in text.split()[1]:
            self.add_type(self.lines[i:end], was_type)
        return end

    def step_declaration(self, i, was_type):
        lines, end = take_declaration(self.lines, i)
        function = None if is_type(lines[0]) else as_function(lines)
        if function:
            self.add(function, i + 1)
        elif is_type(lines[0]):
            self.add_type(lines, was_type)
        return end

    def step(self, i):
        """Reads what begins in line i, and returns the line behind it."""
        line, was_type = self.lines[i], self.was_type
        self.was_type = False
        if not line.strip():
            self.forget()
            return i + 1
        if line.startswith("/*"):
            return self.step_comment(i)
        if line.startswith("#"):
            return self.step_directive(i, was_type)
        if line.startswith("BL_") and not line.startswith("BL_API"):
            return i + 1  # BL_BEGIN_DECLS
        return self.step_declaration(i, was_type)

    def read(self):
        i = 0
        while i < len(self.lines):
            i = self.step(i)
        return self.header


def read_headers(folder=INCLUDE):
    return [Reader(path).read() for path in sorted(folder.glob("*.h"))
            if path.name not in SKIPPED]


def read_keywords(folder=INCLUDE):
    """short name -> bl_ name"""
    text = (folder / "keywords.h").read_text()
    return dict(re.findall(r"^#define (\w+) (bl_\w+)$", text, re.M))


def every_identifier(folder=INCLUDE):
    """All that the headers call bl_ or BL_, comments left out."""
    names = set()
    for path in folder.rglob("*.h"):
        text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
        names |= set(IDENTIFIER.findall(text))
    return names


def complaints(headers, folder=INCLUDE):
    documented = {m.name for h in headers for g in h.groups for m in g.members}
    known = every_identifier(folder)
    for header in headers:
        if not header.top:
            yield f"{header.name}: no comment that begins `belay/{header.name} - `"
        for name, line in header.undocumented:
            if name not in documented:
                yield f"{header.name}:{line}: {name} is not documented"
        comments = [(g.line, "\n".join(g.comment)) for g in header.groups]
        for line, text in [(1, "\n".join(header.top))] + comments:
            for name in sorted(set(IDENTIFIER.findall(text)) - known):
                if not any(k.startswith(name) and name.endswith("_") for k in known):
                    yield f"{header.name}:{line}: {name} is in no header"


# --- writing mdoc ---------------------------------------------------------------------


def escape(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def argument(text):
    """One argument of a macro, quoted."""
    return '"' + text.replace("\\", "\\e").replace('"', '""') + '"'


class Writer:
    """The index of pages, and text with its references."""

    def __init__(self, headers, date, version):
        self.headers, self.date, self.version = headers, date, version
        self.pages = {m.name: g for h in headers for g in h.groups for m in g.members}

    def head(self, title, section):
        return [".\\\" Made by scripts/man.py; do not edit.", f".Dd {self.date}",
                f".Dt {title.upper()} {section}", f".Os Belay {self.version}"]

    def word(self, word, own):
        """The macro line for a word that names a page; None for other words."""
        match = re.match(r"([(\"`']*)(bl_\w+)(\(\))?('s)?([.,;:)\"`']*)$", word)
        if not match or match[2] not in self.pages:
            match = re.match(r"([(]*)(belay/(\w+)\.h)()([.,;:)]*)$", word)
            if not match or f"belay_{match[3]}" not in {h.page for h in self.headers}:
                return None
            call = f"In {match[2]}"
        elif match[2] in own:
            call = f"Fn {match[2]}" if match[3] else f"Ic {match[2]}"
        else:
            call = f"Xr {match[2]} 3"
        before = f"Pf {argument(match[1])} " if match[1] else ""
        possessive = " Ns 's" if match[4] else ""
        after = "".join(f" {c}" if c in ".,;:)" else f" Ns {c}" for c in match[5])
        return f".{before}{call}{possessive}{after}"

    def text(self, text, own=()):
        """Filled text: a line for a sentence, and one for a reference."""
        lines, words = [], []

        def flush():
            lines.extend(escape(line) for line in textwrap.wrap(
                " ".join(words), 76, break_long_words=False, break_on_hyphens=False))
            words.clear()

        for word in text.split():
            macro = self.word(word, own)
            if macro:
                flush()
                lines.append(macro)
                continue
            words.append(word)
            if re.search(r"[.!?][\"')`]*$", word) and not word.endswith("..."):
                flush()
        flush()
        return lines

    def code(self, lines):
        indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        return [".Bd -literal -offset indent",
                *(escape(line[indent:]) or "" for line in lines), ".Ed"]

    def paragraphs(self, comment, own=()):
        """A comment's paragraphs; its rows `Call from:` are left out."""
        out = []
        for paragraph in split_paragraphs(comment):
            if out:
                out.append(".Pp")
            if paragraph[0].startswith("   "):
                while out and out[-1] == ".Pp":
                    out.pop()  # .Bd leaves a line of its own
                out += self.code(paragraph)
            else:
                out += self.text(" ".join(paragraph), own)
        return out

    def rows(self, text, own):
        """The table of `Call from: anywhere.  Blocks: no.`"""
        pieces = CONTRACT.split(text)[1:]
        if not pieces:
            return []
        out = [".Bl -tag -width \"Fatal error\" -offset indent"]
        for key, value in zip(pieces[::2], pieces[1::2]):
            out += [f".It {key}", *self.text(value[:1].upper() + value[1:], own)]
        return out + [".El"]


def split_paragraphs(comment):
    """Lists of lines: an empty line separates, and so does code from text."""
    out = [[]]
    for line in comment:
        if not line.strip():
            if out[-1] and out[-1][0].startswith("   "):
                out[-1].append("")
                continue
            out.append([])
            continue
        is_code = line.startswith("   ")
        if out[-1] and is_code != out[-1][0].startswith("   "):
            out.append([])
        out[-1].append(line)
    for paragraph in out:
        while paragraph and not paragraph[-1]:
            paragraph.pop()
    return [paragraph for paragraph in out if paragraph]


def usage(group, member):
    """How a macro is written, as the comment says it; None: as it is declared."""
    text = " ".join(" ".join(group.comment).split())
    match = re.search(rf"(?<!\w)({member.name}(?: ?\([^()]*\))?"
                      r"(?: (?:\{ \.\.\. \}|statement))?;?): ", text)
    return match[1] if match else None


def description(group):
    """The comment's text without the way the first macro is written."""
    comment = [line for line in group.comment]
    form = usage(group, group.members[0])
    if form and comment[0].lstrip().startswith(form + ": "):
        rest = comment[0].lstrip()[len(form) + 2:]
        comment[0] = rest[:1].upper() + rest[1:]
    return comment


def split_contract(comment):
    """Its text, and the part from the first `Call from:` on, in one line."""
    for i, line in enumerate(comment):
        stripped = line.lstrip()
        match = CONTRACT.search(stripped.replace(".  ", ". "))
        if match and match.start() == 0:
            rest = " ".join(" ".join(comment[i:]).split())
            return comment[:i], rest
        if match:
            stripped = stripped.replace(".  ", ". ")
            rest = " ".join([stripped[match.start():]] + comment[i + 1:])
            return comment[:i] + [stripped[:match.start()].rstrip()], " ".join(rest.split())
    return comment, ""


def one_line(group):
    """The first sentence, for the NAME section."""
    comment, contract = split_contract(description(group))
    text = " ".join(" ".join(comment).split()) or contract
    text = re.sub(r" \([^()]*\)(?=[ .,:;])", "", text)  # but not those of a call
    sentence = ""
    for piece in re.split(r"(?<=[.;:])\s|(?<=\))\s(?=bl_)", text):
        sentence = f"{sentence} {piece}".strip()
        if sentence.count("`") % 2 == 0 and sentence.count('"') % 2 == 0:
            break
    sentence = sentence.rstrip(".;:")
    if not re.match(r"[A-Z][A-Z]|I ", sentence):
        sentence = sentence[:1].lower() + sentence[1:]
    return sentence


def prototype(group, member):
    form = usage(group, member)
    if member.result is not None:
        return [f".Ft {argument(member.result)}",
                " ".join([f".Fn {member.name}"] + [argument(p) for p in member.parameters])]
    if form and not form.endswith(")") or member.parameters is None:
        return [".Bd -unfilled -compact", escape(form or member.name), ".Ed"]
    parameters = member.parameters
    if form:
        parameters = split_parameters(form.partition("(")[2].rpartition(")")[0])
    return [" ".join([f".Fn {member.name}"] + [argument(p) for p in parameters])]


def page(writer, header, group, keywords):
    own = {m.name for m in group.members}
    short = [short for short, name in keywords.items() if name in own]
    comment, contract = split_contract(description(group))
    names = sorted(own, key=[m.name for m in group.members].index)
    out = writer.head(group.name, 3) + [".Sh NAME"]
    out += [f".Nm {name}" + (" ," if name != names[-1] else "") for name in names]
    out += [f".Nd {escape(one_line(group))}", ".Sh LIBRARY",
            "libbelay (pkg-config belay)", ".Sh SYNOPSIS", f".In belay/{header.name}"]
    for member in group.members:
        out += prototype(group, member)
    out += [".Sh DESCRIPTION", *writer.paragraphs(comment, own)]
    out += writer.rows(contract, own)
    if short:
        out += [".Pp", "With", ".In belay/keywords.h",
                "also called " + " and ".join([", ".join(short[:-1])] * (len(short) > 1)
                                              + short[-1:]) + "."]
    return out + [".Sh SEE ALSO", ".Xr belay 7 ,", f".Xr {header.page} 7"]


def header_page(writer, header):
    head, _, purpose = header.top[0].strip().partition(" - ")
    purpose, rest = purpose.rstrip("."), header.top[1:]
    while rest and rest[0].strip():  # the first sentence may take two lines
        purpose, rest = (purpose + " " + rest[0].strip()).rstrip("."), rest[1:]
    out = writer.head(header.page, 7)
    out += [".Sh NAME", f".Nm {header.page}", f".Nd {escape(purpose)}",
            ".Sh SYNOPSIS", f".In {head.split()[-1]}",
            ".Sh DESCRIPTION", *writer.paragraphs(rest)]
    if header.types:
        out += [".Sh TYPES AND CONSTANTS"]
        for text in header.types:
            out += [".Bd -literal", *(escape(line) for line in text.split("\n")), ".Ed"]
    out += [".Sh FUNCTIONS AND MACROS", ".Bl -tag -width indent"]
    for group in header.groups:
        names = [m.name for m in group.members]
        out += [" ".join(f"{'.It' if n == names[0] else ' ,'} Xr {n} 3" for n in names),
                *writer.text(one_line(group) + ".")]
    return out + [".El", ".Sh SEE ALSO", ".Xr belay 7"], purpose


def knobs():
    """The options table, as (name, help)."""
    text = (ROOT / "src" / "base" / "base.h").read_text()
    table = text[text.index("#define BL__OPTIONS("):text.index("#define BL__OPTION_FIELD")]
    numbers = re.findall(r"OPTION\((\w+), .*?\"(.*?)\"\)", table)
    # the one that takes an address: options.c
    return sorted(numbers + [("pprof", "serve profiles at this address, with "
                              "libbelay-pprof")])


def overview(writer, purposes):
    text = (ROOT / "docs" / "belay.7.in").read_text()
    headers = [line for h in writer.headers
               for line in (f".It Xr {h.page} 7", escape(purposes[h.page]) + ".")]
    rows = [line for name, help_ in knobs() for line in (f".It Cm {name}", help_ + ".")]
    for mark, lines in (("@HEADERS@", headers), ("@KNOBS@", rows),
                        ("@DATE@", [writer.date]), ("@VERSION@", [writer.version])):
        text = text.replace(mark, "\n".join(lines))
    return text.rstrip("\n").split("\n")


def command_page(writer):
    text = (ROOT / "docs" / "belay.1.in").read_text()
    text = text.replace("@DATE@", writer.date).replace("@VERSION@", writer.version)
    return text.rstrip("\n").split("\n")


def write(path, lines):
    path.write_text("\n".join(line for line in lines if line is not None) + "\n")


def newest(paths):
    """The date of the newest; SOURCE_DATE_EPOCH, if it is set."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH") or max(p.stat().st_mtime for p in paths)
    day = datetime.datetime.fromtimestamp(int(stamp), datetime.timezone.utc)
    return f"{day:%B} {day.day}, {day.year}"


def write_all(out, headers):
    config = (INCLUDE / "config.h").read_text()
    version = re.search(r'BL_VERSION "(.*)"', config)[1]
    writer = Writer(headers, newest(INCLUDE.glob("*.h")), version)
    keywords, purposes, count = read_keywords(), {}, 0
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("man1", "man3", "man7"):
        (out / folder).mkdir(parents=True)
    for header in headers:
        for group in header.groups:
            write(out / "man3" / f"{group.name}.3", page(writer, header, group, keywords))
            for member in group.members[1:]:
                if member.name != group.name:
                    write(out / "man3" / f"{member.name}.3", [f".so man3/{group.name}.3"])
            count += len({m.name for m in group.members})
        lines, purposes[header.page] = header_page(writer, header)
        write(out / "man7" / f"{header.page}.7", lines)
    for short, name in keywords.items():
        if name not in writer.pages:
            continue  # complained about
        write(out / "man3" / f"{short}.3belay", [f".so man3/{writer.pages[name].name}.3"])
    write(out / "man7" / "belay.7", overview(writer, purposes))
    write(out / "man1" / "belay.1", command_page(writer))
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("--include", type=pathlib.Path, default=INCLUDE,
                        help="check the headers of this folder instead")
    options = parser.parse_args()
    headers = read_headers(options.include)
    bad = list(complaints(headers, options.include))
    for line in bad:
        print(line, file=sys.stderr)
    if bad and not options.lenient:
        return 1
    if options.check:
        count = len({m.name for h in headers for g in h.groups for m in g.members})
        print(f"{count} checked: functions and macros, all documented")
    elif options.out:
        print(f"{write_all(options.out, headers)} names documented in {options.out}")
    else:
        parser.error("where to?")
    return 0


if __name__ == "__main__":
    sys.exit(main())
