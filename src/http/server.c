/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/server.c - a server: accepting, counting, the end. */
#define _GNU_SOURCE
#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHORTAGE_PAUSE_NS = 5000000 /* Go's first one */ };

bl_error_global(bl_err_http_server_closed, "http: Server closed");

/* A listener that somebody serves; on his stack. */
struct bl__listening {
    struct bl__listening *next, **at;
    bl_listener *l;
};

/* --- log ------------------------------------------------------------------------------------ */

void
bl__server_log(bl_http_server *s, const char *format, ...)
{
    char *line = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&line, format, args);
    va_end(args);
    if (n < 0)
        return;
    if (s->o.log)
        s->o.log(s->o.log_data, line);
    else
        dprintf(STDERR_FILENO, "%s\n", line);
    free(line);
}

/* --- life ------------------------------------------------------------------------------------- */

#define DEFAULT(field, value) (o->field = o->field ? o->field : (value))

static void
fill_in(bl_http_server_options *o)
{
    DEFAULT(max_header_bytes, 64 << 10);
    DEFAULT(max_headers, 100);
    DEFAULT(max_body_bytes, 32 << 20);
    DEFAULT(header_timeout_ns, 10 * BL_SECOND);
    DEFAULT(read_timeout_ns, 60 * BL_SECOND);
    DEFAULT(write_timeout_ns, 60 * BL_SECOND);
    DEFAULT(idle_timeout_ns, 120 * BL_SECOND);
}

static void *
make_work(void)
{
    struct bl__work *work = malloc(sizeof *work);

    if (work) {
        work->date_second = 0;
        bl__arena_init(&work->arena, work->arena_first, sizeof work->arena_first);
    }
    return work;
}

bl_error *
bl_http_server_new(const bl_http_server_options *options, bl_http_server **server)
{
    bl_http_server *s;

    *server = NULL;
    if (!options->handler.serve)
        bl_panic("http: nil handler");
    s = calloc(1, sizeof *s);
    if (!s)
        return bl_error_from_errno(ENOMEM);
    s->refs = 1;
    s->o = *options;
    fill_in(&s->o);
    s->work.make = make_work;
    s->work.destroy = free;
    s->slots.size = (int64_t)(s->o.max_connections < INT64_MAX ? s->o.max_connections
                                                               : INT64_MAX);
    s->ctx = bl_context_with_cancel(s->o.ctx ? s->o.ctx : bl_context_background());
    s->accepting = bl_context_with_cancel(bl_context_background());
    *server = s;
    return NULL;
}

void
bl__server_release(bl_http_server *s)
{
    /* acq_rel: what others did with it before is done when the last one frees it */
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    bl_context_end(s->ctx);
    bl_context_end(s->accepting);
    bl_pool_clear(&s->work);
    free(s);
}

void
bl_http_server_free(bl_http_server *s)
{
    if (s)
        bl__server_release(s);
}

/* --- connections --------------------------------------------------------------------------------- */

static struct bl__served *
make_served(bl_http_server *s, bl_conn *conn)
{
    struct bl__served *c = malloc(sizeof *c);

    if (!c)
        return NULL;
    memset(c, 0, offsetof(struct bl__served, data));
    c->server = s;
    c->stream.conn = conn;
    c->read_until = c->write_until = BL_FOREVER;
    bl__input_init(&c->in, c->data, sizeof c->data);
    return c;
}

/* Returns false when the server ends. */
static bool
list(bl_http_server *s, struct bl__served *c)
{
    bool ending;

    bl_mutex_lock(&s->lock);
    ending = s->ending;
    if (!ending) {
        c->next = s->first;
        c->at = &s->first;
        if (c->next)
            c->next->at = &c->next;
        s->first = c;
        s->open++;
        s->connections++;
        bl_waitgroup_add(&s->members, 1);
    }
    bl_mutex_unlock(&s->lock);
    return !ending;
}

void
bl__server_unlist(struct bl__served *c)
{
    bl_http_server *s = c->server;

    bl_mutex_lock(&s->lock);
    if (c->at) {
        *c->at = c->next;
        if (c->next)
            c->next->at = c->at;
        c->at = NULL;
        s->open--;
        s->requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
    }
    bl_mutex_unlock(&s->lock);
}

static void
give_slot_back(bl_http_server *s)
{
    if (s->o.max_connections)
        bl_semaphore_release(&s->slots, 1);
}

void
bl__server_left(struct bl__served *c)
{
    if (c->has_slot)
        give_slot_back(c->server);
    bl_waitgroup_done(&c->server->members);
}

/* Takes conn over.  NULL: it was closed. */
static struct bl__served *
admit(bl_http_server *s, bl_conn *conn)
{
    struct bl__served *c = make_served(s, conn);

    if (c && list(s, c)) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        return c;
    }
    free(c);
    bl_conn_release(conn);
    return NULL;
}

bool
bl__server_start(bl_http_server *s, bl_conn *conn)
{
    struct bl__served *c = admit(s, conn);
    int error;

    if (!c)
        return false;
    c->has_slot = s->o.max_connections > 0;
    error = bl_try_go_with(((bl_go_options){.stack_bytes = s->o.stack_bytes,
                                            .name = "http connection"}),
                           bl__served_run, c);
    if (!error)
        return true;
    bl__server_log(s, "http: no goroutine for a connection: %s", strerror(-error));
    bl__server_unlist(c);
    bl__stream_close(&c->stream);
    bl__server_left(c);
    free(c);
    bl__server_release(s);
    return true;
}

