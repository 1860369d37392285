/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Headers, escaping, sniffing, dates, statuses: what needs no connection. */
#include "http/http.h"

#include "../../check.h"

/* --- headers ---------------------------------------------------------------------------- */

static void
headers(void)
{
    bl_http_header *h = bl_http_header_new();
    const char *name, *value;

    CHECK(!bl_http_header_get(h, "A"));
    bl_http_header_remove(h, "A");
    bl_http_header_add(h, "A", "1");
    bl_http_header_add(h, "B", " \t2 \t");
    bl_http_header_add(h, "a", "3");
    CHECK_EQ(bl_http_header_count(h), 3);
    CHECK_STR(bl_http_header_get(h, "a"), "1");
    CHECK_STR(bl_http_header_get(h, "b"), "2");
    bl_http_header_set(h, "a", "4");
    CHECK_EQ(bl_http_header_count(h), 2);
    CHECK(bl_http_header_at(h, 0, &name, &value));
    CHECK_STR(name, "a");
    CHECK_STR(value, "4");
    bl_http_header_remove(h, "A");
    CHECK_EQ(bl_http_header_count(h), 1);
    CHECK(!bl_http_header_at(h, 1, &name, &value));
    for (int i = 0; i < 1000; i++)
        bl_http_header_add(h, "C", "x");
    CHECK_EQ(bl_http_header_count(h), 1001);
    bl_http_header_free(h);
    bl_http_header_free(NULL);
}

static void
words(void)
{
    bl_http_header *h = bl_http_header_new();

    bl_http_header_add(h, "Connection", "keep-alive , Upgrade,");
    bl_http_header_add(h, "Connection", "\tx");
    CHECK(bl_http_header_has(h, "connection", "upgrade"));
    CHECK(bl_http_header_has(h, "connection", "Keep-Alive"));
    CHECK(bl_http_header_has(h, "connection", "x"));
    CHECK(!bl_http_header_has(h, "connection", "keep"));
    CHECK(!bl_http_header_has(h, "connection", ""));
    CHECK(!bl_http_header_has(h, "connection", "alive"));
    CHECK(!bl_http_header_has(h, "other", "x"));
    bl_http_header_free(h);
}

static bool
is_refused(const char *name, const char *value)
{
    return !bl__is_token(name, strlen(name)) || !bl__is_value(value, strlen(value));
}

