/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* graph.c - flat and cumulative values of functions, and of calls between them.
 *
 * A function counts once a sample however often it is on the stack.  Functions that
 * matter too little are left out and the samples counted again without them, so a call
 * through one of them becomes a call past it.  All as go tool pprof has it. */
#define _GNU_SOURCE
#include "graph.h"

#include <stdlib.h>
#include <string.h>

static void
name_frames(struct graph *g)
{
    const struct pprof *p = g->p;
    uint32_t frames = 0;
    char scratch[4096];

    g->first = memory_get(p->nlocations * sizeof *g->first);
    for (uint32_t i = 0; i < p->nlocations; i++) {
        g->first[i] = frames;
        frames += pprof_frames(&p->locations[i]);
    }
    g->node_of = memory_get(frames * sizeof *g->node_of);
    for (uint32_t i = 0; i < p->nlocations; i++)
        for (uint32_t f = 0; f < pprof_frames(&p->locations[i]); f++) {
            const char *name = pprof_frame_name(p, &p->locations[i], f, scratch,
                                                sizeof scratch);

            g->node_of[g->first[i] + f] = table_add(&g->names, name, strlen(name));
        }
    g->nnodes = g->names.count;
    g->nodes = memory_get(g->nnodes * sizeof *g->nodes);
    for (uint32_t i = 0; i < g->nnodes; i++)
        g->nodes[i].name = g->names.keys[i].data; /* the table ends keys with '\0' */
}

/* --- counting ---------------------------------------------------------------------- */

static struct graph_edge *
edge_between(struct graph *g, uint32_t from, uint32_t to, bool is_inline)
{
    uint32_t key[2] = {from, to};
    uint32_t number = table_add(&g->calls, key, sizeof key);

    if (number == g->nedges) {
        if (g->nedges == g->edges_room) {
            g->edges_room = g->edges_room ? g->edges_room * 2 : 256;
            g->edges = memory_resize(g->edges, g->edges_room, sizeof *g->edges);
        }
        g->edges[g->nedges++] =
            (struct graph_edge){.from = from, .to = to, .is_inline = is_inline};
    }
    return &g->edges[number];
}

struct walk {
    uint32_t parent;
    bool residual; /* left-out functions lie between the parent and here */
};

static void
count_frame(struct graph *g, struct walk *w, uint32_t node, int64_t value, uint32_t seen,
            bool is_inline)
{
    struct graph_node *n = &g->nodes[node];
    struct graph_edge *e;

    if (n->is_out) {
        w->residual = true;
        return;
    }
    if (n->seen != seen)
        n->cum = pprof_add(n->cum, value);
    n->seen = seen;
    if (w->parent != PPROF_NONE && w->parent != node) {
        e = edge_between(g, w->parent, node, is_inline);
        if (e->seen != seen) {
            e->weight = pprof_add(e->weight, value);
            e->is_inline &= is_inline;
        }
        e->seen = seen;
    }
    w->parent = node;
    w->residual = false;
}

static void
count_sample(struct graph *g, const struct pprof_sample *s, uint32_t seen)
{
    int64_t value = s->values[g->type];
    struct walk w = {PPROF_NONE, false};

    if (value == 0)
        return;
    for (uint32_t i = s->nlocations; i-- > 0;) {
        uint32_t frames = pprof_frames(&g->p->locations[s->locations[i]]);

        for (uint32_t f = frames; f-- > 0;)
            count_frame(g, &w, g->node_of[g->first[s->locations[i]] + f], value, seen,
                        f != frames - 1);
    }
    if (w.parent != PPROF_NONE && !w.residual)
        g->nodes[w.parent].flat = pprof_add(g->nodes[w.parent].flat, value);
}

static void
count_all(struct graph *g)
{
    for (uint32_t i = 0; i < g->nnodes; i++) {
        g->nodes[i].flat = g->nodes[i].cum = 0;
        g->nodes[i].seen = 0;
    }
    g->nedges = 0;
    table_free(&g->calls);
    for (uint32_t i = 0; i < g->p->nsamples; i++) {
        count_sample(g, &g->p->samples[i], i + 1);
        progress("counting", i, g->p->nsamples);
    }
}

/* --- choosing ------------------------------------------------------------------------ */

static int
compare_values(int64_t a, int64_t b)
{
    a = pprof_abs(a), b = pprof_abs(b);
    return a > b ? -1 : a < b;
}

static int
compare_flat(const void *a, const void *b, void *nodes)
{
    const struct graph_node *x = (struct graph_node *)nodes + *(const uint32_t *)a;
    const struct graph_node *y = (struct graph_node *)nodes + *(const uint32_t *)b;
    int by_value = compare_values(x->flat, y->flat);

    return by_value ? by_value : strcmp(x->name, y->name);
}

static int
compare_cum(const void *a, const void *b, void *nodes)
{
    const struct graph_node *x = (struct graph_node *)nodes + *(const uint32_t *)a;
    const struct graph_node *y = (struct graph_node *)nodes + *(const uint32_t *)b;
    int by_value = compare_values(x->cum, y->cum);

    return by_value ? by_value : strcmp(x->name, y->name);
}

static void
sort_nodes(struct graph *g, bool by_cum)
{
    g->nshown = 0;
    for (uint32_t i = 0; i < g->nnodes; i++)
        if (!g->nodes[i].is_out && (g->nodes[i].cum != 0 || g->nodes[i].flat != 0))
            g->order[g->nshown++] = i;
    qsort_r(g->order, g->nshown, sizeof *g->order, by_cum ? compare_cum : compare_flat,
            g->nodes);
}

static int64_t
sum_flat(const struct graph *g)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < g->nnodes; i++)
        sum = pprof_add(sum, g->nodes[i].flat);
    return sum;
}

static int64_t
fraction_of(int64_t total, double fraction)
{
    return pprof_abs((int64_t)((double)total * fraction));
}

static void
drop_small(struct graph *g, int64_t cutoff)
{
    for (uint32_t i = 0; cutoff > 0 && i < g->nnodes; i++) {
        struct graph_node *n = &g->nodes[i];

        if ((n->cum != 0 || n->flat != 0) && pprof_abs(n->cum) < cutoff) {
            n->is_out = true;
            g->ndropped++;
        }
    }
    if (g->ndropped > 0)
        count_all(g);
}

static void
drop_behind(struct graph *g, const struct graph_limits *limits)
{
    if (limits->limit == 0 || g->nshown <= (uint32_t)limits->limit)
        return;
    for (uint32_t i = (uint32_t)limits->limit; i < g->nshown; i++)
        g->nodes[g->order[i]].is_out = true;
    count_all(g);
    sort_nodes(g, limits->by_cum);
}

void
graph_make(struct graph *g, const struct pprof *p, uint32_t type,
           const struct graph_limits *limits)
{
    int64_t total;

    *g = (struct graph){.p = p, .type = type};
    name_frames(g);
    g->order = memory_get(g->nnodes * sizeof *g->order);
    count_all(g);
    total = sum_flat(g);
    g->edge_cutoff = fraction_of(total, limits->edge_fraction);
    drop_small(g, fraction_of(total, limits->node_fraction));
    sort_nodes(g, limits->by_cum);
    g->noriginal = g->nshown;
    drop_behind(g, limits);
    progress_end();
}

void
graph_free(struct graph *g)
{
    free(g->nodes);
    free(g->edges);
    free(g->first);
    free(g->node_of);
    free(g->order);
    table_free(&g->names);
    table_free(&g->calls);
}
