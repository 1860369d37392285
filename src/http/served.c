/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/served.c - a connection's goroutine: read a head, call the handler, and again.
 *
 * A request that is whole when it is read, and an answer that fits the buffer, cost one
 * read and one write: deadlines are moved only when they are far from where they should
 * be, and the work comes from a pool. */
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    DRAIN_MOST = 256 << 10,      /* of a body that the handler has left */
    LINGER_MOST = 1 << 20,       /* of what comes behind a refusal */
};

#define LINGER_NS (500 * BL_MILLISECOND)

/* --- deadlines --------------------------------------------------------------------------- */

/* 0: leave it. */
static int64_t
moved(int64_t set, int64_t timeout, int64_t now)
{
    int64_t slack = timeout / 8;

    if (timeout < 0 || timeout > BL_FOREVER - now - slack)
        return set == BL_FOREVER ? 0 : BL_FOREVER;
    return set >= now + timeout && set <= now + timeout + slack ? 0 : now + timeout + slack;
}

void
bl__served_read_timeout(struct bl__served *c, int64_t timeout, int64_t now)
{
    int64_t until = moved(c->read_until, timeout, now);

    if (until == 0)
        return;
    c->read_until = until;
    bl_error_release(bl_conn_set_read_deadline(c->stream.conn, until));
}

void
bl__served_write_timeout(struct bl__served *c, int64_t timeout, int64_t now)
{
    int64_t until = moved(c->write_until, timeout, now);

    if (until == 0)
        return;
    c->write_until = until;
    bl_error_release(bl_conn_set_write_deadline(c->stream.conn, until));
}

void
bl_http_set_read_deadline(bl_http_response *w, int64_t until)
{
    if (!w->served)
        return;
    w->served->read_until = until;
    bl_error_release(bl_conn_set_read_deadline(w->served->stream.conn, until));
}

void
bl_http_set_write_deadline(bl_http_response *w, int64_t until)
{
    if (!w->served)
        return;
    w->own_deadline = true;
    w->served->write_until = until;
    bl_error_release(bl_conn_set_write_deadline(w->served->stream.conn, until));
}

void
bl__response_extend(bl_http_response *w)
{
    if (!w->own_deadline)
        bl__served_write_timeout(w->served, w->served->server->o.write_timeout_ns, bl_now());
}

/* --- waiting for a request ------------------------------------------------------------------ */

/* The client has as long for a first request as for its head; then it may idle. */
static bool
wait_for_request(struct bl__served *c)
{
    const bl_http_server_options *o = &c->server->o;
    int state = atomic_load_explicit(&c->state, memory_order_relaxed);
    bl_error *err;

    if (bl__input_left(&c->in) == 0) {
        bl__served_read_timeout(c, state == BL__NEW ? o->header_timeout_ns
                                                    : o->idle_timeout_ns, bl_now());
        err = bl__input_fill(&c->in, &c->stream, c->in.size);
        if (err) {
            bl_error_release(err);
            return false;
        }
    }
    return atomic_compare_exchange_strong(&c->state, &state, BL__ACTIVE);
}

/* 0: the client has gone. */
static ptrdiff_t
read_head(struct bl__served *c)
{
    const bl_http_server_options *o = &c->server->o;
    struct bl__work *work = c->work;
    ptrdiff_t n;

    bl__parser_begin(&work->parser, false, o->max_header_bytes, o->max_headers);
    while (!(n = bl__parser_head(&work->parser, c->in.data + c->in.start,
                                 bl__input_left(&c->in), &work->head))) {
        bl_error *err;

        if (!c->began)
            c->began = bl_now();
        bl__served_read_timeout(c, o->header_timeout_ns, c->began);
        err = bl__input_fill(&c->in, &c->stream, o->max_header_bytes + 1);
        if (err) {
            bl_error_release(err);
            return 0;
        }
    }
    return n;
}

/* --- a request ---------------------------------------------------------------------------------- */

/* Takes the target apart. */
static bool
see_target(struct bl__request *r, struct bl__arena *a)
{
    bl_http_request *shown = &r->shown;
    const char *t = shown->target, *query, *path = t;
    ptrdiff_t n;
    char *to;

    if (t[0] != '/' && strchr(t, ':')) { /* absolute, or CONNECT's */
        const char *host = strncasecmp(t, "http", 4) == 0 && strstr(t, "://")
                               ? strstr(t, "://") + 3 : t;

        path = host + strcspn(host, "/?");
        shown->host = bl__arena_copy(a, host, (size_t)(path - host));
    }
    query = strchr(path, '?');
    shown->query = query ? query + 1 : "";
    n = query ? query - path : (ptrdiff_t)strlen(path);
    if (n == 0 && strcmp(shown->method, "CONNECT") != 0) {
        shown->path = "/";
        return true;
    }
    to = bl__arena_alloc(a, (size_t)n + 1);
    n = bl__unescape(path, (size_t)n, to, false);
    if (n < 0)
        return false;
    to[n] = '\0';
    shown->path = to;
    return true;
}

