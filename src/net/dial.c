/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/dial.c - connecting.
 *
 * Addresses are tried one after the other, each with its share of the time.  If there are
 * some of both families, those of the other one than the first are tried beside them when
 * 300 ms have passed, or when all of the first have failed (RFC 6555): by a goroutine,
 * which is called off when it has lost. */
#define _GNU_SOURCE
#include "net/conn.h"

#include <belay/chan.h>
#include <belay/go.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_ADDRESSES = 32,
    KEEP_ALIVE_PROBES = 9,
};

#define FALLBACK_NS (300 * BL_MILLISECOND)
#define LEAST_SHARE_NS (2 * BL_SECOND)
#define BACKLOG_NS BL_MILLISECOND

/* --- sockets ------------------------------------------------------------------------- */

int
bl__socket(int family, int type)
{
    int number = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return (int)bl__result(number);
}

int
bl__tcp_keep_alive(int number, int64_t ns)
{
    int yes = ns > 0, probes = KEEP_ALIVE_PROBES;
    int s = (int)((ns + BL_SECOND - 1) / BL_SECOND);

    if (setsockopt(number, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes) != 0)
        return (int)bl__last_error();
    if (yes &&
        (setsockopt(number, IPPROTO_TCP, TCP_KEEPIDLE, &s, sizeof s) != 0 ||
         setsockopt(number, IPPROTO_TCP, TCP_KEEPINTVL, &s, sizeof s) != 0 ||
         setsockopt(number, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes) != 0))
        return (int)bl__last_error();
    return 0;
}

void
bl__tcp_defaults(int number, int64_t keep_alive_ns)
{
    setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (keep_alive_ns > 0)
        bl__tcp_keep_alive(number, keep_alive_ns);
}

/* --- one address ----------------------------------------------------------------------- */

struct attempt {
    const struct bl__network *net;
    const struct bl__limit *limit;
};

static ssize_t
wait_a_little(const struct bl__limit *limit)
{
    int64_t until = bl_after_ns(BACKLOG_NS);

    if (limit->ctx && bl_sleep_ctx(BACKLOG_NS, limit->ctx) != 0)
        return BL__CANCELED;
    if (!limit->ctx)
        bl_sleep_until(until < limit->bound.until ? until : limit->bound.until);
    return limit->bound.until <= bl_now() ? BL__EXPIRED : 0;
}

/* Until it is connected connect() says EALREADY; an event may have come for nothing.  On
 * one machine it mostly is by the time that the first call returns, so there is a second
 * one before any waiting.  A Unix socket whose listener's queue is full says EAGAIN, and
 * no event follows. */
static ssize_t
connect_to(bl_conn *c, const bl_addr *addr, const struct bl__limit *limit)
{
    ssize_t r;

    if (limit->bound.until != BL_FOREVER && limit->bound.until <= bl_now())
        return BL__EXPIRED;
    for (;;) {
        if (limit->ctx && bl_context_err(limit->ctx))
            return BL__CANCELED;
        r = bl__result(connect(bl__fd_number(&c->fd), &addr->name.any, addr->length));
        if (r == 0 || r == -EISCONN)
            return 0;
        if (r == -EINPROGRESS)
            continue;
        if (r == -EAGAIN && addr->name.any.sa_family == AF_UNIX)
            r = wait_a_little(limit);
        else if (r == -EALREADY || r == -EINTR)
            r = bl__fd_wait(&c->fd, BL__WRITES, bl__limit_bound(limit));
        if (r < 0)
            return r;
    }
}

