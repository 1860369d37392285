/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* fetch.c - what a URL answers, by libcurl.
 *
 * http://, https://, and unix:/path/to/socket:/path/of/url for servers behind Unix
 * sockets.  A proxy of the environment is not asked for addresses of this machine. */
#define _GNU_SOURCE
#include "tool.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_SECONDS = 5, REDIRECTS = 5 };

int fetch_timeout_seconds = 60;
volatile bool fetch_stop;

static CURL *handle; /* kept: it keeps the connection */

struct transfer {
    struct fetched *into;
    bool too_long;
};

static size_t
take_part(char *data, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;

    if (t->into->body.size + one * n > INPUT_MAX) {
        t->too_long = true;
        return 0;
    }
    bytes_add(&t->into->body, data, one * n);
    return one * n;
}

static int
show_progress(void *arg, curl_off_t total, curl_off_t done, curl_off_t up_total,
              curl_off_t up)
{
    (void)arg, (void)up_total, (void)up;
    progress("fetching", (uint64_t)done, (uint64_t)total);
    return fetch_stop;
}

static bool
is_this_machine(const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL;
    bool is = false;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        is = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
             strcmp(host, "[::1]") == 0;
    curl_free(host);
    curl_url_cleanup(u);
    return is;
}

/* unix:/run/app.sock:/debug/pprof/heap: the socket, and http://localhost/... */
static bool
set_address(const char *url)
{
    const char *path, *colon;
    char *socket, *http;
    bool done;

    if (strncmp(url, "unix:", 5) != 0) {
        curl_easy_setopt(handle, CURLOPT_URL, url);
        return true;
    }
    path = url + 5;
    colon = strchr(path, ':');
    if (colon && colon[1] != '/')
        return false;
    socket = strndup(path, colon ? (size_t)(colon - path) : strlen(path));
    done = asprintf(&http, "http://localhost%s", colon ? colon + 1 : "/") > 0;
    if (socket && done) {
        curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, socket);
        curl_easy_setopt(handle, CURLOPT_URL, http);
    }
    free(socket);
    if (done)
        free(http);
    return socket && done;
}

static bool
set_up(const char *url, struct transfer *t)
{
    if (!handle) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        handle = curl_easy_init();
    }
    if (!handle)
        return false;
    curl_easy_reset(handle);
    if (!set_address(url))
        return false;
    if (strncmp(url, "unix:", 5) == 0 || is_this_machine(url))
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, (long)fetch_timeout_seconds);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "belay");
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_part);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, show_progress);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    return true;
}

void
fetch(const char *url, struct fetched *into)
{
    struct transfer t = {into, false};
    char detail[CURL_ERROR_SIZE] = "";
    CURLcode code;

    *into = (struct fetched){0};
    if (!set_up(url, &t)) {
        snprintf(into->error, sizeof into->error, "not a URL that can be fetched");
        return;
    }
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
    code = curl_easy_perform(handle);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_OK)
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &into->status);
    else if (t.too_long)
        snprintf(into->error, sizeof into->error, "the answer is longer than %zu MB",
                 INPUT_MAX >> 20);
    else
        snprintf(into->error, sizeof into->error, "%s",
                 *detail ? detail : curl_easy_strerror(code));
    bytes_add(&into->body, "", 0);
}

/* The body's first line says more than the status does, if it is text. */
void
fetch_complaint(const struct fetched *f, char *into, size_t size)
{
    size_t line = strcspn(f->body.data ? f->body.data : "", "\r\n");

    if (f->status == 0)
        snprintf(into, size, "%s", f->error);
    else if (line > 0 && line < 120 && f->body.data[0] != '<')
        snprintf(into, size, "the server says %ld: %.*s", f->status, (int)line,
                 f->body.data);
    else
        snprintf(into, size, "the server says %ld", f->status);
    text_clean(into, strlen(into), false);
}
