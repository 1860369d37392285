/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unit/sched_test.c - the scheduler's containers: run queues, heaps of timers,
 * queues of waiters, stacks; O19. */
#include "sched/sched.h"
#include "os/os.h"

#include "check.h"

#include <belay/belay.h>
#include <string.h>

/* --- run queues ---------------------------------------------------------- */

static struct bl__p p1, p2;
static struct bl__g gs[3 * BL__RUNQ];

static void
runq_is_first_in_first_out(void)
{
    for (int i = 0; i < 200; i++)
        bl__runq_put(&p1, &gs[i], false);
    for (int i = 0; i < 200; i++)
        CHECK(bl__runq_get(&p1) == &gs[i]);
    CHECK(!bl__runq_get(&p1));
    CHECK(bl__runq_is_empty(&p1));
}

static void
run_next_comes_first(void)
{
    bl__runq_put(&p1, &gs[0], false);
    bl__runq_put(&p1, &gs[1], true);
    bl__runq_put(&p1, &gs[2], true); /* gs[1] goes to the end */
    CHECK(bl__runq_get(&p1) == &gs[2]);
    CHECK(bl__runq_get(&p1) == &gs[0]);
    CHECK(bl__runq_get(&p1) == &gs[1]);
    CHECK(!bl__runq_get(&p1));
}

static void
thieves_take_half(void)
{
    for (int i = 0; i < 100; i++)
        bl__runq_put(&p1, &gs[i], false);
    CHECK(bl__runq_steal(&p2, &p1, false) == &gs[0]);
    for (int i = 1; i < 50; i++)
        CHECK(bl__runq_get(&p2) == &gs[i]);
    CHECK(!bl__runq_get(&p2));
    for (int i = 50; i < 100; i++)
        CHECK(bl__runq_get(&p1) == &gs[i]);
    CHECK(!bl__runq_steal(&p2, &p1, true));
    bl__runq_put(&p1, &gs[7], true);
    CHECK(!bl__runq_steal(&p2, &p1, false));
    CHECK(bl__runq_steal(&p2, &p1, true) == &gs[7]);
}

/* Takes all there is out of both queues and the one for all.  Returns how many of
 * gs there were; each once. */
static int
count_all(void)
{
    static bool seen[3 * BL__RUNQ];
    struct bl__g *g;
    int n = 0;

    memset(seen, 0, sizeof seen);
    for (;; n++) {
        bl__lock(&bl__sched.lock);
        g = bl__global_get(&p2, 1);
        bl__unlock(&bl__sched.lock);
        if (!g && !(g = bl__runq_get(&p1)) && !(g = bl__runq_get(&p2)))
            return n;
        CHECK(!seen[g - gs]);
        seen[g - gs] = true;
    }
}

static void
what_overflows_is_not_lost(void)
{
    for (int i = 0; i < 2 * BL__RUNQ; i++)
        bl__runq_put(&p1, &gs[i], false);
    CHECK_EQ(count_all(), 2 * BL__RUNQ);
}

static void
lists_overflow_too(void)
{
    for (int i = 0; i < 3 * BL__RUNQ; i++)
        gs[i].next = i % 700 == 699 ? NULL : &gs[i + 1];
    gs[3 * BL__RUNQ - 1].next = NULL;
    for (int i = 0; i < 3 * BL__RUNQ; i += 700)
        bl__runq_put_all(&p1, &gs[i]);
    CHECK_EQ(count_all(), 3 * BL__RUNQ);
}

/* Who takes a share for a ring that is nearly full leaves the rest where it is. */
static void
a_share_does_not_overflow(void)
{
    enum { ROOM = 1, QUEUED = 2 * BL__RUNQ };

    for (int i = 0; i < BL__RUNQ - ROOM; i++)
        bl__runq_put(&p1, &gs[i], false);
    for (int i = BL__RUNQ; i < BL__RUNQ + QUEUED; i++)
        bl__enqueue_global(&gs[i]);
    bl__lock(&bl__sched.lock);
    CHECK(bl__global_get(&p1, QUEUED) == &gs[BL__RUNQ]);
    bl__unlock(&bl__sched.lock);
    CHECK_EQ(bl__runq_length(&p1), BL__RUNQ);
    CHECK_EQ(count_all(), BL__RUNQ + QUEUED - ROOM - 1);
}

/* BELAYDEBUG=torture=2 steals when it has enough of its own. */
static void
thieves_take_what_they_have_room_for(void)
{
    for (int left = 0; left < 3; left++) {
        struct bl__g *g;

        for (int i = 0; i < BL__RUNQ - left; i++)
            bl__runq_put(&p2, &gs[i], false);
        for (int i = BL__RUNQ; i < 2 * BL__RUNQ; i++)
            bl__runq_put(&p1, &gs[i], false);
        g = bl__runq_steal(&p2, &p1, false);
        CHECK(g == &gs[BL__RUNQ]);
        CHECK_EQ(count_all(), 2 * BL__RUNQ - left - 1);
    }
}

/* --- timers -------------------------------------------------------------- */

enum { TIMERS = 2000 };

static struct bl__timer timers[TIMERS];
static int64_t last_when;
static int fired;

