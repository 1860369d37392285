/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* A libFuzzer target: bytes go down a connection that a server serves, with a handler that
 * looks at everything.  Beside that it has to come back, without a word from the
 * sanitizers, and with answers that are some: the parser has to say the same whether the
 * bytes come at once or one by one.  fuzz.sh builds and runs it. */
#define _GNU_SOURCE
#include "http/parser.h"

#include <belay/belay.h>
#include <belay/http.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096 }; /* what comes back has to fit a socket's buffer */

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* --- the handler -------------------------------------------------------------------------- */

static size_t
look_at(const bl_http_header *h)
{
    const char *name, *value;
    size_t n = 0;

    for (size_t i = 0; bl_http_header_at(h, i, &name, &value); i++) {
        require(bl__is_token(name, strlen(name)), "a name is none");
        require(bl__is_value(value, strlen(value)), "a value is none");
        require(bl_http_header_get(h, name) != NULL, "a header is not found");
        n += strlen(name) + strlen(value);
    }
    return n;
}

static void
handle(bl_http_response *w, bl_http_request *r, void *arg)
{
    char buf[100];
    bl_error *err = NULL;
    size_t n = look_at(r->header), more;
    const char *a = bl_http_query(r, "a"), *cookie = bl_http_cookie(r, "c");

    (void)arg;
    if (strcmp(r->path, "/form") == 0)
        a = bl_http_form(r, "a");
    while (strcmp(r->path, "/lazy") != 0 && !err) {
        err = bl_http_read(r, buf, 1 + n % sizeof buf, &more);
        n += more;
    }
    if (err && err != bl_err_eof) {
        bl_error_release(err);
        return;
    }
    n += look_at(r->trailer);
    if (strcmp(r->path, "/go") == 0)
        bl_http_redirect(w, r, r->query, 302);
    else
        bl_error_release(bl_http_printf(w, "%zu %s %s %s", n, r->path, a ? a : "-",
                                        cookie ? cookie : "-"));
}

/* --- the connection ------------------------------------------------------------------------- */

static bl_http_server *
server(void)
{
    static bl_http_server *s;

    if (!s) {
        bl_http_server_options o = {.handler = {handle, NULL}, .max_body_bytes = 1000,
                                    .max_header_bytes = 2000, .max_headers = 20};

        require(!bl_http_server_new(&o, &s), "no server");
    }
    return s;
}

static void
check_answers(bl_conn *c)
{
    static char text[1 << 20];
    bl_http_server_stats stats;
    size_t n = 0, more;
    bl_error *err;

    while (n < sizeof text - 1 && !(err = bl_conn_read(c, text + n, sizeof text - 1 - n, &more)))
        n += more;
    bl_error_release(err);
    text[n] = '\0';
    require(n == 0 || strncmp(text, "HTTP/1.1 ", 9) == 0, "an answer that is none");
    bl_http_server_read_stats(server(), &stats);
    require(stats.panics == 0 && stats.open == 0, "a panic, or something is left");
}

static void
send_all(const uint8_t *data, size_t size)
{
    bl_conn *pair[2];

    require(!bl_conn_pair(pair), "no connection");
    bl_error_release(bl_conn_write(pair[0], data, size, NULL));
    bl_error_release(bl_conn_close_write(pair[0]));
    bl_http_serve_conn(server(), pair[1]);
    check_answers(pair[0]);
    bl_conn_release(pair[0]);
}

/* --- the parser -------------------------------------------------------------------------------- */

/* data may be cut: the whole head has to come out of `step` bytes more at a time. */
static ptrdiff_t
parse(const uint8_t *data, size_t size, size_t step, bool of_replies)
{
    struct bl__parser *p = malloc(sizeof *p);
    bl_http_header *h = bl_http_header_new();
    struct bl__head head = {.header = h};
    char *copy = malloc(size + 1);
    ptrdiff_t r = 0;

    memcpy(copy, data, size);
    bl__parser_begin(p, of_replies, 2000, 20);
    for (size_t n = step < size ? step : size;; n = n + step < size ? n + step : size) {
        char *moved = malloc(n + 1);

        memcpy(moved, copy, n);
        r = bl__parser_head(p, moved, n, &head);
        if (r > 0) {
            require((size_t)r <= n, "longer than there is");
            look_at(h);
        }
        free(moved);
        if (r != 0 || n == size)
            break;
    }
    free(copy);
    free(p);
    bl_http_header_free(h);
    return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MOST)
        return 0;
    require(parse(data, size, size + 1, false) == parse(data, size, 1, false),
            "a request in pieces is another one");
    require(parse(data, size, size + 1, true) == parse(data, size, 7, true),
            "a reply in pieces is another one");
    send_all(data, size);
    return 0;
}
