/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* The client: which connections are used again, where redirections lead, and when it gives
 * up. */
#include "peer.h"

#include <pthread.h>
#include <sys/socket.h>

#include "certificates.h"

/* --- connections ------------------------------------------------------------------------------------------ */

static void
get_and_read(bl_test *t, bl_http_client *client, const char *want)
{
    bl_http_reply *reply;

    ok(t, bl_http_get(NULL, client, url_of("/"), &reply));
    if (want)
        has_body(t, reply, want);
    bl_http_reply_release(reply);
}

#define OK(body) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body

BL_TEST(connections_are_used_again)
{
    static const char *const answers[] = {OK("a1"), OK("a2"), OK("a3"), OK("a4"), NULL};
    bl_http_client *client = make_client(t, NULL);
    bl_http_reply *replies[2];

    begin(t, &peer, answers);
    get_and_read(t, client, "a1");
    get_and_read(t, client, NULL); /* what is there is read for us */
    bl_assert_eq(t, peer.connections, 1);
    ok(t, bl_http_get(NULL, client, url_of("/"), &replies[0]));
    ok(t, bl_http_get(NULL, client, url_of("/"), &replies[1]));
    bl_assert_eq(t, peer.connections, 2);
    bl_http_reply_release(replies[0]);
    bl_http_reply_release(replies[1]);
    bl_http_client_free(client);
    end(&peer);
}

BL_TEST(a_connection_that_was_closed_meanwhile)
{
    static const char *const answers[] = {OK("a1$"), OK("a2"), NULL};
    bl_http_client *client = make_client(t, NULL);

    begin(t, &peer, answers);
    get_and_read(t, client, "a1");
    bl_sleep(20 * BL_MILLISECOND);
    get_and_read(t, client, "a2");
    bl_assert_eq(t, peer.connections, 2);
    bl_http_client_free(client);
    end(&peer);
}

/* The server ends an old connection when it sees the request: only what may be asked twice
 * is. */
BL_TEST(a_connection_that_is_closed_while_it_is_used)
{
    static const char *const answers[] = {OK("a1"), "$", OK("a2"), "$", OK("a3"), NULL};
    bl_http_client *client = make_client(t, NULL);
    bl_http_call_options call = {.body = "x", .body_size = 1};
    bl_http_reply *reply;

    begin(t, &peer, answers);
    get_and_read(t, client, "a1");
    get_and_read(t, client, "a2");
    bl_assert_eq(t, peer.connections, 2);
    call.url = url_of("/");
    fails(t, bl_http_do(NULL, client, &call, &reply), "Post \"http://^/\": EOF");
    bl_assert_eq(t, peer.connections, 2);
    get_and_read(t, client, "a3");
    bl_http_client_free(client);
    end(&peer);
}

BL_TEST(idle_connections_end)
{
    static const char *const answers[] = {OK("a1"), OK("a2"), NULL};
    bl_http_client *client = make_client(
        t, &(bl_http_client_options){.idle_timeout_ns = 20 * BL_MILLISECOND});

    begin(t, &peer, answers);
    get_and_read(t, client, "a1");
    bl_waitgroup_done(&peer.conns); /* the listener's: only connections count now */
    bl_assert_eq(t, bl_waitgroup_wait_until(&peer.conns, bl_after_ns(5 * BL_SECOND)), 0);
    bl_waitgroup_add(&peer.conns, 1);
    get_and_read(t, client, "a2");
    bl_assert_eq(t, peer.connections, 2);
    bl_http_client_free(client);
    end(&peer);
}

static void
get_counted(bl_test *t, bl_http_client *client, const char *url, bl_waitgroup *wg)
{
    bl_http_reply *reply;

    ok(t, bl_http_get(NULL, client, url, &reply));
    has_body(t, reply, "ok");
    bl_http_reply_release(reply);
    bl_waitgroup_done(wg);
}

static _Atomic int inside, most_inside;

static void
be_slow(bl_http_response *w, bl_http_request *r, void *unused)
{
    int now = ++inside;

    (void)r, (void)unused;
    if (now > most_inside)
        most_inside = now;
    bl_sleep(5 * BL_MILLISECOND);
    inside--;
    bl_error_release(bl_http_string(w, "ok"));
}

