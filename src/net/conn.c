/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/conn.c - connections: reading, writing, settings, the end.
 *
 * Each call takes its turn, tries (fd.c), makes an error of what it has got while the
 * connection is still there, and leaves. */
#define _GNU_SOURCE
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 30, FEW_PARTS = 16 };

struct bl__limit
bl__limit_ctx(bl_context *ctx)
{
    return (struct bl__limit){{BL_FOREVER, bl_context_channel(ctx)}, ctx};
}

/* --- make --------------------------------------------------------------------------- */

void
bl__conn_pin(bl_conn *c)
{
    atomic_fetch_add_explicit(&c->pins, 1, memory_order_relaxed);
}

void
bl__conn_unpin(bl_conn *c)
{
    /* acq_rel: what the others did with c comes before its end */
    if (atomic_fetch_sub_explicit(&c->pins, 1, memory_order_acq_rel) == 1)
        free(c);
}

static void
free_conn(struct bl__fd *fd)
{
    bl__conn_unpin((bl_conn *)fd);
}

static bl_conn *
make_conn(int number, const char *network, bool is_socket, bool can_wait)
{
    bl_conn *c = calloc(1, sizeof *c);

    if (!c || bl__fd_init(&c->fd, number, can_wait, free_conn) < 0) {
        free(c);
        return NULL;
    }
    c->refs = 1;
    c->pins = 1;
    c->network = network;
    c->is_socket = is_socket;
    c->is_tcp = strcmp(network, "tcp") == 0;
    c->has_end = strcmp(network, "udp") != 0 && strcmp(network, "unixgram") != 0;
    return c;
}

bl_conn *
bl__conn_make(int number, const char *network, bool is_socket)
{
    return make_conn(number, network, is_socket, true);
}

/* Returns -ENOTSOCK for what is no socket. */
static int
look_at_socket(int number, const char **network, bl_addr *remote)
{
    int type, family;
    socklen_t n = sizeof type;

    if (getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &n) != 0)
        return (int)bl__last_error();
    n = sizeof family;
    if (getsockopt(number, SOL_SOCKET, SO_DOMAIN, &family, &n) != 0)
        return (int)bl__last_error();
    *network = bl__network_name(family, type);
    remote->length = sizeof remote->name;
    if (getpeername(number, &remote->name.any, &remote->length) != 0)
        remote->length = 0;
    remote->type = type;
    return 0;
}

bl_error *
bl_conn_adopt(int number, bl_conn **c)
{
    const char *network = "file";
    bl_addr remote = {0};
    int flags = fcntl(number, F_GETFL), error = look_at_socket(number, &network, &remote);

    *c = NULL;
    if (flags < 0 || (error && error != -ENOTSOCK) ||
        (!(flags & O_NONBLOCK) && fcntl(number, F_SETFL, flags | O_NONBLOCK) < 0))
        return bl__net_error("adopt", "file", NULL, NULL,
                             bl__net_cause(flags < 0 ? -EBADF : error ? error : bl__last_error(),
                                           "fcntl", NULL));
    *c = make_conn(number, network, error == 0, true);
    if (!*c)
        return bl_error_from_errno(ENOMEM);
    (*c)->remote = remote;
    bl__fd_share(&(*c)->fd);
    return NULL;
}

bl_error *
bl_conn_pair(bl_conn *pair[2])
{
    int numbers[2];

    pair[0] = pair[1] = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, numbers) != 0)
        return bl__net_cause(bl__last_error(), "socketpair", NULL);
    pair[0] = bl__conn_make(numbers[0], "unix", true);
    pair[1] = bl__conn_make(numbers[1], "unix", true);
    if (pair[0] && pair[1])
        return NULL;
    for (int i = 0; i < 2; i++) {
        if (!pair[i])
            close(numbers[i]);
        bl_conn_release(pair[i]);
        pair[i] = NULL;
    }
    return bl_error_from_errno(ENOMEM);
}

