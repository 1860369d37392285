/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/pool.c - a client's connections, by host.
 *
 * belay/connpool.h is not what this needs: there a context ends the wait for a connection,
 * but not opening one, which is most of the time here; hosts come and go; and who gets a
 * connection has to know whether it is a new one. */
#include "http/client.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

/* --- limits ------------------------------------------------------------------------------ */

static int64_t
sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t
bl__limits_end(const struct bl__limits *limits)
{
    return sooner(limits->until, bl_context_deadline(limits->ctx));
}

/* The context's error comes first, then the client's time, which people set to know why. */
bl_error *
bl__limits_error(const struct bl__limits *limits, bl_error *err, const char *how)
{
    bool is_net = bl_error_is(err, bl_err_timeout) || bl_error_is(err, bl_err_canceled);
    bool is_dial = is_net && bl_error_as(err, &bl_net_error_kind) &&
                   strcmp(((const bl_net_error *)bl_error_as(err, &bl_net_error_kind))->op,
                          "dial") == 0;

    if (!is_net && !bl_error_is(err, bl_err_net_closed))
        return err;
    if (bl_context_err(limits->ctx) || (is_net && bl_context_deadline(limits->ctx) <= bl_now() &&
                                        bl_context_deadline(limits->ctx) <= limits->until)) {
        bl_error *cause = bl_context_cause(limits->ctx);

        if (is_dial)
            return err;
        bl_error_release(err);
        return cause ? cause : bl_err_deadline_exceeded;
    }
    if (!is_net || limits->until > bl_now())
        return err;
    if (!is_dial) {
        bl_error_release(err);
        err = bl_err_deadline_exceeded;
    }
    return bl_errorf("%pw (Client.Timeout %s)", (void *)err, how);
}

/* Has a share of the connection. */
static void
cut(void *conn)
{
    bl_error_release(bl_conn_close(conn));
    bl_conn_release(conn);
}

bl_error *
bl__cutter_begin(struct bl__cutter *cutter, bl_context *ctx, bl_conn *conn)
{
    cutter->func = NULL;
    if (!bl_context_channel(ctx))
        return NULL;
    cutter->conn = bl_conn_retain(conn);
    cutter->func = bl_context_after_func(ctx, cut, conn);
    if (cutter->func)
        return NULL;
    bl_conn_release(conn);
    return bl_error_from_errno(ENOMEM);
}

bool
bl__cutter_end(struct bl__cutter *cutter)
{
    bool stopped;

    if (!cutter->func)
        return true;
    stopped = bl_context_func_stop(cutter->func);
    bl_context_func_free(cutter->func);
    cutter->func = NULL;
    if (stopped)
        bl_conn_release(cutter->conn);
    return stopped;
}

/* --- hosts -------------------------------------------------------------------------------- */

static unsigned
bucket_of(const char *address)
{
    unsigned hash = 2166136261u;

    for (; *address; address++)
        hash = (hash ^ (unsigned char)*address) * 16777619u;
    return (hash ^ hash >> 16) % BL__HOST_BUCKETS;
}

/* Its texts are behind it. */
static struct bl__host *
make_host(bl_http_client *client, const struct bl__url *url)
{
    struct bl__span name, port;
    struct bl__host *host;
    bool tls = url->scheme.n == 5, is_v6;
    char *to;

    bl__url_split_host(url, &name, &port);
    if (port.n == 0)
        port = tls ? BL__SPAN("443") : BL__SPAN("80");
    host = calloc(1, sizeof *host + 2 * name.n + port.n + 8);
    if (!host)
        return NULL;
    host->client = client;
    host->tls = tls;
    host->slots.size = (int64_t)client->o.max_per_host;
    host->name = to = (char *)(host + 1);
    memcpy(to, name.at, name.n);
    host->address = to += name.n + 1;
    is_v6 = strchr(host->name, ':') != NULL;
    snprintf(to, name.n + port.n + 6, is_v6 ? "[%s]:%.*s" : "%s:%.*s", host->name, (int)port.n,
             port.at);
    return host;
}

/* One more user. */
static struct bl__host *
enter_host(bl_http_client *client, const struct bl__url *url)
{
    struct bl__host *host = make_host(client, url), **at, *old;

    if (!host)
        return NULL;
    bl_mutex_lock(&client->lock);
    at = &client->hosts[bucket_of(host->address)];
    for (old = *at; old; old = old->next)
        if (old->tls == host->tls && strcmp(old->address, host->address) == 0)
            break;
    if (!old) {
        host->next = *at;
        *at = old = host;
        host = NULL;
    }
    old->users++;
    bl_mutex_unlock(&client->lock);
    free(host);
    return old;
}

