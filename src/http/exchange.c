/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/exchange.c - a request and its reply's head, on one connection.
 *
 * A short request goes out in one write, and then the reply is read.  While a long one is
 * sent another goroutine reads already: a server that refuses it says so before it has
 * seen the end, and may then close the connection. */
#include "http/client.h"
#include "net/read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SHORT_BYTES = 65536,    /* a body that is sent at once */
    HEAD_BYTES = 2048,      /* most heads are shorter */
    PIECE_BYTES = 16384,    /* of a body that comes from a function */
    PIECE_ROOM = 16,        /* in front of it: its length in a line */
    INFORMATIONAL_MOST = 8, /* replies that are none yet */
};

#define AFTER_FAILURE_NS BL_SECOND /* for a reply, once writing has failed */

/* --- the reply's head --------------------------------------------------------------------- */

static bl_error *
refusal(const struct bl__reply *r, ptrdiff_t status, size_t most)
{
    if (status == -431 || status == -414)
        return bl_errorf("net/http: server response headers exceeded %zu bytes; aborted", most);
    return bl_errorf("net/http: HTTP/1.x transport connection broken: %s",
                     r->parser.why ? r->parser.why : "malformed HTTP response");
}

/* Positive: its length. */
static ptrdiff_t
read_one_head(const struct bl__hop *hop, struct bl__reply *r, bl_error **err)
{
    size_t most = hop->client->o.max_header_bytes;
    struct bl__input *in = &r->link->in;
    ptrdiff_t n;

    bl__header_init(&r->header, &r->arena, r->fields, BL__REPLY_FIELDS);
    r->head = (struct bl__head){.header = &r->header};
    bl__parser_begin(&r->parser, true, most, most / 4);
    r->parser.to_head = strcmp(hop->method, "HEAD") == 0;
    while (!(n = bl__parser_head(&r->parser, in->data + in->start, bl__input_left(in),
                                 &r->head))) {
        *err = bl__input_fill(in, &r->link->stream, most + 1);
        if (bl__input_left(in) > 0)
            r->has_begun = true;
        if (*err == bl_err_eof && r->has_begun)
            *err = bl_err_unexpected_eof;
        if (*err)
            return 0;
    }
    if (n < 0)
        *err = refusal(r, n, most);
    return n;
}

static bl_error *
read_head(const struct bl__hop *hop, struct bl__reply *r)
{
    struct bl__input *in = &r->link->in;
    bl_error *err = NULL;

    for (int i = 0; i < INFORMATIONAL_MOST; i++) {
        ptrdiff_t n = read_one_head(hop, r, &err);

        if (n <= 0)
            return err;
        in->start += (size_t)n;
        in->pinned = in->start;
        if (r->head.status >= 200 || r->head.status == 101)
            return NULL;
        bl__input_next(in);
    }
    return bl_error_new("net/http: too many 1xx informational responses");
}

/* How long the body is: RFC 9112, 6.3. */
static void
begin_body(const struct bl__hop *hop, struct bl__reply *r)
{
    const struct bl__head *head = &r->head;
    int status = head->status;

    r->body = (struct bl__body){.stream = &r->link->stream, .in = &r->link->in,
                                .parser = &r->parser, .trailer = &r->trailer};
    bl__header_init(&r->trailer, &r->arena, NULL, 0);
    r->shown.content_length = head->chunked ? -1 : head->content_length;
    if (strcmp(hop->method, "HEAD") == 0 || status < 200 || status == 204 || status == 304) {
        if (strcmp(hop->method, "HEAD") != 0)
            r->shown.content_length = 0;
        r->body.done = true;
    } else if (head->chunked) {
        r->body.kind = BL__BODY_CHUNKED;
    } else if (head->content_length >= 0) {
        r->body.kind = BL__BODY_LENGTH;
        r->body.left = (uint64_t)head->content_length;
        r->body.done = head->content_length == 0;
    } else {
        r->body.kind = BL__BODY_TO_END;
    }
    r->closes |= !head->keeps_alive || status == 101 || r->body.kind == BL__BODY_TO_END;
}

static bl_error *
show(const struct bl__hop *hop, struct bl__reply *r)
{
    const bl_http_header *asked = hop->call->header;
    size_t n = bl__url_text(&hop->url, NULL, 0);
    char *url = bl__arena_try(&r->arena, n + 1);

    if (!url)
        return bl_error_from_errno(ENOMEM);
    bl__url_text(&hop->url, url, n + 1);
    r->shown.status = r->head.status;
    r->shown.reason = r->head.reason ? r->head.reason : "";
    r->shown.major = r->head.major;
    r->shown.minor = r->head.minor;
    r->shown.url = url;
    r->shown.header = &r->header;
    r->shown.trailer = &r->trailer;
    r->closes |= asked && bl_http_header_has(asked, "Connection", "close");
    begin_body(hop, r);
    return NULL;
}

/* --- a short request ------------------------------------------------------------------------ */

