/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/detail/closer.h - how bl_with_closer is made.
 *
 * The value lies in `value` and `more`, as bytes; a function that the compiler makes
 * for the place, and that captures nothing, takes it out again and calls f. */
#ifndef BELAY_DETAIL_CLOSER_H
#define BELAY_DETAIL_CLOSER_H

#include <belay/detail/args.h>

/* As in frame.h: users' warning flags are for users' code. */
#pragma GCC system_header

#ifdef __belay_vet__
#define BL__WITH_CLOSER(v, f)                                                  \
    (bl__vet_call(#f, v), (void)(f), (void)sizeof((f)(v), 0), (bl_closer){0})
#else

#define BL__RETURNS_TYPE(call, T) __builtin_types_compatible_p(__typeof__(call), T)

/* The call stands in several branches, of which one is compiled; in that of another
 * type 0 stands for it, so that it passes the compiler. */
#define BL__CALL_CLOSER(call)                                                  \
    __builtin_choose_expr(                                                     \
        BL__RETURNS_TYPE(call, bl_error *), call,                              \
        __builtin_choose_expr(                                                 \
            BL__RETURNS_TYPE(call, int),                                       \
            bl__closed_with(                                                   \
                __builtin_choose_expr(BL__RETURNS_TYPE(call, int), call, 0)),  \
            ((void)(call), (bl_error *)0)))

/* Types of their own: what a qualified, array or function operand becomes. */
#define BL__WITH_CLOSER(v, function)                                           \
    __extension__({                                                            \
        typedef __typeof__((void)0, (v)) bl__value_type;                       \
        typedef __typeof__(&*(function)) bl__close_type;                       \
        _Static_assert(sizeof(bl__value_type) <= 2 * sizeof(void *),           \
                       "belay: bl_with_closer: the value has more than 16 "    \
                       "bytes; hand over a pointer to it");                    \
        (void)sizeof((function)(v), 0);                                        \
        union {                                                                \
            void *words[2];                                                    \
            bl__value_type it;                                                 \
        } bl__value = {{0, 0}};                                                \
        bl__value.it = (v);                                                    \
        bl_closer bl__closer = {0};                                            \
        bl__closer.value = bl__value.words[0];                                 \
        bl__closer.more = bl__value.words[1];                                  \
        bl__closer.f = (void (*)(void))(bl__close_type)(function);             \
        bl__closer.call = BL__CLOSER_THUNK(bl__value_type, bl__close_type);    \
        bl__closer;                                                            \
    })

#define BL__CLOSER_BODY(T, F)                                                  \
    {                                                                          \
        union {                                                                \
            void *words[2];                                                    \
            T it;                                                              \
        } bl__v = {{bl__c->value, bl__c->more}};                               \
        return BL__CALL_CLOSER(((F)bl__c->f)(bl__v.it));                       \
    }

#ifdef __clang__
#define BL__CLOSER_THUNK(T, F)                                                 \
    __extension__({                                                            \
        bl_error *(^bl__close_it)(const bl_closer *) =                         \
            ^bl_error *(const bl_closer *bl__c) BL__CLOSER_BODY(T, F);         \
        /* a block's code takes the block first, and does not look at it */    \
        (bl_error * (*)(void *, const bl_closer *))                            \
            ((struct bl__block *)(void *)bl__close_it)->invoke;                \
    })
#elif defined(__OPTIMIZE__)
#define BL__CLOSER_THUNK(T, F)                                                 \
    __extension__({                                                            \
        bl_error *bl__close_it(void *bl__self __attribute__((unused)),         \
                               const bl_closer *bl__c) BL__CLOSER_BODY(T, F)   \
        bl__close_it;                                                          \
    })
#else
#define BL__CLOSER_THUNK(T, F) BL__CLOSER_THUNK_(T, F, __COUNTER__)
#define BL__CLOSER_THUNK_(T, F, n) BL__CLOSER_THUNK__(T, F, n)
#define BL__CLOSER_THUNK__(T, F, n)                                            \
    __extension__({                                                            \
        extern __attribute__((visibility("hidden"))) bl_error *bl__closer_##n( \
            void *, const bl_closer *) BL__ASM_NAME(bl__closer_##n);           \
        auto bl_error *bl__close_it(void *, const bl_closer *)                 \
            BL__ASM_NAME(bl__closer_##n) __attribute__((used));                \
        bl_error *bl__close_it(void *bl__self __attribute__((unused)),         \
                               const bl_closer *bl__c) BL__CLOSER_BODY(T, F)   \
        bl__closer_##n;                                                        \
    })
#endif

#endif /* !__belay_vet__ */
#endif
