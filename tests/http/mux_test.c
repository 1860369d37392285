/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/http/mux_test.c - the router beside what tests/differential/routes.py compares with
 * Go: what it says to programs, chains of middlewares, adding while it serves. */
#include "serve.h"

#include <malloc.h>

/* --- mallocs are counted -------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
static long mallocs;
#elif defined(__has_feature)
#define COUNTS 0
static long mallocs;
#else
#define COUNTS 1
static _Atomic long mallocs;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *
malloc(size_t size)
{
    mallocs++;
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    mallocs++;
    return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
    mallocs++;
    return __libc_realloc(p, size);
}
#endif

/* --- what it says ------------------------------------------------------------------------ */

static char why[2048];

static void
note_why(void)
{
    const bl_panic_info *p = bl_recover();

    why[0] = '\0';
    if (p)
        bl_error_text(p->error, why, sizeof why);
}

static void
named(bl_http_response *w, bl_http_request *r, void *data)
{
    ok(bl_http_printf(w, "%s|%s|%s|%s|\n", (const char *)(data ? data : ""), r->pattern,
                      bl_http_path_value(r, "x"), bl_http_path_value(r, "rest")));
}

static void
try_adding(bl_http_mux *mux, const char *pattern, bl_http_func *f)
{
    bl_returns_nothing {
        bl_defer_call(note_why);
        bl_http_handle(mux, pattern, f, NULL);
    }
}

static const char *
add_to(bl_http_mux *mux, const char *pattern, bl_http_func *f)
{
    try_adding(mux, pattern, f);
    return why;
}

static void
misuse_has_go_s_words(void)
{
    bl_http_mux *mux = bl_http_mux_new();

    CHECK_STR(add_to(mux, "", named), "http: invalid pattern");
    CHECK_STR(add_to(mux, "/", NULL), "http: nil handler");
    CHECK_STR(add_to(mux, "/", named), "");
    CHECK_STR(add_to(mux, "GET  h", named),
              "parsing \"GET  h\": at offset 4: host/path missing /");
    CHECK_STR(add_to(mux, "/{x", named), "parsing \"/{x\": at offset 1: bad wildcard "
                                         "segment (must end with '}')");
    CHECK_STR(add_to(mux, "/{\xff}", named),
              "parsing \"/{\\xff}\": at offset 1: bad wildcard name \"\\xff\"");
    bl_http_mux_free(mux);
    bl_http_mux_free(NULL);
}

static const int line_of_b = __LINE__ + 7;

static void
add_b(bl_http_mux *mux)
{
    bl_returns_nothing {
        bl_defer_call(note_why);
        bl_http_handle(mux, "/{x}/b", named, NULL);
    }
}

static void
conflicts_name_both_places(void)
{
    bl_http_mux *mux = bl_http_mux_new();
    char want[1024];
    int line;

    bl_http_handle(mux, "/a/{x}", named, NULL);
    line = __LINE__ - 1;
    add_b(mux);
    snprintf(want, sizeof want,
             "pattern \"/{x}/b\" (registered at %s:%d) conflicts with pattern \"/a/{x}\" "
             "(registered at %s:%d):\n"
             "/{x}/b and /a/{x} both match some paths, like \"/a/b\".\n"
             "But neither is more specific than the other.\n"
             "/{x}/b matches \"/x/b\", but /a/{x} doesn't.\n"
             "/a/{x} matches \"/a/x\", but /{x}/b doesn't.",
             __FILE__, line_of_b, __FILE__, line);
    CHECK_STR(why, want);
    (bl_http_handle)(mux, "/c", named, NULL); /* the function has no place */
    add_to(mux, "/c", named);
    CHECK(strstr(why, "(registered at unknown location)"));
    bl_http_mux_free(mux);
}

/* --- chains -------------------------------------------------------------------------------- */

static void
around(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    ok(bl_http_printf(w, "%s(", (const char *)data));
    bl_http_call(next, w, r);
    ok(bl_http_printf(w, ")%s", (const char *)data));
}

static void
announce(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    bl_http_header_add(bl_http_response_header(w), "X-Passed", data);
    bl_http_call(next, w, r);
}

static void
panics(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)w, (void)r, (void)data;
    bl_panic("oh");
}

