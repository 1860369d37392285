/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/errors.h - error values, as Go has them: what failed, and why.
 *
 *     bl_error_static(err_empty, "empty file");       // at file scope: a sentinel
 *
 *     bl_error *read_config(const char *path)
 *     {
 *         int fd = open(path, O_RDONLY);
 *         if (fd < 0)
 *             return bl_error_wrap(bl_error_from_errno(errno), "open %s", path);
 *         ...
 *         return length ? NULL : bl_error_wrap(err_empty, "read %s", path);
 *     }
 *
 *     bl_error *err = read_config("app.conf");
 *     if (bl_error_is(err, bl_err_not_exist))         // anywhere in the tree
 *         use_defaults();
 *     else if (err)
 *         bl_error_print(err, STDERR_FILENO);         // texts, and where they were made
 *     bl_error_release(err);
 *
 * NULL is success.  An error never changes, so any thread may look at it.  Whose it
 * is takes three rules:
 *
 *   1. An error that a function returns as bl_error * is yours: release it once, or
 *      hand it on.
 *   2. What is wrapped or joined, or panicked with, is taken over: it is no longer
 *      yours.  To keep it as well, hand over bl_error_retain(err).
 *   3. Everything else only looks, and what it returns as const belongs to the error
 *      that was looked at.
 *
 * Sentinels and errors of your own that are not counted may be released, retained
 * and handed over like the others: that does nothing.
 *
 * A function that makes an error returns one in any case.  Where memory is short,
 * that is the error it was to wrap, or ENOMEM's. */
#ifndef BELAY_ERRORS_H
#define BELAY_ERRORS_H

#include <belay/config.h>
#include <belay/panic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

BL_BEGIN_DECLS

/* --- sentinels ------------------------------------------------------------- */

/* bl_error_static(name, "text"); at file scope makes an error that is always there,
 * for this file: `bl_error *const name`, equal to itself only.  bl_error_global
 * makes one for other files too, which declare `extern bl_error *const name;`. */
#define bl_error_static(name, text)                                            \
    static const bl_sentinel bl__sentinel_##name = {{&bl__sentinel_kind}, text}; \
    static bl_error *const name __attribute__((unused)) =                      \
        (bl_error *)&bl__sentinel_##name.base
#define bl_error_global(name, text)                                            \
    static const bl_sentinel bl__sentinel_##name = {{&bl__sentinel_kind}, text}; \
    extern bl_error *const name;                                               \
    bl_error *const name = (bl_error *)&bl__sentinel_##name.base

typedef struct bl_sentinel {
    bl_error base;
    const char *message;
} bl_sentinel;

BL_API extern const bl_error_kind bl__sentinel_kind;

/* What errors of the system count as, whatever their number: bl_error_is() says that
 * EACCES and EPERM are bl_err_permission; EEXIST and ENOTEMPTY bl_err_exist; ENOENT
 * bl_err_not_exist; ENOSYS and EOPNOTSUPP bl_err_unsupported; ETIMEDOUT and EAGAIN
 * bl_err_timeout, as a context's deadline does (Go's Timeout()). */
BL_API extern bl_error *const bl_err_not_exist;   /* file does not exist */
BL_API extern bl_error *const bl_err_exist;       /* file already exists */
BL_API extern bl_error *const bl_err_permission;  /* permission denied */
BL_API extern bl_error *const bl_err_unsupported; /* unsupported operation */
BL_API extern bl_error *const bl_err_timeout;     /* timeout */

/* --- make -------------------------------------------------------------------- */

/* Makes an error of that text, which is copied.  It equals no other error.
 * Call from: anywhere but a signal handler, as all of this header.  Blocks: no.
 * Owner: caller. */
BL_API bl_error *bl_error_new(const char *text);

/* Makes `message: cause`, the message formatted as printf does; it wraps cause.  For
 * a NULL cause that is NULL: `return bl_error_wrap(f(), "f");` passes success on.
 * Blocks: no.  Owner: caller; takes cause over. */
BL_API BL_PRINTF(2, 3) bl_error *bl_error_wrap(bl_error *cause, const char *format, ...);

