/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/redirect.c - telling a client to ask elsewhere. */
#include "http/http.h"
#include "http/pattern.h"

#include <stdio.h>

/* Whether it names a host, or a scheme: then it is not about our paths. */
static bool
is_absolute(const char *url)
{
    size_t n = strcspn(url, ":/?#");

    return (url[n] == ':' && n > 0) || (url[0] == '/' && url[1] == '/' && url[2] &&
                                        url[2] != '/' && url[2] != '?');
}

/* The folder that the request is for, its path encoded, and behind it room for `more`. */
static char *
folder_of(bl_http_request *r, size_t more, char **end)
{
    size_t n;
    const char *path = bl__request_raw_path(r, &n);
    char *to = bl_http_alloc(r, 3 * n + more + 2);

    n = bl__path_encode(path, n, to, true);
    while (n > 0 && to[n - 1] != '/')
        n--;
    if (n == 0)
        to[n++] = '/';
    *end = to + n;
    return to;
}

/* A path from the root, cleaned; the query stays as it is. */
static const char *
resolve(bl_http_request *r, const char *url)
{
    size_t n = strlen(url), path_size;
    char *end, *whole, *clean;
    const char *query;

    if (is_absolute(url))
        return url;
    if (*url == '/') {
        whole = (char *)url;
    } else {
        whole = folder_of(r, n, &end);
        memcpy(end, url, n + 1);
    }
    query = whole + strcspn(whole, "?");
    path_size = (size_t)(query - whole);
    clean = bl_http_alloc(r, path_size + strlen(query) + 2);
    n = bl__path_clean(whole, path_size, clean);
    strcpy(clean + n, query);
    return clean;
}

/* What no header may have is encoded, as is what is not ASCII. */
static const char *
printable(bl_http_request *r, const char *url)
{
    char *text = bl_http_alloc(r, 3 * strlen(url) + 1), *to = text;

    for (; *url; url++) {
        unsigned char c = (unsigned char)*url;

        if (c <= ' ' || c >= 127)
            to += sprintf(to, "%%%02x", c);
        else
            *to++ = (char)c;
    }
    return text;
}

static void
write_link(bl_http_response *w, bl_http_request *r, const char *url, int code)
{
    size_t n = bl_http_escape_html(url, NULL, 0);
    char *text = bl_http_alloc(r, n + 1);

    bl_http_escape_html(url, text, n + 1);
    bl_error_release(bl_http_printf(w, "<a href=\"%s\">%s</a>.\n\n", text,
                                    bl_http_status_text(code)));
}

void
bl_http_redirect(bl_http_response *w, bl_http_request *r, const char *url, int code)
{
    bl_http_header *h = bl_http_response_header(w);
    bool is_get = strcmp(r->method, "GET") == 0;
    bool has_type = bl_http_header_get(h, "Content-Type");

    url = printable(r, resolve(r, url));
    bl_http_header_set(h, "Location", url);
    if (!has_type && (is_get || strcmp(r->method, "HEAD") == 0))
        bl_http_header_set(h, "Content-Type", "text/html; charset=utf-8");
    bl_http_status(w, code);
    if (!has_type && is_get)
        write_link(w, r, url, code);
}
