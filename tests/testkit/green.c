/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/green.c - tests that pass: what is right must not be found wrong. */
#include <belay/belay.h>
#include <belay/test.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

BL_TEST(comparing)
{
    char hello[] = "hello";

    bl_assert_eq(t, 1 + 1, 2);
    bl_assert_eq(t, hello, "hello");
    bl_assert_eq(t, 0.5, 0.5);
    bl_assert_eq(t, (unsigned char)7, 7L);
    bl_assert_eq(t, (void *)hello, (void *)hello);
    bl_assert_eq(t, (const char *)NULL, (const char *)NULL);
    bl_assert(t, hello[0] == 'h');
    bl_require(t, hello[1] == 'e');
}

/* --- parts and tables ------------------------------------------------------------ */

struct row {
    const char *name;
    int a, b, sum;
};

static void
add(bl_test *t, void *arg)
{
    struct row *row = arg;

    bl_assert_eq(t, row->a + row->b, row->sum);
}

BL_TEST(table)
{
    struct row rows[] = {{"zero", 0, 0, 0}, {"one and two", 1, 2, 3}, {"zero", 0, 0, 0}};

    bl_test_each(t, rows, add);
}

static void
deeper(bl_test *t, void *arg)
{
    bl_assert(t, strcmp(bl_test_name(t), arg) == 0);
    if (strcmp(arg, "parts/outer") == 0)
        bl_assert(t, bl_test_run(t, "inner", deeper, "parts/outer/inner"));
}

BL_TEST(parts)
{
    bl_assert(t, bl_test_run(t, "outer", deeper, "parts/outer"));
}

/* --- clean-up ---------------------------------------------------------------------- */

static void
note(void *arg)
{
    printf("clean-up %s\n", (const char *)arg);
}

BL_TEST(cleaning)
{
    const char *dir = bl_test_temp_dir(t);
    char path[4096];
    int fd;

    bl_test_cleanup(t, note, "first");
    bl_test_cleanup(t, note, "second");
    snprintf(path, sizeof path, "%s/file", dir);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    bl_require(t, fd >= 0);
    close(fd);
    printf("folder %s\n", dir);
}

BL_TEST(skipping)
{
    bl_test_skip(t, "not %s", "today");
}

BL_TEST(randomly)
{
    printf("random %llx\n", (unsigned long long)bl_test_random(t));
}

/* --- panics and death ------------------------------------------------------------------ */

static void
boom(void *arg)
{
    bl_panic("boom %d", *(int *)arg);
}

static void
follow_null(void *unused)
{
    volatile int *volatile p = NULL;

    (void)unused;
    *p = 1;
}

static void
leave(void *unused)
{
    (void)unused;
    fprintf(stderr, "leaving\n");
    _exit(3);
}

BL_TEST(panicking)
{
    int n = 7;

    bl_assert_panics(t, boom, &n);
    bl_assert_panics_with(t, boom, &n, "boom 7");
    bl_assert_panics_with(t, follow_null, NULL, "nil pointer");
    bl_assert_dies(t, boom, &n, "panic: boom 7");
    bl_assert_dies(t, leave, NULL, "leaving");
}

/* --- bubbles ------------------------------------------------------------------------------ */

static void
wait_an_hour(bl_test *t, void *unused)
{
    int64_t began = bl_now();

    (void)unused;
    bl_sleep(BL_HOUR);
    bl_assert_eq(t, bl_now() - began, BL_HOUR);
}

BL_TEST(bubble)
{
    bl_test_bubble(t, wait_an_hour, NULL);
}

struct together {
    bl_chan *first;
    _Atomic int woken;
};

static void
wake_up(struct together *all)
{
    int v = 0;

    bl_sleep(BL_HOUR);
    bl_chan_send(all->first, &v);
    for (int i = 0; i < 100; i++)
        bl_gosched();
    all->woken++;
}

/* Timers of the same moment all run before somebody finds the others blocked. */
static void
wake_together(bl_test *t, void *unused)
{
    struct together all = {.first = bl_chan_new(sizeof(int), 8)};
    int v;

    (void)unused;
    for (int i = 0; i < 8; i++)
        bl_go(wake_up, &all);
    bl_chan_recv(all.first, &v);
    bl_bubble_wait();
    bl_assert_eq(t, (int)all.woken, 8);
    bl_sleep(BL_HOUR);
    bl_chan_free(all.first);
}

BL_TEST(same_moment)
{
    for (int i = 0; i < 300 && !bl_test_failed(t); i++)
        bl_test_bubble(t, wake_together, NULL);
}

/* --- failures ------------------------------------------------------------------------------- */

