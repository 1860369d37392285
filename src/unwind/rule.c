/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/rule.c - computes rules and keeps them: see cache.h.
 *
 * Rules of modules that can be unloaded carry the number of unloads at the time
 * they were made, and the loader is asked for today's whenever one is used. */
#define _GNU_SOURCE
#include "unwind/cache.h"

#include <link.h>
#include <string.h>

struct bl__slot bl__cache[BL__CACHE_SIZE];

_Static_assert(sizeof(struct bl__slot) == (BL__NSAVED > 7 ? 128 : 64),
               "a slot is a cache line, or two");

const uint8_t bl__saved_regs[BL__NSAVED] = {BL__SAVED_REGS};

static uint32_t
current_unloads(void)
{
    return (uint32_t)bl__unloads() & 0x7fffffff;
}

static void
cache_put(const struct bl__rule *rule, uint32_t unloads)
{
    struct bl__slot *s = bl__slot_of(rule->at);
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

    if (seq & 1 ||
        !atomic_compare_exchange_strong_explicit(&s->seq, &seq, seq + 1,
                                                 memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    /* seq is seen odd before any byte of the rule changes (bl__cache_get) */
    atomic_thread_fence(memory_order_release);
    *(volatile uintptr_t *)&s->rule.plain_at = 0;
    atomic_thread_fence(memory_order_release);
    s->rule = *rule;
    s->rule.plain_at = 0;
    s->unloads = unloads;
    /* and changed in full before the fast path (bl__skip_plain) believes it */
    atomic_thread_fence(memory_order_release);
    if (unloads == BL__PINNED && rule->flags == 0)
        *(volatile uintptr_t *)&s->rule.plain_at = rule->at;
    /* release: pairs with the acquire load in bl__cache_get */
    atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

/* The fast path takes the return address from where the call put it. */
static bool
return_address_fits(struct bl__rule *rule)
{
#if BL__RA_IN_REGISTER
    (void)rule;
    return true;
#else
    uint32_t bit = UINT32_C(1) << (BL__NSAVED - 1);
    bool fits = (rule->mask & bit) && rule->saved[BL__NSAVED - 1] == -1;

    rule->mask &= ~bit;
    return fits;
#endif
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
        int want = k < BL__NSAVED && bl__saved_regs[k] == i;

        if (c->how == BL__HOW_OFFSET && want && c->n % 8 == 0 && c->n != 0 &&
            c->n / 8 == (int16_t)(c->n / 8)) {
            rule->saved[k] = (int16_t)(c->n / 8);
            rule->mask |= UINT32_C(1) << k;
        } else if (c->how != BL__HOW_SAME &&
                   !(c->how == BL__HOW_UNDEFINED && i != ra)) {
            return false;
        }
        k += want;
    }
    return ra == BL__REG_RA && return_address_fits(rule);
}

/* C++ functions have one personality routine, which aborts the program when an
 * exception comes from an instruction that its table does not name. */
extern char __gxx_personality_v0[] __attribute__((weak));

static void
set_pad(const struct bl__fde *fde, uintptr_t at, struct bl__rule *rule)
{
    struct bl__pad pad;

    bl__pad_find(fde, at, &pad);
    rule->pad = pad.pc ? (int32_t)(pad.pc - at) : 0; /* in the same segment */
    rule->selector = (int32_t)pad.selector;
    if (pad.has_pads && !pad.is_covered)
        rule->flags |= BL__RULE_UNCOVERED;
    if (fde->lsda && !pad.is_covered && fde->personality &&
        fde->personality == (uintptr_t)__gxx_personality_v0)
        rule->flags |= BL__RULE_NOEXCEPT;
}

/* Where the kernel's return from a signal handler has no table, the port knows
 * it by its code.  Returns false if it is not that either. */
static bool
bare_signal_frame(uintptr_t at, struct bl__rule *rule)
{
#ifdef BL__SIGFRAME_UCONTEXT
    if (bl__is_sigreturn(at + 1)) {
        *rule = (struct bl__rule){
            .at = at,
            .function = at + 1,
            .cfa_reg = BL__REG_SP,
            .flags = BL__RULE_SIGNAL,
        };
        return true;
    }
#else
    (void)at;
    (void)rule;
#endif
    return false;
}

/* quietly: keeps the rule only if that needs no look at today's unloads. */
static __attribute__((noinline)) bool
compute(uintptr_t at, struct bl__rule *rule, bool quietly)
{
    struct bl__fde fde;
    struct bl__row row;

    if (!bl__fde_find(at, &fde) || !bl__row_at(&fde, at, &row))
        return bare_signal_frame(at, rule);
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
    if (fde.is_pinned)
        cache_put(rule, BL__PINNED);
    else if (!quietly)
        cache_put(rule, current_unloads());
    return true;
}

bool
bl__rule_find(uintptr_t at, struct bl__rule *rule)
{
    uint32_t unloads;

    if (__builtin_expect(at == 0, 0)) /* what an empty slot is for */
        return false;
    if (bl__cache_get(at, rule, &unloads) &&
        (unloads == BL__PINNED || unloads == current_unloads()))
        return true;
    return compute(at, rule, false);
}

bool
bl__rule_find_quietly(uintptr_t at, struct bl__rule *rule)
{
    uint32_t unloads;

    if (__builtin_expect(at == 0, 0))
        return false;
    if (bl__cache_get(at, rule, &unloads) && unloads == BL__PINNED)
        return true;
    return compute(at, rule, true);
}

struct function {
    uintptr_t at, start;
};

/* Nothing is unloaded meanwhile. */
static int
find_function(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct function *f = arg;
    struct bl__rule rule;

    (void)info;
    (void)size;
    if (bl__rule_find_quietly(f->at, &rule))
        f->start = rule.function;
    return 1;
}

uintptr_t
bl__function_at(uintptr_t at)
{
    struct function f = {at, 0};

    dl_iterate_phdr(find_function, &f);
    return f.start;
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

static void
step_slow(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa)
{
    struct bl__fde fde;
    struct bl__row row;
    struct bl__ctx caller = *ctx;

    if (!slow_row(rule, &fde, &row)) {
#ifdef BL__SIGFRAME_UCONTEXT
        if (rule->flags & BL__RULE_SIGNAL) {
            bl__ctx_from_signal(ctx, (const void *)(cfa + BL__SIGFRAME_UCONTEXT));
            return;
        }
#endif
        BL__CTX_PC(ctx) = 0;
        return;
    }
    BL__CTX_SP(&caller) = cfa;
    for (int i = 0; i < BL__NREGS; i++)
        if (row.reg[i].how != BL__HOW_SAME)
            caller.r[i] = cell_value(&row.reg[i], ctx, i, cfa);
    if (fde.ra != BL__REG_PC)
        BL__CTX_PC(&caller) = caller.r[fde.ra % BL__NREGS];
#if BL__RA_IN_REGISTER
    if (fde.ra == BL__REG_RA)
        BL__CTX_PC(&caller) = bl__strip_ra(BL__CTX_PC(&caller));
#endif
    caller.exact = (rule->flags & BL__RULE_SIGNAL) != 0;
    *ctx = caller;
}

void
bl__rule_step(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa)
{
    if (rule->flags & (BL__RULE_SLOW | BL__RULE_SIGNAL))
        step_slow(rule, ctx, cfa);
    else
        bl__rule_take_step(rule, ctx, cfa);
}

bool
bl__step(struct bl__ctx *ctx, struct bl__rule *rule)
{
    if (!bl__rule_find(bl__ctx_at(ctx), rule) || (rule->flags & BL__RULE_END))
        return false;
    bl__rule_step(rule, ctx, bl__rule_cfa(rule, ctx));
    return true;
}

bool
bl__is_saved(int i)
{
    for (int k = 0; k < BL__NSAVED; k++)
        if (bl__saved_regs[k] == i)
            return true;
    return false;
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
