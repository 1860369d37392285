/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/asleep.c - threads that sleep in a system call of users': looked at from
 * outside.
 *
 * A signal would end their sleep(), poll() or epoll_wait() early, whatever SA_RESTART
 * says.  The kernel tells where such a thread is (/proc/self/task/N/syscall: stack pointer
 * and program counter), and, by the number of times it has been switched, whether it has
 * moved since.  Coming inside is barred to it by attention and sched.lock (sched.h).
 *
 * Of the other registers only the frame pointer can matter: code that is not optimised
 * finds its frame by it, and libc's calls don't save it.  It is looked for on the stack:
 * where a frame of that function would have a return address behind a call of just that
 * function, and the whole walk comes to the stack's end.  A thread for which all that does
 * not come out is stopped by a signal, as those that run. */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if !BL__RA_IN_REGISTER /* else a leaf's return address is not to be had */

enum { REACH = 64 * 1024, CANDIDATES = 64, FRAMES = 64 };

/* How often it has been switched; 0: not known. */
static uint64_t
switches(int tid)
{
    static const char voluntary[] = "\nvoluntary_ctxt_switches:",
                      others[] = "\nnonvoluntary_ctxt_switches:";
    const char *at, *behind;
    char text[4096];

    if (bl__task_read(tid, "status", text, sizeof text) <= 0 || !(at = strstr(text, voluntary)) ||
        !(behind = strstr(at, others)))
        return 0;
    return strtoull(at + sizeof voluntary - 1, NULL, 10) +
           strtoull(behind + sizeof others - 1, NULL, 10);
}

/* "number six arguments sp pc"; "running" where it does. */
static bool
read_place(int tid, uintptr_t *sp, uintptr_t *pc)
{
    char text[256];
    uint64_t stack, code;

    if (bl__task_read(tid, "syscall", text, sizeof text) <= 0 ||
        sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %" SCNx64 " %" SCNx64, &stack, &code) != 2)
        return false;
    *sp = stack;
    *pc = code;
    return true;
}

/* Whether the instruction before `ra` is a call that can have entered the function: a
 * direct one must be of it. */
static bool
is_call_of(uintptr_t ra, uintptr_t function)
{
    unsigned char code[7];
    int32_t distance;

    if (ra < 4096 || !bl__peek(code, (void *)(ra - 7), sizeof code))
        return false;
    memcpy(&distance, code + 3, 4);
    if (code[2] == 0xe8)
        return ra + (uintptr_t)(intptr_t)distance == function;
    return (code[5] == 0xff && (code[6] & 0x38) == 0x10) ||                    /* *%r */
           (code[4] == 0xff && (code[5] & 0xf8) == 0x50) ||                    /* *d8(%r) */
           (code[1] == 0xff && ((code[2] & 0xf8) == 0x90 || code[2] == 0x15)); /* *d32(..) */
}

/* Steps to the first frame that needs the frame pointer while that is not known: stores
 * its function, and how far above the pointer its return address lies.  Returns false if
 * there is none. */
static bool
needs_pointer(const struct bl__ctx *from, uintptr_t high, uintptr_t *function,
              uintptr_t *above)
{
    struct bl__ctx ctx = *from;
    struct bl__rule rule;

    for (int i = 0; i < FRAMES && BL__CTX_PC(&ctx) != 0; i++) {
        uintptr_t cfa;

        if (!bl__core->rule_find(BL__CTX_PC(&ctx) - !ctx.exact, &rule) ||
            rule.flags & (BL__RULE_END | BL__RULE_SLOW | BL__RULE_SIGNAL))
            return false;
        if (rule.cfa_reg == BL__REG_FP) {
            *function = rule.function;
            *above = (uintptr_t)rule.cfa_offset - 8;
            return true;
        }
        if (rule.mask & 2) /* saved here (BL__SAVED_REGS): known from now on */
            return false;
        cfa = bl__core->rule_cfa(&rule, &ctx);
        if (cfa <= BL__CTX_SP(&ctx) || cfa > high)
            return false;
        bl__core->rule_step(&rule, &ctx, cfa);
    }
    return false;
}

static bool
is_whole(const struct bl__ctx *ctx, const struct bl__g *g, struct bl__stack *stack)
{
    bl__stack_walk(stack, ctx, g->stack_low, g->stack_high, NULL, NULL);
    return stack->is_whole;
}

static bool
find_pointer(struct bl__ctx *ctx, const struct bl__g *g, struct bl__stack *stack)
{
    uintptr_t function, above, sp = BL__CTX_SP(ctx), end = g->stack_high - 32;
    int tried = 0;

    if (!needs_pointer(ctx, g->stack_high, &function, &above))
        return is_whole(ctx, g, stack);
    if (end > sp + REACH)
        end = sp + REACH;
    for (uintptr_t at = (sp + 7) & ~(uintptr_t)7; at < end && tried < CANDIDATES; at += 8) {
        uintptr_t ra;

        if (!bl__peek(&ra, (void *)(at + above), sizeof ra) || !is_call_of(ra, function))
            continue;
        ctx->r[BL__REG_FP] = at;
        tried++;
        if (is_whole(ctx, g, stack))
            return true;
    }
    return false;
}

bool
bl__asleep_begin(struct bl__asleep *a, const struct bl__m *m, struct bl__stack *stack)
{
    const struct bl__g *g = m->g;
    uintptr_t sp, pc;

    if (bl__core->is_checked || !g || g == &m->g0 || !g->stack_high ||
        atomic_load_explicit(&m->inside, memory_order_acquire))
        return false;
    a->tid = m->tid;
    a->switches = switches(a->tid);
    if (a->switches == 0 || !read_place(a->tid, &sp, &pc) ||
        sp - g->stack_low >= g->stack_high - g->stack_low)
        return false;
    a->ctx = (struct bl__ctx){.exact = 1};
    BL__CTX_SP(&a->ctx) = sp;
    BL__CTX_PC(&a->ctx) = pc;
    return find_pointer(&a->ctx, g, stack) && bl__asleep_still(a);
}

/* A switch is counted when a thread stops running, not when it begins: so it has to be
 * asleep again, or still, when it is asked for their number. */
bool
bl__asleep_still(const struct bl__asleep *a)
{
    uintptr_t sp, pc;

    return read_place(a->tid, &sp, &pc) && switches(a->tid) == a->switches;
}

#else

bool
bl__asleep_begin(struct bl__asleep *a, const struct bl__m *m, struct bl__stack *stack)
{
    (void)a, (void)m, (void)stack;
    return false;
}

bool
bl__asleep_still(const struct bl__asleep *a)
{
    (void)a;
    return false;
}

#endif
