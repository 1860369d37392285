/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/model_test.c - catalogue area M: the rules by which Go's
 * runtime iterates, each with the smallest program that tells it from another
 * rule.  (M13's cost is measured with P29.) */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

static void
ends_thread(void)
{
    goexit();
}

/* --- M1, M2 -------------------------------------------------------------- */

static void
inner_return(void)
{
    returns_nothing {
        defer_call(NOTE, "i2");
        defer_call(NOTE, "i1");
    }
}

static void
outer_return(void)
{
    returns_nothing {
        defer_call(NOTE, "o");
        inner_return();
        NOTE("body");
    }
}

static void
outer_panic(void)
{
    returns_nothing {
        defer_call(NOTE, "o2");
        defer_call(note_recovered);
        defer_call(inner_return);
        boom("p");
    }
}

static void
outer_goexit(void)
{
    returns_nothing {
        defer_call(NOTE, "o2");
        defer_call(note_recovered);
        defer_call(outer_return);
        goexit();
    }
}

/* A normal return looks at its own frame only; the other two go on outwards.
 * M1: newest first, and nothing is left on the list: recover finds none. */
static void
M1_M2_one_loop_for_return_panic_and_goexit(void)
{
    outer_return();
    CHECK_TRACE("i1 i2 body o");
    outer_panic();
    CHECK_TRACE("i1 i2 p o2");
    in_thread(outer_goexit, MIB);
    CHECK_TRACE("i1 i2 body o nil o2");
    CHECK(!recover());
}

/* --- M3 ------------------------------------------------------------------ */

static int times;

static void
panics_each_time(const char *word)
{
    times++;
    boom(word);
}

static void
leaves_by_panic(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(panics_each_time, "x");
        defer_call(panics_each_time, "y");
    }
}

static void
leaves_by_goexit(void)
{
    returns_nothing {
        defer_call(NOTE, "last");
        defer_call(ends_thread);
        defer_call(panics_each_time, "x");
        defer_call(ends_thread);
        defer_call(panics_each_time, "y");
        boom("z");
    }
}

static void
M3_off_the_list_before_it_is_invoked(void)
{
    times = 0;
    leaves_by_panic();
    CHECK_EQ(times, 2);
    CHECK_TRACE("x");
    times = 0;
    in_thread(leaves_by_goexit, MIB);
    CHECK_EQ(times, 2);
    CHECK_TRACE("last");
}

/* --- M4 ------------------------------------------------------------------ */

static void
raises_with_defers(void)
{
    returns_nothing {
        defer_call(NOTE, "raiser");
        boom("newer");
    }
}

static void
below(void)
{
    returns_nothing {
        defer_call(NOTE, "below2");
        defer_call(raises_with_defers);
        defer_call(NOTE, "below1");
        boom("older");
    }
}

static void
above(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(NOTE, "above");
        below();
    }
}

/* The raiser's own frame first, then the rest of the one that deferred it. */
static void
M4_frames_are_those_on_the_stack_at_that_moment(void)
{
    above();
    CHECK_TRACE("below1 raiser below2 above newer");
}

/* --- M5, M7 -------------------------------------------------------------- */

static void
recovers_and_goes_on(const char *text)
{
    const bl_panic_info *p = recover();

    NOTE(p->text);
    inner_return(); /* deeper frames work on top of the dead ones */
    NOTE(text);
}

static const char *
owner(void)
{
    char local[] = "local";

    returns (const char *, r) {
        defer_call(note_recovered);
        defer_call(recovers_and_goes_on, local);
        r = "kept";
        boom("p");
    }
}

static void
M5_M7_recover_only_marks_the_owner_resumes_later(void)
{
    CHECK_STR(owner(), "kept");
    CHECK_TRACE("p i1 i2 local nil");
}

/* --- M6 ------------------------------------------------------------------ */

static void
goexit_is_newest(void)
{
    returns_nothing {
        defer_call(note_recovered);
        goexit();
    }
}

static void
goexit_above_a_panic(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(ends_thread);
        boom("p");
    }
}

static void
M6_newest_activation_must_be_an_unrecovered_panic(void)
{
    note_recovered();
    in_thread(goexit_is_newest, MIB);
    in_thread(goexit_above_a_panic, MIB);
    CHECK_TRACE("nil nil nil");
}

