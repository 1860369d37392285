/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/heap.c - who allocates, and who keeps it: malloc and its kin, one allocation
 * for about every `rate` bytes.
 *
 * This library's malloc stands before the C library's, which it calls by the names that
 * glibc has for that.  Each thread counts down its bytes; when they are used up that
 * allocation is noted, and the next distance drawn (exponentially, as in Go: so every
 * byte has the same chance, whatever the program's pattern).
 *
 * What was noted has to be found when it is freed.  Every free() looks into `marks`, bytes
 * that count noted addresses by a hash; only where that is not 0 the table is searched,
 * under a lock.  A thread that allocates inside (for a stack, say) is not noted:
 * `is_inside`.
 *
 * A child of fork() may allocate and free, whatever other threads were at in here, and
 * fork() must not wait for them: who is in malloc() may hold any lock, of the loader's or
 * of a handler's that is called later.  So the child's locks are free (the kernel wipes
 * their page) and what they protect is right after every single store: at worst a node
 * has been lost.
 *
 * A program that has a malloc of its own, or a sanitizer's, keeps that: nothing is
 * noted. */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    PLACES = 16384,
    DEPTH = 40,
    MARKS = 1 << 16,
    SHARDS = 64,
    SHARD = 1 << 14,       /* noted addresses in one; what is more is not noted */
    PAGE_MOST = 1 << 16,   /* of aarch64's */
    ALLOC_OBJECTS = 0,
    ALLOC_BYTES,
    FREE_OBJECTS,
    FREE_BYTES,
    STANDARD_RATE = 512 * 1024,
};

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static const struct bl__kind heap_kind = {
    "heap", 4,
    {{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"},
     {"inuse_space", "bytes"}},
    {"space", "bytes"}, STANDARD_RATE, NULL};

struct noted {
    uintptr_t address;
    uint64_t size;
    struct bl__place *place;
    _Atomic uint32_t next; /* in a chain, or of those unused; 0: the last */
};

static struct bl__sites *_Atomic sites; /* from the first rate on, for good */
static _Atomic int64_t rate;   /* 0: off */
static _Atomic uint8_t marks[MARKS];

/* Chains by address.  Stores that link and unlink are releases: they pair with fork(). */
struct table {
    uint32_t used;         /* nodes, ever; the first is none's */
    _Atomic uint32_t unused; /* that were used once */
    _Atomic uint32_t heads[SHARD];
    struct noted nodes[SHARD];
};

static struct table *_Atomic tables[SHARDS]; /* each protected by its lock */
static struct {
    _Alignas(PAGE_MOST) struct bl__lock locks[SHARDS];
    bool is_same_process;
    char rest[PAGE_MOST - SHARDS * sizeof(struct bl__lock) - sizeof(bool)];
} wiped;                       /* in children of fork() */

static _Thread_local struct {
    int64_t left;          /* bytes to the next one that is noted */
    int64_t rate;          /* that `left` was drawn for */
    uint64_t random;
    bool is_inside;
} self __attribute__((tls_model("initial-exec")));

/* --- which ones ---------------------------------------------------------- */

static double
draw(void)
{
    uint64_t x = self.random ? self.random
                             : ((uintptr_t)&self ^ (uint64_t)bl__core->now()) | 1;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    self.random = x;
    return (double)((x >> 11) + 1) / 9007199254740993.0; /* in (0, 1] */
}

static void
next_distance(int64_t r)
{
    double distance = -log(draw()) * (double)r;

    self.left = distance > 9e18 ? INT64_MAX : (int64_t)distance;
    self.rate = r;
}

/* --- what was noted ------------------------------------------------------ */

static uint64_t
hash_of(uintptr_t address)
{
    return (address >> 4) * 0x9e3779b97f4a7c15;
}

static _Atomic uint8_t *
mark_of(uintptr_t address)
{
    return &marks[hash_of(address) >> 48];
}

static void
lock(struct bl__lock *l)
{
    while (!bl__trylock(l))
        bl__cpu_relax();
}

/* Neither counts beyond what a byte holds: then it stays, and costs a search. */
static void
mark(uintptr_t address, int change)
{
    uint8_t old = atomic_load_explicit(mark_of(address), memory_order_relaxed), new;

    do {
        if (old == 255)
            return;
        new = (uint8_t)(old + change);
    } while (!atomic_compare_exchange_weak(mark_of(address), &old, new));
}

static struct table *
table_of(uint32_t shard)
{
    struct table *t = atomic_load_explicit(&tables[shard], memory_order_relaxed);

    if (t)
        return t;
    t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED)
        return NULL;
    t->used = 1;
    atomic_store_explicit(&tables[shard], t, memory_order_release);
    return t;
}

