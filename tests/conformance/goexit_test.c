/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* goexit_test.c - bl_goexit: G1, G2, G3, G4, G5, G6, G7, G8, G9, G10, G11,
 * G12, G13, G14, G15, G16, G17, G18 and G22.  A plain pthread stands in for
 * the goroutine.  (G19 to G21 and G23 need a scheduler and Once.) */
#include "../check.h"

#include <belay/belay.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- scaffolding ---------------------------------------------------------- */

static int ran_on; /* set by code behind bl_goexit, which must not run */

static void *
thread_start(void *f)
{
    (*(void (**)(void))f)();
    ran_on++;
    return (void *)"returned";
}

/* Runs f in a thread of its own and checks that it ended by goexit. */
static void
run_in_thread(void (*f)(void))
{
    pthread_t t;
    void *result = (void *)"not set";

    ran_on = 0;
    CHECK_EQ(pthread_create(&t, NULL, thread_start, &f), 0);
    CHECK_EQ(pthread_join(t, &result), 0);
    CHECK_EQ(ran_on, 0);
    CHECK(result == NULL);
}

/* Runs f in a process of its own.  Returns its status (128 + signal if killed)
 * and what it wrote to stderr. */
static int
run_in_child(void (*f)(void), char *text, size_t size)
{
    int ends[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        f();
        _exit(100);
    }
    close(ends[1]);
    while (used < size - 1 && (n = read(ends[0], text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
note_recover(const char *name)
{
    NOTE(name);
    NOTE(bl_recover() ? "recovered" : "nil");
}

static void
note_recovered(void)
{
    const bl_panic_info *p = bl_recover();

    NOTE(p ? p->text : "nil");
}

static void
panics(const char *text)
{
    bl_panic("%s", text);
}

/* --- one goexit ------------------------------------------------------------ */

static void
innermost(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "a1");
        bl_defer_call(NOTE, "a2");
        bl_goexit();
        ran_on++;
    }
}

static void
outer(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "b");
        innermost();
        ran_on++;
    }
}

static void
outermost(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "c");
        outer();
        ran_on++;
    }
}

static void
G1_runs_all_defers_innermost_first(void)
{
    run_in_thread(outermost);
    CHECK_TRACE("a2 a1 b c");
}

static void
recover_in_goexit(void)
{
    bl_returns_nothing {
        bl_defer_call(note_recover, "outer");
        bl_defer_call(note_recover, "inner");
        bl_goexit();
    }
}

static void
G2_recover_is_nil(void)
{
    run_in_thread(recover_in_goexit);
    CHECK_TRACE("inner nil outer nil");
}

static int
computes(void)
{
    bl_returns (int, r) {
        bl_defer_call(NOTE, "defer");
        r = 7;
        bl_goexit();
    }
}

static void
uses_result(void)
{
    int volatile r = computes();

    (void)r;
    ran_on++;
}

static void
G3_nothing_runs_behind_it(void)
{
    run_in_thread(uses_result);
    CHECK_TRACE("defer");
}

/* --- panics while a goexit is under way ------------------------------------ */

static void
panics_and_recovers(void)
{
    bl_returns_nothing {
        bl_defer_call(note_recovered);
        bl_panic("inside");
    }
}

static void
panic_inside_defer(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "last");
        bl_defer_call(panics_and_recovers);
        bl_goexit();
        ran_on++;
    }
}

static void
G4_recovered_inside_the_deferred_call(void)
{
    run_in_thread(panic_inside_defer);
    CHECK_TRACE("inside last");
}

static void
panic_same_frame(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "last");
        bl_defer_call(note_recovered);
        bl_defer_call(panics, "A");
        bl_goexit();
        ran_on++;
    }
}

static void
calls_panic_same_frame(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "caller's");
        panic_same_frame();
        ran_on++;
    }
}

static void
G5_G7_recovered_by_the_same_frame(void)
{
    run_in_thread(calls_panic_same_frame);
    CHECK_TRACE("A last caller's");
}

static void
panic_not_recovered_here(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "inner");
        bl_defer_call(panics, "A");
        bl_goexit();
    }
}

static void
recovers_for_callee(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "middle-last");
        bl_defer_call(note_recovered);
        bl_defer_call(NOTE, "middle-first");
        panic_not_recovered_here();
        ran_on++;
    }
}

static void
calls_recovers_for_callee(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "outer");
        recovers_for_callee();
        ran_on++;
    }
}

static void
G6_G7_G15_recovered_by_an_outer_frame(void)
{
    run_in_thread(calls_recovers_for_callee);
    CHECK_TRACE("inner middle-first A middle-last outer");
}

static void
panics_in_defer(void)
{
    bl_returns_nothing {
        bl_defer_call(panics, "A");
        bl_goexit();
    }
}

static void
dies_in_thread(void)
{
    pthread_t t;
    void (*f)(void) = panics_in_defer;

    pthread_create(&t, NULL, thread_start, &f);
    pthread_join(t, NULL);
}

