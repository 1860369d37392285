#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# belay goroutines on a list with everything that Go may print, on what a program of
# Belay prints at SIGQUIT, and on a list of a Go program where there is Go.
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
belay=$build/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0 checked=0
cd "$tmp" || exit 1

# says NAME < wanted: what `got` has to be
says() {
    checked=$((checked + 1))
    sed 's/^    //' >want
    diff want got >diff && return
    echo "FAIL $1: (<) is wanted"
    cat diff
    failed=1
}

# has NAME LINE...: `got` has these lines, whatever the numbers in them
has() {
    local name=$1 line
    shift
    checked=$((checked + 1))
    for line in "$@"; do
        grep -qE "$line" got || {
            echo "FAIL $name: no line like: $line"
            cat got
            failed=1
        }
    done
}

# --- a list --------------------------------------------------------------------

cat >list <<'END'
2026/01/02 some log line
panic: boom

goroutine 1 gp=0xc000002380 m=0 mp=0x57e0a0 [running]:
panic({0x4801e0?, 0x4c0f08?})
	/go/src/runtime/panic.go:811 +0x168
main.(*server).run(0xc00001, {0x1, 0x2}, func())
	/src/main.go:7 +0x1d fp=0xc00 sp=0xc00 pc=0x47
main.main()
	/src/main.go:70 +0x1d

goroutine 20 [chan receive, 5 minutes]:
main.Map[...](0x1)
	/src/map.go:12 +0x1d
created by main.main in goroutine 1
	/src/main.go:33 +0x2e

goroutine 7 [chan receive, 12 minutes]:
main.Map[...](0x2)
	/src/map.go:12 +0x1d
created by main.main in goroutine 9
	/src/main.go:33 +0x2e

goroutine 8 [chan receive]:
main.Map[...](0x2)
	/src/map.go:12 +0x1d
created by main.main
	/src/main.go:33 +0x2e

goroutine 9 [chan receive, 1 minutes]:
main.Map[...](0x2)
	/src/map.go:13 +0x1d
...additional frames elided...
created by main.main in goroutine 1
	/src/main.go:33 +0x2e

goroutine 30 [select, 3 minutes, locked to thread, labels:{"a": "b, 77 minutes]"}]:
main.select_()
	/src/s.go:1

goroutine 32 [select]:
main.select_()
	/src/s.go:1

goroutine 31 [runnable]:
	goroutine running on other thread; stack unavailable
created by main.main in goroutine 1
	/src/main.go:34 +0x2e

rax    0x0
goroutine leak? no goroutine 5
exit status 2
END
"$belay" goroutines list >got
says 'the list' <<'END'
    8 goroutines in 6 groups: 4 chan receive, 2 select, 1 runnable, 1 running

    3 goroutines [chan receive, 0 to 12 minutes]: 7-8, 20
        main.Map[...]         /src/map.go:12
        created by main.main  /src/main.go:33

    1 goroutine [select, 3 minutes, locked to thread]: 30
        main.select_  /src/s.go:1

    1 goroutine [chan receive, 1 minute]: 9
        main.Map[...]         /src/map.go:13
        ...additional frames elided...
        created by main.main  /src/main.go:33

    1 goroutine [running]: 1
        panic               /go/src/runtime/panic.go:811
        main.(*server).run  /src/main.go:7
        main.main           /src/main.go:70

    1 goroutine [select]: 32
        main.select_  /src/s.go:1

    1 goroutine [runnable]: 31
        (running; its stack is not available)
        created by main.main  /src/main.go:34
END
sed 's/$/\r/' list | "$belay" goroutines -n 1 - >got
says 'carriage returns, -n' <<'END'
    8 goroutines in 6 groups: 4 chan receive, 2 select, 1 runnable, 1 running

    3 goroutines [chan receive, 0 to 12 minutes]: 7-8, 20
        main.Map[...]         /src/map.go:12
        created by main.main  /src/main.go:33

    and 5 more groups
END
summary() {
    "$belay" goroutines "$@" list | head -n 1 >got
}
summary -state '^select|runnable'
says '-state' <<'END'
    3 goroutines in 3 groups: 2 select, 1 runnable
END
summary -minutes 5
says '-minutes' <<'END'
    2 goroutines in 1 group: 2 chan receive
END
summary -focus map.go -ignore 'map.go:13'
says '-focus, -ignore' <<'END'
    3 goroutines in 1 group: 3 chan receive
END
summary -focus nowhere
says 'none left' <<'END'
    0 goroutines in 0 groups
END
for i in $(seq 40 2 80); do
    printf 'goroutine %d [sleep]:\nmain.f()\n\t/src/f.go:1 +0x1\n\n' "$i"
done >many
"$belay" goroutines many | sed -n 3p >got
says 'ids' <<'END'
    21 goroutines [sleep]: 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, and 11 more
END
"$belay" goroutines -ids many | sed -n '3s/.*78, 80$/all/p' >got
says '-ids' <<'END'
    all
END

# --- what is no list ---------------------------------------------------------------

echo 'no such thing' >text
"$belay" goroutines text >got 2>&1
echo "status $?" >>got
says 'a text' <<'END'
    belay goroutines: text: there is no goroutine in it; looks like a text file
    status 1
END
printf 'goroutine profile: total 3\n' >text
"$belay" goroutines text >got 2>&1
says 'debug=1' <<'END'
    belay goroutines: text: there is no goroutine in it; looks like a profile as text: fetch it with debug=2
END

# --- programs -----------------------------------------------------------------------

case $("${CC:-gcc}" --version | head -n 1)${SANITIZE-} in
*clang* | *address | *undefined | *thread) echo "no program of Belay's: it is built otherwise" ;;
*)
    # shellcheck disable=SC2046
    PKG_CONFIG_PATH=$build "${CC:-gcc}" -g -O1 "$source/tests/tool/goroutines.c" -o program \
        $(PKG_CONFIG_PATH=$build pkg-config --cflags --libs belay) || failed=1
    ./program 2>dump
    "$belay" goroutines dump >got
    has "Belay's SIGQUIT" '^6 goroutines in 3 groups: 5 chan receive, 1 running$' \
        '^4 goroutines \[chan receive\]: [0-9]' \
        '^    receives +/.*/goroutines.c:21$' \
        '^    created by main +/.*/goroutines.c:39$' \
        '^    pending defer in holds: cleans_up +/.*/goroutines.c:28$'
    ;;
esac
if command -v go >/dev/null; then
    cp "$source/tests/tool/programs.go" . && GOFLAGS= go run programs.go || failed=1
    "$belay" goroutines goroutine.txt >got
    has "Go's list" '^31 goroutines in 2 groups: 30 chan receive, 1 running$' \
        '^30 goroutines \[chan receive\]: [0-9-]+(, [0-9-]+)*$' '^    main.block.func1 .*programs.go:[0-9]+$'
else
    echo "Go is not here: no list of a Go program"
fi
echo "$checked checked"
exit $failed
