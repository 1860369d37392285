/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/fault.c - hardware faults become panics.
 *
 * The handler, on a stack of its own, decides what the fault is.  A panic is not
 * raised there: the handler changes the interrupted context so that its return
 * goes to bl__fault_entry, as if the faulting instruction had called it, on the
 * stack that it ran on.  (Go's sigpanic does the same.) */
#define _GNU_SOURCE
#include "os/os.h"
#include "panic/g.h"
#include "unwind/unwind.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
enum { NSIGNALS = sizeof signals / sizeof signals[0] };

/* What the program, or its libraries, had installed before us. */
static struct sigaction previous[NSIGNALS];

static const struct sigaction *
previous_of(int sig)
{
    for (int i = 0; i < NSIGNALS; i++)
        if (signals[i] == sig)
            return &previous[i];
    return NULL;
}

static bool
has_previous(int sig)
{
    const struct sigaction *old = previous_of(sig);

    return (old->sa_flags & SA_SIGINFO) ||
           (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN);
}

static void
call_previous(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *old = previous_of(sig);

    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(sig, info, context);
    else
        old->sa_handler(sig);
}

/* kill(2) and friends: not a fault.  What would happen without us happens. */
static void
pass_on(int sig, siginfo_t *info, void *context)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};

    if (has_previous(sig)) {
        call_previous(sig, info, context);
    } else if (previous_of(sig)->sa_handler != SIG_IGN) {
        sigaction(sig, &standard, NULL);
        raise(sig); /* pending until the handler returns */
    }
}

/* The stack pointer has come close to the low end, or gone past it, and the fault
 * is there.  Near the end there is also no room for the panic: that fault is the
 * same to the user. */
static bool
is_stack_overflow(const struct bl__g *g, uintptr_t sp, uintptr_t address)
{
    enum { FRAME = 1 << 20 };
    const uintptr_t near = g && g->stack_high - g->stack_low < 1 << 18
                               ? (g->stack_high - g->stack_low) / 4
                               : 64 * 1024;

    if (!g || sp >= g->stack_high || sp + FRAME < g->stack_low)
        return false;
    if (sp < g->stack_low + near / 8)
        return true;
    return sp < g->stack_low + FRAME && address < g->stack_low + near &&
           address + FRAME >= g->stack_low;
}

static void
fatal_overflow(const struct bl__g *g, const struct bl__ctx *ctx)
{
    char buf[128];
    struct bl__text t = BL__TEXT_TO(2, buf);

    bl__put(&t, "belay: goroutine stack exceeds ");
    bl__put_uint(&t, g->stack_high - g->stack_low);
    bl__put(&t, "-byte limit\nsp=");
    bl__put_hex(&t, BL__CTX_SP(ctx));
    bl__put(&t, " stack=[");
    bl__put_hex(&t, g->stack_low);
    bl__put(&t, ", ");
    bl__put_hex(&t, g->stack_high);
    bl__put(&t, "]\n");
    bl__text_flush(&t);
    bl__fatal_at("stack overflow", NULL, ctx);
}

static const char *
fault_text(const siginfo_t *info, const struct bl__ctx *ctx)
{
    switch (info->si_signo) {
    case SIGFPE:
        if (info->si_code != FPE_INTDIV)
            return "runtime error: floating point error";
        return bl__ctx_quotient_overflow(ctx) ? "runtime error: integer overflow"
                                              : "runtime error: integer divide by zero";
    case SIGILL:
        return "runtime error: illegal instruction";
    default:
        return "runtime error: invalid memory address or nil pointer dereference";
    }
}

/* A call through NULL or into data: the caller is where the fault is.  One byte
 * back is inside its call instruction, as an exact pc has to be. */
static void
undo_bad_call(ucontext_t *uc, const siginfo_t *info)
{
    struct bl__ctx ctx;
    struct bl__rule rule;

    bl__ctx_from_signal(&ctx, uc);
    if (info->si_signo == SIGSEGV && BL__CTX_PC(&ctx) == (uintptr_t)info->si_addr &&
        !bl__rule_find(BL__CTX_PC(&ctx), &rule))
        bl__ctx_undo_call(uc);
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct bl__g *g = bl__self_or_null();
    struct bl__ctx ctx;

    if (info->si_code <= 0) {
        pass_on(sig, info, context);
        errno = saved_errno;
        return;
    }
    undo_bad_call(context, info);
    bl__ctx_from_signal(&ctx, context);
    if (bl__is_reporting())
        bl__fatal_at("fault while reporting", NULL, NULL);
    if (BL__CTX_PC(&ctx) - (uintptr_t)bl__fault_entry <
        (uintptr_t)bl__fault_entry_end - (uintptr_t)bl__fault_entry)
        bl__fatal_at("fault, and no stack to raise a panic on", NULL, NULL);
    if (g && (g->busy || (bl__hooks.is_inside && bl__hooks.is_inside(g))))
        bl__fatal_at("fault inside Belay", "a bad pointer was handed to it, or the "
                     "stack is damaged", &ctx);
    if (is_stack_overflow(g, BL__CTX_SP(&ctx), (uintptr_t)info->si_addr))
        fatal_overflow(g, &ctx);
    g = bl__self_in_handler();
    if (has_previous(sig) && !bl__anything_pending(g, &ctx)) {
        call_previous(sig, info, context);
        errno = saved_errno;
        return;
    }
    bl__room(g)->fault = *info;
    g->room->fault_ctx = ctx;
    bl__ctx_inject_fault(context, &g->room->fault_ctx);
    errno = saved_errno;
}

void
bl__fault_raise(struct bl__ctx *ctx)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = bl__act_push(g, BL__ACT_PANIC);
    struct bl__ctx from;

    a->is_fault = true;
    a->info = (bl_panic_info){
        .kind = BL_PANIC_FAULT,
        .text = fault_text(&g->room->fault, ctx),
        .signal = g->room->fault.si_signo,
        .signal_code = g->room->fault.si_code,
        .address = (uintptr_t)g->room->fault.si_addr,
        .pc = BL__CTX_PC(ctx),
    };
    /* the walk changes its context; *ctx stays, for whoever unwinds through the
     * frame that it is in */
    from = *ctx;
    bl__raise_from(a, &from);
}

void
bl__faults_init(void)
{
    struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (!bl__options.faults)
        return;
    sa.sa_sigaction = on_fault;
    sigemptyset(&sa.sa_mask);
    for (int i = 0; i < NSIGNALS; i++)
        sigaction(signals[i], &sa, &previous[i]);
}
