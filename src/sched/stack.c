/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/stack.c - memory for goroutines, in three levels.
 *
 *   a P's cache      dead goroutines, stacks as they were left; no lock
 *   central lists    the same, one a size, under that size's lock
 *   the page heap    slabs of address space, cut into stacks of one size; a bitmap
 *                    says which are in use
 *
 * A stack is a power of two, guard included, and a page:
 *
 *     low                                              low + stride
 *     | guard | ... grows down ...  | arguments | struct bl__g |
 *
 * The struct lies at the top, so that a parked goroutine touches one page.  It is
 * overwritten only from its maker on, so a list of dead ones can run through it.
 * Without the odd page the top pages of all stacks would compete for a few sets of
 * the TLB: on a Zen 5, 64 of its 4096 entries.
 * Stacks that have been in a central list for a while lose their pages and go back
 * to the heap (scavenge, called by the monitor); the guard stays. */
#include "sched/sched.h"

#include "os/os.h"
#include "sched/track.h"

#include <belay/go.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAGAZINE = 128,          /* stacks that go to and fro together; a P has two */
    SLAB_BYTES = 1 << 26,    /* address space asked for at first */
    SLAB_MAX_BYTES = 1 << 30, /* and later on: few mappings, whatever the number */
    GUARD_BYTES = 1 << 13,
    ODD_BYTES = 1 << 12,
    GUARDS = 32,             /* made with one system call */
    SCAVENGE_NS = 1000000000,
};

/* Dead goroutines come in magazines: lists by `next`, at most MAGAZINE long.  The first
 * of a list that is handed over whole holds what there is to know of it. */
static struct bl__g **
magazine_next(struct bl__g *first)
{
    return (struct bl__g **)&first->sp;
}

static uint64_t *
magazine_count(struct bl__g *first)
{
    return &first->created_by;
}

struct slab {
    struct slab *next;
    char *base;
    uint32_t count;          /* stacks in it */
    uint32_t made;           /* those below have a guard */
    uint32_t stride;         /* from one to the next */
    uint32_t used;           /* in use, or dead in a cache or list */
    uint64_t bits[];         /* which */
};

/* Protected by lock, one a size. */
static struct central {
    struct bl__lock lock;
    struct slab *slabs, *last; /* oldest first */
    struct slab *open;       /* where free ones are looked for first */
    struct bl__g *dead;      /* with their pages: magazines */
    uint32_t ndead;
    uint32_t low;            /* fewest in `dead` since the last scavenging */
    uint64_t released;       /* stacks that gave their pages back, ever */
} central[BL__STACK_CLASSES];

static size_t
size_of(unsigned class)
{
    return (size_t)1 << (BL__STACK_SHIFT + class);
}

unsigned
bl__stack_class(size_t bytes)
{
    unsigned class = 0;

    while (class < BL__STACK_CLASSES && size_of(class) < bytes)
        class++;
    return class;
}

static char *
low_of(const struct slab *s, uint32_t i)
{
    return s->base + (size_t)s->stride * i;
}

/* Neighbours' structs lie at different offsets in their pages: at the same one they
 * would all compete for the same few sets of the caches. */
static struct bl__g *
g_of(const struct slab *s, uint32_t i)
{
    size_t colour = i % 16;

    return (struct bl__g *)(low_of(s, i) + s->stride - 64 * colour -
                            sizeof(struct bl__g));
}

_Static_assert(sizeof(struct bl__g) <= 1024, "a parked goroutine is one page");

static struct slab *
make_slab(struct central *c, unsigned class)
{
    size_t size = size_of(class), stride = size + ODD_BYTES;
    size_t want = c->last ? SLAB_MAX_BYTES : SLAB_BYTES;
    uint32_t count = size >= want ? 1 : (uint32_t)(want / size);
    size_t bytes = sizeof(struct slab) + (count + 63) / 64 * 8;
    struct slab *s = bl__os_map(bytes);

    if (!s)
        return NULL;
    s->base = bl__os_reserve(stride * count, 1 << 21);
    if (!s->base) {
        bl__os_unmap(s, bytes);
        return NULL;
    }
    s->count = count;
    s->stride = (uint32_t)stride;
    if (c->last)
        c->last->next = s;
    else
        c->slabs = s;
    c->last = s;
    return s;
}

