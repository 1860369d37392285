/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/planted.c - functions whose clean-up is lost, doubled or in the wrong order:
 * every test here has to fail, with the words behind WANT. */
#include <belay/belay.h>
#include <belay/test.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* PLANTED(name) { ... }: the function, and a test that asks for its mistake. */
#define PLANTED(name)                                                          \
    static void wrong_##name(void *unused);                                    \
    BL_TEST(name)                                                              \
    {                                                                          \
        bl_assert_defers_run(t, wrong_##name, NULL);                           \
    }                                                                          \
    static void wrong_##name(void *unused __attribute__((unused)))

/* WANT early_return: with read failing in wrong_early_return .*descriptor [0-9]+, of open in wrong_early_return .* was never released */
PLANTED(early_return)
{
    int fd = open("/dev/zero", O_RDONLY);
    char buf[4];

    if (fd < 0)
        return;
    if (read(fd, buf, sizeof buf) < 0)
        return;
    close(fd);
}

/* WANT early_return_memory: with open failing in wrong_early_return_memory .*memory 0x[0-9a-f]+, of malloc in .* was never released */
PLANTED(early_return_memory)
{
    char *volatile block = malloc(10);
    int fd = open("/dev/zero", O_RDONLY);

    if (fd < 0)
        return;
    close(fd);
    free(block);
}

/* WANT goto_out: with dup failing in wrong_goto_out .*descriptor [0-9]+, of open in .* was never released */
PLANTED(goto_out)
{
    int in = open("/dev/zero", O_RDONLY), out;

    if (in < 0)
        goto out;
    out = dup(in);
    if (out < 0)
        goto out;
    close(out);
    close(in);
out:
    return;
}

static jmp_buf away;

static void
read_or_jump(int fd)
{
    char buf[4];

    if (read(fd, buf, sizeof buf) < 0)
        longjmp(away, 1);
}

static void
use_file(void)
{
    FILE *f = fopen("/dev/zero", "r");

    if (!f)
        longjmp(away, 1);
    read_or_jump(fileno(f));
    fclose(f);
}

/* WANT long_jump: with read failing in read_or_jump .*stream 0x[0-9a-f]+, of fopen in use_file .* was never released */
PLANTED(long_jump)
{
    if (setjmp(away) == 0)
        use_file();
}

/* What defer_call has registered longjmp can't skip: the process ends. */
static void
use_deferred(void)
{
    bl_returns_nothing {
        int fd = open("/dev/zero", O_RDONLY);

        if (fd < 0)
            bl_leave;
        bl_defer_call(close, fd);
        read_or_jump(fd);
    }
}

/* WANT long_jump_over_call: the test's process ended with status 2, read failed in read_or_jump|deferred calls were skipped: longjmp */
PLANTED(long_jump_over_call)
{
    if (setjmp(away) == 0)
        use_deferred();
}

/* WANT double_close: descriptor [0-9]+, of open in .* was released a second time in wrong_double_close */
PLANTED(double_close)
{
    int fd = open("/dev/zero", O_RDONLY);

    if (fd < 0)
        return;
    close(fd);
    open("/dev/null", O_RDONLY); /* may get the same number */
    close(fd);
}

/* WANT double_close_on_error: with write failing in .*descriptor [0-9]+, of open in .* was released a second time */
PLANTED(double_close_on_error)
{
    int fd = open("/dev/null", O_WRONLY);

    if (fd < 0)
        return;
    if (write(fd, "x", 1) < 0)
        close(fd);
    close(fd);
}

/* WANT double_free: memory 0x[0-9a-f]+, of malloc in .* was released a second time in wrong_double_free */
PLANTED(double_free)
{
    char *volatile block = malloc(10), *volatile same = block;

    free(block);
    free(same);
}

/* WANT double_fclose: stream 0x[0-9a-f]+, of fopen in .* was released a second time */
PLANTED(double_fclose)
{
    FILE *volatile f = fopen("/dev/null", "r"), *volatile same = f;

    if (!f)
        return;
    fclose(f);
    fclose(same);
}

/* WANT close_and_fclose: descriptor [0-9]+, of open in .* was closed in .*, but a stream or directory closes it, too */
PLANTED(close_and_fclose)
{
    int fd = open("/dev/null", O_RDONLY);
    FILE *f;

    if (fd < 0)
        return;
    f = fdopen(fd, "r");
    close(fd);
    if (f)
        fclose(f);
}

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;

/* WANT wrong_order: mutex 0x[0-9a-f]+, of pthread_mutex_lock in .* was released in .*, before mutex .* which was acquired later */
PLANTED(wrong_order)
{
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    pthread_mutex_unlock(&a);
    pthread_mutex_unlock(&b);
}

/* WANT wrong_order_of_files: descriptor [0-9]+, of open in .* was released in .*, before descriptor */
PLANTED(wrong_order_of_files)
{
    int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);

    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
}

