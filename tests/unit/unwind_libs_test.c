/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/unit/unwind_libs_test.c - our unwinder against others'.
 *
 * Without arguments: live stacks, frame by frame, against libgcc's
 * _Unwind_Backtrace and, where it is installed, libunwind.  The stacks are those
 * of unwind_frames.h at every optimisation level, of callbacks from libc, of
 * signal handlers, and of a timer that interrupts library code anywhere.
 *
 * With `rules LIBRARY`: reads addresses of that library from stdin, and prints
 * what our tables say about each, for unwind_rows.py. */
#define _GNU_SOURCE
#include "check.h"
#include "unwind/cache.h"

#include <belay/defer.h>
#include <dlfcn.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unwind.h>

enum { MAX_FRAMES = 256 };

/* What is compared: the registers that a callee has to keep. */
static const int kept[] = {
#if defined(__x86_64__)
    3, 6, 12, 13, 14, 15,
#else
    19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
#endif
};
enum { NKEPT = sizeof kept / sizeof kept[0] };

struct frame {
    uintptr_t pc, sp, r[NKEPT];
};

struct stack {
    int n;
    struct frame frames[MAX_FRAMES];
};

static long compared_libgcc, compared_libunwind, compared_fast, stacks;

/* --- the walks ------------------------------------------------------------- */

static void
record(struct frame *f, const struct bl__ctx *ctx)
{
    f->pc = BL__CTX_PC(ctx);
    f->sp = BL__CTX_SP(ctx);
    for (int i = 0; i < NKEPT; i++)
        f->r[i] = ctx->r[kept[i]];
}

static void
walk_ours(struct bl__ctx ctx, struct stack *s)
{
    struct bl__rule rule;

    for (s->n = 0; s->n < MAX_FRAMES;) {
        record(&s->frames[s->n++], &ctx);
        if (!bl__rule_find(bl__ctx_at(&ctx), &rule) || (rule.flags & BL__RULE_END))
            return;
        bl__rule_step(&rule, &ctx, bl__rule_cfa(&rule, &ctx));
        if (!BL__CTX_PC(&ctx))
            return;
    }
}

