#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# docs_test.sh - the documents hold (scripts/docs.sh): every public name is documented,
# links lead somewhere, listings compile and print what they are said to print.  And
# each of these checks finds what is wrong in documents that are.
set -u
[ -z "${SANITIZE-}" ] || exit 77 # listings are linked without
case $("${CC:-gcc}" --version | head -n 1) in
*clang*) exit 77 ;; # defer { } needs GCC
esac

source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
scripts=$source/scripts
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1
bad=0 checked=0

# finds TEXT COMMAND...: fails, and says TEXT
finds() {
    local text=$1
    shift
    checked=$((checked + 1))
    if "$@" >"$tmp/out" 2>&1; then
        echo "FAIL not noticed: $text" >&2
        bad=1
    elif ! grep -qF -- "$text" "$tmp/out"; then
        echo "FAIL something else than \"$text\":" >&2
        head -n 5 "$tmp/out" >&2
        bad=1
    fi
}

# listing TEXT < blocks: what listings.py has to say to them
listing() {
    sed 's/^  //' >"$tmp/listing.md"
    finds "$1" "$scripts/listings.py" "$build" "$tmp/listing.md"
}

link() {
    printf '# Title\n\n%s\n' "$2" >"$tmp/guide/link.md"
    finds "$1" "$scripts/links.py" "$tmp/guide/link.md"
}

DOCS_PARTIAL=${CI:+0} DOCS_PARTIAL=${DOCS_PARTIAL:-1} "$scripts/docs.sh" "$build" || bad=1

cp -r "$source/include/belay" "$tmp/include"
printf '\nBL_API int bl_secret(int how);\n' >>"$tmp/include/go.h"
finds 'bl_secret is not documented' "$scripts/man.py" --check --include "$tmp/include"
printf '/* As bl_nothing(). */\nBL_API int bl_told(int how);\n' >>"$tmp/include/go.h"
finds 'bl_nothing is in no header' "$scripts/man.py" --check --include "$tmp/include"

listing 'does not compile' <<'END'
  ```c fragment
  int n = bl_no_such_thing();
  ```
END
listing 'it compiles' <<'END'
  ```c refused
  int n;
  ```
  ```text
  error
  ```
END
listing 'it printed' <<'END'
  ```c run
  #include <stdio.h>
  int main(void) { puts("two"); return 0; }
  ```
  ```text
  one
  ```
END
listing 'status 3, not 2' <<'END'
  ```c run status=2
  int main(void) { return 3; }
  ```
  ```text
  ```
END
listing 'no ```text block follows' <<'END'
  ```sh run
  true
  ```
END

mkdir "$tmp/guide"
link 'there is no such file' '[gone](gone.md)'
link 'there is no such heading' '[here](#nowhere)'
# shellcheck disable=SC2016
link 'bl_gone is in no header' '`bl_gone(c)`'
# shellcheck disable=SC2016
link 'there is no knob sped' '`BELAYDEBUG=sped=1`'
link 'measured by whom?' 'It takes 3.1415 ns.'

echo "$checked checked: mistakes that have to be found"
exit $bad
