/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/bubble.c - see bubble.h. */
#include "sched/bubble.h"

static const bool durable[] = {
#define BL__REASON_DURABLE(name, text, durable) durable,
    BL__REASONS(BL__REASON_DURABLE)
};

/* Lock held: nothing in b can go on by itself.  Returns whom to wake, claimed. */
static struct bl__g *
whom_to_wake(struct bl__bubble *b)
{
    struct bl__g *g = NULL;

    if (b->running > 0 || b->active > 0)
        return NULL;
    if (b->waiter) {
        g = b->waiter;
        b->waiter = NULL;
    } else if (b->root_parked) {
        g = b->root;
        b->root_parked = false;
    }
    if (g)
        b->active++; /* until it runs */
    return g;
}

static void
settle(struct bl__bubble *b)
{
    struct bl__g *g = whom_to_wake(b);

    bl__unlock(&b->lock);
    if (g)
        bl__ready(g, true);
}

void
bl__bubble_parks(struct bl__g *g)
{
    struct bl__bubble *b = g->bubble;

    (void)b;
    if (!durable[g->reason])
        return;
    /* counted when g is off its stack: see bl__bubble_parked */
}

void
bl__bubble_readies(struct bl__g *g)
{
    (void)g;
}

void
bl__bubble_joins(struct bl__g *g, struct bl__bubble *b)
{
    bl__lock(&b->lock);
    b->total++;
    b->running++;
    bl__unlock(&b->lock);
    g->bubble = b;
}

void
bl__bubble_leaves(struct bl__g *g)
{
    struct bl__bubble *b = g->bubble;

    bl__lock(&b->lock);
    b->total--;
    b->running--;
    g->bubble = NULL;
    settle(b);
}
