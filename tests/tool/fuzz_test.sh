#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# fuzz.c on small profiles and a list of goroutines, with FUZZ_RUNS=5000 damaged inputs
# and the seed FUZZ_SEED=1.
set -u
[ -z "${SANITIZE-}" ] || exit 77 # it has its own
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/bin/belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
here=$source/tests/tool
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1
cd "$tmp" || exit 1
python3 "$here/profiles.py" . || exit 1
cat >goroutines.txt <<'END'
goroutine 1 [running]:
main.main()
	/src/main.go:7 +0x1d

goroutine 19 gp=0xc0000 m=nil [chan receive, 5 minutes, locked to thread, labels:{"a": "b, c"}]:
main.(*T).wait(0x1, {0x2, 0x3})
	/src/main.go:12 +0x1d
created by main.main in goroutine 1
	/src/main.go:33 +0x2e
END

sources=$(find "$source/tools" -maxdepth 1 -name '*.c' ! -name main.c)
hash=\"$(printf '%064d' 0)\"
# shellcheck disable=SC2086
"${CC:-gcc}" -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Wall -Wextra -DFLAME_JS_SHA256="$hash" -DFLAME_CSS_SHA256="$hash" -I"$source/include" \
    -I"$source/tools" -Wa,-I"$source/tools/flame" "$here/fuzz.c" $sources \
    "$source/tools/flame/assets.S" -o fuzz -lz -lcurl -lm >log 2>&1 || {
    if grep -q 'lib[a]san\|cannot find' log; then
        echo "there are no sanitizers for this compiler: not tested"
        exit 77
    fi
    cat log
    exit 1
}
./fuzz "${FUZZ_SEED:-1}" "${FUZZ_RUNS:-5000}" cpu.pb heap0.pb heap1.pb evil.pb empty.pb \
    pruned.pb goroutines.txt
