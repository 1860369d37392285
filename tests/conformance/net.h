/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/net.h - what the cases of connections share. */
#ifndef BELAY_TESTS_NET_H
#define BELAY_TESTS_NET_H

#include <belay/belay.h>
#include <belay/net.h>

#include "../expect.h"
#include "in.h"

/* Releases err. */
static UNUSED const char *
text_of(bl_error *err)
{
    static char text[512];

    bl_error_text(err, text, sizeof text);
    bl_error_release(err);
    return text;
}

static UNUSED int
errno_of(bl_error *err)
{
    int number = bl_error_errno(err);

    bl_error_release(err);
    return number;
}

static UNUSED bl_listener *
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

static UNUSED void
accept_into(bl_listener *l, bl_conn **c, bl_waitgroup *wg)
{
    ok(bl_listener_accept(l, c));
    bl_waitgroup_done(wg);
}

static UNUSED struct pair
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

static UNUSED void
drop(struct pair p)
{
    bl_conn_release(p.a);
    bl_conn_release(p.b);
}

static UNUSED _Atomic uint64_t about_to_wait;

/* Until the goroutine that has said so waits for I/O: then it is in the middle of a
 * call. */
static UNUSED void
wait_until_it_waits(void)
{
    char text[4096] = "";

    for (int i = 0; i < 20000 && !strstr(text, "[IO wait"); i++) {
        bl_sleep(BL_MILLISECOND / 10);
        if (about_to_wait)
            bl_stack_of(about_to_wait, text, sizeof text);
    }
    CHECK(strstr(text, "[IO wait"));
    about_to_wait = 0;
}

#endif
