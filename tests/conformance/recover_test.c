/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/recover_test.c - catalogue area R: which code can recover,
 * and what happens after it. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#include <stdarg.h>

/* --- who can recover ----------------------------------------------------- */

static void
calls(void (*f)(void))
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(f);
        boom("p");
    }
}

static void
R1_direct_call_by_the_deferred_function(void)
{
    calls(note_recovered);
    CHECK_TRACE("p nil");
}

static void
calls_helper(void)
{
    note_recovered();
    NOTE("helper_returned");
}

/* A tail call: for the machine the helper stands in the caller's place. */
static void
tail_calls_helper(void)
{
    note_recovered();
}

static void
jumps_to(void (*f)(void))
{
    HIDE(f)();
}

static void
R2_helper_of_the_deferred_function_gets_nothing(void)
{
    calls(calls_helper);
    CHECK_TRACE("nil helper_returned p");
    calls(tail_calls_helper);
    CHECK_TRACE("nil p");
}

#ifndef __clang__
static void
calls_literal(void)
{
    void literal(void)
    {
        note_recovered();
    }

    literal();
}
#else
static void
calls_literal(void)
{
    ^{ note_recovered(); }();
}
#endif

static void
R3_function_literal_inside_gets_nothing(void)
{
    calls(calls_literal);
    CHECK_TRACE("nil p");
}

static int
compare(const void *a, const void *b)
{
    if (!strcmp(check_trace, ""))
        note_recovered();
    return *(const int *)a - *(const int *)b;
}

static void
sorts(void)
{
    int n[] = {2, 1};

    qsort(n, 2, sizeof n[0], compare);
}

static void
runs_callback(void)
{
    jumps_to(note_recovered);
}

static void
R4_callback_gets_nothing(void)
{
    calls(runs_callback);
    CHECK_TRACE("nil p");
    calls(sorts);
    CHECK_TRACE("nil p");
}

static void
same_code_1(void)
{
    const bl_panic_info *p = recover();

    NOTE(p ? "same" : "nil");
}

static void
same_code_2(void)
{
    const bl_panic_info *p = recover();

    NOTE(p ? "same" : "nil");
}

static inline void
inline_function(void)
{
    note_recovered();
    NOTE(recover() ? "itself" : "nil");
}

static void
R5_named_function_that_was_deferred_itself(void)
{
    calls(inline_function);
    CHECK_TRACE("nil itself nil");
}

/* The compiler may make one function of the two. */
static void
R5_two_functions_with_the_same_code(void)
{
    calls(same_code_1);
    CHECK_TRACE("same nil");
    calls(same_code_2);
    CHECK_TRACE("same nil");
}

struct receiver {
    int words[100];
    void (*method)(struct receiver);
    void (*pointer_method)(struct receiver *, int);
};

static void
large_receiver(struct receiver r)
{
    const bl_panic_info *p = recover();

    NOTE(p ? p->text : "nil");
    NOTE_INT(r.words[99]);
}

static void
pointer_receiver(struct receiver *r, int n)
{
    const bl_panic_info *p = recover();

    NOTE(p ? p->text : "nil");
    NOTE_INT(r->words[0] + n);
}

static void
variadic(const char *format, ...)
{
    const bl_panic_info *p = recover();
    va_list args;

    va_start(args, format);
    NOTE(p ? p->text : "nil");
    NOTE_INT(va_arg(args, int));
    va_end(args);
}

static void
many_parameters(int a, int b, int c, int d, int e, int f, int g, int h, double x)
{
    const bl_panic_info *p = recover();

    NOTE(p ? p->text : "nil");
    NOTE_INT(a + b + c + d + e + f + g + h + (int)x);
}

static double
with_result(double x)
{
    return recover() ? x : 0;
}

static struct receiver the_receiver;

static void
methods(int which)
{
    struct receiver *r = HIDE(&the_receiver);

    returns_nothing {
        if (which == 0)
            defer_call(r->method, *r);
        if (which == 1)
            defer_call(r->pointer_method, r, 5);
        if (which == 2)
            defer_call(variadic, "%d", 7);
        if (which == 3)
            defer_call(many_parameters, 1, 2, 3, 4, 5, 6, 7, 8, 9.5);
        if (which == 4)
            defer_call(with_result, 1.5);
        boom("p");
    }
}

