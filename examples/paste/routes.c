/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/routes.c - what is answered, and to whom. */
#include "paste.h"

#include <belay/keywords.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LISTED = 20 };

/* --- answers ---------------------------------------------------------------------- */

/* A client that has gone is no error of ours. */
static void BL_PRINTF(2, 3)
say(bl_http_response *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    error_release(bl_http_vprintf(w, format, args));
    va_end(args);
}

static const char *
escape(bl_http_request *r, const char *text)
{
    size_t n = bl_http_escape_html(text, NULL, 0) + 1;
    char *escaped = bl_http_alloc(r, n);

    bl_http_escape_html(text, escaped, n);
    return escaped;
}

static void
set_type(bl_http_response *w, const char *type)
{
    bl_http_header *h = bl_http_response_header(w);

    bl_http_header_set(h, "Content-Type", type);
    /* it is anybody's text: browsers must not take it for something else */
    bl_http_header_set(h, "X-Content-Type-Options", "nosniff");
    bl_http_header_set(h, "Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'");
}

static void
begin_page(bl_http_response *w, const char *title)
{
    set_type(w, "text/html; charset=utf-8");
    say(w, "<!DOCTYPE html>\n<html lang=\"en\"><title>%s</title>\n"
           "<meta name=\"viewport\" content=\"width=device-width\">\n"
           "<style>body{max-width:50em;margin:2em auto;padding:0 1em;font-family:sans-serif}"
           "textarea{width:100%%;height:16em}pre{white-space:pre-wrap}</style>\n"
           "<h1><a href=\"/\">paste</a></h1>\n", title);
}

/* Answers with what a store's error means, once for all routes; takes err over.  Only what
 * is our fault is logged. */
static void
answer_error(bl_http_response *w, bl_http_request *r, bl_error *err)
{
    char text[512];

    defer { error_release(err); };
    if (error_is(err, err_no_paste)) {
        bl_http_not_found(w, r, NULL);
        return;
    }
    if (error_is(err, err_wrong_token)) {
        bl_http_error(w, "403 Forbidden: the token is another one", 403);
        return;
    }
    bl_error_text(err, text, sizeof text);
    fprintf(stderr, "paste: %s %s: %s\n", r->method, r->path, text);
    if (error_is(err, err_no_room))
        bl_http_error(w, "507 Insufficient Storage", 507);
    else
        bl_http_error(w, "503 Service Unavailable", 503);
}

static const char *
when(bl_http_request *r, int64_t seconds)
{
    time_t t = (time_t)seconds;
    char *text = bl_http_alloc(r, 32);
    struct tm tm;

    strftime(text, 32, "%Y-%m-%d %H:%M UTC", gmtime_r(&t, &tm));
    return text;
}

/* --- POST / ----------------------------------------------------------------------- */

static bool
is_form(const bl_http_request *r)
{
    const char *type = bl_http_header_get(r->header, "Content-Type");

    return type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
}

/* Returns what was sent; NULL: the client has been told what is wrong with it. */
static const char *
read_text(bl_http_response *w, bl_http_request *r, size_t *n)
{
    char *text = NULL;
    bl_error *err = NULL;

    *n = 0;
    if (is_form(r)) {
        text = (char *)bl_http_form(r, "text");
        *n = text ? strlen(text) : 0;
    } else {
        err = bl_http_read_all(r, SIZE_MAX, &text, n); /* the server has a limit */
    }
    defer { error_release(err); };
    if (error_is(err, bl_err_http_body_too_large))
        bl_http_error(w, "413 Request Entity Too Large", 413);
    else if (err)
        bl_http_error(w, "400 Bad Request: the body can't be read", 400);
    else if (*n == 0 || memchr(text, '\0', *n))
        bl_http_error(w, "400 Bad Request: there is no text", 400);
    else
        return text;
    return NULL;
}

static void
say_created(bl_http_response *w, bl_http_request *r, const struct paste_key *key)
{
    bl_http_header *h = bl_http_response_header(w);
    char path[ID_SIZE + 1];

    snprintf(path, sizeof path, "/%s", key->id);
    bl_http_header_set(h, "Location", path);
    bl_http_header_set(h, "Paste-Token", key->token);
    if (!is_form(r)) {
        set_type(w, "text/plain; charset=utf-8");
        bl_http_status(w, 201);
        say(w, "%s\n", key->id);
        return;
    }
    bl_http_header_set(h, "Cache-Control", "no-store");
    set_type(w, "text/html; charset=utf-8");
    bl_http_status(w, 201);
    begin_page(w, "pasted");
    say(w, "<p>It is at <a href=\"/%s/html\">/%s</a>.\n<p>To remove it:\n"
           "<pre>curl -X DELETE -H 'Paste-Token: %s' http://%s/%s</pre>\n",
        key->id, key->id, key->token, escape(r, r->host), key->id);
}

