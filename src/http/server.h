/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/server.h - the server's nouns.
 *
 * A connection that is served costs one block of memory: itself with a buffer that most
 * requests fit in.  What a request needs beside it, struct bl__work, is taken from a pool
 * when its first byte has come, and goes back behind the answer: what idles has none. */
#ifndef BELAY_HTTP_SERVER_H
#define BELAY_HTTP_SERVER_H

#include "http/http.h"
#include "http/parser.h"

#include <stdatomic.h>

enum {
    BL__INLINE_INPUT = 2048, /* a connection's own buffer */
    BL__BODY_INPUT = 16384,  /* the buffer for a body in chunks */
    BL__HEAD_ROOM = 1024,    /* in front of what is buffered of an answer's body */
    BL__BODY_ROOM = 4096,    /* an answer's body up to here gets a length */
    BL__TAIL_ROOM = 16,      /* "\r\n0\r\n\r\n" */
    BL__ARENA_FIRST = 3072,
    BL__FIELDS_FIRST = 24,
    BL__ANSWER_FIELDS_FIRST = 12,
};

/* What goes wrong with a request before a handler has it. */
struct bl__refusal {
    int status;
    const char *why;
};

struct bl_http_response {
    struct bl__served *served;
    struct bl__request *request;
    struct bl__arena *arena;
    bl_http_header header;      /* the handler's */
    bl_http_header trailer;
    struct bl__field *frozen;   /* what header had when the status was set */
    size_t frozen_count;
    int status;                 /* 0: not set */
    bool head_sent;
    bool done;                  /* nothing more is to come */
    bool is_head;               /* the method: no body */
    bool no_body;               /* nor with this status */
    bool chunked;
    bool closes;                /* the connection, behind it */
    bool has_trailer;
    bool own_deadline;          /* bl_http_set_write_deadline() */
    int timed;                  /* so many timeouts may answer before the handler */
    _Atomic int answered;       /* by whom, while timed: see bl__response_claim() */
    int64_t declared;           /* Content-Length by the handler; -1: none */
    uint64_t written;           /* of the body by the handler */
    bl_error *err;              /* of the connection; owned */
    char *out;                  /* BL__HEAD_ROOM, then what is buffered */
    size_t buffered;
    const char *date;           /* "Date: ...\r\n" */
};

/* What a request needs. */
struct bl__work {
    struct bl__request request;
    struct bl_http_response response;
    struct bl__arena arena;
    struct bl__parser parser;
    struct bl__head head;
    bl_http_header header, trailer; /* the request's */
    int64_t date_second;            /* of date */
    char date[48];
    struct bl__field fields[BL__FIELDS_FIRST];
    struct bl__field answer_fields[BL__ANSWER_FIELDS_FIRST];
    char arena_first[BL__ARENA_FIRST] __attribute__((aligned(16)));
    char out[BL__HEAD_ROOM + BL__BODY_ROOM + BL__TAIL_ROOM];
};

/* state     meaning                               who may leave it, to what
 * NEW       no byte has come yet                  its goroutine -> ACTIVE; ending -> ENDED
 * IDLE      between two requests                  its goroutine -> ACTIVE; ending -> ENDED
 * ACTIVE    with a request                        its goroutine -> IDLE, TAKEN
 * TAKEN     hijacked                              nobody
 * ENDED     the server closes it                  nobody */
enum bl__served_state { BL__NEW, BL__IDLE, BL__ACTIVE, BL__TAKEN, BL__ENDED };

/* A connection that is served: its goroutine's, but for what is said. */
struct bl__served {
    bl_http_server *server;
    struct bl__served *next, **at; /* protected by the server's lock; at NULL: not listed */
    _Atomic int state;
    _Atomic uint64_t requests;     /* written by its goroutine, read by statistics */
    struct bl__stream stream;
    struct bl__input in;
    struct bl__work *work;         /* NULL: idle */
    bool ends;                     /* behind this request */
    bool has_slot;
    int64_t read_until, write_until; /* the deadlines that were set */
    int64_t began;                 /* when the request's first bytes came; 0: just now */
    struct bl__watcher *watcher;
    char data[BL__INLINE_INPUT];
};

