/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/cpu.c - where the CPU's time goes.
 *
 * Every thread of the process gets a timer of its own that counts the CPU time of that
 * thread, and sends the thread SIGPROF each 10 ms of it (or what the program has set); the
 * first one after a random part of that, so that short-lived threads are seen as often as
 * they should be.  (One timer for the process would favour some threads, and be too slow
 * for many cores.)  A thread of ours looks for new threads and empties the rings that the
 * handlers fill:
 *
 *     head      words written, ever     the handler, one thread
 *     tail      words read, ever        our thread
 *     is_on     the timer runs          our thread
 *     tid       whose ring it is        our thread, while it is off
 *     handlers  that have seen it on    handlers; off, it is somebody else's at 0 only
 *
 * Rings are never unmapped: a signal may be late. */
#define _GNU_SOURCE
#include "observe/observe.h"
#include "observe/untracked.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
    STANDARD_RATE = 100,     /* Hz */
    MOST_RATE = 10000,
    LOOK_NS = 10000000,      /* for new threads */
    RING = 1 << 13,          /* words: some thirty stacks, in 10 ms */
    HEADER = 4,              /* size, times, labels, flags */
    WHOLE = 1,
    LOST = -1,
};

struct ring {
    struct ring *next;
    _Atomic bool is_on;      /* a run of the profile uses it */
    _Atomic uint32_t handlers; /* that are at work on it, or look whether they may be */
    bool is_seen;            /* our thread's: its thread is still there */
    _Atomic int tid;         /* whose it is; 0: nobody's; LOST: one never left its handler */
    timer_t timer;
    _Atomic uint64_t head, tail;
    _Atomic uint64_t lost;
    uintptr_t words[RING];
};

static const struct bl__kind kind = {
    "profile", 2, {{"samples", "count"}, {"cpu", "nanoseconds"}}, {"cpu", "nanoseconds"},
    1000000000 / STANDARD_RATE, NULL};

static _Atomic int rate = STANDARD_RATE; /* of the next run */

static struct {
    pthread_mutex_t mutex;   /* protects what follows */
    bool is_running;
    bool has_handler;
    pthread_t thread;
    int64_t began, period_ns;
    struct sigaction old;
    _Atomic bool stop;       /* read by our thread */
    struct ring *rings;      /* our thread's while it runs; in use, then free ones */
    struct bl__profile profile; /* our thread's, while it runs */
    uint64_t whole, cut;     /* stacks */
    uint64_t random;
} cpu = {.mutex = PTHREAD_MUTEX_INITIALIZER, .random = 88172645463325252};

/* --- the handler --------------------------------------------------------- */

static void
put_sample(struct ring *r, uint64_t times, const struct bl__stack *stack, void *labels)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    /* acquire: pairs with the release in drain() */
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    uintptr_t header[HEADER] = {stack->n, times, (uintptr_t)labels,
                                stack->is_whole ? WHOLE : 0};

    if (head - tail + HEADER + stack->n > RING) {
        atomic_fetch_add_explicit(&r->lost, times, memory_order_relaxed);
        return;
    }
    for (uint32_t i = 0; i < HEADER; i++)
        r->words[(head + i) % RING] = header[i];
    for (uint32_t i = 0; i < stack->n; i++)
        r->words[(head + HEADER + i) % RING] = stack->pcs[i];
    /* release: pairs with the acquire in drain() */
    atomic_store_explicit(&r->head, head + HEADER + stack->n, memory_order_release);
}

static void
look(struct ring *r, const siginfo_t *info, const void *ucontext)
{
    struct bl__stack stack;
    struct bl__ctx ctx;
    const struct bl__g *g = bl__core->self_or_null();

    bl__core->ctx_from_signal(&ctx, ucontext);
    bl__stack_walk_interrupted(&stack, &ctx, g);
    put_sample(r, 1 + (uint64_t)info->si_overrun, &stack, g ? g->labels : NULL);
}

