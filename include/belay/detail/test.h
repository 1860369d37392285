/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/detail/test.h - what the macros of test.h call, in libbelay-test.
 *
 * Nothing here is for programs to name. */
#ifndef BELAY_DETAIL_TEST_H
#define BELAY_DETAIL_TEST_H

#include <belay/test.h>

#pragma GCC system_header

BL_BEGIN_DECLS

enum bl__test_says {
    BL__TEST_LOG,
    BL__TEST_ERROR,
};

BL_API void bl__test_add(struct bl__test_case *c);
BL_API BL_PRINTF(5, 6) void bl__test_say(bl_test *t, enum bl__test_says what,
                                         const char *file, int line,
                                         const char *format, ...);
BL_API BL_NORETURN void bl__test_stop(bl_test *t, bool skipped);
BL_API void bl__test_each(bl_test *t, void *rows, size_t count, size_t size,
                          void (*f)(bl_test *t, void *row));
BL_API bool bl__test_holds(bl_test *t, const char *file, int line, bool holds,
                           const char *condition);
BL_API bool bl__test_same(bl_test *t, const char *file, int line, const char *what,
                          bl_value got, bl_value want);
BL_API bool bl__test_panics(bl_test *t, const char *file, int line, const char *what,
                            void (*f)(void *arg), void *arg, const char *text);
BL_API bool bl__test_dies(bl_test *t, const char *file, int line, const char *what,
                          void (*f)(void *arg), void *arg, const char *text);

BL_API bool bl__test_leaks(bl_test *t, const char *file, int line, const char *what,
                           void (*f)(void *arg), void *arg);
BL_API bool bl__test_defers(bl_test *t, const char *file, int line, const char *what,
                            void (*f)(void *arg), void *arg, unsigned flags);

/* --- in libbelay itself, for libbelay-test ---------------------------------------- */

/* The seed of the deterministic mode, and a hash of which goroutine ran when.  Returns
 * false if it is off. */
BL_API bool bl__sched_trace(uint64_t *seed, uint64_t *hash);

/* Whether deferred code runs because of a panic that nobody has recovered so far. */
BL_API bool bl__is_panicking(void);

/* bl_goroutine_id(), or 0 in a thread that has not met Belay: for where malloc can't be
 * called, as to learn of a thread does. */
BL_API uint64_t bl__known_id(void);

/* Writes " function (file:line)" for a return address, as snprintf does. */
BL_API size_t bl__place(uintptr_t pc, char *buf, size_t size);

struct bl__live {
    const void *ctx; /* only to tell them apart: it may be gone already */
    uintptr_t pc;    /* where it was made: a return address */
};

/* Stores up to n of the contexts that could be cancelled and have not ended, and returns
 * how many there are: when a test or a program is over, those whose bl_context_end() was
 * forgotten. */
BL_API size_t bl__contexts_live(struct bl__live *list, size_t n);

static inline bl_value
bl__test_pointer(const volatile void *p)
{
    return bl_pointer((const void *)p, NULL);
}

BL_END_DECLS

#define BL__TEST_SAY(t, what, ...)                                             \
    bl__test_say((t), (what), __FILE__, __LINE__, __VA_ARGS__)

#ifndef __cplusplus
#define BL__TEST_VALUE(x)                                                      \
    _Generic((x),                                                              \
        _Bool: bl_bool,                                                        \
        char: bl_int,                                                          \
        signed char: bl_int,                                                   \
        short: bl_int,                                                         \
        int: bl_int,                                                           \
        long: bl_int,                                                          \
        long long: bl_int,                                                     \
        unsigned char: bl_uint,                                                \
        unsigned short: bl_uint,                                               \
        unsigned: bl_uint,                                                     \
        unsigned long: bl_uint,                                                \
        unsigned long long: bl_uint,                                           \
        float: bl_float,                                                       \
        double: bl_float,                                                      \
        char *: bl_string,                                                     \
        const char *: bl_string,                                               \
        default: bl__test_pointer)(x)
#endif

#endif
