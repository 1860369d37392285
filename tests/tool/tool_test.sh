#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# What the belay command says to wrong words and wrong files, with which status; its
# help; and that its manual page has the same options.
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
belay=${BUILD:-$source/build}/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1
failed=0 checked=0
cd "$tmp" || exit 1
python3 "$source/tests/tool/profiles.py" . || exit 1

bad() {
    echo "FAIL $1"
    failed=1
}

# gives STATUS TEXT ARGUMENT...: one line on stderr with the text, and the status
gives() {
    local wanted=$1 text=$2 status
    shift 2
    checked=$((checked + 1))
    timeout 60 "$belay" "$@" >out 2>err </dev/null
    status=$?
    [ $status = "$wanted" ] || bad "belay $*: status $status, not $wanted: $(head -n 3 err)"
    grep -qF -- "$text" err out || bad "belay $*: no \"$text\": $(head -n 3 err)"
    [ "$(grep -vc '^see belay help' err)" -le 1 ] || bad "belay $*: $(wc -l <err) lines on stderr"
}

# --- words ---------------------------------------------------------------------------

gives 0 'usage: belay COMMAND' help
gives 0 'usage: belay COMMAND' --help
gives 0 "belay $(sed -n 's/.*BL_VERSION "\(.*\)"/\1/p' "$source/include/belay/config.h")" --version
gives 2 'which command?'
gives 2 "there is no command 'porf'" porf
gives 2 "there is no command 'porf'" help porf
for command in prof flame goroutines top lab; do
    gives 0 "usage: belay $command" help $command
    gives 0 "usage: belay $command" $command --help
    gives 0 "usage: belay $command" $command -h
    gives 2 'there is no option -nonsense' $command -nonsense x
    gives 2 'belay '$command $command
done
gives 2 "-n wants a number, not 'x'" prof -n x cpu.pb
gives 2 "-n wants a number, not '-1'" prof -n -1 cpu.pb
gives 2 "-n wants a number, not '99999999999'" prof -n=99999999999 cpu.pb
gives 2 '-sample wants NAME' prof cpu.pb -sample
gives 2 '-cum takes no value' prof -cum=1 cpu.pb
gives 2 'which report' prof cpu.pb heap0.pb
gives 2 'which report' prof peek cpu.pb x y
gives 2 '-svg or -collapsed' flame -svg -collapsed cpu.pb
gives 2 'wants 1 or more' flame -n 0 cpu.pb -o -
gives 2 'which experiment' lab
gives 2 "there is no experiment 'leaks'" lab leaks
gives 2 "there is no mistake 'lop'" lab leak loop lop
gives 2 '-serve wants one mistake' lab leak -serve 127.0.0.1:0
gives 2 '-serve neither draws nor prints' lab leak -serve 127.0.0.1:0 -csv loop
gives 2 '-right is for -serve' lab leak -right loop
gives 2 '-time wants 1 or more' lab leak -time 0 loop
gives 2 "-n wants a number, not '1e5'" lab leak -n 1e5
gives 1 '-serve 127.0.0.1:x: Invalid argument' lab leak -n 1 -serve 127.0.0.1:x loop
gives 1 "not an address of this machine" lab leak -n 1 -serve 192.0.2.1:80 loop
gives 0 'goroutines blocked for ever on a channel' lab leak -list
gives 1 "'a(' is not a regular expression" prof peek 'a(' cpu.pb
gives 1 "-focus: 'a('" prof -focus 'a(' cpu.pb
gives 2 "-state: 'a('" goroutines -state 'a(' cpu.pb
gives 1 'there is no sample type wall; there are: samples cpu' prof -sample wall cpu.pb
gives 1 'there is no sample type 2' prof -sample 2 cpu.pb
gives 1 "no function matches 'nobody'" prof peek nobody cpu.pb
gives 1 'sample types' prof -base heap0.pb cpu.pb
gives 0 'no sample is left' prof -focus nobody cpu.pb
gives 0 'main' prof -- cpu.pb
gives 1 'No such file' prof -- -cpu.pb

