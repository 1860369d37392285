/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/header.c - names and values, in their order.
 *
 * A list that is looked through: requests have ten of them, rarely thirty, and a limit.
 * Texts never change where they are, so that a copy of the list is a copy of the header;
 * what is replaced stays in the arena until that goes. */
#include "http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

enum { ROOM = 8 };

/* --- what they may have ------------------------------------------------------------- */

/* 1: in tokens; 2: in values. */
static const unsigned char kinds[256] = {
    ['\t'] = 2, [' '] = 2, ['!'] = 3, ['"'] = 2, ['#' ... '\''] = 3, ['(' ... ')'] = 2,
    ['*' ... '+'] = 3, [','] = 2, ['-' ... '.'] = 3, ['/'] = 2, ['0' ... '9'] = 3,
    [':' ... '@'] = 2, ['A' ... 'Z'] = 3, ['[' ... ']'] = 2, ['^' ... 'z'] = 3, ['{'] = 2,
    ['|'] = 3, ['}'] = 2, ['~'] = 3, [128 ... 255] = 2,
};

static bool
are_all(const char *text, size_t n, unsigned kind)
{
    unsigned all = kind;

    for (size_t i = 0; i < n; i++)
        all &= kinds[(unsigned char)text[i]];
    return all == kind;
}

bool
bl__is_token(const char *text, size_t n)
{
    return n > 0 && are_all(text, n, 1);
}

bool
bl__is_value(const char *text, size_t n)
{
    return are_all(text, n, 2);
}

/* --- life --------------------------------------------------------------------------- */

void
bl__header_init(bl_http_header *h, struct bl__arena *a, struct bl__field *fields,
                size_t first)
{
    h->arena = a;
    h->fields = fields;
    h->count = 0;
    h->room = fields ? first : 0;
}

bl_http_header *
bl_http_header_new(void)
{
    bl_http_header *h = malloc(sizeof *h);

    if (!h)
        return NULL;
    bl__arena_init(&h->own, NULL, 0);
    bl__header_init(h, &h->own, NULL, 0);
    return h;
}

void
bl_http_header_free(bl_http_header *h)
{
    if (!h)
        return;
    bl__arena_reset(&h->own);
    free(h);
}

/* --- look ------------------------------------------------------------------------------ */

const struct bl__field *
bl__header_find(const bl_http_header *h, const char *name, size_t name_size,
                const struct bl__field *after)
{
    size_t i = after ? (size_t)(after - h->fields) + 1 : 0;

    for (; i < h->count; i++)
        if (h->fields[i].name_size == name_size &&
            strncasecmp(h->fields[i].name, name, name_size) == 0)
            return &h->fields[i];
    return NULL;
}

const char *
bl_http_header_get(const bl_http_header *h, const char *name)
{
    const struct bl__field *f = bl__header_find(h, name, strlen(name), NULL);

    return f ? f->value : NULL;
}

size_t
bl_http_header_count(const bl_http_header *h)
{
    return h->count;
}

bool
bl_http_header_at(const bl_http_header *h, size_t i, const char **name, const char **value)
{
    if (i >= h->count)
        return false;
    *name = h->fields[i].name;
    *value = h->fields[i].value;
    return true;
}

bool
bl__list_has(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list + strspn(list, " \t,"); *p; p += strspn(p, " \t,")) {
        size_t all = strcspn(p, ","), size = all;

        while (size > 0 && (p[size - 1] == ' ' || p[size - 1] == '\t'))
            size--;
        if (size == n && strncasecmp(p, word, n) == 0)
            return true;
        p += all;
    }
    return false;
}

bool
bl_http_header_has(const bl_http_header *h, const char *name, const char *word)
{
    const struct bl__field *f = NULL;
    size_t n = strlen(name);

    while ((f = bl__header_find(h, name, n, f)))
        if (bl__list_has(f->value, word))
            return true;
    return false;
}

/* --- change ---------------------------------------------------------------------------- */

bool
bl__header_put(bl_http_header *h, const struct bl__field *field)
{
    if (BL__UNLIKELY(h->count == h->room)) {
        size_t room = h->room ? 2 * h->room : ROOM;
        struct bl__field *more = bl__arena_try(h->arena, room * sizeof *more);

        if (!more)
            return false;
        if (h->count)
            memcpy(more, h->fields, h->count * sizeof *more);
        h->fields = more;
        h->room = room;
    }
    h->fields[h->count++] = *field;
    return true;
}

static void
check(const char *name, size_t n, const char *value, size_t size)
{
    if (!bl__is_token(name, n))
        bl_panic("http: invalid header field name \"%s\"", name);
    if (size > UINT32_MAX || !bl__is_value(value, size))
        bl_panic("http: invalid header field value for \"%s\"", name);
}

/* Blanks around a value do not belong to it. */
static struct bl__field
copy_of(bl_http_header *h, const char *name, const char *value)
{
    size_t n = strlen(name), size;
    struct bl__field f;

    value += strspn(value, " \t");
    size = strlen(value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        size--;
    check(name, n, value, size);
    f.name = bl__arena_copy(h->arena, name, n);
    f.value = bl__arena_copy(h->arena, value, size);
    f.name_size = (uint32_t)n;
    f.value_size = (uint32_t)size;
    return f;
}

void
bl_http_header_add(bl_http_header *h, const char *name, const char *value)
{
    struct bl__field f = copy_of(h, name, value);

    if (!bl__header_put(h, &f))
        bl_panic_error(bl_error_from_errno(ENOMEM));
}

static void
remove_from(bl_http_header *h, size_t i, const char *name, size_t n)
{
    size_t kept = i;

    for (; i < h->count; i++)
        if (h->fields[i].name_size != n || strncasecmp(h->fields[i].name, name, n) != 0)
            h->fields[kept++] = h->fields[i];
    h->count = kept;
}

void
bl_http_header_set(bl_http_header *h, const char *name, const char *value)
{
    struct bl__field *f =
        (struct bl__field *)bl__header_find(h, name, strlen(name), NULL);

    if (!f) {
        bl_http_header_add(h, name, value);
        return;
    }
    *f = copy_of(h, name, value);
    remove_from(h, (size_t)(f - h->fields) + 1, f->name, f->name_size);
}

void
bl_http_header_remove(bl_http_header *h, const char *name)
{
    remove_from(h, 0, name, strlen(name));
}
