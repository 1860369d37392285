/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* os/linux_sched.c - os.h on Linux, the scheduler's part: time, futexes, threads,
 * processors, address space. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000) /* Linux 6.15 */
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

enum { NS_PER_S = 1000000000, MOST_PARTS = 32 };

int64_t
bl__os_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The kernel's encoding of a thread's own clock: see clock_getres(2), and
 * MAKE_THREAD_CPUCLOCK in linux/posix-timers.h. */
int64_t
bl__os_thread_cpu(int tid)
{
    enum { PER_THREAD = 4, SCHED = 2 };
    struct timespec t;
    clockid_t id = (clockid_t)(~(unsigned)tid << 3 | PER_THREAD | SCHED);

    if (syscall(SYS_clock_gettime, id, &t) != 0)
        return -1;
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

void
bl__os_futex_wait(const void *word, uint32_t value, int64_t until_ns)
{
    struct timespec t, *until = NULL;

    if (until_ns != INT64_MAX) {
        t.tv_sec = until_ns > 0 ? until_ns / NS_PER_S : 0;
        t.tv_nsec = until_ns > 0 ? until_ns % NS_PER_S : 0;
        until = &t;
    }
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void
bl__os_futex_wake(const void *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

void
bl__os_nap(int64_t ns)
{
    struct timespec t = {ns / NS_PER_S, ns % NS_PER_S};

    nanosleep(&t, NULL);
}

/* --- threads and processors ---------------------------------------------- */

struct start {
    void (*fn)(void *);
    void *arg;
    sigset_t mask;   /* what its starter blocks */
    bool no_signals;
};

/* Of one module. */
static int
add_tls(struct dl_phdr_info *info, size_t size, void *sum)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            *(size_t *)sum += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
    return 0;
}

/* glibc puts the thread-locals of what is loaded when the program starts on each thread's
 * stack; those of later modules are too many here, which harms nobody. */
size_t
bl__os_stack_size(size_t bytes)
{
    static _Atomic size_t known; /* relaxed: everybody finds the same */
    size_t tls = atomic_load_explicit(&known, memory_order_relaxed);

    if (tls == 0) {
        tls = 1;
        dl_iterate_phdr(add_tls, &tls);
        atomic_store_explicit(&known, tls, memory_order_relaxed);
    }
    return (bytes + tls + 4095) & ~(size_t)4095;
}

/* A thread that blocks all signals for itself (the monitor) keeps its starter's
 * mask, for the threads that it starts: they run goroutines, which may fault. */
static _Thread_local sigset_t starter_mask;
static _Thread_local bool has_starter_mask;

/* (ThreadSanitizer takes the thread-locals for a goroutine's, which may move.) */
__attribute__((no_sanitize_thread)) static void *
run(void *p)
{
    struct start s = *(struct start *)p;

    free(p);
    starter_mask = s.mask;
    has_starter_mask = s.no_signals;
    s.fn(s.arg);
    return NULL;
}

__attribute__((no_sanitize_thread)) int
bl__os_thread_start(void (*fn)(void *), void *arg, size_t stack_bytes,
                    bool no_signals)
{
    struct start *s = malloc(sizeof *s);
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    int r;

    if (!s)
        return -ENOMEM;
    *s = (struct start){.fn = fn, .arg = arg, .no_signals = no_signals};
    if (has_starter_mask)
        s->mask = starter_mask;
    else
        pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, bl__os_stack_size(stack_bytes));
    sigfillset(&all);
    pthread_attr_setsigmask_np(&attr, no_signals ? &all : &s->mask);
    r = pthread_create(&thread, &attr, run, s);
    pthread_attr_destroy(&attr);
    if (r != 0)
        free(s);
    return -r;
}

int
bl__os_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

/* "max 100000" or "50000 100000": microseconds of CPU per period. */
static int
quota_cpus(void)
{
    char buf[64] = "";
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    long quota, period;
    char *rest;

    if (fd < 0)
        return 0;
    if (read(fd, buf, sizeof buf - 1) < 0)
        buf[0] = '\0';
    close(fd);
    quota = strtol(buf, &rest, 10);
    if (rest == buf || quota <= 0)
        return 0; /* "max" */
    period = strtol(rest, NULL, 10);
    return period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* More CPUs than a cpu_set_t holds: count what fits. */
int
bl__os_cpus(void)
{
    cpu_set_t set;
    int n = 1, quota = quota_cpus();

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    else
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (quota > 0 && quota < n)
        n = quota > 1 ? quota : n > 1 ? 2 : 1; /* Go 1.25: never below 2 */
    return n > 0 ? n : 1;
}

bool
bl__os_barrier_init(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ==
           0;
}

void
bl__os_barrier(void)
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* --- address space ------------------------------------------------------- */

void *
bl__os_reserve(size_t size, size_t align)
{
    char *p = (char *)syscall(SYS_mmap, NULL, size + align, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uintptr_t head;

    if (p == MAP_FAILED)
        return NULL;
    head = -(uintptr_t)p & (align - 1);
    if (head > 0)
        munmap(p, head);
    munmap(p + head + size, align - head);
    /* a stack's first touch is to cost one page, not two megabytes */
    madvise(p + head, size, MADV_NOHUGEPAGE);
    return p + head;
}

static _Atomic int has_guards = -1; /* -1: not tried yet */

bool
bl__os_guards_are_free(void)
{
    int known = atomic_load_explicit(&has_guards, memory_order_relaxed);
    void *p;

    if (known >= 0)
        return known;
    p = bl__os_map(65536);
    known = p && madvise(p, 65536, MADV_GUARD_INSTALL) == 0;
    if (p)
        bl__os_unmap(p, 65536);
    atomic_store_explicit(&has_guards, known, memory_order_relaxed);
    return known;
}

int
bl__os_guard(void *p, size_t size)
{
    if (bl__os_guards_are_free())
        return madvise(p, size, MADV_GUARD_INSTALL) == 0 ? 0 : -errno;
    return mprotect(p, size, PROT_NONE) == 0 ? 0 : -errno;
}

/* One system call for all, from Linux 6.15 on; a process can name itself without a
 * descriptor since then. */
static bool
guard_at_once(char *p, size_t stride, unsigned n, size_t size)
{
    static _Atomic bool is_unknown; /* to this kernel: asked once only */
    struct iovec parts[MOST_PARTS];
    long r;

    if (n > MOST_PARTS || !bl__os_guards_are_free() ||
        atomic_load_explicit(&is_unknown, memory_order_relaxed))
        return false;
    for (unsigned i = 0; i < n; i++)
        parts[i] = (struct iovec){p + stride * i, size};
    r = syscall(SYS_process_madvise, PIDFD_SELF, parts, n, MADV_GUARD_INSTALL, 0);
    if (r < 0 && errno != ENOMEM)
        atomic_store_explicit(&is_unknown, true, memory_order_relaxed);
    return r == (long)(size * n);
}

int
bl__os_guards(char *p, size_t stride, unsigned n, size_t size)
{
    int error = 0;

    if (guard_at_once(p, stride, n, size))
        return (int)n;
    for (unsigned i = 0; i < n; i++)
        if ((error = bl__os_guard(p + stride * i, size)))
            return i > 0 ? (int)i : error;
    return (int)n;
}

void
bl__os_release(void *p, size_t size, bool lazily)
{
    if (!lazily || madvise(p, size, MADV_FREE) != 0)
        madvise(p, size, MADV_DONTNEED);
}
