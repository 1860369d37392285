/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/main.c - which tests there are, what the command line asks for. */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { PASSED = 0, FAILED = 1, USAGE = 2 };

struct bl__kit_options bl__kit_options = {
    .count = 1,
    .parallel = 1,
    .timeout_ns = (int64_t)60 * 1000000000,
};

static bl__test_case *tests;
static size_t ntests;

int64_t
bl__kit_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Behind those of its file that stand above it. */
void
bl__test_add(bl__test_case *c)
{
    bl__test_case **place = &tests;
    bool seen = false;

    for (; *place; place = &(*place)->next) {
        bool same = strcmp((*place)->file, c->file) == 0;

        if ((seen && !same) || (same && (*place)->line > c->line))
            break;
        seen = seen || same;
    }
    c->next = *place;
    *place = c;
    ntests++;
}

/* --- the command line ------------------------------------------------------------- */

static const char help[] =
    "usage: %s [OPTION...]\n"
    "Runs the tests in this program, each in a process of its own.\n"
    "\n"
    "  -run REGEX       those whose name matches; a/b: and the parts that match b\n"
    "  -glob GLOB       the same with a shell's pattern for the whole of each part\n"
    "  -skip REGEX      not those\n"
    "  -list            print their names, and run nothing\n"
    "  -v               print passed tests, their logs and output too\n"
    "  -tap             print TAP version 14\n"
    "  -junit FILE      write JUnit's XML to FILE as well\n"
    "  -count N         run each N times (1)\n"
    "  -shuffle on|N    in random order; N: the one with that seed\n"
    "  -seed N          bl_test_random() begins there\n"
    "  -parallel N      so many at the same time (1); 0: one for each CPU\n"
    "  -timeout TIME    kill a test that takes longer (60s); 0: never\n"
    "  -failfast        start no other test when one has failed\n"
    "  -color WHEN      auto (on a terminal), always or never\n"
    "  -help            print this\n"
    "\n"
    "-option=VALUE and --option are the same.  TIME is a number and ms, s, m or h.\n"
    "Status: 0 all passed or were skipped, 1 one has failed, 2 wrong usage, or no\n"
    "test to run.\n";

static BL_NORETURN BL_PRINTF(1, 2) void
refuse(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (-help lists the options)\n");
    exit(USAGE);
}

static uint64_t
number(const char *option, const char *s, uint64_t greatest)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(s, &end, 0);
    if (*s < '0' || *s > '9' || *end || errno || n > greatest)
        refuse("-%s %s: not a number from 0 to %llu", option, s,
               (unsigned long long)greatest);
    return n;
}

static int64_t
duration(const char *option, const char *s)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    char *end;
    double n = strtod(s, &end);

    if (strcmp(s, "0") == 0)
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end > s && n > 0 && n < 1e6 && strcmp(end, units[i].unit) == 0)
            return (int64_t)(n * units[i].ns);
    refuse("-%s %s: not a time, such as 500ms, 10s or 2m", option, s);
}

static enum bl__kit_color
color(const char *s)
{
    if (strcmp(s, "always") == 0)
        return BL__COLOR_ALWAYS;
    if (strcmp(s, "never") == 0)
        return BL__COLOR_NEVER;
    if (strcmp(s, "auto") != 0)
        refuse("-color %s: not auto, always or never", s);
    return BL__COLOR_AUTO;
}

/* Options without a value.  Returns false if it is not one. */
static bool
set_switch(const char *name)
{
    struct bl__kit_options *o = &bl__kit_options;
    struct {
        const char *name;
        bool *set;
    } switches[] = {
        {"list", &o->list}, {"v", &o->verbose}, {"tap", &o->tap}, {"failfast", &o->fail_fast},
    };

    if (strcmp(name, "help") == 0 || strcmp(name, "h") == 0) {
        printf(help, program_invocation_short_name);
        exit(PASSED);
    }
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (strcmp(name, switches[i].name) == 0)
            return *switches[i].set = true;
    return false;
}

static void
shuffle_with(const char *value)
{
    struct bl__kit_options *o = &bl__kit_options;

    o->shuffle = strcmp(value, "off") != 0;
    if (o->shuffle && strcmp(value, "on") != 0)
        o->shuffle_seed = number("shuffle", value, UINT64_MAX);
}

