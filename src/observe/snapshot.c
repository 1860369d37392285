/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/snapshot.c - what every goroutine is doing, at one moment: its state, its stack,
 * its pending deferred calls.
 *
 * All is noted while the threads stand still (stop.c), into memory that was mapped for it,
 * places included: their module may be gone a moment later.  Not whole is a snapshot
 * during which somebody has gone on, or a sleeper has run, and one that lacks the deferred
 * calls of a thread that may go on: it is tried again, and if it is not whole in the end it
 * says so (is_cut, unknown). */
#define _GNU_SOURCE
#include "observe/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    TRIES = 4,
    PAUSE_NS = 5000000,          /* between them; then twice that, ... */
    BLOCK = 1 << 20,
    MOST_PENDING = 4096,         /* runs of deferred calls of one goroutine */
    MOST_ASLEEP = 10000000,      /* in one run, of a goroutine that may wake */
    DEEPEST = 1000000,           /* frames with deferred calls */
    COPIED = 1024,               /* places at hand */
    TEXT_MOST = 512,             /* of a place's texts */
};

/* --- noting: the world stands still -------------------------------------- */

struct copied {
    const struct bl__site *from, *site;
};

struct noting {
    struct bl__snapshot *s;
    const struct bl__ctx *own;   /* of the caller */
    struct bl__g *caller;
    bool (*wants)(void *arg, const struct bl__g *g); /* NULL: all */
    void *arg;
    bool is_weak;                /* somebody may go on behind our back */
    bool is_asleep;              /* it may wake while it is looked at */
    bool has_woken;              /* one has */
    const struct bl__calls *at;  /* the next frame with deferred calls ... */
    struct bl__calls node;       /* ... and a copy of it */
    uint32_t npending;
    uint64_t left_out;           /* deferred calls for which there was no room */
    struct bl__pending *pending;
    struct copied copied[COPIED]; /* by a hash of their addresses */
    struct bl__stack stack;
};

static void *
room_for(struct bl__snapshot *s, size_t size)
{
    size_t want = size + 64 > BLOCK ? size + 64 : BLOCK;
    void *block, *p;

    if (!s->block || s->size - s->used < size) {
        block = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            return NULL;
        ((void **)block)[0] = s->blocks;
        ((size_t *)block)[1] = want;
        s->blocks = s->block = block;
        s->used = 64;
        s->size = want;
    }
    p = s->block + s->used;
    s->used += (size + 15) & ~(size_t)15;
    return p;
}

/* Its records lie one above the other; of the newest of a chunk only the least is known. */
static uint64_t
record_size(const struct bl__record *r, const struct bl__record *newer)
{
    uintptr_t size = (uintptr_t)newer - (uintptr_t)r;

    return newer && size < 1 << 16 ? size : sizeof *r;
}

/* Of a thread that sleeps nothing is believed to be there. */
static bool
look(const struct noting *n, void *to, const void *from, size_t size)
{
    if (n->is_asleep)
        return bl__peek(to, from, size);
    memcpy(to, from, size);
    return true;
}

static void
go_to(struct noting *n, const struct bl__calls *at)
{
    n->at = at && look(n, &n->node, at, sizeof n->node) ? at : NULL;
}

static void
note_calls(struct noting *n, uint32_t frame)
{
    const struct bl__record *newer = NULL;
    struct bl__pending *last = NULL;
    struct bl__record record;
    uint32_t first = n->npending;
    uint64_t older = 0; /* for which there was no room */

    for (const struct bl__record *r = n->node.top; r; newer = r, r = record.next) {
        if (!look(n, &record, r, sizeof record))
            break;
        if (last && last->site == record.site && older == 0) {
            last->count++;
            last->bytes += record_size(r, newer);
        } else if (older > 0 || n->npending == MOST_PENDING) {
            older++;
        } else {
            last = &n->pending[n->npending++];
            *last = (struct bl__pending){.site = record.site, .count = 1,
                                         .bytes = record_size(r, newer),
                                         .body = n->node.opened, .frame = frame};
        }
        if (n->is_asleep && last && last->count > MOST_ASLEEP)
            break; /* it is in a circle: it has woken */
    }
    n->left_out += older;
    for (uint32_t i = n->npending; i > first; older += n->pending[i].count)
        n->pending[--i].index = older;
}

static void
on_frame(void *arg, uintptr_t cfa, uint32_t frame)
{
    struct noting *n = arg;

    for (; n->at && n->node.cfa == cfa; go_to(n, n->node.outer))
        note_calls(n, frame);
}

/* --- places: their module may be gone when the world goes on ---------------------- */

