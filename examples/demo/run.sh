#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# run.sh - runs the demo against the same job by hand and in Go; prints a table.
#
#     run.sh [belay-demo hand-demo [folder...]]
#
# Without arguments the programs are $BELAY_DEMO and $HAND_DEMO; without folders
# they choose the machine's headers and documents.  Go is used where $GO (`go`)
# is found.  The programs take turns, $ROUNDS times (7), after one round that
# fills the page cache and is not timed; times are medians.
#
# BRIEF=1 prints a few lines in place of the table.
#
# Leaks are what the system says: the programs read the open descriptors and
# malloc's bytes in use (see job.c); heap blocks are counted here from glibc's
# own trace of every malloc and free, where libc_malloc_debug.so.0 is installed.
#
# Exit status: 0 all agree and nothing leaked; 1 not so; 2 wrong usage.
set -u

belay=${1:-${BELAY_DEMO:-}}
hand=${2:-${HAND_DEMO:-}}
[ $# -ge 2 ] && shift 2 || shift $#
rounds=${ROUNDS:-7}
limit=${LIMIT:-20000}
go=${GO:-go}
here=$(dirname "$0")

say() { printf '%s\n' "run.sh: $*" >&2; }
die() { say "$*"; exit 1; }

if [ -z "$belay" ] || [ -z "$hand" ]; then
    say "usage: run.sh [belay-demo hand-demo [folder...]]" \
        "(or set BELAY_DEMO and HAND_DEMO)"
    exit 2
fi
for program in "$belay" "$hand"; do
    [ -f "$program" ] && [ -x "$program" ] || die "cannot run $program"
done
case $rounds in
*[!0-9]* | '' | 0) say "ROUNDS is not a number above 0: $rounds"; exit 2 ;;
esac

tmp=$(mktemp -d) || die "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

# run VERSION OUTPUT COMMAND...: one run.  Status 1 with a result is a leak,
# which the table shows.
run() {
    version=$1 output=$2
    shift 2
    "$@" >"$output" 2>"$tmp/errors"
    status=$?
    [ $status -le 1 ] && grep -q '^files ' "$output" && return
    cat "$tmp/errors" >&2
    die "the $version version failed with status $status"
}

can_trace_heap() {
    [ -z "$(LD_PRELOAD=libc_malloc_debug.so.0 true 2>&1)" ]
}

# Blocks that a trace of mtrace(3) shows allocated and never freed.
count_blocks() {
    awk '$3 == "+" || $3 == ">" { live[$4] = 1 }
         $3 == "-" || $3 == "<" { delete live[$4] }
         END { n = 0; for (block in live) n++; print n }' "$1"
}

# The untimed first run of a C program.
first_run() {
    version=$1
    shift
    if can_trace_heap; then
        run "$version" "$tmp/first" env LD_PRELOAD=libc_malloc_debug.so.0 \
            MALLOC_TRACE="$tmp/trace" "$@"
        echo "heap_blocks_leaked $(count_blocks "$tmp/trace")" \
            >"$tmp/blocks.$version"
        rm -f "$tmp/trace"
    else
        run "$version" "$tmp/first" "$@"
        echo "heap_blocks_leaked -" >"$tmp/blocks.$version"
    fi
}

build_go() {
    command -v "$go" >/dev/null 2>&1 || return 1
    "$go" build -o "$tmp/demo.go.bin" "$here/demo.go" 2>"$tmp/errors" &&
        return
    cat "$tmp/errors" >&2
    say "Go is left out: demo.go does not build"
    return 1
}

set -- --stats --limit "$limit" "$@"
versions="belay hand"
build_go && versions="$versions go"

first_run belay "$belay" "$@"
cat "$tmp/errors" >&2 # folders that cannot be read
first_run hand "$hand" "$@"
case $versions in
*go) run go "$tmp/first" "$tmp/demo.go.bin" "$@" ;;
esac

round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for version in $versions; do
        case $version in
        belay) program=$belay ;;
        hand) program=$hand ;;
        go) program=$tmp/demo.go.bin ;;
        esac
        run $version "$tmp/$version.$round" "$program" "$@"
    done
done

# What has to be the same in every run of every version.
same() {
    grep -E '^(files|folders|bytes|fine|un|bad_byte|zero|no_mem|too|checksum)' \
        "$1" | grep -v '^such_as'
}

same "$tmp/hand.1" >"$tmp/want"
for version in $versions; do
    round=0
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        same "$tmp/$version.$round" >"$tmp/got"
        cmp -s "$tmp/want" "$tmp/got" && continue
        say "hand's first run and round $round of $version differ:"
        diff "$tmp/want" "$tmp/got" >&2
        die "the versions do not agree (or a folder was changed meanwhile)"
    done
done

colour=0
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && colour=1

awk -v versions="$versions" -v rounds="$rounds" -v colour=$colour \
    -v brief="${BRIEF:-0}" '
