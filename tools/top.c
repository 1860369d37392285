/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* top.c - belay top: what a program has of goroutines, pending defers and panics, again
 * and again.
 *
 * The server has these as profiles of counts, in text (debug=1):
 *
 *     defer profile: total 12
 *     10 @ 0x4d7c1 0x4d5f0
 *     # labels: {"site":"close_all at f.c:12", "in_loop":"true"}
 *     #	0x4d7c0	close_all+0x10	/src/f.c:12
 *
 * Go's goroutine profile does not say states; its list of goroutines (debug=2) does,
 * and is asked for where there are not too many. */
#define _GNU_SOURCE
#include "stacks.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LIST_AT_MOST = 10000, ROWS = 8 };

static int rounds, interval = 1, rows = ROWS;

static const struct option options[] = {
    {"n", OPTION_NUMBER, &rounds, "N", "end after N rounds"},
    {"interval", OPTION_NUMBER, &interval, "N", "seconds between two rounds (1)"},
    {"rows", OPTION_NUMBER, &rows, "N", "rows of each table (8)"},
    {0},
};

/* --- tables of counts ------------------------------------------------------------------ */

struct row {
    const char *name;
    int64_t count, before;
    char place[160];      /* where the most of them are */
    int64_t place_count;
};

/* One of the three.  Rows stay as long as the program runs, so that changes can be
 * seen. */
struct section {
    const char *profile, *title;
    const char *label;    /* the label that names a row; else its innermost function */
    struct row *rows;
    struct table names;
    uint32_t room;
    int64_t total, before;
    bool is_missing, has_labels, is_first;
};

static struct section sections[] = {
    {.profile = "goroutine", .title = "goroutines", .label = "state"},
    {.profile = "defer", .title = "pending defers", .label = "site"},
    {.profile = "panic", .title = "panics", .label = "site"},
};
enum { NSECTIONS = sizeof sections / sizeof sections[0] };

static void
count(struct section *s, const char *name, size_t length, int64_t n, const char *place)
{
    uint32_t number = table_add(&s->names, name, length);
    struct row *r;

    if (number >= s->room) {
        uint32_t room = s->room ? s->room * 2 : 64;

        s->rows = memory_resize(s->rows, room, sizeof *s->rows);
        memset(s->rows + s->room, 0, (room - s->room) * sizeof *s->rows);
        s->room = room;
    }
    r = &s->rows[number];
    r->name = s->names.keys[number].data;
    r->count += n;
    if (n > r->place_count) {
        r->place_count = n;
        snprintf(r->place, sizeof r->place, "%s", place);
    }
}

static void
begin_round(struct section *s)
{
    s->before = s->total;
    s->total = 0;
    s->has_labels = false;
    for (uint32_t i = 0; i < s->names.count; i++) {
        s->rows[i].before = s->rows[i].count;
        s->rows[i].count = s->rows[i].place_count = 0;
    }
}

/* --- debug=1 ---------------------------------------------------------------------------- */

/* The value of "key" in {"key":"value", ...}: where it begins, and its length. */
static const char *
label_value(const char *labels, const char *key, size_t *length)
{
    char quoted[64];
    const char *at;

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    at = labels ? strstr(labels, quoted) : NULL;
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " \"");
    *length = strcspn(at, "\"\n");
    return at;
}

/* "f file:line" out of "#\t0x4d7c0\tf+0x10\t\t/src/f.c:12". */
static void
take_place(const char *line, char *place, size_t size)
{
    const char *function = line, *file, *slash;
    size_t n;

    for (int tabs = 0; tabs < 2 && function; tabs++) {
        function = strchr(function, '\t');
        function += function != NULL;
    }
    if (!function)
        return;
    n = strcspn(function, "\t\n");
    for (size_t i = n; i-- > 0;)
        if (function[i] == '+')
            n = i;
    file = function + strcspn(function, "\t\n");
    file += strspn(file, "\t");
    slash = memrchr(file, '/', strcspn(file, "\n"));
    file = slash ? slash + 1 : file;
    snprintf(place, size, "%.*s %.*s", (int)(n > 80 ? 80 : n), function,
             (int)strcspn(file, "\n"), file);
}

struct counted {
    int64_t n;
    const char *labels;
    char place[160];
};

static void
end_counted(struct section *s, struct counted *c)
{
    size_t length = 0;
    const char *name = label_value(c->labels, s->label, &length);

    if (c->n == 0)
        return;
    s->has_labels |= name != NULL;
    if (name)
        count(s, name, length, c->n, c->place);
    else
        count(s, c->place, strlen(c->place), c->n, "");
    *c = (struct counted){.place = "(unknown)"};
}

