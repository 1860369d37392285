/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/mux.c - the router: finds who answers a request, or answers it: redirects to a clean
 * path, or to one with a slash at its end; 405; 404.  The tree does the searching, and
 * needs no lock: adding is for one at a time, and disturbs nobody.
 *
 * Where Go's router redirects to a cleaned path, it encodes what is encoded already
 * ("/a%20b//c" to "/a%2520b/c"), and for the slash at the end decodes ("%2F" becomes "/").
 * This one leaves the path as it is encoded: the redirection leads where the client wanted
 * to go. */
#define _GNU_SOURCE
#include "http/http.h"
#include "http/tree.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A middleware, and what comes behind it. */
struct link {
    bl_http_middleware *serve;
    void *data;
    bl_http_handler next;
};

struct chain {
    size_t count;
    struct link links[];
};

struct bl_http_mux {
    struct bl__tree tree;
    _Atomic(struct chain *) chain; /* NULL: none; replaced, never changed */
    bl_mutex adding;               /* protects what follows, and adding to the tree */
    struct bl__index index;
    struct bl__pattern *patterns;
};

/* What a request asks the router for. */
struct asked {
    const char *method, *host, *path; /* path: encoded */
    size_t host_size, path_size;
    bool is_clean;                    /* path is what the client has sent */
    bool may_slash;                   /* to be redirected to path + "/" */
};

/* --- life --------------------------------------------------------------------------------- */

bl_http_mux *
bl_http_mux_new(void)
{
    return calloc(1, sizeof(bl_http_mux));
}

void
bl_http_mux_free(bl_http_mux *mux)
{
    if (!mux)
        return;
    while (mux->patterns) {
        struct bl__pattern *p = mux->patterns;

        mux->patterns = p->next;
        free(p);
    }
    bl__index_free(&mux->index);
    bl__tree_free(&mux->tree);
    free(mux);
}

bl_http_handler
bl_http_mux_handler(bl_http_mux *mux)
{
    return (bl_http_handler){bl_http_mux_serve, mux};
}

/* --- adding ------------------------------------------------------------------------------- */

/* p is the router's from now on. */
static bl_error *
add(bl_http_mux *mux, struct bl__pattern *p, bl_http_handler handler)
{
    const struct bl__pattern *other = bl__index_find(&mux->index, p);

    if (other) {
        bl_error *err = bl__pattern_conflict(p, other);

        free(p);
        return err;
    }
    p->next = mux->patterns;
    mux->patterns = p;
    if (!bl__index_add(&mux->index, p) || !bl__tree_add(&mux->tree, p, handler))
        return bl_error_from_errno(12 /* ENOMEM */);
    return NULL;
}

void
bl__http_handle_at(bl_http_mux *mux, const char *pattern, bl_http_func *serve, void *data,
                   const char *place)
{
    bl_error *err = NULL;
    struct bl__pattern *p;

    if (!pattern || !*pattern)
        err = bl_error_new("http: invalid pattern");
    else if (!serve)
        err = bl_error_new("http: nil handler");
    else
        err = bl__pattern_parse(pattern, place, &p);
    if (!err) {
        bl_mutex_lock(&mux->adding);
        err = add(mux, p, (bl_http_handler){serve, data});
        bl_mutex_unlock(&mux->adding);
    }
    if (err)
        bl_panic_error(err);
}

void
(bl_http_handle)(bl_http_mux *mux, const char *pattern, bl_http_func *serve, void *data)
{
    bl__http_handle_at(mux, pattern, serve, data, "unknown location");
}

/* --- middleware --------------------------------------------------------------------------- */

static void route(bl_http_response *w, bl_http_request *r, void *mux);

static void
serve_link(bl_http_response *w, bl_http_request *r, void *data)
{
    struct link *link = data;

    link->serve(w, r, link->next, link->data);
}

/* A chain cannot grow where it is: its last link would change for those who are in it. */
static struct chain *
longer_chain(bl_http_mux *mux, const struct chain *old, struct link last)
{
    size_t n = old ? old->count : 0;
    struct chain *chain =
        bl__tree_alloc(&mux->tree, sizeof *chain + (n + 1) * sizeof chain->links[0]);

    if (!chain)
        return NULL;
    chain->count = n + 1;
    for (size_t i = 0; i < n; i++) {
        chain->links[i] = old->links[i];
        chain->links[i].next = (bl_http_handler){serve_link, &chain->links[i + 1]};
    }
    chain->links[n] = last;
    return chain;
}

void
bl_http_use(bl_http_mux *mux, bl_http_middleware *serve, void *data)
{
    struct link last = {serve, data, {route, mux}};
    struct chain *chain;

    if (!serve)
        bl_panic_error(bl_error_new("http: nil handler"));
    bl_mutex_lock(&mux->adding);
    chain = longer_chain(mux, atomic_load_explicit(&mux->chain, memory_order_relaxed), last);
    if (chain) /* release: its links are whole (pairs with bl_http_mux_serve()) */
        atomic_store_explicit(&mux->chain, chain, memory_order_release);
    bl_mutex_unlock(&mux->adding);
    if (!chain)
        bl_panic_error(bl_error_from_errno(12 /* ENOMEM */));
}

