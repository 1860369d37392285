/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/path.c - paths of URLs: cleaning, encoding, decoding.  Texts and lengths only. */
#include "http/pattern.h"

#include <string.h>

/* --- cleaning --------------------------------------------------------------------------- */

/* "", "." and ".." between slashes are what cleaning takes away; the first only where a
 * segment follows, since a '/' at the end stays. */
static bool
is_dirt(const char *segment, size_t n, bool last)
{
    if (n == 0)
        return !last;
    return segment[0] == '.' && (n == 1 || (n == 2 && segment[1] == '.'));
}

bool
bl__path_is_clean(const char *path, size_t n)
{
    const char *at = path, *end = path + n;

    if (n == 0 || *at != '/')
        return false;
    while (at < end) {
        const char *segment = ++at;

        at = memchr(segment, '/', (size_t)(end - segment));
        if (!at)
            at = end;
        if (is_dirt(segment, (size_t)(at - segment), at == end))
            return false;
    }
    return true;
}

size_t
bl__path_clean(const char *path, size_t n, char *to)
{
    const char *at = path, *end = path + n;
    size_t length = 0;

    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t size = (size_t)((slash ? slash : end) - at);

        if (size == 2 && at[0] == '.' && at[1] == '.') {
            while (length && to[--length] != '/')
                ;
        } else if (size && !(size == 1 && *at == '.')) {
            to[length++] = '/';
            memmove(to + length, at, size);
            length += size;
        }
        at += size + 1;
    }
    if (length == 0 || (n && end[-1] == '/'))
        to[length++] = '/';
    to[length] = '\0';
    return length;
}

/* --- encoding --------------------------------------------------------------------------- */

enum {
    PLAIN = 1,   /* is not encoded by us */
    ALLOWED = 2, /* need not be encoded by others */
};

static int
class_of(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return PLAIN | ALLOWED;
    if (c && strchr("-._~$&+,/:;=@", c))
        return PLAIN | ALLOWED;
    return c && strchr("!'()*[]%", c) ? ALLOWED : 0;
}

bool
bl__path_is_encoded(const char *path, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!class_of((unsigned char)path[i]))
            return false;
    return true;
}

size_t
bl__path_encode(const char *path, size_t n, char *to, bool keep_percent)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)path[i];

        if ((class_of(c) & PLAIN) || (c == '%' && keep_percent)) {
            to[length++] = (char)c;
        } else {
            to[length++] = '%';
            to[length++] = digits[c >> 4];
            to[length++] = digits[c & 15];
        }
    }
    to[length] = '\0';
    return length;
}

bool
bl__path_can_decode(const char *path, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (path[i] != '%')
            continue;
        if (i + 2 >= n || bl__hex_value(path[i + 1]) < 0 || bl__hex_value(path[i + 2]) < 0)
            return false;
        i += 2;
    }
    return true;
}

size_t
bl__path_decode(const char *path, size_t n, char *to)
{
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        if (path[i] == '%' && bl__path_can_decode(path + i, n - i < 3 ? n - i : 3)) {
            to[length++] = (char)(bl__hex_value(path[i + 1]) << 4 | bl__hex_value(path[i + 2]));
            i += 2;
        } else {
            to[length++] = path[i];
        }
    }
    return length;
}
