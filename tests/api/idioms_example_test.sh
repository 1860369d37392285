#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# idioms_example_test.sh - examples/idioms.c says what it should, and leaks nothing.
# Of stacks the innermost frames of ours are compared, without files and offsets.
set -u
program=$BUILD/examples/idioms
[ -x "$program" ] || exit 77 # its defer blocks want GCC
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C
unset BELAYDEBUG BELAYTRACEBACK

cat >"$tmp/want" <<'END'
divide 7 2: 3
divide 7 0: failed: 7 can't be divided by 0
sum 1+2+39: 42
sum 1+x: failed: at `x`: syntax error
sum nothing: failed: panic: runtime error: invalid memory address or nil pointer dereference
in read_number
copy /etc/passwd /dev/null: done
copy /etc/passwd /dev/full: failed: copy /etc/passwd: no space left on device
copy /nowhere x: failed: copy /nowhere: open /nowhere: no such file or directory
transfer 30: 70 and 30
transfer 100: failed: not enough money
transfer 13: failed: panic: transfer: 13?
in handle_transfer
transfer 1: 69 and 31
ask well: connection 1, well
ask badly: failed: panic: runtime error: invalid memory address or nil pointer dereference
in handle_ask
ask again: connection 2, again
what: failed: no such request
connections: 2 opened, 1 closed as broken, 1 open
END
"$program" >"$tmp/out" 2>"$tmp/err" || exit 1
# the first frame that is neither deferred code nor panic() itself
awk '/^goroutine .*running/ { stack = 1; next }
     stack && /^\t/ { next }
     stack && /^$/ { stack = 0; next }
     stack && /^panic\(|\.defer\(/ { next }
     stack && /\(\.\.\.\)$/ { if (stack == 1) { sub(/\(.*/, ""); print "in " $0 } stack = 2; next }
     { stack = 0; print }' "$tmp/out" >"$tmp/got"
diff -u "$tmp/want" "$tmp/got" || exit 1
[ "$(grep -c '^> ' "$tmp/err")" = 16 ] || { cat "$tmp/err" && exit 1; }
[ "$(grep -c '^< .* ms$' "$tmp/err")" = 16 ] || { cat "$tmp/err" && exit 1; }

"$program" 'sum 1' 'transfer 2' >/dev/null 2>&1 || exit 1
"$program" 'sum 1' 'transfer 2000' >/dev/null 2>&1 && exit 1

# AddressSanitizer looks for leaks itself; else Valgrind, if it is here.  (Faults are
# signals, which it reports as well: none of those.  A thread's own memory counts as
# possibly lost as long as the thread is there.)
if [ -z "${SANITIZE-}" ] && command -v valgrind >/dev/null; then
    valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect \
        --errors-for-leak-kinds=definite,indirect --error-exitcode=9 "$program" 'sum 1+x' 'copy /etc/passwd /dev/full' \
        'copy /nowhere x' 'transfer 13' 'transfer 200' 'ask well' 'ask again' \
        >"$tmp/out" 2>&1
    [ $? != 9 ] || { cat "$tmp/out" && exit 1; }
fi
exit 0
