/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/profiled.c - everything that makes it hard to say what a program is doing,
 * while it is asked: goroutines that panic and recover, fault, load and unload code,
 * fork, raise signals, switch, allocate, compute in libc, sleep in system calls, and
 * threads that come and go; under the profile of the CPU, at 100 Hz and at 1 kHz, and
 * snapshots of all kinds, one after another.
 *
 * Nothing breaks, every deferred call runs, children can be profiled as their parent,
 * and of the samples 99 in 100 have whole stacks. */
#include "stress.h"

#include <belay/pprof.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <zlib.h>

enum {
    WORKERS = 12,
    STEPS = 60,
    DEEP = 200,
    NUMBERS = 400,
    CHILD_S = 10,      /* for a child's work */
    FEW_SAMPLES = 200, /* too few to say anything about percents */
};

struct worker {
    struct stress_random r;
    bl_waitgroup *all;
};

static _Atomic uint64_t steps, snapshots, handled, registered, ran;
static uint64_t whole, cut, lost;   /* main's */
static _Atomic bool wanted;         /* snapshots are to be taken */
static bl_chan *hall;               /* of int, with room for everybody */
static bl_rwmutex loader;           /* whoever forks while another thread is in the loader
                                       has a child that can't go there: libc's rule */
static char plugin[PATH_MAX];
static int nowhere;                 /* /dev/null */
static volatile unsigned long sink;

/* --- computing ------------------------------------------------------------ */

static STRESS_NOINLINE void
compute(int n)
{
    for (int i = 0; i < n; i++)
        sink = sink * 3 + 1;
}

static int
compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Code without frame pointers, and some that is written by hand. */
static STRESS_NOINLINE void
use_libc(struct stress_random *r)
{
    int numbers[NUMBERS];
    char text[400];

    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = stress_below(r, 1000);
    qsort(numbers, NUMBERS, sizeof numbers[0], compare);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "%.15f %.17g %d", i / 7.0, i * 1e-300, numbers[i]);
        sink += (unsigned long)(strtod(text, NULL) + sin(i) + (double)strlen(text));
        memmove(text + 1, text, sizeof text - 1);
    }
    STRESS_COMPARE(numbers[0], <=, numbers[NUMBERS - 1]);
}

static STRESS_NOINLINE void
allocate(struct stress_random *r)
{
    void *p[16];

    for (int i = 0; i < 16; i++)
        p[i] = stress_make(1, (size_t)stress_between(r, 1, i == 0 ? 300000 : 3000));
    for (int i = 0; i < 16; i++)
        p[i] = realloc(p[i], (size_t)stress_between(r, 1, 5000));
    for (int i = 0; i < 16; i++)
        free(p[i]);
}

/* More frames than a sample keeps. */
static STRESS_NOINLINE int
go_deep(int n)
{
    int below = n > 0 ? go_deep(n - 1) : 0;

    compute(50);
    return below + 1;
}

/* --- panics --------------------------------------------------------------- */

static void
count_run(int n)
{
    ran += (uint64_t)n;
}

static STRESS_NOINLINE void
break_something(struct stress_random *r, int depth)
{
    returns_nothing {
        registered++;
        defer_call(count_run, 1);
        if (depth > 0) {
            break_something(r, depth - 1);
        } else {
            switch (stress_below(r, 3)) {
            case 0:
                *(volatile int *)(uintptr_t)(stress_below(r, 1000) * 4) = 1;
                break;
            case 1:
                sink = (unsigned long)(7 / *(volatile int *)&(int){0});
                break;
            default:
                panic("on purpose");
            }
        }
    }
}

static void
note_panic(bool *seen)
{
    returns_nothing {
        *seen = recover() != NULL;
        compute(50);
    }
}

static STRESS_NOINLINE void
protect(struct stress_random *r, bool *seen)
{
    returns_nothing {
        defer_call(note_panic, seen);
        break_something(r, stress_below(r, 20));
    }
}

static STRESS_NOINLINE void
survive(struct stress_random *r)
{
    bool seen = false;

    protect(r, &seen);
    STRESS_CHECK(seen);
}

/* --- code that comes and goes ---------------------------------------------- */

static void
call_back(void *p)
{
    struct stress_random *r = p;

    if (stress_chance(r, 30))
        break_something(r, 1);
    else if (stress_chance(r, 50))
        gosched();
    else
        compute(3000);
}

static void
unload(void *handle)
{
    dlclose(handle);
}

