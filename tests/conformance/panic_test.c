/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/panic_test.c - catalogue area P: what a panic does, what it
 * carries, and how panics replace each other. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#include <errno.h>
#include <semaphore.h>
#include <sys/mman.h>

#define NIL_DEREFERENCE \
    "runtime error: invalid memory address or nil pointer dereference"

/* --- leaving frames ------------------------------------------------------ */

static void
innermost(void)
{
    returns_nothing {
        defer_call(NOTE, "c");
        boom("p");
        NOTE("never");
    }
}

static void
middle(void)
{
    returns_nothing {
        defer_call(NOTE, "b1");
        defer_call(NOTE, "b2");
        innermost();
        NOTE("never");
    }
}

static void
outermost(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(NOTE, "a");
        middle();
        NOTE("never");
    }
}

static void
P1_every_frame_outwards_runs_its_defers(void)
{
    outermost();
    CHECK_TRACE("c b2 b1 a p");
    in_thread(outermost, MIB);
    CHECK_TRACE("c b2 b1 a p");
}

static void
uncaught(void)
{
    boom("uncaught");
}

static void
uncaught_in_thread(void)
{
    in_thread(uncaught, MIB);
    _exit(5);
}

static void
P2_uncaught_panic_ends_the_process_with_2(void)
{
    in_child(uncaught);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: uncaught\n\ngoroutine ");
    in_child(uncaught_in_thread);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: uncaught\n\ngoroutine ");
}

static long number_here;

static void
number_of_this(void)
{
    char buf[256];

    bl_stack(buf, sizeof buf);
    CHECK_EQ(strncmp(buf, "goroutine ", 10), 0);
    number_here = atol(buf + 10);
}

static void
O30_main_is_1_and_numbers_are_not_used_again(void)
{
    long last = 1;

    number_of_this();
    CHECK_EQ(number_here, 1);
    for (int i = 0; i < 20; i++) {
        in_thread(number_of_this, MIB);
        CHECK(number_here > last);
        last = number_here;
    }
    number_of_this();
    CHECK_EQ(number_here, 1);
}

static void
others_have_defers(void)
{
    returns_nothing {
        defer_call(write_err, "main's defer\n");
        uncaught_in_thread();
    }
}

static void
P3_other_threads_defers_do_not_run(void)
{
    in_child(others_have_defers);
    CHECK_EQ(ended.status, 2);
    CHECK(!strstr(ended.err, "main's defer"));
}

static sem_t asked, answered;

static void *
answer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        sem_wait(&asked);
        sem_post(&answered);
    }
    return NULL;
}

static void
ask(void)
{
    sem_post(&asked);
    sem_wait(&answered);
    NOTE("answered");
}

static void
spawn(void)
{
    in_thread(outermost, MIB);
}

static void
communicates(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(ask);
        defer_call(spawn);
        defer_call(ask);
        boom("p");
    }
}

static void
P4_other_threads_go_on_while_defers_run(void)
{
    pthread_t t;

    sem_init(&asked, 0, 0);
    sem_init(&answered, 0, 0);
    CHECK_EQ(pthread_create(&t, NULL, answer, NULL), 0);
    ask();
    communicates();
    pthread_join(t, NULL);
    CHECK_TRACE("answered answered c b2 b1 a p answered p");
}

/* --- panics in deferred code --------------------------------------------- */

static void
two_panics(void)
{
    returns_nothing {
        defer_call(boom, "newer");
        boom("older");
    }
}

static void
recovers_outside(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(note_recovered);
        two_panics();
    }
}

/* P5, P7: the older one is gone. */
static void
P5_P7_newer_panic_becomes_the_current_one(void)
{
    recovers_outside();
    CHECK_TRACE("newer nil");
}

static void
P5_both_are_on_record(void)
{
    in_child(two_panics);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: older\n\tpanic: newer\n\n");
}

static void
recovers_itself(void)
{
    returns_nothing {
        defer_call(note_recovered);
        boom("newer");
    }
}

static void
panics_inside(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(recovers_itself);
        boom("older");
    }
}

static void
P6_newer_recovered_inside_leaves_the_older(void)
{
    panics_inside();
    CHECK_TRACE("newer older");
}

static void
recovers_in_owner(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(note_recovered);
        defer_call(boom, "newer");
        boom("older");
    }
}

static void
P7_newer_recovered_by_the_owner_ends_both(void)
{
    recovers_in_owner();
    CHECK_TRACE("newer nil");
}

