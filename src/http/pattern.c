/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/pattern.c - reading "[METHOD ][HOST]/[PATH]".  What is wrong with a pattern is said
 * in Go's words, with the offset at which it begins to be. */
#include "http/pattern.h"

#include "http/text.h"

#include <stdlib.h>
#include <string.h>

/* What is being read. */
struct reading {
    const char *text, *at; /* all of it; what is left */
    size_t offset;         /* of what an error is about */
    char *strings;         /* where the next text goes: behind the segments */
    struct bl__pattern *p;
};

static char *
keep(struct reading *r, const char *text, size_t n)
{
    char *kept = r->strings;

    memcpy(kept, text, n);
    kept[n] = '\0';
    r->strings += n + 1;
    return kept;
}

static bl_error *
wrong(const struct reading *r, const char *what)
{
    struct bl__out out = {0};

    bl__out_text(&out, "parsing ");
    bl__out_quoted(&out, r->text, strlen(r->text));
    bl__out_print(&out, ": at offset %zu: %s", r->offset, what);
    return bl__out_error(&out);
}

static bl_error *
wrong_name(const struct reading *r, const char *what, const char *name, size_t n)
{
    struct bl__out out = {0};
    bl_error *err;

    bl__out_text(&out, what);
    bl__out_quoted(&out, name, n);
    err = wrong(r, out.text ? out.text : what);
    free(out.text);
    return err;
}

/* --- method and host ---------------------------------------------------------------------- */

static bool
is_method(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c <= ' ' || c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return true;
}

static bl_error *
read_method(struct reading *r)
{
    size_t n = strcspn(r->text, " \t");

    r->p->method = "";
    if (!r->text[n])
        return NULL;
    if (!is_method(r->text, n))
        return wrong_name(r, "invalid method ", r->text, n);
    r->p->method = keep(r, r->text, n);
    r->offset = n + 1;
    r->at += n + 1;
    r->at += strspn(r->at, " \t");
    return NULL;
}

/* A path that is cleaned before it is looked for can't be found when it is not clean. */
static bool
is_found(const struct reading *r)
{
    return !*r->p->method || strcmp(r->p->method, "CONNECT") == 0 ||
           bl__path_is_clean(r->at, strlen(r->at));
}

static bl_error *
read_host(struct reading *r)
{
    size_t n = strcspn(r->at, "/");
    const char *brace = memchr(r->at, '{', n);

    if (!r->at[n])
        return wrong(r, "host/path missing /");
    if (brace) {
        r->offset += (size_t)(brace - r->at);
        return wrong(r, "host contains '{' (missing initial '/'?)");
    }
    r->p->host = keep(r, r->at, n);
    r->offset += n;
    r->at += n;
    return is_found(r) ? NULL
                       : wrong(r, "non-CONNECT pattern with unclean path can never match");
}

/* --- segments ----------------------------------------------------------------------------- */

/* A letter, digit or '_' of ASCII; else, as long as it is UTF-8, anything: what a letter
 * is there, only Unicode's tables know. */
static bool
is_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        size_t size = bl__utf8_size(s + i, n - i);

        if (size == 0)
            return false;
        if (size == 1 && !(c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                           (i > 0 && c >= '0' && c <= '9')))
            return false;
        i += size;
    }
    return n > 0;
}

static bool
has_name(const struct bl__pattern *p, const char *name, size_t n)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct bl__segment *s = &p->segments[i];

        if (s->wild && s->n == n && memcmp(s->s, name, n) == 0)
            return true;
    }
    return false;
}

static void
add_segment(struct reading *r, const char *s, size_t n, bool wild, bool multi)
{
    struct bl__segment *segment = &r->p->segments[r->p->count++];

    *segment = (struct bl__segment){keep(r, s, n), n, wild, multi};
    r->p->names += wild && n;
}

static void
add_literal(struct reading *r, const char *s, size_t n)
{
    char *kept = r->strings;

    add_segment(r, s, n, false, false);
    if (!memchr(s, '%', n) || !bl__path_can_decode(s, n))
        return;
    n = bl__path_decode(s, n, kept);
    kept[n] = '\0';
    r->p->segments[r->p->count - 1].n = n;
}

/* name: what is between the braces. */
static bl_error *
read_wildcard(struct reading *r, const char *name, size_t n)
{
    bool multi = n >= 3 && memcmp(name + n - 3, "...", 3) == 0;

    if (n == 1 && *name == '$') {
        if (*r->at)
            return wrong(r, "{$} not at end");
        add_segment(r, "/", 1, false, false);
        return NULL;
    }
    if (multi && *r->at)
        return wrong(r, "{...} wildcard not at end");
    n -= multi ? 3 : 0;
    if (n == 0)
        return wrong(r, "empty wildcard");
    if (!is_name(name, n))
        return wrong_name(r, "bad wildcard name ", name, n);
    if (has_name(r->p, name, n))
        return wrong_name(r, "duplicate wildcard name ", name, n);
    add_segment(r, name, n, true, multi);
    return NULL;
}

/* r->at is at a slash. */
static bl_error *
read_segment(struct reading *r)
{
    const char *s = ++r->at, *brace;
    size_t n = strcspn(s, "/");

    r->offset = (size_t)(s - r->text);
    if (!*s) {
        add_segment(r, "", 0, true, true);
        return NULL;
    }
    r->at += n;
    brace = memchr(s, '{', n);
    if (!brace) {
        add_literal(r, s, n);
        return NULL;
    }
    if (brace != s)
        return wrong(r, "bad wildcard segment (must start with '{')");
    if (s[n - 1] != '}')
        return wrong(r, "bad wildcard segment (must end with '}')");
    return read_wildcard(r, s + 1, n - 2);
}

static bl_error *
read_all(struct reading *r)
{
    bl_error *err = read_method(r);

    if (!err)
        err = read_host(r);
    while (!err && *r->at)
        err = read_segment(r);
    return err;
}

/* The strings are no longer than the text, but for a zero behind each: method, host, as
 * many segments as there are slashes, and the "/" of a "{$}". */
static struct bl__pattern *
make_pattern(const char *text, const char *place, char **strings)
{
    size_t n = strlen(text), slashes = 0, head;
    struct bl__pattern *p;

    for (const char *s = text; *s; s++)
        slashes += *s == '/';
    head = sizeof *p + slashes * sizeof *p->segments;
    p = calloc(1, head + 2 * (n + 1) + strlen(place) + 1 + slashes + 4);
    if (!p)
        return NULL;
    p->text = memcpy((char *)p + head, text, n + 1);
    p->place = memcpy((char *)p + head + n + 1, place, strlen(place) + 1);
    *strings = (char *)p + head + n + 1 + strlen(place) + 1;
    return p;
}

bl_error *
bl__pattern_parse(const char *text, const char *place, struct bl__pattern **p)
{
    struct reading r = {.text = text, .at = text};
    bl_error *err;

    r.p = make_pattern(text, place, &r.strings);
    if (!r.p)
        return bl_error_from_errno(12 /* ENOMEM */);
    err = read_all(&r);
    if (err)
        free(r.p);
    else
        *p = r.p;
    return err;
}
