#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# leak_test.sh - profile goroutineleak: of what leak.c plants, all kinds of leaks are found
# (nearly all of each: a stale pointer is one), and nothing that could still be woken; in
# all its forms, through the server and `belay goroutines -leaks`; linked dynamically,
# statically and preloaded, and on one processor.
# (ids Q34, Q35)
set -eu
[ "${SANITIZE-}" != thread ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-leak" ] || exit 77
tmp=$(mktemp -d)
server=
trap 'rm -rf "$tmp"; [ -z "$server" ] || kill $server 2>/dev/null || true' EXIT
kinds='send recv select select_many nil nothing waitgroup cond semaphore mutex pair_a pair_b
context'

failed() {
    echo "FAIL $1" >&2
    shift
    [ $# = 0 ] || head -n 60 "$@" >&2
    exit 1
}

# counts FILE: "COUNT leak_x" for each group of a profile as text
counts() {
    awk '/^[0-9]+ @/ { n = $1; seen = 0 }
        match($0, /(leak|live)_[a-z_]+/) && !seen {
            print n, substr($0, RSTART, RLENGTH); seen = 1 }' "$1"
}

# check NAME FILE: of eight of each kind
check() {
    local kind n
    counts "$2" >"$tmp/counts"
    ! grep live_ "$tmp/counts" >&2 || failed "$1: that could still be woken" "$2"
    for kind in $kinds; do
        n=$(awk -v kind="leak_$kind" '$2 == kind { n += $1 } END { print n + 0 }' "$tmp/counts")
        # ASan leaves pointers where stacks were, on purpose
        [ "$n" -ge "${LEAST:-6}" ] || failed "$1: $n of 8 leak_$kind" "$2"
    done
    grep -q '^goroutineleak profile: total ' "$2" || failed "$1: no header" "$2"
    grep -q '^# certain, unless the program hides pointers' "$2" || failed "$1: how sure?" "$2"
    echo "ok $1"
}

[ -z "${SANITIZE-}" ] || LEAST=0
export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
run() {
    timeout 60 "$@" >"$tmp/out" || failed "$*: status $?" "$tmp/out"
}

run "$build/tests/observe-leak" planted
check dynamic "$tmp/out"
run "$build/tests/observe-leak-static" planted
check static "$tmp/out"
BELAYMAXPROCS=1 run "$build/tests/observe-leak" planted
check 'one processor' "$tmp/out"
BELAYMAXPROCS=8 run "$build/tests/observe-leak" planted
check 'eight processors' "$tmp/out"
[ -z "${SANITIZE-}" ] || exit 0

run "$build/tests/observe-leak" undisturbed
echo "ok undisturbed: $(cat "$tmp/out")"

# every goroutine, and which are leaked
run "$build/tests/observe-leak" planted 2
for state in 'chan send' 'chan receive' select 'chan receive (nil chan)' 'select (no cases)' \
    sync.WaitGroup.Wait sync.Cond.Wait semacquire sync.Mutex.Lock; do
    grep -qF "[$state (leaked)]:" "$tmp/out" || failed "debug=2: no [$state (leaked)]" "$tmp/out"
done
grep -qF '[chan receive]:' "$tmp/out" || failed 'debug=2: only leaked ones' "$tmp/out"
echo 'ok debug=2'

# through the server; the index has the last result, and does not look
coproc SERVER { exec "$build/tests/observe-leak" serve; }
server=$SERVER_PID
read -r -t 30 port <&"${SERVER[0]}" || failed 'serve: no port'
python3 - "$port" "$tmp" <<'END' || failed server
import gzip, sys, time, urllib.request
base = f"http://127.0.0.1:{sys.argv[1]}/debug/pprof/"
def ask(what):
    with urllib.request.urlopen(base + what, timeout=60) as answer:
        return answer.read()
def count():
    row = [line for line in ask("").decode().split("\n") if ">goroutineleak<" in line]
    return int(row[0].split("<td>")[1].split("<")[0])
assert count() == 0, count()
text = ask("goroutineleak?debug=1")
open(sys.argv[2] + "/served", "wb").write(text)
total = int(text.split()[3])
assert count() == total > 0, (count(), total)
open(sys.argv[2] + "/leak.pb.gz", "wb").write(ask("goroutineleak"))
delta = gzip.decompress(ask("goroutineleak?seconds=1"))
assert b"goroutineleak" in delta and b"leak_send" not in delta
END
check server "$tmp/served"
if [ -x "$build/bin/belay" ]; then
    "$build/bin/belay" goroutines -leaks "http://127.0.0.1:$port" >"$tmp/out"
    grep -q 'leak_cond' "$tmp/out" || failed 'belay goroutines -leaks' "$tmp/out"
    ! grep -q 'live_' "$tmp/out" || failed 'belay goroutines -leaks: live ones' "$tmp/out"
    "$build/bin/belay" prof -cum -n 200 "$tmp/leak.pb.gz" >"$tmp/out"
    grep -q 'leak_waitgroup' "$tmp/out" || failed 'belay prof' "$tmp/out"
    echo 'ok belay goroutines -leaks'
fi
