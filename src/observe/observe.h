/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/observe.h - the nouns of libbelay-pprof.
 *
 * A *stack* is a list of program counters, innermost first, each one more than the
 * address of the instruction that it stands for: a return address, or pc + 1.  In a
 * list of deferred calls the first may be a *mark*: the address of a struct bl__site
 * with bit 63 set, which no address of a program has.
 *
 * Labels of a sample are a block of bytes "key\0value\0key\0value\0", sorted by key.
 *
 * This library may allocate and lock as any other, but for three places: signal
 * handlers, hooks (panic/observed.h) and the time when the world stands still
 * (stop.c). */
#ifndef BELAY_OBSERVE_OBSERVE_H
#define BELAY_OBSERVE_OBSERVE_H

#include "sched/core.h"

#include <belay/pprof.h>
#include <stdatomic.h>

enum {
    BL__STACK_MOST = 128,   /* frames kept: half of them the innermost */
    BL__LABELS_MOST = 1024, /* bytes of labels */
    BL__VALUES = 4,
};

#define BL__MARK ((uintptr_t)1 << 63)

extern const struct bl__core *bl__core; /* constant after start */

/* --- bytes (bytes.c) ----------------------------------------------------- */

struct bl__buf {
    char *data;
    size_t n, size;
    bool failed; /* memory was short: what is there is not all */
};

void bl__buf_put(struct bl__buf *b, const void *p, size_t n);
void bl__buf_puts(struct bl__buf *b, const char *s);
void bl__buf_print(struct bl__buf *b, const char *format, ...) BL_PRINTF(2, 3);
void bl__buf_free(struct bl__buf *b);

/* Byte strings, each once, numbered from 0 in the order of their arrival. */
struct bl__table {
    struct bl__entry {
        uint64_t hash;
        size_t at;
        uint32_t size;
    } *entries;
    uint32_t n, room;
    uint32_t *slots; /* numbers + 1 */
    uint32_t nslots;
    struct bl__buf bytes;
};

uint64_t bl__hash(const void *p, size_t n);

/* key's number; what is new gets one.  UINT32_MAX: memory is short. */
uint32_t bl__table_add(struct bl__table *t, const void *key, size_t n);
/* UINT32_MAX: not there. */
uint32_t bl__table_find(const struct bl__table *t, const void *key, size_t n);
const void *bl__table_key(const struct bl__table *t, uint32_t i);
void bl__table_free(struct bl__table *t);

/* --- names (names.c) ------------------------------------------------------ */

/* One function at a program counter. */
struct bl__named {
    const char *function, *file; /* file: never NULL */
    int line;
    bool is_own;                 /* Belay's, not users' */
    bool owns_file;              /* that text is a copy */
};

/* What is known about program counters, each looked up once. */
struct bl__names {
    struct bl__table pcs;
    struct bl__names_of {
        uint32_t first, n;       /* of lines */
        uintptr_t offset;        /* from the function's beginning */
        bool is_own;             /* all of them are */
        bool is_root;            /* what runs below main, or a thread's function */
    } *of;
    uint32_t room;
    struct bl__named *lines;
    uint32_t nlines, lines_room;
};

/* How many of the n frames are users': Belay's and the C library's outermost ones are
 * not, unless there are no others. */
uint32_t bl__names_trim(struct bl__names *names, const uintptr_t *pcs, uint32_t n);

/* Around everything that makes the loader's lock be taken.  Nobody forks meanwhile: the
 * child would have that lock for good, and could not load anything. */
void bl__loader_begin(void);
void bl__loader_end(void);

/* Innermost first; at least one. */
const struct bl__names_of *bl__names_at(struct bl__names *names, uintptr_t pc);
void bl__names_free(struct bl__names *names);

/* --- profiles (profile.c) -------------------------------------------------- */

struct bl__type {
    const char *type, *unit;
};

