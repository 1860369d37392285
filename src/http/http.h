/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/http.h - what the files of this folder share.  Only parser.c knows the parser,
 * only tls.c OpenSSL.  All of it uses Belay as any program does: belay/....h. */
#ifndef BELAY_HTTP_HTTP_H
#define BELAY_HTTP_HTTP_H

#include <belay/http.h>

/* --- stream.c: a connection, with TLS or without ------------------------------------ */

struct bl__tls_session;

struct bl__stream {
    bl_conn *conn;
    struct bl__tls_session *tls; /* NULL: none */
};

/* As bl_conn_read() and bl_conn_write(). */
bl_error *bl__stream_read(struct bl__stream *s, void *buf, size_t size, size_t *n);
bl_error *bl__stream_writev(struct bl__stream *s, struct iovec *parts, int count);
/* Says goodbye where TLS wants it, and lets go of the connection. */
void bl__stream_close(struct bl__stream *s);

/* --- tls.c ---------------------------------------------------------------------------- */

/* Shakes hands on c, within its deadlines.  name: the server's, for a client. */
bl_error *bl__tls_begin(bl_http_tls *tls, bl_conn *c, const char *name,
                        struct bl__tls_session **session);
bl_error *bl__tls_read(struct bl__tls_session *s, void *buf, size_t size, size_t *n);
bl_error *bl__tls_write(struct bl__tls_session *s, const void *buf, size_t size);
void bl__tls_end(struct bl__tls_session *s);

/* --- requests ------------------------------------------------------------------------- */

/* What "{name}"s of a pattern stand for. */
struct bl__path_value {
    const char *name, *value;
};

struct bl__request {
    bl_http_request shown; /* first: the one is the other */
    const struct bl__path_value *path_values;
    size_t path_count;
};

static inline struct bl__request *
bl__request_of(const bl_http_request *r)
{
    return (struct bl__request *)r;
}

#endif
