/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/observed.h - what the layers below tell libbelay-pprof.
 *
 * A hook is a pointer to a function, NULL while nobody wants to know: then it costs a
 * load and a branch that is always predicted.  -DBELAY_NO_HOOKS leaves them out, so
 * that a benchmark can show what that is.
 *
 * They are called where the thing happens, with whatever is locked there: none of them
 * may park, panic, allocate or take a lock that others keep for long. */
#ifndef BELAY_PANIC_OBSERVED_H
#define BELAY_PANIC_OBSERVED_H

#include "arch/arch.h"
#include "base/base.h"

#include <stdatomic.h>

struct bl__g;
struct bl__act;

struct bl__observed {
    /* g has waited, since the monotonic time `since`, for `reason`. */
    void (*_Atomic blocked)(struct bl__g *g, int reason, int64_t since);
    /* The caller lets go of what a waiter has waited for since then. */
    void (*_Atomic contended)(int64_t since);
    /* a is raised at ctx; it has been recovered. */
    void (*_Atomic raised)(struct bl__act *a, const struct bl__ctx *ctx);
    void (*_Atomic recovered)(struct bl__act *a);
    /* One goroutine more, or less, has these labels. */
    void (*_Atomic labels_kept)(void *labels);
    void (*_Atomic labels_dropped)(void *labels);
    /* The lists of contexts that nothing above can end (context/end.c); set at start. */
    void *contexts;
};

/* hidden: or its address would be loaded first */
extern struct bl__observed bl__observed __attribute__((visibility("hidden")));

#ifdef BELAY_NO_HOOKS
#define BL__OBSERVED(hook) ((__typeof__(atomic_load(&bl__observed.hook)))NULL)
#define BL__OBSERVE(hook, ...) ((void)0)
#else
/* The hook, if there is one.  relaxed: what it needs was there before it was set, and
 * is never taken away. */
#define BL__OBSERVED(hook) \
    atomic_load_explicit(&bl__observed.hook, memory_order_relaxed)
#define BL__OBSERVE(hook, ...)                            \
    do {                                                  \
        __auto_type hook_ = BL__OBSERVED(hook);           \
                                                          \
        if (BL__UNLIKELY(hook_ != NULL))                  \
            hook_(__VA_ARGS__);                           \
    } while (0)
#endif

#endif
