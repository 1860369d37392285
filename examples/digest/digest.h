/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* digest.h - what the pipeline (digest.c) and the program around it (main.c) share. */
#ifndef DIGEST_DIGEST_H
#define DIGEST_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

typedef unsigned char byte;

enum { DIGEST_BYTES = 32, LARGEST = 3 };

struct options {
    const char *folder;
    int workers;
    int64_t files;        /* the walk ends after so many */
    int64_t bytes;        /* and after so many bytes */
    int64_t vanish;       /* this file is gone when a worker opens it; 0: none */
    int64_t trap;         /* on this one the worker follows NULL; 0: none */
    int64_t cancel_after; /* so many files are digested */
    bool stats;
};

/* What one file came to. */
struct result {
    char *path; /* who has the result owns it */
    int64_t bytes;
    byte digest[DIGEST_BYTES]; /* of path, a zero byte, and the contents */
    int error;                 /* errno of what failed; 0: nothing did */
    bool is_cut;               /* cancelled half-way */
    char why[96];              /* it panicked; "": it did not */
};

/* What all files came to, in a form that does not depend on their order. */
struct total {
    int64_t files;
    int64_t bytes;
    byte digest[DIGEST_BYTES];      /* of all files, by exclusive or */
    struct result largest[LARGEST]; /* the largest first; path NULL: none */
    int64_t errors;
    int64_t panics;
    int64_t goroutines; /* at most, at the same time */
    bool is_cancelled;  /* the total is only a part */
};

/* Digests the files below the folder.  A file that fails is counted, reported on
 * stderr and left out.  The total's paths are the caller's to free. */
void digest_tree(const struct options *o, struct total *t);

#endif