static void
R6_methods_and_functions_of_every_shape(void)
{
    the_receiver.words[0] = 10;
    the_receiver.words[99] = 99;
    the_receiver.method = large_receiver;
    the_receiver.pointer_method = pointer_receiver;
    for (int i = 0; i < 5; i++)
        methods(HIDE(i));
    CHECK_TRACE("p 99 p 15 p 7 p 45");
}

static void
recursive(int n)
{
    if (n > 0)
        recursive(n - 1);
    note_recovered();
}

static void
recursive_direct(int n)
{
    const bl_panic_info *p;

    if (n > 0)
        recursive_direct(n - 1);
    p = recover();
    NOTE(p ? p->text : "nil");
}

/* Here the recursion may become a loop, and then it is the outermost. */
static void
recursive_tail(int n)
{
    if (n == 0) {
        const bl_panic_info *p = recover();

        NOTE(p ? p->text : "nil");
        return;
    }
    recursive_tail(n - 1);
}

static void
recursions(int which)
{
    returns_nothing {
        defer_call(note_recovered);
        if (which == 0)
            defer_call(recursive, 2);
        else if (which == 1)
            defer_call(recursive_direct, 3);
        else
            defer_call(recursive_tail, 0);
        boom("p");
    }
}

static void
R7_outermost_activation_of_a_recursive_function(void)
{
    recursions(0);
    CHECK_TRACE("nil nil nil p");
    recursions(1);
    CHECK_TRACE("nil nil nil p nil");
    recursions(2);
    CHECK_TRACE("p nil");
}

static void
R8_outside_deferred_code(void)
{
    CHECK(!recover());
    note_recovered();
    calls(note_recovered);
    note_recovered();
    CHECK(!recover());
    CHECK_TRACE("nil p nil nil");
}

static void
normal(void)
{
    returns_nothing {
        CHECK(!recover());
        defer_call(note_recovered);
    }
}

static void
R9_run_by_a_normal_return(void)
{
    normal();
    CHECK_TRACE("nil");
}

static void
recovers_twice(void)
{
    const bl_panic_info *p = recover(), *again = recover();

    NOTE(p ? p->text : "nil");
    NOTE(again ? again->text : "nil");
}

/* R10; R11 for the functions that calls() runs afterwards. */
static void
R10_R11_only_once(void)
{
    calls(recovers_twice);
    CHECK_TRACE("p nil nil");
}

static void
outer_frame(void)
{
    returns_nothing {
        defer_call(note_recovered);
        calls(note_recovered);
        NOTE("goes_on");
    }
}

static void
R11_outer_frame_after_success(void)
{
    outer_frame();
    CHECK_TRACE("p nil goes_on nil");
}

static void
defers_recovery(void)
{
    returns_nothing {
        defer_call(note_recovered);
        NOTE("normal");
    }
}

static void
R12_deferred_by_a_deferred_function_that_returns(void)
{
    calls(defers_recovery);
    CHECK_TRACE("normal nil p");
}

static bool
recovers_now(const bl_panic_info *p, bool *to)
{
    *to = p != NULL;
    NOTE("ran");
    return true;
}

static bool was_recovered;

static void
as_an_argument(void)
{
    returns_nothing {
        defer_call(recovers_now, recover(), &was_recovered);
        NOTE(recover() ? "again" : "taken");
    }
}

static void
R16_as_an_argument_of_a_defer_statement(void)
{
    calls(as_an_argument);
    CHECK(was_recovered);
    CHECK_TRACE("taken ran nil");
}

/* --- after it ------------------------------------------------------------ */

static int
rest_of_the_frame(void)
{
    returns (int, r) {
        defer_call(NOTE, "1");
        defer_call(note_recovered);
        defer_call(NOTE, "2");
        defer_call(note_recovered);
        defer_call(NOTE, "3");
        r = 5;
        boom("p");
        NOTE("never");
        r = 6;
    }
}

