/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/input.c - what has come of a connection, and was not used yet.
 *
 *     data   [ head, pinned | used | start .. end | room ]
 *
 * It begins in a small buffer that its owner has; what does not fit gets a larger one from
 * malloc, until it is empty again. */
#include "http/http.h"

#include <errno.h>
#include <stdlib.h>

enum { LEAST = 1024 };

void
bl__input_init(struct bl__input *in, void *data, size_t size)
{
    *in = (struct bl__input){.data = data, .size = size, .inline_data = data,
                             .inline_size = size};
}

static void
let_go(struct bl__input *in, char *data)
{
    if (data != in->inline_data)
        free(data);
}

static void
move_to_front(struct bl__input *in)
{
    size_t left = bl__input_left(in);

    if (in->start == in->pinned)
        return;
    memmove(in->data + in->pinned, in->data + in->start, left);
    in->start = in->pinned;
    in->end = in->pinned + left;
}

/* A head that is pinned stays in the old one. */
static bool
grow(struct bl__input *in, size_t most)
{
    size_t left = bl__input_left(in);
    size_t size = in->pinned ? most : 2 * in->size < most ? 2 * in->size : most;
    char *data;

    if (size <= left || (!in->pinned && size <= in->size) || !(data = malloc(size)))
        return false;
    memcpy(data, in->data + in->start, left);
    if (in->pinned && !in->head_data)
        in->head_data = in->data;
    else
        let_go(in, in->data);
    in->data = data;
    in->size = size;
    in->pinned = in->start = 0;
    in->end = left;
    return true;
}

bl_error *
bl__input_fill(struct bl__input *in, struct bl__stream *s, size_t most)
{
    bl_error *err;
    size_t n;

    if (in->start == in->end)
        in->start = in->end = in->pinned;
    if (in->pinned ? in->size - in->pinned < most : in->size - in->end < LEAST) {
        move_to_front(in);
        if (in->pinned || in->size - in->end < LEAST)
            grow(in, most);
    }
    if (in->size == in->end) {
        move_to_front(in);
        if (in->size == in->end)
            return in->size < most ? bl_error_from_errno(ENOMEM) : bl_err_buffer_full;
    }
    err = bl__stream_read(s, in->data + in->end, in->size - in->end, &n);
    in->end += n;
    return err;
}

void
bl__input_next(struct bl__input *in)
{
    size_t left = bl__input_left(in);
    char *old = in->data;

    if (in->head_data) {
        let_go(in, in->head_data);
        in->head_data = NULL;
    }
    in->pinned = 0;
    if (old != in->inline_data && left <= in->inline_size / 2) {
        memcpy(in->inline_data, old + in->start, left);
        free(old);
        in->data = in->inline_data;
        in->size = in->inline_size;
        in->start = 0;
        in->end = left;
    }
    move_to_front(in);
}

void
bl__input_free(struct bl__input *in)
{
    if (in->head_data)
        let_go(in, in->head_data);
    let_go(in, in->data);
    in->data = in->head_data = NULL;
}
