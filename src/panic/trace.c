/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/trace.c - stacks as text: which frames there are, and how one is printed.
 *
 *     copy_file(...)
 *     	/home/me/copy.c:12 +0x1d
 *
 * Belay's own frames are left out, but for the place where a panic was raised
 * between two of users' (`panic(...)`), as Go does. */
#define _GNU_SOURCE
#include "panic/g.h"
#include "unwind/unwind.h"

#include <string.h>

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

/* Belay's own, which reports leave out.  Its static functions have no prefix: their
 * files lie where this one does.  Level system shows them, as Go's. */
static bool
is_own(const struct bl__line *line)
{
    enum { FOLDER = sizeof __FILE__ - sizeof "panic/trace.c" };

    if (bl__is_machinery(line->function))
        return true;
    return line->file && bl__traceback < BL__TRACEBACK_SYSTEM &&
           strncmp(line->file, __FILE__, FOLDER) == 0;
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
    struct bl__module module;

    put_name(t, name);
    bl__put(t, suffix);
    bl__put(t, "(...)\n\t");
    if (line->file)
        bl__put(t, line->file);
    else
        bl__put(t, bl__module_at(f->pc, &module) ? module.name : "?");
    bl__put(t, ":"); /* line 0 is better than none to those who read Go's reports */
    bl__put_int(t, line->file ? line->line : 0);
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
    } else if (is_own(line)) {
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
    struct bl__module module;
    bool is_known = bl__module_at(f->pc, &module);
    const char *name = is_known ? strrchr(module.name, '/') : NULL;

    if (name && has_prefix(name, "/libc.so") && bl__traceback < BL__TRACEBACK_SYSTEM)
        return;
    f->in_panic = false;
    f->any = true;
    bl__put(f->t, "?(...)\n\t");
    bl__put(f->t, is_known ? module.name : "?");
    bl__put(f->t, ":0 +");
    bl__put_hex(f->t, f->pc - (is_known ? module.base : 0));
    bl__put(f->t, "\n");
}

/* What is not known to libbacktrace by line is printed by symbol. */
static void
put_pc(struct frames *f, uintptr_t at)
{
    struct pending p = {.f = f};
    struct bl__line line = {NULL, NULL, 0};
    struct bl__symbol symbol;

    f->pc = at;
    f->function = bl__function_at(at);
    f->hidden = false;
    f->printed = 0;
    bl__symbols_at(at, on_line, &p);
    if (f->printed || f->hidden)
        return;
    if (!bl__symbol_at(at, &symbol)) {
        put_nameless(f);
        return;
    }
    line.function = symbol.name;
    on_line(&p, &line);
}

static void
put_elided(struct bl__text *t, uint32_t n)
{
    bl__put(t, "...");
    bl__put_uint(t, n);
    bl__put(t, " frames elided...\n");
}

/* Not what all goroutines begin with. */
static void
on_own(void *arg, const struct bl__line *line)
{
    struct frames *f = arg;

    if (!f->any && line->function && !has_prefix(line->function, "bl__") &&
        !is_root(line->function))
        put_frame(f, line->function, "", line);
}

/* A function whose last call is Belay's has left its frame to that: then there is nothing
 * but Belay's own.  The call is shown, as no stack is empty in Go's reports either. */
static void
put_own(struct frames *f, const struct bl__trace *trace)
{
    for (uint32_t i = trace->count; i > 0 && !f->any; i--) {
        uint32_t k = i - 1;
        uintptr_t pc = k < BL__TRACE_HALF ? trace->first[k] : trace->last[k % BL__TRACE_RING];

        f->pc = pc - 1;
        f->function = bl__function_at(f->pc);
        bl__symbols_at(f->pc, on_own, f);
    }
    if (!f->any)
        bl__put(f->t, "?(...)\n\t?:0\n");
}

void
bl__put_trace(struct bl__text *t, const struct bl__trace *trace)
{
    struct frames frames = {.t = t}, *f = &frames;
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
    if (!f->any)
        put_own(f, trace);
}

void
bl__put_pending(struct bl__text *t, const struct bl__site *site, uint64_t times)
{
    bl__put(t, "pending defer in ");
    bl__put(t, site->function);
    if (times > 1) {
        bl__put(t, ", ");
        bl__put_uint(t, times);
        bl__put(t, " times");
    }
    bl__put(t, ": ");
    for (const char *s = site->callee; *s; s++)
        if (*s != '(' && *s != ')') /* (*p->f): parsers count them */
            bl__put_char(t, *s);
    bl__put(t, "(...)\n\t");
    bl__put(t, site->file);
    bl__put(t, ":");
    bl__put_int(t, site->line);
    bl__put(t, "\n");
}

/* Notes the frames of g from `from` on.  Where an activation is running deferred code
 * the frames it came from are in its own trace, as in the engine's note_older and
 * join_older. */
void
bl__trace_from(struct bl__trace *trace, const struct bl__g *g,
               const struct bl__ctx *from)
{
    struct bl__ctx ctx = *from;
    struct bl__rule rule;
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
bl__put_stack(struct bl__text *t, const struct bl__g *g, const struct bl__ctx *from)
{
    struct bl__trace trace;

    bl__trace_from(&trace, g, from);
    bl__put_trace(t, &trace);
}

void
bl__put_header(struct bl__text *t, const struct bl__g *g)
{
    bl__put(t, "goroutine ");
    bl__put_uint(t, g ? g->id : 0);
    bl__put(t, " [");
    if (g && bl__hooks.put_state)
        bl__hooks.put_state(t, g);
    else
        bl__put(t, g && g->id == 1 ? "running" : "running, locked to thread");
    bl__put(t, "]:\n");
}

/* `created by main.f in goroutine 1`: put_frame with words around the name. */
struct around {
    struct bl__text *t;
    const char *before, *behind;
    uintptr_t pc;
    bool done;
};

static void
on_creator(void *arg, const struct bl__line *line)
{
    struct around *c = arg;
    uintptr_t start = bl__function_at(c->pc);

    if (c->done || !line->function || is_own(line) ||
        is_block(line->function))
        return;
    c->done = true;
    bl__put(c->t, c->before);
    put_name(c->t, line->function);
    bl__put(c->t, c->behind);
    bl__put(c->t, "\n\t");
    bl__put(c->t, line->file ? line->file : "?");
    bl__put(c->t, ":");
    bl__put_int(c->t, line->file ? line->line : 0);
    bl__put(c->t, " +");
    bl__put_hex(c->t, start ? c->pc - start : 0);
    bl__put(c->t, "\n");
}

void
bl__put_frame(struct bl__text *t, const char *before, uintptr_t pc, const char *behind)
{
    struct around c = {t, before, behind, pc, false};
    struct bl__line line = {NULL, NULL, 0};
    struct bl__symbol symbol;

    bl__symbols_at(pc, on_creator, &c);
    if (c.done)
        return;
    line.function = bl__symbol_at(pc, &symbol) ? symbol.name : "?";
    on_creator(&c, &line);
}

size_t
bl_stack(char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    struct bl__ctx ctx;
    struct bl__g *g = bl__self();

    bl__here(&ctx);
    bl__put_header(&t, g);
    bl__put_stack(&t, g, &ctx);
    if (bl__hooks.put_creator)
        bl__hooks.put_creator(&t, g);
    bl__text_flush(&t);
    return t.length < size ? t.length : size ? size - 1 : 0;
}
