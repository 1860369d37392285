/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/stop.c - threads that run goroutines stand still.
 *
 * C code can't be stopped at a safe point, as there is none.  So they are stopped where
 * they are, by a signal, and wait in its handler:
 *
 *   BL__SLOT_  meaning                           who may change it, to what
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
 * then those who wait lose patience, and go on.
 *
 * Threads that sleep in a system call are not woken (asleep.c).
 *
 * A thread that does not answer in time is one that the system does not let run, which
 * is as good, or one that blocks the signal.  Then only stacks can be read, which stay
 * mapped whatever happens, and no deferred calls.  Most of that passes: pthread_create()
 * blocks signals for a moment. */
#define _GNU_SOURCE
#include "observe/stop.h"
#include "observe/untracked.h"

#include <errno.h>
#include <fcntl.h>
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
};

static struct {
    _Atomic uint32_t moment;     /* odd: stand still */
    _Atomic uint32_t arrived;
    _Atomic uint32_t handling;   /* threads in the handler, which look at slots */
    _Atomic bool lost;           /* somebody has gone on */
    struct bl__slot *slots;
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

static struct bl__slot *
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
    uint32_t moment = atomic_load(&stop.moment), here = BL__SLOT_HERE;
    const struct bl__g *g = bl__core->self_or_null();
    struct bl__slot *slot = moment & 1 ? slot_of(g ? g->m : NULL) : NULL;
    stack_t alt = {0};
    int64_t end;

