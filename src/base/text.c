/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/text.c - text for places where stdio is out of reach. */
#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The fewest decimal digits that read back as v, which is finite and not 0:
 * digits[0].digits[1]... times ten to *exponent.  printf and strtod, which for so
 * few digits need no memory, do the rounding; their decimal point is skipped. */
static int
shortest(double v, char digits[20], int *exponent)
{
    char buf[40];
    int n = 0;

    for (int precision = 0; precision < 17; precision++) {
        snprintf(buf, sizeof buf, "%.*e", precision, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    for (const char *p = buf; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    *exponent = atoi(strchr(buf, 'e') + 1);
    return n;
}

static void
put_scientific(struct bl__text *t, const char *digits, int n, int exponent)
{
    bl__put_char(t, digits[0]);
    if (n > 1)
        bl__put_char(t, '.');
    for (int i = 1; i < n; i++)
        bl__put_char(t, digits[i]);
    bl__put(t, exponent < 0 ? "e-" : "e+");
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10)
        bl__put_char(t, '0');
    bl__put_int(t, exponent);
}

static void
put_plain(struct bl__text *t, const char *digits, int n, int exponent)
{
    int point = exponent + 1; /* digits before it */

    if (point <= 0)
        bl__put_char(t, '0');
    for (int i = 0; i < point; i++)
        bl__put_char(t, i < n ? digits[i] : '0');
    if (n > point)
        bl__put_char(t, '.');
    for (int i = point; i < n; i++)
        bl__put_char(t, i < 0 ? '0' : digits[i]);
}

void
bl__put_float(struct bl__text *t, double v)
{
    char digits[20];
    int exponent = 0, n;

    if (v != v) {
        bl__put(t, "NaN");
        return;
    }
    if (v - v != 0) {
        bl__put(t, v < 0 ? "-Inf" : "+Inf");
        return;
    }
    if (signbit(v))
        bl__put_char(t, '-');
    if (v == 0) {
        bl__put_char(t, '0');
        return;
    }
    n = shortest(fabs(v), digits, &exponent);
    if (exponent < -4 || exponent >= 6)
        put_scientific(t, digits, n, exponent);
    else
        put_plain(t, digits, n, exponent);
}
