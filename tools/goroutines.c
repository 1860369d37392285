/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* goroutines.c - belay goroutines: those that are at the same place are one group. */
#define _GNU_SOURCE
#include "stacks.h"

#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { IDS = 10 };

static const char *state, *focus, *ignore;
static int minutes, limit;
static bool all_ids, leaks;

static const struct option options[] = {
    {"state", OPTION_TEXT, &state, "REGEX", "only those in such a state"},
    {"focus", OPTION_TEXT, &focus, "REGEX", "only those with such a function or file"},
    {"ignore", OPTION_TEXT, &ignore, "REGEX", "none with such a function or file"},
    {"minutes", OPTION_NUMBER, &minutes, "N", "only those that have waited so long"},
    {"leaks", OPTION_FLAG, &leaks, NULL, "only those that nothing will ever wake"},
    {"n", OPTION_NUMBER, &limit, "N", "the first N groups only"},
    {"ids", OPTION_FLAG, &all_ids, NULL, "all ids, however many"},
    {0},
};

struct group {
    const struct goroutine *first;
    uint64_t *ids;
    uint32_t count, room;
    int least, most; /* minutes */
};

struct groups {
    struct group *all;
    uint32_t count, goroutines;
    struct table table;
    struct bytes key;
};

/* --- filters --------------------------------------------------------------------------- */

struct filter {
    const char *option, *expression;
    regex_t re;
    bool is_on;
};

static struct filter filters[3];

static bool
compile(struct filter *f, const char *option, const char *expression)
{
    f->is_on = expression;
    if (!expression || regcomp(&f->re, expression, REG_EXTENDED | REG_NOSUB) == 0)
        return true;
    f->is_on = false;
    tool_error("-%s: '%s' is not a regular expression", option, expression);
    return false;
}

static bool
compile_all(void)
{
    return compile(&filters[0], "state", state) && compile(&filters[1], "focus", focus) &&
           compile(&filters[2], "ignore", ignore);
}

static void
free_filters(void)
{
    for (int i = 0; i < 3; i++)
        if (filters[i].is_on)
            regfree(&filters[i].re);
}

static bool
frame_matches(const struct stack_frame *frame, const regex_t *re)
{
    return frame->function && (regexec(re, frame->function, 0, NULL, 0) == 0 ||
                               regexec(re, frame->place, 0, NULL, 0) == 0);
}

static bool
any_frame_matches(const struct goroutine *g, const regex_t *re)
{
    for (uint32_t i = 0; i < g->nframes; i++)
        if (frame_matches(&g->frames[i], re))
            return true;
    return frame_matches(&g->creator, re);
}

static bool
is_wanted(const struct goroutine *g)
{
    return g->minutes >= minutes && (!leaks || strstr(g->state, "(leaked)")) &&
           (!filters[0].is_on || regexec(&filters[0].re, g->state, 0, NULL, 0) == 0) &&
           (!filters[1].is_on || any_frame_matches(g, &filters[1].re)) &&
           (!filters[2].is_on || !any_frame_matches(g, &filters[2].re));
}

/* --- groups ----------------------------------------------------------------------------- */

static void
put_key(struct bytes *key, const struct stack_frame *frame)
{
    bytes_add(key, frame->function, strlen(frame->function) + 1);
    bytes_add(key, frame->place, strlen(frame->place) + 1);
}

/* All that makes a group but the ids and the waiting. */
static uint32_t
group_of(struct groups *all, const struct goroutine *g)
{
    struct bytes *key = &all->key;

    key->size = 0;
    bytes_add(key, g->state, strlen(g->state) + 1);
    bytes_add(key, &g->is_locked, 1);
    for (uint32_t i = 0; i < g->nframes; i++)
        put_key(key, &g->frames[i]);
    if (g->creator.function)
        put_key(key, &g->creator);
    return table_add(&all->table, key->data, key->size);
}

