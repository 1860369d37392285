/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/stop.c - what every goroutine is doing, at one moment.
 *
 * C code can't be stopped at a safe point, as there is none.  So the threads that run
 * goroutines are stopped where they are, by a signal, and wait in its handler:
 *
 *   state      meaning                           who may change it, to what
 *   ASLEEP     in the kernel, to be left there   -
 *   ASKED      the signal is on its way          its thread -> HERE
 *   HERE       registers are noted, it waits     its thread -> LOST, after a second
 *   LOST       it has lost patience              -
 *
 * `moment` is odd while they are to wait; it is what they sleep on.  With sched.lock
 * held no thread begins to run goroutines, and none that waits for a P gets one: what
 * does not run now stays at rest, and its stack and deferred calls can be read.
 *
 * Nothing here may allocate or lock meanwhile: a stopped thread may hold any lock.  The
 * one exception can't be helped, libgcc's, for tables that were registered at run time:
 * then those who wait lose patience, go on, and the snapshot ends early (is_cut).
 *
 * Threads that sleep in a system call are not woken (asleep.c): should one have run
 * meanwhile, the snapshot is not whole.
 *
 * A thread that does not answer in time is one that the system does not let run, which
 * is as good, or one that blocks the signal.  Then only stacks are read, which stay
 * mapped whatever happens, and no deferred calls.  Most of that passes (pthread_create()
 * blocks signals for a moment), so a snapshot that is not whole is tried again; one that
 * is not in the end says so (is_cut, unknown). */
#define _GNU_SOURCE
#include "observe/observe.h"
#include "observe/untracked.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SIGNAL = SIGURG,             /* ignored by default, so that a late one does no harm */
    ANSWER_NS = 100000000,
    PATIENCE_NS = 1000000000,
    TRIES = 4,
    PAUSE_NS = 5000000,          /* between them; then twice that, ... */
    BLOCK = 1 << 20,
    MOST_PENDING = 4096,         /* runs of deferred calls of one goroutine */
    MOST_ASLEEP = 10000000,      /* in one run, of a goroutine that may wake */
    DEEPEST = 1000000,           /* frames with deferred calls */
    COPIED = 1024,               /* places at hand */
    TEXT_MOST = 512,             /* of a place's texts */
};

enum state { ASKED, HERE, LOST, ASLEEP };

struct slot {
    struct bl__m *m;
    int tid;
    uint32_t moment;             /* in which it is asked */
    _Atomic uint32_t state;
    bool is_taken;               /* its goroutine has been found */
    bool blocks_signals;         /* may go on behind our back */
    bool on_sigstack;            /* in a handler, of users' */
    uintptr_t sigstack_low, sigstack_high; /* where our handler is */
    struct bl__g *to;            /* it is about to switch there; NULL: it is not */
    struct bl__ctx ctx;
    struct bl__asleep asleep;
};

static struct {
    _Atomic uint32_t moment;     /* odd: stand still */
    _Atomic uint32_t arrived;
    _Atomic uint32_t handling;   /* threads in the handler, which look at slots */
    _Atomic bool lost;           /* somebody has gone on */
    struct slot *slots;
    uint32_t n;
    struct sigaction old;
    bool has_handler;
} stop;

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Nobody stands still while a process forks, but somebody may have been about to ask. */
void
bl__stop_in_child(void)
{
    pthread_mutex_init(&one_at_a_time, NULL);
}

static void
futex_wait(const void *word, uint32_t value, int64_t ns)
{
    struct timespec t = {ns / 1000000000, ns % 1000000000};

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &t, NULL, 0);
}

