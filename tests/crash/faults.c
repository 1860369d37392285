/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* faults.c - signals: O13, P14, P15, P21, P22, P23, F20, F21, crashes while
 * reporting, panics in handlers, and handlers that others have installed. */
#define _GNU_SOURCE
#include "case.h"

#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

int call_reads(const int *p);
void call_defers(const int *p);

static FRAME int
read_at(volatile int *p)
{
    return *p; /* @read-at */
}

static FRAME void
nil(void)
{
    read_at(NULL); /* @nil */
    say("returned");
}

static FRAME void
write_at(volatile int *p)
{
    *p = 1; /* @write-at */
}

static FRAME void
nil_field(void)
{
    write_at((int *)8);
    say("returned");
}

/* Neither null nor mapped: Go has a fatal error here, C programs a panic. */
static FRAME void
wild(void)
{
    write_at((int *)(uintptr_t)0x123456789abc);
    say("returned");
}

static FRAME void
read_only(void)
{
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    write_at(p);
    say("returned");
}

/* Addresses that no process can have come with another code. */
static FRAME void
non_canonical(void)
{
    write_at((int *)(uintptr_t)0xdead000000000000);
    say("returned");
}

static FRAME void
bus(void)
{
    int fd = memfd_create("short", 0);
    void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    read_at(p);
    say("returned");
}

static FRAME int
divide(int a, int b)
{
    return a / b; /* @divide */
}

static FRAME void
by_zero(void)
{
    divide(1, 0);
    say("returned");
}

static FRAME void
quotient(void)
{
    divide(INT_MIN, -1);
    say("returned");
}

static FRAME void
illegal(void)
{
#if defined(__x86_64__)
    __asm__ volatile("ud2"); /* @illegal */
#else
    __asm__ volatile("udf #0");
#endif
}

/* --- calls that lead nowhere ---------------------------------------------- */

static FRAME void
call_through(void (*volatile f)(void))
{
    f(); /* @call-through */
    say("returned");
}

static FRAME void
call_nil(void)
{
    call_through(NULL);
    say("returned");
}

static FRAME void
recover_and_say(void)
{
    const bl_panic_info *p = bl_recover();

    say(p ? p->text : "nothing to recover");
}

static FRAME void
call_nil_recovered(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        call_through(NULL);
    }
}

static FRAME void
call_data(void)
{
    static int data[4];

    call_through((void (*)(void))(uintptr_t)data);
    say("returned");
}

/* --- faults where deferred code may be pending ---------------------------- */

/* Only records are pending, and those the engine knows. */
static FRAME void
strlen_nil_call(void)
{
    const char *volatile none = NULL;

    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        if (strlen(none) == 0)
            say("empty");
    }
}

#ifndef __clang__
/* strlen does not throw, says its declaration, so the compiler has no landing
 * pad for its call: the block's fate can't be known. */
static FRAME void
strlen_nil_block(void)
{
    const char *volatile none = NULL;

    bl_returns_nothing {
        bl_defer {
            say("deferred, which must not run");
        };
        if (strlen(none) > 5) /* @strlen-nil-block */
            say("long");
    }
}

/* Compiled without -fnon-call-exceptions. */
static FRAME void
unexpected(void)
{
    call_defers(NULL);
    say("returned");
}
#endif

/* Without anything pending in that frame, a panic like any other. */
static FRAME void
expected(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        if (call_reads(NULL))
            say("read");
    }
}

/* --- crashes while reporting ---------------------------------------------- */

static size_t
follow_nil(const bl_error *err, char *buf, size_t size)
{
    const char *volatile none = NULL;

    (void)err, (void)size;
    buf[0] = *none;
    return 1;
}

static size_t
give_up(const bl_error *err, char *buf, size_t size)
{
    (void)err, (void)buf, (void)size;
    bl_fatal("cannot say");
}

static FRAME int
endless(int depth)
{
    volatile char big[1000];

    big[depth % 1000] = 1;
    return endless(depth + 1) + big[0];
}

static size_t
overflow(const bl_error *err, char *buf, size_t size)
{
    (void)err, (void)buf, (void)size;
    return (size_t)endless(0);
}

static void
recover_only(void)
{
    bl_recover();
}

/* A text function may panic inside, as long as it recovers. */
static size_t
recovers(const bl_error *err, char *buf, size_t size)
{
    bl_returns (size_t, n) {
        bl_defer_call(recover_only);
        (void)err;
        n = (size_t)snprintf(buf, size, "half a te");
        bl_panic("inside");
    }
}

