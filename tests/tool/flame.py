#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Looks into what belay flame has made of the profiles of profiles.py.

    tests/tool/flame.py BELAY FOLDER
"""
import base64
import hashlib
import html.parser
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

BELAY, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
failures = []


def check(what, holds, detail=""):
    if not holds:
        failures.append(what)
        print(f"FAIL {what} {detail}")


def belay(*words, status=0):
    ran = subprocess.run([BELAY, *words], cwd=FOLDER, capture_output=True, timeout=120)
    check(f"status of {words}", ran.returncode == status, (ran.returncode, ran.stderr))
    return ran.stdout.decode("utf-8"), ran.stderr.decode("utf-8")


class Page(html.parser.HTMLParser):
    """The elements of a page, and what is within <script> and <style>."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.inner, self.open = [], [], None
        self.feed(text)
        data = [text for tag, attributes, text in self.inner
                if attributes.get("type") == "application/json"]
        self.data = json.loads(data[0])

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style", "title", "h1"):
            self.open = tag, dict(attributes)
            self.inner.append((tag, dict(attributes), ""))

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open:
            tag, attributes, text = self.inner[-1]
            self.inner[-1] = tag, attributes, text + data


def page_of(*words):
    return Page(belay("flame", *words, "-o", "-")[0])


def frames(data):
    """[(path of names, flags, values)] of every frame."""
    paths, all_frames = [], []
    for i, parent in enumerate(data["parent"]):
        name = data["names"][data["name"][i]]
        check("parents come first", i == 0 or parent < i)
        paths.append(paths[parent] + (name,) if i else ())
        all_frames.append((paths[i], data["flags"][i], [v[i] for v in data["values"]]))
    return all_frames


def policy_names_what_is_there():
    text = belay("flame", "cpu.pb", "-o", "-")[0]
    page = Page(text)
    policy = next(a["content"] for tag, a in page.tags
                  if a.get("http-equiv") == "Content-Security-Policy")
    check("nothing by default", policy.startswith("default-src 'none';"), policy)
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        # the text as it is in the file: a browser hashes that
        inner = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        check(f"one {tag}", len(inner) == 1)
        digest = base64.b64encode(hashlib.sha256(inner[0].encode()).digest()).decode()
        check(f"the policy has the hash of the {tag}", f"{kind} 'sha256-{digest}'" in policy,
              (digest, policy))
    for tag, attributes in page.tags:
        check(f"<{tag}> fetches nothing", not {"src", "href", "srcset"} & set(attributes))
        check(f"<{tag}> has no code of its own",
              not any(name.startswith("on") or name == "style" for name in attributes))


def values_add_up():
    data = page_of("cpu.pb").data
    check("types", [t["type"] for t in data["types"]] == ["samples", "cpu"])
    check("the default is the last", data["default"] == 1)
    got = {path: (flags, values) for path, flags, values in frames(data)}
    check("root", got[()][1] == [112, 1_120_090_000], got[()])
    check("inlined", got["main", "parse", "next_token"] == (1, [43, 430_000_000]) or
          got["main", "parse", "next_token"][0] == 1)
    check("walk", got["main", "walk"][1] == [65, 650_090_000], got["main", "walk"])
    check("names in brackets", got["main", "walk", "walk", "walk", "[libc.so.6]"][1][0] == 40)
    check("ignored", page_of("-ignore", "walk", "cpu.pb").data["values"][0][0] == 47)


def is_deterministic():
    first, second = (belay("flame", "wide.pb", "-o", "-")[0] for _ in range(2))
    check("the same page each time", first == second)


def collapsed_is_complete():
    text = belay("flame", "-collapsed", "cpu.pb")[0]
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines())
    check("collapsed sum", sum(map(int, lines.values())) == 1_120_090_000, text)
    check("collapsed line", lines["main;walk;walk;walk;[libc.so.6]"] == "400000000", text)
    check("collapsed root", lines["main"] == "10000000", text)
    text = belay("flame", "-collapsed", "deep.pb")[0]
    check("recursion is all there", text.count("f;") + text.count(";f ") >= 5000)


