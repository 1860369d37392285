#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# run.sh - what `make demo` shows: surviving bad input, a service under load, then the
# concurrent job.
#
#     run.sh PROGRAMS [folder]
#
# PROGRAMS is the folder of the built examples; the last part digests the folder, /usr if
# none is named.  Two parts have a run.sh of their own, with more to ask for; the service
# can be had with more clients, for longer: `paste-load --help`.
#
# Exit status: 0 the parts agree with their counterparts and nothing leaked; 1 not so;
# 2 wrong usage.
set -u

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "run.sh: usage: run.sh PROGRAMS [folder]" >&2
    exit 2
fi
programs=$1
folder=${2:-/usr}
here=$(dirname "$0")
for program in digest paste; do
    if [ ! -x "$programs/$program" ]; then
        echo "run.sh: $programs/$program is not built: install what is missing" \
            "(scripts/deps.sh demo) and run cmake again" >&2
        exit 1
    fi
done

title() {
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
        printf '\033[1m%s\033[0m\n' "$1"
    else
        printf '%s\n' "$1"
    fi
}

status=0
title "1. Headers and documents, read by a parser that trusts them"
ROUNDS=${ROUNDS:-5} BRIEF=1 \
    "$here/demo/run.sh" "$programs/demo" "$programs/demo-by-hand" || status=1
echo
title "2. A paste service over SQLite, and clients that do what they should not"
"$programs/paste-load" --time "${SECONDS_OF_LOAD:-8}" "$programs/paste" || status=1
echo
title "3. SHA-256 of what is in $folder: walk -> 8 workers -> collect"
"$here/digest/run.sh" "$programs/digest" "$folder" || status=1
exit $status
