/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/websocket.c - see websocket.h.  Frames are sent back one by one, as they come: a
 * message in three frames is one of three again, and nothing is kept of a long one. */
#include "websocket.h"

#include <belay/belay.h>
#include <belay/io.h>
#include <openssl/evp.h>
#include <string.h>

enum { CONTINUED = 0, CLOSE = 8, PING = 9, PONG = 10, FINAL = 0x80, MASKED = 0x80 };

struct frame {
    unsigned char first;     /* FINAL, and what it is */
    uint64_t size;
    unsigned char mask[4];
};

/* --- the handshake ------------------------------------------------------------------------ */

static void
make_answer(const char *key, char text[EVP_MAX_MD_SIZE * 2])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned n = 0;

    EVP_DigestInit_ex(md, EVP_sha1(), NULL);
    EVP_DigestUpdate(md, key, strlen(key));
    EVP_DigestUpdate(md, guid, sizeof guid - 1);
    EVP_DigestFinal_ex(md, hash, &n);
    EVP_MD_CTX_free(md);
    EVP_EncodeBlock((unsigned char *)text, hash, (int)n);
}

/* The client's key, if it asks for a WebSocket. */
static const char *
find_key(bl_http_response *w, bl_http_request *r)
{
    const char *key = bl_http_header_get(r->header, "Sec-WebSocket-Key");
    const char *version = bl_http_header_get(r->header, "Sec-WebSocket-Version");

    if (!bl_http_header_has(r->header, "Connection", "upgrade") ||
        !bl_http_header_has(r->header, "Upgrade", "websocket") || !key) {
        bl_http_error(w, "this is a WebSocket", 400);
        return NULL;
    }
    if (!version || strcmp(version, "13") != 0) {
        bl_http_header_set(bl_http_response_header(w), "Sec-WebSocket-Version", "13");
        bl_http_error(w, "only version 13", 426);
        return NULL;
    }
    return key;
}

/* --- frames -------------------------------------------------------------------------------- */

static bl_error *
read_frame(bl_reader *in, struct frame *f)
{
    unsigned char head[2], longer[8];
    size_t n;
    bl_error *err = bl_reader_read_full(in, head, 2, NULL);

    if (err)
        return err;
    f->first = head[0];
    f->size = head[1] & 127;
    n = f->size == 126 ? 2 : f->size == 127 ? 8 : 0;
    if (n > 0) {
        err = bl_reader_read_full(in, longer, n, NULL);
        f->size = 0;
        for (size_t i = 0; i < n && !err; i++)
            f->size = f->size << 8 | longer[i];
    }
    if (!err && (!(head[1] & MASKED) || ((head[0] & 15) >= CLOSE && f->size > 125)))
        return bl_error_new("a frame that no client may send");
    return err ? err : bl_reader_read_full(in, f->mask, 4, NULL);
}

static void
write_head(bl_writer *out, unsigned char first, uint64_t size)
{
    int n = size < 126 ? 0 : size < 65536 ? 2 : 8;

    bl_error_release(bl_writer_byte(out, first));
    bl_error_release(bl_writer_byte(out, n == 0 ? (unsigned char)size : n == 2 ? 126 : 127));
    while (n-- > 0)
        bl_error_release(bl_writer_byte(out, (unsigned char)(size >> 8 * n)));
}

static bl_error *
send_back(bl_http_hijacked *h, const struct frame *f, unsigned char first)
{
    unsigned char buf[8192];
    uint64_t done = 0;
    bl_error *err = NULL;

    write_head(h->writer, first, f->size);
    while (!err && done < f->size) {
        size_t n = f->size - done < sizeof buf ? (size_t)(f->size - done) : sizeof buf;

        err = bl_reader_read_full(h->reader, buf, n, NULL);
        for (size_t i = 0; i < n; i++)
            buf[i] ^= f->mask[(done + i) % 4];
        if (!err)
            err = bl_writer_write(h->writer, buf, n);
        done += n;
    }
    return err ? err : bl_writer_flush(h->writer);
}

static void
talk(bl_http_hijacked *h)
{
    struct frame f = {0};
    bl_error *err = NULL;

    while (!err && (f.first & 15) != CLOSE) {
        err = read_frame(h->reader, &f);
        if (!err && (f.first & 15) == PONG)
            err = bl_reader_skip(h->reader, f.size);
        else if (!err)
            err = send_back(h, &f, (f.first & 15) == PING ? FINAL | PONG : f.first);
    }
    bl_error_release(err);
}

void
websocket_echo(bl_http_response *w, bl_http_request *r, void *unused)
{
    const char *key = find_key(w, r);
    char answer[EVP_MAX_MD_SIZE * 2];
    bl_http_hijacked h;
    bl_error *err;

    (void)unused;
    if (!key)
        return;
    make_answer(key, answer);
    err = bl_http_hijack(w, &h);
    if (err) {
        bl_error_release(err);
        bl_http_error(w, "no WebSocket now", 500);
        return;
    }
    bl_writer_printf(h.writer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", answer);
    err = bl_writer_flush(h.writer);
    if (!err)
        talk(&h);
    bl_error_release(err);
    bl_http_hijacked_release(&h);
}
