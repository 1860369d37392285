#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# belay prof prints what go tool pprof prints, byte for byte: on profiles that
# profiles.py writes (prof.want has Go's answers, for machines without Go), and, where
# there is Go, on profiles of a Go program.
#
#     tests/tool/prof_test.sh --record    writes prof.want anew, from Go's answers
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
belay=${BUILD:-$source/build}/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
here=$source/tests/tool
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export TZ=UTC LC_ALL=C.UTF-8 PPROF_TMPDIR=$tmp PYTHONDONTWRITEBYTECODE=1
failed=0 compared=0
cd "$tmp" || exit 1
python3 "$here/profiles.py" . || exit 1

# the program itself: go tool takes a while to find it each time
pprof=$(go tool -n pprof 2>/dev/null)

go_answers() { # PPROF_ARGUMENT...
    "$pprof" "$@" 2>/dev/null | grep -v '^\(Duration: [^,]*\|Time: .*+0000.*\)$'
}

belay_answers() { # PROF_ARGUMENT...
    "$belay" prof "$@" 2>/dev/null | grep -v '^\(Duration: [^,]*\|Time: [0-9]* ns\)$'
}

# What is asked, in both languages: "arguments of pprof | arguments of belay prof"
recorded='
-top cpu.pb                                  | cpu.pb
-top cpu.pb.gz                               | top cpu.pb.gz
-top -cum cpu.pb                             | -cum cpu.pb
-top -nodecount=2 cpu.pb                     | -n 2 cpu.pb
-top -nodefraction=0 -edgefraction=0 cpu.pb  | -all cpu.pb
-top -sample_index=samples cpu.pb            | -sample samples cpu.pb
-top -sample_index=0 cpu.pb                  | -sample=0 cpu.pb
-top -unit=us cpu.pb                         | -unit us cpu.pb
-top -focus=walk cpu.pb                      | -focus walk cpu.pb
-top -ignore=libc|parse cpu.pb               | --ignore libc|parse cpu.pb
-top -focus=main -ignore=walk cpu.pb         | -focus main -ignore walk cpu.pb
-traces cpu.pb                               | traces cpu.pb
-tags cpu.pb                                 | tags cpu.pb
-raw cpu.pb                                  | raw cpu.pb
-peek . cpu.pb                               | peek . cpu.pb
-peek tok cpu.pb                             | peek tok cpu.pb
-top heap1.pb                                | heap1.pb
-top -sample_index=alloc_space heap1.pb      | -sample alloc_space heap1.pb
-top -base=heap0.pb heap1.pb                 | -base heap0.pb heap1.pb
-top -diff_base=heap0.pb heap1.pb            | diff heap0.pb heap1.pb
-top -diff_base=heap1.pb heap0.pb            | diff heap1.pb heap0.pb
-top -normalize -diff_base=heap0.pb heap1.pb | -normalize diff heap0.pb heap1.pb
-peek . -base=heap0.pb heap1.pb              | peek . -base heap0.pb heap1.pb
-top -sample_index=0 -base=heap0.pb heap1.pb | -sample 0 -base heap0.pb heap1.pb
-top -nodecount=5 deep.pb                    | -n 5 deep.pb
-top -nodecount=20 wide.pb                   | -n 20 wide.pb
-top empty.pb                                | empty.pb
-top pruned.pb                               | pruned.pb
-traces pruned.pb                            | traces pruned.pb
'

real=
for file in cpu heap block mutex goroutine; do
    real="$real
-top $file.pb.gz                   | $file.pb.gz
-top -cum $file.pb.gz              | -cum $file.pb.gz
-top -nodecount=5 $file.pb.gz      | -n 5 $file.pb.gz
-top -sample_index=0 $file.pb.gz   | -sample 0 $file.pb.gz
-top -focus=words|grow $file.pb.gz | -focus words|grow $file.pb.gz
-top -ignore=runtime $file.pb.gz   | -ignore runtime $file.pb.gz
-traces $file.pb.gz                | traces $file.pb.gz
-tags $file.pb.gz                  | tags $file.pb.gz
-raw $file.pb.gz                   | raw $file.pb.gz
-peek . $file.pb.gz                | peek . $file.pb.gz"
done
real="$real
-top -base=heap0.pb.gz heap.pb.gz      | -base heap0.pb.gz heap.pb.gz
-top -diff_base=heap0.pb.gz heap.pb.gz | diff heap0.pb.gz heap.pb.gz
"

# ask WHOM QUESTIONS: each question of Go's, and what WHOM answers it
ask() {
    local theirs ours
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        # the last bar: there are others in regular expressions
        read -ra theirs <<<"${line% | *}"
        read -ra ours <<<"${line##* | }"
        echo "=== pprof ${theirs[*]}"
        if [ "$1" = go ]; then go_answers "${theirs[@]}"; else belay_answers "${ours[@]}"; fi
    done <<<"$2"
}

# same NAME WANTED GOT
same() {
    compared=$((compared + $(grep -c '^===' "$2")))
    diff "$2" "$3" >diff && return
    echo "FAIL $1: (<) is wanted"
    head -n 30 diff
    failed=1
}

if [ "${1-}" = --record ]; then
    [ -n "$pprof" ] || exit 1
    { head -n 4 "$here/prof.want"; ask go "$recorded"; } >want && cp want "$here/prof.want"
    exit
fi
grep -v '^#' "$here/prof.want" >want
ask belay "$recorded" >got
same 'recorded answers' want got
if [ -n "$pprof" ]; then
    ask go "$recorded" >go
    same 'the record is not what Go answers' want go
    mkdir real
    cp "$here/programs.go" real/ && cd real || exit 1
    if GOFLAGS= go run programs.go >log 2>&1; then
        ask go "$real" >want
        ask belay "$real" >got
        same "a Go program's profiles" want got
    else
        echo "FAIL programs.go:"
        cat log
        failed=1
    fi
else
    echo "Go is not here: only its recorded answers are compared"
fi
echo "$compared answers compared"
exit $failed
