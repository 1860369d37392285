#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Writes profiles in pprof's format, field by field, for the tests of the belay command.

    tests/tool/profiles.py FOLDER
"""
import gzip
import pathlib
import sys


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n) if n else b""


def blob(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


class Profile:
    """Functions, locations and strings are made when they are first named."""

    def __init__(self, types, period=None, default=None, time=1_600_000_000_000_000_000,
                 duration=0, comments=(), doc=None):
        self.strings = {"": 0}
        self.functions, self.locations, self.mappings = {}, {}, {}
        self.parts = []
        for kind, unit in types:
            self.parts.append(blob(1, self.type(kind, unit)))
        if period:
            self.parts.append(blob(11, self.type(period[0], period[1])))
            self.parts.append(number(12, period[2]))
        self.parts += [number(9, time), number(10, duration)]
        for comment in comments:
            self.parts.append(varint(13 << 3) + varint(self.string(comment)))
        if default:
            self.parts.append(number(14, self.string(default)))
        if doc:
            self.parts.append(number(15, self.string(doc)))

    def string(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def type(self, kind, unit):
        return number(1, self.string(kind)) + number(2, self.string(unit))

    def mapping(self, file, build_id=""):
        if file not in self.mappings:
            n = len(self.mappings) + 1
            self.mappings[file] = n
            self.parts.append(blob(3, number(1, n) + number(2, n << 24) +
                                   number(3, (n << 24) + 0x10000) +
                                   number(5, self.string(file)) +
                                   number(6, self.string(build_id)) +
                                   b"".join(number(f, 1) for f in (7, 8, 9, 10))))
        return self.mappings[file]

    def function(self, name, file):
        if (name, file) not in self.functions:
            n = len(self.functions) + 1
            self.functions[name, file] = n
            self.parts.append(blob(5, number(1, n) + number(2, self.string(name)) +
                                   number(3, self.string(name)) +
                                   number(4, self.string(file)) + number(5, 10)))
        return self.functions[name, file]

    def location(self, names, file="/src/app.c", mapping=None):
        """names: one function, or several, the innermost inlined one first."""
        names = (names,) if isinstance(names, (str, bytes)) else tuple(names)
        key = names, file, mapping
        if key not in self.locations:
            n = len(self.locations) + 1
            self.locations[key] = n
            lines = b"".join(
                blob(4, number(1, self.function(name, file)) + number(2, 10 + i))
                for i, name in enumerate(names))
            where = self.mapping(*mapping) if mapping else 0
            self.parts.append(blob(4, number(1, n) + number(2, where) +
                                   number(3, (where << 24) + 16 * n) + lines))
        return self.locations[key]

    def sample(self, stack, values, labels=()):
        """stack: locations, leaf first.  labels: (key, text or number, unit)."""
        data = blob(1, b"".join(varint(location) for location in stack))
        data += blob(2, b"".join(varint(v) for v in values))
        for key, value, *unit in labels:
            label = number(1, self.string(key))
            if isinstance(value, str):
                label += number(2, self.string(value))
            else:
                label += number(3, value) + number(4, self.string(unit[0] if unit else ""))
            data += blob(3, label)
        self.parts.append(blob(2, data))

    def bytes(self):
        out = b"".join(self.parts)
        for text in self.strings:
            out += blob(6, text if isinstance(text, bytes) else text.encode())
        return out


APP = ("/usr/bin/app", "c0ffee00")
LIBC = ("/lib/libc.so.6", "")


def cpu():
    p = Profile([("samples", "count"), ("cpu", "nanoseconds")],
                ("cpu", "nanoseconds", 10_000_000), duration=2_000_000_000,
                comments=["written by hand", "# not shown"], doc="https://example.com/doc")
    main = p.location("main", "/src/main.c", APP)
    parse = p.location(("next_token", "parse"), "/src/parse.c", APP)
    token = p.location("next_token", "/src/parse.c", APP)
    walk = p.location("walk", "/src/walk.c", APP)
    copy = p.location((), mapping=LIBC)
    lost = p.location(())
    tiny = p.location("tiny", "/src/walk.c", APP)
    ms = 1_000_000

    def sample(stack, n, labels=()):
        p.sample(stack, [n, n * 10 * ms], labels)

    sample([parse, main], 31, [("request", 4096), ("worker", "w1")])
    sample([token, parse, main], 12, [("worker", "w1")])
    sample([copy, walk, walk, walk, main], 40, [("bytes", 1024, "bytes"), ("worker", "w2")])
    sample([walk, walk, main], 25, [("worker", "w2"), ("goroutine", 7, "id")])
    sample([lost, main], 3)
    sample([tiny, walk, main], 0)
    p.sample([tiny, walk, main], [0, 90_000])
    sample([main], 1)
    return p


def heap(new):
    p = Profile([("alloc_objects", "count"), ("alloc_space", "bytes"),
                 ("inuse_objects", "count"), ("inuse_space", "bytes")],
                ("space", "bytes", 524288), default="inuse_space")
    main = p.location("main", "/src/main.c", APP)
    if new:  # the ids differ from one profile to the other
        p.location("elsewhere", "/src/other.c", APP)
    cache = p.location("cache_add", "/src/cache.c", APP)
    buffer = p.location(("grow", "buffer_add"), "/src/buffer.c", APP)
    p.sample([cache, main], [900, 9_000_000, 90, 900_000] if new else
             [300, 3_000_000, 30, 300_000])
    p.sample([buffer, main], [50, 6_400, 0, 0] if new else [40, 5_120, 10, 1_280])
    if new:
        p.sample([cache, buffer, main], [7, 70_000_000, 7, 70_000_000])
    else:
        p.sample([buffer, cache, main], [5, 123, 5, 123])
    return p


def deep():
    """Recursion: of one function, and of three in turn."""
    p = Profile([("samples", "count")])
    main, f = p.location("main"), p.location("f")
    a, b, c = p.location("a"), p.location("b"), p.location("c")
    p.sample([f] * 5000 + [main], [10])
    p.sample([c, b, a] * 1500 + [main], [20])
    p.sample([p.location(f"step{i}") for i in range(5000)] + [main], [1])
    return p


def wide():
    p = Profile([("samples", "count")])
    main = p.location("main")
    for i in range(30_000):
        p.sample([p.location(f"f{i}"), p.location(f"g{i // 100}"), main], [1 + i % 7])
    return p


def evil():
    """Names that would do harm where they are not escaped."""
    p = Profile([("<b>count", "count"), ("sa\"mples", "things")])
    for i, name in enumerate(["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
                              "a;b c", "\"quoted\\\" & 'more'", "\x1b[31mred", "line\nbreak",
                              "<!--", "π ≈ 3", b"\xff\xfe\xed\xa0\x80", "@@DATA@@", ""]):
        p.sample([p.location(name, "/src/<i>.c"), p.location("main")], [i + 1, -i])
    return p


def empty():
    return Profile([("goroutine", "count")], ("goroutine", "count", 1))


def pruned():
    """drop_frames: what malloc calls says nothing."""
    p = Profile([("samples", "count")])
    p.parts += [number(7, p.string("malloc|free")), number(8, p.string("free"))]
    main, inner = p.location("main"), p.location("arena_refill")
    p.sample([inner, p.location("malloc"), main], [5])
    p.sample([inner, p.location(("malloc", "wrapper")), main], [3])
    p.sample([inner, p.location("free"), main], [2])
    return p


def main():
    folder = pathlib.Path(sys.argv[1])
    made = {"cpu": cpu(), "heap0": heap(False), "heap1": heap(True), "deep": deep(),
            "wide": wide(), "evil": evil(), "empty": empty(), "pruned": pruned()}
    for name, profile in made.items():
        data = profile.bytes()
        (folder / f"{name}.pb").write_bytes(data)
        (folder / f"{name}.pb.gz").write_bytes(gzip.compress(data, mtime=0))


main()
