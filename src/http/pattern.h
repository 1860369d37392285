/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/pattern.h - patterns of the router, how they relate to each other (pattern.c,
 * conflict.c), and paths (path.c).  Nothing here knows requests. */
#ifndef BELAY_HTTP_PATTERN_H
#define BELAY_HTTP_PATTERN_H

#include "base/hex.h"

#include <belay/errors.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- pattern.c ------------------------------------------------------------------------ */

/* "a" is a literal, decoded; "{x}" is wild; "{x...}" is wild and multi, and so is what
 * stands for all below a "/" at the end, without a name; "{$}" is the literal "/". */
struct bl__segment {
    const char *s; /* the literal or the name, and a zero */
    size_t n;
    bool wild, multi;
};

struct bl__pattern {
    const char *text;          /* as it was given */
    const char *method, *host; /* "": any */
    const char *place;         /* "file.c:12", where it was added */
    size_t count;              /* of segments; 1 at least */
    size_t names;              /* how many of them have a value */
    struct bl__pattern *next;  /* of the same router */
    struct bl__segment segments[];
};

/* Reads a pattern.  The error is Go's.  Owner: caller, free(). */
bl_error *bl__pattern_parse(const char *text, const char *place, struct bl__pattern **p);

static inline const struct bl__segment *
bl__pattern_last(const struct bl__pattern *p)
{
    return &p->segments[p->count - 1];
}

/* --- conflict.c ----------------------------------------------------------------------- */

/* Whether there is a request that both would take, and neither is the more specific. */
bool bl__pattern_conflicts(const struct bl__pattern *p, const struct bl__pattern *q);

/* What to tell who has added p, which conflicts with q. */
bl_error *bl__pattern_conflict(const struct bl__pattern *p, const struct bl__pattern *q);

/* Where patterns are that might conflict with another: those with the same literal, or a
 * wildcard, at the same position. */
struct bl__list {
    struct bl__pattern **at;
    size_t count, room;
};

struct bl__index {
    struct bl__index_entry *entries; /* open addressing */
    size_t count, room;
    struct bl__list multis, others;  /* in the order in which they came */
};

/* The first that conflicts with p, in Go's order; NULL. */
const struct bl__pattern *bl__index_find(const struct bl__index *index,
                                         const struct bl__pattern *p);
/* false when memory is short: then p may be in a part of it. */
bool bl__index_add(struct bl__index *index, struct bl__pattern *p);
void bl__index_free(struct bl__index *index);

/* --- path.c --------------------------------------------------------------------------- */

/* Whether the path needs no cleaning: begins with '/', has no "//", "/./", "/../". */
bool bl__path_is_clean(const char *path, size_t n);

/* Writes the clean path, which is no longer than n + 1, and a zero to `to`; a '/' at the
 * end stays.  Returns its length. */
size_t bl__path_clean(const char *path, size_t n, char *to);

/* Whether all bytes of an encoded path may stand there. */
bool bl__path_is_encoded(const char *path, size_t n);

/* Writes n bytes as a part of a URL's path, with a zero, to `to`, which has room for
 * 3 * n + 1; keep_percent: what is encoded stays so.  Returns the length. */
size_t bl__path_encode(const char *path, size_t n, char *to, bool keep_percent);

/* Whether every '%' is followed by two hexadecimal digits. */
bool bl__path_can_decode(const char *path, size_t n);
/* Decodes what can be decoded.  Returns the length; to may be path. */
size_t bl__path_decode(const char *path, size_t n, char *to);

/* FNV-1a. */
#define BL__HASH_START UINT32_C(2166136261)

static inline uint32_t
bl__hash_byte(uint32_t hash, unsigned char c)
{
    return (hash ^ c) * UINT32_C(16777619);
}

static inline uint32_t
bl__hash_text(uint32_t hash, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = bl__hash_byte(hash, (unsigned char)s[i]);
    return hash;
}

#endif
