/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/spawn.c - storms of goroutines, deep stacks, stacks that are used again.
 *
 * Every goroutine runs exactly once and finds its stack its own: it fills some of it
 * with a pattern, lets others in, and looks again.  When a storm is over the figures
 * are those of an empty house: neither address space nor pages (those lazily freed
 * do not count) leak. */
#include "stress.h"

enum {
    PATTERN_WORDS = 64, /* in one frame */
    LIVE = STRESS_SANITIZED ? 2000 : 100000,
    DEEP = 64,          /* at a time, of those that use much of their stacks */
    /* What is left when nobody lives: processors keep some dead goroutines' stacks as
     * they are.  A storm takes more, so that pages which are not given back show. */
    LEFT_KB = 300 << 10,
    LEFT_GB = LIVE >> 11, /* address space, twice that of a storm, and sizes' slabs */
};

struct storm {
    _Atomic int ran, live, most_live;
    bl_chan *gate;      /* closed: all may go on */
    bl_waitgroup all;
};

static _Atomic uint64_t total;

/* --- what a goroutine does ------------------------------------------------ */

/* Fills a frame, goes deeper, and finds it unchanged. */
static STRESS_NOINLINE uint64_t
fill_stack(uint64_t key, int deeper, bool pauses)
{
    volatile uint64_t words[PATTERN_WORDS];
    uint64_t sum = 0;

    for (uint64_t i = 0; i < PATTERN_WORDS; i++)
        words[i] = key * 31 + i;
    if (deeper > 0)
        sum = fill_stack(key + 1, deeper - 1, pauses);
    else if (pauses)
        gosched();
    for (uint64_t i = 0; i < PATTERN_WORDS; i++)
        STRESS_COMPARE(words[i], ==, key * 31 + i);
    return sum + 1;
}

static void
arrive(struct storm *s)
{
    int n = ++s->live, most = s->most_live;

    while (n > most && !atomic_compare_exchange_weak(&s->most_live, &most, n))
        ;
    s->ran++;
}

static void
leave_storm(struct storm *s)
{
    s->live--;
    bl_waitgroup_done(&s->all);
}

static void
wait_at_gate(struct storm *s, uint64_t key, int depth)
{
    char unused;

    arrive(s);
    fill_stack(key, depth, true);
    if (s->gate)
        STRESS_CHECK(!bl_chan_recv(s->gate, &unused));
    fill_stack(key, depth, false);
    leave_storm(s);
}

/* Two more, until there are enough: n in all. */
static void
branch(struct storm *s, int n, struct stress_random r)
{
    int left = (n - 1) / 2, right = n - 1 - left;

    arrive(s);
    if (left > 0)
        go(branch, s, left, stress_split(&r));
    if (right > 0)
        go(branch, s, right, stress_split(&r));
    fill_stack(stress_next(&r), stress_below(&r, 3), true);
    stress_dawdle(&r);
    leave_storm(s);
}

/* One behind the other: each starts the next as the last thing it does. */
static void
relay(struct storm *s, int n, struct stress_random r)
{
    arrive(s);
    fill_stack(stress_next(&r), stress_below(&r, 20), stress_chance(&r, 30));
    if (n > 1)
        go(relay, s, n - 1, stress_split(&r));
    leave_storm(s);
}

static void
end_in_the_middle(struct storm *s, int depth)
{
    if (depth > 0) {
        fill_stack((uint64_t)depth, 1, false);
        end_in_the_middle(s, depth - 1);
    }
    returns_nothing {
        if (depth == 0) {
            arrive(s);
            defer_call(leave_storm, s);
            goexit();
        }
    }
}

/* --- storms --------------------------------------------------------------- */

static struct storm *
begin(int n)
{
    struct storm *s = stress_make(1, sizeof *s);

    bl_waitgroup_add(&s->all, n);
    return s;
}

static void
end(struct storm *s, int n)
{
    bl_waitgroup_wait(&s->all);
    STRESS_COMPARE(s->ran, ==, n);
    STRESS_COMPARE(s->live, ==, 0);
    bl_chan_release(s->gate);
    free(s);
    total += (uint64_t)n;
}

