/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/connpool.h - connections that are opened once and used by many.
 *
 *     static bl_error *dial(void *address, int64_t until_ns, bl_closer *conn)
 *     {
 *         int fd = dial_until(address, until_ns);
 *         *conn = bl_closer_fd(fd);               // how it is closed
 *         return fd < 0 ? bl_error_from_errno(errno) : NULL;
 *     }
 *
 *     bl_connpool *pool = bl_connpool_new(&(bl_connpool_options){
 *         .open = dial, .arg = "db:5432", .max_open = 20, .idle_ns = BL_MINUTE});
 *
 *     bl_error *store(struct order *order)
 *     {
 *         bl_connpool_lease lease;
 *         bl_error *err = bl_connpool_get(pool, &lease);
 *         if (err)
 *             return err;
 *         bl_defer { bl_connpool_put(&lease); };  // closes it if send() panics
 *         err = send((int)(intptr_t)lease.conn, order);
 *         if (err)
 *             bl_connpool_discard(&lease);        // nobody else shall have that one
 *         return err;
 *     }
 *
 * A connection is anything that takes long to open, and that one at a time can use.
 * Who gets one has a lease, and puts it back once, whatever happens.  A lease whose
 * user has been interrupted, by a panic or bl_goexit(), also one that was recovered
 * between, is not kept: nobody knows what the other side still has to say.
 * bl_connpool_mark_good() is for who knows.  (A C++ exception, and pthread_cancel, do
 * not count as a panic: discard there.)
 *
 * Who comes when all are in use waits; first come, first served.  The connection used
 * last is the next to be used, so that those that are not needed grow old. */
#ifndef BELAY_CONNPOOL_H
#define BELAY_CONNPOOL_H

#include <belay/closer.h>
#include <belay/context.h>
#include <belay/errors.h>
#include <stdbool.h>
#include <stdint.h>

BL_BEGIN_DECLS

/* What getting from a pool that is closed returns: "connection pool is closed". */
BL_API extern bl_error *const bl_err_connpool_closed;

/* Zero, or left out, is no limit and no such function.  All functions run outside the
 * pool's lock: they may block, panic, and use the pool.  What nobody uses and is too old
 * is closed in a goroutine of the pool's own: a panic there is like one in any other. */
typedef struct bl_connpool_options {
    void *arg; /* for the three */
    /* Opens a connection, by until_ns if it can (BL_FOREVER: there is time), and stores
     * how it is closed; what is closed, its value, is the lease's conn. */
    bl_error *(*open)(void *arg, int64_t until_ns, bl_closer *conn);
    /* Whether an open connection still works; asked before it is handed out again.  If
     * not it is closed, and another one opened. */
    bool (*check)(void *arg, void *conn);
    /* Readies a connection that comes back for its next user, and returns whether that
     * was possible; else it is closed. */
    bool (*reset)(void *arg, void *conn);
    int64_t check_after_ns; /* what was put back less than that ago is not checked */
    int64_t idle_ns;        /* unused for so long: closed */
    int64_t lifetime_ns;    /* so long after it was opened: closed, once it is put back */
    int max_open;           /* connections, in use or not */
    int max_idle;           /* connections that are kept for later; negative: none */
} bl_connpool_options;

typedef struct bl_connpool bl_connpool;

/* The right to use a connection.  One that is zero, or put back, is no lease; copies
 * are the same lease. */
typedef struct bl_connpool_lease {
    void *conn;               /* what open() has opened; NULL: put back */
    bl_connpool *pool;        /* not for direct use, as the rest */
    struct bl__connpool_slot *slot;
    uint64_t number, goroutine;
    uint32_t depth;
    bool good;
} bl_connpool_lease;

/* --- make -------------------------------------------------------------------- */

/* Makes a pool; it opens nothing yet.  Returns NULL when memory is short.
 * Call from: anywhere.  Blocks: no.  Owner: caller, bl_connpool_free().
 * Panics: if there is no function to open with. */
BL_API bl_connpool *bl_connpool_new(const bl_connpool_options *options);

/* --- use --------------------------------------------------------------------- */