/* Lock held.  Returns what is to be freed. */
static struct bl__host *
leave_locked(struct bl__host *host)
{
    struct bl__host **at = &host->client->hosts[bucket_of(host->address)];

    if (--host->users > 0)
        return NULL;
    while (*at != host)
        at = &(*at)->next;
    *at = host->next;
    return host;
}

static void
leave_host(struct bl__host *host)
{
    bl_mutex *lock = &host->client->lock;

    bl_mutex_lock(lock);
    host = leave_locked(host);
    bl_mutex_unlock(lock);
    free(host);
}

/* --- slots ----------------------------------------------------------------------------------- */

static bl_error *
take_slot(struct bl__host *host, const struct bl__limits *limits)
{
    bl_context *ctx;
    bl_error *err = NULL;

    if (host->slots.size == 0 || bl_semaphore_try_acquire(&host->slots, 1))
        return NULL;
    ctx = bl_context_with_deadline(limits->ctx, limits->until);
    if (bl_semaphore_acquire_ctx(&host->slots, 1, ctx) < 0)
        err = bl_context_cause(ctx);
    bl_context_end(ctx);
    return err;
}

static void
give_slot(struct bl__host *host)
{
    if (host->slots.size > 0)
        bl_semaphore_release(&host->slots, 1);
}

/* --- links ------------------------------------------------------------------------------------ */

static void
free_link(struct bl__link *link)
{
    bl__stream_close(&link->stream);
    bl__input_free(&link->in);
    free(link);
}

/* Frees a list of idle ones, each of which is a user of its host. */
static void
free_links(struct bl__link *link)
{
    while (link) {
        struct bl__link *next = link->next;
        struct bl__host *host = link->host;

        free_link(link);
        leave_host(host);
        link = next;
    }
}

static bl_error *
find_tls(bl_http_client *client, bl_http_tls **tls)
{
    bl_error *err = NULL;

    *tls = client->o.tls;
    if (*tls)
        return NULL;
    bl_mutex_lock(&client->lock);
    if (!client->own_tls)
        err = bl_http_tls_client(NULL, &client->own_tls);
    *tls = client->own_tls;
    bl_mutex_unlock(&client->lock);
    return err == bl_err_unsupported
               ? bl_error_wrap(err, "https: libbelay-http was built without TLS")
               : err;
}

static bl_error *
shake_hands(struct bl__link *link, const struct bl__limits *limits, int64_t until)
{
    struct bl__cutter cutter;
    bl_http_tls *tls;
    bl_error *err = find_tls(link->host->client, &tls);

    if (!err)
        err = bl__cutter_begin(&cutter, limits->ctx, link->stream.conn);
    if (err)
        return err;
    bl_error_release(bl_conn_set_deadline(link->stream.conn, until));
    err = bl__tls_begin(tls, link->stream.conn, link->host->name, &link->stream.tls);
    bl__cutter_end(&cutter); /* cut: the first use finds out */
    if (bl_error_is(err, bl_err_timeout) && until < bl__limits_end(limits)) {
        bl_error_release(err);
        err = bl_error_wrap(bl_err_timeout, "net/http: TLS handshake timeout");
    }
    return err;
}

static bl_error *
open_link(struct bl__host *host, const struct bl__limits *limits, struct bl__link **link)
{
    const bl_http_client_options *o = &host->client->o;
    int64_t until = sooner(limits->until, bl_after_ns(o->dial_timeout_ns));
    bl_context *ctx = bl_context_with_deadline(limits->ctx, until);
    struct bl__link *new = calloc(1, sizeof *new);
    bl_error *err = bl_context_cause(ctx); /* it may have had no memory, too */

    *link = NULL;
    if (!err)
        err = new ? bl_dial_ctx(ctx, "tcp", host->address, &new->stream.conn)
                  : bl_error_from_errno(ENOMEM);
    bl_context_end(ctx);
    if (err) {
        free(new);
        return err;
    }
    new->host = host;
    bl__input_init(&new->in, new->data, sizeof new->data);
    if (host->tls)
        err = shake_hands(new, limits, bl_after_ns(o->dial_timeout_ns) < bl__limits_end(limits)
                                           ? bl_after_ns(o->dial_timeout_ns)
                                           : bl__limits_end(limits));
    if (err)
        free_link(new);
    else
        *link = new;
    return err;
}