/* What kind of profile it is: constant. */
struct bl__kind {
    const char *name;
    int ntypes;
    struct bl__type types[BL__VALUES];
    struct bl__type period_type;
    int64_t period;
    const char *default_type; /* NULL: the last */
};

/* How long something has been there: nobody has noted when it came. */
struct bl__age {
    int64_t least, most;      /* ns; most INT64_MAX: not known; both 0: nothing is there */
};

struct bl__sample {
    const uintptr_t *pcs;
    uint32_t n;
    const char *labels;
    uint32_t labels_size;
    int64_t bytes;            /* numeric label; 0: none */
    int64_t value[BL__VALUES];
    struct bl__age oldest;    /* of what it counts */
};

struct bl__profile {
    struct bl__kind kind;
    int64_t began_ns;         /* real time */
    int64_t duration_ns;      /* 0: a moment */
    struct bl__table keys;    /* stack, labels, bytes */
    int64_t (*values)[BL__VALUES];
    struct bl__age *oldest;
    uint32_t room;
    int64_t sampling;         /* one in so many, for the text form */
    char comment[280];        /* "": none */
};

void bl__profile_init(struct bl__profile *p, const struct bl__kind *kind);
/* Adds to the sample with that stack and those labels; the higher age stays. */
void bl__profile_add(struct bl__profile *p, const struct bl__sample *s);
/* Takes away what was there before. */
void bl__profile_subtract(struct bl__profile *p, const struct bl__profile *before);
/* The i-th of p->keys.n. */
struct bl__sample bl__profile_sample(const struct bl__profile *p, uint32_t i);
bool bl__sample_is_empty(const struct bl__sample *s);
void bl__profile_free(struct bl__profile *p);
/* Makes *age that of the older one. */
void bl__age_add(struct bl__age *age, const struct bl__age *other);
/* Writes "at least 5s, at most 8s", "" if nothing is known, and returns text. */
const char *bl__age_text(const struct bl__age *age, char *text, size_t size);

/* As pprof's protobuf, gzip'ed (encode.c). */
void bl__profile_encode(const struct bl__profile *p, struct bl__buf *out);
/* As Go's debug=1 (text.c). */
void bl__profile_text(const struct bl__profile *p, struct bl__buf *out);

/* Adds a label to a block of them, in its place; what does not fit is left out. */
uint32_t bl__labels_put(char *labels, uint32_t size, const char *key, const char *value);
/* key's value; NULL: there is none. */
const char *bl__labels_find(const char *labels, uint32_t size, const char *key);

/* --- stacks of running code (stack.c): safe in handlers -------------------- */

struct bl__stack {
    uint32_t n;             /* of pcs */
    uint32_t depth;         /* frames there are: more than n, if it was cut */
    bool is_whole;          /* the outermost frame was reached */
    uintptr_t pcs[BL__STACK_MOST];
};

/* The frames from *from on.  Memory is read from low to high only; if high is 0 it is
 * looked for first, page by page.  each(arg, cfa, i) is called for frame i, as far as
 * its pc is kept; NULL: nobody. */
void bl__stack_walk(struct bl__stack *stack, const struct bl__ctx *from, uintptr_t low,
                    uintptr_t high, void (*each)(void *arg, uintptr_t cfa, uint32_t i),
                    void *arg);

/* The same of code that g runs, or has been interrupted in; g may be NULL. */
void bl__stack_walk_of(struct bl__stack *stack, const struct bl__ctx *from,
                       const struct bl__g *g);

/* The same for who was interrupted, perhaps while it takes a module away. */
void bl__stack_walk_interrupted(struct bl__stack *stack, const struct bl__ctx *from,
                                const struct bl__g *g);

/* Reads /proc/self/task/TID/NAME, and puts a zero behind it.  Returns the length, or a
 * negative errno. */
ptrdiff_t bl__task_read(int tid, const char *name, char *text, size_t size);

/* Copies memory that may not be there. */
bool bl__peek(void *to, const void *from, size_t size);

