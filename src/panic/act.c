/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/act.c - activations: memory, order, traces.
 *
 * Freed activations queue up, and the one that has been free longest is used
 * next: so what bl_recover() handed out stays as it is for a while. */
#include "os/os.h"
#include "panic/g.h"

#include <stdatomic.h>
#include <string.h>

enum {
    EXC_FOREIGN_CAUGHT = 1, /* _URC_FOREIGN_EXCEPTION_CAUGHT */
    RESERVE = 64,
};

/* "BELAY\0\0\0" as a little-endian word; entry.S has the same. */
static const uint64_t EXC_CLASS = UINT64_C(0x00000059414c4542);

/* For when the kernel has no memory left. */
static struct bl__act reserve[RESERVE];
static _Atomic int reserve_used;

/* C++ has caught the panic with `catch (...)` and not thrown it again. */
static void
caught(int reason, struct bl__exc *exc)
{
    struct bl__act *a = (struct bl__act *)exc;
    struct bl__g *g = bl__self();

    (void)reason;
    if (a->kind == BL__ACT_GOEXIT)
        bl__fatal_at("bl_goexit() was caught by catch (...) and not thrown again",
                     NULL, NULL);
    BL__LOG(g, a, "caught by C++", 0, NULL);
    bl__act_drop(g, a);
}

/* libgcc calls this when one of its own functions resumes our unwinding: C++'s
 * `throw;`, or a landing pad that was linked with libgcc's _Unwind_Resume. */
static int
stop(int version, int actions, uint64_t class, struct bl__exc *exc, void *context,
     void *arg)
{
    (void)version;
    (void)actions;
    (void)class;
    (void)context;
    (void)arg;
    bl__resume_slow(exc);
}

static struct bl__act *
more_memory(void)
{
    struct bl__act *a = bl__os_map(sizeof *a);
    int i;

    if (a)
        return a;
    i = atomic_fetch_add(&reserve_used, 1);
    if (i >= RESERVE)
        bl__fatal_at("out of memory for a panic", NULL, NULL);
    return &reserve[i];
}

struct bl__act *
bl__act_push(struct bl__g *g, enum bl__act_kind kind)
{
    struct bl__room *room = bl__room(g);
    struct bl__act *a = room->free_first;

    if (a)
        room->free_first = a->link;
    else
        a = more_memory();
    if (BL__UNLIKELY(a->heap_text != NULL)) {
        bl__os_unmap(a->heap_text, a->heap_size);
        a->heap_text = NULL;
    }
    a->exc.class = EXC_CLASS;
    a->exc.cleanup = caught;
    a->exc.private_1 = (uintptr_t)stop;
    a->exc.private_2 = 0;
    a->link = g->act;
    a->kind = kind;
    a->mode = BL__ACT_WALK;
    a->recovered = a->repanicked = a->is_fault = a->has_text = a->owns_error = false;
    a->cfa = 0;
    a->beside = a->link;
    a->load = NULL;
    a->trace.count = 0;
    g->act = a;
    return a;
}

void
bl__act_drop(struct bl__g *g, struct bl__act *a)
{
    struct bl__act **at = &g->act;

    while (*at != a)
        at = &(*at)->link;
    *at = a->link;
    for (struct bl__act *newer = g->act; newer && newer != a->link; newer = newer->link)
        if (newer->beside == a)
            newer->beside = a->link;
    a->link = NULL;
    if (BL__UNLIKELY(a->owns_error))
        bl__act_release_error(a);
    if (g->room->free_first)
        g->room->free_last->link = a;
    else
        g->room->free_first = a;
    g->room->free_last = a;
}

/* The middle of a long trace is forgotten, but counted. */
void
bl__trace_append(struct bl__trace *t, const struct bl__trace *src, uint32_t n)
{
    uint32_t kept = src->count > BL__TRACE_RING ? src->count - BL__TRACE_RING : 0;
    uint32_t i;

    for (i = 0; i < n && i < BL__TRACE_HALF; i++)
        bl__trace_add(t, src->first[i]);
    if (i < kept && i < n) {
        uint32_t next = kept < n ? kept : n;

        t->count += t->count < UINT32_MAX / 2 ? next - i : 0;
        memset(t->last, 0, sizeof t->last);
        i = next;
    }
    for (; i < n; i++)
        bl__trace_add(t, src->last[i % BL__TRACE_RING]);
}
