#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# docs.sh BUILD - the manual in BUILD/docs/man, the site in BUILD/docs/site, and every
# check of the documents: names, links, figures, listings.  BUILD has the library.
#
# Needs mandoc and cmark-gfm (deps.sh docs); with DOCS_PARTIAL=1 it does without those
# that are missing, and says so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: docs.sh BUILD}

has() {
    command -v "$1" >/dev/null && return
    if [ "${DOCS_PARTIAL-}" = 1 ]; then
        echo "not checked: $1 is missing (scripts/deps.sh docs)"
        return 1
    fi
    echo "docs.sh: $1 is missing: scripts/deps.sh docs" >&2
    exit 1
}

"$here/man.py" "$build/docs/man"
if has mandoc; then
    cd "$build/docs/man"
    # links are not pages: mandoc thinks little of them
    grep -L '^\.so ' man1/* man3/* man7/* | xargs mandoc -Tlint -Wwarning
    cd - >/dev/null
fi
"$here/links.py"
"$here/listings.py" "$build"
if has cmark-gfm && has mandoc; then
    "$here/site.py" "$build/docs/man" "$build/docs/site"
    echo "the guide: $build/docs/site/index.html"
fi
