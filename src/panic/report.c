/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/report.c - the last words: Go's report of panics and fatal errors.
 *
 * A crash ladder.  Step 1 prints everything; a fault or fatal error in it leads
 * to step 2, one line and the raw stack; the next to step 3, one line; then
 * silence.  The exit statuses are Go's: 2, 2, 4, 5. */
#define _GNU_SOURCE
#include "os/os.h"
#include "panic/g.h"
#include "unwind/unwind.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* step: rungs of the ladder taken so far, by the thread that holds the report;
 * any other thread that comes here waits for the process to end. */
static _Atomic int step;
static _Atomic(pthread_t) reporter;

static BL__NORETURN void
end_process(int status)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};

    if (bl__traceback == BL__TRACEBACK_CRASH) {
        sigset_t abort_only;

        sigaction(SIGABRT, &standard, NULL);
        sigemptyset(&abort_only);
        sigaddset(&abort_only, SIGABRT);
        pthread_sigmask(SIG_UNBLOCK, &abort_only, NULL);
        raise(SIGABRT);
    }
    _exit(status);
}

static void
say(const char *line)
{
    (void)!write(2, line, strlen(line));
}

static BL__NORETURN void
descend(int rung)
{
    if (rung == 1) {
        struct bl__ctx ctx;
        struct bl__rule rule;
        char buf[256];
        struct bl__text t = BL__TEXT_TO(2, buf);

        say("panic during panic\n");
        bl__here(&ctx);
        for (int i = 0; i < 50 && bl__step(&ctx, &rule); i++) {
            bl__put(&t, "\t");
            bl__put_hex(&t, BL__CTX_PC(&ctx));
            bl__put(&t, "\n");
            bl__text_flush(&t);
        }
        end_process(2);
    }
    if (rung == 2) {
        say("stack trace unavailable\n");
        _exit(4);
    }
    _exit(5);
}

bool
bl__is_reporting(void)
{
    return atomic_load(&step) > 0 && pthread_equal(atomic_load(&reporter),
                                                   pthread_self());
}

/* A fault while reporting has to reach the handler, which descends; and a report
 * that is itself made in that handler has the signals blocked. */
static void
unblock_faults(void)
{
    sigset_t faults;

    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    sigaddset(&faults, SIGFPE);
    sigaddset(&faults, SIGILL);
    pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
}

/* Returns once, to the first thread that comes. */
static void
begin(void)
{
    unblock_faults();
    if (bl__is_reporting())
        descend(atomic_fetch_add(&step, 1));
    if (atomic_fetch_add(&step, 1) > 0)
        for (;;)
            pause();
    atomic_store(&reporter, pthread_self());
}

/* --- panics -------------------------------------------------------------- */

/* Errors' texts are made by users' code, which may panic: that is fatal, and
 * says so, as Go's preprintpanics does.  Everything is turned into text before
 * anything is printed. */
static _Thread_local bool is_printing_value
    __attribute__((tls_model("initial-exec")));

/* The next older activation that is reported: one that returns after a recovery
 * is not. */
static struct bl__act *
older_reported(const struct bl__act *a)
{
    struct bl__act *x = a->link;

    while (x && x->kind == BL__ACT_RETURN)
        x = x->link;
    return x;
}

/* As Go's printpanics: oldest first. */
static void
put_panics(struct bl__text *t, const struct bl__act *a)
{
    const struct bl__act *older = older_reported(a);

    if (older) {
        put_panics(t, older);
        if (older->repanicked && older->kind == BL__ACT_PANIC)
            return;
        if (older->kind == BL__ACT_PANIC)
            bl__put(t, "\t");
    }
    if (a->kind == BL__ACT_GOEXIT)
        return;
    bl__put(t, "panic: ");
    if (a->has_text)
        bl__put_indented(t, a->info.text);
    else
        bl__put_info(t, &a->info);
    if (a->recovered && a->repanicked)
        bl__put(t, " [recovered, repanicked]");
    else if (a->recovered)
        bl__put(t, " [recovered]");
    bl__put(t, "\n");
}

/* The newest panic of a chain that is a fault's, be it raised again. */
static const struct bl__act *
newest_fault(const struct bl__act *a)
{
    while (a && !(a->kind == BL__ACT_PANIC && a->info.kind == BL_PANIC_FAULT))
        a = older_reported(a);
    return a;
}

static const char *
signal_text(int sig)
{
    switch (sig) {
    case SIGSEGV:
        return "SIGSEGV: segmentation violation";
    case SIGBUS:
        return "SIGBUS: bus error";
    case SIGFPE:
        return "SIGFPE: floating-point exception";
    default:
        return "SIGILL: illegal instruction";
    }
}

static void
put_signal(struct bl__text *t, const bl_panic_info *info)
{
    bl__put(t, "[signal ");
    bl__put(t, signal_text(info->signal));
    bl__put(t, " code=");
    bl__put_hex(t, (uint64_t)info->signal_code);
    bl__put(t, " addr=");
    bl__put_hex(t, info->address);
    bl__put(t, " pc=");
    bl__put_hex(t, info->pc);
    bl__put(t, "]\n");
}

static void
put_registers(struct bl__text *t, const struct bl__ctx *ctx)
{
    for (int i = 0; bl__reg_name(i); i++) {
        bl__put(t, bl__reg_name(i));
        for (size_t n = strlen(bl__reg_name(i)); n < 7; n++)
            bl__put_char(t, ' ');
        bl__put_hex(t, ctx->r[i]);
        bl__put(t, "\n");
    }
}

