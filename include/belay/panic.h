/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/panic.h - raise a panic, look at one, end a thread's work.
 *
 *     bl_panic("bad header: %s", name);          // a message, as printf
 *     bl_panic_error(&err->base);                // an error value
 *     bl_panic_value(request, "struct request"); // any pointer, with its type
 *     bl_panic_with(bl_int(42));                 // a number
 *
 *     const bl_panic_info *p = bl_recover();     // in deferred code, defer.h
 *     if (p)
 *         fprintf(stderr, "went on after: %s\n", p->text);
 *
 * A panic runs the deferred code of every frame from the innermost outwards.
 * Deferred code may stop it with bl_recover(); if none does, the report goes to
 * stderr and the process ends with status 2, as in Go.
 *
 * Everything here works in any thread, without set-up, and in C++ as well:
 * a panic runs the destructors of the C++ frames it leaves.  `catch (...)`
 * stops a panic; `throw;` in it sends the panic on. */
#ifndef BELAY_PANIC_H
#define BELAY_PANIC_H

#include <belay/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

BL_BEGIN_DECLS

/* --- what a panic carries ------------------------------------------------ */

/* An error value: the first member of a type of your own, which says through
 * its kind how it prints, what it wraps and what it counts as; belay/errors.h has
 * those that come with Belay, and the rules.  Name the members that you set, and
 * leave the others out: .name and .text are enough. */
typedef struct bl_error bl_error;

typedef struct bl_error_kind {
    const char *name; /* of the type, as reports print it */
    /* Writes the error's text into buf (size bytes, always terminated), as
     * snprintf does, and returns the length the whole text has. */
    size_t (*text)(const bl_error *err, char *buf, size_t size);
    /* 0: whoever makes such an error looks after its memory.  Else errors of the
     * kind are counted, so many bytes each, and bl_error_make() makes them. */
    size_t size;
    /* What err wraps: one error, which may be NULL, or an array of `count`, some of
     * which may be NULL.  A kind has one of the two, or neither.  A counted error
     * owns what it wraps: that is released with it. */
    const bl_error *(*unwrap)(const bl_error *err);
    const bl_error *const *(*causes)(const bl_error *err, size_t *count);
    /* Whether err counts as target, for bl_error_is(); nothing is to be unwrapped. */
    bool (*is)(const bl_error *err, const bl_error *target);
    /* err as an error of another kind, for bl_error_as(): a pointer that is good as
     * long as err is, or NULL. */
    const void *(*as)(const bl_error *err, const struct bl_error_kind *kind);
    /* Frees what else a counted error holds, before its memory goes.  It must not
     * panic. */
    void (*clear)(bl_error *err);
} bl_error_kind;

struct bl_error {
    const bl_error_kind *kind;
};

typedef enum bl_panic_kind {
    BL_PANIC_TEXT = 1, /* bl_panic() */
    BL_PANIC_ERROR,    /* bl_panic_error() */
    BL_PANIC_VALUE,    /* bl_panic_value(), bl_panic_with() */
    BL_PANIC_RUNTIME,  /* Belay found a misuse: a run-time error */
    BL_PANIC_FAULT,    /* SIGSEGV, SIGBUS, SIGFPE or SIGILL: a run-time error */
} bl_panic_kind;

typedef enum bl_value_kind {
    BL_VALUE_POINTER,
    BL_VALUE_BOOL,
    BL_VALUE_INT,
    BL_VALUE_UINT,
    BL_VALUE_FLOAT,
    BL_VALUE_COMPLEX,
    BL_VALUE_STRING,
} bl_value_kind;

/* A value with its type: what bl_panic_with() takes.  With a type_name it is
 * printed as Go prints a named type: `celsius(36.5)`. */
typedef struct bl_value {
    bl_value_kind kind;
    const char *type_name; /* NULL: print the bare value; not for pointers */
    union {
        const void *pointer;
        bool boolean;
        int64_t integer;
        uint64_t unsigned_integer;
        double real; /* real part of a complex too */
        const char *string;
    } as;
    double imaginary;
} bl_value;

/* What bl_recover() hands out.  It belongs to Belay.  It stays valid until the
 * function that recovered has returned, and after that until the same thread
 * raises another panic; bl_panic_copy() keeps it longer. */
typedef struct bl_panic_info {
    bl_panic_kind kind;
    const char *text;      /* the message; for errors and values the type's name;
                              never NULL */
    const bl_error *error; /* BL_PANIC_ERROR: what was panicked with; a counted one
                              until that function has returned: bl_error_retain()
                              or bl_panic_copy() keeps it */
    bl_value value;        /* BL_PANIC_VALUE: what was panicked with */
    int signal;            /* BL_PANIC_FAULT: SIGSEGV, ...; else 0 */
    int signal_code;       /* BL_PANIC_FAULT: si_code, SEGV_MAPERR, ... */
    uintptr_t address;     /* BL_PANIC_FAULT: the address that was not there */
    uintptr_t pc;          /* where it was raised: return address, or the
                              faulting instruction */
} bl_panic_info;

/* --- raise --------------------------------------------------------------- */

/* Panics with a message formatted as printf does.  A NULL format is Go's
 * `panic(nil)`: a run-time panic that says so.
 * Call from: anywhere but a signal handler whose interrupted code it would have
 * to leave (fatal error).  Allocates: only for texts over 480 bytes.
 * Returns: never. */
