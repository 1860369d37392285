#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# headers_test.sh - every public header alone, in every language it is for; its
# macros under pedantic warnings; keywords.h beside a <stddefer.h>; and the
# analysis mode (-D__belay_vet__) that tools read programs in.
set -u

source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
include=$source/include
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
warnings='-pedantic -Wall -Wextra -Werror'
gcc_flags='-fexceptions -fnon-call-exceptions'
checked=0 bad=0

have() { command -v "$1" >/dev/null; }

# good NAME COMMAND...: has to succeed, in silence.
good() {
    local name=$1
    shift
    checked=$((checked + 1))
    if ! "$@" >"$tmp/out" 2>&1 || [ -s "$tmp/out" ]; then
        bad=$((bad + 1))
        echo "FAIL $name: $*" >&2
        head -n 5 "$tmp/out" >&2
    fi
}

# refused NAME TEXT COMMAND...: has to fail and say TEXT.
refused() {
    local name=$1 text=$2
    shift 2
    checked=$((checked + 1))
    if "$@" >"$tmp/out" 2>&1; then
        bad=$((bad + 1))
        echo "FAIL $name: compiles: $*" >&2
    elif ! grep -qF -- "$text" "$tmp/out"; then
        bad=$((bad + 1))
        echo "FAIL $name: says something else than \"$text\":" >&2
        head -n 5 "$tmp/out" >&2
    fi
}

c_compilers=() cxx_compilers=() clangs=()
for cc in gcc clang-14 clang-22; do
    have $cc || continue
    c_compilers+=($cc)
    [ $cc = gcc ] || clangs+=($cc)
done
for cxx in g++ clang++-14 clang++-22; do
    have $cxx && cxx_compilers+=($cxx)
done

# --- each header alone ---------------------------------------------------------

cd "$include" || exit 1
headers=$(find belay -name '*.h' | sort)
for header in $headers; do
    echo "#include <$header>" >"$tmp/alone.c"
    # twice: guards
    echo "#include <$header>" >>"$tmp/alone.c"
    echo 'int main(void) { return 0; }' >>"$tmp/alone.c"
    for cc in "${c_compilers[@]}"; do
        for std in c11 c17 c2x; do
            # GCC: also without the options, for files that have no defer blocks
            for flags in $([ $cc = gcc ] && echo -fexceptions -funwind-tables || echo -fblocks); do
                good "$header $cc $std $flags" $cc -std=$std $warnings $flags \
                    -I"$include" -fsyntax-only "$tmp/alone.c"
            done
            [ $header = belay/detail/frame.h ] && continue
            good "$header $cc $std vet" $cc -std=$std $warnings -D__belay_vet__ \
                -I"$include" -fsyntax-only "$tmp/alone.c"
        done
    done
    for cxx in "${cxx_compilers[@]}"; do
        if [ "$header" = belay/keywords.h ]; then
            refused "$header $cxx" 'is for C' $cxx -x c++ -std=c++17 \
                -I"$include" -fsyntax-only "$tmp/alone.c"
        else
            good "$header $cxx" $cxx -x c++ -std=c++17 $warnings -I"$include" \
                -fsyntax-only "$tmp/alone.c"
        fi
    done
done

# --- every macro under pedantic warnings --------------------------------------

for cc in "${c_compilers[@]}"; do
    [ $cc = gcc ] && flags=$gcc_flags || flags=-fblocks
    for std in c11 c17 c2x; do
        good "macros $cc $std" $cc -std=$std $warnings -Wshadow -Wundef -Wvla \
            -Wstrict-prototypes $flags -I"$include" -fsyntax-only "$here/sample.c"
    done
    good "macros -O2 $cc" $cc -std=c11 -O2 $warnings $flags -I"$include" \
        -c "$here/sample.c" -o "$tmp/sample.o"
