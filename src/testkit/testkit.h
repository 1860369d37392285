/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/testkit.h - libbelay-test's own nouns.
 *
 * Two kinds of processes: the runner (main.c, run.c, report.c) never starts a goroutine;
 * it forks one child for each test (test.c, assert.c, explore.c), and reads what that
 * tells through a pipe.  watch.c and calls.c stand before the C library in both, and do
 * nothing until explore.c switches them on.
 *
 * It is a user of libbelay's public interface: nothing here is included by src/ or
 * includes more of it. */
#ifndef BELAY_TESTKIT_TESTKIT_H
#define BELAY_TESTKIT_TESTKIT_H

#define BL__TESTKIT
#include <belay/belay.h>
#include <belay/test.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* --- options (main.c) ------------------------------------------------------------- */

enum bl__kit_color { BL__COLOR_AUTO, BL__COLOR_NEVER, BL__COLOR_ALWAYS };

struct bl__kit_options {
    const char *run, *skip, *glob; /* NULL: all, none, all */
    const char *junit;             /* file; NULL: none */
    bool list, verbose, tap, fail_fast, shuffle;
    uint64_t shuffle_seed;
    uint64_t seed;      /* of bl_test_random() */
    long count;         /* how often each test runs */
    long parallel;      /* processes at the same time */
    int64_t timeout_ns; /* of one test; 0: none */
    enum bl__kit_color color;
};

extern struct bl__kit_options bl__kit_options;

/* Where main() is, so that a static library's linker takes it along with a test. */
extern const char bl__kit_has_main;

/* --- which tests (filter.c) --------------------------------------------------------- */

/* Compiles -run, -skip and -glob.  Returns NULL, or what is wrong with them. */
const char *bl__kit_filter_init(const struct bl__kit_options *o);

/* Whether the test of that name ("a/b") is to run, or may have parts that are. */
bool bl__kit_filter_selects(const char *name);

/* --- what a child tells (test.c tells, run.c listens) ------------------------------- */

enum bl__kit_event_kind { BL__EVENT_BEGIN, BL__EVENT_LOG, BL__EVENT_ERROR, BL__EVENT_END };
enum bl__kit_status { BL__TEST_RUNS, BL__TEST_PASSED, BL__TEST_FAILED, BL__TEST_SKIPPED };

/* `length` bytes of text follow: BEGIN the name, LOG and ERROR a line. */
struct bl__kit_event {
    uint32_t kind;
    uint32_t test;   /* 0: the whole test, then its parts in the order they begin */
    uint32_t value;  /* BEGIN: the parent; END: the status */
    uint32_t length;
    int64_t ns;      /* END: how long it took */
};

/* A page that a child shares with the runner: for what is to be known if it dies. */
struct bl__kit_shared {
    char doing[512]; /* "": nothing special */
};

/* --- results (report.c) --------------------------------------------------------------- */

struct bl__kit_text {
    char *bytes; /* always terminated; NULL: empty */
    size_t length, room;
};

void bl__kit_add(struct bl__kit_text *t, const void *bytes, size_t n);
BL_PRINTF(2, 3) void bl__kit_addf(struct bl__kit_text *t, const char *format, ...);

/* A test, or a part of one, as the runner knows it. */
struct bl__kit_result {
    char *name;
    struct bl__kit_result *parent, *first, *last, *next;
    enum bl__kit_status status;
    bool ended;                 /* its process has; the whole test's only */
    int64_t ns;
    struct bl__kit_text log;    /* "file:line: text" lines */
    struct bl__kit_text output; /* what it printed; the whole test's only */
    const bl__test_case *test;
};

struct bl__kit_result *bl__kit_result_new(const char *name, struct bl__kit_result *parent);

void bl__kit_report_begin(size_t tests);
void bl__kit_report_start(const struct bl__kit_result *r); /* it begins to run */
void bl__kit_report(const struct bl__kit_result *r);       /* it has ended */
/* The last words.  Returns false if the JUnit file can't be written. */
bool bl__kit_report_end(struct bl__kit_result *const *all, size_t n, int64_t ns);

/* --- running (run.c, test.c) ------------------------------------------------------------ */

/* Runs them, each in a process; prints as they end. */
void bl__kit_run_all(struct bl__kit_result **all, size_t n);