static void
check_order(struct bl__timer *t, int64_t now)
{
    CHECK(t->when <= now);
    CHECK(t->when >= last_when);
    last_when = t->when;
    fired++;
}

static void
timers_fire_in_order(void)
{
    struct bl__g *g = bl__enter();
    struct bl__timers *heap = &g->m->p->timers;
    int stopped = 0;

    for (int i = 0; i < TIMERS; i++) {
        timers[i] = (struct bl__timer){.fn = check_order};
        bl__timer_start(NULL, &timers[i], 1 + bl__random(g, 1000));
    }
    for (int i = 0; i < TIMERS; i += 3)
        stopped += bl__timer_stop(&timers[i]);
    CHECK_EQ(stopped, (TIMERS + 2) / 3);
    CHECK(!bl__timer_stop(&timers[0]));
    for (int64_t now = 0; now <= 1000; now += 10)
        bl__timers_run(heap, now);
    CHECK_EQ(fired, TIMERS - stopped);
    CHECK_EQ(atomic_load(&heap->next), INT64_MAX);
    bl__leave(g);
}

/* --- waiters ------------------------------------------------------------- */

static void
claimed_waiters_are_passed_over(void)
{
    struct bl__queue q = {NULL, NULL};
    struct bl__waiter w[4] = {{.g = &gs[0]}, {.g = &gs[1], .shared = true},
                              {.g = &gs[2], .shared = true}, {.g = &gs[3]}};

    for (int i = 0; i < 4; i++)
        bl__queue_push(&q, &w[i]);
    atomic_store(&gs[1].claimed, 1); /* somebody else wakes it */
    CHECK(bl__queue_pop(&q) == &w[0]);
    CHECK(bl__queue_pop(&q) == &w[2]);
    CHECK_EQ(atomic_load(&gs[2].claimed), 1);
    CHECK(!bl__queue_remove(&q, &w[1]));
    CHECK(bl__queue_remove(&q, &w[3]));
    CHECK(!bl__queue_remove(&q, &w[3]));
    CHECK(!bl__queue_pop(&q));
}

/* --- stacks -------------------------------------------------------------- */

static void
stacks_have_the_size_asked_for(void)
{
    CHECK_EQ(bl__stack_class(0), 0);
    CHECK_EQ(bl__stack_class(16384), 0);
    CHECK_EQ(bl__stack_class(16385), 1);
    CHECK_EQ(bl__stack_class(1 << 30), BL__STACK_CLASSES - 1);
    CHECK_EQ(bl__stack_class(((size_t)1 << 30) + 1), BL__STACK_CLASSES);
}

static void
stacks_do_not_overlap(void)
{
    enum { N = 600 };
    static struct bl__g *g[N];
    int error = 0;

    for (int i = 0; i < N; i++) {
        g[i] = bl__stack_get(NULL, 2, &error);
        CHECK(g[i] != NULL);
        CHECK(g[i]->stack_high > g[i]->stack_low + (48 << 10));
        for (int j = 0; j < i; j++)
            CHECK(g[i]->stack_high <= g[j]->stack_low ||
                  g[i]->stack_low >= g[j]->stack_high);
    }
    memset((void *)g[0]->stack_low, 1, g[0]->stack_high - g[0]->stack_low);
    for (int i = 0; i < N; i++)
        bl__stack_put(NULL, g[i]);
}

static void
memory_goes_back(void)
{
    bl_stack_stats before, after;

    bl_read_stack_stats(&before);
    CHECK(before.reserved_bytes >= 600 * 65536);
    CHECK(before.cached >= 600);
    bl_release_stacks();
    bl_read_stack_stats(&after);
    CHECK_EQ(after.cached, 0);
    CHECK_EQ(after.released - before.released, before.cached);
}

static void
reports_say_for_how_long(void)
{
    static struct bl__g waits = {.is_goroutine = true, .status = BL__G_WAITING,
                                 .reason = BL__WAIT_RECV};
    char buf[64];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf);
    int64_t before = bl__os_now();

    waits.waiting_since = before - 185 * BL_SECOND;
    bl__hooks.put_state(&t, &waits);
    bl__text_flush(&t);
    CHECK_STR(buf, "chan receive, 3 minutes");
    bl_sleep(BL_MILLISECOND);
    CHECK(bl__self()->waiting_since >= before - BL_SECOND / 5);
    CHECK(bl__self()->waiting_since < before + 10 * BL_SECOND);
}

int
main(void)
{
    /* no `go` here: other threads would take what these tests queue */
    RUN(runq_is_first_in_first_out);
    RUN(run_next_comes_first);
    RUN(thieves_take_half);
    RUN(what_overflows_is_not_lost);
    RUN(lists_overflow_too);
    RUN(a_share_does_not_overflow);
    RUN(thieves_take_what_they_have_room_for);
    RUN(timers_fire_in_order);
    RUN(claimed_waiters_are_passed_over);
    RUN(stacks_have_the_size_asked_for);
    RUN(stacks_do_not_overlap);
    RUN(memory_goes_back);
    RUN(reports_say_for_how_long);
    return 0;
}
