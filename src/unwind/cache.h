/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/cache.h - the rules known so far, and the walk's fast path over them.
 *
 * The cache is one direct-mapped table for the process.  Each slot is guarded by
 * a sequence word:
 *
 *     seq              meaning                   who may leave it, to what
 *     even             slot is at rest           writer -> odd, by CAS
 *     odd              slot is being written     that writer -> the next even
 *
 * A reader copies the slot and believes the copy if seq was the same even
 * number before and after.  A slot found odd is a miss: the rule is computed
 * and not stored.  So nobody ever waits: a signal handler that interrupts a
 * writer, and the child of a fork at that moment, just do not have that slot.
 *
 * Rules of modules that can be unloaded are marked; bl__rule_find looks after
 * them. */
#ifndef BELAY_UNWIND_CACHE_H
#define BELAY_UNWIND_CACHE_H

#include "unwind/unwind.h"

#include <stdatomic.h>

enum { BL__CACHE_BITS = 12, BL__CACHE_SIZE = 1 << BL__CACHE_BITS };

#define BL__PINNED UINT32_MAX

struct bl__slot {
    _Alignas(64) _Atomic uint32_t seq;
    uint32_t unloads; /* when it was made; BL__PINNED: never stale */
    struct bl__rule rule;
};

/* rule.plain_at is rule.at in a slot whose rule is pinned and has no flag, and 0
 * in all others, also while one is written: one comparison then says that the
 * fast path may use it. */

extern struct bl__slot bl__cache[BL__CACHE_SIZE];
extern const uint8_t bl__saved_regs[BL__NSAVED];

static inline struct bl__slot *
bl__slot_of(uintptr_t at)
{
    return &bl__cache[(at * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - BL__CACHE_BITS)];
}

/* Copies the rule for `at` if the cache has it, and when it was made. */
static inline bool
bl__cache_get(uintptr_t at, struct bl__rule *rule, uint32_t *unloads)
{
    struct bl__slot *s = bl__slot_of(at);
    /* acquire: pairs with the release in cache_put; the rule is no older */
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

    if (seq & 1)
        return false;
    *rule = s->rule;
    *unloads = s->unloads;
    /* the copy is complete before seq is read again */
    atomic_thread_fence(memory_order_acquire);
    return rule->at == at &&
           atomic_load_explicit(&s->seq, memory_order_relaxed) == seq;
}

/* bl__rule_find for the walk. */
static inline bool
bl__rule_get(uintptr_t at, struct bl__rule *rule)
{
    uint32_t unloads;

    return __builtin_expect(bl__cache_get(at, rule, &unloads) &&
                                unloads == BL__PINNED && at != 0,
                            1) ||
           bl__rule_find(at, rule);
}

static inline uintptr_t
bl__rule_get_cfa(const struct bl__rule *rule, const struct bl__ctx *ctx)
{
    if (__builtin_expect(rule->flags & BL__RULE_SLOW, 0))
        return bl__rule_cfa(rule, ctx);
    return ctx->r[rule->cfa_reg] + (uintptr_t)(intptr_t)rule->cfa_offset;
}

/* Restores what the frame with that rule has saved; returns its return address.
 * mask and saved are copies from the slot. */
static inline __attribute__((always_inline)) uintptr_t
bl__restore(struct bl__ctx *ctx, uintptr_t cfa, uint32_t mask, const int16_t *saved)
{
    const uintptr_t *slot = (const uintptr_t *)cfa;

    for (; mask; mask &= mask - 1) {
        int i = __builtin_ctz(mask);

        ctx->r[bl__saved_regs[i]] = slot[saved[i]];
    }
#if BL__RA_IN_REGISTER
    return bl__strip_ra(ctx->r[BL__REG_RA]);
#else
    return slot[-1]; /* the call pushed it */
#endif
}

static inline void
bl__rule_take_step(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa)
{
    if (__builtin_expect(rule->flags & (BL__RULE_SLOW | BL__RULE_SIGNAL), 0)) {
        bl__rule_step(rule, ctx, cfa);
        return;
    }
    BL__CTX_PC(ctx) = bl__restore(ctx, cfa, rule->mask, rule->saved);
    BL__CTX_SP(ctx) = cfa;
    ctx->exact = 0;
}

/* A frame with a landing pad, that the walk has come to. */
struct bl__hit {
    uintptr_t pad; /* 0: the walk stopped for another reason */
    uintptr_t cfa;
    intptr_t selector;
};

/* Steps over frames that need nothing but stepping: their rule is in the cache,
 * has no landing pad and no flag, and their CFA is below stop.  Each pc is stored
 * by note(arg, pc).  The walk's innermost loop: sp and pc stay in registers, and
 * everything that is wanted of a slot is loaded before its seq is looked at
 * again.  ctx must not be exact. */
static inline __attribute__((always_inline)) struct bl__hit
bl__skip_plain(struct bl__ctx *ctx, uintptr_t stop,
               void (*note)(void *arg, uintptr_t pc), void *arg)
{
    uintptr_t sp = BL__CTX_SP(ctx), pc = BL__CTX_PC(ctx);
    struct bl__hit hit = {0, 0, 0};

    for (;;) {
        struct bl__slot *s = bl__slot_of(pc - 1);
        /* acquire: pairs with the release in cache_put */
        uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
        const struct bl__rule *r = &s->rule;
        uint32_t mask = r->mask;
        int32_t pad = r->pad, selector = r->selector;
        uintptr_t cfa;
        int16_t saved[BL__NSAVED];

        if (r->plain_at != pc - 1)
            break;
        __builtin_memcpy(saved, r->saved, sizeof saved);
        cfa = (r->cfa_reg == BL__REG_SP ? sp : ctx->r[r->cfa_reg]) +
              (uintptr_t)(intptr_t)r->cfa_offset;
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&s->seq, memory_order_relaxed) != (seq & ~1U) ||
            cfa >= stop)
            break;
        note(arg, pc);
        if (pad) {
            hit = (struct bl__hit){pc - 1 + (uintptr_t)(intptr_t)pad, cfa, selector};
            break;
        }
        pc = bl__restore(ctx, cfa, mask, saved);
        sp = cfa;
    }
    BL__CTX_SP(ctx) = sp;
    BL__CTX_PC(ctx) = pc;
    return hit;
}

/* Steps over the one frame whose CFA is cfa, if its rule is plain and has no
 * landing pad for this place.  Returns whether it did. */
static inline __attribute__((always_inline)) bool
bl__step_plain(struct bl__ctx *ctx, uintptr_t cfa)
{
    uintptr_t at = BL__CTX_PC(ctx) - 1;
    struct bl__slot *s = bl__slot_of(at);
    /* acquire: pairs with the release in cache_put */
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
    const struct bl__rule *r = &s->rule;
    uint32_t mask = r->mask;
    int16_t saved[BL__NSAVED];

    if (r->plain_at != at || r->pad)
        return false;
    __builtin_memcpy(saved, r->saved, sizeof saved);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&s->seq, memory_order_relaxed) != (seq & ~1U))
        return false;
    BL__CTX_PC(ctx) = bl__restore(ctx, cfa, mask, saved);
    BL__CTX_SP(ctx) = cfa;
    return true;
}

#endif
