#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# contexts_example_test.sh - examples/contexts.c says what it should, in any order of what
# happens at the same time, and leaks nothing.
set -u
program=$BUILD/examples/contexts
[ -x "$program" ] || exit 77 # its defer blocks want GCC
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C
unset BELAYDEBUG BELAYTRACEBACK

sort >"$tmp/want" <<'END'
within 1000 ms:
    0 ms  berlin: asked for anna
    0 ms  lima: asked for anna
    0 ms  osaka: asked for anna
  120 ms  osaka: somebody else was quicker
  120 ms  berlin: somebody else was quicker
  180 ms  lima: has hung up
  220 ms  berlin: does not hang up
  220 ms  osaka: does not hang up
  220 ms  result: lima
within 50 ms:
    0 ms  berlin: asked for anna
    0 ms  lima: asked for anna
    0 ms  osaka: asked for anna
   50 ms  berlin: nobody has answered in time
   50 ms  lima: nobody has answered in time
   50 ms  osaka: nobody has answered in time
  110 ms  lima: has hung up
  150 ms  berlin: does not hang up
  150 ms  osaka: does not hang up
  150 ms  result: nobody has answered in time
END
for flags in torture=0 torture=1 torture=15; do
    BELAYDEBUG=$flags "$program" >"$tmp/out" 2>"$tmp/err" || exit 1
    sort "$tmp/out" | diff -u "$tmp/want" - || exit 1
    [ ! -s "$tmp/err" ] || { cat "$tmp/err" && exit 1; }
done

# AddressSanitizer looks for leaks itself; else Valgrind, if it is here
if [ -z "${SANITIZE-}" ] && command -v valgrind >/dev/null; then
    valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --error-exitcode=9 "$program" >"$tmp/out" 2>&1
    [ $? != 9 ] || { cat "$tmp/out" && exit 1; }
fi
exit 0
