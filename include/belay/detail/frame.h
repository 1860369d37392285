/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/detail/frame.h - how the macros of defer.h are made.
 *
 * Nothing here is for programs to name.  Read defer.h for what the macros do
 * and docs/engine.md for why each line is as it is.
 *
 * Scope markers.  Three names are declared here at file scope and again, with
 * another type, by the macros in the scopes they open; the size of the type
 * then tells at compile time where a macro stands:
 *
 *     sizeof *bl__scope    1 + number of defer blocks around it
 *     sizeof *bl__body     2 inside bl_returns, 3 inside bl_returns_nothing, else 1
 */
#ifndef BELAY_DETAIL_FRAME_H
#define BELAY_DETAIL_FRAME_H

#include <belay/config.h>
#include <belay/detail/args.h>
#include <belay/panic.h>

/* Users' warning flags are for users' code: what the macros expand to shadows
 * names and nests functions on purpose. */
#pragma GCC system_header

BL_BEGIN_DECLS

/* A function body's tie to its deferred calls.  Lives in the frame. */
struct bl__frame {
    struct bl__calls *calls; /* NULL until the first bl_defer_call */
    void *result;            /* the named result; NULL if there is none */
    void (*load)(void);      /* returns *result: puts it where the ABI wants it */
    size_t size;             /* of the result, bytes */
};

/* Where a deferred call was registered; one static object a call site. */
struct bl__site {
    const char *file;
    const char *function;
    const char *callee; /* source text of the function operand */
    int line;
};

/* How a body was left other than by its end: bl__body_left's argument. */
struct bl__left {
    struct bl__calls *calls;
    void *cfa;
    const void *value; /* copy of the named result; NULL if there is none */
    void (*load)(void);
    size_t size;
    const char *function;
};

typedef void bl__thunk(void *self, void *args);

BL_API void *bl__push(struct bl__frame *frame, void *cfa, bl__thunk *thunk,
                      void *callee, size_t size, const struct bl__site *site);
BL_API void bl__run(struct bl__calls *calls);
BL_API BL_COLD void bl__body_left(const struct bl__left *left);
BL_API BL_COLD void bl__block_end(void *cfa);
BL_API const bl_panic_info *bl__recover_in_block(void *cfa);
BL_API const bl_panic_info *bl__recover_nowhere(void);
#ifdef __cplusplus
BL_API const bl_panic_info *bl__recover_in_call(void);
#else
/* returns_twice: the one attribute that keeps a caller from being inlined.  An
 * inlined caller would be taken for the function that was deferred. */
BL_API __attribute__((returns_twice)) const bl_panic_info *
bl__recover_in_call(void);
#endif

BL_END_DECLS

#ifndef __cplusplus

extern char (*bl__scope)[1];
extern char (*bl__body)[1];
extern int bl__recovered;

#define BL__INLINE inline __attribute__((always_inline, unused))

/* The frame's canonical frame address, as unwinders compute it.  clang's built-in
 * for that yields the frame pointer on aarch64; there the CFA is the stack pointer
 * at entry. */
#if defined(__clang__) && defined(__aarch64__)
#define BL__CFA() __builtin_sponentry()
#else
#define BL__CFA() __builtin_dwarf_cfa()
#endif

/* Everything the ABI lets a callee destroy: after a landing none of it can be
 * relied on, and no compiler may learn otherwise from the body. */
#if defined(__x86_64__)
#define BL__CLOBBERS                                                           \
    "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",      \
        "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#else
#define BL__CLOBBERS                                                           \
    "memory", "cc", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8",      \
        "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "v0",    \
        "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19",  \
        "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",  \
        "v30", "v31"
#endif

/* --- returns ------------------------------------------------------------- */

/* Keeps the function from being inlined or copied (its frame has to be its own)
 * and tells the compiler that control may arrive at the label: see
 * docs/engine.md, "What the compiler must be told".
 *
 * A static object that holds a label's address is what forbids copies.  GCC looks
 * at it early and must be free to drop it then: kept, it may outlive the function,
 * or be put into another part of the program by LTO, where the label is not.
 * clang only looks at what is used. */
#ifdef __clang__
#define BL__PIN_USE "X"(&bl__pin)
#else
#define BL__PIN_USE
#endif
#define BL__GUARD()                                                            \
    __extension__({                                                            \
        static const void *const bl__pin __attribute__((unused)) =             \
            &&bl__only_one_body_in_a_function;                                 \
        __asm__ goto("" : : BL__PIN_USE : : bl__only_one_body_in_a_function);  \
        0;                                                                     \
    })