static void
futex_wake(const void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* --- those who are stopped ----------------------------------------------- */

static struct slot *
slot_of(const struct bl__m *m)
{
    for (uint32_t i = 0; m && i < stop.n; i++)
        if (stop.slots[i].m == m)
            return &stop.slots[i];
    return NULL;
}

/* Returns whether the signal was ours. */
static bool
stand_still(void *ucontext)
{
    uint32_t moment = atomic_load(&stop.moment), here = HERE;
    const struct bl__g *g = bl__core->self_or_null();
    struct slot *slot = moment & 1 ? slot_of(g ? g->m : NULL) : NULL;
    stack_t alt = {0};
    int64_t end;

    /* late: asked in a moment that is over? */
    if (!slot || slot->moment != moment || atomic_load(&slot->state) != ASKED)
        return false;
    bl__core->ctx_from_signal(&slot->ctx, ucontext);
    sigaltstack(NULL, &alt);
    slot->on_sigstack = BL__CTX_SP(&slot->ctx) - (uintptr_t)alt.ss_sp < alt.ss_size;
    slot->sigstack_low = (uintptr_t)alt.ss_sp;
    slot->sigstack_high = slot->sigstack_low + alt.ss_size;
    atomic_store(&slot->state, HERE);
    atomic_fetch_add(&stop.arrived, 1);
    futex_wake(&stop.arrived);
    end = bl__core->now() + PATIENCE_NS;
    while (atomic_load(&stop.moment) == moment) {
        if (bl__core->now() >= end) {
            atomic_store(&stop.lost, true);
            atomic_compare_exchange_strong(&slot->state, &here, LOST);
            break;
        }
        futex_wait(&stop.moment, moment, PATIENCE_NS);
    }
    return true;
}

static void
on_signal(int sig, siginfo_t *info, void *ucontext)
{
    bool is_ours;
    int saved;

    bl__untracked();
    saved = errno;
    atomic_fetch_add(&stop.handling, 1); /* before it looks at moment: see drop_slots */
    is_ours = stand_still(ucontext);
    atomic_fetch_sub(&stop.handling, 1);
    errno = saved;
    bl__tracked_again();
    if (is_ours || info->si_code == SI_TKILL)
        return;
    if (stop.old.sa_flags & SA_SIGINFO)
        stop.old.sa_sigaction(sig, info, ucontext);
    else if (stop.old.sa_handler != SIG_DFL && stop.old.sa_handler != SIG_IGN)
        stop.old.sa_handler(sig);
}

/* The program may have set one of its own since the last time. */
static void
set_handler(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK}, now;

    sigfillset(&sa.sa_mask);
    if (sigaction(SIGNAL, NULL, &now) == 0 &&
        (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_signal)) {
        stop.old = now;
        sigaction(SIGNAL, &sa, NULL);
    }
}

/* --- stopping: sched.lock held ------------------------------------------- */

static void
lock_sched(void)
{
    const struct timespec nap = {0, 50000};

    while (!bl__trylock(&bl__core->sched->lock))
        nanosleep(&nap, NULL);
}

static bool
make_slots(const struct bl__m *own)
{
    uint32_t n = 0;
    size_t size;

    for (struct bl__m *m = bl__core->sched->all_ms; m; m = m->all)
        n++;
    size = (n + 1) * sizeof *stop.slots;
    stop.slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    stop.n = 0;
    if (stop.slots == MAP_FAILED)
        return false;
    for (struct bl__m *m = bl__core->sched->all_ms; m; m = m->all)
        if (m != own && m->tid != 0)
            stop.slots[stop.n++] = (struct slot){
                .m = m, .tid = m->tid, .moment = atomic_load(&stop.moment) + 1};
    return true;
}

ptrdiff_t
bl__task_read(int tid, const char *name, char *text, size_t size)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, text, size - 1);
    n = n < 0 ? -errno : n;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

/* Whether the thread has the signal blocked; one that has ended does nothing any more. */
static bool
blocks_signal(int tid)
{
    char text[4096];
    ssize_t n = bl__task_read(tid, "status", text, sizeof text);
    const char *at = n > 0 ? strstr(text, "SigBlk:") : NULL;

    if (n < 0)
        return n != -ENOENT && n != -ESRCH;
    return at && (strtoull(at + 7, NULL, 16) >> (SIGNAL - 1) & 1);
}

static bool
all_are_here(void)
{
    for (uint32_t i = 0; i < stop.n; i++)
        if (atomic_load(&stop.slots[i].state) == ASKED && !stop.slots[i].blocks_signals)
            return false;
    return true;
}

static void
await(int64_t end)
{
    while (!all_are_here() && bl__core->now() < end)
        futex_wait(&stop.arrived, atomic_load(&stop.arrived), 1000000);
}

/* Whether it is in users' code, for all that the barrier has made known. */
static bool
is_outside(const struct bl__m *m)
{
    return m->g && m->g != &m->g0 && m->g->stack_high &&
           !atomic_load_explicit(&m->inside, memory_order_acquire);
}

/* With attention set a thread that wakes can't come inside before the lock is free.  Those
 * that run outside are left alone, too, if stack is NULL. */