static void
set_value(const char *name, const char *value)
{
    struct bl__kit_options *o = &bl__kit_options;

    if (strcmp(name, "run") == 0)
        o->run = value;
    else if (strcmp(name, "skip") == 0)
        o->skip = value;
    else if (strcmp(name, "glob") == 0)
        o->glob = value;
    else if (strcmp(name, "junit") == 0)
        o->junit = value;
    else if (strcmp(name, "count") == 0)
        o->count = (long)number(name, value, 1000000);
    else if (strcmp(name, "parallel") == 0)
        o->parallel = (long)number(name, value, 1000);
    else if (strcmp(name, "seed") == 0)
        o->seed = number(name, value, UINT64_MAX);
    else if (strcmp(name, "timeout") == 0)
        o->timeout_ns = duration(name, value);
    else if (strcmp(name, "color") == 0)
        o->color = color(value);
    else if (strcmp(name, "shuffle") == 0)
        shuffle_with(value);
}

static bool
takes_value(const char *name)
{
    static const char *const names[] = {"run",  "skip",    "glob",  "junit",   "count",
                                        "seed", "timeout", "color", "shuffle", "parallel"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void
read_options(int argc, char **argv)
{
    char name[32];

    for (int i = 1; i < argc; i++) {
        const char *s = argv[i], *value;
        size_t n;

        if (s[0] != '-' || !s[1])
            refuse("%s: not an option", s);
        s += 1 + (s[1] == '-');
        value = strchr(s, '=');
        n = value ? (size_t)(value++ - s) : strlen(s);
        if (n >= sizeof name)
            refuse("%s: no such option", argv[i]);
        memcpy(name, s, n);
        name[n] = '\0';
        if (takes_value(name)) {
            if (!value && ++i == argc)
                refuse("-%s needs a value", name);
            set_value(name, value ? value : argv[i]);
        } else if (value || !set_switch(name)) {
            refuse("%s: no such option", argv[i]);
        }
    }
}

/* --- in which order --------------------------------------------------------------- */

static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void
shuffle(struct bl__kit_result **all, size_t n, uint64_t seed)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(next_random(&seed) % i);
        struct bl__kit_result *r = all[i - 1];

        all[i - 1] = all[k];
        all[k] = r;
    }
}

/* Those that are asked for, as often as that; *n is how many. */
static struct bl__kit_result **
choose(size_t *n)
{
    const struct bl__kit_options *o = &bl__kit_options;
    struct bl__kit_result **all = calloc(ntests * (size_t)o->count + 1, sizeof *all);

    if (!all)
        refuse("out of memory");
    *n = 0;
    for (long i = 0; i < o->count; i++)
        for (const bl__test_case *c = tests; c; c = c->next) {
            if (!bl__kit_filter_selects(c->name))
                continue;
            all[*n] = bl__kit_result_new(c->name, NULL);
            all[(*n)++]->test = c;
        }
    return all;
}

static void
print_list(void)
{
    for (const bl__test_case *c = tests; c; c = c->next)
        if (bl__kit_filter_selects(c->name))
            printf("%s\n", c->name);
}

int
bl_test_main(int argc, char **argv)
{
    struct bl__kit_options *o = &bl__kit_options;
    static struct bl__kit_result **all; /* static: no leak when the program ends */
    int64_t began = bl__kit_now();
    const char *error;
    int failed = 0;
    size_t n;

    if (getrandom(&o->seed, sizeof o->seed, GRND_NONBLOCK) < 0)
        o->seed = (uint64_t)began;
    o->seed >>= 32; /* short enough to be typed */
    o->shuffle_seed = o->seed;
    read_options(argc, argv);
    if ((error = bl__kit_filter_init(o)))
        refuse("%s", error);
    if (o->list) {
        print_list();
        return PASSED;
    }
    if (o->parallel == 0)
        o->parallel = bl_num_cpu();
    all = choose(&n);
    if (o->shuffle)
        shuffle(all, n, o->shuffle_seed);
    bl__kit_report_begin(n);
    bl__kit_run_all(all, n);
    if (!bl__kit_report_end(all, n, bl__kit_now() - began))
        return USAGE;
    for (size_t i = 0; i < n; i++)
        failed += all[i]->status == BL__TEST_FAILED;
    return n == 0 ? USAGE : failed ? FAILED : PASSED;
}
