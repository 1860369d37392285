/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/leak.c MODE - goroutines that nothing will wake, in functions named
 * leak_*, and others that only seem so, in functions named live_*:
 *
 *   planted      writes profile goroutineleak as text
 *   serve        the same, and serves profiles until its input ends
 *   hidden       a goroutine that is woken through a pointer that nobody can see
 *   undisturbed  looks while others sleep in the kernel: which they do not notice
 *   many N       N leaked ones among N others; how long it takes, in milliseconds
 *
 * Each live_ one could be woken through the one thing that its name says. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EACH = 8, MANY_CASES = 20, GUARD_INSTALL = 102 };

#define SPARSE_BYTES ((size_t)1 << 36)

#define PLANT __attribute__((noinline)) static void

/* Behind a call: it is not the last thing a function does, so its frame stays. */
#define STAY() __asm__ volatile("")

/* --- leaked ----------------------------------------------------------------- */

PLANT
leak_send(bl_chan *c)
{
    int v = 1;

    bl_chan_send(c, &v);
    STAY();
}

PLANT
leak_recv(bl_chan *c)
{
    int v;

    bl_chan_recv(c, &v);
    STAY();
}

PLANT
leak_select(bl_chan *a, bl_chan *b)
{
    int v = 1;
    bl_case cases[2] = {{.c = a, .value = &v}, {.c = b, .value = &v, .is_send = true}};

    bl_select_cases(cases, 2, BL_FOREVER);
    STAY();
}

PLANT
leak_select_many(bl_chan *a, bl_chan *b)
{
    bl_case cases[MANY_CASES];

    for (int i = 0; i < MANY_CASES; i++)
        cases[i] = (bl_case){.c = i % 2 ? a : b};
    bl_select_cases(cases, MANY_CASES, BL_FOREVER);
    STAY();
}

PLANT
leak_nil(void)
{
    bl_chan_recv(NULL, NULL);
    STAY();
}

PLANT
leak_nothing(void)
{
    bl_select_cases(NULL, 0, BL_FOREVER);
    STAY();
}

PLANT
leak_waitgroup(void)
{
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 1);
    bl_waitgroup_wait(&wg);
    STAY();
}

PLANT
leak_cond(void)
{
    bl_mutex m = {0};
    bl_cond c = {0};

    bl_mutex_lock(&m);
    bl_cond_wait(&c, &m);
    STAY();
}

PLANT
leak_semaphore(void)
{
    bl_semaphore s = {.size = 1, .taken = 1};

    bl_semaphore_acquire(&s, 1);
    STAY();
}

/* A mutex in a block that nobody has any more, and its owner is gone. */
struct account {
    char name[300];
    bl_mutex mutex;
    char rest[100];
};

PLANT
leak_mutex(struct account *a)
{
    bl_mutex_lock(&a->mutex);
    STAY();
}

PLANT
lock_and_leave(struct account *a)
{
    bl_mutex_lock(&a->mutex);
}

/* Both are; each could wake the other only. */
PLANT
leak_pair_b(bl_chan *a, bl_chan *b)
{
    bl_chan_recv(a, NULL);
    bl_chan_send(b, NULL);
}

PLANT
leak_pair_a(bl_chan *a, bl_chan *b)
{
    bl_chan_recv(b, NULL);
    bl_chan_send(a, NULL);
}

PLANT
leak_context(bl_context *ctx)
{
    bl_chan_recv(bl_context_channel(ctx), NULL);
    STAY();
}

static void
plant_leaks(void)
{
    for (int i = 0; i < EACH; i++) {
        bl_chan *a = bl_chan_new(sizeof(int), 0), *b = bl_chan_new(sizeof(int), 0);
        struct account *account = calloc(1, sizeof *account);

        bl_go(leak_send, a);
        bl_go(leak_recv, b);
        a = bl_chan_new(sizeof(int), 0);
        b = bl_chan_new(sizeof(int), 1);
        bl_chan_send(b, &i);
        bl_go(leak_select, a, b);
        a = bl_chan_new(0, 0);
        b = bl_chan_new(0, 0);
        bl_go(leak_select_many, a, b);
        bl_go(leak_nil);
        bl_go(leak_nothing);
        bl_go(leak_waitgroup);
        bl_go(leak_cond);
        bl_go(leak_semaphore);
        bl_go(lock_and_leave, account);
        bl_sleep(BL_MILLISECOND);
        bl_go(leak_mutex, account);
        a = bl_chan_new(0, 0);
        b = bl_chan_new(0, 0);
        bl_go(leak_pair_a, a, b);
        bl_go(leak_pair_b, a, b);
        bl_go(leak_context, bl_context_with_cancel(bl_context_background()));
    }
    bl_sleep(10 * BL_MILLISECOND);
}