/* --- errors --------------------------------------------------------------------------- */

static bl_error *
fail(bl_conn *c, const char *op, const char *call, ssize_t result,
     const struct bl__limit *limit)
{
    return bl__net_error(op, c->network, bl_conn_local(c), &c->remote,
                         bl__net_cause(result, call, limit ? limit->ctx : NULL));
}

/* Of a context that has ended before anything was tried. */
static bool
has_ended(const struct bl__limit *limit)
{
    return BL__UNLIKELY(limit && limit->ctx && bl_context_err(limit->ctx));
}

/* --- reading and writing ---------------------------------------------------------------- */

/* What is to be done, and with what. */
struct transfer {
    bl_conn *c;
    const char *op, *call;       /* for errors */
    enum bl__direction d;
    ssize_t (*attempt)(int number, void *arg); /* with this struct */
    const struct bl__limit *limit;
    void *buf;
    size_t size;
    const struct iovec *parts;
    int count;
    struct msghdr *message;
    int flags;
};

/* Once, with the turn. */
static ssize_t
attempt(struct transfer *x)
{
    if (has_ended(x->limit))
        return BL__CANCELED;
    return bl__fd_try(&x->c->fd, x->d, bl__limit_bound(x->limit), x->attempt, x);
}

/* Takes the turn, and calls body(x, &done), which returns 0 or a negative result. */
static bl_error *
in_turn(struct transfer *x, ssize_t (*body)(struct transfer *x, size_t *done), size_t *done)
{
    enum bl__entered in = bl__fd_enter(&x->c->fd, x->d);
    bl_error *err = NULL;
    ssize_t r = in == BL__IN ? body(x, done) : BL__CLOSED;

    if (BL__UNLIKELY(r < 0))
        err = fail(x->c, x->op, x->call, r, x->limit);
    if (BL__LIKELY(in == BL__IN))
        bl__fd_leave(&x->c->fd, x->d);
    else if (in == BL__IN_CLOSED)
        bl__fd_unuse(&x->c->fd);
    return err;
}

static ssize_t
once(struct transfer *x, size_t *done)
{
    ssize_t r = attempt(x);

    if (r < 0)
        return r;
    if (r > 0 && (size_t)r < x->size && x->c->is_tcp)
        bl__fd_is_drained(&x->c->fd);
    bl__fd_moved(&x->c->fd, BL__READS, (size_t)r);
    *done = (size_t)r;
    return 0;
}

static ssize_t
try_read(int number, void *arg)
{
    const struct transfer *x = arg;
    ssize_t r = read(number, x->buf, x->size < MOST_BYTES ? x->size : MOST_BYTES);

    return bl__result(r);
}

/* Behind its turn c may be gone. */
static bl_error *
read_limited(bl_conn *c, void *buf, size_t size, const struct bl__limit *limit, size_t *n)
{
    struct transfer x = {.c = c, .op = "read", .call = "read", .d = BL__READS,
                         .attempt = try_read, .limit = limit, .buf = buf, .size = size};
    bool has_end = c->has_end;
    bl_error *err;

    *n = 0;
    if (size == 0 && has_end)
        return NULL;
    err = in_turn(&x, once, n);
    return !err && *n == 0 && has_end ? bl_err_eof : err;
}

bl_error *
bl_conn_read(bl_conn *c, void *buf, size_t size, size_t *n)
{
    return read_limited(c, buf, size, NULL, n);
}

bl_error *
bl_conn_read_until(bl_conn *c, void *buf, size_t size, int64_t until, size_t *n)
{
    struct bl__limit limit = bl__limit_until(until);

    return read_limited(c, buf, size, &limit, n);
}

bl_error *
bl_conn_read_ctx(bl_context *ctx, bl_conn *c, void *buf, size_t size, size_t *n)
{
    struct bl__limit limit = bl__limit_ctx(ctx);

    return read_limited(c, buf, size, &limit, n);
}

