/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/wait.c - waits of threads that run no goroutine, or must not park.
 *
 * Both sleep for short times: what they wait for takes microseconds, unless a thread has
 * lost its CPU.  They are not in stop.c, their first user, as ThreadSanitizer does not look
 * at that, and would not see that who locks here comes behind who has unlocked. */
#include "observe/observe.h"

#include <time.h>

enum { NAP_NS = 50000, PATIENCE_NS = 1000000000 };

static void
nap(void)
{
    const struct timespec t = {0, NAP_NS};

    nanosleep(&t, NULL);
}

void
bl__lock_sched(void)
{
    while (!bl__trylock(&bl__core->sched->lock))
        nap();
}

bool
bl__await_handlers(const _Atomic uint32_t *handlers)
{
    int64_t end = bl__core->now() + PATIENCE_NS;

    while (atomic_load(handlers) > 0 && bl__core->now() < end)
        nap();
    return atomic_load(handlers) == 0;
}