static void
read_counts(struct section *s, const char *text)
{
    struct counted c = {.place = "(unknown)"};
    const char *total = strstr(text, "total ");

    s->total = total ? strtoll(total + 6, NULL, 10) : 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        char *end;
        long long n;

        line += *line == '\n';
        end = (char *)line;
        n = *line >= '0' && *line <= '9' ? strtoll(line, &end, 10) : 0;
        if (end != line && strncmp(end, " @", 2) == 0) {
            end_counted(s, &c);
            c.n = n;
        } else if (strncmp(line, "# labels:", 9) == 0) {
            c.labels = line + 9;
        } else if (strncmp(line, "#\t", 2) == 0 && strcmp(c.place, "(unknown)") == 0) {
            take_place(line, c.place, sizeof c.place);
        }
    }
    end_counted(s, &c);
}

/* --- debug=2 ---------------------------------------------------------------------------- */

static void
list_states(struct section *s, struct bytes *text)
{
    struct stacks list;

    stacks_read(&list, text);
    for (uint32_t i = 0; i < s->names.count; i++)
        s->rows[i].count = s->rows[i].place_count = 0;
    for (uint32_t i = 0; i < list.count; i++)
        count(s, list.all[i].state, strlen(list.all[i].state), 1, "");
    s->has_labels = list.count > 0;
    stacks_free(&list);
}

/* --- asking ------------------------------------------------------------------------------- */

static void
url_of(const char *server, const char *profile, int debug, struct bytes *into)
{
    size_t n = strlen(server);

    into->size = 0;
    while (n > 0 && server[n - 1] == '/')
        n--;
    bytes_print(into, "%.*s%s/debug/pprof/%s?debug=%d", (int)n, server,
                strncmp(server, "unix:", 5) == 0 && !strchr(server + 5, ':') ? ":" : "",
                profile, debug);
}

/* 1: answered; 0: it does not have that; -1: no answer at all. */
static int
ask(const char *server, struct section *s, int debug, struct bytes *into)
{
    struct bytes url = {0};
    struct fetched f;
    char why[320];

    url_of(server, s->profile, debug, &url);
    fetch(url.data, &f);
    if (f.status == 200) {
        text_clean(f.body.data, f.body.size, true);
        *into = f.body;
    } else {
        fetch_complaint(&f, why, sizeof why);
        bytes_free(&f.body);
        if (!fetch_stop && (f.status == 0 || debug == 1))
            tool_error("%s: %s", url.data, why);
    }
    bytes_free(&url);
    return f.status == 200 ? 1 : f.status == 0 ? -1 : 0;
}

static bool
ask_section(const char *server, struct section *s)
{
    struct bytes text = {0};
    int answer;

    if (s->is_missing)
        return true;
    answer = ask(server, s, 1, &text);
    s->is_missing = answer == 0;
    if (answer == 1) {
        begin_round(s);
        read_counts(s, text.data);
    }
    bytes_free(&text);
    if (answer == 1 && s == &sections[0] && !s->has_labels && s->total <= LIST_AT_MOST &&
        ask(server, s, 2, &text) == 1)
        list_states(s, &text);
    bytes_free(&text);
    return answer >= 0;
}

/* --- showing ------------------------------------------------------------------------------- */

static int
compare_rows(const void *a, const void *b, void *all)
{
    const struct row *x = (struct row *)all + *(const uint32_t *)a;
    const struct row *y = (struct row *)all + *(const uint32_t *)b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void
put_change(struct bytes *out, const struct section *s, int64_t now, int64_t before)
{
    if (s->is_first || now == before)
        bytes_print(out, " %8s", "");
    else
        bytes_print(out, " %+8" PRId64, now - before);
}

static void
put_section(struct bytes *out, struct section *s)
{
    uint32_t *order = memory_get(s->names.count * sizeof *order);
    uint32_t n = 0;

    bytes_print(out, "\n%10" PRId64, s->total);
    put_change(out, s, s->total, s->before);
    bytes_print(out, "  %s%s\n", s->title,
                s == &sections[0] && !s->has_labels ? ", by place" : "");
    for (uint32_t i = 0; i < s->names.count; i++)
        if (s->rows[i].count != 0)
            order[n++] = i;
    qsort_r(order, n, sizeof *order, compare_rows, s->rows);
    for (uint32_t i = 0; i < n && i < (uint32_t)rows; i++) {
        const struct row *r = &s->rows[order[i]];

        bytes_print(out, "%10" PRId64, r->count);
        put_change(out, s, r->count, r->before);
        bytes_print(out, "    %-24s  %s\n", r->name, r->place);
    }
    if (n > (uint32_t)rows)
        bytes_print(out, "%19s    and %u more\n", "", n - (uint32_t)rows);
    free(order);
}

static void
put_clock(struct bytes *out, const char *server)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[32] = "";

    if (localtime_r(&now, &tm))
        strftime(text, sizeof text, "%H:%M:%S", &tm);
    bytes_print(out, "%s  %s\n", text, server);
}