static ssize_t
fill(struct transfer *x, size_t *done)
{
    while (x->size > 0) {
        size_t got = 0;
        ssize_t r = once(x, &got);

        if (r < 0)
            return r;
        if (got == 0 && x->c->has_end)
            break;
        *done += got;
        x->buf = (char *)x->buf + got;
        x->size -= got;
    }
    return 0;
}

bl_error *
bl_conn_read_full(bl_conn *c, void *buf, size_t size, size_t *n)
{
    struct transfer x = {.c = c, .op = "read", .call = "read", .d = BL__READS,
                         .attempt = try_read, .buf = buf, .size = size};
    size_t got = 0;
    bl_error *err = size == 0 ? NULL : in_turn(&x, fill, &got);

    if (n)
        *n = got;
    if (err || got == size)
        return err;
    return got > 0 ? bl_err_unexpected_eof : bl_err_eof;
}

static ssize_t
try_readv(int number, void *arg)
{
    const struct transfer *x = arg;
    ssize_t r = readv(number, x->parts, x->count < IOV_MAX ? x->count : IOV_MAX);

    return bl__result(r);
}

bl_error *
bl_conn_readv(bl_conn *c, const struct iovec *parts, int count, size_t *n)
{
    struct transfer x = {.c = c, .op = "read", .call = "readv", .d = BL__READS,
                         .attempt = try_readv, .parts = parts, .count = count};
    size_t size = 0;
    bool has_end = c->has_end;
    bl_error *err;

    *n = 0;
    for (int i = 0; i < count; i++)
        size |= parts[i].iov_len;
    if (size == 0 && has_end)
        return NULL;
    err = in_turn(&x, once, n);
    return !err && *n == 0 && has_end ? bl_err_eof : err;
}

void
bl__sigpipe_hold(struct bl__sigpipe *held)
{
    sigset_t pipe, pending;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    held->was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &held->old);
}

void
bl__sigpipe_let_go(const struct bl__sigpipe *held, ssize_t result)
{
    static const struct timespec now = {0, 0};
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (result == -EPIPE && !held->was_pending)
        while (sigtimedwait(&pipe, NULL, &now) < 0 && bl__last_error() == -EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &held->old, NULL);
}

static ssize_t
without_sigpipe(int number, const struct iovec *parts, int count)
{
    struct bl__sigpipe held;
    ssize_t r;

    bl__sigpipe_hold(&held);
    r = writev(number, parts, count);
    r = bl__result(r);
    bl__sigpipe_let_go(&held, r);
    return r;
}

static ssize_t
try_write(int number, void *arg)
{
    const struct transfer *x = arg;
    size_t size = x->size < MOST_BYTES ? x->size : MOST_BYTES;
    ssize_t r;

    if (!x->c->is_socket)
        return without_sigpipe(number, &(struct iovec){x->buf, size}, 1);
    r = send(number, x->buf, size, MSG_NOSIGNAL);
    return bl__result(r);
}

static ssize_t
write_all(struct transfer *x, size_t *done)
{
    do {
        ssize_t r = attempt(x);

        if (r < 0)
            return r;
        if (r == 0 && x->size > 0)
            return -EIO; /* a device that takes nothing: Go says "unexpected EOF" */
        *done += (size_t)r;
        x->buf = (char *)x->buf + r;
        x->size -= (size_t)r;
        bl__fd_moved(&x->c->fd, BL__WRITES, (size_t)r);
    } while (x->size > 0);
    return 0;
}

static bl_error *
write_limited(bl_conn *c, const void *buf, size_t size, const struct bl__limit *limit,
              size_t *n)
{
    struct transfer x = {.c = c, .op = "write", .call = "write", .d = BL__WRITES,
                         .attempt = try_write, .limit = limit, .buf = (void *)buf,
                         .size = size};
    size_t done = 0;
    bl_error *err = size == 0 && c->has_end ? NULL : in_turn(&x, write_all, &done);

    if (n)
        *n = done;
    return err;
}

