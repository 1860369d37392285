#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# What the belay command does with servers: belay top, and the other commands' URLs;
# servers that are gone, slow, short or something else.
set -u
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
belay=${BUILD:-$source/build}/bin/belay
[ -x "$belay" ] || { echo "the belay command has not been built: not tested"; exit 77; }
here=$source/tests/tool
tmp=$(mktemp -d)
export PYTHONDONTWRITEBYTECODE=1 TZ=UTC
unset no_proxy NO_PROXY
export http_proxy=http://127.0.0.1:1 # is not asked for this machine's addresses
failed=0 checked=0
cd "$tmp" || exit 1
python3 "$here/profiles.py" . || exit 1
mkfifo port
python3 "$here/server.py" . "$tmp/socket" >port &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$tmp"' EXIT
read -r -t 20 number <port || { echo "FAIL the server does not start"; exit 1; }
url=http://127.0.0.1:$number

# gives STATUS TEXT ARGUMENT...: and prints that
gives() {
    local wanted=$1 text=$2 status
    shift 2
    checked=$((checked + 1))
    timeout 60 "$belay" "$@" >got 2>&1
    status=$?
    if [ $status != "$wanted" ] || ! grep -qF -- "$text" got; then
        echo "FAIL belay $*: status $status, $wanted and \"$text\" are wanted:"
        head -n 20 got
        failed=1
    fi
}

# says NAME < wanted: what `got` is, without the clock
says() {
    checked=$((checked + 1))
    sed 's/^    //' >want
    sed "s/^[0-9:]*  http.*/SERVER/; s/ *$//; s|$url|URL|g" got | diff want - >diff && return
    echo "FAIL $1: (<) is wanted"
    cat diff
    failed=1
}

# --- profiles ----------------------------------------------------------------------

gives 0 'Type: cpu' prof "$url/debug/pprof/profile"
gives 0 'Type: cpu' prof "$url"
gives 0 'Type: cpu' prof "$url/"
gives 0 'cache_add' prof "$url/debug/pprof/heap"
gives 0 'buffer_add' prof -seconds 0 peek buffer "$url/debug/pprof/heap"
gives 0 'Type: inuse_space' prof -seconds 1 "$url/debug/pprof/heap"
gives 1 'the server says 404: Unknown profile' prof "$url/debug/pprof/nosuch"
gives 0 'Type: inuse_space' prof "$url/moved"
gives 0 'Type: cpu' prof "unix:$tmp/socket"
gives 0 'Type: inuse_space' prof "unix:$tmp/socket:/debug/pprof/heap"
gives 1 'ould' prof "unix:$tmp/none:/debug/pprof/heap"
gives 1 'looks like an HTML page' prof "$url/page"
gives 1 'empty' prof "$url/empty"
gives 1 "$url/short" prof "$url/short"
http_proxy='' gives 1 'ould not resolve' prof http://no.such.host.invalid/
gives 1 "onnect to 127.0.0.1 port 1" prof http://127.0.0.1:1/x
gives 0 'main;walk' flame -collapsed "$url"
gives 0 '6 goroutines in 2 groups: 5 sleep, 1 running' goroutines "$url/plain/goroutine"

# --- top -----------------------------------------------------------------------------

"$belay" top -n 2 "$url" >got 2>said
says 'two rounds' <<'END'
    SERVER

             3           goroutines
             3             chan receive              worker app.c:79
             1             running                   main app.c:20

            12           pending defers
            10             close_file at app.c:12    copy_all app.c:15
             2             unlock lock.c:5

    SERVER

             6       +3  goroutines
             6       +3    chan receive              worker app.c:79
             1             running                   main app.c:20

            12           pending defers
            10             close_file at app.c:12    copy_all app.c:15
             2             unlock lock.c:5

END
cp said got
says 'what is missing is said once' <<'END'
    belay top: URL/debug/pprof/panic?debug=1: the server says 404: Unknown profile
END
gives 1 'has none of these' top -n 1 "$url/nothing/there"
gives 1 "onnect to 127.0.0.1 port 1" top http://127.0.0.1:1
gives 2 'is not a URL' top localhost
gives 0 'goroutines' top -n 1 "unix:$tmp/socket"

# where the counts say no states, they come from the list
"$belay" top -n 1 "$url/plain" >got 2>/dev/null
says 'states from the list' <<'END'
    SERVER

             6           goroutines
             5             sleep
             1             running

END

# Ctrl-C ends it
"$belay" top "$url" >got 2>&1 &
top=$!
sleep 1.5
kill -INT $top
wait $top
status=$?
checked=$((checked + 1))
[ $status = 0 ] && grep -q goroutines got || {
    echo "FAIL status $status after SIGINT"
    failed=1
}

# on a terminal it draws in place
checked=$((checked + 1))
TERM=xterm script -qec "'$belay' top -n 2 '$url'" /dev/null >got 2>/dev/null </dev/null
if ! command -v script >/dev/null; then
    echo "script is not here: nothing tested on a terminal"
elif ! grep -q $'\033\[?1049h' got || ! grep -q $'\033\[?1049l' got; then
    echo "FAIL no screen of its own on a terminal"
    cat -v got
    failed=1
fi

if command -v go >/dev/null; then
    mkdir go && cat >go/main.go <<'END'
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	for i := 0; i < 5; i++ {
		go func() { select {} }()
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, nil))
}
END
    (cd go && GOFLAGS= go build -o ../go-server main.go) || failed=1
    ./go-server >address &
    go=$!
    for _ in $(seq 50); do
        [ -s address ] && break
        sleep 0.1
    done
    gives 0 '5             select (no cases)' top -n 1 "http://$(cat address)"
    gives 0 '5 goroutines [select (no cases)]' goroutines "http://$(cat address)"
    gives 0 'Type: goroutine' prof "http://$(cat address)/debug/pprof/goroutine"
    gives 0 'Type: cpu' prof -seconds 1 "http://$(cat address)"
    gives 1 '404: Unknown profile' prof "http://$(cat address)/debug/pprof/defer"
    kill $go
else
    echo "Go is not here: no server of Go's"
fi
echo "$checked checked"
exit $failed
