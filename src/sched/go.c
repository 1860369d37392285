/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/go.c - a goroutine's life: go, its first and last steps, what it can ask
 * and say about itself. */
#include "sched/sched.h"

#include "os/os.h"
#include "sched/bubble.h"
#include "sched/track.h"

#include <belay/go.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_STACK = 256 * 1024, IDS = 16, MIN_ROOM = 4096 };

/* What a new goroutine is to do; lies at the high end of its stack. */
struct job {
    void (*thunk)(void *, void *);
    void *callee; /* for reports, until it has begun */
    char args[];
};

/* --- the end ------------------------------------------------------------- */

/* g is off its stack: the stack may be used again. */
static void
bury(void *p)
{
    struct bl__g *g = p, *self = bl__self();

    bl__track_dead(g);
    /* release: pairs with the acquire in bl__each_goroutine */
    atomic_store_explicit(&g->status, BL__G_NEW, memory_order_release);
    bl__stack_put(self->m->p, g);
}

static BL__NORETURN void
end(struct bl__g *g)
{
    atomic_store_explicit(&g->m->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* as in bl__enter */
    if (BL__UNLIKELY(atomic_load_explicit(&g->m->attention, memory_order_relaxed)))
        bl__enter_slow(g);
    if (BL__UNLIKELY(bl__told))
        BL__OBSERVE(ended, g);
    bl__g_free(g);
    if (g->locked_m) { /* what it did to the thread must not meet others */
        g->locked_m->ends = true;
        g->locked_m->locked_g = NULL;
        g->locked_m = NULL;
        g->lock_depth = 0;
    }
    if (g->bubble)
        bl__bubble_leaves(g);
    atomic_fetch_sub_explicit(&bl__sched.goroutines, 1, memory_order_relaxed);
    if (!g->is_goroutine) { /* main, by bl_goexit(): the others go on */
        atomic_store(&g->status, BL__G_NEW);
        bl__switch_for_good(g, NULL, NULL);
    }
    bl__switch_for_good(g, bury, g);
}

/* --- the beginning ------------------------------------------------------- */

static void
bl__goroutine(void *p)
{
    struct bl__g *g = p;
    struct job *job = g->woken_by;

    bl__arrive(g);
    bl__track_acquire(g);
    bl__leave(g);
    job->thunk(NULL, job->args);
    end(g);
}

uintptr_t
bl__not_begun(const struct bl__g *g)
{
    const struct job *job = g->woken_by;
    struct bl__ctx ctx;

    bl__ctx_at_rest(&ctx, bl__rest(g));
    if (BL__CTX_PC(&ctx) != (uintptr_t)bl__go_entry || (uintptr_t)job < g->stack_low ||
        (uintptr_t)job >= g->stack_high)
        return 0;
    return (uintptr_t)job->callee;
}

static uint64_t
new_id(struct bl__p *p)
{
    if (!p)
        return bl__next_id();
    if (p->id_next == p->id_end) {
        p->id_next = bl__next_ids(IDS);
        p->id_end = p->id_next + IDS;
    }
    return p->id_next++;
}

struct bl__g *
bl__spawn(void (*thunk)(void *, void *), const void *args, size_t size,
          unsigned class, const struct bl__site *site, uintptr_t pc, const char *name,
          int *error)
{
    struct bl__g *self = bl__self();
    struct bl__p *p = self->m ? self->m->p : NULL;
    struct bl__g *g = bl__stack_get(p, class, error);
    struct job *job;

    if (BL__UNLIKELY(!g))
        return NULL;
    bl__track_acquire(g); /* its stack has been another one's */
    job = (struct job *)((g->stack_high - sizeof *job - size) & ~(uintptr_t)15);
    job->thunk = thunk;
    job->callee = (void *)pc;
    memcpy(job->args, args, size);
    g->id = new_id(p);
    g->reason = BL__WAIT_NONE;
    g->is_system = false;
    g->created_at = site;
    g->created_pc = pc;
    g->created_by = self->id;
    g->name = name;
    g->bubble = NULL;
    g->saved_errno = 0;
    g->woken_by = job;
    g->labels = self->labels;
    if (BL__UNLIKELY(g->labels != NULL))
        BL__OBSERVE(labels_kept, g->labels);
    atomic_store_explicit(&g->sp, bl__stack_begin(job, bl__goroutine, g),
                          memory_order_relaxed); /* the status's release is behind it */
    if (BL__UNLIKELY(bl__told))
        BL__OBSERVE(spawned, g);
    if (BL__UNLIKELY(self->bubble != NULL))
        bl__bubble_joins(g, self->bubble);
    atomic_fetch_add_explicit(&bl__sched.goroutines, 1, memory_order_relaxed);
    bl__track_release(g);
    /* release: pairs with the acquire in bl__each_goroutine */
    atomic_store_explicit(&g->status, BL__G_RUNNABLE, memory_order_release);
    return g;
}

/* The first goroutine needs the monitor from now on; if the system has no thread for it
 * the next one tries again. */
static BL__NOINLINE void
start_monitor(void)
{
    bool mine;

    bl__lock(&bl__sched.lock);
    mine = !bl__sched.monitor_started;
    bl__sched.monitor_started = true;
    bl__unlock(&bl__sched.lock);
    if (mine && !bl__sched.seed &&
        bl__os_thread_start(bl__monitor, NULL, 64 * 1024, true) < 0) {
        bl__lock(&bl__sched.lock);
        bl__sched.monitor_started = false;
        bl__unlock(&bl__sched.lock);
    }
}

void
bl__sched_start(void)
{
    if (BL__UNLIKELY(!bl__sched.monitor_started))
        start_monitor();
}

/* --- go ------------------------------------------------------------------ */

static unsigned
class_for(size_t stack_bytes, size_t args)
{
    static unsigned standard;

    if (stack_bytes == 0 && args < DEFAULT_STACK / 4) {
        if (BL__UNLIKELY(standard == 0))
            standard = bl__stack_class(bl__options.stacksize
                                           ? (size_t)bl__options.stacksize
                                           : DEFAULT_STACK);
        return standard;
    }
    if (stack_bytes == 0)
        stack_bytes = DEFAULT_STACK;
    if (stack_bytes > (size_t)1 << 30)
        return BL__STACK_CLASSES;
    return bl__stack_class(stack_bytes + args + MIN_ROOM > stack_bytes && args > 4096
                               ? stack_bytes + args
                               : stack_bytes);
}

static int
go_from(void (*thunk)(void *, void *), const void *args, size_t size, void *callee,
        const struct bl__site *site, const bl_go_options *options, uintptr_t pc)
{
    unsigned class = class_for(options ? options->stack_bytes : 0, size);
    struct bl__g *self, *g;
    int error = 0;

    if (BL__UNLIKELY(!callee))
        bl__fatal_user("go of nil func value");
    if (BL__UNLIKELY(class >= BL__STACK_CLASSES))
        return -EINVAL;
    bl__sched_start();
    self = bl__enter();
    g = bl__spawn(thunk, args, size, class, site, pc, options ? options->name : NULL,
                  &error);
    if (g) {
        ((struct job *)g->woken_by)->callee = callee;
        bl__enqueue(g, true);
    }
    bl__leave(self);
    return error;
}

int
bl__go_try(bl__thunk *thunk, const void *args, size_t size, void *callee,
           const struct bl__site *site, const bl_go_options *options)
{
    return go_from(thunk, args, size, callee, site, options,
                   (uintptr_t)__builtin_return_address(0));
}

void
bl__go(bl__thunk *thunk, const void *args, size_t size, void *callee,
       const struct bl__site *site, const bl_go_options *options)
{
    int error = go_from(thunk, args, size, callee, site, options,
                        (uintptr_t)__builtin_return_address(0));

    if (BL__LIKELY(error == 0))
        return;
    if (error == -EINVAL)
        bl_panic("belay: go: a stack of %zu bytes is more than 1 GiB",
                 options->stack_bytes);
    if (!bl__os_guards_are_free())
        bl_panic("belay: go: out of memory for a goroutine's stack (this kernel "
                 "needs a mapping for each: raise vm.max_map_count)");
    bl_panic("belay: go: out of memory for a goroutine's stack");
}

struct call {
    void (*f)(void *arg);
    void *arg;
};

static void
make_call(void *unused, void *args)
{
    const struct call *c = args;

    (void)unused;
    c->f(c->arg);
}

void
bl__go_inside(void (*f)(void *arg), void *arg, const char *fatal)
{
    struct call c = {f, arg};
    int error = 0;
    struct bl__g *g = bl__spawn(make_call, &c, sizeof c, class_for(0, sizeof c), NULL,
                                (uintptr_t)f, NULL, &error);

    if (!g)
        bl__fatal_at(fatal, NULL, NULL);
    bl__enqueue(g, false);
}

void
bl_gosched(void)
{
    struct bl__g *g = bl__enter();

    if (g->m)
        bl__yield(g);
    bl__leave(g);
}

/* --- what a goroutine asks ----------------------------------------------- */

int
bl_gomaxprocs(int n)
{
    struct bl__g *g;
    int old;

    if (n < 1 || bl__sched.seed)
        return atomic_load(&bl__sched.nprocs);
    g = bl__enter();
    old = bl__set_nprocs(n > BL__MAXPROCS ? BL__MAXPROCS : n);
    if (n > old)
        bl__wake_p();
    bl__leave(g);
    if (n < old)
        bl_gosched(); /* our own P may be one of those that go */
    return old;
}

int
bl_num_cpu(void)
{
    return bl__os_cpus();
}

int64_t
bl_num_goroutine(void)
{
    return atomic_load(&bl__sched.goroutines);
}

uint64_t
bl_goroutine_id(void)
{
    return bl__self()->id;
}

bool
bl_on_goroutine(void)
{
    return bl__self()->m != NULL;
}

void
bl_set_name(const char *name)
{
    bl__self()->name = name;
}

const char *
bl_name(void)
{
    return bl__self()->name;
}

void
bl_lock_os_thread(void)
{
    struct bl__g *g = bl__enter();

    if (g->m && g->lock_depth++ == 0) {
        g->locked_m = g->m;
        g->m->locked_g = g;
    }
    bl__leave(g);
}

void
bl_unlock_os_thread(void)
{
    struct bl__g *g = bl__enter();

    if (g->m && g->lock_depth > 0 && --g->lock_depth == 0) {
        g->locked_m->locked_g = NULL;
        g->locked_m = NULL;
    }
    bl__leave(g);
}

/* --- hooks of the panic engine ------------------------------------------- */

void
bl__goroutine_exits(struct bl__g *g)
{
    end(g);
}