BL_API BL_NORETURN BL_COLD BL_PRINTF(1, 2) void bl_panic(const char *format, ...);

/* Panics with an error value; recover finds the same pointer in ->error.  NULL
 * is Go's `panic(nil)`.
 * Call from: as bl_panic().  Owner: the panic takes over the caller's reference to
 * a counted error (belay/errors.h); any other has to outlive the panic, and stays
 * the caller's.  Returns: never. */
BL_API BL_NORETURN BL_COLD void bl_panic_error(const bl_error *err);

/* Panics with a pointer of any type; recover finds the same pointer in
 * ->value.as.pointer.  An uncaught one prints as `(type) 0x1234`.
 * Call from: as bl_panic().  Owner: the caller keeps what value points to;
 * type_name must outlive the panic (a literal does).  Returns: never. */
BL_API BL_NORETURN BL_COLD void bl_panic_value(const void *value, const char *type_name);

/* Panics with any value: bl_panic_with(bl_int(7)).
 * Call from: as bl_panic().  Returns: never. */
BL_API BL_NORETURN BL_COLD void bl_panic_with(bl_value value);

/* Panics again with the value that info holds: the same error, the same
 * pointer, the same text.  The report then says `[recovered, repanicked]`.
 * Call from: as bl_panic().  Returns: never. */
BL_API BL_NORETURN BL_COLD void bl_repanic(const bl_panic_info *info);

/* Ends the calling thread's work: every deferred call and block runs, innermost
 * frame first, then the thread ends (Go's runtime.Goexit).  It can't be
 * recovered.  In main's thread the process lives on until the other threads
 * have ended; where there are none that is a fatal error, as in Go.
 * Call from: as bl_panic().  Returns: never. */
BL_API BL_NORETURN BL_COLD void bl_goexit(void);

/* --- look ---------------------------------------------------------------- */

/* Writes what the report would print for info into buf (size bytes, always
 * terminated) and returns the length the whole text has, as snprintf does.
 * Runs the error's own text function.
 * Call from: anywhere. */
BL_API size_t bl_panic_text(const bl_panic_info *info, char *buf, size_t size);

/* Returns a copy of info, texts included, that lives until bl_panic_free().
 * Returns NULL when memory is short.
 * Call from: anywhere but a signal handler.  Owner: caller, bl_panic_free(). */
BL_API bl_panic_info *bl_panic_copy(const bl_panic_info *info);

/* Frees what bl_panic_copy() returned; NULL is fine. */
BL_API void bl_panic_free(bl_panic_info *copy);

/* Writes the calling thread's stack as reports print it (`goroutine 1
 * [running]:`, then two lines a frame) into buf, and returns the number of
 * bytes written, as Go's runtime.Stack does.  Never more than size - 1; always
 * terminated.
 * Call from: anywhere.  Blocks: reads debug information on first use. */
BL_API size_t bl_stack(char *buf, size_t size);

/* Ends the process with status 2: prints `fatal error: ` with the formatted text and
 * every stack it knows.  No deferred code runs, nothing recovers it.
 * Call from: anywhere.  Returns: never. */
BL_API BL_NORETURN BL_COLD BL_PRINTF(1, 2) void bl_fatal(const char *format, ...);

/* --- values -------------------------------------------------------------- */

/* A truth value, for bl_panic_with(); prints as `true` or `false`. */
static inline bl_value
bl_bool(bool v)
{
    bl_value r = {BL_VALUE_BOOL, NULL, {NULL}, 0};

    r.as.boolean = v;
    return r;
}

/* A signed integer of any width. */
static inline bl_value
bl_int(int64_t v)
{
    bl_value r = {BL_VALUE_INT, NULL, {NULL}, 0};

    r.as.integer = v;
    return r;
}

/* An unsigned integer of any width. */
static inline bl_value
bl_uint(uint64_t v)
{
    bl_value r = {BL_VALUE_UINT, NULL, {NULL}, 0};

    r.as.unsigned_integer = v;
    return r;
}

/* A floating-point number. */
static inline bl_value
bl_float(double v)
{
    bl_value r = {BL_VALUE_FLOAT, NULL, {NULL}, 0};

    r.as.real = v;
    return r;
}

/* A complex number, from its two parts. */
static inline bl_value
bl_complex(double real, double imaginary)
{
    bl_value r = {BL_VALUE_COMPLEX, NULL, {NULL}, imaginary};

    r.as.real = real;
    return r;
}

/* A string.  The text is not copied: it has to outlive the panic. */
static inline bl_value
bl_string(const char *text)
{
    bl_value r = {BL_VALUE_STRING, NULL, {NULL}, 0};

    r.as.string = text;
    return r;
}

/* A pointer with the name of its type, as bl_panic_value() takes them.  The name is
 * not copied. */
static inline bl_value
bl_pointer(const void *p, const char *type_name)
{
    bl_value r = {BL_VALUE_POINTER, type_name, {NULL}, 0};

    r.as.pointer = p;
    return r;
}

/* The same value under a type's name: bl_named(bl_float(36.5), "celsius").  The name
 * is not copied. */
static inline bl_value
bl_named(bl_value v, const char *type_name)
{
    v.type_name = type_name;
    return v;
}

BL_END_DECLS

#endif