static const char *
get(const struct serving *s, const char *path)
{
    char text[512];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
             path);
    return ask(s, text);
}

static void
middlewares_are_in_their_order(void)
{
    bl_http_mux *mux = bl_http_mux_new();
    struct serving *s = serve_with(NULL, bl_http_mux_serve, mux);

    bl_http_handle(mux, "GET /a", named, "a");
    CHECK(strstr(get(s, "/a"), "\r\n\r\na|GET /a|||\n"));
    bl_http_use(mux, around, "1");
    bl_http_use(mux, around, "2");
    bl_http_use(mux, around, "3");
    CHECK(strstr(get(s, "/a"), "\r\n\r\n1(2(3(a|GET /a|||\n)3)2)1"));
    stop(s);
    bl_http_mux_free(mux);
}

static void
middlewares_see_what_nobody_takes(void)
{
    bl_http_mux *mux = bl_http_mux_new();
    struct serving *s = serve_with(NULL, bl_http_mux_serve, mux);
    const char *answer;

    bl_http_use(mux, announce, "by");
    bl_http_handle(mux, "POST /a", named, NULL);
    answer = get(s, "/nothing");
    CHECK(status_of(answer) == 404 && strstr(answer, "X-Passed: by"));
    answer = get(s, "/a");
    CHECK(status_of(answer) == 405 && strstr(answer, "X-Passed: by"));
    CHECK(strstr(answer, "Allow: POST\r\n"));
    bl_http_handle(mux, "BREW /pot", named, NULL);
    CHECK_EQ(status_of(ask(s, "BREW /pot HTTP/1.0\r\n\r\n")), 200);
    CHECK(strstr(get(s, "/pot"), "Allow: BREW\r\n"));
    answer = get(s, "//a");
    CHECK(status_of(answer) == 307 && strstr(answer, "X-Passed: by"));
    CHECK(strstr(answer, "Location: /a\r\n"));
    stop(s);
    bl_http_mux_free(mux);
}

static bool cleaned;

static void
set_cleaned(void)
{
    cleaned = true;
}

static void
cleans_up(bl_http_response *w, bl_http_request *r, bl_http_handler next, void *data)
{
    (void)data;
    bl_returns_nothing {
        bl_defer_call(set_cleaned);
        bl_http_call(next, w, r);
    }
}

static void
panics_go_through_middlewares(void)
{
    bl_http_mux *mux = bl_http_mux_new();
    struct serving *s = serve_with(NULL, bl_http_mux_serve, mux);

    bl_http_use(mux, cleans_up, NULL);
    bl_http_handle(mux, "/", panics, NULL);
    cleaned = false;
    CHECK_EQ(status_of(get(s, "/")), 500);
    CHECK(cleaned);
    CHECK(has_logged("oh"));
    stop(s);
    bl_http_mux_free(mux);
}

static void
routers_in_routers(void)
{
    bl_http_mux *outer = bl_http_mux_new(), *inner = bl_http_mux_new();
    bl_http_handler in = bl_http_mux_handler(inner);
    struct serving *s = serve_with(NULL, bl_http_mux_serve, outer);

    bl_http_handle(inner, "/in/{x}/{rest...}", named, "inner");
    bl_http_handle(outer, "/in/", in.serve, in.data);
    bl_http_handle(outer, "/out/{x}", named, "outer");
    CHECK(strstr(get(s, "/in/a%2Fb/c/d%20e"),
                 "\r\n\r\ninner|/in/{x}/{rest...}|a/b|c/d e|\n"));
    CHECK(strstr(get(s, "/out/%C3%A9"), "\r\n\r\nouter|/out/{x}|\xc3\xa9||\n"));
    CHECK_EQ(status_of(get(s, "/in/x")), 307);
    CHECK_EQ(status_of(get(s, "/in")), 307);
    CHECK_EQ(status_of(get(s, "/in/")), 404);
    stop(s);
    bl_http_mux_free(outer);
    bl_http_mux_free(inner);
}

/* --- many ------------------------------------------------------------------------------------ */

enum { MANY = 5000 };

static char patterns[MANY][48];

