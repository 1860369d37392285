/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/response.c - an answer: what a handler writes, until it goes out.
 *
 * The first BL__BODY_ROOM bytes are kept back: a handler that returns before there are
 * more gets a length, and head and body go in one piece.  So in the work's memory there is
 * room for the head in front of them, and for the end of the chunks behind them. */
#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

bl_error_static(err_length, "http: wrote more than the declared Content-Length");

/* --- begin --------------------------------------------------------------------------------- */

/* Formatted once a second. */
static const char *
date_line(struct bl__work *work)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != work->date_second) {
        char text[BL__DATE_SIZE];

        bl__date_print(now.tv_sec, text);
        snprintf(work->date, sizeof work->date, "Date: %s\r\n", text);
        work->date_second = now.tv_sec;
    }
    return work->date;
}

void
bl__response_init(struct bl__work *work, struct bl__served *c)
{
    bl_http_response *w = &work->response;

    *w = (bl_http_response){.served = c, .request = &work->request, .arena = &work->arena,
                            .declared = -1, .out = work->out, .date = date_line(work)};
    bl__header_init(&w->header, &work->arena, work->answer_fields,
                    BL__ANSWER_FIELDS_FIRST);
    bl__header_init(&w->trailer, &work->arena, NULL, 0);
}

bl_http_header *
bl_http_response_header(bl_http_response *w)
{
    return &w->header;
}

int
bl_http_sent_status(const bl_http_response *w)
{
    return w->status;
}

uint64_t
bl_http_sent_bytes(const bl_http_response *w)
{
    return w->written;
}

/* --- status ------------------------------------------------------------------------------------ */

/* The handler's length, if it is one. */
static void
see_length(bl_http_response *w)
{
    const struct bl__field *f = bl__header_find(&w->header, "Content-Length", 14, NULL);
    char *end;

    if (!f)
        return;
    errno = 0;
    w->declared = strtoll(f->value, &end, 10);
    if (errno || *end || end == f->value || f->value[0] < '0' || f->value[0] > '9') {
        w->declared = -1;
        bl__server_log(w->served->server, "http: invalid Content-Length of \"%s\"",
                       f->value);
    }
}

/* What the header is now is what will be sent. */
static void
freeze(bl_http_response *w)
{
    size_t n = w->header.count;

    w->frozen_count = n;
    w->has_trailer = w->trailer.count > 0;
    if (n == 0)
        return;
    w->frozen = bl__arena_alloc(w->arena, n * sizeof *w->frozen);
    memcpy(w->frozen, w->header.fields, n * sizeof *w->frozen);
    w->has_trailer |= bl__header_find(&w->header, "Trailer", 7, NULL) != NULL;
    see_length(w);
}

/* 1xx: at once, with the headers that there are. */
static void
send_informational(bl_http_response *w, int code)
{
    size_t n = 64;
    char *text, *at;

    for (size_t i = 0; i < w->header.count; i++)
        n += w->header.fields[i].name_size + w->header.fields[i].value_size + 4;
    text = bl__arena_alloc(w->arena, n);
    at = text + snprintf(text, n, "HTTP/1.1 %d %s\r\n", code, bl_http_status_text(code));
    for (size_t i = 0; i < w->header.count; i++) {
        const struct bl__field *f = &w->header.fields[i];

        if (!BL__IS_NAME(f, "Content-Length") && !BL__IS_NAME(f, "Transfer-Encoding"))
            at += snprintf(at, n - (size_t)(at - text), "%s: %s\r\n", f->name, f->value);
    }
    at += snprintf(at, n - (size_t)(at - text), "\r\n");
    if (code == 100)
        w->request->expects_continue = false;
    if (!w->err)
        w->err = bl__stream_write(&w->served->stream, text, (size_t)(at - text));
}

static void
set_status(bl_http_response *w, int code)
{
    w->status = code;
    w->no_body = code == 204 || code == 304 || code < 200;
    freeze(w);
}

