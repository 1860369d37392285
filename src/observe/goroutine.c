/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/goroutine.c - what a snapshot says: the profiles goroutine, defer and
 * threadcreate, and every goroutine as text. */
#include "observe/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bl__kind goroutine_kind = {
    "goroutine", 1, {{"goroutine", "count"}}, {"goroutine", "count"}, 1, NULL};
static const struct bl__kind threadcreate_kind = {
    "threadcreate", 1, {{"threadcreate", "count"}}, {"threadcreate", "count"}, 1, NULL};
static const struct bl__kind defer_kind = {
    "defer", 2, {{"deferred", "count"}, {"frame_space", "bytes"}},
    {"deferred", "count"}, 1, "deferred"};

static const char *
state_of(const struct bl__seen *seen)
{
    switch (seen->status) {
    case BL__G_RUNNABLE:
        return "runnable";
    case BL__G_WAITING:
        return bl__core->reason_text(seen->reason);
    default:
        return "running";
    }
}

/* Those that it carries, and its state. */
static uint32_t
put_labels(char *labels, const struct bl__seen *seen)
{
    const char *bytes;
    uint32_t size = bl__labels_bytes(seen->labels, &bytes);

    if (size > 0)
        memcpy(labels, bytes, size);
    return bl__labels_put(labels, size, "state", state_of(seen));
}

void
bl__add_seen(struct bl__profile *p, const struct bl__seen *seen)
{
    char labels[BL__LABELS_MOST];
    struct bl__sample s = {.pcs = seen->words, .n = seen->npcs, .labels = labels,
                           .labels_size = put_labels(labels, seen), .value = {1}};

    bl__profile_add(p, &s);
}

void
bl__collect_goroutine(struct bl__profile *p)
{
    struct bl__snapshot all;

    bl__snapshot_take(&all);
    bl__profile_init(p, &goroutine_kind);
    for (const struct bl__seen *seen = all.first; seen; seen = seen->next)
        bl__add_seen(p, seen);
    if (all.is_cut)
        bl__snapshot_flaws(&all, p->comment, sizeof p->comment);
    bl__snapshot_free(&all);
}

/* Who made a thread says nothing: whoever had work for it.  Readers of the text form
 * want a stack all the same. */
void
bl__collect_threadcreate(struct bl__profile *p)
{
    static const struct bl__site worker = {"", "runs goroutines", "", 0};
    uintptr_t pc = (uintptr_t)&worker | BL__MARK;
    struct bl__sample s = {.pcs = &pc, .n = 1};

    bl__profile_init(p, &threadcreate_kind);
    s.value[0] = bl__core->sched->nms + (bl__core->sched->monitor_started ? 1 : 0);
    bl__profile_add(p, &s);
}

/* --- deferred calls ------------------------------------------------------ */

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The stack begins at the place that registered them, whatever the frame does now. */
static void
add_pending(struct bl__profile *p, const struct bl__seen *seen,
            const struct bl__pending *pending)
{
    uintptr_t pcs[BL__STACK_MOST];
    char labels[BL__LABELS_MOST], site[256];
    const struct bl__site *where = pending->site;
    struct bl__sample s = {.pcs = pcs, .n = 1, .labels = labels,
                           .value = {(int64_t)pending->count, (int64_t)pending->bytes},
                           .oldest = pending->oldest};

    pcs[0] = (uintptr_t)where | BL__MARK;
    for (uint32_t i = pending->frame; i != UINT32_MAX && i + 1 < seen->npcs &&
                                      s.n < BL__STACK_MOST; i++)
        pcs[s.n++] = seen->words[i + 1];
    snprintf(site, sizeof site, "%s at %s:%d", where->callee, base_name(where->file),
             where->line);
    s.labels_size = bl__labels_put(labels, 0, "site", site);
    if (pending->count > 1)
        s.labels_size = bl__labels_put(labels, s.labels_size, "in_loop", "true");
    bl__profile_add(p, &s);
}

void
bl__collect_defer(struct bl__profile *p)
{
    struct bl__snapshot all;
    uint64_t registered, by_panic, pending = 0;

    bl__snapshot_take(&all);
    bl__profile_init(p, &defer_kind);
    for (const struct bl__seen *seen = all.first; seen; seen = seen->next)
        for (uint32_t i = 0; i < seen->npending; i++) {
            add_pending(p, seen, &bl__seen_pending(seen)[i]);
            pending += bl__seen_pending(seen)[i].count;
        }
    pending += all.left_out;
    registered = all.registered + atomic_load(&bl__core->defers->registered);
    by_panic = all.by_panic + atomic_load(&bl__core->defers->by_panic);
    if (all.is_cut || all.unknown > 0) /* what is missing would count as run */
        bl__snapshot_flaws(&all, p->comment, sizeof p->comment);
    else
        snprintf(p->comment, sizeof p->comment,
                 "registered %" PRIu64 ", run %" PRIu64
                 ", of them by panics and goexit %" PRIu64 "%s",
                 registered, registered > pending ? registered - pending : 0, by_panic,
                 all.left_out ? "; not all that are pending are listed" : "");
    bl__snapshot_free(&all);
}