static void
serve_create(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;
    struct paste_key key;
    size_t n;
    const char *text = read_text(w, r, &n);
    bl_error *err;

    if (!text)
        return;
    err = store_add(s->store, text, n, &key);
    if (err)
        answer_error(w, r, err);
    else
        say_created(w, r, &key);
}

/* --- GET, DELETE /{id} ------------------------------------------------------------ */

static void
serve_raw(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;
    struct paste p;
    char length[24];
    bl_error *err = store_read(s->store, bl_http_path_value(r, "id"), &p);

    defer { free(p.text); };
    if (err) {
        answer_error(w, r, err);
        return;
    }
    set_type(w, "text/plain; charset=utf-8");
    snprintf(length, sizeof length, "%zu", p.size);
    bl_http_header_set(bl_http_response_header(w), "Content-Length", length);
    error_release(bl_http_write(w, p.text, p.size));
}

static void
serve_page(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;
    const char *id = bl_http_path_value(r, "id");
    struct paste p;
    bl_error *err = store_read(s->store, id, &p);

    defer { free(p.text); };
    if (err) {
        answer_error(w, r, err);
        return;
    }
    begin_page(w, "paste");
    say(w, "<p>%s, %zu bytes, <a href=\"/%s\">raw</a>\n<pre>\n", when(r, p.created), p.size,
        escape(r, id));
    error_release(bl_http_string(w, escape(r, p.text)));
    say(w, "</pre>\n");
}

static void
serve_delete(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;
    const char *token = bl_http_header_get(r->header, "Paste-Token");
    bl_error *err = store_remove(s->store, bl_http_path_value(r, "id"), token ? token : "");

    if (err)
        answer_error(w, r, err);
    else
        bl_http_status(w, 204);
}

/* --- GET / and GET /stats --------------------------------------------------------- */

static void
serve_index(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;
    struct paste_line lines[LISTED];
    size_t count;
    bl_error *err = store_list(s->store, lines, LISTED, &count);

    if (err) {
        answer_error(w, r, err);
        return;
    }
    begin_page(w, "paste");
    say(w, "<form method=\"post\" action=\"/\"><textarea name=\"text\" required></textarea>\n"
           "<p><button>Paste</button></form>\n<ul>\n");
    for (size_t i = 0; i < count; i++)
        say(w, "<li><a href=\"/%s/html\">%s</a> %s, %" PRId64 " bytes\n",
            escape(r, lines[i].id), *lines[i].title ? escape(r, lines[i].title) : "(blank)",
            when(r, lines[i].created), lines[i].size);
    say(w, "</ul>\n");
}

/* A name and a number a line, for people and programs. */
static void
serve_stats(bl_http_response *w, bl_http_request *r, void *data)
{
    struct service *s = data;
    bl_http_server_stats http;
    struct store_stats kept;
    bl_error *err = store_read_stats(s->store, &kept);

    if (err) {
        answer_error(w, r, err);
        return;
    }
    bl_http_server_read_stats(s->server, &http);
    set_type(w, "text/plain; charset=utf-8");
    say(w, "pastes %" PRId64 "\nbytes %" PRId64 "\n", kept.pastes, kept.bytes);
    say(w, "requests %" PRIu64 "\npanics %" PRIu64 "\nfaults %" PRIu64 "\nrefused %" PRIu64
           "\nconnections %" PRIu64 "\n",
        http.requests, http.panics, http.faults, http.refused, http.open);
    say(w, "handlers_begun %" PRId64 "\nhandlers_left %" PRId64 "\n",
        atomic_load(&s->begun), atomic_load(&s->left));
    say(w, "sessions_in_use %" PRId64 "\nsessions_waits %" PRIu64 "\nsessions_broken %" PRIu64
           "\n", kept.connections.in_use, kept.connections.waits,
        kept.connections.closed_broken);
    say(w, "goroutines %" PRId64 "\n", bl_num_goroutine());
}

/* --- all of them ------------------------------------------------------------------ */

/* Before every handler. */
static void
count_handlers(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    struct service *s = data;

    atomic_fetch_add(&s->begun, 1);
    defer { atomic_fetch_add(&s->left, 1); };
    bl_http_call(next, w, r);
}

void
add_routes(bl_http_mux *mux, struct service *s)
{
    bl_http_use(mux, count_handlers, s);
    bl_http_handle(mux, "GET /{$}", serve_index, s);
    bl_http_handle(mux, "POST /{$}", serve_create, s);
    bl_http_handle(mux, "GET /{id}", serve_raw, s);
    bl_http_handle(mux, "GET /{id}/html", serve_page, s);
    bl_http_handle(mux, "DELETE /{id}", serve_delete, s);
    bl_http_handle(mux, "GET /stats", serve_stats, s);
}
