/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/listen.c - listening and accepting. */
#define _GNU_SOURCE
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ADDRESSES = 32, MOST_BACKLOG = 65535 };

#define PAUSE_FIRST_NS (5 * BL_MILLISECOND)
#define PAUSE_LAST_NS BL_SECOND

/* --- make ------------------------------------------------------------------------------ */

static void
free_listener(struct bl__fd *fd)
{
    free((bl_listener *)fd);
}

static bool
is_wild(const bl_addr *addr)
{
    if (addr->name.any.sa_family == AF_INET)
        return addr->name.v4.sin_addr.s_addr == 0;
    return addr->name.any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&addr->name.v6.sin6_addr);
}

static bl_listener *
make_listener(int number, int type, bool keeps_path)
{
    bl_listener *l = calloc(1, sizeof *l);

    if (!l || bl__fd_init(&l->fd, number, true, free_listener) < 0) {
        free(l);
        return NULL;
    }
    l->refs = 1;
    l->addr.length = sizeof l->addr.name;
    l->addr.type = type;
    if (getsockname(number, &l->addr.name.any, &l->addr.length) != 0)
        l->addr.length = 0;
    l->network = bl__network_name(l->addr.name.any.sa_family, type);
    l->keeps_path = keeps_path;
    l->is_wild = is_wild(&l->addr);
    return l;
}

/* As many as the system lets, which itself cuts what is too much. */
static int
backlog_of(const bl_listen_options *options)
{
    return options->backlog > 0 ? options->backlog : MOST_BACKLOG;
}

static bool
has_path(const bl_addr *addr)
{
    return addr->name.any.sa_family == AF_UNIX && addr->name.un.sun_path[0];
}

/* What is set on the listener its connections have from the beginning. */
static void
set_up(int number, const bl_addr *addr, const bl_listen_options *options)
{
    int64_t keep_alive = options->keep_alive_ns;

    if (addr->name.any.sa_family == AF_UNIX)
        return;
    if (addr->type == SOCK_STREAM) {
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        bl__tcp_defaults(number, keep_alive ? keep_alive : BL__KEEP_ALIVE_S * BL_SECOND);
    } else {
        setsockopt(number, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int));
    }
    if (options->reuse_port)
        setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (addr->name.any.sa_family == AF_INET6)
        setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &(int){options->only_v6}, sizeof(int));
}

/* A machine without IPv6 has IPv4 only. */
static int
make_socket(bl_addr *addr)
{
    int number = bl__socket(addr->name.any.sa_family, addr->type);
    int port = bl_addr_port(addr);

    if (number != -EAFNOSUPPORT || addr->name.any.sa_family != AF_INET6 || !is_wild(addr))
        return number;
    *addr = (bl_addr){.length = sizeof addr->name.v4, .type = addr->type};
    addr->name.v4.sin_family = AF_INET;
    addr->name.v4.sin_port = htons((uint16_t)port);
    return bl__socket(AF_INET, addr->type);
}

/* A socket that is bound, and listens if it is a stream.  Returns NULL or an error. */
static bl_error *
open_socket(const struct bl__network *net, const char *address,
            const bl_listen_options *options, bl_addr *addr, int *number)
{
    bl_addr addrs[MOST_ADDRESSES];
    const char *call = "bind";
    bl_error *err;
    size_t n;
    int error = 0;

    err = bl__lookup(net, address, true, addrs, MOST_ADDRESSES, &n);
    if (err)
        return bl__net_error("listen", net->name, NULL, NULL, err);
    *addr = addrs[0];
    for (size_t i = 1; i < n && addr->name.any.sa_family != AF_INET; i++)
        if (addrs[i].name.any.sa_family == AF_INET)
            *addr = addrs[i]; /* a name: Go prefers IPv4, too */
    *number = make_socket(addr);
    if (*number < 0)
        return bl__net_error("listen", net->name, NULL, addr,
                             bl__net_cause(*number, "socket", NULL));
    set_up(*number, addr, options);
    if (bind(*number, &addr->name.any, addr->length) != 0) {
        error = (int)bl__last_error();
    } else if (addr->type != SOCK_DGRAM && listen(*number, backlog_of(options)) != 0) {
        error = (int)bl__last_error();
        call = "listen";
    }
    if (!error)
        return NULL;
    close(*number);
    return bl__net_error("listen", net->name, NULL, addr, bl__net_cause(error, call, NULL));
}