static void
add(struct groups *all, const struct goroutine *g)
{
    uint32_t number = group_of(all, g);
    struct group *group;

    if (number == all->count) {
        if ((all->count & (all->count - 1)) == 0) /* 0 or a power of two: full */
            all->all = memory_resize(all->all, all->count ? all->count * 2 : 1,
                                     sizeof *all->all);
        all->all[all->count++] =
            (struct group){.first = g, .least = g->minutes, .most = g->minutes};
    }
    group = &all->all[number];
    if (group->count == group->room) {
        group->room = group->room ? group->room * 2 : 4;
        group->ids = memory_resize(group->ids, group->room, sizeof *group->ids);
    }
    group->ids[group->count++] = g->id;
    group->least = g->minutes < group->least ? g->minutes : group->least;
    group->most = g->minutes > group->most ? g->minutes : group->most;
    all->goroutines++;
}

/* The largest first; of equals, the one that has waited longest, then the first. */
static int
compare_groups(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->most != y->most)
        return x->most > y->most ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

static int
compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* --- printing ----------------------------------------------------------------------------- */

/* "7, 19-48", and no more than that unless asked. */
static void
print_ids(struct group *group)
{
    uint32_t printed = 0;

    qsort(group->ids, group->count, sizeof *group->ids, compare_ids);
    for (uint32_t i = 0, n; i < group->count; i += n, printed++) {
        if (printed == IDS && !all_ids) {
            printf(", and %" PRIu32 " more", group->count - i);
            break;
        }
        for (n = 1; i + n < group->count && group->ids[i + n] == group->ids[i] + n; n++)
            continue;
        printf("%s%" PRIu64, i ? ", " : " ", group->ids[i]);
        if (n > 1)
            printf("-%" PRIu64, group->ids[i + n - 1]);
    }
    printf("\n");
}

static void
print_group_head(struct group *group)
{
    printf("%s%" PRIu32 " goroutine%s%s [%s", colour(stdout, "\033[1m"), group->count,
           group->count == 1 ? "" : "s", colour(stdout, "\033[0m"), group->first->state);
    if (group->most > 0 && group->most == group->least)
        printf(", %d minute%s", group->most, group->most == 1 ? "" : "s");
    else if (group->most > 0)
        printf(", %d to %d minutes", group->least, group->most);
    printf("%s]:", group->first->is_locked ? ", locked to thread" : "");
    print_ids(group);
}

static int
widest(const struct goroutine *g)
{
    size_t widest = g->creator.function ? strlen(g->creator.function) + 11 : 0;

    for (uint32_t i = 0; i < g->nframes; i++)
        if (*g->frames[i].place && strlen(g->frames[i].function) > widest)
            widest = strlen(g->frames[i].function);
    return widest > 50 ? 50 : (int)widest;
}

static void
print_frame(const char *before, const struct stack_frame *frame, int width)
{
    printf("    %s%-*s", before, width - (int)strlen(before), frame->function);
    if (*frame->place)
        printf("  %s%s%s", colour(stdout, "\033[2m"), frame->place,
               colour(stdout, "\033[0m"));
    printf("\n");
}

static void
print_group(struct group *group)
{
    const struct goroutine *g = group->first;
    int width = widest(g);

    printf("\n");
    print_group_head(group);
    for (uint32_t i = 0; i < g->nframes; i++)
        print_frame("", &g->frames[i], *g->frames[i].place ? width : 0);
    if (g->creator.function)
        print_frame("created by ", &g->creator, width);
}

struct tally {
    const char *state;
    uint32_t count;
};

static int
compare_tallies(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;

    return x->count != y->count ? (x->count > y->count ? -1 : 1)
                                : strcmp(x->state, y->state);
}

