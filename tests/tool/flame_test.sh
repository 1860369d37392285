#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# belay flame: what is in its pages, pictures and lines (flame.py), and, where there is
# Chromium, that a browser draws a page without a complaint.
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
belay=${BUILD:-$source/build}/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
here=$source/tests/tool
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1
cd "$tmp" || exit 1
python3 "$here/profiles.py" . && python3 "$here/flame.py" "$belay" . || exit 1

if ! command -v chromium >/dev/null; then
    echo "Chromium is not here: no browser has drawn a page"
    exit 0
fi
failed=0
# drawn PROFILE FRAMES NAME ARGUMENT...: at least so many frames, and one called NAME
drawn() {
    local profile=$1 frames=$2 name=$3 got
    shift 3
    "$belay" flame "$profile" "$@" -o page.html 2>/dev/null || failed=1
    timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$tmp/chromium" --enable-logging=stderr --dump-dom \
        "file://$tmp/page.html" >dom.html 2>console || {
        echo "Chromium does not run here: no browser has drawn a page"
        exit $failed
    }
    got=$(grep -o '<div class="frame' dom.html | wc -l)
    if [ "$got" -lt "$frames" ] || ! grep -qF "aria-label=\"$name" dom.html ||
        grep -q 'CONSOLE' console; then
        echo "FAIL $profile $*: $got frames, $frames and $name are wanted"
        grep CONSOLE console
        failed=1
    fi
}
drawn cpu.pb 10 'walk, 58%, 650.09 ms'
drawn heap1.pb 4 'cache_add, ' -base heap0.pb
drawn evil.pb 5 '&lt;/script&gt;&lt;script&gt;' -sample 0
drawn deep.pb 100 'f, recursion folded, 32.3%, 10'
drawn wide.pb 100 'g12, '
drawn empty.pb 1 'all'
echo "6 pages drawn by Chromium"
exit $failed