/* R17, R18, R19: in that order. */
static void
R17_R18_R19_rest_runs_then_the_caller_goes_on(void)
{
    int r = rest_of_the_frame();

    NOTE("caller");
    CHECK_EQ(r, 5);
    CHECK_TRACE("3 p 2 nil 1 caller");
}

static void
lower(void)
{
    returns_nothing {
        defer_call(NOTE, "lower");
        boom("p");
    }
}

static void
recovering(void)
{
    returns_nothing {
        defer_call(note_recovered);
        lower();
        NOTE("never");
    }
}

static void
further_out(void)
{
    returns_nothing {
        defer_call(NOTE, "outer");
        recovering();
        NOTE("body");
    }
}

static void
R20_frames_further_out_are_untouched(void)
{
    further_out();
    CHECK_TRACE("lower p body outer");
}

static void
goes_on_after_recovery(char *dead)
{
    const bl_panic_info *p = recover();

    NOTE(p ? p->text : "nil");
    NOTE(dead);
    calls_helper();
}

static void
dead_frame(char *text)
{
    returns_nothing {
        defer_call(goes_on_after_recovery, text);
        boom("p");
    }
}

static void
R21_statements_after_recover_run_before_the_frame_goes(void)
{
    char text[] = "text";

    dead_frame(text);
    CHECK_TRACE("p text nil helper_returned");
}

static void
panics_after_recovery(void)
{
    NOTE(recover() ? "recovered" : "nil");
    calls(note_recovered);
}

static void
R22_inner_panic_after_recover_does_not_undo_it(void)
{
    calls(panics_after_recovery);
    CHECK_TRACE("recovered p nil nil");
}

static void
replaces_after_recovery(void)
{
    NOTE(recover() ? "recovered" : "nil");
    boom("new");
}

static void
R23_new_panic_after_recover_goes_on_from_there(void)
{
    calls(replaces_after_recovery);
    CHECK_TRACE("recovered new");
}

static void
two_active(void)
{
    returns_nothing {
        defer_call(recovers_twice);
        defer_call(boom, "newer");
        boom("older");
    }
}

static void
R24_R25_two_active_panics(void)
{
    two_active();
    CHECK_TRACE("newer nil");
}

static void
inner_with_newer(void)
{
    returns_nothing {
        defer_call(recovers_twice);
        boom("newer");
    }
}

static void
R25_function_run_by_the_newer_cannot_reach_the_older(void)
{
    calls(inner_with_newer);
    CHECK_TRACE("newer nil p");
}

static void
starts_thread(void)
{
    in_thread(note_recovered, MIB);
}

static void
R26_new_thread_of_a_deferred_function(void)
{
    calls(starts_thread);
    CHECK_TRACE("nil p");
}

static void
huge_frame(void)
{
    volatile char huge[1024 * 1024];
    const bl_panic_info *p;

    for (size_t i = 0; i < sizeof huge; i += 4096)
        huge[i] = (char)i;
    p = recover();
    NOTE(p ? p->text : "nil");
    CHECK_EQ(huge[8192], 0);
}

static void
large_argument(struct receiver a, struct receiver b)
{
    const bl_panic_info *p = recover();

    NOTE(p ? p->text : "nil");
    CHECK_EQ(a.words[5] + b.words[6], 11);
}

static void
variable_frame(int n)
{
    volatile char cells[HIDE(n)];
    const bl_panic_info *p;

    cells[n - 1] = 1;
    p = recover();
    NOTE(p ? p->text : "nil");
    CHECK_EQ(cells[n - 1], 1);
}

static void
large_frames(int which)
{
    struct receiver a = {.words[5] = 5}, b = {.words[6] = 6};

    returns_nothing {
        if (which == 0)
            defer_call(huge_frame);
        else if (which == 1)
            defer_call(large_argument, a, b);
        else
            defer_call(variable_frame, 100000);
        boom("p");
    }
}

