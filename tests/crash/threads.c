/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* threads.c - crashes in threads that Belay has not made: P2, P3, P26, P27, O18,
 * G8, and stack overflows (F9), which are fatal wherever they happen. */
#include "case.h"

#include <pthread.h>
#include <signal.h>

static pthread_barrier_t both;

static FRAME void
boom(const char *what)
{
    bl_panic("%s", what); /* @boom */
}

static FRAME void *
panics(void *arg)
{
    boom(arg); /* @panics */
    say("boom returned");
    return NULL;
}

static FRAME void *
panics_deferring(void *arg)
{
    bl_returns (void *, r) {
        bl_defer_call(say, "deferred");
        boom(arg); /* @panics-deferring */
        r = arg;
    }
}

static FRAME void *
panics_together(void *arg)
{
    pthread_barrier_wait(&both);
    boom(arg);
    say("boom returned");
    return NULL;
}

static pthread_t
start(void *(*f)(void *), const char *what)
{
    pthread_t t;

    if (pthread_create(&t, NULL, f, (void *)(uintptr_t)what) != 0)
        say("no thread");
    return t;
}

/* P2, P3: main's deferred calls don't run. */
static void
other(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "main's, which must not run");
        pthread_join(start(panics_deferring, "in a thread"), NULL);
    }
}

static void
detached(void)
{
    pthread_detach(start(panics, "in a thread"));
    for (;;)
        pause();
}

/* One complete report, whoever is first. */
static void
two(void)
{
    pthread_t a, b;

    pthread_barrier_init(&both, NULL, 2);
    a = start(panics_together, "twice");
    b = start(panics_together, "twice");
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}

/* The report takes its time; that main returns does not cut it off (P26). */
static size_t
slow_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    pthread_barrier_wait(&both);
    usleep(100 * 1000);
    return (size_t)snprintf(buf, size, "slow");
}

static const bl_error_kind slow_kind = {.name = "slow", .text = slow_text};
static const bl_error slow = {&slow_kind};

static void *
panics_slowly(void *arg)
{
    (void)arg;
    bl_panic_error(&slow);
}

static void
two_texts(void)
{
    pthread_barrier_init(&both, NULL, 2);
    start(panics_slowly, NULL);
    pthread_join(start(panics_slowly, NULL), NULL);
}

/* A caught thread is a usable thread, and says which one it is. */
static void *
stacks(void *arg)
{
    char buf[4096];

    bl_stack(buf, sizeof buf);
    *strchr(buf, '\n') = '\0';
    say(buf);
    return arg;
}

static void
header(void)
{
    stacks(NULL);
    pthread_join(start(stacks, NULL), NULL);
}

/* --- stack overflow ------------------------------------------------------- */

static FRAME int
endless(int depth)
{
    volatile char big[1000];

    big[depth % 1000] = 1;
    return endless(depth + 1) + big[0]; /* @endless */
}

static FRAME int
catching(int depth)
{
    bl_returns (int, r) {
        bl_defer_call(say, "deferred, which must not run");
        r = endless(depth);
    }
}

static void
overflow(void)
{
    catching(0);
}

static void *
overflows(void *arg)
{
    catching(0);
    return arg;
}

static void
overflow_thread(void)
{
    pthread_join(start(overflows, NULL), NULL);
}

/* Frames that are much larger than the guard page. */
static FRAME int
endless_wide(int depth)
{
    volatile char big[100000];

    big[depth % 1000] = 1;
    return endless_wide(depth + 1) + big[0];
}

static void
overflow_wide(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred, which must not run");
        endless_wide(0);
    }
}

/* A thread that has never used Belay has no signal stack: it dies as it would
 * without Belay. */
static void *
overflows_unknown(void *arg)
{
    endless(0);
    return arg;
}

static void
overflow_unknown(void)
{
    pthread_join(start(overflows_unknown, NULL), NULL);
}

static void *
faults_unknown(void *arg)
{
    *(volatile int *)arg = 1; /* @faults-unknown */
    return arg;
}

static void
fault_unknown(void)
{
    pthread_join(start(faults_unknown, NULL), NULL);
}

CASES(
    {"other", other},
    {"detached", detached},
    {"two", two},
    {"two-texts", two_texts},
    {"header", header},
    {"overflow", overflow},
    {"overflow-thread", overflow_thread},
    {"overflow-wide", overflow_wide},
    {"overflow-unknown", overflow_unknown},
    {"fault-unknown", fault_unknown})
