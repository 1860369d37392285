/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/load.h - what the parts of the load share.  They know HTTP by themselves: what a
 * server does wrong shows only to a client that is not its twin. */
#ifndef PASTE_LOAD_H
#define PASTE_LOAD_H

#include <belay/belay.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

/* --- load_http.c: connections, requests, replies ---------------------------------- */

struct link {
    bl_conn *c; /* NULL: not open */
    bl_reader *in;
};

struct reply {
    int status;
    bool closes; /* the server will */
    char token[32];
    char *body; /* size bytes, and a zero */
    size_t size, room;
};

/* Connects from one of many addresses of this machine, by number: one alone has ports for
 * some ten thousand connections. */
bl_error *link_open(struct link *l, const struct sockaddr_in *to, unsigned number);
void link_close(struct link *l);
/* The body may be NULL. */
bl_error *link_send(struct link *l, const char *head, const void *body, size_t size);
bl_error *link_receive(struct link *l, struct reply *r);
void reply_free(struct reply *r);

/* --- load_server.c: the server as a process --------------------------------------- */

struct server {
    pid_t pid;
    struct sockaddr_in http, pprof;
    char folder[64]; /* has the database and the log */
};

/* What it has at a moment. */
struct look {
    int descriptors, of_folder; /* all; the database's and the log's */
    int64_t goroutines, defers, rss_kib;
};

bl_error *server_start(struct server *s, const char *program);
/* Sends SIGTERM.  *status: as wait() says. */
bl_error *server_stop(struct server *s, int *status);
bl_error *server_look(const struct server *s, struct look *look);
/* Looks until nothing changes, the database is closed, and there is no more than in `like`
 * (unless that is NULL); or for some seconds. */
bl_error *server_settle(const struct server *s, const struct look *like, struct look *look);
int64_t server_rss_kib(const struct server *s);
int server_descriptors(const struct server *s);
/* GET /stats; one of its numbers, -1 if there is none. */
bl_error *server_stats(const struct server *s, struct reply *stats);
int64_t stats_number(const struct reply *stats, const char *name);

/* --- load_clients.c: what clients do ---------------------------------------------- */

enum { BUCKETS = 2048, STATUSES = 600 };

/* What all of them have done. */
struct tally {
    _Atomic uint64_t status[STATUSES];
    _Atomic uint64_t requests, cut, created, removed, compared, panics, faults, rolled_back;
    _Atomic uint64_t broke, refused, left, idle_open, idle_asked, failures;
    _Atomic uint64_t latency[BUCKETS], slowest; /* ns; of requests that work */
};

struct load {
    struct server server;
    struct tally tally;
    bl_context *ctx; /* ends when they are to stop */
    bl_waitgroup clients;
    bl_semaphore opening; /* of idle connections */
    int active, idle;
    uint64_t seed;
    bool faults;
};

void load_begin(struct load *load);
/* Tells the clients to stop, and waits until they have. */
void load_end(struct load *load);
/* Something does not add up. */
void load_fail(struct load *load, const char *format, ...) BL_PRINTF(2, 3);
/* The time that so many of 10,000 have not taken, ns. */
uint64_t load_percentile(const struct tally *t, unsigned of_10000);

/* The rest: load_bad.c, clients that break the protocol or leave. */
void break_protocol(struct load *load, unsigned number, uint64_t chance);
void leave_early(struct load *load, unsigned number, uint64_t chance);

static inline uint64_t
roll(uint64_t *chance)
{
    uint64_t x = *chance;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *chance = x;
}

#endif
