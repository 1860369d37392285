/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/http.h - what the files of this folder share.  Only parser.c knows the parser,
 * only tls*.c OpenSSL.  All of it uses Belay as any program does: belay/....h.
 *
 * Server and client have in common: streams, arenas, headers, the parser, bodies.  The
 * server's own nouns are in server.h. */
#ifndef BELAY_HTTP_HTTP_H
#define BELAY_HTTP_HTTP_H

#include <belay/belay.h>
#include <belay/http.h>
#include <string.h>

#define BL__LIKELY(x) __builtin_expect(!!(x), 1)
#define BL__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* --- stream.c: a connection, with TLS or without ------------------------------------ */

struct bl__tls_session;

struct bl__stream {
    bl_conn *conn;
    struct bl__tls_session *tls; /* NULL: none */
};

/* As bl_conn_read() and bl_conn_write(). */
bl_error *bl__stream_read(struct bl__stream *s, void *buf, size_t size, size_t *n);
bl_error *bl__stream_write(struct bl__stream *s, const void *buf, size_t size);
bl_error *bl__stream_writev(struct bl__stream *s, const struct iovec *parts, int count);
/* Says goodbye where TLS wants it, and lets go of the connection.  Twice is fine. */
void bl__stream_close(struct bl__stream *s);

/* --- tls.c ---------------------------------------------------------------------------- */

/* Shakes hands on c, within its deadlines.  name: the server's, for a client. */
bl_error *bl__tls_begin(bl_http_tls *tls, bl_conn *c, const char *name,
                        struct bl__tls_session **session);
bl_error *bl__tls_read(struct bl__tls_session *s, void *buf, size_t size, size_t *n);
bl_error *bl__tls_write(struct bl__tls_session *s, const void *buf, size_t size);
bl_error *bl__tls_writev(struct bl__tls_session *s, const struct iovec *parts, int count);
/* Whether nothing has come that would be read, not even the end.  Blocks: no. */
bool bl__tls_is_quiet(struct bl__tls_session *s);
/* Says goodbye, if that goes at once, and frees s; c stays.  Nobody else may be in a call:
 * bl_conn_close() makes them return. */
void bl__tls_end(struct bl__tls_session *s);

/* --- arena.c: memory that is freed at once ---------------------------------------------- */

/* Pieces are cut off a block, the first of which may be part of something else. */
struct bl__arena {
    char *at, *end;           /* what is left of the newest block */
    struct bl__arena_block *blocks; /* from malloc, newest first */
    char *first;              /* the block that comes with the arena; NULL: none */
    size_t first_size;
};

void bl__arena_init(struct bl__arena *a, void *first, size_t size);
/* Aligned for anything; not zeroed.  NULL when memory is short. */
void *bl__arena_try(struct bl__arena *a, size_t size);
/* The same.  Panics when memory is short. */
void *bl__arena_alloc(struct bl__arena *a, size_t size);
/* A copy of n bytes and a zero behind them; panics, too. */
char *bl__arena_copy(struct bl__arena *a, const char *text, size_t n);
char *bl__arena_print(struct bl__arena *a, const char *format, ...) BL_PRINTF(2, 3);
/* All that was cut off is gone. */
void bl__arena_reset(struct bl__arena *a);

/* --- header.c --------------------------------------------------------------------------- */

/* Both texts are terminated, and never change where they are. */
struct bl__field {
    const char *name, *value;
    uint32_t name_size, value_size;
};

struct bl_http_header {
    struct bl__arena *arena; /* of all that is in it */
    struct bl__field *fields;
    size_t count, room;
    struct bl__arena own;    /* bl_http_header_new(): arena is this one */
};

/* An empty one whose memory is the arena's; `first` fields have room in `fields`, which
 * may be NULL. */
void bl__header_init(bl_http_header *h, struct bl__arena *a, struct bl__field *fields,
                     size_t first);
/* Adds what has been checked and stays where it is.  false when memory is short. */
bool bl__header_put(bl_http_header *h, const struct bl__field *field);
/* The first field of that name behind `after` (NULL: of all); NULL if there is none. */
const struct bl__field *bl__header_find(const bl_http_header *h, const char *name,
                                        size_t name_size, const struct bl__field *after);
/* Whether a token (RFC 9110, 5.6.2) of one character at least; whether what a value may
 * have, tabs and bytes over 127 included. */
bool bl__is_token(const char *text, size_t n);
bool bl__is_value(const char *text, size_t n);
/* Whether one of the words of a comma-separated list is that one. */
bool bl__list_has(const char *list, const char *word);