BL_TEST(failing_calls)
{
    char buf[4];
    void *p;
    int fd;

    bl_fail_nth(BL_FAIL_MALLOC, 2);
    p = malloc(1);
    bl_assert(t, p != NULL);
    free(p);
    p = calloc(1, 1);
    if (!bl_fail_stop()) { /* a sanitizer has the heap */
        free(p);
        bl_test_skip(t, "malloc is a sanitizer's");
    }
    bl_assert(t, p == NULL);
    p = malloc(1);
    bl_assert(t, p != NULL);
    free(p);

    bl_fail_nth_with(BL_FAIL_OPEN, 1, ENFILE);
    errno = 0;
    fd = open("/dev/zero", O_RDONLY);
    bl_assert_eq(t, fd, -1);
    bl_assert_eq(t, errno, ENFILE);
    bl_assert(t, bl_fail_stop());

    fd = open("/dev/zero", O_RDONLY);
    bl_fail_nth(BL_FAIL_READ | BL_FAIL_WRITE, 2);
    bl_assert_eq(t, read(fd, buf, 4), 4);
    bl_assert_eq(t, read(fd, buf, 4), -1);
    bl_assert_eq(t, errno, EIO);
    bl_assert_eq(t, read(fd, buf, 4), 4);
    close(fd);
    bl_fail_nth(BL_FAIL_OPEN, 100);
    bl_assert(t, !bl_fail_stop());
}

/* --- certain clean-up, in the ways that are right ----------------------------------------- */

static void
close_fd(int fd)
{
    close(fd);
}

static void
by_calls(void *unused)
{
    (void)unused;
    bl_returns_nothing {
        char *block = malloc(100), *more;
        int in, out;

        if (!block)
            bl_leave;
        bl_defer_call(free, block);
        BL_STEP("has a block");
        in = open("/dev/zero", O_RDONLY);
        if (in < 0)
            bl_leave;
        bl_defer_call(close_fd, in);
        BL_STEP("has the input");
        out = open("/dev/null", O_WRONLY);
        if (out < 0)
            bl_panic("no output");
        bl_defer_call(close_fd, out);
        if (read(in, block, 100) < 100)
            bl_leave;
        more = strdup(block);
        if (!more)
            bl_goexit();
        bl_defer_call(free, more);
        BL_STEP("has all");
        if (write(out, block, 100) < 0)
            bl_panic("can't write");
    }
}

#ifndef __clang__
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void
by_blocks(void *unused)
{
    FILE *f = fopen("/dev/zero", "r");
    char buf[16];
    DIR *dir;

    (void)unused;
    if (!f)
        return;
    bl_defer { fclose(f); };
    BL_STEP("has a stream");
    if (fread(buf, 1, sizeof buf, f) < sizeof buf)
        return;
    pthread_mutex_lock(&mutex);
    bl_defer { pthread_mutex_unlock(&mutex); };
    BL_STEP("has the mutex");
    for (int i = 0; i < 2; i++) {
        dir = opendir("/");
        if (!dir)
            return;
        bl_defer { closedir(dir); };
        BL_STEP("has a folder");
        readdir(dir);
    }
    bl_acquired("ticket", f);
    bl_defer { bl_released("ticket", f); };
    BL_STEP("has a ticket");
}
#endif

/* By hand: nothing panics here, errors only. */
static void
by_hand(void *unused)
{
    int in = -1, out = -1, fds[2] = {-1, -1};
    char *block = NULL, *more;

    (void)unused;
    in = open("/dev/zero", O_RDONLY);
    if (in < 0)
        goto out;
    out = dup(in);
    if (out < 0)
        goto out;
    block = malloc(10);
    if (!block || read(out, block, 10) < 0)
        goto out;
    more = realloc(block, 1000);
    if (!more)
        goto out;
    block = more;
    if (pipe(fds) < 0)
        goto out;
out:
    if (fds[1] >= 0)
        close(fds[1]);
    if (fds[0] >= 0)
        close(fds[0]);
    free(block);
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
}

static void
in_any_order(void *unused)
{
    int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);

    (void)unused;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
}

BL_TEST(defers_run)
{
    bl_assert_defers_run(t, by_calls, NULL);
    bl_assert_defers_run_with(t, by_calls, NULL, BL_CALLS_PANIC);
#ifndef __clang__
    bl_assert_defers_run(t, by_blocks, NULL);
    bl_assert_defers_run_with(t, by_blocks, NULL, BL_CALLS_PANIC);
#endif
    bl_assert_defers_run(t, by_hand, NULL);
    bl_assert_defers_run_with(t, in_any_order, NULL, BL_ANY_ORDER);
}

/* --- nothing left -------------------------------------------------------------------------- */

static void
add_one(void *arg)
{
    ++*(int *)arg;
}

static void
tidy(void *arg)
{
    static char *once; /* not a leak */
    bl_waitgroup wg = {0};
    FILE *f = tmpfile();

    if (!once)
        once = strdup("kept for good");
    bl_waitgroup_go(&wg, add_one, arg);
    bl_waitgroup_wait(&wg);
    fprintf(f, "%s", once);
    fclose(f);
}

BL_TEST(nothing_left)
{
    int n = 0;

    bl_assert_no_leaks(t, tidy, &n);
    bl_assert(t, n > 0);
}