BL_TEST(no_more_connections_than_asked_for)
{
    bl_http_client *client = make_client(t, &(bl_http_client_options){.max_per_host = 3});
    bl_http_reply *replies[3], *none;
    struct own_server s;
    bl_waitgroup wg = {0};
    const char *url;
    bl_context *ctx;

    start_own(t, &s, be_slow, NULL);
    url = url_of("/");
    for (int i = 0; i < 30; i++) {
        bl_waitgroup_add(&wg, 1);
        bl_go(get_counted, t, client, url, &wg);
    }
    bl_waitgroup_wait(&wg);
    bl_assert(t, most_inside <= 3);
    for (int i = 0; i < 3; i++)
        ok(t, bl_http_get(NULL, client, url_of("/"), &replies[i]));
    ctx = bl_context_with_timeout(bl_context_background(), 10 * BL_MILLISECOND);
    fails(t, bl_http_get(ctx, client, url_of("/"), &none),
          "Get \"http://^/\": context deadline exceeded");
    bl_context_end(ctx);
    for (int i = 0; i < 3; i++)
        bl_http_reply_release(replies[i]);
    get_and_read(t, client, "ok");
    bl_http_client_free(client);
    stop_own(&s);
}

/* A server that needs no memory. */
static void *
answer_all(void *listener)
{
    static const char answer_text[] = OK("ok");
    char buf[4096];
    int fd;

    while ((fd = accept(*(int *)listener, NULL, NULL)) >= 0) {
        while (recv(fd, buf, sizeof buf, 0) > 0)
            if (send(fd, answer_text, sizeof answer_text - 1, MSG_NOSIGNAL) < 0)
                break;
        close(fd);
    }
    return NULL;
}

BL_TEST(memory_is_short)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM, 0), failures = 0;
    socklen_t n = sizeof name;
    pthread_t thread;

    bl_require(t, bind(listener, (struct sockaddr *)&name, n) == 0);
    bl_require(t, listen(listener, 10) == 0);
    getsockname(listener, (struct sockaddr *)&name, &n);
    snprintf(peer.where, sizeof peer.where, "127.0.0.1:%d", ntohs(name.sin_port));
    bl_require(t, pthread_create(&thread, NULL, answer_all, &listener) == 0);
    for (int i = 1; i < 40; i++) {
        bl_http_client *client = make_client(t, NULL);
        bl_http_reply *reply = NULL;
        bl_error *err;
        char *data;
        size_t size;

        bl_fail_nth(BL_FAIL_MALLOC, i);
        err = bl_http_get(NULL, client, url_of("/"), &reply);
        if (!err)
            err = bl_http_reply_read_all(reply, 100, &data, &size);
        bl_fail_stop();
        failures += err != NULL;
        if (err && bl_error_errno(err) != ENOMEM)
            fails(t, bl_error_retain(err), "memory");
        bl_error_release(err);
        bl_http_reply_release(reply);
        get_and_read(t, client, "ok");
        bl_http_client_free(client);
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    bl_assert(t, failures > 5);
#endif
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
}

/* --- redirections -------------------------------------------------------------------------------------------- */

#define TO(status, where)                                                      \
    "HTTP/1.1 " status " There\r\nLocation: " where "\r\nContent-Length: 2\r\n\r\nxx"

struct led {
    const char *name, *method;
    const char *body;
    const char *answers[4];
    int status;
    const char *want;       /* requests' first lines, and what tells of a body */
};

