#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# Mistakes in BELAYDEBUG and BELAYTRACEBACK end the program before it begins:
# one line on stderr that quotes the mistake, status 2.  (What the knobs do when
# they are right is in knobs.want.)
set -u
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM
unset BELAYDEBUG BELAYTRACEBACK
sanitize=${SANITIZE:+-fsanitize=$SANITIZE}

if $CC --version | grep -q clang; then
    cflags=-fblocks
else
    cflags="-fexceptions -fnon-call-exceptions"
fi
# shellcheck disable=SC2086  # lists of options
$CC -std=gnu11 -g $cflags $sanitize -I"$SOURCE/include" "$SOURCE/tests/crash/knobs.c" \
    "$BUILD/libbelay.so" -Wl,-rpath,"$BUILD" -lpthread -o "$tmp/knobs" || exit 1

failed=0 ran=0

fail() {
    echo "FAIL $1"
    sed 's/^/  stdout: /' "$tmp/out"
    sed 's/^/  stderr: /' "$tmp/err"
    failed=$((failed + 1))
}

# run VARIABLE=VALUE: sets $status, $tmp/out and $tmp/err.
run() {
    ran=$((ran + 1))
    env "$1" "$tmp/knobs" nothing >"$tmp/out" 2>"$tmp/err"
    status=$?
}

# refused VARIABLE=VALUE LINE: exactly that line, and nothing else happens.
refused() {
    run "$1"
    printf '%s\n' "$2" >"$tmp/want"
    if [ $status -ne 2 ] || [ -s "$tmp/out" ] || ! cmp -s "$tmp/want" "$tmp/err"; then
        fail "'$1': status $status, want 2 and: $2"
    fi
}

# fine VARIABLE=VALUE: the program runs as if nothing had been said.
fine() {
    run "$1"
    if [ $status -ne 0 ] || [ "$(cat "$tmp/err")" != "nothing wrong" ]; then
        fail "'$1': status $status, want 0"
    fi
}

see="(BELAYDEBUG=help=1 prints all)"
refused BELAYDEBUG=colour=1 "belay: BELAYDEBUG: unknown key 'colour' $see"
refused BELAYDEBUG=colour "belay: BELAYDEBUG: unknown key 'colour' $see"
refused BELAYDEBUG=fault=1 "belay: BELAYDEBUG: unknown key 'fault' $see"
refused BELAYDEBUG=faultss=1 "belay: BELAYDEBUG: unknown key 'faultss' $see"
refused BELAYDEBUG=Faults=1 "belay: BELAYDEBUG: unknown key 'Faults' $see"
refused "BELAYDEBUG= faults=1" "belay: BELAYDEBUG: unknown key ' faults' $see"
refused BELAYDEBUG==1 "belay: BELAYDEBUG: unknown key '' $see"
refused BELAYDEBUG=faults=1,colour=1 "belay: BELAYDEBUG: unknown key 'colour' $see"

whole="give a whole number"
refused BELAYDEBUG=faults "belay: BELAYDEBUG: bad value in 'faults': $whole"
refused BELAYDEBUG=faults= "belay: BELAYDEBUG: bad value in 'faults=': $whole"
refused BELAYDEBUG=faults=yes "belay: BELAYDEBUG: bad value in 'faults=yes': $whole"
refused BELAYDEBUG=faults=-1 "belay: BELAYDEBUG: bad value in 'faults=-1': $whole"
refused BELAYDEBUG=faults=1.0 "belay: BELAYDEBUG: bad value in 'faults=1.0': $whole"
refused "BELAYDEBUG=faults=1 " "belay: BELAYDEBUG: bad value in 'faults=1 ': $whole"
refused BELAYDEBUG=faults=0x1 "belay: BELAYDEBUG: bad value in 'faults=0x1': $whole"
refused BELAYDEBUG=faults=1=1 "belay: BELAYDEBUG: bad value in 'faults=1=1': $whole"
refused "BELAYDEBUG=faults=1;help=1" \
    "belay: BELAYDEBUG: bad value in 'faults=1;help=1': $whole"

refused BELAYDEBUG=faults=2 "belay: BELAYDEBUG: value out of range in 'faults=2' $see"
refused BELAYDEBUG=unwindlog=99 \
    "belay: BELAYDEBUG: value out of range in 'unwindlog=99' $see"
refused BELAYDEBUG=faults=999999999 \
    "belay: BELAYDEBUG: value out of range in 'faults=999999999' $see"
# More digits than any number that fits: too large, not malformed.
refused BELAYDEBUG=faults=99999999999999999999 \
    "belay: BELAYDEBUG: value out of range in 'faults=99999999999999999999' $see"

levels="(none, single, all, system or crash)"
refused BELAYTRACEBACK=bogus "belay: BELAYTRACEBACK: unknown level 'bogus' $levels"
refused BELAYTRACEBACK=ALL "belay: BELAYTRACEBACK: unknown level 'ALL' $levels"
refused BELAYTRACEBACK=3 "belay: BELAYTRACEBACK: unknown level '3' $levels"
refused "BELAYTRACEBACK=all " "belay: BELAYTRACEBACK: unknown level 'all ' $levels"

# A value of any length is refused in one line.
long=$(printf '%05000d' 0)
run "BELAYDEBUG=k$long"
if [ $status -ne 2 ] || [ "$(wc -l <"$tmp/err")" -ne 1 ]; then
    fail "a key of 5001 characters: status $status"
fi

fine BELAYDEBUG=
fine BELAYDEBUG=,
fine BELAYDEBUG=faults=1,
fine BELAYDEBUG=,faults=0,,paniccheck=1
fine BELAYDEBUG=faults=01
fine BELAYDEBUG=faults=0,faults=1
fine BELAYDEBUG=help=0
fine BELAYTRACEBACK=
for level in none single all system crash 0 1 2; do
    fine BELAYTRACEBACK=$level
done

# help=1 names every knob, on stdout, with its default and range; status 0.
for value in help=1 faults=0,help=1; do
    run BELAYDEBUG=$value
    if [ $status -ne 0 ] || [ -s "$tmp/err" ]; then
        fail "BELAYDEBUG=$value: status $status"
    fi
    for word in BELAYDEBUG BELAYTRACEBACK \
        $(sed -n 's/^ *OPTION(\([a-z]*\),.*/\1/p' "$SOURCE/src/base/base.h"); do
        grep -q "$word" "$tmp/out" || fail "BELAYDEBUG=$value does not tell of $word"
    done
    grep -q '^  faults .*(1; 0 to 1)$' "$tmp/out" || fail "help=1: no range of faults"
done

echo "$ran runs, $failed failures"
[ $failed -eq 0 ]