/* Whether the server has not said anything, goodbye included, while nothing was asked. */
static bool
is_alive(struct bl__link *link)
{
    char byte;

    if (bl__input_left(&link->in) > 0)
        return false;
    if (link->stream.tls) {
        bl_error_release(bl_conn_set_deadline(link->stream.conn, BL_FOREVER));
        return bl__tls_is_quiet(link->stream.tls);
    }
    return recv(bl_conn_fd(link->stream.conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

/* The caller stays a user; a link brings no other. */
static struct bl__link *
take_idle(struct bl__host *host)
{
    bl_http_client *client = host->client;
    struct bl__link *link;

    bl_mutex_lock(&client->lock);
    link = host->idle;
    if (link) {
        host->idle = link->next;
        host->idle_count--;
        client->idle--;
        host->users--;
    }
    bl_mutex_unlock(&client->lock);
    return link;
}

static bl_error *
find_link(struct bl__host *host, const struct bl__limits *limits, bool fresh,
          struct bl__link **link)
{
    while (!fresh && (*link = take_idle(host))) {
        if (is_alive(*link))
            return NULL;
        free_link(*link);
    }
    return open_link(host, limits, link);
}

bl_error *
bl__pool_get(bl_http_client *client, const struct bl__url *url,
             const struct bl__limits *limits, bool fresh, struct bl__link **link)
{
    struct bl__host *host = enter_host(client, url);
    bl_error *err;

    *link = NULL;
    if (!host)
        return bl_error_from_errno(ENOMEM);
    err = take_slot(host, limits);
    if (!err) {
        err = find_link(host, limits, fresh, link);
        if (!err)
            return NULL;
        give_slot(host);
    }
    leave_host(host);
    return err;
}

/* --- idle ---------------------------------------------------------------------------------- */

/* Lock held.  Takes those off that have been idle since before then; stores in *next when
 * the oldest of the others has been used. */
static struct bl__link *
take_old(bl_http_client *client, int64_t before, int64_t *next)
{
    struct bl__link *old = NULL;

    for (int i = 0; i < BL__HOST_BUCKETS; i++) {
        for (struct bl__host *host = client->hosts[i]; host; host = host->next) {
            struct bl__link **at = &host->idle, *link;

            while ((link = *at)) {
                if (link->idle_since > before) {
                    *next = sooner(*next, link->idle_since);
                    at = &link->next;
                    continue;
                }
                *at = link->next;
                host->idle_count--;
                client->idle--;
                link->next = old;
                old = link;
            }
        }
    }
    return old;
}

static void
sweep(void *arg)
{
    bl_http_client *client = arg;
    int64_t now = bl_now(), next = BL_FOREVER, idle_ns = client->o.idle_timeout_ns;
    struct bl__link *old;
    bool again;

    bl_mutex_lock(&client->lock);
    old = take_old(client, now - idle_ns, &next);
    again = client->is_timed = client->idle > 0;
    if (again)
        bl_timer_reset(client->timer, next + idle_ns - now);
    bl_mutex_unlock(&client->lock);
    free_links(old);
    if (!again)
        bl_waitgroup_done(&client->sweeps);
}

/* Lock held. */
static void
start_timer(bl_http_client *client)
{
    if (client->is_timed || client->o.idle_timeout_ns < 0)
        return;
    if (client->timer)
        bl_timer_reset(client->timer, client->o.idle_timeout_ns);
    else
        client->timer = bl_after_func(client->o.idle_timeout_ns, sweep, client);
    client->is_timed = client->timer != NULL;
    if (client->is_timed)
        bl_waitgroup_add(&client->sweeps, 1);
}

/* Its slot is free, and its place as a user is that of an idle one, from here on. */
static bool
keep_link(struct bl__link *link)
{
    struct bl__host *host = link->host;
    bl_http_client *client = host->client;
    bool kept;

    bl_mutex_lock(&client->lock);
    kept = host->idle_count < client->o.max_idle_per_host;
    if (kept) {
        link->used++;
        link->idle_since = bl_now();
        link->next = host->idle;
        host->idle = link;
        host->idle_count++;
        client->idle++;
        host->users++;
        start_timer(client);
    }
    bl_mutex_unlock(&client->lock);
    return kept;
}

void
bl__pool_put(struct bl__link *link, bool keep)
{
    struct bl__host *host;

    if (!link)
        return;
    host = link->host;
    if (!keep || !keep_link(link))
        free_link(link);
    give_slot(host);
    leave_host(host);
}

void
bl__pool_end(bl_http_client *client)
{
    int64_t next = BL_FOREVER;
    struct bl__link *all;

    bl_mutex_lock(&client->lock);
    all = take_old(client, BL_FOREVER, &next);
    bl_mutex_unlock(&client->lock);
    free_links(all);
    if (client->timer && bl_timer_stop(client->timer))
        bl_waitgroup_done(&client->sweeps);
    bl_waitgroup_wait(&client->sweeps);
    bl_timer_free(client->timer);
}