static _Unwind_Reason_Code
on_libgcc_frame(struct _Unwind_Context *context, void *p)
{
    struct stack *s = p;
    struct frame *f = &s->frames[s->n];
    int before;

    f->pc = _Unwind_GetIPInfo(context, &before);
    if (f->pc == 0) /* it reports the end of the stack as one more frame */
        return _URC_END_OF_STACK;
    s->n++;
    f->sp = _Unwind_GetCFA(context);
    for (int i = 0; i < NKEPT; i++)
        f->r[i] = _Unwind_GetGR(context, kept[i]);
    return s->n < MAX_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* libunwind, by its names in the shared library: the same as its header makes. */
static struct {
    int (*getcontext)(ucontext_t *);
    int (*init)(void *cursor, ucontext_t *);
    int (*get)(void *cursor, int reg, uintptr_t *value);
    int (*step)(void *cursor);
} lu;

static void
find_libunwind(void)
{
#if defined(__x86_64__)
    void *lib = dlopen("libunwind.so.8", RTLD_NOW);

    if (!lib)
        return;
    lu.getcontext = (int (*)(ucontext_t *))dlsym(lib, "_Ux86_64_getcontext");
    lu.init = (int (*)(void *, ucontext_t *))dlsym(lib, "_ULx86_64_init_local");
    lu.get = (int (*)(void *, int, uintptr_t *))dlsym(lib, "_ULx86_64_get_reg");
    lu.step = (int (*)(void *))dlsym(lib, "_ULx86_64_step");
    if (!lu.getcontext || !lu.init || !lu.get || !lu.step)
        lu.step = NULL;
#endif
}

static __attribute__((noinline)) void
walk_libunwind(struct stack *s, ucontext_t *context)
{
    uintptr_t cursor[256]; /* 127 words in libunwind 1.6 */

    s->n = 0;
    if (lu.init(cursor, context) < 0)
        return;
    do {
        struct frame *f = &s->frames[s->n++];

        lu.get(cursor, BL__REG_PC, &f->pc);
        lu.get(cursor, BL__REG_SP, &f->sp);
        for (int i = 0; i < NKEPT; i++)
            lu.get(cursor, kept[i], &f->r[i]);
    } while (s->n < MAX_FRAMES && lu.step(cursor) > 0);
}

/* --- comparing --------------------------------------------------------------- */

static const char *
name_of(uintptr_t pc)
{
    Dl_info info;

    return dladdr((void *)(pc - 1), &info) && info.dli_sname ? info.dli_sname : "?";
}

static void
differ(const char *where, const char *whose, int i, const struct frame *ours,
       const struct frame *theirs, const char *what)
{
    fprintf(stderr, "%s: frame %d (%s): %s differs from %s's\n", where, i,
            name_of(ours->pc), what, whose);
    fprintf(stderr, "  pc %lx %lx, sp %lx %lx\n", ours->pc, theirs->pc, ours->sp,
            theirs->sp);
    for (int k = 0; k < NKEPT; k++)
        fprintf(stderr, "  r%d %lx %lx\n", kept[k], ours->r[k], theirs->r[k]);
    _Exit(1);
}

/* Frame 0 called the two unwinders from different places. */
static long
compare(const char *where, const char *whose, const struct stack *a,
        const struct stack *b)
{
    int n = a->n < b->n ? a->n : b->n;

    for (int i = 1; i < n; i++) {
        const struct frame *x = &a->frames[i], *y = &b->frames[i];

        if (x->pc != y->pc)
            differ(where, whose, i, x, y, "pc");
        if (x->sp != y->sp)
            differ(where, whose, i, x, y, "sp");
        if (memcmp(x->r, y->r, sizeof x->r) != 0)
            differ(where, whose, i, x, y, "a saved register");
    }
    if (a->n != b->n) {
        fprintf(stderr, "%s: %d frames, %s has %d; the last is %s\n", where, a->n, whose,
                b->n, name_of(a->frames[n - 1].pc));
        _Exit(1);
    }
    return n - 1;
}

struct noted {
    int n;
    uintptr_t pc[MAX_FRAMES];
};

static void
note(void *p, uintptr_t pc)
{
    struct noted *noted = p;

    if (noted->n < MAX_FRAMES)
        noted->pc[noted->n++] = pc;
}

/* The tight loop of the walk goes over plain frames by itself: the same frames,
 * and the same registers where it stops. */
static void
compare_fast(const char *where, struct bl__ctx ctx, const struct stack *want)
{
    static struct noted noted;
    struct bl__rule rule;

    for (int at = 0; at < want->n;) {
        struct frame f;
        struct bl__hit hit = {0};

        noted.n = 0;
        if (!ctx.exact)
            hit = bl__skip_plain(&ctx, UINTPTR_MAX, note, &noted);
        for (int i = 0; i < noted.n; i++)
            CHECK_EQ(noted.pc[i], want->frames[at + i].pc);
        at += noted.n;
        compared_fast += noted.n;
        at -= hit.pad != 0; /* it has stopped at a frame that it has noted */
        if (at >= want->n)
            return;
        record(&f, &ctx);
        if (memcmp(&f, &want->frames[at], sizeof f) != 0)
            differ(where, "the slow loop", at, &f, &want->frames[at], "something");
        if (!bl__rule_get(bl__ctx_at(&ctx), &rule) || (rule.flags & BL__RULE_END))
            return;
        CHECK(!hit.pad || (hit.pad == bl__rule_pad(&rule) &&
                           hit.cfa == bl__rule_get_cfa(&rule, &ctx)));
        bl__rule_take_step(&rule, &ctx, bl__rule_get_cfa(&rule, &ctx));
        at++;
    }
}

static struct stack ours, theirs;

__attribute__((noinline)) void
observe(const char *where)
{
    ucontext_t context;
    struct bl__ctx ctx;

    bl__here(&ctx);
    walk_ours(ctx, &ours);
    theirs.n = 0;
    _Unwind_Backtrace(on_libgcc_frame, &theirs);
    compared_libgcc += compare(where, "libgcc", &ours, &theirs);
    walk_ours(ctx, &theirs); /* from the cache now */
    compare(where, "the cache", &ours, &theirs);
    compare_fast(where, ctx, &ours);
    if (lu.step) {
        lu.getcontext(&context);
        walk_libunwind(&theirs, &context);
        compared_libunwind += compare(where, "libunwind", &ours, &theirs);
    }
    stacks++;
}

/* --- the frames -------------------------------------------------------------- */

static __attribute__((noinline)) int
value(int n)
{
    __asm__ volatile("" : "+r"(n));
    return n + 1;
}

static __attribute__((noinline)) void
fill(char *p, size_t n, int with)
{
    memset(p, with, n);
    __asm__ volatile("" : : "r"(p) : "memory");
}

#define LEVEL default
#include "unwind_frames.h"

#if defined(__GNUC__) && !defined(__clang__)
#define HAS_LEVELS 1
#pragma GCC push_options
#pragma GCC optimize("O0")
#define LEVEL O0
#include "unwind_frames.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC optimize("O1", "omit-frame-pointer")
#define LEVEL O1
#include "unwind_frames.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC optimize("O2", "omit-frame-pointer")
#define LEVEL O2
#include "unwind_frames.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC optimize("O2", "no-omit-frame-pointer")
#define LEVEL O2_fp
#include "unwind_frames.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC optimize("O3", "omit-frame-pointer")
#define LEVEL O3
#include "unwind_frames.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC optimize("Os", "omit-frame-pointer")
#define LEVEL Os
#include "unwind_frames.h"
#pragma GCC pop_options
#else
#define HAS_LEVELS 0
#endif

static void
on_usr1(int signal)
{
    (void)signal;
    observe("signal handler");
}

static void
go_through_all(void)
{
    for (int n = 1; n <= 3; n++) {
        chain_default(n);
#if HAS_LEVELS
        chain_O0(n);
        chain_O1(n);
        chain_O2(n);
        chain_O2_fp(n);
        chain_O3(n);
        chain_Os(n);
#endif
    }
}

static void *
in_a_thread(void *unused)
{
    go_through_all();
    return unused;
}

/* A fault in the middle of a function: the interrupted pc is exact. */
static __attribute__((noinline)) int
load(volatile int *p)
{
    __asm__ volatile("" : "+r"(p)); /* the handler wants it in a register */
    return *p + 1;
}

static int some = 5;

static void
on_segv(int signal, siginfo_t *info, void *p)
{
    ucontext_t *uc = p;

    (void)signal;
    (void)info;
    observe("fault handler");
    /* goes on behind the fault with every register at `some` that was 0x10 */
    for (int i = 0; i < NGREG; i++)
        if (uc->uc_mcontext.gregs[i] == 0x10)
            uc->uc_mcontext.gregs[i] = (greg_t)(uintptr_t)&some;
}

/* --- interrupted anywhere ------------------------------------------------------ */

static atomic_int ticks;

static void
on_tick(int signal)
{
    (void)signal;
    ticks++;
    observe("timer");
}

static int
by_value(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}

/* Library code of all sorts, for some time. */
static void
work(void)
{
    static char text[4096];
    static long numbers[512];

    for (int i = 0; i < 512; i++)
        numbers[i] = (i * 7919L) % 1009;
    qsort(numbers, 512, sizeof numbers[0], by_value);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d %s %.17g %a", i, "words", i / 7.0, i / 3.0);
        strtod(text + 8, NULL);
        free(realloc(malloc((size_t)i * 100 + 1), (size_t)i * 200 + 1));
        getenv(text);
        (void)strftime(text, sizeof text, "%c", localtime(&(time_t){i}));
    }
}

