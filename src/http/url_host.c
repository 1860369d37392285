/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/url_host.c - "user:password@host:port" of a URL, and the IPv6 addresses that may
 * stand in brackets there. */
#include "http/url.h"

/* --- addresses ---------------------------------------------------------------------------- */

/* What was to be read, and where it went wrong: in Go's words. */
static bl_error *
address_error(struct bl__span in, const char *why, struct bl__span at)
{
    char text[128];
    struct bl__sink to = {text, sizeof text, 0};

    bl__sink_put(&to, BL__SPAN("): "));
    bl__sink_put(&to, bl__span_of(why));
    if (at.n > 0)
        bl__sink_put(&to, BL__SPAN(" (at "));
    bl__sink_end(&to);
    if (at.n == 0)
        return bl__quoted_error("ParseAddr(", in, text, NULL);
    return bl__quoted_error("ParseAddr(", in, text, bl__quoted_error("", at, ")", NULL));
}

static const struct bl__span nowhere;

/* Whether a dot at i has digits on both sides; pos: how many dots there were. */
static const char *
check_dot(struct bl__span s, size_t i, int pos)
{
    if (i == 0 || i == s.n - 1 || s.at[i - 1] == '.')
        return "IPv4 field must have at least one digit";
    return pos == 3 ? "IPv4 address too long" : NULL;
}

static bl_error *
check_v4(struct bl__span in, struct bl__span s)
{
    int value = 0, pos = 0, digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.at[i];

        if (c >= '0' && c <= '9') {
            if (digits++ == 1 && value == 0)
                return address_error(in, "IPv4 field has octet with leading zero", nowhere);
            value = value * 10 + (c - '0');
            if (value > 255)
                return address_error(in, "IPv4 field has value >255", nowhere);
        } else if (c == '.') {
            const char *why = check_dot(s, i, pos++);

            if (why)
                return address_error(in, why, *why == 'I' && why[5] == 'f'
                                                  ? bl__span_from(s, i) : nowhere);
            value = digits = 0;
        } else {
            return address_error(in, "unexpected character", bl__span_from(s, i));
        }
    }
    return pos < 3 ? address_error(in, "IPv4 address too short", nowhere) : NULL;
}

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* An IPv6 address while it is read. */
struct v6 {
    struct bl__span in, rest;
    int fields;   /* of two bytes each, so far */
    bool has_gap; /* "::" */
    bool done;
};

/* "1.2.3.4" at the end. */
static bl_error *
check_v4_tail(struct v6 *a)
{
    if (!a->has_gap && a->fields != 6)
        return address_error(a->in, "embedded IPv4 address must replace the final 2 fields "
                                    "of the address", a->rest);
    if (a->fields > 6)
        return address_error(a->in, "too many hex fields to fit an embedded IPv4 at the "
                                    "end of the address", a->rest);
    a->fields += 2;
    a->done = true;
    return check_v4(a->in, a->rest);
}

/* The colons behind a field. */
static bl_error *
check_colon(struct v6 *a)
{
    if (*a->rest.at != ':')
        return address_error(a->in, "unexpected character, want colon", a->rest);
    if (a->rest.n == 1)
        return address_error(a->in, "colon must be followed by more characters", a->rest);
    a->rest = bl__span_from(a->rest, 1);
    if (*a->rest.at != ':')
        return NULL;
    if (a->has_gap)
        return address_error(a->in, "multiple :: in address", a->rest);
    a->has_gap = true;
    a->rest = bl__span_from(a->rest, 1);
    a->done = a->rest.n == 0;
    return NULL;
}

static bl_error *
check_field(struct v6 *a)
{
    size_t n = 0;
    bl_error *err;

    while (n < a->rest.n && is_hex(a->rest.at[n]))
        if (n++ == 4)
            return address_error(a->in, "each group must have 4 or less digits", a->rest);
    if (n == 0)
        return address_error(a->in, "each colon-separated field must have at least one "
                                    "digit", a->rest);
    if (n < a->rest.n && a->rest.at[n] == '.') {
        err = check_v4_tail(a);
        a->rest.n = 0;
        return err;
    }
    a->fields++;
    a->rest = bl__span_from(a->rest, n);
    a->done = a->rest.n == 0;
    return a->done ? NULL : check_colon(a);
}

static bl_error *
check_v6(struct bl__span in)
{
    size_t zone = bl__span_find(in, '%');
    struct v6 a = {.in = in, .rest = bl__span_to(in, zone)};
    bl_error *err = NULL;

    if (zone + 1 == in.n)
        return address_error(in, "zone must be a non-empty string", nowhere);
    if (bl__span_begins(a.rest, BL__SPAN("::"))) {
        a.has_gap = true;
        a.rest = bl__span_from(a.rest, 2);
        if (a.rest.n == 0)
            return NULL;
    }
    while (!err && !a.done && a.fields < 8)
        err = check_field(&a);
    if (err)
        return err;
    if (a.rest.n > 0)
        return address_error(in, "trailing garbage after address", a.rest);
    if (a.fields < 8 && !a.has_gap)
        return address_error(in, "address string too short", nowhere);
    if (a.fields >= 8 && a.has_gap)
        return address_error(in, "the :: must expand to at least one field of zeros",
                             nowhere);
    return NULL;
}

