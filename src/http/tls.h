/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tls.h - what tls.c, tls_settings.c and tls_error.c share: they alone know OpenSSL. */
#ifndef BELAY_HTTP_TLS_H
#define BELAY_HTTP_TLS_H

#include <belay/http.h>
#include <openssl/ssl.h>

struct bl_http_tls {
    SSL_CTX *inner;
    bool is_client;
};

enum { BL__TLS_FIRST = 5 };

/* A session on a connection.  OpenSSL reads from `in`, and writes to `out`; it never sees
 * the connection.  Three locks, taken in this order:
 *
 *   reads   who reads has it as long as it takes, and fills `in`
 *   writes  who writes has it as long as it takes, and sends what was in `out`
 *   lock    around each call of OpenSSL, which waits for nothing */
struct bl__tls_session {
    SSL *ssl;                /* lock */
    bl_conn *conn;           /* the stream's */
    bl_mutex reads, writes, lock;
    struct {
        char *data;
        size_t size, start, end;
        bool is_large;       /* the last read was */
        bool is_open;        /* lock: it is a reader who calls OpenSSL */
        bool has_ended;
    } in;                    /* reads; while is_open, lock */
    struct {
        char *data;
        size_t size, n;
    } out;                   /* lock */
    bl_error *write_err;     /* writes; owned: nothing can be sent behind half a record */
    bool is_client;
    bool is_ready;           /* the handshake is over */
    unsigned char first[BL__TLS_FIRST]; /* what came first, for who is no TLS */
    size_t first_size;
    const char *name;        /* the server's, while hands are shaken */
    char why[512];           /* why the certificate was refused */
};

/* --- tls_error.c -------------------------------------------------------------------------- */

/* Where SSL_set_app_data() has stored a session: notes in ->why what is wrong. */
int bl__tls_verify(int ok, X509_STORE_CTX *store);

/* What OpenSSL has noted in this thread since it was called, which is forgotten: before
 * anything can park. */
bl_error *bl__tls_error(const struct bl__tls_session *s);
/* The same where there is no session. */
bl_error *bl__tls_setup_error(const char *what);

#endif