struct bl_http_server {
    bl_mutex lock;                 /* protects what is behind `slots` */
    bl_waitgroup members;          /* connections, and calls of bl_http_serve() */
    _Atomic uint32_t refs;         /* the owner's, and one for each connection's goroutine:
                                      that of one that was hijacked may outlive the end */
    bl_http_server_options o;      /* with the defaults filled in */
    bl_pool work;
    bl_semaphore slots;            /* where there is a limit */
    struct bl__served *first;
    struct bl__listening *listening;
    size_t open;                   /* connections in the list */
    _Atomic bool ending;           /* set with the lock */
    bl_context *ctx;               /* ends when the server is closed */
    bl_context *accepting;         /* ends before, when it accepts no more */
    uint64_t connections, requests; /* requests: of those that are gone */
    _Atomic uint64_t panics, faults, refused;
};

/* --- server.c ------------------------------------------------------------------------- */

/* Takes conn over, and has a goroutine of its own serve it, or closes it; false if nobody
 * will give back its slot. */
bool bl__server_start(bl_http_server *s, bl_conn *conn);
/* One user less. */
void bl__server_release(bl_http_server *s);
/* Takes c off the list: nobody else looks at it any more.  And: its connection is gone,
 * or no longer ours. */
void bl__server_unlist(struct bl__served *c);
void bl__server_left(struct bl__served *c);
/* A line for the log. */
void bl__server_log(bl_http_server *s, const char *format, ...) BL_PRINTF(2, 3);

/* --- served.c -------------------------------------------------------------------------- */

/* A connection's goroutine. */
void bl__served_run(struct bl__served *c);
/* Makes the connection's reads, or writes, end after a timeout from now on; negative: none.
 * It may take an eighth longer: so the deadline need not be moved for each request. */
void bl__served_read_timeout(struct bl__served *c, int64_t timeout_ns, int64_t now);
void bl__served_write_timeout(struct bl__served *c, int64_t timeout_ns, int64_t now);

/* --- call.c ------------------------------------------------------------------------------- */

/* Calls the handler; what it panics with is logged, and the client told. */
void bl__call_handler(struct bl__served *c);

/* --- response.c ------------------------------------------------------------------------ */

void bl__response_init(struct bl__work *work, struct bl__served *c);
/* The handler has returned: sends what is left. */
void bl__response_finish(bl_http_response *w);
/* Whether an answer, or a part of it, is on its way. */
static inline bool
bl__response_has_begun(const bl_http_response *w)
{
    return w->head_sent;
}
/* answered        meaning                          who may leave it, to what
 * BL__BY_NOBODY   nothing has been sent            the handler, a timeout -> by itself
 * BL__BY_HANDLER  the answer is the handler's      nobody
 * BL__BY_TIMEOUT  it is the timeout's              nobody                            */
enum { BL__BY_NOBODY, BL__BY_HANDLER, BL__BY_TIMEOUT };

/* Whether the handler may send; from then on a timeout may not. */
static inline bool
bl__response_claim(bl_http_response *w)
{
    int who = BL__BY_NOBODY;

    return BL__LIKELY(w->timed == 0) ||
           atomic_compare_exchange_strong(&w->answered, &who, BL__BY_HANDLER) ||
           who == BL__BY_HANDLER;
}

/* timeout.c: another goroutine than the handler's may answer from now on; it does, unless
 * the handler has begun to; and no longer may, nor does, which the handler's says. */
void bl__response_timed(bl_http_response *w);
void bl__response_cut_in(bl_http_response *w, int code);
void bl__response_untimed(bl_http_response *w);
/* More is on its way: the client has another write timeout for it, unless the handler has
 * set a deadline of its own. */
void bl__response_extend(bl_http_response *w);
/* Answers a request that is none. */
void bl__refuse(struct bl__served *c, const struct bl__refusal *refusal);

/* --- reply_head.c: an answer's first lines ------------------------------------------------ */

/* Decides on length, chunks and the end of the connection, writes the head to the end of
 * `room` bytes at `to` and returns its length; one that is longer is in *large.
 * body: the whole of it if `whole`, else how it begins. */
size_t bl__head_write(bl_http_response *w, char *to, size_t room, const char *body,
                      size_t size, bool whole, char **large);

/* A connection as it is now somebody else's. */
struct bl__taken {
    struct bl__stream stream;
    size_t at, n;                  /* of what had come already */
    char early[];
};

/* --- watch.c: a request's context --------------------------------------------------------- */

/* Begins to watch, if somebody has asked for a context and the body was read. */
void bl__peer_watch_begin(struct bl__served *c);
/* Nobody waits on the connection when this returns. */
void bl__peer_watch_stop(struct bl__served *c);
/* The handler has returned: its context has ended. */
void bl__context_end(struct bl__request *r);
void bl__peer_watch_free(struct bl__served *c);

#endif
