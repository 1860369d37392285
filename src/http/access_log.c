/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/access_log.c - a line for each request, in the combined format and with the seconds
 * at its end:
 *
 *     127.0.0.1 - - [10/Oct/2026:13:55:36 +0200] "GET /a HTTP/1.1" 200 12 "-" "curl" 0.000123
 *
 * It is written at once, and has room in a pipe's atomic write, so lines of several
 * processes don't mix.  What a client has sent is escaped: quotes, backslashes, and all
 * that is not printable ASCII are "\x22", so that nobody can write lines of his own.  What
 * is long is cut.  An answer that was not finished since its handler panicked has " cut"
 * behind it; none at all is 500, as the client is told. */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MOST = 4000, TARGET_MOST = 2000, FIELD_MOST = 700 };

struct logged {
    bl_http_response *w;
    const bl_http_request *r;
    const char *method, *target; /* what middlewares may change */
    int64_t began;
    int fd;
    bool returned;
};

struct line {
    char text[LINE_MOST + 1];
    size_t n;
};

BL_PRINTF(2, 3) static void
put(struct line *l, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(l->text + l->n, sizeof l->text - l->n, format, args);
    va_end(args);
    if (n > 0)
        l->n += (size_t)n < sizeof l->text - l->n ? (size_t)n : sizeof l->text - 1 - l->n;
}

/* `most` bytes at the most. */
static void
put_escaped(struct line *l, const char *s, size_t most)
{
    static const char digits[] = "0123456789abcdef";
    size_t end = l->n + most < LINE_MOST - 8 ? l->n + most : LINE_MOST - 8;

    for (; *s && l->n < end; s++) {
        unsigned char c = (unsigned char)*s;

        if (c >= ' ' && c < 127 && c != '"' && c != '\\') {
            l->text[l->n++] = (char)c;
        } else {
            memcpy(l->text + l->n, "\\x", 2);
            l->text[l->n + 2] = digits[c >> 4];
            l->text[l->n + 3] = digits[c & 15];
            l->n += 4;
        }
    }
    if (*s) {
        memcpy(l->text + l->n, "...", 3);
        l->n += 3;
    }
}

/* Without the port. */
static void
put_address(struct line *l, const bl_addr *a)
{
    char text[INET6_ADDRSTRLEN] = "-";

    if (a && a->length && a->name.any.sa_family == AF_INET)
        inet_ntop(AF_INET, &a->name.v4.sin_addr, text, sizeof text);
    else if (a && a->length && a->name.any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &a->name.v6.sin6_addr, text, sizeof text);
    put(l, "%s", text);
}

/* English, whatever the locale. */
static void
put_time(struct line *l)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;
    long minutes;

    localtime_r(&now, &tm);
    minutes = tm.tm_gmtoff / 60;
    put(l, " - - [%02d/%s/%d:%02d:%02d:%02d %c%02ld%02ld] \"", tm.tm_mday, months[tm.tm_mon],
        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, minutes < 0 ? '-' : '+',
        labs(minutes) / 60, labs(minutes) % 60);
}

static void
put_header(struct line *l, const bl_http_request *r, const char *name)
{
    const char *value = bl_http_header_get(r->header, name);

    put(l, " \"");
    put_escaped(l, value ? value : "-", FIELD_MOST);
    put(l, "\"");
}

/* What the client gets, once the server has done its part. */
static int
status_of(const struct logged *g)
{
    if (!g->w->served)
        return 101; /* hijacked */
    if (!g->returned && !bl__response_has_begun(g->w))
        return 500;
    return bl_http_sent_status(g->w) ? bl_http_sent_status(g->w) : 200;
}

/* Deferred: also when the handler panics. */
static void
write_line(const struct logged *g)
{
    bool is_cut = !g->returned && g->w->served && bl__response_has_begun(g->w);
    int64_t took = bl_now() - g->began;
    struct line l = {.n = 0};
    ssize_t n;

    put_address(&l, g->r->remote);
    put_time(&l);
    put_escaped(&l, g->method, 32);
    put(&l, " ");
    put_escaped(&l, g->target, TARGET_MOST);
    put(&l, " HTTP/%d.%d\" %d %llu", g->r->major, g->r->minor, status_of(g),
        (unsigned long long)bl_http_sent_bytes(g->w));
    put_header(&l, g->r, "Referer");
    put_header(&l, g->r, "User-Agent");
    put(&l, " %lld.%06lld%s\n", (long long)(took / BL_SECOND),
        (long long)(took % BL_SECOND / 1000), is_cut ? " cut" : "");
    do
        n = write(g->fd, l.text, l.n);
    while (n < 0 && errno == EINTR);
}

void
bl_http_access_log(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    struct logged g = {w, r, r->method, r->target, bl_now(),
                       data ? *(const int *)data : STDERR_FILENO, false};

    bl_returns_nothing {
        bl_defer_call(write_line, &g);
        bl_http_call(next, w, r);
        g.returned = true;
    }
}
