/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/panics.c - every registered defer runs exactly once, whatever ends the
 * function, while goroutines switch and threads steal them.
 *
 * A walker calls itself through functions of several shapes to a random depth, and
 * ends the descent by returning, a panic, following NULL, or goexit.  Deferred code
 * does the same again, less deep, and lets others run in the middle of an unwinding.
 * Each registration has a number:
 *
 *   calls and blocks run in the reverse order of their registration, each kind by
 *   itself (a block ends with its block, a call with its body);
 *   a panic is recovered by the walker that raised it;
 *   after goexit nothing that was active then goes on;
 *   locals are what they were, wherever the frame goes on. */
#include "stress.h"

enum {
    WALKERS = 60,
    DEPTH = 25,
    PENDING = 2000,  /* registered at a time */
    DESCENTS = 4000, /* of one walker, those in deferred code included */
};

struct walker {
    struct stress_random r;
    uint32_t id;
    int depth, most;
    int left;                   /* descents that it may still make */
    uint32_t frames;            /* begun so far: a frame's number */
    uint32_t exited;            /* goexit: frames below this never go on */
    uint64_t registered, ran, recovered;
    uint32_t calls[PENDING], ncalls;
    uint32_t blocks[PENDING], nblocks;
    bl_waitgroup *everybody;
};

static _Atomic uint64_t total;
static chan_of(uint32_t) chatter; /* somewhere to wait for others */

static void descend(struct walker *w);

/* --- letting others in ---------------------------------------------------- */

static void
mingle(struct walker *w)
{
    uint32_t v = w->id;

    switch (stress_below(&w->r, 12)) {
    case 0:
        bl_select_until(bl_now() + 50 * BL_MICROSECOND, on_recv(chatter, &v));
        break;
    case 1:
        bl_select_until(bl_now() + 50 * BL_MICROSECOND, on_send(chatter, v));
        break;
    default:
        stress_dawdle(&w->r);
    }
}

/* --- registrations -------------------------------------------------------- */

static uint32_t
note_registered(struct walker *w, uint32_t *list, uint32_t *n)
{
    uint32_t number = (uint32_t)w->registered++;

    STRESS_COMPARE(*n, <, PENDING);
    list[(*n)++] = number;
    return number;
}

static void
note_ran(struct walker *w, const uint32_t *list, uint32_t *n, uint32_t number)
{
    STRESS_COMPARE(*n, >, 0);
    STRESS_COMPARE(list[--*n], ==, number);
    w->ran++;
    mingle(w);
}

static void
check_caught(struct walker *w, const bl_panic_info *info)
{
    if (info->kind == BL_PANIC_FAULT)
        STRESS_COMPARE(info->address, ==, 0);
    else if (info->kind == BL_PANIC_TEXT)
        STRESS_COMPARE(strtoul(info->text, NULL, 10), ==, w->id);
    else
        STRESS_COMPARE(info->value.as.unsigned_integer, ==, w->id);
    w->recovered++;
}

/* A frame may go on only if goexit has not ended it. */
static void
check_goes_on(const struct walker *w, uint32_t frame)
{
    STRESS_COMPARE(frame, >=, w->exited);
}

/* --- deferred calls ------------------------------------------------------- */

static void
only_note(struct walker *w, uint32_t number)
{
    note_ran(w, w->calls, &w->ncalls, number);
}

static void
note_and_recover(struct walker *w, uint32_t number)
{
    const bl_panic_info *info = recover();

    if (info)
        check_caught(w, info);
    note_ran(w, w->calls, &w->ncalls, number);
}

static void
note_and_descend(struct walker *w, uint32_t number)
{
    note_ran(w, w->calls, &w->ncalls, number);
    if (stress_chance(&w->r, 30))
        descend(w);
}

/* --- functions of several shapes ------------------------------------------ */

static STRESS_NOINLINE void
plain(struct walker *w, uint32_t frame)
{
    uint64_t a = frame * UINT64_C(0x9e3779b97f4a7c15), b = ~a;

    descend(w);
    STRESS_CHECK(a == frame * UINT64_C(0x9e3779b97f4a7c15) && b == ~a);
}

static STRESS_NOINLINE void
one_call(struct walker *w, uint32_t frame)
{
    returns_nothing {
        defer_call(only_note, w, note_registered(w, w->calls, &w->ncalls));
        descend(w);
        check_goes_on(w, frame);
        mingle(w);
    }
    check_goes_on(w, frame);
}

static STRESS_NOINLINE uint32_t
many_calls(struct walker *w, uint32_t frame)
{
    returns (uint32_t, result) {
        result = frame;
        for (int n = stress_below(&w->r, 8); n > 0; n--) {
            if (n % 3 == 0)
                defer_call(note_and_descend, w, note_registered(w, w->calls, &w->ncalls));
            else
                defer_call(only_note, w, note_registered(w, w->calls, &w->ncalls));
        }
        defer_call(note_and_recover, w, note_registered(w, w->calls, &w->ncalls));
        descend(w);
        check_goes_on(w, frame);
        leave;
    }
}

static STRESS_NOINLINE double
recovers(struct walker *w, uint32_t frame)
{
    returns (double, result) {
        result = frame + 0.5;
        defer_call(note_and_recover, w, note_registered(w, w->calls, &w->ncalls));
        plain(w, frame);
        check_goes_on(w, frame);
    }
}

