/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Connections on real sockets: the loopback, Unix sockets, pipes.  What is printed, and
 * when it fails, is Go's. */
#define _GNU_SOURCE


#include <belay/belay.h>
#include <belay/io.h>
#include <belay/net.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net.h"

/* --- there and back ------------------------------------------------------------------ */

static void
echo(bl_conn *c)
{
    char buf[4096];
    bl_error *err;
    size_t n;

    while (!(err = bl_conn_read(c, buf, sizeof buf, &n)))
        ok(bl_conn_write(c, buf, n, NULL));
    CHECK(err == bl_err_eof);
    bl_conn_release(c);
}

static void
echo_and_tell(bl_conn *c, bl_waitgroup *wg)
{
    echo(c);
    bl_waitgroup_done(wg);
}

static void
serve(bl_listener *l)
{
    bl_conn *c;
    bl_error *err;

    while (!(err = bl_listener_accept(l, &c)))
        bl_go(echo, c);
    CHECK(bl_error_is(err, bl_err_net_closed));
    bl_error_release(err);
    bl_listener_release(l);
}

static void
client(const char *where, int rounds, bl_waitgroup *wg)
{
    char buf[64], back[64];
    bl_conn *c;

    ok(bl_dial("tcp", where, &c));
    for (int i = 0; i < rounds; i++) {
        size_t n = (size_t)snprintf(buf, sizeof buf, "message %d", i);

        ok(bl_conn_write(c, buf, n, NULL));
        ok(bl_conn_read_full(c, back, n, NULL));
        CHECK(memcmp(buf, back, n) == 0);
    }
    bl_conn_release(c);
    bl_waitgroup_done(wg);
}

static void
NET_echo_many(void)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_waitgroup wg = {0};

    bl_go(serve, bl_listener_retain(l));
    for (int i = 0; i < 50; i++) {
        bl_waitgroup_add(&wg, 1);
        bl_go(client, where, 50, &wg);
    }
    bl_waitgroup_wait(&wg);
    ok(bl_listener_close(l));
    bl_listener_release(l);
}

/* --- ends ----------------------------------------------------------------------------- */

static void
NET_half_close(void)
{
    struct pair p = tcp_pair();
    char buf[16];
    size_t n;

    ok(bl_conn_write(p.a, "last", 4, NULL));
    ok(bl_conn_close_write(p.a));
    ok(bl_conn_read(p.b, buf, sizeof buf, &n));
    CHECK_EQ(n, 4);
    CHECK(bl_conn_read(p.b, buf, sizeof buf, &n) == bl_err_eof);
    CHECK(bl_conn_read(p.b, buf, sizeof buf, &n) == bl_err_eof);
    CHECK_EQ(n, 0);
    ok(bl_conn_write(p.b, "answer", 6, NULL)); /* the other direction goes on */
    ok(bl_conn_read(p.a, buf, sizeof buf, &n));
    CHECK_EQ(n, 6);
    drop(p);
}

static void
read_and_tell(bl_conn *c, const bl_error *want, bl_waitgroup *wg)
{
    char buf[16];
    size_t n;
    bl_error *err;

    about_to_wait = bl_goroutine_id();
    err = bl_conn_read(c, buf, sizeof buf, &n);
    CHECK(err && bl_error_is(err, want));
    bl_error_release(err);
    bl_waitgroup_done(wg);
}

static void
NET_close_wakes_readers(void)
{
    struct pair p = tcp_pair();
    bl_waitgroup wg = {0};
    char buf[16];
    size_t n;

    for (int i = 0; i < 5; i++) { /* one reads, the others queue */
        bl_waitgroup_add(&wg, 1);
        bl_go(read_and_tell, p.a, bl_err_net_closed, &wg);
    }
    bl_sleep(5 * BL_MILLISECOND);
    ok(bl_conn_close(p.a));
    bl_waitgroup_wait(&wg);
    CHECK(strstr(text_of(bl_conn_close(p.a)), "close tcp 127.0.0.1:"));
    CHECK(strstr(text_of(bl_conn_read(p.a, buf, 1, &n)),
                 ": use of closed network connection"));
    CHECK(strstr(text_of(bl_conn_write(p.a, "x", 1, NULL)), "write tcp 127.0.0.1:"));
    CHECK(bl_conn_read(p.b, buf, sizeof buf, &n) == bl_err_eof);
    drop(p);
}

/* The last owner lets go in the middle of a read. */
static void
NET_release_during_read(void)
{
    for (int i = 0; i < 20; i++) {
        struct pair p = tcp_pair();
        bl_waitgroup wg = {0};

        bl_waitgroup_add(&wg, 1);
        bl_go(read_and_tell, p.a, bl_err_net_closed, &wg);
        wait_until_it_waits();
        bl_conn_release(p.a);
        bl_waitgroup_wait(&wg);
        bl_conn_release(p.b);
    }
}

static void
expect_eof(bl_conn *c, bl_waitgroup *wg)
{
    char buf[16];
    size_t n;
    bl_error *err;

    about_to_wait = bl_goroutine_id();
    err = bl_conn_read(c, buf, sizeof buf, &n);
    CHECK(err == bl_err_eof || bl_error_is(err, bl_err_net_closed));
    bl_error_release(err);
    bl_waitgroup_done(wg);
}

