/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/stream.c - a connection, with TLS or without. */
#include "http/http.h"

bl_error *
bl__stream_read(struct bl__stream *s, void *buf, size_t size, size_t *n)
{
    if (BL__UNLIKELY(s->tls != NULL))
        return bl__tls_read(s->tls, buf, size, n);
    return bl_conn_read(s->conn, buf, size, n);
}

bl_error *
bl__stream_write(struct bl__stream *s, const void *buf, size_t size)
{
    if (BL__UNLIKELY(s->tls != NULL))
        return bl__tls_write(s->tls, buf, size);
    return bl_conn_write(s->conn, buf, size, NULL);
}

bl_error *
bl__stream_writev(struct bl__stream *s, const struct iovec *parts, int count)
{
    if (BL__UNLIKELY(s->tls != NULL))
        return bl__tls_writev(s->tls, parts, count);
    return bl_conn_writev(s->conn, parts, count, NULL);
}

void
bl__stream_close(struct bl__stream *s)
{
    if (s->tls)
        bl__tls_end(s->tls);
    s->tls = NULL;
    bl_conn_release(s->conn);
    s->conn = NULL;
}
