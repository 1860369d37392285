/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/http/middleware_test.c - log, timeout, prefix and limit, and what panics make of
 * them. */
#define _GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <unistd.h>

static const char *
get(const struct serving *s, const char *target)
{
    char text[8192];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             target);
    return ask(s, text);
}

/* --- access log ----------------------------------------------------------------------------- */

static int log_pipe[2];
static char lines[1 << 16];

/* What was logged since the last time.  The line is there before the answer's last byte is:
 * but not for what panics. */
static const char *
read_log(void)
{
    ssize_t n = read(log_pipe[0], lines, sizeof lines - 1);

    CHECK(n > 0);
    lines[n] = '\0';
    CHECK_EQ(lines[n - 1], '\n');
    CHECK(strchr(lines, '\n') == lines + n - 1); /* one line, one write */
    return lines;
}

static void
matches(const char *line, const char *pattern)
{
    regex_t regex;

    CHECK_EQ(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, line, 0, NULL, 0) != 0) {
        fprintf(stderr, "%sdoes not match\n%s\n", line, pattern);
        _Exit(1);
    }
    regfree(&regex);
}

static void
answer(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    if (strcmp(r->path, "/teapot") == 0)
        bl_http_error(w, "short", 418);
    else if (strcmp(r->path, "/nothing") != 0)
        ok(bl_http_printf(w, "path %s\n", r->path));
}

__attribute__((no_sanitize("undefined"))) static void
fails(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_http_status(w, 201);
    ok(bl_http_string(w, "part"));
    if (strcmp(r->path, "/late") == 0)
        ok(bl_http_flush(w));
    if (strcmp(r->path, "/null") == 0)
        *(volatile int *)NULL = 1;
    bl_panic("too bad");
}

static void
logged_answer(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_access_log(w, r, (bl_http_handler){data, NULL}, &log_pipe[1]);
}

#define TIME "\\[[0-3][0-9]/[A-Z][a-z]{2}/20[0-9]{2}:[0-9:]{8} [-+][0-9]{4}\\]"
#define REST " \"-\" \"-\" [0-9]+\\.[0-9]{6}"

static void
lines_are_in_the_combined_format(void)
{
    struct serving *s = serve_with(NULL, logged_answer, answer);

    get(s, "/a%20b?q=1");
    matches(read_log(), "^127\\.0\\.0\\.1 - - " TIME " \"GET /a%20b\\?q=1 HTTP/1\\.1\" 200 10"
                        REST "\n$");
    get(s, "/teapot");
    matches(read_log(), "\"GET /teapot HTTP/1\\.1\" 418 6" REST "\n$");
    get(s, "/nothing");
    matches(read_log(), "\"GET /nothing HTTP/1\\.1\" 200 0" REST "\n$");
    ask(s, "HEAD / HTTP/1.0\r\nReferer: http://r/\r\nUser-Agent: me/1 (x; y)\r\n\r\n");
    matches(read_log(), "\"HEAD / HTTP/1\\.0\" 200 [0-9]+ \"http://r/\" \"me/1 \\(x; y\\)\" ");
    stop(s);
}

