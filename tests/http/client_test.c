/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* The client: what it asks, and what it makes of replies.  peers_test.sh has others'
 * servers. */
#include "peer.h"

/* --- what is made of replies -------------------------------------------------------------------- */

struct told {
    const char *name, *method, *answer;
    int status;             /* 0: an error, which is body */
    const char *body;       /* "!...": an error of reading it */
    int64_t length;
    int connections;        /* after one more request */
    const char *trailer;    /* X's */
};

static void
try_told(bl_test *t, void *arg)
{
    const struct told *told = arg;
    const char *answers[] = {told->answer, AGAIN, NULL};
    bl_http_client *client = make_client(t, NULL);
    bl_http_call_options call = {.method = told->method, .url = NULL};
    bl_http_reply *reply;
    bl_error *err;

    begin(t, &peer, answers);
    call.url = url_of("/");
    err = bl_http_do(bl_context_background(), client, &call, &reply);
    if (told->status == 0) {
        bl_assert(t, !reply);
        fails(t, err, told->body);
    } else {
        ok(t, err);
        bl_assert_eq(t, reply->status, told->status);
        bl_assert_eq(t, reply->content_length, told->length);
        has_body(t, reply, told->body);
        if (told->trailer)
            bl_assert_eq(t, bl_http_header_get(reply->trailer, "X"), told->trailer);
        bl_http_reply_release(reply);
        ok(t, bl_http_get(bl_context_background(), client, call.url, &reply));
        bl_http_reply_release(reply);
        bl_assert_eq(t, peer.connections, told->connections);
    }
    bl_http_client_free(client);
    end(&peer);
}

