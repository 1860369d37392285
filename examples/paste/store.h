/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/store.h - pastes in an SQLite database.
 *
 * SQLite's calls block: on the disk, on another process's lock.  They are simply called;
 * the goroutines of other requests go on meanwhile, on another thread. */
#ifndef PASTE_STORE_H
#define PASTE_STORE_H

#include <belay/belay.h>

typedef struct store store;

extern bl_error *const err_no_paste;    /* there is none of that id */
extern bl_error *const err_wrong_token; /* it was not made with that token */
extern bl_error *const err_no_room;     /* the disk is full */

enum { ID_SIZE = 8 + 1, TOKEN_SIZE = 24 + 1, TITLE_SIZE = 60 + 1 };

/* What a paste is found with, and what its maker may remove it with. */
struct paste_key {
    char id[ID_SIZE], token[TOKEN_SIZE];
};

struct paste {
    char *text; /* size bytes, and a zero */
    size_t size;
    int64_t created; /* seconds since 1970 */
};

/* A line of the list. */
struct paste_line {
    char id[ID_SIZE], title[TITLE_SIZE];
    int64_t size, created;
};

struct store_stats {
    int64_t pastes, bytes;
    bl_connpool_stats connections;
};

/* Opens a database, and makes it where it is missing.
 * Owner: caller, store_close() when nobody uses it. */
bl_error *store_open(const char *path, store **s);
bl_error *store_close(store *s);

/* Adds a paste, all of it or nothing. */
bl_error *store_add(store *s, const char *text, size_t size, struct paste_key *key);

/* Reads one; err_no_paste.  Owner of p->text: caller, free(). */
bl_error *store_read(store *s, const char *id, struct paste *p);

/* Removes one; err_no_paste, err_wrong_token. */
bl_error *store_remove(store *s, const char *id, const char *token);

/* The last ones that were added, `most` at the most. */
bl_error *store_list(store *s, struct paste_line *lines, size_t most, size_t *count);

bl_error *store_read_stats(store *s, struct store_stats *stats);

#endif
