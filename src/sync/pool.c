/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/pool.c - free items, apart for each P.
 *
 * A P's place has one private item, which only its own goroutines take without a
 * lock (a goroutine inside Belay keeps its P), and a list under a lock: its own
 * goroutines take the newest, others the oldest.  Plain threads use the last place,
 * with its lock. */
#include "sched/track.h"
#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>

struct items {
    void **item;
    uint32_t first, n, size; /* a ring */
};

struct place {
    _Alignas(64) void *private; /* of who runs on that P */
    struct bl__lock lock;       /* protects the rest */
    struct items shared;
    struct items victims;       /* stored before the last ageing */
};

struct bl__pool {
    struct bl__lock lock;       /* protects `places` while it is made */
    int n;
    struct place *place;
};

static void
push(struct items *l, void *item, void (*destroy)(void *))
{
    if (l->n == l->size) {
        uint32_t size = l->size ? 2 * l->size : 8;
        void **bigger = malloc(size * sizeof *bigger);

        if (!bigger) { /* a pool may drop what it is given */
            if (destroy)
                destroy(item);
            return;
        }
        for (uint32_t i = 0; i < l->n; i++)
            bigger[i] = l->item[(l->first + i) % l->size];
        free(l->item);
        *l = (struct items){bigger, 0, l->n, size};
    }
    l->item[(l->first + l->n++) % l->size] = item;
}

static void *
pop_newest(struct items *l)
{
    return l->n ? l->item[(l->first + --l->n) % l->size] : NULL;
}

static void *
pop_oldest(struct items *l)
{
    void *item;

    if (l->n == 0)
        return NULL;
    item = l->item[l->first];
    l->first = (l->first + 1) % l->size;
    l->n--;
    return item;
}

/* --- places -------------------------------------------------------------- */

static struct bl__pool *
make_inner(bl_pool *p)
{
    struct bl__pool *inner = calloc(1, sizeof *inner), *none = NULL;

    if (!inner)
        return NULL;
    inner->n = BL__MAXPROCS + 1;
    if (bl__sched.ps[0])
        inner->n = atomic_load(&bl__sched.nprocs) + 1;
    if (inner->n < 65)
        inner->n = 65; /* bl_gomaxprocs() may grow; more share the last one */
    inner->place = aligned_alloc(64, (size_t)inner->n * sizeof(struct place));
    if (!inner->place) {
        free(inner);
        return NULL;
    }
    memset(inner->place, 0, (size_t)inner->n * sizeof(struct place));
    if (atomic_compare_exchange_strong((_Atomic(struct bl__pool *) *)&p->inner, &none,
                                       inner))
        return inner;
    free(inner->place);
    free(inner);
    return none;
}

static struct bl__pool *
inner_of(bl_pool *p)
{
    /* acquire: pairs with the exchange in make_inner */
    struct bl__pool *inner = atomic_load_explicit(
        (_Atomic(struct bl__pool *) *)&p->inner, memory_order_acquire);

    return BL__LIKELY(inner != NULL) ? inner : make_inner(p);
}

/* NULL for who has none of its own. */
static struct place *
own_place(struct bl__pool *inner, const struct bl__g *g)
{
    return g->m && g->m->p->id < inner->n - 1 ? &inner->place[g->m->p->id] : NULL;
}

/* The P's owner's alone. */
static BL__NOT_TRACKED void *
take_private(struct place *own)
{
    void *item = own->private;

    own->private = NULL;
    return item;
}

static BL__NOT_TRACKED bool
put_private(struct place *own, void *item)
{
    if (own->private)
        return false;
    own->private = item;
    return true;
}

/* A look without the lock: it may miss one, no harm. */
static BL__NOT_TRACKED bool
seems_empty(const struct items *l)
{
    return *(const volatile uint32_t *)&l->n == 0; /* volatile: not read by callers */
}

/* --- get and put --------------------------------------------------------- */

static void *
get_shared(struct place *at, bool own)
{
    void *item;

    bl__lock(&at->lock);
    item = own ? pop_newest(&at->shared) : pop_oldest(&at->shared);
    bl__unlock(&at->lock);
    return item;
}

static void *
get_victim(struct bl__pool *inner)
{
    void *item = NULL;

    for (int i = 0; i < inner->n && !item; i++) {
        struct place *at = &inner->place[i];

        if (seems_empty(&at->victims))
            continue;
        bl__lock(&at->lock);
        item = pop_newest(&at->victims);
        bl__unlock(&at->lock);
    }
    return item;
}

static void *
get_slow(struct bl__pool *inner, struct place *own)
{
    void *item = own ? get_shared(own, true) : NULL;

    for (int i = 0; i < inner->n && !item; i++)
        if (&inner->place[i] != own && !seems_empty(&inner->place[i].shared))
            item = get_shared(&inner->place[i], false);
    return item ? item : get_victim(inner);
}

void *
bl_pool_get(bl_pool *p)
{
    struct bl__pool *inner = inner_of(p);
    void *item = NULL;

    if (inner) {
        struct bl__g *g = bl__enter();
        struct place *own = own_place(inner, g);

        if (own)
            item = take_private(own);
        if (!item)
            item = get_slow(inner, own);
        bl__leave(g);
        if (item)
            bl__track_take(item);
    }
    return item || !p->make ? item : p->make();
}

void
bl_pool_put(bl_pool *p, void *item)
{
    struct bl__pool *inner = item ? inner_of(p) : NULL;
    struct bl__g *g;
    struct place *own, *at;

    if (!inner) {
        if (item && p->destroy)
            p->destroy(item);
        return;
    }
    bl__track_give(item);
    g = bl__enter();
    own = own_place(inner, g);
    if (!own || !put_private(own, item)) {
        at = own ? own : &inner->place[inner->n - 1];
        bl__lock(&at->lock);
        push(&at->shared, item, p->destroy);
        bl__unlock(&at->lock);
    }
    bl__leave(g);
}

/* --- ageing -------------------------------------------------------------- */

static void
destroy_all(const bl_pool *p, struct items *l)
{
    void *item;

    while ((item = pop_oldest(l)))
        if (p->destroy)
            p->destroy(item);
    free(l->item);
}

/* Private items stay: their P's goroutines may be taking them; there is one a P. */
void
bl_pool_age(bl_pool *p)
{
    struct bl__pool *inner = p->inner;

    for (int i = 0; inner && i < inner->n; i++) {
        struct place *at = &inner->place[i];
        struct items old;

        bl__lock(&at->lock);
        old = at->victims;
        at->victims = at->shared;
        at->shared = (struct items){0};
        bl__unlock(&at->lock);
        destroy_all(p, &old);
    }
}

void
bl_pool_clear(bl_pool *p)
{
    struct bl__pool *inner = p->inner;

    for (int i = 0; inner && i < inner->n; i++) {
        struct place *at = &inner->place[i];

        if (at->private && p->destroy)
            p->destroy(at->private);
        destroy_all(p, &at->shared);
        destroy_all(p, &at->victims);
    }
    if (inner)
        free(inner->place);
    free(inner);
    p->inner = NULL;
}
