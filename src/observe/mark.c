/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/mark.c - which goroutines nothing that can still run will ever wake.
 *
 * As a collector of garbage, but what is looked for is who waits, not memory.  Roots are
 * all memory in which a pointer can be, but for the stacks of goroutines: registers,
 * threads' stacks, globals, the heap.  A goroutine that can run, or waits for something
 * that comes by itself, is live: its stack is looked at, too.  One that waits for
 * channels, locks and the like becomes live once a pointer to any of them has been
 * found.  When nothing is left to look at, the rest is leaked.
 *
 *   what is waited for              is found by a pointer into
 *   a channel                       its struct
 *   a context's channel             the context; or its parent is found
 *   something on a goroutine's      that stack's live part, unless it is a place in a
 *   stack                           queue; or that goroutine is live
 *   something in a malloc'ed block  that block (chunks.c)
 *   anything else                   always
 *   nothing, a NULL channel         never; a pending deadline is a pointer to the stack
 *
 * So that queues do not keep alive what they belong to, what Belay itself has is left
 * out: contexts (but a parent ends its children), threads' structs, arrays of places.
 *
 * Any page may turn out to be a guard: so this runs in a process of its own, whose handler
 * of SIGSEGV goes on behind it.  (Reading with process_vm_readv() would copy each page.)
 * Nothing here allocates but with mmap, or locks: what is looked at is a copy, or stands
 * still. */
#define _GNU_SOURCE
#include "observe/mark.h"

#include "context/context.h"

#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    BLOCK = 1 << 16,             /* bytes looked at between two looks at the clock */
    FILTER = 1 << 20,            /* bits */
    RED_ZONE = 128,
};

enum state { BLOCKED, LIVE };

struct goroutine {
    uintptr_t low, high;         /* of its stack: what is in use */
    struct bl__g *g;
    bool is_whole;               /* low is not known: the stack's, guards and all */
    bool is_found;               /* a pointer to its stack has been */
    uint8_t state;
    uint32_t first, n;           /* of on_stack */
};

/* Goroutine `g` waits for something that [low, high) belongs to; for something on the
 * stack of goroutine `low`, in on_stack. */
struct want {
    uintptr_t low, high;
    uint32_t g;
};

struct object {
    uintptr_t low, high;
    uint32_t first, n;           /* of wants */
    uint32_t context;            /* its number + 1; 0: none */
    bool is_found;
};

struct context {
    const struct bl__canceler *c;
    uint32_t first, n;           /* of contexts: its children */
};

struct span {
    uintptr_t low, high;
};

struct marking {
    const struct bl__marking *how;
    struct bl__list goroutines;  /* by address */
    struct bl__list work;        /* uint32_t: live ones that have not been looked at */
    struct bl__list wants, on_stack, objects, contexts;
    struct bl__list parts;       /* struct bl__part: for somebody else's memory */
    struct bl__list found;       /* uint32_t: contexts that have not been looked at */
    struct bl__list skip;        /* struct span, by address */
    struct bl__regions regions;
    struct bl__list g0s;         /* struct span: what schedulers have in use */
    bool is_blind;               /* contexts are being changed */
    size_t skipped;              /* of skip */
    uintptr_t objects_low, objects_span, stacks_low, stacks_span;
    uint64_t *filter;
    uintptr_t readable;          /* a page's number: that is known to be */
    jmp_buf failed;
};

#define AT(list, type, i) (&((type *)(list)->data)[i])
#define GOROUTINE(k, i) AT(&(k)->goroutines, struct goroutine, i)

/* --- memory ----------------------------------------------------------------- */

static void
fail(struct marking *k, enum bl__marked why)
{
    atomic_store(&k->how->out->state, why);
    longjmp(k->failed, 1);
}

static void *
add(struct marking *k, struct bl__list *l, size_t size)
{
    void *p = bl__list_add(l, size);

    if (!p)
        fail(k, BL__MARK_MEMORY);
    return p;
}

#define ADD(k, list, ...) \
    (*(__typeof__(__VA_ARGS__) *)add((k), (list), sizeof(__VA_ARGS__)) = (__VA_ARGS__))

static void
skip(struct marking *k, const void *low, const void *high)
{
    if (low < high)
        ADD(k, &k->skip, (struct span){(uintptr_t)low, (uintptr_t)high});
}

/* --- contexts --------------------------------------------------------------- */

