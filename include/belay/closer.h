/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/closer.h - things that are closed exactly once, and what closing says.
 *
 *     bl_error *save(const char *path, const char *text)
 *     {
 *         bl_returns (bl_error *, err) {
 *             FILE *f = fopen(path, "w");
 *             if (!f)
 *                 bl_leave_with(bl_error_from_errno(errno));
 *             bl_closer out = bl_closer_file(f);
 *             bl_defer { bl_close_into(&err, &out); };  // whatever happens below
 *
 *             fputs(text, f);
 *             err = bl_close(&out);          // now, for its error: a full disk
 *         }                                  // then the deferred call does nothing
 *     }
 *
 * A closer is a value and the function that closes it.  Whoever comes first closes,
 * in any thread, and learns what closing said; for all others it is closed already,
 * even while the first is still at it, and also if the function has panicked.
 * bl_close() tells them so, with bl_err_closed; bl_close_into(), for deferred code,
 * and bl_closers_close() take it for done.
 *
 * A closer of zeros, or of NULL, or of a negative descriptor, has nothing to close:
 * closing it succeeds, any number of times.
 *
 * A copy of a closer is another closer.  So copy one only to hand it over, and do not
 * use the original then; bl_closer_of() is how two share one.
 *
 * Errors belong to who gets them, as everywhere: belay/errors.h. */
#ifndef BELAY_CLOSER_H
#define BELAY_CLOSER_H

#include <belay/defer.h>
#include <belay/errors.h>
#include <belay/sync.h>
#include <dirent.h>
#include <stdio.h>

BL_BEGIN_DECLS

/* What closing something again returns: "already closed".  Go's os.ErrClosed. */
BL_API extern bl_error *const bl_err_closed;

/* Set value and close, and leave the rest zero; or use what is below. */
typedef struct bl_closer {
    void *value;
    bl_error *(*close)(void *value); /* NULL on success; the error is the caller's */
    uint32_t closed, unused;         /* not for direct use, as the rest */
    void *more;
    void (*f)(void);
    bl_error *(*call)(void *unused, const struct bl_closer *c);
} bl_closer;

/* --- make -------------------------------------------------------------------- */

/* bl_with_closer(value, f): a closer that calls f(value).  f is any function or
 * function pointer that takes such a value: of any type up to 16 bytes.  It may return
 * nothing; a bl_error *; or an int: 0 is success, -1 with errno, -EIO or EIO (as
 * pthread functions) is an error.  Any other result is thrown away.  A null pointer and
 * a negative int are values like others here.
 * Call from: anywhere, in C.  Blocks: no. */
#ifndef __cplusplus
#define bl_with_closer(value, f) BL__WITH_CLOSER(value, f)
#endif

/* Closes a stream by fclose().  An error that the stream had met before (ferror()) is
 * not lost: if fclose() has none, closing returns EIO's. */
BL_API bl_closer bl_closer_file(FILE *f);

/* Closes a descriptor by close().  EINTR and EINPROGRESS are no errors: on Linux the
 * descriptor is closed then. */
BL_API bl_closer bl_closer_fd(int fd);

/* Frees memory of malloc() by free(). */
BL_API bl_closer bl_closer_memory(void *p);

/* Unlocks a locked mutex; a pthread mutex: bl_with_closer(&m, pthread_mutex_unlock). */
BL_API bl_closer bl_closer_mutex(bl_mutex *m);

/* Closes a directory by closedir(). */
BL_API bl_closer bl_closer_dir(DIR *dir);

/* Closes what dlopen() has returned by dlclose(); the error has dlerror()'s text. */
BL_API bl_closer bl_closer_library(void *handle);

/* Closes another closer, if nobody has done so yet: for a group, or another thread,
 * that shares it.  Owner: caller keeps *other, which has to be there until this one is
 * closed. */
BL_API bl_closer bl_closer_of(bl_closer *other);

/* --- use --------------------------------------------------------------------- */

/* Closes what c has, and returns the error of that, or NULL; bl_err_closed if it is
 * closed already.  NULL is fine.
 * Call from: anywhere.  Blocks, panics: as the closing function.  Owner: caller. */
BL_API bl_error *bl_close(bl_closer *c);

/* Closes what c has unless it is closed already, and adds an error of that to *err: the
 * first one is what *err was, joined with it.  With a NULL err the error is dropped.
 * For deferred code; err is then the function's named result.
 * Call from: anywhere.  Blocks, panics: as the closing function.  Owner of *err: the
 * caller. */
BL_API void bl_close_into(bl_error **err, bl_closer *c);

/* Leaves what c has open: from now on c counts as closed.  For a function that hands
 * out what it has opened, once nothing can go wrong any more.  Returns false if it was
 * closed already, or had nothing.
 * Call from: anywhere.  Blocks: no. */
BL_API bool bl_closer_keep(bl_closer *c);

/* Whether c has something that is not closed; another thread may be about to.
 * Call from: anywhere.  Blocks: no. */
BL_API bool bl_closer_is_open(const bl_closer *c);

/* --- groups ------------------------------------------------------------------ */

/* Closers that are closed together, last in first out.  Zero is ready for use. */
typedef struct bl_closers {
    bl_mutex mutex;
    struct bl__member *last;
    bool closed;
} bl_closers;

/* Adds c, which is handed over.  If the group is closed already, or there is no
 * memory, c is closed at once, and the error is bl_err_closed or ENOMEM's, joined with
 * what closing said: what has been handed over never stays open.
 * Call from: anywhere.  Blocks, panics: no, or as c's closing function.
 * Owner of the error: caller. */
BL_API bl_error *bl_closers_add(bl_closers *group, bl_closer c);

/* Closes all, the last one added first, and returns their errors, joined in that order;
 * one alone as it is.  A panic in one does not keep the others from being closed; it
 * goes on behind the last, and the errors are dropped.  bl_err_closed if the group is
 * closed already.  NULL is fine.
 * Call from: anywhere.  Blocks, panics: as the closing functions.  Owner: caller. */
BL_API bl_error *bl_closers_close(bl_closers *group);

/* The same for deferred code, as bl_close_into(). */
BL_API void bl_closers_close_into(bl_error **err, bl_closers *group);

/* Forgets all members, which stay open: then the group is closed.  For a constructor
 * that has come to its end.  Returns how many there were. */
BL_API size_t bl_closers_keep(bl_closers *group);

/* Closes a group that is a member of another. */
BL_API bl_closer bl_closer_group(bl_closers *group);

/* --- what the macros use --------------------------------------------------- */

/* What an int that a closing function has returned means. */
BL_API bl_error *bl__closed_with(int result);

BL_END_DECLS

#ifndef __cplusplus
#include <belay/detail/closer.h>
#endif

#endif
