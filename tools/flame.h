/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* flame.h - the tree of calls that a flame graph draws, and its three forms. */
#ifndef BELAY_FLAME_H
#define BELAY_FLAME_H

#include "pprof_read.h"

enum { FLAME_INLINE = 1, FLAME_FOLDED = 2 }; /* flags of a frame */

struct flame_node {
    uint32_t parent, name;
    uint32_t first, next;  /* child, sibling; in the order of names after cutting */
    uint32_t flags;
    int64_t *values;       /* of each type; with a base, then those of the base */
    double weight;         /* the largest share of any type */
    uint64_t *amounts;     /* sums of amounts: for profiles with negative values */
};

struct flame {
    const struct pprof_type *types;
    uint32_t ntypes, default_type;
    bool has_base, fold;
    struct flame_node *nodes; /* 0 is the root */
    uint32_t nnodes, room;
    struct table names, children;
    const char **files;    /* of each name, where known */
    uint32_t files_room;
    struct arena arena;
    uint32_t ncut;         /* nodes that flame_cut() has left out */
    double greatest_cut;   /* the largest of their shares */
};

/* fold: repeated cycles of calls are drawn a few times only. */
void flame_start(struct flame *f, const struct pprof *p, uint32_t type, bool has_base,
                 bool fold);
void flame_add(struct flame *f, const struct pprof *p, bool as_base);

/* Leaves at most limit nodes, the heaviest, and sorts children by name. */
void flame_cut(struct flame *f, uint32_t limit);
void flame_free(struct flame *f);

static inline const char *
flame_name(const struct flame *f, uint32_t node)
{
    return f->names.keys[f->nodes[node].name].data;
}

/* Is left out. */
static inline bool
flame_is_cut(const struct flame_node *n)
{
    return n->weight < 0;
}

void flame_page(const struct flame *f, const char *title, FILE *to);     /* flame_page.c */
void flame_svg(const struct flame *f, const char *title, FILE *to);      /* flame_svg.c */
void flame_collapsed(const struct flame *f, FILE *to);

/* What children of a node, cut ones included, have not taken. */
int64_t flame_self(const struct flame *f, uint32_t node, uint32_t type);

#endif
