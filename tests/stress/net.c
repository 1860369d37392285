/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/net.c - connections: everything that ends a wait, at the same time.
 *
 * Each actor has a connection whose other end sends what it has received back, or breaks
 * off.  What comes back is what was sent, in order, up to the first error; an error is one
 * that somebody has caused: a deadline, a close, a cancelled context, a reset, the end.
 * Nobody waits for ever: that is the watchdog's. */
#include "stress.h"

#include <belay/net.h>
#include <fcntl.h>

enum {
    ACTORS = 24,
    OPS = 30,
    MOST_BYTES = 100000,
    SHUFFLE = 17,
};

static _Atomic uint64_t total;

static void
must(bl_error *err)
{
    char text[400];

    if (!err)
        return;
    bl_error_text(err, text, sizeof text);
    stress_fail(__FILE__, __LINE__, text);
}

/* Whether it went well; else for a reason that this program knows. */
static bool
went_well(bl_error *err)
{
    int number = bl_error_errno(err);
    bool known = !err || err == bl_err_eof || err == bl_err_unexpected_eof ||
                 bl_error_is(err, bl_err_net_closed) || bl_error_is(err, bl_err_timeout) ||
                 bl_error_is(err, bl_err_canceled) || number == ECONNRESET ||
                 number == EPIPE || number == ECONNREFUSED || number == ENOTCONN;

    if (!known)
        must(err);
    bl_error_release(err);
    return !err;
}

static unsigned char
byte_at(uint64_t i)
{
    return (unsigned char)(i * SHUFFLE + (i >> 8));
}

/* --- the other end ------------------------------------------------------------------ */

struct echo_job {
    bl_conn *c;
    struct stress_random r;
};

static void
echo(struct echo_job job)
{
    char buf[8192];
    size_t n;

    for (;;) {
        if (!went_well(bl_conn_read(job.c, buf, 1 + (size_t)stress_below(&job.r, 8192), &n)))
            break;
        stress_dawdle(&job.r);
        if (stress_chance(&job.r, 1))
            break;
        if (!went_well(bl_conn_write(job.c, buf, n, NULL)))
            break;
    }
    if (stress_chance(&job.r, 20))
        bl_error_release(bl_conn_set_linger(job.c, 0));
    bl_conn_release(job.c);
}

static void
serve(bl_listener *l, struct stress_random r)
{
    bl_conn *c;

    while (went_well(bl_listener_accept(l, &c))) {
        struct echo_job job = {c, stress_split(&r)};

        go(echo, job);
    }
    bl_listener_release(l);
}

/* --- what disturbs -------------------------------------------------------------------- */

static void
disturb(bl_conn *c, bl_context *ctx, struct stress_random r)
{
    for (int i = stress_below(&r, 6); i > 0; i--) {
        int64_t until = bl_now() + stress_below(&r, 2000000) - 200000;

        bl_sleep(stress_below(&r, 1000000));
        switch (stress_below(&r, 8)) {
        case 0:
            went_well(bl_conn_set_read_deadline(c, until));
            break;
        case 1:
            went_well(bl_conn_set_deadline(c, until));
            break;
        case 2:
        case 3:
        case 4:
            went_well(bl_conn_set_deadline(c, BL_FOREVER));
            break;
        case 5:
            went_well(bl_conn_close(c));
            break;
        case 6:
            went_well(bl_conn_close_write(c));
            break;
        case 7:
            bl_context_cancel(ctx);
            break;
        }
    }
    bl_conn_release(c);
    bl_context_release(ctx);
}

/* --- our end ---------------------------------------------------------------------------- */

struct actor {
    bl_conn *c;
    bl_context *ctx;
    struct stress_random r;
    _Atomic uint64_t sent;
};

static void
send_some(struct actor *a, struct stress_random r, bl_waitgroup *wg)
{
    unsigned char *buf = stress_make(MOST_BYTES, 1);
    bool well = true;

    for (int i = 0; i < OPS && well; i++) {
        size_t size = 1 + (size_t)stress_below(&r, stress_chance(&r, 10) ? MOST_BYTES : 500);
        size_t n;

        for (size_t j = 0; j < size; j++)
            buf[j] = byte_at(a->sent + j);
        well = went_well(stress_chance(&r, 50)
                             ? bl_conn_write(a->c, buf, size, &n)
                             : bl_conn_write_ctx(a->ctx, a->c, buf, size, &n));
        a->sent += n;
        total++;
        stress_dawdle(&r);
    }
    went_well(bl_conn_close_write(a->c));
    free(buf);
    bl_waitgroup_done(wg);
}

