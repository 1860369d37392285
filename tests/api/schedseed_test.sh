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
