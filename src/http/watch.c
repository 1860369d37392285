/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/watch.c - a request's context, and the goroutine that looks whether the client is
 * still there.
 *
 * It runs only for a handler that has asked for the context, and when the body was read:
 * until then reading tells.  It waits until there is something to read and looks at it
 * without taking it: no more data means that the client has left; a byte is the next
 * request's, and the watch is over.  A connection has one for all its requests, which runs
 * during one at a time: bl__peer_watch_stop() waits for its end. */
#include "http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct bl__watcher {
    struct bl__stream *stream;
    bl_context *ctx;
    bl_waitgroup running;
    bool runs;                   /* for the connection's goroutine */
};

enum sight { STILL_THERE, HAS_LEFT, HAS_SENT };

static enum sight
look(const struct bl__stream *s)
{
    char byte;
    ssize_t n = recv(bl_conn_fd(s->conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0)
        return HAS_SENT;
    return n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTSOCK) ? STILL_THERE
                                                                             : HAS_LEFT;
}

static void
watch(void *arg)
{
    struct bl__watcher *watcher = arg;
    enum sight sight = STILL_THERE;

    while (sight == STILL_THERE) {
        bl_error *err = bl_conn_wait_readable(watcher->stream->conn);
        bool in_time = !bl_error_is(err, bl_err_timeout);

        bl_error_release(err);
        if (!in_time)
            return; /* told to stop */
        sight = err ? HAS_LEFT : look(watcher->stream);
    }
    if (sight == HAS_LEFT)
        bl_context_cancel(watcher->ctx);
}

void
bl__peer_watch_begin(struct bl__served *c)
{
    struct bl__request *r = &c->work->request;

    if (!r->own_ctx || !r->body.done || !c->stream.conn || (c->watcher && c->watcher->runs))
        return;
    if (!c->watcher && !(c->watcher = calloc(1, sizeof *c->watcher)))
        return; /* the context does not learn when the client leaves: no harm */
    c->watcher->stream = &c->stream;
    c->watcher->ctx = r->own_ctx;
    c->watcher->runs = true;
    bl__served_read_timeout(c, -1, 0);
    bl_waitgroup_go(&c->watcher->running, watch, c->watcher);
}

void
bl__peer_watch_stop(struct bl__served *c)
{
    if (!c->watcher || !c->watcher->runs)
        return;
    c->watcher->runs = false;
    bl_error_release(bl_conn_set_read_deadline(c->stream.conn, 1));
    bl_waitgroup_wait(&c->watcher->running);
    c->read_until = BL_FOREVER;
    bl_error_release(bl_conn_set_read_deadline(c->stream.conn, BL_FOREVER));
}

void
bl__peer_watch_free(struct bl__served *c)
{
    free(c->watcher);
}

/* --- contexts --------------------------------------------------------------------------- */

bl_context *
bl_http_context(bl_http_request *shown)
{
    struct bl__request *r = bl__request_of(shown);

    if (r->ctx)
        return r->ctx;
    r->own_ctx = bl_context_with_cancel(r->served->server->ctx);
    r->ctx = bl_context_retain(r->own_ctx);
    if (r->served->work->response.served)
        bl__peer_watch_begin(r->served);
    return r->ctx;
}

void
bl_http_set_context(bl_http_request *shown, bl_context *ctx)
{
    struct bl__request *r = bl__request_of(shown);
    bl_context *old = r->ctx;

    r->ctx = bl_context_retain(ctx);
    bl_context_release(old);
}

void
bl__context_end(struct bl__request *r)
{
    bl_context_release(r->ctx);
    bl_context_end(r->own_ctx);
    r->ctx = r->own_ctx = NULL;
}
