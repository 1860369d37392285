/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/cookie.c - cookies that come, and cookies that go (RFC 6265). */
#include "http/server.h"

#include <ctype.h>
#include <stdio.h>

/* --- those that come ------------------------------------------------------------------------ */

/* One of "a=1; b=2"; NULL: not the one. */
static const char *
value_of(struct bl__arena *a, const char *pair, size_t n, const char *name)
{
    size_t size = strlen(name);

    while (n > 0 && (*pair == ' ' || *pair == '\t'))
        pair++, n--;
    while (n > 0 && (pair[n - 1] == ' ' || pair[n - 1] == '\t'))
        n--;
    if (n <= size || memcmp(pair, name, size) != 0 || pair[size] != '=')
        return NULL;
    pair += size + 1;
    n -= size + 1;
    if (n >= 2 && pair[0] == '"' && pair[n - 1] == '"')
        return bl__arena_copy(a, pair + 1, n - 2);
    return bl__arena_copy(a, pair, n);
}

const char *
bl_http_cookie(bl_http_request *shown, const char *name)
{
    struct bl__request *r = bl__request_of(shown);
    const struct bl__field *f = NULL;

    while ((f = bl__header_find(shown->header, "Cookie", 6, f)))
        for (const char *p = f->value; *p;) {
            size_t n = strcspn(p, ";");
            const char *value = value_of(r->arena, p, n, name);

            if (value)
                return value;
            p += n + (p[n] == ';');
        }
    return NULL;
}

/* --- those that go ---------------------------------------------------------------------------- */

/* A copy without the bytes that end a value, or have no place in one. */
static char *
cleaned(struct bl__arena *a, const char *text, const char *without)
{
    char *to = bl__arena_alloc(a, strlen(text) + 3), *at = to;

    for (; *text; text++)
        if (*text >= ' ' && *text < 127 && !strchr(without, *text))
            *at++ = *text;
    *at = '\0';
    return to;
}

static char *
quoted(struct bl__arena *a, char *value)
{
    return strpbrk(value, " ,") ? bl__arena_print(a, "\"%s\"", value) : value;
}

static bool
is_domain(const char *d)
{
    for (const char *p = d; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
            return false;
    return *d != '\0';
}

static const char *
age(struct bl__arena *a, int seconds)
{
    return seconds == 0 ? "" : bl__arena_print(a, "; Max-Age=%d", seconds > 0 ? seconds : 0);
}

void
bl_http_set_cookie(bl_http_response *w, const char *name, const char *value,
                   const bl_http_cookie_options *options)
{
    static const bl_http_cookie_options none;
    const bl_http_cookie_options *o = options ? options : &none;
    const char *domain = o->domain ? o->domain + (o->domain[0] == '.') : "";
    struct bl__arena *a = w->arena;
    char *text;

    if (!bl__is_token(name, strlen(name)))
        bl_panic("http: invalid Cookie.Name: \"%s\"", name);
    if (!is_domain(domain))
        domain = "";
    text = bl__arena_print(a, "%s=%s%s%s%s%s%s%s%s%s%s", name,
                           quoted(a, cleaned(a, value, "\";\\")),
                           o->path ? "; Path=" : "", o->path ? cleaned(a, o->path, ";") : "",
                           *domain ? "; Domain=" : "", domain, age(a, o->max_age),
                           o->http_only ? "; HttpOnly" : "", o->secure ? "; Secure" : "",
                           o->same_site ? "; SameSite=" : "",
                           o->same_site ? cleaned(a, o->same_site, ";") : "");
    bl_http_header_add(&w->header, "Set-Cookie", text);
}
