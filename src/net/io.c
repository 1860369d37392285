/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/io.c - readers and writers with a buffer. */
#include "base/base.h"
#include "net/read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STANDARD_BYTES = 4096, LEAST_BYTES = 16 };

bl_error_global(bl_err_buffer_full, "bufio: buffer full");
bl_error_global(bl_err_no_progress, "multiple Read calls return no data or error");

struct bl_reader {
    bl_read_func *read;
    void *from;
    uint64_t limit;              /* bytes that may still be taken out; UINT64_MAX: all */
    bl_error *err;               /* comes when the buffer is empty; owned */
    size_t first, end;           /* what is in the buffer */
    size_t size;
    char buf[];
};

struct bl_writer {
    bl_write_func *write;
    void *to;
    bl_error *err;               /* the first one; owned */
    size_t n, size;
    char buf[];
};

/* --- readers: make ------------------------------------------------------------------ */

bl_reader *
bl_reader_new(bl_read_func *read, void *from, size_t buffer_bytes)
{
    size_t size = buffer_bytes == 0 ? STANDARD_BYTES : buffer_bytes;
    bl_reader *r;

    if (size < LEAST_BYTES)
        size = LEAST_BYTES;
    r = malloc(sizeof *r + size);
    if (!r)
        return NULL;
    *r = (bl_reader){.read = read, .from = from, .limit = UINT64_MAX, .size = size};
    return r;
}

static bl_error *
read_conn(void *c, void *buf, size_t size, size_t *n)
{
    return bl_conn_read(c, buf, size, n);
}

bl_reader *
bl_reader_of_conn(bl_conn *c, size_t buffer_bytes)
{
    return bl_reader_new(read_conn, c, buffer_bytes);
}

void
bl_reader_reset(bl_reader *r, bl_read_func *read, void *from)
{
    bl_error_release(r->err);
    *r = (bl_reader){.read = read, .from = from, .limit = UINT64_MAX, .size = r->size};
}

void
bl_reader_set_limit(bl_reader *r, uint64_t n)
{
    r->limit = n == SIZE_MAX ? UINT64_MAX : n;
}

uint64_t
bl_reader_limit(const bl_reader *r)
{
    return r->limit;
}

void
bl_reader_free(bl_reader *r)
{
    if (r)
        bl_error_release(r->err);
    free(r);
}

/* --- readers: the buffer ------------------------------------------------------------- */

size_t
bl_reader_buffered(const bl_reader *r)
{
    size_t n = r->end - r->first;

    return n < r->limit ? n : (size_t)r->limit;
}

static void
take(bl_reader *r, size_t n)
{
    r->first += n;
    if (r->limit != UINT64_MAX)
        r->limit -= n;
}

/* An error is told once, and then asked for again; the end stays what it is. */
static bl_error *
take_error(bl_reader *r)
{
    bl_error *err = r->err;

    r->err = NULL;
    return err;
}

/* Reads into [to, to + size); an error that comes is kept, or returned if nothing did. */
static bl_error *
ask(bl_reader *r, char *to, size_t size, size_t *n)
{
    bl_error *err;

    *n = 0;
    if (r->err)
        return take_error(r);
    err = bl__read_some(r->read, r->from, to, size, n);
    if (*n == 0)
        return err;
    r->err = err;
    return NULL;
}

/* Adds to the buffer; there is room. */
static bl_error *
fill(bl_reader *r)
{
    size_t n;
    bl_error *err;

    if (r->end - r->first >= r->limit)
        return bl_err_eof;
    if (r->first > 0) {
        memmove(r->buf, r->buf + r->first, r->end - r->first);
        r->end -= r->first;
        r->first = 0;
    }
    if (r->end == r->size)
        return bl_err_buffer_full;
    err = ask(r, r->buf + r->end, r->size - r->end, &n);
    r->end += n;
    return err;
}

/* --- readers: use --------------------------------------------------------------------- */

bl_error *
bl_reader_read(bl_reader *r, void *buf, size_t size, size_t *n)
{
    size_t have = bl_reader_buffered(r);
    bl_error *err;

    *n = 0;
    if (size == 0)
        return NULL;
    if (have == 0) {
        if (r->limit == 0)
            return bl_err_eof;
        if (size > r->limit)
            size = (size_t)r->limit;
        if (size >= r->size) { /* straight to where it is wanted */
            err = ask(r, buf, size, n);
            r->first = r->end = 0;
            if (r->limit != UINT64_MAX)
                r->limit -= *n;
            return err;
        }
        if ((err = fill(r)))
            return err;
        have = bl_reader_buffered(r);
    }
    *n = size < have ? size : have;
    memcpy(buf, r->buf + r->first, *n);
    take(r, *n);
    return NULL;
}