done
for cc in "${clangs[@]}"; do
    refused "defer on $cc" 'belay: clang compiles clean-up blocks wrongly' \
        $cc -fblocks -DWITH_DEFER -I"$include" -fsyntax-only "$here/sample.c"
done
for cc in "${clangs[@]}"; do
    refused "$cc without -fblocks" 'belay: clang needs -fblocks' \
        $cc -I"$include" -fsyntax-only "$here/sample.c"
done
if have gcc; then
    refused 'defer without -fexceptions' 'belay: defer { } needs -fexceptions' \
        gcc -DWITH_DEFER -I"$include" -fsyntax-only "$here/sample.c"
fi

# --- keywords.h beside a <stddefer.h> -----------------------------------------

# TS 25755's header as a compiler without the feature would see it: `defer` means
# something that can't compile.
mkdir "$tmp/fake"
printf '%s\n' '#ifndef FAKE_STDDEFER_H' '#define FAKE_STDDEFER_H' \
    '#define defer this_is_not_ours' '#endif' >"$tmp/fake/stddefer.h"
cat >"$tmp/use.c" <<'END'
int closed;

int
use(int fail)
{
    returns (int, r) {
        WHAT
        if (fail)
            panic("failed");
        r = 1;
    }
}
END
for order in 'stddefer.h belay/keywords.h' 'belay/keywords.h stddefer.h' \
    'belay/keywords.h'; do
    for cc in "${c_compilers[@]}"; do
        if [ $cc = gcc ]; then
            flags=$gcc_flags what='defer { if (recover()) r = 2; closed++; };'
        else
            flags=-fblocks what='defer_call(panic, "again");'
        fi
        {
            for header in $order; do echo "#include <$header>"; done
            sed "s/WHAT/$what/" "$tmp/use.c"
        } >"$tmp/order.c"
        good "keywords.h ($order) $cc" $cc -std=c17 $warnings $flags \
            -I"$tmp/fake" -I"$include" -fsyntax-only "$tmp/order.c"
    done
done
# and a compiler that has the real one
for cc in "${clangs[@]}"; do
    echo '#include <stddefer.h>' >"$tmp/real.c"
    $cc -std=c2x -fdefer-ts -I"$include" -fsyntax-only "$tmp/real.c" 2>/dev/null || continue
    printf '%s\n' '#include <stddefer.h>' '#include <belay/keywords.h>' \
        'void f(void) { returns_nothing { defer_call(goexit); } }' >"$tmp/real.c"
    good "keywords.h beside $cc's own <stddefer.h>" $cc -std=c2x -fdefer-ts -fblocks \
        $warnings -I"$include" -fsyntax-only "$tmp/real.c"
done

# --- analysis mode -------------------------------------------------------------

for cc in "${c_compilers[@]}"; do
    for std in gnu11 c17 c2x; do
        good "vet $cc $std" $cc -std=$std -D__belay_vet__ -DWITH_DEFER $warnings \
            -I"$include" -fsyntax-only "$here/sample.c"
    done
done
marks() { # COMPILER MARK: how often the tree has an annotation of that name
    $1 -D__belay_vet__ -DWITH_DEFER -I"$include" -fsyntax-only -Xclang -ast-dump \
        -fno-color-diagnostics "$here/sample.c" >"$tmp/tree" 2>"$tmp/out" ||
        cat "$tmp/out" >&2
    grep -c "AnnotateAttr.*\"$2\"" "$tmp/tree"
}
for cc in "${clangs[@]}"; do
    for mark in "belay:defer 4" "belay:returns 6"; do
        set -- $mark
        checked=$((checked + 1))
        got=$(marks $cc "$1")
        if [ "$got" != "$2" ]; then
            bad=$((bad + 1))
            echo "FAIL vet $cc: $got declarations annotated \"$1\", want $2" >&2
        fi
    done
done

echo "$checked checked, $bad bad"
[ ${#c_compilers[@]} -gt 0 ] && [ $checked -gt 50 ] && [ $bad = 0 ]
