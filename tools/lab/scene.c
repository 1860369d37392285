/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* scene.c - what the mistakes are made in: a server, its clients, requests.  All of it is
 * right; what leaks is in the mistakes' own files.
 *
 * A request is a byte, and so is its answer. */
#include "lab.h"

static struct board *board;   /* both constant once the form runs */
static bl_listener *listener; /* NULL: the form asks */

void
scene_set(struct board *b, bl_listener *l)
{
    board = b;
    listener = l;
}

/* --- a server -------------------------------------------------------------------- */

bool
scene_accept(struct board *b, bl_conn **c)
{
    bl_error *err = bl_listener_accept(listener, c);

    (void)b;
    bl_error_release(err);
    return !err;
}

void
scene_serve(struct board *b, void (*handle)(bl_conn *))
{
    bl_conn *c;

    while (scene_accept(b, &c))
        bl_go(handle, c);
}

void
scene_serve_by(struct board *b, void (*serve_one)(bl_conn *c, void (*handle)(bl_conn *)),
               void (*handle)(bl_conn *))
{
    bl_conn *c;

    while (scene_accept(b, &c))
        bl_go(serve_one, c, handle);
}

bool
scene_answer(bl_conn *c)
{
    char request;
    size_t n;
    bl_error *err = bl_conn_read(c, &request, 1, &n);

    if (!err)
        err = bl_conn_write(c, &request, 1, NULL);
    if (!err)
        atomic_fetch_add(&board->served, 1);
    bl_error_release(err);
    return !err;
}

/* --- a client ---------------------------------------------------------------------- */

bl_error *
scene_dial(bl_conn **c)
{
    int fd = peer_connect(board);
    bl_error *err = fd < 0 ? bl_error_from_errno(-fd) : bl_conn_adopt(fd, c);

    if (!err)
        atomic_fetch_add(&board->opened, 1);
    return err;
}

bool
scene_ask(bl_conn *c)
{
    char answer;
    size_t n;
    bl_error *err = bl_conn_write(c, "?", 1, NULL);

    if (!err)
        err = bl_conn_read(c, &answer, 1, &n);
    atomic_fetch_add(err ? &board->failed : &board->served, 1);
    bl_error_release(err);
    return !err;
}

void
scene_wait_for_end(bl_conn *c)
{
    char rest;
    size_t n;
    bl_error *err;

    while (!(err = bl_conn_read(c, &rest, 1, &n)))
        continue;
    bl_error_release(err);
}
