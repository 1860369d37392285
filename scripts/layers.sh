#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# layers.sh - folders of src/ are layers: a file includes only its own folder and
# the ones before it in this list.
set -eu
cd "$(dirname "$0")/.."

order='locks arch os base unwind panic sched sync errors context closer net http observe testkit'
bad=0
seen=
for folder in $order; do
    seen="$seen $folder"
    [ -d "src/$folder" ] || continue
    for file in $(find "src/$folder" -name '*.[chS]'); do
        for used in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file"); do
            case " $seen " in
            *" $used "*) ;;
            *)
                echo "$file includes \"$used/\", which is a later layer than $folder"
                bad=1
                ;;
            esac
        done
    done
done
exit $bad