bl_error *
bl_conn_write(bl_conn *c, const void *buf, size_t size, size_t *n)
{
    return write_limited(c, buf, size, NULL, n);
}

bl_error *
bl_conn_write_until(bl_conn *c, const void *buf, size_t size, int64_t until, size_t *n)
{
    struct bl__limit limit = bl__limit_until(until);

    return write_limited(c, buf, size, &limit, n);
}

bl_error *
bl_conn_write_ctx(bl_context *ctx, bl_conn *c, const void *buf, size_t size, size_t *n)
{
    struct bl__limit limit = bl__limit_ctx(ctx);

    return write_limited(c, buf, size, &limit, n);
}

static ssize_t
try_writev(int number, void *arg)
{
    const struct transfer *x = arg;
    struct msghdr m = {.msg_iov = (struct iovec *)x->parts, .msg_iovlen = (size_t)x->count};
    ssize_t r;

    if (!x->c->is_socket)
        return without_sigpipe(number, x->parts, x->count);
    r = sendmsg(number, &m, MSG_NOSIGNAL);
    return bl__result(r);
}

/* What is left of the first of `count` parts goes alone when it was cut; the others as
 * they are. */
static ssize_t
write_parts(struct transfer *x, size_t *done)
{
    const struct iovec *parts = x->parts;
    int count = x->count;
    size_t skip = 0;

    while (count > 0) {
        struct iovec few[FEW_PARTS];
        int n = count < FEW_PARTS ? count : FEW_PARTS;
        ssize_t r;

        memcpy(few, parts, (size_t)n * sizeof *few);
        few[0].iov_base = (char *)few[0].iov_base + skip;
        few[0].iov_len -= skip;
        x->parts = few;
        x->count = n;
        r = attempt(x);
        if (r < 0)
            return r;
        *done += (size_t)r;
        bl__fd_moved(&x->c->fd, BL__WRITES, (size_t)r);
        skip += (size_t)r;
        while (count > 0 && skip >= parts->iov_len) {
            skip -= parts->iov_len;
            parts++;
            count--;
        }
    }
    return 0;
}

bl_error *
bl_conn_writev(bl_conn *c, const struct iovec *parts, int count, size_t *n)
{
    struct transfer x = {.c = c, .op = "write", .call = "writev", .d = BL__WRITES,
                         .attempt = try_writev, .parts = parts, .count = count};
    size_t done = 0;
    bl_error *err = count == 0 ? NULL : in_turn(&x, write_parts, &done);

    if (n)
        *n = done;
    return err;
}

/* --- waiting --------------------------------------------------------------------------- */

static ssize_t
wait_once(struct transfer *x, size_t *done)
{
    (void)done;
    return bl__fd_poll(&x->c->fd, x->d);
}

bl_error *
bl_conn_wait_readable(bl_conn *c)
{
    struct transfer x = {.c = c, .op = "read", .call = "wait", .d = BL__READS};

    return in_turn(&x, wait_once, &(size_t){0});
}

bl_error *
bl_conn_wait_writable(bl_conn *c)
{
    struct transfer x = {.c = c, .op = "write", .call = "wait", .d = BL__WRITES};

    return in_turn(&x, wait_once, &(size_t){0});
}

/* --- settings ---------------------------------------------------------------------------- */

static bl_error *
set_option(bl_conn *c, int level, int name, const void *value, socklen_t size)
{
    bl_error *err = NULL;

    if (!bl__fd_use(&c->fd))
        return fail(c, "set", "setsockopt", BL__CLOSED, NULL);
    if (setsockopt(bl__fd_number(&c->fd), level, name, value, size) != 0)
        err = fail(c, "set", "setsockopt", bl__last_error(), NULL);
    bl__fd_unuse(&c->fd);
    return err;
}

