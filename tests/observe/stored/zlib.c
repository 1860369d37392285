/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stored/zlib.c - gzip without compression: blocks that are stored as they are (RFC 1951,
 * 3.2.4, in RFC 1952's frame). */
#include "zlib.h"

#include <string.h>

enum { HEAD, BLOCKS, TAIL, DONE, BLOCK_MOST = 65535 };

int
deflateInit2(z_stream *z, int level, int method, int bits, int memory, int strategy)
{
    (void)level, (void)method, (void)bits, (void)memory, (void)strategy;
    z->crc = UINT32_MAX;
    z->size = 0;
    z->state = HEAD;
    return Z_OK;
}

int
deflateEnd(z_stream *z)
{
    (void)z;
    return Z_OK;
}

static void
put(z_stream *z, const void *p, unsigned n)
{
    memcpy(z->next_out, p, n);
    z->next_out += n;
    z->avail_out -= n;
}

static void
add_to_crc(z_stream *z, const unsigned char *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        z->crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            z->crc = z->crc >> 1 ^ (z->crc & 1 ? 0xedb88320 : 0);
    }
    z->size += n;
}

/* The last one may be empty. */
static void
put_block(z_stream *z)
{
    unsigned n = z->avail_in < z->avail_out - 5 ? z->avail_in : z->avail_out - 5;
    unsigned char head[5];

    if (n > BLOCK_MOST)
        n = BLOCK_MOST;
    head[0] = n == z->avail_in;
    head[1] = (unsigned char)n;
    head[2] = (unsigned char)(n >> 8);
    head[3] = (unsigned char)~head[1];
    head[4] = (unsigned char)~head[2];
    put(z, head, 5);
    add_to_crc(z, z->next_in, n);
    put(z, z->next_in, n);
    z->next_in += n;
    z->avail_in -= n;
    if (head[0])
        z->state = TAIL;
}

int
deflate(z_stream *z, int flush)
{
    static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    uint32_t tail[2];

    (void)flush;
    if (z->state == HEAD) {
        put(z, head, sizeof head);
        z->state = BLOCKS;
    }
    while (z->state == BLOCKS && z->avail_out > 5)
        put_block(z);
    if (z->state != TAIL || z->avail_out < sizeof tail)
        return Z_OK;
    tail[0] = ~z->crc; /* both CPUs are little-endian */
    tail[1] = z->size;
    put(z, tail, sizeof tail);
    z->state = DONE;
    return Z_STREAM_END;
}
