/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/redirect.c - "look there". */
#include "http/server.h"

#include <strings.h>

static bool
has_scheme(const char *url)
{
    size_t n = strcspn(url, ":/?#");

    return n > 0 && url[n] == ':';
}

/* Takes "." and ".." and "//" out of a path, in place; what goes above the root is the
 * root. */
static void
clean(char *path)
{
    char *to = path, *from = path;
    bool ends_with_slash = false;

    while (*from) {
        size_t n;

        while (*from == '/')
            from++;
        n = strcspn(from, "/");
        ends_with_slash = n == 0 || from[n] == '/';
        if (n == 2 && from[0] == '.' && from[1] == '.') {
            while (to > path && *--to != '/')
                ;
        } else if (n > 0 && !(n == 1 && from[0] == '.')) {
            *to++ = '/';
            memmove(to, from, n);
            to += n;
        }
        from += n;
    }
    if (to == path || ends_with_slash)
        *to++ = '/';
    *to = '\0';
}

/* Makes url absolute in its path, which is encoded as the request's is; the query is not
 * touched. */
static const char *
resolve(struct bl__arena *a, const bl_http_request *r, const char *url)
{
    size_t n = strcspn(url, "?"), folder;
    const char *base = bl__request_raw_path(r, &folder);
    char *path;

    while (folder > 0 && base[folder - 1] != '/')
        folder--;
    if (has_scheme(url) || strncmp(url, "//", 2) == 0)
        return url;
    if (url[0] == '/')
        path = bl__arena_print(a, "%.*s", (int)n, url);
    else
        path = bl__arena_print(a, "%.*s/%.*s", (int)folder, base, (int)n, url);
    clean(path);
    return bl__arena_print(a, "%s%s", path, url + n);
}

/* What is no character of a URL is written as a number. */
static const char *
escape(struct bl__arena *a, const char *url)
{
    static const char hex[] = "0123456789ABCDEF";
    char *to = bl__arena_alloc(a, 3 * strlen(url) + 1), *at = to;

    for (; *url; url++) {
        unsigned char c = (unsigned char)*url;

        if (c > ' ' && c < 127) {
            *at++ = *url;
            continue;
        }
        *at++ = '%';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
    }
    *at = '\0';
    return to;
}

static void
write_link(bl_http_response *w, const char *url, int code)
{
    size_t n = bl_http_escape_html(url, NULL, 0);
    char *text = bl__arena_alloc(w->arena, n + 1);

    bl_http_escape_html(url, text, n + 1);
    bl_error_release(bl_http_printf(w, "<a href=\"%s\">%s</a>.\n\n", text,
                                    bl_http_status_text(code)));
}

void
bl_http_redirect(bl_http_response *w, bl_http_request *r, const char *url, int code)
{
    bool has_type = bl_http_header_get(&w->header, "Content-Type") != NULL;
    bool is_get = strcmp(r->method, "GET") == 0;

    url = resolve(w->arena, r, url);
    bl_http_header_set(&w->header, "Location", escape(w->arena, url));
    if (!has_type && (is_get || strcmp(r->method, "HEAD") == 0))
        bl_http_header_set(&w->header, "Content-Type", "text/html; charset=utf-8");
    bl_http_status(w, code);
    if (!has_type && is_get)
        write_link(w, url, code);
}