void
bl_http_serve_conn(bl_http_server *s, bl_conn *conn)
{
    struct bl__served *c = admit(s, conn);

    if (c)
        bl__served_run(c);
}

/* --- accepting ----------------------------------------------------------------------------------- */

/* Returns false when the server ends. */
static bool
take_slot(bl_http_server *s)
{
    return !s->o.max_connections ||
           bl_semaphore_acquire_ctx(&s->slots, 1, s->accepting) == 0;
}

static bool
begin_listening(bl_http_server *s, struct bl__listening *me)
{
    bool ending;

    bl_mutex_lock(&s->lock);
    ending = s->ending;
    if (!ending) {
        me->next = s->listening;
        me->at = &s->listening;
        if (me->next)
            me->next->at = &me->next;
        s->listening = me;
        bl_waitgroup_add(&s->members, 1);
    }
    bl_mutex_unlock(&s->lock);
    return !ending;
}

static void
end_listening(bl_http_server *s, struct bl__listening *me)
{
    bl_mutex_lock(&s->lock);
    *me->at = me->next;
    if (me->next)
        me->next->at = me->at;
    bl_mutex_unlock(&s->lock);
    bl_waitgroup_done(&s->members);
}

/* For want of memory that connection has been closed; the next one finds some, perhaps. */
static bl_error *
after_shortage(bl_http_server *s, bl_error *err)
{
    if (bl_error_errno(err) != ENOMEM)
        return err;
    bl__server_log(s, "http: a connection was closed: %s", strerror(ENOMEM));
    bl_error_release(err);
    bl_sleep(SHORTAGE_PAUSE_NS);
    return NULL;
}

static bl_error *
accept_all(bl_http_server *s, bl_listener *l)
{
    bl_error *err = NULL;
    bl_conn *conn;

    while (!err && !s->ending && take_slot(s)) {
        err = bl_listener_accept(l, &conn);
        if (err || !bl__server_start(s, conn))
            give_slot_back(s);
        if (err)
            err = after_shortage(s, err);
    }
    return err;
}

bl_error *
bl_http_serve(bl_http_server *s, bl_listener *l)
{
    struct bl__listening me = {.l = l};
    bl_error *err = NULL;
    bool ended = true;

    if (begin_listening(s, &me)) {
        err = accept_all(s, l);
        ended = s->ending;
        end_listening(s, &me);
    }
    bl_error_release(bl_listener_close(l));
    if (!ended)
        return err;
    bl_error_release(err);
    return bl_err_http_server_closed;
}

bl_error *
bl_http_listen_and_serve(const char *address, bl_http_handler handler)
{
    bl_http_server_options o = {.handler = handler};
    bl_http_server *s;
    bl_listener *l;
    bl_error *err = bl_listen("tcp", address, &l);

    if (err)
        return err;
    err = bl_http_server_new(&o, &s);
    if (!err) {
        err = bl_http_serve(s, l);
        bl_http_server_close(s);
        bl_http_server_free(s);
    }
    bl_listener_release(l);
    return err;
}

/* --- the end ----------------------------------------------------------------------------------------- */

/* Lock held, as for all of these. */
static void
stop_accepting(bl_http_server *s)
{
    s->ending = true;
    bl_context_cancel(s->accepting);
    for (struct bl__listening *one = s->listening; one; one = one->next)
        bl_error_release(bl_listener_close(one->l));
}

/* A request that is there already is still answered. */
static bool
has_request(const struct bl__served *c)
{
    char byte;

    return recv(bl_conn_fd(c->stream.conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void
end_idle(struct bl__served *c)
{
    int state = atomic_load(&c->state);

    if ((state == BL__NEW || state == BL__IDLE) && !has_request(c) &&
        atomic_compare_exchange_strong(&c->state, &state, BL__ENDED))
        bl_error_release(bl_conn_close(c->stream.conn));
}

bl_error *
bl_http_server_shutdown(bl_context *ctx, bl_http_server *s)
{
    bl_mutex_lock(&s->lock);
    stop_accepting(s);
    for (struct bl__served *c = s->first; c; c = c->next)
        end_idle(c);
    bl_mutex_unlock(&s->lock);
    return bl_waitgroup_wait_ctx(&s->members, ctx) < 0 ? bl_context_cause(ctx) : NULL;
}

void
bl_http_server_close(bl_http_server *s)
{
    bl_mutex_lock(&s->lock);
    stop_accepting(s);
    bl_context_cancel(s->ctx);
    for (struct bl__served *c = s->first; c; c = c->next)
        bl_error_release(bl_conn_close(c->stream.conn));
    bl_mutex_unlock(&s->lock);
    bl_waitgroup_wait(&s->members);
}

/* --- statistics -------------------------------------------------------------------------------------- */

void
bl_http_server_read_stats(bl_http_server *s, bl_http_server_stats *stats)
{
    *stats = (bl_http_server_stats){0};
    bl_mutex_lock(&s->lock);
    stats->connections = s->connections;
    stats->requests = s->requests;
    stats->open = s->open;
    for (const struct bl__served *c = s->first; c; c = c->next) {
        stats->requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
        stats->active += atomic_load_explicit(&c->state, memory_order_relaxed) == BL__ACTIVE;
    }
    bl_mutex_unlock(&s->lock);
    stats->panics = atomic_load_explicit(&s->panics, memory_order_relaxed);
    stats->faults = atomic_load_explicit(&s->faults, memory_order_relaxed);
    stats->refused = atomic_load_explicit(&s->refused, memory_order_relaxed);
}