static void
chain(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(note_recovered);
        defer_call(boom, "4");
        defer_call(boom, "3");
        defer_call(boom, "2");
        boom("1");
    }
}

static void
P8_chain_leaves_the_newest_only(void)
{
    chain();
    CHECK_TRACE("4 nil");
}

/* --- values -------------------------------------------------------------- */

static size_t
error_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    return (size_t)snprintf(buf, size, "an error");
}

static const bl_error_kind error_kind = {.name = "my_error", .text = error_text};
static const bl_error sentinel = {&error_kind};

/* Runs raise and copies what was recovered. */
static bl_panic_info *caught;

static void
keep(void)
{
    bl_panic_free(caught);
    caught = bl_panic_copy(recover());
}

static void
catch_from(void (*raise_it)(const void *), const void *arg)
{
    returns_nothing {
        defer_call(keep);
        raise_it(arg);
    }
}

static void
repanics(void)
{
    repanic(recover());
}

static void
raise_error(const void *err)
{
    panic_error(err);
}

static void
raise_error_again(const void *err)
{
    returns_nothing {
        defer_call(NOTE, "earlier");
        defer_call(repanics);
        panic_error(err);
    }
}

static void
P9_repanic_keeps_the_value(void)
{
    catch_from(raise_error_again, &sentinel);
    CHECK(caught && caught->kind == BL_PANIC_ERROR);
    CHECK(caught->error == &sentinel);
    CHECK_TRACE("earlier");
}

static void
raise_text(const void *text)
{
    panic("%s", (const char *)text);
}

static void
raise_text_again(const void *text)
{
    returns_nothing {
        defer_call(repanics);
        defer_call(repanics);
        raise_text(text);
    }
}

static void
P9_repanic_keeps_texts_of_any_length(void)
{
    static char long_text[100000];

    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t n = 1; n < sizeof long_text; n = n * 3 + 1) {
        long_text[n] = '\0';
        catch_from(raise_text, long_text);
        CHECK_STR(caught->text, long_text);
        catch_from(raise_text_again, long_text);
        CHECK_STR(caught->text, long_text);
        long_text[n] = 'x';
    }
}

static void
raise_nil(const void *format)
{
    panic(HIDE((const char *)format), 0);
}

static void
P10_panic_nil_is_a_runtime_error(void)
{
    catch_from(raise_nil, NULL);
    CHECK_EQ(caught->kind, BL_PANIC_RUNTIME);
    CHECK_STR(caught->text, "panic called with nil argument");
    catch_from(raise_error, NULL);
    CHECK_EQ(caught->kind, BL_PANIC_RUNTIME);
    CHECK_STR(caught->text, "panic called with nil argument");
}

static void
raise_value(const void *value)
{
    panic_with(*(const bl_value *)value);
}

static void
raise_pointer(const void *p)
{
    panic_value(p, "struct thing");
}

/* A typed nil pointer is a value as well. */
static void
P11_zero_values_are_carried(void)
{
    bl_value zero = bl_int(0), empty = bl_string(""), no = bl_bool(false);

    catch_from(raise_value, &zero);
    CHECK_EQ(caught->kind, BL_PANIC_VALUE);
    CHECK_EQ(caught->value.kind, BL_VALUE_INT);
    CHECK_EQ(caught->value.as.integer, 0);
    catch_from(raise_value, &empty);
    CHECK_EQ(caught->value.kind, BL_VALUE_STRING);
    CHECK_STR(caught->value.as.string, "");
    catch_from(raise_value, &no);
    CHECK_EQ(caught->value.kind, BL_VALUE_BOOL);
    catch_from(raise_text, "");
    CHECK_EQ(caught->kind, BL_PANIC_TEXT);
    CHECK_STR(caught->text, "");
    catch_from(raise_pointer, NULL);
    CHECK_EQ(caught->kind, BL_PANIC_VALUE);
    CHECK(!caught->value.as.pointer);
}

static void
P12_recovered_value_is_the_identical_one(void)
{
    static int thing;
    bl_value values[] = {bl_int(-5), bl_uint(UINT64_MAX), bl_float(0.25),
                         bl_complex(1, -1), bl_named(bl_int(3), "colour")};

    catch_from(raise_error, &sentinel);
    CHECK(caught->error == &sentinel);
    catch_from(raise_pointer, &thing);
    CHECK(caught->value.as.pointer == &thing);
    CHECK_STR(caught->value.type_name, "struct thing");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        catch_from(raise_value, &values[i]);
        CHECK_EQ(caught->value.kind, values[i].kind);
        CHECK_EQ(caught->value.as.integer, values[i].as.integer);
        CHECK(caught->value.imaginary == values[i].imaginary);
        CHECK(caught->value.type_name == values[i].type_name);
    }
}

