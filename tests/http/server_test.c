/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* The server on real sockets: answers to the byte, connections that go on or don't,
 * bodies, panics, contexts, hijacking, limits, the end. */
#define _GNU_SOURCE
#include "serve.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __x86_64__
#define DIVISION_FAULTS 1
#else
#define DIVISION_FAULTS 0 /* an ARM's quotient by 0 is 0 */
#endif

/* --- answers --------------------------------------------------------------------------- */

static void
hello(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_error_release(bl_http_printf(w, "%s %s\n", r->method, r->path));
}

static void
a_short_answer_has_a_length(void)
{
    struct serving *s = serve(hello);

    CHECK_STR(undated(ask(s, "GET /a%20b?x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: 9\r\nConnection: close\r\n\r\nGET /a b\n");
    stop(s);
}

/* A client that names one nobody has heard of means it; so does one that writes it small. */
static void
any_token_is_a_method(void)
{
    struct serving *s = serve(hello);

    CHECK(strstr(ask(s, "\r\nBREW /pot HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
                 "\r\n\r\nBREW /pot\n"));
    CHECK(strstr(ask(s, "get / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
                 "\r\n\r\nget /\n"));
    CHECK(strstr(ask(s, "!#$%&'*+-.^_`|~ / HTTP/1.0\r\n\r\n"),
                 "\r\n\r\n!#$%&'*+-.^_`|~ /\n"));
    CHECK_EQ(status_of(ask(s, "CONNECT h:1 HTTP/1.0\r\n\r\n")), 200);
    CHECK_EQ(status_of(ask(s, "BREW h:1 HTTP/1.0\r\n\r\n")), 400);
    stop(s);
}

static void
the_date_is_one(void)
{
    struct serving *s = serve(hello);
    const char *answer = ask(s, "GET / HTTP/1.0\r\n\r\n"), *date = strstr(answer, "Date: ");

    CHECK(date && strlen(date) > 37 && strncmp(date + 31, " GMT\r\n", 6) == 0);
    CHECK(strchr("MTWFS", date[6]) && date[9] == ',');
    stop(s);
}

static void
connections_go_on(void)
{
    struct serving *s = serve(hello);
    bl_conn *c = dial(s);
    bl_http_server_stats stats;

    for (int i = 0; i < 3; i++) {
        say(c, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
        CHECK(!strstr(hear_until(c, "/1\n"), "Connection:"));
    }
    bl_http_server_read_stats(s->s, &stats);
    CHECK_EQ(stats.connections, 1);
    CHECK_EQ(stats.requests, 3);
    CHECK_EQ(stats.open, 1);
    bl_conn_release(c);
    stop(s);
}

static void
http_1_0(void)
{
    struct serving *s = serve(hello);
    bl_conn *c = dial(s);

    CHECK(!strstr(ask(s, "GET / HTTP/1.0\r\n\r\n"), "keep-alive"));
    for (int i = 0; i < 2; i++) {
        say(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        CHECK(strstr(hear_until(c, "GET /\n"), "Connection: keep-alive\r\n"));
    }
    bl_conn_release(c);
    stop(s);
}

static void
pipelined(void)
{
    struct serving *s = serve(hello);
    char *answers = strdup(ask(s, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                                  "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345"
                                  "\r\nPUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                                  "\r\n3\r\nabc\r\n0\r\n\r\n"
                                  "GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                                  "GET /5 HTTP/1.1\r\nHost: h\r\n\r\n"));
    const char *at = answers;

    CHECK((at = strstr(at, "GET /1\n")) && (at = strstr(at, "POST /2\n")) &&
          (at = strstr(at, "PUT /3\n")) && (at = strstr(at, "GET /4\n")));
    CHECK(!strstr(answers, "/5"));
    free(answers);
    stop(s);
}

static void
byte_by_byte(void)
{
    static const char request[] = "POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    struct serving *s = serve(hello);
    bl_conn *c = dial(s);

    for (size_t i = 0; i < sizeof request - 1; i++) {
        ok(bl_conn_write(c, request + i, 1, NULL));
        bl_gosched();
    }
    CHECK(strstr(hear(c), "POST /x\n"));
    bl_conn_release(c);
    stop(s);
}

static void
long_answer(bl_http_response *w, bl_http_request *r, void *data)
{
    char *text = bl_http_alloc(r, 10001);

    (void)data;
    memset(text, 'x', 10000);
    for (int i = 0; i < 10; i++)
        ok(bl_http_string(w, text));
    CHECK_EQ(bl_http_sent_bytes(w), 100000);
}

static void
a_long_answer_is_chunked(void)
{
    struct serving *s = serve(long_answer);
    const char *answer = ask(s, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

    CHECK(strstr(answer, "Transfer-Encoding: chunked\r\n") && strstr(answer, "\r\n2710\r\nxxx"));
    CHECK(!strstr(answer, "Content-Length"));
    CHECK_STR(answer + strlen(answer) - 7, "\r\n0\r\n\r\n");
    answer = ask(s, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(!strstr(answer, "chunked") && !strstr(answer, "keep-alive"));
    CHECK_EQ(strlen(strstr(answer, "\r\n\r\n") + 4), 100000);
    answer = ask(s, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK_STR(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    stop(s);
}

static void
by_path(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_header *h = bl_http_response_header(w);

    (void)data;
    if (strcmp(r->path, "/204") == 0) {
        bl_http_status(w, 204);
        ok(bl_http_string(w, "no"));
    } else if (strcmp(r->path, "/304") == 0) {
        bl_http_header_set(h, "ETag", "\"x\"");
        bl_http_status(w, 304);
    } else if (strcmp(r->path, "/late") == 0) {
        bl_http_status(w, 201);
        bl_http_header_set(h, "X-Late", "1");
    } else if (strcmp(r->path, "/twice") == 0) {
        bl_http_status(w, 201);
        bl_http_status(w, 202);
    } else if (strcmp(r->path, "/length") == 0) {
        bl_http_header_set(h, "Content-Length", "5");
        ok(bl_http_string(w, "12345"));
        CHECK(bl_http_string(w, "6") != NULL);
    } else if (strcmp(r->path, "/less") == 0) {
        bl_http_header_set(h, "Content-Length", "5");
        ok(bl_http_string(w, "123"));
    } else if (strcmp(r->path, "/trailer") == 0) {
        bl_http_header_set(h, "Trailer", "X-Sum");
        ok(bl_http_string(w, "abc"));
        bl_http_trailer(w, "X-Sum", "7");
    } else if (strcmp(r->path, "/hints") == 0) {
        bl_http_header_set(h, "Link", "</a>");
        bl_http_status(w, 103);
        bl_http_status(w, 200);
    } else if (strcmp(r->path, "/close") == 0) {
        bl_http_header_set(h, "connection", "close");
    } else if (strcmp(r->path, "/empty") == 0) {
        /* 200 */
    } else if (strcmp(r->path, "/flush") == 0) {
        ok(bl_http_string(w, "a"));
        ok(bl_http_flush(w));
        ok(bl_http_string(w, "b"));
    } else {
        bl_http_not_found(w, r, NULL);
    }
}

static const char *
get(const struct serving *s, const char *path)
{
    char text[512];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
    return undated(ask(s, text));
}

static void
answers_of_all_kinds(void)
{
    struct serving *s = serve(by_path);
    const char *end = "Connection: close\r\n\r\n";

    CHECK_STR(get(s, "/204"), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    CHECK_STR(get(s, "/304"),
              "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nConnection: close\r\n\r\n");
    CHECK_STR(get(s, "/late"), "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n");
    CHECK(strstr(get(s, "/twice"), " 201 ") && has_logged("superfluous"));
    CHECK_STR(strstr(get(s, "/length"), "Content-Length"),
              "Content-Length: 5\r\nConnection: close\r\n\r\n12345");
    CHECK_STR(strstr(get(s, "/less"), end) + strlen(end), "123");
    CHECK_STR(strstr(get(s, "/trailer"), "\r\n\r\n"),
              "\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n");
    CHECK(strncmp(get(s, "/hints"), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200",
                  50) == 0);
    CHECK_STR(get(s, "/close"),
              "HTTP/1.1 200 OK\r\nconnection: close\r\nContent-Length: 0\r\n\r\n");
    CHECK(strstr(get(s, "/empty"), "Content-Length: 0\r\n"));
    CHECK_STR(strstr(get(s, "/flush"), "\r\n\r\n"),
              "\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    CHECK(strstr(get(s, "/other"), "404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                   "X-Content-Type-Options: nosniff\r\n"));
    stop(s);
}

static void
redirect(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_http_redirect(w, r, r->query, 302);
}

static void
redirections(void)
{
    struct serving *s = serve(redirect);

    CHECK(strstr(get(s, "/a/b?../c?d=../e"), "Location: /c?d=../e\r\n"));
    CHECK(strstr(get(s, "/a/b?x/"), "Location: /a/x/\r\n"));
    CHECK(strstr(get(s, "/a/b?/x/./y//../z"), "Location: /x/z\r\n"));
    CHECK(strstr(get(s, "/a?https://h/../x"), "Location: https://h/../x\r\n"));
    CHECK(strstr(get(s, "/a?/x&y"), "<a href=\"/x&amp;y\">Found</a>.\n\n"));
    stop(s);
}

/* --- bodies ------------------------------------------------------------------------------ */

static void
echo(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_error *err;
    char *text;
    size_t n;

    (void)data;
    err = bl_http_read_all(r, 1 << 20, &text, &n);
    if (err) {
        char why[128];

        bl_error_text(err, why, sizeof why);
        bl_http_error(w, why, 400);
        bl_error_release(err);
        return;
    }
    ok(bl_http_write(w, text, n));
    for (size_t i = 0; i < bl_http_header_count(r->trailer); i++) {
        const char *name, *value;

        CHECK(bl_http_header_at(r->trailer, i, &name, &value));
        ok(bl_http_printf(w, "|%s=%s", name, value));
    }
}

#define POST "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"

static const char *
body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");

    return body ? body + 4 : "(none)";
}

static void
bodies(void)
{
    struct serving *s = serve(echo);
    char *large = malloc(400000), *at = large;

    CHECK_STR(body_of(ask(s, POST "Content-Length: 3\r\n\r\nabc")), "abc");
    CHECK_STR(body_of(ask(s, POST "Transfer-Encoding: chunked\r\n\r\n"
                                  "3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1 \r\n\r\n")),
              "abc0123456789|X-Sum=1");
    CHECK(strstr(ask(s, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
                 "malformed chunked encoding"));
    at += sprintf(at, POST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10000; i++)
        at += sprintf(at, "a\r\n0123456789\r\n");
    sprintf(at, "0\r\n\r\n");
    CHECK(strstr(ask(s, large), "\r\n0\r\n\r\n"));
    free(large);
    stop(s);
}

/* The body's buffer is another one than a long head's, whatever is left of that. */
static void
a_long_head_and_chunks(void)
{
    struct serving *s = serve(echo);
    char *request = malloc(80000);

    for (int size = 65200; size < 65536; size += 7) {
        int n = sprintf(request, POST "Transfer-Encoding: chunked\r\nX: ");

        memset(request + n, 'x', (size_t)(size - n));
        strcpy(request + size, "\r\n\r\n5\r\nhello\r\n6;y=z\r\n world\r\n0\r\n\r\n");
        if (size < 65530)
            CHECK_STR(body_of(ask(s, request)), "hello world");
    }
    free(request);
    stop(s);
}

static void
expectations(void)
{
    struct serving *s = serve(echo), *lazy = serve(hello);
    bl_conn *c = dial(s);

    say(c, POST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK_STR(hear_until(c, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(c, "abc");
    CHECK_STR(body_of(hear(c)), "abc");
    bl_conn_release(c);
    CHECK_EQ(status_of(ask(s, POST "Expect: wonders\r\n\r\n")), 417);
    c = dial(lazy); /* it does not ask for the body: nobody sends it, and the end comes */
    say(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK(strstr(hear(c), "Connection: close\r\n"));
    bl_conn_release(c);
    stop(s);
    stop(lazy);
}

static void
read_or_leave(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_error *err;
    char *text;
    size_t n;

    (void)w, (void)data;
    if (strcmp(r->path, "/more") == 0)
        bl_http_limit_body(r, 1000);
    err = bl_http_read_all(r, 1 << 20, &text, &n);
    CHECK(!err || bl_error_is(err, bl_err_http_body_too_large));
    bl_error_release(err);
}

static void
limits_of_bodies(void)
{
    bl_http_server_options o = {.max_body_bytes = 10};
    struct serving *s = serve_with(&o, read_or_leave, NULL);

    CHECK_EQ(status_of(ask(s, POST "Content-Length: 10\r\n\r\n0123456789")), 200);
    CHECK_EQ(status_of(ask(s, POST "Content-Length: 11\r\n\r\n0123456789a")), 413);
    CHECK_EQ(status_of(ask(s, POST "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n"
                                   "0\r\n\r\n")), 200);
    CHECK_EQ(status_of(ask(s, POST "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n"
                                   "0\r\n\r\n")), 413);
    CHECK_EQ(status_of(ask(s, "POST /more HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                              "Content-Length: 11\r\n\r\n0123456789a")), 200);
    stop(s);
}

/* What the handler has not read is thrown away, or the connection ends. */
static void
unread_bodies(void)
{
    struct serving *s = serve(hello);
    char *request = malloc(600000), *at = request;
    bl_conn *c = dial(s);

    at += sprintf(at, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    memset(at, 'x', 200000);
    strcpy(at + 200000, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    say(c, request);
    CHECK(strstr(hear_until(c, "GET /2\n"), "POST /1\n"));
    bl_conn_release(c);
    at = request + sprintf(request, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n");
    memset(at, 'x', 500000);
    at[500000] = '\0';
    CHECK(strstr(ask(s, request), "Connection: close\r\n"));
    free(request);
    stop(s);
}

static void
form(bl_http_response *w, bl_http_request *r, void *data)
{
    const char *a, *b, *c, *q;

    (void)data;
    q = bl_http_query(r, "a");
    a = bl_http_form(r, "a");
    b = bl_http_form(r, "b");
    c = bl_http_cookie(r, "c");
    bl_http_set_cookie(w, "id", "x y;", &(bl_http_cookie_options){
        .path = "/", .max_age = 60, .http_only = true, .same_site = "Lax"});
    ok(bl_http_printf(w, "%s|%s|%s|%s", q ? q : "-", a ? a : "-", b ? b : "-", c ? c : "-"));
}

static void
forms_and_cookies(void)
{
    struct serving *s = serve(form);
    const char *answer = ask(s, "POST /?a=1%2B2&%zz=3&a=4&b=q HTTP/1.1\r\nHost: h\r\n"
                                "Connection: close\r\nCookie: x=1; c=\"z\"; c=2\r\n"
                                "Content-Type: application/x-www-form-urlencoded; charset=x\r\n"
                                "Content-Length: 9\r\n\r\na=%41+b;&");

    CHECK_STR(body_of(answer), "1+2|1+2|q|z");
    CHECK(strstr(answer, "Set-Cookie: id=\"x y\"; Path=/; Max-Age=60; HttpOnly; "
                         "SameSite=Lax\r\n"));
    CHECK_STR(body_of(ask(s, "POST /?a=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                             "Content-Type: application/x-www-form-urlencoded\r\n"
                             "Content-Length: 12\r\n\r\na=%41+b&b=%00")), "1|A b|-|-");
    stop(s);
}

/* --- panics -------------------------------------------------------------------------------- */

static _Atomic int cleaned;

static void
clean(void)
{
    cleaned++;
}

static int zero;

static void
explode(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_returns_nothing {
        bl_defer_call(clean);
        if (strcmp(r->path, "/panic") == 0)
            bl_panic("oh dear");
        if (strcmp(r->path, "/null") == 0)
            *(volatile int *)NULL = 1;
        if (strcmp(r->path, "/zero") == 0)
            ok(bl_http_printf(w, "%d", 7 / *(volatile int *)&zero)); /* 1 / x needs no division */
        if (strcmp(r->path, "/begun") == 0) {
            ok(bl_http_string(w, "begun"));
            ok(bl_http_flush(w));
            bl_panic("too late");
        }
        if (strcmp(r->path, "/abort") == 0)
            bl_panic_error(bl_err_http_abort);
        if (strcmp(r->path, "/exit") == 0)
            bl_goexit();
        if (strcmp(r->path, "/bad") == 0)
            bl_http_header_set(bl_http_response_header(w), "X", "a\r\nSet-Cookie: b");
        if (strcmp(r->path, "/status") == 0)
            bl_http_status(w, 99);
    }
}

static void
panics_are_answered(void)
{
    struct serving *s = serve(explode);
    bl_http_server_stats stats;
    const char *answer;

    CHECK_STR(get(s, "/panic"),
              "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "X-Content-Type-Options: nosniff\r\nContent-Length: 26\r\n"
              "Connection: close\r\n\r\n500 Internal Server Error\n");
    CHECK(has_logged("http: panic serving 127.0.0.1:") && has_logged("oh dear"));
    CHECK(has_logged("goroutine ") && has_logged("explode("));
    CHECK_EQ(status_of(get(s, "/null")), 500);
    CHECK(has_logged("nil pointer") || has_logged("NULL"));
    CHECK_EQ(status_of(get(s, "/zero")), DIVISION_FAULTS ? 500 : 200);
    CHECK_EQ(DIVISION_FAULTS ? has_logged("divide") : is_in_log("divide"), DIVISION_FAULTS);
    answer = get(s, "/begun");
    CHECK(strstr(answer, "begun") && !strstr(answer, "\r\n0\r\n") && has_logged("too late"));
    bl_http_server_read_stats(s->s, &stats);
    CHECK_EQ(stats.panics, 3 + DIVISION_FAULTS);
    CHECK_EQ(cleaned, 4);
    CHECK_EQ(status_of(get(s, "/bad")), 500);
    CHECK_EQ(status_of(get(s, "/status")), 500);
    CHECK(has_logged("invalid WriteHeader code 99"));
    stop(s);
}

static void
aborts_are_not_logged(void)
{
    struct serving *s = serve(explode);

    CHECK_STR(get(s, "/abort"), "");
    CHECK_STR(get(s, "/exit"), "");
    CHECK_STR(logged, "");
    CHECK_EQ(status_of(get(s, "/fine")), 200);
    stop(s);
}

/* --- contexts -------------------------------------------------------------------------------- */

static bl_waitgroup ended;
static bl_error *context_err;

static void
wait_for_end(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_context *ctx = bl_http_context(r);

    (void)w, (void)data;
    bl_sleep_ctx(strcmp(r->path, "/short") == 0 ? 20 * BL_MILLISECOND : 20 * BL_SECOND, ctx);
    if (bl_context_err(ctx))
        context_err = bl_context_err(ctx); /* of any of several requests */
    CHECK(bl_http_context(r) == ctx);
    bl_waitgroup_done(&ended);
}

static void
a_client_that_leaves_ends_the_context(void)
{
    struct serving *s = serve(wait_for_end);
    bl_conn *c = dial(s);

    context_err = NULL;
    bl_waitgroup_add(&ended, 1);
    say(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    bl_sleep(20 * BL_MILLISECOND);
    bl_conn_release(c);
    CHECK_EQ(bl_waitgroup_wait_until(&ended, bl_after_ns(10 * BL_SECOND)), 0);
    CHECK(context_err == bl_err_canceled);
    stop(s);
}

static void
a_next_request_does_not_end_it(void)
{
    struct serving *s = serve(wait_for_end);
    bl_conn *c = dial(s);

    context_err = NULL;
    for (int i = 0; i < 3; i++) {
        bl_waitgroup_add(&ended, 2);
        say(c, "GET /short HTTP/1.1\r\nHost: h\r\n\r\n");
        if (i == 1)
            bl_sleep(5 * BL_MILLISECOND);
        say(c, "GET /short HTTP/1.1\r\nHost: h\r\n\r\n");
        hear_until(c, "\r\n\r\n");
        CHECK_EQ(bl_waitgroup_wait_until(&ended, bl_after_ns(10 * BL_SECOND)), 0);
        CHECK(context_err == NULL);
    }
    bl_conn_release(c);
    stop(s);
}

static void
closing_ends_it(void)
{
    struct serving *s = serve(wait_for_end);
    bl_conn *c = dial(s);

    context_err = NULL;
    bl_waitgroup_add(&ended, 1);
    say(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    bl_sleep(20 * BL_MILLISECOND);
    stop(s);
    CHECK(context_err == bl_err_canceled);
    bl_conn_release(c);
}

/* --- hijacking --------------------------------------------------------------------------------- */

static bl_http_hijacked kept;

static void
take(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_hijacked h, again;
    const char *line;
    size_t n;

    (void)data;
    bl_http_context(r);
    ok(bl_http_hijack(w, &h));
    CHECK(is(bl_http_hijack(w, &again), bl_err_http_hijacked));
    CHECK(is(bl_http_string(w, "x"), bl_err_http_hijacked));
    CHECK_STR(r->path, "/take");
    CHECK(r->remote->length > 0);
    ok(bl_reader_line(h.reader, &line, &n));
    CHECK(n == 5 && memcmp(line, "early", 5) == 0);
    bl_writer_printf(h.writer, "taken\n");
    ok(bl_writer_flush(h.writer));
    if (*r->query == 'k') {
        kept = h;
        bl_panic("behind a hijack");
    }
    bl_http_hijacked_release(&h);
    bl_http_hijacked_release(&h);
}

static void
hijacked(void)
{
    struct serving *s = serve(take);
    bl_conn *c = dial(s);
    bl_http_server_stats stats;

    CHECK_STR(ask(s, "GET /take HTTP/1.1\r\nHost: h\r\n\r\nearly\n"), "taken\n");
    CHECK_STR(logged, "");
    say(c, "GET /take?k HTTP/1.1\r\nHost: h\r\n\r\n");
    bl_sleep(5 * BL_MILLISECOND);
    say(c, "early\n");
    CHECK_STR(hear_until(c, "\n"), "taken\n");
    CHECK(has_logged("behind a hijack"));
    bl_http_server_read_stats(s->s, &stats);
    CHECK_EQ(stats.open, 0);
    stop(s); /* it does not wait for what was taken */
    bl_writer_printf(kept.writer, "and kept\n");
    ok(bl_writer_flush(kept.writer));
    bl_http_hijacked_release(&kept);
    CHECK_STR(hear(c), "and kept\n");
    bl_conn_release(c);
}

static bl_waitgroup outlived;
static bool go_on;

static void
take_and_stay(bl_http_response *w, bl_http_request *r, void *data)
{
    bl_http_hijacked h;

    (void)data;
    ok(bl_http_hijack(w, &h));
    while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
        bl_sleep(BL_MILLISECOND);
    CHECK_STR(r->path, "/");
    CHECK(bl_context_err(bl_http_context(r)) != NULL); /* the server's has ended */
    bl_writer_printf(h.writer, "%s\n", r->host);
    ok(bl_writer_flush(h.writer));
    bl_http_hijacked_release(&h);
    bl_waitgroup_done(&outlived);
}

static void
a_handler_outlives_its_server(void)
{
    struct serving *s = serve(take_and_stay);
    bl_conn *c = dial(s);
    bl_http_server_stats stats;

    bl_waitgroup_add(&outlived, 1);
    say(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    do {
        bl_sleep(BL_MILLISECOND);
        bl_http_server_read_stats(s->s, &stats);
    } while (stats.open > 0 || stats.connections == 0);
    stop(s);
    __atomic_store_n(&go_on, true, __ATOMIC_RELEASE);
    bl_waitgroup_wait(&outlived);
    CHECK_STR(hear(c), "h\n");
    bl_conn_release(c);
}

/* --- time -------------------------------------------------------------------------------------- */

static int64_t
seconds_until_closed(const bl_http_server_options *o, bl_http_func *f, const char *text,
                     const char **answer)
{
    struct serving *s = serve_with(o, f, NULL);
    int64_t began = bl_now();

    *answer = ask(s, text);
    stop(s);
    return (bl_now() - began) / BL_SECOND;
}

static void
slow_clients_are_cut(void)
{
    bl_http_server_options o = {.header_timeout_ns = 100 * BL_MILLISECOND,
                                .read_timeout_ns = 100 * BL_MILLISECOND,
                                .idle_timeout_ns = 100 * BL_MILLISECOND};
    const char *answer;

    CHECK(seconds_until_closed(&o, hello, "", &answer) < 5);
    CHECK_STR(answer, "");
    CHECK(seconds_until_closed(&o, hello, "GET / HT", &answer) < 5);
    CHECK(seconds_until_closed(&o, hello, "GET / HTTP/1.1\r\nHost: h\r\n", &answer) < 5);
    CHECK(seconds_until_closed(&o, hello, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &answer) < 5);
    CHECK_EQ(status_of(answer), 200);
    CHECK(seconds_until_closed(&o, echo, POST "Content-Length: 5\r\n\r\nabc", &answer) < 5);
    CHECK(strstr(answer, "timeout"));
}

/* A byte now and then does not help. */
static void
slowloris(void)
{
    bl_http_server_options o = {.header_timeout_ns = 200 * BL_MILLISECOND};
    struct serving *s = serve_with(&o, hello, NULL);
    bl_conn *c = dial(s);
    int64_t began = bl_now();
    bl_error *err = NULL;

    say(c, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    while (!err && bl_now() - began < 5 * BL_SECOND) {
        err = bl_conn_write(c, "x", 1, NULL);
        bl_sleep(10 * BL_MILLISECOND);
    }
    CHECK(err && bl_now() - began < 5 * BL_SECOND);
    bl_error_release(err);
    bl_conn_release(c);
    stop(s);
}

static bl_waitgroup written;
static bl_error *write_err;

static void
flood(bl_http_response *w, bl_http_request *r, void *data)
{
    static char block[1 << 16];

    (void)r, (void)data;
    while (!(write_err = bl_http_write(w, block, sizeof block)))
        ;
    CHECK(is(bl_http_write(w, block, 1), bl_err_timeout));
    bl_waitgroup_done(&written);
}

static void
slow_readers_are_cut(void)
{
    bl_http_server_options o = {.write_timeout_ns = 200 * BL_MILLISECOND};
    struct serving *s = serve_with(&o, flood, NULL);
    bl_conn *c = dial(s);

    bl_waitgroup_add(&written, 1);
    say(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK_EQ(bl_waitgroup_wait_until(&written, bl_after_ns(10 * BL_SECOND)), 0);
    CHECK(is(write_err, bl_err_timeout));
    bl_conn_release(c);
    stop(s);
}

static void
only_so_many_at_a_time(void)
{
    bl_http_server_options o = {.max_connections = 2};
    struct serving *s = serve_with(&o, hello, NULL);
    bl_conn *a = dial(s), *b = dial(s), *c = dial(s);

    say(a, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_until(a, "GET /1\n");
    say(b, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_until(b, "GET /2\n");
    say(c, "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    ok(bl_conn_set_read_deadline(c, bl_after_ns(50 * BL_MILLISECOND)));
    CHECK_STR(hear_until(c, "GET /3\n"), "");
    bl_conn_release(a);
    ok(bl_conn_set_read_deadline(c, bl_after_ns(10 * BL_SECOND)));
    CHECK(strstr(hear_until(c, "GET /3\n"), "GET /3\n"));
    bl_conn_release(b);
    bl_conn_release(c);
    stop(s);
}

/* --- the end -------------------------------------------------------------------------------------- */

static void
slowly(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)r, (void)data;
    bl_sleep(200 * BL_MILLISECOND);
    ok(bl_http_string(w, "done\n"));
}

static void
a_graceful_end(void)
{
    struct serving *s = serve(slowly);
    bl_conn *idle = dial(s), *fresh = dial(s), *busy = dial(s), *waiting = dial(s);
    bl_context *ctx = bl_context_with_timeout(bl_context_background(), 50 * BL_MILLISECOND);

    say(idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_until(idle, "done\n");
    say(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    say(waiting, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    bl_sleep(20 * BL_MILLISECOND);
    CHECK(is(bl_http_server_shutdown(ctx, s->s), bl_err_deadline_exceeded));
    CHECK_STR(hear(idle), "");
    CHECK_STR(hear(fresh), "");
    ok(bl_http_server_shutdown(bl_context_background(), s->s));
    CHECK(strstr(hear(busy), "Connection: close\r\n\r\ndone\n"));
    CHECK(strstr(hear(waiting), "done\n"));
    bl_conn_release(idle);
    bl_conn_release(fresh);
    bl_conn_release(busy);
    bl_conn_release(waiting);
    bl_context_end(ctx);
    stop(s);
}

static void
one_connection_alone(void)
{
    bl_http_server_options o = {.handler = {hello, NULL}};
    bl_http_server *s;
    bl_conn *pair[2];

    ok(bl_http_server_new(&o, &s));
    ok(bl_conn_pair(pair));
    say(pair[0], "GET /pair HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    bl_http_serve_conn(s, pair[1]);
    CHECK(strstr(hear(pair[0]), "GET /pair\n"));
    bl_conn_release(pair[0]);
    bl_http_server_close(s);
    bl_http_server_free(s);
}

int
main(void)
{
    RUN(a_short_answer_has_a_length);
    RUN(any_token_is_a_method);
    RUN(the_date_is_one);
    RUN(connections_go_on);
    RUN(http_1_0);
    RUN(pipelined);
    RUN(byte_by_byte);
    RUN(a_long_answer_is_chunked);
    RUN(answers_of_all_kinds);
    RUN(redirections);
    RUN(bodies);
    RUN(a_long_head_and_chunks);
    RUN(expectations);
    RUN(limits_of_bodies);
    RUN(unread_bodies);
    RUN(forms_and_cookies);
    RUN(panics_are_answered);
    RUN(aborts_are_not_logged);
    RUN(a_client_that_leaves_ends_the_context);
    RUN(a_next_request_does_not_end_it);
    RUN(closing_ends_it);
    RUN(hijacked);
    RUN(a_handler_outlives_its_server);
    RUN(slow_clients_are_cut);
    RUN(slowloris);
    RUN(slow_readers_are_cut);
    RUN(only_so_many_at_a_time);
    RUN(a_graceful_end);
    RUN(one_connection_alone);
    return 0;
}
