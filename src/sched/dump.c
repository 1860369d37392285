/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/dump.c - what reports say about goroutines: states, creators, all stacks,
 * deadlocks, the scheduler's state; SIGQUIT. */
#define _GNU_SOURCE
#include "sched/sched.h"

#include "os/os.h"
#include "sched/bubble.h"
#include "sched/hold.h"

#include <belay/go.h>
#include <belay/test.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PENDING = 64 };

static const char *const reasons[] = {
#define BL__REASON_TEXT(name, text, durable) text,
    BL__REASONS(BL__REASON_TEXT)
};

const char *
bl__reason_text(unsigned reason)
{
    return reasons[reason];
}

/* --- one goroutine ------------------------------------------------------- */

static void
put_minutes(struct bl__text *t, const struct bl__g *g)
{
    int64_t minutes = (bl__os_now() - g->waiting_since) / 60000000000;

    if (minutes < 1)
        return;
    bl__put(t, ", ");
    bl__put_int(t, minutes);
    bl__put(t, " minutes");
}

static void
put_state(struct bl__text *t, const struct bl__g *g)
{
    switch (atomic_load_explicit(&g->status, memory_order_relaxed)) {
    case BL__G_RUNNABLE:
        bl__put(t, "runnable");
        break;
    case BL__G_WAITING:
        bl__put(t, reasons[g->reason]);
        put_minutes(t, g);
        break;
    default:
        bl__put(t, "running");
        break;
    }
    if (g->locked_m || !g->m)
        if (g->id != 1 && !g->is_goroutine)
            bl__put(t, ", locked to thread");
    if (g->locked_m)
        bl__put(t, ", locked to thread");
    if (g->bubble) {
        bl__put(t, ", synctest bubble ");
        bl__put_uint(t, g->bubble->id);
    }
}

static void
put_creator(struct bl__text *t, const struct bl__g *g)
{
    char behind[64];
    struct bl__text b = BL__TEXT_INTO(behind, sizeof behind);

    if (!g->created_pc)
        return;
    bl__put(&b, " in goroutine ");
    bl__put_uint(&b, g->created_by);
    bl__text_flush(&b);
    bl__put_frame(t, "created by ", g->created_pc - 1, behind);
}

/* What is read while a goroutine is held, and printed when it is not any more. */
struct view {
    struct bl__trace trace;
    uintptr_t callee;         /* that it is to begin with; 0: it has begun */
    unsigned n;
    struct {
        const struct bl__site *site;
        uint64_t times;       /* registered there one after the other */
    } pending[MOST_PENDING];  /* innermost function first */
    uint64_t more;            /* deferred calls for which there was no room */
};

static void
view_call(struct view *v, const struct bl__site *site)
{
    if (v->n > 0 && v->pending[v->n - 1].site == site && v->more == 0)
        v->pending[v->n - 1].times++;
    else if (v->n < MOST_PENDING)
        v->pending[v->n++] = (__typeof__(v->pending[0])){site, 1};
    else
        v->more++;
}

static void
view_at_rest(struct view *v, const struct bl__g *g)
{
    struct bl__ctx ctx;

    v->n = 0;
    v->more = 0;
    v->callee = bl__not_begun(g);
    if (v->callee)
        return;
    bl__ctx_at_rest(&ctx, bl__rest(g));
    bl__trace_from(&v->trace, g, &ctx);
    for (const struct bl__calls *node = g->calls; node; node = node->outer)
        for (const struct bl__record *r = node->top; r; r = r->next)
            view_call(v, r->site);
}

static void
put_view(struct bl__text *t, const struct view *v)
{
    if (v->callee)
        bl__put_frame(t, "", v->callee, "(...)");
    else
        bl__put_trace(t, &v->trace);
    for (unsigned i = 0; i < v->n; i++)
        bl__put_pending(t, v->pending[i].site, v->pending[i].times);
    if (v->more > 0) {
        bl__put(t, "...");
        bl__put_uint(t, v->more);
        bl__put(t, " pending defers elided...\n");
    }
}