/* --- faults -------------------------------------------------------------- */

static void
fault_read(const void *p)
{
    NOTE_INT(*(const volatile int *)p);
}

static void
fault_divide(const void *p)
{
    volatile int zero = p ? 1 : 0;

    NOTE_INT(HIDE(7) / zero);
}

static void
fault_call(const void *p)
{
    void (*f)(void);

    memcpy(&f, &p, sizeof f);
    HIDE(f)();
    NOTE("never");
}

/* P13, P14: a fault is of the run-time kinds, with signal and address. */
static void
P13_P14_nil_dereference(void)
{
    catch_from(fault_read, NULL);
    CHECK_EQ(caught->kind, BL_PANIC_FAULT);
    CHECK_STR(caught->text, NIL_DEREFERENCE);
    CHECK_EQ(caught->signal, SIGSEGV);
    CHECK_EQ(caught->signal_code, SEGV_MAPERR);
    CHECK_EQ(caught->address, 0);
    catch_from(fault_read, (void *)24);
    CHECK_STR(caught->text, NIL_DEREFERENCE);
    CHECK_EQ(caught->address, 24);
    catch_from(fault_call, NULL);
    CHECK_STR(caught->text, NIL_DEREFERENCE);
    CHECK_EQ(caught->address, 0);
    CHECK_TRACE("");
}

static void
P13_misuse_is_told_from_faults(void)
{
    catch_from(raise_nil, NULL);
    CHECK_EQ(caught->kind, BL_PANIC_RUNTIME);
    catch_from(raise_text, "plain");
    CHECK_EQ(caught->kind, BL_PANIC_TEXT);
    CHECK_EQ(caught->signal, 0);
}

#ifdef __x86_64__
static void
P15_division_by_zero(void)
{
    catch_from(fault_divide, NULL);
    CHECK_EQ(caught->kind, BL_PANIC_FAULT);
    CHECK_STR(caught->text, "runtime error: integer divide by zero");
    CHECK_EQ(caught->signal, SIGFPE);
    CHECK_TRACE("");
}
#else
static void
P15_division_by_zero(void)
{
    (void)fault_divide; /* does not trap here */
}
#endif

/* C leaves the order of a sum's operands open: the sequence is written out. */
static int
noted(const char *word)
{
    if (!strcmp(word, "p"))
        boom("p");
    NOTE(word);
    return 1;
}

static int
panics_in_the_middle(int *target)
{
    returns (int, r) {
        defer_call(note_recovered);
        *target = (noted("left"), noted(HIDE("p")), noted("right"));
        r = 1;
    }
}

static void
P20_evaluation_stops_at_the_panic(void)
{
    int target = -1;

    CHECK_EQ(panics_in_the_middle(&target), 0);
    CHECK_EQ(target, -1);
    CHECK_TRACE("left p");
}

/* Go dies of these unless debug.SetPanicOnFault is on; here it always is. */
static void
P21_fault_at_another_address_tells_where(void)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    catch_from(fault_read, page + 40);
    CHECK_EQ(caught->kind, BL_PANIC_FAULT);
    CHECK_EQ(caught->address, (uintptr_t)page + 40);
    CHECK_EQ(caught->signal_code, SEGV_ACCERR);
    munmap(page, 4096);
}

static void
many_faults(void)
{
    for (int i = 0; i < 200; i++) {
        catch_from(fault_read, NULL);
        CHECK_STR(caught->text, NIL_DEREFERENCE);
        catch_from(fault_call, NULL);
        CHECK_STR(caught->text, NIL_DEREFERENCE);
    }
}

static void
P22_faulting_again_works_the_same_on_any_thread(void)
{
    many_faults();
    in_thread(many_faults, MIB);
    in_thread(many_faults, 64 * 1024);
}

/* The signal mask is as before the fault. */
static void
P22_signals_are_not_left_blocked(void)
{
    sigset_t now;

    catch_from(fault_read, NULL);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(!sigismember(&now, SIGSEGV) && !sigismember(&now, SIGFPE));
}