/* The same when the other side ends: who reads does not look at the connection again. */
static void
NET_release_at_the_end(void)
{
    for (int i = 0; i < 50; i++) {
        bl_waitgroup wg = {0};
        bl_conn *u[2];

        ok(bl_conn_pair(u));
        bl_waitgroup_add(&wg, 1);
        bl_go(expect_eof, u[0], &wg);
        wait_until_it_waits();
        bl_conn_release(u[1]);
        for (volatile int j = 0; j < 500 * i; j++)
            ;
        bl_conn_release(u[0]);
        bl_waitgroup_wait(&wg);
    }
}

static void
read_three(bl_conn *c, bl_waitgroup *wg)
{
    char buf[3];

    about_to_wait = bl_goroutine_id();
    CHECK(is(bl_conn_read_full(c, buf, sizeof buf, NULL), bl_err_net_closed));
    bl_waitgroup_done(wg);
}

static void
copy_and_tell(bl_conn *to, bl_conn *from, bl_waitgroup *wg)
{
    about_to_wait = bl_goroutine_id();
    CHECK(is(bl_conn_copy(to, from, SIZE_MAX, NULL), bl_err_net_closed));
    bl_waitgroup_done(wg);
}

/* What reads and writes several times is one call, too: its next step looks at a
 * connection that has been let go. */
static void
NET_release_during_more(void)
{
    for (int i = 0; i < 10; i++) {
        struct pair p = tcp_pair(), q = tcp_pair(), r = tcp_pair();
        bl_waitgroup wg = {0};

        bl_waitgroup_add(&wg, 2);
        bl_go(read_three, p.a, &wg);
        wait_until_it_waits();
        bl_go(copy_and_tell, r.a, q.a, &wg);
        wait_until_it_waits();
        ok(bl_conn_write(p.b, "ab", 2, NULL));
        bl_conn_release(p.a);
        bl_conn_release(r.a);
        ok(bl_conn_write(q.b, "ab", 2, NULL));
        bl_waitgroup_wait(&wg);
        bl_conn_release(q.a);
        bl_conn_release(p.b);
        bl_conn_release(q.b);
        bl_conn_release(r.b);
    }
}

static void
NET_close_wakes_accept(void)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_conn *c;
    char want[256];

    bl_go(serve, bl_listener_retain(l));
    bl_sleep(2 * BL_MILLISECOND);
    ok(bl_listener_close(l));
    snprintf(want, sizeof want, "accept tcp %s: use of closed network connection", where);
    CHECK_STR(text_of(bl_listener_accept(l, &c)), want);
    CHECK(c == NULL);
    bl_listener_release(l);
    CHECK(strstr(text_of(bl_dial("tcp", where, &c)), ": connect: connection refused"));
}

static void
NET_reset(void)
{
    struct pair p = tcp_pair();
    char buf[16], text[256];
    size_t n;
    bl_error *err;

    ok(bl_conn_write(p.b, "unread", 6, NULL));
    ok(bl_conn_set_linger(p.a, 0));
    bl_conn_release(p.a);
    bl_sleep(BL_MILLISECOND);
    err = bl_conn_read(p.b, buf, sizeof buf, &n);
    CHECK_EQ(bl_error_errno(err), ECONNRESET);
    bl_error_text(err, text, sizeof text);
    CHECK(strncmp(text, "read tcp 127.0.0.1:", 19) == 0 && strstr(text, "->127.0.0.1:") &&
          strstr(text, ": read: connection reset by peer"));
    bl_error_release(err);
    err = bl_conn_write(p.b, "x", 1, NULL); /* no SIGPIPE */
    CHECK_EQ(bl_error_errno(err), EPIPE);
    bl_error_release(err);
    bl_conn_release(p.b);
}

/* --- deadlines ------------------------------------------------------------------------------ */

static void
NET_deadlines(void)
{
    struct pair p = tcp_pair();
    char buf[16], want[300], local[BL_ADDR_TEXT], remote[BL_ADDR_TEXT];
    int64_t began = bl_now();
    size_t n;

    ok(bl_conn_set_read_deadline(p.a, bl_now() + 10 * BL_MILLISECOND));
    bl_addr_text(bl_conn_local(p.a), local, sizeof local);
    bl_addr_text(bl_conn_remote(p.a), remote, sizeof remote);
    snprintf(want, sizeof want, "read tcp %s->%s: i/o timeout", local, remote);
    CHECK_STR(text_of(bl_conn_read(p.a, buf, sizeof buf, &n)), want);
    CHECK(bl_now() - began >= 10 * BL_MILLISECOND);
    ok(bl_conn_write(p.a, "x", 1, NULL)); /* the other direction has none */
    ok(bl_conn_write(p.b, "y", 1, NULL));
    bl_error *err = bl_conn_read(p.a, buf, sizeof buf, &n); /* it stays, data or not */
    CHECK(bl_error_is(err, bl_err_timeout));
    CHECK(bl_error_is(err, bl_err_deadline_exceeded));
    CHECK(!bl_error_is(err, bl_err_net_closed));
    bl_error_release(err);
    ok(bl_conn_set_read_deadline(p.a, BL_FOREVER));
    ok(bl_conn_read(p.a, buf, sizeof buf, &n));
    CHECK_EQ(n, 1);
    drop(p);
}

static _Atomic int64_t set_at;

