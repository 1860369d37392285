/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/sites.c - counters by stack, for hooks and handlers: nothing is allocated or
 * locked once the table is there, and nothing is ever taken out.
 *
 *   hash     ready
 *   0        0      free                     who wants it: compare-and-swap -> hash
 *   not 0    0      being filled in          the same one -> ready
 *   not 0    1      constant from now on, but for its values */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <string.h>
#include <sys/mman.h>

struct bl__sites {
    uint32_t entries; /* a power of two */
    uint32_t depth;
    size_t stride;
    _Atomic uint64_t used;
    _Atomic uint64_t lost;
    _Alignas(16) char places[];
};

struct bl__sites *
bl__sites_new(uint32_t entries, uint32_t depth)
{
    size_t stride = sizeof(struct bl__place) + depth * sizeof(uintptr_t);
    struct bl__sites *s = mmap(NULL, sizeof *s + entries * stride, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (s == MAP_FAILED)
        return NULL;
    s->entries = entries;
    s->depth = depth;
    s->stride = stride;
    return s;
}

static struct bl__place *
place_at(struct bl__sites *s, uint64_t i)
{
    return (struct bl__place *)(s->places + (i & (s->entries - 1)) * s->stride);
}

static bool
is_same(const struct bl__place *p, const uintptr_t *pcs, uint32_t n, uint64_t tag)
{
    return p->n == n && p->tag == tag && memcmp(p->pcs, pcs, n * sizeof *pcs) == 0;
}

static void
fill_in(struct bl__place *p, const uintptr_t *pcs, uint32_t n, uint64_t tag)
{
    p->n = n;
    p->tag = tag;
    memcpy(p->pcs, pcs, n * sizeof *pcs);
    /* release: pairs with the acquire in bl__sites_find and _each */
    atomic_store_explicit(&p->ready, 1, memory_order_release);
}

struct bl__place *
bl__sites_find(struct bl__sites *s, const uintptr_t *pcs, uint32_t n, uint64_t tag)
{
    uint64_t hash;

    if (n > s->depth)
        n = s->depth;
    hash = bl__hash(pcs, n * sizeof *pcs) ^ tag * 0x9e3779b97f4a7c15;
    hash += hash == 0;
    for (uint32_t i = 0; i < s->entries; i++) {
        struct bl__place *p = place_at(s, hash + i);
        uint64_t there = atomic_load_explicit(&p->hash, memory_order_relaxed);

        if (there == 0) {
            if (atomic_load_explicit(&s->used, memory_order_relaxed) >= s->entries / 4 * 3)
                break;
            if (atomic_compare_exchange_strong(&p->hash, &there, hash)) {
                atomic_fetch_add_explicit(&s->used, 1, memory_order_relaxed);
                fill_in(p, pcs, n, tag);
                return p;
            }
        }
        if (there != hash)
            continue;
        if (atomic_load_explicit(&p->ready, memory_order_acquire) == 0)
            break; /* by us, perhaps, below this handler */
        if (is_same(p, pcs, n, tag))
            return p;
    }
    atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
    return NULL;
}

void
bl__sites_each(struct bl__sites *s, void (*each)(void *, struct bl__place *), void *arg)
{
    for (uint32_t i = 0; s && i < s->entries; i++) {
        struct bl__place *p = place_at(s, i);

        if (atomic_load_explicit(&p->ready, memory_order_acquire))
            each(arg, p);
    }
}
