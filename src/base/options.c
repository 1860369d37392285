/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/options.c - BELAYDEBUG=key=value,... and BELAYTRACEBACK=level. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT(name, start, greatest, help) .name = (start),
struct bl__options bl__options = {BL__OPTIONS(DEFAULT)};
enum bl__traceback bl__traceback = BL__TRACEBACK_SINGLE;
char bl__options_pprof[128];

struct option {
    const char *name;
    int *value;
    int start, greatest;
    const char *help;
};

#define ROW(name, start, greatest, help) \
    {#name, &bl__options.name, (start), (greatest), (help)},
static const struct option table[] = {BL__OPTIONS(ROW)};
enum { NOPTIONS = sizeof table / sizeof table[0] };

/* Ends the process: "belay: VARIABLE: what 'word': why". */
static BL__NORETURN void
refuse(const char *variable, const char *what, const char *word, size_t n,
       const char *why)
{
    char buf[256];
    struct bl__text t = BL__TEXT_TO(2, buf);

    bl__put(&t, "belay: ");
    bl__put(&t, variable);
    bl__put(&t, what);
    bl__put(&t, " '");
    for (size_t i = 0; i < n; i++)
        bl__put_char(&t, word[i]);
    bl__put(&t, "'");
    bl__put(&t, why);
    bl__put(&t, "\n");
    bl__text_flush(&t);
    _exit(2);
}

static BL__NORETURN void
print_help(void)
{
    char buf[512];
    struct bl__text t = BL__TEXT_TO(1, buf);

    bl__put(&t, "BELAYDEBUG=key=value,... where key is\n");
    for (int i = 0; i < NOPTIONS; i++) {
        bl__put(&t, "  ");
        bl__put(&t, table[i].name);
        for (size_t n = strlen(table[i].name); n < 14; n++)
            bl__put_char(&t, ' ');
        bl__put(&t, table[i].help);
        bl__put(&t, " (");
        bl__put_int(&t, table[i].start);
        bl__put(&t, "; 0 to ");
        bl__put_int(&t, table[i].greatest);
        bl__put(&t, ")\n");
    }
    bl__put(&t, "  pprof         serve profiles at this address, with libbelay-pprof "
                "(127.0.0.1:6060, unix:PATH)\n");
    bl__put(&t, "BELAYTRACEBACK=none|single|all|system|crash (or 0, 1, 2)\n");
    bl__text_flush(&t);
    _exit(0);
}

static const struct option *
find_option(const char *name, size_t n)
{
    for (int i = 0; i < NOPTIONS; i++)
        if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
            return &table[i];
    return NULL;
}

/* "pprof=ADDRESS": the one key whose value is not a number. */
static bool
set_pprof(const char *word, size_t n)
{
    static const char key[] = "pprof=";
    const size_t k = sizeof key - 1;

    if (n < k || memcmp(word, key, k) != 0)
        return false;
    if (n == k || n - k >= sizeof bl__options_pprof)
        refuse("BELAYDEBUG", ": bad value in", word, n,
               ": give an address like 127.0.0.1:6060");
    memcpy(bl__options_pprof, word + k, n - k);
    bl__options_pprof[n - k] = '\0';
    return true;
}

/* One "key=value" of n characters. */
static void
set_option(const char *word, size_t n)
{
    const char *eq = memchr(word, '=', n);
    size_t name = eq ? (size_t)(eq - word) : n, digits = n - name - 1;
    const struct option *o = find_option(word, name);
    long v = 0;

    if (set_pprof(word, n))
        return;
    if (!o)
        refuse("BELAYDEBUG", ": unknown key", word, name,
               " (BELAYDEBUG=help=1 prints all)");
    if (!eq || digits == 0)
        refuse("BELAYDEBUG", ": bad value in", word, n, ": give a whole number");
    for (const char *p = eq + 1; p < word + n; p++) {
        if (*p < '0' || *p > '9')
            refuse("BELAYDEBUG", ": bad value in", word, n, ": give a whole number");
        if (v <= o->greatest)
            v = v * 10 + (*p - '0');
    }
    if (v > o->greatest)
        refuse("BELAYDEBUG", ": value out of range in", word, n,
               " (BELAYDEBUG=help=1 prints all)");
    *o->value = (int)v;
}

static void
read_debug(const char *s)
{
    while (*s) {
        size_t n = strcspn(s, ",");

        if (n > 0)
            set_option(s, n);
        s += n + (s[n] == ',');
    }
}

static void
read_traceback(const char *s)
{
    static const struct {
        const char *name;
        enum bl__traceback level;
    } levels[] = {
        {"none", BL__TRACEBACK_NONE},     {"0", BL__TRACEBACK_NONE},
        {"single", BL__TRACEBACK_SINGLE}, {"", BL__TRACEBACK_SINGLE},
        {"all", BL__TRACEBACK_ALL},       {"1", BL__TRACEBACK_ALL},
        {"system", BL__TRACEBACK_SYSTEM}, {"2", BL__TRACEBACK_SYSTEM},
        {"crash", BL__TRACEBACK_CRASH},
    };

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(s, levels[i].name) == 0) {
            bl__traceback = levels[i].level;
            return;
        }
    }
    refuse("BELAYTRACEBACK", ": unknown level", s, strlen(s),
           " (none, single, all, system or crash)");
}

void
bl__options_init(void)
{
    const char *debug = getenv("BELAYDEBUG");
    const char *traceback = getenv("BELAYTRACEBACK");

    if (debug)
        read_debug(debug);
    if (traceback)
        read_traceback(traceback);
    if (bl__options.help)
        print_help();
}
