/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/client.c - a call: one request, and those that redirections lead to. */
#include "http/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* --- clients --------------------------------------------------------------------------------- */

static void
fill_in(bl_http_client_options *o)
{
    o->timeout_ns = o->timeout_ns ? o->timeout_ns : 30 * BL_SECOND;
    o->dial_timeout_ns = o->dial_timeout_ns ? o->dial_timeout_ns : 10 * BL_SECOND;
    if (o->dial_timeout_ns < 0)
        o->dial_timeout_ns = BL_FOREVER;
    o->idle_timeout_ns = o->idle_timeout_ns ? o->idle_timeout_ns : 90 * BL_SECOND;
    o->max_idle_per_host = o->max_idle_per_host ? o->max_idle_per_host : 8;
    o->max_redirects = o->max_redirects ? o->max_redirects : 10;
    o->max_header_bytes = o->max_header_bytes ? o->max_header_bytes : 256 << 10;
}

bl_error *
bl_http_client_new(const bl_http_client_options *options, bl_http_client **client)
{
    bl_http_client *c = *client = calloc(1, sizeof *c);

    if (!c)
        return bl_error_from_errno(ENOMEM);
    if (options)
        c->o = *options;
    fill_in(&c->o);
    return NULL;
}

void
bl_http_client_free(bl_http_client *client)
{
    if (!client)
        return;
    bl__pool_end(client);
    bl_http_tls_free(client->own_tls);
    free(client);
}

static bl_http_client process_client;
static bl_once process_once;

static void
make_process_client(void *unused)
{
    (void)unused;
    fill_in(&process_client.o);
}

/* --- errors ---------------------------------------------------------------------------------- */

/* A URL's text, for people: the password, "user:secret@", is not. */
static char *
show_url(const struct bl__url *u)
{
    struct bl__url whom = {.user = u->user, .password = u->password, .has_user = true,
                           .has_password = true};
    size_t n = bl__url_text(u, NULL, 0), secret = bl__url_text(&whom, NULL, 0), user;
    char *text = malloc(n + 4), *at;

    if (!text)
        return NULL;
    bl__url_text(u, text, n + 1);
    if (!u->has_password)
        return text;
    whom.has_password = false;
    whom.password.n = 0;
    user = bl__url_text(&whom, NULL, 0) - 1; /* "//user" */
    at = strstr(text, "//") + user;
    memmove(at + 4, at + (secret - 1 - user), strlen(at + (secret - 1 - user)) + 1);
    memcpy(at, ":***", 4);
    return text;
}

/* `Get "http://...": ...` */
static bl_error *
error_of(const char *method, const char *url, bl_error *err)
{
    char op[32];
    size_t n = strlen(method);

    if (n > sizeof op - 2)
        n = sizeof op - 2;
    for (size_t i = 0; i < n; i++)
        op[i] = (char)(i == 0 ? method[i] : tolower((unsigned char)method[i]));
    op[n] = ' ';
    op[n + 1] = 0;
    return bl__quoted_error(op, bl__span_of(url), ": ", err);
}

/* --- redirections ---------------------------------------------------------------------------- */

/* A call while it is made. */
struct calling {
    struct bl__hop hop;
    struct bl__reply *reply; /* of the hop; NULL: none, or handed out */
    const char *method;      /* the first */
    struct bl__url first;    /* where it began */
    int count;               /* requests so far */
};

static bool
is_method(const char *method, const char *other)
{
    return strcmp(method, other) == 0;
}

/* Whether to go where the reply says, and how. */
static bool
is_redirected(const struct calling *c, const char **method, bool *keeps_body)
{
    int status = c->reply->head.status;
    const char *asked = c->hop.method;
    const bl_http_call_options *call = c->hop.call;

    *method = asked;
    *keeps_body = false;
    if (c->hop.client->o.max_redirects < 0)
        return false;
    if (status >= 301 && status <= 303) {
        if (!is_method(asked, "GET") && !is_method(asked, "HEAD"))
            *method = "GET";
        return true;
    }
    *keeps_body = true;
    return (status == 307 || status == 308) &&
           !(call->read && bl__request_length(&c->hop) != 0);
}

/* Secrets for "example.com" are also for "www.example.com", but not for another. */
static bool
is_same_or_below(const struct bl__url *u, const struct bl__url *of)
{
    struct bl__span name, parent, port;

    bl__url_split_host(u, &name, &port);
    bl__url_split_host(of, &parent, &port);
    if (bl__span_equal(name, parent))
        return true;
    if (bl__span_find(name, ':') < name.n || bl__span_find(name, '%') < name.n ||
        name.n <= parent.n)
        return false;
    return bl__span_equal(bl__span_from(name, name.n - parent.n), parent) &&
           name.at[name.n - parent.n - 1] == '.';
}

/* Where we have been, for the next to know; not from https to http.  Without what is nobody
 * else's business: user and fragment. */
static char *
make_referer(const struct calling *c, const struct bl__url *next)
{
    const bl_http_header *header = c->hop.call->header;
    struct bl__url from = c->hop.url;
    size_t n;
    char *text;

    if (from.scheme.n > next->scheme.n || (header && bl_http_header_get(header, "Referer")))
        return NULL;
    from.has_user = from.has_password = false;
    from.user = from.password = from.fragment = (struct bl__span){0};
    n = bl__url_text(&from, NULL, 0);
    text = malloc(n + 1);
    if (text)
        bl__url_text(&from, text, n + 1);
    return text;
}