/* --- M8, M9 -------------------------------------------------------------- */

static void
recovers_newer(void)
{
    returns_nothing {
        defer_call(note_recovered);
        boom("inner");
    }
}

static void
discards(void)
{
    returns_nothing {
        defer_call(note_recovered); /* 5: nothing is left */
        defer_call(note_recovered); /* 4: "3" */
        defer_call(boom, "3");
        defer_call(recovers_newer);
        defer_call(boom, "2");
        boom("1");
    }
}

static void
keeps_older(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(discards);
        boom("outermost");
    }
}

/* What was started inside the resumed frame is gone, what lies outside is not. */
static void
M8_resumption_discards_what_started_inside(void)
{
    keeps_older();
    CHECK_TRACE("inner 3 nil outermost");
}

static void
goexit_then_panic(void)
{
    returns_nothing {
        defer_call(NOTE, "rest");
        defer_call(note_recovered);
        defer_call(boom, "p");
        goexit();
    }
}

static void
callers_of_goexit(void)
{
    returns_nothing {
        defer_call(NOTE, "caller");
        goexit_then_panic();
        NOTE("never");
    }
}

static void
goexit_in_inner(void)
{
    returns_nothing {
        defer_call(boom, "q");
        goexit();
    }
}

static void
recovered_outside_the_goexit(void)
{
    returns_nothing {
        defer_call(NOTE, "rest");
        defer_call(note_recovered);
        goexit_in_inner();
        NOTE("never");
    }
}

static void
recovers_outside_caller(void)
{
    recovered_outside_the_goexit();
    NOTE("never");
}

static void
M9_discarded_goexit_goes_on_instead(void)
{
    in_thread(callers_of_goexit, MIB);
    CHECK_TRACE("p rest caller");
    in_thread(recovers_outside_caller, MIB);
    CHECK_TRACE("q rest");
}

/* --- M10, M11, M12 ------------------------------------------------------- */

struct noisy {
    bl_error base;
    const char *name;
};

static size_t
noisy_text(const bl_error *err, char *buf, size_t size)
{
    const struct noisy *n = (const struct noisy *)err;

    write_err(n->name);
    return (size_t)snprintf(buf, size, "%s", n->name);
}

static const bl_error_kind noisy_kind = {.name = "noisy", .text = noisy_text};
static const struct noisy first = {{&noisy_kind}, "1"}, second = {{&noisy_kind}, "2"},
                          third = {{&noisy_kind}, "3"};

static void
three_errors(void)
{
    returns_nothing {
        defer_call(panic_error, &third.base);
        defer_call(panic_error, &second.base);
        panic_error(&first.base);
    }
}

/* The texts are made newest first, and before anything is printed. */
static void
M10_texts_newest_first_then_printed_oldest_first(void)
{
    in_child(three_errors);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("321panic: 1\n\tpanic: 2\n\tpanic: 3\n\n");
}

static void
panic_then_goexit(void)
{
    returns_nothing {
        defer_call(NOTE, "last");
        defer_call(ends_thread);
        defer_call(boom, "q");
        boom("p");
    }
}

static void
M11_older_panics_vanish_in_a_goexit_that_ends(void)
{
    in_thread(panic_then_goexit, MIB);
    NOTE("joined");
    CHECK_TRACE("last joined");
}

static void
deferred_with_defer(void)
{
    returns_nothing {
        defer_call(note_recovered);
        NOTE("returns");
    }
}

static void
older_panic_further_down(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(deferred_with_defer);
        boom("p");
    }
}

static void
M12_reached_by_normal_return_recovers_nothing(void)
{
    older_panic_further_down();
    CHECK_TRACE("returns nil p");
}

/* After a recovery the rest of the frame is reached as by a normal return. */
static void
recovers_with_older_below(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(note_recovered);
        boom("newer");
    }
}

static void
older_below(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(recovers_with_older_below);
        boom("older");
    }
}

static void
M12_rest_of_a_recovered_frame_recovers_nothing(void)
{
    older_below();
    CHECK_TRACE("newer nil older");
}

/* M14: the owner's frame and the depth decide: a recursive function whose
 * activations all look alike recovers each in its own. */
