#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""A server that behaves as a program's debug server does, and worse, for the tests.

    tests/tool/server.py FOLDER [SOCKET]    prints the port, then serves
"""
import http.server
import os
import pathlib
import socket
import socketserver
import sys
import threading
import time
import urllib.parse

FOLDER = pathlib.Path(sys.argv[1])
asked = {}

GOROUTINE = """goroutine profile: total {n}
{n} @ 0x47e54e 0x4158ee
# labels: {{"state":"chan receive"}}
#	0x4df010	worker+0x90	/src/app.c:79
#	0x4df020	main+0x91		/src/app.c:99

1 @ 0x442dd1
# labels: {{"state":"running", "k":"v"}}
#	0x4ca470	main+0xb0	/src/app.c:20

"""
DEFER = """defer profile: total 12
10 @ 0x4d7c1 0x4d5f0
# labels: {"site":"close_file at app.c:12", "in_loop":"true"}
#	0x4d7c0	copy_all+0x10	/src/app.c:15

2 @ 0x4d7c1
#	0x4d7c0	unlock+0x10	/src/lock.c:5

"""
LIST = "goroutine 1 [running]:\nmain()\n\t/src/a.c:1\n\n" + "".join(
    f"goroutine {i} [sleep]:\nf()\n\t/src/a.c:2\n\n" for i in range(2, 7))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):  # a Unix socket has none
        return ""

    def answer(self, status, body, kind="text/plain; charset=utf-8", length=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        asked[url.path] = asked.get(url.path, 0) + 1
        name = url.path.rsplit("/", 1)[-1]
        if url.path == "/asked":
            return self.answer(200, "".join(f"{p} {n}\n" for p, n in sorted(asked.items())))
        if url.path.startswith("/debug/"):
            text = {"goroutine": GOROUTINE.format(n=3 * asked[url.path]), "defer": DEFER}
            if name in text and "debug" in query:
                return self.answer(200, text[name])
        if url.path.startswith("/plain/") and name == "goroutine":
            return self.answer(200, LIST if query.get("debug") == "2" else
                               "goroutine profile: total 6\n6 @ 0x1\n#\t0x1\tf+0x1\t/src/a.c:2\n\n")
        if name == "profile":
            return self.answer(200, (FOLDER / "cpu.pb.gz").read_bytes(),
                               "application/octet-stream")
        if name == "heap":
            return self.answer(200, (FOLDER / f"heap{query.get('seconds', '1')}.pb").read_bytes())
        if name == "page":
            return self.answer(200, "<!DOCTYPE html><title>Welcome</title>", "text/html")
        if name == "moved":
            self.send_response(302)
            self.send_header("Location", "/debug/pprof/heap")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if name == "short":
            self.answer(200, (FOLDER / "cpu.pb.gz").read_bytes(), length=100000)
            return self.connection.shutdown(socket.SHUT_RDWR)
        if name == "empty":
            return self.answer(200, "")
        self.answer(404, "Unknown profile\n")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        unix = UnixServer(sys.argv[2], Handler)
        threading.Thread(target=unix.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (time.sleep(120), os._exit(1)), daemon=True).start()
    server.serve_forever()


main()
