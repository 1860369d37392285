/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* input.c - a file, stdin or a URL as bytes; gzip; what a wrong file looks like. */
#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

bool
input_is_url(const char *name)
{
    return strncmp(name, "http://", 7) == 0 || strncmp(name, "https://", 8) == 0 ||
           strncmp(name, "unix:", 5) == 0;
}

/* --- where it comes from ------------------------------------------------------- */

static bool
read_all(int fd, const char *name, struct bytes *into)
{
    enum { PART = 1 << 18 };
    char *part = memory_get(PART);
    struct stat st;
    uint64_t total = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    ssize_t n;

    while ((n = read(fd, part, PART)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            tool_error("%s: %s", name, strerror(errno));
            break;
        }
        if (into->size + (size_t)n > INPUT_MAX) {
            tool_error("%s: longer than %zu MB", name, INPUT_MAX >> 20);
            n = -1;
            break;
        }
        bytes_add(into, part, (size_t)n);
        progress("reading", into->size, total);
    }
    free(part);
    return n == 0;
}

static bool
read_file(const char *name, struct bytes *into)
{
    int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    bool done;

    if (fd < 0) {
        tool_error("%s: %s", name, strerror(errno));
        return false;
    }
    done = read_all(fd, name, into);
    if (fd != STDIN_FILENO)
        close(fd);
    return done;
}

static bool
read_url(const char *url, struct bytes *into)
{
    struct fetched f;
    char why[320];

    fetch(url, &f);
    *into = f.body;
    if (f.status == 200)
        return true;
    fetch_complaint(&f, why, sizeof why);
    tool_error("%s: %s", url, why);
    return false;
}

/* --- gzip ------------------------------------------------------------------------ */

static bool
is_gzip(const struct bytes *b)
{
    return b->size >= 2 && (unsigned char)b->data[0] == 0x1f &&
           (unsigned char)b->data[1] == 0x8b;
}

/* Unpacks one stream after the other, as gzip -d does. */
static const char *
inflate_all(z_stream *z, const struct bytes *from, struct bytes *into)
{
    enum { PART = 1 << 18 };
    char *part = memory_get(PART);
    const char *wrong = NULL;
    int status = Z_OK;

    z->next_in = (Bytef *)from->data;
    z->avail_in = (uInt)from->size;
    while (!wrong && (status != Z_STREAM_END || z->avail_in > 0)) {
        if (status == Z_STREAM_END)
            inflateReset(z);
        z->next_out = (Bytef *)part;
        z->avail_out = PART;
        status = inflate(z, Z_NO_FLUSH);
        if (status == Z_BUF_ERROR || (status == Z_OK && z->avail_in == 0 &&
                                      z->avail_out == PART))
            wrong = "truncated gzip";
        else if (status != Z_OK && status != Z_STREAM_END)
            wrong = "damaged gzip";
        else if (into->size + (PART - z->avail_out) > INPUT_MAX)
            wrong = "unpacks to more than can be read";
        else
            bytes_add(into, part, PART - z->avail_out);
        progress("unpacking", from->size - z->avail_in, from->size);
    }
    free(part);
    return wrong;
}

static bool
unpack(const char *name, struct bytes *data)
{
    struct bytes unpacked = {0};
    z_stream z = {0};
    const char *wrong;

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        tool_error("%s: zlib does not start", name);
        return false;
    }
    wrong = inflate_all(&z, data, &unpacked);
    inflateEnd(&z);
    if (wrong) {
        tool_error("%s: %s (after %zu bytes of content)", name, wrong, unpacked.size);
        bytes_free(&unpacked);
        return false;
    }
    bytes_free(data);
    *data = unpacked;
    return true;
}

bool
input_read(const char *name, struct bytes *into)
{
    bool done = input_is_url(name) ? read_url(name, into) : read_file(name, into);

    if (done && into->size == 0) {
        tool_error("%s: empty", name);
        done = false;
    }
    if (done && is_gzip(into))
        done = unpack(name, into);
    progress_end();
    if (!done)
        bytes_free(into);
    return done;
}

/* --- what it looks like ------------------------------------------------------------ */

static bool
begins(const struct bytes *b, const char *with, size_t n)
{
    return b->size >= n && memcmp(b->data, with, n) == 0;
}

static bool
has_line_beginning(const struct bytes *b, const char *with)
{
    size_t n = strlen(with);

    for (const char *p = b->data, *end = p + b->size; p && p < end;) {
        if ((size_t)(end - p) >= n && memcmp(p, with, n) == 0)
            return true;
        p = memchr(p, '\n', (size_t)(end - p));
        if (p)
            p++;
    }
    return false;
}

static bool
is_text(const struct bytes *b)
{
    size_t n = b->size < 4096 ? b->size : 4096;

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)b->data[i] < 0x20 && !strchr("\t\n\r\f\033", b->data[i]))
            return false;
    return memchr(b->data, '\0', n) == NULL;
}

static const char *
text_kind(const struct bytes *b)
{
    if (begins(b, "<!DOCTYPE", 9) || begins(b, "<!doctype", 9) || begins(b, "<html", 5))
        return "an HTML page";
    if (begins(b, "<?xml", 5) || begins(b, "<svg", 4))
        return "an XML file";
    if (begins(b, "{", 1) || begins(b, "[", 1))
        return "a JSON file";
    if (begins(b, "--- ", 4) || memmem(b->data, b->size < 200 ? b->size : 200,
                                       " profile: ", 10))
        return "a profile as text: fetch it without debug=1";
    if (has_line_beginning(b, "goroutine "))
        return "a list of goroutines: see belay help goroutines";
    return "a text file";
}

const char *
input_kind(const struct bytes *b)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *kind;
    } kinds[] = {
        {"\177ELF", 4, "an ELF file"},
        {"\x1f\x8b", 2, "gzip in gzip"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd file"},
        {"BZh", 3, "a bzip2 file"},
        {"\xfd" "7zXZ", 5, "an xz file"},
        {"PK\3\4", 4, "a zip file"},
        {"PERFILE2", 8, "a file of perf: convert it first"},
        {"go 1.", 5, "an execution trace of Go: use go tool trace"},
        {"\x89PNG", 4, "a picture"},
        {"%PDF", 4, "a PDF file"},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (begins(b, kinds[i].magic, kinds[i].n))
            return kinds[i].kind;
    return is_text(b) ? text_kind(b) : NULL;
}
