/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/g.h - the nouns of the panic engine.
 *
 * A G is one line of control: a goroutine, or a thread that uses Belay.  It has
 *   - activations: one for each panic or goexit under way, and one for each
 *     function that is returning after a recovery, newest first;
 *   - calls: one node for each function body on its stack that has deferred
 *     calls, innermost first, and in each node its records, newest first;
 *   - an arena, where nodes and records lie;
 *   - a room, from its first panic on: what only panics and faults need.
 * Only what it runs touches any of that, so none of it is atomic.  The first
 * part of the struct is the scheduler's (sched/sched.h says who may touch what). */
#ifndef BELAY_PANIC_G_H
#define BELAY_PANIC_G_H

#include "arch/arch.h"
#include "base/base.h"
#include "panic/observed.h"

#include <belay/defer.h>
#include <signal.h>

enum {
    BL__TRACE_HALF = 50,      /* innermost and outermost frames a report shows */
    BL__TRACE_RING = 64,      /* the next power of two */
    BL__CALLS_INLINE = 384,   /* bytes of deferred calls that a G itself holds */
    BL__TEXT_INLINE = 480,    /* bytes of message an activation holds itself */
    BL__ACTS_INLINE = 4,      /* activations a room begins with */
};

/* Where the frames that a panic has left stood: landing pads overwrite the stack
 * they came from.  An entry is a return address, or one more than the address of
 * an instruction; 0 is one that was forgotten.  The first 50 and the last 64 are
 * kept. */
struct bl__trace {
    uint32_t count;
    uintptr_t first[BL__TRACE_HALF];
    uintptr_t last[BL__TRACE_RING]; /* ring: frame i is at i % 64 */
};

enum bl__act_kind {
    BL__ACT_PANIC,
    BL__ACT_GOEXIT,
    BL__ACT_RETURN, /* was a panic; frame `cfa` is returning to its caller */
};

enum bl__act_mode {
    BL__ACT_WALK, /* between frames */
    BL__ACT_PAD,  /* control is in a landing pad of frame `cfa` */
    BL__ACT_CALL, /* a deferred call of frame `cfa` is running */
};

/* The beginning is what the Itanium ABI calls struct _Unwind_Exception:
 * landing pads hand its address from one to the next. */
struct bl__exc {
    uint64_t class;
    void (*cleanup)(int reason, struct bl__exc *exc);
    uintptr_t private_1, private_2;
} __attribute__((aligned(16)));

struct bl__record;

struct bl__act {
    struct bl__exc exc;
    struct bl__act *link;    /* older activation; next free one when free */
    enum bl__act_kind kind;
    enum bl__act_mode mode;
    bool recovered;
    bool repanicked;         /* a newer panic carries the same value */
    bool is_fault;
    bool has_text;           /* info.text is the whole text of an error */
    bool owns_error;         /* info.error is counted: released with the activation */
    void *observed;          /* libbelay-pprof's, from when it was raised */
    uintptr_t base;          /* what it started lies below this address */
    uintptr_t cfa;           /* frame whose deferred code is running */
    struct bl__act *beside;  /* next older one that the walk will come to */
    uintptr_t callee_cfa;    /* ACT_CALL: CFA of the called thunk */
    const struct bl__record *record; /* ACT_CALL: the deferred call */
    const struct bl__ctx *ctx; /* ACT_CALL: frame cfa, where its walk stands */
    bl_panic_info info;
    void *heap_text;         /* a message too long for `text`; NULL: none */
    size_t heap_size;
    void (*load)(void);      /* ACT_RETURN: result to hand over; NULL: none */
    _Alignas(16) char result[32];
    struct bl__trace trace;
    char text[BL__TEXT_INLINE];
};

/* A deferred call. */
struct bl__record {
    struct bl__record *next; /* registered earlier in the same body */
    bl__thunk *thunk;
    void *callee;
    const struct bl__site *site;
    char args[];             /* 16-aligned: the header is 32 bytes */
};

/* A body that has deferred calls. */
struct bl__calls {
    struct bl__calls *outer;
    struct bl__record *top;  /* NULL: all have run */
    struct bl__frame *frame; /* in the body's own frame */
    struct bl__record *running; /* the one under way; NULL: none */
    uint64_t opened;         /* g->deferred then: tells bodies of one G apart */
    uintptr_t cfa;           /* of the body's frame */
};

struct bl__chunk {
    struct bl__chunk *older;
    char *end;
    _Alignas(16) char bytes[];
};

