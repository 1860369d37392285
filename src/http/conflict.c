/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/conflict.c - how two patterns relate to each other, and what to say when neither is
 * the more specific.  The index keeps adding a pattern from being compared with all. */
#include "http/pattern.h"
#include "http/text.h"

#include <stdlib.h>
#include <string.h>

/* Two sets of requests, seen from the first. */
enum relation { EQUAL, GENERAL, SPECIFIC, DISJOINT, OVERLAP };

static bool
same_text(const struct bl__segment *s, const struct bl__segment *t)
{
    return s->n == t->n && memcmp(s->s, t->s, s->n) == 0;
}

static bool
is_slash(const struct bl__segment *s)
{
    return !s->wild && s->n == 1 && *s->s == '/';
}

/* What two parts say about the whole. */
static enum relation
combine(enum relation a, enum relation b)
{
    if (a == DISJOINT || b == DISJOINT)
        return DISJOINT;
    if (a == OVERLAP || b == OVERLAP)
        return OVERLAP;
    if (a == EQUAL || a == b)
        return b;
    return b == EQUAL ? a : OVERLAP;
}

static enum relation
relate_methods(const struct bl__pattern *p, const struct bl__pattern *q)
{
    if (strcmp(p->method, q->method) == 0)
        return EQUAL;
    if (!*p->method)
        return GENERAL;
    if (!*q->method)
        return SPECIFIC;
    if (strcmp(p->method, "GET") == 0 && strcmp(q->method, "HEAD") == 0)
        return GENERAL;
    if (strcmp(p->method, "HEAD") == 0 && strcmp(q->method, "GET") == 0)
        return SPECIFIC;
    return DISJOINT;
}

/* A single wildcard does not take a slash at the end. */
static enum relation
relate_segments(const struct bl__segment *s, const struct bl__segment *t)
{
    if (s->multi || t->multi)
        return s->multi && t->multi ? EQUAL : s->multi ? GENERAL : SPECIFIC;
    if (s->wild && t->wild)
        return EQUAL;
    if (s->wild)
        return is_slash(t) ? DISJOINT : GENERAL;
    if (t->wild)
        return is_slash(s) ? DISJOINT : SPECIFIC;
    return same_text(s, t) ? EQUAL : DISJOINT;
}

static enum relation
relate_paths(const struct bl__pattern *p, const struct bl__pattern *q)
{
    size_t n = p->count < q->count ? p->count : q->count;
    enum relation relation = EQUAL;

    for (size_t i = 0; i < n && relation != DISJOINT; i++)
        relation = combine(relation, relate_segments(&p->segments[i], &q->segments[i]));
    if (p->count == q->count || relation == DISJOINT)
        return relation;
    /* the shorter one must take the rest of the longer one */
    if (p->count < q->count)
        return bl__pattern_last(p)->multi ? combine(relation, GENERAL) : DISJOINT;
    return bl__pattern_last(q)->multi ? combine(relation, SPECIFIC) : DISJOINT;
}

bool
bl__pattern_conflicts(const struct bl__pattern *p, const struct bl__pattern *q)
{
    enum relation relation;

    if (strcmp(p->host, q->host) != 0)
        return false; /* one with a host wins over one without */
    relation = relate_methods(p, q);
    if (relation != DISJOINT)
        relation = combine(relation, relate_paths(p, q));
    return relation == EQUAL || relation == OVERLAP;
}

/* --- examples of paths ------------------------------------------------------------------ */

static void
put_segment(struct bl__out *path, const struct bl__segment *s)
{
    bl__out_text(path, "/");
    if (!s->multi && !is_slash(s))
        bl__out_bytes(path, s->s, s->n);
}

static void
put_rest(struct bl__out *path, const struct bl__pattern *p, size_t from)
{
    for (size_t i = from; i < p->count; i++)
        put_segment(path, &p->segments[i]);
}

static void
quote_path(struct bl__out *out, struct bl__out *path)
{
    bl__out_quoted(out, path->text ? path->text : "", path->n);
    free(path->text);
}

/* One that both take. */
static void
put_common(struct bl__out *out, const struct bl__pattern *p, const struct bl__pattern *q)
{
    struct bl__out path = {0};
    size_t i;

    for (i = 0; i < p->count && i < q->count; i++) {
        const struct bl__segment *s = &p->segments[i];

        put_segment(&path, s->wild ? &q->segments[i] : s);
    }
    put_rest(&path, p->count > i ? p : q, i);
    quote_path(out, &path);
}

/* A segment that s takes and t does not, where they are of different kinds.  Returns
 * whether the path is at its end. */
static bool
put_other(struct bl__out *path, const struct bl__segment *s, const struct bl__segment *t)
{
    if (s->multi) {
        /* a slash is different, unless that is what t takes */
        bl__out_text(path, "/");
        if (!t->multi && t->n == 1 && *t->s == '/') {
            if (s->n)
                bl__out_bytes(path, s->s, s->n);
            else
                bl__out_text(path, "x");
        }
        return true;
    }
    if (s->wild && !t->wild && same_text(s, t)) {
        put_segment(path, s);
        bl__out_text(path, "x");
    } else {
        put_segment(path, s);
    }
    return false;
}

/* One that p takes and q does not. */
static void
put_difference(struct bl__out *out, const struct bl__pattern *p,
               const struct bl__pattern *q)
{
    struct bl__out path = {0};
    bool done = false;
    size_t i;

    for (i = 0; !done && i < p->count && i < q->count; i++)
        done = put_other(&path, &p->segments[i], &q->segments[i]);
    if (!done)
        put_rest(&path, p->count > i ? p : q, i);
    quote_path(out, &path);
}

/* --- what to say -------------------------------------------------------------------------- */