/* In the child: runs the test and ends the process. */
BL_NORETURN void bl__kit_child(const bl__test_case *c, int events,
                               struct bl__kit_shared *shared);

/* Notes in the shared page what is being done; NULL: nothing. */
BL_PRINTF(1, 2) void bl__kit_doing(const char *format, ...);

/* In a process forked off a child: what is noted goes nowhere. */
void bl__kit_be_silent(void);

int64_t bl__kit_now(void);

/* --- what is acquired and released (watch.c) --------------------------------------------- */

enum bl__watch_kind {
    BL__HEAP,
    BL__DESCRIPTOR,
    BL__STREAM,
    BL__DIRECTORY,
    BL__MUTEX,
    BL__LIBRARY,
    BL__OWN, /* told by bl_acquired() */
};

enum bl__watch_state {
    BL__HELD,
    BL__OWNED, /* descriptor: a stream or directory closes it */
    BL__RELEASED,
};

struct bl__watched {
    const char *what; /* BL__OWN: the user's word; else the call that acquired it */
    uintptr_t id;     /* 0: an empty place in the table */
    uintptr_t got_pc, gone_pc;
    uint64_t number;  /* 1, 2, ... in the order of acquiring */
    uint64_t goroutine;
    uint32_t count;   /* mutex, library: how often it is held */
    uint8_t kind, state;
};

enum bl__watch_fault { BL__LOST, BL__TWICE, BL__DISORDER, BL__ENTRUSTED };

/* One thing that is wrong. */
struct bl__watch_problem {
    enum bl__watch_fault fault;
    struct bl__watched it;
    struct bl__watched other; /* DISORDER: what had to be released first */
};

enum { BL__PROBLEMS = 8 };

struct bl__watch_result {
    struct bl__watch_problem problems[BL__PROBLEMS];
    unsigned n;         /* problems; more than BL__PROBLEMS are counted only */
    uint64_t acquired;  /* all that was */
    unsigned lost_only; /* of them, LOST of a kind that may be kept once */
};

/* From now on everything is noted, and what is freed or closed is kept from being used
 * again: so a second release is seen for certain.  One at a time. */
void bl__watch_begin(bool ordered);
void bl__watch_end(struct bl__watch_result *result);

/* What the calls that stand before the C library's tell.  gone: returns the state it was
 * in; *known is whether it was acquired since bl__watch_begin(). */
bool bl__watch_is_on(void);
void bl__watch_got(enum bl__watch_kind kind, const char *call, uintptr_t id, uintptr_t pc,
                   enum bl__watch_state state);
enum bl__watch_state bl__watch_gone(enum bl__watch_kind kind, const char *what,
                                    uintptr_t id, uintptr_t pc, bool *known);
/* A descriptor changes hands: to or from a stream. */
void bl__watch_entrust(int fd, enum bl__watch_state state);

/* A number above 0: such calls of this thread are the kit's, or the C library's. */
extern _Thread_local unsigned bl__watch_quiet __attribute__((tls_model("initial-exec")));

/* --- the n-th call (watch.c) ----------------------------------------------------------------- */

enum { BL__STEP = 64 }; /* bl_step(); other bits are bl_fail's */
enum bl__force { BL__FORCE_FAILURE, BL__FORCE_PANIC, BL__FORCE_GOEXIT };

struct bl__order {
    unsigned what;
    long n;              /* which one; 0: none */
    int error;           /* 0: the usual one */
    enum bl__force force;
    _Atomic long seen;
    _Atomic bool done;
    const char *call;    /* once done */
    uintptr_t pc;
};

extern struct bl__order bl__order;

void bl__order_set(unsigned what, long n, int error, enum bl__force force);
/* Whether it had been carried out. */
bool bl__order_stop(void);

/* A call of kind `what` is about to be made: returns 0, or the errno it has to fail with.
 * May panic if the compiler thinks it possible. */
int bl__order_step(unsigned what, const char *call, bool may_panic, uintptr_t pc);

/* Whether the C library's malloc, and its other calls, are seen at all: not with some
 * sanitizers. */
bool bl__watch_sees_heap(void);
bool bl__watch_sees_calls(void);

/* Opens what calls.c needs while it is watched. */
void bl__calls_prepare(void);

/* The C library's own (calls.c), for watch.c. */
void bl__real_free(void *p);
int bl__real_close(int fd);

#endif