/* --- live --------------------------------------------------------------------- */

static bl_chan *global;
struct box {
    bl_chan *c;
    char more[100];
} *volatile boxed;
static volatile bool over;
static int pipe_of_thread[2], pipe_of_goroutine[2];

#define LIVE(name)                                       \
    __attribute__((noinline)) static void name(bl_chan *c) \
    {                                                    \
        bl_chan_recv(c, NULL);                           \
        STAY();                                          \
    }

LIVE(live_global)
LIVE(live_heap)
LIVE(live_runner)
LIVE(live_system_call)
LIVE(live_sleeper)
LIVE(live_deferred)
LIVE(live_chain)
LIVE(live_thread)
LIVE(live_thread_local)
LIVE(live_mapped)
LIVE(live_shared)
LIVE(live_sparse)
LIVE(live_main)
LIVE(live_timer)
LIVE(live_deep)

PLANT
live_deadline(bl_chan *c)
{
    bl_chan_recv_until(c, NULL, bl_after_ns(3600 * BL_SECOND));
    STAY();
}

PLANT
live_nil_deadline(void)
{
    bl_chan_recv_until(NULL, NULL, bl_after_ns(3600 * BL_SECOND));
    STAY();
}

PLANT
live_context(bl_context *ctx)
{
    bl_chan_recv(bl_context_channel(ctx), NULL);
    STAY();
}

PLANT
live_context_child(bl_context *ctx)
{
    bl_chan_recv_ctx(bl_chan_new(0, 0), NULL, bl_context_with_cancel(ctx));
    STAY();
}

PLANT
live_mutex(struct account *a)
{
    bl_mutex_lock(&a->mutex);
    STAY();
}

PLANT
live_select(bl_chan *never, bl_chan *c)
{
    bl_case cases[2] = {{.c = never}, {.c = c}};

    bl_select_cases(cases, 2, BL_FOREVER);
    STAY();
}

PLANT
live_waitgroup(bl_waitgroup **where)
{
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 1);
    *where = &wg;
    bl_waitgroup_wait(&wg);
    STAY();
}

/* Who could wake them.  Each is the only one that has the channel: arguments stay on a
 * goroutine's stack, so they take it from here. */

static bl_chan *volatile handed;

__attribute__((noinline)) static bl_chan *
take(void)
{
    bl_chan *c;

    while (!(c = handed))
        bl_sleep(BL_MILLISECOND);
    handed = NULL;
    return c;
}

/* Whoever is started behind that takes it. */
PLANT
hand(void (*waiter)(bl_chan *c))
{
    bl_chan *c = bl_chan_new(0, 0);

    bl_go(waiter, c);
    handed = c;
}

PLANT
await_taken(void)
{
    while (handed)
        bl_sleep(BL_MILLISECOND);
}

PLANT
run(void)
{
    bl_chan *c = take();

    while (!over)
        ;
    bl_chan_shut(c);
}

/* In a register at best: read() saves none of those that are kept across calls. */
PLANT
sit_in_kernel(void)
{
    bl_chan *c = take();
    char byte;

    (void)!read(pipe_of_goroutine[0], &byte, 1);
    bl_chan_shut(c);
}

PLANT
slumber(void)
{
    bl_chan *c = take();

    bl_sleep(3600 * BL_SECOND);
    bl_chan_shut(c);
}

PLANT
defer_it(void)
{
    bl_returns_nothing {
        bl_defer_call(bl_chan_shut, take());
        bl_sleep(3600 * BL_SECOND);
    }
}

/* Blocked itself, but for something that a global has. */
PLANT
live_link(bl_chan *c)
{
    bl_chan_recv(global, NULL);
    bl_chan_shut(c);
}

