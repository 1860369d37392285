/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tls_settings.c - what sessions have in common: certificates, keys, whom to trust. */
#ifdef BL__TLS
#include "http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

/* Of what a client offers: nothing else is spoken here. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size,
                const unsigned char *in, unsigned in_size, void *unused)
{
    static const unsigned char known[] = "\x08http/1.1\x08http/1.0";

    (void)ssl, (void)unused;
    return SSL_select_next_proto((unsigned char **)out, size, known, sizeof known - 1, in,
                                 in_size) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Nobody is there to be asked. */
static int
know_no_password(char *buf, int size, int is_writing, void *unused)
{
    (void)buf, (void)size, (void)is_writing, (void)unused;
    return 0;
}

static bl_http_tls *
make_settings(bool is_client)
{
    bl_http_tls *tls = calloc(1, sizeof *tls);

    if (!tls)
        return NULL;
    tls->is_client = is_client;
    tls->inner = SSL_CTX_new(is_client ? TLS_client_method() : TLS_server_method());
    if (!tls->inner) {
        ERR_clear_error();
        free(tls);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(tls->inner, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->inner, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->inner, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls->inner, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(tls->inner, know_no_password);
    if (!is_client)
        SSL_CTX_set_alpn_select_cb(tls->inner, choose_protocol, NULL);
    return tls;
}

/* OpenSSL's words for a file that is not there have its source's name in them. */
static bl_error *
check_file(const char *path)
{
    FILE *f = fopen(path, "r");

    if (!f)
        return bl_error_wrap(bl_error_from_errno(errno), "open %s", path);
    fclose(f);
    return NULL;
}

static bl_error *
load_pair(SSL_CTX *inner, const char *chain, const char *key)
{
    bl_error *err = check_file(chain);

    if (!err)
        err = check_file(key);
    if (err)
        return err;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(inner, chain) != 1)
        return bl__tls_setup_error(chain);
    if (SSL_CTX_use_PrivateKey_file(inner, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(inner) != 1)
        return bl__tls_setup_error(key);
    return NULL;
}

static bl_error *
load_roots(SSL_CTX *inner, const char *roots)
{
    bl_error *err = roots ? check_file(roots) : NULL;

    if (err)
        return err;
    ERR_clear_error();
    if ((roots ? SSL_CTX_load_verify_file(inner, roots)
               : SSL_CTX_set_default_verify_paths(inner)) != 1)
        return bl__tls_setup_error(roots ? roots : "system's certificates");
    return NULL;
}

bl_error *
bl_http_tls_server(const char *chain, const char *key, bl_http_tls **tls)
{
    bl_error *err;

    *tls = make_settings(false);
    if (!*tls)
        return bl_error_from_errno(ENOMEM);
    err = load_pair((*tls)->inner, chain, key);
    if (err) {
        bl_http_tls_free(*tls);
        *tls = NULL;
    }
    return err;
}

bl_error *
bl_http_tls_client(const char *roots, bl_http_tls **tls)
{
    bl_error *err;

    *tls = make_settings(true);
    if (!*tls)
        return bl_error_from_errno(ENOMEM);
    err = load_roots((*tls)->inner, roots);
    if (err) {
        bl_http_tls_free(*tls);
        *tls = NULL;
    }
    return err;
}

void
bl_http_tls_free(bl_http_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->inner);
    free(tls);
}

#else
#include <belay/http.h>

bl_error *
bl_http_tls_server(const char *chain, const char *key, bl_http_tls **tls)
{
    (void)chain, (void)key;
    *tls = NULL;
    return bl_err_unsupported;
}

bl_error *
bl_http_tls_client(const char *roots, bl_http_tls **tls)
{
    (void)roots;
    *tls = NULL;
    return bl_err_unsupported;
}

void
bl_http_tls_free(bl_http_tls *tls)
{
    (void)tls;
}

#endif
