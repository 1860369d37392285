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

/* --- frames -------------------------------------------------------------- */

struct frames {
    struct bl__text *t;
    uintptr_t pc;      /* being printed */
    uintptr_t function;
    bool any;          /* a frame has been printed */
    bool in_panic;     /* the last ones were Belay's own */
    bool hidden;       /* this pc belongs to Belay */
    int printed;       /* lines for this pc */
};

static bool
has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool
is_panic_entry(const char *name)
{
    return has_prefix(name, "bl_panic") || has_prefix(name, "bl_repanic") ||
           has_prefix(name, "bl__panic") || has_prefix(name, "bl__fault_entry");
}

/* What runs below main and below a thread's function; Go hides its own too. */
static bool
is_root(const char *name)
{
    static const char *const roots[] = {"__libc_start_main", "__libc_start_call_main",
                                        "__libc_start_main_impl", "_start",
                                        "start_thread", "clone3", "clone"};

    if (bl__traceback >= BL__TRACEBACK_SYSTEM)
        return false;
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (strcmp(name, roots[i]) == 0)
            return true;
    return false;
}

/* A defer block is an inlined function of the one that it stands in, which
 * follows: f's is printed as f.defer. */
static bool
is_block(const char *name)
{
    return has_prefix(name, "bl__block_");
}

/* Without what GCC appends to the parts and copies of a function. */
static void
put_name(struct bl__text *t, const char *name)
{
    static const char *const suffixes[] = {".cold", ".part.", ".constprop.", ".isra."};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const char *at = strstr(name, suffixes[i]);

        if (at && (size_t)(at - name) < n)
            n = (size_t)(at - name);
    }
    for (size_t i = 0; i < n; i++)
        bl__put_char(t, name[i]);
}

static void
put_frame(struct frames *f, const char *name, const char *suffix,
          const struct bl__line *line)
{
    struct bl__text *t = f->t;
    const char *module = line->file ? NULL : bl__module_name(f->pc, NULL);

    put_name(t, name);
    bl__put(t, suffix);
    bl__put(t, "(...)\n\t");
    bl__put(t, line->file ? line->file : module ? module : "?");
    if (line->file) {
        bl__put(t, ":");
        bl__put_int(t, line->line);
    }
    bl__put(t, " +");
    bl__put_hex(t, f->function ? f->pc - f->function : 0);
    bl__put(t, "\n");
    f->any = true;
    f->printed++;
}

/* A function may be inlined into another and the block's line has to be joined
 * with the function around it, so lines are looked at in pairs. */
struct pending {
    struct frames *f;
    struct bl__line block;
    bool has_block;
};

static void
on_line(void *arg, const struct bl__line *line)
{
    struct pending *p = arg;
    struct frames *f = p->f;

    if (!line->function)
        return;
    if (is_block(line->function)) {
        p->block = *line;
        p->has_block = true;
    } else if (is_root(line->function)) {
        f->hidden = true;
    } else if (bl__is_machinery(line->function)) {
        f->hidden = true;
        if (is_panic_entry(line->function) && !f->in_panic) {
            if (f->any)
                put_frame(f, "panic", "", line);
            f->in_panic = true;
        }
    } else {
        f->in_panic = false;
        put_frame(f, line->function, p->has_block ? ".defer" : "",
                  p->has_block ? &p->block : line);
        p->has_block = false;
    }
}

/* A frame without a name: the module and the offset in it, for addr2line.  Those
 * of the C library are its start-up code, below main: hidden as is_root's. */
static void
put_nameless(struct frames *f)
{
    uintptr_t base = 0;
    const char *module = bl__module_name(f->pc, &base);
    const char *name = module ? strrchr(module, '/') : NULL;

    if (name && has_prefix(name, "/libc.so") && bl__traceback < BL__TRACEBACK_SYSTEM)
        return;
    f->in_panic = false;
    f->any = true;
    bl__put(f->t, "?(...)\n\t");
    bl__put(f->t, module ? module : "?");
    bl__put(f->t, " +");
    bl__put_hex(f->t, f->pc - base);
    bl__put(f->t, "\n");
}

