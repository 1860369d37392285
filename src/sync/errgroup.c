/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/errgroup.c - goroutines that do one job: the first error, or panic, counts. */
#include "sync/sync.h"

#include <belay/defer.h>
#include <belay/go.h>

static void
keep_first(bl_errgroup *eg, int error, const bl_panic_info *panicked)
{
    bl_mutex_lock(&eg->mutex);
    if (error && !eg->error)
        eg->error = error;
    if (panicked && !eg->panicked)
        eg->panicked = bl_panic_copy(panicked);
    bl_mutex_unlock(&eg->mutex);
}

static void
end_member(bl_errgroup *eg)
{
    const bl_panic_info *p = bl_recover();

    if (p)
        keep_first(eg, 0, p);
    if (eg->limit > 0)
        bl_semaphore_release(&eg->slots, 1);
    bl_waitgroup_done(&eg->members);
}

static void
run_member(bl_errgroup *eg, int (*f)(void *), void *arg)
{
    bl_returns_nothing {
        bl_defer_call(end_member, eg);
        keep_first(eg, f(arg), NULL);
    }
}

void
bl_errgroup_go(bl_errgroup *eg, int (*f)(void *arg), void *arg)
{
    if (eg->limit > 0) {
        bl_mutex_lock(&eg->mutex);
        eg->slots.size = eg->limit;
        bl_mutex_unlock(&eg->mutex);
        bl_semaphore_acquire(&eg->slots, 1);
    }
    bl_waitgroup_add(&eg->members, 1);
    bl_go(run_member, eg, f, arg);
}

/* Its last use: the panic that goes on has its own copy. */
static void
raise_kept(bl_panic_info *panicked)
{
    bl_returns_nothing {
        bl_defer_call(bl_panic_free, panicked);
        bl_repanic(panicked);
    }
}

int
bl_errgroup_wait(bl_errgroup *eg)
{
    bl_panic_info *panicked;

    bl_waitgroup_wait(&eg->members);
    panicked = eg->panicked;
    eg->panicked = NULL;
    if (panicked)
        raise_kept(panicked);
    return eg->error;
}
