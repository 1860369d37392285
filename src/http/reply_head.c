/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/reply_head.c - an answer's first lines, and what they decide: how the body ends
 * (length, chunks, the connection's end), and whether the connection goes on. */
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { MOST_ADDED = 256 }; /* the status line and the lines that are ours */

/* What the handler's headers say. */
struct said {
    bool type, encoding, date, close, keep_alive, connection, length, transfer;
    bool identity; /* Transfer-Encoding */
};

static void
see(bl_http_response *w, const struct bl__field *f, struct said *said)
{
    (void)w;
    if (BL__IS_NAME(f, "Content-Type"))
        said->type = true;
    else if (BL__IS_NAME(f, "Content-Encoding"))
        said->encoding = f->value_size > 0;
    else if (BL__IS_NAME(f, "Date"))
        said->date = true;
    else if (BL__IS_NAME(f, "Content-Length"))
        said->length = true;
    else if (BL__IS_NAME(f, "Transfer-Encoding")) {
        said->transfer = true;
        said->identity = strcasecmp(f->value, "identity") == 0;
    } else if (BL__IS_NAME(f, "Connection")) {
        said->connection = true;
        said->close |= bl__list_has(f->value, "close");
    }
}

/* Lines that we write ourselves, if at all: framing is nobody else's. */
static bool
is_ours(const struct bl__field *f)
{
    return BL__IS_NAME(f, "Content-Length") || BL__IS_NAME(f, "Transfer-Encoding");
}

/* How the body ends.  Returns its length, or -1: it has none that is known. */
static int64_t
decide_length(bl_http_response *w, size_t size, bool whole)
{
    if (w->no_body)
        return w->status == 304 ? w->declared : -1;
    if (w->declared >= 0)
        return w->declared;
    if (whole && !w->has_trailer && (!w->is_head || w->written > 0))
        return (int64_t)(w->is_head ? w->written : size);
    return -1;
}

static void
decide_framing(bl_http_response *w, const struct said *said, int64_t length)
{
    if (length >= 0 || w->no_body || w->is_head)
        return;
    if (w->request->shown.minor > 0 && !said->identity)
        w->chunked = true;
    else
        w->closes = true;
}

static char *
put(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}

#define PUT(to, literal) put((to), (literal), sizeof(literal) - 1)

static char *
put_number(char *to, uint64_t n)
{
    char digits[24], *p = digits + sizeof digits;

    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    return put(to, p, (size_t)(digits + sizeof digits - p));
}

static char *
put_status(char *to, int status)
{
    const char *text = bl_http_status_text(status);

    if (status == 200)
        return PUT(to, "HTTP/1.1 200 OK\r\n");
    to = put_number(PUT(to, "HTTP/1.1 "), (uint64_t)status);
    *to++ = ' ';
    if (*text)
        to = put(to, text, strlen(text));
    else
        to = put_number(PUT(to, "status code "), (uint64_t)status);
    return PUT(to, "\r\n");
}

static char *
put_fields(char *to, const struct bl__field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct bl__field *f = &fields[i];

        if (is_ours(f))
            continue;
        to = PUT(put(to, f->name, f->name_size), ": ");
        to = PUT(put(to, f->value, f->value_size), "\r\n");
    }
    return to;
}

static char *
put_ours(char *to, const bl_http_response *w, const struct said *said, int64_t length,
         const char *type)
{
    if (!said->date)
        to = put(to, w->date, strlen(w->date));
    if (type)
        to = PUT(put(PUT(to, "Content-Type: "), type, strlen(type)), "\r\n");
    if (length >= 0)
        to = PUT(put_number(PUT(to, "Content-Length: "), (uint64_t)length), "\r\n");
    if (w->chunked)
        to = PUT(to, "Transfer-Encoding: chunked\r\n");
    if (w->closes && !said->close && w->request->shown.minor > 0)
        to = PUT(to, "Connection: close\r\n");
    if (!w->closes && w->request->shown.minor == 0 && !said->connection)
        to = PUT(to, "Connection: keep-alive\r\n");
    return PUT(to, "\r\n");
}

static size_t
measure(const bl_http_response *w)
{
    size_t n = MOST_ADDED;

    for (size_t i = 0; i < w->frozen_count; i++)
        n += w->frozen[i].name_size + w->frozen[i].value_size + 4;
    return n;
}

size_t
bl__head_write(bl_http_response *w, char *to, size_t room, const char *body, size_t size,
               bool whole, char **large)
{
    struct said said = {0};
    const char *type = NULL;
    size_t n = measure(w), length_of_head;
    int64_t length;
    char *at = to;

    for (size_t i = 0; i < w->frozen_count; i++)
        see(w, &w->frozen[i], &said);
    w->closes |= said.close;
    length = decide_length(w, size, whole);
    decide_framing(w, &said, length);
    if (!w->no_body && !said.type && !said.encoding && !said.transfer && size > 0)
        type = bl__sniff(body, size);
    if (n > room)
        at = *large = bl__arena_alloc(w->arena, n);
    length_of_head = (size_t)(put_ours(put_fields(put_status(at, w->status), w->frozen,
                                                  w->frozen_count),
                                       w, &said, length, type) - at);
    if (at == to && length_of_head < room)
        memmove(to + room - length_of_head, to, length_of_head);
    w->head_sent = true;
    return length_of_head;
}