/* Lets c go. */
static void
set_later(bl_conn *c, int64_t in, int64_t until)
{
    bl_sleep(in);
    ok(bl_conn_set_read_deadline(c, until));
    set_at = bl_now();
    bl_conn_release(c);
}

/* Setting a deadline ends a wait that has begun; moving it on makes it longer. */
static void
NET_deadline_of_a_wait(void)
{
    struct pair p = tcp_pair();
    bl_waitgroup wg = {0};
    int64_t began = bl_now();
    char buf[4];
    size_t n;

    bl_waitgroup_add(&wg, 1);
    bl_go(read_and_tell, p.a, bl_err_timeout, &wg);
    wait_until_it_waits();
    set_later(bl_conn_retain(p.a), 0, 1);
    bl_waitgroup_wait(&wg);
    began = bl_now();
    ok(bl_conn_set_read_deadline(p.a, began + 5 * BL_MILLISECOND));
    set_at = BL_FOREVER;
    bl_go(set_later, bl_conn_retain(p.a), BL_MILLISECOND, began + 30 * BL_MILLISECOND);
    CHECK(is(bl_conn_read(p.a, buf, sizeof buf, &n), bl_err_timeout));
    CHECK(bl_now() - began >= 30 * BL_MILLISECOND ||
          set_at >= began + 5 * BL_MILLISECOND); /* too late */
    began = bl_now();
    ok(bl_conn_set_read_deadline(p.a, began + BL_HOUR));
    bl_go(set_later, bl_conn_retain(p.a), BL_MILLISECOND, began + 5 * BL_MILLISECOND);
    CHECK(is(bl_conn_read(p.a, buf, sizeof buf, &n), bl_err_timeout));
    CHECK(bl_now() - began < BL_MINUTE);
    drop(p);
}

static void
NET_write_deadline(void)
{
    struct pair p = tcp_pair();
    size_t n, size = 64 << 20;
    char *much = calloc(1, size);
    bl_error *err;

    ok(bl_conn_set_write_deadline(p.a, bl_now() + 20 * BL_MILLISECOND));
    err = bl_conn_write(p.a, much, size, &n);
    CHECK(bl_error_is(err, bl_err_timeout));
    CHECK(n > 0 && n < size); /* how far it came */
    bl_error_release(err);
    free(much);
    drop(p);
}

static void
cancel_later(bl_context *ctx)
{
    bl_sleep(2 * BL_MILLISECOND);
    bl_context_cancel(ctx);
}

static void
NET_until_and_contexts(void)
{
    struct pair p = tcp_pair();
    bl_context *ctx = bl_context_with_cancel(bl_context_background());
    bl_listener *l;
    bl_conn *c;
    char buf[4], where[BL_ADDR_TEXT];
    size_t n;
    bl_error *err;

    err = bl_conn_read_until(p.a, buf, 4, bl_now() + 3 * BL_MILLISECOND, &n);
    CHECK(bl_error_is(err, bl_err_timeout));
    bl_error_release(err);
    ok(bl_conn_write(p.b, "data", 4, NULL));
    ok(bl_conn_read_until(p.a, buf, 4, bl_now() + BL_SECOND, &n));
    bl_go(cancel_later, ctx);
    err = bl_conn_read_ctx(ctx, p.a, buf, 4, &n);
    CHECK(bl_error_is(err, bl_err_canceled));
    CHECK(strstr(text_of(err), ": operation was canceled"));
    l = listen_at("tcp", "127.0.0.1:0", where);
    CHECK(is(bl_listener_accept_ctx(ctx, l, &c), bl_err_canceled));
    CHECK(is(bl_listener_accept_until(l, bl_now() + 1000, &c), bl_err_timeout));
    CHECK(is(bl_dial_ctx(ctx, "tcp", where, &c), bl_err_canceled));
    CHECK(is(bl_dial_until("tcp", where, bl_now(), &c), bl_err_timeout));
    bl_context_end(ctx);
    ctx = bl_context_with_timeout(bl_context_background(), 2 * BL_MILLISECOND);
    err = bl_conn_read_ctx(ctx, p.a, buf, 4, &n);
    CHECK(bl_error_is(err, bl_err_timeout));
    CHECK(strstr(text_of(err), ": i/o timeout"));
    bl_context_end(ctx);
    bl_listener_release(l);
    drop(p);
}

/* --- much ---------------------------------------------------------------------------------- */

enum { MUCH = 8 << 20 };

static void
send_much(bl_conn *c)
{
    unsigned char *buf = malloc(MUCH);
    size_t n;

    for (size_t i = 0; i < MUCH; i++)
        buf[i] = (unsigned char)(i * 7 + i / 251);
    ok(bl_conn_write(c, buf, MUCH, &n));
    CHECK_EQ(n, MUCH);
    free(buf);
    ok(bl_conn_close_write(c));
}

static void
check_much(bl_conn *c)
{
    unsigned char *buf = malloc(MUCH + 1);
    size_t n;

    CHECK(bl_conn_read_full(c, buf, MUCH + 1, &n) == bl_err_unexpected_eof);
    CHECK_EQ(n, MUCH);
    for (size_t i = 0; i < MUCH; i++)
        CHECK(buf[i] == (unsigned char)(i * 7 + i / 251));
    free(buf);
}

static void
NET_much(void)
{
    struct pair p = tcp_pair();

    bl_go(send_much, p.a);
    check_much(p.b);
    drop(p);
}

