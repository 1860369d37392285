/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* What the tests of the client share: a server that says what it is told to, and one of
 * ours. */
#ifndef BELAY_TESTS_HTTP_PEER_H
#define BELAY_TESTS_HTTP_PEER_H

#include <belay/belay.h>
#include <belay/http.h>
#include <belay/test.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- a server that says what it is told to ------------------------------------------------ */

/* Answers come one after the other, whoever asks:
 *   "...$"   the connection is closed behind it; "$" alone: no answer
 *   "...~"   nothing more is said, for a second */
struct peer {
    bl_test *t;
    bl_listener *l;
    char where[BL_ADDR_TEXT];
    const char *const *answers;
    bl_mutex lock;
    bl_waitgroup conns;
    int next, connections;
    char seen[1 << 16]; /* the requests, one behind the other */
    size_t seen_size;
    bool sees_no_body;
};

static inline void
see(struct peer *p, const char *data, size_t n)
{
    bl_mutex_lock(&p->lock);
    if (n > sizeof p->seen - 1 - p->seen_size)
        n = sizeof p->seen - 1 - p->seen_size;
    memcpy(p->seen + p->seen_size, data, n);
    p->seen_size += n;
    p->seen[p->seen_size] = 0;
    bl_mutex_unlock(&p->lock);
}

/* Reads a request up to its end, as far as that is known. */
static inline bool
read_request(struct peer *p, bl_reader *r)
{
    bool chunked = false;
    size_t n, length = 0;
    const char *line;
    char byte[1];

    do {
        if (bl_reader_line(r, &line, &n))
            return false;
        see(p, line, n);
        see(p, "\n", 1);
        if (strncasecmp(line, "Content-Length: ", 16) == 0)
            length = strtoul(line + 16, NULL, 10);
        chunked |= strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0;
    } while (n > 0);
    if (p->sees_no_body)
        return true;
    while (length-- > 0) {
        if (bl_reader_read_full(r, byte, 1, NULL))
            return false;
        see(p, byte, 1);
    }
    while (chunked) {
        if (bl_reader_line(r, &line, &n))
            return false;
        see(p, line, n);
        see(p, "\n", 1);
        chunked = n != 0 || strncmp(p->seen + p->seen_size - 3, "0\n\n", 3) != 0;
    }
    return true;
}

static inline bool
answer(struct peer *p, bl_conn *c)
{
    const char *text, *end;
    size_t n;

    bl_mutex_lock(&p->lock);
    text = p->answers[p->next] ? p->answers[p->next++] : "$";
    bl_mutex_unlock(&p->lock);
    n = strlen(text);
    end = text + n - (n > 0);
    if (*end == '$' || *end == '~')
        n--;
    bl_error_release(bl_conn_write(c, text, n, NULL));
    if (*end == '~')
        bl_sleep(BL_SECOND);
    return *end != '$' && *end != '~';
}

static inline void
serve_peer(struct peer *p, bl_conn *c)
{
    bl_reader *r = bl_reader_of_conn(c, 1 << 16);

    while (read_request(p, r) && answer(p, c))
        ;
    if (p->sees_no_body) /* or what was not read makes a reset of it */
        bl_sleep(50 * BL_MILLISECOND);
    bl_reader_free(r);
    bl_conn_release(c);
    bl_waitgroup_done(&p->conns);
}

static inline void
accept_peers(struct peer *p)
{
    bl_conn *c;
    bl_error *err;

    while (!(err = bl_listener_accept(p->l, &c))) {
        bl_mutex_lock(&p->lock);
        p->connections++;
        bl_mutex_unlock(&p->lock);
        bl_waitgroup_add(&p->conns, 1);
        bl_go(serve_peer, p, c);
    }
    bl_error_release(err);
    bl_waitgroup_done(&p->conns);
}