function paint(code, text) {
    return colour ? "\033[" code "m" text "\033[0m" : text
}
function median(version, key,    n, i, j, t, a) {
    for (n = 0; n < rounds; n++)
        a[n] = value[version, n + 1, key]
    for (i = 1; i < n; i++)
        for (j = i; j > 0 && a[j - 1] > a[j]; j--) {
            t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
        }
    return n % 2 ? a[(n - 1) / 2] : (a[n / 2 - 1] + a[n / 2]) / 2
}
# The largest of all rounds: one leak in one run is a leak.
function most(version, key,    i, v, m) {
    m = value[version, 1, key]
    for (i = 2; i <= rounds; i++) {
        v = value[version, i, key]
        if (v + 0 > m + 0)
            m = v
    }
    return m == "" ? "-" : m
}
function row(name, a, b, c, note) {
    if (brief)
        return
    line = sprintf("  %-34s%10s%10s", name, a, b)
    if (has_go)
        line = line sprintf("%10s", c)
    print line (note ? "   " note : "")
}
function same_row(name, key, note,    v) {
    v = value["hand", 1, key]
    row(name, v, v, v, note)
}
function leak_row(name, b, h, g,    leaked) {
    leaked = b + 0 > 0 || h + 0 > 0 || g + 0 > 0
    if (leaked)
        failed = 1
    if (colour && !brief)
        printf "\033[%sm", leaked ? "1;31" : "32"
    row(name, b, h, g)
    if (colour && !brief)
        printf "\033[0m"
}
function in_brief(    m) {
    printf "  %d files, %.1f MB; %d panics recovered, %d of them faults\n",
           value["hand", 1, "files"], value["hand", 1, "bytes"] / 1e6, panics, faults
    m = "  Belay " ms(belay) ", by hand " ms(hand)
    if (has_go)
        m = m ", Go " ms(go)
    print m "; leaked: descriptors " most("belay", "descriptors_leaked") \
          ", heap blocks " value["belay", 1, "heap_blocks_leaked"] \
          ", heap bytes " most("belay", "heap_bytes_leaked")
}
function ms(us) { return sprintf("%.0f ms", us / 1000) }
function mb(kb) { return sprintf("%.1f MB", kb / 1024) }
function kind_row(name, key, belay,    v) {
    v = value["hand", 1, key]
    row(name, v, v, v, belay)
    panics += v
}
FNR == 1 {
    n = split(FILENAME, part, "/")
    split(part[n], part, ".")
    version = part[1] == "blocks" ? part[2] : part[1]
    round = part[1] == "blocks" ? 1 : part[2]
}
/^such_as_/ {
    if (version == "belay" && round == 1)
        examples[++example_count] = substr($0, index($0, " ") + 1)
    next
}
{ value[version, round, $1] = $2 }
END {
    has_go = index(versions, "go") > 0
    if (example_count && !brief)
        print paint("1", "Recovered, among others:")
    for (i = 1; i <= example_count; i++)
        if (!brief || examples[i] ~ /runtime error/)
            print "  " examples[i]
    if (!brief)
        print ""
    if (colour && !brief)
        printf "\033[1m"
    row("", "Belay", "by hand", "Go")
    if (colour && !brief)
        printf "\033[0m"

    same_row("files", "files")
    v = sprintf("%.1f MB", value["hand", 1, "bytes"] / 1e6)
    row("bytes", v, v, v)
    same_row("parsed to the end", "fine")
    kind_row("bracket or #if without partner", "unbalanced", "panic")
    kind_row("comment or quote without end", "unterminated", "panic_error")
    kind_row("not text", "bad_byte", "panic_with")
    kind_row("followed NULL", "unknown_name", "SIGSEGV")
    kind_row("divided by zero", "zero_divisor", "SIGFPE")
    faults = value["hand", 1, "unknown_name"] + value["hand", 1, "zero_divisor"]
    row("panics recovered", panics, "-", panics)
    row("of them faults survived", faults, "-", faults)
    leak_row("descriptors leaked", most("belay", "descriptors_leaked"),
             most("hand", "descriptors_leaked"),
             most("go", "descriptors_leaked"))
    leak_row("heap blocks leaked", value["belay", 1, "heap_blocks_leaked"],
             value["hand", 1, "heap_blocks_leaked"], "-")
    leak_row("heap bytes leaked", most("belay", "heap_bytes_leaked"),
             most("hand", "heap_bytes_leaked"), "-")

    belay = median("belay", "wall_us")
    hand = median("hand", "wall_us")
    go = median("go", "wall_us")
    row("time, median of " rounds, ms(belay), ms(hand), ms(go))
    row("processor time", ms(median("belay", "cpu_us")),
        ms(median("hand", "cpu_us")), ms(median("go", "cpu_us")))
    row("memory at most", mb(median("belay", "peak_kb")),
        mb(median("hand", "peak_kb")), mb(median("go", "peak_kb")))
    row("Belay takes, of its time", "", sprintf("%.2f", belay / hand),
        go ? sprintf("%.2f", belay / go) : "-")
    if (brief)
        in_brief()
    else
        print ""
    if (!has_go)
        print "Go was not found: no comparison with it."
    if (failed)
        print paint("1;31", "Something leaked.")
    else
        print paint("32", "Every version gave the same result for every file" \
                          "; nothing leaked.")
    exit failed
}' "$tmp"/belay.* "$tmp"/hand.* $([ "${versions%go}" = "$versions" ] ||
    echo "$tmp"/go.*) "$tmp"/blocks.*