bl_error *
bl_reader_read_full(bl_reader *r, void *buf, size_t size, size_t *n)
{
    size_t got = 0, more;
    bl_error *err = NULL;

    while (got < size && !(err = bl_reader_read(r, (char *)buf + got, size - got, &more)))
        got += more;
    if (n)
        *n = got;
    return err == bl_err_eof && got > 0 ? bl_err_unexpected_eof : err;
}

bl_error *
bl_reader_byte(bl_reader *r, unsigned char *byte)
{
    bl_error *err = NULL;

    while (bl_reader_buffered(r) == 0)
        if ((err = fill(r)))
            return err;
    *byte = (unsigned char)r->buf[r->first];
    take(r, 1);
    return NULL;
}

bl_error *
bl_reader_peek(bl_reader *r, size_t n, const void **data)
{
    bl_error *err = NULL;

    while (bl_reader_buffered(r) < n && !(err = fill(r)))
        ;
    *data = r->buf + r->first;
    return err;
}

bl_error *
bl_reader_skip(bl_reader *r, uint64_t n)
{
    bl_error *err = NULL;

    while (n > 0) {
        size_t have = bl_reader_buffered(r);

        if (have == 0 && (err = fill(r)))
            return err;
        if (have == 0)
            continue;
        if (have > n)
            have = (size_t)n;
        take(r, have);
        n -= have;
    }
    return NULL;
}

bl_error *
bl_reader_slice(bl_reader *r, int delimiter, const char **data, size_t *n)
{
    size_t seen = 0, have;
    bl_error *err = NULL;

    for (;;) {
        const char *first = r->buf + r->first, *found;

        have = bl_reader_buffered(r);
        found = memchr(first + seen, delimiter, have - seen);
        if (found) {
            *data = first;
            *n = (size_t)(found - first) + 1;
            take(r, *n);
            return NULL;
        }
        seen = have;
        if ((err = fill(r)))
            break;
    }
    *data = r->buf + r->first;
    *n = have;
    take(r, have);
    return err;
}

/* Without the end of the line. */
static void
trim(const char *line, size_t *n)
{
    if (*n > 0 && line[*n - 1] == '\n') {
        --*n;
        if (*n > 0 && line[*n - 1] == '\r')
            --*n;
    }
}

bl_error *
bl_reader_line(bl_reader *r, const char **line, size_t *n)
{
    bl_error *err = bl_reader_slice(r, '\n', line, n);

    if (err == bl_err_eof && *n > 0)
        err = NULL; /* the last line; the end is asked for again */
    if (!err)
        trim(*line, n);
    return err;
}

bl_error *
bl_reader_line_copy(bl_reader *r, size_t most, char **line, size_t *n)
{
    char *all = NULL, *grown;
    size_t length = 0, more;
    const char *part;
    bl_error *err;

    *line = NULL;
    *n = 0;
    do {
        err = bl_reader_slice(r, '\n', &part, &more);
        if (err && err != bl_err_buffer_full && !(err == bl_err_eof && length + more > 0))
            break;
        grown = most - length < more ? NULL : realloc(all, length + more + 1);
        if (!grown) {
            err = most - length < more ? bl_err_buffer_full : bl_error_from_errno(ENOMEM);
            break;
        }
        all = grown;
        memcpy(all + length, part, more);
        length += more;
        if (err == bl_err_eof)
            err = NULL;
    } while (err == bl_err_buffer_full);
    if (err) {
        free(all);
        return err;
    }
    trim(all, &length);
    all[length] = '\0';
    *line = all;
    *n = length;
    return NULL;
}

/* --- writers: make ----------------------------------------------------------------------- */

bl_writer *
bl_writer_new(bl_write_func *write, void *to, size_t buffer_bytes)
{
    size_t size = buffer_bytes == 0 ? STANDARD_BYTES : buffer_bytes;
    bl_writer *w;

    if (size < LEAST_BYTES)
        size = LEAST_BYTES;
    w = malloc(sizeof *w + size);
    if (w)
        *w = (bl_writer){.write = write, .to = to, .size = size};
    return w;
}

static bl_error *
write_conn(void *c, const void *buf, size_t size, size_t *n)
{
    return bl_conn_write(c, buf, size, n);
}

bl_writer *
bl_writer_of_conn(bl_conn *c, size_t buffer_bytes)
{
    return bl_writer_new(write_conn, c, buffer_bytes);
}