static STRESS_NOINLINE void
use_plugin(struct stress_random *r, bool *seen)
{
    returns_nothing {
        int (*sort)(int *, int, int (*)(const void *, const void *));
        int (*call)(void (*)(void *), void *, int);
        int numbers[NUMBERS];
        void *handle;

        bl_rwmutex_rlock(&loader);
        defer_call(bl_rwmutex_runlock, &loader);
        handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
        STRESS_CHECK(handle != NULL);
        defer_call(note_panic, seen);
        defer_call(unload, handle);
        *(void **)&sort = dlsym(handle, "plugin_sort");
        *(void **)&call = dlsym(handle, "plugin_call");
        for (int i = 0; i < NUMBERS; i++)
            numbers[i] = stress_below(r, 1000);
        sort(numbers, NUMBERS, compare);
        call(call_back, r, stress_below(r, 30));
    }
}

/* --- processes and threads -------------------------------------------------- */

static pid_t
fork_with_loader(bool with_loader)
{
    pid_t pid;

    if (with_loader)
        bl_rwmutex_lock(&loader);
    pid = fork();
    if (with_loader && pid != 0)
        bl_rwmutex_unlock(&loader);
    return pid;
}

/* The profile of the CPU in a child, whose parent may be having one. */
static void
profile_child(struct stress_random *r)
{
    alarm(CHILD_S);
    if (bl_cpu_profile_start() != 0)
        _exit(10);
    allocate(r);
    use_libc(r);
    if (bl_pprof_write("goroutine", nowhere, 1) != 0)
        _exit(11);
    if (bl_pprof_write("defer", nowhere, 0) != 0)
        _exit(12);
    if (bl_cpu_profile_stop(nowhere) != 0)
        _exit(13);
    _exit(3);
}

static STRESS_NOINLINE void
make_child(struct stress_random *r)
{
    int kind = stress_below(r, 3), status = 0;
    pid_t pid = fork_with_loader(kind == 1);

    STRESS_CHECK(pid >= 0);
    if (pid == 0 && kind == 0)
        _exit(3);
    if (pid == 0 && kind == 1)
        profile_child(r);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
        _exit(14);
    }
    while (waitpid(pid, &status, 0) < 0)
        STRESS_COMPARE(errno, ==, EINTR);
    STRESS_COMPARE(status, ==, 3 << 8);
}

static void *
run_thread(void *p)
{
    struct stress_random *r = p;

    compute(stress_below(r, 200000));
    use_libc(r);
    return NULL;
}

static STRESS_NOINLINE void
make_thread(struct stress_random *r)
{
    struct stress_random own = stress_split(r);
    pthread_t thread;

    STRESS_CHECK(pthread_create(&thread, NULL, run_thread, &own) == 0);
    compute(1000);
    pthread_join(thread, NULL);
}

static void
end_with_thread(bl_chan *over)
{
    returns_nothing {
        int v = 1;

        bl_lock_os_thread(); /* and never unlocked: the thread ends, too */
        compute(2000);
        bl_chan_send(over, &v);
        bl_goexit();
    }
}

static STRESS_NOINLINE void
bind_to_thread(void)
{
    bl_chan *over = bl_chan_new(sizeof(int), 1);
    int v;

    go(end_with_thread, over);
    bl_chan_recv(over, &v);
    bl_chan_free(over);
}

/* --- waiting, signals, labels ------------------------------------------------- */

static void
on_signal(int sig)
{
    (void)sig;
    handled++;
    compute(500);
}

static STRESS_NOINLINE void
sleep_in_kernel(struct stress_random *r)
{
    struct pollfd none = {.fd = -1};

    if (stress_chance(r, 50))
        usleep((useconds_t)stress_below(r, 3000));
    else
        poll(&none, 1, stress_below(r, 4));
}

static STRESS_NOINLINE void
call_kernel(void)
{
    for (int i = 0; i < 200; i++)
        sink += (unsigned long)read(nowhere, &(char){0}, 1);
}

static STRESS_NOINLINE void
meet(struct stress_random *r)
{
    int v = stress_below(r, 100);

    bl_chan_send(hall, &v);
    stress_dawdle(r);
    bl_chan_recv(hall, &v);
}

static STRESS_NOINLINE void
compute_labelled(struct stress_random *r)
{
    returns_nothing {
        static const char *const names[] = {"one", "two", "three"};

        defer_call(bl_labels_restore, bl_labels_set("stress", names[stress_below(r, 3)]));
        compute(20000);
    }
}

static void
make_step(struct stress_random *r)
{
    bool seen;

    switch (stress_below(r, 24)) {
    case 0: case 1: survive(r); break;
    case 2: case 3: use_plugin(r, &seen); break;
    case 4: if (stress_chance(r, 30)) make_child(r); break;
    case 5: make_thread(r); break;
    case 6: if (stress_chance(r, 30)) bind_to_thread(); break;
    case 7: raise(SIGUSR1); break;
    case 8: sleep_in_kernel(r); break;
    case 9: call_kernel(); break;
    case 10: case 11: meet(r); break;
    case 12: case 13: compute_labelled(r); break;
    case 14: case 15: go_deep(stress_below(r, DEEP)); break;
    case 16: case 17: allocate(r); break;
    case 18: kill(getpid(), SIGUSR1); break;
    case 19: compute(100000); break;
    default: use_libc(r); break;
    }
    steps++;
}

