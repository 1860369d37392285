/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/load_bad.c - clients that break the protocol, and clients that leave. */
#include "load.h"

#include <belay/keywords.h>
#include <stdlib.h>
#include <string.h>

/* --- breaking it ------------------------------------------------------------------ */

struct breach {
    const char *text;
    int status; /* what it is answered with, or else the connection is closed */
    int fill;   /* so many times another header behind the text */
};

#define POST "POST / HTTP/1.1\r\nHost: load\r\n"

static const struct breach breaches[] = {
    {"\x16\x03\x01\x02\x01\x01\r\n\r\n", 400, 0}, /* TLS's hello */
    {"hello?\r\n\r\n", 400, 0},
    {"GET / HTTP/3.0\r\nHost: load\r\n\r\n", 505, 0},
    {"GET / HTTP/1.1\r\n\r\n", 400, 0}, /* whose? */
    {"GET / HTTP/1.1\r\nHost: load\r\nHost: other\r\n\r\n", 400, 0},
    {"GET / HTTP/1.1\r\nHost : load\r\n\r\n", 400, 0},
    {"GET / HTTP/1.1\r\nHost: load\r\n folded\r\n\r\n", 400, 0},
    {"GET / HTTP/1.1\r\nHost: load\r\n", 431, 2000},
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400, 0},
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 0},
    {POST "Content-Length: -1\r\n\r\n", 400, 0},
    {POST "Content-Length: 99999999999\r\n\r\n", 413, 0},
    {POST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, 0},
    {POST "Transfer-Encoding: gzip\r\n\r\n", 501, 0},
    {POST "Content-Length: 3\r\n\r\na\0b", 400, 0},
};

/* The zero of the last one counts. */
static size_t
breach_size(const struct breach *b)
{
    return b == &breaches[sizeof breaches / sizeof breaches[0] - 1]
               ? sizeof(POST "Content-Length: 3\r\n\r\na\0b") - 1
               : strlen(b->text);
}

static bl_error *
send_breach(struct link *l, const struct breach *b)
{
    static const char header[] = "X-Padding: another one, and another one, and another one\r\n";
    bl_error *err = link_send(l, "", b->text, breach_size(b));

    for (int i = 0; !err && i < b->fill; i++)
        err = link_send(l, header, NULL, 0);
    return err;
}

/* Either it is refused in words, or the connection ends; but it ends. */
static void
check_refusal(struct load *load, struct link *l, const struct breach *b)
{
    struct reply r = {0};
    char byte;
    size_t n;

    defer { reply_free(&r); };
    bl_error *err = link_receive(l, &r);
    if (r.status) {
        atomic_fetch_add(&load->tally.status[r.status], 1);
        if (r.status != b->status)
            load_fail(load, "status %d, not %d, for %.60s", r.status, b->status, b->text);
        if (!err && r.closes)
            err = bl_reader_read(l->in, &byte, 1, &n);
    } else {
        atomic_fetch_add(&load->tally.cut, 1);
    }
    if (error_is(err, bl_err_timeout))
        load_fail(load, "no end of the connection behind %.60s", b->text);
    else
        atomic_fetch_add(&load->tally.refused, 1);
    error_release(err);
}

void
break_protocol(struct load *load, unsigned number, uint64_t chance)
{
    const struct breach *b = &breaches[chance % (sizeof breaches / sizeof breaches[0])];
    struct link l;
    bl_error *err = link_open(&l, &load->server.http, number);

    if (err) {
        load_fail(load, "no connection to break the protocol with");
        error_release(err);
        return;
    }
    defer { link_close(&l); };
    atomic_fetch_add(&load->tally.broke, 1);
    error_release(send_breach(&l, b)); /* the server may have had enough before the end */
    check_refusal(load, &l, b);
}

/* --- leaving ---------------------------------------------------------------------- */

/* A byte from time to time, and not all of them. */
static void
send_slowly(struct link *l, const char *text)
{
    for (; *text; text++) {
        error_release(bl_conn_write(l->c, text, 1, NULL));
        bl_sleep(5 * BL_MILLISECOND);
    }
}

static void
leave_in(struct link *l, unsigned way)
{
    switch (way) {
    case 0: /* a handler waits for something */
        error_release(link_send(l, "GET /slow?ms=500 HTTP/1.1\r\nHost: load\r\n\r\n", NULL, 0));
        bl_sleep(5 * BL_MILLISECOND);
        break;
    case 1: /* it reads */
        error_release(link_send(l, POST "Content-Length: 1000\r\n\r\nthe begin", NULL, 0));
        break;
    case 2: /* it reads for a while */
        error_release(link_send(l, POST "Content-Length: 1000\r\n\r\n", NULL, 0));
        send_slowly(l, "drop by drop");
        break;
    case 3: /* it writes */
        error_release(link_send(l, "GET / HTTP/1.1\r\nHost: load\r\n\r\n", NULL, 0));
        break;
    case 4: /* no handler yet */
        error_release(link_send(l, "GET / HTTP/1.1\r\nHos", NULL, 0));
        break;
    default: /* nothing but a connection */
        break;
    }
}

void
leave_early(struct load *load, unsigned number, uint64_t chance)
{
    struct link l;
    bl_error *err = link_open(&l, &load->server.http, number);

    if (err) {
        load_fail(load, "no connection to leave");
        error_release(err);
        return;
    }
    defer { link_close(&l); };
    if (chance & 64)
        error_release(bl_conn_set_linger(l.c, 0)); /* with a reset */
    leave_in(&l, (unsigned)(chance >> 8) % 6);
    atomic_fetch_add(&load->tally.left, 1);
}