static inline void
begin(bl_test *t, struct peer *p, const char *const *answers)
{
    memset(p, 0, sizeof *p);
    p->t = t;
    p->answers = answers;
    bl_require(t, !bl_listen("tcp", "127.0.0.1:0", &p->l));
    bl_addr_text(bl_listener_addr(p->l), p->where, sizeof p->where);
    bl_waitgroup_add(&p->conns, 1);
    bl_go(accept_peers, p);
}

/* The client is gone by now. */
static inline void
end(struct peer *p)
{
    bl_error_release(bl_listener_close(p->l));
    bl_waitgroup_wait(&p->conns);
    bl_listener_release(p->l);
}

static struct peer peer;

/* --- what the cases share -------------------------------------------------------------------- */

static inline const char *
url_of(const char *path)
{
    static char text[4][512];
    static int i;
    char *url = text[i++ % 4];

    snprintf(url, sizeof text[0], "http://%s%s", peer.where, path);
    return url;
}

static inline void
ok(bl_test *t, bl_error *err)
{
    char text[512];

    if (!err)
        return;
    bl_error_text(err, text, sizeof text);
    bl_error_release(err);
    bl_test_fatal(t, "unexpected error: %s", text);
}

/* "^" in want stands for the server's address. */
static inline void
fails(bl_test *t, bl_error *err, const char *want)
{
    char text[1024], wanted[1024];
    const char *sign = strchr(want, '^');

    snprintf(wanted, sizeof wanted, "%.*s%s%s", sign ? (int)(sign - want) : (int)strlen(want),
             want, sign ? peer.where : "", sign ? sign + 1 : "");
    bl_error_text(err, text, sizeof text);
    bl_assert_eq(t, (const char *)text, (const char *)wanted);
    bl_error_release(err);
}

static inline bl_http_client *
make_client(bl_test *t, const bl_http_client_options *options)
{
    bl_http_client *client;

    ok(t, bl_http_client_new(options, &client));
    return client;
}

static inline void
has_body(bl_test *t, bl_http_reply *reply, const char *want)
{
    char *data;
    size_t n;
    bl_error *err = bl_http_reply_read_all(reply, 1 << 20, &data, &n);

    if (*want == '!') {
        fails(t, err, want + 1);
        return;
    }
    ok(t, err);
    bl_assert_eq(t, (const char *)data, want);
    bl_assert_eq(t, n, strlen(want));
}

#define AGAIN "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* --- a server of ours ----------------------------------------------------------------- */

/* Counts what comes; says it in the answer. */
static inline void
count_body(bl_http_response *w, bl_http_request *r, void *unused)
{
    char buf[8192];
    size_t n, sum = 0;
    bl_error *err;

    (void)unused;
    if (strcmp(r->path, "/refuse") == 0) {
        bl_http_error(w, "too much", 413);
        return;
    }
    while (!(err = bl_http_read(r, buf, sizeof buf, &n)))
        sum += n;
    if (err == bl_err_eof)
        bl_error_release(bl_http_printf(w, "%zu", sum));
    bl_error_release(err);
}

struct own_server {
    bl_http_server *server;
    bl_listener *l;
    bl_waitgroup wg;
};

static inline void
run_server(struct own_server *s)
{
    bl_error_release(bl_http_serve(s->server, s->l));
    bl_waitgroup_done(&s->wg);
}

static inline void
start_own(bl_test *t, struct own_server *s, bl_http_func *f, bl_http_tls *tls)
{
    *s = (struct own_server){0};
    ok(t, bl_http_server_new(&(bl_http_server_options){.handler = {f, NULL}, .tls = tls},
                             &s->server));
    ok(t, bl_listen("tcp", "127.0.0.1:0", &s->l));
    bl_addr_text(bl_listener_addr(s->l), peer.where, sizeof peer.where);
    bl_waitgroup_add(&s->wg, 1);
    bl_go(run_server, s);
}

static inline void
stop_own(struct own_server *s)
{
    bl_http_server_close(s->server);
    bl_waitgroup_wait(&s->wg);
    bl_http_server_free(s->server);
    bl_listener_release(s->l);
}

#endif
