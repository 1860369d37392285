/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/report.c - results as text for people, as TAP and as JUnit's XML. */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- text that grows ---------------------------------------------------------------- */

void
bl__kit_add(struct bl__kit_text *t, const void *bytes, size_t n)
{
    if (t->length + n + 1 > t->room) {
        t->room = (t->length + n + 1) * 2;
        t->bytes = realloc(t->bytes, t->room);
        if (!t->bytes) {
            fprintf(stderr, "out of memory\n");
            exit(2);
        }
    }
    memcpy(t->bytes + t->length, bytes, n);
    t->length += n;
    t->bytes[t->length] = '\0';
}

void
bl__kit_addf(struct bl__kit_text *t, const char *format, ...)
{
    va_list args;
    char *s;
    int n;

    va_start(args, format);
    n = vasprintf(&s, format, args);
    va_end(args);
    if (n < 0)
        return;
    bl__kit_add(t, s, (size_t)n);
    free(s);
}

struct bl__kit_result *
bl__kit_result_new(const char *name, struct bl__kit_result *parent)
{
    struct bl__kit_result *r = calloc(1, sizeof *r);

    if (!r || !(r->name = strdup(name))) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    r->parent = parent;
    if (parent) {
        r->test = parent->test;
        if (parent->last)
            parent->last->next = r;
        else
            parent->first = r;
        parent->last = r;
    }
    return r;
}

/* Calls each(arg, line, length) for every line of t. */
static void
each_line(const struct bl__kit_text *t, void (*each)(const char *before, const char *line,
                                                     int length),
          const char *before)
{
    const char *s = t->bytes, *end = s + t->length;

    while (s && s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t n = newline ? (size_t)(newline - s) : (size_t)(end - s);

        each(before, s, (int)n);
        s += n + 1;
    }
}

static void
print_line(const char *before, const char *line, int length)
{
    printf("%s%.*s\n", before, length, line);
}

/* --- for people --------------------------------------------------------------------- */

static bool
has_color(void)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

    if (bl__kit_options.color != BL__COLOR_AUTO)
        return bl__kit_options.color == BL__COLOR_ALWAYS;
    return isatty(1) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static void
paint(const char *color, const char *text)
{
    if (has_color())
        printf("\033[%sm%s\033[0m", color, text);
    else
        printf("%s", text);
}

static void
paint_status(enum bl__kit_status status)
{
    if (status == BL__TEST_FAILED)
        paint("31;1", "FAIL");
    else if (status == BL__TEST_SKIPPED)
        paint("33", "SKIP");
    else
        paint("32", "PASS");
}

static void
print_result(const struct bl__kit_result *r, int depth)
{
    char margin[64];
    int n = 4 * (depth + 1) < 60 ? 4 * (depth + 1) : 60;

    if (r->status != BL__TEST_FAILED && !bl__kit_options.verbose)
        return;
    memset(margin, ' ', sizeof margin);
    margin[n] = '\0';
    printf("%s--- ", margin + 4);
    paint_status(r->status);
    printf(": %s (%.2fs)\n", r->name, (double)r->ns / 1e9);
    each_line(&r->log, print_line, margin);
    for (const struct bl__kit_result *part = r->first; part; part = part->next)
        print_result(part, depth + 1);
    strcpy(margin + n, "| ");
    each_line(&r->output, print_line, margin);
}

/* --- TAP version 14 ------------------------------------------------------------------- */

/* A name: `#` begins what is not of it. */
static void
print_tap_name(const char *s)
{
    for (; *s; s++) {
        if (*s == '#' || *s == '\\')
            putchar('\\');
        putchar(*s == '\n' ? ' ' : *s);
    }
}

static void
print_tap_point(const struct bl__kit_result *r, size_t number, const char *margin)
{
    char deeper[128];

    printf("%s%s %zu - ", margin, r->status == BL__TEST_FAILED ? "not ok" : "ok", number);
    print_tap_name(r->name);
    if (r->status == BL__TEST_SKIPPED)
        printf(" # SKIP %.*s", r->log.length ? (int)strcspn(r->log.bytes, "\n") : 0,
               r->log.length ? r->log.bytes : "");
    printf("\n");
    snprintf(deeper, sizeof deeper, "%s# ", margin);
    if (r->status == BL__TEST_FAILED) {
        printf("%s  ---\n%s  duration_ms: %.3f\n", margin, margin, (double)r->ns / 1e6);
        if (r->log.length > 0) {
            printf("%s  message: |\n", margin);
            snprintf(deeper, sizeof deeper, "%s    ", margin);
            each_line(&r->log, print_line, deeper);
        }
        if (r->output.length > 0) {
            printf("%s  output: |\n", margin);
            snprintf(deeper, sizeof deeper, "%s    ", margin);
            each_line(&r->output, print_line, deeper);
        }
        printf("%s  ...\n", margin);
    } else if (bl__kit_options.verbose) {
        each_line(&r->log, print_line, deeper);
    }
}

static void
print_tap(const struct bl__kit_result *r, size_t number, int depth)
{
    char margin[64];
    size_t n = 0;

    memset(margin, ' ', sizeof margin);
    margin[4 * depth < 60 ? 4 * depth : 60] = '\0';
    if (r->first) {
        printf("%s# Subtest: ", margin);
        print_tap_name(r->name);
        printf("\n");
        for (const struct bl__kit_result *part = r->first; part; part = part->next)
            print_tap(part, ++n, depth + 1);
        printf("%s    1..%zu\n", margin, n);
    }
    print_tap_point(r, number, margin);
}