static void
find_asleep(struct bl__stack *stack)
{
    if (!bl__core->sched->has_barrier)
        return;
    for (uint32_t i = 0; i < stop.n; i++)
        if (!atomic_load_explicit(&stop.slots[i].m->inside, memory_order_relaxed))
            atomic_store_explicit(&stop.slots[i].m->attention, 1, memory_order_relaxed);
    bl__core->barrier(); /* pairs with the signal fence in bl__enter */
    for (uint32_t i = 0; i < stop.n; i++) {
        struct slot *slot = &stop.slots[i];

        if (stack ? bl__asleep_begin(&slot->asleep, slot->m, stack) : is_outside(slot->m)) {
            slot->ctx = slot->asleep.ctx;
            atomic_store(&slot->state, ASLEEP);
        }
    }
}

static void
stop_all(void)
{
    int64_t end = bl__core->now() + ANSWER_NS;
    pid_t pid = getpid();

    atomic_store(&stop.arrived, 0);
    atomic_store(&stop.lost, false);
    atomic_fetch_add(&stop.moment, 1);
    for (uint32_t i = 0; i < stop.n; i++)
        if (atomic_load(&stop.slots[i].state) == ASKED)
            syscall(SYS_tgkill, pid, stop.slots[i].tid, SIGNAL);
    await(end - ANSWER_NS + ANSWER_NS / 8);
    for (uint32_t i = 0; i < stop.n; i++)
        if (atomic_load(&stop.slots[i].state) == ASKED)
            stop.slots[i].blocks_signals = blocks_signal(stop.slots[i].tid);
    await(end);
}

static void
let_go(void)
{
    atomic_fetch_add(&stop.moment, 1);
    futex_wake(&stop.moment);
}

/* A thread that the system has not let run for a while may come into the handler, and
 * have a slot in its hands, when the moment is over: the slots stay until it has left.
 * One that does not leave, as a fork has lost it, keeps them. */
static void
drop_slots(void)
{
    const struct timespec nap = {0, 50000};
    int64_t end = bl__core->now() + PATIENCE_NS;

    while (atomic_load(&stop.handling) > 0 && bl__core->now() < end)
        nanosleep(&nap, NULL);
    if (atomic_load(&stop.handling) == 0)
        munmap(stop.slots, (stop.n + 1) * sizeof *stop.slots);
}

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

/* The thread that g is on: because it says so, or, in the few instructions in which that
 * is not true yet or no more, because of its stack pointer. */
static struct slot *
runs_on(struct bl__g *g)
{
    if (g->stopped)
        return &stop.slots[g->stopped - 1];
    for (uint32_t i = 0; i < stop.n; i++) {
        struct slot *slot = &stop.slots[i];

        if (!slot->is_taken && atomic_load(&slot->state) != ASKED &&
            BL__CTX_SP(&slot->ctx) - g->stack_low < g->stack_high - g->stack_low)
            return slot;
    }
    return NULL;
}

/* Whether a thread has stopped on its way to g, which is still at rest. */
static bool
is_next(const struct bl__g *g)
{
    for (uint32_t i = 0; i < stop.n; i++)
        if (stop.slots[i].to == g)
            return true;
    return false;
}