/* First lines, lengths, bodies. */
static void
strip_seen(char *text)
{
    char *to = text;

    for (char *line = text, *next; *line; line = next) {
        next = strchr(line, '\n') ? strchr(line, '\n') + 1 : strchr(line, 0);
        if (strncmp(line, "Host:", 5) == 0 || strncmp(line, "User-Agent:", 11) == 0 ||
            *line == '\n')
            continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = 0;
}

static void
try_led(bl_test *t, void *arg)
{
    const struct led *led = arg;
    bl_http_client *client = make_client(t, NULL);
    bl_http_header *header = bl_http_header_new();
    bl_http_call_options call = {.method = led->method, .body = led->body, .header = header,
                                 .body_size = led->body ? strlen(led->body) : 0};
    char want[1024] = "";
    bl_http_reply *reply;

    if (led->body)
        bl_http_header_set(header, "Content-Type", "a/b");
    begin(t, &peer, led->answers);
    call.url = url_of("/a/b?q");
    ok(t, bl_http_do(NULL, client, &call, &reply));
    bl_assert_eq(t, reply->status, led->status);
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    bl_http_header_free(header);
    end(&peer);
    bl_assert_eq(t, peer.connections, 1);
    strip_seen(peer.seen);
    for (const char *from = led->want; *from; from++)
        sprintf(strchr(want, 0), *from == '^' ? "%s" : "%.1s", *from == '^' ? peer.where : from);
    bl_assert_eq(t, (const char *)peer.seen, (const char *)want);
}

BL_TEST(redirections)
{
    static const struct led led[] = {
        {"302", NULL, NULL, {TO("302", "/c"), AGAIN, NULL}, 200,
         "GET /a/b?q HTTP/1.1\nGET /c HTTP/1.1\nReferer: http://^/a/b?q\n"},
        {"relative", NULL, NULL, {TO("301", "../c/./d?x#f"), AGAIN, NULL}, 200,
         "GET /a/b?q HTTP/1.1\nGET /c/d?x HTTP/1.1\nReferer: http://^/a/b?q\n"},
        {"HEAD", "HEAD", NULL, {"HTTP/1.1 303 O\r\nLocation: c\r\n\r\n", AGAIN, NULL}, 200,
         "HEAD /a/b?q HTTP/1.1\nHEAD /a/c HTTP/1.1\nReferer: http://^/a/b?q\n"},
        {"POST", NULL, "hi", {TO("302", "/c"), AGAIN, NULL}, 200,
         "POST /a/b?q HTTP/1.1\nContent-Length: 2\nContent-Type: a/b\nhiGET /c HTTP/1.1\n"
         "Referer: http://^/a/b?q\n"},
        {"307", "PUT", "hi", {TO("307", "/c"), AGAIN, NULL}, 200,
         "PUT /a/b?q HTTP/1.1\nContent-Length: 2\nContent-Type: a/b\nhiPUT /c HTTP/1.1\n"
         "Content-Length: 2\nReferer: http://^/a/b?q\nContent-Type: a/b\nhi"},
        {"302, 307", "PUT", "hi", {TO("302", "/c"), TO("307", "/d"), AGAIN, NULL}, 200,
         "PUT /a/b?q HTTP/1.1\nContent-Length: 2\nContent-Type: a/b\nhiGET /c HTTP/1.1\n"
         "Referer: http://^/a/b?q\nGET /d HTTP/1.1\nReferer: http://^/c\n"},
        {"no location", NULL, NULL,
         {"HTTP/1.1 302 There\r\nContent-Length: 0\r\n\r\n", AGAIN, NULL}, 302,
         "GET /a/b?q HTTP/1.1\n"},
        {"304", NULL, NULL, {"HTTP/1.1 304 No\r\nLocation: /c\r\n\r\n", AGAIN, NULL}, 304,
         "GET /a/b?q HTTP/1.1\n"},
    };

    bl_test_each(t, led, try_led);
}

BL_TEST(redirections_without_end)
{
    static const char *const answers[] = {
        TO("302", "/1"), TO("302", "/2"), TO("302", "/3"), TO("302", "/4"), TO("302", "/5"),
        TO("302", "/6"), TO("302", "/7"), TO("302", "/8"), TO("302", "/9"), TO("302", "/10"),
        TO("302", "http://[x/"), TO("302", "/c"), NULL};
    bl_http_client *client = make_client(t, NULL);
    bl_http_reply *reply;

    begin(t, &peer, answers);
    fails(t, bl_http_get(NULL, client, url_of("/"), &reply),
          "Get \"/10\": stopped after 10 redirects");
    fails(t, bl_http_get(NULL, client, url_of("/"), &reply),
          "Get \"http://^/\": failed to parse Location header \"http://[x/\": parse "
          "\"http://[x/\": missing ']' in host");
    bl_http_client_free(client);
    client = make_client(t, &(bl_http_client_options){.max_redirects = -1});
    ok(t, bl_http_get(NULL, client, url_of("/"), &reply));
    bl_assert_eq(t, reply->status, 302);
    has_body(t, reply, "xx");
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    end(&peer);
}

static void
redirect_to_other(bl_http_response *w, bl_http_request *r, void *unused)
{
    const char *other = bl_http_query(r, "to");

    (void)unused;
    if (other)
        bl_http_redirect(w, r, other, 302);
    else
        bl_error_release(bl_http_printf(
            w, "%s %s %s %s", bl_http_header_get(r->header, "Authorization"),
            bl_http_header_get(r->header, "Cookie"), bl_http_header_get(r->header, "X"),
            bl_http_header_get(r->header, "Referer")));
}

BL_TEST(secrets_stay_at_home)
{
    bl_http_client *client = make_client(t, NULL);
    bl_http_header *header = bl_http_header_new();
    const char *port, *hosts[] = {"127.0.0.1", "127.0.0.2"};
    char url[256], want[256];
    struct own_server s;
    bl_http_reply *reply;

    bl_http_header_set(header, "Authorization", "secret");
    bl_http_header_set(header, "Cookie", "a=b");
    bl_http_header_set(header, "X", "x");
    *peer.where = 0;
    s = (struct own_server){0};
    ok(t, bl_http_server_new(&(bl_http_server_options){.handler = {redirect_to_other, NULL}},
                             &s.server));
    ok(t, bl_listen("tcp4", "0.0.0.0:0", &s.l));
    bl_addr_text(bl_listener_addr(s.l), peer.where, sizeof peer.where);
    port = strchr(peer.where, ':');
    bl_waitgroup_add(&s.wg, 1);
    bl_go(run_server, &s);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof url, "http://u:p@127.0.0.1%s/?to=http://%s%s/", port, hosts[i], port);
        snprintf(want, sizeof want, "%s %s x http://127.0.0.1%s/?to=http://%s%s/",
                 i ? "(null)" : "secret", i ? "(null)" : "a=b", port, hosts[i], port);
        ok(t, bl_http_do(NULL, client, &(bl_http_call_options){.url = url, .header = header},
                         &reply));
        has_body(t, reply, want);
        bl_http_reply_release(reply);
    }
    bl_http_client_free(client);
    bl_http_header_free(header);
    stop_own(&s);
}

