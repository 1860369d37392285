#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Random routers, built in C and in Go: both must accept the same patterns, refuse the
others in the same words, and answer each request with the same pattern, the same values
and the same status, Location and Allow.

    routes.py                      3,000 routers, 120,000 requests, some seconds
    routes.py --count 30000 --seed 7
    routes.py --record             keep hashes of Go's answers in routes.recorded ...
    routes.py --recorded           ... and compare with those: for machines without Go

routes_tree.c and routes_go/main.go read them, which are lines of text: what they mean is
described in the latter, and where Go's redirections lead elsewhere in the former.
trees.py does the rest.
"""

import sys

import trees

METHODS = ("", "", "", "GET", "GET", "POST", "HEAD", "PUT", "CONNECT", "PATCH")
HOSTS = ("", "", "", "", "h", "a.b", "::1", "h:80")
LITERALS = ("a", "a", "b", "b", "c", "a%2Fb", "%61", "%2F", "x%20y", "é", "%C3%A9", "a!",
            "100%25", "A", "..a", "%2e", "%2")
WILD = ("{x}", "{y}", "{z}", "{_1}", "{été}")
ENDS = ("{$}", "{r...}", "", "")
# what a request's path is made of: the same, dirt, and what nobody has
SENT = ("a", "a", "a", "b", "b", "c", "a%2Fb", "a%2fb", "%61", "%62", "%2F", "x%20y",
        "%C3%A9", "a!", "a%21", "100%25", "d", "A", "..a", "%2e", "a;b=1", "a+b", "[x]",
        "q%22q", "a:b", "%E9")
DIRT = ("", ".", "..", "", "..")
ASKED = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "PATCH")
ASKED_HOSTS = ("h", "h", "a.b", "h:80", "a.b:8080", "[::1]:80", "[::1]", "A.B", "other")
QUERIES = ("", "", "", "?", "?k=v", "?k=%2F//../x", "?a=1?b=2")
NOISE = "ab/{}$. %\t...xGET?é\"\\"


def valid_path(chance):
    parts = [chance.one_of(WILD) if chance.below(3) == 0 else chance.one_of(LITERALS)
             for _ in range(chance.below(4))]
    if not parts or chance.below(2):
        parts.append(chance.one_of(ENDS))
    return "/" + "/".join(parts)


def noisy(chance, text):
    """A character more, less or other."""
    at = chance.below(len(text) + 1)
    return text[:at] + chance.one_of(NOISE) * chance.below(2) + text[at + chance.below(2):]


def pattern(chance):
    method = chance.one_of(METHODS)
    blank = chance.one_of((" ", " ", " ", "\t", "  ")) if method else ""
    text = method + blank + chance.one_of(HOSTS) + valid_path(chance)
    if chance.below(12) == 0:
        for _ in range(1 + chance.below(3)):
            text = noisy(chance, text)
    # an empty literal: Go takes it for a wildcard; no path has one that was cleaned
    return "/a" if "//" in text else text


def target(chance):
    parts = [chance.one_of(SENT) for _ in range(chance.below(5))]
    if chance.below(5) == 0:
        for _ in range(1 + chance.below(2)):
            parts.insert(chance.below(len(parts) + 1), chance.one_of(DIRT))
    path = "/" + "/".join(parts)
    if chance.below(3) == 0 and not path.endswith("/"):
        path += "/"
    return path + chance.one_of(QUERIES)


def request(chance):
    method, host, where = chance.one_of(ASKED), chance.one_of(ASKED_HOSTS), target(chance)
    if method == "CONNECT":     # the server refuses a path there
        where = host = chance.one_of(("h:80", "a.b:443"))
    elif chance.below(12) == 0:
        where = f"http://{chance.one_of(('h', 'a.b', 'h:80'))}{where}"
    return f"r {method} {where} {host}"


def random_tree(seed, number):
    chance = trees.Chance(seed * 1000003 + number)
    chance.below(2)
    lines = [f"p {pattern(chance)}" for _ in range(2 + chance.below(16))]
    lines += [request(chance) for _ in range(40)]
    return f"tree {number}\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(trees.main("routes", __doc__, random_tree, count=3000,
                        archives=("libbelay-http.a",),
                        libs="-lhttp_parser -lssl -lcrypto"))