static void
G8_a_panic_nobody_recovers(void)
{
    char text[4096];

    CHECK_EQ(run_in_child(dies_in_thread, text, sizeof text), 2);
    CHECK(strncmp(text, "panic: A\n\ngoroutine ", 20) == 0);
}

/* --- a goexit while a panic is under way ------------------------------------ */

static void
goexit_in_panic(void)
{
    bl_returns_nothing {
        bl_defer_call(note_recover, "last");
        bl_defer_call(bl_goexit);
        bl_panic("A");
    }
}

static void
G9_G10_G14_cancels_the_panic(void)
{
    run_in_thread(goexit_in_panic);
    CHECK_TRACE("last nil");
}

static void
panics_again_after_goexit(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "last");
        bl_defer_call(note_recovered);
        bl_defer_call(panics, "B");
        bl_defer_call(bl_goexit);
        bl_panic("A");
    }
}

static void
calls_panics_again(void)
{
    bl_returns_nothing {
        bl_defer_call(note_recover, "outer");
        panics_again_after_goexit();
        ran_on++;
    }
}

static void
G10_G16_panic_goexit_panic_recover(void)
{
    run_in_thread(calls_panics_again);
    CHECK_TRACE("B last outer nil");
}

static void
recover_then_goexit(void)
{
    const bl_panic_info *p = bl_recover();

    NOTE(p ? p->text : "nil");
    bl_goexit();
}

static void
goexit_after_recover(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "last");
        bl_defer_call(recover_then_goexit);
        bl_panic("A");
    }
}

static void
calls_goexit_after_recover(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "outer");
        goexit_after_recover();
        ran_on++;
    }
}

static void
G11_after_recover_in_the_same_call(void)
{
    run_in_thread(calls_goexit_after_recover);
    CHECK_TRACE("A last outer");
}

/* --- goexit in a deferred call ------------------------------------------------ */

static int
goexit_at_end(void)
{
    bl_returns (int, r) {
        bl_defer_call(NOTE, "last");
        bl_defer_call(bl_goexit);
        bl_defer_call(NOTE, "first");
        r = 5;
    }
}

static void
calls_goexit_at_end(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "outer");
        ran_on += goexit_at_end();
    }
}

static void
G12_G14_in_a_normal_return(void)
{
    run_in_thread(calls_goexit_at_end);
    CHECK_TRACE("first last outer");
}

static void
goexits_again(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "last");
        bl_defer_call(bl_goexit);
        bl_defer_call(NOTE, "between");
        bl_defer_call(bl_goexit);
        bl_goexit();
    }
}

static void
G13_again_is_harmless(void)
{
    run_in_thread(goexits_again);
    CHECK_TRACE("between last");
}

static void
goexit_in_nested_defer(void)
{
    bl_returns_nothing {
        bl_defer_call(NOTE, "nested");
        bl_goexit();
    }
}

static void
goexit_below_recovery(void)
{
    bl_returns_nothing {
        bl_defer_call(note_recover, "last");
        bl_defer_call(goexit_in_nested_defer);
        bl_defer_call(note_recovered);
        bl_panic("A");
    }
}

static void
calls_goexit_below_recovery(void)
{
    goexit_below_recovery();
    ran_on++;
}

static void
G12_while_returning_after_a_recovery(void)
{
    run_in_thread(calls_goexit_below_recovery);
    CHECK_TRACE("A nested last nil");
}

/* --- main -------------------------------------------------------------------- */

static void *
says_and_ends(void *arg)
{
    usleep(50 * 1000);
    (void)!write(2, arg, strlen(arg));
    return NULL;
}

static void *
exits_with_four(void *arg)
{
    usleep(50 * 1000);
    (void)arg;
    _exit(4);
}

static void
defer_says(const char *text)
{
    (void)!write(2, text, strlen(text));
}

static void
main_alone(void)
{
    bl_returns_nothing {
        bl_defer_call(defer_says, "deferred\n");
        bl_goexit();
    }
}

static void
G18_main_alone_is_a_deadlock(void)
{
    char text[4096];
    static const char want[] = "deferred\nfatal error: no goroutines (main called "
                               "runtime.Goexit) - deadlock!\n";

    CHECK_EQ(run_in_child(main_alone, text, sizeof text), 2);
    text[sizeof want - 1] = '\0';
    CHECK_STR(text, want);
}

static void
main_leaves_exiting_thread(void)
{
    pthread_t t;

    pthread_create(&t, NULL, exits_with_four, NULL);
    bl_goexit();
}

static void
G17_others_go_on_and_may_exit(void)
{
    char text[4096];

    CHECK_EQ(run_in_child(main_leaves_exiting_thread, text, sizeof text), 4);
    CHECK_STR(text, "");
}

static void
main_leaves_ending_thread(void)
{
    pthread_t t;

    pthread_create(&t, NULL, says_and_ends, (void *)"thread\n");
    main_alone();
}