static void
interrupt(int ms)
{
    struct itimerval every = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    struct timespec start, now;

    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &every, NULL);
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        work();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
             ms);
    setitimer(ITIMER_REAL, &never, NULL);
}

/* --- the cache under threads ---------------------------------------------------- */

enum { NLOOKUPS = 6, FEW_SLOTS = 1 };
static struct bl__rule want[NLOOKUPS];
static atomic_int go;
static atomic_long stepped;

/* plain_at is only for the slot. */
static bool
same_rule(const struct bl__rule *a, const struct bl__rule *b)
{
    return a->at == b->at && a->pad == b->pad && a->function == b->function &&
           a->cfa_offset == b->cfa_offset && a->selector == b->selector &&
           a->cfa_reg == b->cfa_reg && a->flags == b->flags && a->mask == b->mask &&
           memcmp(a->saved, b->saved, sizeof a->saved) == 0;
}

/* The tight loop over a stack of one frame that has the rule.  Every word of the
 * stack is its own number; above it pc 0 ends the walk. */
static void
step_over(const struct bl__rule *rule)
{
    uintptr_t words[512];
    struct noted one = {0};
    struct bl__ctx ctx = {0}, slowly;

    for (int i = 0; i < 512; i++)
        words[i] = (uintptr_t)i;
    ctx.r[rule->cfa_reg] = (uintptr_t)&words[256] - (uintptr_t)(intptr_t)rule->cfa_offset;
    words[255] = 0;
    BL__CTX_PC(&ctx) = rule->at + 1;
    slowly = ctx;
    bl__rule_take_step(rule, &slowly, (uintptr_t)&words[256]);
    bl__skip_plain(&ctx, UINTPTR_MAX, note, &one);
    if (one.n == 0) /* the slot was somebody else's */
        return;
    CHECK(one.n == 1 && one.pc[0] == rule->at + 1);
    CHECK(memcmp(&ctx, &slowly, sizeof ctx) == 0);
    stepped++;
}

static void *
look_up(void *seed)
{
    uint32_t x = (uint32_t)(uintptr_t)seed;

    while (!go)
        ;
    for (int i = 0; i < 1000000; i++) {
        struct bl__rule got;
        int k;

        x = x * 1664525 + 1013904223;
        k = (int)(x >> 8) % NLOOKUPS;
        CHECK(bl__rule_find(want[k].at, &got));
        CHECK(same_rule(&got, &want[k]));
        step_over(&want[k]);
    }
    return NULL;
}

