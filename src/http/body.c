/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/body.c - what comes behind a head: so many bytes, chunks, or all up to the end. */
#include "http/parser.h"

enum { CHUNKS_INPUT = 16384 };

bl_error_static(err_chunk, "malformed chunked encoding");

/* What was read ahead, or, when that is used up, straight from the connection. */
static bl_error *
read_plain(struct bl__body *b, void *buf, size_t size, size_t *n)
{
    size_t left = bl__input_left(b->in);

    if (left == 0)
        return bl__stream_read(b->stream, buf, size, n);
    *n = size < left ? size : left;
    memcpy(buf, b->in->data + b->in->start, *n);
    b->in->start += *n;
    return NULL;
}

static bl_error *
read_length(struct bl__body *b, void *buf, size_t size, size_t *n)
{
    bl_error *err = read_plain(b, buf, size < b->left ? size : (size_t)b->left, n);

    b->left -= *n;
    if (b->left == 0)
        b->done = true;
    return err == bl_err_eof ? bl_err_unexpected_eof : err;
}

static void
take_chunk(struct bl__body *b, void *buf, size_t size, size_t *n)
{
    size_t left = bl__input_left(b->in);

    if (size > b->parser->chunk_left)
        size = (size_t)b->parser->chunk_left;
    *n = size < left ? size : left;
    memcpy(buf, b->in->data + b->in->start, *n);
    bl__parser_took(b->parser, buf, *n);
    b->in->start += *n;
}

static bl_error *
read_chunked(struct bl__body *b, void *buf, size_t size, size_t *n)
{
    bl_error *err = NULL;

    for (*n = 0; !err; err = bl__input_fill(b->in, b->stream, CHUNKS_INPUT)) {
        size_t used;
        enum bl__chunk what =
            bl__parser_chunk(b->parser, b->in->data + b->in->start, bl__input_left(b->in),
                             &used, b->trailer);

        b->in->start += used;
        if (what == BL__CHUNK_BAD)
            return err_chunk;
        if (what == BL__CHUNK_END) {
            b->done = true;
            return bl_err_eof;
        }
        if (what == BL__CHUNK_DATA && bl__input_left(b->in) > 0) {
            take_chunk(b, buf, size, n);
            return NULL;
        }
    }
    return err == bl_err_eof ? bl_err_unexpected_eof : err;
}

static bl_error *
read_some(struct bl__body *b, void *buf, size_t size, size_t *n)
{
    bl_error *err;

    switch (b->kind) {
    case BL__BODY_LENGTH:
        return read_length(b, buf, size, n);
    case BL__BODY_CHUNKED:
        return read_chunked(b, buf, size, n);
    case BL__BODY_TO_END:
        err = read_plain(b, buf, size, n);
        b->done = err == bl_err_eof;
        return err;
    default:
        b->done = true;
        return bl_err_eof;
    }
}

bl_error *
bl__body_read(struct bl__body *b, void *buf, size_t size, size_t *n)
{
    bl_error *err;

    *n = 0;
    if (b->err)
        return bl_error_retain(b->err);
    if (b->done || b->kind == BL__BODY_NONE)
        return bl_err_eof;
    if (size == 0)
        return NULL;
    err = read_some(b, buf, size, n);
    b->read += *n;
    if (err && err != bl_err_eof && !bl_error_is(err, bl_err_timeout))
        b->err = bl_error_retain(err);
    return err;
}

/* A chunked body has ended only when its last line was read, which is what a last read
 * finds. */
bool
bl__body_drain(struct bl__body *b, size_t most)
{
    char buf[2048];
    size_t n;

    while (b->kind != BL__BODY_NONE && !b->done) {
        bl_error *err = bl__body_read(b, buf, sizeof buf, &n);

        if (err && err != bl_err_eof) {
            bl_error_release(err);
            return false;
        }
        if (n > most)
            return false;
        most -= n;
    }
    return true;
}
