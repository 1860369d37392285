/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/http/serve.h - a server of the test's own, and clients that write what they like. */
#ifndef BELAY_TESTS_HTTP_SERVE_H
#define BELAY_TESTS_HTTP_SERVE_H

#include "../check.h"
#include "../expect.h"

#include <belay/belay.h>
#include <belay/http.h>

struct serving {
    bl_http_server *s;
    bl_listener *l;
    bl_waitgroup done;
    bl_error *err;          /* what bl_http_serve() has returned */
    char where[BL_ADDR_TEXT];
};

/* What the log has got. */
static char logged[1 << 16];
static bl_mutex log_lock;

static inline void
note_log(void *data, const char *line)
{
    (void)data;
    bl_mutex_lock(&log_lock);
    if (strlen(logged) + strlen(line) + 2 < sizeof logged)
        strcat(strcat(logged, line), "\n");
    bl_mutex_unlock(&log_lock);
}

static inline void
forget_log(void)
{
    bl_mutex_lock(&log_lock);
    logged[0] = '\0';
    bl_mutex_unlock(&log_lock);
}

static inline bool
is_in_log(const char *text)
{
    bool yes;

    bl_mutex_lock(&log_lock);
    yes = strstr(logged, text) != NULL;
    bl_mutex_unlock(&log_lock);
    return yes;
}

/* In two seconds at most: what a client sees of it may come first. */
static inline bool
has_logged(const char *text)
{
    int tries = 2000;

    while (!is_in_log(text) && --tries > 0)
        bl_sleep(BL_MILLISECOND);
    return tries > 0;
}

static inline void
run_server(void *arg)
{
    struct serving *serving = arg;

    serving->err = bl_http_serve(serving->s, serving->l);
}

/* o may be NULL. */
static inline struct serving *
serve_with(const bl_http_server_options *o, bl_http_func *f, void *data)
{
    struct serving *serving = calloc(1, sizeof *serving);
    bl_http_server_options options = {0};

    if (o)
        options = *o;
    options.handler = (bl_http_handler){f, data};
    options.log = note_log;
    logged[0] = '\0';
    ok(bl_http_server_new(&options, &serving->s));
    ok(bl_listen("tcp", "127.0.0.1:0", &serving->l));
    bl_addr_text(bl_listener_addr(serving->l), serving->where, sizeof serving->where);
    bl_waitgroup_go(&serving->done, run_server, serving);
    return serving;
}

static inline struct serving *
serve(bl_http_func *f)
{
    return serve_with(NULL, f, NULL);
}

static inline void
stop(struct serving *serving)
{
    bl_http_server_close(serving->s);
    bl_waitgroup_wait(&serving->done);
    CHECK(serving->err == bl_err_http_server_closed);
    bl_http_server_free(serving->s);
    bl_listener_release(serving->l);
    free(serving);
}

static inline bl_conn *
dial(const struct serving *serving)
{
    bl_conn *c;

    ok(bl_dial("tcp", serving->where, &c));
    ok(bl_conn_set_deadline(c, bl_after_ns(20 * BL_SECOND)));
    return c;
}

static inline void
say(bl_conn *c, const char *text)
{
    ok(bl_conn_write(c, text, strlen(text), NULL));
}

/* Reads until the other side closes, or until `until` has come. */
static inline const char *
hear_until(bl_conn *c, const char *until)
{
    static char text[1 << 20];
    size_t n = 0, more;
    bl_error *err = NULL;

    text[0] = '\0';
    while (n < sizeof text - 1 && !(until && strstr(text, until)) &&
           !(err = bl_conn_read(c, text + n, sizeof text - 1 - n, &more))) {
        n += more;
        text[n] = '\0';
    }
    CHECK(until || !bl_error_is(err, bl_err_timeout));
    bl_error_release(err);
    return text;
}

static inline const char *
hear(bl_conn *c)
{
    return hear_until(c, NULL);
}

/* One connection, what it is told, and all that comes back until it is closed. */
static inline const char *
ask(const struct serving *serving, const char *text)
{
    bl_conn *c = dial(serving);
    const char *answer;

    say(c, text);
    answer = hear(c);
    bl_conn_release(c);
    return answer;
}

static inline int
status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

/* Without the Date, which is another one each time. */
static inline const char *
undated(const char *answer)
{
    char *date = strstr(answer, "Date: ");

    if (date)
        memmove(date, date + 37, strlen(date + 37) + 1);
    return answer;
}

#endif