/* "31 goroutines in 2 groups: 30 chan receive, 1 running" */
static void
print_summary(const struct groups *all)
{
    struct tally *tallies = memory_get(all->count * sizeof *tallies);
    struct table states = {0};

    for (uint32_t i = 0; i < all->count; i++) {
        const char *name = all->all[i].first->state;
        uint32_t number = table_add(&states, name, strlen(name));

        tallies[number].state = name;
        tallies[number].count += all->all[i].count;
    }
    qsort(tallies, states.count, sizeof *tallies, compare_tallies);
    printf("%" PRIu32 " goroutine%s in %" PRIu32 " group%s", all->goroutines,
           all->goroutines == 1 ? "" : "s", all->count, all->count == 1 ? "" : "s");
    for (uint32_t i = 0; i < states.count; i++)
        printf("%s %" PRIu32 " %s", i ? "," : ":", tallies[i].count, tallies[i].state);
    printf("\n");
    table_free(&states);
    free(tallies);
}

static void
print_all(struct groups *all)
{
    if (all->count > 0)
        qsort(all->all, all->count, sizeof *all->all, compare_groups);
    print_summary(all);
    for (uint32_t i = 0; i < all->count; i++) {
        if (limit > 0 && i == (uint32_t)limit) {
            printf("\nand %" PRIu32 " more groups\n", all->count - i);
            break;
        }
        print_group(&all->all[i]);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

/* A server's address alone, or its goroutine profile, is what we can read. */
static void
complete_url(const char *name, struct bytes *url)
{
    bool socket = strncmp(name, "unix:", 5) == 0;
    const char *host = socket ? name + 5 : strstr(name, "//") + 2;
    const char *path = strchr(host, socket ? ':' : '/');

    bytes_print(url, "%s", name);
    if (!path || strcmp(path, "/") == 0)
        bytes_print(url, "%sdebug/pprof/goroutine%s", socket ? ":/" : path ? "" : "/",
                    leaks ? "leak" : "");
    if (!strstr(host, "debug="))
        bytes_print(url, "%cdebug=2", strchr(host, '?') ? '&' : '?');
}

static bool
print_goroutines(const char *name, struct bytes *text)
{
    const char *kind = input_kind(text);
    struct groups all = {0};
    struct stacks s;

    stacks_read(&s, text);
    for (uint32_t i = 0; i < s.count; i++)
        if (is_wanted(&s.all[i]))
            add(&all, &s.all[i]);
    if (s.count == 0)
        tool_error("%s: there is no goroutine in it; looks like %s", name,
                   !kind ? "a binary file: fetch it with debug=2"
                   : strstr(kind, "debug=1") ? "a profile as text: fetch it with debug=2"
                   : kind);
    else
        print_all(&all);
    for (uint32_t i = 0; i < all.count; i++)
        free(all.all[i].ids);
    free(all.all);
    table_free(&all.table);
    bytes_free(&all.key);
    stacks_free(&s);
    return s.count > 0;
}

static int
run(int operands, char **operand)
{
    struct bytes text = {0}, url = {0};
    bool done;

    if (operands != 1)
        return tool_misused("of which file or server?");
    if (!compile_all())
        return EXIT_MISUSED;
    if (input_is_url(operand[0]))
        complete_url(operand[0], &url);
    done = input_read(url.data ? url.data : operand[0], &text) &&
           print_goroutines(operand[0], &text);
    bytes_free(&text);
    bytes_free(&url);
    free_filters();
    return tool_finish() == EXIT_OK && done ? EXIT_OK : EXIT_FAILED;
}

const struct command command_goroutines = {
    .name = "goroutines",
    .summary = "goroutines of a dump or a server, in groups that are at the same place",
    .usage = "goroutines FILE|URL",
    .details =
        "FILE is a crash report, what SIGQUIT made a program print, or a whole log with\n"
        "such a thing in it; - is stdin.  URL is a server's address, of which\n"
        "/debug/pprof/goroutine?debug=2 is read.  Programs of Go and of Belay alike.\n"
        "\n"
        "Goroutines with the same state, stack and creator are one group.  The minutes\n"
        "are how long they have waited.  REGEX is a POSIX extended one.\n"
        "\n"
        "With -leaks the server is asked for /debug/pprof/goroutineleak: it looks through\n"
        "its memory for whatever could still wake them.\n",
    .options = options,
    .run = run,
};
