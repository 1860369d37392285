/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/told.c FOLDER - goroutines in all the states and places that a list of
 * them can show, some of which have been there for minutes; writes "goroutine" into
 * FOLDER: goroutine.1 and goroutine.2, as with debug=1 and debug=2. */
#include <belay/belay.h>
#include <belay/pprof.h>
#include <belay/test.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEEP = 400, MINUTES = 7 };

/* Behind a call: it is not the last thing a function does, so its frame stays. */
#define STAY() __asm__ volatile("")

static bl_chan *never, *never_taken;
static bl_mutex locked;
static bl_rwmutex read_locked, write_locked;
static bl_waitgroup never_done;
static bl_semaphore none = {0};
static volatile int go_on = 1;
static int block[2];

/* --- a clock that can be put forward ----------------------------------------- */

static _Atomic long forward_s;

int
clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);

    if (clock == CLOCK_MONOTONIC)
        t->tv_sec += forward_s;
    return result;
}

/* --- what they do -------------------------------------------------------------- */

static void
clean_up(int n)
{
    (void)n;
}

static void (*const clean_ups[])(int) = {clean_up};

__attribute__((noinline)) static void
receive(void)
{
    int v;

    bl_chan_recv(never, &v);
    STAY();
}

__attribute__((noinline)) static void
give(void)
{
    int v = 0;

    bl_chan_send(never_taken, &v);
    STAY();
}

__attribute__((noinline)) static void
receive_from_nothing(void)
{
    int v;

    bl_chan_recv(NULL, &v);
    STAY();
}

__attribute__((noinline)) static void
want_lock(void)
{
    bl_mutex_lock(&locked);
    STAY();
}

__attribute__((noinline)) static void
want_to_read(void)
{
    bl_rwmutex_rlock(&write_locked);
    STAY();
}

__attribute__((noinline)) static void
want_to_write(void)
{
    bl_rwmutex_lock(&read_locked);
    STAY();
}

__attribute__((noinline)) static void
wait_for_all(void)
{
    bl_waitgroup_wait(&never_done);
    STAY();
}

__attribute__((noinline)) static void
acquire(void)
{
    bl_semaphore_acquire(&none, 1);
    STAY();
}

/* Its one call is its last: its own frame is gone. */
__attribute__((noinline)) static void
leave_no_frame(void)
{
    bl_waitgroup_wait(&never_done);
}

__attribute__((noinline)) static void
keep_thread(void)
{
    bl_lock_os_thread();
    receive();
}

__attribute__((noinline)) static void
compute(void)
{
    while (go_on)
        ;
}

__attribute__((noinline)) static void
sit_in_kernel(void)
{
    char c;

    (void)!read(block[0], &c, 1);
    STAY();
}

__attribute__((noinline)) static void
receive_labelled(void)
{
    bl_labels_set("path", "/a \"quoted\" {one}, two]: three\n\tgoroutine 5 [x]:");
    bl_labels_set("", "");
    receive();
}

__attribute__((noinline)) static void
receive_deep(int n)
{
    if (n == 0)
        receive();
    else
        receive_deep(n - 1);
    STAY();
}

/* Deferred calls of every shape. */
__attribute__((noinline)) static void
receive_with_calls(int n)
{
    void (*const *f)(int) = clean_ups;

    bl_returns_nothing {
        bl_defer_call(clean_up, n);
        for (int i = 0; i < 12; i++)
            bl_defer_call((*f), i);
        bl_defer_call(clean_ups[0], n);
        receive();
    }
}

static void
receive_late(int n)
{
    (void)n;
    receive();
}

/* Its deferred call waits, in the midst of a panic. */
__attribute__((noinline)) static void
panic_and_wait(void)
{
    bl_returns_nothing {
        bl_defer_call(clean_up, 1);
        bl_defer_call(receive_late, 1);
        bl_panic("on purpose");
    }
}

__attribute__((noinline)) static void
wait_in_bubble(void *unused)
{
    int v;

    (void)unused;
    bl_sleep(BL_SECOND); /* of its own time */
    bl_chan_recv(never, &v); /* from outside: it is not the bubble's */
    STAY();
}

__attribute__((noinline)) static void
bubble(void)
{
    bl_bubble(wait_in_bubble, NULL);
    STAY();
}

__attribute__((noinline)) static void
start_one(void)
{
    bl_go(receive);
    receive();
}

/* --- lists ---------------------------------------------------------------------- */

static void
write_list(const char *folder, int debug)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/goroutine.%d", folder, debug);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (bl_pprof_write("goroutine", fd, debug) != 0)
        exit(1);
    close(fd);
}

int
main(int argc, char **argv)
{
    if (argc != 2 || pipe(block) != 0)
        return 2;
    bl_gomaxprocs(2);
    never = bl_chan_new(sizeof(int), 0);
    never_taken = bl_chan_new(sizeof(int), 0);
    bl_mutex_lock(&locked);
    bl_rwmutex_lock(&write_locked);
    bl_rwmutex_rlock(&read_locked);
    bl_waitgroup_add(&never_done, 1);
    bl_go(receive);
    bl_go(give);
    bl_go(receive_from_nothing);
    bl_go(want_lock);
    bl_go(want_to_read);
    bl_go(want_to_write);
    bl_go(wait_for_all);
    bl_go(leave_no_frame);
    bl_go(acquire);
    bl_go(keep_thread);
    bl_go(sit_in_kernel);
    bl_go(receive_labelled);
    bl_go(receive_deep, DEEP);
    bl_go(receive_with_calls, 1);
    bl_go(panic_and_wait);
    bl_go(bubble);
    bl_go(start_one);
    bl_go(compute);
    bl_sleep(500 * BL_MILLISECOND);
    forward_s = MINUTES * 60; /* no more sleep from here on: the kernel's clock stays */
    bl_go(start_one);         /* perhaps it has not begun */
    for (int debug = 1; debug <= 2; debug++)
        write_list(argv[1], debug);
    _exit(0);
}
