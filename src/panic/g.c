/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/g.c - a G for every thread that needs one, and the library's start. */
#include "os/os.h"
#include "panic/g.h"
#include "unwind/unwind.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static __thread struct bl__g *self __attribute__((tls_model("initial-exec")));
static pthread_key_t key;
static bool has_key;
static _Atomic uint64_t last_id = 1; /* main's, whenever it asks */

static BL__NORETURN void
no_memory(void)
{
    static const char text[] = "fatal error: belay: out of memory for a thread\n";

    (void)!write(2, text, sizeof text - 1);
    _exit(2);
}

/* Runs at a thread's end. */
static void
detach(void *p)
{
    struct bl__g *g = p;

    self = NULL;
    bl__calls_free(g);
    bl__os_sigstack_free(g->sigstack);
    bl__os_unmap(g, sizeof *g);
}

static BL__NOINLINE struct bl__g *
attach(bool in_handler)
{
    struct bl__g *g = bl__os_map(sizeof *g);

    if (!g)
        no_memory();
    g->id = bl__os_is_main_thread() ? 1 : atomic_fetch_add(&last_id, 1) + 1;
    if (in_handler)
        bl__os_stack_in_handler(&g->stack_low, &g->stack_high);
    else
        bl__os_stack(&g->stack_low, &g->stack_high);
    g->sigstack = bl__os_sigstack_make();
    for (int i = 0; i < BL__ACTS_INLINE; i++) {
        g->acts[i].link = g->free_first;
        g->free_first = &g->acts[i];
    }
    g->free_last = &g->acts[0];
    self = g;
    if (has_key)
        pthread_setspecific(key, g);
    return g;
}

BL__NOINLINE struct bl__g *
bl__self(void)
{
    struct bl__g *g = self;

    return BL__LIKELY(g != NULL) ? g : attach(false);
}

BL__NOINLINE struct bl__g *
bl__self_in_handler(void)
{
    struct bl__g *g = self;

    return g ? g : attach(true);
}

BL__NOINLINE struct bl__g *
bl__self_or_null(void)
{
    return self;
}

/* Here, and not with the rest of the engine, so that a function that ends well
 * pays for one call and no more. */
const bl_panic_info *
bl__recover_in_block(void *cfa)
{
    struct bl__g *g = self;

    if (BL__LIKELY(!g || !g->act))
        return NULL;
    return bl__recover_from_block(g, (uintptr_t)cfa);
}

/* Before main and before every constructor that does not ask for an earlier
 * turn: main's thread gets its signal stack, faults become panics. */
__attribute__((constructor(101))) static void
start(void)
{
    bl__options_init();
    bl__unwind_init();
    has_key = pthread_key_create(&key, detach) == 0;
    if (bl__os_is_main_thread())
        bl__self();
    bl__faults_init();
}
