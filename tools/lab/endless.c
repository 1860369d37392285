/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* endless.c - clean-up registered in a goroutine that never ends.
 *
 * The deferred call is where it should be; what it waits for, the end of its goroutine,
 * does not come.  A goroutine that serves somebody has to learn when he is gone: from
 * the connection itself, a context, or a deadline. */
#include "lab.h"

static bl_chan_of(int) news; /* there is none today */

static void
handle_wrong(bl_conn *c)
{
    bl_returns_nothing {
        bl_defer_call(bl_conn_release, c);
        scene_answer(c);
        bl_recv(news); /* WRONG: nobody says here that the client has gone */
    }
}

static void
handle_right(bl_conn *c)
{
    bl_returns_nothing {
        bl_defer_call(bl_conn_release, c);
        while (scene_answer(c)) /* RIGHT: reading ends when the client goes */
            continue;
    }
}

static void
serve_wrong(struct board *b)
{
    news = bl_chan_make(int, 0);
    scene_serve(b, handle_wrong);
}

static void
serve_right(struct board *b)
{
    scene_serve(b, handle_right);
}

const struct mistake mistake_endless = {
    .name = "endless",
    .summary = "clean-up registered in a goroutine that never ends",
    .wrong = serve_wrong,
    .right = serve_right,
};
