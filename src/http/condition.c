/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/condition.c - If-Match and its relatives (RFC 9110, 13), and the dates in them. */
#include "http/range.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* --- dates -------------------------------------------------------------------------------- */

/* Reads two or four digits, or one where there is only one. */
static bool
read_digits(const char **s, int least, int most, int *n)
{
    int count = 0;

    for (*n = 0; count < most && **s >= '0' && **s <= '9'; count++, ++*s)
        *n = 10 * *n + (**s - '0');
    return count >= least;
}

static bool
read_text(const char **s, const char *text)
{
    size_t n = strlen(text);

    if (strncmp(*s, text, n) != 0)
        return false;
    *s += n;
    return true;
}

/* The number of the name that s begins with. */
static bool
read_name(const char **s, const char *const *names, int count, int *n)
{
    for (*n = 0; *n < count; ++*n) {
        size_t size = strlen(names[*n]);

        if (strncasecmp(*s, names[*n], size) == 0) {
            *s += size;
            return true;
        }
    }
    return false;
}

static bool
read_month(const char **s, int *n)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    return read_name(s, names, 12, n);
}

static bool
read_clock(const char **s, struct tm *tm)
{
    return read_digits(s, 1, 2, &tm->tm_hour) && read_text(s, ":") &&
           read_digits(s, 2, 2, &tm->tm_min) && read_text(s, ":") &&
           read_digits(s, 2, 2, &tm->tm_sec) && tm->tm_hour < 24 && tm->tm_min < 60 &&
           tm->tm_sec < 60;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool
read_fixed(const char *s, struct tm *tm)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

    return read_name(&s, days, 7, &tm->tm_wday) && read_text(&s, ", ") &&
           read_digits(&s, 2, 2, &tm->tm_mday) && read_text(&s, " ") &&
           read_month(&s, &tm->tm_mon) && read_text(&s, " ") &&
           read_digits(&s, 4, 4, &tm->tm_year) && read_text(&s, " ") &&
           read_clock(&s, tm) && read_text(&s, " GMT") && !*s;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT": of a year from 1969 on. */
static bool
read_rfc850(const char *s, struct tm *tm)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

    if (!(read_name(&s, days, 7, &tm->tm_wday) && read_text(&s, ", ") &&
          read_digits(&s, 2, 2, &tm->tm_mday) && read_text(&s, "-") &&
          read_month(&s, &tm->tm_mon) && read_text(&s, "-") &&
          read_digits(&s, 2, 2, &tm->tm_year) && read_text(&s, " ") &&
          read_clock(&s, tm) && (read_text(&s, " GMT") || read_text(&s, " UTC")) && !*s))
        return false;
    tm->tm_year += tm->tm_year < 69 ? 2000 : 1900;
    return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool
read_asctime(const char *s, struct tm *tm)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

    if (!(read_name(&s, days, 7, &tm->tm_wday) && read_text(&s, " ") &&
          read_month(&s, &tm->tm_mon) && read_text(&s, " ")))
        return false;
    s += *s == ' ';
    return read_digits(&s, 1, 2, &tm->tm_mday) && read_text(&s, " ") &&
           read_clock(&s, tm) && read_text(&s, " ") &&
           read_digits(&s, 4, 4, &tm->tm_year) && !*s;
}

static bool
is_day(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y = tm->tm_year, leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

    return tm->tm_mday >= 1 && tm->tm_mday <= days[tm->tm_mon] + (tm->tm_mon == 1 && leap);
}

bool
bl__date_parse(const char *text, int64_t *seconds)
{
    struct tm tm = {0};

    if (!read_fixed(text, &tm) && !read_rfc850(text, &tm) && !read_asctime(text, &tm))
        return false;
    if (!is_day(&tm))
        return false;
    tm.tm_year -= 1900;
    *seconds = timegm(&tm);
    return true;
}

/* --- tags --------------------------------------------------------------------------------- */

/* Of `"text"` or `W/"text"` that s begins with, the length; 0: it does not. */
static size_t
tag_size(const char *s)
{
    size_t n = strncmp(s, "W/", 2) == 0 ? 2 : 0;

    if (s[n++] != '"')
        return 0;
    while ((unsigned char)s[n] > ' ' && s[n] != '"' && s[n] != 127)
        n++;
    return s[n] == '"' ? n + 1 : 0;
}

static bool
is_same_strong(const char *tag, size_t n, const char *etag)
{
    return etag && *tag == '"' && strlen(etag) == n && memcmp(tag, etag, n) == 0;
}

/* Those of weak ones, too. */
static bool
is_same_weak(const char *tag, size_t n, const char *etag)
{
    size_t skip = *tag == 'W' ? 2 : 0;

    if (!etag)
        return false;
    etag += *etag == 'W' ? 2 : 0;
    return strlen(etag) == n - skip && memcmp(tag + skip, etag, n - skip) == 0;
}

/* Whether `list` names the tag, or is "*"; what comes behind something that is no tag does
 * not count. */
static bool
list_names(const char *list, const char *etag,
           bool (*is_same)(const char *tag, size_t n, const char *etag))
{
    size_t n;

    for (;;) {
        list += strspn(list, ", \t");
        if (*list == '*')
            return true;
        n = tag_size(list);
        if (n == 0)
            return false;
        if (is_same(list, n, etag))
            return true;
        list += n;
    }
}

/* --- conditions ----------------------------------------------------------------------------- */

/* An empty one counts as none. */
static const char *
value_of(const bl_http_request *r, const char *name)
{
    const char *value = bl_http_header_get(r->header, name);

    return value && *value ? value : NULL;
}

static bool
is_get(const bl_http_request *r)
{
    return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

/* If-Match, or If-Unmodified-Since where there is none. */
static bool
is_expected(const bl_http_request *r, const struct bl__version *v)
{
    const char *list = value_of(r, "If-Match"), *date;
    int64_t since;

    if (list)
        return list_names(list, v->etag, is_same_strong);
    date = value_of(r, "If-Unmodified-Since");
    return !date || !v->modified || !bl__date_parse(date, &since) || v->modified <= since;
}

bool
bl__conditions_modified(const bl_http_request *r, const struct bl__version *v)
{
    const char *date = is_get(r) ? value_of(r, "If-Modified-Since") : NULL;
    int64_t since;

    return !date || !v->modified || !bl__date_parse(date, &since) || v->modified > since;
}

int
bl__conditions_check(const bl_http_request *r, const struct bl__version *v)
{
    const char *list = value_of(r, "If-None-Match");

    if (!is_expected(r, v))
        return 412;
    if (list) {
        if (!list_names(list, v->etag, is_same_weak))
            return 0;
        return is_get(r) ? 304 : 412;
    }
    return bl__conditions_modified(r, v) ? 0 : 304;
}

bool
bl__conditions_if_range(const bl_http_request *r, const struct bl__version *v)
{
    const char *value = is_get(r) ? value_of(r, "If-Range") : NULL;
    int64_t date;
    size_t n;

    if (!value)
        return true;
    value += strspn(value, " \t");
    n = tag_size(value);
    if (n > 0)
        return is_same_strong(value, n, v->etag);
    return bl__date_parse(value, &date) && date == v->modified;
}