bl_error *
bl_listen_with(const bl_listen_options *options, const char *network, const char *address,
               bl_listener **l)
{
    static const bl_listen_options standard;
    const struct bl__network *net = bl__network_find(network, &address);
    bl_addr addr;
    bl_error *err;
    int number;

    *l = NULL;
    options = options ? options : &standard;
    if (!net || net->type == SOCK_DGRAM)
        return bl__net_unknown("listen", network);
    err = open_socket(net, address, options, &addr, &number);
    if (err)
        return err;
    *l = make_listener(number, net->type, options->keep_path || !has_path(&addr));
    if (*l)
        return NULL;
    close(number);
    return bl_error_from_errno(ENOMEM);
}

bl_error *
bl_listen(const char *network, const char *address, bl_listener **l)
{
    return bl_listen_with(NULL, network, address, l);
}

bl_error *
bl_listen_packet(const char *network, const char *address, bl_conn **c)
{
    static const bl_listen_options standard;
    const struct bl__network *net = bl__network_find(network, &address);
    bl_addr addr;
    bl_error *err;
    int number;

    *c = NULL;
    if (!net || net->type != SOCK_DGRAM)
        return bl__net_unknown("listen", network);
    err = open_socket(net, address, &standard, &addr, &number);
    if (err)
        return err;
    *c = bl__conn_make(number, bl__network_name(addr.name.any.sa_family, SOCK_DGRAM), true);
    if (!*c) {
        close(number);
        return bl_error_from_errno(ENOMEM);
    }
    (*c)->remote.type = SOCK_DGRAM;
    return NULL;
}

bl_error *
bl_listener_adopt(int number, bl_listener **l)
{
    int type = 0, listens = 0, flags = fcntl(number, F_GETFL), error = 0;
    socklen_t n = sizeof type, m = sizeof listens;

    *l = NULL;
    if (flags < 0 || getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &n) != 0 ||
        getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &m) != 0 ||
        fcntl(number, F_SETFL, flags | O_NONBLOCK) < 0)
        error = (int)-bl__last_error();
    else if (!listens)
        error = EINVAL;
    if (error)
        return bl__net_error("adopt", "file", NULL, NULL,
                             bl__net_cause(-error, "getsockopt", NULL));
    *l = make_listener(number, type, true);
    if (!*l)
        return bl_error_from_errno(ENOMEM);
    bl__fd_share(&(*l)->fd);
    return NULL;
}

/* --- accept ------------------------------------------------------------------------------ */


/* What is wrong with one connection, and not with the listener (accept(2)). */
static bool
is_of_connection(int error)
{
    return error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET ||
           error == EHOSTUNREACH || error == ENETUNREACH;
}

static ssize_t
try_accept(int number, void *arg)
{
    bl_addr *remote = arg;
    ssize_t error;
    int got;

    remote->length = sizeof remote->name;
    got = accept4(number, &remote->name.any, &remote->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got >= 0)
        return got;
    error = bl__last_error();
    return is_of_connection((int)-error) ? -EINTR : error;
}