/* What a G needs once it panics or faults; kept until its end. */
struct bl__room {
    struct bl__room *next;    /* in the list of free ones */
    siginfo_t fault;          /* of the fault being raised */
    struct bl__ctx fault_ctx; /* registers at the latest fault */
    struct bl__act *free_first, *free_last; /* oldest freed is reused first */
    struct bl__act acts[BL__ACTS_INLINE];
};

struct bl__m;
struct bl__bubble;

/* The first two cache lines are what parking, waking and running touch. */
struct bl__g {
    /* --- the scheduler's ------------------------------------------------- */
    void *_Atomic sp;         /* registers lie there while it rests: sched/hold.h */
    struct bl__m *m;          /* runs it; NULL: a plain thread */
    struct bl__g *next;       /* in a run queue or a list of free ones */
    _Atomic uint32_t status;  /* enum bl__status */
    _Atomic uint32_t claimed; /* somebody wakes it: see sched/park.c */
    int64_t waiting_since;    /* monotonic ns, to a tenth of a second */
    struct bl__m *locked_m;   /* the thread it is bound to */
    struct bl__bubble *bubble;
    int saved_errno;
    uint8_t reason;           /* why it waits: enum bl__reason */
    uint8_t stack_class;      /* of the stack's size */
    bool is_goroutine;        /* has a stack that belongs to the scheduler */
    bool is_system;           /* not counted, not listed */

    struct bl__act *act;      /* newest activation */
    struct bl__calls *calls;  /* innermost body with deferred calls */
    struct bl__room *room;    /* NULL until the first panic */
    struct bl__chunk *chunk;  /* newest; NULL: records lie in the G itself */
    struct bl__chunk *spare;  /* one kept, so that a boundary costs no mmap */
    uintptr_t stack_low, stack_high;
    uint64_t id;              /* as reports print it; main's is 1 */

    char *top, *end;          /* free part of the newest chunk */
    const struct bl__site *created_at; /* of the go statement; NULL: none */
    uintptr_t created_pc;
    uint64_t created_by;      /* id */
    const char *name;         /* the user's; NULL: none */
    uintptr_t foreign_cfa;    /* frame whose landing pad libgcc entered last */
    void *woken_by;           /* the waiter, or timer, that was claimed */

    void *sigstack;           /* mapped by us; NULL: the program's own */
    void *fiber;              /* a sanitizer's handle */
    void *fake_stack;         /* AddressSanitizer's, while it does not run */
    _Atomic uint32_t wake;    /* plain thread: the word it sleeps on */
    uint32_t lock_depth;      /* bl_lock_os_thread() calls open */
    uint32_t stopped;         /* libbelay-pprof's, while it has stopped everything */
    void *labels;             /* the same library's; NULL: none */
    int64_t event_at;         /* the same library's: see observe/sched.c */
    uint64_t deferred;        /* calls registered with bl_defer_call, ever */
    uint64_t deferred_panic;  /* of them, made by the engine */
    bool busy;                /* the engine runs, not code it called */
    bool sleeps;              /* plain thread: counted in sched.parked_threads */
    _Alignas(16) char inline_calls[BL__CALLS_INLINE];
} __attribute__((aligned(64)));

/* Where the registers of g, which rests, lie: the last bit is sched/hold.h's. */
static inline void *
bl__rest(const struct bl__g *g)
{
    return (void *)((uintptr_t)atomic_load_explicit(&g->sp, memory_order_acquire) &
                    ~(uintptr_t)1);
}

/* What later layers, the scheduler and errors, add to the engine; each may be
 * NULL. */
struct bl__hooks {
    /* All frames of goroutine g have been left by bl_goexit(); no return. */
    void (*goexit)(struct bl__g *g);
    /* Whether g is inside the scheduler: a fault there can't be recovered. */
    bool (*is_inside)(const struct bl__g *g);
    /* Writes what a report says behind a stack: who created g. */
    void (*put_creator)(struct bl__text *t, const struct bl__g *g);
    /* Stops the other threads, if it can, and writes every other goroutine. */
    void (*put_others)(struct bl__text *t, const struct bl__g *g);
    /* Writes what a report ends with: how to have the same run again. */
    void (*put_end)(struct bl__text *t);
    /* What stands in brackets in the header of g's stack. */
    void (*put_state)(struct bl__text *t, const struct bl__g *g);
    /* One reference to a counted error more, or less. */
    void (*retain_error)(const bl_error *err);
    void (*release_error)(const bl_error *err);
};

