#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# flame_test.sh - a profile of the CPU in the web pages of `go tool pprof`, as a browser
# draws them: our functions are in the flame graph, callers above callees.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-shares" ] || exit 77
go=$(command -v go || true)
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$go" ] || [ -z "$browser" ]; then
    echo 'skipped: go or chromium is missing'
    exit 77
fi
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
export PPROF_TMPDIR=$tmp HOME=$tmp
pprof=$(HOME=$(getent passwd "$(id -u)" | cut -d: -f6) "$go" tool -n pprof)
timeout 60 "$build/tests/observe-shares" "$tmp/cpu.pb.gz" >/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$pprof" -http="127.0.0.1:$port" -no_browser "$tmp/cpu.pb.gz" >"$tmp/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
done

# draw PAGE: what the browser has made of it
draw() {
    timeout 90 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-dev-shm-usage --user-data-dir="$tmp/profile" \
        --virtual-time-budget=5000 --window-size=1600,1000 --dump-dom \
        "http://127.0.0.1:$port/ui/$1" 2>"$tmp/browser"
}

draw flamegraph >"$tmp/dom" || draw flamegraph2 >"$tmp/dom" || {
    tail "$tmp/browser" "$tmp/log" >&2
    echo 'skipped: the browser does not work here'
    exit 77
}
python3 - "$tmp/dom" <<'END'
import re
import sys

dom = open(sys.argv[1], encoding="utf-8").read()
boxes = re.findall(r'<div class="boxbg[^"]*" style="left: ([\d.]+)px; top: ([\d.]+)px; '
                   r'width: ([\d.]+)px[^"]*"><div class="boxtext"[^>]*>([^<]*)</div>', dom)
drawn = {}
for left, top, width, name in boxes:
    drawn.setdefault(name, []).append((float(left), float(top), float(width)))
failures = []
for name in ("root", "work", "own_loop", "print_floats", "sort_numbers", "thread"):
    if name not in drawn:
        failures.append(f"{name} is not there")
if not failures:
    left, top, width = drawn["work"][0]
    for name in ("print_floats", "sort_numbers"):
        if not any(t > top and left - 1 <= l and l + w <= left + width + 1
                   for l, t, w in drawn[name]):
            failures.append(f"{name} is not below work")
    # of 6 seconds 4 are work's (shares.c)
    if not 0.5 < width / drawn["root"][0][2] < 0.8:
        failures.append(f"work is {width} of {drawn['root'][0][2]} wide")
print("\n".join("FAIL " + f for f in failures) or "ok flame graph")
if failures:
    print(sorted(drawn))
sys.exit(bool(failures))
END