/* Makes an error whose text is formatted as printf does (Go's fmt.Errorf).  %pw is the
 * text of an error, which is wrapped: Go's %w.  %pv is the text of an error that is
 * not: Go's %v.  Compilers check both as %p.  One %pw makes an error that unwraps to
 * it, several make one with several causes, in the order of the arguments, which can
 * be numbered: "%2$pw, %1$pw".  NULL is written `<nil>`, and `%!w(<nil>)` by %pw.  Up
 * to 64 arguments; %n stores nothing.
 * Blocks: no.  Owner: caller; takes over what %pw wraps. */
BL_API BL_PRINTF(1, 2) bl_error *bl_errorf(const char *format, ...);

/* The two with a va_list. */
BL_API BL_PRINTF(2, 0) bl_error *bl_error_wrap_v(bl_error *cause, const char *format,
                                                 va_list args);
BL_API BL_PRINTF(1, 0) bl_error *bl_errorf_v(const char *format, va_list args);

/* Makes an error that wraps all of a list of count, without its NULLs; NULL if there
 * is nothing else.  Its text is theirs, a line each.
 * Blocks: no.  Owner: caller; takes over what is in the list, not the list. */
BL_API bl_error *bl_error_join_list(bl_error *const *list, size_t count);

#ifndef __cplusplus
/* bl_error_join(a, b, ...): the same for those that are named. */
#define bl_error_join(...)                                                     \
    bl_error_join_list((bl_error *[]){__VA_ARGS__},                            \
                       sizeof((bl_error *[]){__VA_ARGS__}) / sizeof(bl_error *))
#endif

/* `return bl_error_new(text);` must not become a jump: then the function would not be
 * on the stack when the error notes where it is made.  This is no instruction. */
static inline __attribute__((always_inline)) bl_error *
bl__error_made(bl_error *err)
{
    __asm__("" : "+r"(err));
    return err;
}

#define bl_error_new(...) bl__error_made(bl_error_new(__VA_ARGS__))
#define bl_errorf(...) bl__error_made(bl_errorf(__VA_ARGS__))
#define bl_error_wrap(...) bl__error_made(bl_error_wrap(__VA_ARGS__))
#define bl_error_join_list(...) bl__error_made(bl_error_join_list(__VA_ARGS__))

/* The error of an errno, or of a call that returns -errno: -ENOENT is ENOENT's.  Its
 * text is Go's.  NULL for 0.  Allocates: not for the numbers that Linux uses.
 * Blocks: no.  Owner: caller. */
BL_API bl_error *bl_error_from_errno(int number);

/* The error of what getaddrinfo() returned; NULL for 0.  EAI_SYSTEM's is that of
 * errno, so call it right behind.
 * Blocks: no.  Owner: caller. */
BL_API bl_error *bl_error_from_gai(int code);

/* The error of a panic that was recovered: the one panicked with, or else one whose
 * text is what a report would print, of the kind bl_panicked_kind.  NULL for NULL:
 *
 *     bl_returns (bl_error *, err) {
 *         bl_defer {
 *             const bl_panic_info *p = bl_recover();
 *             if (p)
 *                 err = bl_error_from_panic(p);
 *         };
 *
 * Blocks: no.  Owner: caller. */
BL_API bl_error *bl_error_from_panic(const bl_panic_info *info);

typedef struct bl_panicked {
    bl_error base;
    bl_panic_kind kind; /* never BL_PANIC_ERROR */
    int signal;         /* BL_PANIC_FAULT: SIGSEGV, ...; else 0 */
    uintptr_t address;  /* BL_PANIC_FAULT: the address that was not there */
    char *message;
} bl_panicked;

BL_API extern const bl_error_kind bl_panicked_kind;

/* Makes an error of a kind of your own that has a size: so many bytes, zero but for
 * the kind in front.  Fill them in before anybody else sees the error.  Returns NULL
 * when memory is short.
 *
 *     struct parse_error { bl_error base; int line; bl_error *cause; };
 *     struct parse_error *e = bl_error_make(&parse_error_kind);
 *
 * Panics: for a kind without a size.  Blocks: no.  Owner: caller. */
