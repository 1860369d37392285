/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* TLS over bl_conn: what goes through, whose certificate is taken, and that deadlines,
 * closing and several goroutines are as without.  peers_test.sh has others' clients and
 * servers. */
#include "http/http.h"

#include <belay/test.h>
#include <errno.h>
#include <sys/socket.h>

#include "certificates.h"

/* --- two ends -------------------------------------------------------------------------- */

struct ends {
    bl_http_tls *server_tls, *client_tls;
    bl_conn *conns[2];
    struct bl__tls_session *server, *client;
    bl_error *server_err, *client_err;
    bl_waitgroup wg;
};

static void
ok(bl_test *t, bl_error *err)
{
    char text[512];

    if (!err)
        return;
    bl_error_text(err, text, sizeof text);
    bl_error_release(err);
    bl_test_error(t, "unexpected error: %s", text);
}

static void
has_text(bl_test *t, bl_error *err, const char *want)
{
    char text[1024];

    bl_error_text(err, text, sizeof text);
    bl_assert_eq(t, (const char *)text, want);
    bl_error_release(err);
}

static void
is(bl_test *t, bl_error *err, bl_error *want)
{
    if (!bl_assert(t, bl_error_is(err, want)))
        has_text(t, bl_error_retain(err), "another one");
    bl_error_release(err);
}

static void
be_server(struct ends *e)
{
    e->server_err = bl__tls_begin(e->server_tls, e->conns[0], NULL, &e->server);
    if (e->server_err)
        bl_conn_close_write(e->conns[0]);
    bl_waitgroup_done(&e->wg);
}

/* Shakes hands: a server with that certificate, a client that trusts roots and wants name. */
static void
shake(bl_test *t, struct ends *e, const char *server, const char *roots, const char *name)
{
    char pem[64], key[64];

    snprintf(pem, sizeof pem, "%s.pem", server);
    snprintf(key, sizeof key, "%s.key", server);
    ok(t, bl_http_tls_server(certificate(t, pem), certificate(t, key), &e->server_tls));
    ok(t, bl_http_tls_client(roots ? certificate(t, roots) : NULL, &e->client_tls));
    ok(t, bl_conn_pair(e->conns));
    for (int i = 0; i < 2; i++)
        ok(t, bl_conn_set_deadline(e->conns[i], bl_after_ns(20 * BL_SECOND)));
    bl_waitgroup_add(&e->wg, 1);
    bl_go(be_server, e);
    e->client_err = bl__tls_begin(e->client_tls, e->conns[1], name, &e->client);
    if (e->client_err)
        bl_conn_close_write(e->conns[1]);
    bl_waitgroup_wait(&e->wg);
}

static void
begin(bl_test *t, struct ends *e)
{
    memset(e, 0, sizeof *e);
    shake(t, e, "server", "ca.pem", "localhost");
    ok(t, e->client_err);
    ok(t, e->server_err);
    bl_require(t, e->client && e->server);
}

static void
end(struct ends *e)
{
    bl__tls_end(e->client);
    bl__tls_end(e->server);
    bl_conn_release(e->conns[0]);
    bl_conn_release(e->conns[1]);
    bl_http_tls_free(e->client_tls);
    bl_http_tls_free(e->server_tls);
}

static unsigned char
byte_at(size_t i)
{
    return (unsigned char)(i * 7 + (i >> 8) * 13 + (i >> 16));
}

static void
write_bytes(bl_test *t, struct bl__tls_session *s, size_t size, bl_waitgroup *wg)
{
    char buf[10000];

    for (size_t done = 0, n; done < size; done += n) {
        n = 1 + done % sizeof buf;
        n = n < size - done ? n : size - done;
        for (size_t i = 0; i < n; i++)
            buf[i] = (char)byte_at(done + i);
        ok(t, bl__tls_write(s, buf, n));
    }
    bl_waitgroup_done(wg);
}

static void
read_bytes(bl_test *t, struct bl__tls_session *s, size_t size, bl_waitgroup *wg)
{
    char buf[5000];
    size_t done = 0, n;
    bl_error *err = NULL;

    while (done < size && !(err = bl__tls_read(s, buf, sizeof buf, &n))) {
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)buf[i] != byte_at(done + i)) {
                bl_test_error(t, "wrong byte %zu", done + i);
                break;
            }
        done += n;
    }
    ok(t, err);
    bl_assert_eq(t, done, size);
    bl_waitgroup_done(wg);
}