/* Whether step_over can make a frame for it. */
static bool
is_plain(const struct bl__rule *rule)
{
    return rule->flags == 0 && rule->pad == 0 && rule->cfa_offset < 2000 && rule->mask;
}

/* Addresses that all belong into the same few slots, asked for by several threads:
 * slots change hands all the time, and no look-up may see half of one rule. */
static void
share_the_cache(void)
{
    pthread_t threads[4];
    uintptr_t at = (uintptr_t)qsort;

    for (int n = 0; n < NLOOKUPS; at++) {
        CHECK(at - (uintptr_t)qsort < 1 << 20); /* libc is larger than that */
        if (bl__slot_of(at) < bl__cache + FEW_SLOTS && bl__rule_find(at, &want[n]) &&
            is_plain(&want[n]))
            n++;
    }
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, look_up, (void *)(i + 1));
    go = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* --- rules LIBRARY --------------------------------------------------------------- */

/* One register, in readelf's notation; nothing for one that is as it was. */
static void
print_cell(int i, enum bl__how how, int64_t n)
{
    switch (how) {
    case BL__HOW_SAME:
    case BL__HOW_UNDEFINED:
        return;
    case BL__HOW_OFFSET:
        printf(" %d=c%+lld", i, (long long)n);
        return;
    case BL__HOW_VAL_OFFSET:
        printf(" %d=v%+lld", i, (long long)n);
        return;
    case BL__HOW_REGISTER:
        printf(" %d=%lld", i, (long long)n);
        return;
    case BL__HOW_EXPR:
        printf(" %d=exp", i);
        return;
    case BL__HOW_VAL_EXPR:
        printf(" %d=vexp", i);
        return;
    }
}

static void
print_row(const struct bl__row *row)
{
    if (row->cfa_expr)
        printf(" cfa=exp");
    else
        printf(" cfa=%d%+lld", (int)row->cfa_reg, (long long)row->cfa_offset);
    for (int i = 0; i < BL__NREGS; i++)
        print_cell(i, (enum bl__how)row->reg[i].how, row->reg[i].n);
}

/* A compact rule says the same in fewer bytes. */
static void
print_rule(const struct bl__rule *rule)
{
    if (rule->flags & BL__RULE_SLOW) {
        printf(" slow");
        return;
    }
    printf(" cfa=%d%+lld", rule->cfa_reg, (long long)rule->cfa_offset);
    for (int i = 0; i < BL__NSAVED; i++)
        if (rule->mask & (UINT32_C(1) << i))
            print_cell(bl__saved_regs[i], BL__HOW_OFFSET, rule->saved[i] * 8);
    if (!BL__RA_IN_REGISTER)
        print_cell(BL__REG_RA, BL__HOW_OFFSET, -8);
}

static int
print_rules(const char *library)
{
    struct link_map *map = dlopen(library, RTLD_LAZY);
    unsigned long vaddr;

    if (!map) {
        fprintf(stderr, "%s\n", dlerror());
        return 77;
    }
    while (scanf("%lx", &vaddr) == 1) {
        struct bl__fde fde;
        struct bl__row row;
        struct bl__rule rule;
        uintptr_t at = map->l_addr + vaddr;

        if (!bl__fde_find(at, &fde)) {
            printf("%lx none\n", vaddr);
            continue;
        }
        printf("%lx %lx-%lx", vaddr, fde.start - map->l_addr, fde.end - map->l_addr);
        if (bl__row_at(&fde, at, &row))
            print_row(&row);
        if (bl__rule_find(at, &rule)) {
            printf(" |");
            print_rule(&rule);
        }
        printf("\n");
    }
    return 0;
}

int
main(int argc, char **argv)
{
    struct sigaction segv = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    pthread_t thread;

    if (argc == 3 && strcmp(argv[1], "rules") == 0)
        return print_rules(argv[2]);
    find_libunwind();
    signal(SIGUSR1, on_usr1);
    go_through_all();
    CHECK_EQ(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    sigaction(SIGSEGV, &segv, NULL);
    CHECK_EQ(load((volatile int *)0x10), 6);
    interrupt(1500);
    share_the_cache();
    fprintf(stderr, "%ld stacks (%d by timer); frames: libgcc %ld, libunwind %ld, "
                    "fast loop %ld\n",
            stacks, (int)ticks, compared_libgcc, compared_libunwind, compared_fast);
    CHECK(ticks > 100);
    CHECK(stepped > 1000);
    CHECK(compared_libgcc > 5000);
    CHECK(compared_fast > 5000);
    return 0;
}