static void
begin_body(struct bl__request *r, struct bl__served *c)
{
    struct bl__work *work = c->work;
    const struct bl__head *head = &work->head;

    r->body = (struct bl__body){.stream = &c->stream, .in = &c->in,
                                .parser = &work->parser, .trailer = &work->trailer};
    r->body_most = c->server->o.max_body_bytes;
    r->shown.content_length = head->chunked ? -1 : head->content_length;
    if (head->chunked) {
        r->body.kind = BL__BODY_CHUNKED;
    } else if (head->content_length > 0) {
        r->body.kind = BL__BODY_LENGTH;
        r->body.left = (uint64_t)head->content_length;
    } else {
        r->shown.content_length = 0;
        r->body.done = true;
    }
    if (!r->body.done && head->minor > 0)
        r->expects_continue = head->expects_continue;
    if (r->body.kind == BL__BODY_CHUNKED || r->body.left > bl__input_left(&c->in))
        bl__served_read_timeout(c, c->server->o.read_timeout_ns, c->began);
}

static bool
begin_request(struct bl__served *c)
{
    struct bl__work *work = c->work;
    const struct bl__head *head = &work->head;
    struct bl__request *r = &work->request;

    memset(r, 0, sizeof *r);
    r->served = c;
    r->arena = &work->arena;
    r->shown.method = head->method;
    r->shown.target = head->target;
    r->shown.host = head->host ? head->host : "";
    r->shown.major = head->major;
    r->shown.minor = head->minor;
    r->shown.header = &work->header;
    r->shown.trailer = &work->trailer;
    r->shown.pattern = "";
    r->shown.remote = bl_conn_remote(c->stream.conn);
    r->shown.tls = c->stream.tls != NULL;
    begin_body(r, c);
    return see_target(r, &work->arena);
}

/* What comes behind this request can't be told from its body. */
static bool
is_drained(struct bl__request *r)
{
    if (r->body.done || r->body.kind == BL__BODY_NONE)
        return true;
    if (r->expects_continue || r->body.err ||
        (r->body.kind == BL__BODY_LENGTH && r->body.left > DRAIN_MOST))
        return false;
    return bl__body_drain(&r->body, DRAIN_MOST);
}

/* For a handler that has left at the sight of a body that is none. */
static void
answer_bad_body(bl_http_response *w, const bl_error *err)
{
    if (err == bl_err_http_body_too_large)
        bl_http_error(w, "413 Request Entity Too Large", 413);
    else
        bl_http_error(w, "400 Bad Request", 400);
    w->closes = true;
}

/* The rest of the body goes first, so that a client that reads nothing before it has
 * written all can read, and the answer can say whether the connection ends. */
static void
end_request(struct bl__served *c)
{
    struct bl__work *work = c->work;
    bl_http_response *w = &work->response;

    if (work->request.body.err && !w->status)
        answer_bad_body(w, work->request.body.err);
    if (c->server->ending)
        w->closes = true;
    if (!w->done && !w->closes && !is_drained(&work->request))
        w->closes = true;
    bl__response_finish(w);
    if (w->closes || w->err)
        c->ends = true;
}

/* What is still coming is thrown away for a moment: if it found the socket closed, the
 * client's system would throw our answer away. */
static void
linger(struct bl__served *c)
{
    size_t most = LINGER_MOST, n;
    char buf[2048];
    bl_error *err;

    bl__tls_end(c->stream.tls); /* with a goodbye */
    c->stream.tls = NULL;
    err = bl_conn_close_write(c->stream.conn);
    if (!err)
        bl_error_release(bl_conn_set_read_deadline(c->stream.conn, bl_now() + LINGER_NS));
    while (!err && most > 0 &&
           !(err = bl_conn_read(c->stream.conn, buf, sizeof buf, &n)))
        most -= n < most ? n : most;
    bl_error_release(err);
}

static void
refuse(struct bl__served *c, int status, const char *why)
{
    bl__refuse(c, &(struct bl__refusal){status, why});
    c->ends = true;
    linger(c);
}