/* The caller's own, without its innermost `skip` frames; 1 is the caller's. */
void bl__stack_here(struct bl__stack *stack, uint32_t skip);

/* --- everything at one moment (snapshot.c, stop.c) -------------------------------------- */

/* The same place, in memory that stays. */
const struct bl__site *bl__site_keep(const struct bl__site *site);

/* Deferred calls of one frame that come from one place, one after another. */
struct bl__pending {
    const struct bl__site *site;
    uint64_t count, bytes;
    uint64_t body, index;   /* in which body of its goroutine's, and how many older ones
                               that has: for the oldest of these */
    struct bl__age oldest;
    uint32_t frame;         /* index of its pc; UINT32_MAX: not known */
};

/* A goroutine as it was. */
struct bl__seen {
    struct bl__seen *next;
    uint64_t id, created_by, bubble;
    uintptr_t created_pc;
    const char *name;
    int64_t waiting_since;
    uint32_t status;
    uint8_t reason;
    bool is_locked, is_goroutine;
    bool is_known;          /* its stack is */
    bool has_begun;
    struct bl_labels *labels; /* valid until bl__snapshot_free() */
    uint32_t npcs, depth;
    uint32_t npending;
    uintptr_t words[];      /* pcs, then struct bl__pending */
};

struct bl__snapshot {
    struct bl__seen *first, **last;
    uint64_t count;
    uint64_t registered, by_panic; /* deferred calls of those alive */
    uint64_t caller;        /* id of the goroutine that took it */
    int64_t taken;          /* monotonic ns */
    int64_t stopped_ns;     /* for how long the others stood still */
    char *block;            /* being filled */
    size_t used, size;
    void *blocks;
    bool is_cut;            /* memory was short, or somebody lost patience */
    bool has_woken;         /* a sleeper has, while it was looked at */
    uint64_t unknown;       /* goroutines whose deferred calls could not be looked at */
    uint64_t left_out;      /* deferred calls of goroutines that have too many to list */
};

/* Stops all goroutines, notes them, and lets them go on; again if that was not all. */
void bl__snapshot_take(struct bl__snapshot *s);
/* The same for those that wants(arg, g). */
void bl__snapshot_take_of(struct bl__snapshot *s, bool (*wants)(void *arg, const struct bl__g *g),
                          void *arg);
/* Writes what is missing in it, "" if nothing is, and returns text. */
const char *bl__snapshot_flaws(const struct bl__snapshot *s, char *text, size_t size);
void bl__snapshot_free(struct bl__snapshot *s);
struct bl__pending *bl__seen_pending(const struct bl__seen *seen);

/* Fills in how old deferred calls are, as far as earlier snapshots tell, and remembers
 * them (ages.c). */
void bl__ages_note(struct bl__snapshot *s);

/* Calls f(arg) while all stand still: it may neither allocate nor lock.  Left alone are
 * threads that sleep in the kernel, or all that are in users' code.  Returns false if
 * somebody has gone on before it was done. */
enum bl__spared { BL__SPARE_NONE, BL__SPARE_ASLEEP, BL__SPARE_OUTSIDE };
bool bl__stop_and_call(void (*f)(void *arg), void *arg, enum bl__spared spared,
                       int64_t *stopped_ns);

/* What f may ask: where g, but for the caller, is; *ctx has its registers, if it is
 * STOPPED, *tid its thread, if it is ELSEWHERE: spared, or not stopped.  AT_REST: its
 * registers lie where g->sp points. */
enum bl__whereabouts { BL__AT_REST, BL__STOPPED, BL__ELSEWHERE };
enum bl__whereabouts bl__stopped_at(struct bl__g *g, const struct bl__ctx **ctx, int *tid);
/* A thread's registers, and the stack that it waits on; NULL: it has not been stopped. */
const struct bl__ctx *bl__stopped_thread(int tid, uintptr_t *sigstack_low,
                                         uintptr_t *sigstack_high);