static void
copy_all(bl_conn *to, bl_conn *from)
{
    size_t n;

    ok(bl_conn_copy(to, from, SIZE_MAX, &n));
    CHECK_EQ(n, MUCH);
    ok(bl_conn_close_write(to));
}

static void
NET_copy(void)
{
    struct pair p = tcp_pair(), q = tcp_pair();
    bl_conn *u[2];

    bl_go(send_much, p.a);
    bl_go(copy_all, q.a, p.b); /* splice */
    check_much(q.b);
    drop(p);
    drop(q);
    p = tcp_pair();
    ok(bl_conn_pair(u));
    bl_go(send_much, p.a);
    bl_go(copy_all, u[0], p.b); /* by hand */
    check_much(u[1]);
    drop(p);
    bl_conn_release(u[0]);
    bl_conn_release(u[1]);
}

static void
send_file(bl_conn *c, int fd)
{
    size_t n;

    ok(bl_conn_send_file(c, fd, 0, SIZE_MAX, &n));
    CHECK_EQ(n, MUCH);
    ok(bl_conn_close_write(c));
    close(fd);
}

static void
NET_send_file(void)
{
    struct pair p = tcp_pair();
    char path[] = "/tmp/net_testXXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    unlink(path);
    for (size_t i = 0; i < MUCH; i += 1 << 16) {
        unsigned char part[1 << 16];

        for (size_t j = 0; j < sizeof part; j++)
            part[j] = (unsigned char)((i + j) * 7 + (i + j) / 251);
        CHECK_EQ(write(fd, part, sizeof part), sizeof part);
    }
    bl_go(send_file, p.a, fd);
    check_much(p.b);
    drop(p);
}

/* Writes of several goroutines are not mixed. */
static void
write_block(bl_conn *c, char letter, bl_waitgroup *wg)
{
    char *block = malloc(1 << 20);

    memset(block, letter, 1 << 20);
    ok(bl_conn_write(c, block, 1 << 20, NULL));
    free(block);
    bl_waitgroup_done(wg);
}

static void
NET_writes_are_whole(void)
{
    struct pair p = tcp_pair();
    char *block = malloc(1 << 20);
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 4);
    for (int i = 0; i < 4; i++)
        bl_go(write_block, p.a, (char)('a' + i), &wg);
    for (int i = 0; i < 4; i++) {
        ok(bl_conn_read_full(p.b, block, 1 << 20, NULL));
        for (int j = 1; j < 1 << 20; j++)
            CHECK(block[j] == block[0]);
    }
    bl_waitgroup_wait(&wg);
    free(block);
    drop(p);
}

static void
NET_vectors(void)
{
    struct pair p = tcp_pair();
    struct iovec out[40], in[2];
    char head[3], rest[200];
    size_t n;

    for (int i = 0; i < 40; i++)
        out[i] = (struct iovec){"abcd", (size_t)(i % 5)};
    ok(bl_conn_writev(p.a, out, 40, &n));
    CHECK_EQ(n, 80);
    in[0] = (struct iovec){head, sizeof head};
    in[1] = (struct iovec){rest, sizeof rest};
    ok(bl_conn_readv(p.b, in, 2, &n));
    CHECK(n > 3 && memcmp(head, "aab", 3) == 0 && memcmp(rest, "abc", 3) == 0);
    drop(p);
}

/* A read that gets less than it could take has emptied the socket, and the next one is
 * not tried: but behind urgent data there may be more.  Nothing comes later that would
 * wake who waits for it. */
static void
NET_urgent_data(void)
{
    struct pair p = tcp_pair();
    bl_waitgroup wg = {0};
    char buf[64];
    size_t n, got = 0;

    bl_waitgroup_add(&wg, 1);
    bl_go(echo_and_tell, p.b, &wg);
    for (int i = 0; i < 8; i++) { /* until reads are spared */
        ok(bl_conn_write(p.a, "word", 4, NULL));
        ok(bl_conn_read_full(p.a, buf, 4, NULL));
    }
    bl_sleep(BL_MILLISECOND);
    CHECK_EQ(send(bl_conn_fd(p.a), "abcX", 4, MSG_OOB), 4);
    CHECK_EQ(send(bl_conn_fd(p.a), "def", 3, 0), 3);
    ok(bl_conn_set_read_deadline(p.a, bl_now() + 20 * BL_SECOND));
    while (got < 6) {
        ok(bl_conn_read(p.a, buf + got, sizeof buf - got, &n));
        got += n;
    }
    CHECK(got == 6 && memcmp(buf, "abcdef", 6) == 0); /* X is elsewhere */
    bl_conn_release(p.a);
    bl_waitgroup_wait(&wg);
}

/* --- other networks ------------------------------------------------------------------------- */