/* The next stacks of s get their guards.  Returns 0, or why there is not even one. */
static int
make_guards(struct slab *s)
{
    uint32_t n = s->count - s->made < GUARDS ? s->count - s->made : GUARDS;
    int done = bl__os_guards(low_of(s, s->made), s->stride, n, GUARD_BYTES);

    if (done <= 0)
        return done;
    for (uint32_t i = s->made; i < s->made + (uint32_t)done; i++)
        bl__track_stack(low_of(s, i) + GUARD_BYTES, low_of(s, i + 1));
    s->made += (uint32_t)done;
    return 0;
}

static struct bl__g *
make_g(const struct slab *s, uint32_t i, unsigned class)
{
    struct bl__g *g = g_of(s, i);

    memset(g, 0, offsetof(struct bl__g, inline_calls)); /* lazily freed, perhaps */
    bl__g_init(g);
    g->is_goroutine = true;
    g->stack_class = (uint8_t)class;
    g->stack_low = (uintptr_t)low_of(s, i) + GUARD_BYTES;
    g->stack_high = (uintptr_t)g;
    return g;
}

/* A stack of s that is not in use: its number, and the bit is set; -1: none. */
static int64_t
take_from(struct slab *s, int *error)
{
    uint32_t i = 0;

    while (s->bits[i / 64] == UINT64_MAX)
        i += 64;
    i += (uint32_t)__builtin_ctzll(~s->bits[i / 64]);
    if (i >= s->made && (*error = make_guards(s)))
        return -1;
    s->bits[i / 64] |= UINT64_C(1) << i % 64;
    s->used++;
    return i;
}

static struct slab *
open_slab(struct central *c, unsigned class)
{
    struct slab *s = c->open;

    if (!s || s->used == s->count)
        for (s = c->slabs; s && s->used == s->count; s = s->next)
            ;
    if (!s)
        s = make_slab(c, class);
    return c->open = s;
}

/* A magazine.  Lock held, and there is one. */
static struct bl__g *
take_dead(struct central *c)
{
    struct bl__g *first = c->dead;

    c->dead = *magazine_next(first);
    c->ndead -= (uint32_t)*magazine_count(first);
    if (c->ndead < c->low)
        c->low = c->ndead;
    return first;
}

/* One of them.  Lock held, and there is one. */
static struct bl__g *
take_one_dead(struct central *c)
{
    struct bl__g *g = take_dead(c), *rest = g->next;

    if (rest) {
        *magazine_count(rest) = *magazine_count(g) - 1;
        *magazine_next(rest) = c->dead;
        c->ndead += (uint32_t)*magazine_count(rest);
        c->dead = rest;
    }
    return g;
}

/* The first of a magazine; p, if there is one, gets the rest, as it has none. */
static struct bl__g *
load(struct central *c, struct bl__p *p, unsigned class)
{
    struct bl__g *g = p ? take_dead(c) : take_one_dead(c);

    if (p) {
        p->magazines[class].free = g->next;
        p->magazines[class].n = (uint32_t)*magazine_count(g) - 1;
    }
    return g;
}

/* A dead goroutine's, or fresh memory. */
static struct bl__g *
take_central(struct bl__p *p, unsigned class, int *error)
{
    struct central *c = &central[class];
    struct bl__g *g = NULL;
    struct slab *s = NULL;
    int64_t i = -1;

    bl__lock(&c->lock);
    if (c->dead)
        g = load(c, p, class);
    else if ((s = open_slab(c, class)))
        i = take_from(s, error);
    else
        *error = -ENOMEM;
    bl__unlock(&c->lock);
    return i < 0 ? g : make_g(s, (uint32_t)i, class);
}

struct bl__g *
bl__stack_get(struct bl__p *p, unsigned class, int *error)
{
    struct bl__magazine *z = p ? &p->magazines[class] : NULL;
    struct bl__g *g = z ? z->free : NULL;

    if (BL__UNLIKELY(!g)) {
        if (!z || !z->full)
            return take_central(p, class, error);
        g = z->full;
        z->full = NULL;
        z->n = MAGAZINE;
    }
    z->free = g->next;
    z->n--;
    return g;
}

static void
put_central(struct bl__g *first, uint32_t n)
{
    struct central *c = &central[first->stack_class];

    *magazine_count(first) = n;
    bl__lock(&c->lock);
    *magazine_next(first) = c->dead;
    c->dead = first;
    c->ndead += n;
    bl__unlock(&c->lock);
}

