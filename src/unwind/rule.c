/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/rule.c - computes rules and keeps them.
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
 * Rules of modules that can be unloaded carry the number of unloads at the time
 * they were made.  A walk that meets one asks the loader once for today's. */
#include "unwind/unwind.h"

#include <stdatomic.h>
#include <string.h>

enum { CACHE_BITS = 12, CACHE_SIZE = 1 << CACHE_BITS };

struct slot {
    _Alignas(64) _Atomic uint32_t seq;
    uint32_t unloads; /* low bits; PINNED: never stale */
    struct bl__rule rule;
};

static const uint32_t PINNED = UINT32_MAX;

static struct slot cache[CACHE_SIZE];

static const uint8_t saved_regs[BL__NSAVED] = {BL__SAVED_REGS};

static inline struct slot *
slot_of(uintptr_t at)
{
    return &cache[(at * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - CACHE_BITS)];
}

static uint32_t
current_unloads(void)
{
    return (uint32_t)bl__unloads() & 0x7fffffff;
}

/* Copies the rule for `at` if the cache has it. */
static inline bool
cache_get(uintptr_t at, struct bl__rule *rule)
{
    struct slot *s = slot_of(at);
    /* acquire: pairs with the release in cache_put; the rule is no older */
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
    uint32_t unloads;

    if (seq & 1 || s->rule.at != at)
        return false;
    *rule = s->rule;
    unloads = s->unloads;
    /* the copy is complete before seq is read again */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&s->seq, memory_order_relaxed) != seq ||
        rule->at != at)
        return false;
    return __builtin_expect(unloads == PINNED, 1) || unloads == current_unloads();
}