/* Whether in is an IPv6 address, perhaps with a zone, and nothing else. */
static bl_error *
check_address(struct bl__span in)
{
    bl_error *err = NULL;
    size_t i = 0;

    while (i < in.n && !memchr(".:%", in.at[i], 3))
        i++;
    if (i == in.n)
        err = address_error(in, "unable to parse IP", nowhere);
    else if (in.at[i] == '%')
        err = address_error(in, "missing IPv6 address", nowhere);
    else if (in.at[i] == '.')
        err = check_v4(in, in);
    else
        return bl_error_wrap(check_v6(in), "invalid host");
    return err ? bl_error_wrap(err, "invalid host") : bl_error_new("invalid IP-literal");
}

/* --- host ---------------------------------------------------------------------------------- */

static bl_error *
check_port(struct bl__span port)
{
    bool good = port.n == 0 || *port.at == ':';

    for (size_t i = 1; good && i < port.n; i++)
        good = port.at[i] >= '0' && port.at[i] <= '9';
    return good ? NULL : bl__quoted_error("invalid port ", port, " after host", NULL);
}

/* The pieces of an address in brackets, which are decoded each by its own rules. */
struct literal {
    struct bl__span host, zone, port;
};

static bl_error *
decode_literal(struct literal *l, char **memory, struct bl__span *host)
{
    char *begin = *memory;
    struct bl__span unused;
    bl_error *err;

    *(*memory)++ = '[';
    err = bl__url_unescape(l->host, BL__IN_HOST, memory, &unused);
    if (!err)
        err = bl__url_unescape(l->zone, BL__IN_ZONE, memory, &unused);
    if (!err)
        err = check_address((struct bl__span){begin + 1, (size_t)(*memory - begin - 1)});
    if (err)
        return err;
    *(*memory)++ = ']';
    memcpy(*memory, l->port.at, l->port.n);
    *memory += l->port.n;
    *host = (struct bl__span){begin, (size_t)(*memory - begin)};
    return NULL;
}

static bl_error *
parse_literal(struct bl__span text, char **memory, struct bl__span *host)
{
    size_t end = bl__span_find_last(text, ']'), i;
    struct literal l;
    bl_error *err;

    if (end == text.n)
        return bl_error_new("missing ']' in host");
    l.port = bl__span_from(text, end + 1);
    err = check_port(l.port);
    if (err)
        return err;
    l.host = bl__span_from(bl__span_to(text, end), 1);
    for (i = 0; i < l.host.n; i++)
        if (bl__span_begins(bl__span_from(l.host, i), BL__SPAN("%25")))
            break;
    l.zone = bl__span_from(l.host, i);
    l.host.n = i;
    return decode_literal(&l, memory, host);
}

static bool
is_http(struct bl__span scheme)
{
    return bl__span_equal(scheme, BL__SPAN("http")) ||
           bl__span_equal(scheme, BL__SPAN("https"));
}

static bl_error *
parse_host(struct bl__url *u, struct bl__span text, char **memory)
{
    size_t bracket = bl__span_find_last(text, '['), colon;
    bl_error *err;

    if (bracket < text.n)
        return bracket > 0 ? bl_error_new("invalid IP-literal")
                           : parse_literal(text, memory, &u->host);
    /* "host1:1,host2:2" is what some databases want */
    colon = is_http(u->scheme) ? bl__span_find(text, ':') : bl__span_find_last(text, ':');
    err = check_port(bl__span_from(text, colon));
    return err ? err : bl__url_unescape(text, BL__IN_HOST, memory, &u->host);
}

/* --- user ---------------------------------------------------------------------------------- */

static bool
is_user_info(struct bl__span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.at[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              memchr("-._:~!$&'()*+,;=%@", c, 18)))
            return false;
    }
    return true;
}

static bl_error *
parse_user(struct bl__url *u, struct bl__span text, char **memory)
{
    size_t colon = bl__span_find(text, ':');
    bl_error *err;

    if (!is_user_info(text))
        return bl_error_new("net/url: invalid userinfo");
    err = bl__url_unescape(bl__span_to(text, colon), BL__IN_USER, memory, &u->user);
    u->has_user = true;
    u->has_password = colon < text.n;
    if (!err && u->has_password)
        err = bl__url_unescape(bl__span_from(text, colon + 1), BL__IN_USER, memory,
                           &u->password);
    return err;
}

bl_error *
bl__url_parse_authority(struct bl__url *u, struct bl__span text, char **memory)
{
    size_t at = bl__span_find_last(text, '@');
    bl_error *err;

    if (at == text.n)
        return parse_host(u, text, memory);
    err = parse_host(u, bl__span_from(text, at + 1), memory);
    return err ? err : parse_user(u, bl__span_to(text, at), memory);
}
