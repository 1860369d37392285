/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/faults.c - handlers with bugs: what is to happen then can be tried.
 *
 * The client gets a 500, or where the answer has begun, a cut connection; the log gets
 * the stack; everybody else notices nothing. */
#include "paste.h"

#include <belay/keywords.h>
#include <stdlib.h>

static void
serve_panic(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)w, (void)r, (void)data;
    panic("somebody asked for it");
}

/* The store writes the id through the pointer in the middle of a transaction: what it has
 * inserted must be rolled back. */
static void
serve_null(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;

    (void)w, (void)r;
    error_release(store_add(s->store, "never seen", 10, NULL));
}

/* Arm's processors don't trap: there this answers with 0. */
static void
serve_divide(bl_http_response *w, bl_http_request *r, void *data)
{
    volatile int zero = 0;

    (void)r, (void)data;
    error_release(bl_http_printf(w, "%d\n", 1 / zero));
}

static void
serve_cut(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)r, (void)data;
    bl_http_header_set(bl_http_response_header(w), "Content-Length", "1000");
    error_release(bl_http_string(w, "the beginning, and "));
    error_release(bl_http_flush(w));
    panic("in the middle of an answer");
}

static int64_t
read_duration(bl_http_request *r)
{
    const char *ms = bl_http_query(r, "ms");
    long n = ms ? strtol(ms, NULL, 10) : 100;

    return (n < 0 ? 0 : n > 60000 ? 60000 : n) * BL_MILLISECOND;
}

/* Waits, but no longer than the client does. */
static void
serve_slow(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    if (bl_sleep_ctx(read_duration(r), bl_http_context(r)) == 0)
        error_release(bl_http_string(w, "at last\n"));
}

/* Computes, and lets nobody else run of its own accord. */
static void
serve_loop(bl_http_response *w, bl_http_request *r, void *data)
{
    int64_t until = bl_after_ns(read_duration(r));

    (void)data;
    while (bl_now() < until)
        for (volatile int i = 0; i < 10000; i++)
            ;
    error_release(bl_http_string(w, "dizzy\n"));
}

void
add_faults(bl_http_mux *mux, struct service *s)
{
    bl_http_handle(mux, "GET /panic", serve_panic, s);
    bl_http_handle(mux, "GET /null", serve_null, s);
    bl_http_handle(mux, "GET /divide", serve_divide, s);
    bl_http_handle(mux, "GET /cut", serve_cut, s);
    bl_http_handle(mux, "GET /slow", serve_slow, s);
    bl_http_handle(mux, "GET /loop", serve_loop, s);
}
