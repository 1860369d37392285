/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/hex.h - hexadecimal digits: of "%41", and of chunks' sizes. */
#ifndef BELAY_BASE_HEX_H
#define BELAY_BASE_HEX_H

/* The value of a digit; -1 for anything else. */
static inline int
bl__hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
