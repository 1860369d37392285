/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/routes_tree.c - builds the routers that routes.py has written on
 * standard input, and sends its requests to a server that has them; routes_go/main.go is
 * the same in Go, and the language is described there.
 *
 * Redirections are where Belay's router differs: Go's encodes a cleaned path once more,
 * and decodes one to which it adds a slash.  go_location() does that to ours: the rest has
 * to be the same. */
#define _GNU_SOURCE
#include "../../src/http/pattern.h"
#include "../../src/http/text.h"

#include <belay/belay.h>
#include <belay/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"x", "y", "z", "_1", "été", "r"};

static bl_http_mux *mux;
static bl_conn *client;
static bl_reader *replies;

/* what the server has seen of the last request; written before it answers */
static char seen_pattern[1024], seen_values[8192];

static void
must(bl_error *err)
{
    if (!err)
        return;
    bl_error_print(err, 2);
    exit(1);
}

static void
quote(char *to, const char *text)
{
    struct bl__out out = {0};

    bl__out_quoted(&out, text, strlen(text));
    strcpy(to, out.text);
    free(out.text);
}

/* --- the server ------------------------------------------------------------------------- */

static void
answer(bl_http_response *w, bl_http_request *r, void *data)
{
    char *to = seen_values;

    (void)w, (void)data;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = bl_http_path_value(r, names[i]);

        if (!*value)
            continue;
        to += sprintf(to, "%s%s=", to > seen_values ? "," : "", names[i]);
        quote(to, value);
        to += strlen(to);
    }
}

static void
serve(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    seen_values[0] = '\0';
    bl_http_mux_serve(w, r, mux);
    quote(seen_pattern, r->pattern);
}

static void
connect_server(bl_http_server *s)
{
    bl_conn *pair[2];

    bl_reader_free(replies);
    bl_conn_release(client);
    must(bl_conn_pair(pair));
    client = pair[0];
    replies = bl_reader_of_conn(client, 0);
    bl_go(bl_http_serve_conn, s, pair[1]);
}

/* --- the client ------------------------------------------------------------------------- */

struct reply {
    int status;
    size_t length;
    bool closes;
    char location[4096], allow[512];
};

static void
read_field(struct reply *reply, const char *line)
{
    if (strncasecmp(line, "Location: ", 10) == 0)
        snprintf(reply->location, sizeof reply->location, "%s", line + 10);
    else if (strncasecmp(line, "Allow: ", 7) == 0)
        snprintf(reply->allow, sizeof reply->allow, "%s", line + 7);
    else if (strncasecmp(line, "Content-Length: ", 16) == 0)
        reply->length = strtoul(line + 16, NULL, 10);
    else if (strcasecmp(line, "Connection: close") == 0)
        reply->closes = true;
}

static bool
read_reply(struct reply *reply, const char *method)
{
    const char *line;
    char copy[8192];
    size_t n;
    bl_error *err = bl_reader_line(replies, &line, &n);

    if (err || sscanf(line, "HTTP/1.1 %d", &reply->status) != 1) {
        bl_error_release(err);
        return false;
    }
    while (!(err = bl_reader_line(replies, &line, &n)) && n > 0) {
        snprintf(copy, sizeof copy, "%.*s", (int)n, line);
        read_field(reply, copy);
    }
    bl_error_release(err);
    while (!err && reply->length > 0 && strcmp(method, "HEAD") != 0) {
        size_t most = reply->length < sizeof copy ? reply->length : sizeof copy;

        err = bl_reader_read(replies, copy, most, &n);
        reply->length -= n;
    }
    return !err;
}

/* --- what Go would say ------------------------------------------------------------------ */

/* The path, and where it ends. */
static const char *
path_of(const char *target, size_t *n)
{
    if (strncmp(target, "http://", 7) == 0)
        target += 7 + strcspn(target + 7, "/?");
    *n = strcspn(target, "?");
    return target;
}

/* Ours with a slash at its end has to be the cleaned path with one.  Go's is that of the
 * decoded path. */
static size_t
slash_location(const char *path, size_t n, const char *location, size_t length, char *to)
{
    char decoded[4096], clean[4096];

    if (bl__path_clean(path, n, clean) != length - 1 ||
        memcmp(clean, location, length - 1) != 0)
        return (size_t)sprintf(to, "wrong: %s", location);
    n = bl__path_decode(path, n, decoded);
    n = bl__path_clean(decoded, n, clean);
    clean[n++] = '/';
    n = bl__path_clean(clean, n, decoded);
    return bl__path_encode(decoded, n, to, false);
}

static void
go_location(const char *target, const char *location, char *to)
{
    size_t n, length = strcspn(location, "?");
    const char *path = path_of(target, &n);

    /* a slash was added where the path has none, and the location does */
    if (length > 1 && location[length - 1] == '/' && n && path[n - 1] != '/')
        to += slash_location(path, n, location, length, to);
    else
        to += bl__path_encode(location, length, to, false);
    strcpy(to, strchrnul(location, '?'));
}

/* --- the language ------------------------------------------------------------------------ */

static void
add(const char *pattern)
{
    bl_returns_nothing {
        bl__http_handle_at(mux, pattern, answer, NULL, "X");
        printf("ok\n");
    }
}

static void
say_why(void)
{
    const bl_panic_info *p = bl_recover();
    char text[4096];

    if (!p)
        return;
    bl_error_text(p->error, text, sizeof text);
    printf("%s\n", text);
}

static void
try_add(const char *pattern)
{
    bl_returns_nothing {
        bl_defer_call(say_why);
        add(pattern);
    }
}

static void
ask(bl_http_server *s, char *line)
{
    char *method = strtok(line, " "), *target = strtok(NULL, " "), *host = strtok(NULL, " ");
    struct reply reply = {.status = 0};
    char request[8192], location[4096] = "";
    int n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method,
                     target, host);

    must(bl_conn_write(client, request, (size_t)n, NULL));
    if (!read_reply(&reply, method)) {
        printf("no reply\n");
        connect_server(s);
        return;
    }
    if (*reply.location)
        go_location(target, reply.location, location);
    printf("%d %s %s loc=%s allow=%s\n", reply.status, seen_pattern, seen_values, location,
           reply.allow);
    if (reply.closes)
        connect_server(s);
}

int
main(void)
{
    bl_http_server_options options = {.handler = {serve, NULL}};
    bl_http_server *s;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    must(bl_http_server_new(&options, &s));
    connect_server(s);
    while ((n = getline(&line, &room, stdin)) > 0) {
        line[n - 1] = '\0';
        if (strncmp(line, "tree ", 5) == 0) {
            printf("%s\n", line);
            bl_http_mux_free(mux);
            mux = bl_http_mux_new();
        } else if (*line == 'p') {
            try_add(line + 2);
        } else {
            ask(s, line + 2);
        }
    }
    return 0;
}
