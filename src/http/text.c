/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/text.c - texts under construction: what patterns say when they are wrong. */
#include "http/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
make_room(struct bl__out *out, size_t n)
{
    size_t room = out->room ? out->room : 128;
    char *text;

    while (room < out->n + n + 1)
        room *= 2;
    if (room == out->room)
        return true;
    text = realloc(out->text, room);
    if (!text)
        return false;
    out->text = text;
    out->room = room;
    return true;
}

void
bl__out_bytes(struct bl__out *out, const char *s, size_t n)
{
    if (!make_room(out, n))
        return;
    memcpy(out->text + out->n, s, n);
    out->n += n;
    out->text[out->n] = '\0';
}

void
bl__out_text(struct bl__out *out, const char *s)
{
    bl__out_bytes(out, s, strlen(s));
}

void
bl__out_print(struct bl__out *out, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !make_room(out, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(out->text + out->n, (size_t)n + 1, format, args);
    va_end(args);
    out->n += (size_t)n;
}

/* A lead byte's length, and the least value that needs so many. */
size_t
bl__utf8_size(const char *s, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)*s;
    size_t size = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
    uint32_t value;

    if (size <= 1)
        return size;
    if (size > n)
        return 0;
    value = c & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | ((unsigned char)s[i] & 0x3f);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    return size;
}

static void
quote_byte(struct bl__out *out, unsigned char c)
{
    static const char named[] = "\a\b\f\n\r\t\v\"\\", names[] = "abfnrtv\"\\";
    const char *at = c ? strchr(named, c) : NULL;

    if (at)
        bl__out_bytes(out, (char[]){'\\', names[at - named]}, 2);
    else if (c >= ' ' && c < 127)
        bl__out_bytes(out, (char[]){(char)c}, 1);
    else
        bl__out_print(out, "\\x%02x", c);
}

void
bl__out_quoted(struct bl__out *out, const char *s, size_t n)
{
    bl__out_text(out, "\"");
    for (size_t i = 0; i < n;) {
        size_t size = bl__utf8_size(s + i, n - i);

        if (size > 1)
            bl__out_bytes(out, s + i, size);
        else
            quote_byte(out, (unsigned char)s[i]);
        i += size ? size : 1;
    }
    bl__out_text(out, "\"");
}

bl_error *
bl__out_error(struct bl__out *out)
{
    bl_error *err = bl_error_new(out->text ? out->text : "out of memory");

    free(out->text);
    *out = (struct bl__out){0};
    return err;
}
