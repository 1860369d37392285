/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* corpus/: requests that are wrong, or only look so, one a file.  The first line says what
 * has to come back: the answers' statuses, or `close` for none; then the connection has to
 * be closed.  What follows is sent: without the ends of lines, with \r \n \t \0 \xNN \\ for
 * what they are in C, and @{text*n} for n times text.
 *
 * Each goes whole, in two pieces, and cut off at every byte: there is always an end. */
#define _GNU_SOURCE
#include "serve.h"

#include <dirent.h>

static char request[1 << 20];
static size_t request_size;
static char expected[256];

/* --- files --------------------------------------------------------------------------------- */

static char
unescape(const char **at)
{
    char c = *(*at)++;
    unsigned byte;

    if (c != '\\')
        return c;
    switch (c = *(*at)++) {
    case 'r': return '\r';
    case 'n': return '\n';
    case 't': return '\t';
    case '0': return '\0';
    case 'x':
        CHECK_EQ(sscanf(*at, "%2x", &byte), 1);
        *at += 2;
        return (char)byte;
    default: return c;
    }
}

static void
put(char c)
{
    CHECK(request_size < sizeof request);
    request[request_size++] = c;
}

/* @{text*n} */
static const char *
repeat(const char *at)
{
    const char *star = strstr(at, "*"), *p;
    int n;

    CHECK(star);
    while (strspn(star + 1, "0123456789") == 0 ||
           star[1 + strspn(star + 1, "0123456789")] != '}')
        star = strstr(star + 1, "*");
    n = atoi(star + 1);
    for (int i = 0; i < n; i++)
        for (p = at; p < star;)
            put(unescape(&p));
    return strchr(star, '}') + 1;
}

static void
load(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    const char *at;
    size_t n;

    CHECK(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    n = strcspn(text, "#\n");
    while (n > 0 && text[n - 1] == ' ')
        n--;
    snprintf(expected, sizeof expected, "%.*s", (int)n, text);
    request_size = 0;
    for (at = strchr(text, '\n') + 1; *at;)
        if (*at == '\n')
            at++;
        else if (at[0] == '@' && at[1] == '{')
            at = repeat(at + 2);
        else
            put(unescape(&at));
}

/* --- over the wire ------------------------------------------------------------------------- */

static void
read_or_leave(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_error *err;
    char *text;
    size_t n;

    (void)data;
    err = bl_http_read_all(r, 1 << 20, &text, &n);
    if (!err)
        err = bl_http_printf(w, "%zu\n", n);
    bl_error_release(err);
}

/* Statuses of the answers in text: "200 400", or "close". */
static const char *
statuses(const char *text)
{
    static char list[256];
    size_t n = 0;

    list[0] = '\0';
    while ((text = strstr(text, "HTTP/1.1 "))) {
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%.3s", n ? " " : "", text + 9);
        text += 9;
    }
    return n ? list : "close";
}

/* What it does not take is not sent. */
static const char *
send_in_two(const struct serving *s, size_t first, size_t all, bool ends)
{
    bl_conn *c = dial(s);
    bl_error *err = bl_conn_write(c, request, first, NULL);
    const char *answer;

    if (!err && all > first) {
        bl_gosched();
        err = bl_conn_write(c, request + first, all - first, NULL);
    }
    if (!err && ends)
        err = bl_conn_close_write(c);
    bl_error_release(err);
    answer = hear(c);
    bl_conn_release(c);
    return answer;
}

static int failures;

static void
expect(const char *name, const char *how, const char *answer)
{
    if (strcmp(statuses(answer), expected) == 0)
        return;
    fprintf(stderr, "%s, %s: %s, want %s\n%s\n", name, how, statuses(answer), expected,
            answer);
    failures++;
}

/* Only that there is an end, and that nothing comes that should not. */
static void
cut_everywhere(const struct serving *s)
{
    size_t step = request_size > 1000 ? request_size / 50 : 1;

    for (size_t n = 0; n < request_size; n += step)
        send_in_two(s, n, n, true);
}

static void
try_file(const struct serving *s, const char *folder, const char *name)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    load(path);
    expect(name, "whole", send_in_two(s, request_size, request_size, false));
    expect(name, "in two pieces", send_in_two(s, request_size / 2, request_size, false));
    expect(name, "its last byte alone", send_in_two(s, request_size - 1, request_size, false));
    cut_everywhere(s);
}

int
main(int argc, char **argv)
{
    bl_http_server_options o = {.header_timeout_ns = 300 * BL_MILLISECOND,
                                .read_timeout_ns = 300 * BL_MILLISECOND,
                                .idle_timeout_ns = 300 * BL_MILLISECOND,
                                .max_body_bytes = 8000};
    struct serving *s = serve_with(&o, read_or_leave, NULL);
    const char *source = getenv("SOURCE");
    struct dirent *entry;
    char folder[512];
    int files = 0;
    DIR *dir;

    snprintf(folder, sizeof folder, "%s/tests/http/corpus", source ? source : ".");
    if (argc > 1) {
        try_file(s, folder, argv[1]);
        return failures != 0;
    }
    dir = opendir(folder);
    CHECK(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            try_file(s, folder, entry->d_name);
            files++;
        }
    closedir(dir);
    CHECK(files > 100);
    stop(s);
    return failures != 0;
}
