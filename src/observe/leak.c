/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/leak.c - the profile goroutineleak: goroutines that nothing will ever wake.
 *
 * mark.c looks for them in all memory, which takes a while.  So the process stands still
 * only until it has been copied by fork(), and the copy is looked at.  To see everything
 * that has a pointer at that moment three processes play together:
 *
 *   asker    stops the threads that are inside Belay (stop.c), starts the tracer, waits
 *            for it, forks the marker, lets all go on, waits for the marker
 *   tracer   shares the asker's memory; stops the other threads with ptrace(), without
 *            a signal that anybody could notice, and notes their registers there
 *   marker   the copy; writes the numbers of the leaked ones into memory that both see
 *
 * The last two are made with clone(), without what fork() of libc does with locks that a
 * stopped thread may hold, and end without SIGCHLD: a program that waits for its children
 * does not meet them.
 *
 * Where there is no memory for a copy the marker shares the asker's, too, and all wait
 * for it, but not for long. */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK = 1 << 18,
    THREADS = 16384,
    ROUNDS = 8,                  /* looks for threads that have begun meanwhile */
    STOP_NS = 300000000,         /* for a thread to stop: if the machine is busy */
    TRACE_NS = 500000000,
    SHORT_NS = 400000000,        /* to mark while all wait */
    GENERAL_REGISTERS = 1,       /* NT_PRSTATUS, NT_PRFPREG of elf.h */
    VECTOR_REGISTERS = 2,
};

#define LONG_NS INT64_C(30000000000)
#define HOLD_NS INT64_C(5000000000) /* threads, whatever has become of the asker */

/* GOING    the tracer may begin        asker
 * STOPPED  all that can be are         tracer
 * DONE     they may go on              asker */
enum step { STARTING, GOING, STOPPED, DONE };

struct thread {
    int tid;
    int signal;                  /* to be delivered when it goes on; 0: none */
    bool is_stopped, is_gone;
    uint64_t general[48], vector[80]; /* registers, found by the marker as any memory */
};

struct tracing {
    _Atomic uint32_t step;       /* enum step */
    pid_t pid;
    int asker;                   /* its thread */
    uint32_t n, blind;           /* threads; those that could not be stopped */
    struct thread threads[];
};

struct leak {
    struct tracing *tracing;
    struct bl__leaked *out;
    char *stacks;                /* the tracer's, the marker's */
    struct bl__marking how;
    pid_t marker;                /* 0: none has been made */
    enum bl__spared spared;      /* threads in users' code: the tracer's */
    bool is_copy;
    bool is_whole;               /* nobody went on too early */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* one at a time */
static _Atomic int64_t last_count;

void
bl__leaks_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
    atomic_store(&last_count, 0);
}

static void
nap(int64_t ns)
{
    syscall(SYS_nanosleep, &(struct timespec){0, (long)ns}, NULL);
}

/* Whether it comes to that in time. */
static bool
await_step(struct tracing *t, uint32_t step, int64_t ns)
{
    int64_t end = bl__core->now() + ns;
    uint32_t now;

    while ((now = atomic_load(&t->step)) < step) {
        if (bl__core->now() >= end)
            return false;
        syscall(SYS_futex, &t->step, FUTEX_WAIT, now, &(struct timespec){0, 1000000}, NULL,
                0);
    }
    return true;
}

static void
set_step(struct tracing *t, uint32_t step)
{
    atomic_store(&t->step, step);
    syscall(SYS_futex, &t->step, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* --- the tracer ------------------------------------------------------------- */

/* One that has ended, but is not gone: a main thread without its process. */
static bool
is_dead(const struct tracing *t, int tid)
{
    char path[64], text[512];
    const char *state;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", t->pid, tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    state = strrchr(text, ')');
    return !state || state[2] == 'Z' || state[2] == 'X';
}

static bool
is_known(const struct tracing *t, int tid)
{
    uintptr_t low, high;

    if (tid == t->asker || bl__stopped_thread(tid, &low, &high))
        return true;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->threads[i].tid == tid)
            return true;
    return false;
}

static void
seize(struct tracing *t, int tid)
{
    struct thread *thread;

    if (is_known(t, tid) || t->n == THREADS)
        return;
    thread = &t->threads[t->n++];
    *thread = (struct thread){.tid = tid};
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
        thread->is_gone = true;
        if (!is_dead(t, tid))
            t->blind++;
    } else {
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    }
}

