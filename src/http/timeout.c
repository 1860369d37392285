/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/timeout.c - an answer for the client when the handler takes too long.
 *
 * The handler stays in its goroutine, with its request's memory, however long it takes;
 * only the answer is taken from it.  Who is the first to send has the word: what the handler
 * writes is kept back until it fills the buffer, or is flushed, as always.  The connection
 * ends behind a late answer: nobody knows when the handler has done with it. */
#include "http/server.h"

#include <stdio.h>

bl_error_global(bl__err_timed_out, "http: Handler timeout");

/* --- the answer ------------------------------------------------------------------------------- */

void
bl__response_timed(bl_http_response *w)
{
    w->timed++;
}

/* Nothing of w is written to but the word itself: the handler goes on using it. */
void
bl__response_cut_in(bl_http_response *w, int code)
{
    const char *words = bl_http_status_text(code);
    int nobody = BL__BY_NOBODY, n;
    char text[512];

    if (!atomic_compare_exchange_strong(&w->answered, &nobody, BL__BY_TIMEOUT))
        return;
    n = snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\n"
                 "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n%s%s",
                 code, words, w->date, strlen(words) + 1, w->is_head ? "" : words,
                 w->is_head ? "" : "\n");
    bl_error_release(bl__stream_write(&w->served->stream, text, (size_t)n));
}

void
bl__response_untimed(bl_http_response *w)
{
    w->timed--;
    if (atomic_load(&w->answered) != BL__BY_TIMEOUT)
        return;
    if (w->err == bl__err_timed_out)
        w->err = NULL;
    w->status = 503;
    w->written = w->buffered = 0;
    w->head_sent = w->done = w->closes = true;
}

/* --- the middleware --------------------------------------------------------------------------- */

struct timing {
    bl_http_response *w;
    bl_http_request *r;
    bl_context *before, *ctx;
    bl_context_func *func;
    bl_waitgroup answering; /* answer_late(), if it is called */
};

static void
answer_late(void *arg)
{
    struct timing *t = arg;

    if (bl_error_is(bl_context_err(t->ctx), bl_err_deadline_exceeded))
        bl__response_cut_in(t->w, 503);
    bl_waitgroup_done(&t->answering);
}

/* Nobody looks at t any more when this returns. */
static void
end_timing(struct timing *t)
{
    if (t->func && !bl_context_func_stop(t->func))
        bl_waitgroup_wait(&t->answering);
    bl_context_func_free(t->func);
    bl__response_untimed(t->w);
    bl_http_set_context(t->r, t->before);
    bl_context_end(t->ctx);
    bl_context_release(t->before);
}

void
bl_http_timeout(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    struct timing t = {.w = w, .r = r};

    t.before = bl_context_retain(bl_http_context(r));
    t.ctx = bl_context_with_timeout(t.before, *(const int64_t *)data);
    bl_http_set_context(r, t.ctx);
    bl__response_timed(w);
    bl_waitgroup_add(&t.answering, 1);
    t.func = bl_context_after_func(t.ctx, answer_late, &t);
    bl_returns_nothing {
        bl_defer_call(end_timing, &t);
        bl_http_call(next, w, r);
    }
}
