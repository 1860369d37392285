#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Hello, world, and a file of 1 KiB, over HTTP: libbelay-http beside Go, libmicrohttpd and
nginx.

    run.py --build build                 the table
    run.py --build build --seconds 2     a quick look

The servers take turns, in every round in another order; wrk asks over the loopback, with
64 and with 1000 connections that stay open.  `requests/s` are medians over the rounds;
wrk shares the CPUs with the server.  `us` is the server's own CPU time for a request,
which suffers least from whatever else the machine does; `p99` the time that 99 of 100
requests take at most.  `idle` is what a connection
costs in memory between two requests.  Ratios are Belay's advantage: over 1 it is ahead.
A server that can't be built here is left out, with a word."""

import argparse
import json
import os
import re
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CASES = [("hello", "/", 64), ("hello", "/", 1000),
         ("static", "/static/1k.txt", 64), ("static", "/static/1k.txt", 1000)]
IDLE = 2000


def arguments():
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=Path, default=ROOT / "build", metavar="DIR")
    p.add_argument("--seconds", type=int, default=5, metavar="S", help="a run (5)")
    p.add_argument("--rounds", type=int, default=5, metavar="N", help="(5)")
    p.add_argument("--only", metavar="NAMES", help="some servers: belay,go,mhd,nginx")
    p.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    p.add_argument("--cc", default="gcc")
    return p.parse_args()


# --- building ----------------------------------------------------------------

def run(command, **options):
    subprocess.run([str(word) for word in command], check=True, **options)


def belay_flags(build, option):
    env = dict(os.environ, PKG_CONFIG_PATH=str(build))
    return shlex.split(subprocess.run(["pkg-config", option, "belay"], env=env, text=True,
                                      check=True, capture_output=True).stdout)


def build_belay(args, to):
    run([args.cc, "-O2", *belay_flags(args.build, "--cflags"), HERE / "hello.c", "-o",
         to / "belay", "-L", args.build, "-lbelay-http",
         *belay_flags(args.build, "--libs"), "-pthread"])
    return [to / "belay"]


def build_go(args, to):
    run(["go", "build", "-o", to / "go", "."], cwd=HERE / "go")
    return [to / "go"]


def build_mhd(args, to):
    run([args.cc, "-O2", HERE / "mhd.c", "-o", to / "mhd", "-lmicrohttpd"])
    return [to / "mhd"]


def build_nginx(args, to):
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not nginx:
        raise FileNotFoundError("nginx")
    return [nginx]


BUILDERS = {"belay": build_belay, "go": build_go, "mhd": build_mhd, "nginx": build_nginx}


def build_all(args, to):
    """Commands by name; what can't be built is left out."""
    wanted = args.only.split(",") if args.only else list(BUILDERS)
    built = {}
    for name in wanted:
        try:
            built[name] = BUILDERS[name](args, to)
        except (OSError, subprocess.CalledProcessError) as e:
            print(f"no {name}: {e}", file=sys.stderr)
    return built


# --- a server that runs --------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, command, to):
        self.address = f"127.0.0.1:{free_port()}"
        words = [str(word) for word in command]
        if name == "nginx":
            text = (HERE / "nginx.conf.in").read_text()
            conf = to / "nginx.conf"
            conf.write_text(text.replace("@DIR@", str(to)).replace("@ADDRESS@", self.address))
            words += ["-c", str(conf), "-p", str(to)]
        else:
            words += [self.address, str(to)]
        self.process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self):
        host, port = self.address.split(":")
        for _ in range(100):
            try:
                socket.create_connection((host, int(port))).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(self.address)

    def processes(self):
        pids = [self.process.pid]
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pids += [int(child) for child in children]
        return pids

    def cpu_seconds(self):
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self):
        total = 0
        for pid in self.processes():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(n) for n in re.findall(r"^Pss_Anon: *(\d+)", text, re.M))
        return total * 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


# --- measuring -------------------------------------------------------------------

UNITS = {"us": 1, "ms": 1e3, "s": 1e6}


def ask(server, path, connections, seconds):
    """Requests a second, CPU microseconds of the server a request, the slowest hundredth."""
    before = server.cpu_seconds()
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                           f"http://{server.address}{path}"], text=True, capture_output=True)
    used = server.cpu_seconds() - before
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    errors = re.search(r"Socket errors.*|Non-2xx.*", done.stdout)
    if errors:
        print(errors.group(0), file=sys.stderr)
    rate = float(re.search(r"Requests/sec: *([\d.]+)", done.stdout).group(1))
    p99 = re.search(r"99% +([\d.]+)([a-z]+)", done.stdout)
    return {"rate": rate, "us": used / requests * 1e6,
            "p99": float(p99.group(1)) * UNITS[p99.group(2)]}


def idle_bytes(server):
    """Of a connection that has had one answer and waits."""
    host, port = server.address.split(":")
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    clients = []

    def more():
        for _ in range(IDLE):
            c = socket.create_connection((host, int(port)))
            c.sendall(request)
            c.recv(4096)
            clients.append(c)

    more()
    before = server.memory_bytes()
    more()
    taken = server.memory_bytes() - before
    for c in clients:
        c.close()
    return taken / IDLE


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:40}\r", end="", file=sys.stderr, flush=True)


def measure(args, built, to):
    results = {name: [[] for case in CASES] for name in built}
    idle = {}
    names = list(built)
    for number in range(args.rounds):
        for name in names[number % len(names):] + names[:number % len(names)]:
            progress(f"round {number + 1} of {args.rounds}: {name}")
            for i, (_, path, connections) in enumerate(CASES):
                server = Server(name, built[name], to)
                results[name][i].append(ask(server, path, connections, args.seconds))
                server.stop()
    progress("")
    for name in names:
        server = Server(name, built[name], to)
        idle[name] = idle_bytes(server)
        server.stop()
    return {"cases": results, "idle": idle}


# --- the table ---------------------------------------------------------------------

def median(runs, what):
    return statistics.median(one[what] for one in runs)


def columns(name, ours, theirs):
    """What a server's row says of a case."""
    rate, us = median(theirs, "rate"), median(theirs, "us")
    row = [f"{rate:.0f}", f"{us:.1f}", f"{median(theirs, 'p99') / 1e3:.1f} ms"]
    if not ours or name == "belay":
        return [*row, "", "", ""]
    return [*row, f"{median(ours, 'rate') / rate:.2f}", f"{us / median(ours, 'us'):.2f}",
            f"{median(theirs, 'p99') / median(ours, 'p99'):.2f}"]


def show(results):
    rows = [["", "", "requests/s", "us", "p99", "ratio", "of us", "of p99"]]
    cases = results["cases"]
    for i, (what, _, connections) in enumerate(CASES):
        for name, by in cases.items():
            ours = cases["belay"][i] if "belay" in cases else None
            rows.append([f"{what} {connections}", name, *columns(name, ours, by[i])])
    for name, size in results["idle"].items():
        rows.append(["idle", name, f"{size / 1024:.1f} KiB", "", "", "", "", ""])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths)).rstrip())


def main():
    args = arguments()
    args.build = args.build.resolve()
    if not shutil.which("wrk"):
        sys.exit("no wrk: apt-get install wrk")
    if not list(args.build.glob("libbelay-http.so")):
        sys.exit(f"no libbelay-http in {args.build}: see scripts/deps.sh")
    with tempfile.TemporaryDirectory() as name:
        to = Path(name)
        to.chmod(0o755)  # nginx's workers are somebody else
        (to / "1k.txt").write_text("0123456789abcde\n" * 64)
        results = measure(args, build_all(args, to), to)
    show(results)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