static bl_error *
dial_one(const struct attempt *a, const bl_addr *addr, bl_conn **c)
{
    int number = bl__socket(addr->name.any.sa_family, addr->type);
    ssize_t r;

    if (number < 0)
        return bl__net_error("dial", a->net->name, NULL, addr,
                             bl__net_cause(number, "socket", NULL));
    if (!a->net->is_unix && addr->type == SOCK_STREAM)
        bl__tcp_defaults(number, BL__KEEP_ALIVE_S * BL_SECOND);
    if (addr->type == SOCK_DGRAM && !a->net->is_unix)
        setsockopt(number, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int));
    *c = bl__conn_make(number, bl__network_name(addr->name.any.sa_family, addr->type), true);
    if (!*c) {
        close(number);
        return bl_error_from_errno(ENOMEM);
    }
    (*c)->remote = *addr;
    r = connect_to(*c, addr, a->limit);
    if (r == 0)
        return NULL;
    bl_conn_release(*c);
    *c = NULL;
    return bl__net_error("dial", a->net->name, NULL, addr,
                         bl__net_cause(r, "connect", a->limit->ctx));
}

/* A port nobody listens at can be connected to itself, if the kernel picks it as ours. */
static bool
is_to_itself(bl_conn *c)
{
    return c->remote.type == SOCK_STREAM && c->remote.name.any.sa_family != AF_UNIX &&
           bl_addr_equal(bl_conn_local(c), &c->remote);
}

static bl_error *
dial_honestly(const struct attempt *a, const bl_addr *addr, bl_conn **c)
{
    bl_error *err = dial_one(a, addr, c);

    for (int i = 0; i < 2 && !err && is_to_itself(*c); i++) {
        bl_conn_release(*c);
        err = dial_one(a, addr, c);
    }
    return err;
}

/* --- several, one after the other ------------------------------------------------------- */

/* A share of the time that is left, but not less than is of use. */
static int64_t
share(int64_t until, size_t left)
{
    int64_t now, ns;

    if (until == BL_FOREVER)
        return until;
    now = bl_now();
    if (until <= now)
        return until;
    ns = (until - now) / (int64_t)left;
    if (ns < LEAST_SHARE_NS)
        ns = until - now < LEAST_SHARE_NS ? until - now : LEAST_SHARE_NS;
    return now + ns;
}

static int64_t
end_of(const struct bl__limit *limit)
{
    int64_t until = limit->bound.until;
    int64_t end = limit->ctx ? bl_context_deadline(limit->ctx) : BL_FOREVER;

    return end < until ? end : until;
}

/* Returns the first error, as Go does. */
static bl_error *
dial_serially(const struct bl__network *net, const bl_addr *addrs, size_t n,
              const struct bl__limit *limit, bl_conn **c)
{
    bl_error *first = NULL, *err;

    for (size_t i = 0; i < n; i++) {
        struct bl__limit part = *limit;
        struct attempt a = {net, &part};

        if (n > 1)
            part.bound.until = share(end_of(limit), n - i);
        err = dial_honestly(&a, &addrs[i], c);
        if (!err) {
            bl_error_release(first);
            return NULL;
        }
        if (first)
            bl_error_release(err);
        else
            first = err;
        if (limit->ctx && bl_context_err(limit->ctx))
            break;
    }
    return first;
}

/* --- two families ------------------------------------------------------------------------- */

struct result {
    bl_conn *conn;
    bl_error *err;
    bool is_primary;
};

/* What both racers have: whoever is the last one frees it. */
struct race {
    _Atomic uint32_t refs;
    const struct bl__network *net;
    bl_context *ctx;
    int64_t until;
    bl_chan *results;            /* of struct result; room for both */
    size_t counts[2];
    bl_addr addrs[2][MOST_ADDRESSES];
};

