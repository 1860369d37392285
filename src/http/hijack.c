/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/hijack.c - connections that a handler takes.
 *
 * The server forgets the connection before the handler has it: what it leaves behind for
 * its own end, also by a panic, no longer names it. */
#include "http/server.h"

#include <errno.h>
#include <stdlib.h>

bl_error_global(bl_err_http_hijacked, "http: connection has been hijacked");
bl_error_static(err_begun, "http: the answer has begun: the connection can't be hijacked");
bl_error_static(err_body, "http: the body was not read: the connection can't be hijacked");

static bl_error *
read_taken(void *from, void *buf, size_t size, size_t *n)
{
    struct bl__taken *t = from;

    if (t->at == t->n)
        return bl__stream_read(&t->stream, buf, size, n);
    *n = size < t->n - t->at ? size : t->n - t->at;
    memcpy(buf, t->early + t->at, *n);
    t->at += *n;
    return NULL;
}

static bl_error *
write_taken(void *to, const void *buf, size_t size, size_t *n)
{
    struct bl__taken *t = to;
    bl_error *err = bl__stream_write(&t->stream, buf, size);

    *n = err ? 0 : size;
    return err;
}

/* Copies what has come already. */
static bool
make_taken(struct bl__served *c, bl_http_hijacked *h)
{
    size_t n = bl__input_left(&c->in);
    struct bl__taken *t = malloc(sizeof *t + n);

    if (!t)
        return false;
    *t = (struct bl__taken){.n = n};
    memcpy(t->early, c->in.data + c->in.start, n);
    *h = (bl_http_hijacked){.reader = bl_reader_new(read_taken, t, 0),
                            .writer = bl_writer_new(write_taken, t, 0), .taken = t};
    if (h->reader && h->writer)
        return true;
    bl_http_hijacked_release(h);
    return false;
}

/* From here on it is the caller's alone. */
static void
hand_over(struct bl__served *c, bl_http_hijacked *h)
{
    bl_conn *conn = c->stream.conn;

    atomic_store(&c->state, BL__TAKEN);
    bl__server_unlist(c);
    c->ends = true;
    h->conn = conn;
    h->taken->stream = c->stream;
    c->stream = (struct bl__stream){0};
    bl_error_release(bl_conn_set_deadline(conn, BL_FOREVER));
    bl__server_left(c);
}

bl_error *
bl_http_hijack(bl_http_response *w, bl_http_hijacked *h)
{
    struct bl__served *c = w->served;
    struct bl__request *r = w->request;
    bl_addr *remote;

    *h = (bl_http_hijacked){0};
    if (!c)
        return bl_err_http_hijacked;
    if (w->status)
        return err_begun;
    if (!r->body.done)
        return err_body;
    if (!bl__response_claim(w))
        return bl__err_timed_out;
    remote = bl__arena_alloc(w->arena, sizeof *remote);
    *remote = *r->shown.remote;
    if (!make_taken(c, h))
        return bl_error_from_errno(ENOMEM);
    bl__peer_watch_stop(c);
    r->shown.remote = remote;
    w->served = NULL;
    hand_over(c, h);
    return NULL;
}

void
bl_http_hijacked_release(bl_http_hijacked *h)
{
    bl_reader_free(h->reader);
    bl_writer_free(h->writer);
    if (h->taken)
        bl__stream_close(&h->taken->stream);
    free(h->taken);
    *h = (bl_http_hijacked){0};
}