/* --- there and back ----------------------------------------------------------------------- */

BL_TEST(goes_both_ways_at_a_time)
{
    enum { SIZE = 3 << 20 };
    struct ends e;
    bl_waitgroup wg = {0};

    begin(t, &e);
    bl_waitgroup_add(&wg, 4);
    bl_go(write_bytes, t, e.client, SIZE, &wg);
    bl_go(read_bytes, t, e.client, SIZE, &wg);
    bl_go(write_bytes, t, e.server, SIZE, &wg);
    bl_go(read_bytes, t, e.server, SIZE, &wg);
    bl_waitgroup_wait(&wg);
    end(&e);
}

BL_TEST(parts_come_as_one)
{
    struct iovec parts[] = {{"one ", 4}, {"", 0}, {"two", 3}};
    struct ends e;
    char buf[16];
    size_t n, got = 0;

    begin(t, &e);
    ok(t, bl__tls_writev(e.client, parts, 3));
    while (got < 7) {
        ok(t, bl__tls_read(e.server, buf + got, sizeof buf - got, &n));
        bl_require(t, n > 0);
        got += n;
    }
    bl_assert(t, memcmp(buf, "one two", 7) == 0);
    end(&e);
}

BL_TEST(goodbye_is_the_end)
{
    struct ends e;
    char buf[16];
    size_t n;

    begin(t, &e);
    ok(t, bl__tls_write(e.client, "last", 4));
    bl__tls_end(e.client);
    e.client = NULL;
    ok(t, bl__tls_read(e.server, buf, sizeof buf, &n));
    bl_assert_eq(t, n, 4);
    bl_assert(t, bl__tls_read(e.server, buf, sizeof buf, &n) == bl_err_eof);
    bl_assert_eq(t, n, 0);
    bl_assert(t, bl__tls_read(e.server, buf, sizeof buf, &n) == bl_err_eof);
    end(&e);
}

BL_TEST(end_without_goodbye)
{
    struct ends e;
    char buf[16];
    size_t n;

    begin(t, &e);
    bl_conn_close_write(e.conns[1]);
    bl_assert(t, bl__tls_read(e.server, buf, sizeof buf, &n) == bl_err_eof);
    end(&e);
}

BL_TEST(end_in_the_middle_of_a_record)
{
    struct ends e;
    char buf[16];
    size_t n;

    begin(t, &e);
    ok(t, bl_conn_write(e.conns[1], "\x17\x03\x03\x00\x40 half", 10, NULL));
    bl_conn_close_write(e.conns[1]);
    bl_assert(t, bl__tls_read(e.server, buf, sizeof buf, &n) == bl_err_unexpected_eof);
    end(&e);
}

BL_TEST(a_forged_record_is_refused)
{
    struct ends e;
    char buf[16], record[5 + 40] = "\x17\x03\x03\x00\x28";
    size_t n;

    begin(t, &e);
    ok(t, bl_conn_write(e.conns[1], record, sizeof record, NULL));
    has_text(t, bl__tls_read(e.server, buf, sizeof buf, &n),
             "tls: decryption failed or bad record mac");
    has_text(t, bl__tls_read(e.client, buf, sizeof buf, &n),
             "remote error: tls: bad record MAC");
    end(&e);
}

/* --- whose certificate --------------------------------------------------------------------- */

struct wish {
    const char *name, *server, *roots, *host, *client_says, *server_says;
};

static void
try_wish(bl_test *t, void *arg)
{
    const struct wish *w = arg;
    struct ends e = {0};
    size_t n;
    char byte;

    shake(t, &e, w->server, w->roots, w->host);
    if (!w->client_says) {
        ok(t, e.client_err);
        ok(t, e.server_err);
    } else {
        char text[512];

        bl_error_text(e.client_err, text, sizeof text);
        bl_error_release(e.client_err);
        if (strncmp(text, w->client_says, strlen(w->client_says)) != 0)
            bl_test_error(t, "%s: got %s", w->client_says, text);
        if (!e.server_err) /* TLS 1.3: the server is ready before */
            e.server_err = bl__tls_read(e.server, &byte, 1, &n);
        has_text(t, e.server_err, w->server_says);
    }
    end(&e);
}