static void
put_overlap(struct bl__out *out, const struct bl__pattern *p, const struct bl__pattern *q)
{
    bl__out_print(out, "%s and %s both match some paths, like ", p->text, q->text);
    put_common(out, p, q);
    bl__out_print(out, ".\nBut neither is more specific than the other.\n%s matches ",
                  p->text);
    put_difference(out, p, q);
    bl__out_print(out, ", but %s doesn't.\n%s matches ", q->text, q->text);
    put_difference(out, q, p);
    bl__out_print(out, ", but %s doesn't.", p->text);
}

static void
put_reason(struct bl__out *out, const struct bl__pattern *p, const struct bl__pattern *q)
{
    enum relation methods = relate_methods(p, q), paths = relate_paths(p, q);

    if (paths == OVERLAP)
        put_overlap(out, p, q);
    else if (methods == EQUAL && paths == EQUAL)
        bl__out_print(out, "%s matches the same requests as %s", p->text, q->text);
    else
        bl__out_print(out, "%s matches %s methods than %s, but has a more %s path pattern",
                      p->text, methods == GENERAL ? "more" : "fewer", q->text,
                      methods == GENERAL ? "specific" : "general");
}

bl_error *
bl__pattern_conflict(const struct bl__pattern *p, const struct bl__pattern *q)
{
    struct bl__out out = {0};

    bl__out_text(&out, "pattern ");
    bl__out_quoted(&out, p->text, strlen(p->text));
    bl__out_print(&out, " (registered at %s) conflicts with pattern ", p->place);
    bl__out_quoted(&out, q->text, strlen(q->text));
    bl__out_print(&out, " (registered at %s):\n", q->place);
    put_reason(&out, p, q);
    return bl__out_error(&out);
}

/* --- index -------------------------------------------------------------------------------- */

/* A segment at a position; all wildcards are the same one. */
struct bl__index_entry {
    const struct bl__segment *s; /* NULL: free */
    size_t position;
    struct bl__list list;
};

static bool
list_add(struct bl__list *list, struct bl__pattern *p)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 4;
        struct bl__pattern **at = realloc(list->at, room * sizeof *at);

        if (!at)
            return false;
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = p;
    return true;
}

static const struct bl__pattern *
list_find(const struct bl__list *list, const struct bl__pattern *p)
{
    for (size_t i = 0; i < list->count; i++)
        if (bl__pattern_conflicts(p, list->at[i]))
            return list->at[i];
    return NULL;
}

static struct bl__index_entry *
entry_of(const struct bl__index *index, const struct bl__segment *s, size_t position)
{
    uint32_t hash = BL__HASH_START ^ (uint32_t)position;

    if (!s->wild)
        hash = bl__hash_text(hash, s->s, s->n);
    for (size_t i = hash;; i++) {
        struct bl__index_entry *e = &index->entries[i & (index->room - 1)];

        if (!e->s || (e->position == position && e->s->wild == s->wild &&
                      (s->wild || same_text(e->s, s))))
            return e;
    }
}

/* A quarter stays free at least: entry_of() comes to an end. */
static bool
index_grow(struct bl__index *index)
{
    struct bl__index bigger = {.room = index->room ? 2 * index->room : 16};

    if (4 * index->count < 3 * index->room)
        return true;
    bigger.entries = calloc(bigger.room, sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < index->room; i++) {
        struct bl__index_entry *e = &index->entries[i];

        if (e->s)
            *entry_of(&bigger, e->s, e->position) = *e;
    }
    free(index->entries);
    index->entries = bigger.entries;
    index->room = bigger.room;
    return true;
}

bool
bl__index_add(struct bl__index *index, struct bl__pattern *p)
{
    if (bl__pattern_last(p)->multi)
        return list_add(&index->multis, p);
    for (size_t i = 0; i < p->count; i++) {
        struct bl__index_entry *e;

        if (!index_grow(index))
            return false;
        e = entry_of(index, &p->segments[i], i);
        index->count += !e->s;
        e->s = &p->segments[i];
        e->position = i;
        if (!list_add(&e->list, p))
            return false;
    }
    return list_add(&index->others, p);
}

/* The position at which fewest have the same literal or a wildcard; p->count: it has no
 * literal. */
static size_t
best_position(const struct bl__index *index, const struct bl__pattern *p)
{
    static const struct bl__segment wildcard = {.wild = true};
    size_t best = p->count, least = SIZE_MAX;

    for (size_t i = 0; i < p->count; i++) {
        size_t n;

        if (p->segments[i].wild)
            continue;
        n = entry_of(index, &p->segments[i], i)->list.count +
            entry_of(index, &wildcard, i)->list.count;
        if (n < least) {
            least = n;
            best = i;
        }
    }
    return best;
}

const struct bl__pattern *
bl__index_find(const struct bl__index *index, const struct bl__pattern *p)
{
    static const struct bl__segment wildcard = {.wild = true};
    const struct bl__pattern *q = list_find(&index->multis, p);
    size_t i;

    if (q || !index->room)
        return q;
    if (is_slash(bl__pattern_last(p))) /* takes what no wildcard takes */
        return list_find(&entry_of(index, bl__pattern_last(p), p->count - 1)->list, p);
    i = best_position(index, p);
    if (i == p->count)
        return list_find(&index->others, p);
    q = list_find(&entry_of(index, &p->segments[i], i)->list, p);
    return q ? q : list_find(&entry_of(index, &wildcard, i)->list, p);
}

void
bl__index_free(struct bl__index *index)
{
    for (size_t i = 0; i < index->room; i++)
        free(index->entries[i].list.at);
    free(index->entries);
    free(index->multis.at);
    free(index->others.at);
    *index = (struct bl__index){0};
}