static void
cache_put(const struct bl__rule *rule, uint32_t unloads)
{
    struct slot *s = slot_of(rule->at);
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

    if (seq & 1 ||
        !atomic_compare_exchange_strong_explicit(&s->seq, &seq, seq + 1,
                                                 memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    /* seq is seen odd before any byte of the rule changes (cache_get) */
    atomic_thread_fence(memory_order_release);
    s->rule = *rule;
    s->unloads = unloads;
    /* release: pairs with the acquire load in cache_get */
    atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

/* Puts the row into the compact form.  Returns false if that can't hold it. */
static bool
compact(const struct bl__row *row, uint8_t ra, struct bl__rule *rule)
{
    if (row->cfa_expr || row->cfa_reg >= BL__NREGS ||
        row->cfa_offset != (int32_t)row->cfa_offset)
        return false;
    rule->cfa_reg = (uint8_t)row->cfa_reg;
    rule->cfa_offset = (int32_t)row->cfa_offset;
    for (int i = 0, k = 0; i < BL__NREGS; i++) {
        const struct bl__cell *c = &row->reg[i];
        int want = k < BL__NSAVED && saved_regs[k] == i;

        if (c->how == BL__HOW_OFFSET && want && c->n % 8 == 0 && c->n != 0 &&
            c->n / 8 == (int16_t)(c->n / 8))
            rule->saved[k] = (int16_t)(c->n / 8);
        else if (c->how != BL__HOW_SAME &&
                 !(c->how == BL__HOW_UNDEFINED && i != ra))
            return false;
        k += want;
    }
    return ra == BL__REG_PC || rule->saved[BL__NSAVED - 1] != 0;
}

/* C++ functions have one personality routine, which aborts the program when an
 * exception comes from an instruction that its table does not name. */
extern char __gxx_personality_v0[] __attribute__((weak));

static void
set_pad(const struct bl__fde *fde, uintptr_t at, struct bl__rule *rule)
{
    struct bl__pad pad;

    bl__pad_find(fde, at, &pad);
    rule->pad = pad.pc;
    rule->selector = (int32_t)pad.selector;
    if (pad.has_pads && !pad.is_covered)
        rule->flags |= BL__RULE_UNCOVERED;
    if (fde->lsda && !pad.is_covered && fde->personality &&
        fde->personality == (uintptr_t)__gxx_personality_v0)
        rule->flags |= BL__RULE_NOEXCEPT;
}

static __attribute__((noinline)) bool
compute(uintptr_t at, struct bl__rule *rule)
{
    struct bl__fde fde;
    struct bl__row row;
    uint32_t unloads;

    if (!bl__fde_find(at, &fde) || !bl__row_at(&fde, at, &row))
        return false;
    memset(rule, 0, sizeof *rule);
    rule->at = at;
    rule->function = fde.start;
    if (fde.ra < BL__NREGS && row.reg[fde.ra].how == BL__HOW_UNDEFINED)
        rule->flags |= BL__RULE_END;
    if (fde.is_signal)
        rule->flags |= BL__RULE_SIGNAL;
    if (!compact(&row, fde.ra, rule))
        rule->flags |= BL__RULE_SLOW;
    set_pad(&fde, at, rule);
    unloads = fde.is_pinned ? PINNED : current_unloads();
    cache_put(rule, unloads);
    return true;
}

bool
bl__rule_find(uintptr_t at, struct bl__rule *rule)
{
    if (__builtin_expect(at == 0, 0)) /* what an empty slot is for */
        return false;
    return __builtin_expect(cache_get(at, rule), 1) || compute(at, rule);
}

/* --- stepping ------------------------------------------------------------ */

/* Rows that no compact rule can hold are read again for every step. */
static bool
slow_row(const struct bl__rule *rule, struct bl__fde *fde, struct bl__row *row)
{
    return bl__fde_find(rule->at, fde) && bl__row_at(fde, rule->at, row);
}

static uintptr_t
slow_cfa(const struct bl__row *row, const struct bl__ctx *ctx)
{
    uintptr_t cfa = 0;

    if (!row->cfa_expr)
        return ctx->r[row->cfa_reg % BL__NREGS] + (uintptr_t)row->cfa_offset;
    bl__expr_eval(row->cfa_expr, ctx, NULL, &cfa);
    return cfa;
}

uintptr_t
bl__rule_cfa(const struct bl__rule *rule, const struct bl__ctx *ctx)
{
    struct bl__fde fde;
    struct bl__row row;

    if (!(rule->flags & BL__RULE_SLOW))
        return ctx->r[rule->cfa_reg] + (uintptr_t)(intptr_t)rule->cfa_offset;
    return slow_row(rule, &fde, &row) ? slow_cfa(&row, ctx) : 0;
}

static uintptr_t
cell_value(const struct bl__cell *c, const struct bl__ctx *ctx, int i, uintptr_t cfa)
{
    uintptr_t v = 0;

    switch ((enum bl__how)c->how) {
    case BL__HOW_OFFSET:
        return *(uintptr_t *)(cfa + (uintptr_t)c->n);
    case BL__HOW_VAL_OFFSET:
        return cfa + (uintptr_t)c->n;
    case BL__HOW_REGISTER:
        return ctx->r[(uint64_t)c->n % BL__NREGS];
    case BL__HOW_EXPR:
        return bl__expr_eval(c->expr, ctx, &cfa, &v) ? *(uintptr_t *)v : 0;
    case BL__HOW_VAL_EXPR:
        return bl__expr_eval(c->expr, ctx, &cfa, &v) ? v : 0;
    case BL__HOW_UNDEFINED:
    case BL__HOW_SAME:
        break;
    }
    return ctx->r[i];
}

static __attribute__((noinline)) void
step_slow(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa)
{
    struct bl__fde fde;
    struct bl__row row;
    struct bl__ctx caller = *ctx;

    if (!slow_row(rule, &fde, &row)) {
        BL__CTX_PC(ctx) = 0;
        return;
    }
    BL__CTX_SP(&caller) = cfa;
    for (int i = 0; i < BL__NREGS; i++)
        if (row.reg[i].how != BL__HOW_SAME)
            caller.r[i] = cell_value(&row.reg[i], ctx, i, cfa);
    if (fde.ra != BL__REG_PC)
        BL__CTX_PC(&caller) = caller.r[fde.ra % BL__NREGS];
    caller.exact = (rule->flags & BL__RULE_SIGNAL) != 0;
    *ctx = caller;
}

void
bl__rule_step(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa)
{
    const uintptr_t *slot = (const uintptr_t *)cfa;

    if (__builtin_expect(rule->flags & BL__RULE_SLOW, 0)) {
        step_slow(rule, ctx, cfa);
        return;
    }
    for (int i = 0; i < BL__NSAVED; i++)
        if (rule->saved[i])
            ctx->r[saved_regs[i]] = slot[rule->saved[i]];
#if BL__RA_IN_REGISTER
    BL__CTX_PC(ctx) = ctx->r[BL__REG_RA];
#endif
    BL__CTX_SP(ctx) = cfa;
    ctx->exact = (rule->flags & BL__RULE_SIGNAL) != 0;
}

bool
bl__is_function_entry(uintptr_t start)
{
    struct bl__fde fde;
    struct bl__row row;

    if (!bl__fde_find(start, &fde) || fde.start != start ||
        !bl__row_at(&fde, start, &row))
        return false;
    return !row.cfa_expr && row.cfa_reg == BL__REG_SP &&
           row.cfa_offset == BL__ENTRY_CFA_OFFSET;
}
