/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stored/zlib.h - as much of zlib's interface as libbelay-pprof uses, for machines' tests
 * that have no zlib: see zlib.c. */
#ifndef ZLIB_H
#define ZLIB_H

#include <stdint.h>

typedef struct z_stream {
    unsigned char *next_in, *next_out;
    unsigned avail_in, avail_out;
    uint32_t crc, size;
    int state;
} z_stream;

enum { Z_OK = 0, Z_STREAM_END = 1, Z_FINISH = 4, Z_BEST_SPEED = 1, Z_DEFLATED = 8,
       Z_DEFAULT_STRATEGY = 0 };

int deflateInit2(z_stream *z, int level, int method, int bits, int memory, int strategy);
int deflate(z_stream *z, int flush);
int deflateEnd(z_stream *z);

#endif