static void
leave_race(struct race *race)
{
    struct result late;

    if (atomic_fetch_sub_explicit(&race->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (bl_chan_try_recv(race->results, &late) == 1) {
        bl_conn_release(late.conn);
        bl_error_release(late.err);
    }
    bl_chan_free(race->results);
    bl_context_release(race->ctx);
    free(race);
}

static void
run(struct race *race, int which)
{
    struct bl__limit limit = bl__limit_ctx(race->ctx);
    struct result r = {.is_primary = which == 0};

    limit.bound.until = race->until;
    r.err = dial_serially(race->net, race->addrs[which], race->counts[which], &limit,
                          &r.conn);
    bl_chan_send(race->results, &r);
    leave_race(race);
}

static void
start(struct race *race, int which)
{
    atomic_fetch_add_explicit(&race->refs, 1, memory_order_relaxed);
    bl_go(run, race, which);
}

/* NULL when memory is short. */
static struct race *
make_race(const struct bl__network *net, const bl_addr *addrs, size_t n,
          const struct bl__limit *limit)
{
    struct race *race = calloc(1, sizeof *race);

    if (!race)
        return NULL;
    race->refs = 1;
    race->net = net;
    race->until = limit->bound.until;
    race->results = bl_chan_new(sizeof(struct result), 2);
    if (!race->results) {
        free(race);
        return NULL;
    }
    race->ctx = bl_context_with_cancel(limit->ctx ? limit->ctx : bl_context_background());
    for (size_t i = 0; i < n; i++) {
        int which = addrs[i].name.any.sa_family != addrs[0].name.any.sa_family;

        race->addrs[which][race->counts[which]++] = addrs[i];
    }
    return race;
}

/* The first family's error is the one to be told. */
static bl_error *
finish_race(struct race *race, bl_conn **c)
{
    bl_error *errs[2] = {NULL, NULL};
    int64_t until = bl_after_ns(FALLBACK_NS);
    int started = 1, done = 0;
    struct result r;

    start(race, 0);
    while (done < 2) {
        bool got = bl_chan_recv_until(race->results, &r,
                                      started < 2 ? until : BL_FOREVER) == 1;

        if (got && !r.err) {
            *c = r.conn;
            break;
        }
        if (got) {
            errs[!r.is_primary] = r.err;
            done++;
        }
        if (started < 2)
            start(race, started++);
    }
    if (*c || !errs[0]) {
        bl_error_release(errs[0]);
        bl_error_release(errs[1]);
        return NULL;
    }
    bl_error_release(errs[1]);
    return errs[0];
}

static bl_error *
dial_in_parallel(const struct bl__network *net, const bl_addr *addrs, size_t n,
                 const struct bl__limit *limit, bl_conn **c)
{
    struct race *race = make_race(net, addrs, n, limit);
    bl_error *err;

    if (!race)
        return dial_serially(net, addrs, n, limit, c);
    err = finish_race(race, c);
    bl_context_cancel(race->ctx);
    leave_race(race);
    return err;
}

/* --- dial ------------------------------------------------------------------------------------ */

static bool
has_both(const bl_addr *addrs, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (addrs[i].name.any.sa_family != addrs[0].name.any.sa_family)
            return true;
    return false;
}

static bl_error *
dial(const char *network, const char *address, const struct bl__limit *limit, bl_conn **c)
{
    const struct bl__network *net = bl__network_find(network, &address);
    bl_addr addrs[MOST_ADDRESSES];
    bl_error *err;
    size_t n;

    *c = NULL;
    if (!net)
        return bl__net_unknown("dial", network);
    err = bl__lookup(net, address, false, addrs, MOST_ADDRESSES, &n);
    if (err)
        return bl__net_error("dial", net->name, NULL, NULL, err);
    if (net->type == SOCK_STREAM && has_both(addrs, n))
        return dial_in_parallel(net, addrs, n, limit, c);
    return dial_serially(net, addrs, n, limit, c);
}

bl_error *
bl_dial(const char *network, const char *address, bl_conn **c)
{
    return bl_dial_until(network, address, BL_FOREVER, c);
}

bl_error *
bl_dial_until(const char *network, const char *address, int64_t until, bl_conn **c)
{
    struct bl__limit limit = bl__limit_until(until);

    return dial(network, address, &limit, c);
}

bl_error *
bl_dial_ctx(bl_context *ctx, const char *network, const char *address, bl_conn **c)
{
    struct bl__limit limit = bl__limit_ctx(ctx);

    return dial(network, address, &limit, c);
}
