#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# peers_test.sh - our client against other people's servers (Go's net/http, Python's
# http.server, nginx), and our server with TLS against other people's clients (openssl,
# curl).  Who is not there is passed over, with a word.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fetch=$BUILD/tests/http-fetch
site=$BUILD/tests/http-site
if [ ! -x "$fetch" ] || [ ! -x "$site" ]; then
    echo "no TLS, or no http_parser"
    exit 77
fi
folder=$BUILD/tests/http-certificates
"$here/certificates.sh" "$folder" || exit 77
roots=$folder/ca.pem
tmp=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
failed=0
large="200 3000000 bytes 06e6a000"

# check NAME WANT GOT
check() {
    [ "$2" = "$3" ] && return
    printf '%s: got\n%s\nwant\n%s\n' "$1" "$3" "$2"
    failed=1
}

# serve COMMAND... - what it prints first is in $where
serve() {
    : >"$tmp/where"
    "$@" >"$tmp/where" 2>"$tmp/log" &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 100); do
        [ -s "$tmp/where" ] && break
        sleep 0.1
    done
    where=$(cat "$tmp/where")
}

stop() {
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for_port() {
    for _ in $(seq 100); do
        python3 -c "import socket; socket.create_connection(('127.0.0.1', $1))" 2>/dev/null &&
            return
        sleep 0.1
    done
}

# --- Go ------------------------------------------------------------------------------------

ask_go() {
    url=$1
    check "$url chunks" "200 0 1 2  trailer=behind" "$("$fetch" -c "$roots" -h X-Sum "$url/chunks")"
    check "$url count" "200 POST 5 5 [] <nil>" "$("$fetch" -c "$roots" -b hello "$url/count")"
    check "$url memory" "200 POST 3000000 3000000 [] <nil>" \
        "$("$fetch" -c "$roots" -n 3000000 "$url/count")"
    check "$url stream" "200 PUT 3000000 -1 [chunked] <nil>" \
        "$("$fetch" -c "$roots" -m PUT -s 3000000 "$url/count")"
    check "$url no body" "200 POST 0 0 [] <nil>" "$("$fetch" -c "$roots" -m POST "$url/count")"
    check "$url refuse" "413 too much" "$("$fetch" -c "$roots" -s 30000000 "$url/refuse" | head -1)"
    check "$url redirect" "200 there, from /1" "$("$fetch" -c "$roots" "$url/redirect/9")"
    check "$url too many" "Get \"/redirect/9\": stopped after 10 redirects" \
        "$("$fetch" -c "$roots" "$url/redirect/19")"
    check "$url hints" "200 after hints" "$("$fetch" -c "$roots" "$url/hints")"
    check "$url whole" "$large
$large" "$("$fetch" -c "$roots" "$url/whole" "$url/whole")"
    check "$url back" "200 100000 bytes 1267b000" "$("$fetch" -c "$roots" -s 100000 "$url/back")"
    check "$url old" "200 up to the end" "$("$fetch" -c "$roots" "$url/old")"
    check "$url HEAD" "200 " "$("$fetch" -c "$roots" -m HEAD "$url/whole")"
    check "$url auth" "200 me b:c true" \
        "$("$fetch" -c "$roots" "${url%%//*}//me:b%3Ac@${url#*//}/auth")"
    check "$url 404" "404 404 page not found
" "$("$fetch" -c "$roots" "$url/none")
"
}

if command -v go >/dev/null && (cd "$here/peer_go" && GOFLAGS=-mod=mod GOTOOLCHAIN=local \
    go build -o "$tmp/peer_go" . 2>"$tmp/log"); then
    serve "$tmp/peer_go" "$folder/server.pem" "$folder/server.key"
    plain=${where% *}
    secret=${where#* }
    agent="belay-http/$(sed -n 's/#define BL_VERSION "\(.*\)"/\1/p' "$here/../../include/belay/config.h")"
    ask_go "http://$plain"
    ask_go "https://localhost:${secret#*:}"
    check who "200 TLS 1.3 http/1.1 localhost localhost $agent" \
        "$("$fetch" -c "$roots" "https://localhost:${secret#*:}/who")"
    check "plain to TLS" "400 Client sent an HTTP request to an HTTPS server." \
        "$("$fetch" "http://$secret/" | head -1)"
    check "TLS to plain" "Get \"https://$plain/\": http: server gave HTTP response to HTTPS client" \
        "$("$fetch" "https://$plain/")"
    stop
    echo "Go's net/http: done"
else
    echo "no go: its part is passed over"
fi

# --- Python -----------------------------------------------------------------------------------

port=$(free_port)
mkdir -p "$tmp/files/folder"
head -c 3000000 /dev/zero | tr '\0' x >"$tmp/files/large"
echo here >"$tmp/files/folder/index.html"
python3 -m http.server -b 127.0.0.1 -d "$tmp/files" "$port" >"$tmp/log" 2>&1 &
pid=$!
pids="$pids $pid"
wait_for_port "$port"
check "python" "$large
200 here
404" "$("$fetch" "http://127.0.0.1:$port/large" "http://127.0.0.1:$port/folder" \
    "http://127.0.0.1:$port/none" | sed -n 's/^404.*/404/; /^200 \|^404/p')"
check "python HEAD" "200 " "$("$fetch" -m HEAD "http://127.0.0.1:$port/large")"
check "python POST" "501" "$("$fetch" -b x "http://127.0.0.1:$port/large" | head -c 3)"
stop
echo "Python's http.server: done"

# --- nginx -------------------------------------------------------------------------------------

if command -v nginx >/dev/null; then
    port=$(free_port)
    secret=$(free_port)
    cat >"$tmp/nginx.conf" <<END
daemon off; master_process off; pid $tmp/nginx.pid; error_log $tmp/nginx.log;
events {}
http {
    access_log off; client_body_temp_path $tmp/body; proxy_temp_path $tmp/proxy;
    fastcgi_temp_path $tmp/fastcgi; uwsgi_temp_path $tmp/uwsgi; scgi_temp_path $tmp/scgi;
    keepalive_requests 3; ssl_protocols TLSv1.2 TLSv1.3;
    server {
        listen 127.0.0.1:$port; listen 127.0.0.1:$secret ssl; root $tmp/files;
        ssl_certificate $folder/server.pem; ssl_certificate_key $folder/server.key;
        location /kept { return 200 "\$connection_requests"; }
        location /small { client_max_body_size 10; proxy_pass http://127.0.0.1:$port/; }
        location /to { return 308 /folder/; }
        location /tls { return 200 "\$ssl_protocol \$ssl_server_name"; }
    }
}
END
    nginx -c "$tmp/nginx.conf" 2>"$tmp/log" &
    pid=$!
    pids="$pids $pid"
    wait_for_port "$port"
    for url in "http://127.0.0.1:$port" "https://localhost:$secret"; do
        check "nginx" "$large
200 here
200 here" "$("$fetch" -c "$roots" "$url/large" "$url/folder" "$url/to" | sed '/^$/d')"
        check "nginx kept" "200 1
200 2
200 3
200 1
200 2" "$("$fetch" -c "$roots" "$url/kept" "$url/kept" "$url/kept" "$url/kept" "$url/kept")"
        check "nginx 413" "413" "$("$fetch" -c "$roots" -n 5000000 "$url/small" | head -c 3)"
    done
    check "nginx TLS" "200 TLSv1.3 localhost" "$("$fetch" -c "$roots" "https://localhost:$secret/tls")"
    check "nginx name" "Get \"https://127.0.0.2:$secret/\": dial tcp 127.0.0.2:$secret: connect: connection refused" \
        "$("$fetch" -c "$roots" "https://127.0.0.2:$secret/")"
    stop
    echo "nginx: done"
else
    echo "no nginx: its part is passed over"
fi

# --- our server, others' clients ------------------------------------------------------------------

serve "$site" "$folder/server.pem" "$folder/server.key"
port=${where#*:}

# client OPTIONS... - what openssl says and hears; a K asks for new keys.
client() {
    { printf 'K\n'; sleep 0.3; printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'; sleep 1; } |
        timeout 20 openssl s_client -connect "127.0.0.1:$port" -CAfile "$roots" \
            -servername localhost "$@" 2>&1 || true
}

client -tls1_3 -alpn h2,http/1.1 >"$tmp/out"
for want in '^hello over TLS' 'Verify return code: 0' 'ALPN protocol: http/1.1' \
    'KEYUPDATE' 'Protocol  *: TLSv1.3\|New, TLSv1.3'; do
    grep -q "$want" "$tmp/out" || { echo "openssl: no $want in"; cat "$tmp/out"; failed=1; }
done
printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' |
    timeout 20 openssl s_client -quiet -tls1_2 -connect "127.0.0.1:$port" >"$tmp/out" 2>"$tmp/log" || true
grep -q '^hello over TLS' "$tmp/out" || { echo "openssl: not with TLS 1.2"; failed=1; }
client -tls1_1 -cipher DEFAULT@SECLEVEL=0 >"$tmp/out"
grep -q 'alert protocol version' "$tmp/out" || { echo "TLS 1.1:"; cat "$tmp/out"; failed=1; }
client -alpn h2 >"$tmp/out"
grep -q 'alert no application protocol' "$tmp/out" || { echo "only h2:"; cat "$tmp/out"; failed=1; }

if command -v curl >/dev/null; then
    url=https://localhost:$port
    check curl "hello over TLS" "$(curl -s --cacert "$roots" "$url/")"
    check "curl twice" "1 0 " "$(curl -s --cacert "$roots" -o "$tmp/out" -o "$tmp/out" \
        -w '%{num_connects} ' "$url/" "$url/")"
    check "curl large" 3000000 "$(curl -s --cacert "$roots" "$url/much" | wc -c)"
    check "curl post" 3000000 "$(curl -s --cacert "$roots" --data-binary @"$tmp/files/large" "$url/count")"
    check "curl chunks" "1 2 3 " "$(curl -s --cacert "$roots" "$url/chunks")"
    check "curl without roots" 60 "$(curl -s "$url/" >"$tmp/out" || echo $?)"
    check "curl plain" "Client sent an HTTP request to an HTTPS server." \
        "$(curl -s --http0.9 "http://localhost:$port/")"
    echo "openssl, curl: done"
else
    echo "no curl: its part is passed over"
fi
check "fetch" "200 hello over TLS
200 3000000" "$("$fetch" -c "$roots" -n 3000000 "https://localhost:$port/" \
    "https://localhost:$port/count")"
check "fetch much" "$large" "$("$fetch" -c "$roots" "https://localhost:$port/much")"
stop
exit $failed
