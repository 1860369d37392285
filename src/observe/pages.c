/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/pages.c - what the debug server answers: as Go's net/http/pprof, parameters and
 * errors included. */
#define _GNU_SOURCE
#include "base/hex.h"
#include "observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char root[] = "/debug/pprof/";

/* --- answers ------------------------------------------------------------- */

static void
refuse(struct bl__answer *a, int status, const char *text)
{
    a->status = status;
    a->type = "text/plain; charset=utf-8";
    a->is_go_error = true;
    a->file_name[0] = '\0';
    a->body.n = 0;
    bl__buf_print(&a->body, "%s\n", text);
}

static void
is_text(struct bl__answer *a)
{
    a->type = "text/plain; charset=utf-8";
}

static void
is_file(struct bl__answer *a, const char *name, const char *suffix)
{
    a->type = "application/octet-stream";
    snprintf(a->file_name, sizeof a->file_name, "%s%s", name, suffix);
}

/* --- parameters ---------------------------------------------------------- */

/* Copies one value out of a query, without its escapes. */
static void
unescape(const char *s, size_t n, char *out, size_t size)
{
    size_t k = 0;

    for (size_t i = 0; i < n && k + 1 < size; i++) {
        if (s[i] == '%' && i + 2 < n && bl__hex_value(s[i + 1]) >= 0 &&
            bl__hex_value(s[i + 2]) >= 0) {
            out[k++] = (char)(bl__hex_value(s[i + 1]) << 4 | bl__hex_value(s[i + 2]));
            i += 2;
        } else {
            out[k++] = s[i] == '+' ? ' ' : s[i];
        }
    }
    out[k] = '\0';
}

/* The first one of that name; "" if there is none. */
static const char *
parameter(const struct bl__asker *ask, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);

    out[0] = '\0';
    for (const char *p = ask->query; *p; p += *p == '&') {
        size_t n = strcspn(p, "&");

        if (n > length && strncmp(p, name, length) == 0 && p[length] == '=') {
            unescape(p + length + 1, n - length - 1, out, size);
            break;
        }
        p += n;
    }
    return out;
}

static bool
read_number(const char *s, int64_t *v)
{
    char *end;

    errno = 0;
    *v = strtoll(s, &end, 10);
    return *s && !*end && errno == 0;
}

/* What stands behind "seconds="; refuses what can't be waited for. */
static bool
read_seconds(const char *text, int64_t *seconds, struct bl__answer *a)
{
    if (read_number(text, seconds) && *seconds > 0 && *seconds <= 86400)
        return true;
    refuse(a, 400, "invalid value for \"seconds\" - must be a positive integer");
    return false;
}

static int
debug_level(const struct bl__asker *ask)
{
    char text[32];
    int64_t v;

    return read_number(parameter(ask, "debug", text, sizeof text), &v) && v >= 0
               ? (v > 2 ? 2 : (int)v)
               : 0;
}

/* --- profiles ------------------------------------------------------------ */

/* Of either kind: the library's, or one that the program has made. */
static bool
collect(const char *name, struct bl__profile *p)
{
    const struct bl__source *source = bl__source_find(name);
    bl_profile *custom = source ? NULL : bl_profile_find(name);

    if (source)
        source->collect(p);
    else if (custom)
        bl__custom_collect(custom, p);
    return source || custom;
}

static void
answer_delta(const struct bl__asker *ask, const char *name, int64_t seconds,
             struct bl__answer *a)
{
    struct bl__profile before, now;

    collect(name, &before);
    if (ask->wait(ask->arg, seconds * 1000000000)) {
        collect(name, &now);
        bl__profile_subtract(&now, &before);
        is_file(a, name, "-delta");
        bl__profile_encode(&now, &a->body);
        bl__profile_free(&now);
    } else {
        refuse(a, 500, "nobody waits for the answer");
    }
    bl__profile_free(&before);
}

static void
answer_profile(const struct bl__asker *ask, const char *name, struct bl__answer *a)
{
    char text[32];
    int64_t seconds = 0;
    int debug = debug_level(ask);
    const struct bl__source *source;
    struct bl__profile p;

    if (!bl__source_find(name) && !bl_profile_find(name)) {
        refuse(a, 404, "Unknown profile");
        return;
    }
    if (*parameter(ask, "seconds", text, sizeof text)) {
        if (!read_seconds(text, &seconds, a))
            return;
        if (debug)
            refuse(a, 400, "seconds and debug params are incompatible");
        else
            answer_delta(ask, name, seconds, a);
        return;
    }
    source = bl__source_find(name);
    if (debug >= 2 && source && source->put_all) {
        is_text(a);
        source->put_all(&a->body);
        return;
    }
    collect(name, &p);
    if (debug)
        is_text(a);
    else
        is_file(a, name, "");
    (debug ? bl__profile_text : bl__profile_encode)(&p, &a->body);
    bl__profile_free(&p);
}

static void
answer_cpu(const struct bl__asker *ask, struct bl__answer *a)
{
    char text[32];
    int64_t seconds;
    struct bl__profile p;

    if (!read_number(parameter(ask, "seconds", text, sizeof text), &seconds) || seconds <= 0)
        seconds = 30;
    if (seconds > 86400)
        seconds = 86400;
    if (bl__cpu_start() != 0) {
        refuse(a, 500, "Could not enable CPU profiling: cpu profiling already in use");
        return;
    }
    ask->wait(ask->arg, seconds * 1000000000);
    bl__cpu_stop(&p);
    is_file(a, "profile", "");
    bl__profile_encode(&p, &a->body);
    bl__profile_free(&p);
}

/* --- the rest ------------------------------------------------------------ */

