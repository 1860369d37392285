/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/test.h - tests: a frame for your own, certain clean-up, bubbles with a clock.
 *
 *     #include <belay/test.h>
 *
 *     BL_TEST(splits_a_path)
 *     {
 *         bl_assert_eq(t, depth_of("/usr/lib"), 2);
 *         bl_assert_panics_with(t, split, NULL, "no path");
 *     }
 *     // cc path_test.c path.c $(pkg-config --cflags --libs belay-test)
 *
 * That is the whole program: the library has its main.  Each test runs in a goroutine
 * of a process of its own, so one that crashes, hangs or leaves something behind
 * takes nothing from the others.  What bl_assert...() finds is noted, and the test
 * goes on; bl_test_fatal() and bl_require() end it.  ./path_test --help lists the
 * options: -run, -v, -tap, -junit FILE, ....
 *
 * libbelay-test stands before the C library's malloc, open, read, pthread_mutex_lock
 * and their like: so it can let the n-th one fail, and see what was never released,
 * released twice or in the wrong order.  Link it to tests only.
 *
 * bl_bubble() and bl_bubble_wait() are part of libbelay and work without the rest.
 * In a bubble time stands still while anything runs.  When every goroutine of the
 * bubble is durably blocked, it jumps to the next timer.  Durably blocked is who
 * waits for what only the bubble can bring about: sleeping, channels and select
 * over channels made in the bubble, wait groups, condition variables; not a mutex,
 * a system call or a channel from outside.  (Go's testing/synctest.) */
#ifndef BELAY_TEST_H
#define BELAY_TEST_H

#include <belay/config.h>
#include <belay/panic.h>

/* The kit's own sources define what programs only hope to find. */
#ifdef BL__TESTKIT
#define BL__TEST_WEAK
#else
#define BL__TEST_WEAK __attribute__((weak))
#endif

BL_BEGIN_DECLS

/* A test, or a part of one, while it runs: Go's testing.T.  Everything that takes one
 * may be called by any goroutine and thread that the test has started, until it ends;
 * what ends the test, by the test's own goroutine only. */
typedef struct bl_test bl_test;

/* Which calls bl_fail_nth() lets fail, and with which errno. */
typedef enum bl_fail {
    BL_FAIL_MALLOC = 1,  /* malloc, calloc, realloc, ...: ENOMEM */
    BL_FAIL_OPEN = 2,    /* open, fopen, opendir, dup, pipe, ...: EMFILE */
    BL_FAIL_READ = 4,    /* read, pread, recv, ...: EIO */
    BL_FAIL_WRITE = 8,   /* write, pwrite, send, ...: ENOSPC */
    BL_FAIL_SOCKET = 16, /* socket, accept, connect, ...: ENOBUFS */
    BL_FAIL_THREAD = 32, /* pthread_create: EAGAIN */
    BL_FAIL_ANY = 63,
} bl_fail;

/* What bl_assert_defers_run_with() does beyond, or without. */
typedef enum bl_run_flags {
    BL_CALLS_PANIC = 1, /* each call that may panic does, once: not only bl_step() */
    BL_ANY_ORDER = 2,   /* releases need not come in the reverse order */
} bl_run_flags;

/* --- bubbles ------------------------------------------------------------------ */

/* Runs f(arg) in a goroutine in a bubble of its own, and returns when that and all
 * goroutines it started have ended.  The bubble's clock begins at midnight UTC,
 * 2000-01-01.
 * Call from: anywhere outside a bubble.  Blocks: until then.
 * Panics: when all of them are blocked for ever ("deadlock: ..."). */
BL_API void bl_bubble(void (*f)(void *arg), void *arg);

/* Waits until every other goroutine of the caller's bubble is durably blocked.
 * Call from: in a bubble.  Panics: outside one; when another one waits already. */
BL_API void bl_bubble_wait(void);

/* --- tests -------------------------------------------------------------------- */

typedef struct bl__test_case {
    const char *name, *file;
    void (*f)(bl_test *t);
    struct bl__test_case *next;
    int line;
} bl__test_case;

/* BL_TEST(name) { ... }: a test; in the block t is its bl_test *.  Tests run in the
 * order in which they stand in their file. */
#define BL_TEST(test)                                                          \
    static void test(bl_test *t);                                              \
    __attribute__((constructor)) static void bl__test_add_##test(void)         \
    {                                                                          \
        static bl__test_case self = {#test, __FILE__, test, 0, __LINE__};      \
        bl__test_add(&self);                                                   \
    }                                                                          \
    static void test(bl_test *t __attribute__((unused)))

/* Runs the tests that the command line asks for, and returns the exit status: 0 if
 * none failed, 1 if one did, 2 for a wrong usage and if there was nothing to run.  The
 * library's own main does just that; a program may have another.
 * Call from: main, before anything was started. */
BL_API int bl_test_main(int argc, char **argv);

/* Notes a line of printf's text, with file and line; it is shown if the test fails,
 * or with -v.
 * Call from: anywhere.  Blocks: no. */
#define bl_test_log(t, ...) BL__TEST_SAY(t, BL__TEST_LOG, __VA_ARGS__)

/* As bl_test_log(), and the test has failed, but goes on. */
#define bl_test_error(t, ...) BL__TEST_SAY(t, BL__TEST_ERROR, __VA_ARGS__)

/* As bl_test_error(), and ends the test: deferred code runs (bl_goexit()).
 * Call from: the test's goroutine.  Returns: never. */
#define bl_test_fatal(t, ...)                                                  \
    (BL__TEST_SAY(t, BL__TEST_ERROR, __VA_ARGS__), bl__test_stop(t, false))

/* As bl_test_log(), and ends the test, which counts as skipped, unless it had failed.
 * Call from: the test's goroutine.  Returns: never. */
#define bl_test_skip(t, ...)                                                   \
    (BL__TEST_SAY(t, BL__TEST_LOG, __VA_ARGS__), bl__test_stop(t, true))

/* Runs f(sub, arg) as a part of t, named t's name, a slash, and name; returns whether
 * it passed.  If it fails t has failed, too.  f runs in a goroutine of its own.
 * Call from: the test's goroutine.  Blocks: until f has ended. */
BL_API bool bl_test_run(bl_test *t, const char *name, void (*f)(bl_test *t, void *arg),
                        void *arg);

/* bl_test_each(t, table, f): calls bl_test_run() for each element of an array of
 * structs whose first member is `const char *name`; f gets the element's address.
 * Call from: the test's goroutine.  Blocks: until all have ended. */
#define bl_test_each(t, table, f)                                              \
    bl__test_each((t), (void *)(table), sizeof(table) / sizeof *(table),       \
                  sizeof *(table), (f))

/* Runs f(t, arg) in a bubble and waits for its goroutines; see bl_bubble().
 * Call from: the test's goroutine, outside a bubble.  Blocks: until then. */
BL_API void bl_test_bubble(bl_test *t, void (*f)(bl_test *t, void *arg), void *arg);

/* Has f(arg) called when t has ended, however that was; the last comes first.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_test_cleanup(bl_test *t, void (*f)(void *arg), void *arg);

/* The name of an empty folder, which is removed with what is in it when t has ended.
 * Owner: t.  Call from: the test's goroutine. */
BL_API const char *bl_test_temp_dir(bl_test *t);

/* The test's full name, and whether it has failed so far. */
BL_API const char *bl_test_name(const bl_test *t);
BL_API bool bl_test_failed(const bl_test *t);

/* The next number of a sequence that -seed N and the test's name decide on.  Without
 * -seed it is another one in every run, and a test that fails says which.
 * Call from: anywhere.  Blocks: no. */
BL_API uint64_t bl_test_random(bl_test *t);

/* --- assertions --------------------------------------------------------------- */

/* bl_assert(t, condition): notes an error unless it holds; is whether it does. */
#define bl_assert(t, condition)                                                \
    bl__test_holds((t), __FILE__, __LINE__, (condition) ? true : false, #condition)

/* bl_require(t, condition): as bl_assert(), but ends the test, as bl_test_fatal(). */
#define bl_require(t, condition)                                               \
    (bl_assert(t, condition) ? (void)0 : bl__test_stop((t), false))

#ifndef __cplusplus
/* bl_assert_eq(t, got, want): notes an error with both values unless they are the same:
 * numbers by their value, whatever the type, strings by their text, other pointers by
 * their address.  Is whether they are. */
#define bl_assert_eq(t, got, want)                                             \
    bl__test_same((t), __FILE__, __LINE__, #got, BL__TEST_VALUE(got),          \
                  BL__TEST_VALUE(want))
#endif

/* bl_assert_panics(t, f, arg): calls f(arg), which has to panic; the panic goes no
 * further.  bl_assert_panics_with(t, f, arg, text): and text has to be part of what
 * it panics with.  Both are whether that was so. */
#define bl_assert_panics(t, f, arg)                                            \
    bl__test_panics((t), __FILE__, __LINE__, #f, (f), (arg), NULL)
#define bl_assert_panics_with(t, f, arg, text)                                 \
    bl__test_panics((t), __FILE__, __LINE__, #f, (f), (arg), (text))

/* bl_assert_dies(t, f, arg, text): calls f(arg) in a child process, which has to end by a
 * fatal error, an uncaught panic, a signal or an exit status other than 0, and has to
 * have printed text.  Is whether that was so. */
#define bl_assert_dies(t, f, arg, text)                                        \
    bl__test_dies((t), __FILE__, __LINE__, #f, (f), (arg), (text))

/* bl_assert_no_leaks(t, f, arg): calls f(arg), and notes what is left behind it: memory,
 * descriptors, streams, mutexes, goroutines, contexts and what bl_acquired() told of.
 * What a second call does not leave again was kept for good reason, once.  Is whether
 * nothing was left. */
#define bl_assert_no_leaks(t, f, arg)                                          \
    bl__test_leaks((t), __FILE__, __LINE__, #f, (f), (arg))

/* bl_assert_defers_run(t, f, arg): calls f(arg) again and again, each time with one thing
 * going wrong: each call into the C library that can fail fails in its turn, each
 * bl_step() panics, and ends the goroutine.  Each time all that was acquired has to be
 * released, once, the last first.  bl_assert_defers_run_with(t, f, arg, flags): the same
 * with some bl_run_flags.  Both are whether that was so.
 *
 * What it goes by is what was acquired and released, not the defers: a defer { } block
 * leaves no trace that could be counted.  A defer that releases nothing is seen if it
 * tells by bl_acquired() and bl_released().  Memory may be freed in any order.
 *
 * f has to do the same in every call, and to release itself what it acquires.
 * Call from: the test's goroutine.  Blocks: until all calls have ended. */
#define bl_assert_defers_run(t, f, arg) bl_assert_defers_run_with(t, f, arg, 0)
#define bl_assert_defers_run_with(t, f, arg, flags)                            \
    bl__test_defers((t), __FILE__, __LINE__, #f, (f), (arg), (unsigned)(flags))

/* --- what goes wrong ------------------------------------------------------------ */

/* Lets the n-th such call from now on fail, once, whoever makes it: with the errno that
 * bl_fail says, or another one.  `what` may be a sum.  An earlier order is forgotten.
 * Call from: a test.  Blocks: no. */
BL_API void bl_fail_nth(bl_fail what, long n);
BL_API void bl_fail_nth_with(bl_fail what, long n, int error);

/* Forgets the order of bl_fail_nth(); returns whether it was carried out.
 * Call from: a test.  Blocks: no. */
BL_API bool bl_fail_stop(void);

/* A place where bl_assert_defers_run() makes things go wrong; else it does nothing.
 * BL_STEP(name): the same in a program that is linked without libbelay-test as well.
 * Call from: where a panic may come from.  Blocks: no. */
BL_API void bl_step(const char *name) BL__TEST_WEAK;
#define BL_STEP(name) (bl_step ? bl_step(name) : (void)0)

/* Tell bl_assert_defers_run() and bl_assert_no_leaks() of something of your own that has
 * to be released: what it is, a literal, and which one.  BL_ACQUIRED(what, id),
 * BL_RELEASED(what, id): the same in a program that is linked without libbelay-test as
 * well.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_acquired(const char *what, const void *id) BL__TEST_WEAK;
BL_API void bl_released(const char *what, const void *id) BL__TEST_WEAK;
#define BL_ACQUIRED(what, id) (bl_acquired ? bl_acquired(what, id) : (void)0)
#define BL_RELEASED(what, id) (bl_released ? bl_released(what, id) : (void)0)

BL_END_DECLS

#include <belay/detail/test.h>

#endif
