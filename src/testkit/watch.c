/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/watch.c - what has been acquired and not released; the n-th call.
 *
 * Heap blocks lie in a hash table, the rest, which is few, in a list in the order of
 * acquiring.  What is released stays there, and is kept from being used again: a freed
 * block is not given to the C library before the end, a closed descriptor's number is
 * taken by one that leads nowhere.  So a second release can't be taken for the first of
 * somebody else's.  The tables come from mmap: malloc is one of those who call. */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 1 << 20, FEW = 1 << 14 };

_Thread_local unsigned bl__watch_quiet __attribute__((tls_model("initial-exec")));
struct bl__order bl__order;

static struct {
    char lock;                /* of all that follows */
    _Atomic bool on;
    bool ordered;
    uint64_t number;          /* of the latest acquired */
    struct bl__watched *heap; /* hash table of SLOTS; NULL: not yet */
    uint32_t *used;           /* its places in use: nheap */
    struct bl__watched *few;  /* the rest: FEW */
    size_t nheap, nfew;
    struct bl__watch_result result;
} watch;

static void
lock_it(void)
{
    while (__atomic_test_and_set(&watch.lock, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void
unlock_it(void)
{
    __atomic_clear(&watch.lock, __ATOMIC_RELEASE);
}

/* --- the tables ---------------------------------------------------------------------- */

static void *
map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bl_fatal("belay: test kit: out of memory");
    return p;
}

/* Where id is, or would be. */
static struct bl__watched *
heap_place(uintptr_t id)
{
    size_t i = (id >> 4) * 0x9e3779b97f4a7c15 >> 44;

    while (watch.heap[i].id && watch.heap[i].id != id)
        i = (i + 1) % SLOTS;
    return &watch.heap[i];
}

static struct bl__watched *
few_place(enum bl__watch_kind kind, const char *what, uintptr_t id)
{
    for (size_t i = watch.nfew; i-- > 0;) {
        struct bl__watched *w = &watch.few[i];

        if (w->kind == kind && w->id == id && (kind != BL__OWN || strcmp(w->what, what) == 0))
            return w;
    }
    return NULL;
}

static struct bl__watched *
find(enum bl__watch_kind kind, const char *what, uintptr_t id)
{
    struct bl__watched *w;

    if (kind != BL__HEAP)
        return few_place(kind, what, id);
    w = heap_place(id);
    return w->id ? w : NULL;
}

/* A place for what is acquired now; NULL: there is no room. */
static struct bl__watched *
add(enum bl__watch_kind kind, uintptr_t id)
{
    struct bl__watched *w;

    if (kind == BL__HEAP) {
        w = heap_place(id);
        if (!w->id && watch.nheap >= SLOTS / 4 * 3)
            return NULL;
        if (!w->id)
            watch.used[watch.nheap++] = (uint32_t)(w - watch.heap);
        return w;
    }
    return watch.nfew < FEW ? &watch.few[watch.nfew++] : NULL;
}

/* --- problems ------------------------------------------------------------------------ */

static void
problem(enum bl__watch_fault fault, const struct bl__watched *it,
        const struct bl__watched *other)
{
    struct bl__watch_result *r = &watch.result;

    if (r->n < BL__PROBLEMS) {
        r->problems[r->n].fault = fault;
        r->problems[r->n].it = *it;
        if (other)
            r->problems[r->n].other = *other;
    }
    r->n++;
    r->lost_only += fault == BL__LOST && (it->kind == BL__HEAP || it->kind == BL__DESCRIPTOR ||
                                          it->kind == BL__STREAM || it->kind == BL__LIBRARY);
}

/* Memory may be freed in any order; other things of the same goroutine must not. */
static void
check_order(const struct bl__watched *w)
{
    if (!watch.ordered || w->kind == BL__HEAP)
        return;
    for (size_t i = watch.nfew; i-- > 0;) {
        const struct bl__watched *later = &watch.few[i];

        if (later->number <= w->number)
            return;
        if (later->state == BL__HELD && later->goroutine == w->goroutine) {
            problem(BL__DISORDER, w, later);
            return;
        }
    }
}

/* --- acquiring and releasing --------------------------------------------------------- */

bool
bl__watch_is_on(void)
{
    return atomic_load_explicit(&watch.on, memory_order_relaxed) && bl__watch_quiet == 0;
}

void
bl__watch_got(enum bl__watch_kind kind, const char *call, uintptr_t id, uintptr_t pc,
              enum bl__watch_state state)
{
    struct bl__watched *w;
    uint64_t goroutine;

    if (!bl__watch_is_on() || id == 0)
        return;
    goroutine = bl__known_id();
    lock_it();
    w = kind == BL__HEAP ? NULL : few_place(kind, call, id);
    if (w && kind == BL__DESCRIPTOR) { /* dup2() has put another one there */
        w->state = BL__RELEASED;
        w->gone_pc = 0;
    }
    if (w && w->state == BL__HELD && (kind == BL__MUTEX || kind == BL__LIBRARY)) {
        w->count++;
    } else if ((w = add(kind, id))) {
        *w = (struct bl__watched){.what = call, .id = id, .got_pc = pc,
                                  .number = ++watch.number, .goroutine = goroutine,
                                  .count = 1, .kind = kind, .state = state};
        watch.result.acquired += state == BL__HELD;
    }
    unlock_it();
}

enum bl__watch_state
bl__watch_gone(enum bl__watch_kind kind, const char *what, uintptr_t id, uintptr_t pc,
               bool *known)
{
    enum bl__watch_state was = BL__HELD;
    struct bl__watched *w;

    *known = false;
    if (!atomic_load_explicit(&watch.on, memory_order_relaxed) || id == 0)
        return was;
    lock_it();
    w = find(kind, what, id);
    if (w) {
        *known = true;
        was = w->state;
        if (was == BL__HELD && w->count > 1) {
            w->count--;
        } else if (was == BL__HELD) {
            w->state = BL__RELEASED;
            w->gone_pc = pc;
            check_order(w);
        } else {
            problem(was == BL__OWNED ? BL__ENTRUSTED : BL__TWICE, w,
                    &(struct bl__watched){.gone_pc = pc});
        }
    }
    unlock_it();
    return was;
}

void
bl__watch_entrust(int fd, enum bl__watch_state state)
{
    struct bl__watched *w;

    if (fd < 0 || !atomic_load_explicit(&watch.on, memory_order_relaxed))
        return;
    lock_it();
    w = few_place(BL__DESCRIPTOR, NULL, (uintptr_t)fd + 1);
    if (w)
        w->state = state;
    unlock_it();
}

/* Whether pc is in libbelay.so, whose own files are no concern of the test's.  (Where it
 * is linked statically nobody can tell.) */
static bool
is_belay(uintptr_t pc)
{
    Dl_info belay, kit, at;
    bool is;

    bl__watch_quiet++;
    is = dladdr((void *)bl__sched_trace, &belay) && dladdr((void *)bl__watch_got, &kit) &&
         belay.dli_fbase != kit.dli_fbase && dladdr((void *)pc, &at) &&
         at.dli_fbase == belay.dli_fbase;
    bl__watch_quiet--;
    return is;
}

/* --- telling --------------------------------------------------------------------------- */

#define CALLER ((uintptr_t)__builtin_return_address(0))

void
bl_acquired(const char *what, const void *id)
{
    /* NULL may be an id as well: 0 is not */
    bl__watch_got(BL__OWN, what, (uintptr_t)id + 1, CALLER, BL__HELD);
}

void
bl_released(const char *what, const void *id)
{
    bool known; /* not, if it was acquired before the watch began */

    if (bl__watch_is_on())
        bl__watch_gone(BL__OWN, what, (uintptr_t)id + 1, CALLER, &known);
}

/* --- beginning and end ----------------------------------------------------------------- */

void
bl__watch_begin(bool ordered)
{
    lock_it();
    if (!watch.heap) {
        watch.heap = map(SLOTS * sizeof *watch.heap);
        watch.used = map(SLOTS * sizeof *watch.used);
        watch.few = map(FEW * sizeof *watch.few);
    }
    watch.nheap = watch.nfew = 0;
    watch.number = 0;
    watch.ordered = ordered;
    memset(&watch.result, 0, sizeof watch.result);
    unlock_it();
    atomic_store(&watch.on, true);
}

static void
settle_few(void)
{
    for (size_t i = 0; i < watch.nfew; i++) {
        struct bl__watched *w = &watch.few[i];

        if (w->state == BL__HELD)
            problem(BL__LOST, w, NULL);
        else if (w->state == BL__RELEASED && w->kind == BL__DESCRIPTOR && w->gone_pc)
            bl__real_close((int)w->id - 1);
    }
}

static void
settle_heap(void)
{
    for (size_t i = 0; i < watch.nheap; i++) {
        struct bl__watched *w = &watch.heap[watch.used[i]];

        if (w->state == BL__HELD)
            problem(BL__LOST, w, NULL);
        else
            bl__real_free((void *)w->id);
        w->id = 0;
    }
}

void
bl__watch_end(struct bl__watch_result *result)
{
    atomic_store(&watch.on, false);
    bl__watch_quiet++;
    lock_it();
    settle_few();
    settle_heap();
    *result = watch.result;
    unlock_it();
    bl__watch_quiet--;
}

/* --- the n-th call ----------------------------------------------------------------------- */

static int
usual_error(unsigned what)
{
    switch (what) {
    case BL_FAIL_MALLOC:
        return ENOMEM;
    case BL_FAIL_OPEN:
        return EMFILE;
    case BL_FAIL_READ:
        return EIO;
    case BL_FAIL_WRITE:
        return ENOSPC;
    case BL_FAIL_SOCKET:
        return ENOBUFS;
    default:
        return EAGAIN;
    }
}

void
bl__order_set(unsigned what, long n, int error, enum bl__force force)
{
    struct bl__order *o = &bl__order;

    atomic_store(&o->seen, 0);
    atomic_store(&o->done, false);
    o->what = what;
    o->error = error;
    o->force = force;
    o->call = NULL;
    __atomic_store_n(&o->n, n, __ATOMIC_RELEASE);
}

bool
bl__order_stop(void)
{
    __atomic_store_n(&bl__order.n, 0, __ATOMIC_RELEASE);
    return atomic_load(&bl__order.done);
}

int
bl__order_step(unsigned what, const char *call, bool may_panic, uintptr_t pc)
{
    struct bl__order *o = &bl__order;
    long n = __atomic_load_n(&o->n, __ATOMIC_ACQUIRE);
    char where[256];

    if (n == 0 || bl__watch_quiet || !(o->what & what) ||
        (o->force != BL__FORCE_FAILURE && !may_panic) ||
        ((what != BL_FAIL_MALLOC || atomic_load(&watch.on)) && is_belay(pc)) || atomic_fetch_add(&o->seen, 1) + 1 != n)
        return 0;
    o->call = call;
    o->pc = pc;
    atomic_store(&o->done, true);
    if (atomic_load(&watch.on)) {
        bl__watch_quiet++;
        bl__place(pc, where, sizeof where);
        bl__kit_doing("%s %s in%s", call,
                      o->force == BL__FORCE_FAILURE ? "failed"
                      : o->force == BL__FORCE_PANIC ? "panicked"
                                                    : "ended the goroutine",
                      where);
        bl__watch_quiet--;
    }
    if (o->force == BL__FORCE_PANIC)
        bl_panic("forced by bl_assert_defers_run at %s", call);
    if (o->force == BL__FORCE_GOEXIT)
        bl_goexit();
    return o->error ? o->error : usual_error(what);
}

void
bl_fail_nth_with(bl_fail what, long n, int error)
{
    bl__order_set(what, n, error, BL__FORCE_FAILURE);
}

void
bl_fail_nth(bl_fail what, long n)
{
    bl__order_set(what, n, 0, BL__FORCE_FAILURE);
}

bool
bl_fail_stop(void)
{
    return bl__order_stop();
}

void
bl_step(const char *name)
{
    bl__order_step(BL__STEP, name, true, CALLER);
}

/* --- what is seen at all ------------------------------------------------------------------- */

bool
bl__watch_sees_heap(void)
{
    void *(*volatile get)(size_t) = malloc;
    long seen;

    bl__order_set(BL_FAIL_MALLOC, 1L << 40, 0, BL__FORCE_FAILURE);
    free(get(1));
    seen = atomic_load(&bl__order.seen);
    bl__order_set(0, 0, 0, BL__FORCE_FAILURE);
    return seen > 0;
}

bool
bl__watch_sees_calls(void)
{
    int (*volatile get)(const char *, int, ...) = open;
    long seen;
    int fd;

    bl__order_set(BL_FAIL_OPEN, 1L << 40, 0, BL__FORCE_FAILURE);
    fd = get("/", O_PATH | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    seen = atomic_load(&bl__order.seen);
    bl__order_set(0, 0, 0, BL__FORCE_FAILURE);
    return seen > 0;
}