static void
nobody_writes_lines_of_his_own(void)
{
    struct serving *s = serve_with(NULL, logged_answer, answer);
    static char text[8192];
    char *to = text + sprintf(text, "GET /x%%0a%%22 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                    "User-Agent: \"\\ \t\x80 200\r\nReferer: ");

    memset(to, '"', 3000);
    strcpy(to + 3000, "\r\n\r\n");
    ask(s, text);
    matches(read_log(), "\"GET /x%0a%22 HTTP/1.1\" 200 [0-9]+ "
                        "\"(\\\\x22)+\\.\\.\\.\" \"\\\\x22\\\\x5c \\\\x09\\\\x80 200\" ");
    to = text + sprintf(text, "GET /");
    memset(to, 'a', 7000);
    strcpy(to + 7000, " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    ask(s, text);
    matches(read_log(), "\"GET /a+\\.\\.\\. HTTP/1.1\" 200 7007" REST "\n$");
    CHECK(strlen(lines) < 4096);
    stop(s);
}

static void
panics_are_logged(void)
{
    struct serving *s = serve_with(NULL, logged_answer, fails);

    CHECK_EQ(status_of(get(s, "/early")), 500);
    matches(read_log(), "\"GET /early HTTP/1.1\" 500 [0-9]+" REST "\n$");
    CHECK_EQ(status_of(get(s, "/null")), 500);
    matches(read_log(), "\"GET /null HTTP/1.1\" 500 [0-9]+" REST "\n$");
    CHECK_EQ(status_of(get(s, "/late")), 201);
    matches(read_log(), "\"GET /late HTTP/1.1\" 201 4" REST " cut\n$");
    CHECK(has_logged("too bad"));
    stop(s);
}

/* --- prefix ----------------------------------------------------------------------------------- */

static void
before_prefix(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    (void)data;
    bl_http_call(next, w, r);
    ok(bl_http_printf(w, "was %s\n", r->path));
}

static void
prefixes(void)
{
    bl_http_mux *mux = bl_http_mux_new(), *inner = bl_http_mux_new();
    struct serving *s = serve_with(NULL, bl_http_mux_serve, mux);
    bl_http_handler in = bl_http_mux_handler(inner);

    bl_http_use(mux, before_prefix, NULL);
    bl_http_use(mux, bl_http_strip_prefix, (void *)"/a b");
    bl_http_handle(inner, "/x%2Fy/", answer, NULL);
    bl_http_handle(mux, "/", in.serve, in.data);
    CHECK(strstr(get(s, "/a%20b/x%2Fy/z"), "path /x/y/z\nwas /a b/x/y/z\n"));
    CHECK_EQ(status_of(get(s, "/other")), 404);
    CHECK_EQ(status_of(get(s, "/%61%20b/x%2Fy/z")), 404); /* as Go: written in another way */
    CHECK(strstr(get(s, "/a%20b/x%2Fy"), "Location: /x%2Fy/\r\n"));
    stop(s);
    bl_http_mux_free(mux);
    bl_http_mux_free(inner);
}

/* --- limit -------------------------------------------------------------------------------------- */

static void
read_body(bl_http_response *w, bl_http_request *r, void *data)
{
    char *body;
    size_t n;
    bl_error *err = bl_http_read_all(r, 1000, &body, &n);

    (void)data;
    if (!err)
        ok(bl_http_printf(w, "%zu\n", n));
    else if (bl_error_is(err, bl_err_http_body_too_large))
        bl_http_error(w, "too large", 413);
    bl_error_release(err);
}

static void
limited(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_body_limit(w, r, (bl_http_handler){read_body, NULL}, data);
}

static void
bodies_have_a_limit(void)
{
    size_t most = 10;
    struct serving *s = serve_with(NULL, limited, &most);

    CHECK(strstr(ask(s, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                        "Content-Length: 10\r\n\r\n0123456789"), "\r\n\r\n10\n"));
    CHECK_EQ(status_of(ask(s, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                              "Content-Length: 11\r\n\r\n0123456789a")), 413);
    CHECK_EQ(status_of(ask(s, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                              "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n"
                              "0\r\n\r\n")), 413);
    stop(s);
}

/* --- timeout -------------------------------------------------------------------------------------- */

static bl_waitgroup gone_on;
static bool was_told;

static void
slow(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_error *err = NULL;

    (void)data;
    if (strcmp(r->path, "/fast") == 0) {
        ok(bl_http_string(w, "in time\n"));
        return;
    }
    if (strcmp(r->path, "/begun") == 0) {
        ok(bl_http_string(w, "begun "));
        ok(bl_http_flush(w));
    }
    was_told = bl_sleep_ctx(10 * BL_SECOND, bl_http_context(r)) == -ETIMEDOUT;
    bl_sleep(50 * BL_MILLISECOND); /* it has been answered by now */
    bl_http_header_set(bl_http_response_header(w), "X-Late", "yes");
    err = bl_http_string(w, "too late\n");
    if (!err)
        err = bl_http_flush(w);
    if (strcmp(r->path, "/begun") != 0)
        CHECK(err != NULL);
    bl_error_release(err);
    if (strcmp(r->path, "/panics") == 0)
        bl_panic("after all");
}

static void
timed(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_returns_nothing {
        bl_defer_call(bl_waitgroup_done, &gone_on);
        bl_http_timeout(w, r, (bl_http_handler){slow, NULL}, data);
    }
}

static void
logged_timed(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_access_log(w, r, (bl_http_handler){timed, data}, &log_pipe[1]);
}

static const char *
get_timed(const struct serving *s, const char *path)
{
    const char *text;

    bl_waitgroup_add(&gone_on, 1);
    text = get(s, path);
    bl_waitgroup_wait(&gone_on);
    read_log();
    return text;
}

static void
late_answers_are_503(void)
{
    int64_t ns = 100 * BL_MILLISECOND, began;
    struct serving *s = serve_with(NULL, logged_timed, &ns);
    const char *text;
    bl_conn *c;

    CHECK(strstr(get_timed(s, "/fast"), "\r\n\r\nin time\n"));
    matches(lines, " 200 8 ");
    began = bl_now();
    was_told = false;
    text = get_timed(s, "/slow");
    CHECK(bl_now() - began < 5 * BL_SECOND);
    CHECK_EQ(status_of(text), 503);
    CHECK(strstr(text, "Connection: close\r\n\r\nService Unavailable\n"));
    CHECK(!strstr(text, "too late") && !strstr(text, "X-Late"));
    CHECK(was_told);
    matches(lines, "/slow HTTP/1.1\" 503 ");
    CHECK(strstr(get_timed(s, "/begun"), "begun \r\n9\r\ntoo late\n"));
    matches(lines, "/begun HTTP/1.1\" 200 15 ");
    text = get_timed(s, "/panics");
    CHECK(status_of(text) == 503 && !strstr(text, "500"));
    CHECK(has_logged("after all"));
    bl_waitgroup_add(&gone_on, 1);
    c = dial(s);
    say(c, "HEAD /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    text = hear(c);
    CHECK(status_of(text) == 503 && strcmp(text + strlen(text) - 4, "\r\n\r\n") == 0);
    bl_conn_release(c);
    bl_waitgroup_wait(&gone_on);
    read_log();
    stop(s);
}

/* Whoever comes first: both at the same moment, again and again. */
static void
races(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_error_release(bl_http_string(w, "in time\n"));
    bl_sleep_ctx(BL_SECOND, bl_http_context(r));
    if (r->path[1] == 'f')
        bl_error_release(bl_http_flush(w));
}

static void
timed_races(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_timeout(w, r, (bl_http_handler){races, NULL}, data);
}

static void
one_answer_only(void)
{
    int64_t ns = 2 * BL_MILLISECOND;
    struct serving *s = serve_with(NULL, timed_races, &ns);
    int late = 0;

    for (int i = 0; i < 300; i++) {
        const char *text = get(s, i % 2 ? "/flush" : "/return");
        int status = status_of(text);

        CHECK(status == 200 || status == 503);
        CHECK(!strstr(text + 1, "HTTP/1.1"));
        CHECK(status == 200 ? strstr(text, "in time\n") != NULL
                            : strstr(text, "Service Unavailable\n") != NULL);
        late += status == 503;
    }
    CHECK(late > 0);
    stop(s);
}

int
main(void)
{
    CHECK_EQ(pipe(log_pipe), 0);
    RUN(lines_are_in_the_combined_format);
    RUN(nobody_writes_lines_of_his_own);
    RUN(panics_are_logged);
    RUN(prefixes);
    RUN(bodies_have_a_limit);
    RUN(late_answers_are_503);
    RUN(one_answer_only);
    return 0;
}