static void
work(struct worker *w)
{
    bl_waitgroup *all = w->all;

    for (int i = stress_between(&w->r, 1, STEPS); i > 0; i--)
        make_step(&w->r);
    free(w);
    bl_waitgroup_done(all);
}

/* --- snapshots ---------------------------------------------------------------- */

static void
take_snapshot(struct stress_random *r)
{
    static const char *const names[] = {"goroutine", "goroutine", "defer", "defer", "heap",
                                        "allocs", "panic", "block", "mutex", "threadcreate"};
    const char *name = names[stress_below(r, sizeof names / sizeof names[0])];

    STRESS_COMPARE(bl_pprof_write(name, nowhere, stress_below(r, 3)), ==, 0);
    snapshots++;
}

static void
take_snapshots(struct worker *w)
{
    bl_waitgroup *all = w->all;

    while (wanted)
        take_snapshot(&w->r);
    free(w);
    bl_waitgroup_done(all);
}

static void *
take_snapshots_in_thread(void *w)
{
    take_snapshots(w);
    return NULL;
}

/* --- the profile of the CPU ----------------------------------------------------- */

/* "stacks: N whole, N cut, N lost" is one of its strings. */
static void
add_stacks(const char *path)
{
    static char text[16 << 20];
    unsigned long n[3];
    gzFile file = gzopen(path, "rb");
    int size = file ? gzread(file, text, sizeof text - 1) : -1;
    char *at;

    STRESS_COMPARE(size, >, 0);
    gzclose(file);
    at = memmem(text, (size_t)size, "stacks: ", 8);
    STRESS_CHECK(at != NULL);
    text[size] = '\0';
    STRESS_COMPARE(sscanf(at, "stacks: %lu whole, %lu cut, %lu lost", &n[0], &n[1], &n[2]),
                   ==, 3);
    whole += n[0];
    cut += n[1];
    lost += n[2];
}

static void
stop_profile(void)
{
    char path[] = "/tmp/belay-stress-XXXXXX";
    const char *keep = getenv("STRESS_KEEP");
    int fd = keep ? open(keep, O_WRONLY | O_CREAT | O_TRUNC, 0600) : mkstemp(path);

    STRESS_COMPARE(bl_cpu_profile_stop(fd), ==, 0);
    close(fd);
    add_stacks(keep ? keep : path);
    if (!keep)
        unlink(path);
}

/* --- rounds ------------------------------------------------------------------------ */

static struct worker *
make_worker(struct stress_random *r, bl_waitgroup *all)
{
    struct worker *w = stress_make(1, sizeof *w);

    *w = (struct worker){stress_split(r), all};
    bl_waitgroup_add(all, 1);
    return w;
}

static void
run_round(struct stress_random *r)
{
    bl_waitgroup workers = {0}, watchers = {0};
    pthread_t thread;

    bl_set_cpu_profile_rate(stress_chance(r, 50) ? 100 : 1000);
    STRESS_COMPARE(bl_cpu_profile_start(), ==, 0);
    hall = bl_chan_new(sizeof(int), WORKERS);
    wanted = true;
    STRESS_CHECK(pthread_create(&thread, NULL, take_snapshots_in_thread,
                                make_worker(r, &watchers)) == 0);
    go(take_snapshots, make_worker(r, &watchers));
    for (int i = stress_between(r, 1, WORKERS); i > 0; i--)
        go(work, make_worker(r, &workers));
    bl_waitgroup_wait(&workers);
    wanted = false;
    bl_waitgroup_wait(&watchers);
    pthread_join(thread, NULL);
    bl_chan_free(hall);
    stop_profile();
    STRESS_COMPARE(ran, ==, registered);
}

int
main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
    const char *slash = strrchr(argv[0], '/');
    struct stress_random r;

    stress_begin(argc, argv, "profiled");
    snprintf(plugin, sizeof plugin, "%.*s/plugin.so",
             slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
    nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigaction(SIGUSR1, &sa, NULL);
    bl_panic_profile_start();
    bl_set_block_profile_rate(1000);
    bl_set_mutex_profile_fraction(2);
    bl_set_heap_profile_rate(64 * 1024);
    while (stress_round(&r))
        run_round(&r);
    if (whole + cut + lost >= FEW_SAMPLES)
        STRESS_COMPARE(100 * (cut + lost), <=, whole + cut + lost);
    stress_end(steps, "steps");
    printf("profiled: %llu steps, %llu snapshots; stacks: %llu whole, %llu cut, %llu lost\n",
           (unsigned long long)steps, (unsigned long long)snapshots,
           (unsigned long long)whole, (unsigned long long)cut, (unsigned long long)lost);
    return 0;
}