# --- files -----------------------------------------------------------------------------

gives 1 'nosuch: No such file or directory' prof nosuch
gives 1 'Is a directory' prof .
: >nothing
gives 1 'nothing: empty' prof nothing
gives 1 '-: empty' prof -
cp "$belay" elf
gives 1 'looks like an ELF file' prof elf
for kind in '<!DOCTYPE html>|an HTML page' '{"a": 1}|a JSON file' 'hello|a text file' \
    'goroutine profile: total 3|without debug=1' 'go 1.23 trace|go tool trace' \
    'PERFILE2xxx|a file of perf' 'PK@@|a text file'; do
    printf '%s' "${kind%|*}" >wrong
    gives 1 "${kind#*|}" prof wrong
    gives 1 "${kind#*|}" flame wrong -o -
done
printf 'x\ngoroutine 1 [running]:\nmain()\n' >list
gives 1 'see belay help goroutines' prof list
gives 1 'looks like' goroutines cpu.pb.gz
size=$(wc -c <cpu.pb)
for part in 1 2 7 100 $((size / 2)) $((size - 1)); do
    head -c "$part" cpu.pb >short.pb
    gives 1 'short.pb: not a profile of pprof' prof short.pb
done
head -c 300 cpu.pb.gz >short.gz
gives 1 'short.gz: truncated gzip' prof short.gz
{ head -c -8 cpu.pb.gz; printf 12345678; } >wrong.gz
gives 1 'wrong.gz: damaged gzip' prof wrong.gz
gzip -c <nothing >empty.gz
gives 1 'empty.gz: not a profile' prof empty.gz
gzip -c <cpu.pb.gz >twice.gz
gives 1 'gzip in gzip' prof twice.gz
{ head -c 1000 cpu.pb | gzip; tail -c +1001 cpu.pb | gzip; } >two.gz
gives 0 'Type: cpu' prof two.gz
# 600 MB of zeros are 3 MB of gzip
if [ -z "${SANITIZE-}" ]; then
    head -c 600000000 /dev/zero | gzip -1 >bomb.gz
    gives 1 'unpacks to more than can be read' prof bomb.gz
fi
cp cpu.pb cpu-copy.pb
gives 1 '/nosuch/x.html: No such file' flame cpu.pb -o /nosuch/x.html
checked=$((checked + 1))
"$belay" prof cpu.pb >/dev/full 2>err && bad 'a full disk is not noticed'
grep -q 'No space left' err || bad "a full disk: $(cat err)"
"$belay" prof - <cpu.pb.gz | grep -q 'Type: cpu' || bad 'stdin'
"$belay" prof -all wide.pb | head -n 1 >out || bad 'a reader that goes'

# --- colour -------------------------------------------------------------------------------

"$belay" prof cpu.pb | grep -q $'\033' && bad 'colour without a terminal'
if command -v script >/dev/null; then
    checked=$((checked + 2))
    script -qec "TERM=xterm '$belay' prof cpu.pb" /dev/null </dev/null | grep -q $'\033' ||
        bad 'no colour on a terminal'
    script -qec "NO_COLOR=1 TERM=xterm '$belay' prof cpu.pb" /dev/null </dev/null |
        grep -q $'\033' && bad 'NO_COLOR is not heeded'
fi

# --- the manual -----------------------------------------------------------------------------

checked=$((checked + 1))
for command in prof flame goroutines top lab; do
    "$belay" help $command | sed -n 's/^  -\([a-z]*\) .*/\1/p'
done | sort -u >options
sed -n 's/^\.It Fl \([a-z]*\).*/\1/p' "$source/docs/belay.1.in" | sort >manual
diff options manual || bad 'belay(1) has other options (>) than the commands (<)'

echo "$checked checked"
exit $failed
