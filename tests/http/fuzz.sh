#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

# fuzz.sh SECONDS [FOLDER]: libFuzzer on the server's request path (fuzz_request.c), with
# corpus/ and fuzz_corpus.txt to begin with.  What it finds worth keeping stays in FOLDER, else nowhere; an
# input that breaks it is left there, or in the current folder: make a file for corpus/ of
# it.  Wants BUILD, the library's build folder, and clang; exits with 77 without one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
build=$(cd "${BUILD:-$source/build}" && pwd)
seconds=${1:-60}
kept=${2:-}
clang=
for name in clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
    command -v $name >/dev/null && { clang=$name; break; }
done
[ -n "$clang" ] || { echo "no clang: not tested"; exit 77; }
[ -e "$build/libbelay-http.so" ] || { echo "no libbelay-http: not tested"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$clang" -std=gnu11 -O1 -g -fblocks -fexceptions -fasynchronous-unwind-tables \
    -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -I"$source/include" -I"$source/src" \
    "$here/fuzz_request.c" "$source"/src/http/*.c -o "$work/fuzz" -L"$build" -lbelay \
    -lhttp_parser ${BELAY_FUZZ_LIBS:-} -lpthread -Wl,-rpath,"$build" >"$work/log" 2>&1 || {
    cat "$work/log"
    grep -q 'libclang_rt\|cannot find' "$work/log" && exit 77
    exit 1
}
python3 - "$here/corpus" "$work/seeds" <<'END'
import os, re, sys

os.mkdir(sys.argv[2])
for name in os.listdir(sys.argv[1]):
    text = open(os.path.join(sys.argv[1], name)).read().split("\n", 1)[1].replace("\n", "")
    text = re.sub(r"@\{(.*?)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    data = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
    if len(data) <= 4096:
        open(os.path.join(sys.argv[2], name), "wb").write(data)
for number, line in enumerate(open(os.path.join(sys.argv[1], "../fuzz_corpus.txt"))):
    if not line.startswith("#"):
        data = line[:-1].encode("latin-1").decode("unicode_escape").encode("latin-1")
        open(os.path.join(sys.argv[2], f"kept-{number}"), "wb").write(data)
END
cat >"$work/words" <<'END'
"Content-Length: "
"Transfer-Encoding: chunked\x0d\x0a"
"Host: h\x0d\x0a"
"Connection: close\x0d\x0a"
"Connection: upgrade\x0d\x0aUpgrade: x\x0d\x0a"
"Expect: 100-continue\x0d\x0a"
"Cookie: c="
"Content-Type: application/x-www-form-urlencoded\x0d\x0a"
"POST /form HTTP/1.1\x0d\x0a"
"POST /lazy HTTP/1.1\x0d\x0a"
"GET /go?x/../y HTTP/1.1\x0d\x0a"
"HEAD / HTTP/1.0\x0d\x0a"
"\x0d\x0a\x0d\x0a"
"0\x0d\x0a\x0d\x0a"
END
mkdir -p "${kept:-$work/kept}"
"$work/fuzz" -max_len=4096 -timeout=10 -max_total_time="$seconds" -print_final_stats=1 \
    -dict="$work/words" ${kept:+-artifact_prefix="$kept/"} "${kept:-$work/kept}" \
    "$work/seeds" >"$work/log" 2>&1 || {
    tail -60 "$work/log"
    exit 1
}
grep -E 'number_of_executed|average_exec|DONE' "$work/log"