static void
ask_on(bl_conn *c, const char *path, const char *want)
{
    char text[128], answer[2048] = "";
    size_t n = 0, more;

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    say(c, text);
    while (!strstr(answer, "|\n")) {
        ok(bl_conn_read(c, answer + n, sizeof answer - 1 - n, &more));
        answer[n += more] = '\0';
    }
    if (!strstr(answer, want)) {
        fprintf(stderr, "%s: want %s, got\n%s\n", path, want, answer);
        _Exit(1);
    }
}

static void
many_patterns(void)
{
    bl_http_mux *mux = bl_http_mux_new();
    struct serving *s = serve_with(NULL, bl_http_mux_serve, mux);
    bl_conn *c = dial(s);
    char path[64];

    for (int i = 0; i < MANY; i++) {
        snprintf(patterns[i], sizeof patterns[i], "GET /p%d/{x}/q%d", i % 50, i);
        bl_http_handle(mux, patterns[i], named, NULL);
    }
    for (int i = 0; i < MANY; i += 37) {
        char want[128];

        snprintf(path, sizeof path, "/p%d/v%d/q%d", i % 50, i, i);
        snprintf(want, sizeof want, "|%.*s|v%d|", (int)strlen(patterns[i]), patterns[i], i);
        ask_on(c, path, want);
    }
    CHECK_EQ(status_of(get(s, "/p1/x/q2")), 404);
    bl_conn_release(c);
    stop(s);
    bl_http_mux_free(mux);
}

static void
nothing_is_allocated_in_the_steady_state(void)
{
    bl_http_mux *mux = bl_http_mux_new();
    struct serving *s = serve_with(NULL, bl_http_mux_serve, mux);
    bl_conn *c = dial(s);
    long before = 0;

    bl_http_handle(mux, "GET /a/{x}/{rest...}", named, "a");
    bl_http_handle(mux, "/", named, "all");
    for (int i = 0; i < 600; i++) {
        if (i == 300)
            before = mallocs;
        ask_on(c, "/a/v%20w/r/s", "v w|r/s|");
        ask_on(c, "/b/c", "all|/||");
    }
    /* where a goroutine comes to another processor, a pool may make one more */
    if (COUNTS && mallocs - before > 3)
        CHECK_EQ(mallocs - before, 0);
    bl_conn_release(c);
    stop(s);
    bl_http_mux_free(mux);
}

/* --- adding while it serves -------------------------------------------------------------------- */

struct growing {
    const struct serving *s;
    bl_http_mux *mux;
    _Atomic int added;  /* patterns 0 to added - 1 are there */
    bl_waitgroup done;
};

/* What is there is found; what comes later may be, or not. */
static void
ask_for_all(void *arg)
{
    struct growing *g = arg;
    bl_conn *c = dial(g->s);
    char path[64];

    while (g->added < MANY) {
        int n = g->added, i = n > 1 ? n - 1 - n % 7 % n : 0;

        if (n == 0)
            continue;
        snprintf(path, sizeof path, "/x%d/y", i);
        ask_on(c, path, "|y|");
        bl_gosched();
    }
    bl_conn_release(c);
}

static void
patterns_may_come_while_it_serves(void)
{
    struct growing g = {.mux = bl_http_mux_new()};
    struct serving *s = serve_with(NULL, bl_http_mux_serve, g.mux);

    g.s = s;
    for (int i = 0; i < 4; i++)
        bl_waitgroup_go(&g.done, ask_for_all, &g);
    for (int i = 0; i < MANY; i++) {
        snprintf(patterns[i], sizeof patterns[i], "/x%d/{x}", i);
        bl_http_handle(g.mux, patterns[i], named, NULL);
        g.added++;
        if (i % 100 == 0)
            bl_sleep(BL_MILLISECOND);
        if (i % 1000 == 0)
            bl_http_use(g.mux, announce, "another");
    }
    bl_waitgroup_wait(&g.done);
    stop(s);
    bl_http_mux_free(g.mux);
}

int
main(void)
{
    RUN(misuse_has_go_s_words);
    RUN(conflicts_name_both_places);
    RUN(middlewares_are_in_their_order);
    RUN(middlewares_see_what_nobody_takes);
    RUN(panics_go_through_middlewares);
    RUN(routers_in_routers);
    RUN(many_patterns);
    RUN(nothing_is_allocated_in_the_steady_state);
    RUN(patterns_may_come_while_it_serves);
    return 0;
}