/* Returns how many are new. */
static uint32_t
seize_all(struct tracing *t)
{
    char path[64], names[4096] __attribute__((aligned(8)));
    uint32_t before = t->n;
    long n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/task", t->pid);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        t->blind++;
    while (fd >= 0 && (n = syscall(SYS_getdents64, fd, names, sizeof names)) > 0)
        for (long i = 0; i < n; i += *(uint16_t *)(names + i + 16))
            if (names[i + 19] != '.')
                seize(t, atoi(names + i + 19));
    if (fd >= 0)
        close(fd);
    return t->n - before;
}

static void
read_registers(struct thread *thread)
{
    struct iovec general = {thread->general, sizeof thread->general};
    struct iovec vector = {thread->vector, sizeof thread->vector};

    ptrace(PTRACE_GETREGSET, thread->tid, (void *)GENERAL_REGISTERS, &general);
    ptrace(PTRACE_GETREGSET, thread->tid, (void *)VECTOR_REGISTERS, &vector);
}

/* Returns whether that is settled. */
static bool
await_thread(struct thread *thread)
{
    int status;
    pid_t pid;

    if (thread->is_stopped || thread->is_gone)
        return true;
    pid = waitpid(thread->tid, &status, __WALL | WNOHANG);
    if (pid == 0)
        return false;
    if (pid < 0 || !WIFSTOPPED(status)) {
        thread->is_gone = true;
        return true;
    }
    thread->is_stopped = true;
    thread->signal = status >> 16 ? 0 : WSTOPSIG(status);
    read_registers(thread);
    return true;
}

static void
await_all(struct tracing *t)
{
    int64_t end = bl__core->now() + STOP_NS;
    bool all = false;

    while (!all && bl__core->now() < end) {
        all = true;
        for (uint32_t i = 0; i < t->n; i++)
            all = await_thread(&t->threads[i]) && all;
        if (!all)
            nap(20000);
    }
}

static int
trace(void *arg)
{
    struct tracing *t = arg;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the asker's exec must not leave main stopped */
    await_step(t, GOING, HOLD_NS);
    for (int i = 0; i < ROUNDS && seize_all(t) > 0; i++)
        await_all(t);
    for (uint32_t i = 0; i < t->n; i++)
        t->blind += !t->threads[i].is_stopped && !t->threads[i].is_gone;
    set_step(t, STOPPED);
    await_step(t, DONE, HOLD_NS);
    for (uint32_t i = 0; i < t->n; i++)
        if (t->threads[i].is_stopped)
            ptrace(PTRACE_DETACH, t->threads[i].tid, NULL, (long)t->threads[i].signal);
    return 0; /* those that have not stopped yet go on now */
}

/* With Yama only an ancestor may trace; else this would only undo what the program has
 * asked for. */
static bool
needs_permission(void)
{
    char mode = '0';
    int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!read(fd, &mode, 1);
        close(fd);
    }
    return mode == '1';
}

static pid_t
start_tracer(struct leak *l)
{
    bool asks = needs_permission();
    pid_t tracer = clone(trace, l->stacks + STACK, CLONE_VM, l->tracing);

    if (tracer < 0) {
        l->tracing->blind = 1;
        return tracer;
    }
    if (asks)
        prctl(PR_SET_PTRACER, tracer, 0, 0, 0);
    set_step(l->tracing, GOING);
    await_step(l->tracing, STOPPED, TRACE_NS);
    if (asks)
        prctl(PR_SET_PTRACER, 0, 0, 0, 0);
    return tracer;
}

/* --- the marker -------------------------------------------------------------- */

