/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* pprof_read.h - a profile in pprof's format (profile.proto), decoded.
 *
 * What a decoded profile says of itself holds: indices are within their arrays, every
 * sample has a value for each type, strings are clean text.  All of its memory is in
 * one arena. */
#ifndef BELAY_PPROF_READ_H
#define BELAY_PPROF_READ_H

#include "tool.h"

enum { PPROF_NONE = UINT32_MAX };

struct pprof_type {
    const char *type, *unit;
};

struct pprof_mapping {
    uint64_t id, start, limit, offset;
    const char *file, *build_id;
    bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct pprof_function {
    uint64_t id;
    const char *name, *system_name, *file;
    int64_t start_line;
};

struct pprof_line {
    uint32_t function; /* index, or PPROF_NONE */
    int64_t line, column;
};

struct pprof_location {
    uint64_t id, address;
    uint32_t mapping;         /* index, or PPROF_NONE */
    uint32_t nlines;
    struct pprof_line *lines; /* innermost inlined function first, the real one last */
    bool is_folded;
};

struct pprof_label {
    const char *key, *text; /* text NULL: it is a number */
    int64_t number;
    const char *unit;       /* of a number; "": not said */
};

struct pprof_sample {
    uint32_t *locations; /* indices, leaf first */
    int64_t *values;
    struct pprof_label *labels;
    uint32_t nlocations, nlabels;
    bool is_base; /* of the profile that this one is compared with */
};

struct pprof {
    struct pprof_type *types;
    struct pprof_sample *samples;
    struct pprof_mapping *mappings;
    struct pprof_location *locations;
    struct pprof_function *functions;
    const char **comments;
    uint32_t ntypes, nsamples, nmappings, nlocations, nfunctions, ncomments;
    struct pprof_type period_type;
    int64_t period, time_ns, duration_ns;
    const char *drop_frames, *keep_frames, *default_type, *doc_url;
    struct arena arena;
};

/* Decodes size bytes (not gzip).  False: `why` says at which byte what is wrong, and
 * nothing has to be freed. */
bool pprof_decode(struct pprof *p, const void *data, size_t size, char *why, size_t room);
void pprof_free(struct pprof *p);

/* Reads and decodes a file or URL.  What is short of a URL's path is filled in:
 * http://host:port is its /debug/pprof/profile.  False: it has said why. */
bool pprof_open(struct pprof *p, const char *name, int seconds);

/* (pprof_merge.c) into = a + sign * b.  With mark_base, b's samples stay apart and
 * are marked.  `into` takes a's and b's memory over.  False: it has said why, and a
 * and b are as they were. */
bool pprof_merge(struct pprof *into, struct pprof *a, struct pprof *b, int sign,
                 bool mark_base);

/* Scales b so that each type's sum is a's. */
void pprof_normalize(struct pprof *b, const struct pprof *a);

/* (pprof_view.c) The type called so (its name or number; NULL: the default), or
 * PPROF_NONE after a complaint. */
uint32_t pprof_type_named(const struct pprof *p, const char *name);

/* The function's name; "[prog]", perhaps in scratch, or "<unknown>" where there is
 * none.  A location without lines has one frame, 0. */
const char *pprof_frame_name(const struct pprof *p, const struct pprof_location *l,
                             uint32_t line, char *scratch, size_t size);

static inline uint32_t
pprof_frames(const struct pprof_location *l)
{
    return l->nlines ? l->nlines : 1;
}

/* Drops the frames that the profile itself calls uninteresting. */
bool pprof_prune(struct pprof *p);

/* Keeps the samples of which a frame matches focus, and none ignore.  NULL: all. */
bool pprof_filter(struct pprof *p, const char *focus, const char *ignore);

/* Values overflow as Go's do: they wrap around. */
static inline int64_t
pprof_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t
pprof_abs(int64_t v)
{
    return v < 0 ? (int64_t)(0 - (uint64_t)v) : v;
}

#endif