void
bl_http_status(bl_http_response *w, int code)
{
    if (code < 100 || code > 999)
        bl_panic("invalid WriteHeader code %d", code);
    if (!w->served) {
        return;
    }
    if (w->status)
        bl__server_log(w->served->server, "http: superfluous bl_http_status(%d), after %d",
                       code, w->status);
    else if (code >= 200 || code == 101)
        set_status(w, code);
    else if (w->request->shown.minor > 0)
        send_informational(w, code);
}

/* --- body --------------------------------------------------------------------------------------- */

/* What is buffered and `size` bytes more; last: nothing follows. */
struct piece {
    struct iovec parts[6];
    int count;
    char chunk[24];
};

static void
add(struct piece *p, const void *data, size_t n)
{
    if (n > 0)
        p->parts[p->count++] = (struct iovec){(void *)data, n};
}

static void
add_head(bl_http_response *w, struct piece *p, const char *more, size_t size, bool last)
{
    const char *body = w->buffered ? w->out + BL__HEAD_ROOM : more;
    size_t seen = w->buffered ? w->buffered : size, n;
    char *large = NULL;

    n = bl__head_write(w, w->out, BL__HEAD_ROOM, body, last ? w->buffered + size : seen,
                       last, &large);
    add(p, large ? large : w->out + BL__HEAD_ROOM - n, n);
}

/* Headers behind the last chunk. */
static char *
trailer_text(bl_http_response *w, size_t *n)
{
    char *text, *at;

    *n = 5;
    for (size_t i = 0; i < w->trailer.count; i++)
        *n += w->trailer.fields[i].name_size + w->trailer.fields[i].value_size + 4;
    at = text = bl__arena_alloc(w->arena, *n + 1);
    at += sprintf(at, "0\r\n");
    for (size_t i = 0; i < w->trailer.count; i++)
        at += sprintf(at, "%s: %s\r\n", w->trailer.fields[i].name,
                      w->trailer.fields[i].value);
    strcpy(at, "\r\n");
    return text;
}

static void
add_end(bl_http_response *w, struct piece *p, bool has_data)
{
    size_t n;
    char *text;

    if (w->trailer.count == 0) {
        add(p, has_data ? "\r\n0\r\n\r\n" : "0\r\n\r\n", has_data ? 7 : 5);
        return;
    }
    if (has_data)
        add(p, "\r\n", 2);
    text = trailer_text(w, &n);
    add(p, text, n);
}

/* Where parts lie behind each other, as a head in front of its body does, they are one:
 * one part is sent with less ado. */
static bl_error *
send_parts(bl_http_response *w, struct piece *p)
{
    struct bl__stream *s = &w->served->stream;

    if (p->count == 2 &&
        (char *)p->parts[0].iov_base + p->parts[0].iov_len == p->parts[1].iov_base) {
        p->parts[0].iov_len += p->parts[1].iov_len;
        p->count = 1;
    }
    if (p->count == 0)
        return NULL;
    if (p->count == 1)
        return bl__stream_write(s, p->parts[0].iov_base, p->parts[0].iov_len);
    return bl__stream_writev(s, p->parts, p->count);
}

static bl_error *
flush_with(bl_http_response *w, const void *more, size_t size, bool last)
{
    struct piece p = {.count = 0};
    size_t all = w->buffered + size;

    if (!w->head_sent && !bl__response_claim(w))
        return w->err = bl__err_timed_out;
    if (!w->head_sent)
        add_head(w, &p, more, size, last);
    if (!w->is_head && !w->no_body) {
        if (w->chunked && all > 0)
            add(&p, p.chunk, (size_t)snprintf(p.chunk, sizeof p.chunk, "%zx\r\n", all));
        add(&p, w->out + BL__HEAD_ROOM, w->buffered);
        add(&p, more, size);
        if (w->chunked && last)
            add_end(w, &p, all > 0);
        else if (w->chunked && all > 0)
            add(&p, "\r\n", 2);
    }
    w->buffered = 0;
    w->err = send_parts(w, &p);
    return bl_error_retain(w->err);
}