static void
free_hop(struct bl__hop *hop)
{
    bl__url_free(&hop->url);
    free(hop->referer);
    hop->referer = NULL;
}

/* The hop's URL has ended, and next takes its place; the first one's is kept for later. */
static void
move_on(struct calling *c, struct bl__url *next)
{
    char *referer = make_referer(c, next);

    if (c->count == 1) {
        c->first = c->hop.url;
        c->hop.url.memory = NULL;
    }
    free_hop(&c->hop);
    c->hop.referer = referer;
    c->hop.url = *next;
    bl_http_reply_release(&c->reply->shown);
    c->reply = NULL;
}

static bl_error *
find_next(const struct calling *c, const char *location, struct bl__url *next,
          bool *is_relative)
{
    struct bl__url ref;
    bl_error *err = bl__url_parse(bl__span_of(location), &ref);

    if (!err) {
        *is_relative = ref.scheme.n == 0 && ref.host.n == 0;
        err = bl__url_resolve(&c->hop.url, &ref, next);
        bl__url_free(&ref);
    }
    return err ? bl__quoted_error("failed to parse Location header ", bl__span_of(location),
                                  ": ", err)
               : NULL;
}

/* Makes the hop the one that the reply asks for.  *shown: what errors call it. */
static bl_error *
redirect(struct calling *c, const char *location, bool keeps_body, char **shown)
{
    struct bl__url next;
    bool is_relative = false;
    bl_error *err = find_next(c, location, &next, &is_relative);

    if (err)
        return err;
    if (c->count >= c->hop.client->o.max_redirects) {
        bl__url_free(&next);
        *shown = strdup(location);
        return bl_errorf("stopped after %d redirects", c->hop.client->o.max_redirects);
    }
    c->hop.keeps_host &= is_relative;
    if (!keeps_body) {
        c->hop.has_body = false;
        c->hop.hides_body = true;
    }
    move_on(c, &next);
    if (!bl__span_equal(c->hop.url.host, c->first.host) &&
        !is_same_or_below(&c->hop.url, &c->first))
        c->hop.hides_secrets = true;
    return NULL;
}

/* --- a call ------------------------------------------------------------------------------------ */

/* One hop after the other.  *shown: what an error calls the last one; NULL: its URL. */
static bl_error *
follow(struct calling *c, char **shown)
{
    for (;;) {
        bl_error *err = bl__request_check(&c->hop);
        const char *location, *method;
        bool keeps_body;

        if (!err)
            err = bl__exchange(&c->hop, &c->reply);
        if (err)
            return err;
        c->count++;
        if (!is_redirected(c, &method, &keeps_body))
            return NULL;
        location = bl_http_header_get(&c->reply->header, "Location");
        if (!location || !*location)
            return NULL;
        err = redirect(c, location, keeps_body, shown);
        if (err)
            return err;
        c->hop.method = method;
    }
}

static bl_error *
begin(struct calling *c, bl_http_client *client, const bl_http_call_options *call)
{
    struct bl__hop *hop = &c->hop;
    int64_t timeout = client->o.timeout_ns;

    hop->client = client;
    hop->call = call;
    hop->has_body = call->body || call->read;
    hop->keeps_host = true;
    hop->method = c->method = call->method && *call->method ? call->method
                              : hop->has_body               ? "POST"
                                                            : "GET";
    hop->limits.until = timeout < 0 ? BL_FOREVER : bl_after_ns(timeout);
    if (!bl__is_token(c->method, strlen(c->method)))
        return bl__quoted_error("net/http: invalid method ", bl__span_of(c->method), "", NULL);
    return bl__url_parse(bl__span_of(call->url), &hop->url);
}

/* Also when what the body is read from panics. */
static void
end(struct calling *c)
{
    if (c->reply) {
        c->reply->closes = true;
        bl_http_reply_release(&c->reply->shown);
    }
    free_hop(&c->hop);
    bl__url_free(&c->first);
}

static bl_error *
call_it(struct calling *c, bl_http_reply **reply)
{
    char *shown = NULL;
    bl_error *err = follow(c, &shown);

    if (err) {
        shown = shown ? shown : show_url(&c->hop.url);
        err = error_of(c->method, shown ? shown : "", err);
        free(shown);
        return err;
    }
    *reply = &c->reply->shown;
    c->reply = NULL;
    return NULL;
}

bl_error *
bl_http_do(bl_context *ctx, bl_http_client *client, const bl_http_call_options *call,
           bl_http_reply **reply)
{
    struct calling c = {.hop.limits.ctx = ctx ? ctx : bl_context_background()};

    bl_returns (bl_error *, err) {
        bl_defer_call(end, &c);
        *reply = NULL;
        if (!client) {
            bl_once_do(&process_once, make_process_client, NULL);
            client = &process_client;
        }
        err = begin(&c, client, call);
        if (!err)
            err = call_it(&c, reply);
    }
}

bl_error *
bl_http_get(bl_context *ctx, bl_http_client *client, const char *url, bl_http_reply **reply)
{
    return bl_http_do(ctx, client, &(bl_http_call_options){.url = url}, reply);
}
