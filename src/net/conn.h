/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/conn.h - what connections and listeners are made of, and their errors. */
#ifndef BELAY_NET_CONN_H
#define BELAY_NET_CONN_H

#include "net/fd.h"

#include <belay/time.h>
#include <signal.h>

struct bl_conn {
    struct bl__fd fd;            /* first */
    _Atomic uint32_t refs;       /* owners */
    _Atomic uint32_t pins;       /* what needs the memory: fd, and calls in several steps */
    bool is_socket;              /* constant, as what follows up to the lock */
    bool is_tcp;
    bool has_end;                /* a read of nothing is the end, and not a datagram */
    const char *network;
    bl_addr remote;
    struct bl__lock lock;        /* protects local until has_local */
    _Atomic bool has_local;
    bl_addr local;
};

struct bl_listener {
    struct bl__fd fd;            /* first */
    _Atomic uint32_t refs;
    const char *network;         /* constant, as what follows */
    _Atomic bool keeps_path;     /* nothing to be removed, or not any more */
    bool is_wild;                /* its connections' own addresses are not its */
    bl_addr addr;
};

/* What a call has as its bound. */
struct bl__limit {
    struct bl__bound bound;
    bl_context *ctx;             /* NULL: none */
};

static inline struct bl__limit
bl__limit_until(int64_t until)
{
    return (struct bl__limit){.bound = {.until = until}};
}

struct bl__limit bl__limit_ctx(bl_context *ctx);

/* NULL: none, which costs less. */
static inline const struct bl__bound *
bl__limit_bound(const struct bl__limit *limit)
{
    return limit && (limit->bound.until != BL_FOREVER || limit->bound.done)
               ? &limit->bound
               : NULL;
}

/* --- errors (error.c) ------------------------------------------------------------ */

/* -errno.  Not inlined: compilers keep the address of errno, which is the thread's, across
 * calls, and behind one that parks it may be another thread. */
ssize_t bl__last_error(void);

/* What a system call returned, or -errno. */
static inline ssize_t
bl__result(ssize_t r)
{
    return BL__LIKELY(r >= 0) ? r : bl__last_error();
}

/* What a negative result means; call: the system call, for errnos. */
bl_error *bl__net_cause(ssize_t result, const char *call, const bl_context *ctx);

/* Takes cause over.  The addresses may be NULL, or have length 0. */
bl_error *bl__net_error(const char *op, const char *network, const bl_addr *source,
                        const bl_addr *address, bl_error *cause);

/* Of a network that there is not. */
bl_error *bl__net_unknown(const char *op, const char *network);

/* --- addresses (addr.c) ----------------------------------------------------------- */

/* What a network's name means. */
struct bl__network {
    const char *name;
    int family;                  /* AF_UNSPEC: either */
    int type;
    bool is_unix;
};

/* By name, or, for "unix:..." addresses, the one that goes with it: *address is moved
 * behind the prefix.  NULL: unknown. */
const struct bl__network *bl__network_find(const char *network, const char **address);

/* By the socket's; "file" for what is none. */
const char *bl__network_name(int family, int type);

/* As bl_lookup(); wild: an empty host is all addresses, not the loopback. */
bl_error *bl__lookup(const struct bl__network *net, const char *address, bool wild,
                     bl_addr *addrs, size_t size, size_t *n);

/* The error's form of the text: a path alone. */
size_t bl__addr_text(const bl_addr *addr, char *buf, size_t size, bool prefix);

/* --- connections (conn.c) ---------------------------------------------------------- */

/* Of a descriptor that does not block.  NULL when memory is short: it stays open. */
bl_conn *bl__conn_make(int number, const char *network, bool is_socket);

/* Around what uses c in several steps, between which its owners may let it go: it stays
 * in memory, closed. */
void bl__conn_pin(bl_conn *c);
void bl__conn_unpin(bl_conn *c);

/* Around calls that know no MSG_NOSIGNAL: the signal of the calling thread only. */
struct bl__sigpipe {
    sigset_t old;
    bool was_pending;
};

void bl__sigpipe_hold(struct bl__sigpipe *held);
void bl__sigpipe_let_go(const struct bl__sigpipe *held, ssize_t result);

/* --- sockets (dial.c) --------------------------------------------------------------- */

enum { BL__KEEP_ALIVE_S = 15 };

/* Returns a descriptor or a negative errno. */
int bl__socket(int family, int type);

/* Keep-alive and no delay, for a connection or those that a listener will accept. */
void bl__tcp_defaults(int number, int64_t keep_alive_ns);
int bl__tcp_keep_alive(int number, int64_t ns);

#endif