static int
mark_copy(void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifdef SYS_close_range /* others wait for connections to be closed */
    syscall(SYS_close_range, 3, ~0U, 0);
#endif
    bl__mark(arg);
    _exit(0);
}

static int
mark_here(void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bl__mark(arg);
    return 0;
}

/* All stand still. */
static void
copy(void *arg)
{
    struct leak *l = arg;
    char *top = l->stacks + 2 * STACK;
    sigset_t all, old;
    pid_t tracer;

    sigfillset(&all); /* neither of them is to run the program's handlers */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    tracer = start_tracer(l);
    l->how.until = bl__core->now() + LONG_NS;
    l->marker = clone(mark_copy, top, 0, &l->how);
    l->is_copy = l->marker > 0;
    if (l->marker < 0) {
        l->how.until = bl__core->now() + SHORT_NS;
        l->marker = clone(mark_here, top, CLONE_VM, &l->how);
        if (l->marker > 0)
            waitpid(l->marker, NULL, __WALL);
    }
    set_step(l->tracing, DONE);
    if (tracer > 0)
        waitpid(tracer, NULL, __WALL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* --- the asker ---------------------------------------------------------------- */

static void *
map(size_t size, int kind)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void
unmap(void *p, size_t size)
{
    if (p)
        munmap(p, size);
}

/* What earlier calls have left on the stack is found as any memory. */
static BL__NOINLINE void
wipe_stack(void)
{
    char old[1 << 14];

    memset(old, 0, sizeof old);
    __asm__ volatile("" : : "r"(old) : "memory");
}

static BL__NOINLINE bool
find(struct leak *l, int64_t *stopped_ns)
{
    struct bl__g *g = bl__core->self_or_null();
    struct bl__ctx ctx;

    bl__core->here(&ctx);
    l->how.caller = g && g->m ? g : NULL;
    l->how.here = BL__CTX_SP(&ctx);
    wipe_stack();
    l->is_whole = bl__stop_and_call(copy, l, l->spared, stopped_ns);
    if (l->is_copy)
        while (waitpid(l->marker, NULL, __WALL) < 0 && errno == EINTR)
            continue;
    return l->is_whole && atomic_load(&l->out->state) == BL__MARK_DONE;
}

static const char *
reason_of(const struct leak *l)
{
    switch (l->out ? atomic_load(&l->out->state) : BL__MARK_MEMORY) {
    case BL__MARK_LATE:
        return "it took too long";
    case BL__MARK_MEMORY:
        return "memory was short";
    case BL__MARK_BLIND:
        return "the process can't see its own pages";
    default:
        return l->marker <= 0 ? "no process could be made to look"
               : l->is_whole  ? "the process that looked has died"
                              : "threads stood still for too long";
    }
}

struct found {
    struct bl__leaked *out;      /* NULL: none */
    size_t size;
    const char *trouble;         /* why not; NULL: all is well */
    uint32_t blind;              /* threads whose registers are not known */
    int64_t stopped_ns;
};

static void
free_found(struct found *f)
{
    unmap(f->out, f->size);
}

/* The stack pointer of a thread that the tracer has stopped. */
static uintptr_t
sp_of(const void *arg, int tid)
{
    const struct tracing *t = arg;

    for (uint32_t i = 0; i < t->n; i++)
        if (t->threads[i].tid == tid)
            return t->threads[i].is_stopped ? t->threads[i].general[BL__PTRACE_SP] : 0;
    return 0;
}

/* Threads in users' code are left to the tracer, as they may be asleep in the kernel.  Where
 * it is not permitted they are stopped by a signal, as it can't be helped. */
static void
find_twice(struct leak *l, struct found *f)
{
    for (int tries = 0; tries < 2; tries++) {
        memset(l->tracing, 0, sizeof *l->tracing);
        l->tracing->pid = getpid();
        l->tracing->asker = (int)syscall(SYS_gettid);
        atomic_store(&l->out->state, BL__MARK_NONE);
        l->spared = tries == 0 ? BL__SPARE_OUTSIDE : BL__SPARE_NONE;
        l->is_copy = false;
        f->trouble = find(l, &f->stopped_ns) ? NULL : reason_of(l);
        f->blind = l->tracing->blind;
        if (!f->trouble && !f->blind)
            return;
    }
}

static void
find_leaks(struct found *f)
{
    const size_t threads = sizeof(struct tracing) + THREADS * sizeof(struct thread);
    uint64_t room = (uint64_t)atomic_load(&bl__core->sched->goroutines) * 2 + 1024;
    struct leak l = {0};

    pthread_mutex_lock(&mutex);
    *f = (struct found){.size = sizeof *f->out + room * sizeof(uint64_t)};
    l.tracing = map(threads, MAP_PRIVATE);
    l.out = f->out = map(f->size, MAP_SHARED);
    l.stacks = map(2 * STACK, MAP_PRIVATE);
    if (l.tracing && l.out && l.stacks) {
        l.out->room = room;
        l.how.own_low = (uintptr_t)l.stacks + STACK;
        l.how.own_high = l.how.own_low + STACK;
        l.how.out = l.out;
        l.how.sp_of = sp_of;
        l.how.arg = l.tracing;
        find_twice(&l, f);
    } else {
        f->trouble = reason_of(&l);
    }
    if (f->trouble && f->out)
        f->out->n = 0;
    atomic_store(&last_count, f->out ? (int64_t)f->out->n : 0);
    unmap(l.tracing, threads);
    unmap(l.stacks, 2 * STACK);
    pthread_mutex_unlock(&mutex);
}

/* --- profiles ------------------------------------------------------------------ */

static const struct bl__kind kind = {
    "goroutineleak", 1, {{"goroutineleak", "count"}}, {"goroutineleak", "count"}, 1, NULL};

bool
bl__is_leaked(const struct bl__leaked *l, uint64_t id)
{
    size_t low = 0, high = l ? l->n : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (l->ids[middle] == id)
            return true;
        if (l->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool
wants(void *arg, const struct bl__g *g)
{
    return bl__is_leaked(arg, g->id);
}

static void
add_leaked(struct bl__profile *p, const struct bl__leaked *leaked)
{
    struct bl__snapshot all;

    bl__snapshot_take_of(&all, wants, (void *)leaked);
    for (const struct bl__seen *seen = all.first; seen; seen = seen->next)
        bl__add_seen(p, seen);
    if (all.is_cut)
        snprintf(p->comment, sizeof p->comment, "not all of the %" PRIu64 " leaked ones: "
                 "memory was short, or threads stood still for too long", leaked->n);
    bl__snapshot_free(&all);
}

/* How sure that is. */
static void
put_certainty(struct bl__profile *p, const struct found *f)
{
    char *text = p->comment;

    if (p->comment[0])
        return;
    if (f->trouble)
        snprintf(text, sizeof p->comment, "not known: %s", f->trouble);
    else if (f->blind)
        snprintf(text, sizeof p->comment, "the registers of %" PRIu32 " threads could not be "
                 "read: what only they have a pointer to may be among these. Leaks are "
                 "missing where a pointer is left in memory, used or not", f->blind);
    else
        snprintf(text, sizeof p->comment, "certain, unless the program hides pointers (packs "
                 "them, or leaves them only to the kernel, files or other processes). Leaks "
                 "are missing where a pointer is left in memory, used or not");
}

void
bl__collect_leaks(struct bl__profile *p)
{
    struct found f;

    find_leaks(&f);
    bl__profile_init(p, &kind);
    if (f.out && f.out->n > 0)
        add_leaked(p, f.out);
    put_certainty(p, &f);
    free_found(&f);
}

int64_t
bl__leaks_count(void)
{
    return atomic_load(&last_count);
}

void
bl__leaks_text(struct bl__buf *out)
{
    struct found f;

    find_leaks(&f);
    bl__goroutines_text(out, f.out);
    if (f.trouble)
        bl__buf_print(out, "\n# goroutineleak: not known: %s\n", f.trouble);
    free_found(&f);
}
