/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/sniff.c - what kind of data this is, by its first 512 bytes: the table of WHATWG's
 * "MIME Sniffing", in its order. */
#include "http/http.h"

#include <strings.h>

enum { LOOKED_AT = 512 };

/* '?' in a pattern is any byte, unless the kind is EXACT. */
enum kind { TAG, XML, EXACT, MASKED, MP4 };

struct signature {
    enum kind kind;
    const char *bytes;
    size_t n;
    const char *type;
};

#define HTML(tag) {TAG, tag, sizeof(tag) - 1, "text/html; charset=utf-8"}
#define IS(bytes, type) {EXACT, bytes, sizeof(bytes) - 1, type}
#define LIKE(bytes, type) {MASKED, bytes, sizeof(bytes) - 1, type}

static const struct signature signatures[] = {
    HTML("<!DOCTYPE HTML"), HTML("<HTML"), HTML("<HEAD"), HTML("<SCRIPT"), HTML("<IFRAME"),
    HTML("<H1"), HTML("<DIV"), HTML("<FONT"), HTML("<TABLE"), HTML("<A"), HTML("<STYLE"),
    HTML("<TITLE"), HTML("<B"), HTML("<BODY"), HTML("<BR"), HTML("<P"), HTML("<!--"),
    {XML, "<?xml", 5, "text/xml; charset=utf-8"},
    IS("%PDF-", "application/pdf"),
    IS("%!PS-Adobe-", "application/postscript"),
    LIKE("\xFE\xFF??", "text/plain; charset=utf-16be"),
    LIKE("\xFF\xFE??", "text/plain; charset=utf-16le"),
    LIKE("\xEF\xBB\xBF?", "text/plain; charset=utf-8"),
    IS("\0\0\1\0", "image/x-icon"),
    IS("\0\0\2\0", "image/x-icon"),
    IS("BM", "image/bmp"),
    IS("GIF87a", "image/gif"),
    IS("GIF89a", "image/gif"),
    LIKE("RIFF????WEBPVP", "image/webp"),
    IS("\x89PNG\r\n\x1A\n", "image/png"),
    IS("\xFF\xD8\xFF", "image/jpeg"),
    LIKE("FORM????AIFF", "audio/aiff"),
    IS("ID3", "audio/mpeg"),
    IS("OggS\0", "application/ogg"),
    IS("MThd\0\0\0\6", "audio/midi"),
    LIKE("RIFF????AVI ", "video/avi"),
    LIKE("RIFF????WAVE", "audio/wave"),
    {MP4, "", 0, "video/mp4"},
    IS("\x1A\x45\xDF\xA3", "video/webm"),
    {MASKED, "??????????????????????????????????LP", 36, "application/vnd.ms-fontobject"},
    IS("\0\1\0\0", "font/ttf"),
    IS("OTTO", "font/otf"),
    IS("ttcf", "font/collection"),
    IS("wOFF", "font/woff"),
    IS("wOF2", "font/woff2"),
    IS("\x1F\x8B\x08", "application/x-gzip"),
    IS("PK\3\4", "application/zip"),
    IS("Rar!\x1A\x07\0", "application/x-rar-compressed"),
    IS("Rar!\x1A\x07\1\0", "application/x-rar-compressed"),
    IS("\0asm", "application/wasm"),
};

static bool
is_masked(const struct signature *s, const char *data, size_t n)
{
    if (n < s->n)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->bytes[i] != '?' && s->bytes[i] != data[i])
            return false;
    return true;
}

static bool
is_tag(const struct signature *s, const char *data, size_t n)
{
    return n > s->n && strncasecmp(data, s->bytes, s->n) == 0 &&
           (data[s->n] == ' ' || data[s->n] == '>');
}

/* A box "ftyp" that names a kind of mp4. */
static bool
is_mp4(const char *data, size_t n)
{
    const unsigned char *u = (const unsigned char *)data;
    size_t size;

    if (n < 12)
        return false;
    size = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
    if (n < size || size % 4 != 0 || memcmp(data + 4, "ftyp", 4) != 0)
        return false;
    for (size_t i = 8; i < size; i += 4)
        if (i != 12 && memcmp(data + i, "mp4", 3) == 0)
            return true;
    return false;
}

static bool
fits(const struct signature *s, const char *data, size_t n, size_t blanks)
{
    switch (s->kind) {
    case TAG:
        return is_tag(s, data + blanks, n - blanks);
    case XML:
        return n - blanks >= s->n && memcmp(data + blanks, s->bytes, s->n) == 0;
    case EXACT:
        return n >= s->n && memcmp(data, s->bytes, s->n) == 0;
    case MASKED:
        return is_masked(s, data, n);
    default:
        return is_mp4(data, n);
    }
}

/* Bytes that texts don't have. */
static bool
is_binary(unsigned char c)
{
    return c <= 8 || c == 0x0B || (c >= 0x0E && c <= 0x1A) || (c >= 0x1C && c <= 0x1F);
}

static const char *
text_or_not(const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_binary((unsigned char)data[i]))
            return "application/octet-stream";
    return "text/plain; charset=utf-8";
}

/* The table's rows begin with few bytes, blanks aside; one has them 34 bytes later. */
static bool
may_be_signed(const char *data, size_t n)
{
    unsigned char c = (unsigned char)data[0];

    return c <= ' ' || c >= 0x80 || strchr("<%BFGIMOPRtw", c) ||
           (n >= 36 && data[34] == 'L');
}

const char *
bl__sniff(const void *data, size_t n)
{
    const char *bytes = data;
    size_t blanks = 0;

    if (n > LOOKED_AT)
        n = LOOKED_AT;
    while (blanks < n && strchr("\t\n\f\r ", bytes[blanks]) && bytes[blanks])
        blanks++;
    if (n == 0 || !may_be_signed(bytes, n))
        return text_or_not(bytes, n);
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (fits(&signatures[i], bytes, n, blanks))
            return signatures[i].type;
    return text_or_not(bytes, n);
}
