/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Connections on real sockets: the loopback, Unix sockets, pipes.  What is printed, and
 * when it fails, is Go's. */
#define _GNU_SOURCE


#include <belay/belay.h>
#include <belay/io.h>
#include <belay/net.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "in.h"

/* --- what the cases share ---------------------------------------------------------- */

static void
ok(bl_error *err)
{
    char text[512];

    if (!err)
        return;
    bl_error_text(err, text, sizeof text);
    fprintf(stderr, "unexpected error: %s\n", text);
    _Exit(1);
}

/* Releases err. */
static const char *
text_of(bl_error *err)
{
    static char text[512];

    bl_error_text(err, text, sizeof text);
    bl_error_release(err);
    return text;
}

static bl_listener *
listen_at(const char *network, const char *address, char *where)
{
    bl_listener *l;

    ok(bl_listen(network, address, &l));
    bl_addr_text(bl_listener_addr(l), where, BL_ADDR_TEXT);
    return l;
}

struct pair {
    bl_conn *a, *b;
};

static void
accept_into(bl_listener *l, bl_conn **c, bl_waitgroup *wg)
{
    ok(bl_listener_accept(l, c));
    bl_waitgroup_done(wg);
}

static struct pair
tcp_pair(void)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_waitgroup wg = {0};
    struct pair p;

    bl_waitgroup_add(&wg, 1);
    bl_go(accept_into, l, &p.b, &wg);
    ok(bl_dial("tcp", where, &p.a));
    bl_waitgroup_wait(&wg);
    bl_listener_release(l);
    return p;
}

static void
drop(struct pair p)
{
    bl_conn_release(p.a);
    bl_conn_release(p.b);
}

/* --- there and back ------------------------------------------------------------------ */

static void
echo(bl_conn *c)
{
    char buf[4096];
    bl_error *err;
    size_t n;

    while (!(err = bl_conn_read(c, buf, sizeof buf, &n)))
        ok(bl_conn_write(c, buf, n, NULL));
    CHECK(err == bl_err_eof);
    bl_conn_release(c);
}

static void
serve(bl_listener *l)
{
    bl_conn *c;
    bl_error *err;

    while (!(err = bl_listener_accept(l, &c)))
        bl_go(echo, c);
    CHECK(bl_error_is(err, bl_err_net_closed));
    bl_error_release(err);
    bl_listener_release(l);
}

static void
client(const char *where, int rounds, bl_waitgroup *wg)
{
    char buf[64], back[64];
    bl_conn *c;

    ok(bl_dial("tcp", where, &c));
    for (int i = 0; i < rounds; i++) {
        size_t n = (size_t)snprintf(buf, sizeof buf, "message %d", i);

        ok(bl_conn_write(c, buf, n, NULL));
        ok(bl_conn_read_full(c, back, n, NULL));
        CHECK(memcmp(buf, back, n) == 0);
    }
    bl_conn_release(c);
    bl_waitgroup_done(wg);
}

static void
NET_echo_many(void)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_waitgroup wg = {0};

    bl_go(serve, bl_listener_retain(l));
    for (int i = 0; i < 50; i++) {
        bl_waitgroup_add(&wg, 1);
        bl_go(client, where, 50, &wg);
    }
    bl_waitgroup_wait(&wg);
    ok(bl_listener_close(l));
    bl_listener_release(l);
}

int
main(void)
{
    RUN(NET_echo_many);
    drop(tcp_pair());
    (void)text_of;
    return 0;
}