static const char *
context_low(const struct bl__canceler *c)
{
    return c->base.kind == BL__CTX_DEADLINE
               ? (const char *)bl__deadline_of((struct bl__canceler *)c)
               : (const char *)c;
}

static void
add_family(struct marking *k, const struct bl__family *family)
{
    k->is_blind = k->is_blind || atomic_load(&family->lock.held);
    if (k->is_blind)
        return;
    for (struct bl__member *m = family->first; m; m = m->next) {
        const struct bl__canceler *c = bl__member_canceler(m);

        if (m->is_func) {
            skip(k, m, m + 1);
            continue;
        }
        ADD(k, &k->contexts, (struct context){.c = c});
        skip(k, context_low(c), c + 1);
    }
}

/* All that have not ended; children of one are neighbours.  While somebody changes their
 * lists nothing is known: all of them count as found. */
static void
add_contexts(struct marking *k)
{
    const struct bl__root *roots = bl__core->observed->contexts;
    size_t skips = k->skip.n;

    for (int i = 0; i < BL__ROOTS; i++)
        add_family(k, &roots[i].family);
    for (size_t i = 0; i < k->contexts.n; i++) {
        uint32_t first = (uint32_t)k->contexts.n;

        add_family(k, &AT(&k->contexts, struct context, i)->c->children);
        AT(&k->contexts, struct context, i)->first = first;
        AT(&k->contexts, struct context, i)->n = (uint32_t)k->contexts.n - first;
    }
    if (k->is_blind) {
        k->contexts.n = 0;
        k->skip.n = skips;
    } else {
        skip(k, roots, roots + BL__ROOTS);
    }
}

static void
add_context_objects(struct marking *k)
{
    for (uint32_t i = 0; i < k->contexts.n; i++) {
        const struct bl__canceler *c = AT(&k->contexts, struct context, i)->c;

        ADD(k, &k->objects, (struct object){.low = (uintptr_t)context_low(c),
                                            .high = (uintptr_t)(c + 1), .context = i + 1});
    }
    bl__list_sort(&k->objects, sizeof(struct object));
}


/* --- what does not count: Belay's own ---------------------------------------- */

static void
add_g0(struct marking *k, uintptr_t low, uintptr_t high)
{
    ADD(k, &k->g0s, (struct span){low & -(uintptr_t)8, high & -(uintptr_t)8});
}

/* The stack of m's scheduler, and its registers if that is what runs: it has released the
 * locks of whoever parked, and their addresses are still there.  What counts is only what
 * timers' functions work at. */
static void
skip_g0(struct marking *k, const struct bl__m *m)
{
    uintptr_t low = m->g0.stack_low, high = m->g0_high, sp = (uintptr_t)m->g0.sp;
    uintptr_t sigstack_low, sigstack_high;
    const struct bl__ctx *ctx = bl__stopped_thread(m->tid, &sigstack_low, &sigstack_high);
    const struct bl__g *own = k->how->caller;
    uintptr_t traced = ctx ? 0 : k->how->sp_of(k->how->arg, m->tid);

    if (!high || (!ctx && !(own && own->m == m) &&
                  (traced == 0 || traced - low < high - low)))
        return;
    if (ctx && BL__CTX_SP(ctx) - low < high - low) {
        sp = BL__CTX_SP(ctx) - RED_ZONE;
        skip(k, (void *)sigstack_low, (void *)sigstack_high);
        skip(k, ctx, ctx + 1);
        add_g0(k, (uintptr_t)ctx, (uintptr_t)(ctx + 1));
    }
    if (sp <= low || sp >= high)
        return;
    skip(k, (void *)low, (void *)high);
    add_g0(k, sp, high);
}

static void
skip_threads(struct marking *k)
{
    const struct bl__sched *sched = bl__core->sched;

    for (const struct bl__m *m = sched->all_ms; m; m = m->all) {
        skip(k, m, m + 1);
        skip_g0(k, m);
    }
    for (const struct bl__m *m = sched->dead_ms; m; m = m->next)
        skip(k, m, m + 1);
    for (int i = 0; i < BL__MAXPROCS; i++) {
        const struct bl__timers *t = sched->ps[i] ? &sched->ps[i]->timers : NULL;

        if (t && t->heap && !atomic_load(&t->lock.held)) /* those that were stopped */
            skip(k, t->heap + t->n, t->heap + t->size);
    }
}