void
bl_http_mux_serve(bl_http_response *w, bl_http_request *r, void *mux)
{
    struct chain *chain =
        atomic_load_explicit(&((bl_http_mux *)mux)->chain, memory_order_acquire);

    if (chain)
        serve_link(w, r, &chain->links[0]);
    else
        route(w, r, mux);
}

/* --- what is asked for -------------------------------------------------------------------- */

/* Of "http://host/path" it begins behind the host; "host:80", CONNECT's, has none. */
const char *
bl__request_raw_path(const bl_http_request *r, size_t *n)
{
    const char *path = bl__request_of(r)->raw_path, *scheme;

    if (!path) {
        path = r->target;
        scheme = *path == '/' ? NULL : strstr(path, "://");
        if (scheme)
            path = scheme + 3 + strcspn(scheme + 3, "/?");
        else if (*path != '/')
            path += strlen(path);
    }
    *n = strcspn(path, "?");
    return path;
}

/* Where the port begins, or brackets end; the host without them.  What does not look like
 * a host with a port is a host. */
static void
set_host(struct asked *a, const char *host)
{
    size_t n = strlen(host);
    const char *colon = memrchr(host, ':', n), *end;

    a->host = host;
    a->host_size = n;
    if (!colon)
        return;
    if (*host == '[') {
        end = strchr(host, ']');
        if (!end || end + 1 != colon || strchr(host + 1, '[') || strchr(colon, ']'))
            return;
        a->host = host + 1;
        a->host_size = (size_t)(end - a->host);
    } else if (!memchr(host, ':', (size_t)(colon - host)) && !strpbrk(host, "[]")) {
        a->host_size = (size_t)(colon - host);
    }
}

/* The path as the client has sent it, unless it has not encoded what it should have. */
static void
set_path(struct asked *a, const bl_http_request *r)
{
    a->path = bl__request_raw_path(r, &a->path_size);
    if (!bl__path_is_encoded(a->path, a->path_size)) {
        size_t n = strlen(r->path);
        char *path = bl_http_alloc((bl_http_request *)r, 3 * n + 1);

        a->path_size = bl__path_encode(r->path, n, path, false);
        a->path = path;
    }
    a->is_clean = true;
}

static void
clean_path(struct asked *a, bl_http_request *r)
{
    char *path;

    a->is_clean = bl__path_is_clean(a->path, a->path_size);
    if (a->is_clean)
        return;
    path = bl_http_alloc(r, a->path_size + 2);
    a->path_size = bl__path_clean(a->path, a->path_size, path);
    a->path = path;
}

/* --- answers of the router's own ------------------------------------------------------------ */

static void
redirect(bl_http_response *w, bl_http_request *r, const struct asked *a, const char *end)
{
    size_t n = strlen(r->query);
    char *url = bl_http_alloc(r, a->path_size + n + 4), *to = url;

    to = stpcpy(mempcpy(to, a->path, a->path_size), end);
    if (n)
        stpcpy(stpcpy(to, "?"), r->query);
    bl_http_redirect(w, r, url, 307);
}

struct methods {
    const char *names[32];
    size_t count;
};

/* In their order, each once.  Of more than fit the first are named. */
static void
note_method(void *arg, const char *name)
{
    struct methods *m = arg;
    size_t i = 0;

    while (i < m->count && strcmp(m->names[i], name) < 0)
        i++;
    if ((i < m->count && strcmp(m->names[i], name) == 0) ||
        i == sizeof m->names / sizeof *m->names)
        return;
    if (m->count == sizeof m->names / sizeof *m->names)
        m->count--;
    memmove(&m->names[i + 1], &m->names[i], (m->count - i) * sizeof *m->names);
    m->names[i] = name;
    m->count++;
    if (strcmp(name, "GET") == 0)
        note_method(m, "HEAD");
}

static void
find_methods(bl_http_mux *mux, bl_http_request *r, const struct asked *a, struct methods *m)
{
    char *path;

    bl__tree_methods(&mux->tree, a->host, a->host_size, a->path, a->path_size, note_method,
                     m);
    if (a->path_size && a->path[a->path_size - 1] == '/')
        return;
    path = bl_http_alloc(r, a->path_size + 1);
    memcpy(path, a->path, a->path_size);
    path[a->path_size] = '/';
    bl__tree_methods(&mux->tree, a->host, a->host_size, path, a->path_size + 1, note_method,
                     m);
}

/* 405 where another method would do, else 404. */
static void
refuse(bl_http_mux *mux, bl_http_response *w, bl_http_request *r, const struct asked *a)
{
    struct methods m = {.count = 0};
    size_t size = 1;
    char *allow, *to;

    find_methods(mux, r, a, &m);
    if (m.count == 0) {
        bl_http_not_found(w, r, NULL);
        return;
    }
    for (size_t i = 0; i < m.count; i++)
        size += strlen(m.names[i]) + 2;
    to = allow = bl_http_alloc(r, size);
    for (size_t i = 0; i < m.count; i++)
        to = stpcpy(stpcpy(to, i ? ", " : ""), m.names[i]);
    bl_http_header_set(bl_http_response_header(w), "Allow", allow);
    bl_http_error(w, "Method Not Allowed", 405);
}