void
bl_writer_reset(bl_writer *w, bl_write_func *write, void *to)
{
    bl_error_release(w->err);
    *w = (bl_writer){.write = write, .to = to, .size = w->size};
}

void
bl_writer_free(bl_writer *w)
{
    if (w)
        bl_error_release(w->err);
    free(w);
}

/* --- writers: use -------------------------------------------------------------------------- */

static bl_error *
error_of(const bl_writer *w)
{
    return bl_error_retain(w->err);
}

/* Hands [buf, buf + size) over. */
static size_t
put_out(bl_writer *w, const void *buf, size_t size)
{
    size_t n = 0;

    w->err = w->write(w->to, buf, size, &n);
    return n;
}

bl_error *
bl_writer_flush(bl_writer *w)
{
    size_t n;

    if (w->err || w->n == 0)
        return error_of(w);
    n = put_out(w, w->buf, w->n);
    if (w->err && n > 0 && n < w->n)
        memmove(w->buf, w->buf + n, w->n - n);
    w->n = w->err ? w->n - (n < w->n ? n : w->n) : 0;
    return error_of(w);
}

bl_error *
bl_writer_write(bl_writer *w, const void *buf, size_t size)
{
    const char *from = buf;

    while (size > w->size - w->n && !w->err) {
        size_t n = w->size - w->n;

        if (w->n == 0) { /* large, and nothing in front of it */
            put_out(w, from, size);
            return error_of(w);
        }
        memcpy(w->buf + w->n, from, n);
        w->n += n;
        from += n;
        size -= n;
        bl_error_release(bl_writer_flush(w));
    }
    if (w->err)
        return error_of(w);
    if (size > 0)
        memcpy(w->buf + w->n, from, size);
    w->n += size;
    return NULL;
}

bl_error *
bl_writer_string(bl_writer *w, const char *s)
{
    return bl_writer_write(w, s, strlen(s));
}

bl_error *
bl_writer_byte(bl_writer *w, unsigned char byte)
{
    return bl_writer_write(w, &byte, 1);
}

void
bl_writer_vprintf(bl_writer *w, const char *format, va_list args)
{
    size_t room = w->size - w->n;
    va_list again;
    char *text;
    int n;

    if (w->err)
        return;
    va_copy(again, args);
    n = vsnprintf(w->buf + w->n, room, format, args);
    if (n >= 0 && (size_t)n < room) {
        w->n += (size_t)n;
    } else if (n >= 0 && (text = malloc((size_t)n + 1))) {
        vsnprintf(text, (size_t)n + 1, format, again);
        bl_error_release(bl_writer_write(w, text, (size_t)n));
        free(text);
    } else {
        w->err = bl_error_from_errno(n < 0 ? EILSEQ : ENOMEM);
    }
    va_end(again);
}

void
bl_writer_printf(bl_writer *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    bl_writer_vprintf(w, format, args);
    va_end(args);
}

size_t
bl_writer_buffered(const bl_writer *w)
{
    return w->n;
}

size_t
bl_writer_available(const bl_writer *w)
{
    return w->size - w->n;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* By way of the reader's buffer. */
bl_error *
bl_copy(bl_writer *w, bl_reader *r, uint64_t *n)
{
    bl_error *err = NULL;
    uint64_t done = 0;

    while (!err) {
        size_t have = bl_reader_buffered(r);

        if (have == 0) {
            r->first = r->end = 0;
            err = fill(r);
            continue;
        }
        err = bl_writer_write(w, r->buf + r->first, have);
        if (!err) {
            take(r, have);
            done += have;
        }
    }
    if (n)
        *n = done;
    return err == bl_err_eof ? bl_writer_flush(w) : err;
}

bl_error *
bl_read_all(bl_reader *r, size_t most, void **data, size_t *n)
{
    size_t length = 0, size = 0, more;
    char *all = NULL, *grown;
    bl_error *err = NULL;

    *data = NULL;
    *n = 0;
    for (;;) {
        if (length + 1 >= size) {
            size = size ? 2 * size : 512;
            grown = realloc(all, size);
            if (!grown) {
                err = bl_error_from_errno(ENOMEM);
                break;
            }
            all = grown;
        }
        if ((err = bl_reader_read(r, all + length, size - length - 1, &more)))
            break;
        length += more;
        if (length > most) {
            err = bl_err_buffer_full;
            break;
        }
    }
    if (err != bl_err_eof) {
        free(all);
        return err;
    }
    all[length] = '\0';
    *data = all;
    *n = length;
    return NULL;
}
