/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/text.h - texts under construction, off the fast path. */
#ifndef BELAY_HTTP_TEXT_H
#define BELAY_HTTP_TEXT_H

#include <belay/errors.h>
#include <stddef.h>

/* Grows as it is written to; where memory is short it stays as it is.  {0} is empty, and
 * text is free()'s. */
struct bl__out {
    char *text; /* terminated; NULL: nothing yet */
    size_t n, room;
};

void bl__out_bytes(struct bl__out *out, const char *s, size_t n);
void bl__out_text(struct bl__out *out, const char *s);
BL_PRINTF(2, 3) void bl__out_print(struct bl__out *out, const char *format, ...);

/* In quotes, with Go's escapes (%q): what is UTF-8 stays. */
void bl__out_quoted(struct bl__out *out, const char *s, size_t n);

/* An error of that text, which is freed. */
bl_error *bl__out_error(struct bl__out *out);

/* The length of the character that s begins with, 1 to 4; 0: that is not UTF-8. */
size_t bl__utf8_size(const char *s, size_t n);

#endif
