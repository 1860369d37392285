/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/detail/vet.h - the macros of defer.h for tools that read programs.
 *
 * With -D__belay_vet__ every macro becomes plain C that any clang can parse,
 * annotated so that a tool finds it again: `bl_defer { }` is a loop that runs
 * once over a variable annotated "belay:defer".  Such code is for reading; run,
 * it would do the wrong thing. */
#ifndef BELAY_DETAIL_VET_H
#define BELAY_DETAIL_VET_H

#include <belay/config.h>
#include <belay/detail/args.h>
#include <belay/panic.h>

#pragma GCC system_header

BL_BEGIN_DECLS
BL_API const bl_panic_info *bl__vet_recover(void);
BL_API void bl__vet_leave(void);
BL_API void bl__vet_call(const char *callee, ...);
BL_END_DECLS

#define BL__VET_UNUSED __attribute__((unused))
#if defined(__clang__)
#define BL__VET_MARK(text) __attribute__((annotate(text), unused))
#else
#define BL__VET_MARK(text) __attribute__((unused))
#endif

#define bl_returns(T, name)                                                    \
    for (__typeof__(T) name BL__VET_MARK("belay:returns") = {0},               \
                            *bl__result BL__VET_UNUSED = &name;;               \
         __extension__({ return name; }))                                      \
        for (int bl__body = 1; bl__body; bl__body = 0)

#define bl_returns_nothing                                                     \
    for (int bl__nothing BL__VET_MARK("belay:returns") = 1;;                   \
         __extension__({                                                       \
             (void)bl__nothing;                                                \
             return;                                                           \
         }))                                                                   \
        for (int bl__body = 1; bl__body; bl__body = 0)

/* A real leave is a goto to the body's end; a tool sees a call that marks it
 * and a loop that goes nowhere. */
#define bl_leave                                                               \
    do {                                                                       \
        bl__vet_leave();                                                       \
        for (;;)                                                               \
            ;                                                                  \
    } while (0)

#define bl_leave_with(...)                                                     \
    do {                                                                       \
        *bl__result = (__VA_ARGS__);                                           \
        bl_leave;                                                              \
    } while (0)

#define bl_defer                                                               \
    for (int BL__CAT(bl__once_, __LINE__) BL__VET_MARK("belay:defer") = 1;     \
         BL__CAT(bl__once_, __LINE__); BL__CAT(bl__once_, __LINE__) = 0)

/* The call itself stands in sizeof, so that it is checked and found but not
 * taken for one that is made here. */
#define bl_defer_call(...) BL__VET_CALL(__VA_ARGS__)
#define BL__VET_CALL(f, ...)                                                   \
    (bl__vet_call(#f, ##__VA_ARGS__), (void)(f),                               \
     (void)sizeof((f)(__VA_ARGS__), 0))

#define bl_recover() bl__vet_recover()

#endif
