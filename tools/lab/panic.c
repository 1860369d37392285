/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic.c - clean-up lost behind a panic.
 *
 * The server survives: it recovers, as servers do.  What stood behind the call that
 * panicked has not been done, and never will be. */
#include "lab.h"

static void
write_log(void)
{
    bl_panic("no space left for the log");
}

static void
handle_wrong(bl_conn *c)
{
    scene_answer(c);
    write_log();
    bl_conn_release(c); /* WRONG: not reached when write_log() panics */
}

static void
handle_right(bl_conn *c)
{
    bl_returns_nothing {
        bl_defer_call(bl_conn_release, c); /* RIGHT: whatever happens below */
        scene_answer(c);
        write_log();
    }
}

/* The server's part, the same for both: a connection more or less. */
static void
survive(void)
{
    bl_recover();
}

static void
serve_one(bl_conn *c, void (*handle)(bl_conn *))
{
    bl_returns_nothing {
        bl_defer_call(survive);
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

const struct mistake mistake_panic = {
    .name = "panic",
    .summary = "clean-up that stands behind a call that panics",
    .wrong = serve_wrong,
    .right = serve_right,
};