def recursion_is_folded():
    data = page_of("deep.pb").data
    got = frames(data)
    deepest = max(len(path) for path, _, _ in got)
    check("depth is bounded", deepest <= 2000, deepest)
    f = [(path, flags, values) for path, flags, values in got if set(path) == {"main", "f"}]
    check("f is there three times", len(f) == 3 and f[-1][0] == ("main", "f", "f", "f"), f)
    check("the last f says so", f[-1][1] & 2 and not f[0][1] & 2, f)
    check("cycle", ("main",) + ("a", "b", "c") * 3 in [path for path, _, _ in got])
    check("values survive", data["values"][0][0] == 31)
    whole = page_of("-unfolded", "deep.pb").data
    check("unfolded", len(max(frames(whole), key=lambda f: len(f[0]))[0]) == 5001)


def too_much_is_cut():
    text, said = belay("flame", "-n", "500", "wide.pb", "-o", "-")
    data = Page(text).data
    check("at most 500", 1 < len(data["parent"]) <= 501, len(data["parent"]))
    check("it is said", "left out" in said, said)
    check("and on the page", data["cut"]["frames"] > 29_000, data["cut"])
    check("the whole is still the whole", data["values"][0][0] == sum(1 + i % 7 for i in range(30_000)))
    hidden = {place: values for place, *values in data["hidden"]}
    for i, value in enumerate(data["values"][0]):
        children = sum(v for p, v in list(zip(data["parent"], data["values"][0]))[1:] if p == i) \
            if i < 3 else None
        if children is not None:
            check("hidden callees are known", children + hidden.get(i, [0])[0] == value,
                  (i, value, children, hidden.get(i)))


def difference_has_both():
    data = page_of("-base", "heap0.pb", "heap1.pb").data
    check("base", data["base"] is True and len(data["values"]) == 8)
    got = {path: values for path, _, values in frames(data)}
    check("now and then", got["main", "cache_add"][3::4] == [900_000, 300_123],
          got["main", "cache_add"])
    check("what is gone is there", got["main", "cache_add", "buffer_add"][3::4] == [0, 123])
    _, said = belay("flame", "-base", "heap0.pb", "cpu.pb", "-o", "-", status=1)
    check("other types are refused", "sample types" in said, said)


def nothing_escapes():
    text = belay("flame", "evil.pb", "-title", "</title><script>x</script>", "-o", "-")[0]
    page = Page(text)
    plain = page_of("cpu.pb")
    check("no element more", [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags])
    check("the title is text", page.inner[0][2] == "</title><script>x</script>", page.inner[0])
    inner = [t for _, a, t in page.inner if a.get("type") == "application/json"][0]
    check("no < in the data", "<" not in inner)
    names = page.data["names"]
    check("names survive", "</script><script>alert(1)</script>" in names and "π ≈ 3" in names
          and "@@DATA@@" in names and "\"quoted\\\" & 'more'" in names, names)
    check("control characters don't", "?[31mred" in names and "line?break" in names, names)
    svg = belay("flame", "-svg", "-sample", "0", "evil.pb")[0]
    root = xml.etree.ElementTree.fromstring(svg)  # is well-formed
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    check("svg names", any(t.startswith("</script><script>alert(1)</script>: 1") for t in titles),
          titles)
    check("svg has no script", not list(root.iter("{http://www.w3.org/2000/svg}script")))


def picture_adds_up():
    root = xml.etree.ElementTree.fromstring(belay("flame", "-svg", "cpu.pb")[0])
    space = "{http://www.w3.org/2000/svg}"
    rects = {g.find(space + "title").text.split(":")[0]: float(g.find(space + "rect").get("width"))
             for g in root.iter(space + "g")}
    check("svg widths", abs(rects["[libc.so.6]"] / rects["main"] - 40 / 112) < 0.01, rects)
    check("svg marks inlined", "next_token (inlined)" in rects, rects)
    deep = xml.etree.ElementTree.fromstring(belay("flame", "-svg", "deep.pb")[0])
    check("deep svg", int(deep.get("height")) < 2002 * 18 + 100)
    belay("flame", "-svg", "-base", "heap0.pb", "heap1.pb")
    belay("flame", "-svg", "empty.pb")
    check("empty page", page_of("empty.pb").data["values"] == [[0]])


for test in (policy_names_what_is_there, values_add_up, is_deterministic,
             collapsed_is_complete, recursion_is_folded, too_much_is_cut,
             difference_has_both, nothing_escapes, picture_adds_up):
    test()
print("FAIL" if failures else "ok", "flame")
sys.exit(bool(failures))
