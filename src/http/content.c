/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/content.c - an answer that is a file, or parts of one, or that nothing has changed.
 * What the file is was asked once: one that grows is sent as long as it was, one that
 * shrinks cuts the connection, since the length is said already. */
#include "http/files.h"
#include "http/pattern.h"
#include "http/range.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

struct content {
    bl_http_response *w;
    bl_http_request *r;
    int fd;
    int64_t size;
    const char *type;
};

/* --- failures ------------------------------------------------------------------------------- */

void
bl__content_error(bl_http_response *w, const char *text, int code)
{
    static const char *const about_content[] = {"Cache-Control", "Content-Encoding", "ETag",
                                                "Last-Modified"};
    bl_http_header *h = bl_http_response_header(w);

    for (size_t i = 0; i < sizeof about_content / sizeof *about_content; i++)
        bl_http_header_remove(h, about_content[i]);
    bl_http_error(w, text, code);
}

void
bl__content_fail(bl_http_response *w, int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        bl__content_error(w, "404 page not found", 404);
        break;
    case EACCES:
    case EPERM:
    case EXDEV: /* out of the root */
    case ELOOP:
    case ENXIO: /* a socket, or a pipe that nobody writes to */
        bl__content_error(w, "403 Forbidden", 403);
        break;
    default:
        bl__content_error(w, "500 Internal Server Error", 500);
    }
}

/* --- headers -------------------------------------------------------------------------------- */

static void
set(const struct content *c, const char *name, const char *value)
{
    bl_http_header_set(bl_http_response_header(c->w), name, value);
}

BL_PRINTF(3, 4) static void
set_print(const struct content *c, const char *name, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    set(c, name, text);
}

/* What the handler has set stays. */
static struct bl__version
set_version(const struct content *c, const struct stat *st)
{
    struct bl__version v = {.modified = st->st_mtim.tv_sec};
    const bl_http_header *h = bl_http_response_header(c->w);
    char date[BL__DATE_SIZE];

    if (v.modified) {
        bl__date_print(v.modified, date);
        set(c, "Last-Modified", date);
    }
    if (!bl_http_header_get(h, "ETag"))
        set_print(c, "ETag", "\"%" PRIx64 ".%lx-%" PRIx64 "\"", (uint64_t)v.modified,
                  st->st_mtim.tv_nsec, (uint64_t)st->st_size);
    v.etag = bl_http_header_get(h, "ETag");
    return v;
}

/* By its name, else by its first bytes. */
static void
set_type(struct content *c, const char *name, const char *type)
{
    char start[512];
    ssize_t n;

    if (!type)
        type = bl_http_header_get(bl_http_response_header(c->w), "Content-Type");
    if (!type && name)
        type = bl__mime_type(name);
    if (!type) {
        n = pread(c->fd, start, sizeof start, 0);
        type = bl__sniff(start, n > 0 ? (size_t)n : 0);
    }
    c->type = bl__arena_copy(bl__request_of(c->r)->arena, type, strlen(type));
    set(c, "Content-Type", c->type);
}

/* Without what only belongs to a body. */
static void
answer_condition(const struct content *c, int code)
{
    bl_http_header *h = bl_http_response_header(c->w);

    if (code == 304) {
        bl_http_header_remove(h, "Content-Type");
        bl_http_header_remove(h, "Content-Length");
        bl_http_header_remove(h, "Content-Encoding");
        if (bl_http_header_get(h, "ETag"))
            bl_http_header_remove(h, "Last-Modified");
    }
    bl_http_status(c->w, code);
}

/* --- bodies ---------------------------------------------------------------------------------- */

static void
begin(const struct content *c, int code, int64_t length)
{
    set(c, "Accept-Ranges", "bytes");
    /* who encodes what we write knows a length that we don't */
    if (code == 206 ||
        !bl_http_header_get(bl_http_response_header(c->w), "Content-Encoding"))
        set_print(c, "Content-Length", "%" PRId64, length);
    bl_http_status(c->w, code);
}

static bool
has_body(const struct content *c)
{
    return strcmp(c->r->method, "HEAD") != 0;
}

static bl_error *
send_bytes(const struct content *c, int64_t start, int64_t length)
{
    return bl__response_send_file(c->w, c->fd, start, (size_t)length);
}

