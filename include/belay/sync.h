/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/sync.h - locks and waiting for others, as Go's sync package has them.
 *
 *     static bl_mutex lock;                 // zero is ready for use, everywhere here
 *
 *     bl_returns_nothing {
 *         bl_mutex_lock(&lock);
 *         bl_defer_call(bl_mutex_unlock, &lock);
 *         ...                               // a panic unlocks, too
 *     }
 *
 * A goroutine that waits gives its thread to others; a plain thread sleeps.  Nothing
 * here is owned: who unlocks need not be who locked.  Do not copy what is in use.
 * Misuse has Go's words; unlocking what is not locked is a fatal error. */
#ifndef BELAY_SYNC_H
#define BELAY_SYNC_H

#include <belay/config.h>
#include <belay/panic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

BL_BEGIN_DECLS

/* What waiting is made of; not for direct use. */
typedef struct bl__sema {
    uint32_t count, lock;
    void *first, *last;
} bl__sema;

/* --- mutex -------------------------------------------------------------------- */

/* Waiters queue; a running goroutine may overtake one that has just been woken,
 * until somebody has waited for 1 ms: then the mutex goes from hand to hand (Go's
 * starvation mode). */
typedef struct bl_mutex {
    uint64_t state;
    bl__sema sema;
} bl_mutex;

/* Locks m.
 * Call from: anywhere.  Blocks: until it is unlocked; for ever if the caller itself
 * has locked it. */
BL_API void bl_mutex_lock(bl_mutex *m);

/* Locks m unless an absolute time, bl_now() + d, comes first.  Returns 0, or
 * -ETIMEDOUT: then it is not locked.
 * Call from: anywhere.  Blocks: until then. */
BL_API int bl_mutex_lock_until(bl_mutex *m, int64_t until_ns);

/* Locks m if that is possible at once, and returns whether it did; fails while others
 * are starving.
 * Call from: anywhere.  Blocks: no. */
BL_API bool bl_mutex_try_lock(bl_mutex *m);

/* Unlocks m.  Whoever locks it next, and knows that nobody else will, may free it as soon
 * as it has unlocked it in turn: this call does not touch it any more.
 * Call from: anywhere, not only who locked.  Blocks: no.
 * Fatal error: "sync: unlock of unlocked mutex". */
BL_API void bl_mutex_unlock(bl_mutex *m);

/* --- many readers or one writer ---------------------------------------------- */

/* A writer that waits keeps new readers out: so a reader must not lock twice. */
typedef struct bl_rwmutex {
    bl_mutex writers;
    bl__sema writer_sema, reader_sema;
    int32_t readers;   /* minus 2^30 when a writer waits or writes */
    int32_t departing; /* readers that the writer waits for */
} bl_rwmutex;

/* Locks rw for writing.
 * Call from: anywhere.  Blocks: until all readers and writers have unlocked it. */
BL_API void bl_rwmutex_lock(bl_rwmutex *rw);

/* Locks rw for writing if that is possible at once, and returns whether it did.
 * Call from: anywhere.  Blocks: no. */
BL_API bool bl_rwmutex_try_lock(bl_rwmutex *rw);

/* Ends writing: the readers that have come meanwhile go first.
 * Call from: anywhere.  Blocks: no.
 * Fatal error: "sync: Unlock of unlocked RWMutex". */
BL_API void bl_rwmutex_unlock(bl_rwmutex *rw);

/* Locks rw for reading.
 * Call from: anywhere.  Blocks: while a writer has it, or waits for it. */
BL_API void bl_rwmutex_rlock(bl_rwmutex *rw);

/* Locks rw for reading if that is possible at once, and returns whether it did.
 * Call from: anywhere.  Blocks: no. */
BL_API bool bl_rwmutex_try_rlock(bl_rwmutex *rw);

/* Ends reading: the last reader lets a waiting writer in.
 * Call from: anywhere.  Blocks: no.
 * Fatal error: "sync: RUnlock of unlocked RWMutex". */
BL_API void bl_rwmutex_runlock(bl_rwmutex *rw);

/* --- wait group ----------------------------------------------------------------- */

typedef struct bl_waitgroup {
    uint64_t state; /* counter, waiters */
    bl__sema sema;
} bl_waitgroup;

/* Adds n, which may be negative, to the counter; at zero all waiters go on.
 * Panics: "sync: negative WaitGroup counter". */
BL_API void bl_waitgroup_add(bl_waitgroup *wg, int n);

/* Subtracts 1 from the counter. */
BL_API void bl_waitgroup_done(bl_waitgroup *wg);

/* Waits for the others.
 * Call from: anywhere.  Blocks: until the counter is zero. */
BL_API void bl_waitgroup_wait(bl_waitgroup *wg);

/* Waits for the others, or until an absolute time.  Returns 0 or -ETIMEDOUT. */
BL_API int bl_waitgroup_wait_until(bl_waitgroup *wg, int64_t until_ns);

/* Adds 1, and starts a goroutine that calls f(arg) and then subtracts it, also when f
 * panics or ends the goroutine (Go 1.25's WaitGroup.Go). */
BL_API void bl_waitgroup_go(bl_waitgroup *wg, void (*f)(void *arg), void *arg);

/* --- once ----------------------------------------------------------------------- */

