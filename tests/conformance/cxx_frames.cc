/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/cxx_frames.cc - C++ frames between C frames: destructors,
 * catch, noexcept, and C++'s own exceptions through frames with deferred code. */
#include <belay/belay.h>

#include "cxx_frames.h"
#include "in.h"

#include <stdexcept>
#include <string>

extern "C" void
note(const char *word)
{
    NOTE(word);
}

namespace {

struct Object {
    const char *name;
    explicit Object(const char *n) : name(n) {}
    ~Object() { NOTE(name); }
};

void
panics()
{
    boom("p");
}

void
goes_exit()
{
    bl_goexit();
}

void
throws()
{
    throw std::runtime_error("thrown");
}

void
exits_thread()
{
    pthread_exit(nullptr);
}

template <void (*f)()>
void
object_then()
{
    Object outer("~outer");
    {
        Object inner("~inner");
        f();
        NOTE("never");
    }
}

template <void (*f)()>
void
both_then()
{
    Object object("~object");
    c_both(f);
}

/* P1: destructors are deferred code too. */
void
P1_destructors_run_once_and_in_order()
{
    CHECK_EQ(c_recovers(object_then<panics>), 1);
    CHECK_TRACE("~inner ~outer recovered");
    CHECK_EQ(c_recovers_in_block(object_then<panics>), 3);
    CHECK_TRACE("~inner ~outer");
    CHECK_EQ(c_recovers(both_then<object_then<panics>>), 1);
    CHECK_TRACE("~inner ~outer block2 block1 call2 call1 ~object recovered");
}

int caught;

void
catches()
{
    try {
        object_then<panics>();
    } catch (...) {
        caught++;
        NOTE("caught");
    }
}

void
R8_catch_all_stops_a_panic()
{
    for (int i = 0; i < 1000; i++) {
        catches();
        CHECK_TRACE("~inner ~outer caught");
    }
    CHECK_EQ(caught, 1000);
    CHECK(!bl_recover());
    CHECK_EQ(c_recovers(catches), 2);
    CHECK_TRACE("~inner ~outer caught not_recovered");
}

void
rethrows()
{
    Object object("~rethrower");
    try {
        object_then<panics>();
    } catch (std::exception &) {
        NOTE("never");
    } catch (...) {
        NOTE("caught");
        throw;
    }
}

std::string recovered_text;

extern "C" void
keeps_text()
{
    const bl_panic_info *p = bl_recover();

    recovered_text = p ? p->text : "nil";
}

void
defers_keeps_text()
{
    c_defers_this(keeps_text, rethrows);
}

void
P9_throw_sends_the_panic_on()
{
    for (int i = 0; i < 100; i++) {
        recovered_text = "";
        defers_keeps_text();
        CHECK_STR(recovered_text.c_str(), "p");
        CHECK_TRACE("~inner ~outer caught ~rethrower");
    }
    CHECK_EQ(c_recovers(both_then<rethrows>), 1);
    CHECK_TRACE("~inner ~outer caught ~rethrower block2 block1 call2 call1 ~object "
                "recovered");
}

/* R1: in a C++ function that bl_defer_call runs. */
void
R1_recover_in_a_cxx_function()
{
    recovered_text = "";
    c_defers_this(keeps_text, object_then<panics>);
    CHECK_STR(recovered_text.c_str(), "p");
    CHECK_TRACE("~inner ~outer");
}

void
is_noexcept() noexcept
{
    boom("p");
    NOTE("never");
}

void
recovers_noexcept()
{
    c_recovers(is_noexcept);
}

void
noexcept_with_objects() noexcept
{
    object_then<panics>();
}

void
recovers_noexcept_with_objects()
{
    c_recovers(noexcept_with_objects);
    write_err("never");
}

struct Panics {
    NOINLINE ~Panics() { boom("destructor"); }
};

void
panicking_destructor()
{
    Panics p;
}

void
recovers_panicking_destructor()
{
    c_recovers(panicking_destructor);
}

/* R36: a panic that would leave a noexcept function. */
void
R36_noexcept_is_a_fatal_error()
{
    in_child(recovers_noexcept);
    CHECK_EQ(ended.status, 2);
    CHECK(strstr(ended.err, "fatal error: a panic can't leave a C++ function that is "
                            "noexcept"));
    CHECK(strstr(ended.err, "is_noexcept"));
    in_child(recovers_panicking_destructor);
    CHECK_EQ(ended.status, 2);
    CHECK(strstr(ended.err, "noexcept"));
    /* Objects of the function itself: their landing pad may be one that calls
     * std::terminate at its end, and that is C++'s own way to die. */
    in_child(recovers_noexcept_with_objects);
    CHECK(ended.status == 2 ? strstr(ended.err, "noexcept")
                            : strstr(ended.err, "terminate called"));
    CHECK(ended.status == 2 || ended.status == 128 + SIGABRT);
    CHECK(!strstr(ended.err, "never"));
}

void
through_blocks()
{
    c_blocks(throws);
}

void
through_calls()
{
    c_calls(throws);
}

void
through_both()
{
    c_both(object_then<throws>);
}

void
through_recovering()
{
    c_recovers(throws);
}

std::string
catch_text(void (*f)())
{
    try {
        f();
    } catch (std::runtime_error &e) {
        return e.what();
    }
    return "nothing";
}

/* M3: deferred code runs once when C++ unwinds; recover has nothing to stop. */
void
M3_exceptions_run_deferred_code_once()
{
    for (int i = 0; i < 100; i++) {
        CHECK(catch_text(through_blocks) == "thrown");
        CHECK_TRACE("block2 block1");
        CHECK(catch_text(through_calls) == "thrown");
        CHECK_TRACE("call2 call1");
        CHECK(catch_text(through_both) == "thrown");
        CHECK_TRACE("~inner ~outer block2 block1 call2 call1");
        CHECK(catch_text(through_recovering) == "thrown");
        CHECK_TRACE("not_recovered");
    }
    CHECK_EQ(c_recovers(panics), 1);
    CHECK_TRACE("recovered");
}

/* P6: a panic raised and recovered in deferred code that an exception runs. */
void
recovers_inside()
{
    CHECK_EQ(c_recovers(panics), 1);
}

void
through_recovering_block()
{
    c_block_calls(recovers_inside, throws);
}

void
through_recovering_call()
{
    c_defers_this(recovers_inside, throws);
}

void
P6_panics_recovered_inside_an_exception()
{
    CHECK(catch_text(through_recovering_block) == "thrown");
    CHECK(catch_text(through_recovering_call) == "thrown");
    CHECK_TRACE("recovered recovered");
}

/* And the other way round: exceptions thrown and caught in deferred code. */
void
catches_inside()
{
    CHECK(catch_text(object_then<throws>) == "thrown");
}

void
panics_with_catching_block()
{
    c_block_calls(catches_inside, panics);
}

void
panics_with_catching_call()
{
    c_defers_this(catches_inside, panics);
}

void
P4_exceptions_caught_inside_a_panic()
{
    CHECK_EQ(c_recovers(panics_with_catching_block), 1);
    CHECK_TRACE("~inner ~outer recovered");
    CHECK_EQ(c_recovers(panics_with_catching_call), 1);
    CHECK_TRACE("~inner ~outer recovered");
}

void
panics_in_handler()
{
    try {
        throw 1;
    } catch (int) {
        object_then<panics>();
    }
}

void
P1_panic_out_of_a_handler()
{
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(c_recovers(panics_in_handler), 1);
        CHECK_TRACE("~inner ~outer recovered");
    }
    CHECK(catch_text(throws) == "thrown");
}

