/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/base.h - what every folder uses: checks, the options, text without libc.
 *
 * Nothing here allocates, locks or calls stdio: all of it is for signal
 * handlers and crash reports as well. */
#ifndef BELAY_BASE_BASE_H
#define BELAY_BASE_BASE_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL__NORETURN __attribute__((noreturn))
#define BL__NOINLINE __attribute__((noinline))
#define BL__LIKELY(x) __builtin_expect(!!(x), 1)
#define BL__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A broken invariant of ours: always checked, ends the process loudly. */
#define BL__CHECK(condition)                                            \
    ((void)(BL__LIKELY(condition) || (bl__check_failed(#condition, __FILE__, \
                                                       __LINE__),       \
                                      0)))

void bl__check_failed(const char *condition, const char *file, int line)
    BL__NORETURN;

/* --- text (text.c) ------------------------------------------------------- */

/* Text that is written to a descriptor, or into a buffer if fd is -1.  With a
 * buffer, `length` goes on counting when it is full. */
struct bl__text {
    int fd;
    size_t length, size;
    char *buf;
};

/* A text that collects into a buffer of its own and is written to fd by
 * bl__text_flush, or when the buffer is full. */
#define BL__TEXT_TO(fd_, buf_) {(fd_), 0, sizeof(buf_), (buf_)}
#define BL__TEXT_INTO(buf_, size_) {-1, 0, (size_), (buf_)}

void bl__put_char(struct bl__text *t, char c);
void bl__put(struct bl__text *t, const char *s);
void bl__put_uint(struct bl__text *t, uint64_t v);
void bl__put_int(struct bl__text *t, int64_t v);
void bl__put_hex(struct bl__text *t, uint64_t v); /* with 0x */
/* As Go 1.26's print does: the shortest digits that read back as v. */
void bl__put_float(struct bl__text *t, double v);
/* Writes what is left, or terminates the buffer. */
void bl__text_flush(struct bl__text *t);

/* --- options (options.c) ------------------------------------------------- */

/* OPTION(name, default, greatest, help): one line is the whole definition of a
 * BELAYDEBUG knob: its variable, default, range and the text of help=1. */
#define BL__OPTIONS(OPTION)                                                   \
    OPTION(errorstack, 0, 50, "frames an error keeps of where it was made; 0: one line") \
    OPTION(faults, 1, 1, "turn SIGSEGV, SIGBUS, SIGFPE and SIGILL into panics") \
    OPTION(help, 0, 1, "print this table and exit")                           \
    OPTION(locks, 0, 2, "report who parks with a pthread mutex locked; 2: and exit") \
    OPTION(madvdontneed, 0, 1, "give stacks back with MADV_DONTNEED, not _FREE") \
    OPTION(paniccheck, 0, 1, "panic where bl_recover() can never work")       \
    OPTION(schedseed, 0, INT_MAX, "not 0: one thread, every choice from the seed") \
    OPTION(schedtrace, 0, INT_MAX, "print the scheduler's state every N ms")  \
    OPTION(stacksize, 0, 1 << 30, "bytes of a goroutine's stack; 0: 256 KiB") \
    OPTION(torture, 0, 15, "sum of 1 yield often, 2 steal first, 4 move, 8 wake early") \
    OPTION(unwindlog, 0, 1, "print every frame left, defer run and recovery")

#define BL__OPTION_FIELD(name, start, greatest, help) int name;
struct bl__options {
    BL__OPTIONS(BL__OPTION_FIELD)
};

enum bl__traceback {
    BL__TRACEBACK_NONE,
    BL__TRACEBACK_SINGLE,
    BL__TRACEBACK_ALL,
    BL__TRACEBACK_SYSTEM,
    BL__TRACEBACK_CRASH,
};

enum bl__torture {
    BL__TORTURE_YIELD = 1,    /* whenever a goroutine comes into Belay */
    BL__TORTURE_STEAL = 2,    /* a P looks at its own queue last */
    BL__TORTURE_MOVE = 4,     /* what is readied runs elsewhere, if it can */
    BL__TORTURE_SPURIOUS = 8, /* threads that sleep wake for nothing */
};

extern struct bl__options bl__options;
extern char bl__options_pprof[128]; /* BELAYDEBUG=pprof=ADDRESS; "": no server */
extern enum bl__traceback bl__traceback;

/* Reads BELAYDEBUG and BELAYTRACEBACK.  A mistake in them ends the process with
 * one line and status 2. */
void bl__options_init(void);

#endif