static void
plain_after_fault(void)
{
    catch_from(fault_read, NULL);
    boom("plain");
}

static void
P23_recovered_fault_does_not_mark_a_later_panic(void)
{
    in_child(plain_after_fault);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: plain\n\ngoroutine 1 [running]:\n");
    CHECK(!strstr(ended.err, "[signal"));
}

/* --- ends ---------------------------------------------------------------- */

static pthread_barrier_t together;

static void *
crash_together(void *word)
{
    pthread_barrier_wait(&together);
    boom(word);
    return NULL;
}

static void
two_crash(void)
{
    pthread_t t[2];

    pthread_barrier_init(&together, NULL, 2);
    pthread_create(&t[0], NULL, crash_together, "crash");
    pthread_create(&t[1], NULL, crash_together, "crash");
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
}

static void
P27_reports_of_two_threads_do_not_mix(void)
{
    for (int i = 0; i < 10; i++) {
        in_child(two_crash);
        CHECK_EQ(ended.status, 2);
        CHECK_BEGINS("panic: crash\n\ngoroutine ");
        CHECK(strstr(ended.err, "crash_together"));
        CHECK(!strstr(ended.err + 7, "panic: crash"));
    }
}

__attribute__((constructor)) static void
panic_before_main(void)
{
    if (getenv("PANIC_BEFORE_MAIN"))
        boom("early");
}

static void
start_again(void)
{
    setenv("PANIC_BEFORE_MAIN", "1", 1);
    execl("/proc/self/exe", "again", (char *)NULL);
}

static void
P28_panic_before_main_crashes_before_main(void)
{
    in_child(start_again);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: early\n\n");
}

/* --- many at once -------------------------------------------------------- */

static int runs;

static void
nested(int n)
{
    returns_nothing {
        runs++;
        if (n > 0)
            defer_call(nested, n - 1);
        panic_with(bl_int(n));
    }
}

static int levels;

static void
nest_from(const void *unused)
{
    (void)unused;
    nested(levels);
}

static void
nest(void)
{
    runs = 0;
    catch_from(nest_from, NULL);
    CHECK_EQ(runs, levels + 1);
    CHECK_EQ(caught->value.as.integer, 0);
}

static void
replace(int n)
{
    runs++;
    panic_with(bl_int(n));
}

static void
replaced(int n)
{
    returns_nothing {
        defer_call(replace, n);
        if (n == 1)
            panic_with(bl_int(0));
        replaced(n - 1);
    }
}

static void
replace_from(const void *unused)
{
    (void)unused;
    replaced(levels);
}

static void
replace_all(void)
{
    runs = 0;
    catch_from(replace_from, NULL);
    CHECK_EQ(runs, levels);
    CHECK_EQ(caught->value.as.integer, levels);
}

#ifndef __clang__
static void
nested_block(int n)
{
    returns_nothing {
        runs++;
        defer {
            if (n > 0)
                nested_block(n - 1);
        };
        panic_with(bl_int(n));
    }
}

static void
nest_block_from(const void *unused)
{
    (void)unused;
    nested_block(levels);
}

static void
nest_blocks(void)
{
    runs = 0;
    catch_from(nest_block_from, NULL);
    CHECK_EQ(runs, levels + 1);
    CHECK_EQ(caught->value.as.integer, 0);
}

static void
replaced_block(int n)
{
    returns_nothing {
        defer { replace(n); };
        if (n == 1)
            panic_with(bl_int(0));
        replaced_block(n - 1);
    }
}

static void
replace_block_from(const void *unused)
{
    (void)unused;
    replaced_block(levels);
}

static void
replace_all_blocks(void)
{
    runs = 0;
    catch_from(replace_block_from, NULL);
    CHECK_EQ(runs, levels);
    CHECK_EQ(caught->value.as.integer, levels);
}
#endif

static double seconds;

static void (*timed)(void);

static void
time_it(void)
{
    double start = cpu_seconds();

    timed();
    seconds = cpu_seconds() - start;
}

/* CPU time of f at n levels: the best of three. */
static double
cost(void (*f)(void), int n)
{
    double best = 1e9;

    levels = n;
    timed = f;
    for (int i = 0; i < 3; i++) {
        in_thread(time_it, 1024 * MIB);
        if (seconds < best)
            best = seconds;
    }
    return best;
}