extern struct bl__hooks bl__hooks;

/* Deferred calls of Gs that are gone. */
struct bl__defer_counts {
    _Atomic uint64_t registered, by_panic;
};

extern struct bl__defer_counts bl__defer_counts;

/* --- the current G (g.c) ------------------------------------------------- */

/* The calling thread's G; makes it on first use.  Ends the process when there
 * is no memory for it.  Never inlined: a goroutine may wake on another thread,
 * and compilers keep addresses of thread-locals. */
struct bl__g *bl__self(void);

/* Makes g the calling thread's, for the scheduler's switches. */
void bl__set_self(struct bl__g *g);

/* g's room, made on first use.  Ends the process when there is no memory.  Safe in
 * the handler of a fault. */
struct bl__room *bl__room(struct bl__g *g);

/* Makes a G that lies in fresh memory ready for use; g->stack_low and the rest of
 * the scheduler's part are the caller's to fill. */
void bl__g_init(struct bl__g *g);

/* Gives back what g has acquired: chunks, room. */
void bl__g_free(struct bl__g *g);

/* An id never used before. */
uint64_t bl__next_id(void);

/* The first of n of them. */
uint64_t bl__next_ids(uint64_t n);

/* The same in a signal handler: nothing that may allocate is called. */
struct bl__g *bl__self_in_handler(void);

/* The same, or NULL if the thread has none yet. */
struct bl__g *bl__self_or_null(void);

/* Whether both addresses are on g's own stack, or both are not. */
static inline bool
bl__same_stack(const struct bl__g *g, uintptr_t a, uintptr_t b)
{
    return (a - g->stack_low < g->stack_high - g->stack_low) ==
           (b - g->stack_low < g->stack_high - g->stack_low);
}

/* --- activations (act.c) ------------------------------------------------- */

/* A fresh activation, newest of g.  Memory comes from g, then from the kernel,
 * then from a reserve; when that is used up the process ends. */
struct bl__act *bl__act_push(struct bl__g *g, enum bl__act_kind kind);

/* Takes a off g's list, wherever it stands, and frees it.  Its info stays
 * readable until it is used again. */
void bl__act_drop(struct bl__g *g, struct bl__act *a);

static inline void
bl__trace_add(struct bl__trace *t, uintptr_t pc)
{
    uint32_t i = t->count++;

    if (i < BL__TRACE_HALF)
        t->first[i] = pc;
    else
        t->last[i % BL__TRACE_RING] = pc;
}

/* Adds the first n entries of src. */
void bl__trace_append(struct bl__trace *t, const struct bl__trace *src, uint32_t n);

/* --- deferred calls (calls.c) -------------------------------------------- */

/* Takes node, g's innermost, off its list, and frees what lies above it. */
void bl__calls_close(struct bl__g *g, struct bl__calls *node);

/* Ends the process if g has nodes whose frames lie below cfa: longjmp has
 * skipped their deferred calls. */
void bl__calls_check(struct bl__g *g, uintptr_t cfa);

/* Ends the process: the deferred calls of node will never be made. */
void bl__skipped(const struct bl__calls *node) BL__NORETURN;

/* Frees the arena. */
void bl__calls_free(struct bl__g *g);

/* Where on the stack a newer walk comes to a: the CFA of the frame whose landing
 * pad is running, or of the deferred call under way; 0 if neither. */
static inline uintptr_t
bl__act_mark(const struct bl__act *a)
{
    return a->mode == BL__ACT_CALL ? a->callee_cfa
           : a->mode == BL__ACT_PAD ? a->cfa
                                    : 0;
}

/* --- engine (engine.c) --------------------------------------------------- */

/* Frame cfa has been recovered by the newest activation, a, and its deferred code
 * has ended.  Returns the one that goes on: a itself, now an ACT_RETURN, or a
 * goexit (Go's rules M8 and M9). */
struct bl__act *bl__settle(struct bl__g *g, struct bl__act *a, uintptr_t cfa);

/* bl_recover() in a block of frame cfa; g has activations. */
const bl_panic_info *bl__recover_from_block(struct bl__g *g, uintptr_t cfa);

/* Whether a fault at ctx could be handled by anything on the stack. */
bool bl__anything_pending(struct bl__g *g, const struct bl__ctx *ctx);

/* --- values (value.c) ---------------------------------------------------- */

/* Gives back the reference to a counted error that a has. */
void bl__act_release_error(struct bl__act *a);

/* Makes info a run-time error of that text (a literal). */
void bl__info_runtime(bl_panic_info *info, const char *text);

