/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/calls.c - deferred calls: registering them, and a body's normal end.
 *
 * Bodies end in the reverse order of their beginnings, so nodes and records lie
 * in an arena that only ever grows and shrinks at its top: the first few in the G
 * itself, then chunks.  A record is taken
 * off its list before it runs: however control leaves it, it can't run again. */
#include "os/os.h"
#include "panic/g.h"

#include <string.h>

enum { CHUNK = 64 * 1024 };

_Static_assert(sizeof(struct bl__record) % 16 == 0, "arguments are 16-aligned");
_Static_assert(sizeof(struct bl__calls) % 16 == 0, "records follow the node");

static BL__NOINLINE void
bl__grow(struct bl__g *g, size_t size)
{
    size_t want = sizeof(struct bl__chunk) + size;
    struct bl__chunk *c = g->spare;

    if (c && (size_t)(c->end - (char *)c) >= want) {
        g->spare = NULL;
    } else {
        want = want < CHUNK ? CHUNK : (want + 4095) & ~(size_t)4095;
        c = bl__os_map(want);
        if (!c)
            bl__fatal_at("out of memory for a deferred call", NULL, NULL);
        c->end = (char *)c + want;
    }
    c->older = g->chunk;
    g->chunk = c;
    g->top = c->bytes;
    g->end = c->end;
}

/* Makes room for size bytes at g->top. */
static inline char *
bl__reserve(struct bl__g *g, size_t size)
{
    if (BL__UNLIKELY((size_t)(g->end - g->top) < size))
        bl__grow(g, size);
    return g->top;
}

/* Whether p lies in the newest part of the arena. */
static inline bool
is_in_newest(const struct bl__g *g, const char *p)
{
    if (!g->chunk)
        return true;
    return p >= g->chunk->bytes && p < g->chunk->end;
}

static BL__NOINLINE void
drop_chunk(struct bl__g *g)
{
    struct bl__chunk *c = g->chunk;

    g->chunk = c->older;
    if (g->spare)
        bl__os_unmap(g->spare, (size_t)(g->spare->end - (char *)g->spare));
    g->spare = c;
}

void
bl__calls_close(struct bl__g *g, struct bl__calls *node)
{
    g->calls = node->outer;
    while (BL__UNLIKELY(!is_in_newest(g, (char *)node)))
        drop_chunk(g);
    g->top = (char *)node;
    g->end = g->chunk ? g->chunk->end : g->inline_calls + sizeof g->inline_calls;
}

void
bl__calls_free(struct bl__g *g)
{
    while (g->chunk)
        drop_chunk(g);
    if (g->spare)
        bl__os_unmap(g->spare, (size_t)(g->spare->end - (char *)g->spare));
    g->spare = NULL;
    g->top = g->inline_calls;
    g->end = g->inline_calls + sizeof g->inline_calls;
    g->calls = NULL;
}

/* Names the call that will never be made. */
void
bl__skipped(const struct bl__calls *node)
{
    const struct bl__site *site = node->top ? node->top->site : NULL;
    char buf[256];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf);

    BL__OBSERVE(skipped, site);
    if (site) {
        bl__put(&t, "bl_defer_call(");
        bl__put(&t, site->callee);
        bl__put(&t, ", ...) in ");
        bl__put(&t, site->function);
        bl__put(&t, " at ");
        bl__put(&t, site->file);
        bl__put(&t, ":");
        bl__put_int(&t, site->line);
    }
    bl__text_flush(&t);
    bl__fatal_at("deferred calls were skipped: longjmp, or a return, left their "
                 "function's frame behind Belay's back",
                 site ? buf : NULL, NULL);
}

void
bl__calls_check(struct bl__g *g, uintptr_t cfa)
{
    struct bl__calls *node = g->calls;

    if (node && node->cfa < cfa && bl__same_stack(g, node->cfa, cfa))
        bl__skipped(node);
}

static inline struct bl__calls *
bl__open_body(struct bl__g *g, struct bl__frame *frame, uintptr_t cfa)
{
    struct bl__calls *node = (struct bl__calls *)g->top;

    if (g->calls && BL__UNLIKELY(g->calls->cfa <= cfa))
        bl__calls_check(g, cfa + 1);
    node->outer = g->calls;
    node->top = node->running = NULL;
    node->frame = frame;
    node->cfa = cfa;
    node->opened = g->deferred;
    g->calls = node;
    frame->calls = node;
    g->top += sizeof *node;
    return node;
}

void *
bl__push(struct bl__frame *frame, void *cfa, bl__thunk *thunk, void *callee,
         size_t size, const struct bl__site *site)
{
    struct bl__g *g = bl__self();
    struct bl__calls *node = frame->calls;
    size_t whole = sizeof(struct bl__record) + ((size + 15) & ~(size_t)15);
    struct bl__record *r;

    bl__reserve(g, sizeof *node + whole);
    if (!node)
        node = bl__open_body(g, frame, (uintptr_t)cfa);
    r = (struct bl__record *)g->top;
    g->top += whole;
    r->thunk = thunk;
    r->callee = callee;
    r->site = site;
    r->next = node->top;
    node->top = r;
    g->deferred++;
    if (BL__UNLIKELY(bl__told))
        BL__OBSERVE(deferred, g, site);
    return r->args;
}

static BL__NOINLINE void
tell_called(struct bl__g *g, const struct bl__record *r)
{
    BL__LOG(g, NULL, "normal end calls deferred", 0, r->site->callee);
    BL__OBSERVE(called, g, r->site, false);
}

void
bl__run(struct bl__calls *node)
{
    struct bl__g *g = bl__self();
    struct bl__record *r;

    if (BL__UNLIKELY(g->calls != node))
        bl__skipped(g->calls);
    while ((r = node->top)) {
        node->top = r->next;
        node->running = r;
        if (BL__UNLIKELY(bl__told))
            tell_called(g, r);
        r->thunk(NULL, r->args);
    }
    bl__calls_close(g, node);
}
