/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* graph.h - functions and calls of a profile, for one sample type. */
#ifndef BELAY_GRAPH_H
#define BELAY_GRAPH_H

#include "pprof_read.h"

struct graph_node {
    const char *name;
    int64_t flat, cum;
    uint32_t seen;     /* sample + 1 that has counted it last */
    bool is_out;       /* trimmed: neither shown nor counted */
};

struct graph_edge {
    uint32_t from, to; /* nodes: caller and callee */
    int64_t weight;
    uint32_t seen;
    bool is_inline;    /* each call of it was inlined */
};

struct graph {
    const struct pprof *p;
    uint32_t type;
    struct graph_node *nodes;
    struct graph_edge *edges;
    uint32_t nnodes, nedges, edges_room;
    uint32_t *first;   /* of a location's frames in node_of */
    uint32_t *node_of;
    uint32_t *order;   /* the nodes to be shown, in their order */
    uint32_t nshown, noriginal, ndropped;
    int64_t edge_cutoff;
    struct table names, calls;
};

struct graph_limits {
    double node_fraction, edge_fraction; /* below: left out */
    int limit;                           /* how many nodes; 0: all */
    bool by_cum;
};

/* Counts, leaves out and sorts.  Values are those of samples[...].values[type]. */
void graph_make(struct graph *g, const struct pprof *p, uint32_t type,
                const struct graph_limits *limits);
void graph_free(struct graph *g);

static inline bool
graph_edge_counts(const struct graph *g, const struct graph_edge *e)
{
    return pprof_abs(e->weight) >= g->edge_cutoff;
}

#endif
