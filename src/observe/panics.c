/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/panics.c - where panics are raised, and how many of them are recovered. */
#include "observe/observe.h"

#include <stdio.h>
#include <string.h>

enum { PLACES = 2048, DEPTH = 32, RAISED = 0, RECOVERED = 1 };

static const struct bl__kind kind = {
    "panic", 2, {{"raised", "count"}, {"recovered", "count"}}, {"raised", "count"}, 1,
    "raised"};

static struct bl__sites *_Atomic sites;

static void
raised(struct bl__act *a, const struct bl__ctx *ctx)
{
    struct bl__stack stack;
    struct bl__place *place;

    bl__stack_walk_of(&stack, ctx, bl__core->self_or_null());
    place = bl__sites_find(atomic_load(&sites), stack.pcs, stack.n, 0);
    a->observed = place;
    if (place)
        atomic_fetch_add_explicit(&place->value[RAISED], 1, memory_order_relaxed);
}

static void
recovered(struct bl__act *a)
{
    struct bl__place *place = a->observed;

    a->observed = NULL;
    if (place)
        atomic_fetch_add_explicit(&place->value[RECOVERED], 1, memory_order_relaxed);
}

void
bl__panics_start(void)
{
    struct bl__sites *none = NULL, *s;

    if (atomic_load(&sites))
        return;
    s = bl__sites_new(PLACES, DEPTH);
    if (!s || !atomic_compare_exchange_strong(&sites, &none, s))
        return;
    atomic_store(&bl__core->observed->recovered, recovered);
    atomic_store(&bl__core->observed->raised, raised);
}

void
bl_panic_profile_start(void)
{
    bl__panics_start();
}

struct adding {
    struct bl__profile *p;
    struct bl__names names;
};

/* The innermost frame of users'. */
static void
put_site(struct adding *a, const struct bl__place *place, char *site, size_t size)
{
    const struct bl__names_of *of;

    snprintf(site, size, "?");
    for (uint32_t i = 0; i < place->n; i++) {
        of = bl__names_at(&a->names, place->pcs[i]);
        if (of->is_own || of->n == 0)
            continue;
        {
            const struct bl__named *line = &a->names.lines[of->first];
            const char *slash = strrchr(line->file, '/');

            snprintf(site, size, "%s at %s:%d", line->function,
                     slash ? slash + 1 : line->file, line->line);
        }
        return;
    }
}

static void
add(void *arg, struct bl__place *place)
{
    struct adding *a = arg;
    char labels[BL__LABELS_MOST], site[256];
    struct bl__sample s = {.pcs = place->pcs, .n = place->n, .labels = labels};

    put_site(a, place, site, sizeof site);
    s.labels_size = bl__labels_put(labels, 0, "site", site);
    s.value[RAISED] = atomic_load(&place->value[RAISED]);
    s.value[RECOVERED] = atomic_load(&place->value[RECOVERED]);
    bl__profile_add(a->p, &s);
}

void
bl__collect_panic(struct bl__profile *p)
{
    struct adding a = {.p = p};

    bl__profile_init(p, &kind);
    bl__sites_each(atomic_load(&sites), add, &a);
    bl__names_free(&a.names);
}