static void
skip_slab(void *arg, uintptr_t low, uintptr_t high)
{
    skip(arg, (void *)low, (void *)high);
}

/* In order, and none within another. */
static void
order_skips(struct marking *k)
{
    struct span *s = k->skip.data;
    size_t n = 0;

    bl__list_sort(&k->skip, sizeof *s);
    for (size_t i = 0; i < k->skip.n; i++) {
        if (n > 0 && s[i].low <= s[n - 1].high)
            s[n - 1].high = s[i].high > s[n - 1].high ? s[i].high : s[n - 1].high;
        else
            s[n++] = s[i];
    }
    k->skip.n = n;
}

/* --- goroutines ------------------------------------------------------------- */

static void
wake(struct marking *k, uint32_t i)
{
    if (GOROUTINE(k, i)->state == LIVE)
        return;
    GOROUTINE(k, i)->state = LIVE;
    ADD(k, &k->work, i);
}

static void
add_goroutine(void *arg, struct bl__g *g)
{
    struct marking *k = arg;
    const struct bl__ctx *ctx = NULL;
    uintptr_t sp = (uintptr_t)g->sp;
    int tid;
    enum bl__whereabouts where = BL__AT_REST;
    struct goroutine new = {.g = g, .high = g->stack_high};

    if (g == k->how->caller)
        sp = k->how->here;
    else if ((where = bl__stopped_at(g, &ctx, &tid)) == BL__STOPPED)
        sp = BL__CTX_SP(ctx) - RED_ZONE;
    else if (where == BL__ELSEWHERE)
        sp = k->how->sp_of(k->how->arg, tid) - RED_ZONE;
    new.is_whole = sp < g->stack_low || sp >= g->stack_high;
    new.low = new.is_whole ? g->stack_low : sp & ~(uintptr_t)7;
    new.state = where == BL__AT_REST && !new.is_whole && g != k->how->caller &&
                        !g->is_system && atomic_load(&g->status) == BL__G_WAITING
                    ? BLOCKED : LIVE;
    ADD(k, &k->goroutines, new);
}

/* The main thread's: its memory is not a slab's. */
static void
add_main(struct marking *k)
{
    struct bl__g *g = bl__core->main_goroutine();
    const struct goroutine *last;

    if (!g)
        return;
    add_goroutine(k, g);
    last = GOROUTINE(k, k->goroutines.n - 1);
    if (last->is_whole) { /* grows as it is used: part of it may not be there */
        k->goroutines.n--;
    } else {
        skip(k, g, g + 1);
        skip(k, (void *)g->stack_low, (void *)g->stack_high);
    }
}

/* --- what they wait for ------------------------------------------------------ */

/* The memory at `at`, or NULL: it may not be there. */
static const void *
look_at(struct marking *k, uintptr_t at, size_t n)
{
    const struct goroutine *g;
    char copy[64];

    if (at % 8)
        return NULL;
    if (at / PAGE == k->readable && (at + n - 1) / PAGE == k->readable)
        return (const void *)at;
    g = bl__list_find(&k->goroutines, sizeof *g, at);
    if (g && !g->is_whole && at + n <= g->high)
        return (const void *)at;
    if (n > sizeof copy || !bl__probe(at, copy, n))
        return NULL;
    k->readable = at / PAGE;
    return (const void *)at;
}

/* Whether c is part of a context, whether that is in the lists or not. */
static bool
is_context(struct marking *k, uintptr_t c)
{
    uintptr_t at = c - offsetof(struct bl__canceler, done);
    const uintptr_t *own = look_at(k, at + offsetof(struct bl__canceler, base.canceler), 8);

    return own && *own == at;
}

static void
want(struct marking *k, uint32_t i, uintptr_t low, uintptr_t high)
{
    ADD(k, &k->wants, (struct want){low, high, i});
}

static void
want_chan(struct marking *k, uint32_t i, uintptr_t c)
{
    const struct object *o = NULL;

    if (k->contexts.n > 0) /* objects has nothing else so far */
        o = bl__list_find(&k->objects, sizeof *o, c);
    if (o)
        want(k, i, o->low, o->high);
    else if (is_context(k, c))
        wake(k, i);
    else
        want(k, i, c, c + sizeof(struct bl_chan));
}

