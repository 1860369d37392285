#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# errors_example_test.sh - examples/errors.c says what it should, and leaks nothing.
# Paths, line numbers and offsets are left out of the comparison.
set -u
program=$BUILD/examples/errors
[ -x "$program" ] || exit 77 # its defer blocks want GCC
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C
unset BELAYDEBUG BELAYTRACEBACK

cat >"$tmp/want" <<'END'
good: 3 each
empty: defaults (read empty: nothing in it)
empty: 20 each
mistakes: look at line 2 first
mistakes: read mistakes: line 2: no `name = number`: workers 4
	line 3: no such setting: limits
load(...)
	errors.c
caused by: line 2: no `name = number`: workers 4
	line 3: no such setting: limits
read_lines(...)
	errors.c
[1] line 2: no `name = number`: workers 4
new_mistake(...)
	errors.c
[2] line 3: no such setting: limits
new_mistake(...)
	errors.c
zero: divide 12 by 0: runtime error: integer divide by zero
divide.defer(...)
	errors.c
caused by: runtime error: integer divide by zero
divide(...)
	errors.c
/nowhere/settings: defaults (open /nowhere/settings: no such file or directory)
/nowhere/settings: 20 each
END
"$program" >"$tmp/out" 2>"$tmp/err" || exit 1
# inlined functions are printed too, as more frames: only the innermost counts
awk '/\(\.\.\.\)$/ { if (frame) { skip = 1; next } frame = 1; print; next }
     skip { skip = 0; next }
     /^\t.*errors\.c:/ { print "\terrors.c"; next }
     { frame = 0; print }' "$tmp/out" >"$tmp/got"
diff -u "$tmp/want" "$tmp/got" || exit 1
# what UBSan says about the division is wanted
grep -v 'runtime error: division by zero$' "$tmp/err" && exit 1

"$program" good /nowhere/settings >/dev/null || exit 1
"$program" good mistakes >/dev/null && exit 1

# AddressSanitizer looks for leaks itself; else Valgrind, if it is here.  (A division
# by zero is a signal, which it reports as well: not that one.)
if [ -z "${SANITIZE-}" ] && command -v valgrind >/dev/null; then
    valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect \
        --error-exitcode=9 "$program" good empty /nowhere/settings >"$tmp/out" 2>&1 &&
        valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect \
            --error-exitcode=9 "$program" mistakes >"$tmp/out" 2>&1
    [ $? != 9 ] || { cat "$tmp/out" && exit 1; }
fi
exit 0
