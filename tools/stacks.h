/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stacks.h - lists of goroutines as text: those of Go's and Belay's debug=2, crash
 * reports and SIGQUIT. */
#ifndef BELAY_STACKS_H
#define BELAY_STACKS_H

#include "tool.h"

struct stack_frame {
    const char *function; /* without arguments; or a note in words */
    const char *place;    /* "file:line", or "" */
};

struct goroutine {
    uint64_t id, created_in; /* created_in 0: not said */
    const char *state;       /* "chan receive" */
    int minutes;             /* it has waited for so long; 0: less than one */
    bool is_locked;          /* to its thread */
    struct stack_frame *frames; /* newest first */
    uint32_t nframes;
    struct stack_frame creator; /* function NULL: none */
};

struct stacks {
    struct goroutine *all;
    uint32_t count, room;
    struct arena arena;
};

/* Takes everything that looks like a goroutine out of the text, which may be a whole
 * log, and which it changes; the result points into it. */
void stacks_read(struct stacks *s, struct bytes *text);
void stacks_free(struct stacks *s);

#endif
