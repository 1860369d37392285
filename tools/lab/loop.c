/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* loop.c - a deferred call in a loop.
 *
 * bl_defer_call() is Go's defer: the call is made when the function's body ends, not the
 * loop's.  In a loop that accepts connections that is never; each of them stays open, and
 * its deferred call pending. */
#include "lab.h"

static void
serve_wrong(struct board *b)
{
    bl_returns_nothing {
        bl_conn *c;

        while (scene_accept(b, &c)) {
            bl_defer_call(bl_conn_release, c); /* WRONG: when serve_wrong() ends */
            scene_answer(c);
        }
    }
}

/* What is to be cleaned up once a turn is a function of its own.  (With GCC a block,
 * bl_defer { bl_conn_release(c); };, in the loop does it, too: it runs every turn.) */
static void
answer_one(bl_conn *c)
{
    bl_returns_nothing {
        bl_defer_call(bl_conn_release, c); /* RIGHT: when answer_one() ends */
        scene_answer(c);
    }
}

static void
serve_right(struct board *b)
{
    bl_conn *c;

    while (scene_accept(b, &c))
        answer_one(c);
}

const struct mistake mistake_loop = {
    .name = "loop",
    .summary = "a deferred call in a loop: it waits for the end of the function",
    .wrong = serve_wrong,
    .right = serve_right,
};