static void
send_range(const struct content *c, const struct bl__range *range)
{
    set_print(c, "Content-Range", "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range->start,
              range->start + range->length - 1, c->size);
    begin(c, 206, range->length);
    if (has_body(c))
        bl_error_release(send_bytes(c, range->start, range->length));
}

enum { BOUNDARY_BYTES = 24 };

/* Random, so that no file has it. */
static void
make_boundary(char text[2 * BOUNDARY_BYTES + 1])
{
    unsigned char bytes[BOUNDARY_BYTES];

    while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        ;
    for (size_t i = 0; i < sizeof bytes; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
}

static char *
part_head(const struct content *c, const struct bl__range *range, const char *boundary,
          bool first)
{
    return bl__arena_print(bl__request_of(c->r)->arena,
                           "%s--%s\r\nContent-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64
                           "\r\nContent-Type: %s\r\n\r\n",
                           first ? "" : "\r\n", boundary, range->start,
                           range->start + range->length - 1, c->size, c->type);
}

static void
send_parts(const struct content *c, const struct bl__range *ranges, size_t n,
           char *const *heads, const char *end)
{
    bl_error *err = NULL;

    for (size_t i = 0; i < n && !err; i++) {
        err = bl_http_string(c->w, heads[i]);
        if (!err)
            err = send_bytes(c, ranges[i].start, ranges[i].length);
    }
    bl_error_release(err ? err : bl_http_string(c->w, end));
}

static void
send_ranges(const struct content *c, const struct bl__range *ranges, size_t n)
{
    struct bl__arena *arena = bl__request_of(c->r)->arena;
    char **heads = bl__arena_alloc(arena, n * sizeof *heads), *end;
    char boundary[2 * BOUNDARY_BYTES + 1];
    int64_t length = 0;

    make_boundary(boundary);
    for (size_t i = 0; i < n; i++) {
        heads[i] = part_head(c, &ranges[i], boundary, i == 0);
        length += (int64_t)strlen(heads[i]) + ranges[i].length;
    }
    end = bl__arena_print(arena, "\r\n--%s--\r\n", boundary);
    set_print(c, "Content-Type", "multipart/byteranges; boundary=%s", boundary);
    begin(c, 206, length + (int64_t)strlen(end));
    if (has_body(c))
        send_parts(c, ranges, n, heads, end);
}

static void
send_all(const struct content *c)
{
    begin(c, 200, c->size);
    if (has_body(c))
        bl_error_release(send_bytes(c, 0, c->size));
}

/* An empty file has no range that could be asked for: the whole of it will do. */
static void
send_wanted(const struct content *c, const char *wanted)
{
    struct bl__range *ranges = NULL;
    enum bl__ranges kind = BL__RANGES_NONE;
    size_t n = 0;

    if (wanted)
        kind = bl__ranges_read(c->r, wanted, c->size, &ranges, &n);
    if (kind == BL__RANGES_BEHIND && c->size > 0) {
        set_print(c, "Content-Range", "bytes */%" PRId64, c->size);
        bl__content_error(c->w, "invalid range: failed to overlap", 416);
    } else if (kind == BL__RANGES_INVALID) {
        bl__content_error(c->w, "invalid range", 416);
    } else if (kind != BL__RANGES_SOME) {
        send_all(c);
    } else if (n == 1) {
        send_range(c, ranges);
    } else {
        send_ranges(c, ranges, n);
    }
}

void
bl__content_serve(bl_http_response *w, bl_http_request *r, int fd, const struct stat *st,
                  const char *name, const char *type)
{
    struct content c = {w, r, fd, st->st_size, NULL};
    struct bl__version version = set_version(&c, st);
    const char *wanted = bl_http_header_get(r->header, "Range");
    int code = bl__conditions_check(r, &version);

    if (code) {
        answer_condition(&c, code);
        return;
    }
    if (wanted && (!*wanted || !bl__conditions_if_range(r, &version)))
        wanted = NULL;
    set_type(&c, name, type);
    send_wanted(&c, wanted);
}

void
bl_http_serve_fd(bl_http_response *w, bl_http_request *r, int fd, const char *name,
                 const char *type)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        bl__content_fail(w, errno);
    else if (!S_ISREG(st.st_mode))
        bl__content_fail(w, EACCES);
    else
        bl__content_serve(w, r, fd, &st, name, type);
}