static void
answer_sched(const struct bl__asker *ask, struct bl__answer *a)
{
    char text[32];
    int64_t seconds = 1;

    if (*parameter(ask, "seconds", text, sizeof text) && !read_seconds(text, &seconds, a))
        return;
    if (bl__sched_watch(ask, seconds * 1000000000, &a->body))
        is_text(a);
    else
        refuse(a, 500, "nobody waits for the answer");
}

static void
answer_cmdline(struct bl__answer *a)
{
    char buf[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
        bl__buf_put(&a->body, buf, (size_t)n);
    if (fd >= 0)
        close(fd);
    if (a->body.n > 0 && a->body.data[a->body.n - 1] == '\0')
        a->body.n--;
    is_text(a);
}

static void
answer_symbol(const struct bl__asker *ask, struct bl__answer *a)
{
    const char *s = strcmp(ask->method, "POST") == 0 ? ask->body : ask->query;

    is_text(a);
    bl__buf_puts(&a->body, "num_symbols: 1\n");
    for (; *s; s += *s == '+') {
        char *end;
        uintptr_t pc = strtoull(s, &end, 0);
        struct bl__symbol symbol;
        bool is_known;

        bl__loader_begin();
        is_known = pc && bl__core->symbol_at(pc, &symbol);
        bl__loader_end();
        if (is_known)
            bl__buf_print(&a->body, "0x%" PRIxPTR " %s\n", pc, symbol.name);
        s = end + strcspn(end, "+");
    }
}

static int64_t
count_of(const char *name)
{
    const struct bl__source *source = bl__source_find(name);
    struct bl__profile p;
    int64_t n = 0;

    if (source && source->count)
        return source->count();
    if (!collect(name, &p))
        return 0;
    for (uint32_t i = 0; i < p.keys.n; i++)
        n += p.kind.ntypes == 1 || strcmp(p.kind.types[0].type, "deferred") == 0 ||
                     strcmp(p.kind.types[0].type, "raised") == 0
                 ? p.values[i][0]
                 : 1;
    bl__profile_free(&p);
    return n;
}

static void
put_escaped(struct bl__buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '<' || *s == '>' || *s == '&' || *s == '"')
            bl__buf_print(b, "&#%d;", *s);
        else
            bl__buf_put(b, s, 1);
    }
}

static void
put_row(struct bl__buf *b, int64_t count, const char *name)
{
    bl__buf_print(b, "<tr><td>%" PRId64 "</td><td><a href=\"", count);
    put_escaped(b, name);
    bl__buf_puts(b, "?debug=1\">");
    put_escaped(b, name);
    bl__buf_puts(b, "</a></td></tr>\n");
}

static void
answer_index(struct bl__answer *a)
{
    struct bl__buf *b = &a->body;
    bl_profile *custom;

    a->type = "text/html; charset=utf-8";
    bl__buf_puts(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>/debug/pprof/</title>\n"
                    "<style>body{font-family:sans-serif;margin:2em}"
                    "td,th{padding:.1em 1em .1em 0;text-align:left}</style></head>\n"
                    "<body><h1>/debug/pprof/</h1>\n<table>\n"
                    "<thead><tr><th>Count</th><th>Profile</th></tr></thead>\n");
    for (unsigned i = 0; bl__source_at(i); i++)
        put_row(b, count_of(bl__source_at(i)->name), bl__source_at(i)->name);
    for (unsigned i = 0; (custom = bl__custom_at(i)); i++)
        put_row(b, bl__custom_count(custom), bl__custom_name(custom));
    bl__buf_puts(b, "</table>\n<p><a href=\"goroutine?debug=2\">full goroutine stack dump"
                    "</a></p>\n<ul>\n");
    for (unsigned i = 0; bl__source_at(i); i++)
        bl__buf_print(b, "<li>%s: %s</li>\n", bl__source_at(i)->name, bl__source_at(i)->about);
    bl__buf_puts(b, "<li><a href=\"profile?seconds=10\">profile</a>: the CPU's. With "
                    "seconds=N it takes so long</li>\n"
                    "<li><a href=\"sched?seconds=1\">sched</a>: What the scheduler and "
                    "deferred calls do in seconds=N, and how long goroutines wait for a "
                    "processor</li>\n"
                    "<li><a href=\"cmdline\">cmdline</a>: The command line of this "
                    "program</li>\n<li><a href=\"symbol\">symbol</a>: Names of program "
                    "counters</li>\n</ul></body></html>\n");
}

void
bl__pages_answer(const struct bl__asker *ask, struct bl__answer *a)
{
    const char *name = ask->path + sizeof root - 1;
    bool is_post = strcmp(ask->method, "POST") == 0;

    a->status = 200;
    if (strcmp(ask->path, "/debug/pprof") == 0) {
        refuse(a, 301, "Moved Permanently");
        snprintf(a->location, sizeof a->location, "%s", root);
    } else if (strncmp(ask->path, root, sizeof root - 1) != 0) {
        refuse(a, 404, "404 page not found");
    } else if (strcmp(ask->method, "GET") != 0 && strcmp(ask->method, "HEAD") != 0 &&
               !(is_post && strcmp(name, "symbol") == 0)) {
        refuse(a, 405, "Method Not Allowed");
    } else if (!*name) {
        answer_index(a);
    } else if (strcmp(name, "profile") == 0) {
        answer_cpu(ask, a);
    } else if (strcmp(name, "cmdline") == 0) {
        answer_cmdline(a);
    } else if (strcmp(name, "symbol") == 0) {
        answer_symbol(ask, a);
    } else if (strcmp(name, "sched") == 0) {
        answer_sched(ask, a);
    } else {
        answer_profile(ask, name, a);
    }
    if (a->body.failed)
        refuse(a, 500, "out of memory");
}