static void
R27_deferred_function_with_a_huge_frame(void)
{
    for (int i = 0; i < 3; i++)
        large_frames(HIDE(i));
    CHECK_TRACE("p p p");
}

static void
wraps(void)
{
    const bl_panic_info *p = recover();

    panic("wrapped: %s", p->text);
}

static void
wrapping(void)
{
    returns_nothing {
        defer_call(wraps);
        boom("orig");
    }
}

static void
R28_wrapping_prints_both(void)
{
    in_child(wrapping);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: orig [recovered]\n\tpanic: wrapped: orig\n\ngoroutine ");
}

static pthread_barrier_t both_panic;

static void
keep_word(void **to)
{
    const bl_panic_info *p = recover();

    pthread_barrier_wait(&both_panic);
    *to = p ? strdup(p->text) : NULL;
}

static void *
panic_with_word(void *word)
{
    returns (void *, r) {
        defer_call(keep_word, &r);
        boom(word);
    }
}

static void
R29_each_thread_has_its_own_panic(void)
{
    pthread_t t;
    void *theirs, *ours;

    pthread_barrier_init(&both_panic, NULL, 2);
    CHECK_EQ(pthread_create(&t, NULL, panic_with_word, "theirs"), 0);
    ours = panic_with_word("ours");
    pthread_join(t, &theirs);
    CHECK_STR((char *)theirs, "theirs");
    CHECK_STR((char *)ours, "ours");
    free(ours);
    free(theirs);
}

/* --- long chains --------------------------------------------------------- */

static long depth, next_frame;

static void
count_frame(long n)
{
    CHECK_EQ(n, next_frame);
    next_frame++;
}

static void
frames(long n)
{
    returns_nothing {
        defer_call(count_frame, n);
        if (n == 0)
            boom("deep");
        frames(n - 1);
        NOTE("never");
    }
}

static void
deep_calls(void)
{
    returns_nothing {
        next_frame = 0;
        defer_call(note_recovered);
        frames(depth);
    }
}

/* Frames without deferred code in between. */
static long
plain_frames(long n)
{
    if (n == 0) {
        boom("deep");
        return 0;
    }
    return plain_frames(n - 1) + HIDE(n);
}

static void
deep_plain(void)
{
    returns_nothing {
        next_frame = depth + 1;
        defer_call(note_recovered);
        plain_frames(depth);
    }
}

static const long depths[] = {16, 1000, 100000};

static void
deep(void (*f)(void))
{
    for (int i = 0; i < 3; i++) {
        depth = depths[i];
        in_thread(f, 1024 * MIB);
        CHECK_EQ(next_frame, depth + 1);
        CHECK_TRACE("deep");
    }
}

static void
R30_every_frame_once_and_in_order(void)
{
    deep(deep_calls);
    deep(deep_plain);
}

static long recoveries;

static void
again_plus_one(void)
{
    const bl_panic_info *p = recover();

    recoveries++;
    panic_with(bl_int(p->value.as.integer + 1));
}

static void
mixed(long n)
{
    returns_nothing {
        defer_call(count_frame, n);
        if (n % 1000 == 0)
            defer_call(again_plus_one);
        if (n == 0)
            panic_with(bl_int(0));
        mixed(n - 1);
    }
}

static void
check_value(long want)
{
    const bl_panic_info *p = recover();

    CHECK(p && p->kind == BL_PANIC_VALUE);
    CHECK_EQ(p->value.as.integer, want);
    NOTE("value");
}

static void
deep_mixed(void)
{
    returns_nothing {
        next_frame = recoveries = 0;
        defer_call(check_value, 101);
        mixed(100000);
    }
}

static void
R31_repanics_on_the_way(void)
{
    in_thread(deep_mixed, 1024 * MIB);
    CHECK_EQ(next_frame, 100001);
    CHECK_EQ(recoveries, 101);
    CHECK_TRACE("value");
}

/* --- nothing is left behind ---------------------------------------------- */

static long counted;

static void
count(void)
{
    counted++;
}

static void
drop(void)
{
    if (recover())
        counted += 1000000;
}