struct bl__guard {
    int once; /* 1 while the body runs */
    void *value;
    size_t size;
    void (*load)(void);
    struct bl__frame *frame;
    const char *function;
};

/* Runs when the body's scope is left.  At the body's end `once` is 0 and all of
 * this is folded away; by a plain return, or in a landing pad, it is 1. */
static BL__INLINE void
bl__guard_left(struct bl__guard *g)
{
    if (g->once) {
        _Alignas(16) char copy[32];
        struct bl__left left = {
            g->frame->calls, BL__CFA(), copy, g->load, g->size, g->function,
        };

        __builtin_memcpy(copy, g->value, g->size);
        bl__body_left(&left);
    }
}

/* The same where there is no result: a plain return is fine, and without
 * deferred calls there is nothing to do. */
static BL__INLINE void
bl__guard_left_nothing(struct bl__guard *g)
{
    if (g->once && g->frame->calls) {
        struct bl__left left = {
            g->frame->calls, BL__CFA(), 0, 0, 0, g->function,
        };

        bl__body_left(&left);
    }
}

#ifdef __clang__
#ifndef __BLOCKS__
#error "belay: clang needs -fblocks (and no other option): see README, clang"
#endif
struct bl__block {
    void *isa;
    int flags, reserved;
    void (*invoke)(void);
};
/* A block literal without captures is a constant; only its code is used. */
#define BL__LOADER(T)                                                          \
    __extension__({                                                            \
        __typeof__(T) (^bl__load)(const __typeof__(T) *) =                     \
            ^__typeof__(T)(const __typeof__(T) *p) { return *p; };             \
        ((struct bl__block *)(void *)bl__load)->invoke;                        \
    })
#define BL__THUNK_BEGIN(name) void (^name)(void *) = ^(void *bl__p)
#define BL__THUNK_END(name)                                                    \
    ((bl__thunk *)(void *)((struct bl__block *)(void *)name)->invoke)
#elif defined(__OPTIMIZE__)
/* A nested function without captures needs no trampoline: its address is that
 * of its code. */
#define BL__LOADER(T)                                                          \
    __extension__({                                                            \
        __typeof__(T) bl__load(const __typeof__(T) *p) { return *p; }          \
        (void (*)(void)) bl__load;                                             \
    })
#define BL__THUNK_BEGIN(name)                                                  \
    void name(void *bl__self __attribute__((unused)), void *bl__p)
#define BL__THUNK_END(name) name
#else
/* At -O0 GCC makes a trampoline whenever the address is taken, and the stack
 * executable for it.  So the function gets a name of its own in the assembly,
 * and an external declaration of the same name yields the address.  (Not with
 * LTO, where such names don't meet: -O0 -flto fails to link.) */