bl_error *
bl_conn_set_no_delay(bl_conn *c, bool yes)
{
    return set_option(c, IPPROTO_TCP, TCP_NODELAY, &(int){yes}, sizeof(int));
}

bl_error *
bl_conn_set_keep_alive(bl_conn *c, int64_t ns)
{
    bl_error *err = NULL;
    int error;

    if (!bl__fd_use(&c->fd))
        return fail(c, "set", "setsockopt", BL__CLOSED, NULL);
    error = bl__tcp_keep_alive(bl__fd_number(&c->fd), ns);
    if (error)
        err = fail(c, "set", "setsockopt", error, NULL);
    bl__fd_unuse(&c->fd);
    return err;
}

bl_error *
bl_conn_set_linger(bl_conn *c, int seconds)
{
    struct linger l = {seconds >= 0, seconds >= 0 ? seconds : 0};

    return set_option(c, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

bl_error *
bl_conn_set_read_buffer(bl_conn *c, int bytes)
{
    return set_option(c, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bl_error *
bl_conn_set_write_buffer(bl_conn *c, int bytes)
{
    return set_option(c, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static bl_error *
set_deadlines(bl_conn *c, int64_t until, bool reads, bool writes)
{
    if (!bl__fd_use(&c->fd))
        return fail(c, "set", "set", BL__CLOSED, NULL);
    if (reads)
        bl__fd_set_deadline(&c->fd, BL__READS, until);
    if (writes)
        bl__fd_set_deadline(&c->fd, BL__WRITES, until);
    bl__fd_unuse(&c->fd);
    return NULL;
}

bl_error *
bl_conn_set_deadline(bl_conn *c, int64_t until)
{
    return set_deadlines(c, until, true, true);
}

bl_error *
bl_conn_set_read_deadline(bl_conn *c, int64_t until)
{
    return set_deadlines(c, until, true, false);
}

bl_error *
bl_conn_set_write_deadline(bl_conn *c, int64_t until)
{
    return set_deadlines(c, until, false, true);
}

/* --- look ----------------------------------------------------------------------------------- */

/* Asked for when somebody wants to know: a server mostly does not. */
const bl_addr *
bl_conn_local(const bl_conn *conn)
{
    bl_conn *c = (bl_conn *)conn;

    /* acquire: pairs with the release below */
    if (atomic_load_explicit(&c->has_local, memory_order_acquire))
        return &c->local;
    bl__lock(&c->lock);
    if (!atomic_load_explicit(&c->has_local, memory_order_relaxed)) {
        c->local.length = sizeof c->local.name;
        c->local.type = c->remote.type;
        if (!bl__fd_use(&c->fd)) {
            c->local.length = 0;
        } else {
            if (getsockname(bl__fd_number(&c->fd), &c->local.name.any,
                            &c->local.length) != 0)
                c->local.length = 0;
            bl__fd_unuse(&c->fd);
        }
        atomic_store_explicit(&c->has_local, true, memory_order_release);
    }
    bl__unlock(&c->lock);
    return &c->local;
}

const bl_addr *
bl_conn_remote(const bl_conn *c)
{
    return &c->remote;
}

const char *
bl_conn_network(const bl_conn *c)
{
    return c->network;
}

int
bl_conn_fd(bl_conn *c)
{
    bl__fd_share(&c->fd);
    return bl__fd_number(&c->fd);
}

/* --- the end ---------------------------------------------------------------------------------- */

bl_error *
bl_conn_close(bl_conn *c)
{
    bl_conn_local(c); /* for the errors of who comes later */
    return bl__fd_close(&c->fd) ? NULL : fail(c, "close", "close", BL__CLOSED, NULL);
}

bl_conn *
bl_conn_retain(bl_conn *c)
{
    if (c)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void
bl_conn_release(bl_conn *c)
{
    /* acq_rel: what the others did with c comes before its end */
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        bl__fd_release(&c->fd);
}