/* Twice the levels may take twice the time, not four times. */
static void
check_not_quadratic(const char *name, void (*f)(void), int n)
{
    double one, two;

    for (int attempt = 0; attempt < 3; attempt++) {
        one = cost(f, n);
        two = cost(f, 2 * n);
        if (SANITIZED || two < 3.5 * one)
            return;
    }
    fprintf(stderr, "%s: %d levels take %.4f s, twice as many %.4f s\n", name, n, one,
            two);
    _Exit(1);
}

static void
P29_panics_nested_in_deferred_calls(void)
{
    levels = 2000;
    in_thread(nest, 1024 * MIB);
    check_not_quadratic("nested in calls", nest, 2000);
}

static void
P29_panics_replaced_by_deferred_calls(void)
{
    levels = 3000;
    in_thread(replace_all, 1024 * MIB);
    check_not_quadratic("replaced in calls", replace_all, 3000);
}

#ifndef __clang__
static void
P29_panics_in_blocks(void)
{
    levels = 2000;
    in_thread(nest_blocks, 1024 * MIB);
    check_not_quadratic("nested in blocks", nest_blocks, 2000);
    levels = 3000;
    in_thread(replace_all_blocks, 1024 * MIB);
    check_not_quadratic("replaced in blocks", replace_all_blocks, 3000);
}

/* P1, P6, P8: the same rules for blocks. */
static void
blocks_inner(void)
{
    defer { NOTE("c"); };
    boom("p");
}

static void
blocks_outer(void)
{
    returns_nothing {
        defer {
            const bl_panic_info *p = recover();

            NOTE(p ? p->text : "nil");
        };
        defer { NOTE("a"); };
        {
            defer { NOTE("b"); };
            blocks_inner();
        }
        NOTE("never");
    }
}

static void
P1_every_frame_outwards_runs_its_blocks(void)
{
    blocks_outer();
    CHECK_TRACE("c b a p");
}

static void
blocks_two_panics(bool inside)
{
    returns_nothing {
        defer { note_recovered(); };
        defer {
            const bl_panic_info *p = recover();

            NOTE(p ? p->text : "nil");
        };
        defer {
            if (inside)
                recovers_itself();
            else
                boom("newer");
        };
        boom("older");
    }
}

static void
P6_P7_newer_panics_in_blocks(void)
{
    blocks_two_panics(true);
    CHECK_TRACE("newer older nil");
    blocks_two_panics(false);
    CHECK_TRACE("newer nil");
}

static void
run_blocks(void)
{
    RUN(P1_every_frame_outwards_runs_its_blocks);
    RUN(P6_P7_newer_panics_in_blocks);
    RUN(P29_panics_in_blocks);
}
#else
static void
run_blocks(void)
{
}
#endif

static void
run_values(void)
{
    RUN(P9_repanic_keeps_the_value);
    RUN(P9_repanic_keeps_texts_of_any_length);
    RUN(P10_panic_nil_is_a_runtime_error);
    RUN(P11_zero_values_are_carried);
    RUN(P12_recovered_value_is_the_identical_one);
    RUN(P13_P14_nil_dereference);
    RUN(P13_misuse_is_told_from_faults);
    RUN(P15_division_by_zero);
    RUN(P20_evaluation_stops_at_the_panic);
    RUN(P21_fault_at_another_address_tells_where);
    RUN(P22_faulting_again_works_the_same_on_any_thread);
    RUN(P22_signals_are_not_left_blocked);
}

int
main(void)
{
    RUN(P1_every_frame_outwards_runs_its_defers);
    RUN(P2_uncaught_panic_ends_the_process_with_2);
    RUN(O30_main_is_1_and_numbers_are_not_used_again);
    RUN(P3_other_threads_defers_do_not_run);
    RUN(P4_other_threads_go_on_while_defers_run);
    RUN(P5_P7_newer_panic_becomes_the_current_one);
    RUN(P5_both_are_on_record);
    RUN(P6_newer_recovered_inside_leaves_the_older);
    RUN(P7_newer_recovered_by_the_owner_ends_both);
    RUN(P8_chain_leaves_the_newest_only);
    run_values();
    RUN(P23_recovered_fault_does_not_mark_a_later_panic);
    RUN(P27_reports_of_two_threads_do_not_mix);
    RUN(P28_panic_before_main_crashes_before_main);
    RUN(P29_panics_nested_in_deferred_calls);
    RUN(P29_panics_replaced_by_deferred_calls);
    run_blocks();
    bl_panic_free(caught);
    return 0;
}
