/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/reply.c - a reply's body, and what becomes of its connection. */
#include "http/client.h"

#include <errno.h>
#include <stdlib.h>

enum { DRAIN_MOST = 64 << 10, FIRST_BYTES = 4096 };

static struct bl__reply *
reply_of(bl_http_reply *reply)
{
    return (struct bl__reply *)reply;
}

bl_error *
bl_http_reply_read(bl_http_reply *reply, void *buf, size_t size, size_t *n)
{
    struct bl__reply *r = reply_of(reply);
    bl_error *err = bl__body_read(&r->body, buf, size, n);

    if (BL__LIKELY(!err || err == bl_err_eof))
        return err;
    return bl__limits_error(&r->limits, err, "or context cancellation while reading body");
}

/* Makes the buffer larger: there is a byte more than `room`, for a zero. */
static bl_error *
grow(char **data, size_t *room, size_t most)
{
    size_t more = *room ? 2 * *room : FIRST_BYTES;
    char *larger;

    if (more > most)
        more = most;
    larger = realloc(*data, more + 1);
    if (!larger)
        return bl_error_from_errno(ENOMEM);
    *data = larger;
    *room = more;
    return NULL;
}

/* At the limit one byte more tells whether that was all. */
static bl_error *
read_some(bl_http_reply *reply, char **data, size_t *size, size_t *room, size_t most)
{
    bl_error *err = NULL;
    size_t n;
    char one;

    if (*size == *room && *room < most)
        err = grow(data, room, most);
    if (err)
        return err;
    if (*size == *room) {
        err = bl_http_reply_read(reply, &one, 1, &n);
        return err ? err : bl_err_http_body_too_large;
    }
    err = bl_http_reply_read(reply, *data + *size, *room - *size, &n);
    *size += n;
    return err;
}

bl_error *
bl_http_reply_read_all(bl_http_reply *reply, size_t most, char **data, size_t *n)
{
    struct bl__reply *r = reply_of(reply);
    int64_t length = r->shown.content_length;
    size_t room = 0, size = 0;
    char *all = NULL;
    bl_error *err = NULL;

    *data = NULL;
    *n = 0;
    if (most > SIZE_MAX / 2)
        most = SIZE_MAX / 2;
    if (length > 0 && (uint64_t)length < most && length < FIRST_BYTES)
        err = grow(&all, &room, (size_t)length);
    else
        err = grow(&all, &room, most < FIRST_BYTES ? most : FIRST_BYTES);
    while (!err)
        err = read_some(reply, &all, &size, &room, most);
    if (err != bl_err_eof) {
        free(all);
        return err;
    }
    all[size] = 0;
    free(r->all);
    r->all = *data = all;
    *n = size;
    return NULL;
}

/* What has come already, and no more. */
static bool
is_read(struct bl__reply *r)
{
    if (r->body.done)
        return true;
    if (r->body.err || r->body.kind == BL__BODY_TO_END ||
        (r->body.kind == BL__BODY_LENGTH && r->body.left > DRAIN_MOST))
        return false;
    bl_error_release(bl_conn_set_read_deadline(r->link->stream.conn, bl_now()));
    return bl__body_drain(&r->body, DRAIN_MOST);
}

/* The cutter goes first: it may have cut the connection. */
static void
give_back(struct bl__reply *r)
{
    bool keep = bl__cutter_end(&r->cutter) && !r->closes && is_read(r) &&
                bl__input_left(&r->link->in) == 0;

    if (keep)
        bl__input_next(&r->link->in);
    bl__pool_put(r->link, keep);
    r->link = NULL;
}

void
bl_http_reply_release(bl_http_reply *reply)
{
    struct bl__reply *r = reply_of(reply);

    if (!r)
        return;
    if (r->link)
        give_back(r);
    bl_error_release(r->body.err);
    bl_context_release(r->limits.ctx);
    bl__arena_reset(&r->arena);
    free(r->all);
    free(r);
}
