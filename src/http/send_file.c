/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/send_file.c - a part of a file as a part of an answer's body.  What is short goes
 * with the head; what is long, from the kernel's memory to the kernel's memory, unless it
 * has to be encrypted or cut in chunks. */
#include "http/server.h"

#include <errno.h>
#include <unistd.h>

enum {
    COPIED_MOST = 2048,      /* such a part is not worth a call of its own */
    BUFFER = 16 << 10,
    STRETCH = 512 << 10,     /* for so much the client has a write timeout */
};

/* Through our memory; *n: how many there were. */
static bl_error *
copy_part(bl_http_response *w, int fd, off_t offset, size_t size, size_t *n)
{
    char *buf = bl__arena_alloc(w->arena, size < BUFFER ? size : BUFFER);
    bl_error *err = NULL;

    *n = 0;
    while (!err && *n < size) {
        size_t most = size - *n < BUFFER ? size - *n : BUFFER;
        ssize_t got = pread(fd, buf, most, offset + (off_t)*n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? bl_error_from_errno(errno) : NULL;
        bl__response_extend(w);
        err = bl_http_write(w, buf, (size_t)got);
        *n += (size_t)got;
    }
    return err;
}

static bl_error *
send_part(bl_http_response *w, int fd, off_t offset, size_t size, size_t *n)
{
    bl_error *err = bl_http_flush(w);

    *n = 0;
    while (!err && *n < size) {
        size_t most = size - *n < STRETCH ? size - *n : STRETCH, sent = 0;

        bl__response_extend(w);
        err = bl_conn_send_file(w->served->stream.conn, fd, offset + (off_t)*n, most, &sent);
        *n += sent;
        w->written += sent;
        if (sent < most)
            break;
    }
    if (err && !w->err)
        w->err = bl_error_retain(err);
    return err;
}

bl_error *
bl__response_send_file(bl_http_response *w, int fd, off_t offset, size_t size)
{
    bl_error *err;
    size_t n;

    if (!w->served)
        return bl_err_http_hijacked;
    if (w->err)
        return bl_error_retain(w->err);
    if (!w->status)
        bl_http_status(w, 200);
    if (w->no_body || w->is_head || size == 0)
        return NULL;
    if (w->served->stream.tls || size <= COPIED_MOST || w->declared < 0 ||
        size > (uint64_t)w->declared - w->written)
        err = copy_part(w, fd, offset, size, &n);
    else
        err = send_part(w, fd, offset, size, &n);
    if (!err && n < size) /* somebody has cut the file: the client must not wait */
        err = bl_error_retain(bl_err_unexpected_eof);
    return err;
}
