#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# belay lab leak: each wrong form leaks what it is there to leak, each right form nothing;
# limits are said; and nothing stays behind, however it ends.
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
belay=${BUILD:-$source/build}/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
[ "${SANITIZE-}" != thread ] || { echo "profiles stop threads behind its back: not tested"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0 checked=0
n=60
cd "$tmp" || exit 1
unset BELAYDEBUG
export LAB_TEST_MARK=$$.$RANDOM # what is started here has it in its environment

bad() {
    echo "FAIL $1"
    failed=1
}

# The processes of ours that are the belay command, once they have had time to go.
left_behind() {
    local pid try
    for try in 1 2 3 4 5 6 7 8 9 10; do
        for pid in /proc/[0-9]*; do
            [ "$pid/exe" -ef "$belay" ] || continue
            tr '\0' '\n' 2>/dev/null <"$pid/environ" | grep -qx "LAB_TEST_MARK=$LAB_TEST_MARK" &&
                continue 2
        done
        return 1
    done
    echo "$pid: $(tr '\0' ' ' <"$pid/cmdline")"
}

# gone WHAT: no process, and no file but those that were asked for
gone() {
    checked=$((checked + 1))
    sleep 0.2
    left_behind && bad "$1: a process is left behind"
    [ "$(ls | grep -vxE 'got|said|plot.svg|port')" = '' ] || bad "$1: files: $(ls)"
}

# --- what leaks ------------------------------------------------------------------------

# leaks MISTAKE FORM ANSWERED FAILED DESCRIPTORS GOROUTINES DEFERS
leaks() {
    local line
    checked=$((checked + 1))
    line=$(grep "^$1,$2,.*,settled," got | cut -d, -f5,6,8-)
    [ "$line" = "$3,$4,$5,$6,$7" ] || bad "$1, $2 form: $line, not $3,$4,$5,$6,$7"
}

timeout 200 "$belay" lab leak -n $n -csv >got 2>said || bad "status $?: $(head -n 3 said)"
[ -s said ] && bad "it says: $(head -n 3 said)"
leaks loop wrong $n 0 $n 0 $n
leaks endless wrong $n 0 $n $n $n
leaks channel wrong $n 0 0 $n 0
leaks panic wrong $n 0 $n 0 0
leaks hijack wrong $n 0 $n 0 0
leaks pool wrong $n $n $n 0 0
for mistake in loop endless channel panic hijack; do
    leaks $mistake right $n 0 0 0 0
done
leaks pool right $((2 * n)) 0 0 0 0
for mistake in endless hijack pool; do
    checked=$((checked + 1))
    grep -q "^$mistake,right,.*,open,.*,$n,[0-9]*,[0-9]*\$" got ||
        bad "$mistake, right form: $n connections have never been open together"
done
checked=$((checked + 1))
"$belay" lab leak -list | cut -d' ' -f1 >said
grep settled got | cut -d, -f1 | uniq | diff - said || bad "-list has other mistakes (>)"
gone 'all mistakes'

# --- the table and the plot ----------------------------------------------------------------

checked=$((checked + 1))
"$belay" lab leak -n $n -o plot.svg loop panic >got 2>said || bad "plot: $(head -n 3 said)"
grep -qE "^loop +wrong +$n +0 +[0-9.]+ MB +$n +0 +$n\$" got || bad "table: $(cat got)"
grep -qE '^ +right +'$n' +0 +[0-9.]+ MB +0 +0 +0$' got || bad "table: $(cat got)"
[ "$(grep -cE ' (wrong|right) ' got)" = 4 ] || bad "table: $(cat got)"
grep -q $'\033' got && bad 'colour without a terminal'
[ -s said ] && bad "progress without a terminal: $(head -n 3 said)"
python3 - plot.svg <<'END' || bad 'plot.svg'
import sys, xml.etree.ElementTree as tree
svg = "{http://www.w3.org/2000/svg}"
root = tree.parse(sys.argv[1]).getroot()
lines = root.findall(svg + "polyline")
assert [l.get("class") for l in lines] == ["right", "wrong"] * 8, lines
text = " ".join("".join(t.itertext()) for t in root.iter(svg + "text"))
assert "What 60 connections" in text and "panic" in text and "hijack" not in text, text
left, right, height = 0, float(root.get("width")), float(root.get("height"))
for l in lines:
    for point in l.get("points").split():
        x, y = map(float, point.split(","))
        assert left <= x <= right and 0 <= y <= height, point
assert "prefers-color-scheme: dark" in root.find(svg + "style").text
assert "http" not in open(sys.argv[1]).read().replace(svg[1:-1], "")
END
gone 'plot'
rm -f plot.svg
"$belay" lab leak -n $n -o /nosuch/plot.svg loop >got 2>said
[ $? = 1 ] && [ ! -s got ] && grep -q '/nosuch/plot.svg: No such file' said ||
    bad "a plot that can't be written: $(cat got said)"

# --- limits -------------------------------------------------------------------------------

# Without the right to raise limits: where that can't be had, as root, 4 GB are no limit.
checked=$((checked + 2))
with_limit() {
    (ulimit -n "$1" && shift && exec "$belay" lab leak "$@")
}
with_limit 200 -n 500 loop >got 2>said || bad "200 files: $(head -n 3 said)"
grep -qE '^loop +wrong +500 +0 +[0-9.]+ MB +500 +0 +500$' got || bad "200 files: $(cat got)"
if grep -q '4 processes' got; then
    with_limit 80 -n 1000 loop >got 2>said || bad "80 files: $(head -n 3 said)"
    grep -q '512 connections instead of 1,000: no more than 80 open files' said ||
        bad "80 files: $(cat said)"
    grep -qE '^loop +wrong +512 ' got || bad "80 files: $(cat got)"
else
    echo "limits can be raised here: not tested without"
fi
checked=$((checked + 1))
before=$SECONDS
"$belay" lab leak -n 100000 -time 1 panic >got 2>said || bad "a second: $(head -n 3 said)"
[ $((SECONDS - before)) -lt 60 ] || bad "a second each has taken $((SECONDS - before))"
if grep -q 'the time was over' said; then
    awk '/wrong/ { gsub(",", ""); exit !($3 < 100000 && $7 == $3) }' got ||
        bad "a second: $(cat got)"
fi
gone 'limits'

# --- served -------------------------------------------------------------------------------

# serve ARGUMENT...: $url is where
serve() {
    rm -f port
    mkfifo port
    timeout 100 "$belay" lab leak -serve 127.0.0.1:0 -n $n "$@" >port 2>said &
    lab=$!
    read -r -t 60 url words <port || bad "-serve $*: $(cat said)"
}

# shows TEXT COMMAND...
shows() {
    local text=$1
    shift
    checked=$((checked + 1))
    "$belay" "$@" >got 2>&1
    grep -qE -- "$text" got || bad "belay $*: no \"$text\": $(head -n 20 got)"
}

serve loop
[ "$words" = "loop, wrong form, $n connections later, for 60 seconds" ] || bad "says: $words"
shows "^ +$n +pending defers" top -n 1 "$url"
shows "^ +$n +bl_conn_release at loop.c" top -n 1 "$url"
kill $lab
wait $lab
gone 'SIGTERM'
serve -right loop
shows '^ +[0-9] +goroutines' top -n 1 "$url"
"$belay" top -n 1 "$url" | grep -q bl_conn_release && bad 'the right form leaks'
kill $lab
wait $lab
serve channel
shows "^$n goroutines \[chan send" goroutines "$url"
kill -INT $lab
wait $lab
serve panic
shows "^ +$n +panics" top -n 1 "$url"
[ -n "${SANITIZE-}" ] || # which has a malloc of its own
    shows 'bl_listener_accept' prof -cum -sample inuse_space "$url/debug/pprof/heap"
pid=$(pgrep -P $lab) # of the command: the shell's child is timeout
kill -KILL "$pid"
wait $lab 2>/dev/null
gone 'SIGKILL'
before=$SECONDS
serve -time 1 hijack
wait $lab || bad "-time 1: status $?"
[ $((SECONDS - before)) -lt 30 ] || bad "-time 1: $((SECONDS - before)) seconds"
gone 'its end'

echo "$checked checked"
exit $failed