/* Never across a page's end. */
static size_t
peek_text(char buf[TEXT_MOST], const char *from)
{
    size_t size = 0, step;

    while (size < TEXT_MOST) {
        step = 64 - ((uintptr_t)from + size) % 64;
        if (step > TEXT_MOST - size)
            step = TEXT_MOST - size;
        if (!bl__peek(buf + size, from + size, step))
            break;
        if (memchr(buf + size, '\0', step))
            return strlen(buf);
        size += step;
    }
    return size;
}

/* Copies a text. */
static const char *
copy_text(const struct noting *n, const char *from)
{
    char buf[TEXT_MOST];
    size_t size = 0;
    char *to;

    if (n->is_asleep)
        size = peek_text(buf, from);
    else
        memcpy(buf, from, size = strnlen(from, sizeof buf));
    to = room_for(n->s, size + 1);
    if (!to)
        return "?";
    memcpy(to, buf, size);
    to[size] = '\0';
    return to;
}

static const struct bl__site *
copy_site(const struct noting *n, const struct bl__site *from)
{
    static const struct bl__site none = {"", "?", "?", 0};
    struct bl__site site, *to;

    if (!look(n, &site, from, sizeof site) || !(to = room_for(n->s, sizeof *to)))
        return &none;
    *to = (struct bl__site){copy_text(n, site.file), copy_text(n, site.function),
                            copy_text(n, site.callee), site.line};
    return to;
}

/* Those that have been met before are copied already, but for some of very many. */
static void
copy_sites(struct noting *n)
{
    for (uint32_t i = 0; i < n->npending; i++) {
        const struct bl__site *from = n->pending[i].site;
        struct copied *c = &n->copied[bl__hash(&from, sizeof from) % COPIED];

        if (c->from != from)
            *c = (struct copied){from, copy_site(n, from)};
        n->pending[i].site = c->site;
    }
}

/* --- stacks -------------------------------------------------------------- */

static void
walk_from(struct noting *n, const struct bl__g *g, const struct bl__ctx *ctx, bool at_rest)
{
    go_to(n, n->is_weak ? NULL : g->calls);
    bl__stack_walk(&n->stack, ctx, g->stack_low, at_rest ? g->stack_high : 0, on_frame, n);
    for (uint32_t i = 0; n->at && i < DEEPEST; i++, go_to(n, n->node.outer))
        note_calls(n, UINT32_MAX);
    copy_sites(n);
}

static bool
walk_asleep(struct noting *n, const struct bl__g *g, const struct bl__slot *slot)
{
    n->is_asleep = true;
    walk_from(n, g, &slot->ctx, true);
    n->is_asleep = false;
    if (bl__asleep_still(&slot->asleep))
        return true;
    n->has_woken = true;
    return false;
}

/* Returns whether its stack is known. */
static bool
walk(struct noting *n, struct bl__g *g, struct bl__seen *seen)
{
    struct bl__slot *slot;
    struct bl__ctx ctx;
    uintptr_t callee;

    n->stack.n = n->stack.depth = n->npending = 0;
    n->left_out = 0;
    if (g == n->caller) {
        walk_from(n, g, n->own, false);
        return true;
    }
    slot = bl__stop_slot_of(g);
    if (slot) {
        slot->is_taken = true;
        if (atomic_load(&slot->state) == BL__SLOT_ASLEEP)
            return walk_asleep(n, g, slot);
        if (atomic_load(&slot->state) != BL__SLOT_HERE)
            return false;
        walk_from(n, g, &slot->ctx, false);
        return true;
    }
    if ((seen->status == BL__G_RUNNING && !bl__stop_is_next(g)) || !g->sp)
        return false;
    callee = bl__core->not_begun(g);
    seen->has_begun = callee == 0;
    if (callee) {
        n->stack.n = n->stack.depth = 1;
        n->stack.pcs[0] = callee + 1;
        return true;
    }
    bl__core->ctx_at_rest(&ctx, bl__rest(g));
    walk_from(n, g, &ctx, true);
    return true;
}

static void
copy_facts(struct bl__seen *seen, const struct bl__g *g)
{
    seen->id = g->id;
    seen->created_by = g->created_by;
    seen->created_pc = g->created_pc;
    seen->bubble = g->bubble ? g->bubble->id : 0;
    seen->name = g->name;
    seen->waiting_since = g->waiting_since;
    seen->status = atomic_load_explicit(&g->status, memory_order_relaxed);
    seen->reason = g->reason;
    seen->is_locked = g->locked_m != NULL;
    seen->is_goroutine = g->is_goroutine;
    seen->labels = g->labels;
    seen->has_begun = true;
}

