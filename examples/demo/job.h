/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* job.h - what surrounds the work: options, sums, clocks, the printed result.
 *
 * demo.c and hand.c each hand run_job() a function that walks one tree; the
 * rest of main() is the same for both. */
#ifndef DEMO_JOB_H
#define DEMO_JOB_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LARGEST_FILE = 1 << 20 };

/* How one file ended. */
enum kind {
    FINE,
    UNBALANCED,   /* a bracket or an #if without its partner */
    UNTERMINATED, /* a comment or a quote that never ends */
    BAD_BYTE,     /* not text */
    UNKNOWN_NAME, /* a macro's value needs one that is not known */
    ZERO_DIVISOR, /* an average of nothing, or x / 0 in a macro */
    NO_MEMORY,
    UNREADABLE, /* from here on: not parsed at all */
    TOO_LARGE,
    KINDS,
};

struct outcome {
    uint64_t sum; /* of everything the parser found out */
    int kind;
    int line; /* where it stopped */
};

struct job {
    long limit; /* files to parse; then the walk ends */
    bool list;  /* print a line for each file */
    bool warns; /* of folders that cannot be read */
    long files; /* parsed */
    long folders;
    long folders_unreadable;
    int64_t bytes;
    uint64_t checksum; /* over all outcomes, in order */
    long count[KINDS];
    char example[KINDS][256]; /* the first file of each kind */
};

typedef void walk_function(struct job *job, const char *folder);

int run_job(int argc, char **argv, const char *about, walk_function *walk);

/* Is the limit reached? */
bool is_full(const struct job *job);

/* Counts a file. */
void add_outcome(struct job *job, const char *path, size_t size,
                 struct outcome outcome);

/* Keeps what happened as the example of its kind, if it is the first. */
void add_example(struct job *job, const char *path, struct outcome outcome,
                 const char *text);

/* Says on stderr that folder cannot be read, and counts it. */
void add_unreadable_folder(struct job *job, const char *folder);

/* DT_DIR, DT_REG or something that is to be left alone; links are. */
int type_of(const char *path, const struct dirent *entry);

/* For scandir(): the order of the bytes, whatever the locale. */
int by_name(const struct dirent **a, const struct dirent **b);

/* Frees what scandir() returned. */
void free_names(struct dirent **names, int count);

/* Reads *size bytes, or up to the end of the file: *size says how many.  text
 * has room for one more, which becomes 0.  False if the file can't be read. */
bool read_all(int fd, unsigned char *text, size_t *size);

static inline uint64_t
mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

/* The outcome of a file that could not be parsed. */
static inline struct outcome
stopped(enum kind kind, int line)
{
    return (struct outcome){mix((uint64_t)kind, (uint64_t)line), (int)kind,
                            line};
}

#endif
