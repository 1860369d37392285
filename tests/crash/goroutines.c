/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Dying with goroutines: what a report says of each, word for word. */
#include "case.h"

#include <signal.h>

static bl_chan_of(int) never;
static bl_mutex mutex;
static bl_waitgroup group;

/* What comes behind a call keeps it from being a jump. */
static volatile int behind;

static FRAME void
receives(void)
{
    bl_recv(never); /* @receives */
    behind = 1;
}

static FRAME void
sends(void)
{
    bl_send(never, 1); /* @sends */
    behind = 1;
}

static FRAME void
selects(void)
{
    int v;

    bl_select(bl_on_recv(never, &v), bl_on_send((bl_chan_of(int))NULL, 1)); /* @selects */
    behind = 1;
}

static FRAME void
locks(void)
{
    bl_mutex_lock(&mutex); /* @locks */
    behind = 1;
}

static FRAME void
sleeps(void)
{
    bl_sleep(BL_HOUR); /* @sleeps */
    behind = 1;
}

static FRAME void
boom(void)
{
    bl_panic("in a goroutine"); /* @boom */
}

static FRAME void
panics(void)
{
    boom(); /* @panics */
    behind = 1;
}

static void
rest(void)
{
    for (int i = 0; i < 50; i++)
        bl_gosched();
}

static FRAME void
panic_alone(void)
{
    bl_go(panics); /* @spawns */
    bl_sleep(10 * BL_SECOND);
}

/* The others are not listed but with BELAYTRACEBACK=all. */
static FRAME void
panic_among(void)
{
    never = bl_chan_make(int, 0);
    bl_go(sleeps); /* @among-sleeps */
    bl_go(receives); /* @among-receives */
    rest();
    boom(); /* @among */
    behind = 1;
}

static FRAME void
deadlock(void)
{
    never = bl_chan_make(int, 0);
    bl_mutex_lock(&mutex);
    bl_waitgroup_add(&group, 1);
    bl_go(receives); /* @dead-receives */
    rest();
    bl_go(selects); /* @dead-selects */
    rest();
    bl_go_with(((bl_go_options){.name = "locker"}), locks); /* @dead-locks */
    bl_waitgroup_wait(&group); /* @dead-waits */
    behind = 1;
}

static FRAME void
closed(void)
{
    never = bl_chan_make(int, 0);
    bl_go(sends); /* @closed-sends */
    rest();
    bl_chan_close(never);
    bl_sleep(10 * BL_SECOND);
}

static FRAME void
cleans_up(int n)
{
    behind = n;
}

static FRAME void
holds(void)
{
    bl_returns_nothing {
        bl_defer_call(cleans_up, 1); /* @holds-first */
        bl_defer_call(cleans_up, 2); /* @holds-second */
        bl_recv(never); /* @holds */
    }
}

/* Deferred calls that have not run. */
static FRAME void
pending(void)
{
    never = bl_chan_make(int, 0);
    bl_go(holds); /* @pending */
    bl_recv(never); /* @pending-main */
    behind = 1;
}

static FRAME void
quit(void)
{
    never = bl_chan_make(int, 0);
    bl_go(receives); /* @quit */
    rest();
    raise(SIGQUIT); /* @raise */
    behind = 1;
}

static FRAME void
blocks(void)
{
    sleep(10);
    behind = 1;
}

/* Each of these blocks a thread. */
static FRAME void
threads(void)
{
    bl_set_max_threads(5);
    for (int i = 0; i < 9; i++)
        bl_go(blocks);
    bl_sleep(5 * BL_SECOND);
}

static FRAME void
threads_now(void)
{
    bl_go(blocks);
    bl_sleep(200 * BL_MILLISECOND);
    behind = bl_set_max_threads(0);
    bl_set_max_threads(1); /* @threads-now */
    behind = 1;
}

/* None of the others has begun. */
static FRAME void
at_once(void)
{
    bl_go(receives); /* @at-once-spawns */
    boom(); /* @at-once */
    behind = 1;
}

CASES(
    {"panic", panic_alone},
    {"among", panic_among},
    {"deadlock", deadlock},
    {"closed", closed},
    {"pending", pending},
    {"quit", quit},
    {"at-once", at_once},
    {"threads", threads},
    {"threads-now", threads_now})