#if !defined(__clang__)
static STRESS_NOINLINE void
blocks(struct walker *w, uint32_t frame)
{
    uint64_t a = frame * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t outer = note_registered(w, w->blocks, &w->nblocks);

    defer
    {
        STRESS_CHECK(a == frame * UINT64_C(0x9e3779b97f4a7c15));
        note_ran(w, w->blocks, &w->nblocks, outer);
    };
    for (int n = stress_below(&w->r, 4); n > 0; n--) {
        uint32_t inner = note_registered(w, w->blocks, &w->nblocks);

        defer { note_ran(w, w->blocks, &w->nblocks, inner); };
        if (stress_chance(&w->r, 30))
            continue;
        if (stress_chance(&w->r, 30))
            break;
        descend(w);
    }
    check_goes_on(w, frame);
}

/* For blocks: their own frames must not be left by what they call. */
static STRESS_NOINLINE uint32_t
block_recovers(struct walker *w, uint32_t frame)
{
    returns (uint32_t, result) {
        uint32_t first = note_registered(w, w->blocks, &w->nblocks), second;

        result = 0;
        defer
        {
            const bl_panic_info *info = recover();

            if (info)
                check_caught(w, info);
            note_ran(w, w->blocks, &w->nblocks, first);
            result = frame;
        };
        defer_call(only_note, w, note_registered(w, w->calls, &w->ncalls));
        second = note_registered(w, w->blocks, &w->nblocks);
        defer { note_ran(w, w->blocks, &w->nblocks, second); };
        descend(w);
        check_goes_on(w, frame);
    }
}
#else
#define blocks one_call
#define block_recovers many_calls
#endif

/* --- walking -------------------------------------------------------------- */

static STRESS_NOINLINE void
hit_bottom(struct walker *w)
{
    static int *volatile nowhere;

    mingle(w);
    switch (stress_below(&w->r, 12)) {
    case 0:
    case 1:
        panic("%u went wrong", w->id);
        break;
    case 2:
        panic_with(bl_uint(w->id));
        break;
    case 3:
        *nowhere = 1;
        break;
    case 4:
        if (stress_chance(&w->r, 5)) {
            w->exited = w->frames;
            goexit();
        }
        break;
    }
}

static void
call_one(struct walker *w, uint32_t frame)
{
    switch (stress_below(&w->r, 7)) {
    case 0:
        plain(w, frame);
        break;
    case 1:
        one_call(w, frame);
        break;
    case 2:
        STRESS_COMPARE(many_calls(w, frame), ==, frame);
        break;
    case 3:
        STRESS_CHECK(recovers(w, frame) == frame + 0.5);
        break;
    case 4:
        blocks(w, frame);
        break;
    default:
        STRESS_COMPARE(block_recovers(w, frame), ==, frame);
        break;
    }
    check_goes_on(w, frame);
}

static void
set_depth(struct walker *w, int depth)
{
    w->depth = depth;
}

/* The depth is what it was, however this ends; that is a deferred call, too. */
static STRESS_NOINLINE void
descend(struct walker *w)
{
    uint32_t frame = w->frames++;

    returns_nothing {
        defer_call(set_depth, w, w->depth);
        if (++w->depth > w->most || w->left-- <= 0)
            hit_bottom(w);
        else
            for (int n = stress_chance(&w->r, 20) ? 2 : 1; n > 0; n--)
                call_one(w, frame);
    }
}

/* --- goroutines ----------------------------------------------------------- */

static void
end_walk(struct walker *w)
{
    bl_waitgroup *wg = w->everybody;

    STRESS_COMPARE(w->ncalls, ==, 0);
    STRESS_COMPARE(w->nblocks, ==, 0);
    STRESS_COMPARE(w->ran, ==, w->registered);
    total += w->ran;
    free(w);
    bl_waitgroup_done(wg);
}

static void
catch_last(struct walker *w)
{
    const bl_panic_info *info = recover();

    if (info)
        check_caught(w, info);
}

static void
walk_once(struct walker *w)
{
    returns_nothing {
        defer_call(catch_last, w);
        w->most = stress_between(&w->r, 1, DEPTH);
        w->depth = 0;
        descend(w);
    }
}

static void
walk(struct walker *w)
{
    returns_nothing {
        defer_call(end_walk, w);
        while (w->left > 0)
            walk_once(w);
    }
}

static void *
walk_in_thread(void *w)
{
    walk(w);
    return NULL;
}

/* Walkers in plain threads have no others to mingle with, but the channel. */
static void
start_walker(struct walker *w, bool in_thread)
{
    pthread_t thread;

    if (!in_thread)
        go(walk, w);
    else if (pthread_create(&thread, NULL, walk_in_thread, w) == 0)
        pthread_detach(thread);
    else
        STRESS_CHECK(!"a thread");
}

static void
run_round(struct stress_random *r)
{
    int n = stress_between(r, 1, WALKERS);
    bl_waitgroup everybody = {0};

    chatter = chan_make(uint32_t, stress_below(r, 2));
    bl_waitgroup_add(&everybody, n);
    for (int i = 0; i < n; i++) {
        struct walker *w = stress_make(1, sizeof *w);

        w->id = (uint32_t)stress_between(r, 1, 1000000);
        w->r = stress_split(r);
        w->left = stress_between(r, 1, DESCENTS / n);
        w->everybody = &everybody;
        start_walker(w, !stress.deterministic && stress_chance(r, 10));
    }
    bl_waitgroup_wait(&everybody);
    chan_free(chatter);
}

int
main(int argc, char **argv)
{
    struct stress_random r;

    stress_begin(argc, argv, "panics");
    while (stress_round(&r))
        run_round(&r);
    return stress_end(total, "defers");
}