static void
put_goroutine(struct bl__text *t, struct bl__g *g)
{
    char head[512];
    struct bl__text h = BL__TEXT_INTO(head, sizeof head);
    struct view v;
    bool rests = bl__hold(g);

    bl__put_header(&h, g);
    bl__text_flush(&h);
    if (rests) {
        view_at_rest(&v, g);
        bl__let_go(g);
    }
    bl__put(t, "\n");
    bl__put(t, head);
    if (rests)
        put_view(t, &v);
    else
        bl__put(t, "\tgoroutine running on other thread; stack unavailable\n");
    put_creator(t, g);
}

/* --- all of them --------------------------------------------------------- */

/* main's is not on one of our stacks. */
static struct bl__g *main_g;

struct listing {
    struct bl__text *t;
    const struct bl__g *except;
    uint64_t only; /* id; 0: all */
};

static void
list_one(void *arg, struct bl__g *g)
{
    struct listing *l = arg;

    if (g != l->except && !g->is_system && (l->only == 0 || l->only == g->id))
        put_goroutine(l->t, g);
}

struct bl__g *
bl__main_goroutine(void)
{
    return main_g && atomic_load(&main_g->status) != BL__G_NEW ? main_g : NULL;
}

/* Those that run go on running: the report says so. */
static void
put_all(struct listing *l)
{
    struct bl__g *g = bl__main_goroutine();

    if (g)
        list_one(l, g);
    bl__each_goroutine(list_one, l);
}

static void
put_others(struct bl__text *t, const struct bl__g *g)
{
    struct listing l = {t, g, 0};

    put_all(&l);
}

static size_t
text_length(const struct bl__text *t, size_t size)
{
    return t->length < size ? t->length : size ? size - 1 : 0;
}

size_t
bl_stack_all(char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    struct bl__g *g = bl__self();
    struct bl__ctx ctx;

    bl__here(&ctx);
    bl__put_header(&t, g);
    bl__put_stack(&t, g, &ctx);
    put_creator(&t, g);
    put_others(&t, g);
    bl__text_flush(&t);
    return text_length(&t, size);
}

size_t
bl_stack_of(uint64_t id, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    struct listing l = {&t, NULL, id};

    if (id == bl__self()->id)
        return bl_stack(buf, size);
    put_all(&l);
    bl__text_flush(&t);
    if (t.length > 0) { /* without the empty line in front */
        memmove(buf, buf + 1, text_length(&t, size));
        t.length--;
    }
    return text_length(&t, size);
}

/* --- deadlock ------------------------------------------------------------ */

static bool
nothing_goes_on(void)
{
    int n = atomic_load(&bl__sched.nprocs);

    if (atomic_load(&bl__sched.idle) + (bl__sched.seed ? 1 : 0) < n ||
        atomic_load(&bl__sched.detached) > 0 || bl__next_timer() != INT64_MAX ||
        atomic_load(&bl__sched.queued) > 0 || atomic_load(&bl__sched.waiting_io) > 0)
        return false;
    for (int i = n; i < BL__MAXPROCS && bl__sched.ps[i]; i++)
        if (bl__sched.ps[i]->state == BL__P_USED)
            return false; /* one too many, and still at work */
    return true;
}

/* All threads are ours, or asleep in Belay. */
static bool
nobody_could_help(void)
{
    int threads = bl__os_thread_count() - (bl__sched.base_threads - 1);

    return threads == bl__sched.nms + (bl__sched.monitor_started && !bl__sched.seed) +
                          atomic_load(&bl__sched.parked_threads);
}

/* sched.lock held by an M that has gone idle.  Every goroutine waits, nothing in
 * the process could wake one: threads that are not ours might, so there must be
 * none that is not itself asleep in Belay.  The last thing one of them did before it
 * fell asleep may have been to start a timer: hence a second look. */
void
bl__check_deadlock(void)
{
    if (!nothing_goes_on() || !nobody_could_help() || !nothing_goes_on())
        return;
    bl__unlock(&bl__sched.lock);
    if (main_g && atomic_load(&main_g->status) == BL__G_NEW)
        bl__fatal_goroutines("no goroutines (main called runtime.Goexit) - deadlock!");
    bl__fatal_goroutines("all goroutines are asleep - deadlock!");
}