/* Go's process ends with the deadlock error when the last goroutine has ended.
 * Where that is a plain thread nobody is told, and the process ends as POSIX
 * has it for a process whose last thread has ended. */
static void
G17_lives_until_the_others_have_ended(void)
{
    char text[4096];
    int status = run_in_child(main_leaves_ending_thread, text, sizeof text);

    CHECK(strncmp(text, "deferred\nthread\n", 16) == 0);
    CHECK(status == 2 || status == 0);
}

/* --- again and again ----------------------------------------------------------- */

static void
G22_leaves_no_trace(void)
{
    for (int i = 0; i < 200; i++) {
        run_in_thread(calls_recovers_for_callee);
        CHECK_TRACE("inner middle-first A middle-last outer");
        run_in_thread(goexit_in_panic);
        CHECK_TRACE("last nil");
    }
}

/* --- blocks --------------------------------------------------------------------- */

#ifndef __clang__
static void
block_inner(void)
{
    bl_defer {
        NOTE("inner");
    };
    bl_goexit();
    ran_on++;
}

static void
block_outer(void)
{
    bl_returns_nothing {
        bl_defer {
            note_recover("block");
            NOTE(bl_recover() ? "recovered" : "nil");
        };
        bl_defer_call(NOTE, "call");
        {
            bl_defer {
                NOTE("nested");
            };
            block_inner();
        }
        ran_on++;
    }
}

static void
G1_G2_blocks(void)
{
    run_in_thread(block_outer);
    CHECK_TRACE("inner nested block nil nil call");
}

static void
block_goexit_in_panic(void)
{
    bl_returns_nothing {
        bl_defer {
            NOTE(bl_recover() ? "recovered" : "nil");
        };
        bl_defer {
            bl_goexit();
        };
        bl_panic("A");
    }
}

static void
G9_blocks(void)
{
    run_in_thread(block_goexit_in_panic);
    CHECK_TRACE("nil");
}

static int
block_goexit_at_end(void)
{
    bl_returns (int, r) {
        bl_defer {
            NOTE("last");
        };
        bl_defer {
            bl_goexit();
        };
        r = 3;
    }
}

static void
calls_block_goexit_at_end(void)
{
    ran_on += block_goexit_at_end();
}

static void
G12_blocks(void)
{
    run_in_thread(calls_block_goexit_at_end);
    CHECK_TRACE("last");
}

static void
block_panic_in_goexit(void)
{
    bl_returns_nothing {
        bl_defer {
            NOTE("last");
        };
        bl_defer {
            const bl_panic_info *p = bl_recover();

            NOTE(p ? p->text : "nil");
        };
        bl_defer {
            bl_panic("A");
        };
        bl_goexit();
    }
}

static void
calls_block_panic_in_goexit(void)
{
    bl_returns_nothing {
        bl_defer {
            NOTE("outer");
        };
        block_panic_in_goexit();
        ran_on++;
    }
}

static void
G5_G7_blocks(void)
{
    run_in_thread(calls_block_panic_in_goexit);
    CHECK_TRACE("A last outer");
}

static void
block_goexit_after_recover(void)
{
    bl_returns_nothing {
        bl_defer {
            NOTE("last");
        };
        bl_defer {
            NOTE(bl_recover() ? "recovered" : "nil");
            bl_goexit();
        };
        bl_panic("A");
    }
}

static void
calls_block_goexit_after_recover(void)
{
    block_goexit_after_recover();
    ran_on++;
}

static void
G11_blocks(void)
{
    run_in_thread(calls_block_goexit_after_recover);
    CHECK_TRACE("recovered last");
}
#endif

int
main(void)
{
    RUN(G1_runs_all_defers_innermost_first);
    RUN(G2_recover_is_nil);
    RUN(G3_nothing_runs_behind_it);
    RUN(G4_recovered_inside_the_deferred_call);
    RUN(G5_G7_recovered_by_the_same_frame);
    RUN(G6_G7_G15_recovered_by_an_outer_frame);
    RUN(G8_a_panic_nobody_recovers);
    RUN(G9_G10_G14_cancels_the_panic);
    RUN(G10_G16_panic_goexit_panic_recover);
    RUN(G11_after_recover_in_the_same_call);
    RUN(G12_G14_in_a_normal_return);
    RUN(G13_again_is_harmless);
    RUN(G12_while_returning_after_a_recovery);
    RUN(G17_others_go_on_and_may_exit);
    RUN(G17_lives_until_the_others_have_ended);
    RUN(G18_main_alone_is_a_deadlock);
    RUN(G22_leaves_no_trace);
#ifndef __clang__
    RUN(G1_G2_blocks);
    RUN(G9_blocks);
    RUN(G12_blocks);
    RUN(G5_G7_blocks);
    RUN(G11_blocks);
#endif
    return 0;
}