/* The head, in `buf` or in memory of its own. */
static char *
make_head(const struct bl__hop *hop, char buf[HEAD_BYTES], size_t *n)
{
    char *head = buf;

    *n = bl__request_head(hop, buf, HEAD_BYTES);
    if (*n >= HEAD_BYTES) {
        head = malloc(*n + 1);
        if (head)
            bl__request_head(hop, head, *n + 1);
    }
    return head;
}

static bool
is_waiting_over(bl_error *err)
{
    return bl_error_is(err, bl_err_timeout) || bl_error_is(err, bl_err_net_closed);
}

static void
hurry_up(const struct bl__hop *hop, struct bl__reply *r)
{
    int64_t until = bl_after_ns(AFTER_FAILURE_NS), end = bl__limits_end(&hop->limits);

    bl_error_release(
        bl_conn_set_read_deadline(r->link->stream.conn, until < end ? until : end));
}

/* Who does not listen may have said why. */
static bl_error *
look_for_reply(const struct bl__hop *hop, struct bl__reply *r, bl_error *write_err)
{
    bl_error *err;

    if (is_waiting_over(write_err))
        return write_err;
    hurry_up(hop, r);
    r->closes = true;
    err = read_head(hop, r);
    if (err) {
        bl_error_release(err);
        return write_err;
    }
    bl_error_release(write_err);
    return NULL;
}

static bl_error *
ask_shortly(const struct bl__hop *hop, struct bl__reply *r)
{
    char buf[HEAD_BYTES];
    struct iovec parts[2];
    bl_error *err;

    parts[0].iov_base = make_head(hop, buf, &parts[0].iov_len);
    if (!parts[0].iov_base)
        return bl_error_from_errno(ENOMEM);
    parts[1].iov_base = (void *)hop->call->body;
    parts[1].iov_len = hop->has_body ? hop->call->body_size : 0;
    err = bl__stream_writev(&r->link->stream, parts, parts[1].iov_len ? 2 : 1);
    if (parts[0].iov_base != buf)
        free(parts[0].iov_base);
    return err ? look_for_reply(hop, r, err) : read_head(hop, r);
}

/* --- a long one ------------------------------------------------------------------------------- */

struct sending {
    const struct bl__hop *hop;
    struct bl__reply *reply;
    bl_waitgroup reader;
    bl_error *head_err;      /* the reader's */
    bl_error *body_err;      /* of what the body is read from */
    bl_error *write_err;
    bool ended;              /* the reader has, and was waited for */
    char *head, *piece;
    char buf[HEAD_BYTES];
};

/* A goroutine's.  A reply that is no success ends the sending. */
static void
read_meanwhile(struct sending *s)
{
    struct bl__reply *r = s->reply;

    s->head_err = read_head(s->hop, r);
    if (s->head_err || r->head.status >= 300)
        bl_error_release(bl_conn_set_write_deadline(r->link->stream.conn, 1));
    bl_waitgroup_done(&s->reader);
}

/* Also when the function that the body comes from panics. */
static void
end_sending(struct sending *s)
{
    if (!s->ended) {
        bl_error_release(bl_conn_close(s->reply->link->stream.conn));
        bl_waitgroup_wait(&s->reader);
        bl_error_release(s->head_err);
    }
    if (s->head != s->buf)
        free(s->head);
    free(s->piece);
}

/* What comes from the function, with its length in front and a line's end behind if that
 * is said by chunks. */
static bl_error *
write_piece(struct sending *s, size_t n, bool chunked)
{
    char *data = s->piece + PIECE_ROOM;
    char line[PIECE_ROOM + 1];
    int length;

    if (!chunked)
        return bl__stream_write(&s->reply->link->stream, data, n);
    length = snprintf(line, sizeof line, "%zx\r\n", n);
    memcpy(data - length, line, (size_t)length);
    memcpy(data + n, "\r\n", 2);
    return bl__stream_write(&s->reply->link->stream, data - length, n + (size_t)length + 2);
}

static void
write_read(struct sending *s)
{
    const bl_http_call_options *call = s->hop->call;
    int64_t length = bl__request_length(s->hop), done = 0;
    bool chunked = length < 0;
    size_t n;

    while (!s->write_err && !s->body_err && (chunked || done < length)) {
        size_t want = chunked || length - done > PIECE_BYTES ? PIECE_BYTES
                                                            : (size_t)(length - done);

        s->body_err = bl__read_some(call->read, call->from, s->piece + PIECE_ROOM, want, &n);
        if (n > 0) /* a chunk of no bytes would be the last */
            s->write_err = write_piece(s, n, chunked);
        done += (int64_t)n;
    }
    if (s->body_err != bl_err_eof)
        return;
    s->body_err = NULL;
    if (chunked && !s->write_err)
        s->write_err = bl__stream_write(&s->reply->link->stream, "0\r\n\r\n", 5);
    else if (done < length)
        s->body_err = bl_errorf("http: ContentLength=%lld with Body length %lld",
                                (long long)length, (long long)done);
}

