#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""What tests/testkit/kit_test.sh does: see there.

BUILD, CC and SANITIZE are in the environment.  `kit.py -v` prints each check,
`kit.py --record` writes red.want anew.
"""
import os
import pathlib
import pty
import re
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("BUILD", HERE.parent.parent / "build"))
CC = os.environ.get("CC", "gcc")
SANITIZE = os.environ.get("SANITIZE", "")
PACKAGE = "belay-test-clang" if "clang" in CC else "belay-test"
# A sanitizer has malloc, ThreadSanitizer mutexes as well: such tests find nothing there.
HEAP = ("early_return_memory", "double_free", "leaks_memory", "folder")
BLIND = {"address": HEAP, "thread": HEAP + ("wrong_order", "step", "goexit")}

bad = checked = 0


def check(what, good, detail=""):
    global bad, checked
    checked += 1
    if "-v" in sys.argv:
        print("ok" if good else "FAIL", what)
    if not good:
        bad += 1
        print(f"FAIL {what}\n{detail}".rstrip()[:4000], file=sys.stderr)


def equal(what, got, want):
    check(what, got == want, f"--- got\n{got}\n--- want\n{want}")


def build(folder, name, static):
    """Shared: as pkg-config says.  Static: the archives."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", PACKAGE], check=True,
                           capture_output=True, text=True,
                           env=dict(os.environ, PKG_CONFIG_PATH=str(BUILD))).stdout.split()
    if static:
        archive = subprocess.run(["gcc", "-print-file-name=libbacktrace.a"], check=True,
                                 capture_output=True, text=True).stdout.strip()
        flags = [f for f in flags if not f.startswith(("-l", "-L", "-Wl,"))]
        flags += [str(BUILD / "libbelay-test.a"), str(BUILD / "libbelay.a"), archive, "-ldl"]
    program = folder / (name + ("-static" if static else ""))
    sanitize = [f"-fsanitize={SANITIZE}"] if SANITIZE else []
    subprocess.run([*shlex.split(CC), "-O1", "-g", *sanitize, str(HERE / f"{name}.c"), "-o",
                    str(program), *flags], check=True)
    return program


def run(program, *options, **environment):
    env = dict(os.environ, **environment)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    env.setdefault("TSAN_OPTIONS", "atexit_sleep_ms=0")
    result = subprocess.run([str(program), *options], capture_output=True, env=env,
                            timeout=300)
    return (result.returncode, result.stdout.decode(errors="replace"),
            result.stderr.decode(errors="replace"))


def plain(text):
    """Without what differs from run to run."""
    text = re.sub(r"\((\d+\.\d+)s\)", "(Ns)", text)
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"^(?: *\| .*\n)+", lambda m: pipes(m.group()), text, flags=re.M)
    return text


def pipes(block):
    """The first line of what a test printed is enough where the rest is a stack."""
    lines = block.splitlines(keepends=True)
    return "".join(lines[:1])


# --- what passes ------------------------------------------------------------------------


def greens(program):
    # ThreadSanitizer forbids threads in a fork's child: bl_assert_dies()
    leave_out = ["-skip", "panicking"] if SANITIZE == "thread" else []
    status, out, err = run(program, "-v", *leave_out)
    check(f"{program.name} passes", status == 0, out + err)
    check("parts are named", "--- PASS: table/one_and_two " in out and
          "--- PASS: table/zero#01 " in out and "--- PASS: parts/outer/inner " in out, out)
    check("the skipped one says why", "--- SKIP: skipping" in out and
          "green.c:90: not today" in out, out)
    check("the last clean-up comes first",
          out.index("clean-up second") < out.index("clean-up first"), out)
    folder = re.search(r"folder (\S+)", out).group(1)
    check("the temporary folder is gone", not os.path.exists(folder), folder)
    check("what was proven is said", bool(SANITIZE) or re.search(
        r"by_calls: \d+ runs, \d+ acquired, all released", out), out)
    status, out, err = run(program, *leave_out)
    check("little is printed when all pass", re.fullmatch(
        r"PASS  \d+ passed, 0 failed, \d skipped \(\d+\.\d\ds\)\n", out), out)
    status, out, err = run(program, "-parallel", "4", "-count", "3", *leave_out)
    check("in parallel", status == 0 and " 0 failed" in out, out + err)
    if not SANITIZE:
        for debug in ("schedseed=7", "torture=15"):
            status, out, err = run(program, BELAYDEBUG=debug)
            check(f"with {debug}", status == 0, out + err)


