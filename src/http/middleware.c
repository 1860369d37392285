/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/middleware.c - what comes before other handlers: a prefix, a body's limit.  Others
 * are in access_log.c and timeout.c. */
#include "http/pattern.h"
#include "http/server.h"

/* --- body limit ----------------------------------------------------------------------------- */

void
bl_http_body_limit(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    bl_http_limit_body(r, *(const size_t *)data);
    bl_http_call(next, w, r);
}

/* --- prefix ----------------------------------------------------------------------------------- */

struct stripped {
    bl_http_request *r;
    const char *path, *raw_path; /* what they were */
};

/* What comes before must see what it has seen. */
static void
put_back(const struct stripped *s)
{
    s->r->path = s->path;
    bl__request_of(s->r)->raw_path = s->raw_path;
}

/* Behind the prefix in the path as the client has written it: as it stands, or encoded;
 * NULL: it is written in another way. */
static const char *
raw_rest(bl_http_request *r, const char *prefix)
{
    size_t n = strlen(prefix), size;
    const char *raw = bl__request_raw_path(r, &size);
    char *encoded;

    if (size >= n && memcmp(raw, prefix, n) == 0)
        return raw + n;
    encoded = bl_http_alloc(r, 3 * n + 1);
    n = bl__path_encode(prefix, n, encoded, false);
    return size >= n && memcmp(raw, encoded, n) == 0 ? raw + n : NULL;
}

void
bl_http_strip_prefix(bl_http_response *w, bl_http_request *r, bl_http_handler next,
                     void *data)
{
    struct stripped s = {r, r->path, bl__request_of(r)->raw_path};
    size_t n = strlen(data);
    const char *raw = strncmp(r->path, data, n) == 0 ? raw_rest(r, data) : NULL;

    if (!raw) {
        bl_http_not_found(w, r, NULL);
        return;
    }
    r->path += n;
    bl__request_of(r)->raw_path = raw;
    bl_returns_nothing {
        bl_defer_call(put_back, &s);
        bl_http_call(next, w, r);
    }
}