BL_TEST(names_are_checked)
{
    static const struct wish wishes[] = {
        {"name", "server", "ca.pem", "localhost", NULL, NULL},
        {"capitals", "server", "ca.pem", "LocalHost", NULL, NULL},
        {"wildcard", "server", "ca.pem", "www.belay.test", NULL, NULL},
        {"v4", "server", "ca.pem", "127.0.0.1", NULL, NULL},
        {"v6", "server", "ca.pem", "::1", NULL, NULL},
        {"two labels", "server", "ca.pem", "a.b.belay.test",
         "tls: failed to verify certificate: x509: certificate is valid for localhost, "
         "*.belay.test, not a.b.belay.test", "remote error: tls: bad certificate"},
        {"other name", "server", "ca.pem", "example.com",
         "tls: failed to verify certificate: x509: certificate is valid for localhost, "
         "*.belay.test, not example.com", "remote error: tls: bad certificate"},
        {"other address", "server", "ca.pem", "127.0.0.2",
         "tls: failed to verify certificate: x509: certificate is valid for 127.0.0.1, ::1, "
         "not 127.0.0.2", "remote error: tls: bad certificate"},
        {"no name", "bare", "ca.pem", "bare",
         "tls: failed to verify certificate: x509: certificate is not valid for any names, "
         "but wanted to match bare", "remote error: tls: bad certificate"},
        {"no address", "bare", "ca.pem", "127.0.0.1",
         "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 "
         "because it doesn't contain any IP SANs", "remote error: tls: bad certificate"},
        {"by itself", "self", "ca.pem", "localhost",
         "tls: failed to verify certificate: x509: certificate signed by unknown authority",
         "remote error: tls: unknown certificate authority"},
        {"nobody we know", "server", NULL, "localhost",
         "tls: failed to verify certificate: x509: certificate signed by unknown authority",
         "remote error: tls: unknown certificate authority"},
        {"old", "old", "ca.pem", "localhost",
         "tls: failed to verify certificate: x509: certificate has expired or is not yet "
         "valid: current time 2", "remote error: tls: expired certificate"},
    };

    bl_test_each(t, wishes, try_wish);
}

BL_TEST(files_that_are_none)
{
    char text[512], want[512];
    bl_http_tls *tls;
    bl_error *err;

    has_text(t, bl_http_tls_server("/no/chain", "/no/key", &tls),
             "open /no/chain: no such file or directory");
    bl_assert(t, !tls);
    has_text(t, bl_http_tls_client("/no/roots", &tls),
             "open /no/roots: no such file or directory");
    has_text(t, bl_http_tls_server(certificate(t, "server.pem"), certificate(t, "old.key"),
                                   &tls), "tls: private key does not match public key");
    err = bl_http_tls_server(certificate(t, "names"), certificate(t, "old.key"), &tls);
    bl_error_text(err, text, sizeof text);
    bl_error_release(err);
    snprintf(want, sizeof want, "tls: %s: ", certificate(t, "names"));
    bl_assert(t, strncmp(text, want, strlen(want)) == 0);
    bl_http_tls_free(NULL);
}

/* --- who does not speak TLS ----------------------------------------------------------------- */

BL_TEST(http_to_a_tls_server)
{
    struct ends e = {0};
    char buf[256] = "";
    size_t n;

    ok(t, bl_http_tls_server(certificate(t, "server.pem"), certificate(t, "server.key"),
                             &e.server_tls));
    ok(t, bl_conn_pair(e.conns));
    ok(t, bl_conn_write(e.conns[1], "GET / HTTP/1.1\r\n\r\n", 18, NULL));
    has_text(t, bl__tls_begin(e.server_tls, e.conns[0], NULL, &e.server),
             "tls: client sent an HTTP request to an HTTPS server");
    bl_conn_close_write(e.conns[0]);
    ok(t, bl_conn_read(e.conns[1], buf, 27, &n));
    bl_assert_eq(t, (const char *)buf, "HTTP/1.0 400 Bad Request\r\n\r");
    end(&e);
}