static void
NET_udp(void)
{
    bl_conn *a, *b, *c;
    bl_addr from;
    char buf[16], where[BL_ADDR_TEXT];
    size_t n;

    ok(bl_listen_packet("udp", "127.0.0.1:0", &a));
    ok(bl_listen_packet("udp", "127.0.0.1:0", &b));
    ok(bl_conn_write_to(a, "hello", 5, bl_conn_local(b)));
    ok(bl_conn_read_from(b, buf, sizeof buf, &n, &from));
    CHECK_EQ(n, 5);
    CHECK(bl_addr_equal(&from, bl_conn_local(a)));
    ok(bl_conn_write_to(b, "", 0, &from)); /* an empty one is no end */
    ok(bl_conn_read(a, buf, sizeof buf, &n));
    CHECK_EQ(n, 0);
    bl_addr_text(bl_conn_local(a), where, sizeof where);
    ok(bl_dial("udp", where, &c));
    ok(bl_conn_write(c, "connected", 9, NULL));
    ok(bl_conn_read_from(a, buf, sizeof buf, &n, &from));
    CHECK_EQ(n, 9);
    bl_conn_release(a);
    bl_sleep(BL_MILLISECOND);
    ok(bl_conn_write(c, "x", 1, NULL));
    CHECK(strstr(text_of(bl_conn_read(c, buf, 1, &n)), ": read: connection refused"));
    bl_conn_release(b);
    bl_conn_release(c);
}

static void
NET_unix(void)
{
    char path[64], where[BL_ADDR_TEXT], text[256];
    bl_listener *l;
    bl_waitgroup wg = {0};
    struct pair p;

    snprintf(path, sizeof path, "unix:/tmp/net_test.%d", (int)getpid());
    l = listen_at("unix", path, where);
    CHECK_STR(where, path);
    bl_waitgroup_add(&wg, 1);
    bl_go(accept_into, l, &p.b, &wg);
    ok(bl_dial("tcp", path, &p.a)); /* the address says what it is */
    bl_waitgroup_wait(&wg);
    CHECK_STR(bl_conn_network(p.a), "unix");
    bl_go(send_much, p.a);
    check_much(p.b);
    drop(p);
    bl_listener_release(l);
    CHECK(access(path + 5, F_OK) != 0); /* the path is gone */
    snprintf(text, sizeof text, "dial unix %s: connect: no such file or directory", path + 5);
    CHECK_STR(text_of(bl_dial("unix", path, &p.a)), text);
    snprintf(path, sizeof path, "@net_test.%d", (int)getpid());
    l = listen_at("unix", path, where);
    ok(bl_dial("unix", where, &p.a));
    bl_conn_release(p.a);
    bl_listener_release(l);
}

static void
NET_pass_descriptors(void)
{
    bl_conn *u[2], *r;
    int fds[2], got[1];
    size_t n, count;
    char buf[8];

    ok(bl_conn_pair(u));
    CHECK_EQ(pipe(fds), 0);
    ok(bl_conn_send_fds(u[0], "two", 3, fds, 2));
    ok(bl_conn_recv_fds(u[1], buf, sizeof buf, &n, got, 1, &count));
    CHECK_EQ(n, 3);
    CHECK_EQ(count, 1); /* the other one was closed */
    close(fds[0]);
    CHECK_EQ(write(fds[1], "piped", 5), 5);
    close(fds[1]);
    ok(bl_conn_adopt(got[0], &r));
    ok(bl_conn_read(r, buf, sizeof buf, &n));
    CHECK_EQ(n, 5);
    CHECK(bl_conn_read(r, buf, sizeof buf, &n) == bl_err_eof);
    bl_conn_release(r);
    bl_conn_release(u[0]);
    CHECK(bl_conn_recv_fds(u[1], buf, sizeof buf, &n, got, 1, &count) == bl_err_eof);
    bl_conn_release(u[1]);
}

static void
feed(bl_conn *c, const char *text)
{
    bl_sleep(BL_MILLISECOND);
    ok(bl_conn_write(c, text, strlen(text), NULL));
    bl_conn_release(c);
}

static void
NET_adopt(void)
{
    int fds[2], file = open("/dev/zero", O_RDONLY);
    bl_conn *r, *w, *e;
    char buf[16];
    uint64_t count;
    size_t n;

    CHECK_EQ(pipe(fds), 0);
    ok(bl_conn_adopt(fds[0], &r));
    ok(bl_conn_adopt(fds[1], &w));
    bl_go(feed, w, "through a pipe");
    ok(bl_conn_read_full(r, buf, 14, NULL));
    CHECK(bl_conn_read(r, buf, 1, &n) == bl_err_eof);
    bl_conn_release(r);
    CHECK_EQ(pipe(fds), 0);
    close(fds[0]);
    ok(bl_conn_adopt(fds[1], &w));
    CHECK_EQ(errno_of(bl_conn_write(w, "x", 1, NULL)), EPIPE); /* no signal */
    bl_conn_release(w);
    ok(bl_conn_adopt(eventfd(0, EFD_CLOEXEC), &e));
    bl_go(feed, bl_conn_retain(e), "12345678");
    ok(bl_conn_read(e, &count, sizeof count, &n));
    bl_conn_release(e);
    ok(bl_conn_adopt(file, &r));
    ok(bl_conn_read(r, buf, sizeof buf, &n));
    CHECK_EQ(n, sizeof buf);
    bl_conn_release(r);
    CHECK(strstr(text_of(bl_conn_adopt(-1, &r)), "bad file descriptor"));
}

/* --- shortage --------------------------------------------------------------------------------- */

static void
give_back(const int *fds, int n)
{
    bl_sleep(20 * BL_MILLISECOND);
    for (int i = 0; i < n; i++)
        close(fds[i]);
}

/* Which takes a connection out of the queue before it finds out that there is no
 * descriptor for it. */
static bool
under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded && strstr(preloaded, "vgpreload");
}