static bool
is_shortage(ssize_t result)
{
    return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

/* With the turn.  In a shortage others give something back sooner or later: as long as
 * this waits the system keeps the connections. */
static ssize_t
accept_one(bl_listener *l, const struct bl__limit *limit, bl_addr *remote)
{
    int64_t pause = PAUSE_FIRST_NS;

    for (;;) {
        ssize_t r = limit->ctx && bl_context_err(limit->ctx)
                        ? BL__CANCELED
                        : bl__fd_try(&l->fd, BL__READS, bl__limit_bound(limit), try_accept,
                                     remote);
        struct bl__bound until = limit->bound;
        int64_t end = bl_after_ns(pause);

        if (!is_shortage(r))
            return r;
        if (end < until.until)
            until.until = end;
        r = bl__fd_wait(&l->fd, BL__READS, &until);
        if (r < 0 && (r != BL__EXPIRED || end > bl_now()))
            return r;
        pause = 2 * pause < PAUSE_LAST_NS ? 2 * pause : PAUSE_LAST_NS;
    }
}

static bl_error *
make_accepted(const bl_listener *l, int number, const bl_addr *remote, bl_conn **c)
{
    *c = bl__conn_make(number, l->network, true);
    if (!*c) {
        close(number);
        return bl_error_from_errno(ENOMEM);
    }
    (*c)->remote = *remote;
    (*c)->remote.type = l->addr.type;
    if (!l->is_wild) {
        (*c)->local = l->addr;
        atomic_store_explicit(&(*c)->has_local, true, memory_order_relaxed);
    }
    return NULL;
}

static bl_error *
accept_limited(bl_listener *l, const struct bl__limit *limit, bl_conn **c)
{
    enum bl__entered in = bl__fd_enter(&l->fd, BL__READS);
    bl_addr remote;
    bl_error *err;
    ssize_t r = in == BL__IN ? accept_one(l, limit, &remote) : BL__CLOSED;

    *c = NULL;
    if (r >= 0)
        err = make_accepted(l, (int)r, &remote, c);
    else
        err = bl__net_error("accept", l->network, NULL, &l->addr,
                            bl__net_cause(r, "accept4", limit->ctx));
    if (in == BL__IN)
        bl__fd_leave(&l->fd, BL__READS);
    else if (in == BL__IN_CLOSED)
        bl__fd_unuse(&l->fd);
    return err;
}

bl_error *
bl_listener_accept(bl_listener *l, bl_conn **c)
{
    return bl_listener_accept_until(l, BL_FOREVER, c);
}

bl_error *
bl_listener_accept_until(bl_listener *l, int64_t until, bl_conn **c)
{
    struct bl__limit limit = bl__limit_until(until);

    return accept_limited(l, &limit, c);
}

bl_error *
bl_listener_accept_ctx(bl_context *ctx, bl_listener *l, bl_conn **c)
{
    struct bl__limit limit = bl__limit_ctx(ctx);

    return accept_limited(l, &limit, c);
}

/* --- the rest -------------------------------------------------------------------------------- */

static bl_error *
fail_closed(bl_listener *l, const char *op)
{
    return bl__net_error(op, l->network, NULL, &l->addr, bl_err_net_closed);
}

bl_error *
bl_listener_set_deadline(bl_listener *l, int64_t until)
{
    if (!bl__fd_use(&l->fd))
        return fail_closed(l, "set");
    bl__fd_set_deadline(&l->fd, BL__READS, until);
    bl__fd_unuse(&l->fd);
    return NULL;
}

const bl_addr *
bl_listener_addr(const bl_listener *l)
{
    return &l->addr;
}

int
bl_listener_fd(bl_listener *l)
{
    bl__fd_share(&l->fd);
    return bl__fd_number(&l->fd);
}

/* The path goes first: who finds it can connect. */
static void
remove_path(bl_listener *l)
{
    if (!atomic_exchange(&l->keeps_path, true))
        unlink(l->addr.name.un.sun_path);
}

bl_error *
bl_listener_close(bl_listener *l)
{
    remove_path(l);
    return bl__fd_close(&l->fd) ? NULL : fail_closed(l, "close");
}

bl_listener *
bl_listener_retain(bl_listener *l)
{
    if (l)
        atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void
bl_listener_release(bl_listener *l)
{
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1) {
        remove_path(l);
        bl__fd_release(&l->fd);
    }
}
