/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/g.c - a G for every thread that needs one, and the library's start. */
#include "base/lock.h"
#include "os/os.h"
#include "panic/g.h"
#include "unwind/unwind.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static __thread struct bl__g *self __attribute__((tls_model("initial-exec")));
static pthread_key_t key;
static bool has_key;
struct bl__hooks bl__hooks;
uint8_t bl__told;
struct bl__defer_counts bl__defer_counts;
static _Atomic uint64_t last_id = 1; /* main's, whenever it asks */

static BL__NORETURN void
no_memory(void)
{
    static const char text[] = "fatal error: belay: out of memory for a thread\n";

    (void)!write(2, text, sizeof text - 1);
    _exit(2);
}

uint64_t
bl__next_ids(uint64_t n)
{
    return atomic_fetch_add_explicit(&last_id, n, memory_order_relaxed) + 1;
}

uint64_t
bl__next_id(void)
{
    return bl__next_ids(1);
}

/* --- rooms --------------------------------------------------------------- */

static struct bl__lock rooms_lock;
static struct bl__room *free_rooms; /* protected by rooms_lock */

static void
furnish(struct bl__room *room)
{
    room->free_first = NULL;
    for (int i = 0; i < BL__ACTS_INLINE; i++) {
        room->acts[i].link = room->free_first;
        room->free_first = &room->acts[i];
    }
    room->free_last = &room->acts[0];
}

static BL__NOINLINE struct bl__room *
make_room(struct bl__g *g)
{
    struct bl__room *room;

    bl__lock(&rooms_lock);
    room = free_rooms;
    if (room)
        free_rooms = room->next;
    bl__unlock(&rooms_lock);
    if (!room) {
        room = bl__os_map(sizeof *room);
        if (!room)
            no_memory();
        furnish(room);
    }
    g->room = room;
    return room;
}

struct bl__room *
bl__room(struct bl__g *g)
{
    return BL__LIKELY(g->room != NULL) ? g->room : make_room(g);
}

static void
leave_room(struct bl__g *g)
{
    struct bl__room *room = g->room;

    if (!room)
        return;
    g->room = NULL;
    bl__lock(&rooms_lock);
    room->next = free_rooms;
    free_rooms = room;
    bl__unlock(&rooms_lock);
}

/* --- a G's life ---------------------------------------------------------- */

void
bl__g_init(struct bl__g *g)
{
    g->top = g->inline_calls;
    g->end = g->inline_calls + sizeof g->inline_calls;
}

/* What only profiles want to know. */
static BL__NOINLINE void
hand_over_counts(struct bl__g *g)
{
    void *labels = g->labels;

    atomic_fetch_add_explicit(&bl__defer_counts.registered, g->deferred,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&bl__defer_counts.by_panic, g->deferred_panic,
                              memory_order_relaxed);
    g->deferred = g->deferred_panic = 0;
    g->labels = NULL;
    if (labels)
        BL__OBSERVE(labels_dropped, labels);
}

void
bl__g_free(struct bl__g *g)
{
    if (BL__UNLIKELY(g->deferred != 0 || g->labels != NULL))
        hand_over_counts(g);
    bl__calls_free(g);
    leave_room(g);
}

/* Runs at a thread's end. */
static void
detach(void *p)
{
    struct bl__g *g = p;

    self = NULL;
    bl__g_free(g);
    bl__os_sigstack_free(g->sigstack);
    bl__os_unmap(g, sizeof *g);
}

static BL__NOINLINE struct bl__g *
attach(bool in_handler)
{
    struct bl__g *g = bl__os_map(sizeof *g);
    uintptr_t low, high;

    if (!g)
        no_memory();
    bl__g_init(g);
    g->id = bl__os_is_main_thread() ? 1 : bl__next_id();
    /* not right into g: ThreadSanitizer, which sees what os/ writes, takes it for the
     * G of an ended thread, which was mapped at the same place */
    if (in_handler)
        bl__os_stack_in_handler(&low, &high);
    else
        bl__os_stack(&low, &high);
    g->stack_low = low;
    g->stack_high = high;
    g->sigstack = bl__os_sigstack_make();
    self = g;
    if (has_key)
        pthread_setspecific(key, g);
    return g;
}

BL__NOINLINE void
bl__set_self(struct bl__g *g)
{
    self = g;
}

BL__NOINLINE struct bl__g *
bl__self(void)
{
    struct bl__g *g = self;

    return BL__LIKELY(g != NULL) ? g : attach(false);
}

BL__NOINLINE struct bl__g *
bl__self_in_handler(void)
{
    struct bl__g *g = self;

    return g ? g : attach(true);
}

BL__NOINLINE struct bl__g *
bl__self_or_null(void)
{
    return self;
}

/* Here, and not with the rest of the engine, so that a function that ends well
 * pays for one call and no more. */
const bl_panic_info *
bl__recover_in_block(void *cfa)
{
    struct bl__g *g = self;

    if (BL__LIKELY(!g || !g->act))
        return NULL;
    return bl__recover_from_block(g, (uintptr_t)cfa);
}

/* Before main and before every constructor that does not ask for an earlier
 * turn: main's thread gets its signal stack, faults become panics. */
__attribute__((constructor(101))) static void
start(void)
{
    bl__options_init();
    if (bl__options.unwindlog)
        bl__told |= BL__TOLD_LOG;
    bl__unwind_init();
    has_key = pthread_key_create(&key, detach) == 0;
    if (bl__os_is_main_thread())
        bl__self();
    bl__faults_init();
}