/* All live at the same time.  On old kernels there are fewer mappings than that. */
static void
storm_at_gate(struct stress_random *r, int n)
{
    struct storm *s = begin(n);
    int started = 0, error = 0;

    s->gate = bl_chan_new(1, 0);
    for (; started < n && !error; started += !error)
        error = bl_try_go(wait_at_gate, s, stress_next(r), stress_below(r, 2));
    if (error) {
        STRESS_COMPARE(error, ==, -ENOMEM);
        STRESS_COMPARE(started, >, 5000);
        bl_waitgroup_add(&s->all, started - n);
    }
    STRESS_COMPARE(bl_num_goroutine(), >, started);
    while (s->ran < started)
        bl_sleep(100 * BL_MICROSECOND);
    STRESS_COMPARE(s->most_live, ==, started);
    bl_chan_shut(s->gate);
    end(s, started);
}

static void
storm_of_branches(struct stress_random *r, int n)
{
    struct storm *s = begin(n);

    go(branch, s, n, stress_split(r));
    end(s, n);
}

static void
storm_of_relays(struct stress_random *r, int n)
{
    int runners = stress_between(r, 1, 8), each = n / runners + 1;
    struct storm *s = begin(runners * each);

    for (int i = 0; i < runners; i++)
        go(relay, s, each, stress_split(r));
    end(s, runners * each);
}

/* Mostly up to 256 KiB: what processors keep for later is counted, not weighed. */
static size_t
some_size(struct stress_random *r)
{
    return (size_t)16384 << stress_between(r, 0, stress_chance(r, 3) ? 6 : 4);
}

/* Stacks of all sizes, used nearly to their ends. */
static void
storm_of_sizes(struct stress_random *r, int n)
{
    struct storm *s;

    n = n % DEEP + 1;
    s = begin(n);
    for (int i = 0; i < n; i++) {
        size_t bytes = some_size(r);
        /* a frame of fill_stack is under 700 bytes, more with a sanitizer */
        int most = (int)(bytes - 13000) / (STRESS_SANITIZED ? 4000 : 700);

        bl_go_with(((bl_go_options){.stack_bytes = bytes, .name = "deep"}), wait_at_gate, s,
                   stress_next(r), stress_below(r, most + 1));
    }
    end(s, n);
}

static void
storm_of_exits(struct stress_random *r, int n)
{
    struct storm *s;

    n = n / 4 + 1;
    s = begin(n);
    for (int i = 0; i < n; i++)
        go(end_in_the_middle, s, stress_below(r, 10));
    end(s, n);
}

static void (*const storms[])(struct stress_random *r, int n) = {
    storm_at_gate, storm_of_branches, storm_of_relays, storm_of_sizes, storm_of_exits,
};

/* --- figures -------------------------------------------------------------- */

/* What /proc/self/smaps_rollup says of one thing, in kB. */
static long
read_kb(const char *text, const char *what)
{
    const char *at = strstr(text, what);

    return at ? strtol(at + strlen(what), NULL, 10) : 0;
}

/* Pages in use, without those that the kernel may take any time. */
static long
used_kb(void)
{
    char text[4096];
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    size_t n;

    if (!f)
        return 0;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return read_kb(text, "Rss:") - read_kb(text, "LazyFree:");
}

static void
check_figures(void)
{
    static uint64_t released;
    bl_stack_stats stats;

    stress_wait_until_alone();
    bl_read_stack_stats(&stats);
    STRESS_COMPARE(stats.used, ==, 0);
    STRESS_COMPARE(stats.released, >=, released);
    released = stats.released;
    bl_release_stacks();
    if (STRESS_SANITIZED) /* which keep memory of their own */
        return;
    STRESS_COMPARE(used_kb(), <, LEFT_KB);
    STRESS_COMPARE(stats.reserved_bytes >> 30, <=, LEFT_GB);
}

static void
run_round(struct stress_random *r)
{
    /* deterministic mode draws from one long list: in the square of its length */
    int live = stress.deterministic ? LIVE / 50 : stress.seconds < 3 ? LIVE / 10 : LIVE;
    int most = stress_chance(r, 5) ? live : stress_chance(r, 20) ? live / 10 : live / 100;

    if (stress.round == stress.first) /* too much that stays shows at once */
        storm_at_gate(r, live);
    else
        storms[stress_below(r, (int)(sizeof storms / sizeof storms[0]))](
            r, stress_between(r, 1, most));
    if (stress_chance(r, 20))
        bl_release_stacks();
    check_figures();
}

int
main(int argc, char **argv)
{
    struct stress_random r;
    char what[80];

    stress_begin(argc, argv, "spawn");
    while (stress_round(&r))
        run_round(&r);
    snprintf(what, sizeof what, "goroutines, %ld MB at the end", used_kb() >> 10);
    return stress_end(total, what);
}