# --- what is planted has to be found -----------------------------------------------------


def planted(program):
    source = (HERE / "planted.c").read_text()
    wants = dict(re.findall(r"/\* WANT (\w+): (.*) \*/", source))
    tests = set(re.findall(r"^(?:PLANTED|BL_TEST)\((\w+)\)$", source, re.M))
    equal("each planted mistake has its words", sorted(wants), sorted(tests))
    status, out, err = run(program, "-parallel", "2")
    equal("planted mistakes: status", status, 1)
    reports = {m.group(1): m.group() for m in re.finditer(
        r"^--- FAIL: (\w+) .*\n(?: .*\n)*", out, re.M)}
    for name, want in sorted(wants.items()):
        if name in BLIND.get(SANITIZE, ()):
            continue
        report = reports.get(name, "it passed")
        for words in want.split("|"):
            if SANITIZE:  # calls are made by its own functions
                words = re.sub(r" in [a-z]\w+", r" in \\w+", words)
            check(f"{program.name}: {name}", re.search(words, report),
                  f"{report}\nwant {words}")


# --- what fails ------------------------------------------------------------------------------


def text(program):
    status, out, err = run(program, "-timeout", "4s", "-seed", "5", "-skip",
                           "compares|says_nothing")
    equal("red: status", status, 1)
    want = HERE / "red.want"
    if "--record" in sys.argv:
        want.write_text(plain(out))
    if not SANITIZE:  # which changes some ends
        equal("red: text", plain(out), want.read_text())
    out += run(program, "-run", "says_nothing")[1]
    check("what was said instead", re.search(
        r'say died without saying "that":\n    panic: this\n', out), out)
    check("no colour into a pipe", "\033" not in out)
    check("a hanging test's goroutines", re.search(r"SIGQUIT(.*\n)*.*hangs\(\.\.\.\)", out), out)
    check("a panic's stack", re.search(r"\| panic: boom\n(.*\n)*?.*\| panics\(\.\.\.\)", out), out)


def points(lines, margin=""):
    """{name: (ok, directive)} of a TAP 14 stream, parts included; checks its form."""
    found, plan, seen, depth = {}, None, 0, len(margin)
    while lines:
        line = lines[0]
        if len(line) - len(line.lstrip(" ")) < depth:
            break
        lines.pop(0)
        line = line[depth:]
        if re.match(r" +# Subtest: ", "    " + line) or line.startswith("# Subtest: "):
            lines_inside = points(lines, margin + "    ")
            found.update(lines_inside)
        elif m := re.match(r"1\.\.(\d+)", line):
            plan = int(m.group(1))
        elif m := re.match(r"(not )?ok (\d+) - ((?:[^#\\]|\\.)*?)(?: # (SKIP.*))?$", line):
            seen += 1
            equal(f"TAP: number of {m.group(3)}", int(m.group(2)), seen)
            found[m.group(3)] = (not m.group(1), m.group(4))
        elif line == "  ---":
            while lines and lines.pop(0) != margin + "  ...":
                pass
        else:
            check(f"TAP: what is {line!r}?", line.startswith("#"))
    equal("TAP: plan", plan, seen)
    return found


def tap(program):
    status, out, err = run(program, "-tap", "-timeout", "4s")
    lines = out.splitlines()
    equal("TAP: first line", lines.pop(0), "TAP version 14")
    found = points(lines)
    equal("TAP: nothing behind it", lines, [])
    equal("TAP: passes", found.get("passes"), (True, None))
    equal("TAP: skips", found.get("skips"), (True, "SKIP red.c:62: not here"))
    equal("TAP: a part", found.get("parts/nested/bad"), (False, None))
    equal("TAP: an odd name", found.get(r"parts/a/b_\#_\\"), (True, None))
    equal("TAP: crash", found.get("panics_inside/deep"), (False, None))
    equal("TAP: no test", run(program, "-tap", "-run", "^none$")[1],
          "TAP version 14\n1..0 # SKIP no test to run\n")


