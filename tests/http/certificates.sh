#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# certificates.sh FOLDER - makes what the tests of TLS need, unless it is there:
#   ca.pem                  whom clients of the tests trust
#   server.pem, server.key  of localhost, 127.0.0.1, ::1 and *.belay.test
#   old.pem, old.key        the same, but of a time that is over
#   bare.pem, bare.key      for no name at all
#   self.pem, self.key      signed by itself
set -eu
folder=$1
command -v openssl >/dev/null || exit 77
mkdir -p "$(dirname "$folder")"
# who comes second, at the same time, waits for the first
exec 9>"$folder.lock"
flock 9
if [ -e "$folder/done" ] && [ -n "$(find "$folder/done" -mmin -1000)" ]; then
    exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
curve='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
names='subjectAltName=DNS:localhost,DNS:*.belay.test,IP:127.0.0.1,IP:::1'
by='-CA ca.pem -CAkey ca.key'

quietly() {
    "$@" 2>log || { cat log >&2; exit 1; }
}

# shellcheck disable=SC2086
{
quietly openssl req -x509 $curve -keyout ca.key -out ca.pem -days 2 -subj '/CN=Belay tests'
for name in server bare self; do
    case $name in
    server) more="$by -addext $names" ;;
    bare) more=$by ;;
    self) more="-addext $names" ;;
    esac
    quietly openssl req -x509 $curve $more -keyout $name.key -out $name.pem -days 2 \
        -subj "/CN=$name" -addext basicConstraints=critical,CA:FALSE
done
quietly openssl req -new $curve -keyout old.key -out old.csr -subj /CN=old
echo "$names" >names
quietly openssl x509 -req -in old.csr $by -days -1 -extfile names -out old.pem
}
touch done
