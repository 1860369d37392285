#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# install_test.sh - installs Belay to a fresh prefix, and builds and runs a program
# outside the tree in every way the README names: pkg-config (shared, static,
# uninstalled) and CMake's find_package.  Looks at the exported names.
set -eu
[ -z "${SANITIZE-}" ] || exit 77

source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
cc=${CC:-gcc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/prefix
export CMAKE_BUILD_PARALLEL_LEVEL=1
unset PKG_CONFIG_PATH MAKEFLAGS MAKELEVEL

failed() {
    echo "FAIL $1" >&2
    exit 1
}

quietly() { # runs a command; shows what it printed if it fails
    "$@" >"$tmp/log" 2>&1 || {
        tail -n 20 "$tmp/log" >&2
        failed "$*"
    }
}

runs() { # NAME COMMAND...: the program has to say what it is
    local name=$1
    shift
    "$@" >"$tmp/out" 2>&1 || {
        cat "$tmp/out" >&2
        failed "$name: status $?"
    }
    grep -q '^belay 0\.[0-9.]*: 4 0, caught 1,' "$tmp/out" || failed "$name: $(cat "$tmp/out")"
    echo "ok $name"
}

# --- install -----------------------------------------------------------------

quietly make -C "$source" install BUILD="$tmp/build" PREFIX="$prefix" \
    CMAKE_ARGS="-DBELAY_TESTS=OFF -DCMAKE_C_COMPILER=$cc"
libdir=$(dirname "$(find "$prefix" -name libbelay.so)")
for file in libbelay.a libbelay-test.a libbelay-test.so pkgconfig/belay-test.pc \
    pkgconfig/belay-test-clang.pc; do
    [ -f "$libdir/$file" ] || failed "no $file"
done
for header in $(cd "$source/include" && find belay -name '*.h'); do
    [ -f "$prefix/include/$header" ] || failed "$header is not installed"
done
for page in man3/bl_chan_send.3 man3/bl_send_until.3 man3/go.3belay man7/belay.7 \
    man3/bl_test_run.3 man7/belay_test.7 man1/belay.1; do
    [ -f "$prefix/share/man/$page" ] || failed "share/man/$page is not installed"
done
if ! "$prefix/bin/belay" --version >"$tmp/out" || ! grep -q '^belay 0\.' "$tmp/out"; then
    failed 'bin/belay does not run'
fi
if grep -rlF -e "$tmp/build" -e "$source" "$libdir/pkgconfig" "$libdir/cmake" >&2; then
    failed 'these installed files name the build or the source folder'
fi
objdump -p "$libdir/libbelay.so" | grep -q 'SONAME *libbelay\.so\.0$' || failed 'soname'

# --- names ---------------------------------------------------------------------

for library in "$libdir/libbelay.so"; do
    names=$(nm -D --defined-only "$library" | awk '{print $NF}' | sed 's/@.*//')
    for name in $names; do
        case $name in
        bl_* | _Unwind_Resume | __gcc_personality_v0 | _NSConcreteGlobalBlock) ;;
        *) failed "libbelay.so exports $name" ;;
        esac
    done
    echo "$names" | grep -qx bl_panic || failed 'bl_panic is not exported'
done
# in the static library a name without the prefix would meet the program's own
names=$(nm -g --defined-only "$libdir/libbelay.a" | awk 'NF == 3 {print $3}' |
    grep -vE '^(bl_|_Unwind_Resume$|__gcc_personality_v0$|_NSConcreteGlobalBlock$)' || true)
[ -z "$names" ] || failed "libbelay.a defines $names"
echo 'ok names'

# --- pkg-config ------------------------------------------------------------------

mkdir "$tmp/app"
cp "$source"/tests/install/{app.c,app_test.c,CMakeLists.txt} "$tmp/app"
cd "$tmp/app"

flags() { PKG_CONFIG_PATH=$1 pkg-config "${@:2}"; }

case $("$cc" --version | head -n 1) in
*clang*) variants="belay-clang:$cc" ;;
*)
    variants="belay:$cc"
    for clang in clang-14 clang-22; do
        command -v $clang >/dev/null && variants="$variants belay-clang:$clang"
    done
    ;;
