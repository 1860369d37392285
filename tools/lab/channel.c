/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* channel.c - a goroutine blocked for ever on a channel that nobody reads.
 *
 * Two replicas are asked, the first answer is taken.  The second one's sender waits for a
 * receiver that has left; and the channel can't be freed, as it is still in there. */
#include "lab.h"

typedef bl_chan_of(int) answers;

static void
ask_wrong(int replica, answers to)
{
    bl_send(to, replica); /* WRONG: the second of two waits here for ever */
}

static void
handle_wrong(bl_conn *c)
{
    bl_returns_nothing {
        answers a = bl_chan_make(int, 0);

        bl_defer_call(bl_conn_release, c);
        for (int replica = 1; replica <= 2; replica++)
            bl_go(ask_wrong, replica, a);
        bl_recv(a);
        scene_answer(c);
    }
}

static void
ask_right(int replica, answers to, bl_waitgroup *asked)
{
    bl_send(to, replica); /* RIGHT: there is room for all who send */
    bl_waitgroup_done(asked);
}

/* Who starts goroutines knows when they are through; then the channel can go. */
static void
handle_right(bl_conn *c)
{
    bl_waitgroup asked = {0};

    bl_returns_nothing {
        answers a = bl_chan_make(int, 2);

        bl_defer_call(bl_conn_release, c);
        bl_defer_call(bl_chan_release, (bl_chan *)a);
        bl_defer_call(bl_waitgroup_wait, &asked);
        bl_waitgroup_add(&asked, 2);
        for (int replica = 1; replica <= 2; replica++)
            bl_go(ask_right, replica, a, &asked);
        bl_recv(a);
        scene_answer(c);
    }
}

static void
serve_wrong(struct board *b)
{
    scene_serve(b, handle_wrong);
}

static void
serve_right(struct board *b)
{
    scene_serve(b, handle_right);
}

const struct mistake mistake_channel = {
    .name = "channel",
    .summary = "goroutines blocked for ever on a channel that nobody reads",
    .wrong = serve_wrong,
    .right = serve_right,
};