typedef struct bl_once {
    uint32_t done, unused;
    bl_mutex mutex;
} bl_once;

/* Calls f(arg) if it is the first call for this once, and returns when f has
 * returned or panicked: then later calls do nothing. */
BL_API void bl_once_do(bl_once *once, void (*f)(void *arg), void *arg);

/* A function that runs once: every call after the first returns at once, or panics
 * with what the first one panicked with.  {.f = f, .arg = arg} is ready. */
typedef struct bl_once_func {
    void (*f)(void *arg);
    void *arg;
    bl_once once;
    bl_panic_info *panicked; /* a copy, for later calls; bl_panic_free() it before
                                the memory of a bl_once_func is used again */
    bool returned;
} bl_once_func;

/* Calls of's function if nobody has yet, and panics with what that one panicked
 * with.
 * Call from: anywhere.  Blocks: while the first call is under way. */
BL_API void bl_once_func_call(bl_once_func *of);

/* --- condition variable --------------------------------------------------------- */

typedef struct bl_cond {
    struct bl_cond *self; /* to find copies */
    uint32_t lock, unused;
    void *first, *last;
} bl_cond;

/* Unlocks m, waits to be signalled, locks m again; no spurious wake-ups.
 * Panics: "sync.Cond is copied", as the other two. */
BL_API void bl_cond_wait(bl_cond *c, bl_mutex *m);

/* Waits as bl_cond_wait() does, but until an absolute time at the latest.  Returns 0, or
 * -ETIMEDOUT; either way with m locked. */
BL_API int bl_cond_wait_until(bl_cond *c, bl_mutex *m, int64_t until_ns);

/* Wakes who has waited longest. */
BL_API void bl_cond_signal(bl_cond *c);

/* Wakes all that wait. */
BL_API void bl_cond_broadcast(bl_cond *c);

/* --- weighted semaphore --------------------------------------------------------- */

/* {.size = n} has n units.  First come, first served: a large request that waits
 * keeps smaller ones behind it. */
typedef struct bl_semaphore {
    int64_t size;
    int64_t taken;
    uint32_t lock, unused;
    void *first, *last;
} bl_semaphore;

/* Takes n units.
 * Call from: anywhere.  Blocks: until there are so many, and those who came before
 * have theirs. */
BL_API void bl_semaphore_acquire(bl_semaphore *s, int64_t n);

/* Takes n units unless an absolute time comes first.  Returns 0 or -ETIMEDOUT. */
BL_API int bl_semaphore_acquire_until(bl_semaphore *s, int64_t n, int64_t until_ns);

/* Takes n units if that is possible at once, and returns whether it did.
 * Call from: anywhere.  Blocks: no. */
BL_API bool bl_semaphore_try_acquire(bl_semaphore *s, int64_t n);

/* Gives n units back.
 * Panics: "semaphore: released more than held". */
BL_API void bl_semaphore_release(bl_semaphore *s, int64_t n);

/* --- pool ----------------------------------------------------------------------- */

/* Items that are free, kept apart for each processor.  {.make = f} gives the items
 * that nobody has stored; {.destroy = g} gets those that are not needed. */
typedef struct bl_pool {
    void *(*make)(void);
    void (*destroy)(void *item);
    struct bl__pool *inner;
} bl_pool;

/* Returns what was stored last on this processor, or any other item, or what make()
 * makes; NULL without make.
 * Call from: anywhere.  Blocks: no. */
BL_API void *bl_pool_get(bl_pool *p);

/* Stores item; NULL is ignored.  Call from: anywhere.  Blocks: no. */
BL_API void bl_pool_put(bl_pool *p, void *item);

/* Destroys what nobody has needed for long: what is stored survives one call, and is
 * destroyed by the second if nobody has taken it.  C has no collector that could do
 * it: call this from time to time. */
BL_API void bl_pool_age(bl_pool *p);

/* Destroys all items, and the pool's memory; it can be used again.  Nobody may be
 * using it. */
BL_API void bl_pool_clear(bl_pool *p);

/* --- error group ---------------------------------------------------------------- */

/* Goroutines that do one job; {.limit = n} lets n of them run at a time. */
typedef struct bl_errgroup {
    int64_t limit; /* 0: any number */
    bl_waitgroup members;
    bl_semaphore slots;
    bl_mutex mutex;
    int error;     /* the first one */
    bl_panic_info *panicked; /* the first one */
} bl_errgroup;

/* Starts f(arg) in a goroutine; f returns 0 or a negative errno.
 * Blocks: while `limit` of them run. */
BL_API void bl_errgroup_go(bl_errgroup *eg, int (*f)(void *arg), void *arg);

/* Waits for all, and returns the first error that came, or 0.  If one of them
 * panicked, panics with that. */
BL_API int bl_errgroup_wait(bl_errgroup *eg);

/* --- single flight --------------------------------------------------------------- */

typedef struct bl_flights {
    bl_mutex mutex;
    struct bl__flight *first;
} bl_flights;

/* Calls f(arg) and returns its result; while one call for key is under way others for
 * the same key wait for it, and return the same.  *shared (unless NULL) says whether
 * others got it as well.  A panic of f goes to all of them. */
BL_API void *bl_flights_do(bl_flights *fs, const char *key, void *(*f)(void *arg),
                           void *arg, bool *shared);

BL_END_DECLS

#endif