/* --- time ----------------------------------------------------------------------------------------------------- */

BL_TEST(timeouts)
{
    static const char *const answers[] = {"~", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf~",
                                          NULL};
    bl_http_client *client = make_client(
        t, &(bl_http_client_options){.timeout_ns = 100 * BL_MILLISECOND});
    bl_http_reply *reply;
    char *data;
    size_t n;
    bl_error *err;

    begin(t, &peer, answers);
    err = bl_http_get(NULL, client, url_of("/"), &reply);
    bl_assert(t, bl_error_is(err, bl_err_timeout));
    fails(t, err, "Get \"http://^/\": context deadline exceeded (Client.Timeout exceeded while "
                  "awaiting headers)");
    ok(t, bl_http_get(NULL, client, url_of("/"), &reply));
    err = bl_http_reply_read_all(reply, 100, &data, &n);
    bl_assert(t, bl_error_is(err, bl_err_timeout));
    fails(t, err, "context deadline exceeded (Client.Timeout or context cancellation while "
                  "reading body)");
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    end(&peer);
}

static void
cancel_soon(bl_context *ctx)
{
    bl_sleep(30 * BL_MILLISECOND);
    bl_context_cancel(ctx);
    bl_context_release(ctx);
}

BL_TEST(contexts)
{
    static const char *const answers[] = {"~", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf~",
                                          OK("ok"), NULL};
    bl_http_client *client = make_client(t, NULL);
    bl_context *ctx = bl_context_with_cancel(bl_context_background());
    bl_http_reply *reply;
    char *data;
    size_t n;

    begin(t, &peer, answers);
    bl_go(cancel_soon, bl_context_retain(ctx));
    fails(t, bl_http_get(ctx, client, url_of("/"), &reply), "Get \"http://^/\": context canceled");
    fails(t, bl_http_get(ctx, client, url_of("/"), &reply), "Get \"http://^/\": context canceled");
    bl_context_end(ctx);
    ctx = bl_context_with_cancel(bl_context_background());
    bl_go(cancel_soon, bl_context_retain(ctx));
    ok(t, bl_http_get(ctx, client, url_of("/"), &reply));
    fails(t, bl_http_reply_read_all(reply, 100, &data, &n), "context canceled");
    bl_context_end(ctx);
    bl_http_reply_release(reply);
    ctx = bl_context_with_timeout(bl_context_background(), BL_MINUTE);
    ok(t, bl_http_get(ctx, client, url_of("/"), &reply));
    bl_context_end(ctx);
    bl_http_reply_release(reply); /* it was cut before it could be kept */
    bl_http_client_free(client);
    end(&peer);
}