/* --- JUnit ---------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at s, which XML allows; 0: it is none. */
static size_t
xml_character(const unsigned char *s, size_t n)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t c = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < 0x20 ? c != '\t' && c != '\n' : c > 0x10ffff || c < least[length])
        return 0;
    return (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff ? 0 : length;
}

static void
put_xml(FILE *f, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text, *end = s + n;

    while (s < end) {
        size_t length = xml_character(s, (size_t)(end - s));

        if (length == 0)
            fprintf(f, "\xef\xbf\xbd"); /* U+FFFD */
        else if (*s == '<')
            fprintf(f, "&lt;");
        else if (*s == '>')
            fprintf(f, "&gt;");
        else if (*s == '&')
            fprintf(f, "&amp;");
        else if (*s == '"')
            fprintf(f, "&quot;");
        else if (*s == '\n')
            fprintf(f, "&#10;");
        else
            fwrite(s, 1, length, f);
        s += length ? length : 1;
    }
}

static void
put_attribute(FILE *f, const char *name, const char *value, size_t n)
{
    fprintf(f, " %s=\"", name);
    put_xml(f, value, n);
    fprintf(f, "\"");
}

static void
put_junit_text(FILE *f, const char *element, const struct bl__kit_text *t)
{
    if (t->length == 0)
        return;
    fprintf(f, "      <%s>", element);
    put_xml(f, t->bytes, t->length);
    fprintf(f, "</%s>\n", element);
}

static void
put_junit_case(FILE *f, const struct bl__kit_result *r)
{
    const char *log = r->log.bytes ? r->log.bytes : "";

    fprintf(f, "    <testcase");
    put_attribute(f, "classname", program_invocation_short_name,
                  strlen(program_invocation_short_name));
    put_attribute(f, "name", r->name, strlen(r->name));
    put_attribute(f, "file", r->test->file, strlen(r->test->file));
    fprintf(f, " line=\"%d\" time=\"%.6f\">\n", r->test->line, (double)r->ns / 1e9);
    if (r->status == BL__TEST_FAILED) {
        fprintf(f, "      <failure type=\"failure\"");
        put_attribute(f, "message", log, strcspn(log, "\n"));
        fprintf(f, ">");
        put_xml(f, log, r->log.length);
        fprintf(f, "</failure>\n");
    } else if (r->status == BL__TEST_SKIPPED) {
        fprintf(f, "      <skipped");
        put_attribute(f, "message", log, strcspn(log, "\n"));
        fprintf(f, "/>\n");
    }
    put_junit_text(f, "system-out", &r->output);
    fprintf(f, "    </testcase>\n");
    for (const struct bl__kit_result *part = r->first; part; part = part->next)
        put_junit_case(f, part);
}

static void
count_cases(const struct bl__kit_result *r, size_t counts[BL__TEST_SKIPPED + 1])
{
    counts[BL__TEST_RUNS]++; /* all */
    counts[r->status]++;
    for (const struct bl__kit_result *part = r->first; part; part = part->next)
        count_cases(part, counts);
}

static bool
write_junit(struct bl__kit_result *const *all, size_t n, int64_t ns)
{
    FILE *f = fopen(bl__kit_options.junit, "w");
    size_t counts[BL__TEST_SKIPPED + 1] = {0};
    bool failed;

    for (size_t i = 0; i < n; i++)
        count_cases(all[i], counts);
    if (f) {
        fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite");
        put_attribute(f, "name", program_invocation_short_name,
                      strlen(program_invocation_short_name));
        fprintf(f, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"%.6f\">\n",
                counts[BL__TEST_RUNS], counts[BL__TEST_FAILED], counts[BL__TEST_SKIPPED],
                (double)ns / 1e9);
        for (size_t i = 0; i < n; i++)
            put_junit_case(f, all[i]);
        fprintf(f, "  </testsuite>\n</testsuites>\n");
    }
    failed = !f || ferror(f) != 0;
    if ((f && fclose(f) != 0) || failed)
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, bl__kit_options.junit,
                strerror(errno));
    return !failed;
}

/* --- what all of them share ------------------------------------------------------------ */

void
bl__kit_report_begin(size_t tests)
{
    const struct bl__kit_options *o = &bl__kit_options;

    if (o->tap)
        printf("TAP version 14\n1..%zu%s\n", tests, tests ? "" : " # SKIP no test to run");
    if (o->shuffle)
        printf("%s-shuffle %llu\n", o->tap ? "# " : "", (unsigned long long)o->shuffle_seed);
}

void
bl__kit_report_start(const struct bl__kit_result *r)
{
    if (bl__kit_options.verbose && !bl__kit_options.tap)
        printf("=== RUN   %s\n", r->name);
}

void
bl__kit_report(const struct bl__kit_result *r)
{
    static size_t number;

    if (bl__kit_options.tap)
        print_tap(r, ++number, 0);
    else
        print_result(r, 0);
    fflush(stdout);
}

bool
bl__kit_report_end(struct bl__kit_result *const *all, size_t n, int64_t ns)
{
    const struct bl__kit_options *o = &bl__kit_options;
    size_t counts[BL__TEST_SKIPPED + 1] = {0};

    for (size_t i = 0; i < n; i++)
        counts[all[i]->status]++;
    if (n == 0)
        fprintf(stderr, "%s: no test to run\n", program_invocation_short_name);
    if (!o->tap && n > 0) {
        paint_status(counts[BL__TEST_FAILED] ? BL__TEST_FAILED : BL__TEST_PASSED);
        printf("  %zu passed, %zu failed, %zu skipped (%.2fs)\n", counts[BL__TEST_PASSED],
               counts[BL__TEST_FAILED], counts[BL__TEST_SKIPPED], (double)ns / 1e9);
    }
    fflush(stdout);
    return !o->junit || write_junit(all, n, ns);
}
