/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/track.h - telling sanitizers and Valgrind about stacks.
 *
 * The library itself need not be built with a sanitizer: what the program has
 * linked is found when it starts, through weak symbols.  Without one every call
 * here is one predictable branch; libbelay-pprof is told behind the same (bl__told). */
#ifndef BELAY_SCHED_TRACK_H
#define BELAY_SCHED_TRACK_H

#include "sched/sched.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>) && !defined(__SANITIZE_THREAD__)
#include <valgrind/valgrind.h>
#endif
#endif

void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size)
    __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size)
    __attribute__((weak));
void *__tsan_get_current_fiber(void) __attribute__((weak));
void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));

void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

void __lsan_register_root_region(const void *start, size_t size)
    __attribute__((weak));

/* LeakSanitizer looks for pointers in [start, start + size), which malloc knows
 * nothing of. */
static inline void
bl__track_root(const void *start, size_t size)
{
    if (__lsan_register_root_region)
        __lsan_register_root_region(start, size);
}

/* Also what links track.c, and its destructor, into a static program. */
void bl__track_init(void);

/* [low, high) is a stack from now on, for good: Valgrind takes a jump between two for
 * a frame of megabytes otherwise.  Nothing if the library was built where Valgrind's
 * header is not. */
static inline void
bl__track_stack(void *low, void *high)
{
#ifdef VALGRIND_STACK_REGISTER
    VALGRIND_STACK_REGISTER(low, high);
#else
    (void)low;
    (void)high;
#endif
}

/* ThreadSanitizer does not look into the scheduler (CMakeLists.txt), whose protocols
 * it does not know: what happens before what is told here, for who makes g runnable
 * and for g when it runs. */
static inline void
bl__track_release(struct bl__g *g)
{
    if (BL__UNLIKELY(bl__told) && __tsan_release)
        __tsan_release(g);
}

static inline void
bl__track_acquire(struct bl__g *g)
{
    if (BL__UNLIKELY(bl__told) && __tsan_acquire)
        __tsan_acquire(g);
}

/* The same for any object that one goroutine leaves and another finds. */
static inline void
bl__track_give(void *p)
{
    if (BL__UNLIKELY(bl__told) && __tsan_release)
        __tsan_release(p);
}

static inline void
bl__track_take(void *p)
{
    if (BL__UNLIKELY(bl__told) && __tsan_acquire)
        __tsan_acquire(p);
}

/* For functions that touch what only a P's owner does: ThreadSanitizer knows nothing of
 * Ps.  Inlined they would be looked at with their callers. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BL__NOT_TRACKED __attribute__((no_sanitize_thread, noinline))
#endif
#elif defined(__SANITIZE_THREAD__)
#define BL__NOT_TRACKED __attribute__((no_sanitize_thread, noinline))
#endif
#ifndef BL__NOT_TRACKED
#define BL__NOT_TRACKED
#endif

/* from's thread m is about to go to `to`; dying: from will not come back.
 *
 * ThreadSanitizer first goes to g0's fiber: there m->release runs, which unlocks
 * what `from` has locked, and must not be taken for something that `to` did.  But on the
 * stack of `to`: what release calls and is instrumented has no variables there. */
static inline void
bl__track_switch(struct bl__m *m, struct bl__g *from, struct bl__g *to, bool dying)
{
    if (BL__LIKELY(!bl__told))
        return;
    BL__OBSERVE(switched, from, to);
    if (__tsan_switch_to_fiber) {
        if (!from->fiber)
            from->fiber = __tsan_get_current_fiber();
        if (!m->g0.fiber)
            m->g0.fiber = __tsan_create_fiber(0);
        __tsan_release(m);
        if (from != &m->g0)
            __tsan_switch_to_fiber(m->g0.fiber, 1);
        __tsan_acquire(m);
    }
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack,
                                       (void *)to->stack_low,
                                       to->stack_high - to->stack_low);
}

/* g has been switched to: before m->release. */
static inline void
bl__track_arrived(struct bl__g *g)
{
    if (BL__UNLIKELY(bl__told) && __sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(g->fake_stack, NULL, NULL);
}

/* And behind it.  The flag: no ordering of its own; locks and queues order what there
 * is to order; but for the thread's beginning, when its thread-locals are written. */
static inline void
bl__track_runs(struct bl__g *g)
{
    if (BL__LIKELY(!bl__told) || !__tsan_switch_to_fiber || g == &g->m->g0)
        return;
    if (!g->fiber)
        g->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(g->fiber, 1);
    __tsan_acquire(&g->m->tid);
}

/* On m's own thread, before it runs anything. */
static inline void
bl__track_thread(struct bl__m *m)
{
    bl__track_give(&m->tid);
}

static inline void
bl__track_dead(struct bl__g *g)
{
    if (BL__UNLIKELY(bl__told)) {
        if (g->fiber)
            __tsan_destroy_fiber(g->fiber);
        g->fiber = NULL;
        g->fake_stack = NULL;
    }
}

#endif