/* WANT own: pool 0x1, acquired in wrong_own .* was never released */
PLANTED(own)
{
    bl_acquired("pool", (void *)1);
    bl_acquired("pool", (void *)2);
    bl_released("pool", (void *)2);
}

/* WANT own_twice: pool 0, acquired in wrong_own_twice .* was released a second time */
PLANTED(own_twice)
{
    bl_acquired("pool", NULL);
    bl_released("pool", NULL);
    bl_released("pool", NULL);
}

/* WANT step: with a panic at locked in wrong_step .*mutex .* was never released */
PLANTED(step)
{
    pthread_mutex_lock(&a);
    BL_STEP("locked");
    pthread_mutex_unlock(&a);
}

static void
stop(void)
{
    (void)bl_recover();
}

/* Where a panic is survived, bl_goexit() is not. */
static void
survive(void)
{
    bl_returns_nothing {
        bl_defer_call(stop);
        BL_STEP("inside");
    }
}

/* WANT goexit: with bl_goexit\(\) at inside in survive .*mutex .* was never released */
PLANTED(goexit)
{
    pthread_mutex_lock(&a);
    survive();
    pthread_mutex_unlock(&a);
}

/* WANT folder: with malloc failing in .*directory 0x[0-9a-f]+, of opendir in .* was never released */
PLANTED(folder)
{
    DIR *dir = opendir("/");
    char *volatile block;

    if (!dir)
        return;
    block = malloc(10);
    if (!block)
        return;
    free(block);
    closedir(dir);
}

/* WANT sockets: descriptor [0-9]+, of socketpair in .* was never released */
PLANTED(sockets)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0)
        close(fds[0]);
}

/* WANT library: library 0x[0-9a-f]+, of dlopen in .* was never released */
PLANTED(library)
{
    dlopen("libm.so.6", RTLD_NOW);
    bl_acquired("other", NULL);
    bl_released("other", NULL);
}

/* WANT own_panic: panics without being made to: by itself */
PLANTED(own_panic)
{
    bl_panic("by itself");
}

/* WANT nothing: acquires nothing that could be watched */
PLANTED(nothing)
{
}

static void
calls_panic(void *unused)
{
    int fd = open("/dev/zero", O_RDONLY);
    char buf[4];

    (void)unused;
    if (fd < 0)
        return;
    if (read(fd, buf, sizeof buf) < 0)
        goto out;
out:
    close(fd);
}

/* WANT panic_in_call: with a panic at read in calls_panic .*descriptor .* was never released */
BL_TEST(panic_in_call)
{
    if (bl_assert_defers_run(t, calls_panic, NULL))
        bl_assert_defers_run_with(t, calls_panic, NULL, BL_CALLS_PANIC);
}

/* --- bl_assert_no_leaks() ---------------------------------------------------------------- */

static void
leave_memory(void *unused)
{
    char *volatile forgotten = strdup("left");

    (void)unused;
    (void)forgotten;
}

/* WANT leaks_memory: memory 0x[0-9a-f]+, of strdup in leave_memory .* was never released */
BL_TEST(leaks_memory)
{
    bl_assert_no_leaks(t, leave_memory, NULL);
}

static void
wait_for_ever(bl_chan *c)
{
    int v;

    bl_chan_recv(c, &v);
}

static void
leave_goroutine(void *c)
{
    bl_go(wait_for_ever, c);
}

/* WANT leaks_goroutine: leave_goroutine: 1 goroutine is left behind */
BL_TEST(leaks_goroutine)
{
    bl_assert_no_leaks(t, leave_goroutine, bl_chan_new(sizeof(int), 0));
}

static void
leave_descriptor(void *unused)
{
    (void)unused;
    open("/dev/null", O_RDONLY);
}

/* WANT leaks_descriptor: descriptor [0-9]+, of open in leave_descriptor .* was never released */
BL_TEST(leaks_descriptor)
{
    bl_assert_no_leaks(t, leave_descriptor, NULL);
}

/* Without bl_context_end(); the one it is made from would keep its memory. */
static void
leave_context(void *arg)
{
    (void)bl_context_with_cancel(arg);
}

/* WANT leaks_context: leave_context: 1 context is left behind */
BL_TEST(leaks_context)
{
    bl_context *root = bl_context_with_cancel(bl_context_background());

    bl_assert_no_leaks(t, leave_context, root);
    bl_context_end(root);
}
