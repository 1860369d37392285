#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# The run-time's protocols, in every interleaving (docs/scheduler.md, Models).
#
# Each model is run as it is, in its configurations: there must be no error; and with
# one step taken out or moved, by each switch that its file has (BREAK_...): spin must
# find the error.
#
#     model_test.sh                      all
#     model_test.sh MODEL [SWITCH...]    one, with spin's report and the trail
set -u
command -v spin >/dev/null && command -v gcc >/dev/null || exit 77
[ -z "${SANITIZE:-}" ] || exit 77 # the same models
models=$(cd "$(dirname "$0")" && pwd)

# What a model can be run with; those with none have one run.
configurations() {
    case $1 in
    claim) printf '%s\n' '' FOREVER THREAD NIL ;;
    bound) printf '%s\n' '' FOREVER ;;
    descriptor) printf '%s\n' '' MOVED CANCELED SPARED ;;
    chan) printf '%s\n' '' BUFFERED SELECTS CLOSE ;;
    poller) printf '%s\n' '' TWO 'TWO WORK' PLAIN WORK TIMED BUSY RISE ;;
    mutex) printf '%s\n' '' DEADLINE ALL ;;
    retake) printf '%s\n' '' NO_MEMBARRIER ;;
    idle)
        printf '%s\n' '' TWO OWN 'OWN LATE' 'BUSY LATE' SLEEPS 'SLEEPS LATE' MONITOR \
            RETIRE 'RETIRE MONITOR'
        ;;
    *) echo ;;
    esac
}

# The configuration in which a switch breaks something.
needs() {
    case $1-$2 in
    claim-BREAK_THREAD_CLAIM) echo THREAD ;;
    claim-BREAK_NIL_RELEASE) echo NIL ;;
    retake-BREAK_HAS_BARRIER) echo NO_MEMBARRIER ;;
    bound-BREAK_DONE_UNLOCKED | bound-BREAK_RESET_LATE) echo FOREVER ;;
    chan-BREAK_CLOSED_SEND | chan-BREAK_CLOSE_*) echo CLOSE ;;
    chan-BREAK_LOCK_ORDER | chan-BREAK_NO_REMOVE | chan-BREAK_NO_CLAIM) echo SELECTS ;;
    chan-BREAK_NO_LEAVE | chan-BREAK_NOT_SHARED | chan-BREAK_WOKEN_BY) echo SELECTS ;;
    chan-BREAK_CLOSED_FIRST | chan-BREAK_OVERTAKE | chan-BREAK_RING_ONLY) echo BUFFERED ;;
    chan-BREAK_TAKE) echo BUFFERED ;;
    descriptor-BREAK_NO_CLAIM | descriptor-BREAK_WAITER_STAYS) echo CANCELED ;;
    descriptor-BREAK_SET_WAITS | descriptor-BREAK_TIMER_A*) echo MOVED ;;
    descriptor-BREAK_LOOK_CLOSED | descriptor-BREAK_RUNNING_EARLY) ;;
    descriptor-BREAK_SHUT*) ;;
    descriptor-*) echo SPARED ;;
    poller-BREAK_NOBODY | poller-BREAK_POLLER_STAYS) ;;
    poller-BREAK_COUNT_LATE | poller-BREAK_WATCH*) echo PLAIN ;;
    poller-BREAK_KEEPER | poller-BREAK_UNTIL) echo TIMED ;;
    poller-BREAK_MONITOR) echo BUSY ;;
    poller-BREAK_NOTIFY) echo RISE ;;
    poller-BREAK_ALARM | poller-BREAK_RISEN | poller-BREAK_TWO) echo TWO WORK ;;
    poller-*) echo WORK ;;
    idle-BREAK_FENCE | idle-BREAK_NO_WAKE | idle-BREAK_LOOK_FIRST) echo OWN ;;
    idle-BREAK_NO_LAST_LOOK) echo OWN ;;
    idle-BREAK_STOP_SPINNING) echo BUSY LATE ;;
    idle-BREAK_QUEUED_UNLOCKED | idle-BREAK_IDLE_LATE) echo TWO ;;
    idle-BREAK_WAKE_FIRST | idle-BREAK_TOKEN) echo TWO ;;
    idle-BREAK_NO_DRAIN | idle-BREAK_RETIRE) echo RETIRE ;;
    idle-BREAK_RETIRED) echo RETIRE MONITOR ;;
    idle-BREAK_MONITOR_NEXT) echo MONITOR ;;
    idle-BREAK_MONITOR_RECHECK | idle-BREAK_NOTIFY) echo SLEEPS LATE ;;
    mutex-BREAK_GIVE_UP* | mutex-BREAK_NO_CLAIM | mutex-BREAK_NO_COUNT | mutex-BREAK_COUNT_FIRST)
        echo DEADLINE
        ;;
    idle-BREAK_RISE) echo SLEEPS ;;
    idle-BREAK_TAKE_AGAIN) echo SLEEPS LATE ;;
    idle-BREAK_WANTED | idle-BREAK_LAST_LOOK) echo BUSY LATE ;;
    esac
}

# build MODEL SWITCH...: ./pan.  Optimising takes longer than it saves.
build() {
    local model=$1
    shift
    # spin takes one -D after the other, and exits 0 with an error in the model
    spin -a "${@/#/-D}" "$models/$model.pml" >spin.out 2>&1 && [ -s pan.c ] &&
        ! grep -q '^spin: .*[Ee]rror' spin.out &&
        gcc -O0 -w -DSAFETY -DMEMLIM=900 -o pan pan.c ||
        { cat spin.out; return 1; }
}

# one WANTED MODEL SWITCH...: a line, with FAIL unless the outcome is as wanted
one() {
    local wanted=$1 model=$2 got=unknown folder
    shift 2
    folder=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$folder'" EXIT
    cd "$folder" || exit 1
    build "$model" "$@" || exit 1
    timeout 60 ./pan -m100000 -w21 >pan.out 2>&1
    if grep -q 'errors: [1-9]' pan.out; then
        got=breaks
    elif grep -q 'errors: 0' pan.out &&
        ! grep -qE 'max search depth too small|Search not completed|MEMLIM' pan.out; then
        got=holds
    fi
    if [ $got = "$wanted" ]; then
        echo "ok $model $* $got:$(sed -n 's/^pan:1: \(.*\) (at.*/ \1/p; s/, stored$//p' \
            pan.out | tr -s ' ' | tr '\n' ',' | sed 's/,$//')"
    else
        echo "FAIL $model $* $got, and not $wanted"
        tail -n 20 pan.out
        exit 1
    fi
}

everything() {
    local model configuration switch
    for model in "$models"/*.pml; do
        model=$(basename "$model" .pml)
        configurations "$model" | while read -r configuration; do
            echo "holds $model $configuration"
        done
        grep -oE '\bBREAK_[A-Z_]+' "$models/$model.pml" | sort -u |
            while read -r switch; do
                echo "breaks $model $switch $(needs "$model" "$switch")"
            done
    done
}

case ${1-} in
'')
    everything | xargs -P "$(nproc)" -d '\n' -n 1 "$0" one
    ;;
one)
    # shellcheck disable=SC2086
    one $2
    ;;
*)
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder" || exit 1
    model=$1
    shift
    build "$model" "$@" || exit 1
    ./pan -m1000000 -w21
    [ ! -f "$model.pml.trail" ] ||
        spin -k "$model.pml.trail" -p -g "${@/#/-D}" "$models/$model.pml"
    ;;
esac
