/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/store.c - sessions with the database, transactions, what is done in them.
 *
 * A session is a connection with its prepared statements.  A pool has a few of them; who
 * needs one leases it.  What has to be undone is written next to what does it: statements
 * are reset, transactions rolled back and leases put back by deferred blocks, whether the
 * function returns an error, panics or follows a NULL. */
#include "store.h"

#include <belay/connpool.h>
#include <belay/keywords.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

bl_error_global(err_no_paste, "no such paste");
bl_error_global(err_wrong_token, "not your paste");
bl_error_global(err_no_room, "no room left");

#define PATIENCE (10 * BL_SECOND) /* for a session; SQLite's own is for other processes */
#define KEEP_SESSIONS BL_SECOND   /* that nobody uses: a quiet service has no file open */
enum { BUSY_MS = 5000, ID_TRIES = 5 };

struct store {
    char *path;
    bl_connpool *sessions;
    bl_mutex writing; /* SQLite has one writer at a time: ours queue here, as goroutines */
};

/* --- sessions --------------------------------------------------------------------- */

enum statement { BEGIN, COMMIT, ROLLBACK, ADD, FIND, OWNER, REMOVE, LIST, COUNT, TOTAL,
                 STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [ADD] = "INSERT INTO paste (id, token, created, title, text) VALUES (?, ?, ?, ?, ?)",
    [FIND] = "SELECT text, created FROM paste WHERE id = ?",
    [OWNER] = "SELECT token = ?2, octets FROM paste WHERE id = ?1",
    [REMOVE] = "DELETE FROM paste WHERE id = ?",
    [LIST] = "SELECT id, title, octets, created FROM paste ORDER BY number DESC LIMIT ?",
    [COUNT] = "UPDATE total SET pastes = pastes + ?, bytes = bytes + ?",
    [TOTAL] = "SELECT pastes, bytes FROM total",
};

static const char schema[] =
    "PRAGMA journal_mode = WAL;" /* readers don't wait for the writer */
    "PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS paste (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL,"
    " token TEXT NOT NULL, created INTEGER NOT NULL, title TEXT NOT NULL,"
    " octets INTEGER AS (length(CAST(text AS BLOB))) STORED, text TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1),"
    " pastes INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO total VALUES (1, 0, 0);";

struct session {
    sqlite3 *db;
    sqlite3_stmt *ready[STATEMENTS];
};

static bl_error *
failure(sqlite3 *db, const char *what)
{
    int seen = errno, code = sqlite3_errcode(db), number = sqlite3_system_errno(db);
    const char *text = sqlite3_errmsg(db);

    if (code == SQLITE_IOERR && !number)
        number = seen; /* SQLite does not note it everywhere */
    if (code == SQLITE_FULL || (code == SQLITE_IOERR && number == EFBIG))
        return bl_error_wrap(err_no_room, "%s: %s", what, text);
    if (number && (code == SQLITE_CANTOPEN || code == SQLITE_IOERR))
        return bl_error_wrap(bl_error_from_errno(number), "%s: %s", what, text);
    return errorf("%s: %s", what, text);
}

static void
close_session(struct session *c)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(c->ready[i]);
    sqlite3_close(c->db);
    free(c);
}

static bl_error *
set_up(struct session *c, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK)
        return failure(c->db, path);
    sqlite3_busy_timeout(c->db, BUSY_MS);
    if (sqlite3_exec(c->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return failure(c->db, path);
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(c->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &c->ready[i], NULL) != SQLITE_OK)
            return failure(c->db, path);
    return NULL;
}

/* For the pool. */
static bl_error *
open_session(void *path, int64_t until_ns, bl_closer *conn)
{
    struct session *c = calloc(1, sizeof *c);
    bl_closer opened = with_closer(c, close_session);
    bl_error *err;

    (void)until_ns; /* nothing here can be hurried */
    if (!c)
        return bl_error_from_errno(ENOMEM);
    defer { close_into(NULL, &opened); };
    err = set_up(c, path);
    if (!err && bl_closer_keep(&opened))
        *conn = with_closer(c, close_session);
    return err;
}

/* --- statements ------------------------------------------------------------------- */