static void
on_timer(const siginfo_t *info, const void *ucontext)
{
    struct ring *r = info->si_value.sival_ptr;
    int saved;

    bl__untracked();
    saved = errno;
    atomic_fetch_add(&r->handlers, 1); /* before is_on: see forget */
    /* a late one may find it used by another run, for another thread */
    if (atomic_load(&r->is_on) && atomic_load(&r->tid) == (int)syscall(SYS_gettid))
        look(r, info, ucontext);
    atomic_fetch_sub(&r->handlers, 1);
    errno = saved;
    bl__tracked_again();
}

static void
on_signal(int sig, siginfo_t *info, void *ucontext)
{
    if (info->si_code == SI_TIMER)
        on_timer(info, ucontext);
    else if (cpu.old.sa_flags & SA_SIGINFO)
        cpu.old.sa_sigaction(sig, info, ucontext);
    else if (cpu.old.sa_handler != SIG_DFL && cpu.old.sa_handler != SIG_IGN)
        cpu.old.sa_handler(sig);
}

/* Stays for good: SIGPROF's default is to end the process, and one may be late. */
static void
set_handler(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK}, now;

    sigemptyset(&sa.sa_mask);
    if (sigaction(SIGPROF, NULL, &now) == 0 &&
        (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_signal)) {
        cpu.old = now;
        sigaction(SIGPROF, &sa, NULL);
    }
}

/* --- threads ------------------------------------------------------------- */

static struct ring *
free_ring(void)
{
    struct ring *r = cpu.rings;

    while (r && atomic_load(&r->tid) != 0)
        r = r->next;
    if (r)
        return r;
    r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED)
        return NULL;
    r->next = cpu.rings;
    return cpu.rings = r;
}

static int64_t
random_part(void)
{
    cpu.random ^= cpu.random << 13;
    cpu.random ^= cpu.random >> 7;
    cpu.random ^= cpu.random << 17;
    return (int64_t)(cpu.random % (uint64_t)cpu.period_ns) + 1;
}

static struct timespec
time_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static void
watch(int tid)
{
    /* the kernel's name for that thread's CPU time */
    clockid_t clock = (clockid_t)(~(unsigned)tid << 3 | 6);
    struct ring *r = free_ring();
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    struct itimerspec when = {time_of(cpu.period_ns), time_of(random_part())};

    if (!r)
        return;
    event.sigev_value.sival_ptr = r;
    event.sigev_notify_thread_id = tid;
    if (timer_create(clock, &event, &r->timer) != 0)
        return; /* it has ended */
    atomic_store(&r->tid, tid);
    r->is_seen = true;
    atomic_store(&r->is_on, true);
    timer_settime(r->timer, 0, &when, NULL);
}

static void
look_for_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    int own = (int)syscall(SYS_gettid);
    struct dirent *e;
    struct ring *r;

    for (r = cpu.rings; r; r = r->next)
        r->is_seen = false;
    while (d && (e = readdir(d))) {
        int tid = atoi(e->d_name);

        if (tid == 0 || tid == own)
            continue;
        for (r = cpu.rings; r && atomic_load(&r->tid) != tid; r = r->next)
            ;
        if (r)
            r->is_seen = true;
        else
            watch(tid);
    }
    if (d)
        closedir(d);
}

/* --- samples ------------------------------------------------------------- */

static void
add_sample(const uintptr_t header[HEADER], const uintptr_t *pcs)
{
    const struct bl_labels *labels = (const struct bl_labels *)header[2];
    struct bl__sample s = {.pcs = pcs, .n = (uint32_t)header[0],
                           .value = {(int64_t)header[1], (int64_t)header[1] * cpu.period_ns}};

    s.labels_size = bl__labels_bytes(labels, &s.labels);
    *(header[3] & WHOLE ? &cpu.whole : &cpu.cut) += header[1];
    bl__profile_add(&cpu.profile, &s);
}

static void
drain(struct ring *r)
{
    /* acquire: pairs with the release in put_sample() */
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uintptr_t header[HEADER], pcs[BL__STACK_MOST];

    while (tail < head) {
        for (uint32_t i = 0; i < HEADER; i++)
            header[i] = r->words[(tail + i) % RING];
        for (uint32_t i = 0; i < header[0]; i++)
            pcs[i] = r->words[(tail + HEADER + i) % RING];
        tail += HEADER + header[0];
        add_sample(header, pcs);
    }
    /* release: pairs with the acquire in put_sample() */
    atomic_store_explicit(&r->tail, tail, memory_order_release);
}

