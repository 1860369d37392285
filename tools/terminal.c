/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* terminal.c - colour, and how far long work has come. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool
terminal_has_colour(FILE *to)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(to)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

const char *
colour(FILE *to, const char *codes)
{
    return terminal_has_colour(to) ? codes : "";
}

/* --- progress ------------------------------------------------------------------- */

enum { FIRST_MS = 500, NEXT_MS = 100 };

static int64_t next_ms; /* when to print; 0: nothing is under way */
static bool printed;

static int64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
progress(const char *what, uint64_t done, uint64_t total)
{
    int64_t now = now_ms();

    if (next_ms == 0)
        next_ms = now + FIRST_MS;
    if (now < next_ms || !isatty(STDERR_FILENO))
        return;
    next_ms = now + NEXT_MS;
    printed = true;
    if (total > 0)
        fprintf(stderr, "\r%s: %d%%\033[K", what, (int)((double)done / (double)total * 100));
    else if (done > 0)
        fprintf(stderr, "\r%s: %.1f MB\033[K", what, (double)done / 1048576);
    else
        fprintf(stderr, "\r%s: waiting\033[K", what);
    fflush(stderr);
}

void
progress_end(void)
{
    if (printed)
        fputs("\r\033[K", stderr);
    printed = false;
    next_ms = 0;
}