/* No descriptors left: accept goes on when there are some again. */
static void
NET_accept_in_shortage(void)
{
    struct rlimit old, few;
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_conn *c, *d;
    int fds[64], n = 0, last = dup(0);

    ok(bl_dial("tcp", where, &c));
    bl_sleep(BL_MILLISECOND);
    getrlimit(RLIMIT_NOFILE, &old);
    few = old;
    few.rlim_cur = (rlim_t)last + 32;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 64 && (fds[n] = dup(0)) >= 0)
        n++;
    CHECK(n > 0 && n < 64);
    CHECK(strstr(text_of(bl_dial("tcp", where, &d)), ": socket: too many open files"));
    CHECK(is(bl_listener_accept_until(l, bl_now() + 7 * BL_MILLISECOND, &d),
                      bl_err_timeout));
    bl_go(give_back, fds, n);
    ok(bl_listener_accept(l, &d));
    setrlimit(RLIMIT_NOFILE, &old);
    close(last);
    bl_conn_release(c);
    bl_conn_release(d);
    bl_listener_release(l);
}

/* --- addresses --------------------------------------------------------------------------------- */

static const char *
parsed(const char *network, const char *address)
{
    static char text[BL_ADDR_TEXT];
    bl_addr addr;
    bl_error *err = bl_addr_parse(network, address, &addr);

    if (err)
        return text_of(err);
    bl_addr_text(&addr, text, sizeof text);
    return text;
}

static void
NET_addresses(void)
{
    CHECK_STR(parsed("tcp", "127.0.0.1:80"), "127.0.0.1:80");
    CHECK_STR(parsed("tcp", "[::1]:80"), "[::1]:80");
    CHECK_STR(parsed("tcp", "[2001:DB8::0:1]:0"), "[2001:db8::1]:0");
    CHECK_STR(parsed("tcp", "[::ffff:1.2.3.4]:5"), "1.2.3.4:5");
    CHECK_STR(parsed("tcp", ":80"), "[::]:80");
    CHECK_STR(parsed("tcp4", ":80"), "0.0.0.0:80");
    CHECK_STR(parsed("tcp", "unix:/a/b"), "unix:/a/b");
    CHECK_STR(parsed("unix", "/a/b"), "unix:/a/b");
    CHECK_STR(parsed("unix", "@name"), "unix:@name");
    CHECK_STR(parsed("tcp", "1.2.3.4"), "address 1.2.3.4: missing port in address");
    CHECK_STR(parsed("tcp", "::1:80"), "address ::1:80: too many colons in address");
    CHECK_STR(parsed("tcp", "[::1"), "address [::1: missing ']' in address");
    CHECK_STR(parsed("tcp", "[::1]"), "address [::1]: missing port in address");
    CHECK_STR(parsed("tcp", "[::1]x:1"), "address [::1]x:1: missing port in address");
    CHECK_STR(parsed("tcp", "1.2.3.4:99999"), "address 99999: invalid port");
    CHECK_STR(parsed("tcp", "1.2.3.4:-1"), "address -1: invalid port");
    CHECK_STR(parsed("tcp", "1.2.3.4:nosuch"), "lookup tcp/nosuch: unknown port");
    CHECK_STR(parsed("tcp", "somewhere:80"), "invalid IP address: somewhere");
    CHECK_STR(parsed("tcp4", "[::1]:80"), "address ::1: no suitable address found");
    CHECK_STR(parsed("smoke", "x"), "unknown network smoke");
}

static void
NET_errors_of_dial(void)
{
    char where[BL_ADDR_TEXT], want[256];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    const bl_net_error *e;
    bl_error *err;
    bl_conn *c;

    bl_listener_release(l);
    snprintf(want, sizeof want, "dial tcp %s: connect: connection refused", where);
    err = bl_dial("tcp", where, &c);
    e = bl_error_as(err, &bl_net_error_kind);
    CHECK(e && !c);
    CHECK_STR(e->op, "dial");
    CHECK_STR(e->address, where);
    CHECK(!e->source);
    CHECK_EQ(bl_error_errno(err), ECONNREFUSED);
    CHECK_STR(text_of(err), want);
    CHECK_STR(text_of(bl_dial("smoke", "x:1", &c)), "dial smoke: unknown network smoke");
    CHECK_STR(text_of(bl_dial("tcp", "x", &c)),
              "dial tcp: address x: missing port in address");
    err = bl_dial("tcp", "host.invalid:1", &c);
    CHECK(strncmp(text_of(err), "dial tcp: lookup host.invalid", 29) == 0);
    l = listen_at("tcp", "127.0.0.1:0", where);
    snprintf(want, sizeof want, "listen tcp %s: bind: address already in use", where);
    bl_listener *again;
    CHECK_STR(text_of(bl_listen("tcp", where, &again)), want);
    bl_listener_release(l);
}

/* Both families: localhost listens on one only. */
static void
NET_dial_by_name(void)
{
    char where[BL_ADDR_TEXT], name[64];
    bl_listener *l = listen_at("tcp4", "127.0.0.1:0", where);
    bl_conn *c;

    snprintf(name, sizeof name, "localhost:%d", bl_addr_port(bl_listener_addr(l)));
    ok(bl_dial("tcp", name, &c));
    CHECK_EQ(bl_addr_port(bl_conn_remote(c)), bl_addr_port(bl_listener_addr(l)));
    bl_conn_release(c);
    bl_listener_release(l);
}