/* One more of p's, a profile of goroutines. */
void bl__add_seen(struct bl__profile *p, const struct bl__seen *seen);

/* --- waits (wait.c) --------------------------------------------------------------- */

/* Locks sched.lock; bl__unlock() is for all locks. */
void bl__lock_sched(void);

/* Waits until those handlers are left: microseconds, unless their threads have to wait for
 * a CPU, or for a debugger.  Returns false if some have not been after a second. */
bool bl__await_handlers(const _Atomic uint32_t *handlers);

/* --- who waits for ever (leak.c, mark.c) ------------------------------------------ */

/* Finds the goroutines that nothing will wake. */
void bl__collect_leaks(struct bl__profile *p);
/* To be called behind a fork: who was at it did not come along. */
void bl__stop_in_child(void);
void bl__leaks_in_child(void);
/* How many there were the last time. */
int64_t bl__leaks_count(void);
/* debug=2: every goroutine, and which are leaked. */
void bl__leaks_text(struct bl__buf *out);

enum bl__marked { BL__MARK_NONE, BL__MARK_DONE, BL__MARK_LATE, BL__MARK_MEMORY,
                  BL__MARK_BLIND };

/* What marking finds: memory that two processes share. */
struct bl__leaked {
    _Atomic uint32_t state; /* enum bl__marked; the rest is there if it is DONE */
    uint64_t goroutines;    /* looked at */
    uint64_t bytes;         /* that may have held a pointer */
    int64_t took_ns;
    uint64_t n, room;
    uint64_t ids[];         /* ascending */
};

struct bl__marking {
    struct bl__g *caller;   /* NULL: a plain thread */
    uintptr_t here;         /* what lies above, on its stack, is in use */
    uintptr_t own_low, own_high; /* the marker's stack */
    /* The stack pointer of a thread that was stopped in another way; 0: not known. */
    uintptr_t (*sp_of)(const void *arg, int tid);
    const void *arg;
    int64_t until;
    struct bl__leaked *out;
};

bool bl__is_leaked(const struct bl__leaked *l, uint64_t id); /* l may be NULL */

/* To be called where everything stands still, or in a copy of that. */
void bl__mark(const struct bl__marking *how);

/* --- threads that sleep in the kernel (asleep.c) ------------------------------- */

struct bl__asleep {
    int tid;
    uint64_t switches;
    struct bl__ctx ctx;
};

/* Finds out where a thread is that sleeps in a system call of its goroutine's, without
 * waking it.  Returns false if that can't be known.  Call with sched.lock held, after
 * m->attention was set, and the barrier.  stack: to work with. */
bool bl__asleep_begin(struct bl__asleep *a, const struct bl__m *m,
                      struct bl__stack *stack);
/* Whether it has not run since. */
bool bl__asleep_still(const struct bl__asleep *a);
/* --- counters by stack (sites.c): safe in handlers and hooks ------------------ */

/* A table of fixed size; when it is full, or two come at once, what can't be counted
 * is counted as lost. */
struct bl__sites;

struct bl__sites *bl__sites_new(uint32_t entries, uint32_t depth);
/* The entry for a stack, whose values may be added to; NULL: lost. */
struct bl__place *bl__sites_find(struct bl__sites *s, const uintptr_t *pcs, uint32_t n,
                                 uint64_t tag);
struct bl__place {
    _Atomic uint64_t hash;    /* 0: free */
    _Atomic uint32_t ready;
    uint32_t n;
    uint64_t tag;             /* part of the key */
    _Atomic int64_t value[BL__VALUES];
    uintptr_t pcs[];
};
void bl__sites_each(struct bl__sites *s, void (*each)(void *arg, struct bl__place *p),
                    void *arg);

/* --- labels (labels.c) --------------------------------------------------------- */

/* What a goroutine carries: counted, never changed. */
struct bl_labels {
    _Atomic uint32_t count;
    uint32_t size;
    char bytes[];
};

