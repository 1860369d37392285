/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* hijack.c - a connection that a handler has taken from its server, and forgets.
 *
 * The server releases what it has accepted when the handler returns.  A handler that goes
 * on with the connection, as one does that turns it into a WebSocket, takes a reference
 * of its own: from then on there are two owners, and each has to release. */
#include "lab.h"

static void
stream_wrong(bl_conn *c)
{
    while (scene_answer(c))
        continue;
    /* WRONG: "the server closes its connections"; but this one is ours, too */
}

static void
stream_right(bl_conn *c)
{
    bl_returns_nothing {
        bl_defer_call(bl_conn_release, c); /* RIGHT: what was taken is given back */
        while (scene_answer(c))
            continue;
    }
}

static void
handle_wrong(bl_conn *c)
{
    bl_go(stream_wrong, bl_conn_retain(c));
}

static void
handle_right(bl_conn *c)
{
    bl_go(stream_right, bl_conn_retain(c));
}

/* The server's part, the same for both. */
static void
serve_one(bl_conn *c, void (*handle)(bl_conn *))
{
    bl_returns_nothing {
        bl_defer_call(bl_conn_release, c);
        handle(c);
    }
}

static void
serve_wrong(struct board *b)
{
    scene_serve_by(b, serve_one, handle_wrong);
}

static void
serve_right(struct board *b)
{
    scene_serve_by(b, serve_one, handle_right);
}

const struct mistake mistake_hijack = {
    .name = "hijack",
    .summary = "a connection taken over from its server, and not released by the taker",
    .wrong = serve_wrong,
    .right = serve_right,
};