static void
one_recovery(void)
{
    returns_nothing {
        defer_call(count);
        defer_call(drop);
        defer_call(count);
        bl_panic("x");
    }
}

static void
R32_R33_a_loop_of_recoveries_leaves_nothing(void)
{
    enum { TURNS = 20000 };
    struct rusage before, after;

    one_recovery();
    getrusage(RUSAGE_SELF, &before);
    counted = 0;
    for (int i = 0; i < TURNS; i++)
        one_recovery();
    getrusage(RUSAGE_SELF, &after);
    CHECK_EQ(counted, TURNS * 1000002L);
    CHECK(after.ru_maxrss - before.ru_maxrss < 4096);
    CHECK(!recover());
}

static void
repeated(int n)
{
    returns_nothing {
        defer_call(NOTE_INT, n);
        if (n == 0)
            boom("r");
        else
            repeated(n - 1);
    }
}

static void
repeated_twice(void)
{
    returns_nothing {
        defer_call(note_recovered);
        calls(note_recovered);
        repeated(2);
    }
}

static void
R33_no_stale_defers_from_an_earlier_chain(void)
{
    repeated_twice();
    CHECK_TRACE("p nil 0 1 2 r");
}

/* The deferred function's callees have pending calls when the panic passes. */
static void
leaf(void)
{
    returns_nothing {
        defer_call(NOTE, "leaf");
        boom("newer");
    }
}

static void
branch(void)
{
    returns_nothing {
        defer_call(NOTE, "branch");
        leaf();
    }
}

static void
skipping(void)
{
    returns_nothing {
        defer_call(NOTE, "last");
        defer_call(note_recovered);
        defer_call(branch);
        defer_call(NOTE, "first");
        boom("older");
    }
}

static void
R34_discarded_frames_with_pending_calls(void)
{
    skipping();
    NOTE("|");
    skipping();
    CHECK_TRACE("first leaf branch newer last | first leaf branch newer last");
}

static void
conditional(int which)
{
    returns_nothing {
        defer_call(note_recovered);
        if (which & 1)
            defer_call(NOTE, "1");
        if (which & 2)
            boom("p");
        if (which & 1)
            defer_call(NOTE, "2");
    }
}

static void
R35_only_what_was_registered_before_the_panic(void)
{
    for (int i = 0; i < 4; i++)
        conditional(HIDE(i));
    CHECK_TRACE("nil 2 1 nil p 1 p");
}

static void
fatal(void)
{
    returns_nothing {
        defer_call(write_err, "deferred\n");
        defer_call(drop);
        bl_fatal("no way out");
    }
}

static void
R36_fatal_errors_cannot_be_recovered(void)
{
    in_child(fatal);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("fatal error: no way out\n");
    CHECK(!strstr(ended.err, "deferred\n"));
}

/* --- blocks -------------------------------------------------------------- */

#ifndef __clang__

static void
note_panic(const bl_panic_info *p)
{
    NOTE(p ? p->text : "nil");
}

static void
block_helpers(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer { note_panic(recover()); };
        defer { note_recovered(); };
        defer { jumps_to(note_recovered); };
        boom("p");
    }
}

/* R1, R2, R4, R11 for blocks: itself yes, helpers and callbacks no. */
static void
R1_R2_R4_R11_blocks(void)
{
    block_helpers();
    CHECK_TRACE("nil nil p nil");
}

static void
block_normal(void)
{
    returns_nothing {
        note_panic(recover());
        defer { note_panic(recover()); };
    }
}

static void
R8_R9_blocks_on_a_normal_return(void)
{
    block_normal();
    CHECK_TRACE("nil nil");
}

static void
block_twice(void)
{
    returns_nothing {
        defer {
            note_panic(recover());
            note_panic(recover());
        };
        boom("p");
    }
}

static void
R10_blocks_only_once(void)
{
    block_twice();
    CHECK_TRACE("p nil");
}

static void
normal_block_of_deferred(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        NOTE("normal");
    }
}

/* R12: called by a deferred call, and by a block. */
static void
R12_block_of_a_deferred_function_that_returns(void)
{
    calls(normal_block_of_deferred);
    CHECK_TRACE("normal nil p");
}