/* --- who looks ----------------------------------------------------------------------------------- */

static void *
plain_echo(void *arg)
{
    echo(arg);
    return NULL;
}

/* Plain threads, and nobody else awake. */
static void
NET_plain_threads(void)
{
    struct pair p = tcp_pair(), q = tcp_pair();
    char buf[8];
    pthread_t t[2];

    pthread_create(&t[0], NULL, plain_echo, p.b);
    pthread_create(&t[1], NULL, plain_echo, q.b);
    for (int i = 0; i < 100; i++) {
        ok(bl_conn_write(i % 2 ? p.a : q.a, "12345678", 8, NULL));
        ok(bl_conn_read_full(i % 2 ? p.a : q.a, buf, 8, NULL));
    }
    bl_conn_release(p.a);
    pthread_join(t[0], NULL); /* main is away */
    bl_conn_release(q.a);
    pthread_join(t[1], NULL);
}

static _Atomic bool answered;

static void
answer(bl_conn *c)
{
    char buf[8];
    size_t n;

    ok(bl_conn_read(c, buf, sizeof buf, &n));
    answered = true;
}

/* Not with threads where ThreadSanitizer is, which has none behind a fork, nor under
 * qemu, whose user mode breaks an assertion of its own. */
static bool
can_fork(void)
{
#ifdef __SANITIZE_THREAD__
    return false;
#else
    return !getenv("BELAY_TEST_NO_FORK");
#endif
}

/* The only P computes: the monitor looks.  In a process without other threads, one of
 * which might sleep in the poller. */
static void
compute(void)
{
    int64_t began = bl_now();
    struct pair p;

    bl_gomaxprocs(1);
    p = tcp_pair();
    answered = false;
    bl_go(answer, p.b);
    bl_sleep(BL_MILLISECOND);
    ok(bl_conn_write(p.a, "x", 1, NULL));
    while (!answered && bl_now() - began < 20 * BL_SECOND)
        for (int i = 0; i < 1000; i++)
            __asm__ volatile("");
    CHECK(answered);
}

static void
NET_all_compute(void)
{
    in_child(compute);
    CHECK_STR(ended.err, "");
    CHECK_EQ(ended.status, 0);
}

static void *
send_from_outside(void *c)
{
    usleep(20000);
    bl_chan_send(c, &(int){7});
    return NULL;
}

/* The only thread sleeps in the poller; work comes from elsewhere. */
static void
work_for_the_poller(void)
{
    bl_chan *c = bl_chan_new(sizeof(int), 0);
    struct pair p;
    pthread_t t;
    int got = 0;

    bl_gomaxprocs(1);
    p = tcp_pair();
    bl_go(answer, p.b);
    CHECK_EQ(pthread_create(&t, NULL, send_from_outside, c), 0);
    alarm(5);
    CHECK_EQ(bl_chan_recv(c, &got), true);
    CHECK_EQ(got, 7);
}

static void
NET_work_for_the_poller(void)
{
    in_child(work_for_the_poller);
    CHECK_STR(ended.err, "");
    CHECK_EQ(ended.status, 0);
}

/* Waiting for I/O is no deadlock: it ends by the alarm, not with a report. */
static void
wait_for_ever(void)
{
    struct pair p = tcp_pair();
    char buf[1];
    size_t n;

    alarm(1);
    bl_conn_read(p.a, buf, 1, &n);
}

static void
NET_no_deadlock(void)
{
    in_child(wait_for_ever);
    CHECK_EQ(ended.status, 128 + SIGALRM);
    CHECK_STR(ended.err, "");
}

/* A child has a poller of its own: the parent's events are not lost to it. */
static void
NET_fork(void)
{
    struct pair p = tcp_pair();
    char buf[8];
    size_t n;

    ok(bl_conn_set_deadline(p.a, bl_now() + BL_MILLISECOND));
    bl_error_release(bl_conn_read(p.a, buf, 1, &n)); /* it is in the set */
    ok(bl_conn_set_deadline(p.a, BL_FOREVER));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        bl_conn_release(p.b);
        echo(p.a);
        _exit(0);
    }
    ok(bl_conn_set_deadline(p.b, bl_now() + 20 * BL_SECOND));
    for (int i = 0; i < 300; i++) {
        ok(bl_conn_write(p.b, "12345678", 8, NULL));
        ok(bl_conn_read_full(p.b, buf, 8, NULL));
    }
    ok(bl_conn_close_write(p.b));
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    drop(p);
}

/* --- buffers ---------------------------------------------------------------------------------------- */

/* One byte at a time, and an end. */
static bl_error *
drip(void *from, void *buf, size_t size, size_t *n)
{
    const char **at = from;

    *n = 0;
    if (!**at)
        return bl_err_eof;
    CHECK(size > 0);
    *(char *)buf = *(*at)++;
    *n = 1;
    return NULL;
}

