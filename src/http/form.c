/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/form.c - names and values of queries and forms: "a=1&b=x+y". */
#include "http/http.h"

#include <strings.h>

enum {
    FORM_MOST = 10 << 20,
    PAIRS_MOST = 10000, /* those behind are not there: a form is not to cost hours */
};

/* NULL: not well encoded. */
static const char *
decode(struct bl__arena *a, const char *text, size_t n)
{
    char *to = bl__arena_alloc(a, n + 1);
    ptrdiff_t size = bl__unescape(text, n, to, true);

    if (size < 0)
        return NULL;
    to[size] = '\0';
    return to;
}

/* Go takes no ';' for a separator, nor for a part of a value. */
static struct bl__pair *
make_pair(struct bl__arena *a, const char *text, size_t n)
{
    const char *equals = memchr(text, '=', n);
    size_t size = equals ? (size_t)(equals - text) : n;
    struct bl__pair *pair;

    if (n == 0 || memchr(text, ';', n))
        return NULL;
    pair = bl__arena_alloc(a, sizeof *pair);
    pair->next = NULL;
    pair->name = decode(a, text, size);
    pair->value = equals ? decode(a, equals + 1, n - size - 1) : "";
    return pair->name && pair->value ? pair : NULL;
}

static struct bl__pair *
parse(struct bl__arena *a, const char *text)
{
    struct bl__pair *first = NULL, **last = &first;

    for (int i = 0; *text && i < PAIRS_MOST; i++) {
        size_t n = strcspn(text, "&");

        *last = make_pair(a, text, n);
        if (*last)
            last = &(*last)->next;
        text += n + (text[n] == '&');
    }
    return first;
}

static const char *
find(const struct bl__pair *p, const char *name)
{
    for (; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return p->value;
    return NULL;
}

const char *
bl_http_query(bl_http_request *shown, const char *name)
{
    struct bl__request *r = bl__request_of(shown);

    if (!r->has_query) {
        r->has_query = true;
        r->query = parse(r->arena, shown->query);
    }
    return find(r->query, name);
}

static bool
has_form(const bl_http_request *r)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = bl_http_header_get(r->header, "Content-Type");
    size_t n = type ? strcspn(type, "; \t") : 0;

    if (strcmp(r->method, "POST") != 0 && strcmp(r->method, "PUT") != 0 &&
        strcmp(r->method, "PATCH") != 0)
        return false;
    return n == sizeof form - 1 && strncasecmp(type, form, n) == 0;
}

const char *
bl_http_form(bl_http_request *shown, const char *name)
{
    struct bl__request *r = bl__request_of(shown);
    const char *value;
    bl_error *err;
    char *text;
    size_t n;

    if (!r->has_form) {
        r->has_form = true;
        if (has_form(shown)) {
            err = bl_http_read_all(shown, FORM_MOST, &text, &n);
            if (!err)
                r->form = parse(r->arena, text);
            bl_error_release(err);
        }
    }
    value = find(r->form, name);
    return value ? value : bl_http_query(shown, name);
}