/* Gets a connection: one that is not in use, or a new one.  Returns NULL and fills
 * *lease; or else open()'s error, bl_err_connpool_closed, or ENOMEM's, and *lease is no
 * lease.
 * Call from: anywhere.  Blocks: while max_open are in use; as open() and check().
 * Panics: as those two.  Owner of the error: caller. */
BL_API bl_error *bl_connpool_get(bl_connpool *pool, bl_connpool_lease *lease);

/* The same, but waits until an absolute time, bl_now() + d, at the latest: then it
 * returns an error that is ETIMEDOUT's (bl_error_errno()).  What is free is handed out
 * at any time.  The time goes to open() as well, which has to see to it. */
BL_API bl_error *bl_connpool_get_until(bl_connpool *pool, bl_connpool_lease *lease,
                                       int64_t until_ns);

/* The same, but waits until ctx ends at the latest: then it returns bl_context_cause().
 * One that has ended gets nothing, even if a connection is free.  open() gets ctx's
 * deadline. */
BL_API bl_error *bl_connpool_get_ctx(bl_connpool *pool, bl_connpool_lease *lease,
                                     bl_context *ctx);

/* Puts the connection back, for the one who has waited longest; closes it instead if it
 * is too old, there are max_idle already, it can't be reset, the pool is closed, or the
 * lease's user has been interrupted.  Only the first of several calls for a lease, in
 * whatever threads, does anything, bl_connpool_discard() included.
 * Call from: anywhere; not once bl_connpool_free() has been called and all leases are
 * back.  Blocks, panics: as reset() and closing; the connection is off then. */
BL_API void bl_connpool_put(bl_connpool_lease *lease);

/* Closes the connection, as it is broken, or somebody has closed it.  NULL, and what is
 * no lease, is fine here and in bl_connpool_put().
 * Call from: as bl_connpool_put().  Blocks, panics: as closing. */
BL_API void bl_connpool_discard(bl_connpool_lease *lease);

/* From now on bl_connpool_put() keeps the connection in spite of a panic; it is for the
 * lease's user to say, at a place where nothing is under way on the connection.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_connpool_mark_good(bl_connpool_lease *lease);

/* --- look -------------------------------------------------------------------- */

typedef struct bl_connpool_stats {
    int64_t open;   /* now: the next two together */
    int64_t in_use; /* leased; or being opened, checked or closed */
    int64_t idle;
    int64_t waiting;          /* callers that wait now */
    uint64_t opened;          /* connections, so far, as all that follows */
    uint64_t waits;           /* calls that had to wait */
    int64_t wait_ns;          /* and for how long, together; without those that still do */
    uint64_t timeouts;        /* waits that came to nothing */
    uint64_t closed_idle;     /* for idle_ns */
    uint64_t closed_lifetime; /* for lifetime_ns */
    uint64_t closed_surplus;  /* for max_idle */
    uint64_t closed_health;   /* by check() or reset() */
    uint64_t closed_broken;   /* discarded, or its user was interrupted */
    uint64_t closed_end;      /* because the pool was closed */
} bl_connpool_stats;

/* Reads the pool's figures, all of the same moment.  What is opened and not closed is
 * open: opened is open plus the closed ones, but for those being opened or closed.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_connpool_read_stats(bl_connpool *pool, bl_connpool_stats *stats);

/* --- end --------------------------------------------------------------------- */

/* Closes the pool: connections that are not in use now, the others as they come back;
 * whoever waits gets bl_err_connpool_closed, as all who come later.  Returns the joined
 * errors of closing; bl_err_closed if the pool is closed already.
 * Call from: anywhere.  Blocks, panics: as closing; the others are closed all the same.
 * Owner: caller. */
BL_API bl_error *bl_connpool_close(bl_connpool *pool);

/* Closes the pool, unless that has been done, and frees it once the last lease has come
 * back.  NULL is fine.
 * Call from: anywhere; nobody may be about to call with pool, but put and discard
 * leases.  Blocks, panics: as bl_connpool_close(). */
BL_API void bl_connpool_free(bl_connpool *pool);

BL_END_DECLS

#endif