BL_TEST(replies)
{
#define BROKEN "Get \"http://^/\": net/http: HTTP/1.x transport connection broken: "
    static const struct told told[] = {
        {"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 5, 1,
         NULL},
        {"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, "abcde", -1, 1, NULL},
        {"trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
                           "3;e=1\r\nabc\r\n0\r\nX: y\r\n\r\n", 200, "abc", -1, 1, "y"},
        {"to the end", "GET", "HTTP/1.1 200 OK\r\n\r\nall of it$", 200, "all of it", -1, 2, NULL},
        {"1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok$", 200, "ok", 2, 2, NULL},
        {"1.0 kept", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n"
                            "\r\nok", 200, "ok", 2, 1, NULL},
        {"close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
         200, "ok", 2, 2, NULL},
        {"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", 0, 1, NULL},
        {"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, 1, NULL},
        {"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", 0, 1,
         NULL},
        {"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "", 9, 1, NULL},
        {"HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "",
         -1, 1, NULL},
        {"1xx", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n"
                       "\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", 201, "x", 1, 1,
         NULL},
        {"404", "GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", 404, "none", 4,
         1, NULL},
        {"no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, "x", 1, 1, NULL},
        {"more than it said", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 "
                                     "200 OK\r\n\r\n", 200, "ok", 2, 2, NULL},
        {"cut length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort$", 200,
         "!unexpected EOF", 9, 2, NULL},
        {"cut chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort$",
         200, "!unexpected EOF", -1, 2, NULL},
        {"no last chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "3\r\nabc\r\n$", 200, "!unexpected EOF", -1, 2, NULL},
        {"bad chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc$",
         200, "!malformed chunked encoding", -1, 2, NULL},
        {"nothing", "GET", "$", 0, "Get \"http://^/\": EOF", 0, 0, NULL},
        {"half a head", "GET", "HTTP/1.1 200 OK\r\nX: $", 0, "Get \"http://^/\": unexpected EOF",
         0, 0, NULL},
        {"no HTTP", "GET", "SSH-2.0-x\r\n\r\n$", 0, BROKEN "malformed status line", 0, 0, NULL},
        {"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
                               "ab$", 0, BROKEN "malformed Content-Length", 0, 0, NULL},
        {"twenty 1xx", "GET",
         "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n"
         "\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C"
         "\r\n\r\nHTTP/1.1 100 C\r\n\r\n", 0,
         "Get \"http://^/\": net/http: too many 1xx informational responses", 0, 0, NULL},
    };

    bl_test_each(t, told, try_told);
}

BL_TEST(a_head_that_is_too_long)
{
    static char head[20000] = "HTTP/1.1 200 OK\r\nX: ";
    const char *answers[] = {head, NULL};
    bl_http_client *client = make_client(t, &(bl_http_client_options){.max_header_bytes = 8000});
    bl_http_reply *reply;

    memset(head + strlen(head), 'x', sizeof head - strlen(head) - 6);
    strcat(head, "\r\n\r\n$");
    begin(t, &peer, answers);
    fails(t, bl_http_get(bl_context_background(), client, url_of("/"), &reply),
          "Get \"http://^/\": net/http: server response headers exceeded 8000 bytes; aborted");
    bl_http_client_free(client);
    end(&peer);
    head[sizeof head - 6] = 0;
    begin(t, &peer, answers);
    client = make_client(t, NULL);
    strcpy(head + 10000, "\r\nContent-Length: 2\r\n\r\nok");
    ok(t, bl_http_get(bl_context_background(), client, url_of("/"), &reply));
    has_body(t, reply, "ok");
    bl_assert_eq(t, strlen(bl_http_header_get(reply->header, "X")), 10000 - 20);
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    end(&peer);
}

BL_TEST(a_long_body_by_small_reads)
{
    enum { SIZE = 200000 };
    static char answer_text[SIZE + 100];
    const char *answers[] = {answer_text, AGAIN, NULL};
    bl_http_client *client = make_client(t, NULL);
    int head = sprintf(answer_text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
    bl_http_reply *reply;
    size_t n, got = 0;
    char buf[777], *data;
    bl_error *err;

    for (int i = 0; i < SIZE; i++)
        answer_text[head + i] = (char)('a' + i % 26);
    begin(t, &peer, answers);
    ok(t, bl_http_get(bl_context_background(), client, url_of("/"), &reply));
    while (!(err = bl_http_reply_read(reply, buf, sizeof buf, &n))) {
        bl_assert(t, memcmp(buf, answer_text + head + got, n) == 0);
        got += n;
    }
    bl_assert(t, err == bl_err_eof);
    bl_assert_eq(t, got, SIZE);
    bl_http_reply_release(reply);
    peer.next = 0;
    ok(t, bl_http_get(bl_context_background(), client, url_of("/"), &reply));
    fails(t, bl_http_reply_read_all(reply, SIZE - 1, &data, &n), "http: request body too large");
    bl_http_reply_release(reply);
    peer.next = 0;
    ok(t, bl_http_get(bl_context_background(), client, url_of("/"), &reply));
    ok(t, bl_http_reply_read_all(reply, SIZE, &data, &n));
    bl_assert_eq(t, n, SIZE);
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    end(&peer);
}

/* --- what is asked --------------------------------------------------------------------------------- */

static bl_error *
read_words(void *from, void *buf, size_t size, size_t *n)
{
    const char *const **words = from;
    const char *word = **words;

    *n = 0;
    if (!word)
        return bl_err_eof;
    ++*words;
    *n = strlen(word) < size ? strlen(word) : size;
    memcpy(buf, word, *n);
    return NULL;
}

struct asked {
    const char *name, *method, *url;
    const char *fields[8];   /* name, value, ... */
    const char *body;
    const char *words[4];
    int64_t length;
    const char *want;        /* without Host and User-Agent, which are the usual ones */
};

static void
try_asked(bl_test *t, void *arg)
{
    static const char usual[] = "Host: %s\nUser-Agent: belay-http/" BL_VERSION "\n";
    const struct asked *asked = arg;
    const char *answers[] = {AGAIN, NULL}, *const *words = asked->words;
    bl_http_client *client = make_client(t, NULL);
    bl_http_header *header = bl_http_header_new();
    bl_http_call_options call = {.method = asked->method, .header = header,
                                 .body = asked->body,
                                 .body_size = asked->body ? strlen(asked->body) : 0};
    char lines[256], url[512], *at;
    bl_http_reply *reply;

    begin(t, &peer, answers);
    for (int i = 0; i < 8 && asked->fields[i]; i += 2)
        bl_http_header_add(header, asked->fields[i], asked->fields[i + 1]);
    if (asked->words[0] || asked->length) {
        call.read = read_words;
        call.from = &words;
        call.content_length = asked->length;
    }
    call.url = strchr(asked->url, '@') ? (snprintf(url, sizeof url, "http://%s%s%s",
                                                   "us%40er:pass@", peer.where, "/x"), url)
                                       : url_of(asked->url);
    ok(t, bl_http_do(bl_context_background(), client, &call, &reply));
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    bl_http_header_free(header);
    end(&peer);
    snprintf(lines, sizeof lines, usual, peer.where);
    at = strstr(peer.seen, lines);
    if (at)
        memmove(at, at + strlen(lines), strlen(at + strlen(lines)) + 1);
    bl_assert_eq(t, (const char *)peer.seen, asked->want);
}

BL_TEST(requests)
{
    static const struct asked asked[] = {
        {"get", NULL, "/a?b=c#d", {NULL}, NULL, {NULL}, 0, "GET /a?b=c HTTP/1.1\n\n"},
        {"no path", NULL, "", {NULL}, NULL, {NULL}, 0, "GET / HTTP/1.1\n\n"},
        {"only a query", NULL, "?q", {NULL}, NULL, {NULL}, 0, "GET /?q HTTP/1.1\n\n"},
        {"escapes", NULL, "/a b/%2f\xc3\xa9?x y\"<>\xc3\xa9%20", {NULL}, NULL, {NULL}, 0,
         "GET /a%20b//%C3%A9?x%20y%22%3C%3E%C3%A9%20 HTTP/1.1\n\n"},
        {"fields", "OPTIONS", "/", {"X-One", "1", "x-two", "2", "X-One", "3"}, NULL, {NULL}, 0,
         "OPTIONS / HTTP/1.1\nX-One: 1\nx-two: 2\nX-One: 3\n\n"},
        {"ours", NULL, "/", {"content-length", "9", "Transfer-Encoding", "gzip", "Trailer", "X"},
         NULL, {NULL}, 0, "GET / HTTP/1.1\n\n"},
        {"agent and host", NULL, "/", {"Host", "other:1", "User-Agent", "me"}, NULL, {NULL}, 0,
         "GET / HTTP/1.1\nHost: other:1\nUser-Agent: me\n\n"},
        {"body", NULL, "/", {"Content-Type", "text/plain"}, "hello", {NULL}, 0,
         "POST / HTTP/1.1\nContent-Length: 5\nContent-Type: text/plain\n\nhello"},
        {"empty body", NULL, "/", {NULL}, "", {NULL}, 0, "POST / HTTP/1.1\nContent-Length: 0\n\n"},
        {"no body", "PUT", "/", {NULL}, NULL, {NULL}, 0, "PUT / HTTP/1.1\nContent-Length: 0\n\n"},
        {"delete", "DELETE", "/", {NULL}, NULL, {NULL}, 0, "DELETE / HTTP/1.1\n\n"},
        {"chunks", "PUT", "/", {NULL}, NULL, {"one", "three", NULL}, 0,
         "PUT / HTTP/1.1\nTransfer-Encoding: chunked\n\n3\none\n5\nthree\n0\n\n"},
        {"read with length", NULL, "/", {NULL}, NULL, {"one", "three", NULL}, 8,
         "POST / HTTP/1.1\nContent-Length: 8\n\nonethree"},
        {"user", NULL, "@", {NULL}, NULL, {NULL}, 0,
         "GET /x HTTP/1.1\nAuthorization: Basic dXNAZXI6cGFzcw==\n\n"},
        {"other user", NULL, "@", {"authorization", "Bearer x"}, NULL, {NULL}, 0,
         "GET /x HTTP/1.1\nauthorization: Bearer x\n\n"},
    };

    bl_test_each(t, asked, try_asked);
}

BL_TEST(what_cannot_be_asked)
{
    static const struct {
        const char *method, *url, *want;
    } cases[] = {
        {NULL, "ftp://x/", "Get \"ftp://x/\": unsupported protocol scheme \"ftp\""},
        {NULL, "/x", "Get \"/x\": unsupported protocol scheme \"\""},
        {NULL, "http:///x", "Get \"http:///x\": http: no Host in request URL"},
        {"PUT", "http://:80/", "Put \"http://:80/\": http: no Host in request URL"},
        {NULL, "http://[::1", "parse \"http://[::1\": missing ']' in host"},
        {NULL, "http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"},
        {NULL, "http://x/\r\nY: z", "parse \"http://x/\\r\\nY: z\": net/url: invalid control "
                                    "character in URL"},
        {"G T", "http://x/", "net/http: invalid method \"G T\""},
        {NULL, "http://b\xc3\xbc" "cher.de/", "Get \"http://b%C3%BCcher.de/\": http: host name "
            "\"b\xc3\xbc" "cher.de\" is not ASCII: write it in Punycode (xn--...)"},
        {NULL, "http://me:secret@127.0.0.1:1/",
         "Get \"http://me:***@127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused"},
    };
    bl_http_reply *reply;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fails(t, bl_http_do(NULL, NULL, &(bl_http_call_options){.method = cases[i].method,
                                                               .url = cases[i].url}, &reply),
              cases[i].want);
        bl_assert(t, !reply);
    }
}

/* --- long bodies -------------------------------------------------------------------------------------- */

struct source {
    size_t left;
    bl_error *err;
    bool panics;
};

static bl_error *
read_source(void *from, void *buf, size_t size, size_t *n)
{
    struct source *s = from;

    *n = s->left < size ? s->left : size;
    if (*n == 0 && s->panics)
        bl_panic("no more");
    if (*n == 0)
        return s->err;
    memset(buf, 'x', *n);
    s->left -= *n;
    return NULL;
}

BL_TEST(long_bodies)
{
    enum { SIZE = 5000000 };
    static char body[SIZE];
    struct own_server s;
    struct source source = {SIZE, bl_err_eof, false};
    bl_http_client *client = make_client(t, NULL);
    bl_http_call_options call = {.body = body, .body_size = SIZE};
    bl_http_reply *reply;

    start_own(t, &s, count_body, NULL);
    call.url = url_of("/");
    ok(t, bl_http_do(NULL, client, &call, &reply));
    has_body(t, reply, "5000000");
    bl_http_reply_release(reply);
    call = (bl_http_call_options){.url = call.url, .read = read_source, .from = &source};
    ok(t, bl_http_do(NULL, client, &call, &reply));
    has_body(t, reply, "5000000");
    bl_http_reply_release(reply);
    source.left = SIZE;
    call.content_length = SIZE;
    ok(t, bl_http_do(NULL, client, &call, &reply));
    has_body(t, reply, "5000000");
    bl_http_reply_release(reply);
    source.left = 10;
    call.content_length = 20;
    fails(t, bl_http_do(NULL, client, &call, &reply),
          "Post \"http://^/\": http: ContentLength=20 with Body length 10");
    source = (struct source){100000, bl_err_not_exist, false};
    call.content_length = 0;
    fails(t, bl_http_do(NULL, client, &call, &reply),
          "Post \"http://^/\": file does not exist");
    bl_http_client_free(client);
    stop_own(&s);
}

/* Every other time it stores nothing, and the last piece comes with the end. */
static bl_error *
read_in_fits(void *from, void *buf, size_t size, size_t *n)
{
    size_t *calls = from;

    *n = ++*calls % 2 == 0 ? size < 1000 ? size : 1000 : 0;
    memset(buf, 'x', *n);
    return *calls == 10 ? bl_err_eof : NULL;
}

static bl_error *
read_nothing(void *from, void *buf, size_t size, size_t *n)
{
    (void)buf, (void)size;
    ++*(size_t *)from;
    *n = 0;
    return NULL;
}

BL_TEST(a_body_read_in_fits)
{
    struct own_server s;
    size_t calls;
    bl_http_client *client = make_client(t, NULL);
    bl_http_call_options call = {.read = read_in_fits, .from = &calls};
    bl_http_reply *reply;

    start_own(t, &s, count_body, NULL);
    call.url = url_of("/");
    for (int64_t length = 0; length <= 5000; length += 5000) {
        call.content_length = length;
        calls = 0;
        ok(t, bl_http_do(NULL, client, &call, &reply));
        has_body(t, reply, "5000");
        bl_http_reply_release(reply);
    }
    call.read = read_nothing;
    calls = 0;
    fails(t, bl_http_do(NULL, client, &call, &reply),
          "Post \"http://^/\": multiple Read calls return no data or error");
    bl_assert_eq(t, (int)calls, 100);
    bl_http_client_free(client);
    stop_own(&s);
}

BL_TEST(a_refusal_before_the_end)
{
    enum { SIZE = 50000000 };
    static const char *const answers[] = {
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno~", NULL};
    struct source source = {SIZE, bl_err_eof, false};
    bl_http_client *client = make_client(t, NULL);
    bl_http_call_options call = {.read = read_source, .from = &source};
    bl_http_reply *reply;

    begin(t, &peer, answers);
    peer.sees_no_body = true;
    call.url = url_of("/");
    ok(t, bl_http_do(NULL, client, &call, &reply));
    bl_assert_eq(t, reply->status, 413);
    has_body(t, reply, "no");
    bl_assert(t, source.left > 0);
    bl_http_reply_release(reply);
    bl_http_client_free(client);
    end(&peer);
}

static bl_http_client *panicking_client;

static void
call_that_panics(void *url)
{
    struct source source = {100000, NULL, true};
    bl_http_reply *reply;

    bl_error_release(bl_http_do(NULL, panicking_client,
                                &(bl_http_call_options){.url = url, .read = read_source,
                                                        .from = &source}, &reply));
}

BL_TEST(a_body_that_panics)
{
    struct own_server s;
    bl_http_reply *reply;

    panicking_client = make_client(t, &(bl_http_client_options){.max_per_host = 1});
    start_own(t, &s, count_body, NULL);
    for (int i = 0; i < 3; i++)
        bl_assert_panics_with(t, call_that_panics, (void *)url_of("/"), "no more");
    ok(t, bl_http_get(NULL, panicking_client, url_of("/"), &reply));
    has_body(t, reply, "0");
    bl_http_reply_release(reply);
    bl_http_client_free(panicking_client);
    stop_own(&s);
}
