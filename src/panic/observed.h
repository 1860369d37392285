/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/observed.h - what the layers below tell libbelay-pprof.
 *
 * A hook is a pointer to a function, NULL while nobody wants to know: then it costs a
 * load and a branch that is always predicted, or nothing, behind bl__told.
 * -DBELAY_NO_HOOKS leaves them out, so that a benchmark can show what that is.
 *
 * They are called where the thing happens, with whatever is locked there: none of them
 * may park, panic, allocate or take a lock that others keep for long. */
#ifndef BELAY_PANIC_OBSERVED_H
#define BELAY_PANIC_OBSERVED_H

#include "arch/arch.h"
#include "base/base.h"

#include <stdatomic.h>
#include <stdint.h>

struct bl__g;
struct bl__act;
struct bl__site;
struct bl__timer;

struct bl__observed {
    /* The caller has made g, which is runnable from now on; so is one that has waited. */
    void (*_Atomic spawned)(struct bl__g *g);
    void (*_Atomic readied)(struct bl__g *g);
    /* A thread leaves `from`, whose status says why, and goes on with `to`.  One of them
     * may be the thread's scheduler: is_system. */
    void (*_Atomic switched)(struct bl__g *from, struct bl__g *to);
    void (*_Atomic ended)(struct bl__g *g);
    /* g's code blocks, or computes for long: others have its P.  It is back, and has one,
     * or queues for one. */
    void (*_Atomic detached)(struct bl__g *g);
    void (*_Atomic came_back)(struct bl__g *g);
    /* t's function is called. */
    void (*_Atomic fired)(struct bl__timer *t);
    /* g defers a call; one is made, by its function's end or, is_engine, by a panic or
     * goexit.  (bl_defer blocks are code of their function: nobody is told.) */
    void (*_Atomic deferred)(struct bl__g *g, const struct bl__site *site);
    void (*_Atomic called)(struct bl__g *g, const struct bl__site *site, bool is_engine);
    /* The innermost of the deferred calls that will not be made; the program ends. */
    void (*_Atomic skipped)(const struct bl__site *site);
    /* g leaves all its frames, by bl_goexit(). */
    void (*_Atomic exits)(struct bl__g *g);
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

/* Whether anybody follows what goes on all the time: where several would be told, or where
 * it is so often that two instructions count, this is asked first.  A byte that is read
 * without order: who has begun to ask misses what happens at that moment. */
enum { BL__TOLD_SANITIZER = 1, BL__TOLD_OBSERVER = 2, BL__TOLD_LOG = 4 };
extern uint8_t bl__told __attribute__((visibility("hidden")));

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