BL_TEST(a_plain_server)
{
    struct ends e = {0};

    ok(t, bl_http_tls_client(certificate(t, "ca.pem"), &e.client_tls));
    ok(t, bl_conn_pair(e.conns));
    ok(t, bl_conn_write(e.conns[0], "HTTP/1.1 400 Bad Request\r\n\r\n", 28, NULL));
    has_text(t, bl__tls_begin(e.client_tls, e.conns[1], "localhost", &e.client),
             "http: server gave HTTP response to HTTPS client");
    end(&e);
    e = (struct ends){0};
    ok(t, bl_http_tls_client(certificate(t, "ca.pem"), &e.client_tls));
    ok(t, bl_conn_pair(e.conns));
    ok(t, bl_conn_write(e.conns[0], "SSH-2.0-OpenSSH_9.2p1\r\n", 23, NULL));
    has_text(t, bl__tls_begin(e.client_tls, e.conns[1], "localhost", &e.client),
             "tls: first record does not look like a TLS handshake");
    end(&e);
    e = (struct ends){0};
    ok(t, bl_http_tls_client(certificate(t, "ca.pem"), &e.client_tls));
    ok(t, bl_conn_pair(e.conns));
    bl_conn_close_write(e.conns[0]);
    bl_assert(t, bl__tls_begin(e.client_tls, e.conns[1], "localhost", &e.client) ==
                     bl_err_eof);
    end(&e);
}

/* --- time and closing ------------------------------------------------------------------------- */

BL_TEST(a_deadline_ends_a_read_and_no_more)
{
    struct ends e;
    char byte = 0;
    size_t n;

    begin(t, &e);
    bl_conn_set_read_deadline(e.conns[0], bl_now() + 10 * BL_MILLISECOND);
    is(t, bl__tls_read(e.server, &byte, 1, &n), bl_err_timeout);
    bl_conn_set_read_deadline(e.conns[0], BL_FOREVER);
    ok(t, bl__tls_write(e.client, "x", 1));
    ok(t, bl__tls_read(e.server, &byte, 1, &n));
    bl_assert_eq(t, byte, 'x');
    end(&e);
}

BL_TEST(a_deadline_ends_a_handshake)
{
    struct ends e = {0};

    ok(t, bl_http_tls_client(certificate(t, "ca.pem"), &e.client_tls));
    ok(t, bl_conn_pair(e.conns));
    bl_conn_set_deadline(e.conns[1], bl_now() + 10 * BL_MILLISECOND);
    is(t, bl__tls_begin(e.client_tls, e.conns[1], "localhost", &e.client), bl_err_timeout);
    end(&e);
}

/* Half a record may have gone: whatever came behind it would be garbage. */
BL_TEST(a_deadline_ends_writing_for_good)
{
    static char much[4 << 20];
    struct ends e;

    begin(t, &e);
    bl_conn_set_write_deadline(e.conns[1], bl_now() + 10 * BL_MILLISECOND);
    is(t, bl__tls_write(e.client, much, sizeof much), bl_err_timeout);
    bl_conn_set_write_deadline(e.conns[1], BL_FOREVER);
    is(t, bl__tls_write(e.client, "x", 1), bl_err_timeout);
    end(&e);
}

static void
close_soon(bl_conn *c)
{
    bl_sleep(10 * BL_MILLISECOND);
    bl_conn_close(c);
}

BL_TEST(closing_from_elsewhere)
{
    struct ends e;
    char byte;
    size_t n;

    begin(t, &e);
    bl_go(close_soon, e.conns[0]);
    is(t, bl__tls_read(e.server, &byte, 1, &n), bl_err_net_closed);
    is(t, bl__tls_write(e.server, "x", 1), bl_err_net_closed);
    end(&e);
}