esac
for variant in $variants; do
    package=${variant%%:*} compiler=${variant#*:}
    # shellcheck disable=SC2046
    quietly $compiler -O2 app.c -o app $(flags "$libdir/pkgconfig" --cflags --libs $package)
    runs "pkg-config $package, $compiler" env LD_LIBRARY_PATH="$libdir" ./app
    # shellcheck disable=SC2046
    quietly $compiler -O2 app.c -o app $(flags "$libdir/pkgconfig" --cflags $package) \
        "$libdir/libbelay.a" $(flags "$libdir/pkgconfig" --libs --static $package |
            sed 's/-lbelay\b//')
    ldd app | grep -q libbelay && failed "the static program needs libbelay.so"
    runs "pkg-config --static $package, $compiler" ./app
    # shellcheck disable=SC2046
    quietly $compiler -O2 app.c -o app $(flags "$libdir/pkgconfig" --cflags --libs belay-pprof $package)
    LD_LIBRARY_PATH=$libdir BELAYDEBUG=pprof=127.0.0.1:0 ./app 2>&1 |
        grep -q 'profiles at http://127' || failed "pkg-config belay-pprof $package"
    # shellcheck disable=SC2046
    quietly $compiler -O2 -static -Wl,-u,bl_pprof_serve app.c -o app \
        $(flags "$libdir/pkgconfig" --cflags --libs --static belay-pprof $package)
    BELAYDEBUG=pprof=127.0.0.1:0 ./app 2>&1 |
        grep -q 'profiles at http://127' || failed "pkg-config --static belay-pprof $package"
    # shellcheck disable=SC2046
    quietly $compiler -O2 app.c -o app $(flags "$build" --cflags --libs $package)
    runs "uninstalled $package, $compiler" ./app
done

# --- the test kit ------------------------------------------------------------------

tests() { # NAME COMMAND...: the program runs app_test.c's tests
    local name=$1
    shift
    "$@" -v >"$tmp/out" 2>&1 || {
        cat "$tmp/out" >&2
        failed "$name: status $?"
    }
    grep -q '^PASS  2 passed, 0 failed' "$tmp/out" || failed "$name: $(cat "$tmp/out")"
    grep -q 'runs, .* acquired, all released' "$tmp/out" || failed "$name sees nothing"
    echo "ok $name"
}

for variant in $variants; do
    package=${variant%%:*} compiler=${variant#*:}
    package=${package/belay/belay-test}
    # shellcheck disable=SC2046
    quietly $compiler -O2 app_test.c -o app $(flags "$libdir/pkgconfig" --cflags --libs $package)
    tests "pkg-config $package, $compiler" env LD_LIBRARY_PATH="$libdir" ./app
    # shellcheck disable=SC2046
    quietly $compiler -O2 app_test.c -o app $(flags "$build" --cflags --libs $package)
    tests "uninstalled $package, $compiler" ./app
done

# --- CMake -------------------------------------------------------------------------

quietly cmake -S . -B out -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc"
quietly cmake --build out
runs 'find_package, belay::belay' out/app_belay
runs 'find_package, belay::belay_static' out/app_belay_static
runs 'find_package, belay::belay_pprof' out/app_belay_pprof
runs 'find_package, belay::belay_pprof_static' out/app_belay_pprof_static
for app in out/app_belay_pprof out/app_belay_pprof_static; do # it names nothing of it
    BELAYDEBUG=pprof=127.0.0.1:0 "$app" 2>&1 | grep -q 'profiles at http://127' ||
        failed "$app does not serve"
done
if BELAYDEBUG=pprof=127.0.0.1:0 out/app_belay >"$tmp/out" 2>&1 ||
    ! grep -q 'needs libbelay-pprof' "$tmp/out"; then
    failed 'pprof= without the library'
fi
BELAYDEBUG=pprof=127.0.0.1:0 LD_PRELOAD=$libdir/libbelay-pprof.so out/app_belay 2>&1 |
    grep -q 'profiles at http://127' || failed 'preloading belay-pprof'
tests 'find_package, belay::test' out/app_test
tests 'find_package, belay::test_static' out/app_test_static
ldd out/app_belay | grep -q "$libdir/libbelay.so" || failed 'app_belay runs with another library'
