#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# fuzz_test.sh - requests to the debug server, by libFuzzer: FUZZ_SECONDS=10 of them.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -e "$build/libbelay-pprof.so" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d == 0 && n; }' >"$tmp/x.c"
clang=
for c in clang clang-22 clang-14; do
    if "$c" -fsanitize=fuzzer,address "$tmp/x.c" -o "$tmp/x" 2>/dev/null; then
        clang=$c
        break
    fi
done
[ -n "$clang" ] || exit 77
sources=$(ls "$source"/src/observe/*.c | grep -vE '/(server|heap)\.c$')
# shellcheck disable=SC2086
"$clang" -std=gnu11 -g -Wno-macro-redefined -O1 -fblocks -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -I"$source/include" -I"$source/src" \
    "$source/tests/observe/fuzz/requests.c" $sources -o "$tmp/fuzz" \
    -L"$build" -Wl,-rpath,"$build" -lbelay -lz -lm -lpthread
mkdir "$tmp/seeds"
i=0
while read -r request; do
    printf "$request" >"$tmp/seeds/$((i += 1))"
done <<'END'
\x20GET /debug/pprof/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n
\x20GET /debug/pprof/goroutine?debug=2 HTTP/1.1\r\nHost: localhost:6060\r\n\r\n
\x21GET /debug/pprof/defer?debug=1&token=secret HTTP/1.0\r\n\r\n
\x21GET /debug/pprof/heap HTTP/1.1\r\nAuthorization: Bearer secret\r\n\r\n
\x24POST /debug/pprof/symbol HTTP/1.1\r\nHost: [::1]:1\r\nContent-Length: 11\r\n\r\n0x401000+0x
\x24HEAD /debug/pprof/block?seconds=1 HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n\r\n
\x20GET /debug/pprof/cmdline?%%31=&debug=%%32 HTTP/1.1\r\n\r\n
END
cat >"$tmp/words" <<'END'
"GET "
"POST "
"HEAD "
"/debug/pprof/"
" HTTP/1.1\x0d\x0a"
"\x0d\x0a"
"\x0d\x0a\x0d\x0a"
"Host: "
"Content-Length: "
"Authorization: Bearer "
"token="
"seconds="
"debug="
"goroutine"
"threadcreate"
"%2"
END
cd "$tmp"
seconds=${FUZZ_SECONDS:-10}
ASAN_OPTIONS=detect_leaks=1 timeout $((seconds + 290)) ./fuzz -dict=words -max_len=70000 \
    -len_control=20 -timeout=20 -rss_limit_mb=1000 -max_total_time="$seconds" \
    -print_final_stats=1 -symbolize=0 seeds >log 2>&1 || {
    tail -n 60 log >&2
    for f in crash-* leak-* timeout-* oom-*; do
        [ -e "$f" ] && od -c "$f" | head -n 40 >&2
    done
    exit 1
}
grep -oE 'DONE +cov: [0-9]+' log
grep -E 'number_of_executed_units|average_exec' log