/* Something whose owner may have a pointer to anything that it is part of. */
static void
want_part(struct marking *k, uint32_t i, uintptr_t at)
{
    const struct goroutine *on = bl__list_find(&k->goroutines, sizeof *on, at);

    if (!on)
        ADD(k, &k->parts, (struct bl__part){.at = at, .owner = i});
    else if (on->state == BLOCKED)
        ADD(k, &k->on_stack, (struct want){(uintptr_t)(on - GOROUTINE(k, 0)), 0, i});
    else
        wake(k, i);
}

static void
want_blocks(struct marking *k)
{
    const struct bl__part *part = k->parts.data;

    bl__list_sort(&k->parts, sizeof *part);
    bl__chunks_find(k->parts.data, k->parts.n, k->regions.brk_low,
                    k->regions.brk_high);
    for (size_t i = 0; i < k->parts.n; i++)
        if (part[i].high)
            want(k, (uint32_t)part[i].owner, part[i].low, part[i].high);
        else
            wake(k, (uint32_t)part[i].owner);
}

static void
want_queue(struct marking *k, uint32_t i, uintptr_t queue)
{
    uintptr_t c = queue - offsetof(struct bl_chan, receivers);

    switch (GOROUTINE(k, i)->g->reason) {
    case BL__WAIT_RECV:
    case BL__WAIT_RECV_OUTSIDE:
        want_chan(k, i, c);
        return;
    case BL__WAIT_SEND:
    case BL__WAIT_SEND_OUTSIDE:
        want_chan(k, i, queue - offsetof(struct bl_chan, senders));
        return;
    default: /* with a context, perhaps */
        if (is_context(k, c))
            want_chan(k, i, c);
        else
            want_part(k, i, queue);
    }
}

/* Whether it stands in the queue that it says, and not as a leftover. */
static bool
is_queued(struct marking *k, const struct bl__waiter *w)
{
    const struct bl__queue *q = w->queue ? look_at(k, (uintptr_t)w->queue, sizeof *q) : NULL;
    const struct bl__waiter *prev, *next;

    if (!q)
        return false;
    prev = w->prev ? look_at(k, (uintptr_t)w->prev, sizeof *w) : NULL;
    next = w->next ? look_at(k, (uintptr_t)w->next, sizeof *w) : NULL;
    return (w->prev ? prev && prev->next == w : q->first == w) &&
           (w->next ? next && next->prev == w : q->last == w);
}

static bool
is_claimed(const struct bl__g *g)
{
    return atomic_load(&g->claimed) != 0;
}

/* Its places in queues lie on its own stack. */
static BL__NO_ASAN void
want_queues(struct marking *k, uint32_t i)
{
    const struct goroutine *me = GOROUTINE(k, i);
    uintptr_t end = me->high - sizeof(struct bl__waiter);
    bool is_waiting = false, is_shared = false;

    for (uintptr_t at = me->low; at <= end; at += 8) {
        const struct bl__waiter *w = (const void *)at;

        if (w->g != me->g || !is_queued(k, w))
            continue;
        is_waiting = true;
        is_shared = is_shared || w->shared;
        want_queue(k, i, (uintptr_t)w->queue);
    }
    if (!is_waiting || (is_shared && is_claimed(me->g))) /* on its way */
        wake(k, i);
}

/* A deadline would have taken the selection's place: see bl__park_until(). */
static void
want_cases(struct marking *k, uint32_t i)
{
    const struct goroutine *me = GOROUTINE(k, i);
    const struct bl__selection *s = me->g->woken_by;

    if ((uintptr_t)s < me->low || (uintptr_t)(s + 1) > me->high || s->g != me->g ||
        is_claimed(me->g)) {
        wake(k, i);
        return;
    }
    for (size_t j = 0; j < s->live; j++) {
        const struct bl__waiter *w = &s->waiters[s->order[j]];

        if (!w->queue) {
            wake(k, i);
            return;
        }
        want_chan(k, i, (uintptr_t)s->cases[s->order[j]].c);
    }
    if ((uintptr_t)s->waiters - me->low >= me->high - me->low)
        skip(k, s->waiters, s->waiters + s->n);
}

