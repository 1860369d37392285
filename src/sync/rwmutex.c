/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/rwmutex.c - many readers or one writer (the algorithm is Go's:
 * sync/rwmutex.go).
 *
 * A writer subtracts MAX from `readers`: from then on newcomers see a negative
 * number and wait.  Those that are in already are counted in `departing`; the last
 * of them wakes the writer.  When it is done all readers that have come meanwhile
 * go in. */
#include "sync/sync.h"

enum { MAX = 1 << 30 };

void
bl_rwmutex_rlock(bl_rwmutex *rw)
{
    if (BL__UNLIKELY(atomic_fetch_add(BL__I32(&rw->readers), 1) + 1 < 0))
        bl__sema_acquire(&rw->reader_sema, false, BL__WAIT_RWMUTEX_R, NULL);
}

bool
bl_rwmutex_try_rlock(bl_rwmutex *rw)
{
    int32_t n = atomic_load(BL__I32(&rw->readers));

    while (n >= 0)
        if (atomic_compare_exchange_weak(BL__I32(&rw->readers), &n, n + 1))
            return true;
    return false;
}

void
bl_rwmutex_runlock(bl_rwmutex *rw)
{
    int32_t n = atomic_fetch_sub(BL__I32(&rw->readers), 1) - 1;

    if (BL__LIKELY(n >= 0))
        return;
    if (n + 1 == 0 || n + 1 == -MAX)
        bl__fatal_user("sync: RUnlock of unlocked RWMutex");
    if (atomic_fetch_sub(BL__I32(&rw->departing), 1) == 1)
        bl__sema_release(&rw->writer_sema, false);
}

void
bl_rwmutex_lock(bl_rwmutex *rw)
{
    int32_t n;

    bl_mutex_lock(&rw->writers);
    n = atomic_fetch_sub(BL__I32(&rw->readers), MAX);
    if (n != 0 && atomic_fetch_add(BL__I32(&rw->departing), n) + n != 0)
        bl__sema_acquire(&rw->writer_sema, false, BL__WAIT_RWMUTEX_W, NULL);
}

bool
bl_rwmutex_try_lock(bl_rwmutex *rw)
{
    int32_t none = 0;

    if (!bl_mutex_try_lock(&rw->writers))
        return false;
    if (atomic_compare_exchange_strong(BL__I32(&rw->readers), &none, -MAX))
        return true;
    bl_mutex_unlock(&rw->writers);
    return false;
}

void
bl_rwmutex_unlock(bl_rwmutex *rw)
{
    int32_t n = atomic_fetch_add(BL__I32(&rw->readers), MAX) + MAX;

    if (n >= MAX)
        bl__fatal_user("sync: Unlock of unlocked RWMutex");
    for (; n > 0; n--)
        bl__sema_release(&rw->reader_sema, false);
    bl_mutex_unlock(&rw->writers);
}