bl_error *
bl_http_write(bl_http_response *w, const void *buf, size_t size)
{
    if (BL__UNLIKELY(!w->served))
        return bl_err_http_hijacked;
    if (w->err)
        return bl_error_retain(w->err);
    if (!w->status)
        set_status(w, 200);
    if (w->no_body || size == 0)
        return NULL;
    if (w->declared >= 0 && size > (uint64_t)w->declared - w->written)
        return err_length;
    w->written += size;
    if (size <= BL__BODY_ROOM - w->buffered) {
        memcpy(w->out + BL__HEAD_ROOM + w->buffered, buf, size);
        w->buffered += size;
        return NULL;
    }
    return flush_with(w, buf, size, false);
}

bl_error *
bl_http_string(bl_http_response *w, const char *s)
{
    return bl_http_write(w, s, strlen(s));
}

bl_error *
bl_http_vprintf(bl_http_response *w, const char *format, va_list args)
{
    char small[512], *text = small;
    bl_error *err;
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(small, sizeof small, format, args);
    if (n >= (int)sizeof small) {
        text = malloc((size_t)n + 1);
        if (text)
            vsnprintf(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (n < 0 || !text)
        return bl_error_from_errno(n < 0 ? EINVAL : ENOMEM);
    err = bl_http_write(w, text, (size_t)n);
    if (text != small)
        free(text);
    return err;
}

bl_error *
bl_http_printf(bl_http_response *w, const char *format, ...)
{
    va_list args;
    bl_error *err;

    va_start(args, format);
    err = bl_http_vprintf(w, format, args);
    va_end(args);
    return err;
}

bl_error *
bl_http_flush(bl_http_response *w)
{
    if (!w->served)
        return bl_err_http_hijacked;
    if (w->err)
        return bl_error_retain(w->err);
    if (!w->status)
        set_status(w, 200);
    return w->head_sent && w->buffered == 0 ? NULL : flush_with(w, NULL, 0, false);
}

void
bl_http_trailer(bl_http_response *w, const char *name, const char *value)
{
    bl_http_header_add(&w->trailer, name, value);
}

/* --- end ----------------------------------------------------------------------------------------- */

void
bl__response_finish(bl_http_response *w)
{
    if (w->done)
        return;
    w->done = true;
    if (w->err)
        return;
    if (!w->status)
        set_status(w, 200);
    if (!w->no_body && !w->is_head && w->declared > 0 && w->written < (uint64_t)w->declared)
        w->closes = true; /* the client would wait for the rest */
    if (!w->head_sent || w->buffered || w->chunked)
        bl_error_release(flush_with(w, NULL, 0, true));
}

/* --- short answers ----------------------------------------------------------------------------- */

void
bl_http_error(bl_http_response *w, const char *text, int code)
{
    bl_http_header *h = &w->header;

    bl_http_header_remove(h, "Content-Length");
    bl_http_header_set(h, "Content-Type", "text/plain; charset=utf-8");
    bl_http_header_set(h, "X-Content-Type-Options", "nosniff");
    bl_http_status(w, code);
    bl_error_release(bl_http_string(w, text));
    bl_error_release(bl_http_write(w, "\n", 1));
}

void
bl_http_not_found(bl_http_response *w, bl_http_request *r, void *unused)
{
    (void)r, (void)unused;
    bl_http_error(w, "404 page not found", 404);
}

void
bl__refuse(struct bl__served *c, const struct bl__refusal *refusal)
{
    char text[512];
    int n;

    n = snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Connection: close\r\n\r\n%d %s: %s",
                 refusal->status, bl_http_status_text(refusal->status), refusal->status,
                 bl_http_status_text(refusal->status), refusal->why);
    atomic_fetch_add_explicit(&c->server->refused, 1, memory_order_relaxed);
    bl_error_release(bl__stream_write(&c->stream, text, (size_t)n));
}