static void
what_headers_may_have(void)
{
    static const char *const names[] = {"", " ", "a b", "a:", "a\r", "\x7f", "\xc3\xa4", "(a)",
                                        "a/b", "\"a\"", "a{", "[a]"};
    static const char *const values[] = {"a\r\nb", "a\n", "\r", "\x01", "\x7f", "a\vb"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(is_refused(names[i], "x"));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        CHECK(is_refused("X", values[i]));
    CHECK(!is_refused("!#$%&'*+-.^_`|~09azAZ", "\t \"\xc3\xa4\" (x) ~"));
}

/* --- escaping ------------------------------------------------------------------------------ */

static const char *
escaped(size_t (*escape)(const char *, char *, size_t), const char *text)
{
    static char buf[256];
    size_t n = escape(text, buf, sizeof buf);
    char small[4] = "zzz";

    CHECK_EQ(n, strlen(buf));
    CHECK_EQ(escape(text, NULL, 0), n);
    CHECK_EQ(escape(text, small, sizeof small), n);
    CHECK(memcmp(small, buf, n < 3 ? n + 1 : 3) == 0 && strlen(small) <= 3);
    return buf;
}

static void
escapes(void)
{
    char text[64];

    CHECK_STR(escaped(bl_http_escape_html, "<a href=\"x\">'&"),
              "&lt;a href=&#34;x&#34;&gt;&#39;&amp;");
    CHECK_STR(escaped(bl_http_escape_query, "a b&c=\xc3\xa4/-_.~\x01"),
              "a+b%26c%3D%C3%A4%2F-_.~%01");
    CHECK_STR(escaped(bl_http_escape_html, ""), "");
    CHECK_EQ(bl__unescape("%41+%2b", 7, text, true), 3);
    CHECK(memcmp(text, "A +", 3) == 0);
    CHECK_EQ(bl__unescape("a+b", 3, text, false), 3);
    CHECK(memcmp(text, "a+b", 3) == 0);
    CHECK_EQ(bl__unescape("%4", 2, text, false), -1);
    CHECK_EQ(bl__unescape("%", 1, text, false), -1);
    CHECK_EQ(bl__unescape("%g0", 3, text, false), -1);
    CHECK_EQ(bl__unescape("%00", 3, text, false), -1);
}

/* --- sniffing -------------------------------------------------------------------------------- */

#define KIND(bytes) bl__sniff((bytes), sizeof(bytes) - 1)

/* As Go's DetectContentType says, too. */
static void
kinds(void)
{
    CHECK_STR(KIND(""), "text/plain; charset=utf-8");
    CHECK_STR(KIND("hello"), "text/plain; charset=utf-8");
    CHECK_STR(KIND("hello\0"), "application/octet-stream");
    CHECK_STR(KIND("\x1b[0m"), "text/plain; charset=utf-8");
    CHECK_STR(KIND(" \n<!doctype html>"), "text/html; charset=utf-8");
    CHECK_STR(KIND("<p>"), "text/html; charset=utf-8");
    CHECK_STR(KIND("<pre>"), "text/plain; charset=utf-8");
    CHECK_STR(KIND("<?xml version"), "text/xml; charset=utf-8");
    CHECK_STR(KIND("<?XML version"), "text/plain; charset=utf-8");
    CHECK_STR(KIND(" %PDF-1"), "text/plain; charset=utf-8");
    CHECK_STR(KIND("%PDF-1"), "application/pdf");
    CHECK_STR(KIND("\x89PNG\r\n\x1a\n"), "image/png");
    CHECK_STR(KIND("RIFFxxxxWEBPVP8"), "image/webp");
    CHECK_STR(KIND("\0\0\0\x14" "ftypisom\0\0\0\0mp41"), "video/mp4");
    CHECK_STR(KIND("\0\0\0\x14" "ftypisom\0\0\0\0qt  "), "application/octet-stream");
    CHECK_STR(KIND("\x1f\x8b\x08"), "application/x-gzip");
    CHECK_STR(KIND("\0asm"), "application/wasm");
    CHECK_STR(KIND("abcdefghijklmnopqrstuvwxyz01234567LP"), "application/vnd.ms-fontobject");
}

/* --- dates and statuses ------------------------------------------------------------------------ */

static void
dates(void)
{
    char text[BL__DATE_SIZE];

    bl__date_print(784111777, text);
    CHECK_STR(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    bl__date_print(0, text);
    CHECK_STR(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    bl__date_print(951782400, text);
    CHECK_STR(text, "Tue, 29 Feb 2000 00:00:00 GMT");
}

static void
statuses(void)
{
    CHECK_STR(bl_http_status_text(200), "OK");
    CHECK_STR(bl_http_status_text(103), "Early Hints");
    CHECK_STR(bl_http_status_text(226), "IM Used");
    CHECK_STR(bl_http_status_text(404), "Not Found");
    CHECK_STR(bl_http_status_text(426), "Upgrade Required");
    CHECK_STR(bl_http_status_text(431), "Request Header Fields Too Large");
    CHECK_STR(bl_http_status_text(511), "Network Authentication Required");
    CHECK_STR(bl_http_status_text(306), "");
    CHECK_STR(bl_http_status_text(299), "");
    CHECK_STR(bl_http_status_text(99), "");
    CHECK_STR(bl_http_status_text(600), "");
    CHECK_STR(bl_http_status_text(-1), "");
}

int
main(void)
{
    RUN(headers);
    RUN(words);
    RUN(what_headers_may_have);
    RUN(escapes);
    RUN(kinds);
    RUN(dates);
    RUN(statuses);
    return 0;
}