static int
alike(int n)
{
    returns (int, r) {
        defer_call(note_recovered);
        if (n > 0)
            r = alike(n - 1) + 1;
        panic("%d", n);
    }
}

static void
M14_records_know_their_frame(void)
{
    CHECK_EQ(alike(4), 4);
    CHECK_TRACE("0 1 2 3 4");
}

/* --- blocks -------------------------------------------------------------- */

#ifndef __clang__

static void
note_panic(const bl_panic_info *p)
{
    NOTE(p ? p->text : "nil");
}

static void
block_below(void)
{
    defer { NOTE("below2"); };
    defer {
        defer { NOTE("raiser"); };
        boom("newer");
    };
    defer { NOTE("below1"); };
    boom("older");
}

static void
block_above(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer { NOTE("above"); };
        block_below();
    }
}

static void
M3_M4_blocks(void)
{
    block_above();
    CHECK_TRACE("below1 raiser below2 above newer");
}

static const char *
block_owner(void)
{
    returns (const char *, r) {
        char local[] = "local";

        defer { note_panic(recover()); };
        defer {
            note_panic(recover());
            inner_return();
            NOTE(local);
        };
        r = "kept";
        boom("p");
    }
}

static void
M5_M7_blocks(void)
{
    CHECK_STR(block_owner(), "kept");
    CHECK_TRACE("p i1 i2 local nil");
}

static void
block_goexit_newest(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer { goexit(); };
        boom("p");
    }
}

static void
M6_blocks(void)
{
    in_thread(block_goexit_newest, MIB);
    CHECK_TRACE("nil");
}

static void
block_discards(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer { note_panic(recover()); };
        defer { boom("3"); };
        defer { recovers_newer(); };
        defer { boom("2"); };
        boom("1");
    }
}

static void
block_keeps_older(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer { block_discards(); };
        boom("outermost");
    }
}

static void
M8_blocks(void)
{
    block_keeps_older();
    CHECK_TRACE("inner 3 nil outermost");
}

static void
block_goexit_then_panic(void)
{
    returns_nothing {
        defer { NOTE("rest"); };
        defer { note_panic(recover()); };
        defer { boom("p"); };
        goexit();
    }
}

static void
block_goexit_caller(void)
{
    defer { NOTE("caller"); };
    block_goexit_then_panic();
    NOTE("never");
}

static void
M9_blocks(void)
{
    in_thread(block_goexit_caller, MIB);
    CHECK_TRACE("p rest caller");
}

static void
block_panic_then_goexit(void)
{
    defer { NOTE("last"); };
    defer { goexit(); };
    defer { boom("q"); };
    boom("p");
}

static void
M11_blocks(void)
{
    in_thread(block_panic_then_goexit, MIB);
    CHECK_TRACE("last");
}

static void
block_older_below(void)
{
    returns_nothing {
        defer { note_panic(recover()); };
        defer {
            recovers_with_older_below();
            deferred_with_defer();
        };
        boom("older");
    }
}

static void
M12_blocks(void)
{
    block_older_below();
    CHECK_TRACE("newer nil returns nil older");
}

static void
run_blocks(void)
{
    RUN(M3_M4_blocks);
    RUN(M5_M7_blocks);
    RUN(M6_blocks);
    RUN(M8_blocks);
    RUN(M9_blocks);
    RUN(M11_blocks);
    RUN(M12_blocks);
}

#else

static void
run_blocks(void)
{
}

#endif

int
main(void)
{
    RUN(M1_M2_one_loop_for_return_panic_and_goexit);
    RUN(M3_off_the_list_before_it_is_invoked);
    RUN(M4_frames_are_those_on_the_stack_at_that_moment);
    RUN(M5_M7_recover_only_marks_the_owner_resumes_later);
    RUN(M6_newest_activation_must_be_an_unrecovered_panic);
    RUN(M8_resumption_discards_what_started_inside);
    RUN(M9_discarded_goexit_goes_on_instead);
    RUN(M10_texts_newest_first_then_printed_oldest_first);
    RUN(M11_older_panics_vanish_in_a_goexit_that_ends);
    RUN(M12_reached_by_normal_return_recovers_nothing);
    RUN(M12_rest_of_a_recovered_frame_recovers_nothing);
    RUN(M14_records_know_their_frame);
    run_blocks();
    return 0;
}
