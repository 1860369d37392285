#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Asks the debug server of tests/observe/served.c everything, and treats it badly.

    tests/observe/server.py SERVED [BELAY]

ids Q3, Q4, Q5, Q6, Q7, Q8, Q11, Q12, Q13, Q14, Q15, Q16
"""
import gzip
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SERVED = sys.argv[1]
BELAY = sys.argv[2] if len(sys.argv) > 2 else None
failures = 0


def check(what, condition, *shown):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what, *(repr(s)[:600] for s in shown))


class Program:
    def __init__(self, *arguments, **environment):
        env = {**os.environ, **environment}
        self.process = subprocess.Popen([SERVED, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=env,
                                        stderr=subprocess.PIPE)
        self.first = self.process.stdout.readline().decode().strip()
        self.port = int(self.first) if self.first.isdigit() else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "not ended after 10 s"
        check("the program's end", status in (0, 3), status)
        self.process.stdout.close()
        self.process.stderr.close()

    def tell(self, command):
        self.process.stdin.write(command.encode())
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, path, method="GET", headers="Host: 127.0.0.1\r\n", body=b"",
            raw=None):
        with self.connect() as s:
            s.sendall(raw if raw is not None else
                      f"{method} {path} HTTP/1.1\r\n{headers}\r\n".encode() + body)
            return Answer(read_all(s))


def read_all(s):
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except OSError:
        pass
    return data


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if " " in lines[0] else 0
        self.fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)

    def text(self):
        return self.body.decode()


def pages(p):
    a = p.ask("/debug/pprof/")
    check("Q14 index", a.status == 200 and a.fields["Content-Type"].startswith("text/html"))
    for name in ("goroutine", "goroutineleak", "defer", "panic", "threadcreate", "sessions"):
        check("Q14 index has " + name, f'href="{name}?debug=1"' in a.text(), a.text())
    check("Q14 full dump", 'href="goroutine?debug=2"' in a.text())
    check("Q3 redirect", p.ask("/debug/pprof").fields.get("Location") == "/debug/pprof/")
    check("Q3 POST", p.ask("/debug/pprof/goroutine", "POST").status == 405)
    head = p.ask("/debug/pprof/goroutine?debug=1", "HEAD")
    check("Q3 HEAD", head.status == 200 and head.body == b"" and
          int(head.fields["Content-Length"]) > 100, head.fields)
    a = p.ask("/debug/pprof/nosuch")
    check("Q4", (a.status, a.text(), a.fields.get("X-Go-Pprof")) ==
          (404, "Unknown profile\n", "1"), a.status, a.text(), a.fields)
    check("elsewhere", p.ask("/").status == 404)
    for name in ("goroutine", "goroutineleak", "defer", "panic", "threadcreate", "sessions"):
        a = p.ask("/debug/pprof/" + name)
        check("Q5 binary " + name, a.fields["Content-Type"] == "application/octet-stream" and
              f'filename="{name}"' in a.fields["Content-Disposition"] and
              len(gzip.decompress(a.body)) > 20, a.fields)
        check("Q6", a.fields["X-Content-Type-Options"] == "nosniff")
        a = p.ask(f"/debug/pprof/{name}?debug=1")
        check("Q5 text " + name, a.fields["Content-Type"] == "text/plain; charset=utf-8" and
              a.text().startswith(f"{name} profile: total "), a.text())
    began = time.monotonic()
    a = p.ask("/debug/pprof/goroutine?seconds=1")
    check("Q7 delta", 'filename="goroutine-delta"' in a.fields.get("Content-Disposition", "") and
          time.monotonic() - began > 0.9, a.fields)
    a = p.ask("/debug/pprof/goroutineleak?seconds=1")
    check("delta of leaks", a.status == 200 and len(gzip.decompress(a.body)) > 20, a.status)
    for bad in ("0", "-1", "x", "1e3"):
        a = p.ask("/debug/pprof/goroutine?seconds=" + bad)
        check("Q8 seconds=" + bad, a.status == 400 and a.text() ==
              'invalid value for "seconds" - must be a positive integer\n', a.text())
    a = p.ask("/debug/pprof/goroutine?seconds=1&debug=1")
    check("Q8 debug", a.status == 400 and
          a.text() == "seconds and debug params are incompatible\n", a.text())
    a = p.ask("/debug/pprof/cmdline")
    check("Q12", a.body == b"\0".join([SERVED.encode(), b"127.0.0.1:0"]), a.body)
    check("Q13", p.ask("/debug/pprof/symbol").text() == "num_symbols: 1\n")


def goroutines(p):
    text = p.ask("/debug/pprof/goroutine?debug=1").text()
    check("Q15 labels", '# labels: {"a \\"b\\"":"c\\\\", "request":"number one", '
          '"state":"chan receive"}\n' in text, text)
    check("Q15 counts", re.search(r"^5 @ 0x", text, re.M), text)
    counts = [int(n) for n in re.findall(r"^(\d+) @", text, re.M)]
    check("Q16", counts == sorted(counts, reverse=True), counts)
    frame = re.search(r"^#\t0x([0-9a-f]+)\tlabelled\+0x", text, re.M)
    a = p.ask("/debug/pprof/symbol?0x" + frame[1])
    check("Q13 names", a.text() == f"num_symbols: 1\n0x{frame[1]} labelled\n", a.text())
    a = p.ask("/debug/pprof/symbol", "POST", "Content-Length: %d\r\n" % (len(frame[1]) + 2),
              b"0x" + frame[1].encode())
    check("symbol by POST", "labelled" in a.text(), a.text())
    text = p.ask("/debug/pprof/goroutine?debug=2").text()
    check("debug=2 running", text.count("\nspin(...)\n") >= 1, text)
    check("sessions", p.ask("/debug/pprof/sessions?debug=1").text().startswith(
        "sessions profile: total 2\n"))
    if BELAY:
        out = subprocess.run([BELAY, "goroutines", f"http://127.0.0.1:{p.port}"],
                             capture_output=True, text=True).stdout
        check("belay goroutines", "labelled" in out, out)


def median_time(p, what, path):
    times = []
    for _ in range(9):
        began = time.monotonic()
        a = p.ask(path)
        times.append(time.monotonic() - began)
        check(what + ": status", a.status == 200, a.status)
    return sorted(times)[4]


def is_quick(p, what):
    """Every worker computes, yet half of the answers are there within 100 ms, and what a
    busy machine takes for one that says nothing."""
    least = median_time(p, what, "/debug/pprof/cmdline")
    for profile in ("goroutine", "goroutine?debug=2", "defer", "heap", "threadcreate"):
        took = median_time(p, what, "/debug/pprof/" + profile)
        check(f"{what}: {profile} within 100 ms", took < 0.1 + 3 * least, took, least)


def cpu(p):
    second = []
    first = threading.Thread(target=lambda: second.append(p.ask("/debug/pprof/profile?seconds=3")))
    first.start()
    time.sleep(1)
    a = p.ask("/debug/pprof/profile?seconds=1")
    check("Q11", a.status == 500 and a.text() ==
          "Could not enable CPU profiling: cpu profiling already in use\n", a.text())
    is_quick(p, "while the CPU is profiled")
    first.join()
    check("profile", second[0].status == 200 and
          b"spin" in gzip.decompress(second[0].body), second[0].fields)
    s = p.connect()  # whoever hangs up ends it
    s.sendall(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(0.3)
    s.close()
    for _ in range(50):
        a = p.ask("/debug/pprof/profile?seconds=1")
        if a.status == 200:
            break
        time.sleep(0.1)
    check("hanging up ends a profile", a.status == 200, a.body)


def hostile(p):
    silent = [p.connect() for _ in range(80)]
    for s in silent[40:]:
        s.sendall(b"GET /debug/pprof/goroutine?debug=2 HTTP/1.1\r\nX: ")
    is_quick(p, "80 silent clients")
    deaf = []
    for _ in range(40):  # they ask, and read nothing
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", p.port))
        s.sendall(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deaf.append(s)
    is_quick(p, "40 deaf clients")
    for s in silent + deaf:
        s.close()
    for raw in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\0\0\r\n\r\n",
                b"GET  HTTP/1.1\r\n\r\n", b"GET http://x/ HTTP/1.1\r\n\r\n", b"\xff" * 50 + b"\r\n\r\n"):
        check(f"nonsense {raw[:20]!r}", p.ask("", raw=raw).status == 400)
    a = p.ask("", raw=b"GET / HTTP/1.1\r\nX: " + b"y" * 20000)
    check("long header", a.status == 413, a.status)
    a = p.ask("/debug/pprof/symbol", "POST", "Content-Length: 99999999999999999999\r\n")
    check("huge body", a.status == 413, a.status)
    check("strange query", p.ask("/debug/pprof/goroutine?debug=%31&&=&x&seconds=%").status == 400)
    for host, status in (("evil.example", 403), ("127.0.0.1.evil.example", 403), ("[::1]:80", 200),
                         ("localhost:1", 200), ("", 403)):
        a = p.ask("/debug/pprof/cmdline", headers=f"Host: {host}\r\n")
        check("Host " + host, a.status == status, a.status)
    a = p.ask("/debug/pprof/cmdline", headers="Host: localhost\r\nSec-Fetch-Site: cross-site\r\n")
    check("other sites' pages", a.status == 403, a.status)


def send_nonsense(p, seed, until):
    """Connections of all kinds: random bytes, requests that are cut, sent byte by byte, or
    damaged, ends with and without a reset."""
    rng = random.Random(seed)
    whole = b"GET /debug/pprof/goroutine?debug=2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    while time.monotonic() < until:
        data = bytearray(whole)
        kind = rng.randrange(5)
        if kind == 0:
            data = rng.randbytes(rng.randrange(1, 3000))
        elif kind == 1:
            data = data[:rng.randrange(len(data))]
        elif kind == 2:
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            with p.connect() as s:
                s.settimeout(2)
                if rng.random() < 0.3:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                step = 1 if kind == 3 else len(data)
                for i in range(0, len(data), step):
                    s.sendall(data[i:i + step])
                if rng.random() < 0.5:
                    s.recv(rng.randrange(1, 5000))
        except OSError:
            pass  # it may cut us, too


def nonsense(p):
    def rate(seconds):
        before = p.tell("c")
        time.sleep(seconds)
        return (p.tell("c") - before) / seconds

    calm = rate(1)
    clients = [threading.Thread(target=send_nonsense, args=(p, seed, time.monotonic() + 4))
               for seed in range(8)]
    for c in clients:
        c.start()
    harassed = rate(2)
    for c in clients:
        c.join()
    # we and the server's threads want the same CPUs, so it is less
    check("the program goes on", harassed > calm / 10, calm, harassed)
    is_quick(p, "after nonsense")


def children(p):
    """A child that stays does not keep a connection open that its parent has cut."""
    with p.connect() as s:
        s.settimeout(3)
        s.sendall(b"GET /debug/pprof/cmdline HTTP/1.1\r\n")
        time.sleep(0.2)
        p.tell("f")
        newcomers = [p.connect() for _ in range(80)]  # one of them takes its place
        try:
            check("cut beside a child", s.recv(1) == b"")
        except TimeoutError:
            check("cut beside a child", False)
        except ConnectionError:
            pass
        for n in newcomers:
            n.close()


def addresses():
    for address, why in (("0.0.0.0:0", "Permission denied"), (":0", "Permission denied"),
                         ("127.0.0.1", "Invalid argument"), ("nonsense:1", "Invalid argument"),
                         ("127.0.0.1:70000", "Invalid argument")):
        with Program(address) as p:
            check("address " + address, p.first == why, p.first)
    with Program("127.0.0.1:0", "secret") as p:
        check("no token", p.ask("/debug/pprof/cmdline").status == 401)
        for headers, query, status in (("Authorization: Bearer secret\r\n", "", 200),
                                       ("Authorization: Bearer secre\r\n", "", 401),
                                       ("Authorization: Bearer secrets\r\n", "", 401),
                                       ("", "?token=secret", 200), ("", "?token=x", 401)):
            a = p.ask("/debug/pprof/cmdline" + query, headers=headers)
            check(f"token {headers} {query}", a.status == status, a.status)
        with Program(f"127.0.0.1:{p.port}") as q:
            check("port in use", q.first == "Address already in use", q.first)
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/sock"
        for _ in range(2):  # the second time over what is left
            with Program("unix:" + path) as p:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(path)
                    s.sendall(b"GET /debug/pprof/cmdline HTTP/1.0\r\n\r\n")
                    check("unix socket", Answer(read_all(s)).status == 200)
    with Program(BELAYDEBUG="pprof=127.0.0.1:0") as p:
        line = p.process.stderr.readline().decode()
        port = re.fullmatch(r"belay: profiles at http://127.0.0.1:(\d+)/debug/pprof/\n", line)
        check("BELAYDEBUG=pprof", port, line)
        if port:
            p.port = int(port[1])
            check("BELAYDEBUG=pprof answers", p.ask("/debug/pprof/").status == 200)


def main():
    with Program("127.0.0.1:0") as p:
        pages(p)
        goroutines(p)
        is_quick(p, "all workers compute")
        cpu(p)
        hostile(p)
        nonsense(p)
        children(p)
        check("still there", p.ask("/debug/pprof/").status == 200)
    addresses()
    print("ok server" if not failures else f"{failures} failed")
    sys.exit(failures > 0)


main()