static void
find_wants(struct marking *k, uint32_t i)
{
    const struct bl__g *g = GOROUTINE(k, i)->g;

    switch (g->reason) {
    case BL__WAIT_RECV_NIL:
    case BL__WAIT_SEND_NIL:
        if (is_claimed(g))
            wake(k, i);
        return;
    case BL__WAIT_SELECT_NONE: /* a main that has nothing else to do */
        if (is_claimed(g) || !g->is_goroutine)
            wake(k, i);
        return;
    case BL__WAIT_SELECT:
    case BL__WAIT_SELECT_OUTSIDE:
        want_cases(k, i);
        return;
    case BL__WAIT_RECV:
    case BL__WAIT_RECV_OUTSIDE:
    case BL__WAIT_SEND:
    case BL__WAIT_SEND_OUTSIDE:
    case BL__WAIT_MUTEX:
    case BL__WAIT_RWMUTEX_R:
    case BL__WAIT_RWMUTEX_W:
    case BL__WAIT_WAITGROUP:
    case BL__WAIT_COND:
    case BL__WAIT_SEMAPHORE:
        want_queues(k, i);
        return;
    default: /* comes by itself */
        wake(k, i);
    }
}

/* --- objects ---------------------------------------------------------------- */

static void
widen(uintptr_t *low, uintptr_t *span, uintptr_t from, uintptr_t to)
{
    uintptr_t high = *low + *span;

    if (*span == 0 || to > high)
        high = to;
    if (*span == 0 || from < *low)
        *low = from;
    *span = high - *low;
}

static uint32_t
filter_bit(uintptr_t at)
{
    return (uint32_t)((at / PAGE * UINT64_C(0x9e3779b97f4a7c15)) >> 44);
}

static void
add_to_filter(struct marking *k, const struct object *o)
{
    for (uintptr_t at = o->low & -(uintptr_t)PAGE; at < o->high; at += PAGE)
        k->filter[filter_bit(at) / 64] |= UINT64_C(1) << filter_bit(at) % 64;
    widen(&k->objects_low, &k->objects_span, o->low, o->high);
}

/* One for all that wait for the same. */
static void
make_objects(struct marking *k)
{
    const struct want *w = k->wants.data;
    size_t contexts = k->objects.n;

    bl__list_sort(&k->wants, sizeof *w);
    w = k->wants.data;
    for (uint32_t i = 0, n; i < k->wants.n; i += n) {
        struct object *o = NULL, *known = k->objects.data;

        for (n = 1; i + n < k->wants.n && w[i + n].low == w[i].low; n++)
            continue;
        for (size_t low = 0, high = contexts; low < high && !o;) {
            size_t middle = (low + high) / 2;

            if (known[middle].low == w[i].low)
                o = &known[middle];
            else if (known[middle].low < w[i].low)
                low = middle + 1;
            else
                high = middle;
        }
        if (!o) {
            o = add(k, &k->objects, sizeof *o);
            *o = (struct object){.low = w[i].low, .high = w[i].high};
        }
        o->first = i;
        o->n = n;
    }
    bl__list_sort(&k->objects, sizeof(struct object));
    for (size_t i = 0; i < k->objects.n; i++)
        add_to_filter(k, AT(&k->objects, struct object, i));
}

/* Who waits for something on a stack; and where stacks are. */
static void
make_stacks(struct marking *k)
{
    const struct want *w;

    bl__list_sort(&k->on_stack, sizeof *w);
    w = k->on_stack.data;
    for (uint32_t i = 0, n; i < k->on_stack.n; i += n) {
        for (n = 1; i + n < k->on_stack.n && w[i + n].low == w[i].low; n++)
            continue;
        GOROUTINE(k, w[i].low)->first = i;
        GOROUTINE(k, w[i].low)->n = n;
    }
    for (size_t i = 0; i < k->goroutines.n; i++)
        if (GOROUTINE(k, i)->state == BLOCKED)
            widen(&k->stacks_low, &k->stacks_span, GOROUTINE(k, i)->low,
                  GOROUTINE(k, i)->high);
}

/* --- marking ---------------------------------------------------------------- */

static void
mark_object(struct marking *k, struct object *o)
{
    const struct want *w = k->wants.data;

    if (o->is_found)
        return;
    o->is_found = true;
    for (uint32_t i = o->first; i < o->first + o->n; i++)
        wake(k, w[i].g);
    if (o->context)
        ADD(k, &k->found, o->context - 1);
}

static void
mark_on_stack(struct marking *k, struct goroutine *g)
{
    const struct want *w = k->on_stack.data;

    if (g->is_found)
        return;
    g->is_found = true;
    for (uint32_t i = g->first; i < g->first + g->n; i++)
        wake(k, w[i].g);
}