/* What is not known to libbacktrace by line is printed by symbol. */
static void
put_pc(struct frames *f, uintptr_t at)
{
    struct pending p = {.f = f};
    struct bl__line line = {NULL, NULL, 0};
    struct bl__rule rule;

    f->pc = at;
    f->function = bl__rule_find(at, &rule) ? rule.function : 0;
    f->hidden = false;
    f->printed = 0;
    bl__symbols_at(at, on_line, &p);
    if (f->printed || f->hidden)
        return;
    line.function = bl__symbol_name(at, &(uintptr_t){0});
    if (line.function)
        on_line(&p, &line);
    else
        put_nameless(f);
}

static void
put_elided(struct bl__text *t, uint32_t n)
{
    bl__put(t, "...");
    bl__put_uint(t, n);
    bl__put(t, " frames elided...\n");
}

static void
put_trace(struct frames *f, const struct bl__trace *trace)
{
    uint32_t n = trace->count, i;

    for (i = 0; i < n && i < BL__TRACE_HALF; i++)
        put_pc(f, trace->first[i] - 1);
    if (n > 2 * BL__TRACE_HALF) {
        put_elided(f->t, n - 2 * BL__TRACE_HALF);
        i = n - BL__TRACE_HALF;
    }
    for (; i < n; i++)
        if (trace->last[i % BL__TRACE_RING])
            put_pc(f, trace->last[i % BL__TRACE_RING] - 1);
}

/* Notes the frames from `from` on.  Where an activation is running deferred code
 * the frames it came from are in its own trace, as in the engine's note_older and
 * join_older. */
static void
trace_from(struct bl__trace *trace, const struct bl__ctx *from)
{
    struct bl__ctx ctx = *from;
    struct bl__rule rule;
    struct bl__g *g = bl__self_or_null();
    const struct bl__act *a = g ? g->act : NULL;

    bool noted = false;

    trace->count = 0;
    do {
        if (!noted)
            bl__trace_add(trace, bl__ctx_at(&ctx) + 1);
        noted = false;
        if (!bl__step(&ctx, &rule))
            break;
        if (!a || bl__act_mark(a) != BL__CTX_SP(&ctx))
            continue;
        if (a->kind != BL__ACT_RETURN)
            bl__trace_append(trace, &a->trace, a->trace.count);
        if (a->mode == BL__ACT_CALL) {
            ctx = *a->ctx;
            noted = a->kind != BL__ACT_RETURN;
        }
        a = a->link;
    } while (BL__CTX_PC(&ctx) != 0);
}

void
bl__put_stack(struct bl__text *t, const struct bl__ctx *from)
{
    struct bl__trace trace;
    struct frames f = {.t = t};

    trace_from(&trace, from);
    put_trace(&f, &trace);
}

static void
put_header(struct bl__text *t, const struct bl__g *g)
{
    bl__put(t, "goroutine ");
    bl__put_uint(t, g ? g->id : 0);
    bl__put(t, g && g->id == 1 ? " [running]:\n" : " [running, locked to thread]:\n");
}

size_t
bl_stack(char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    struct bl__ctx ctx;

    bl__here(&ctx);
    put_header(&t, bl__self());
    bl__put_stack(&t, &ctx);
    bl__text_flush(&t);
    return t.length < size ? t.length : size ? size - 1 : 0;
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

void
bl__report_panic(struct bl__g *g)
{
    char buf[2048];
    struct bl__text t = BL__TEXT_TO(2, buf);
    struct frames f = {.t = &t};
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
        put_header(&t, g);
        put_trace(&f, &g->act->trace);
        if (g->act->is_fault) {
            bl__put(&t, "\n");
            put_registers(&t, &g->fault_ctx);
        }
    }
    bl__text_flush(&t);
    end_process(2);
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
    struct frames f = {.t = &t};

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
        bl__put(&t, "\n");
        put_header(&t, g);
        put_trace(&f, trace);
        if (registers) {
            bl__put(&t, "\n");
            put_registers(&t, registers);
        }
    }
    bl__text_flush(&t);
    end_process(2);
}

void
bl__fatal_trace(const char *what, const char *detail, const struct bl__trace *trace)
{
    report_fatal(what, detail, trace, NULL);
}

void
bl__fatal_at(const char *what, const char *detail, const struct bl__ctx *ctx)
{
    struct bl__trace trace;
    struct bl__ctx here;

    if (!ctx)
        bl__here(&here);
    trace_from(&trace, ctx ? ctx : &here);
    report_fatal(what, detail, &trace, ctx);
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
