/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/hand.c - the cases of belay.c as C programs write them without Belay.
 *
 * Clean-up stands at every exit, or on a ladder of labels.  For panics there are
 * the three idioms that C has, on top of setjmp and longjmp:
 *   plain   longjmp to the innermost handler: nothing is cleaned up, the floor;
 *   block   a handler in every frame, which cleans up and jumps on (PG_TRY);
 *   call    a list of clean-ups, which the thrower runs before it jumps.
 * setjmp stands for _setjmp: the signal mask is not saved. */
#include "bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

/* --- clean-up, nothing goes wrong ---------------------------------------- */

static int64_t
block_one(int64_t n)
{
    int64_t h = bench_acquire(n);
    int64_t r = bench_use(h);

    bench_release(h);
    return r;
}

/* The first `limit` of three resources can be had. */
static BENCH_NOINLINE int64_t
acquire_three(int64_t limit)
{
    int64_t a, b, c, r;

    a = bench_acquire(limit - 1);
    if (a < 0)
        return -1;
    b = bench_acquire(limit - 2);
    if (b < 0) {
        r = -2;
        goto release_a;
    }
    c = bench_acquire(limit - 3);
    if (c < 0) {
        r = -3;
        goto release_b;
    }
    r = bench_use(a + b + c);
    bench_release(c);
release_b:
    bench_release(b);
release_a:
    bench_release(a);
    return r;
}

static int64_t
block_three(int64_t most)
{
    int64_t sum = 0;

    for (int64_t limit = 0; limit <= most; limit++)
        sum += acquire_three(limit);
    return sum;
}

static int64_t
block_loop(int64_t n)
{
    int64_t sum = 0;

    for (int64_t i = 0;; i++) {
        int64_t h = bench_acquire(i);

        if (i == n) {
            bench_release(h);
            break;
        }
        if (i & 1) {
            bench_release(h);
            continue;
        }
        sum += bench_use(h);
        bench_release(h);
    }
    return sum;
}

static int64_t
block_mutex(int64_t n)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int64_t r;

    pthread_mutex_lock(&mutex);
    if (bench_use(n) < 0) {
        pthread_mutex_unlock(&mutex);
        return -1;
    }
    r = bench_use(n + 1);
    pthread_mutex_unlock(&mutex);
    return r;
}

/* --- throwing ------------------------------------------------------------ */

struct cleanup {
    struct cleanup *outer;
    void (*run)(int64_t arg);
    int64_t arg;
};

struct handler {
    struct handler *outer;
    struct cleanup *cleanups; /* those of frames further out */
    jmp_buf here;
};

static _Thread_local struct handler *handlers;
static _Thread_local struct cleanup *cleanups;

static void
push_handler(struct handler *h)
{
    h->outer = handlers;
    h->cleanups = cleanups;
    handlers = h;
}

static BENCH_NOINLINE __attribute__((noreturn)) void
throw(void)
{
    struct handler *h = handlers;

    while (cleanups != h->cleanups) {
        struct cleanup *c = cleanups;

        cleanups = c->outer;
        c->run(c->arg);
    }
    handlers = h->outer;
    longjmp(h->here, 1);
}

/* --- handlers and deferred calls, nothing goes wrong --------------------- */

static int64_t
returns_quiet(int64_t n)
{
    struct handler h;
    int64_t r;

    push_handler(&h);
    if (_setjmp(h.here))
        return -1;
    r = bench_use(n);
    handlers = h.outer;
    return r;
}

static int64_t
calls_one(int64_t n)
{
    int64_t r = bench_use(n);

    bench_release(n);
    return r;
}

/* Room for any number would need malloc; this is the floor. */
static int64_t
calls_loop(int64_t n)
{
    struct cleanup calls[100];
    int64_t used = 0;

    for (int64_t i = 0; i < n; i++) {
        calls[used].run = bench_release;
        calls[used++].arg = i;
    }
    while (used-- > 0)
        calls[used].run(calls[used].arg);
    return n;
}

/* --- throw and catch ----------------------------------------------------- */

static BENCH_NOINLINE int64_t
catching(void (*frame)(int64_t), int64_t arg)
{
    struct handler h;

    push_handler(&h);
    if (_setjmp(h.here))
        return arg;
    frame(arg);
    handlers = h.outer;
    return 0;
}

static BENCH_NOINLINE void
plain_frame(int64_t depth)
{
    if (depth > 1) {
        plain_frame(depth - 1);
    } else if (depth == 1) {
        bench_release(depth); /* that's for the sum */
        throw();
    }
    bench_after();
}

static BENCH_NOINLINE void
block_frame(int64_t depth)
{
    struct handler h;

    push_handler(&h);
    if (_setjmp(h.here)) {
        bench_release(depth);
        throw();
    }
    if (depth > 1)
        block_frame(depth - 1);
    else if (depth == 1)
        throw();
    bench_after();
    handlers = h.outer;
    bench_release(depth);
}

static BENCH_NOINLINE void
call_frame(int64_t depth)
{
    struct cleanup c = {cleanups, bench_release, depth};

    cleanups = &c;
    if (depth > 1)
        call_frame(depth - 1);
    else if (depth == 1)
        throw();
    bench_after();
    cleanups = c.outer;
    bench_release(depth);
}

static BENCH_NOINLINE void
fault_frame(int64_t arg)
{
    *bench_null = arg;
    bench_after();
}

static void
on_fault(int signal)
{
    (void)signal;
    throw();
}

/* With SA_NODEFER the mask needs no restoring: the floor again. */
static __attribute__((constructor)) void
catch_faults(void)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

    sigaction(SIGSEGV, &action, NULL);
}

static int64_t
panic_plain(int64_t depth)
{
    return catching(plain_frame, depth);
}

static int64_t
panic_block(int64_t depth)
{
    return catching(block_frame, depth);
}

static int64_t
panic_call(int64_t depth)
{
    return catching(call_frame, depth);
}

static int64_t
panic_fault(int64_t arg)
{
    return catching(fault_frame, arg);
}

const struct bench_case bench_cases[] = {
    {"block/one", block_one, 7, 1},
    {"block/three", block_three, 3, 1},
    {"block/loop", block_loop, 16, 1},
    {"block/mutex", block_mutex, 7, 1},
    {"returns/quiet", returns_quiet, 7, 1},
    {"calls/one", calls_one, 7, 1},
    {"calls/loop100", calls_loop, 100, 100},
    {"panic/plain/1", panic_plain, 1, 1},
    {"panic/plain/10", panic_plain, 10, 1},
    {"panic/plain/100", panic_plain, 100, 1},
    {"panic/block/1", panic_block, 1, 1},
    {"panic/block/10", panic_block, 10, 1},
    {"panic/block/100", panic_block, 100, 1},
    {"panic/call/1", panic_call, 1, 1},
    {"panic/call/10", panic_call, 10, 1},
    {"panic/call/100", panic_call, 100, 1},
    {"panic/fault", panic_fault, 1, 1},
    {0},
};