/* A pointer to the stack of one that is blocked: to a place in a queue, to its deadline,
 * or to what is the user's. */
static BL__NO_ASAN void
mark_stack(struct marking *k, struct goroutine *g, uintptr_t at)
{
    const uintptr_t *words = (const uintptr_t *)(at & ~(uintptr_t)7);
    const size_t arg = offsetof(struct bl__timer, arg) / sizeof *words;

    if (g->state == LIVE || words[0] == (uintptr_t)g->g)
        return;
    if (at + sizeof(struct bl__timer) <= g->high && words[arg] == (uintptr_t)g->g)
        wake(k, (uint32_t)(g - GOROUTINE(k, 0)));
    else
        mark_on_stack(k, g);
}

static inline void
mark_word(struct marking *k, uintptr_t word, bool is_g0)
{
    struct object *o;
    struct goroutine *g;

    if (BL__UNLIKELY(word - k->objects_low < k->objects_span) &&
        (k->filter[filter_bit(word) / 64] >> filter_bit(word) % 64 & 1) &&
        (o = bl__list_find(&k->objects, sizeof *o, word)) && (o->context || !is_g0))
        mark_object(k, o);
    if (BL__UNLIKELY(word - k->stacks_low < k->stacks_span) &&
        (g = bl__list_find(&k->goroutines, sizeof *g, word)))
        mark_stack(k, g, word);
}

static BL__NO_ASAN void
mark_words(struct marking *k, uintptr_t low, uintptr_t high)
{
    for (; low < high; low += sizeof low)
        mark_word(k, *(const volatile uintptr_t *)low, false);
}

static BL__NO_ASAN void
mark_g0s(struct marking *k)
{
    const struct span *s = k->g0s.data;

    for (size_t i = 0; i < k->g0s.n; i++)
        for (uintptr_t at = s[i].low; at < s[i].high; at += sizeof at)
            mark_word(k, *(const volatile uintptr_t *)at, true);
}

/* Without what is to be left out.  Calls come with rising addresses. */
static void
mark_block(void *arg, uintptr_t low, uintptr_t high)
{
    struct marking *k = arg;
    const struct span *s = k->skip.data;

    while (k->skipped < k->skip.n && s[k->skipped].high <= low)
        k->skipped++;
    for (size_t i = k->skipped; i < k->skip.n && s[i].low < high; i++) {
        mark_words(k, low, s[i].low & -(uintptr_t)8);
        low = (s[i].high + 7) & -(uintptr_t)8;
    }
    mark_words(k, low, high);
}

/* False: part of it can't be read. */
static bool
try_block(struct marking *k, uintptr_t low, uintptr_t high)
{
    if (!bl__probe_call(mark_block, k, low, high))
        return false;
    k->how->out->bytes += high - low;
    return true;
}

/* Page by page where one of them can't be read. */
static void
mark_memory(void *arg, uintptr_t low, uintptr_t high)
{
    struct marking *k = arg;

    for (uintptr_t at = low, n; at < high; at += n) {
        n = high - at < BLOCK ? high - at : BLOCK;
        if (!try_block(k, at, at + n) && n > PAGE) {
            n = PAGE - at % PAGE;
            try_block(k, at, at + n);
        }
        if (bl__core->now() > k->how->until)
            fail(k, BL__MARK_LATE);
    }
}

static void
mark_goroutine(struct marking *k, struct goroutine *g)
{
    k->skipped = k->skip.n; /* slabs are to be left out elsewhere only */
    if (g->is_whole)
        mark_memory(k, g->low, g->high);
    else
        mark_words(k, g->low, g->high);
    mark_words(k, (uintptr_t)g->g->inline_calls,
               (uintptr_t)g->g->inline_calls + sizeof g->g->inline_calls);
    mark_on_stack(k, g);
}

/* Until nothing new is found. */
static void
mark_found(struct marking *k)
{
    while (k->work.n > 0 || k->found.n > 0) {
        if (k->found.n > 0) {
            uint32_t i = *AT(&k->found, uint32_t, --k->found.n);
            struct context *c = AT(&k->contexts, struct context, i);

            for (uint32_t j = c->first; j < c->first + c->n; j++) {
                const struct bl__canceler *child = AT(&k->contexts, struct context, j)->c;

                mark_object(k, bl__list_find(&k->objects, sizeof(struct object),
                                    (uintptr_t)context_low(child)));
            }
        } else {
            mark_goroutine(k, GOROUTINE(k, *AT(&k->work, uint32_t, --k->work.n)));
        }
    }
}

