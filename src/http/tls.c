/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tls.c - TLS by OpenSSL 3, which is not told of connections, goroutines or time: it
 * turns bytes into others, under a lock that nobody holds while he waits.  What comes and
 * goes passes through bl_conn, so deadlines, bl_conn_close() from elsewhere and SIGPIPE
 * are as without TLS.  OpenSSL notes errors per thread: they are read before the lock is
 * left, since behind that the goroutine may go on on another one. */
#include "http/http.h"

#ifdef BL__TLS
#include "http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    FEW_BYTES = 1024,    /* a buffer of one that waits */
    MANY_BYTES = 32768,  /* of one that gets more than that */
    RECORD_BYTES = 16384,
    SEND_BYTES = 65536,  /* are sent at once, about */
    KEPT_BYTES = 4096,   /* a buffer for sending that is not freed */
};

/* --- what OpenSSL reads from and writes to ----------------------------------------------- */

static int
pass_in(BIO *bio, char *buf, size_t size, size_t *n)
{
    struct bl__tls_session *s = BIO_get_data(bio);
    size_t there = s->in.is_open ? s->in.end - s->in.start : 0;

    BIO_clear_retry_flags(bio);
    *n = there < size ? there : size;
    if (*n == 0) {
        if (!s->in.is_open || !s->in.has_ended)
            BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(buf, s->in.data + s->in.start, *n);
    s->in.start += *n;
    return 1;
}

static bool
make_room(struct bl__tls_session *s, size_t size)
{
    size_t room = s->out.size ? s->out.size : KEPT_BYTES;
    char *data;

    while (room - s->out.n < size)
        room *= 2;
    if (room == s->out.size)
        return true;
    data = realloc(s->out.data, room);
    if (!data)
        return false;
    s->out.data = data;
    s->out.size = room;
    return true;
}

static int
pass_out(BIO *bio, const char *buf, size_t size, size_t *n)
{
    struct bl__tls_session *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *n = 0;
    if (!make_room(s, size)) {
        ERR_raise(ERR_LIB_BIO, ERR_R_MALLOC_FAILURE);
        return 0;
    }
    memcpy(s->out.data + s->out.n, buf, size);
    s->out.n += size;
    *n = size;
    return 1;
}

static long
control(BIO *bio, int what, long number, void *pointer)
{
    const struct bl__tls_session *s = BIO_get_data(bio);

    (void)number, (void)pointer;
    if (what == BIO_CTRL_EOF)
        return s->in.has_ended && s->in.start == s->in.end;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static bl_once method_once;

static void
make_method(void *unused)
{
    (void)unused;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "belay");
    if (!method)
        return;
    BIO_meth_set_read_ex(method, pass_in);
    BIO_meth_set_write_ex(method, pass_out);
    BIO_meth_set_ctrl(method, control);
}

static BIO *
make_bio(struct bl__tls_session *s)
{
    BIO *bio;

    bl_once_do(&method_once, make_method, NULL);
    bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- what is sent and received -------------------------------------------------------------- */

/* Has the turn to write.  Sends what OpenSSL has written, also what others have it write
 * meanwhile. */
static bl_error *
flush(struct bl__tls_session *s)
{
    while (!s->write_err) {
        char *data;
        size_t size, n;

        bl_mutex_lock(&s->lock);
        data = s->out.data, size = s->out.size, n = s->out.n;
        if (n > 0)
            s->out.data = NULL, s->out.size = s->out.n = 0;
        bl_mutex_unlock(&s->lock);
        if (n == 0)
            return NULL;
        s->write_err = bl_conn_write(s->conn, data, n, NULL);
        bl_mutex_lock(&s->lock);
        if (!s->out.data && size <= KEPT_BYTES)
            s->out.data = data, s->out.size = size, data = NULL;
        bl_mutex_unlock(&s->lock);
        free(data);
    }
    return bl_error_retain(s->write_err);
}

/* Gives the turn to write back.  A reader that had something to send, and found the turn
 * taken, has left it to us. */
static void
end_turn(struct bl__tls_session *s)
{
    size_t left;

    do {
        bl_mutex_unlock(&s->writes);
        bl_mutex_lock(&s->lock);
        left = s->out.n;
        bl_mutex_unlock(&s->lock);
        if (left == 0 || !bl_mutex_try_lock(&s->writes))
            return;
        bl_error_release(flush(s));
    } while (!s->write_err);
    bl_mutex_unlock(&s->writes);
}

/* What a reader has to send, as the other side wants new keys.  It does not wait for a
 * writer: that one may wait for the other side, which waits for us to read. */
static void
flush_if_free(struct bl__tls_session *s)
{
    if (!bl_mutex_try_lock(&s->writes))
        return;
    bl_error_release(flush(s));
    end_turn(s);
}

/* Has the turn to read; all that was there was taken.  Who waits does so with a small
 * buffer. */
static bl_error *
fill(struct bl__tls_session *s, int64_t until)
{
    size_t size = s->in.is_large ? MANY_BYTES : FEW_BYTES, n;
    bl_error *err;

    if (s->in.size != size) {
        free(s->in.data);
        s->in.data = malloc(size);
        s->in.size = s->in.data ? size : 0;
        if (!s->in.data)
            return bl_error_from_errno(ENOMEM);
    }
    err = until == BL_FOREVER ? bl_conn_read(s->conn, s->in.data, size, &n)
                              : bl_conn_read_until(s->conn, s->in.data, size, until, &n);
    s->in.start = 0;
    s->in.end = n;
    s->in.is_large = n >= FEW_BYTES;
    for (size_t i = 0; s->first_size < BL__TLS_FIRST && i < n; i++)
        s->first[s->first_size++] = (unsigned char)s->in.data[i];
    if (err != bl_err_eof)
        return err;
    s->in.has_ended = true;
    return NULL;
}

/* --- calls of OpenSSL ------------------------------------------------------------------------ */

enum act { SHAKE, READ, PEEK };

/* What came of it. */
enum outcome { DONE, WANTS, ENDED, FAILED };

struct call {
    enum act act;
    void *buf;
    size_t size, n;
    bool has_output; /* it has made something to send */
    bl_error *err;   /* FAILED; owned */
};

static int
do_act(struct bl__tls_session *s, struct call *call)
{
    switch (call->act) {
    case SHAKE:
        return SSL_do_handshake(s->ssl);
    case READ:
        return SSL_read_ex(s->ssl, call->buf, call->size, &call->n);
    default:
        return SSL_peek_ex(s->ssl, call->buf, call->size, &call->n);
    }
}

/* An end without a word of goodbye: between two records many say none, and as in Go that is
 * taken for one. */
static enum outcome
judge_end(struct bl__tls_session *s, struct call *call)
{
    if (s->is_ready && !SSL_has_pending(s->ssl) &&
        ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return ENDED;
    }
    call->err = bl__tls_error(s);
    return FAILED;
}

/* Has the turn to read. */
static enum outcome
call_reader(struct bl__tls_session *s, struct call *call)
{
    enum outcome outcome = DONE;
    size_t output;
    int result;

    bl_mutex_lock(&s->lock);
    s->in.is_open = true;
    output = s->out.n;
    ERR_clear_error();
    result = do_act(s, call);
    if (result <= 0) {
        int why = SSL_get_error(s->ssl, result);

        if (why == SSL_ERROR_WANT_READ)
            outcome = WANTS;
        else if (why == SSL_ERROR_ZERO_RETURN)
            outcome = ENDED;
        else
            outcome = judge_end(s, call);
    }
    s->in.is_open = false;
    call->has_output = s->out.n > output;
    bl_mutex_unlock(&s->lock);
    return outcome;
}

/* --- a session -------------------------------------------------------------------------------- */

static void
free_session(struct bl__tls_session *s)
{
    SSL_free(s->ssl);
    free(s->in.data);
    free(s->out.data);
    bl_error_release(s->write_err);
    free(s);
}

static bool
is_address(const char *name)
{
    struct in6_addr addr;

    return inet_pton(AF_INET, name, &addr) == 1 || inet_pton(AF_INET6, name, &addr) == 1;
}

/* Whom a client asks for, and whose certificate it takes. */
static bool
expect(struct bl__tls_session *s)
{
    static const unsigned char protocols[] = "\x08http/1.1";

    SSL_set_connect_state(s->ssl);
    SSL_set_verify(s->ssl, SSL_VERIFY_PEER, bl__tls_verify);
    if (SSL_set_alpn_protos(s->ssl, protocols, sizeof protocols - 1) != 0)
        return false;
    if (is_address(s->name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), s->name);
    SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set_tlsext_host_name(s->ssl, s->name) && SSL_set1_host(s->ssl, s->name);
}

static struct bl__tls_session *
make_session(bl_http_tls *tls, bl_conn *c, const char *name)
{
    struct bl__tls_session *s = calloc(1, sizeof *s);
    BIO *bio;

    if (!s)
        return NULL;
    s->conn = c;
    s->name = name ? name : "";
    s->is_client = tls->is_client;
    s->ssl = SSL_new(tls->inner);
    bio = s->ssl ? make_bio(s) : NULL;
    if (bio) {
        SSL_set_bio(s->ssl, bio, bio);
        SSL_set_app_data(s->ssl, s);
        if (!s->is_client)
            SSL_set_accept_state(s->ssl);
        if (!s->is_client || expect(s))
            return s;
    }
    ERR_clear_error();
    free_session(s);
    return NULL;
}

/* What is said goes out also if the end of it is a refusal.  Nobody else has the session
 * yet. */
static bl_error *
shake_hands(struct bl__tls_session *s)
{
    for (;;) {
        struct call call = {.act = SHAKE};
        enum outcome outcome = call_reader(s, &call);
        bl_error *err = call.has_output ? flush(s) : NULL;

        if (outcome == FAILED) {
            bl_error_release(err);
            return call.err;
        }
        if (err || outcome != WANTS)
            return err ? err : outcome == ENDED ? bl_err_eof : NULL;
        err = fill(s, BL_FOREVER);
        if (err)
            return err;
    }
}

/* To who does not speak TLS. */
static void
answer_http(struct bl__tls_session *s)
{
    static const char answer[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                                 "Client sent an HTTP request to an HTTPS server.\n";
    static const char *const methods[] = {"GET /", "HEAD ", "POST ", "PUT /", "OPTIO",
                                          "DELET", "PATCH"};

    if (s->is_client || s->first_size < BL__TLS_FIRST)
        return;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (memcmp(s->first, methods[i], BL__TLS_FIRST) == 0)
            bl_error_release(bl_conn_write(s->conn, answer, sizeof answer - 1, NULL));
}

bl_error *
bl__tls_begin(bl_http_tls *tls, bl_conn *c, const char *name,
              struct bl__tls_session **session)
{
    struct bl__tls_session *s = make_session(tls, c, name);
    bl_error *err;

    *session = NULL;
    if (!s)
        return bl_error_from_errno(ENOMEM);
    err = shake_hands(s);
    s->name = "";
    if (err) {
        answer_http(s);
        free_session(s);
        return err;
    }
    s->is_ready = true;
    *session = s;
    return NULL;
}

static bl_error *
read_in_turn(struct bl__tls_session *s, struct call *call, int64_t until)
{
    for (;;) {
        enum outcome outcome = call_reader(s, call);
        bl_error *err;

        if (call->has_output)
            flush_if_free(s);
        if (outcome != WANTS)
            return outcome == FAILED ? call->err : outcome == ENDED ? bl_err_eof : NULL;
        err = fill(s, until);
        if (err)
            return err;
    }
}

bl_error *
bl__tls_read(struct bl__tls_session *s, void *buf, size_t size, size_t *n)
{
    struct call call = {.act = READ, .buf = buf, .size = size};
    bl_error *err;

    *n = 0;
    if (size == 0)
        return NULL;
    bl_mutex_lock(&s->reads);
    err = read_in_turn(s, &call, BL_FOREVER);
    bl_mutex_unlock(&s->reads);
    if (!err)
        *n = call.n;
    return err;
}

/* What comes by itself is no word for us: keys for later sessions, say. */
bool
bl__tls_is_quiet(struct bl__tls_session *s)
{
    char byte;
    struct call call = {.act = PEEK, .buf = &byte, .size = 1};
    bool is_quiet;
    bl_error *err;

    if (recv(bl_conn_fd(s->conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
        errno == EAGAIN && !SSL_has_pending(s->ssl) && s->in.start == s->in.end)
        return true;
    bl_mutex_lock(&s->reads);
    err = read_in_turn(s, &call, bl_now());
    bl_mutex_unlock(&s->reads);
    is_quiet = bl_error_is(err, bl_err_timeout);
    bl_error_release(err);
    return is_quiet;
}

/* Has the turn to write.  Turns up to a record's worth into bytes to send. */
static bl_error *
encrypt(struct bl__tls_session *s, const char *buf, size_t size, size_t *pending)
{
    bl_error *err = NULL;
    size_t n;

    bl_mutex_lock(&s->lock);
    ERR_clear_error();
    if (!SSL_write_ex(s->ssl, buf, size, &n))
        err = bl__tls_error(s);
    *pending = s->out.n;
    bl_mutex_unlock(&s->lock);
    return err;
}

static bl_error *
write_part(struct bl__tls_session *s, const char *buf, size_t size)
{
    bl_error *err = NULL;

    while (size > 0 && !err) {
        size_t n = size < RECORD_BYTES ? size : RECORD_BYTES, pending;

        err = encrypt(s, buf, n, &pending);
        if (!err && pending >= SEND_BYTES)
            err = flush(s);
        buf += n;
        size -= n;
    }
    return err;
}

bl_error *
bl__tls_writev(struct bl__tls_session *s, const struct iovec *parts, int count)
{
    bl_error *err;

    bl_mutex_lock(&s->writes);
    err = bl_error_retain(s->write_err);
    for (int i = 0; i < count && !err; i++)
        err = write_part(s, parts[i].iov_base, parts[i].iov_len);
    if (!err)
        err = flush(s);
    end_turn(s);
    return err;
}

bl_error *
bl__tls_write(struct bl__tls_session *s, const void *buf, size_t size)
{
    return bl__tls_writev(s, &(struct iovec){(void *)buf, size}, 1);
}

/* Says goodbye if that is possible at once; while somebody is in the middle of a write it
 * is not. */
static void
say_goodbye(struct bl__tls_session *s)
{
    if (!bl_mutex_try_lock(&s->writes))
        return;
    if (!s->write_err) {
        bl_mutex_lock(&s->lock);
        SSL_shutdown(s->ssl);
        ERR_clear_error();
        bl_mutex_unlock(&s->lock);
        if (s->out.n > 0)
            bl_error_release(
                bl_conn_write_until(s->conn, s->out.data, s->out.n, bl_now(), NULL));
    }
    bl_mutex_unlock(&s->writes);
}

void
bl__tls_end(struct bl__tls_session *s)
{
    if (!s)
        return;
    say_goodbye(s);
    free_session(s);
}

#else /* !BL__TLS */

bl_error *
bl__tls_begin(bl_http_tls *tls, bl_conn *c, const char *name,
              struct bl__tls_session **session)
{
    (void)tls, (void)c, (void)name;
    *session = NULL;
    return bl_err_unsupported;
}

bl_error *
bl__tls_read(struct bl__tls_session *s, void *buf, size_t size, size_t *n)
{
    (void)s, (void)buf, (void)size;
    *n = 0;
    return bl_err_unsupported;
}

bl_error *
bl__tls_write(struct bl__tls_session *s, const void *buf, size_t size)
{
    (void)s, (void)buf, (void)size;
    return bl_err_unsupported;
}

bl_error *
bl__tls_writev(struct bl__tls_session *s, const struct iovec *parts, int count)
{
    (void)s, (void)parts, (void)count;
    return bl_err_unsupported;
}

bool
bl__tls_is_quiet(struct bl__tls_session *s)
{
    (void)s;
    return false;
}

void
bl__tls_end(struct bl__tls_session *s)
{
    (void)s;
}

#endif
