/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/request_head.c - what a request says in front of its body. */
#include "http/client.h"

#include <stdio.h>
#include <strings.h>

/* --- what can't be asked for ---------------------------------------------------------------- */

static bool
is_http(struct bl__span scheme)
{
    return bl__span_equal(scheme, BL__SPAN("http")) ||
           bl__span_equal(scheme, BL__SPAN("https"));
}

bl_error *
bl__request_check(const struct bl__hop *hop)
{
    const struct bl__url *u = &hop->url;
    struct bl__span name, port;

    if (!is_http(u->scheme))
        return bl__quoted_error("unsupported protocol scheme ", u->scheme, "", NULL);
    bl__url_split_host(u, &name, &port);
    if (u->host.n == 0 || name.n == 0)
        return bl_error_new("http: no Host in request URL");
    for (size_t i = 0; i < name.n; i++)
        if (name.at[i] & 0x80)
            return bl__quoted_error("http: host name ", name,
                                    " is not ASCII: write it in Punycode (xn--...)", NULL);
    return NULL;
}

/* --- the first line ----------------------------------------------------------------------- */

/* Queries are as they were written; what would end the target, or no server takes, is
 * escaped. */
static void
put_target(struct bl__sink *to, const struct bl__url *u)
{
    static const char hex[] = "0123456789ABCDEF";
    struct bl__url no_query = *u;
    size_t room = to->n < to->size ? to->size - to->n : 0;

    no_query.query = (struct bl__span){0};
    no_query.force_query = false;
    to->n += bl__url_target(&no_query, room ? to->buf + to->n : NULL, room);
    if (u->query.n > 0 || u->force_query)
        bl__sink_byte(to, '?');
    for (size_t i = 0; i < u->query.n; i++) {
        unsigned char c = (unsigned char)u->query.at[i];

        if (c > ' ' && c < 0x7f && !strchr("\"<>\\", c)) {
            bl__sink_byte(to, (char)c);
        } else {
            bl__sink_byte(to, '%');
            bl__sink_byte(to, hex[c >> 4]);
            bl__sink_byte(to, hex[c & 15]);
        }
    }
}

/* Without a zone, which means something on this machine only, and a port that is none. */
static void
put_host(struct bl__sink *to, const struct bl__url *u)
{
    size_t n = u->host.n, zone;

    if (n > 0 && u->host.at[n - 1] == ':')
        n--;
    zone = bl__span_find(bl__span_to(u->host, n), '%');
    bl__sink_put(to, bl__span_to(u->host, zone));
    if (zone < n)
        bl__sink_put(to, bl__span_from(bl__span_to(u->host, n),
                                       bl__span_find_last(bl__span_to(u->host, n), ']')));
}

/* --- fields ---------------------------------------------------------------------------------- */

static void
put_field(struct bl__sink *to, const char *name, const char *value)
{
    bl__sink_put(to, bl__span_of(name));
    bl__sink_put(to, BL__SPAN(": "));
    bl__sink_put(to, bl__span_of(value));
    bl__sink_put(to, BL__SPAN("\r\n"));
}

static const char *
find(const struct bl__hop *hop, const char *name)
{
    return hop->call->header ? bl_http_header_get(hop->call->header, name) : NULL;
}

static bool
is_one_of(const struct bl__field *f, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == f->name_size &&
            strncasecmp(f->name, *names, f->name_size) == 0)
            return true;
    return false;
}

/* What is said by us, or must not go where this goes. */
static bool
is_left_out(const struct bl__hop *hop, const struct bl__field *f)
{
    static const char *const ours[] = {"Host", "User-Agent", "Content-Length",
                                       "Transfer-Encoding", "Trailer", NULL};
    static const char *const secrets[] = {"Authorization", "Www-Authenticate", "Cookie",
                                          "Cookie2", "Proxy-Authorization",
                                          "Proxy-Authenticate", NULL};
    static const char *const of_body[] = {"Content-Encoding", "Content-Language",
                                          "Content-Location", "Content-Type", NULL};

    return is_one_of(f, ours) || (hop->hides_secrets && is_one_of(f, secrets)) ||
           (hop->hides_body && is_one_of(f, of_body)) ||
           (hop->referer && BL__IS_NAME(f, "Referer"));
}

/* "user:password", byte by byte. */
static unsigned
user_byte(const struct bl__url *u, size_t i)
{
    if (i < u->user.n)
        return (unsigned char)u->user.at[i];
    i -= u->user.n;
    return i == 0 ? ':' : i <= u->password.n ? (unsigned char)u->password.at[i - 1] : 0;
}

/* The URL's user, in base 64, unless the header has another. */
static void
put_user(struct bl__sink *to, const struct bl__hop *hop)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const struct bl__url *u = &hop->url;
    size_t n = u->user.n + 1 + u->password.n;

    if (!u->has_user || (find(hop, "Authorization") && !hop->hides_secrets))
        return;
    bl__sink_put(to, BL__SPAN("Authorization: Basic "));
    for (size_t i = 0; i < n; i += 3) {
        unsigned group = user_byte(u, i) << 16 | user_byte(u, i + 1) << 8 | user_byte(u, i + 2);

        for (size_t k = 0; k < 4; k++)
            bl__sink_byte(to, i + k > n ? '=' : digits[group >> (18 - 6 * k) & 63]);
    }
    bl__sink_put(to, BL__SPAN("\r\n"));
}

int64_t
bl__request_length(const struct bl__hop *hop)
{
    const bl_http_call_options *call = hop->call;

    if (!hop->has_body)
        return 0;
    if (!call->read)
        return (int64_t)call->body_size;
    return call->content_length > 0 ? call->content_length : -1;
}

/* Methods that usually have a body say so when they have none. */
static void
put_length(struct bl__sink *to, const struct bl__hop *hop)
{
    int64_t length = bl__request_length(hop);
    const char *method = hop->method;
    char text[32];

    if (length < 0) {
        put_field(to, "Transfer-Encoding", "chunked");
    } else if (length > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
               strcmp(method, "PATCH") == 0) {
        snprintf(text, sizeof text, "%lld", (long long)length);
        put_field(to, "Content-Length", text);
    }
}

size_t
bl__request_head(const struct bl__hop *hop, char *buf, size_t size)
{
    struct bl__sink to = {buf, size, 0};
    const bl_http_header *header = hop->call->header;
    const char *host = hop->keeps_host ? find(hop, "Host") : NULL;
    const char *agent = find(hop, "User-Agent");

    bl__sink_put(&to, bl__span_of(hop->method));
    bl__sink_byte(&to, ' ');
    put_target(&to, &hop->url);
    bl__sink_put(&to, BL__SPAN(" HTTP/1.1\r\nHost: "));
    if (host)
        bl__sink_put(&to, bl__span_of(host));
    else
        put_host(&to, &hop->url);
    bl__sink_put(&to, BL__SPAN("\r\n"));
    if (!agent || *agent)
        put_field(&to, "User-Agent", agent ? agent : "belay-http/" BL_VERSION);
    put_length(&to, hop);
    put_user(&to, hop);
    if (hop->referer)
        put_field(&to, "Referer", hop->referer);
    for (size_t i = 0; header && i < header->count; i++)
        if (!is_left_out(hop, &header->fields[i]))
            put_field(&to, header->fields[i].name, header->fields[i].value);
    bl__sink_put(&to, BL__SPAN("\r\n"));
    return bl__sink_end(&to);
}
