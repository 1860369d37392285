/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/url_escape.c - "%41" and back, and texts in quotation marks. */
#define _GNU_SOURCE
#include "http/url.h"

#include "base/hex.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* --- spans and sinks --------------------------------------------------------------------- */

size_t
bl__span_find(struct bl__span s, char c)
{
    const char *p = s.n ? memchr(s.at, c, s.n) : NULL;

    return p ? (size_t)(p - s.at) : s.n;
}

size_t
bl__span_find_last(struct bl__span s, char c)
{
    const char *p = s.n ? memrchr(s.at, c, s.n) : NULL;

    return p ? (size_t)(p - s.at) : s.n;
}

void
bl__sink_put(struct bl__sink *to, struct bl__span s)
{
    if (to->n < to->size && s.n > 0)
        memcpy(to->buf + to->n, s.at, s.n < to->size - to->n ? s.n : to->size - to->n);
    to->n += s.n;
}

void
bl__sink_byte(struct bl__sink *to, char c)
{
    if (to->n < to->size)
        to->buf[to->n] = c;
    to->n++;
}

size_t
bl__sink_end(struct bl__sink *to)
{
    if (to->size > 0)
        to->buf[to->n < to->size ? to->n : to->size - 1] = 0;
    return to->n;
}

/* --- escapes ------------------------------------------------------------------------------ */

static bool
is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Where each character that is no letter and no digit may stand as it is.  A host has
 * brackets, colons and what RFC 3986 calls sub-delims. */
static unsigned
places(unsigned char c)
{
    enum { HOSTS = BL__IN_HOST | BL__IN_ZONE };

    switch (c) {
    case '-': case '_': case '.': case '~':
        return ~0u;
    case '$': case '&': case '+': case ',': case ';': case '=':
        return HOSTS | BL__IN_PATH | BL__IN_USER | BL__IN_FRAGMENT;
    case ':':
        return HOSTS | BL__IN_PATH | BL__IN_FRAGMENT;
    case '/': case '@':
        return BL__IN_PATH | BL__IN_FRAGMENT;
    case '?':
        return BL__IN_FRAGMENT;
    case '!': case '(': case ')': case '*':
        return HOSTS | BL__IN_FRAGMENT;
    case '\'': case '[': case ']': case '<': case '>': case '"':
        return HOSTS;
    default:
        return 0;
    }
}

static bool
must_escape(unsigned char c, enum bl__url_place where)
{
    return !is_alphanumeric(c) && !(places(c) & where);
}

/* What "%xx" at the beginning of s stands for; -1 if it is none. */
static int
escape_value(struct bl__span s)
{
    if (s.n < 3 || bl__hex_value(s.at[1]) < 0 || bl__hex_value(s.at[2]) < 0)
        return -1;
    return bl__hex_value(s.at[1]) << 4 | bl__hex_value(s.at[2]);
}

/* In a host only what is not ASCII may be escaped; in a zone what could stand there anyway,
 * and spaces.  "%25" is how a zone begins. */
static bool
is_allowed(int value, enum bl__url_place where)
{
    if (value == '%')
        return true;
    if (where == BL__IN_HOST)
        return value >= 0x80;
    return where != BL__IN_ZONE || value == ' ' ||
           !must_escape((unsigned char)value, BL__IN_HOST);
}

static bl_error *
check_escapes(struct bl__span s, enum bl__url_place where)
{
    const bool in_host = where == BL__IN_HOST || where == BL__IN_ZONE;

    while (s.n > 0) {
        size_t step = *s.at == '%' ? 3 : 1;

        if (step == 3) {
            int value = escape_value(s);

            if (value < 0 || !is_allowed(value, where))
                return bl__quoted_error("invalid URL escape ",
                                        bl__span_to(s, s.n < 3 ? s.n : 3), "", NULL);
        } else if (in_host && !(*s.at & 0x80) && must_escape((unsigned char)*s.at, where)) {
            return bl__quoted_error("invalid character ", bl__span_to(s, 1), " in host name",
                                    NULL);
        }
        s = bl__span_from(s, step);
    }
    return NULL;
}

bl_error *
bl__url_unescape(struct bl__span s, enum bl__url_place where, char **memory,
             struct bl__span *decoded)
{
    bl_error *err = check_escapes(s, where);
    char *to = *memory;

    if (err)
        return err;
    while (s.n > 0) {
        size_t step = *s.at == '%' ? 3 : 1;

        if (step == 3)
            *to++ = (char)escape_value(s);
        else
            *to++ = *s.at == '+' && where == BL__IN_QUERY ? ' ' : *s.at;
        s = bl__span_from(s, step);
    }
    *decoded = (struct bl__span){*memory, (size_t)(to - *memory)};
    *memory = to;
    return NULL;
}

static const char upper_hex[] = "0123456789ABCDEF", lower_hex[] = "0123456789abcdef";