/* Panics with a run-time error. */
void bl__panic_runtime(const char *text) BL__NORETURN;

/* Whether both carry the same value: Go compares the interface words. */
bool bl__info_same(const bl_panic_info *a, const bl_panic_info *b);

/* Writes what a report prints for info, every newline followed by a tab. */
void bl__put_info(struct bl__text *t, const bl_panic_info *info);
void bl__put_indented(struct bl__text *t, const char *s);

/* Makes the texts of a's errors, and of those of older panics, newest first (Go's
 * preprintpanics): users' code may run. */
void bl__make_texts(struct bl__act *a);

/* --- the report (report.c) ----------------------------------------------- */

/* Reports g's activations and ends the process with status 2. */
void bl__report_panic(struct bl__g *g) BL__NORETURN;

/* Prints `fatal error: what`, detail unless NULL, the stack from ctx on (here,
 * if NULL), and ends the process with status 2. */
void bl__fatal_at(const char *what, const char *detail, const struct bl__ctx *ctx)
    BL__NORETURN;

/* The same for the user's mistakes, with every goroutine's stack behind it, as Go
 * does. */
void bl__fatal_user(const char *what) BL__NORETURN;

/* The same with the frames that a walk has noted. */
void bl__fatal_trace(const char *what, const char *detail,
                     const struct bl__trace *trace) BL__NORETURN;

/* Prints `fatal error: what` and every goroutine, but no stack of the caller. */
void bl__fatal_goroutines(const char *what) BL__NORETURN;

/* Whether the calling thread is already reporting. */
bool bl__is_reporting(void);

/* --- stacks as text (trace.c) -------------------------------------------- */

/* Notes the frames of g from ctx on, those of activations under way included. */
void bl__trace_from(struct bl__trace *trace, const struct bl__g *g,
                    const struct bl__ctx *ctx);

/* Writes `goroutine N [running]:`, and the frames, as reports do. */
void bl__put_header(struct bl__text *t, const struct bl__g *g);
void bl__put_trace(struct bl__text *t, const struct bl__trace *trace);
void bl__put_stack(struct bl__text *t, const struct bl__g *g,
                   const struct bl__ctx *ctx);
/* A deferred call that is still to be made, `times` of that place: like a frame, or
 * readers of Go's reports would stumble over it. */
void bl__put_pending(struct bl__text *t, const struct bl__site *site, uint64_t times);
/* One frame, as in a stack: `name(...)` and file, line and offset. */
void bl__put_frame(struct bl__text *t, const char *before, uintptr_t pc,
                   const char *behind);

/* --- names (symbols.c) --------------------------------------------------- */

/* One line of source behind a program counter; inlined functions first. */
struct bl__line {
    const char *function; /* NULL: not known */
    const char *file;     /* NULL: not known */
    int line;
};

/* Calls each(arg, line) for every function that pc is in, innermost first; the line's
 * texts are there until it returns, file's for good.  Not to be called where the
 * loader's lock may be held. */
void bl__symbols_at(uintptr_t pc, void (*each)(void *arg, const struct bl__line *),
                    void *arg);

/* In the child of a fork: whoever was looking a name up is not there. */
void bl__symbols_in_child(void);

/* The function at pc and how far into it pc is.  Returns false if not known. */
struct bl__symbol {
    uintptr_t offset;
    char name[512];       /* cut, if longer */
};

bool bl__symbol_at(uintptr_t pc, struct bl__symbol *symbol);

/* Whether a function of that name is the engine's, or what the macros put around
 * users' code. */
bool bl__is_machinery(const char *name);

/* The file that has the code at pc, and where it is loaded.  Returns false if not
 * known. */
struct bl__module {
    uintptr_t base;
    char name[512];
};

bool bl__module_at(uintptr_t pc, struct bl__module *module);

/* --- the log (log.c) ----------------------------------------------------- */

/* BELAYDEBUG=unwindlog=1: one line: what a, or the normal end of a function if a
 * is NULL, does in the frame at pc, or to `detail`. */
void bl__log(const struct bl__g *g, const struct bl__act *a, const char *what,
             uintptr_t pc, const char *detail);

#define BL__LOG(g, a, what, pc, detail)                  \
    do {                                                 \
        if (BL__UNLIKELY(bl__options.unwindlog))         \
            bl__log((g), (a), (what), (pc), (detail));   \
    } while (0)

/* --- faults (fault.c) ---------------------------------------------------- */

void bl__faults_init(void);

#endif