    /* late: asked in a moment that is over? */
    if (!slot || slot->moment != moment || atomic_load(&slot->state) != BL__SLOT_ASKED)
        return false;
    bl__core->ctx_from_signal(&slot->ctx, ucontext);
    sigaltstack(NULL, &alt);
    slot->on_sigstack = BL__CTX_SP(&slot->ctx) - (uintptr_t)alt.ss_sp < alt.ss_size;
    slot->sigstack_low = (uintptr_t)alt.ss_sp;
    slot->sigstack_high = slot->sigstack_low + alt.ss_size;
    atomic_store(&slot->state, BL__SLOT_HERE);
    atomic_fetch_add(&stop.arrived, 1);
    futex_wake(&stop.arrived);
    end = bl__core->now() + PATIENCE_NS;
    while (atomic_load(&stop.moment) == moment) {
        if (bl__core->now() >= end) {
            atomic_store(&stop.lost, true);
            atomic_compare_exchange_strong(&slot->state, &here, BL__SLOT_LOST);
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
            stop.slots[stop.n++] = (struct bl__slot){
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
        if (atomic_load(&stop.slots[i].state) == BL__SLOT_ASKED && !stop.slots[i].blocks_signals)
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
        struct bl__slot *slot = &stop.slots[i];

        if (stack ? bl__asleep_begin(&slot->asleep, slot->m, stack) : is_outside(slot->m)) {
            slot->ctx = slot->asleep.ctx;
            atomic_store(&slot->state, BL__SLOT_ASLEEP);
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
        if (atomic_load(&stop.slots[i].state) == BL__SLOT_ASKED)
            syscall(SYS_tgkill, pid, stop.slots[i].tid, SIGNAL);
    await(end - ANSWER_NS + ANSWER_NS / 8);
    for (uint32_t i = 0; i < stop.n; i++)
        if (atomic_load(&stop.slots[i].state) == BL__SLOT_ASKED)
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
    if (bl__await_handlers(&stop.handling))
        munmap(stop.slots, (stop.n + 1) * sizeof *stop.slots);
}

/* --- while they stand still ------------------------------------------------------ */

static bool
is_on_stack(const struct bl__slot *slot, const struct bl__g *g)
{
    return BL__CTX_SP(&slot->ctx) - g->stack_low < g->stack_high - g->stack_low;
}

/* The thread that g is on: because it says so, or, in the few instructions in which that
 * is not true yet or no more, because of its stack pointer. */
struct bl__slot *
bl__stop_slot_of(const struct bl__g *g)
{
    if (g->stopped)
        return &stop.slots[g->stopped - 1];
    for (uint32_t i = 0; i < stop.n; i++) {
        struct bl__slot *slot = &stop.slots[i];

        if (!slot->is_taken && atomic_load(&slot->state) != BL__SLOT_ASKED &&
            is_on_stack(slot, g))
            return slot;
    }
    return NULL;
}

bool
bl__stop_is_next(const struct bl__g *g)
{
    for (uint32_t i = 0; i < stop.n; i++)
        if (stop.slots[i].to == g)
            return true;
    return false;
}

/* Between a few instructions of a switch the thread has a new goroutine, but is still on
 * the old one's stack. */
static void
mark_running(bool mark)
{
    for (uint32_t i = 0; i < stop.n; i++) {
        struct bl__slot *slot = &stop.slots[i];
        struct bl__g *g = slot->m->g;
        uint32_t state = atomic_load(&slot->state);
        bool is_on = state == BL__SLOT_ASKED || state == BL__SLOT_ASLEEP ||
                     slot->on_sigstack || is_on_stack(slot, g);

        if (g == &slot->m->g0)
            continue;
        if (is_on)
            g->stopped = mark ? i + 1 : 0;
        else
            slot->to = g;
    }
}

bool
bl__stop_is_weak(void)
{
    for (uint32_t i = 0; i < stop.n; i++) /* without a P it has its own goroutine only */
        if (stop.slots[i].blocks_signals && stop.slots[i].m->p)
            return true;
    return false;
}

bool
bl__stop_is_lost(void)
{
    return atomic_load(&stop.lost);
}

enum bl__whereabouts
bl__stopped_at(struct bl__g *g, const struct bl__ctx **ctx, int *tid)
{
    struct bl__slot *slot = bl__stop_slot_of(g);

    *ctx = slot && atomic_load(&slot->state) == BL__SLOT_HERE ? &slot->ctx : NULL;
    *tid = slot ? slot->tid : 0;
    return !slot ? BL__AT_REST : *ctx ? BL__STOPPED : BL__ELSEWHERE;
}

const struct bl__ctx *
bl__stopped_thread(int tid, uintptr_t *sigstack_low, uintptr_t *sigstack_high)
{
    for (uint32_t i = 0; i < stop.n; i++) {
        const struct bl__slot *slot = &stop.slots[i];

        *sigstack_low = slot->sigstack_low;
        *sigstack_high = slot->sigstack_high;
        if (slot->tid == tid)
            return atomic_load(&slot->state) == BL__SLOT_HERE ? &slot->ctx : NULL;
    }
    return NULL;
}

/* --- from one moment to the next ------------------------------------------------- */

/* With one_at_a_time, and sched.lock. */
static void
call_while_stopped(struct bl__stopping *a)
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

static void
stop_and_call(struct bl__stopping *a)
{
    bl__lock_sched();
    call_while_stopped(a);
    bl__unlock(&bl__core->sched->lock);
}

static int
on_any_module(struct dl_phdr_info *info, size_t size, void *a)
{
    (void)info, (void)size;
    stop_and_call(a);
    return 1;
}

/* While the loader's list is locked no module goes: threads that are not ours, and do not
 * stand still, may be about to close one whose tables a walk reads.  Who has that lock may
 * want sched.lock, and never the other way round: what a program does in a callback of
 * dl_iterate_phdr() is its own affair. */
bool
bl__stop_run(struct bl__stopping *a)
{
    pthread_mutex_lock(&one_at_a_time);
    set_handler();
    bl__untracked();
    if (a->keeps_modules) {
        bl__loader_begin();
        dl_iterate_phdr(on_any_module, a);
        bl__loader_end();
    } else {
        stop_and_call(a);
    }
    bl__tracked_again();
    if (a->done)
        drop_slots();
    pthread_mutex_unlock(&one_at_a_time);
    return a->is_whole;
}

bool
bl__stop_and_call(void (*f)(void *arg), void *arg, enum bl__spared spared,
                  int64_t *stopped_ns)
{
    struct bl__stopping a = {.f = f, .arg = arg, .spared = spared};
    bool is_whole = bl__stop_run(&a);

    *stopped_ns = a.stopped_ns;
    return is_whole;
}