static void
mark_repanics(struct bl__act *a)
{
    struct bl__act *older;

    for (; a && (older = older_reported(a)); a = older)
        if (a->kind == BL__ACT_PANIC && older->kind == BL__ACT_PANIC &&
            bl__info_same(&a->info, &older->info))
            older->repanicked = true;
}

/* The text of an error whose own function panics.  Go's words. */
static BL__NORETURN void
bl__panicked_while_printing(const bl_panic_info *info)
{
    char buf[600];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf);

    bl__put(&t, "panic while printing panic value: ");
    if (info->kind != BL_PANIC_ERROR && info->kind != BL_PANIC_VALUE) {
        bl__put(&t, info->text);
    } else {
        bl__put(&t, "type ");
        bl__put(&t, info->text);
    }
    bl__text_flush(&t);
    bl__fatal_at(buf, NULL, NULL);
}

/* Behind g's own stack: who made it, and, if asked for or if g is NULL, the other
 * goroutines. */
static void
put_rest(struct bl__text *t, const struct bl__g *g)
{
    if (g && bl__hooks.put_creator)
        bl__hooks.put_creator(t, g);
    if ((!g || bl__traceback >= BL__TRACEBACK_ALL) && bl__hooks.put_others)
        bl__hooks.put_others(t, g);
}

/* The report is complete. */
static BL__NORETURN void
finish(struct bl__text *t)
{
    if (bl__hooks.put_end)
        bl__hooks.put_end(t);
    bl__text_flush(t);
    end_process(2);
}

void
bl__report_panic(struct bl__g *g)
{
    char buf[2048];
    struct bl__text t = BL__TEXT_TO(2, buf);
    const struct bl__act *fault = newest_fault(g->act);

    if (is_printing_value)
        bl__panicked_while_printing(&g->act->info);
    is_printing_value = true;
    g->busy = false;
    bl__make_texts(g->act);
    mark_repanics(g->act);
    is_printing_value = false;
    begin();
    put_panics(&t, g->act);
    if (fault)
        put_signal(&t, &fault->info);
    bl__text_flush(&t);
    if (bl__traceback != BL__TRACEBACK_NONE) {
        bl__put(&t, "\n");
        bl__put_header(&t, g);
        bl__put_trace(&t, &g->act->trace);
        put_rest(&t, g);
        if (g->act->is_fault) {
            bl__put(&t, "\n");
            put_registers(&t, &g->room->fault_ctx);
        }
    }
    finish(&t);
}

/* --- fatal errors -------------------------------------------------------- */

static const struct bl__act *
newest_panic(const struct bl__g *g)
{
    const struct bl__act *a = g ? g->act : NULL;

    while (a && a->kind != BL__ACT_PANIC)
        a = a->link;
    return a;
}

static BL__NORETURN void
report_fatal(const char *what, const char *detail, const struct bl__trace *trace,
             const struct bl__ctx *registers)
{
    struct bl__g *g = bl__self_or_null();
    const struct bl__act *a = newest_panic(g);
    char buf[2048];
    struct bl__text t = BL__TEXT_TO(2, buf);

    begin();
    if (a && !is_printing_value) {
        put_panics(&t, a);
        bl__put(&t, "\t");
    }
    bl__put(&t, "fatal error: ");
    bl__put(&t, what);
    if (detail) {
        bl__put(&t, "\n");
        bl__put(&t, detail);
    }
    bl__put(&t, "\n");
    if (newest_fault(a))
        put_signal(&t, &newest_fault(a)->info);
    bl__text_flush(&t);
    if (bl__traceback != BL__TRACEBACK_NONE) {
        bl__put(&t, trace ? "\n" : "");
        if (trace) {
            bl__put_header(&t, g);
            bl__put_trace(&t, trace);
        }
        put_rest(&t, trace ? g : NULL);
        if (registers) {
            bl__put(&t, "\n");
            put_registers(&t, registers);
        }
    }
    finish(&t);
}

void
bl__fatal_trace(const char *what, const char *detail, const struct bl__trace *trace)
{
    report_fatal(what, detail, trace, NULL);
}

void
bl__fatal_goroutines(const char *what)
{
    report_fatal(what, NULL, NULL, NULL);
}

void
bl__fatal_at(const char *what, const char *detail, const struct bl__ctx *ctx)
{
    struct bl__trace trace;
    struct bl__ctx here;

    if (!ctx)
        bl__here(&here);
    bl__trace_from(&trace, bl__self_or_null(), ctx ? ctx : &here);
    report_fatal(what, detail, &trace, ctx);
}

void
bl__fatal_user(const char *what)
{
    if (bl__traceback == BL__TRACEBACK_SINGLE)
        bl__traceback = BL__TRACEBACK_ALL;
    bl__fatal_at(what, NULL, NULL);
}

void
bl_fatal(const char *format, ...)
{
    char buf[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(buf, sizeof buf, format, args);
    va_end(args);
    bl__fatal_at(buf, NULL, NULL);
}

void
bl__check_failed(const char *condition, const char *file, int line)
{
    char buf[512];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf);

    bl__put(&t, file);
    bl__put(&t, ":");
    bl__put_int(&t, line);
    bl__put(&t, ": ");
    bl__put(&t, condition);
    bl__text_flush(&t);
    bl__fatal_at("belay: broken invariant", buf, NULL);
}