static void
calls_from_block(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer { normal_block_of_deferred(); };
        boom("p");
    }
}

static void
R12_block_run_inside_a_block(void)
{
    calls_from_block();
    CHECK_TRACE("normal nil p");
}

static int
block_rest(bool again)
{
    returns (int, r) {
        defer { NOTE("1"); };
        defer { note_panic(recover()); };
        {
            defer { NOTE("2"); };
            defer {
                note_panic(recover());
                if (again)
                    boom("q");
                r++;
            };
            defer { NOTE("3"); };
            r = 5;
            boom("p");
            NOTE("never");
        }
        NOTE("never");
    }
}

/* R17, R18, R19; with `again` R23. */
static void
R17_R18_R19_R23_blocks(void)
{
    CHECK_EQ(block_rest(false), 6);
    CHECK_TRACE("3 p 2 nil 1");
    CHECK_EQ(block_rest(true), 5);
    CHECK_TRACE("3 p 2 q 1");
}

static void
block_inner_panic(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer {
            note_panic(recover());
            calls(note_recovered);
            block_twice();
        };
        boom("first");
    }
}

static void
R22_inner_panics_after_recover_in_a_block(void)
{
    block_inner_panic();
    CHECK_TRACE("first p nil p nil nil");
}

static void
block_two_active(void)
{
    returns_nothing {
        defer {
            note_panic(recover());
            note_panic(recover());
        };
        defer { boom("newer"); };
        boom("older");
    }
}

static void
R24_R25_two_active_panics_and_blocks(void)
{
    block_two_active();
    CHECK_TRACE("newer nil");
}

static void
block_frames(long n)
{
    returns_nothing {
        defer { count_frame(n); };
        if (n == 0)
            boom("deep");
        block_frames(n - 1);
        NOTE("never");
    }
}

static void
deep_blocks(void)
{
    returns_nothing {
        next_frame = 0;
        defer { note_panic(recover()); };
        block_frames(depth);
    }
}

/* Every other frame has the other kind. */
static void alternate_call(long n);

static void
alternate_block(long n)
{
    defer { count_frame(n); };
    if (n == 0)
        boom("deep");
    alternate_call(n - 1);
}

static void
alternate_call(long n)
{
    returns_nothing {
        defer_call(count_frame, n);
        if (n == 0)
            boom("deep");
        alternate_block(n - 1);
    }
}

static void
deep_alternate(void)
{
    returns_nothing {
        next_frame = 0;
        defer { note_panic(recover()); };
        alternate_call(depth);
    }
}

static void
R30_blocks_every_frame_once_and_in_order(void)
{
    deep(deep_blocks);
    deep(deep_alternate);
}

static void
mixed_blocks(long n)
{
    returns_nothing {
        defer { count_frame(n); };
        defer {
            if (n % 1000 == 0) {
                const bl_panic_info *p = recover();

                recoveries++;
                panic_with(bl_int(p->value.as.integer + 1));
            }
        };
        if (n == 0)
            panic_with(bl_int(0));
        mixed_blocks(n - 1);
    }
}

static void
deep_mixed_blocks(void)
{
    returns_nothing {
        next_frame = recoveries = 0;
        defer_call(check_value, 101);
        mixed_blocks(100000);
    }
}

static void
R31_repanics_in_blocks(void)
{
    in_thread(deep_mixed_blocks, 1024 * MIB);
    CHECK_EQ(next_frame, 100001);
    CHECK_EQ(recoveries, 101);
    CHECK_TRACE("value");
}

static void
one_recovery_block(void)
{
    returns_nothing {
        defer { counted++; };
        defer {
            if (recover())
                counted += 1000000;
        };
        bl_panic("x");
    }
}

static void
R32_loop_of_recoveries_in_blocks(void)
{
    counted = 0;
    for (int i = 0; i < 20000; i++)
        one_recovery_block();
    CHECK_EQ(counted, 20000 * 1000001L);
}

/* R3: a block inside a block is one call too deep; so is one of a function that
 * is not a returns body. */