/* G1: goexit runs destructors as well, and `throw;` sends it on. */
void
rethrows_goexit()
{
    try {
        object_then<goes_exit>();
    } catch (...) {
        NOTE("caught");
        throw;
    }
}

void
G1_goexit_through_cxx_frames()
{
    in_thread(both_then<object_then<goes_exit>>, MIB);
    CHECK_TRACE("~inner ~outer block2 block1 call2 call1 ~object");
    in_thread(both_then<rethrows_goexit>, MIB);
    CHECK_TRACE("~inner ~outer caught block2 block1 call2 call1 ~object");
}

pthread_barrier_t ready;

void
waits_to_be_cancelled()
{
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
}

void *
cancelled_thread(void *)
{
    both_then<object_then<waits_to_be_cancelled>>();
    return nullptr;
}

void *
cancelled_in_c(void *)
{
    c_blocks([] { c_calls(waits_to_be_cancelled); });
    return nullptr;
}

void
cancel(void *(*body)(void *))
{
    pthread_t t;
    void *result;

    pthread_barrier_init(&ready, nullptr, 2);
    CHECK_EQ(pthread_create(&t, nullptr, body, nullptr), 0);
    pthread_barrier_wait(&ready);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK_EQ(pthread_join(t, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    pthread_barrier_destroy(&ready);
}

void
exits_in_c()
{
    c_blocks([] { c_calls(exits_thread); });
}

/* M3: pthread_exit and pthread_cancel run each once. */
void
M3_pthread_exit_and_pthread_cancel()
{
    in_thread(both_then<object_then<exits_thread>>, MIB);
    CHECK_TRACE("~inner ~outer block2 block1 call2 call1 ~object");
    in_thread(exits_in_c, MIB);
    CHECK_TRACE("call2 call1 block2 block1");
    cancel(cancelled_thread);
    CHECK_TRACE("~inner ~outer block2 block1 call2 call1 ~object");
    cancel(cancelled_in_c);
    CHECK_TRACE("call2 call1 block2 block1");
}

void
panics_and_recovers_then_exits()
{
    c_defers_this(recovers_inside, exits_thread);
}

void
P6_panic_recovered_inside_pthread_exit()
{
    in_thread(panics_and_recovers_then_exits, MIB);
    CHECK_TRACE("recovered");
}

} // namespace

int
main()
{
    RUN(P1_destructors_run_once_and_in_order);
    RUN(R8_catch_all_stops_a_panic);
    RUN(P9_throw_sends_the_panic_on);
    RUN(R1_recover_in_a_cxx_function);
    RUN(R36_noexcept_is_a_fatal_error);
    RUN(M3_exceptions_run_deferred_code_once);
    RUN(P6_panics_recovered_inside_an_exception);
    RUN(P4_exceptions_caught_inside_a_panic);
    RUN(P1_panic_out_of_a_handler);
    RUN(G1_goexit_through_cxx_frames);
    RUN(M3_pthread_exit_and_pthread_cancel);
    RUN(P6_panic_recovered_inside_pthread_exit);
    return 0;
}
