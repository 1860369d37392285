/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* chains.c - what a chain of panics, recoveries and goexits prints: O1, O2, O3,
 * O4, O5, O7, O11, O13, G8, G9, G18, F2, F3, F5 and the newer rules V2 and V4.  The cases are
 * those of oracle/main.go, so that Go itself says what is right. */
#include "case.h"

#include <pthread.h>

static void
raise_a(void)
{
    bl_panic("A");
}

static void
raise_b(void)
{
    bl_panic("B");
}

static void
raise_c(void)
{
    bl_panic("C");
}

static void
recover_raise_b(void)
{
    bl_recover();
    bl_panic("B");
}

static void
recover_raise_c(void)
{
    bl_recover();
    bl_panic("C");
}

static void
recover_only(void)
{
    bl_recover();
}

static void
recover_again(void)
{
    bl_repanic(bl_recover());
}

static void
unlock(void)
{
    bl_fatal("sync: unlock of unlocked mutex");
}

static void
recover_unlock(void)
{
    bl_recover();
    unlock();
}

static void
fault(void)
{
    volatile int *volatile none = NULL;

    *none = 1;
}

static void
leave_quietly(void)
{
    _exit(7);
}

/* Calls f; what it panics with goes no further. */
static void
guarded(void (*f)(void))
{
    bl_returns_nothing {
        bl_defer_call(recover_only);
        f();
    }
}

static void *
thread_start(void *f)
{
    (*(void (**)(void))f)();
    return NULL;
}

static void
in_thread(void (*f)(void))
{
    pthread_t t;

    pthread_create(&t, NULL, thread_start, &f);
    for (;;)
        pause();
}

/* BODY(name, deferred..., last statement): a function with deferred calls. */
#define BODY1(name, d1, last)        \
    static void name(void)           \
    {                                \
        bl_returns_nothing {         \
            bl_defer_call(d1);       \
            last;                    \
        }                            \
    }
#define BODY2(name, d1, d2, last)    \
    static void name(void)           \
    {                                \
        bl_returns_nothing {         \
            bl_defer_call(d1);       \
            bl_defer_call(d2);       \
            last;                    \
        }                            \
    }
#define BODY3(name, d1, d2, d3, last) \
    static void name(void)            \
    {                                 \
        bl_returns_nothing {          \
            bl_defer_call(d1);        \
            bl_defer_call(d2);        \
            bl_defer_call(d3);        \
            last;                     \
        }                             \
    }

BODY1(nested, raise_b, raise_a())
BODY1(nested3, raise_c, nested())
BODY1(recovered, recover_raise_b, raise_a())
BODY2(recovered_twice, recover_raise_c, recover_raise_b, raise_a())
BODY1(recovered_older, recover_raise_c, nested())
BODY2(recovered_then_nested, raise_c, recover_raise_b, raise_a())

BODY1(repanicked, recover_again, raise_a())
BODY1(repanicked_twice, recover_again, repanicked())
BODY1(repanicked_inner, recover_raise_b, repanicked())
BODY2(repanicked_outer, recover_again, recover_raise_b, raise_a())
BODY1(repanicked_unrecovered_older, recover_again, nested())
BODY1(repanicked_then_nested, raise_b, repanicked())

static size_t
sector_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    return (size_t)snprintf(buf, size, "bad sector");
}

static const bl_error_kind sector_kind = {.name = "*errors.errorString", .text = sector_text};
static const bl_error sector = {&sector_kind};

static void
raise_sector(void)
{
    bl_panic_error(&sector);
}

static void
recover_raise_sector(void)
{
    bl_recover();
    bl_panic_error(&sector);
}

BODY1(repanicked_error, recover_again, raise_sector())
BODY1(same_error_unrecovered, raise_sector, raise_sector())
BODY1(same_error_elsewhere, recover_raise_sector, raise_sector())

static void
finished(void)
{
    guarded(raise_a);
    bl_panic("B");
}

static void
finished_aborted(void)
{
    guarded(nested);
    bl_panic("C");
}

static void
guarded_b(void)
{
    guarded(raise_b);
}

BODY2(finished_inside, raise_c, guarded_b, raise_a())
BODY2(while_returning, raise_b, recover_only, raise_a())
BODY3(while_returning_nested, raise_c, raise_b, recover_only, raise_a())
BODY2(inner_returning, raise_c, recover_only, raise_b())
BODY1(while_returning_inside, inner_returning, raise_a())

BODY2(inner_returning_same, raise_sector, recover_only, raise_b())
BODY1(while_returning_same, inner_returning_same, raise_sector())

#pragma GCC diagnostic ignored "-Wformat-security"
static void
panic_nil(void)
{
    const char *volatile none = NULL;

    bl_panic(none);
}

BODY1(fault_last, fault, raise_a())
BODY1(fault_first, raise_b, fault())

static void
fault_recovered(void)
{
    guarded(fault);
    raise_a();
}

static void
guarded_fault(void)
{
    guarded(fault);
}

BODY1(fault_recovered_raise, recover_raise_b, fault())
BODY1(fault_recovered_inside, guarded_fault, raise_a())
BODY1(fault_repanicked, recover_again, fault())