BL_TEST(goodbye_waits_for_nobody)
{
    static char much[4 << 20];
    struct ends e;
    int64_t began;

    begin(t, &e);
    bl_conn_set_write_deadline(e.conns[1], bl_now() + 10 * BL_MILLISECOND);
    bl_error_release(bl__tls_write(e.client, much, sizeof much));
    bl_conn_set_write_deadline(e.conns[1], BL_FOREVER);
    /* and with a full buffer, but nothing that went wrong */
    while (send(bl_conn_fd(e.conns[0]), much, 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    began = bl_now();
    end(&e);
    bl_assert(t, bl_now() - began < BL_SECOND);
}

BL_TEST(quiet_is_who_has_nothing_to_say)
{
    struct ends e;
    char byte;
    size_t n;

    begin(t, &e);
    bl_assert(t, bl__tls_is_quiet(e.client)); /* there are tickets, which nobody reads */
    bl_assert(t, bl__tls_is_quiet(e.client));
    ok(t, bl__tls_write(e.client, "x", 1));
    bl_assert(t, !bl__tls_is_quiet(e.server));
    ok(t, bl__tls_read(e.server, &byte, 1, &n));
    bl_assert_eq(t, byte, 'x');
    bl_assert(t, bl__tls_is_quiet(e.server));
    bl__tls_end(e.client);
    e.client = NULL;
    bl_assert(t, !bl__tls_is_quiet(e.server));
    end(&e);
}

/* --- files ---------------------------------------------------------------------------------- */

enum { FILE_SIZE = 3 * 1000 * 1000 + 7 }; /* many records, the last one short */

/* Returns the folder. */
static const char *
write_file(bl_test *t)
{
    const char *folder = bl_test_temp_dir(t);
    char path[PATH_MAX];
    FILE *f;

    snprintf(path, sizeof path, "%s/data", folder);
    f = fopen(path, "w");
    bl_require(t, f);
    for (size_t i = 0; i < FILE_SIZE; i++)
        putc(byte_at(i), f);
    bl_assert_eq(t, fclose(f), 0);
    return folder;
}

static void
serve_one(bl_http_server *s, bl_listener *l, bl_waitgroup *wg)
{
    bl_error_release(bl_http_serve(s, l));
    bl_waitgroup_done(wg);
}

/* Asks for the bytes [from, to) of the file; all of it if from is 0. */
static void
check_file(bl_test *t, bl_http_client *client, const char *url, size_t from, size_t to)
{
    bl_http_header *header = bl_http_header_new();
    bl_http_call_options call = {.url = url, .header = header};
    bl_http_reply *reply;
    char range[64], *data;
    size_t n;

    snprintf(range, sizeof range, "bytes=%zu-%zu", from, to - 1);
    if (from > 0)
        bl_http_header_set(header, "Range", range);
    ok(t, bl_http_do(NULL, client, &call, &reply));
    bl_assert_eq(t, reply->status, from > 0 ? 206 : 200);
    ok(t, bl_http_reply_read_all(reply, FILE_SIZE, &data, &n));
    bl_assert_eq(t, n, to - from);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)data[i] != byte_at(from + i)) {
            bl_test_error(t, "byte %zu is another one", from + i);
            break;
        }
    bl_http_reply_release(reply);
    bl_http_header_free(header);
}

/* The kernel can't send them by itself. */
BL_TEST(files_are_whole)
{
    bl_http_files files = {.root = write_file(t)};
    bl_http_server_options so = {.handler = {bl_http_serve_files, &files}};
    bl_http_client_options co = {0};
    bl_http_client *client;
    bl_http_server *server;
    bl_waitgroup wg = {0};
    bl_listener *l;
    char url[64];

    ok(t, bl_http_tls_server(certificate(t, "server.pem"), certificate(t, "server.key"),
                             &so.tls));
    ok(t, bl_http_tls_client(certificate(t, "ca.pem"), &co.tls));
    ok(t, bl_http_server_new(&so, &server));
    ok(t, bl_http_client_new(&co, &client));
    ok(t, bl_listen("tcp", "127.0.0.1:0", &l));
    bl_waitgroup_add(&wg, 1);
    bl_go(serve_one, server, l, &wg);
    snprintf(url, sizeof url, "https://localhost:%d/data", bl_addr_port(bl_listener_addr(l)));
    check_file(t, client, url, 0, FILE_SIZE);
    check_file(t, client, url, 1, 2);
    check_file(t, client, url, 16383, 16385 + 16384);
    check_file(t, client, url, FILE_SIZE - 1000000, FILE_SIZE);
    bl_http_client_free(client);
    bl_http_server_close(server);
    bl_waitgroup_wait(&wg);
    bl_http_server_free(server);
    bl_listener_release(l);
    bl_http_tls_free(so.tls);
    bl_http_tls_free(co.tls);
}
