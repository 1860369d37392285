/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/paced.c - serves profiles, prints the port, and for each line that it reads
 * does a known number of things; prints "done" behind them.  See paced.py. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/pprof.h>

#include <stdio.h>
#include <time.h>

enum { PLAIN = 700, PANICKING = 200, EXITING = 100, SLEEPING = 50, BLOCKING = 4, DEFERS = 3 };

static void
clean_up(int n)
{
    (void)n;
}

static void
panic_with_calls(void)
{
    returns_nothing {
        for (int i = 0; i < DEFERS; i++)
            defer_call(clean_up, i);
        bl_panic("as it should be");
    }
}

static void
forgive(void)
{
    bl_recover();
}

static void
panic_and_recover(bl_waitgroup *wg)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, wg);
        defer_call(forgive);
        panic_with_calls();
    }
}

static void
exit_early(bl_waitgroup *wg)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, wg);
        bl_goexit();
    }
}

static void
wait_and_return(chan_of(int) c, bl_waitgroup *wg)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, wg);
        bl_recv(c);
    }
}

static void
sleep_a_while(bl_waitgroup *wg)
{
    bl_sleep(20 * BL_MILLISECOND);
    bl_waitgroup_done(wg);
}

static void
block_in_c(bl_waitgroup *wg)
{
    const struct timespec t = {0, 200 * BL_MILLISECOND};

    nanosleep(&t, NULL);
    bl_waitgroup_done(wg);
}

static void
do_things(void)
{
    chan_of(int) c = chan_make(int, 0);
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, PLAIN + PANICKING + EXITING + SLEEPING + BLOCKING);
    for (int i = 0; i < PLAIN; i++)
        bl_go(wait_and_return, c, &wg);
    for (int i = 0; i < PANICKING; i++)
        bl_go(panic_and_recover, &wg);
    for (int i = 0; i < EXITING; i++)
        bl_go(exit_early, &wg);
    for (int i = 0; i < SLEEPING; i++)
        bl_go(sleep_a_while, &wg);
    for (int i = 0; i < BLOCKING; i++)
        bl_go(block_in_c, &wg);
    for (int i = 0; i < PLAIN; i++)
        bl_send(c, i);
    bl_waitgroup_wait(&wg);
    chan_free(c);
}

int
main(void)
{
    char line[80];

    printf("%d\n", bl_pprof_serve("127.0.0.1:0"));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        do_things();
        puts("done");
        fflush(stdout);
    }
}