/* --- routing -------------------------------------------------------------------------------- */

/* Whether a wildcard for the rest, if the pattern has one, stands for nothing. */
static bool
is_exact(const struct bl__route *found, const char *path, size_t n)
{
    size_t slashes = 0;

    if (!found)
        return false;
    if (!bl__pattern_last(found->pattern)->multi)
        return true;
    if (n && path[n - 1] != '/')
        return false;
    for (size_t i = 0; i < n; i++)
        slashes += path[i] == '/';
    return slashes == found->pattern->count;
}

/* Whether the path with a slash is what is there, and the path itself is not. */
static const struct bl__route *
find_with_slash(bl_http_mux *mux, bl_http_request *r, const struct asked *a)
{
    const struct bl__route *found;
    size_t n = a->path_size + 1;
    char *path;

    if (n == 1 || a->path[n - 2] == '/')
        return NULL;
    path = bl_http_alloc(r, n);
    memcpy(path, a->path, n - 1);
    path[n - 1] = '/';
    found = bl__tree_match(&mux->tree, a->host, a->host_size, a->method, path, n);
    return is_exact(found, path, n) ? found : NULL;
}

/* The values are those segments of the path at whose place the pattern has a name. */
static void
set_values(bl_http_request *r, const struct bl__pattern *p, const char *path, size_t n)
{
    struct bl__path_value *values = bl_http_alloc(r, p->names * sizeof *values + n + p->names);
    char *to = (char *)(values + p->names);
    const char *end = path + n;
    size_t count = 0;

    for (size_t i = 0; i < p->count && path < end; i++) {
        const struct bl__segment *s = &p->segments[i];
        const char *slash = s->multi ? NULL : memchr(path + 1, '/', (size_t)(end - path - 1));
        size_t size = (size_t)((slash ? slash : end) - path - 1);

        if (s->wild && s->n) {
            values[count++] = (struct bl__path_value){s->s, to};
            to += bl__path_decode(path + 1, size, to);
            *to++ = '\0';
        }
        path += size + 1;
    }
    bl__request_of(r)->path_values = values;
    bl__request_of(r)->path_count = count;
}

static void
call(const struct bl__route *found, bl_http_response *w, bl_http_request *r,
     const struct asked *a)
{
    r->pattern = found->pattern->text;
    if (found->pattern->names)
        set_values(r, found->pattern, a->path, a->path_size);
    bl_http_call(found->handler, w, r);
}

/* Go's order: a slash at the end, then a path that was not clean, then what was found. */
static void
serve_asked(bl_http_mux *mux, bl_http_response *w, bl_http_request *r,
            const struct asked *a)
{
    const struct bl__route *found =
        bl__tree_match(&mux->tree, a->host, a->host_size, a->method, a->path, a->path_size);
    const struct bl__route *other = NULL;

    if (a->may_slash && !is_exact(found, a->path, a->path_size))
        other = find_with_slash(mux, r, a);
    if (other || (found && !a->is_clean))
        r->pattern = (other ? other : found)->pattern->text;
    if (other || !a->is_clean)
        redirect(w, r, a, other ? "/" : "");
    else if (found)
        call(found, w, r, a);
    else
        refuse(mux, w, r, a);
}

/* Its path is not cleaned, and its port not taken off.  The target's own host is the one
 * that counts for the slash at the end, and for what is allowed. */
static void
serve_connect(bl_http_mux *mux, bl_http_response *w, bl_http_request *r, struct asked *a)
{
    const struct bl__route *found, *other = NULL;
    bool has_host = *r->target != '/';

    a->host = has_host ? r->host : "";
    a->host_size = strlen(a->host);
    found = bl__tree_match(&mux->tree, a->host, a->host_size, a->method, a->path,
                           a->path_size);
    if (!is_exact(found, a->path, a->path_size))
        other = find_with_slash(mux, r, a);
    if (other) {
        r->pattern = other->pattern->text;
        clean_path(a, r);
        redirect(w, r, a, "/");
        return;
    }
    found = bl__tree_match(&mux->tree, r->host, strlen(r->host), a->method, a->path,
                           a->path_size);
    if (found)
        call(found, w, r, a);
    else
        refuse(mux, w, r, a);
}

static void
route(bl_http_response *w, bl_http_request *r, void *data)
{
    struct asked a = {.method = r->method, .may_slash = true};
    bl_http_mux *mux = data;

    r->pattern = "";
    bl__request_of(r)->path_count = 0;
    if (strcmp(r->target, "*") == 0) {
        if (r->major > 1 || (r->major == 1 && r->minor >= 1))
            bl_http_header_set(bl_http_response_header(w), "Connection", "close");
        bl_http_status(w, 400);
        return;
    }
    set_path(&a, r);
    if (strcmp(r->method, "CONNECT") == 0) {
        serve_connect(mux, w, r, &a);
        return;
    }
    set_host(&a, r->host);
    clean_path(&a, r);
    serve_asked(mux, w, r, &a);
}