static void
bind_text(sqlite3_stmt *st, int i, const char *text)
{
    sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

static void
finish(sqlite3_stmt *st)
{
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}

/* *row: whether there is one; its columns are good until the statement is finished. */
static bl_error *
step(struct session *c, sqlite3_stmt *st, bool *row)
{
    int code = sqlite3_step(st);

    *row = code == SQLITE_ROW;
    return *row || code == SQLITE_DONE ? NULL : failure(c->db, "database");
}

static bl_error *
run(struct session *c, enum statement which)
{
    sqlite3_stmt *st = c->ready[which];
    bool row;

    defer { sqlite3_reset(st); };
    return step(c, st, &row);
}

static void
copy_text(char *to, size_t size, sqlite3_stmt *st, int column)
{
    snprintf(to, size, "%s", (const char *)sqlite3_column_text(st, column));
}

/* --- leases and transactions ------------------------------------------------------ */

typedef bl_error *work(struct session *c, void *arg);

static bl_error *
with_session(store *s, work *f, void *arg)
{
    bl_connpool_lease lease;
    bl_error *err = bl_connpool_get_until(s->sessions, &lease, bl_after_ns(PATIENCE));

    if (err)
        return err;
    defer { bl_connpool_put(&lease); }; /* behind a panic it closes the session */
    return f(lease.conn, arg);
}

struct change {
    store *s;
    work *f;
    void *arg;
};

/* COMMIT may fail, too, or SQLite have rolled back by itself. */
static void
roll_back(struct session *c)
{
    if (!sqlite3_get_autocommit(c->db))
        error_release(run(c, ROLLBACK));
}

static bl_error *
transact(struct session *c, void *arg)
{
    struct change *change = arg;
    bl_error *err;

    bl_mutex_lock(&change->s->writing);
    defer { bl_mutex_unlock(&change->s->writing); };
    err = run(c, BEGIN);
    if (err)
        return err;
    defer { roll_back(c); }; /* nothing to do behind a COMMIT */
    err = change->f(c, change->arg);
    return err ? err : run(c, COMMIT);
}

static bl_error *
with_transaction(store *s, work *f, void *arg)
{
    return with_session(s, transact, &(struct change){s, f, arg});
}

static bl_error *
count(struct session *c, int64_t pastes, int64_t bytes)
{
    sqlite3_stmt *st = c->ready[COUNT];

    sqlite3_bind_int64(st, 1, pastes);
    sqlite3_bind_int64(st, 2, bytes);
    return run(c, COUNT);
}

/* --- adding ----------------------------------------------------------------------- */

/* Nobody can guess them. */
static void
draw(char *text, size_t size)
{
    static const char digits[] = "0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz";
    unsigned char random[TOKEN_SIZE];

    if (getrandom(random, size, 0) != (ssize_t)size)
        bl_panic("no random numbers: %s", strerror(errno));
    for (size_t i = 0; i + 1 < size; i++)
        text[i] = digits[random[i] % 64];
    text[size - 1] = '\0';
}

/* The first line, cut in front of a character, not in its middle. */
static void
make_title(const char *text, char title[TITLE_SIZE])
{
    size_t n;

    text += strspn(text, " \t\r\n");
    n = strcspn(text, "\r\n");
    if (n >= TITLE_SIZE)
        for (n = TITLE_SIZE - 1; n > 0 && (text[n] & 0xc0) == 0x80; n--)
            ;
    memcpy(title, text, n);
    title[n] = '\0';
}

struct adding {
    const char *text;
    size_t size;
    struct paste_key *key;
};

static bl_error *
insert(struct session *c, const struct adding *a, const struct paste_key *key)
{
    sqlite3_stmt *st = c->ready[ADD];
    char title[TITLE_SIZE];
    bool row;

    defer { finish(st); };
    make_title(a->text, title);
    bind_text(st, 1, key->id);
    bind_text(st, 2, key->token);
    sqlite3_bind_int64(st, 3, time(NULL));
    bind_text(st, 4, title);
    sqlite3_bind_text(st, 5, a->text, (int)a->size, SQLITE_STATIC);
    return step(c, st, &row);
}

static bl_error *
add(struct session *c, void *arg)
{
    struct adding *a = arg;
    struct paste_key key;
    bl_error *err = NULL;

    draw(key.token, sizeof key.token);
    for (int i = 0; i < ID_TRIES; i++) {
        error_release(err);
        draw(key.id, sizeof key.id);
        err = insert(c, a, &key);
        if (sqlite3_extended_errcode(c->db) != SQLITE_CONSTRAINT_UNIQUE)
            break; /* else somebody has drawn this one before */
    }
    if (!err)
        err = count(c, 1, (int64_t)a->size);
    if (!err)
        *a->key = key;
    return err;
}

bl_error *
store_add(store *s, const char *text, size_t size, struct paste_key *key)
{
    return with_transaction(s, add, &(struct adding){text, size, key});
}

/* --- reading ---------------------------------------------------------------------- */

struct reading {
    const char *id;
    struct paste *paste;
};

/* The text is copied, so that the session is free while a slow client takes it. */
static bl_error *
find(struct session *c, void *arg)
{
    struct reading *reading = arg;
    struct paste *p = reading->paste;
    sqlite3_stmt *st = c->ready[FIND];
    const void *text;
    bool row;

    bind_text(st, 1, reading->id);
    defer { finish(st); };
    bl_error *err = step(c, st, &row);
    if (err || !row)
        return err ? err : err_no_paste;
    text = sqlite3_column_text(st, 0);
    p->size = (size_t)sqlite3_column_bytes(st, 0);
    p->created = sqlite3_column_int64(st, 1);
    p->text = malloc(p->size + 1);
    if (!p->text || !text)
        return bl_error_from_errno(ENOMEM);
    memcpy(p->text, text, p->size + 1);
    return NULL;
}

bl_error *
store_read(store *s, const char *id, struct paste *p)
{
    *p = (struct paste){0};
    return with_session(s, find, &(struct reading){id, p});
}

/* --- removing --------------------------------------------------------------------- */

struct removing {
    const char *id, *token;
};

static bl_error *
check_owner(struct session *c, const struct removing *r, int64_t *bytes)
{
    sqlite3_stmt *st = c->ready[OWNER];
    bool row;

    bind_text(st, 1, r->id);
    bind_text(st, 2, r->token);
    defer { finish(st); };
    bl_error *err = step(c, st, &row);
    if (err || !row)
        return err ? err : err_no_paste;
    *bytes = sqlite3_column_int64(st, 1);
    return sqlite3_column_int(st, 0) ? NULL : err_wrong_token;
}

static bl_error *
remove_paste(struct session *c, void *arg)
{
    struct removing *r = arg;
    int64_t bytes;
    bl_error *err = check_owner(c, r, &bytes);

    if (!err) {
        bind_text(c->ready[REMOVE], 1, r->id);
        err = run(c, REMOVE);
    }
    return err ? err : count(c, -1, -bytes);
}

bl_error *
store_remove(store *s, const char *id, const char *token)
{
    return with_transaction(s, remove_paste, &(struct removing){id, token});
}

/* --- lists and numbers ------------------------------------------------------------ */

struct listing {
    struct paste_line *lines;
    size_t most, count;
};

static bl_error *
list(struct session *c, void *arg)
{
    struct listing *l = arg;
    sqlite3_stmt *st = c->ready[LIST];
    bl_error *err;
    bool row;

    sqlite3_bind_int64(st, 1, (int64_t)l->most);
    defer { finish(st); };
    while (!(err = step(c, st, &row)) && row && l->count < l->most) {
        struct paste_line *line = &l->lines[l->count++];

        copy_text(line->id, sizeof line->id, st, 0);
        copy_text(line->title, sizeof line->title, st, 1);
        line->size = sqlite3_column_int64(st, 2);
        line->created = sqlite3_column_int64(st, 3);
    }
    return err;
}

bl_error *
store_list(store *s, struct paste_line *lines, size_t most, size_t *count)
{
    struct listing l = {lines, most, 0};
    bl_error *err = with_session(s, list, &l);

    *count = l.count;
    return err;
}

static bl_error *
read_total(struct session *c, void *arg)
{
    struct store_stats *stats = arg;
    sqlite3_stmt *st = c->ready[TOTAL];
    bool row;

    defer { finish(st); };
    bl_error *err = step(c, st, &row);
    if (!err && row) {
        stats->pastes = sqlite3_column_int64(st, 0);
        stats->bytes = sqlite3_column_int64(st, 1);
    }
    return err;
}

bl_error *
store_read_stats(store *s, struct store_stats *stats)
{
    *stats = (struct store_stats){0};
    bl_error *err = with_session(s, read_total, stats);

    bl_connpool_read_stats(s->sessions, &stats->connections);
    return err;
}

/* --- life ------------------------------------------------------------------------- */

bl_error *
store_close(store *s)
{
    bl_error *err = bl_connpool_close(s->sessions);

    bl_connpool_free(s->sessions);
    free(s->path);
    free(s);
    return err;
}

bl_error *
store_open(const char *path, store **opened)
{
    store *s = calloc(1, sizeof *s);
    bl_connpool_options o = {.open = open_session, .idle_ns = KEEP_SESSIONS,
                             .max_open = 2 * bl_gomaxprocs(0)};
    struct store_stats stats;
    bl_error *err;

    if (!s || !(s->path = strdup(path)) ||
        !(o.arg = s->path, s->sessions = bl_connpool_new(&o)))
        return bl_error_from_errno(ENOMEM);
    err = store_read_stats(s, &stats); /* what is wrong with it shows now */
    if (err)
        error_release(store_close(s));
    else
        *opened = s;
    return err;
}