static void
serve_request(struct bl__served *c)
{
    struct bl__work *work = c->work;
    bl_http_response *w = &work->response;

    atomic_store_explicit(&c->requests,
                          atomic_load_explicit(&c->requests, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    bl__response_init(work, c);
    w->is_head = strcmp(work->head.method, "HEAD") == 0;
    w->closes = !work->head.keeps_alive;
    bl__call_handler(c);
    bl__peer_watch_stop(c);
    bl__context_end(&work->request);
    if (!work->response.served)
        return;
    end_request(c);
    if (c->ends && !w->err &&
        (!work->request.body.done || bl__input_left(&c->in) > 0))
        linger(c);
}

static void
take_work(struct bl__served *c)
{
    struct bl__work *work = bl_pool_get(&c->server->work);

    c->work = work;
    if (!work)
        return;
    work->head = (struct bl__head){.header = &work->header};
    bl__header_init(&work->header, &work->arena, work->fields, BL__FIELDS_FIRST);
    bl__header_init(&work->trailer, &work->arena, NULL, 0);
    memset(&work->request, 0, sizeof work->request);
    work->response.err = NULL;
}

static void
drop_work(struct bl__served *c)
{
    struct bl__work *work = c->work;

    if (!work)
        return;
    c->work = NULL;
    bl_error_release(work->request.body.err);
    bl_error_release(work->response.err);
    bl__context_end(&work->request);
    bl__arena_reset(&work->arena);
    bl_pool_put(&c->server->work, work);
}

/* The state is ACTIVE. */
static void
serve_head(struct bl__served *c)
{
    struct bl__work *work = c->work;
    ptrdiff_t n = read_head(c);
    int64_t now;

    if (n <= 0) {
        if (n < 0)
            refuse(c, (int)-n, work->parser.why);
        c->ends = true;
        return;
    }
    c->in.start += (size_t)n;
    c->in.pinned = c->in.start;
    now = bl_now();
    if (!c->began)
        c->began = now;
    bl__served_write_timeout(c, c->server->o.write_timeout_ns, now);
    if (work->head.expects && !work->head.expects_continue && work->head.minor > 0)
        refuse(c, 417, "unknown expectation");
    else if (!begin_request(c))
        refuse(c, 400, "malformed request target");
    else
        serve_request(c);
}

/* Returns false when that was the last. */
static bool
serve_one(struct bl__served *c)
{
    if (!wait_for_request(c))
        return false;
    take_work(c);
    if (!c->work)
        return false;
    c->began = 0;
    serve_head(c);
    drop_work(c);
    if (c->ends)
        return false;
    bl__input_next(&c->in);
    atomic_store_explicit(&c->state, BL__IDLE, memory_order_release);
    return bl__input_left(&c->in) > 0 || !c->server->ending;
}

/* --- the goroutine ------------------------------------------------------------------------------- */

/* Also when a handler ends it, or memory has run out around one: then the connection goes,
 * and all others stay. */
static void
leave(struct bl__served *c)
{
    bl_http_server *s = c->server;
    const bl_panic_info *p = bl_recover();
    bool taken = atomic_load_explicit(&c->state, memory_order_relaxed) == BL__TAKEN;

    if (p)
        bl__server_log(s, "http: a connection was given up: %s", p->text);
    if (c->work)
        bl__peer_watch_stop(c);
    drop_work(c);
    bl__server_unlist(c);
    bl__stream_close(&c->stream);
    bl__input_free(&c->in);
    bl__peer_watch_free(c);
    if (!taken)
        bl__server_left(c);
    free(c);
    bl__server_release(s);
}

static bool
shake_hands(struct bl__served *c)
{
    bl_http_tls *tls = c->server->o.tls;
    char address[BL_ADDR_TEXT], text[256];
    bl_error *err;

    if (!tls)
        return true;
    bl__served_read_timeout(c, c->server->o.header_timeout_ns, bl_now());
    bl__served_write_timeout(c, c->server->o.header_timeout_ns, bl_now());
    err = bl__tls_begin(tls, c->stream.conn, NULL, &c->stream.tls);
    if (!err)
        return true;
    bl_addr_text(bl_conn_remote(c->stream.conn), address, sizeof address);
    bl_error_text(err, text, sizeof text);
    bl__server_log(c->server, "http: TLS handshake error from %s: %s", address, text);
    bl_error_release(err);
    return false;
}

void
bl__served_run(struct bl__served *c)
{
    bl_returns_nothing {
        bl_defer_call(leave, c);
        if (shake_hands(c))
            while (serve_one(c))
                ;
    }
}