/* --- all memory ------------------------------------------------------------- */

/* What this file maps from here on is none of them. */
static void
read_regions(struct marking *k)
{
    const struct bl__list *l = &k->regions.list;
    enum bl__marked result = bl__regions_read(&k->regions);

    if (result != BL__MARK_DONE)
        fail(k, result);
    skip(k, l->data, (char *)l->data + l->size);
}

static void
scan_part(struct marking *k, const struct bl__region *r, uintptr_t low, uintptr_t high)
{
    struct bl__region part = {low, high, r->is_shared};

    if (!bl__regions_scan(&k->regions, &part, mark_memory, k))
        fail(k, BL__MARK_BLIND);
}

/* What is to be left out and is large, as stacks are, is not even read. */
static void
mark_roots(struct marking *k)
{
    const struct span *s = k->skip.data;
    size_t next = 0;

    k->skipped = 0;
    for (size_t i = 0; i < k->regions.list.n; i++) {
        const struct bl__region *r = AT(&k->regions.list, struct bl__region, i);
        uintptr_t at = r->low;

        for (; next < k->skip.n && s[next].high <= r->low; next++)
            continue;
        for (size_t j = next; j < k->skip.n && s[j].low < r->high; j++) {
            if (s[j].high - s[j].low < BLOCK)
                continue;
            scan_part(k, r, at, (s[j].low + PAGE - 1) & -(uintptr_t)PAGE);
            at = s[j].high & -(uintptr_t)PAGE;
        }
        scan_part(k, r, at, r->high);
    }
}

/* --- all of it -------------------------------------------------------------- */

static void
collect(struct marking *k)
{
    read_regions(k); /* before any list but its own is there */
    skip(k, (void *)k->how->own_low, (void *)k->how->own_high);
    k->filter = mmap(NULL, FILTER / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0);
    if (k->filter == MAP_FAILED)
        fail(k, BL__MARK_MEMORY);
    add_contexts(k);
    add_context_objects(k);
    add_main(k);
    bl__core->each_goroutine(add_goroutine, k);
    bl__core->each_slab(skip_slab, k);
    bl__list_sort(&k->goroutines, sizeof(struct goroutine));
    skip_threads(k);
    for (uint32_t i = 0; i < k->goroutines.n; i++)
        if (GOROUTINE(k, i)->state == LIVE)
            ADD(k, &k->work, i);
        else
            find_wants(k, i);
    want_blocks(k);
    make_objects(k);
    make_stacks(k);
    order_skips(k);
}

static void
report(struct marking *k)
{
    struct bl__leaked *out = k->how->out;
    struct bl__list ids = {0};

    for (uint32_t i = 0; i < k->goroutines.n; i++)
        if (GOROUTINE(k, i)->state == BLOCKED)
            ADD(k, &ids, GOROUTINE(k, i)->g->id);
    bl__list_sort(&ids, sizeof(uint64_t));
    out->n = ids.n < out->room ? ids.n : out->room;
    if (out->n > 0)
        memcpy(out->ids, ids.data, out->n * sizeof(uint64_t));
    out->goroutines = k->goroutines.n;
    bl__list_free(&ids);
}

void
bl__mark(const struct bl__marking *how)
{
    struct marking marking = {.how = how}, *k = &marking;
    int64_t began = bl__core->now();

    bl__probe_init();
    if (setjmp(k->failed) == 0) {
        collect(k);
        mark_roots(k);
        mark_g0s(k);
        mark_found(k);
        report(k);
        how->out->took_ns = bl__core->now() - began;
        atomic_store(&how->out->state, BL__MARK_DONE);
    }
    bl__list_free(&k->goroutines);
    bl__list_free(&k->work);
    bl__list_free(&k->wants);
    bl__list_free(&k->on_stack);
    bl__list_free(&k->objects);
    bl__list_free(&k->contexts);
    bl__list_free(&k->parts);
    bl__list_free(&k->found);
    bl__regions_free(&k->regions);
    bl__list_free(&k->skip);
    bl__list_free(&k->g0s);
    if (k->filter && k->filter != MAP_FAILED)
        munmap(k->filter, FILTER / 8);
}