#define TEXT_CASE(id, function)                               \
    static const bl_error_kind id##_kind = {.name = #id, .text = function}; \
    static const bl_error id##_error = {&id##_kind};          \
    static FRAME void id(void)                                \
    {                                                         \
        bl_panic_error(&id##_error);                          \
    }

TEXT_CASE(text_faults, follow_nil)
TEXT_CASE(text_fatal, give_up)
TEXT_CASE(text_overflows, overflow)
TEXT_CASE(text_recovers, recovers)

/* The error is no more when it is asked for its text. */
static FRAME void
text_gone(void)
{
    static bl_error_kind kind = {.name = "gone", .text = recovers};
    static bl_error error = {&kind};

    bl_returns_nothing {
        bl_defer_call(memset, &error, 0x5a, sizeof error);
        bl_panic_error(&error);
    }
}

static FRAME void
kindless(void)
{
    static bl_error error;

    bl_panic_error(&error); /* @kindless */
}

static FRAME void
textless(void)
{
    static bl_error_kind kind = {.name = "textless", .text = NULL};
    static bl_error error = {&kind};

    bl_panic_error(&error);
}

/* A string value that is no string. */
static FRAME void
bad_string(void)
{
    bl_panic_with(bl_string((const char *)8));
}

/* --- signals from outside, and other handlers ----------------------------- */

static void
on_early(int sig)
{
    (void)sig;
    say("the handler that was first");
    _exit(9);
}

/* Before Belay, as a library might. */
static void
install_early(int argc, char **argv, char **env)
{
    (void)argc, (void)argv;
    for (; *env; env++)
        if (strcmp(*env, "EARLY_HANDLER=1") == 0)
            signal(SIGSEGV, on_early);
        else if (strcmp(*env, "EARLY_HANDLER=2") == 0)
            signal(SIGSEGV, SIG_IGN);
}

__attribute__((section(".preinit_array"), used)) static void (*const early)(
    int, char **, char **) = install_early;

static FRAME void
nil_pending(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        read_at(NULL);
    }
}

static void
from_outside(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred");
        kill(getpid(), SIGSEGV);
        say("survived");
    }
}

static void
fpe_from_outside(void)
{
    raise(SIGFPE);
    say("survived");
}

/* --- panics in handlers ---------------------------------------------------- */

static FRAME void
handler_panics(int sig)
{
    (void)sig;
    bl_panic("in a handler"); /* @handler-panics */
}

static FRAME void
handler_recovers(int sig)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        handler_panics(sig);
    }
}

static void
interrupt(void (*handler)(int))
{
    signal(SIGUSR1, handler);
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        raise(SIGUSR1);
        say("went on");
    }
}

static FRAME void
handler_leaves(void)
{
    interrupt(handler_panics);
    say("returned");
}

static FRAME void
handler_stays(void)
{
    interrupt(handler_recovers);
    say("returned");
}

static FRAME void
handler_leaves_uncaught(void)
{
    signal(SIGUSR1, handler_panics);
    raise(SIGUSR1);
    say("survived");
}

/* On the alternate stack it is the same. */
static void
handler_leaves_altstack(void)
{
    struct sigaction sa = {.sa_handler = handler_panics, .sa_flags = SA_ONSTACK};

    sigaction(SIGUSR1, &sa, NULL);
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        raise(SIGUSR1);
        say("survived");
    }
}

CASES(
    {"nil", nil},
    {"nil-field", nil_field},
    {"wild", wild},
    {"read-only", read_only},
    {"non-canonical", non_canonical},
    {"bus", bus},
    {"by-zero", by_zero},
    {"quotient", quotient},
    {"illegal", illegal},
    {"call-nil", call_nil},
    {"call-nil-recovered", call_nil_recovered},
    {"call-data", call_data},
    {"strlen-nil-call", strlen_nil_call},
#ifndef __clang__
    {"strlen-nil-block", strlen_nil_block},
    {"unexpected", unexpected},
#endif
    {"expected", expected},
    {"text-faults", text_faults},
    {"text-fatal", text_fatal},
    {"text-overflows", text_overflows},
    {"text-recovers", text_recovers},
    {"text-gone", text_gone},
    {"kindless", kindless},
    {"textless", textless},
    {"bad-string", bad_string},
    {"nil-pending", nil_pending},
    {"from-outside", from_outside},
    {"fpe-from-outside", fpe_from_outside},
    {"handler-leaves", handler_leaves},
    {"handler-leaves-altstack", handler_leaves_altstack},
    {"handler-leaves-uncaught", handler_leaves_uncaught},
    {"handler-stays", handler_stays})