void
bl__stack_put(struct bl__p *p, struct bl__g *g)
{
    struct bl__magazine *z;

    g->next = NULL;
    if (!p) {
        put_central(g, 1);
        return;
    }
    z = &p->magazines[g->stack_class];
    if (BL__UNLIKELY(z->n == MAGAZINE)) {
        if (z->full)
            put_central(z->full, MAGAZINE);
        z->full = z->free;
        z->free = NULL;
        z->n = 0;
    }
    g->next = z->free;
    z->free = g;
    z->n++;
}

/* --- giving back --------------------------------------------------------- */

static struct slab *
slab_of(struct central *c, const char *low)
{
    struct slab *s = c->slabs;

    while ((size_t)(low - s->base) >= (size_t)s->stride * s->count)
        s = s->next;
    return s;
}

static void
release(struct central *c, struct bl__g *g)
{
    char *low = (char *)g->stack_low - GUARD_BYTES;
    struct slab *s = slab_of(c, low);
    uint32_t i = (uint32_t)((size_t)(low - s->base) / s->stride);

    bl__os_release(low + GUARD_BYTES, s->stride - GUARD_BYTES,
                   !bl__options.madvdontneed);
    s->bits[i / 64] &= ~(UINT64_C(1) << i % 64);
    s->used--;
    c->released++;
    c->open = s;
}

/* What nobody has needed since the last time goes back: half of it, so that a
 * wave that comes again finds some. */
static void
scavenge(struct central *c)
{
    uint32_t n;

    bl__lock(&c->lock);
    n = (c->low + 1) / 2;
    c->low = c->ndead;
    for (; n > 0 && c->dead; n--) {
        release(c, take_one_dead(c));
        if (n % 64 == 0) { /* others may be waiting */
            bl__unlock(&c->lock);
            bl__lock(&c->lock);
        }
    }
    c->low = c->ndead;
    bl__unlock(&c->lock);
}

void
bl__stacks_scavenge(void)
{
    static int64_t last;
    int64_t now = bl__os_now();

    if (now - last < SCAVENGE_NS)
        return;
    last = now;
    for (unsigned class = 0; class < BL__STACK_CLASSES; class++)
        if (central[class].slabs)
            scavenge(&central[class]);
}

void
bl_release_stacks(void)
{
    for (unsigned class = 0; class < BL__STACK_CLASSES; class++) {
        struct central *c = &central[class];

        bl__lock(&c->lock);
        while (c->dead)
            release(c, take_one_dead(c));
        c->low = 0;
        bl__unlock(&c->lock);
    }
}

/* --- figures ------------------------------------------------------------- */

/* Those in Ps' caches count as used until they are handed on: the scheduler knows
 * how many goroutines there are. */
void
bl_read_stack_stats(bl_stack_stats *stats)
{
    uint64_t taken = 0;
    int64_t alive = bl_num_goroutine();

    *stats = (bl_stack_stats){0};
    for (unsigned class = 0; class < BL__STACK_CLASSES; class++) {
        struct central *c = &central[class];

        bl__lock(&c->lock);
        for (const struct slab *s = c->slabs; s; s = s->next) {
            stats->reserved_bytes += (uint64_t)s->count * s->stride;
            taken += s->used;
        }
        stats->released += c->released;
        bl__unlock(&c->lock);
    }
    stats->used = alive > 0 ? (uint64_t)alive - 1 : 0; /* main has its own */
    if (stats->used > taken)
        stats->used = taken;
    stats->cached = taken - stats->used;
}

/* --- looking at all of them ---------------------------------------------- */

/* Slabs are never unmapped, and a bit is set before its goroutine is made: what a
 * bit names can be read at any time.  (A struct whose memory was given back reads
 * as zero: G_NEW.) */
void
bl__each_goroutine(void (*each)(void *arg, struct bl__g *g), void *arg)
{
    for (unsigned class = 0; class < BL__STACK_CLASSES; class++) {
        for (struct slab *s = central[class].slabs; s; s = s->next) {
            for (uint32_t i = 0; i < s->made; i++) {
                struct bl__g *g = g_of(s, i);

                if ((s->bits[i / 64] >> i % 64 & 1) &&
                    atomic_load_explicit(&g->status, memory_order_acquire) != BL__G_NEW)
                    each(arg, g);
            }
        }
    }
}

void
bl__each_slab(void (*each)(void *arg, uintptr_t low, uintptr_t high), void *arg)
{
    for (unsigned class = 0; class < BL__STACK_CLASSES; class++)
        for (const struct slab *s = central[class].slabs; s; s = s->next)
            each(arg, (uintptr_t)s->base, (uintptr_t)low_of(s, s->count));
}