#define BL__LOADER(T) BL__LOADER_(T, __COUNTER__)
#define BL__LOADER_(T, n) BL__LOADER__(T, n)
#define BL__LOADER__(T, n)                                                     \
    __extension__({                                                            \
        auto __typeof__(T) bl__load(const __typeof__(T) *p)                    \
            BL__ASM_NAME(bl__load_##n) __attribute__((used));                  \
        __typeof__(T) bl__load(const __typeof__(T) *p) { return *p; }          \
        extern __attribute__((visibility("hidden"))) void bl__load_##n(void)   \
            BL__ASM_NAME(bl__load_##n);                                        \
        bl__load_##n;                                                          \
    })
#define BL__ASM_NAME(name) __asm__(BL__STRING(name))
#define BL__STRING(name) #name
#define BL__THUNK_BEGIN(name) BL__THUNK_BEGIN_(name, __COUNTER__)
#define BL__THUNK_BEGIN_(name, n) BL__THUNK_BEGIN__(name, n)
#define BL__THUNK_BEGIN__(name, n)                                             \
    extern __attribute__((visibility("hidden"))) void bl__call_##n(            \
        void *, void *) BL__ASM_NAME(bl__call_##n);                            \
    bl__thunk *const bl__code = bl__call_##n;                                  \
    auto void name(void *, void *) BL__ASM_NAME(bl__call_##n)                  \
        __attribute__((used));                                                 \
    void name(void *bl__self __attribute__((unused)), void *bl__p)
#define BL__THUNK_END(name) bl__code
#endif

#define BL__RESULT_FITS(T)                                                     \
    (sizeof(T) <= 16 || __builtin_types_compatible_p(__typeof__(T),            \
                                                     _Complex long double))

#define BL__RETURNS(T, name)                                                   \
    _Static_assert(BL__RESULT_FITS(T),                                         \
                   "belay: a named result has to fit into two registers (16 "  \
                   "bytes); hand out a larger one through a pointer "          \
                   "parameter, and return its status");                        \
    if (BL__GUARD()) {                                                         \
    bl__only_one_body_in_a_function:;                                          \
        __typeof__(T) bl__anything;                                            \
        __asm__ volatile("" : "=m"(bl__anything) : : BL__CLOBBERS);            \
        return bl__anything;                                                   \
    } else                                                                     \
        for (__typeof__(T) name = {0};;)                                       \
            for (__typeof__(T) *const bl__result = &name;;(void)bl__result)    \
                BL__BODY(2, BL__LOADER(T), sizeof(T), &name, return name,      \
                         bl__guard_left)

#define BL__RETURNS_NOTHING                                                    \
    if (BL__GUARD()) {                                                         \
    bl__only_one_body_in_a_function:                                           \
        __asm__ volatile("" : : : BL__CLOBBERS);                               \
        return;                                                                \
    } else                                                                     \
        BL__BODY(3, 0, 0, 0, return, bl__guard_left_nothing)

/* What both share.  The body's end, and `leave`, reach the innermost loop's
 * increment: the blocks have run, and the guard knows that all is well.  A panic
 * in one of those blocks still finds the guard up.  The loop around it runs the
 * deferred calls, reads the result and returns. */
#define BL__BODY(mark, loader, bytes, value, finish, left)                     \
    for (char(*bl__body)[mark] = 0;; (void)bl__body)                           \
        for (int bl__recovered = 0;; (void)bl__recovered)                      \
            for (struct bl__frame bl__frame = {0, value, loader, bytes};;      \
                 __extension__({                                               \
                     if (__builtin_expect(bl__frame.calls != 0, 0))            \
                         bl__run(bl__frame.calls);                             \
                     finish;                                                   \
                 }))                                                           \
                for (struct bl__guard bl__guard                                \
                     __attribute__((cleanup(left))) = {1,                      \
                                                       bl__frame.result,       \
                                                       bytes,                  \
                                                       bl__frame.load,         \
                                                       &bl__frame,             \
                                                       __func__};              \
                     bl__guard.once; bl__guard.once = 0)                       \
                    if (0) {                                                   \
                    bl__leave: __attribute__((unused));                        \
                    } else

#define BL__NEEDS_BODY(what)                                                   \
    _Static_assert(sizeof *bl__body > 1,                                       \
                   "belay: " what " stands outside bl_returns and "            \
                   "bl_returns_nothing")

#define BL__LEAVE()                                                            \
    do {                                                                       \
        BL__NEEDS_BODY("bl_leave");                                            \
        goto bl__leave;                                                        \
    } while (0)

#define BL__LEAVE_WITH(...)                                                    \
    do {                                                                       \
        BL__NEEDS_BODY("bl_leave_with");                                       \
        _Static_assert(sizeof *bl__body != 3,                                  \
                       "belay: bl_leave_with needs bl_returns: this body has " \
                       "no result");                                           \
        *bl__result = (__VA_ARGS__);                                           \
        goto bl__leave;                                                        \
    } while (0)

/* --- defer blocks -------------------------------------------------------- */

#if defined(__clang__)
#define BL__DEFER(n)                                                           \
    _Static_assert(0, "belay: clang compiles clean-up blocks wrongly for "     \
                      "unwinding; use bl_defer_call, or GCC");                 \
    if (1)
#elif !defined(__EXCEPTIONS)
#define BL__DEFER(n)                                                           \
    _Static_assert(0, "belay: defer { } needs -fexceptions "                   \
                      "-fnon-call-exceptions: add the output of "              \
                      "`pkg-config --cflags belay`");                          \
    if (1)
#else
/* The user's block becomes the body of a nested function that is always
 * inlined, so it sees the locals and needs no trampoline.  A second function
 * around it, the one that `cleanup` calls, tells the engine when a block that
 * recovered is done; without bl_recover in the function it folds to a call. */
#define BL__DEFER(n)                                                           \
    auto BL__INLINE void BL__CAT(bl__block_, n)(                               \
        char(*bl__scope)[sizeof *bl__scope + 1]);                              \
    BL__INLINE void BL__CAT(bl__leave_, n)(char *bl__unused                    \
                                           __attribute__((unused)))            \
    {                                                                          \
        BL__CAT(bl__block_, n)(0);                                             \
        if (sizeof *bl__scope == 1 && sizeof *bl__body > 1 &&                  \
            bl__recovered) {                                                   \
            bl__recovered = 0;                                                 \
            bl__block_end(BL__CFA());                                          \
        }                                                                      \
    }                                                                          \
    __attribute__((cleanup(BL__CAT(bl__leave_, n)), unused)) char              \
        BL__CAT(bl__deferred_, n);                                             \
    BL__INLINE void BL__CAT(bl__block_, n)(                                    \
        __attribute__((unused)) char(*bl__scope)[sizeof *bl__scope + 1])
#endif

/* --- deferred calls ------------------------------------------------------ */

/* The call in sizeof is never made: it lets the compiler check the arguments
 * with the user's own tokens, warnings included. */
#define BL__DEFER_CALL(f, ...)                                                 \
    __extension__({                                                            \
        BL__NEEDS_BODY("bl_defer_call");                                       \
        (void)sizeof((f)(__VA_ARGS__), 0);                                     \
        struct bl__args {                                                      \
            __typeof__(&*(f)) callee;                                          \
            BL__MEMBERS(bl__now, ##__VA_ARGS__)                                \
        };                                                                     \
        _Static_assert(_Alignof(struct bl__args) <= 16,                        \
                       "belay: bl_defer_call: an argument is aligned to more " \
                       "than 16 bytes; hand over a pointer to it");            \
        struct bl__args bl__now;                                               \
        bl__now.callee = (f);                                                  \
        BL__FILL(bl__now, ##__VA_ARGS__)                                       \
        BL__THUNK_BEGIN(bl__call)                                              \
        {                                                                      \
            struct bl__args *bl__a = bl__p;                                    \
            bl__a->callee(BL__PASS(bl__a, ##__VA_ARGS__));                     \
        };                                                                     \
        static const struct bl__site bl__here = {__FILE__, __func__, #f,       \
                                                 __LINE__};                    \
        *(struct bl__args *)bl__push(&bl__frame, BL__CFA(),                    \
                                     BL__THUNK_END(bl__call),                  \
                                     (void *)bl__now.callee, sizeof bl__now,   \
                                     &bl__here) = bl__now;                     \
        (void)0;                                                               \
    })

/* --- go ------------------------------------------------------------------ */

#define BL__GO(start, options, f, ...)                                         \
    __extension__({                                                            \
        (void)sizeof((f)(__VA_ARGS__), 0);                                     \
        struct bl__args {                                                      \
            __typeof__(&*(f)) callee;                                          \
            BL__MEMBERS(bl__now, ##__VA_ARGS__)                                \
        };                                                                     \
        _Static_assert(_Alignof(struct bl__args) <= 16,                        \
                       "belay: bl_go: an argument is aligned to more than 16 " \
                       "bytes; hand over a pointer to it");                    \
        struct bl__args bl__now;                                               \
        bl__now.callee = (f);                                                  \
        BL__FILL(bl__now, ##__VA_ARGS__)                                       \
        BL__THUNK_BEGIN(bl__call)                                              \
        {                                                                      \
            struct bl__args *bl__a = bl__p;                                    \
            bl__a->callee(BL__PASS(bl__a, ##__VA_ARGS__));                     \
        };                                                                     \
        static const struct bl__site bl__here = {__FILE__, __func__, #f,       \
                                                 __LINE__};                    \
        start(BL__THUNK_END(bl__call), &bl__now, sizeof bl__now,               \
              (void *)bl__now.callee, &bl__here, options);                     \
    })

/* --- recover ------------------------------------------------------------- */

/* Outside blocks the static object tells the function from others with the same
 * code, which GCC would make one: then neither would be the one deferred. */
#define BL__RECOVER()                                                          \
    __builtin_choose_expr(                                                     \
        sizeof *bl__scope == 1,                                                \
        __extension__({                                                        \
            static char bl__own;                                               \
            __asm__("" : "+m"(bl__own));                                       \
            bl__recover_in_call();                                             \
        }),                                                                    \
        __builtin_choose_expr(                                                 \
            sizeof *bl__scope == 2 && sizeof *bl__body > 1,                    \
            __extension__({                                                    \
                const bl_panic_info *bl__info =                                \
                    bl__recover_in_block(BL__CFA());                           \
                bl__recovered |= bl__info != 0;                                \
                bl__info;                                                      \
            }),                                                                \
            bl__recover_nowhere()))

#endif /* !__cplusplus */

#endif