/* --- for the test kit: belay/detail/test.h -------------------------------- */

bool
bl__is_panicking(void)
{
    const struct bl__act *a = bl__self()->act;

    while (a && (a->kind != BL__ACT_PANIC || a->recovered))
        a = a->link;
    return a != NULL;
}

uint64_t
bl__known_id(void)
{
    const struct bl__g *g = bl__self_or_null();

    return g ? g->id : 0;
}

bool
bl__sched_trace(uint64_t *seed, uint64_t *hash)
{
    *seed = bl__sched.seed;
    *hash = bl__sched.trace_hash;
    return bl__sched.seed != 0;
}

/* The hash is of which goroutine ran when: with the same seed, another one means that
 * something else than the scheduler has decided. */
static void
put_end(struct bl__text *t)
{
    if (!bl__sched.seed)
        return;
    bl__put(t, "\nbelay: BELAYDEBUG=schedseed=");
    bl__put_uint(t, bl__sched.seed);
    bl__put(t, ", schedule ");
    bl__put_hex(t, bl__sched.trace_hash);
    bl__put(t, "\n");
}

/* --- SIGQUIT ------------------------------------------------------------- */

/* Go's words: the signal, every goroutine, status 2. */
static void
on_quit(int sig)
{
    struct bl__ctx ctx;
    struct bl__g *g = bl__self_or_null();
    char buf[2048];
    struct bl__text t = BL__TEXT_TO(2, buf);

    (void)sig;
    bl__put(&t, "SIGQUIT: quit\n");
    if (g && !g->is_system) {
        bl__put(&t, "\n");
        bl__put_header(&t, g);
        bl__here(&ctx);
        bl__put_stack(&t, g, &ctx);
        put_creator(&t, g);
    }
    put_others(&t, g && !g->is_system ? g : NULL);
    put_end(&t);
    bl__text_flush(&t);
    _exit(2);
}

/* --- schedtrace ---------------------------------------------------------- */

static int
queue_length(const struct bl__p *p)
{
    return (int)bl__runq_length(p) + (atomic_load(&p->run_next) != NULL);
}

/* As Go's GODEBUG=schedtrace=N. */
void
bl__put_schedtrace(struct bl__text *t)
{
    int n = atomic_load(&bl__sched.nprocs);

    bl__put(t, "SCHED ");
    bl__put_int(t, (bl__os_now() - bl__sched.began) / 1000000);
    bl__put(t, "ms: gomaxprocs=");
    bl__put_int(t, n);
    bl__put(t, " idleprocs=");
    bl__put_int(t, atomic_load(&bl__sched.idle));
    bl__put(t, " threads=");
    bl__put_int(t, bl__sched.nms + bl__sched.monitor_started);
    bl__put(t, " spinningthreads=");
    bl__put_int(t, atomic_load(&bl__sched.spinning));
    bl__put(t, " needspinning=0 idlethreads=");
    bl__put_int(t, atomic_load(&bl__sched.idle_threads));
    bl__put(t, " runqueue=");
    bl__put_int(t, (int)atomic_load(&bl__sched.queued));
    bl__put(t, " [");
    for (int i = 0; i < n; i++) {
        bl__put(t, " ");
        bl__put_int(t, queue_length(bl__sched.ps[i]));
    }
    bl__put(t, " ]\n");
}

/* --- start --------------------------------------------------------------- */

void
bl__dump_init(void)
{
    struct sigaction sa = {.sa_handler = on_quit, .sa_flags = SA_ONSTACK}, old;

    bl__hooks.goexit = bl__goroutine_exits;
    bl__hooks.put_creator = put_creator;
    bl__hooks.put_others = put_others;
    bl__hooks.put_end = put_end;
    bl__hooks.put_state = put_state;
    if (bl__os_is_main_thread())
        main_g = bl__self();
    /* as Go, also where it is ignored: a shell's background jobs start so */
    if (sigaction(SIGQUIT, NULL, &old) == 0 && bl__options.faults &&
        (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN))
        sigaction(SIGQUIT, &sa, NULL);
}
