/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tls_error.c - what OpenSSL has to complain of, in Go's words where it has some. */
#ifdef BL__TLS
#include "http/tls.h"

#include "http/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

/* --- certificates --------------------------------------------------------------------------- */

static void
put_name(struct bl__sink *to, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN] = "";
    const ASN1_STRING *s = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const unsigned char *data = ASN1_STRING_get0_data(s);
    int n = ASN1_STRING_length(s);

    if (to->n > 0)
        bl__sink_put(to, BL__SPAN(", "));
    if (name->type == GEN_DNS) {
        bl__sink_put(to, (struct bl__span){(const char *)data, (size_t)n});
    } else if (n == 4 || n == 16) {
        inet_ntop(n == 4 ? AF_INET : AF_INET6, data, text, sizeof text);
        bl__sink_put(to, bl__span_of(text));
    }
}

/* The names, or addresses, that a certificate is for; returns how long that is. */
static size_t
list_names(X509 *certificate, int type, char *text, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct bl__sink to = {text, size, 0};

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == type)
            put_name(&to, name);
    }
    GENERAL_NAMES_free(names);
    return bl__sink_end(&to);
}

static void
explain_name(struct bl__tls_session *s, X509 *certificate, int type)
{
    char names[256];

    if (list_names(certificate, type, names, sizeof names) > 0)
        snprintf(s->why, sizeof s->why, "x509: certificate is valid for %s, not %.200s", names,
                 s->name);
    else if (type == GEN_IPADD)
        snprintf(s->why, sizeof s->why, "x509: cannot validate certificate for %.200s because "
                                        "it doesn't contain any IP SANs", s->name);
    else
        snprintf(s->why, sizeof s->why, "x509: certificate is not valid for any names, but "
                                        "wanted to match %.200s", s->name);
}

static void
print_time(const ASN1_TIME *t, char text[32])
{
    struct tm tm = {0};

    ASN1_TIME_to_tm(t, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void
explain_time(struct bl__tls_session *s, X509 *certificate, bool is_late)
{
    char now_text[32], text[32];
    ASN1_TIME *now = ASN1_TIME_set(NULL, time(NULL));

    *now_text = 0;
    if (now)
        print_time(now, now_text);
    ASN1_TIME_free(now);
    print_time(is_late ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate),
               text);
    snprintf(s->why, sizeof s->why, "x509: certificate has expired or is not yet valid: "
                                    "current time %s is %s %s",
             now_text, is_late ? "after" : "before", text);
}

int
bl__tls_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct bl__tls_session *s = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);

    if (ok)
        return 1;
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
        explain_name(s, X509_STORE_CTX_get0_cert(store), GEN_DNS);
        break;
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        explain_name(s, X509_STORE_CTX_get0_cert(store), GEN_IPADD);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        explain_time(s, certificate, error == X509_V_ERR_CERT_HAS_EXPIRED);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        snprintf(s->why, sizeof s->why, "x509: certificate signed by unknown authority");
        break;
    default:
        snprintf(s->why, sizeof s->why, "x509: %s", X509_verify_cert_error_string(error));
    }
    return 0;
}

/* --- alerts and the rest --------------------------------------------------------------------- */

/* What the other side has sent: RFC 8446, 6.2. */
static const char *
alert_text(int alert)
{
    static const struct {
        int alert;
        const char *text;
    } texts[] = {
        {10, "unexpected message"}, {20, "bad record MAC"}, {22, "record overflow"},
        {40, "handshake failure"}, {42, "bad certificate"},
        {43, "unsupported certificate"}, {44, "revoked certificate"},
        {45, "expired certificate"}, {46, "unknown certificate"},
        {47, "illegal parameter"}, {48, "unknown certificate authority"},
        {49, "access denied"}, {50, "error decoding message"},
        {51, "error decrypting message"}, {70, "protocol version not supported"},
        {71, "insufficient security level"}, {80, "internal error"},
        {86, "inappropriate fallback"}, {90, "user canceled"}, {100, "no renegotiation"},
        {109, "missing extension"}, {110, "unsupported extension"},
        {112, "unrecognized name"}, {116, "certificate required"},
        {120, "no application protocol"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].alert == alert)
            return texts[i].text;
    return "unknown alert";
}

/* The oldest note says what went wrong, those behind it who was concerned. */
static bl_error *
error_of(unsigned long code, const char *what)
{
    const char *reason = ERR_reason_error_string(code);
    int number = ERR_GET_REASON(code);

    if (ERR_GET_LIB(code) == ERR_LIB_SSL && number > SSL_AD_REASON_OFFSET &&
        number < SSL_AD_REASON_OFFSET + 256)
        return bl_errorf("remote error: tls: %s", alert_text(number - SSL_AD_REASON_OFFSET));
    if (ERR_GET_LIB(code) == ERR_LIB_X509 && number == X509_R_KEY_VALUES_MISMATCH)
        return bl_error_new("tls: private key does not match public key");
    return bl_errorf("tls: %s%s%s", what, *what ? ": " : "",
                     reason ? reason : "unknown error of OpenSSL");
}

static bl_error *
refusal(const struct bl__tls_session *s, unsigned long code)
{
    int number = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;

    if (number == SSL_R_CERTIFICATE_VERIFY_FAILED && *s->why)
        return bl_errorf("tls: failed to verify certificate: %s", s->why);
    if (s->is_client && s->first_size == sizeof s->first &&
        memcmp(s->first, "HTTP/", sizeof s->first) == 0)
        return bl_error_new("http: server gave HTTP response to HTTPS client");
    if (number == SSL_R_HTTP_REQUEST || number == SSL_R_HTTPS_PROXY_REQUEST)
        return bl_error_new("tls: client sent an HTTP request to an HTTPS server");
    if (number == SSL_R_WRONG_VERSION_NUMBER && !s->is_ready)
        return bl_error_new("tls: first record does not look like a TLS handshake");
    return error_of(code, "");
}

bl_error *
bl__tls_error(const struct bl__tls_session *s)
{
    unsigned long code = ERR_peek_error();
    bl_error *err;

    if (s->in.has_ended && (code == 0 || ERR_GET_REASON(code) ==
                                             SSL_R_UNEXPECTED_EOF_WHILE_READING))
        err = s->is_ready ? bl_err_unexpected_eof : bl_err_eof;
    else
        err = refusal(s, code);
    ERR_clear_error();
    return err;
}

bl_error *
bl__tls_setup_error(const char *what)
{
    bl_error *err = error_of(ERR_peek_error(), what);

    ERR_clear_error();
    return err;
}

#else
typedef int bl__no_tls_errors;
#endif