/* --- every goroutine, as text -------------------------------------------- */

/* What the core prints goes through its own kind of text. */
struct printing {
    struct bl__text t;
    struct bl__buf *out;
    const struct bl__leaked *leaked;
    char buf[1 << 16];
};

static void
flush(struct printing *p)
{
    size_t n = p->t.length < sizeof p->buf ? p->t.length : sizeof p->buf - 1;

    bl__buf_put(p->out, p->buf, n);
    p->t = (struct bl__text)BL__TEXT_INTO(p->buf, sizeof p->buf);
}

/* Behind the state, as Go does. */
static void
say_leaked(struct printing *p)
{
    static const char word[] = " (leaked)";
    size_t n = p->t.length, size = sizeof word - 1;
    char *end = memchr(p->buf, '[', n);

    while (end && end < p->buf + n && *end != ',' && *end != ']')
        end++;
    if (!end || n + size >= sizeof p->buf)
        return;
    memmove(end + size, end, n - (size_t)(end - p->buf));
    memcpy(end, word, size);
    p->t.length += size;
}

static void
print_header(struct printing *p, const struct bl__seen *seen)
{
    struct bl__bubble bubble = {.id = seen->bubble};
    struct bl__g g = {.id = seen->id, .waiting_since = seen->waiting_since,
                      .reason = seen->reason, .is_goroutine = seen->is_goroutine};
    struct bl__m m;

    g.m = &m; /* only asked whether there is one */
    g.locked_m = seen->is_locked ? &m : NULL;
    g.bubble = seen->bubble ? &bubble : NULL;
    g.status = seen->status;
    bl__core->put_header(&p->t, &g);
    if (seen->status == BL__G_WAITING && bl__is_leaked(p->leaked, seen->id))
        say_leaked(p);
    flush(p);
}

static void
print_stack(struct printing *p, const struct bl__seen *seen)
{
    struct bl__trace trace = {.count = seen->depth};

    if (!seen->is_known) {
        bl__buf_puts(p->out, "\tgoroutine running on other thread; stack unavailable\n");
        return;
    }
    if (!seen->has_begun) {
        bl__core->put_frame(&p->t, "", seen->words[0] - 1, "(...)");
        flush(p);
        return;
    }
    for (uint32_t i = 0; i < seen->npcs && i < BL__TRACE_HALF; i++)
        trace.first[i] = seen->words[i];
    for (uint32_t i = 0; i < seen->npcs && i < BL__TRACE_RING; i++)
        if (seen->depth - i > BL__TRACE_HALF)
            trace.last[(seen->depth - 1 - i) % BL__TRACE_RING] =
                seen->words[seen->npcs - 1 - i];
    bl__core->put_trace(&p->t, &trace);
    flush(p);
}

static void
print_pending(struct printing *p, const struct bl__seen *seen)
{
    for (uint32_t i = 0; i < seen->npending; i++) {
        const struct bl__pending *d = &bl__seen_pending(seen)[i];

        bl__core->put_pending(&p->t, d->site, d->count);
        flush(p);
    }
}

static void
print_creator(struct printing *p, const struct bl__seen *seen)
{
    char behind[64];

    if (!seen->created_pc)
        return;
    snprintf(behind, sizeof behind, " in goroutine %" PRIu64, seen->created_by);
    bl__core->put_frame(&p->t, "created by ", seen->created_pc - 1, behind);
    flush(p);
}

static void
print_one(struct printing *p, const struct bl__seen *seen, bool is_first)
{
    if (!is_first)
        bl__buf_puts(p->out, "\n");
    print_header(p, seen);
    bl__loader_begin();
    print_stack(p, seen);
    bl__loader_end();
    print_pending(p, seen);
    bl__loader_begin();
    print_creator(p, seen);
    bl__loader_end();
}

void
bl__goroutines_text(struct bl__buf *out, const struct bl__leaked *leaked)
{
    struct printing *p = malloc(sizeof *p);
    struct bl__snapshot all;
    char flaws[256];
    bool is_first = true;

    if (!p) {
        out->failed = true;
        return;
    }
    p->out = out;
    p->leaked = leaked;
    p->t = (struct bl__text)BL__TEXT_INTO(p->buf, sizeof p->buf);
    bl__snapshot_take(&all);
    for (int others = 0; others < 2; others++) /* who asks stands first, as in Go */
        for (const struct bl__seen *seen = all.first; seen; seen = seen->next)
            if ((seen->id != all.caller) == others) {
                print_one(p, seen, is_first);
                is_first = false;
            }
    if (*bl__snapshot_flaws(&all, flaws, sizeof flaws))
        bl__buf_print(out, "\n(%s)\n", flaws);
    bl__snapshot_free(&all);
    free(p);
}