#define BL__IS_NAME(field, literal)                                            \
    ((field)->name_size == sizeof(literal) - 1 &&                              \
     strncasecmp((field)->name, literal, sizeof(literal) - 1) == 0)

/* --- input.c: what has come ------------------------------------------------------------- */

/* Bytes from `start` to `end` have not been used yet.  Those in front of `pinned` belong
 * to a head, which points there: they stay where they are until bl__input_next(). */
struct bl__input {
    char *data;
    size_t size, start, end, pinned;
    char *inline_data;     /* where it begins, and comes back to when it is empty */
    size_t inline_size;
    char *head_data;       /* the head's, where the body has got another buffer */
};

void bl__input_init(struct bl__input *in, void *data, size_t size);
/* Reads once from s, behind what there is, into a buffer of `most` bytes at the most.
 * bl_err_buffer_full: that is full. */
bl_error *bl__input_fill(struct bl__input *in, struct bl__stream *s, size_t most);
/* The head is done with: what is left comes to the front, large buffers go. */
void bl__input_next(struct bl__input *in);
void bl__input_free(struct bl__input *in);

static inline size_t
bl__input_left(const struct bl__input *in)
{
    return in->end - in->start;
}

/* --- body.c: what comes behind a head ---------------------------------------------------- */

struct bl__parser;

enum bl__body_kind {
    BL__BODY_NONE,
    BL__BODY_LENGTH,
    BL__BODY_CHUNKED,
    BL__BODY_TO_END, /* of the connection: replies only */
};

struct bl__body {
    enum bl__body_kind kind;
    bool done;              /* all of it was read */
    uint64_t left;          /* of LENGTH; of the chunk */
    uint64_t read;          /* so far */
    bl_error *err;          /* what has ended it; owned */
    struct bl__stream *stream;
    struct bl__input *in;
    struct bl__parser *parser;
    bl_http_header *trailer; /* what comes behind the last chunk goes there */
};

/* As bl_conn_read(), bl_err_eof at its end. */
bl_error *bl__body_read(struct bl__body *b, void *buf, size_t size, size_t *n);
/* Reads and throws away, `most` bytes at the most; whether that was all. */
bool bl__body_drain(struct bl__body *b, size_t most);

/* --- requests ------------------------------------------------------------------------- */

/* What "{name}"s of a pattern stand for. */
struct bl__path_value {
    const char *name, *value;
};

struct bl__pair {
    const char *name, *value;
    struct bl__pair *next;
};

struct bl__served;

struct bl__request {
    bl_http_request shown;       /* first: the one is the other */
    const struct bl__path_value *path_values;
    size_t path_count;
    const char *raw_path;        /* what is left of it behind a prefix that was taken
                                    off, and a zero; NULL: target has all of it */
    struct bl__served *served;   /* whose it is */
    struct bl__arena *arena;     /* what lives as long as it does */
    struct bl__body body;
    uint64_t body_most;          /* bytes of it that may be read */
    bool expects_continue;       /* the client waits to be told to send it */
    bl_context *ctx;             /* what bl_http_context() says; NULL: nobody has asked */
    bl_context *own_ctx;         /* that of the watcher */
    struct bl__pair *query, *form; /* decoded, once asked for */
    bool has_query, has_form;
};

static inline struct bl__request *
bl__request_of(const bl_http_request *r)
{
    return (struct bl__request *)r;
}

/* --- mux.c -------------------------------------------------------------------------------- */

/* The path as the client has written it, n bytes.  Owner: r. */
const char *bl__request_raw_path(const bl_http_request *r, size_t *n);

/* --- timeout.c ---------------------------------------------------------------------------- */

extern bl_error *const bl__err_timed_out; /* http: Handler timeout */

/* --- send_file.c -------------------------------------------------------------------------- */

/* Sends a part of a file as a part of the body, by the kernel where that goes.  Less than
 * `size` is there: bl_err_unexpected_eof. */
bl_error *bl__response_send_file(bl_http_response *w, int fd, off_t offset, size_t size);

/* --- small things --------------------------------------------------------------------- */

/* Decodes "%41"; plus: '+' is a blank.  Returns the length, or -1 for a bad escape or a
 * zero.  to may be from. */
ptrdiff_t bl__unescape(const char *from, size_t n, char *to, bool plus);

/* What the first bytes say (sniff.c). */
const char *bl__sniff(const void *data, size_t n);

/* "Sun, 06 Nov 1994 08:49:37 GMT" and a zero. */
enum { BL__DATE_SIZE = 30 };
void bl__date_print(int64_t seconds, char text[BL__DATE_SIZE]);

#endif
