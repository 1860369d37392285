/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* locks/locks.c - libbelay-locks: stands before the C library's mutexes, and notes
 * which of them each thread has locked.
 *
 * A library of its own, to be preloaded: programs that don't look for this mistake
 * don't pay for it.  A mutex that a goroutine unlocks on another thread stays noted on
 * the first one until it has been reported. */
#define _GNU_SOURCE
#include "locks/held.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER ((uintptr_t)__builtin_return_address(0))

enum { MOST = 32 }; /* more than that at a time are not noted */

static _Thread_local struct {
    struct bl__held locks[MOST];
    unsigned n;
} held __attribute__((tls_model("initial-exec")));

/* --- the C library's own ------------------------------------------------------- */

static int (*real_lock)(pthread_mutex_t *);
static int (*real_trylock)(pthread_mutex_t *);
static int (*real_timedlock)(pthread_mutex_t *, const struct timespec *);
static int (*real_clocklock)(pthread_mutex_t *, clockid_t, const struct timespec *);
static int (*real_unlock)(pthread_mutex_t *);

static void *
find(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);

    if (!f)
        abort(); /* not a C library that has threads */
    return f;
}

/* Before any constructor of the program's may lock. */
__attribute__((constructor(101))) static void
start(void)
{
    if (real_unlock)
        return;
    real_lock = (int (*)(pthread_mutex_t *))find("pthread_mutex_lock");
    real_trylock = (int (*)(pthread_mutex_t *))find("pthread_mutex_trylock");
    real_timedlock = (int (*)(pthread_mutex_t *, const struct timespec *))find(
        "pthread_mutex_timedlock");
    real_clocklock = (int (*)(pthread_mutex_t *, clockid_t, const struct timespec *))dlsym(
        RTLD_NEXT, "pthread_mutex_clocklock"); /* glibc 2.30 */
    real_unlock = (int (*)(pthread_mutex_t *))find("pthread_mutex_unlock");
}

/* --- notes ----------------------------------------------------------------------- */

static int
note(int result, const void *mutex, uintptr_t pc)
{
    if ((result == 0 || result == EOWNERDEAD) && held.n < MOST)
        held.locks[held.n++] = (struct bl__held){mutex, pc};
    return result;
}

/* The newest one of that mutex: recursive ones are noted more than once. */
static void
forget(const void *mutex)
{
    for (unsigned i = held.n; i-- > 0;) {
        if (held.locks[i].mutex != mutex)
            continue;
        for (held.n--; i < held.n; i++)
            held.locks[i] = held.locks[i + 1];
        return;
    }
}

EXPORT unsigned
bl__locks_held(const struct bl__held **first)
{
    *first = held.locks;
    return held.n;
}

EXPORT void
bl__locks_forget(void)
{
    held.n = 0;
}

/* --- instead of the C library's -------------------------------------------------- */

EXPORT int
pthread_mutex_lock(pthread_mutex_t *m)
{
    if (!real_lock)
        start();
    return note(real_lock(m), m, CALLER);
}

EXPORT int
pthread_mutex_trylock(pthread_mutex_t *m)
{
    if (!real_trylock)
        start();
    return note(real_trylock(m), m, CALLER);
}

EXPORT int
pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
    if (!real_timedlock)
        start();
    return note(real_timedlock(m, until), m, CALLER);
}

EXPORT int
pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *until)
{
    if (!real_lock)
        start();
    return real_clocklock ? note(real_clocklock(m, clock, until), m, CALLER) : ENOSYS;
}

EXPORT int
pthread_mutex_unlock(pthread_mutex_t *m)
{
    if (!real_unlock)
        start();
    forget(m);
    return real_unlock(m);
}
