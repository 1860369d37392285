/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/url.c - URLs: read, resolved, written, in Go's words and with its decisions where
 * RFC 3986 leaves some.  tests/differential/urls.py compares. */
#define _GNU_SOURCE
#include "http/url.h"

#include <errno.h>
#include <stdlib.h>

void
bl__url_free(struct bl__url *u)
{
    free(u->memory);
    u->memory = NULL;
}

/* --- read ---------------------------------------------------------------------------------- */

static bool
has_control(struct bl__span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
            return true;
    return false;
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Takes "scheme:" off the front of *rest, if that is there. */
static bl_error *
parse_scheme(struct bl__url *u, struct bl__span *rest, char **memory)
{
    size_t i = 0;

    while (i < rest->n && (is_letter(rest->at[i]) ||
                           (i > 0 && memchr("0123456789+-.", rest->at[i], 13))))
        i++;
    if (i == rest->n || rest->at[i] != ':')
        return NULL;
    if (i == 0)
        return bl_error_new("missing protocol scheme");
    u->scheme = (struct bl__span){*memory, i};
    for (size_t k = 0; k < i; k++)
        *(*memory)++ = (char)(is_letter(rest->at[k]) ? rest->at[k] | 0x20 : rest->at[k]);
    *rest = bl__span_from(*rest, i + 1);
    return NULL;
}

static void
parse_query(struct bl__url *u, struct bl__span *rest)
{
    size_t i = bl__span_find(*rest, '?');

    if (i == rest->n)
        return;
    u->query = bl__span_from(*rest, i + 1);
    u->force_query = u->query.n == 0;
    rest->n = i;
}

static bl_error *
set_path(struct bl__url *u, struct bl__span text, char **memory)
{
    u->raw_path = bl__is_usual_escape(text, BL__IN_PATH) ? (struct bl__span){0} : text;
    return bl__url_unescape(text, BL__IN_PATH, memory, &u->path);
}

/* Of a relative URL: "a:b" would be taken for a scheme. */
static bool
has_colon_first(struct bl__span s)
{
    return bl__span_find(bl__span_to(s, bl__span_find(s, '/')), ':') <
           bl__span_find(s, '/');
}

static bl_error *
parse_authority(struct bl__url *u, struct bl__span *rest, char **memory)
{
    struct bl__span authority;

    if ((u->scheme.n > 0 || !bl__span_begins(*rest, BL__SPAN("///"))) &&
        bl__span_begins(*rest, BL__SPAN("//"))) {
        authority = bl__span_from(*rest, 2);
        authority.n = bl__span_find(authority, '/');
        *rest = bl__span_from(*rest, 2 + authority.n);
        return bl__url_parse_authority(u, authority, memory);
    }
    u->omit_host = u->scheme.n > 0 && rest->n > 0 && *rest->at == '/';
    return NULL;
}

/* All but the fragment. */
static bl_error *
parse_front(struct bl__url *u, struct bl__span rest, char **memory)
{
    bl_error *err;

    if (has_control(rest))
        return bl_error_new("net/url: invalid control character in URL");
    if (bl__span_equal(rest, BL__SPAN("*"))) {
        u->path = rest;
        return NULL;
    }
    err = parse_scheme(u, &rest, memory);
    if (err)
        return err;
    parse_query(u, &rest);
    if ((rest.n == 0 || *rest.at != '/') && u->scheme.n > 0) {
        u->opaque = rest;
        return NULL;
    }
    if (has_colon_first(rest))
        return bl_error_new("first path segment in URL cannot contain colon");
    err = parse_authority(u, &rest, memory);
    return err ? err : set_path(u, rest, memory);
}

static bl_error *
parse_fragment(struct bl__url *u, struct bl__span text, char **memory)
{
    if (!bl__is_usual_escape(text, BL__IN_FRAGMENT))
        u->raw_fragment = text;
    return bl__url_unescape(text, BL__IN_FRAGMENT, memory, &u->fragment);
}

/* What is decoded is not longer than what is read, so there is room for both. */
bl_error *
bl__url_parse(struct bl__span text, struct bl__url *u)
{
    size_t hash = bl__span_find(text, '#');
    struct bl__span shown = bl__span_to(text, hash);
    char *memory;
    bl_error *err;

    *u = (struct bl__url){.memory = malloc(2 * text.n + 2)};
    if (!u->memory)
        return bl_error_from_errno(ENOMEM);
    memory = u->memory + text.n;
    if (text.n > 0)
        memcpy(u->memory, text.at, text.n);
    err = parse_front(u, (struct bl__span){u->memory, hash}, &memory);
    if (!err && hash < text.n) {
        shown = text;
        err = parse_fragment(u, (struct bl__span){u->memory + hash + 1, text.n - hash - 1},
                             &memory);
    }
    if (!err)
        return NULL;
    bl__url_free(u);
    return bl__quoted_error("parse ", shown, ": ", err);
}

/* --- write --------------------------------------------------------------------------------- */

static bool
is_as_written(const struct bl__url *u)
{
    return u->raw_path.n > 0 && bl__is_escaped(u->raw_path, BL__IN_PATH);
}

/* One of the two: as it was written, or as we would. */
static void
put_path(struct bl__sink *to, const struct bl__url *u)
{
    if (is_as_written(u))
        bl__sink_put(to, u->raw_path);
    else if (bl__span_equal(u->path, BL__SPAN("*")))
        bl__sink_put(to, u->path);
    else
        bl__url_escape(to, u->path, BL__IN_PATH);
}

static void
put_fragment(struct bl__sink *to, const struct bl__url *u)
{
    bl__sink_byte(to, '#');
    if (u->raw_fragment.n > 0 && bl__is_escaped(u->raw_fragment, BL__IN_FRAGMENT))
        bl__sink_put(to, u->raw_fragment);
    else
        bl__url_escape(to, u->fragment, BL__IN_FRAGMENT);
}

static void
put_authority(struct bl__sink *to, const struct bl__url *u)
{
    if ((u->scheme.n == 0 || u->omit_host) && u->host.n == 0 && !u->has_user)
        return;
    if (u->host.n > 0 || u->path.n > 0 || u->has_user)
        bl__sink_put(to, BL__SPAN("//"));
    if (u->has_user) {
        bl__url_escape(to, u->user, BL__IN_USER);
        if (u->has_password)
            bl__sink_byte(to, ':');
        bl__url_escape(to, u->password, BL__IN_USER);
        bl__sink_byte(to, '@');
    }
    bl__url_escape(to, u->host, BL__IN_HOST);
}

static void
put_hierarchy(struct bl__sink *to, const struct bl__url *u)
{
    /* neither slashes nor colons are escaped by us */
    struct bl__span path = is_as_written(u) ? u->raw_path : u->path;

    put_authority(to, u);
    if (path.n > 0 && *path.at != '/' && u->host.n > 0)
        bl__sink_byte(to, '/');
    if (to->n == 0 && has_colon_first(path))
        bl__sink_put(to, BL__SPAN("./"));
    put_path(to, u);
}

static void
put_query(struct bl__sink *to, const struct bl__url *u)
{
    if (u->force_query || u->query.n > 0)
        bl__sink_byte(to, '?');
    bl__sink_put(to, u->query);
}

size_t
bl__url_text(const struct bl__url *u, char *buf, size_t size)
{
    struct bl__sink to = {buf, size, 0};

    if (u->scheme.n > 0) {
        bl__sink_put(&to, u->scheme);
        bl__sink_byte(&to, ':');
    }
    if (u->opaque.n > 0)
        bl__sink_put(&to, u->opaque);
    else
        put_hierarchy(&to, u);
    put_query(&to, u);
    if (u->fragment.n > 0)
        put_fragment(&to, u);
    return bl__sink_end(&to);
}

size_t
bl__url_target(const struct bl__url *u, char *buf, size_t size)
{
    struct bl__sink to = {buf, size, 0};

    if (u->opaque.n > 0) {
        if (bl__span_begins(u->opaque, BL__SPAN("//"))) {
            bl__sink_put(&to, u->scheme);
            bl__sink_byte(&to, ':');
        }
        bl__sink_put(&to, u->opaque);
    } else if (u->path.n == 0) {
        bl__sink_byte(&to, '/');
    } else {
        put_path(&to, u);
    }
    put_query(&to, u);
    return bl__sink_end(&to);
}

static bool
is_port(struct bl__span s)
{
    for (size_t i = 1; i < s.n; i++)
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
    return s.n > 0;
}

void
bl__url_split_host(const struct bl__url *u, struct bl__span *name, struct bl__span *port)
{
    size_t colon = bl__span_find_last(u->host, ':');

    *name = u->host;
    *port = (struct bl__span){"", 0};
    if (is_port(bl__span_from(u->host, colon))) {
        *name = bl__span_to(u->host, colon);
        *port = bl__span_from(u->host, colon + 1);
    }
    if (name->n >= 2 && *name->at == '[' && name->at[name->n - 1] == ']')
        *name = (struct bl__span){name->at + 1, name->n - 2};
}

/* --- resolve ------------------------------------------------------------------------------- */

/* The path of a URL, escaped, in memory of its own; NULL when that is short. */
static char *
copy_path(const struct bl__url *u, size_t *n)
{
    struct bl__sink to = {NULL, 0, 0};
    char *copy;

    put_path(&to, u);
    copy = malloc(to.n + 1);
    if (copy) {
        to = (struct bl__sink){copy, to.n + 1, 0};
        put_path(&to, u);
        *n = to.n;
    }
    return copy;
}

/* Cuts the last segment, and the slash in front of it, off `n` bytes of a path: the first
 * slash stays. */
static size_t
cut_segment(const char *path, size_t n)
{
    while (n > 1 && path[n - 1] != '/')
        n--;
    return n > 1 ? n - 1 : 1;
}

/* Writes a path without its "." and ".." to `to`, which has room for one byte more; it
 * begins with a slash. */
static struct bl__span
clean_path(struct bl__span rest, char *to)
{
    size_t n = 1, length;
    bool is_first = true, is_dot = false;

    if (rest.n == 0)
        return rest;
    *to = '/';
    for (;;) {
        struct bl__span segment = bl__span_to(rest, length = bl__span_find(rest, '/'));
        bool is_up = bl__span_equal(segment, BL__SPAN(".."));

        is_dot = is_up || bl__span_equal(segment, BL__SPAN("."));
        if (is_up)
            n = cut_segment(to, n);
        is_first = is_up ? n == 1 : is_first && !is_dot;
        if (!is_dot) {
            if (!is_first)
                to[n++] = '/';
            memmove(to + n, segment.at, segment.n);
            n += segment.n;
            is_first = false;
        }
        if (length == rest.n)
            break;
        rest = bl__span_from(rest, length + 1);
    }
    if (is_dot)
        to[n++] = '/';
    return n > 1 && to[1] == '/' ? (struct bl__span){to + 1, n - 1}
                                 : (struct bl__span){to, n};
}

/* What base and ref's paths make together, before it is cleaned. */
static struct bl__span
join_paths(struct bl__span base, struct bl__span ref, char *to)
{
    size_t n = 0;

    if (ref.n == 0)
        return base;
    if (*ref.at == '/')
        return ref;
    if (bl__span_find(base, '/') < base.n)
        n = bl__span_find_last(base, '/') + 1;
    if (n > 0)
        memcpy(to, base.at, n);
    memcpy(to + n, ref.at, ref.n);
    return (struct bl__span){to, n + ref.n};
}

/* Copies what u's pieces point to into memory of its own. */
static bl_error *
own_pieces(struct bl__url *u)
{
    struct bl__span *pieces[] = {&u->scheme, &u->opaque, &u->user, &u->password, &u->host,
                                 &u->path, &u->raw_path, &u->query, &u->fragment,
                                 &u->raw_fragment};
    enum { COUNT = sizeof pieces / sizeof *pieces };
    size_t n = 1;
    char *to;

    for (int i = 0; i < COUNT; i++)
        n += pieces[i]->n;
    u->memory = to = malloc(n);
    if (!to)
        return bl_error_from_errno(ENOMEM);
    for (int i = 0; i < COUNT; i++) {
        if (pieces[i]->n > 0)
            memcpy(to, pieces[i]->at, pieces[i]->n);
        pieces[i]->at = to;
        to += pieces[i]->n;
    }
    return NULL;
}

/* Gives u the joined and cleaned paths of base (NULL: none) and ref, and makes it own all
 * it has. */
static bl_error *
finish(struct bl__url *u, const struct bl__url *base, const struct bl__url *ref)
{
    static const struct bl__url none;
    struct bl__span a = {0}, b = {0}, joined;
    char *of_base = copy_path(base ? base : &none, &a.n), *of_ref = copy_path(ref, &b.n);
    char *both = malloc(3 * (a.n + b.n) + 8);
    bl_error *err = bl_error_from_errno(ENOMEM);
    char *memory = both;

    if (of_base && of_ref && both) {
        a.at = of_base;
        b.at = of_ref;
        joined = join_paths(a, b, memory);
        memory += a.n + b.n;
        joined = clean_path(joined, memory);
        memory += joined.n + 2;
        err = set_path(u, joined, &memory);
        err = err ? err : own_pieces(u);
    }
    free(of_base);
    free(of_ref);
    free(both);
    return err;
}

static void
forget_authority(struct bl__url *u)
{
    u->user = u->password = u->host = u->path = (struct bl__span){0};
    u->has_user = u->has_password = false;
}

bl_error *
bl__url_resolve(const struct bl__url *base, const struct bl__url *ref, struct bl__url *u)
{
    *u = *ref;
    if (ref->scheme.n == 0)
        u->scheme = base->scheme;
    if (ref->scheme.n > 0 || ref->host.n > 0 || ref->has_user)
        return finish(u, NULL, ref);
    if (ref->path.n == 0 && !ref->force_query && ref->query.n == 0) {
        u->query = base->query;
        if (ref->fragment.n == 0) {
            u->fragment = base->fragment;
            u->raw_fragment = base->raw_fragment;
        }
    }
    if (ref->opaque.n > 0 || (ref->path.n == 0 && base->opaque.n > 0)) {
        u->opaque = ref->opaque.n > 0 ? ref->opaque : base->opaque;
        forget_authority(u);
        return own_pieces(u);
    }
    u->host = base->host;
    u->user = base->user;
    u->password = base->password;
    u->has_user = base->has_user;
    u->has_password = base->has_password;
    return finish(u, base, ref);
}
