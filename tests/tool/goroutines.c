/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Five goroutines at two places, one of them with a deferred call that is pending; then
 * SIGQUIT. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <signal.h>

static void
cleans_up(int n)
{
    (void)n;
}

static void
receives(bl_chan *c)
{
    int got;

    bl_chan_recv(c, &got);
}

static void
holds(bl_chan *c)
{
    returns_nothing {
        defer_call(cleans_up, 1);
        receives(c);
    }
}

int
main(void)
{
    bl_chan *c = bl_chan_new(sizeof(int), 0);

    for (int i = 0; i < 4; i++)
        go(receives, c);
    go(holds, c);
    bl_sleep(100 * BL_MILLISECOND);
    raise(SIGQUIT);
    return 0;
}
