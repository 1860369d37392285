/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/escape.c - text for HTML and URLs, and back. */
#include "base/hex.h"
#include "http/http.h"

ptrdiff_t
bl__unescape(const char *from, size_t n, char *to, bool plus)
{
    char *at = to;

    for (const char *end = from + n; from < end; from++) {
        int high, low;

        if (*from == '+' && plus) {
            *at++ = ' ';
        } else if (*from != '%') {
            *at++ = *from;
        } else {
            if (end - from < 3 || (high = bl__hex_value(from[1])) < 0 ||
                (low = bl__hex_value(from[2])) < 0 || high + low == 0)
                return -1;
            *at++ = (char)(16 * high + low);
            from += 2;
        }
    }
    return at - to;
}

/* --- out ------------------------------------------------------------------------------------ */

struct out {
    char *buf;
    size_t size, n;
};

static void
put(struct out *o, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++, o->n++)
        if (o->n + 1 < o->size)
            o->buf[o->n] = text[i];
}

static size_t
end(struct out *o)
{
    if (o->size > 0)
        o->buf[o->n < o->size ? o->n : o->size - 1] = '\0';
    return o->n;
}

static const char *
entity(char c)
{
    switch (c) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '\'': return "&#39;";
    case '"': return "&#34;";
    default: return NULL;
    }
}

size_t
bl_http_escape_html(const char *text, char *buf, size_t size)
{
    struct out o = {buf, size, 0};

    for (; *text; text++) {
        const char *name = entity(*text);

        put(&o, name ? name : text, name ? strlen(name) : 1);
    }
    return end(&o);
}

size_t
bl_http_escape_query(const char *text, char *buf, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    struct out o = {buf, size, 0};

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                     (c >= 'a' && c <= 'z') || strchr("-_.~", c);

        if (plain)
            put(&o, text, 1);
        else if (c == ' ')
            put(&o, "+", 1);
        else
            put(&o, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
    return end(&o);
}