static void
receive(struct actor *a)
{
    unsigned char buf[4096];
    uint64_t got = 0;
    size_t n;

    for (;;) {
        size_t size = 1 + (size_t)stress_below(&a->r, sizeof buf);
        bool well;

        switch (stress_below(&a->r, 3)) {
        case 0:
            well = went_well(bl_conn_read(a->c, buf, size, &n));
            break;
        case 1:
            well = went_well(bl_conn_read_ctx(a->ctx, a->c, buf, size, &n));
            break;
        default:
            well = went_well(bl_conn_read_until(a->c, buf, size, bl_now() + BL_SECOND, &n));
            break;
        }
        for (size_t i = 0; i < n; i++)
            STRESS_COMPARE(buf[i], ==, byte_at(got + i));
        got += n;
        if (!well)
            break;
        stress_dawdle(&a->r);
    }
}

static void
act(const char *where, struct stress_random r, bl_waitgroup *wg)
{
    struct actor a = {.r = r};
    bl_waitgroup mine = {0};
    bl_error *err;

    a.ctx = bl_context_with_cancel(bl_context_background());
    err = stress_chance(&a.r, 50) ? bl_dial("tcp", where, &a.c)
                                  : bl_dial_until("tcp", where, bl_now() + 5 * BL_SECOND, &a.c);
    if (went_well(err)) {
        if (stress_chance(&a.r, 60))
            go(disturb, bl_conn_retain(a.c), bl_context_retain(a.ctx), stress_split(&a.r));
        bl_waitgroup_add(&mine, 1);
        go(send_some, &a, stress_split(&a.r), &mine);
        receive(&a);
        bl_error_release(bl_conn_close(a.c)); /* for who still sends */
        bl_waitgroup_wait(&mine);
        bl_conn_release(a.c);
    }
    bl_context_end(a.ctx);
    bl_waitgroup_done(wg);
}

struct thread_job {
    const char *where;
    struct stress_random r;
    bl_waitgroup *wg;
};

static void *
act_in_thread(void *arg)
{
    struct thread_job *job = arg;

    act(job->where, job->r, job->wg);
    return NULL;
}

static void
one_round(struct stress_random *r)
{
    char where[BL_ADDR_TEXT], path[80];
    bl_waitgroup wg = {0};
    struct thread_job job;
    pthread_t thread;
    bool has_thread = !stress.deterministic && stress_chance(r, 20);
    bl_listener *l;

    snprintf(path, sizeof path, "unix:@stress-net-%d-%llu", (int)getpid(),
             (unsigned long long)stress.round);
    must(bl_listen("tcp", stress_chance(r, 50) ? "127.0.0.1:0" : path, &l));
    bl_addr_text(bl_listener_addr(l), where, sizeof where);
    go(serve, bl_listener_retain(l), stress_split(r));
    if (has_thread) {
        bl_waitgroup_add(&wg, 1);
        job = (struct thread_job){where, stress_split(r), &wg};
        STRESS_CHECK(pthread_create(&thread, NULL, act_in_thread, &job) == 0);
    }
    for (int i = stress_between(r, 1, ACTORS); i > 0; i--) {
        bl_waitgroup_add(&wg, 1);
        go(act, where, stress_split(r), &wg);
    }
    if (stress_chance(r, 20))
        went_well(bl_listener_close(l));
    bl_waitgroup_wait(&wg);
    if (has_thread)
        pthread_join(thread, NULL);
    bl_error_release(bl_listener_close(l));
    bl_listener_release(l);
}

/* What a round leaves open would be seen here. */
static int
open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* The poller has some of its own from the first wait on. */
static void
wait_once(void)
{
    bl_conn *pair[2];
    char c;
    size_t n;

    must(bl_conn_pair(pair));
    went_well(bl_conn_read_until(pair[0], &c, 1, bl_now() + BL_MILLISECOND, &n));
    bl_conn_release(pair[0]);
    bl_conn_release(pair[1]);
}

int
main(int argc, char **argv)
{
    struct stress_random r;
    int before;

    stress_begin(argc, argv, "net");
    wait_once();
    before = open_descriptors();
    while (stress_round(&r)) {
        STRESS_COMPARE(open_descriptors(), ==, before);
        one_round(&r);
    }
    return stress_end(total, "writes");
}
