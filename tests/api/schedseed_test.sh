#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# BELAYDEBUG=schedseed=N: the same seed gives the same run, clock included; other
# seeds give other runs.
set -eu
export PKG_CONFIG_PATH=$BUILD
variant=belay
[[ $CC == *clang* ]] && variant=belay-clang
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2046
$CC -O2 ${SANITIZE:+-fsanitize=$SANITIZE} "$SOURCE/tests/api/schedseed.c" \
    -o "$folder/program" $(pkg-config --cflags --libs $variant)

for seed in $(seq 1 20); do
    first=$(BELAYDEBUG=schedseed=$seed timeout 20 "$folder/program")
    for _ in 1 2; do
        again=$(BELAYDEBUG=schedseed=$seed timeout 20 "$folder/program")
        if [ "$first" != "$again" ]; then
            printf 'FAIL seed %s gave\n%s\nand\n%s\n' "$seed" "$first" "$again"
            exit 1
        fi
    done
    echo "$first"
done >"$folder/runs"
different=$(sort -u "$folder/runs" | wc -l)
if [ "$different" -lt 10 ]; then
    echo "FAIL 20 seeds gave only $different different runs"
    exit 1
fi
echo "20 seeds, $different different runs, each three times the same"

# A program that dies says by which seed, and a hash of the schedule.
for how in panic deadlock; do
    for seed in 3 4 5; do
        for _ in 1 2 3; do
            status=0
            BELAYDEBUG=schedseed=$seed timeout 20 "$folder/program" $how \
                >/dev/null 2>"$folder/report" || status=$?
            [ $status = 2 ] || { echo "FAIL $how: status $status" && exit 1; }
            tail -n 1 "$folder/report"
        done
    done >"$folder/ends"
    if [ "$(grep -cxE 'belay: BELAYDEBUG=schedseed=[345], schedule 0x[0-9a-f]+' \
        "$folder/ends")" != 9 ] || [ "$(sort -u "$folder/ends" | wc -l)" != 3 ]; then
        echo "FAIL $how: not the same end for the same seed"
        cat "$folder/ends"
        exit 1
    fi
done
if timeout 20 "$folder/program" panic 2>&1 >/dev/null | grep -q schedseed; then
    echo 'FAIL a seed where there is none'
    exit 1
fi
echo 'the ends: the seed and the schedule'
