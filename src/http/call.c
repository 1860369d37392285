/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/call.c - calling the handler, and what becomes of its panics. */
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>

bl_error_global(bl_err_http_abort, "net/http: abort Handler");

enum { STACK_TEXT = 64 << 10 };

/* Called before the stack is unwound: it shows where the panic came from. */
static void
report(struct bl__served *c, const bl_panic_info *p)
{
    char address[BL_ADDR_TEXT] = "", text[1024], *stack = malloc(STACK_TEXT);

    bl_panic_text(p, text, sizeof text);
    if (stack)
        bl_stack(stack, STACK_TEXT);
    if (c->work->request.shown.remote)
        bl_addr_text(c->work->request.shown.remote, address, sizeof address);
    bl__server_log(c->server, "http: panic serving %s: %s\n%s", address, text,
                   stack ? stack : "");
    free(stack);
}

/* The answer begins anew, if none of it is on its way. */
static void
answer_panic(bl_http_response *w)
{
    w->closes = true;
    if (w->head_sent || w->err) {
        w->done = true;
        return;
    }
    w->header.count = w->trailer.count = w->frozen_count = 0;
    w->buffered = 0;
    w->written = 0;
    w->declared = -1;
    w->status = 0;
    w->chunked = false;
    bl_http_error(w, "500 Internal Server Error", 500);
}

static void
after_handler(struct bl__served *c)
{
    const bl_panic_info *p = bl_recover();
    struct bl__work *work = c->work;

    if (!p)
        return;
    c->ends = true;
    if (p->kind == BL_PANIC_ERROR && p->error == bl_err_http_abort) {
        work->response.done = true;
        work->response.closes = true;
        return;
    }
    atomic_fetch_add_explicit(&c->server->panics, 1, memory_order_relaxed);
    if (p->kind == BL_PANIC_FAULT)
        atomic_fetch_add_explicit(&c->server->faults, 1, memory_order_relaxed);
    report(c, p);
    if (work->response.served)
        answer_panic(&work->response);
}

void
bl__call_handler(struct bl__served *c)
{
    bl_http_handler h = c->server->o.handler;

    bl_returns_nothing {
        bl_defer_call(after_handler, c);
        h.serve(&c->work->response, &c->work->request.shown, h.data);
    }
}