BL_API void *bl_error_make(const bl_error_kind *kind);

/* --- keep and let go --------------------------------------------------------- */

/* Returns err with one more owner.  NULL is fine in both.
 * Call from: anywhere but a signal handler.  Blocks: no.  Owner: caller, too. */
BL_API bl_error *bl_error_retain(const bl_error *err);

/* Gives one owner's share back; the last one's frees err and releases what it wraps,
 * however long the chain.
 * Call from: anywhere but a signal handler.  Blocks: no. */
BL_API void bl_error_release(const bl_error *err);

/* --- look ---------------------------------------------------------------------- */

/* A tree is walked as in Go: an error itself, then what it wraps, first to last, each
 * with all it wraps in turn, until there is a hit.  Errors of kinds of your own that
 * wrap each other in a circle would have no end: a path that comes to 65,536 errors of
 * such kinds is a run-time panic.  (Belay's own errors can't be in a circle.) */

/* Whether err, or an error in its tree, is target, or counts as target by its kind's
 * `is`.  NULL is NULL, and nothing else is.
 * Blocks: no. */
BL_API bool bl_error_is(const bl_error *err, const bl_error *target);

/* Returns the first error in err's tree that is of that kind, or says by its kind's
 * `as` that it can be seen as one; NULL if there is none.
 *
 *     const struct parse_error *e = bl_error_as(err, &parse_error_kind);
 *
 * Panics: for a NULL kind.  Blocks: no.  Owner: err. */
BL_API const void *bl_error_as(const bl_error *err, const bl_error_kind *kind);

/* Returns the first error in err's tree for which fits(error, arg) is true: what
 * errors.As with an interface does.  Blocks: no.  Owner: err. */
BL_API const bl_error *bl_error_find(const bl_error *err,
                                     bool (*fits)(const bl_error *err, void *arg),
                                     void *arg);

/* What err wraps; NULL where that is nothing, or several errors, or err is NULL.
 * Blocks: no.  Owner: err. */
BL_API const bl_error *bl_error_unwrap(const bl_error *err);

/* How many errors err wraps, and the one of that number, from 0; NULL if there is
 * none.  Both forms of wrapping have them.  Blocks: no.  Owner: err. */
BL_API size_t bl_error_cause_count(const bl_error *err);
BL_API const bl_error *bl_error_cause(const bl_error *err, size_t i);

/* The first errno in err's tree, to hand it on to what wants a number; 0 if there is
 * none.  And the first code of getaddrinfo(). */
BL_API int bl_error_errno(const bl_error *err);
BL_API int bl_error_gai(const bl_error *err);

/* Returns `ENOENT` or `EAI_NONAME` for an error of the system, the name of its kind for
 * any other.  Owner: nobody, it stays. */
BL_API const char *bl_error_name(const bl_error *err);

/* --- print --------------------------------------------------------------------- */

/* Writes err's text into buf (size bytes, always terminated) and returns the length
 * the whole text has, as snprintf does.  `<nil>` for NULL.  Blocks: no. */
BL_API size_t bl_error_text(const bl_error *err, char *buf, size_t size);

/* Returns the text in memory of its own, or NULL when memory is short.
 * Blocks: no.  Owner: caller, free(). */
BL_API char *bl_error_string(const bl_error *err);

/* Writes everything: the text, the stack where it was made, and the same for all that
 * is in the tree.  Causes follow `caused by: `; members of several are numbered, [1],
 * and theirs [1.1].
 * Returns: as bl_error_text().  Blocks: reads debug information on first use. */
BL_API size_t bl_error_detail(const bl_error *err, char *buf, size_t size);

/* The same to a file descriptor. */
BL_API void bl_error_print(const bl_error *err, int fd);

/* Sets how many frames (up to 50) errors keep that are made from now on; with n < 0
 * only asks.  Returns what it was.  The default is 0, or BELAYDEBUG=errorstack=N:
 * then an error keeps the one place where it was made, which costs nothing.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_error_stack_depth(int n);

BL_END_DECLS

#endif
