/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/client.h - the client's nouns.
 *
 *     client.c     a call: one request, and those that redirections lead to
 *     exchange.c   a request and its reply's head, on one connection
 *     request_head.c  what a request says in front of its body
 *     reply.c      a reply's body, and what becomes of the connection
 *     pool.c       connections, by host: which are kept, and who waits for one */
#ifndef BELAY_HTTP_CLIENT_H
#define BELAY_HTTP_CLIENT_H

#include "http/http.h"
#include "http/parser.h"
#include "http/url.h"

enum { BL__HOST_BUCKETS = 64, BL__LINK_INPUT = 4096 };

/* Where connections go.  It is there as long as there are connections, or somebody wants
 * one. */
struct bl__host {
    struct bl__host *next;   /* client's lock: in its bucket */
    bl_http_client *client;
    size_t users;            /* client's lock: idle links, and those who have or want one */
    struct bl__link *idle;   /* client's lock: the one used last comes first */
    size_t idle_count;
    bl_semaphore slots;      /* of max_per_host */
    bool tls;
    char *name;              /* "example.com", "::1" */
    char *address;           /* "example.com:443", "[::1]:80" */
};

/* A connection: of who has got it, or idle. */
struct bl__link {
    struct bl__link *next;   /* of those that are idle */
    struct bl__host *host;
    struct bl__stream stream;
    struct bl__input in;
    uint64_t used;           /* requests before this one */
    int64_t idle_since;
    char data[BL__LINK_INPUT];
};

struct bl_http_client {
    bl_http_client_options o; /* with the defaults filled in */
    bl_mutex lock;
    struct bl__host *hosts[BL__HOST_BUCKETS];
    size_t idle;             /* links of all hosts; while there are some the timer runs */
    bl_timer *timer;
    bool is_timed;           /* lock */
    bl_waitgroup sweeps;     /* what the timer has started, or will */
    bl_http_tls *own_tls;    /* lock: made when the first https is asked for */
};

/* Who waits, and how long. */
struct bl__limits {
    bl_context *ctx;
    int64_t until;           /* the client's timeout; BL_FOREVER */
};

/* --- pool.c ------------------------------------------------------------------------------ */

/* Gets a connection, an idle one unless it has to be `fresh`. */
bl_error *bl__pool_get(bl_http_client *client, const struct bl__url *url,
                       const struct bl__limits *limits, bool fresh, struct bl__link **link);
/* Gives it back: to be kept, or closed.  NULL is fine. */
void bl__pool_put(struct bl__link *link, bool keep);
/* Closes what is idle. */
void bl__pool_end(bl_http_client *client);

/* Cuts a connection when a context ends. */
struct bl__cutter {
    bl_context_func *func;
    bl_conn *conn;
};

bl_error *bl__cutter_begin(struct bl__cutter *cutter, bl_context *ctx, bl_conn *conn);
/* Returns whether it has not been cut, and will not be. */
bool bl__cutter_end(struct bl__cutter *cutter);

/* The sooner of both ends. */
int64_t bl__limits_end(const struct bl__limits *limits);
/* What err, which an operation within limits has returned, is for who has set them; how:
 * what was being waited for.  Takes err over. */
bl_error *bl__limits_error(const struct bl__limits *limits, bl_error *err, const char *how);

/* --- a request ------------------------------------------------------------------------------ */

/* What is asked for on one connection: a call, or where a redirection led. */
struct bl__hop {
    bl_http_client *client;
    struct bl__limits limits;
    const bl_http_call_options *call;
    const char *method;
    struct bl__url url;
    bool has_body;           /* the call's goes with it */
    bool keeps_host;         /* a Host in the call's header is for this hop, too */
    bool hides_secrets;      /* it is another's host: no Authorization, no cookies */
    bool hides_body;         /* no body any more: nothing that describes one */
    char *referer;           /* or NULL; owned */
};

/* --- request_head.c --------------------------------------------------------------------------- */

/* Writes the lines in front of the body; returns their length, as snprintf does. */
size_t bl__request_head(const struct bl__hop *hop, char *buf, size_t size);
/* The body's length; -1: it is sent in chunks. */
int64_t bl__request_length(const struct bl__hop *hop);
/* What can't be asked for. */
bl_error *bl__request_check(const struct bl__hop *hop);

/* --- a reply ----------------------------------------------------------------------------------- */

enum { BL__REPLY_ARENA = 1024, BL__REPLY_FIELDS = 24 };

struct bl__reply {
    bl_http_reply shown;     /* first: the one is the other */
    struct bl__limits limits; /* ctx is owned */
    struct bl__link *link;   /* NULL: given back */
    struct bl__cutter cutter;
    struct bl__parser parser;
    struct bl__head head;
    bl_http_header header, trailer;
    struct bl__body body;
    struct bl__arena arena;
    bool closes;             /* the connection is for nothing else */
    bool has_begun;          /* a byte of it has come */
    char *all;               /* bl_http_reply_read_all()'s */
    struct bl__field fields[BL__REPLY_FIELDS];
    char first[BL__REPLY_ARENA] __attribute__((aligned(16)));
};

/* Asks, once, and once more if the connection was an old one that had been closed. */
bl_error *bl__exchange(struct bl__hop *hop, struct bl__reply **reply);

#endif