def junit(program, folder):
    path = folder / "junit.xml"
    status, out, err = run(program, "-junit", str(path), "-timeout", "4s")
    equal("JUnit: status", status, 1)
    suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
    cases = {case.get("name"): case for case in suite}
    failed = [n for n, case in cases.items() if case.find("failure") is not None]
    skipped = [n for n, case in cases.items() if case.find("skipped") is not None]
    equal("JUnit: tests", int(suite.get("tests")), len(cases))
    equal("JUnit: failures", int(suite.get("failures")), len(failed))
    equal("JUnit: skipped", int(suite.get("skipped")), len(skipped))
    equal("JUnit: who was skipped", skipped, ["parts/skipped", "skips"])
    check("JUnit: who passed", not set(failed) & {"passes", "parts/good"})
    failure = cases["compares"].find("failure")
    equal("JUnit: message", failure.get("message"), "red.c:22: 2 + 2 is 4, want 5")
    check("JUnit: odd characters", "<&\"'> \ufffd \ufffd \u00e9 # 1" in failure.text,
          failure.text)
    equal("JUnit: output", cases["compares"].find("system-out").text,
          "printed <out> & ]]>\n")
    check("JUnit: seconds", 3.9 < float(cases["hangs"].get("time")) < 60)
    equal("JUnit: place", (pathlib.Path(cases["stops"].get("file")).name,
                           cases["stops"].get("line")), ("red.c", "30"))
    equal("JUnit: a file that can't be written",
          run(program, "-run", "passes", "-junit", "/nowhere/x.xml")[0], 2)


# --- options ------------------------------------------------------------------------------------


def names(program, *options):
    return run(program, "-list", *options)[1].split()


def selected(program, *options):
    return re.findall(r"--- \w+: (\S+)", run(program, "-v", *options)[1])


def filters(program):
    everything = names(program)
    equal("-list: in the file's order", everything[:4],
          ["passes", "compares", "stops", "stops_hard"])
    equal("-run", names(program, "-run", "^stops"), ["stops", "stops_hard"])
    equal("-run=", names(program, "--run=^(stops|skips)$"), ["stops", "skips"])
    equal("-glob", names(program, "-glob", "stop?"), ["stops"])
    equal("-skip", names(program, "-skip", "^[^p]", "-glob", "p*s"), ["passes", "parts", "panics"])
    equal("-run a/b", selected(program, "-run", "parts/ba"), ["parts", "parts/bad"])
    equal("-run a/b/c", selected(program, "-run", "parts/nest/."),
          ["parts", "parts/nested", "parts/nested/bad"])
    equal("-skip a/b", selected(program, "-run", "parts", "-skip", "parts/^([a-c]|s)"),
          ["parts", "parts/good", "parts/nested", "parts/nested/bad"])
    equal("a part alone may pass", run(program, "-run", "parts/good")[0], 0)
    equal("brackets hide a slash", names(program, "-run", "st[/o]ps$"), ["stops"])


def statuses(program):
    equal("one passes", run(program, "-run", "^passes$")[0], 0)
    equal("one is skipped", run(program, "-run", "^skips$")[0], 0)
    status, out, err = run(program, "-run", "^none$")
    equal("none to run", (status, out, err), (2, "", "red: no test to run\n"))
    for options, words in ((["-nope"], "-nope: no such option"), (["-run"], "-run needs a value"),
                           (["word"], "word: not an option"), (["-run", "("], "-run (: "),
                           (["-count", "x"], "-count x: not a number"),
                           (["-count=-1"], "-count -1: not a number"),
                           (["-timeout", "5"], "-timeout 5: not a time"),
                           (["-v=1"], "-v=1: no such option"),
                           (["-color", "red"], "-color red: not")):
        status, out, err = run(program, *options)
        check(f"wrong usage: {options}", status == 2 and words in err and not out, err)
    status, out, err = run(program, "--help")
    check("--help", status == 0 and out.startswith("usage: red ") and "-shuffle" in out, out)


