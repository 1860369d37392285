/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/test.c - a test while it runs, in its own process: parts, logs, clean-up.
 *
 * A test and its parts run in a goroutine each; the one that started a part waits for it.
 * What is noted goes to the runner at once, so that a crash loses nothing. */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct cleanup {
    struct cleanup *next;
    void (*f)(void *arg);
    void *arg;
};

struct bl_test {
    const char *name;           /* "a/b" */
    struct bl_test *parent;     /* NULL: the whole test */
    void (*f)(bl_test *t, void *arg);
    void *arg;
    struct cleanup *cleanups;   /* newest first; protected by lock */
    struct part {
        struct part *next;
        char *name;
    } *parts;                   /* names that have been given; its goroutine's */
    char *temp_dir;             /* NULL: none yet */
    uint64_t random;            /* state; protected by lock */
    uint32_t number;            /* in events */
    int64_t began;
    bool used_random;
    bool returned;              /* f has, or bl__test_stop() was called */
    bl_waitgroup ended;
    _Atomic bool failed, skipped;
};

static int event_fd = -1;
static struct bl__kit_shared *shared;
static char lock; /* of events, and what is said to be protected by it */

static void
lock_it(void)
{
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void
unlock_it(void)
{
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* Memory of the kit's own, which neither fails nor counts as the test's. */
static void *
get(size_t n)
{
    void *p;

    bl__watch_quiet++;
    p = calloc(1, n);
    bl__watch_quiet--;
    if (!p)
        bl_fatal("belay: test kit: out of memory");
    return p;
}

static void
put(void *p)
{
    bl__watch_quiet++;
    free(p);
    bl__watch_quiet--;
}

static BL_PRINTF(1, 0) char *
text_of(const char *format, va_list args)
{
    char *s;
    int n;

    bl__watch_quiet++;
    n = vasprintf(&s, format, args);
    bl__watch_quiet--;
    if (n < 0)
        bl_fatal("belay: test kit: out of memory");
    return s;
}

static BL_PRINTF(1, 2) char *
make_text(const char *format, ...)
{
    va_list args;
    char *s;

    va_start(args, format);
    s = text_of(format, args);
    va_end(args);
    return s;
}

/* --- telling the runner ----------------------------------------------------------- */

static void
tell(struct bl__kit_event e, const char *text)
{
    struct iovec parts[2] = {{&e, sizeof e}, {(void *)text, e.length}};
    size_t left = sizeof e + e.length;
    ssize_t n;

    lock_it();
    bl__watch_quiet++;
    while (left > 0) {
        n = writev(event_fd, parts, 2);
        if (n < 0 && errno != EINTR)
            break; /* nobody listens */
        for (size_t i = 0, used = n > 0 ? (size_t)n : 0; i < 2; i++) {
            size_t taken = used < parts[i].iov_len ? used : parts[i].iov_len;

            parts[i].iov_base = (char *)parts[i].iov_base + taken;
            parts[i].iov_len -= taken;
            used -= taken;
            left -= taken;
        }
    }
    bl__watch_quiet--;
    unlock_it();
}

static void
tell_text(const bl_test *t, enum bl__kit_event_kind kind, const char *text)
{
    tell((struct bl__kit_event){.kind = kind,
                                .test = t->number,
                                .value = t->parent ? t->parent->number : 0,
                                .length = (uint32_t)strlen(text)},
         text);
}

void
bl__test_say(bl_test *t, enum bl__test_says what, const char *file, int line,
             const char *format, ...)
{
    const char *slash = strrchr(file, '/');
    char *text, *whole;
    va_list args;

    va_start(args, format);
    text = text_of(format, args);
    va_end(args);
    whole = make_text("%s:%d: %s", slash ? slash + 1 : file, line, text);
    tell_text(t, what == BL__TEST_LOG ? BL__EVENT_LOG : BL__EVENT_ERROR, whole);
    if (what == BL__TEST_ERROR)
        t->failed = true;
    put(whole);
    put(text);
}

void
bl__kit_doing(const char *format, ...)
{
    va_list args;

    if (!shared)
        return;
    shared->doing[0] = '\0';
    if (!format)
        return;
    va_start(args, format);
    vsnprintf(shared->doing, sizeof shared->doing, format, args);
    va_end(args);
}

void
bl__kit_be_silent(void)
{
    close(event_fd);
    event_fd = -1;
    shared = NULL;
    lock = 0;
}

/* --- a test's life ---------------------------------------------------------------- */

static void
run_cleanups(bl_test *t)
{
    struct cleanup *c;

    for (;;) {
        lock_it();
        c = t->cleanups;
        t->cleanups = c ? c->next : NULL;
        unlock_it();
        if (!c)
            return;
        c->f(c->arg);
        put(c);
    }
}

/* What has to be known to have the same run again. */
static void
tell_seeds(const bl_test *t)
{
    uint64_t seed, hash;
    char *text;

    if (t->used_random) {
        text = make_text("bl_test_random(): -seed %llu",
                         (unsigned long long)bl__kit_options.seed);
        tell_text(t, BL__EVENT_LOG, text);
        put(text);
    }
    if (!t->parent && bl__sched_trace(&seed, &hash)) {
        text = make_text("BELAYDEBUG=schedseed=%llu, schedule 0x%llx",
                         (unsigned long long)seed, (unsigned long long)hash);
        tell_text(t, BL__EVENT_LOG, text);
        put(text);
    }
}

static void
tell_end(bl_test *t)
{
    enum bl__kit_status status = t->failed    ? BL__TEST_FAILED
                                 : t->skipped ? BL__TEST_SKIPPED
                                              : BL__TEST_PASSED;

    if (t->failed)
        tell_seeds(t);
    if (t->failed && t->parent)
        t->parent->failed = true;
    tell((struct bl__kit_event){.kind = BL__EVENT_END,
                                .test = t->number,
                                .value = status,
                                .ns = bl__kit_now() - t->began},
         "");
}

/* The deferred end of every test: however f was left.  Behind a panic comes the end of
 * the process, so nobody is told to go on. */
static void
finish(bl_test *t)
{
    bool panics = !t->returned && bl__is_panicking();

    if (!t->returned) {
        t->failed = true;
        tell_text(t, BL__EVENT_ERROR,
                  panics ? "the test panicked" : "the test was left by bl_goexit()");
    }
    run_cleanups(t);
    while (t->parts) {
        struct part *p = t->parts;

        t->parts = p->next;
        put(p->name);
        put(p);
    }
    tell_end(t);
    if (!panics)
        bl_waitgroup_done(&t->ended);
}

static void
run_test(bl_test *t)
{
    bl_returns_nothing {
        bl_defer_call(finish, t);
        t->f(t, t->arg);
        t->returned = true;
    }
}

static void
begin(bl_test *t)
{
    static _Atomic uint32_t last;

    t->number = t->parent ? ++last : 0;
    t->began = bl__kit_now();
    t->random = bl__kit_options.seed;
    for (const char *s = t->name; *s; s++)
        t->random = (t->random ^ (unsigned char)*s) * 0x100000001b3;
    tell_text(t, BL__EVENT_BEGIN, t->name);
}

/* Runs t in a goroutine of its own, and waits for its end. */
static void
run(bl_test *t)
{
    begin(t);
    bl_waitgroup_add(&t->ended, 1);
    bl_go(run_test, t);
    bl_waitgroup_wait(&t->ended);
}

static void
run_case(bl_test *t, void *arg)
{
    const bl__test_case *c = arg;

    c->f(t);
}

void
bl__kit_child(const bl__test_case *c, int events, struct bl__kit_shared *page)
{
    bl_test t = {.name = c->name, .f = run_case, .arg = (void *)c};

    event_fd = events;
    shared = page;
    run(&t);
    exit(0);
}

void
bl__test_stop(bl_test *t, bool skipped)
{
    if (skipped)
        t->skipped = true;
    t->returned = true;
    bl_goexit();
}

/* --- parts ------------------------------------------------------------------------ */

static bool
is_given(const bl_test *t, const char *name)
{
    for (const struct part *p = t->parts; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return true;
    return false;
}

/* The name of a part: no blanks, and not one that t has given already. */
static char *
part_name(bl_test *t, const char *name)
{
    char *whole = make_text("%s/%s", t->name, name && *name ? name : "#00");
    char *unique = make_text("%s", whole);
    struct part *p = get(sizeof *p);

    for (char *s = whole; *s; s++)
        if (*s == ' ' || *s == '\t' || *s == '\n')
            *s = '_';
    strcpy(unique, whole);
    for (int n = 1; is_given(t, unique); n++) {
        put(unique);
        unique = make_text("%s#%02d", whole, n);
    }
    put(whole);
    p->name = unique;
    p->next = t->parts;
    t->parts = p;
    return unique;
}

bool
bl_test_run(bl_test *t, const char *name, void (*f)(bl_test *t, void *arg), void *arg)
{
    bl_test part = {.name = part_name(t, name), .parent = t, .f = f, .arg = arg};

    if (!bl__kit_filter_selects(part.name))
        return true;
    run(&part);
    return !part.failed;
}

void
bl__test_each(bl_test *t, void *rows, size_t count, size_t size,
              void (*f)(bl_test *t, void *row))
{
    for (size_t i = 0; i < count; i++) {
        char *row = (char *)rows + i * size;

        bl_test_run(t, *(const char **)(void *)row, f, row);
    }
}

struct in_bubble {
    bl_test *t;
    void (*f)(bl_test *t, void *arg);
    void *arg;
    bool stopped;
};

/* bl_test_fatal() in a bubble ends the bubble's goroutine first, then the test's. */
static void
note_stop(struct in_bubble *b)
{
    b->stopped = b->t->returned;
}

static void
run_in_bubble(void *arg)
{
    struct in_bubble *b = arg;

    bl_returns_nothing {
        bl_defer_call(note_stop, b);
        b->f(b->t, b->arg);
    }
}

void
bl_test_bubble(bl_test *t, void (*f)(bl_test *t, void *arg), void *arg)
{
    struct in_bubble b = {t, f, arg, false};

    bl_bubble(run_in_bubble, &b);
    if (b.stopped)
        bl_goexit();
}

/* --- what a test asks for ----------------------------------------------------------- */

void
bl_test_cleanup(bl_test *t, void (*f)(void *arg), void *arg)
{
    struct cleanup *c = get(sizeof *c);

    c->f = f;
    c->arg = arg;
    lock_it();
    c->next = t->cleanups;
    t->cleanups = c;
    unlock_it();
}

static int
remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void
remove_dir(void *path)
{
    bl__watch_quiet++;
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    bl__watch_quiet--;
    put(path);
}

const char *
bl_test_temp_dir(bl_test *t)
{
    const char *where = getenv("TMPDIR");

    if (t->temp_dir)
        return t->temp_dir;
    t->temp_dir = make_text("%s/belay-test-XXXXXX", where && *where ? where : "/tmp");
    if (!mkdtemp(t->temp_dir))
        bl_panic("bl_test_temp_dir: %s: %s", t->temp_dir, strerror(errno));
    bl_test_cleanup(t, remove_dir, t->temp_dir);
    return t->temp_dir;
}

const char *
bl_test_name(const bl_test *t)
{
    return t->name;
}

bool
bl_test_failed(const bl_test *t)
{
    return t->failed;
}

uint64_t
bl_test_random(bl_test *t)
{
    uint64_t z;

    lock_it();
    t->used_random = true;
    z = t->random += 0x9e3779b97f4a7c15;
    unlock_it();
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