/* Nobody takes what is sent, and nobody shakes hands. */
BL_TEST(timeouts_of_other_stages)
{
    enum { SIZE = 20000000 };
    static char body[SIZE];
    bl_http_client *client = make_client(
        t, &(bl_http_client_options){.timeout_ns = 100 * BL_MILLISECOND});
    bl_http_call_options call = {.body = body, .body_size = SIZE};
    bl_http_reply *reply;
    bl_http_tls *tls;
    bl_listener *l;
    char url[256];

    ok(t, bl_listen("tcp", "127.0.0.1:0", &l));
    bl_addr_text(bl_listener_addr(l), peer.where, sizeof peer.where);
    call.url = url_of("/");
    fails(t, bl_http_do(NULL, client, &call, &reply),
          "Post \"http://^/\": context deadline exceeded (Client.Timeout exceeded while awaiting "
          "headers)");
    if (bl_http_tls_client(NULL, &tls) == bl_err_unsupported) {
        snprintf(url, sizeof url, "https://%s/", peer.where);
        fails(t, bl_http_get(NULL, client, url, &reply), "Get \"https://^/\": https: "
              "libbelay-http was built without TLS: unsupported operation");
        bl_test_skip(t, "no TLS");
    }
    bl_http_tls_free(tls);
    snprintf(url, sizeof url, "https://%s/", peer.where);
    fails(t, bl_http_get(NULL, client, url, &reply),
          "Get \"https://^/\": context deadline exceeded (Client.Timeout exceeded while awaiting "
          "headers)");
    bl_http_client_free(client);
    client = make_client(t, &(bl_http_client_options){.dial_timeout_ns = 50 * BL_MILLISECOND});
    fails(t, bl_http_get(NULL, client, url, &reply),
          "Get \"https://^/\": net/http: TLS handshake timeout: timeout");
    bl_http_client_free(client);
    bl_listener_release(l);
}

/* --- TLS -------------------------------------------------------------------------------------------------------- */

BL_TEST(https)
{
    enum { SIZE = 3000000 };
    static char body[SIZE];
    bl_http_tls *server_tls, *client_tls;
    bl_http_client *client, *strange;
    struct own_server s;
    bl_http_reply *reply;
    char url[256];

    if (bl_http_tls_client(NULL, &client_tls) == bl_err_unsupported)
        bl_test_skip(t, "no TLS");
    bl_http_tls_free(client_tls);
    ok(t, bl_http_tls_server(certificate(t, "server.pem"), certificate(t, "server.key"),
                             &server_tls));
    ok(t, bl_http_tls_client(certificate(t, "ca.pem"), &client_tls));
    client = make_client(t, &(bl_http_client_options){.tls = client_tls});
    start_own(t, &s, count_body, server_tls);
    snprintf(url, sizeof url, "https://localhost%s/", strchr(peer.where, ':'));
    for (int i = 0; i < 3; i++) {
        ok(t, bl_http_do(NULL, client, &(bl_http_call_options){.url = url, .body = body,
                                                              .body_size = i ? SIZE : 5}, &reply));
        has_body(t, reply, i ? "3000000" : "5");
        bl_http_reply_release(reply);
    }
    bl_http_server_stats stats;
    bl_http_server_read_stats(s.server, &stats);
    bl_assert_eq(t, stats.connections, 1);
    strange = make_client(t, NULL);
    snprintf(url, sizeof url, "https://%s/", peer.where);
    fails(t, bl_http_get(NULL, strange, url, &reply),
          "Get \"https://^/\": tls: failed to verify certificate: x509: certificate signed by "
          "unknown authority");
    bl_http_client_free(strange);
    bl_http_client_free(client);
    stop_own(&s);
    bl_http_tls_free(client_tls);
    bl_http_tls_free(server_tls);
}
