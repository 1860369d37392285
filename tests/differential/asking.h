/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/asking.h - what routes_tree.c and files_tree.c share: a server at the
 * other end of a pair of sockets, and a client that writes requests as they come. */
#ifndef BELAY_TESTS_ASKING_H
#define BELAY_TESTS_ASKING_H

#include <belay/belay.h>
#include <belay/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bl_http_server *server;
static bl_conn *client;
static bl_reader *replies;

struct reply {
    int status;
    bl_http_header *header;
    char *body;
    size_t length;
};

static inline void
must(bl_error *err)
{
    if (!err)
        return;
    bl_error_print(err, 2);
    exit(1);
}

static inline void
connect_server(void)
{
    bl_conn *pair[2];

    bl_reader_free(replies);
    bl_conn_release(client);
    must(bl_conn_pair(pair));
    client = pair[0];
    replies = bl_reader_of_conn(client, 0);
    bl_go(bl_http_serve_conn, server, pair[1]);
}

static inline void
start_server(bl_http_func *serve)
{
    bl_http_server_options options = {.handler = {serve, NULL}};

    must(bl_http_server_new(&options, &server));
    connect_server();
}

static inline const char *
field(const struct reply *reply, const char *name)
{
    const char *value = bl_http_header_get(reply->header, name);

    return value ? value : "";
}

static inline bool
read_head(struct reply *reply)
{
    const char *line;
    size_t n;
    bl_error *err = bl_reader_line(replies, &line, &n);

    reply->header = bl_http_header_new();
    if (!err && sscanf(line, "HTTP/1.1 %d", &reply->status) == 1) {
        while (!(err = bl_reader_line(replies, &line, &n)) && n > 0) {
            char copy[8192], *colon;

            snprintf(copy, sizeof copy, "%.*s", (int)n, line);
            colon = strchr(copy, ':');
            *colon = '\0';
            bl_http_header_add(reply->header, copy, colon + 2);
        }
    }
    bl_error_release(err);
    return !err && reply->status;
}

static inline bool
read_body(struct reply *reply)
{
    size_t done = 0, n;
    bl_error *err = NULL;

    reply->length = strtoul(field(reply, "Content-Length"), NULL, 10);
    reply->body = malloc(reply->length + 1);
    while (!err && done < reply->length) {
        err = bl_reader_read(replies, reply->body + done, reply->length - done, &n);
        done += n;
    }
    bl_error_release(err);
    return !err;
}

/* Sends a request, whose first word is its method, and reads the reply; false: there is
 * none. */
static inline bool
exchange(const char *request, struct reply *reply)
{
    bool ok;

    *reply = (struct reply){0};
    must(bl_conn_write(client, request, strlen(request), NULL));
    ok = read_head(reply);
    if (ok && strncmp(request, "HEAD ", 5) != 0 && reply->status != 304)
        ok = read_body(reply);
    if (!ok || bl_http_header_has(reply->header, "Connection", "close"))
        connect_server();
    return ok;
}

static inline void
release_reply(struct reply *reply)
{
    bl_http_header_free(reply->header);
    free(reply->body);
}

#endif