static void
note_goroutine(void *arg, struct bl__g *g)
{
    struct noting *n = arg;
    struct bl__snapshot *s = n->s;
    struct bl__seen facts = {0}, *seen;
    size_t pcs, pending;

    if (g->is_system || s->is_cut || (n->wants && !n->wants(n->arg, g)))
        return;
    copy_facts(&facts, g);
    facts.is_known = walk(n, g, &facts);
    if (!facts.is_known)
        n->stack.n = n->stack.depth = n->npending = 0;
    s->unknown += !facts.is_known || n->is_weak;
    pcs = n->stack.n * sizeof(uintptr_t);
    pending = n->npending * sizeof *n->pending;
    seen = room_for(s, sizeof *seen + pcs + pending);
    if (!seen || bl__stop_is_lost()) {
        s->is_cut = true;
        return;
    }
    *seen = facts;
    seen->npcs = n->stack.n;
    seen->depth = n->stack.depth;
    seen->npending = n->npending;
    memcpy(seen->words, n->stack.pcs, pcs);
    memcpy((char *)seen->words + pcs, n->pending, pending);
    *s->last = seen;
    s->last = &seen->next;
    s->count++;
    s->registered += g->deferred;
    s->by_panic += g->deferred_panic;
    s->left_out += n->left_out;
}

static void
note_all(void *arg)
{
    struct noting *n = arg;
    struct bl__g *g = bl__core->main_goroutine();

    n->s->taken = bl__core->now();
    n->is_weak = bl__stop_is_weak();
    if (g)
        note_goroutine(n, g);
    bl__core->each_goroutine(note_goroutine, n);
}

struct bl__pending *
bl__seen_pending(const struct bl__seen *seen)
{
    return (struct bl__pending *)(seen->words + seen->npcs);
}

/* One try; is_last: sleepers wake again and again, it spares nobody. */
static void
take(struct bl__snapshot *s, bool (*wants)(void *arg, const struct bl__g *g), void *arg,
     bool is_last)
{
    struct noting *n = mmap(NULL, sizeof *n + MOST_PENDING * sizeof *n->pending,
                            PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct bl__g *g = bl__core->self_or_null();
    struct bl__stopping stopping;
    struct bl__ctx ctx;

    *s = (struct bl__snapshot){.last = &s->first};
    if (n == MAP_FAILED) {
        s->is_cut = true;
        return;
    }
    bl__core->here(&ctx);
    *n = (struct noting){.s = s, .own = &ctx, .caller = g && g->m ? g : NULL,
                         .wants = wants, .arg = arg,
                         .pending = (struct bl__pending *)(n + 1)};
    s->caller = n->caller ? g->id : 0;
    stopping = (struct bl__stopping){.f = note_all, .arg = n, .keeps_modules = true,
                                 .spared = is_last ? BL__SPARE_NONE : BL__SPARE_ASLEEP};
    if (!bl__stop_run(&stopping))
        s->is_cut = true;
    s->stopped_ns = stopping.stopped_ns;
    s->has_woken = n->has_woken;
    munmap(n, sizeof *n + MOST_PENDING * sizeof *n->pending);
}

static void
give_back(struct bl__snapshot *s)
{
    while (s->blocks) {
        void *block = s->blocks;

        s->blocks = ((void **)block)[0];
        munmap(block, ((size_t *)block)[1]);
    }
}

static void
keep_sites(struct bl__snapshot *s)
{
    const struct bl__site *last = NULL, *kept = NULL;

    for (struct bl__seen *seen = s->first; seen; seen = seen->next)
        for (uint32_t i = 0; i < seen->npending; i++) {
            struct bl__pending *d = &bl__seen_pending(seen)[i];

            if (d->site != last)
                kept = bl__site_keep(last = d->site);
            d->site = kept;
        }
}

void
bl__snapshot_take(struct bl__snapshot *s)
{
    bl__snapshot_take_of(s, NULL, NULL);
}

/* The goroutine that takes it stands first, with its own stack from here on. */
void
bl__snapshot_take_of(struct bl__snapshot *s, bool (*wants)(void *arg, const struct bl__g *g),
                     void *arg)
{
    bl__labels_freeze();
    s->has_woken = false;
    for (int tries = 1;; tries++) {
        take(s, wants, arg, tries == TRIES && s->has_woken);
        if ((!s->is_cut && s->unknown == 0) || tries == TRIES)
            break;
        give_back(s);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS << tries}, NULL);
    }
    keep_sites(s);
    bl__ages_note(s);
}

const char *
bl__snapshot_flaws(const struct bl__snapshot *s, char *text, size_t size)
{
    text[0] = '\0';
    if (s->is_cut)
        snprintf(text, size, "not all goroutines: memory was short, or threads stood still "
                 "for too long");
    else if (s->unknown > 0)
        snprintf(text, size, "%" PRIu64 " goroutines with unknown deferred calls: a thread "
                 "did not answer, or blocks SIGURG", s->unknown);
    return text;
}

void
bl__snapshot_free(struct bl__snapshot *s)
{
    give_back(s);
    bl__labels_thaw();
}