/* 0: there are as many as there can be. */
static uint32_t
take_node(struct table *t)
{
    uint32_t i = atomic_load_explicit(&t->unused, memory_order_relaxed), next;

    next = atomic_load_explicit(&t->nodes[i].next, memory_order_relaxed);
    if (i)
        atomic_store_explicit(&t->unused, next, memory_order_release);
    else if (t->used < SHARD)
        i = t->used++;
    return i;
}

static void
remember(uintptr_t address, uint64_t size, struct bl__place *place)
{
    uint64_t h = hash_of(address) >> 20;
    uint32_t shard = (uint32_t)(h % SHARDS), i = 0;
    struct table *t;

    lock(&wiped.locks[shard]);
    t = table_of(shard);
    if (t)
        i = take_node(t);
    if (i) {
        _Atomic uint32_t *head = &t->heads[h / SHARDS % SHARD];
        struct noted *n = &t->nodes[i];

        n->address = address;
        n->size = size;
        n->place = place;
        atomic_store_explicit(&n->next, atomic_load_explicit(head, memory_order_relaxed),
                              memory_order_relaxed);
        mark(address, 1); /* first: one too many costs a search only */
        atomic_store_explicit(head, i, memory_order_release);
    }
    bl__unlock(&wiped.locks[shard]);
}

/* *link leads to it. */
static void
take_out(struct table *t, _Atomic uint32_t *link)
{
    uint32_t i = atomic_load_explicit(link, memory_order_relaxed);
    struct noted *n = &t->nodes[i];

    atomic_store_explicit(link, atomic_load_explicit(&n->next, memory_order_relaxed),
                          memory_order_release);
    mark(n->address, -1);
    atomic_store_explicit(&n->next, atomic_load_explicit(&t->unused, memory_order_relaxed),
                          memory_order_release);
    atomic_store_explicit(&t->unused, i, memory_order_release);
}

/* Its link, or the 0 at the chain's end. */
static _Atomic uint32_t *
find(struct table *t, uint32_t chain, uintptr_t address)
{
    _Atomic uint32_t *link = &t->heads[chain];
    uint32_t i;

    while ((i = atomic_load_explicit(link, memory_order_relaxed)) != 0 &&
           t->nodes[i].address != address)
        link = &t->nodes[i].next;
    return link;
}

static bool
recall(uintptr_t address, struct noted *found)
{
    uint64_t h = hash_of(address) >> 20;
    uint32_t shard = (uint32_t)(h % SHARDS), i = 0;
    _Atomic uint32_t *link;
    struct table *t;

    lock(&wiped.locks[shard]);
    t = atomic_load_explicit(&tables[shard], memory_order_relaxed);
    if (t) {
        link = find(t, (uint32_t)(h / SHARDS % SHARD), address);
        i = atomic_load_explicit(link, memory_order_relaxed);
    }
    if (i) {
        found->size = t->nodes[i].size;
        found->place = t->nodes[i].place;
        take_out(t, link);
    }
    bl__unlock(&wiped.locks[shard]);
    return i != 0;
}

static __attribute__((noinline)) void
note(void *p, size_t size)
{
    struct bl__stack stack;
    struct bl__place *place;
    int64_t r = atomic_load_explicit(&rate, memory_order_relaxed);
    bool is_first = self.rate != r;

    if (r > 0)
        next_distance(r);
    if (r <= 0 || is_first || self.is_inside || !p)
        return;
    self.is_inside = true;
    bl__stack_here(&stack, 2); /* and malloc, or its kin */
    /* like sizes together: of each the chance to be noted is known */
    place = bl__sites_find(atomic_load(&sites), stack.pcs, stack.n, size);
    if (place) {
        atomic_fetch_add_explicit(&place->value[ALLOC_OBJECTS], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&place->value[ALLOC_BYTES], (int64_t)size,
                                  memory_order_relaxed);
        remember((uintptr_t)p, size, place);
    }
    self.is_inside = false;
}

static inline void *
count(void *p, size_t size)
{
    if (BL__UNLIKELY(atomic_load_explicit(&rate, memory_order_relaxed) != 0)) {
        if (self.rate != atomic_load_explicit(&rate, memory_order_relaxed) ||
            (self.left -= (int64_t)size) < 0)
            note(p, size);
    }
    return p;
}

static __attribute__((noinline)) void
is_freed(void *p)
{
    struct noted n;

    if (!recall((uintptr_t)p, &n))
        return;
    atomic_fetch_add_explicit(&n.place->value[FREE_OBJECTS], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&n.place->value[FREE_BYTES], (int64_t)n.size,
                              memory_order_relaxed);
}

