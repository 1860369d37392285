#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Random and nasty URLs, read, resolved and written by src/http/url*.c and by Go's
net/url: pieces, texts and errors must be the same.

    urls.py                      12,000 trees: a base and what is relative to it
    urls.py --count 200000 --seed 7
    urls.py --record             keep hashes of Go's answers in urls.recorded ...
    urls.py --recorded           ... and compare with those: for machines without Go

urls_tree.c and urls_go/main.go read them: a line is a URL in hexadecimal digits, the
first of a tree is the base of the others.
"""

import sys

import trees

SCHEMES = (b"http", b"https", b"HTTP", b"ftp", b"mailto", b"a+b-c.d", b"1a", b"", b"x_y")
USERS = (b"u", b"u:p", b":", b"a%40b:c%3Ad", b"a@b", b"us er", b"u:p:q", b"%zz", b"\xc3\xa9")
HOSTS = (b"example.com", b"127.0.0.1", b"[::1]", b"[fe80::1%25eth0]", b"[fe80::1%25]",
         b"[::ffff:1.2.3.4]", b"[1.2.3.4]", b"[1:2:3:4:5:6:7:8]", b"[1:2:3:4:5:6:7]",
         b"[::1", b"::1", b"[a::b::c]", b"[12345::]", b"[%25eth]", b"[fe80::1%25a%20b]",
         b"[fe80::1%25a%2fb]", b"[1:2:3:4:5:6:1.2.3.4]", b"[1:2:3:4:5:1.2.3.4]",
         b"[1:2:3:4:5:6:7:8:9]", b"[::1.2.3]", b"[::1.2.3.04]", b"[::256.1.1.1]",
         b"[v1.x]", b"[]", b"a[b]", b"ho%20st", b"h%c3%a9", b"ex<am>ple", b"\xe6\x97\xa5",
         b"a,b", b"", b"a b", b"x]y", b"[::1%25%C3%A9]", b"h%41", b"[1::g]", b"[1:]",
         b"[::7:8:9:0:1:2:3:4]", b"[1.]", b"[.1]", b"[::1..2]", b"[::a1.2.3.4]")
PORTS = (b"", b"", b":80", b":", b":x", b":80:81", b":-1", b":0080", b"x", b":8%30")
SEGMENTS = (b"a", b"b", b".", b"..", b"", b"...", b"a:b", b"%2f", b"%2F", b"%2e%2E",
            b"c d", b"%20", b"%", b"%g1", b"%4", b"e\xc3\xa9", b"%c3%a9", b"[x]", b"!$&'",
            b"()*+,;=", b"~-_", b"\"<>", b"^`{|}\\", b"@", b"*", b"\xff", b"%00", b"%7f")
QUERIES = (b"", b"a=b", b"?", b"a=%zz", b"x y", b"a?b/c", b"\xc3\xa9", b"'<>")
FRAGMENTS = (b"", b"f", b"%41", b"%zz", b"a#b", b"!()*'", b"x y", b"\xe6\x97\xa5", b"[]")
BYTES = (b"/", b"//", b":", b"@", b"?", b"#", b"%", b"[", b"]", b".", b"..", b" ", b"\t",
         b"\r", b"\n", b"\x7f", b"\x01", b"\xff", b"\xc2\xa0", b"\xe2\x80\x8b", b"\xc2\x85",
         b"\xf0\x9f\x98\x80", b"\xf3\xa0\x80\x80", b"\xc2\xad", b"%25", b"%2", b"\\", b"\"",
         b"*", b"0", b"1", b"a", b"F", b"\x1b", b"\x0b", b"\x07")


class Url:
    def __init__(self, chance):
        self.chance, self.of = chance, chance.one_of

    def often(self, n):
        return self.chance.below(n) > 0

    def path(self):
        text = b"/" if self.often(4) else b""
        return text + b"/".join(self.of(SEGMENTS) for _ in range(self.chance.below(6)))

    def authority(self):
        user = self.of(USERS) + b"@" if not self.often(4) else b""
        return b"//" + user + self.of(HOSTS) + self.of(PORTS)

    def tail(self):
        text = b"?" + self.of(QUERIES) if not self.often(3) else b""
        return text + (b"#" + self.of(FRAGMENTS) if not self.often(3) else b"")

    def spoil(self, text):
        for _ in range(self.chance.below(3)):
            i = self.chance.below(len(text) + 1)
            if i < len(text) and text[i] < 0x80 and self.chance.below(2):
                text = text[:i] + text[i + 1:]
            elif i == len(text) or text[i] < 0x80 or text[i] >= 0xc0:
                text = text[:i] + self.of(BYTES) + text[i:]
        return text

    def absolute(self):
        text = self.of(SCHEMES[:3] if self.often(3) else SCHEMES) + b":"
        if self.often(8):
            text += self.authority()
        text += self.path() + self.tail()
        return text if self.often(3) else self.spoil(text)

    def relative(self):
        how = self.chance.below(8)
        if how == 0:
            return self.absolute()
        text = self.authority() if how == 1 else b""
        text += self.path() + self.tail()
        return text if self.often(4) else self.spoil(text)


def random_tree(seed, number):
    chance = trees.Chance(seed * 1000003 + number)
    chance.below(2)
    url = Url(chance)
    lines = [url.absolute() if url.often(8) else url.relative()]
    lines += [url.relative() for _ in range(4)]
    return f"tree {number}\n" + "".join(line.hex() + "\n" for line in lines)


if __name__ == "__main__":
    sys.exit(trees.main("urls", __doc__, random_tree,
                        sources=("http/url.c", "http/url_host.c", "http/url_escape.c")))
