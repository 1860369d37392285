/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* pool_test.c - tests of a small pool of connections, with the test kit.
 *
 *     pool_test              run them
 *     pool_test -v           and see what was tried
 *     pool_test --help       all the options
 *
 * What a test of clean-up needs is here: a type of the program's own that is told of
 * (BL_ACQUIRED), places where things go wrong (BL_STEP), and time that jumps. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/test.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* --- what is tested -------------------------------------------------------------- */

enum { SIZE = 2 };

struct connection {
    int fd;
};

struct pool {
    chan_of(struct connection *) free;
};

static void
pool_close(struct pool *pool)
{
    struct connection *c;

    chan_close(pool->free);
    while (bl_recv_ok(pool->free, &c)) {
        close(c->fd);
        free(c);
    }
    chan_free(pool->free);
    free(pool);
}

static bool
add_connection(struct pool *pool, const char *path)
{
    struct connection *c = malloc(sizeof *c);

    if (!c)
        return false;
    c->fd = open(path, O_RDWR | O_CLOEXEC);
    if (c->fd < 0) {
        free(c);
        return false;
    }
    bl_send(pool->free, c);
    return true;
}

/* NULL: not all connections could be made; then none is left. */
static struct pool *
pool_open(const char *path)
{
    struct pool *pool = malloc(sizeof *pool);

    if (!pool)
        return NULL;
    pool->free = chan_make(struct connection *, SIZE);
    for (int i = 0; i < SIZE; i++) {
        if (!add_connection(pool, path)) {
            pool_close(pool);
            return NULL;
        }
    }
    return pool;
}

static struct connection *
pool_take(struct pool *pool)
{
    struct connection *c = bl_recv(pool->free);

    BL_ACQUIRED("connection", c);
    return c;
}

static void
pool_give(struct pool *pool, struct connection *c)
{
    BL_RELEASED("connection", c);
    bl_send(pool->free, c);
}

/* Asks one question; true if there was an answer. */
static bool
ask(struct pool *pool, const char *question)
{
    returns (bool, answered) {
        struct connection *c = pool_take(pool);
        defer { pool_give(pool, c); };
        char answer[1];

        BL_STEP("has a connection");
        if (write(c->fd, question, 1) != 1)
            leave;
        answered = read(c->fd, answer, 1) == 1;
    }
}

/* --- tests ------------------------------------------------------------------------- */

static void
use_pool(void *unused)
{
    (void)unused;
    returns_nothing {
        struct pool *pool = pool_open("/dev/zero");

        if (!pool)
            leave;
        defer_call(pool_close, pool);
        ask(pool, "?");
        ask(pool, "!");
    }
}

/* Connections are closed in the order in which they lie in the pool: any will do.  (With
 * BL_CALLS_PANIC as well it fails: pool_open() cleans up by hand, and open() could as
 * well be a function that panics.) */
BL_TEST(everything_is_given_back)
{
    bl_assert_no_leaks(t, use_pool, NULL);
    bl_assert_defers_run_with(t, use_pool, NULL, BL_ANY_ORDER);
}

BL_TEST(no_memory)
{
    struct pool *pool;

    bl_fail_nth(BL_FAIL_MALLOC, 1);
    pool = pool_open("/dev/zero");
    if (bl_fail_stop())
        bl_assert_eq(t, (void *)pool, (void *)NULL);
    else
        bl_test_skip(t, "a sanitizer has malloc");
}

static void
keep_for_an_hour(struct pool *pool)
{
    struct connection *c = pool_take(pool);

    bl_sleep(BL_HOUR);
    pool_give(pool, c);
}

static void
wait_in_line(bl_test *t, void *unused)
{
    struct pool *pool = pool_open("/dev/zero");
    int64_t began = bl_now();

    (void)unused;
    bl_require(t, pool != NULL);
    for (int i = 0; i < SIZE; i++)
        go(keep_for_an_hour, pool);
    bl_bubble_wait();
    bl_assert(t, ask(pool, "?"));
    bl_assert_eq(t, bl_now() - began, BL_HOUR);
    bl_bubble_wait();
    pool_close(pool);
}

BL_TEST(who_comes_late_waits)
{
    bl_test_bubble(t, wait_in_line, NULL);
}

/* --- a table -------------------------------------------------------------------------- */

struct place {
    const char *name, *path;
    bool opens;
};

static void
opens(bl_test *t, void *arg)
{
    struct place *place = arg;
    struct pool *pool = pool_open(place->path);

    bl_assert_eq(t, pool != NULL, place->opens);
    if (pool)
        pool_close(pool);
}

BL_TEST(places)
{
    struct place table[] = {
        {"device", "/dev/zero", true},
        {"folder", "/", false},
        {"missing", "/no/such/file", false},
    };

    bl_test_each(t, table, opens);
}