def order(program):
    quick = ("-skip", "hangs|waits", "-v")
    status, first, err = run(program, "-shuffle", "on", *quick)
    seed = re.search(r"^-shuffle (\d+)$", first, re.M).group(1)
    tests = re.findall(r"=== RUN   (\S+)", first)
    again = re.findall(r"=== RUN   (\S+)", run(program, "-shuffle", seed, *quick)[1])
    unshuffled = re.findall(r"=== RUN   (\S+)", run(program, *quick)[1])
    equal("-shuffle: the same again", again, tests)
    check("-shuffle: another order", tests != unshuffled and sorted(tests) == sorted(unshuffled))
    random = run(program, "-run", "randomly")[1]
    value, seed = re.search(r"red.c:\d+: (\d+)\n.*-seed (\d+)", random).groups()
    check("-seed: the same again", f": {value}\n" in run(program, "-run", "randomly", "-seed",
                                                        seed)[1], random)
    equal("-count", len(selected(program, "-run", "^passes$", "-count", "3")), 3)
    out = run(program, "-run", "^(passes|stops|stops_hard|skips)$", "-failfast", "-v")[1]
    check("-failfast", "1 passed, 1 failed, 2 skipped" in out, out)
    out = run(program, "-run", "^(passes|hangs|skips)$", "-timeout", "2s", "-parallel", "3",
              "-v")[1]
    equal("-parallel: results in order", re.findall(r"--- \w+: (\S+)", out),
          ["passes", "skips", "hangs"])


def colors(program):
    """On a terminal only."""
    def on_terminal(*options, **environment):
        pieces = []

        def keep(fd):
            pieces.append(os.read(fd, 65536))
            return b""
        os.environ.update({"TERM": "xterm", **environment})
        sys.stdout.flush()
        pty.spawn([str(program), "-run", "^stops$", *options], keep)
        return b"".join(pieces).decode()
    os.environ.pop("NO_COLOR", None)
    check("colour on a terminal", "\033[31;1mFAIL\033[0m" in on_terminal())
    check("-color never", "\033" not in on_terminal("-color", "never"))
    check("NO_COLOR", "\033" not in on_terminal(NO_COLOR="1"))
    check("TERM=dumb", "\033" not in on_terminal(NO_COLOR="", TERM="dumb"))
    check("-color always", "\033[31" in run(program, "-run", "^stops$", "-color", "always")[1])


def seeds(program):
    for test in ("stops", "panics", "waits_for_nothing"):
        ends = [re.findall(r"BELAYDEBUG=schedseed=(\d+), schedule (0x\w+)",
                           run(program, "-run", f"^{test}$", BELAYDEBUG="schedseed=9")[1])
                for _ in range(3)]
        check(f"schedseed of {test}", ends[0] and ends[0][0][0] == "9" and
              ends[0] == ends[1] == ends[2], str(ends))
    check("no schedseed", "schedseed" not in run(program, "-run", "^stops$")[1])


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for static in (False, True):
            if static and SANITIZE:
                continue
            greens(build(folder, "green", static))
            planted(build(folder, "planted", static))
        example = BUILD / "examples" / "pool_test"
        if example.exists():  # GCC only
            status, out, err = run(example, "-v")
            check("examples/pool_test", status == 0, out + err)
        if SANITIZE == "thread":  # the rest is about ends, some of which it changes
            print(f"{checked} checked, {bad} failed")
            sys.exit(bad > 0)
        program = build(folder, "red", False)
        text(program)
        tap(program)
        junit(program, folder)
        filters(program)
        statuses(program)
        order(program)
        colors(program)
        seeds(program)
    print(f"{checked} checked, {bad} failed")
    sys.exit(bad > 0)


main()