/* As much of the text as the terminal has room for, over what is there. */
static void
paint(const struct bytes *out)
{
    struct winsize size = {0};
    const char *line = out->data;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
    int left = known ? size.ws_row - 1 : 1000, width = known ? size.ws_col : 200;

    printf("\033[H");
    for (; *line && left > 0; left--) {
        const char *end = strchrnul(line, '\n');
        int used = 0;

        for (; line < end && (used < width || (*line & 0xc0) == 0x80); line++) {
            used += (*line & 0xc0) != 0x80;
            putchar(*line);
        }
        printf("\033[K\n");
        line = *end ? end + 1 : end;
    }
    printf("\033[J");
    fflush(stdout);
}

static void
show(const char *server, bool live)
{
    struct bytes out = {0};

    put_clock(&out, server);
    for (int i = 0; i < NSECTIONS; i++)
        if (!sections[i].is_missing)
            put_section(&out, &sections[i]);
    if (live)
        paint(&out);
    else
        printf("%s\n", out.data);
    fflush(stdout);
    bytes_free(&out);
}

/* --- the command ------------------------------------------------------------------------------ */

static void
on_signal(int sig)
{
    (void)sig;
    fetch_stop = true;
}

static bool
one_round(const char *server)
{
    int missing = 0;

    for (int i = 0; i < NSECTIONS; i++) {
        if (!ask_section(server, &sections[i]))
            return false;
        missing += sections[i].is_missing;
    }
    if (missing == NSECTIONS)
        tool_error("%s has none of these profiles", server);
    return missing < NSECTIONS;
}

static void
wait_until(struct timespec *next)
{
    next->tv_sec += interval;
    while (!fetch_stop &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
        continue;
}

/* Until the rounds are over, somebody ends it, or the server is gone. */
static bool
go_round(const char *server)
{
    bool live = isatty(STDOUT_FILENO), on_screen = false, good = true;
    struct timespec next;

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int i = 0; (rounds == 0 || i < rounds) && !fetch_stop; i++) {
        if (i > 0)
            wait_until(&next);
        for (int k = 0; k < NSECTIONS; k++)
            sections[k].is_first = i == 0;
        good = !fetch_stop && one_round(server);
        if (!good)
            break;
        if (live && !on_screen)
            printf("\033[?1049h\033[?25l");
        on_screen = live;
        show(server, live);
    }
    if (on_screen) {
        printf("\033[?25h\033[?1049l");
        show(server, false); /* what was there last stays in sight */
    }
    return good || fetch_stop;
}

static int
run(int operands, char **operand)
{
    struct sigaction sa = {.sa_handler = on_signal};
    bool done;

    if (operands != 1)
        return tool_misused("of which server?");
    if (!input_is_url(operand[0]))
        return tool_misused("'%s' is not a URL: http://HOST:PORT", operand[0]);
    if (interval < 1)
        return tool_misused("-interval wants 1 or more");
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    fetch_timeout_seconds = 10;
    done = go_round(operand[0]);
    for (int i = 0; i < NSECTIONS; i++) {
        free(sections[i].rows);
        table_free(&sections[i].names);
    }
    return tool_finish() == EXIT_OK && done ? EXIT_OK : EXIT_FAILED;
}

const struct command command_top = {
    .name = "top",
    .summary = "goroutines by state, pending defers and panics of a server, live",
    .usage = "top URL",
    .details =
        "URL is the address of a program that serves profiles: http://HOST:PORT, or\n"
        "unix:/path/to/socket.  Every second its goroutines, pending deferred calls and\n"
        "panics are read from /debug/pprof/ and shown, with what has changed.  What the\n"
        "program does not have (Go has no profile of defers) is said once.\n"
        "\n"
        "Where stdout is not a terminal one table is printed after the other.  Ctrl-C ends\n"
        "it.\n",
    .options = options,
    .run = run,
};
