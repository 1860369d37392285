/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/range.c - "bytes=0-99, 200-, -50". */
#include "http/range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A part of the header's value. */
struct part {
    const char *s, *end;
};

static struct part
trim(const char *s, const char *end)
{
    while (s < end && is_blank(*s))
        s++;
    while (s < end && is_blank(end[-1]))
        end--;
    return (struct part){s, end};
}

/* A sign is read as Go does; all of it has to be a number. */
static bool
read_number(struct part p, int64_t *n)
{
    const char *digits = p.s + (p.s < p.end && (*p.s == '-' || *p.s == '+'));
    int64_t value = 0;

    if (digits == p.end)
        return false;
    for (const char *s = digits; s < p.end; s++)
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *s - '0', &value))
            return false;
    *n = *p.s == '-' ? -value : value;
    return true;
}

/* "-50": the last 50. */
static enum bl__ranges
read_suffix(struct part last, int64_t size, struct bl__range *range)
{
    int64_t n;

    if (last.s == last.end || *last.s == '-' || !read_number(last, &n))
        return BL__RANGES_INVALID;
    range->length = n < size ? n : size;
    range->start = size - range->length;
    return BL__RANGES_SOME;
}

static enum bl__ranges
read_range(struct part p, int64_t size, struct bl__range *range)
{
    const char *dash = memchr(p.s, '-', (size_t)(p.end - p.s));
    struct part first, last;
    int64_t to;

    if (!dash)
        return BL__RANGES_INVALID;
    first = trim(p.s, dash);
    last = trim(dash + 1, p.end);
    if (first.s == first.end)
        return read_suffix(last, size, range);
    if (!read_number(first, &range->start) || range->start < 0)
        return BL__RANGES_INVALID;
    if (range->start >= size)
        return BL__RANGES_BEHIND;
    to = size - 1;
    if (last.s < last.end && (!read_number(last, &to) || to < range->start))
        return BL__RANGES_INVALID;
    range->length = (to < size ? to : size - 1) - range->start + 1;
    return BL__RANGES_SOME;
}

static size_t
count_commas(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += *s == ',';
    return n;
}

/* Whether they are no more than the file. */
static bool
is_worth_it(const struct bl__range *ranges, size_t n, int64_t size)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (__builtin_add_overflow(sum, ranges[i].length, &sum) || sum > size)
            return false;
    return n > 0;
}

enum bl__ranges
bl__ranges_read(bl_http_request *r, const char *value, int64_t size,
                struct bl__range **ranges, size_t *n)
{
    bool behind = false;

    if (strncmp(value, "bytes=", 6) != 0)
        return BL__RANGES_INVALID;
    *ranges = bl_http_alloc(r, (count_commas(value) + 1) * sizeof **ranges);
    *n = 0;
    for (const char *s = value + 6;; s++) {
        const char *end = s + strcspn(s, ",");
        struct part p = trim(s, end);
        enum bl__ranges one = BL__RANGES_NONE;

        if (p.s < p.end)
            one = read_range(p, size, &(*ranges)[*n]);
        if (one == BL__RANGES_INVALID)
            return one;
        *n += one == BL__RANGES_SOME;
        behind |= one == BL__RANGES_BEHIND;
        s = end;
        if (!*s)
            break;
    }
    if (*n == 0 && behind)
        return BL__RANGES_BEHIND;
    return is_worth_it(*ranges, *n, size) ? BL__RANGES_SOME : BL__RANGES_NONE;
}