static void
nested_block(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer {
            defer { note_panic(recover()); };
            NOTE("x");
        };
        boom("p");
    }
}

static void
plain_block(void)
{
    defer { NOTE(recover() ? "plain" : "nil"); };
    boom("p");
}

static void
calls_plain_block(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        plain_block();
    }
}

static void
R3_blocks_that_cannot_recover(void)
{
    nested_block();
    CHECK_TRACE("x nil p");
    calls_plain_block();
    CHECK_TRACE("nil p");
}

static void
leaf_block(void)
{
    defer { NOTE("leaf"); };
    boom("newer");
}

static void
skipping_blocks(void)
{
    returns_nothing {
        defer { NOTE("last"); };
        defer { note_panic(recover()); };
        defer {
            defer { NOTE("branch"); };
            leaf_block();
        };
        defer { NOTE("first"); };
        boom("older");
    }
}

static void
R34_discarded_frames_with_pending_blocks(void)
{
    skipping_blocks();
    NOTE("|");
    skipping_blocks();
    CHECK_TRACE("first leaf branch newer last | first leaf branch newer last");
}

static void
run_blocks(void)
{
    RUN(R1_R2_R4_R11_blocks);
    RUN(R3_blocks_that_cannot_recover);
    RUN(R8_R9_blocks_on_a_normal_return);
    RUN(R10_blocks_only_once);
    RUN(R12_block_of_a_deferred_function_that_returns);
    RUN(R12_block_run_inside_a_block);
    RUN(R17_R18_R19_R23_blocks);
    RUN(R22_inner_panics_after_recover_in_a_block);
    RUN(R24_R25_two_active_panics_and_blocks);
    RUN(R30_blocks_every_frame_once_and_in_order);
    RUN(R31_repanics_in_blocks);
    RUN(R32_loop_of_recoveries_in_blocks);
    RUN(R34_discarded_frames_with_pending_blocks);
}

#else

static void
run_blocks(void)
{
}

#endif

static void
run_who(void)
{
    RUN(R1_direct_call_by_the_deferred_function);
    RUN(R2_helper_of_the_deferred_function_gets_nothing);
    RUN(R3_function_literal_inside_gets_nothing);
    RUN(R4_callback_gets_nothing);
    RUN(R5_named_function_that_was_deferred_itself);
    RUN(R5_two_functions_with_the_same_code);
    RUN(R6_methods_and_functions_of_every_shape);
    RUN(R7_outermost_activation_of_a_recursive_function);
    RUN(R8_outside_deferred_code);
    RUN(R9_run_by_a_normal_return);
    RUN(R10_R11_only_once);
    RUN(R11_outer_frame_after_success);
    RUN(R12_deferred_by_a_deferred_function_that_returns);
    RUN(R16_as_an_argument_of_a_defer_statement);
}

static void
run_after(void)
{
    RUN(R17_R18_R19_rest_runs_then_the_caller_goes_on);
    RUN(R20_frames_further_out_are_untouched);
    RUN(R21_statements_after_recover_run_before_the_frame_goes);
    RUN(R22_inner_panic_after_recover_does_not_undo_it);
    RUN(R23_new_panic_after_recover_goes_on_from_there);
    RUN(R24_R25_two_active_panics);
    RUN(R25_function_run_by_the_newer_cannot_reach_the_older);
    RUN(R26_new_thread_of_a_deferred_function);
    RUN(R27_deferred_function_with_a_huge_frame);
    RUN(R28_wrapping_prints_both);
    RUN(R29_each_thread_has_its_own_panic);
}

int
main(void)
{
    run_who();
    run_after();
    RUN(R30_every_frame_once_and_in_order);
    RUN(R31_repanics_on_the_way);
    RUN(R32_R33_a_loop_of_recoveries_leaves_nothing);
    RUN(R33_no_stale_defers_from_an_earlier_chain);
    RUN(R34_discarded_frames_with_pending_calls);
    RUN(R35_only_what_was_registered_before_the_panic);
    RUN(R36_fatal_errors_cannot_be_recovered);
    run_blocks();
    return 0;
}
