/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/server.c - a server: accepting, counting, the end. */
#define _GNU_SOURCE
#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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
    bl_http_server *s = calloc(1, sizeof *s);

    *server = NULL;
    if (!s)
        return bl_error_from_errno(ENOMEM);
    s->o = *options;
    fill_in(&s->o);
    s->work.make = make_work;
    s->work.destroy = free;
    s->ctx = bl_context_with_cancel(s->o.ctx ? s->o.ctx : bl_context_background());
    *server = s;
    return NULL;
}

void
bl_http_server_free(bl_http_server *s)
{
    if (!s)
        return;
    bl_context_end(s->ctx);
    bl_pool_clear(&s->work);
    free(s);
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
        s->requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
    }
    bl_mutex_unlock(&s->lock);
}

void
bl__server_left(bl_http_server *s)
{
    bl_mutex_lock(&s->lock);
    s->open--;
    if (s->ending || s->o.max_connections)
        bl_cond_broadcast(&s->changed);
    bl_mutex_unlock(&s->lock);
}

/* Takes conn over.  NULL: it was closed. */
static struct bl__served *
admit(bl_http_server *s, bl_conn *conn)
{
    struct bl__served *c = make_served(s, conn);

    if (c && list(s, c))
        return c;
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
    error = bl_try_go_with(((bl_go_options){.stack_bytes = s->o.stack_bytes,
                                            .name = "http connection"}),
                           bl__served_run, c);
    if (!error)
        return true;
    bl__server_log(s, "http: no goroutine for a connection: %s", strerror(-error));
    bl__server_unlist(c);
    bl__stream_close(&c->stream);
    free(c);
    bl__server_left(s);
    return false;
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
wait_for_room(bl_http_server *s)
{
    bool ending;

    if (!s->o.max_connections)
        return !s->ending;
    bl_mutex_lock(&s->lock);
    while (!s->ending && s->open >= s->o.max_connections)
        bl_cond_wait(&s->changed, &s->lock);
    ending = s->ending;
    bl_mutex_unlock(&s->lock);
    return !ending;
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
    bl_cond_broadcast(&s->changed);
    bl_mutex_unlock(&s->lock);
}

bl_error *
bl_http_serve(bl_http_server *s, bl_listener *l)
{
    struct bl__listening me = {.l = l};
    bl_error *err = NULL;
    bl_conn *conn;

    if (begin_listening(s, &me)) {
        while (wait_for_room(s) && !(err = bl_listener_accept(l, &conn)))
            bl__server_start(s, conn);
        end_listening(s, &me);
    }
    bl_error_release(bl_listener_close(l));
    if (!s->ending)
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
    for (struct bl__listening *one = s->listening; one; one = one->next)
        bl_error_release(bl_listener_close(one->l));
    bl_cond_broadcast(&s->changed);
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
    bl_error *err = NULL;

    bl_mutex_lock(&s->lock);
    stop_accepting(s);
    for (struct bl__served *c = s->first; c; c = c->next)
        end_idle(c);
    while (!err && (s->open > 0 || s->listening))
        if (bl_cond_wait_ctx(&s->changed, &s->lock, ctx) < 0)
            err = bl_context_cause(ctx);
    bl_mutex_unlock(&s->lock);
    return err;
}

void
bl_http_server_close(bl_http_server *s)
{
    bl_mutex_lock(&s->lock);
    stop_accepting(s);
    bl_context_cancel(s->ctx);
    for (struct bl__served *c = s->first; c; c = c->next)
        bl_error_release(bl_conn_close(c->stream.conn));
    while (s->open > 0 || s->listening)
        bl_cond_wait(&s->changed, &s->lock);
    bl_mutex_unlock(&s->lock);
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
