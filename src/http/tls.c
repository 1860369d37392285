/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tls.c - TLS: not there yet. */
#include "http/http.h"

bl_error *
bl__tls_begin(bl_http_tls *tls, bl_conn *c, const char *name,
              struct bl__tls_session **session)
{
    (void)tls, (void)c, (void)name;
    *session = NULL;
    return bl_err_unsupported;
}

bl_error *
bl__tls_read(struct bl__tls_session *s, void *buf, size_t size, size_t *n)
{
    (void)s, (void)buf, (void)size;
    *n = 0;
    return bl_err_unsupported;
}

bl_error *
bl__tls_write(struct bl__tls_session *s, const void *buf, size_t size)
{
    (void)s, (void)buf, (void)size;
    return bl_err_unsupported;
}

void
bl__tls_end(struct bl__tls_session *s)
{
    (void)s;
}
