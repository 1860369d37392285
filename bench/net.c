/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/net.c - the loopback: both ends are goroutines of this process. */
#include "tasks.h"

#include <belay/net.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 64, WORD = 64, BLOCK = 64 * 1024 };

static void
must(bl_error *err)
{
    if (err) {
        bl_error_print(err, 2);
        exit(1);
    }
}

static bl_listener *
listen_somewhere(char *where)
{
    bl_listener *l;

    must(bl_listen("tcp", "127.0.0.1:0", &l));
    bl_addr_text(bl_listener_addr(l), where, BL_ADDR_TEXT);
    return l;
}

static void
echo(bl_conn *c)
{
    char buf[4096];
    size_t n;

    while (!bl_conn_read(c, buf, sizeof buf, &n))
        must(bl_conn_write(c, buf, n, NULL));
    bl_conn_release(c);
}

static void
serve(bl_listener *l)
{
    bl_conn *c;
    bl_error *err;

    while (!(err = bl_listener_accept(l, &c)))
        go(echo, c);
    bl_error_release(err);
}

static void
ask(const char *where, int64_t n, bl_waitgroup *wg)
{
    char buf[WORD] = "word";
    bl_conn *c;

    must(bl_dial("tcp", where, &c));
    for (int64_t i = 0; i < n; i++) {
        must(bl_conn_write(c, buf, sizeof buf, NULL));
        must(bl_conn_read_full(c, buf, sizeof buf, NULL));
    }
    bl_conn_release(c);
    bl_waitgroup_done(wg);
}

static uint64_t
echoes(int64_t n, int clients)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_somewhere(where);
    bl_waitgroup wg = {0};

    go(serve, l);
    for (int i = 0; i < clients; i++) {
        bl_waitgroup_add(&wg, 1);
        go(ask, where, n, &wg);
    }
    bl_waitgroup_wait(&wg);
    bl_error_release(bl_listener_close(l));
    bl_listener_release(l);
    return (uint64_t)(n * clients);
}

static uint64_t
echo_one(int64_t n)
{
    return echoes(n, 1);
}

static uint64_t
echo_many(int64_t n)
{
    return echoes(n, MANY);
}

static void
send_blocks(const char *where, int64_t n)
{
    static const char block[BLOCK];
    bl_conn *c;

    must(bl_dial("tcp", where, &c));
    for (int64_t i = 0; i < n; i++)
        must(bl_conn_write(c, block, sizeof block, NULL));
    bl_conn_release(c);
}

static uint64_t
stream(int64_t n)
{
    char where[BL_ADDR_TEXT], *buf = malloc(BLOCK);
    bl_listener *l = listen_somewhere(where);
    uint64_t sum = 0;
    bl_conn *c;
    size_t got;

    go(send_blocks, where, n);
    must(bl_listener_accept(l, &c));
    while (!bl_conn_read(c, buf, BLOCK, &got))
        sum += got;
    bl_conn_release(c);
    bl_listener_release(l);
    free(buf);
    return sum;
}

static void
dial_often(const char *where, int64_t n)
{
    bl_conn *c;

    for (int64_t i = 0; i < n; i++) {
        must(bl_dial("tcp", where, &c));
        must(bl_conn_set_linger(c, 0)); /* or ports would run out */
        bl_conn_release(c);
    }
}

static uint64_t
accept_often(int64_t n)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_somewhere(where);
    uint64_t got = 0;
    bl_conn *c;

    go(dial_often, where, n);
    for (; got < (uint64_t)n; got++) {
        must(bl_listener_accept(l, &c));
        bl_conn_release(c);
    }
    bl_listener_release(l);
    return got;
}

const struct task net_tasks[] = {
    {"net/echo/1", echo_one, 1, 200},
    {"net/echo/64", echo_many, MANY, 10},
    {"net/stream", stream, 1, 100},
    {"net/accept", accept_often, 1, 50},
    {0},
};