PLANT
live_deep_link(bl_chan *from, bl_chan *to)
{
    bl_chan_recv(from, NULL);
    bl_chan_shut(to);
}

static void
on_timer(void *c)
{
    bl_chan_shut(c);
}

static void *
thread(void *unused)
{
    bl_chan *c = take();
    char byte;

    (void)!read(pipe_of_thread[0], &byte, 1);
    bl_chan_shut(c);
    return unused;
}

static _Thread_local bl_chan *of_thread;

static void *
thread_local(void *unused)
{
    bl_chan *c = bl_chan_new(0, 0);
    char byte;

    of_thread = c;
    bl_go(live_thread_local, c);
    c = NULL;
    (void)!read(pipe_of_thread[0], &byte, 1);
    bl_chan_shut(of_thread);
    return unused;
}

PLANT
plant_live_elsewhere(void)
{
    bl_chan **mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bl_chan **shared = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *sparse = mmap(NULL, SPARSE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    bl_go(live_mapped, mapped[5000] = bl_chan_new(0, 0));
    mapped[0] = mapped[1024] = NULL;
    madvise(mapped, 4096, GUARD_INSTALL); /* unknown to older kernels: then it is none */
    madvise(mapped + 1024, 4096, GUARD_INSTALL);
    mprotect(mapped, 1 << 20, PROT_READ);
    if (sparse != MAP_FAILED)
        bl_go(live_sparse, *(bl_chan **)(sparse + SPARSE_BYTES / 2) = bl_chan_new(0, 0));
    bl_go(live_shared, shared[54321] = bl_chan_new(0, 0));
}

PLANT
plant_live_by_time(void)
{
    bl_context *ctx = bl_context_with_timeout(bl_context_background(), 3600 * BL_SECOND);
    bl_chan *c = bl_chan_new(0, 0);

    bl_go(live_deadline, bl_chan_new(0, 0));
    bl_go(live_nil_deadline);
    bl_go(live_context, ctx);
    bl_go(live_context_child, ctx);
    bl_after_func(3600 * BL_SECOND, on_timer, c);
    bl_go(live_timer, c);
}

PLANT
plant_live_by_goroutines(void)
{
    static void (*const waiters[])(bl_chan *) = {live_runner, live_system_call,
                                                 live_sleeper, live_deferred};
    static void (*const wakers[])(void) = {run, sit_in_kernel, slumber, defer_it};
    bl_chan *c;

    for (int i = 0; i < 4; i++) {
        hand(waiters[i]);
        bl_go(wakers[i]);
        await_taken();
    }
    c = bl_chan_new(0, 0);
    bl_go(live_chain, c);
    bl_go(live_link, c);
}

/* Each waits for the one before; the first for a global. */
PLANT
plant_live_deep(void)
{
    bl_chan *from = global;

    for (int i = 0; i < 100; i++) {
        bl_chan *to = bl_chan_new(0, 0);

        bl_go(live_deep_link, from, to);
        from = to;
    }
    bl_go(live_deep, from);
}

static bl_waitgroup *group;
static struct account *live_account;

PLANT
plant_live_in_memory(void)
{
    bl_go(live_global, global);
    boxed = calloc(1, sizeof *boxed);
    bl_go(live_heap, boxed->c = bl_chan_new(0, 0));
    bl_go(live_select, bl_chan_new(0, 0), global);
    live_account = calloc(1, sizeof *live_account);
    bl_go(lock_and_leave, live_account);
    bl_sleep(BL_MILLISECOND);
    bl_go(live_mutex, live_account);
    bl_go(live_waitgroup, &group);
}

PLANT
plant_live_by_threads(void)
{
    pthread_t t;

    hand(live_thread);
    pthread_create(&t, NULL, thread, NULL);
    await_taken();
    pthread_create(&t, NULL, thread_local, NULL);
}

static void
plant_live(void)
{
    global = bl_chan_new(0, 0);
    (void)!pipe(pipe_of_thread);
    (void)!pipe(pipe_of_goroutine);
    plant_live_in_memory();
    plant_live_by_goroutines();
    plant_live_deep();
    plant_live_by_time();
    plant_live_elsewhere();
    plant_live_by_threads();
    bl_sleep(20 * BL_MILLISECOND);
}

/* --- modes ---------------------------------------------------------------------- */

/* What planting has left below is overwritten. */
PLANT
wipe_stack(void)
{
    char old[1 << 14];

    memset(old, 0, sizeof old);
    __asm__ volatile("" : : "r"(old) : "memory");
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double longest;

/* Notes for how long it did not run. */
PLANT
watch(void)
{
    double last = now();

    while (!over) {
        double t = now();

        if (t - last > longest)
            longest = t - last;
        last = t;
    }
}

static int
many(int n)
{
    double began;
    FILE *f = tmpfile();

    global = bl_chan_new(0, 0);
    for (int i = 0; i < n; i++) {
        bl_go(leak_send, bl_chan_new(sizeof(int), 0));
        bl_go(live_global, global);
        if (i % 1000 == 999)
            bl_sleep(BL_MILLISECOND);
    }
    bl_sleep(200 * BL_MILLISECOND);
    bl_go(watch);
    bl_sleep(50 * BL_MILLISECOND);
    longest = 0;
    began = now();
    bl_pprof_write("goroutineleak", fileno(f), 1);
    printf("%.1f ms, paused for %.1f ms\n", now() - began, longest);
    over = true;
    fflush(stdout);
    lseek(fileno(f), 0, SEEK_SET);
    dup2(fileno(f), 0);
    execlp("head", "head", "-n", "2", (char *)NULL);
    return 1;
}

PLANT
hide(uintptr_t *hidden)
{
    bl_chan *c = bl_chan_new(0, 0);

    bl_go(leak_recv, c);
    *hidden = ~(uintptr_t)c;
    c = NULL;
    __asm__ volatile("" : "+r"(c));
}

static int
hidden(void)
{
    uintptr_t c;

    hide(&c);
    wipe_stack();
    bl_sleep(500 * BL_MILLISECOND);
    bl_chan_shut((bl_chan *)~c);
    bl_sleep(200 * BL_MILLISECOND);
    return 0;
}

static _Atomic int sleepers, woken;

/* Neither goes on behind a signal handler. */
static void *
sleep_in_kernel(void *unused)
{
    struct timespec t = {0, 400000000};

    sleepers++;
    if (nanosleep(&t, NULL) != 0 || poll(NULL, 0, 400) != 0)
        woken++;
    sleepers--;
    return unused;
}

PLANT
sleep_as_goroutine(void)
{
    sleep_in_kernel(NULL);
}

static int
undisturbed(void)
{
    int fd = open("/dev/null", O_WRONLY), looks = 0;
    pthread_t t;

    bl_go(sleep_as_goroutine);
    bl_go(sleep_as_goroutine);
    pthread_create(&t, NULL, sleep_in_kernel, NULL);
    while (sleepers < 3)
        bl_sleep(BL_MILLISECOND);
    bl_sleep(50 * BL_MILLISECOND); /* the monitor takes their Ps */
    for (; sleepers > 0; looks++) {
        bl_pprof_write("goroutineleak", fd, 1);
        bl_sleep(10 * BL_MILLISECOND);
    }
    printf("looked %d times, %d woken\n", looks, woken);
    return looks < 3 || woken > 0;
}

int
main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "planted";
    bl_chan *of_main;
    int c;

    if (strcmp(mode, "hidden") == 0)
        return hidden();
    if (strcmp(mode, "undisturbed") == 0)
        return undisturbed();
    if (strcmp(mode, "many") == 0)
        return many(argc > 2 ? atoi(argv[2]) : 1000);
    of_main = bl_chan_new(0, 0);
    bl_go(live_main, of_main);
    plant_leaks();
    plant_live();
    wipe_stack();
    if (strcmp(mode, "serve") == 0) {
        printf("%d\n", bl_pprof_serve("127.0.0.1:0"));
        fflush(stdout);
        while ((c = getchar()) != EOF)
            continue;
    } else if (bl_pprof_write("goroutineleak", 1, argc > 2 ? atoi(argv[2]) : 1) != 0) {
        return 1;
    }
    if (waitpid(-1, NULL, 0) != -1) /* no child that the program could meet */
        return 2;
    over = true;
    bl_chan_shut(of_main);
    return 0;
}
