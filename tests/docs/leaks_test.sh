#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# leaks_test.sh [FOLDER] - runs the commands of docs/guide/leaks.md as they stand there, one
# after the other in one shell, and compares what they print.  Its pictures go to FOLDER.
#
# The page has fixed ports; where it may, the test has a network of its own.
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
belay=${BUILD:-$source/build}/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
[ -z "${SANITIZE-}" ] || { echo "no heap profiles with a sanitizer: not tested"; exit 77; }
command -v curl >/dev/null || { echo "curl is not here: not tested"; exit 77; }
if [ -z "${LEAKS_TEST_NETWORK-}" ] && unshare -n ip link set lo up 2>/dev/null; then
    exec env LEAKS_TEST_NETWORK=1 unshare -n "$0" "$@"
fi
[ -z "${LEAKS_TEST_NETWORK-}" ] || ip link set lo up
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PPROF_TMPDIR=$tmp PYTHONDONTWRITEBYTECODE=1 TZ=UTC
unset http_proxy BELAYDEBUG
PATH=$(dirname "$(realpath "$belay")"):$PATH
pictures=$(realpath "${1:-$tmp}")
cd "$tmp" && python3 "$source/tests/docs/leaks.py" "$source/docs/guide/leaks.md" || exit 1
for picture in loop channel panic; do
    grep -q '<svg' $picture.svg || { echo "FAIL there is no $picture.svg"; exit 1; }
    [ "$pictures" = "$tmp" ] || cp $picture.svg "$pictures/leaks-$picture.svg"
done
grep -q serve_wrong loop.svg && grep -q ask_wrong channel.svg && grep -q make_conn panic.svg || {
    echo "FAIL a picture without what leaks"
    exit 1
}