static void
IO_lines(void)
{
    const char *text = "one\r\ntwo\n\na line that is too long\nlast", *line;
    bl_reader *r = bl_reader_new(drip, &text, 16);
    size_t n;
    char *copy;
    bl_error *err;

    ok(bl_reader_line(r, &line, &n));
    CHECK(n == 3 && memcmp(line, "one", 3) == 0);
    ok(bl_reader_line(r, &line, &n));
    CHECK(n == 3 && memcmp(line, "two", 3) == 0);
    ok(bl_reader_line(r, &line, &n));
    CHECK_EQ(n, 0);
    CHECK(bl_reader_line(r, &line, &n) == bl_err_buffer_full);
    CHECK_EQ(n, 16);
    ok(bl_reader_line_copy(r, 100, &copy, &n));
    CHECK_STR(copy, "oo long");
    free(copy);
    ok(bl_reader_line(r, &line, &n));
    CHECK(n == 4 && memcmp(line, "last", 4) == 0);
    CHECK(bl_reader_line(r, &line, &n) == bl_err_eof);
    text = "a line that is too long\nnot";
    ok(bl_reader_line_copy(r, 100, &copy, &n));
    CHECK_STR(copy, "a line that is too long");
    free(copy);
    text = "a line that is too long for that";
    bl_reader_reset(r, drip, &text);
    err = bl_reader_line_copy(r, 20, &copy, &n);
    CHECK(err == bl_err_buffer_full && !copy);
    bl_reader_free(r);
}

static void
IO_peek_and_limits(void)
{
    const char *text = "0123456789abcdefghijklmnopqrstuvwxyz";
    bl_reader *r = bl_reader_new(drip, &text, 16);
    const void *data;
    char buf[64];
    unsigned char byte;
    void *all;
    size_t n;

    ok(bl_reader_peek(r, 4, &data));
    CHECK(memcmp(data, "0123", 4) == 0);
    ok(bl_reader_byte(r, &byte));
    CHECK_EQ(byte, '0');
    ok(bl_reader_skip(r, 9));
    bl_reader_set_limit(r, 5);
    ok(bl_reader_peek(r, 5, &data));
    CHECK(bl_reader_peek(r, 6, &data) == bl_err_eof);
    CHECK_EQ(bl_reader_buffered(r), 5);
    CHECK(bl_reader_read_full(r, buf, 6, &n) == bl_err_unexpected_eof);
    CHECK(n == 5 && memcmp(buf, "abcde", 5) == 0);
    CHECK(bl_reader_read(r, buf, 6, &n) == bl_err_eof);
    CHECK_EQ(bl_reader_limit(r), 0);
    bl_reader_set_limit(r, SIZE_MAX);
    ok(bl_read_all(r, 100, &all, &n));
    CHECK_STR((char *)all, "fghijklmnopqrstuvwxyz");
    free(all);
    text = "more than that";
    CHECK(bl_read_all(r, 5, &all, &n) == bl_err_buffer_full);
    bl_reader_free(r);
}

struct sink {
    char buf[256];
    size_t n, room;
};

static bl_error *
pour(void *to, const void *buf, size_t size, size_t *n)
{
    struct sink *s = to;

    *n = size < s->room - s->n ? size : s->room - s->n;
    memcpy(s->buf + s->n, buf, *n);
    s->n += *n;
    return *n < size ? bl_error_from_errno(ENOSPC) : NULL;
}

static void
IO_writers(void)
{
    struct sink s = {.room = 64};
    bl_writer *w = bl_writer_new(pour, &s, 16);
    const char *text = "copied";
    bl_reader *r = bl_reader_new(drip, &text, 0);
    uint64_t n;

    ok(bl_writer_string(w, "0123456789"));
    CHECK_EQ(s.n, 0);
    CHECK_EQ(bl_writer_available(w), 6);
    bl_writer_printf(w, "%d-%s", 42, "a longer text than that");
    ok(bl_writer_byte(w, '!'));
    ok(bl_copy(w, r, &n));
    CHECK_EQ(n, 6);
    s.buf[s.n] = '\0';
    CHECK_STR(s.buf, "012345678942-a longer text than that!copied");
    bl_writer_printf(w, "%60s", "x");
    CHECK_EQ(errno_of(bl_writer_flush(w)), ENOSPC);
    CHECK_EQ(errno_of(bl_writer_byte(w, 'x')), ENOSPC); /* it stays */
    bl_writer_free(w);
    bl_reader_free(r);
}

int
main(void)
{
    RUN(NET_echo_many);
    RUN(NET_half_close);
    RUN(NET_close_wakes_readers);
    RUN(NET_release_during_read);
    RUN(NET_release_at_the_end);
    RUN(NET_release_during_more);
    RUN(NET_close_wakes_accept);
    RUN(NET_reset);
    RUN(NET_deadlines);
    RUN(NET_deadline_of_a_wait);
    RUN(NET_write_deadline);
    RUN(NET_until_and_contexts);
    RUN(NET_much);
    RUN(NET_copy);
    RUN(NET_send_file);
    RUN(NET_writes_are_whole);
    RUN(NET_vectors);
    RUN(NET_urgent_data);
    RUN(NET_udp);
    RUN(NET_unix);
    RUN(NET_pass_descriptors);
    RUN(NET_adopt);
    if (!under_valgrind())
        RUN(NET_accept_in_shortage);
    RUN(NET_addresses);
    RUN(NET_errors_of_dial);
    RUN(NET_dial_by_name);
    RUN(NET_plain_threads);
    if (can_fork()) {
        RUN(NET_all_compute);
        RUN(NET_work_for_the_poller);
        RUN(NET_no_deadlock);
        RUN(NET_fork);
    }
    RUN(IO_lines);
    RUN(IO_peek_and_limits);
    RUN(IO_writers);
    return 0;
}