static void
write_all(struct sending *s)
{
    const bl_http_call_options *call = s->hop->call;
    struct bl__stream *stream = &s->reply->link->stream;
    struct iovec parts[2];

    parts[0].iov_base = s->head = make_head(s->hop, s->buf, &parts[0].iov_len);
    s->piece = call->read ? malloc(PIECE_ROOM + PIECE_BYTES + 2) : NULL;
    if (!s->head || (call->read && !s->piece)) {
        s->body_err = bl_error_from_errno(ENOMEM);
        return;
    }
    parts[1] = (struct iovec){(void *)call->body, call->body_size};
    s->write_err = bl__stream_writev(stream, parts, call->read ? 1 : 2);
    if (call->read)
        write_read(s);
}

/* What of all that has gone wrong is said. */
static bl_error *
judge(struct sending *s)
{
    bl_error *errors[] = {s->body_err, s->write_err, s->head_err};
    bl_error *err = NULL;

    if (s->body_err)
        err = s->body_err;
    else if (s->head_err)
        err = s->write_err && !is_waiting_over(s->write_err) ? s->write_err : s->head_err;
    if (s->write_err)
        s->reply->closes = true;
    for (int i = 0; i < 3; i++)
        if (errors[i] != err)
            bl_error_release(errors[i]);
    return err;
}

static bl_error *
ask_at_length(const struct bl__hop *hop, struct bl__reply *r)
{
    struct sending s = {.hop = hop, .reply = r};

    bl_returns (bl_error *, err) {
        bl_defer_call(end_sending, &s);
        s.head = s.buf;
        bl_waitgroup_add(&s.reader, 1);
        bl_go(read_meanwhile, &s);
        write_all(&s);
        if (s.body_err)
            bl_error_release(bl_conn_close(r->link->stream.conn));
        else if (s.write_err)
            hurry_up(hop, r);
        bl_waitgroup_wait(&s.reader);
        s.ended = true;
        err = judge(&s);
    }
}

/* --- once, or twice ---------------------------------------------------------------------------- */

static bl_error *
ask(const struct bl__hop *hop, struct bl__reply *r)
{
    const bl_http_call_options *call = hop->call;
    bl_conn *conn = r->link->stream.conn;
    bool is_long = hop->has_body && (call->read || call->body_size > SHORT_BYTES);
    bl_error *err = bl__cutter_begin(&r->cutter, hop->limits.ctx, conn);

    if (err)
        return err;
    err = bl_conn_set_deadline(conn, bl__limits_end(&hop->limits));
    if (!err)
        err = is_long ? ask_at_length(hop, r) : ask_shortly(hop, r);
    return err ? err : show(hop, r);
}

/* As Go: what changes nothing when it is asked twice, and can be sent twice. */
static bool
may_be_repeated(const struct bl__hop *hop)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    const bl_http_header *header = hop->call->header;

    if (hop->has_body && hop->call->read)
        return false;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strcmp(hop->method, safe[i]) == 0)
            return true;
    return header && (bl_http_header_get(header, "Idempotency-Key") ||
                      bl_http_header_get(header, "X-Idempotency-Key"));
}

/* Closed by the server while the request was on its way: it was of a time before. */
static bool
was_closed_before(const struct bl__reply *r, bl_error *err)
{
    int error = bl_error_errno(err);

    return r->link->used > 0 && !r->has_begun &&
           (err == bl_err_eof || error == ECONNRESET || error == EPIPE);
}

static struct bl__reply *
make_reply(const struct bl__hop *hop)
{
    struct bl__reply *r = malloc(sizeof *r);

    if (!r)
        return NULL;
    memset(r, 0, offsetof(struct bl__reply, fields));
    bl__arena_init(&r->arena, r->first, sizeof r->first);
    r->limits = hop->limits;
    bl_context_retain(r->limits.ctx);
    return r;
}

static bl_error *
try_once(struct bl__hop *hop, bool fresh, struct bl__reply **reply, bool *again)
{
    struct bl__reply *r = *reply = make_reply(hop);
    bl_error *err;

    *again = false;
    if (!r)
        return bl_error_from_errno(ENOMEM);
    err = bl__pool_get(hop->client, &hop->url, &hop->limits, fresh, &r->link);
    if (!err) {
        err = ask(hop, r);
        *again = err && was_closed_before(r, err) && may_be_repeated(hop);
    }
    if (err) {
        r->closes = true;
        bl_http_reply_release(&r->shown);
        *reply = NULL;
    }
    return err;
}

bl_error *
bl__exchange(struct bl__hop *hop, struct bl__reply **reply)
{
    bl_error *err = bl_context_cause(hop->limits.ctx);
    bool again;

    if (err)
        return err;
    err = try_once(hop, false, reply, &again);
    if (again) {
        bl_error_release(err);
        err = try_once(hop, true, reply, &again);
    }
    return err ? bl__limits_error(&hop->limits, err, "exceeded while awaiting headers") : NULL;
}