static bool
walk_asleep(struct noting *n, const struct bl__g *g, const struct slot *slot)
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
    struct slot *slot;
    struct bl__ctx ctx;
    uintptr_t callee;

    n->stack.n = n->stack.depth = n->npending = 0;
    n->left_out = 0;
    if (g == n->caller) {
        walk_from(n, g, n->own, false);
        return true;
    }
    slot = runs_on(g);
    if (slot) {
        slot->is_taken = true;
        if (atomic_load(&slot->state) == ASLEEP)
            return walk_asleep(n, g, slot);
        if (atomic_load(&slot->state) != HERE)
            return false;
        walk_from(n, g, &slot->ctx, false);
        return true;
    }
    if ((seen->status == BL__G_RUNNING && !is_next(g)) || !g->sp)
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
    if (!seen || atomic_load(&stop.lost)) {
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

/* Between a few instructions of a switch the thread has a new goroutine, but is still on
 * the old one's stack. */
static void
mark_running(bool mark)
{
    for (uint32_t i = 0; i < stop.n; i++) {
        struct slot *slot = &stop.slots[i];
        struct bl__g *g = slot->m->g;
        uint32_t state = atomic_load(&slot->state);
        bool is_on = state == ASKED || state == ASLEEP || slot->on_sigstack ||
                     BL__CTX_SP(&slot->ctx) - g->stack_low < g->stack_high - g->stack_low;

        if (g == &slot->m->g0)
            continue;
        if (is_on)
            g->stopped = mark ? i + 1 : 0;
        else
            slot->to = g;
    }
}

static void
note_all(void *arg)
{
    struct noting *n = arg;
    struct bl__g *g = bl__core->main_goroutine();

    n->s->taken = bl__core->now();
    /* without a P it has its own goroutine only */
    for (uint32_t i = 0; i < stop.n; i++)
        n->is_weak = n->is_weak || (stop.slots[i].blocks_signals && stop.slots[i].m->p);
    if (g)
        note_goroutine(n, g);
    bl__core->each_goroutine(note_goroutine, n);
}

struct bl__pending *
bl__seen_pending(const struct bl__seen *seen)
{
    return (struct bl__pending *)(seen->words + seen->npcs);
}

enum bl__whereabouts
bl__stopped_at(struct bl__g *g, const struct bl__ctx **ctx, int *tid)
{
    struct slot *slot = runs_on(g);

    *ctx = slot && atomic_load(&slot->state) == HERE ? &slot->ctx : NULL;
    *tid = slot ? slot->tid : 0;
    return !slot ? BL__AT_REST : *ctx ? BL__STOPPED : BL__ELSEWHERE;
}

const struct bl__ctx *
bl__stopped_thread(int tid, uintptr_t *sigstack_low, uintptr_t *sigstack_high)
{
    for (uint32_t i = 0; i < stop.n; i++) {
        const struct slot *slot = &stop.slots[i];

        *sigstack_low = slot->sigstack_low;
        *sigstack_high = slot->sigstack_high;
        if (slot->tid == tid)
            return atomic_load(&slot->state) == HERE ? &slot->ctx : NULL;
    }
    return NULL;
}

struct stopping {
    void (*f)(void *arg);
    void *arg;
    enum bl__spared spared;
    bool keeps_modules;
    bool done, is_whole;
    int64_t stopped_ns;
};

/* With one_at_a_time, and sched.lock. */
static void
stop_and_call(struct stopping *a)
{
    const struct bl__g *g = bl__core->self_or_null();
    static struct bl__stack stack; /* protected by one_at_a_time */
    int64_t began;

    a->done = make_slots(g ? g->m : NULL);
    if (!a->done)
        return;
    began = bl__core->now();
    if (a->spared != BL__SPARE_NONE)
        find_asleep(a->spared == BL__SPARE_ASLEEP ? &stack : NULL);
    stop_all();
    mark_running(true);
    a->f(a->arg);
    mark_running(false);
    a->is_whole = !atomic_load(&stop.lost);
    let_go();
    a->stopped_ns = bl__core->now() - began;
}

static int
on_any_module(struct dl_phdr_info *info, size_t size, void *a)
{
    (void)info, (void)size;
    stop_and_call(a);
    return 1;
}

/* While the loader's list is locked no module goes: threads that are not ours, and do not
 * stand still, may be about to close one whose tables a walk reads.  Behind sched.lock,
 * which fork() takes: no child finds that list locked. */
static bool
run_stopping(struct stopping *a)
{
    pthread_mutex_lock(&one_at_a_time);
    set_handler();
    lock_sched();
    bl__untracked();
    if (a->keeps_modules)
        dl_iterate_phdr(on_any_module, a);
    else
        stop_and_call(a);
    bl__tracked_again();
    bl__unlock(&bl__core->sched->lock);
    if (a->done)
        drop_slots();
    pthread_mutex_unlock(&one_at_a_time);
    return a->is_whole;
}

bool
bl__stop_and_call(void (*f)(void *arg), void *arg, enum bl__spared spared,
                  int64_t *stopped_ns)
{
    struct stopping a = {.f = f, .arg = arg, .spared = spared};
    bool is_whole = run_stopping(&a);

    *stopped_ns = a.stopped_ns;
    return is_whole;
}

/* One try; is_last: sleepers wake again and again, it spares nobody. */
static void
take(struct bl__snapshot *s, bool (*wants)(void *arg, const struct bl__g *g), void *arg,
     bool is_last)
{
    struct noting *n = mmap(NULL, sizeof *n + MOST_PENDING * sizeof *n->pending,
                            PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct bl__g *g = bl__core->self_or_null();
    struct stopping stopping;
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
    stopping = (struct stopping){.f = note_all, .arg = n, .keeps_modules = true,
                                 .spared = is_last ? BL__SPARE_NONE : BL__SPARE_ASLEEP};
    if (!run_stopping(&stopping))
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
