#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# deps.sh build|demo|check|docs|bench|ci - installs the Debian packages that are missing.
#
# The one place where Belay names what it needs, and why:
#   gcc g++ make       the compiler (its packages bring libbacktrace along), and
#                      C++ for the tests that panic through C++ frames
#   cmake ninja-build  the build of record
#   pkg-config         how users, and our tests, find the library
#   zlib1g-dev         profiles are gzip'ed (the belay command)
#   libcurl4-openssl-dev  HTTP, with timeouts, TLS and Unix sockets, for the belay
#                      command: better than what we would write
#   libhttp-parser-dev HTTP/1.1's syntax, from Node.js (libbelay-http): small, without
#                      I/O of its own.  llhttp has followed it, but Debian 12 has none;
#                      libmicrohttpd brings threads, nghttp2 is HTTP/2's
#   libssl-dev         TLS for libbelay-http; and libcrypto's SHA-256 for the demo
#                      (examples/digest): as fast as Go's own (nettle's is a tenth
#                      slower), so that the comparison is one of the pipelines
#   libsqlite3-dev     keeps the texts of the demo's service (examples/paste): a database
#                      whose calls block, which every machine has
#   python3            manual pages from the headers; test generators, benchmarks
#   binutils           objdump: the tests that read generated code
#   mandoc             checks the manual pages, and makes the site's from them
#   cmark-gfm          the guide as a site: the Markdown that its readers know from the
#                      repository, tables included, in one small program (pandoc has a
#                      dialect of its own and a hundred times the size)
#   gdb valgrind       tests that run under them
#   spin               the models of the protocols (tests/model)
#   chromium           draws the pages of belay flame, and loads pages of ours, in tests
#   curl apache2-utils nginx-light python3-websockets
#                      other people's clients and servers, which libbelay-http talks to
#   wrk libmicrohttpd-dev
#                      make bench-http: the load, and a C library to compare with
#   clang libunwind-dev  the second compiler; the unwinder ours is compared with
#   gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user
#                      the tests on 64-bit Arm (cmake/aarch64-toolchain.cmake)
# Go is compared with where it is found, and not installed: Debian 12 has Go 1.19, and
# what Belay is measured by is 1.26.
set -eu

build='gcc g++ make cmake ninja-build pkg-config python3 zlib1g-dev libcurl4-openssl-dev'
build="$build libhttp-parser-dev libssl-dev"
demo="$build libsqlite3-dev"
check="$demo binutils libunwind-dev"
docs="$build mandoc cmark-gfm"
ci="$check mandoc cmark-gfm chromium clang-14 libclang-rt-14-dev clang-22 valgrind gdb libc6-dbg spin"
ci="$ci gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user"
ci="$ci curl apache2-utils nginx-light python3-websockets"
bench="$build wrk libmicrohttpd-dev nginx-light"

case ${1-} in
build) wanted=$build ;;
demo) wanted=$demo ;;
check) wanted=$check ;;
docs) wanted=$docs ;;
ci) wanted=$ci ;;
bench) wanted=$bench ;;
*)
    echo "usage: deps.sh build|demo|check|docs|bench|ci" >&2
    exit 2
    ;;
esac

missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "deps.sh: install these as root:$missing" >&2
    exit 1
fi
echo "installing:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null
