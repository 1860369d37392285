/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/parser.h - requests, replies and chunks from bytes, as they come.
 *
 * Every line passes a gate before http_parser sees it: what could be understood in two
 * ways by two programs is refused here. */
#ifndef BELAY_HTTP_PARSER_H
#define BELAY_HTTP_PARSER_H

#include "http/http.h"

/* What a head says. */
struct bl__head {
    const char *method, *target; /* requests; in the head's bytes, terminated */
    int status;                  /* replies */
    const char *reason;
    int major, minor;
    int64_t content_length;      /* -1: not said */
    bool chunked;
    bool keeps_alive;            /* by version and Connection */
    bool expects;                /* Expect, and: */
    bool expects_continue;
    bool has_upgrade;            /* Connection: upgrade */
    const char *host;            /* the field's; NULL: none */
    bl_http_header *header;      /* filled in; the caller's, empty */
};

struct bl__parser {
    uint64_t inner[4];           /* http_parser's */
    bool of_replies;
    bool to_head;                /* a reply to HEAD: no body, whatever it says */
    bool has_first;              /* the first line has passed */
    size_t passed;               /* bytes of whole lines that have passed */
    size_t looked;               /* bytes without a line's end behind those */
    size_t method;               /* where a request's begins; empty lines may come before */
    size_t method_size;
    size_t fields;               /* lines of the header */
    size_t most_bytes, most_fields;
    struct bl__head *head;
    bl_http_header *into;        /* what fields are added to */
    struct bl__field field;      /* the one that is being read */
    const char *target;
    size_t target_size;
    int refused;                 /* why a field was; a status */
    const char *why;             /* of a negative result, for people */
    uint64_t excess;             /* bytes of lines between chunks, more than is usual */
    int chunk_state;
    uint64_t chunk_left;
};

/* Before each head. */
void bl__parser_begin(struct bl__parser *p, bool of_replies, size_t most_bytes,
                      size_t most_fields);

/* Looks at the n bytes that have come of a head so far; calls may tell of more each time,
 * at another address.  0: more is needed.  Positive: the head's length; what `head`
 * points to is in those bytes, which were changed and must stay.  Negative: a refusal's
 * status (400, 414, 431, 501, 505), p->why says more.  Any token is a method. */
ptrdiff_t bl__parser_head(struct bl__parser *p, char *data, size_t n, struct bl__head *head);

enum bl__chunk { BL__CHUNK_BAD = -1, BL__CHUNK_MORE, BL__CHUNK_DATA, BL__CHUNK_END };

/* Behind a head that says `chunked`: looks at n bytes, and stores in *used how many of
 * them were lines.  DATA: as many as p->chunk_left bytes of the body follow; say how many
 * were taken with bl__parser_took().  MORE: the rest is no whole line yet.  END: all was
 * read; `trailer`'s fields are in its arena. */
enum bl__chunk bl__parser_chunk(struct bl__parser *p, char *data, size_t n, size_t *used,
                                bl_http_header *trailer);
void bl__parser_took(struct bl__parser *p, const char *data, size_t n);

#endif