void
bl__url_escape(struct bl__sink *to, struct bl__span s, enum bl__url_place where)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c == ' ' && where == BL__IN_QUERY) {
            bl__sink_byte(to, '+');
        } else if (must_escape(c, where)) {
            bl__sink_byte(to, '%');
            bl__sink_byte(to, upper_hex[c >> 4]);
            bl__sink_byte(to, upper_hex[c & 15]);
        } else {
            bl__sink_byte(to, (char)c);
        }
    }
}

bool
bl__is_usual_escape(struct bl__span s, enum bl__url_place where)
{
    while (s.n > 0) {
        size_t step = *s.at == '%' ? 3 : 1;

        if (step == 1) {
            if (must_escape((unsigned char)*s.at, where))
                return false;
        } else {
            int value = escape_value(s);

            if (value < 0 || !must_escape((unsigned char)value, where) ||
                s.at[1] != upper_hex[value >> 4] || s.at[2] != upper_hex[value & 15])
                return false;
        }
        s = bl__span_from(s, step);
    }
    return true;
}

/* Sub-delims and brackets may stand in a path though it is not how we escape them. */
bool
bl__is_escaped(struct bl__span s, enum bl__url_place where)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] == 0 || (!strchr("!$&'()*+,;=:@[]%", s.at[i]) &&
                             must_escape((unsigned char)s.at[i], where)))
            return false;
    }
    return true;
}

/* --- quotation marks ---------------------------------------------------------------------- */

/* Reads a character of UTF-8, and returns its length; 0 if it is none. */
static size_t
read_character(struct bl__span s, uint32_t *c)
{
    unsigned char first = (unsigned char)*s.at;
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3
               : first < 0xf5 ? 4 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    if (n == 0 || n > s.n)
        return 0;
    *c = n == 1 ? first : first & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.at[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | ((unsigned char)s.at[i] & 0x3f);
    }
    return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

/* Spaces other than the one of ASCII, format characters and those that are nobody's have
 * no shape.  Go knows also which characters are not assigned yet; that changes every
 * year, and here they are printed. */
static bool
is_printable(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } invisible[] = {
        {0, 0x1f}, {0x7f, 0xa0}, {0xad, 0xad}, {0x600, 0x605}, {0x61c, 0x61c},
        {0x6dd, 0x6dd}, {0x70f, 0x70f}, {0x1680, 0x1680}, {0x180e, 0x180e},
        {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},
        {0xe000, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
        {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff},
    };

    for (size_t i = 0; i < sizeof invisible / sizeof *invisible; i++)
        if (c >= invisible[i].first && c <= invisible[i].last)
            return false;
    return true;
}

static void
put_hex(struct bl__sink *to, const char *prefix, uint32_t value, int digits)
{
    bl__sink_put(to, bl__span_of(prefix));
    while (digits-- > 0)
        bl__sink_byte(to, lower_hex[value >> 4 * digits & 15]);
}

static void
quote_character(struct bl__sink *to, struct bl__span s, uint32_t c)
{
    static const char short_names[] = "abtnvfr"; /* from \a, 7, on */

    if (c == '"' || c == '\\') {
        bl__sink_byte(to, '\\');
        bl__sink_byte(to, (char)c);
    } else if (is_printable(c)) {
        bl__sink_put(to, s);
    } else if (c >= '\a' && c <= '\r') {
        bl__sink_byte(to, '\\');
        bl__sink_byte(to, short_names[c - '\a']);
    } else if (c < 0x80) {
        put_hex(to, "\\x", c, 2);
    } else {
        put_hex(to, c < 0x10000 ? "\\u" : "\\U", c, c < 0x10000 ? 4 : 8);
    }
}

void
bl__quote(struct bl__sink *to, struct bl__span s)
{
    bl__sink_byte(to, '"');
    while (s.n > 0) {
        uint32_t c;
        size_t n = read_character(s, &c);

        if (n == 0)
            put_hex(to, "\\x", (unsigned char)*s.at, 2);
        else
            quote_character(to, bl__span_to(s, n), c);
        s = bl__span_from(s, n ? n : 1);
    }
    bl__sink_byte(to, '"');
}

bl_error *
bl__quoted_error(const char *before, struct bl__span s, const char *after, bl_error *cause)
{
    char small[512];
    struct bl__sink to = {small, sizeof small, 0};
    bl_error *err;

    bl__quote(&to, s);
    if (bl__sink_end(&to) >= sizeof small) {
        size_t size = to.n + 1;

        to = (struct bl__sink){malloc(size), size, 0};
        if (!to.buf)
            return cause ? cause : bl_error_from_errno(ENOMEM);
        bl__quote(&to, s);
        bl__sink_end(&to);
    }
    err = cause ? bl_errorf("%s%s%s%pw", before, to.buf, after, (void *)cause)
                : bl_errorf("%s%s%s", before, to.buf, after);
    if (to.buf != small)
        free(to.buf);
    return err;
}