static inline void
uncount(void *p)
{
    if (BL__UNLIKELY(atomic_load_explicit(mark_of((uintptr_t)p), memory_order_relaxed) != 0))
        is_freed(p);
}

/* --- instead of the C library's ------------------------------------------ */

/* Then a call costs two jumps more than without this library. */
static inline bool
is_idle(void)
{
    return BL__LIKELY(atomic_load_explicit(&sites, memory_order_relaxed) == NULL);
}

EXPORT void *
malloc(size_t size)
{
    if (is_idle())
        return __libc_malloc(size);
    return count(__libc_malloc(size), size);
}

EXPORT void *
calloc(size_t n, size_t size)
{
    if (is_idle())
        return __libc_calloc(n, size);
    return count(__libc_calloc(n, size), n * size);
}

/* It is forgotten before it may be somebody else's. */
EXPORT void *
realloc(void *old, size_t size)
{
    void *p;

    if (is_idle())
        return __libc_realloc(old, size);
    if (old)
        uncount(old);
    p = __libc_realloc(old, size);
    return count(p, size);
}

EXPORT void
free(void *p)
{
    if (!is_idle() && p)
        uncount(p);
    __libc_free(p);
}

EXPORT void *
memalign(size_t align, size_t size)
{
    if (is_idle())
        return __libc_memalign(align, size);
    return count(__libc_memalign(align, size), size);
}

EXPORT void *
aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}

EXPORT int
posix_memalign(void **out, size_t align, size_t size)
{
    int saved = errno;
    void *p;

    if (align % sizeof(void *) != 0 || align == 0 || (align & (align - 1)) != 0)
        return EINVAL;
    p = memalign(align, size);
    errno = saved;
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

EXPORT void *
valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

/* --- the profile --------------------------------------------------------- */

int64_t
bl_set_heap_profile_rate(int64_t bytes)
{
    struct bl__sites *none = NULL, *s;
    int64_t old = atomic_load(&rate);

    if (bytes > 0 && !atomic_load(&sites)) {
        s = bl__sites_new(PLACES, DEPTH);
        if (!s || !atomic_compare_exchange_strong(&sites, &none, s))
            return old;
    }
    atomic_store(&rate, bytes > 0 ? bytes : 0);
    return old;
}

/* Emulators, and old kernels, may have wiped nothing. */
static void
in_child(void)
{
    for (int i = 0; wiped.is_same_process && i < SHARDS; i++)
        bl__unlock(&wiped.locks[i]);
    wiped.is_same_process = true;
}

void
bl__heap_init(void)
{
    madvise(&wiped, sizeof wiped, MADV_WIPEONFORK);
    wiped.is_same_process = true;
    pthread_atfork(NULL, NULL, in_child);
}

void
bl__heap_start(void)
{
    if (atomic_load(&rate) == 0)
        bl_set_heap_profile_rate(STANDARD_RATE);
}

struct adding {
    struct bl__profile *p;
    int64_t rate;
};

/* An object of size s is noted with the chance 1 - exp(-s / rate), and stands for as many
 * as that. */
static void
add(void *arg, struct bl__place *place)
{
    const struct adding *a = arg;
    struct bl__sample s = {.pcs = place->pcs, .n = place->n};
    double size = place->tag ? (double)place->tag : 1;
    double scale = 1 / (1 - exp(-size / (double)a->rate));
    int64_t objects = atomic_load(&place->value[ALLOC_OBJECTS]);
    int64_t gone = atomic_load(&place->value[FREE_OBJECTS]);

    s.bytes = (int64_t)place->tag;
    s.value[0] = (int64_t)((double)objects * scale + 0.5);
    s.value[1] = (int64_t)((double)objects * size * scale + 0.5);
    s.value[2] = (int64_t)((double)(objects - gone) * scale + 0.5);
    s.value[3] = (int64_t)((double)(objects - gone) * size * scale + 0.5);
    bl__profile_add(a->p, &s);
}

static void
collect(struct bl__profile *p, const struct bl__kind *kind)
{
    struct adding a = {p, atomic_load(&rate)};

    if (a.rate == 0)
        a.rate = STANDARD_RATE;
    bl__profile_init(p, kind);
    p->kind.period = a.rate;
    bl__sites_each(atomic_load(&sites), add, &a);
}

void
bl__collect_heap(struct bl__profile *p)
{
    collect(p, &heap_kind);
}

void
bl__collect_allocs(struct bl__profile *p)
{
    struct bl__kind kind = heap_kind;

    kind.name = "allocs";
    kind.default_type = "alloc_space";
    collect(p, &kind);
}