void bl__labels_start(void);
/* Keeps those that nobody has any more, until as many calls of _thaw(). */
void bl__labels_freeze(void);
void bl__labels_thaw(void);
/* Key and value, key and value.  Returns their size in bytes; 0 if labels is NULL. */
uint32_t bl__labels_bytes(const struct bl_labels *labels, const char **bytes);

/* --- profiles there are (pprof.c) ------------------------------------------------ */

struct bl__source {
    const char *name;
    void (*collect)(struct bl__profile *p);
    const char *about;
    int64_t (*count)(void); /* for the index; NULL: what collect() finds */
    void (*put_all)(struct bl__buf *out); /* debug=2: every goroutine; NULL: as debug=1 */
};

/* NULL: there is none of that name. */
const struct bl__source *bl__source_find(const char *name);
/* The i-th, sorted by name; NULL: no more. */
const struct bl__source *bl__source_at(unsigned i);

void bl__collect_goroutine(struct bl__profile *p);
void bl__collect_threadcreate(struct bl__profile *p);
void bl__collect_defer(struct bl__profile *p);
void bl__collect_panic(struct bl__profile *p);
void bl__collect_block(struct bl__profile *p);
void bl__collect_mutex(struct bl__profile *p);
void bl__collect_heap(struct bl__profile *p);
void bl__collect_allocs(struct bl__profile *p);

/* debug=2: every goroutine; those that are leaked (NULL: not known) say so. */
void bl__goroutines_text(struct bl__buf *out, const struct bl__leaked *leaked);

/* Returns 0 or a negative errno. */
int bl__write_all(int fd, const struct bl__buf *b);

/* From now on panics are counted. */
void bl__panics_start(void);
/* The heap is sampled, unless the program has set a rate. */
void bl__heap_start(void);
void bl__heap_init(void);

/* The names of custom profiles (custom.c): NULL: no more. */
bl_profile *bl__custom_at(unsigned i);
const char *bl__custom_name(const bl_profile *custom);
int64_t bl__custom_count(bl_profile *custom);
void bl__custom_collect(bl_profile *custom, struct bl__profile *p);

/* --- the CPU's (cpu.c) ------------------------------------------------------------- */

/* Begins; -EBUSY: one is running. */
int bl__cpu_start(void);
/* Ends, and stores what there was. */
void bl__cpu_stop(struct bl__profile *p);

/* --- the server (server.c, pages.c) --------------------------------------------------- */

struct bl__answer {
    int status;
    const char *type;       /* of the content */
    char file_name[80];     /* "": none */
    bool is_go_error;       /* a text that pprof shows */
    struct bl__buf body;
    char location[64];      /* of a 301 */
};

/* Answers "METHOD path?query".  wait(arg, ns) sleeps; it returns false when nobody
 * waits for the answer any more. */
struct bl__asker {
    const char *method, *path, *query, *body;
    bool (*wait)(void *arg, int64_t ns);
    void *arg;
};
void bl__pages_answer(const struct bl__asker *ask, struct bl__answer *answer);

/* What the scheduler and deferred calls do in the next ns, as text (sched.c).  Returns
 * false if nobody waits for it any more. */
bool bl__sched_watch(const struct bl__asker *a, int64_t ns, struct bl__buf *out);

/* One thread more, or less, that can't wake a goroutine: deadlocks are still seen. */
void bl__helper_begins(void);
void bl__helper_ends(void);

/* --- fork (each its own; pprof.c calls them) -------------------------------------------- */

/* Our threads stay in the parent: in the child nothing is measured or served, and what
 * was being changed by another thread is given up. */
void bl__servers_before_fork(void);
void bl__servers_after_fork(void);
void bl__servers_in_child(void);
void bl__customs_before_fork(void);
void bl__customs_after_fork(void); /* on either side */
void bl__sites_in_child(void);
void bl__labels_in_child(void);
void bl__ages_in_child(void);
void bl__cpu_in_child(void);
void bl__sched_in_child(void);

#endif
