/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/text.c - text for places where stdio is out of reach. */
#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

static void
write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t did = write(fd, p, n);

        if (did < 0 && errno != EINTR)
            return; /* nobody left to tell */
        if (did > 0) {
            p += did;
            n -= (size_t)did;
        }
    }
}

void
bl__text_flush(struct bl__text *t)
{
    if (t->fd >= 0) {
        write_all(t->fd, t->buf, t->length);
        t->length = 0;
    } else if (t->size > 0) {
        t->buf[t->length < t->size ? t->length : t->size - 1] = '\0';
    }
}

void
bl__put_char(struct bl__text *t, char c)
{
    if (t->fd >= 0 && t->length == t->size)
        bl__text_flush(t);
    if (t->length < t->size)
        t->buf[t->length] = c;
    t->length++;
}

void
bl__put(struct bl__text *t, const char *s)
{
    for (; *s; s++)
        bl__put_char(t, *s);
}

static void
put_digits(struct bl__text *t, uint64_t v, unsigned base)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n > 0)
        bl__put_char(t, digits[--n]);
}

void
bl__put_uint(struct bl__text *t, uint64_t v)
{
    put_digits(t, v, 10);
}

void
bl__put_int(struct bl__text *t, int64_t v)
{
    if (v < 0)
        bl__put_char(t, '-');
    put_digits(t, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

void
bl__put_hex(struct bl__text *t, uint64_t v)
{
    bl__put(t, "0x");
    put_digits(t, v, 16);
}

/* Scales v into [1, 10) and returns the power of ten that was taken out. */
static int
normalise(double *v)
{
    int e = 0;

    for (; *v >= 10; e++)
        *v /= 10;
    for (; *v < 1; e--)
        *v *= 10;
    return e;
}

/* Go's runtime prints seven significant digits and three of exponent. */
void
bl__put_float(struct bl__text *t, double v)
{
    enum { DIGITS = 7 };
    double half = 5, rest = v < 0 ? -v : v;
    int e = 0;

    if (v != v) {
        bl__put(t, "NaN");
        return;
    }
    bl__put_char(t, signbit(v) ? '-' : '+');
    if (rest > 1.7976931348623157e308) {
        bl__put(t, "Inf");
        return;
    }
    if (rest != 0) {
        e = normalise(&rest);
        for (int i = 0; i < DIGITS; i++)
            half /= 10;
        rest += half;
        if (rest >= 10) {
            rest /= 10;
            e++;
        }
    }
    for (int i = 0; i < DIGITS; i++) {
        int digit = (int)rest;

        bl__put_char(t, (char)('0' + digit));
        if (i == 0)
            bl__put_char(t, '.');
        rest = (rest - digit) * 10;
    }
    bl__put_char(t, 'e');
    bl__put_char(t, e < 0 ? '-' : '+');
    e = e < 0 ? -e : e;
    bl__put_char(t, (char)('0' + e / 100));
    bl__put_char(t, (char)('0' + e / 10 % 10));
    bl__put_char(t, (char)('0' + e % 10));
}
