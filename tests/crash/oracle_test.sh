#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# Asks Go itself: oracle/main.go has the cases of chains.want and values.want,
# and has to print what is wanted there, but in the sections marked unlike-go.
set -u
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v go >/dev/null || { echo "no go"; exit 77; }
case $(go env GOVERSION) in
go1.2[0-5]* | go1.1*) echo "wants go 1.26 or later"; exit 77 ;;
esac
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM
here=$SOURCE/tests/crash
unset GOTRACEBACK GODEBUG
[ -n "${HOME:-}" ] || export GOCACHE="$tmp/cache"
export GOFLAGS=-mod=mod
(cd "$here/oracle" && go build -o "$tmp/oracle" .) || exit 1

failed=0 ran=0
for want in "$here/chains.want" "$here/values.want"; do
    for name in $(sed -n '/unlike-go/d; s/^=== \([^ ]*\).*/\1/p' "$want"); do
        status=$(sed -n "s/^=== $name .*status=\([0-9]*\).*/\1/p" "$want")
        "$tmp/oracle" "$name" 2>"$tmp/stderr"
        got=$?
        sed -e '/^$/,$d' -e '/^goroutine/,$d' -e 's/main\.//g' \
            -e 's/0x[0-9a-f]*/0x@/g' "$tmp/stderr" >"$tmp/got"
        awk -v name="$name" '
            /^===/ { on = $2 == name; next }
            on && !/^$/' "$want" >"$tmp/want"
        ran=$((ran + 1))
        if [ "$got" != "${status:-2}" ] || ! cmp -s "$tmp/want" "$tmp/got"; then
            echo "FAIL $name: status $got, want ${status:-2}"
            diff -u "$tmp/want" "$tmp/got"
            failed=$((failed + 1))
        fi
    done
done
echo "$ran cases, $failed failures"
[ $failed -eq 0 ] && [ $ran -gt 0 ]
