#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# run.sh - runs the digest pipeline against the same one in Go; prints a table.
#
#     run.sh PROGRAM [folder]
#
# The folder is /usr if none is named.  Go is used where $GO (`go`) is found.  One run
# that fills the page cache is not timed; then the programs take turns, $ROUNDS times
# (5), and times are medians.  A file that is not there and one on which the worker
# follows NULL are planted; the last run of each is cancelled half-way.  What the walk
# may take is in digest's --help; $FILES and $BYTES are its --files and --bytes.
#
# Exit status: 0 all agree and nothing leaked; 1 not so; 2 wrong usage.
set -u

program=${1:-}
folder=${2:-/usr}
rounds=${ROUNDS:-5}
go=${GO:-go}
here=$(dirname "$0")

say() { printf '%s\n' "run.sh: $*" >&2; }
die() { say "$*"; exit 1; }

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    say "usage: run.sh PROGRAM [folder]"
    exit 2
fi
case $rounds in
*[!0-9]* | '' | 0*) say "ROUNDS is not a number above 0: $rounds"; exit 2 ;;
esac
[ -f "$program" ] && [ -x "$program" ] || die "cannot run $program"

tmp=$(mktemp -d) || die "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

# run VERSION OUTPUT OPTION...: one run.  Status 1 with a result is a leak, which the
# table shows; 3 is a run that was cancelled, as it was told to be.
run() {
    version=$1 output=$2 command=$program
    shift 2
    [ "$version" = belay ] || command=$tmp/digest.go.bin
    "$command" --stats ${FILES:+--files "$FILES"} ${BYTES:+--bytes "$BYTES"} \
        --vanish 100 --trap 200 "$@" "$folder" >"$output" 2>"$tmp/errors"
    status=$?
    [ $status != 2 ] && grep -q '^files ' "$output" && return
    cat "$tmp/errors" >&2
    die "the $version version failed with status $status"
}

build_go() {
    command -v "$go" >/dev/null 2>&1 || return 1
    "$go" build -o "$tmp/digest.go.bin" "$here/digest.go" 2>"$tmp/errors" && return
    cat "$tmp/errors" >&2
    say "Go is left out: digest.go does not build"
    return 1
}

versions=belay
build_go && versions="belay go"

run belay "$tmp/first"
mv "$tmp/errors" "$tmp/survived"
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for version in $versions; do
        run "$version" "$tmp/$version.$round"
    done
done
for version in $versions; do
    run "$version" "$tmp/$version.cancelled" --cancel-after 500
done

# What has to be the same in every run of every version.
same() { grep -E '^(files|bytes|digest|largest_.|errors|panics|partial) ' "$1"; }

same "$tmp/first" >"$tmp/want"
for output in "$tmp"/belay.[0-9]* "$tmp"/go.[0-9]*; do
    [ -f "$output" ] || continue
    same "$output" >"$tmp/got"
    cmp -s "$tmp/want" "$tmp/got" && continue
    say "the first run and ${output##*/} differ:"
    diff "$tmp/want" "$tmp/got" >&2
    die "the versions do not agree (or $folder was changed meanwhile)"
done

colour=0
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && colour=1

echo "Survived:"
head -n 5 "$tmp/survived" | sed 's/^[^:]*:/ /'
echo

awk -v versions="$versions" -v rounds="$rounds" -v colour=$colour -v folder="$folder" '
function paint(code, text) {
    return colour ? "\033[" code "m" text "\033[0m" : text
}
function row(name, belay, go) {
    return sprintf("  %-34s%10s", name, belay) (has_go ? sprintf("%10s", go) : "")
}
function same_row(name, key) { print row(name, first["belay", key], first["go", key]) }
# The largest of all runs: one leak in one run is a leak.
function clean_row(name, key, most) {
    bad = worst["belay", key] > most || has_go && worst["go", key] > most
    failed = failed || bad
    print paint(bad ? "1;31" : "32", row(name, worst["belay", key], worst["go", key]))
}
function median(version,    n, i, j, t, a) {
    n = rounds
    for (i = 1; i <= n; i++) {
        a[i] = wall[version, i] + 0
        for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
            t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
        }
    }
    return (n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2) / 1e6
}
function rate(version) {
    seconds = median(version)
    return seconds ? sprintf("%.0f", first[version, "bytes"] / 1e6 / seconds) : "-"
}
FNR == 1 {
    n = split(FILENAME, part, "/")
    split(part[n], part, ".")
    version = part[1]
    round = part[2]
}
round == "cancelled" { cut[version, $1] = $2 }
round == 1 { first[version, $1] = $2 }
$1 == "wall_us" { wall[version, round] = $2 }
!((version, $1) in worst) || $2 + 0 > worst[version, $1] { worst[version, $1] = $2 + 0 }
END {
    has_go = versions ~ /go/
    print paint("1", row("", "Belay", "Go"))
    same_row("files", "files")
    print row("MB", sprintf("%.1f", first["belay", "bytes"] / 1e6),
              sprintf("%.1f", first["go", "bytes"] / 1e6))
    print row("seconds, median of " rounds, sprintf("%.3f", median("belay")),
              has_go ? sprintf("%.3f", median("go")) : "")
    print row("MB/s", rate("belay"), has_go ? rate("go") : "")
    if (has_go && median("go"))
        print row("Belay takes, of Go\047s time", "",
                  sprintf("%.2f", median("belay") / median("go")))
    same_row("goroutines at most", "goroutines_peak")
    same_row("errors survived", "errors")
    same_row("panics survived", "panics")
    if (cut["belay", "partial"])
        print row("cancelled at 500: files done", cut["belay", "files"],
                  cut["go", "files"])
    clean_row("goroutines at the end", "goroutines_left", 1)
    clean_row("descriptors leaked", "descriptors_leaked", 0)
    print ""
    printf "digest of digests %.16s...\n", first["belay", "digest"]
    if (!has_go)
        print "Go was not found: no comparison with it."
    if (failed)
        print paint("1;31", "Something leaked.")
    else
        print paint("32", "Every run gave the same digest" \
                          (has_go ? ", Go\047s too" : "") "; nothing leaked.")
    exit failed
}' "$tmp"/belay.* $([ "$versions" = belay ] || echo "$tmp"/go.[0-9c]*)