/* Behind it nobody writes into the ring any more, or names labels that may be freed soon. */
static void
forget(struct ring *r)
{
    bool is_ours;

    timer_delete(r->timer);
    atomic_store(&r->is_on, false);
    is_ours = bl__await_handlers(&r->handlers);
    drain(r);
    atomic_store(&r->tid, is_ours ? 0 : LOST);
}

static void *
run(void *unused)
{
    const struct timespec nap = {0, LOOK_NS};

    (void)unused;
    pthread_setname_np(pthread_self(), "belay-cpu");
    while (!atomic_load(&cpu.stop)) {
        look_for_threads();
        for (struct ring *r = cpu.rings; r; r = r->next)
            if (atomic_load(&r->tid) > 0)
                (r->is_seen ? drain : forget)(r);
        nanosleep(&nap, NULL);
    }
    for (struct ring *r = cpu.rings; r; r = r->next)
        if (atomic_load(&r->tid) > 0)
            forget(r);
    bl__helper_ends();
    return NULL;
}

/* Timers stay in the parent, as the thread. */
void
bl__cpu_in_child(void)
{
    pthread_mutex_init(&cpu.mutex, NULL);
    cpu.is_running = false;
    cpu.rings = NULL;
}

/* --- life ---------------------------------------------------------------- */

static int
begin(void)
{
    sigset_t all, old;
    int error;

    set_handler();
    bl__labels_freeze();
    bl__profile_init(&cpu.profile, &kind);
    cpu.period_ns = 1000000000 / atomic_load(&rate);
    cpu.profile.kind.period = cpu.period_ns;
    cpu.whole = cpu.cut = 0;
    cpu.began = bl__core->now();
    for (struct ring *r = cpu.rings; r; r = r->next)
        atomic_store(&r->lost, 0);
    atomic_store(&cpu.stop, false);
    bl__helper_begins();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&cpu.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        bl__helper_ends();
        bl__labels_thaw();
    }
    return -error;
}

int
bl__cpu_start(void)
{
    int error = -EBUSY;

    pthread_mutex_lock(&cpu.mutex);
    if (!cpu.is_running) {
        error = begin();
        cpu.is_running = error == 0;
    }
    pthread_mutex_unlock(&cpu.mutex);
    return error;
}

static bool
end(struct bl__profile *p)
{
    uint64_t lost = 0;

    if (!cpu.is_running)
        return false;
    atomic_store(&cpu.stop, true);
    pthread_join(cpu.thread, NULL);
    *p = cpu.profile;
    p->duration_ns = bl__core->now() - cpu.began;
    for (struct ring *r = cpu.rings; r; r = r->next)
        lost += atomic_load(&r->lost);
    snprintf(p->comment, sizeof p->comment,
             "stacks: %" PRIu64 " whole, %" PRIu64 " cut, %" PRIu64 " lost", cpu.whole,
             cpu.cut, lost);
    bl__labels_thaw();
    cpu.is_running = false;
    return true;
}

void
bl__cpu_stop(struct bl__profile *p)
{
    pthread_mutex_lock(&cpu.mutex);
    if (!end(p))
        bl__profile_init(p, &kind);
    pthread_mutex_unlock(&cpu.mutex);
}

int
bl_set_cpu_profile_rate(int hz)
{
    int old = atomic_load(&rate);

    if (hz > 0)
        atomic_store(&rate, hz < MOST_RATE ? hz : MOST_RATE);
    return old;
}

int
bl_cpu_profile_start(void)
{
    return bl__cpu_start();
}

int
bl_cpu_profile_stop(int fd)
{
    struct bl__profile p;
    struct bl__buf out = {0};
    bool was;
    int error;

    pthread_mutex_lock(&cpu.mutex);
    was = end(&p);
    pthread_mutex_unlock(&cpu.mutex);
    if (!was)
        return -EINVAL;
    bl__profile_encode(&p, &out);
    bl__profile_free(&p);
    error = bl__write_all(fd, &out);
    bl__buf_free(&out);
    return error;
}
