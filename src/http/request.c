/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/request.c - what a handler asks of its request. */
#include "http/server.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ROOM = 16384 }; /* whatever length the client has announced */

bl_error_global(bl_err_http_body_too_large, "http: request body too large");

/* --- body ------------------------------------------------------------------------------- */

/* The client waits to be told that its body is wanted; not when the answer has begun. */
static bl_error *
tell_to_continue(struct bl__request *r)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct bl__served *c = r->served;

    r->expects_continue = false;
    if (c->work->response.head_sent)
        return NULL;
    return bl__stream_write(&c->stream, line, sizeof line - 1);
}

/* One byte more than the limit is an error; where the length is known, the first is. */
static bool
is_too_large(const struct bl__request *r)
{
    const struct bl__body *b = &r->body;

    return b->kind == BL__BODY_LENGTH ? b->read + b->left > r->body_most
                                      : b->read >= r->body_most && !b->done;
}

/* A body in chunks may end exactly at its limit: only a further byte tells. */
static bl_error *
look_beyond(struct bl__request *r)
{
    char byte;
    size_t n;
    bl_error *err = bl__body_read(&r->body, &byte, 1, &n);

    if (err)
        return err;
    r->body.err = bl_err_http_body_too_large;
    return bl_err_http_body_too_large;
}

bl_error *
bl_http_read(bl_http_request *shown, void *buf, size_t size, size_t *n)
{
    struct bl__request *r = bl__request_of(shown);
    uint64_t left = r->body_most - r->body.read;
    bl_error *err;

    *n = 0;
    if (BL__UNLIKELY(!r->served))
        return bl_err_http_hijacked;
    if (r->body.kind == BL__BODY_NONE || r->body.done)
        return bl_err_eof;
    if (BL__UNLIKELY(is_too_large(r))) {
        if (r->body.kind == BL__BODY_CHUNKED)
            return look_beyond(r);
        return r->body.err = bl_err_http_body_too_large;
    }
    if (r->expects_continue && (err = tell_to_continue(r)))
        return err;
    err = bl__body_read(&r->body, buf, size < left ? size : (size_t)left, n);
    if (r->body.done) {
        bl__peer_watch_begin(r->served);
        return *n > 0 ? NULL : err;
    }
    return err;
}

void
bl_http_limit_body(bl_http_request *shown, uint64_t most)
{
    struct bl__request *r = bl__request_of(shown);

    r->body_most = most;
    if (r->body.err == bl_err_http_body_too_large)
        r->body.err = NULL;
}

/* Nobody will read the rest. */
static bl_error *
give_up(bl_http_request *r)
{
    struct bl__body *b = &bl__request_of(r)->body;

    if (!b->err)
        b->err = bl_err_http_body_too_large;
    return bl_err_http_body_too_large;
}

/* Read into growing memory that is the arena's in the end. */
static bl_error *
read_into(bl_http_request *r, char **at, size_t *room, size_t most, size_t *n)
{
    bl_error *err = NULL;
    size_t more;

    while (!err && !bl__request_of(r)->body.done) {
        if (*n == *room) {
            size_t bigger = *room < most / 2 ? 2 * *room : most + 1;
            char *copy = bl__arena_alloc(bl__request_of(r)->arena, bigger + 1);

            memcpy(copy, *at, *n);
            *at = copy;
            *room = bigger;
        }
        err = bl_http_read(r, *at + *n, *room - *n, &more);
        *n += more;
        if (*n > most)
            return give_up(r);
    }
    return err == bl_err_eof ? NULL : err;
}

bl_error *
bl_http_read_all(bl_http_request *r, size_t most, char **data, size_t *n)
{
    int64_t length = r->content_length;
    size_t room = length >= 0 && length < FIRST_ROOM ? (size_t)length
                  : most < FIRST_ROOM                ? most + 1
                                                     : FIRST_ROOM;
    bl_error *err;
    char *at;

    *data = "";
    *n = 0;
    if (most > SIZE_MAX / 4)
        most = SIZE_MAX / 4;
    if (length > 0 && (uint64_t)length > most && !bl__request_of(r)->body.read)
        return give_up(r);
    at = bl__arena_alloc(bl__request_of(r)->arena, room + 1);
    err = read_into(r, &at, &room, most, n);
    if (err) {
        *n = 0;
        return err;
    }
    at[*n] = '\0';
    *data = at;
    return NULL;
}

/* --- memory ------------------------------------------------------------------------------ */

void *
bl_http_alloc(bl_http_request *r, size_t size)
{
    return memset(bl__arena_alloc(bl__request_of(r)->arena, size), 0, size);
}

const char *
bl_http_path_value(const bl_http_request *shown, const char *name)
{
    const struct bl__request *r = bl__request_of(shown);

    for (size_t i = 0; i < r->path_count; i++)
        if (strcmp(r->path_values[i].name, name) == 0)
            return r->path_values[i].value;
    return "";
}