BODY1(goexit_panic_body, raise_a, bl_goexit())
BODY2(goexit_panic_panic_body, raise_b, raise_a, bl_goexit())
BODY2(panic_goexit_panic_body, raise_b, bl_goexit, raise_a())
BODY2(panic_goexit_body, leave_quietly, bl_goexit, raise_a())

static void
goexit_panic(void)
{
    in_thread(goexit_panic_body);
}

static void
goexit_panic_panic(void)
{
    in_thread(goexit_panic_panic_body);
}

static void
panic_goexit_panic(void)
{
    in_thread(panic_goexit_panic_body);
}

static void
panic_goexit(void)
{
    in_thread(panic_goexit_body);
}

BODY1(exit_in_defer, leave_quietly, raise_a())
BODY2(fatal, recover_only, leave_quietly, unlock())
BODY1(fatal_in_panic, unlock, raise_a())
BODY1(fatal_in_nested, unlock, nested())
BODY1(fatal_recovered, recover_unlock, raise_a())

static void
fatal_finished(void)
{
    guarded(raise_a);
    unlock();
}

/* --- errors that cannot say what they are --------------------------------- */

static size_t
text_panics(const bl_error *err, char *buf, size_t size)
{
    (void)err, (void)buf, (void)size;
    bl_panic("cannot %s", "say");
}

static size_t
text_panics_with_error(const bl_error *err, char *buf, size_t size)
{
    (void)err, (void)buf, (void)size;
    bl_panic_error(&sector);
}

static size_t
text_panics_with_value(const bl_error *err, char *buf, size_t size)
{
    (void)err, (void)buf, (void)size;
    bl_panic_with(bl_named(bl_float(1), "celsius"));
}

static size_t
text_faults(const bl_error *err, char *buf, size_t size)
{
    const char *volatile none = NULL;

    (void)err, (void)size;
    buf[0] = *none;
    return 1;
}

static const bl_error_kind faults_kind = {.name = "mute", .text = text_faults};
static const bl_error mute_faults = {&faults_kind};

static void
raise_mute_faults(void)
{
    bl_panic_error(&mute_faults);
}

static const bl_error_kind panics_kind = {.name = "mute", .text = text_panics};
static const bl_error_kind panics_error_kind = {.name = "mute", .text = text_panics_with_error};
static const bl_error_kind panics_value_kind = {.name = "mute", .text = text_panics_with_value};
static const bl_error mute = {&panics_kind};
static const bl_error mute_error = {&panics_error_kind};
static const bl_error mute_value = {&panics_value_kind};

static void
raise_mute(void)
{
    bl_panic_error(&mute);
}

static void
raise_mute_error(void)
{
    bl_panic_error(&mute_error);
}

static void
raise_mute_value(void)
{
    bl_panic_error(&mute_value);
}

BODY1(mute_nested, raise_mute, raise_a())
BODY1(mute_older, raise_b, raise_mute())

CASES(
    {"text", raise_a},
    {"nested", nested},
    {"nested3", nested3},
    {"recovered", recovered},
    {"recovered-twice", recovered_twice},
    {"recovered-older", recovered_older},
    {"recovered-then-nested", recovered_then_nested},
    {"repanicked", repanicked},
    {"repanicked-twice", repanicked_twice},
    {"repanicked-inner", repanicked_inner},
    {"repanicked-outer", repanicked_outer},
    {"repanicked-unrecovered-older", repanicked_unrecovered_older},
    {"repanicked-error", repanicked_error},
    {"same-error-unrecovered", same_error_unrecovered},
    {"same-error-elsewhere", same_error_elsewhere},
    {"repanicked-then-nested", repanicked_then_nested},
    {"finished", finished},
    {"finished-aborted", finished_aborted},
    {"finished-inside", finished_inside},
    {"while-returning", while_returning},
    {"while-returning-nested", while_returning_nested},
    {"while-returning-inside", while_returning_inside},
    {"while-returning-same", while_returning_same},
    {"nil", panic_nil},
    {"fault", fault},
    {"fault-last", fault_last},
    {"fault-first", fault_first},
    {"fault-recovered", fault_recovered},
    {"fault-recovered-raise", fault_recovered_raise},
    {"fault-recovered-inside", fault_recovered_inside},
    {"fault-repanicked", fault_repanicked},
    {"goexit-panic", goexit_panic},
    {"goexit-panic-panic", goexit_panic_panic},
    {"panic-goexit-panic", panic_goexit_panic},
    {"panic-goexit", panic_goexit},
    {"goexit-alone", bl_goexit},
    {"exit-in-defer", exit_in_defer},
    {"fatal", fatal},
    {"fatal-in-panic", fatal_in_panic},
    {"fatal-in-nested", fatal_in_nested},
    {"fatal-recovered", fatal_recovered},
    {"fatal-finished", fatal_finished},
    {"text-panics", raise_mute},
    {"text-panics-error", raise_mute_error},
    {"text-panics-named", raise_mute_value},
    {"text-panics-nested", mute_nested},
    {"text-panics-older", mute_older},
    {"text-faults", raise_mute_faults})
