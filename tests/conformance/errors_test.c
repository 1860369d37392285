/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/errors_test.c - catalogue area E: error values, and whose they
 * are: every case runs many times over, and must not make the heap grow. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"
#include "often.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <wchar.h>

error_static(err_base, "base");
error_static(err_other, "other");
bl_error_global(err_for_all, "for all");

static const char *
text_of(const bl_error *err)
{
    static char buf[4][512];
    static int next;
    char *text = buf[next++ % 4];

    bl_error_text(err, text, sizeof buf[0]);
    return text;
}

#define CHECK_TEXT(err, want) CHECK_STR(text_of(err), (want))

/* --- kinds of our own -------------------------------------------------------- */

struct own {
    bl_error base;
    const char *message;
    const bl_error *target;      /* counts as that one */
    const struct own *other;     /* can be seen as that one */
    const bl_error *list[3];     /* wraps the first, or all */
    size_t count;
};

static size_t
own_text(const bl_error *err, char *buf, size_t size)
{
    const char *message = ((const struct own *)err)->message;

    return (size_t)snprintf(buf, size, "%s", message ? message : "own");
}

static const bl_error *
own_unwrap(const bl_error *err)
{
    return ((const struct own *)err)->list[0];
}

static const bl_error *const *
own_causes(const bl_error *err, size_t *count)
{
    const struct own *own = (const struct own *)err;

    *count = own->count;
    return own->list;
}

/* Says which one was asked, too. */
static bool
own_is(const bl_error *err, const bl_error *target)
{
    const struct own *own = (const struct own *)err;

    if (own->message)
        NOTE(own->message);
    return own->target == target;
}

static int cleared;

static void
own_clear(bl_error *err)
{
    (void)err;
    cleared++;
}

static const bl_error_kind leaf_kind = {.name = "leaf", .text = own_text};
static const bl_error_kind asker_kind = {
    .name = "asker", .text = own_text, .unwrap = own_unwrap, .is = own_is};
static const bl_error_kind multi_kind = {
    .name = "multi", .text = own_text, .causes = own_causes, .is = own_is};
static const bl_error_kind counted_kind = {.name = "counted",
                                           .text = own_text,
                                           .size = sizeof(struct own),
                                           .unwrap = own_unwrap,
                                           .clear = own_clear};
static const bl_error_kind counted_multi_kind = {.name = "counted multi",
                                                 .text = own_text,
                                                 .size = sizeof(struct own),
                                                 .causes = own_causes,
                                                 .clear = own_clear};

static const void *
seen_as(const bl_error *err, const bl_error_kind *kind)
{
    return kind == &leaf_kind ? ((const struct own *)err)->other : NULL;
}

static const bl_error_kind chameleon_kind = {
    .name = "chameleon", .text = own_text, .unwrap = own_unwrap, .as = seen_as};

static bl_error *
make_counted(const char *message, bl_error *cause)
{
    struct own *own = bl_error_make(&counted_kind);

    CHECK(own != NULL);
    CHECK(own->base.kind == &counted_kind && !own->message && !own->count);
    own->message = message;
    own->list[0] = cause;
    return &own->base;
}

/* --- new, format ------------------------------------------------------------- */

static void
E1_equal_texts_are_different_errors(void)
{
    bl_error *a = error_new("x"), *b = error_new("x");

    CHECK(a != b);
    CHECK(error_is(a, a) && !error_is(a, b) && !error_is(b, a));
    CHECK(!error_is(err_base, err_other) && error_is(err_base, err_base));
    CHECK_TEXT(a, "x");
    CHECK_TEXT(err_base, "base");
    CHECK_TEXT(err_for_all, "for all");
    error_release(a);
    error_release(b);
}

static void
new_copies_its_text(void)
{
    char text[] = "mine";
    bl_error *err = error_new(text), *none = error_new(NULL), *empty = error_new("");

    text[0] = '?';
    CHECK_TEXT(err, "mine");
    CHECK_TEXT(none, "(null)");
    CHECK_TEXT(empty, "");
    error_release(err);
    error_release(none);
    error_release(empty);
}

static void
E2_unwrap_gives_a_single_cause_only(void)
{
    bl_error *one = errorf("one: %pw", err_base);
    bl_error *two = errorf("%pw, %pw", err_base, err_other);
    bl_error *joined = error_join(err_base);

    CHECK(error_unwrap(one) == err_base);
    CHECK(!error_unwrap(two) && !error_unwrap(joined) && !error_unwrap(err_base));
    CHECK(!error_unwrap(NULL));
    CHECK_EQ(bl_error_cause_count(one), 1);
    CHECK_EQ(bl_error_cause_count(two), 2);
    CHECK_EQ(bl_error_cause_count(joined), 1);
    CHECK_EQ(bl_error_cause_count(err_base), 0);
    CHECK_EQ(bl_error_cause_count(NULL), 0);
    CHECK(bl_error_cause(one, 0) == err_base && !bl_error_cause(one, 1));
    CHECK(bl_error_cause(two, 1) == err_other && !bl_error_cause(two, 2));
    CHECK(!bl_error_cause(err_base, 0) && !bl_error_cause(NULL, 0));
    error_release(one);
    error_release(two);
    error_release(joined);
}

static void
E3_one_w_is_the_text_and_the_cause(void)
{
    bl_error *cause = error_new("cause");
    bl_error *err = errorf("wrap: %pw", error_retain(cause));
    bl_error *same = error_wrap(error_retain(cause), "%s %d", "wrap", 3);

    CHECK_TEXT(err, "wrap: cause");
    CHECK(error_unwrap(err) == cause);
    CHECK_TEXT(same, "wrap 3: cause");
    CHECK(error_unwrap(same) == cause);
    error_release(err);
    error_release(same);
    error_release(cause);
}

static void
E4_several_w_in_the_order_of_arguments(void)
{
    bl_error *err = errorf("%2$pw %1$pw %2$pw", err_base, err_other);

    CHECK_TEXT(err, "other base other");
    CHECK_EQ(bl_error_cause_count(err), 2);
    CHECK(bl_error_cause(err, 0) == err_base && bl_error_cause(err, 1) == err_other);
    error_release(err);
    err = errorf("%1$pw %1$pw", error_new("twice")); /* one argument: taken over once */
    CHECK_TEXT(err, "twice twice");
    CHECK_EQ(bl_error_cause_count(err), 1);
    CHECK(!error_unwrap(err));
    error_release(err);
    err = errorf("%pw %s %pw %d", err_other, "and", err_other, 4);
    CHECK_TEXT(err, "other and other 4");
    CHECK_EQ(bl_error_cause_count(err), 2);
    error_release(err);
    err = error_wrap(err_base, "%pw", err_other); /* the one wrapped is the last */
    CHECK_TEXT(err, "other: base");
    CHECK(bl_error_cause(err, 0) == err_other && bl_error_cause(err, 1) == err_base);
    error_release(err);
}

/* E5: what is no error is found by the compiler: see api/misuse_test.sh. */
static void
E5_w_of_nil_says_so(void)
{
    bl_error *none = NULL;
    bl_error *err = errorf("a: %pw", none);

    CHECK_TEXT(err, "a: %!w(<nil>)");
    CHECK(!error_unwrap(err));
    CHECK_EQ(bl_error_cause_count(err), 0);
    error_release(err);
    err = errorf("%pw %pw", none, err_base);
    CHECK_TEXT(err, "%!w(<nil>) base");
    CHECK_EQ(bl_error_cause_count(err), 1);
    CHECK(!error_unwrap(err)); /* of several, for all that */
    error_release(err);
    CHECK(!error_wrap(NULL, "success %d", 1));
}

static void
E6_v_wraps_nothing(void)
{
    bl_error *cause = error_new("cause"), *none = NULL;
    bl_error *err = errorf("%pv and %pv", cause, none);

    CHECK_TEXT(err, "cause and <nil>");
    CHECK_EQ(bl_error_cause_count(err), 0);
    error_release(err);
    error_release(cause); /* %pv has only looked */
}

/* What printf writes, errorf does. */
#define SAME(...)                                              \
    do {                                                       \
        char expected_[256];                                   \
        bl_error *err_ = errorf(__VA_ARGS__);                  \
        snprintf(expected_, sizeof expected_, __VA_ARGS__);    \
        CHECK_TEXT(err_, expected_);                           \
        error_release(err_);                                   \
    } while (0)

static void
formats_are_printfs(void)
{
    long double third = 1.0L / 3;
    const char *none = HIDE((const char *)NULL);

    SAME("plain");
    SAME("%s|%d|%u|%ld|%lu|%zu|%%", "s", -5, 5U, -6L, 6UL, (size_t)7);
    SAME("%d %d %ld", INT32_MIN, INT32_MAX, INT64_MIN);
    SAME("%5s|%-5s|%.1s|%*.*s", "ab", "ab", "ab", 7, 1, "ab");
    SAME("%-*d|%*d|%.*f|%.*d", 6, 42, -6, 42, -1, 2.5, 3, 7);
    SAME("%hhd %hd %lld %jd %td %qd", 300, 70000, 1LL << 40, (intmax_t)-1, (ptrdiff_t)-2,
         3LL);
    SAME("%x %X %o %#x %+d % d %05d %'d", 255, 255, 8, 16, 1, 2, 3, 4);
    SAME("%f %F %e %E %g %G %a %Lf %.3Lg", 1.5, 2.5, 1e10, 1e-10, 0.1, 1e20, 1.0, third,
         third);
    SAME("%c%c %lc %ls %p", 'a', 0x141, (wint_t)L'b', L"wide", (void *)&third);
    SAME("%2$s %1$d %2$s", 1, "two");
    SAME("%3$*1$d|%2$s", 5, "x", 9);
    SAME("%s", none);
    errno = ENOENT;
    SAME("%m %d", 1);
    CHECK_EQ(errno, ENOENT);
}

static void
formats_out_of_the_ordinary(void)
{
    const char *wrong = HIDE("%d %y %"), *many = HIDE("%70$d %1$d");
    int stored = 5;
    bl_error *err;
    char *text;

    err = errorf(wrong, 1);
    CHECK_TEXT(err, "1 %y %");
    error_release(err);
    err = errorf(many, 1);
    CHECK_TEXT(err, "%70$d 1");
    error_release(err);
    err = errorf(HIDE("a%nb"), &stored);
    CHECK_TEXT(err, "ab");
    CHECK_EQ(stored, 5);
    error_release(err);
    err = errorf(HIDE((const char *)NULL));
    CHECK_TEXT(err, "(null)");
    error_release(err);
    err = errorf(HIDE("[%6pw|%-6pw|%.2pv]"), err_base, err_other, err_base);
    CHECK_TEXT(err, "[  base|other |ba]");
    CHECK_EQ(bl_error_cause_count(err), 2);
    error_release(err);
    err = errorf("%2000d%s", 1, "end"); /* longer than what lies on the stack */
    text = bl_error_string(err);
    CHECK_EQ(strlen(text), 2003);
    CHECK_STR(text + 1999, "1end");
    free(text);
    error_release(err);
}

/* --- text -------------------------------------------------------------------- */

static void
texts_are_measured_and_cut(void)
{
    char buf[8];
    bl_error *err = error_new("0123456789");
    const struct own own = {.base = {&leaf_kind}, .message = "0123456789"};

    CHECK_EQ(bl_error_text(err, NULL, 0), 10);
    CHECK_EQ(bl_error_text(err, buf, 1), 10);
    CHECK_STR(buf, "");
    CHECK_EQ(bl_error_text(err, buf, sizeof buf), 10);
    CHECK_STR(buf, "0123456");
    CHECK_EQ(bl_error_text(err_base, buf, 3), 4);
    CHECK_STR(buf, "ba");
    CHECK_EQ(bl_error_text(&own.base, buf, 4), 10);
    CHECK_STR(buf, "012");
    CHECK_EQ(bl_error_text(bl_error_from_errno(ENOENT), buf, 5), 25);
    CHECK_STR(buf, "no s");
    CHECK_EQ(bl_error_text(NULL, buf, sizeof buf), 5);
    CHECK_STR(buf, "<nil>");
    error_release(err);
}

static void
string_is_the_callers(void)
{
    bl_error *err = error_new("text");
    char *text = bl_error_string(err), *none = bl_error_string(NULL);

    error_release(err);
    CHECK_STR(text, "text");
    CHECK_STR(none, "<nil>");
    free(text);
    free(none);
}

/* --- join -------------------------------------------------------------------- */

static void
E7_join_drops_nils(void)
{
    bl_error *none = NULL, *err;

    CHECK(!error_join(none) && !error_join(none, none) && !bl_error_join_list(NULL, 0));
    err = error_join(none, error_new("a"), none, error_new("b"), none);
    CHECK_TEXT(err, "a\nb");
    CHECK_EQ(bl_error_cause_count(err), 2);
    error_release(err);
    err = error_join(none, err_base);
    CHECK(err != err_base && error_is(err, err_base));
    CHECK_TEXT(err, "base");
    error_release(err);
}

static void
E8_join_of_joins_keeps_the_nesting(void)
{
    bl_error *inner = error_join(error_new("a"), error_new("b"));
    bl_error *err = error_join(inner, error_new("c"));

    CHECK_TEXT(err, "a\nb\nc");
    CHECK_EQ(bl_error_cause_count(err), 2);
    CHECK(bl_error_cause(err, 0) == inner);
    error_release(err);
}

static void
join_list_of_many(void)
{
    enum { N = 100 };
    bl_error *list[N], *err;

    for (int i = 0; i < N; i++)
        list[i] = errorf("%d", i);
    err = bl_error_join_list(list, N);
    CHECK_EQ(bl_error_cause_count(err), N);
    CHECK(error_is(err, list[N - 1]));
    CHECK_EQ(bl_error_text(err, NULL, 0), 10 + 2 * 90 + 99);
    error_release(err);
}

/* --- is ---------------------------------------------------------------------- */

static void
E9_nil_is_nil_only(void)
{
    CHECK(error_is(NULL, NULL));
    CHECK(!error_is(err_base, NULL) && !error_is(NULL, err_base));
}

/* A tree that says who is asked: 1(2(3, 4), 5). */
static void
E10_is_goes_first_to_last_and_stops(void)
{
    struct own n3 = {{&asker_kind}, "3", err_other, NULL, {0}, 0};
    struct own n4 = {{&asker_kind}, "4", NULL, NULL, {0}, 0};
    struct own n2 = {{&multi_kind}, "2", NULL, NULL, {&n3.base, &n4.base}, 2};
    struct own n5 = {{&asker_kind}, "5", err_for_all, NULL, {0}, 0};
    struct own n1 = {{&multi_kind}, "1", NULL, NULL, {&n2.base, &n5.base}, 2};

    CHECK(!error_is(&n1.base, err_base));
    CHECK_TRACE("1 2 3 4 5");
    CHECK(error_is(&n1.base, err_other));
    CHECK_TRACE("1 2 3");
    CHECK(error_is(&n1.base, err_for_all));
    CHECK_TRACE("1 2 3 4 5");
    CHECK(error_is(&n1.base, &n4.base)); /* equality comes before the question */
    CHECK_TRACE("1 2 3");
}

static void
E11_own_is_is_asked_at_every_node(void)
{
    struct own claims = {{&asker_kind}, NULL, err_other, NULL, {0}, 0};
    bl_error *err = errorf("a: %pw", errorf("b: %pw", &claims.base));

    CHECK(error_is(&claims.base, err_other));
    CHECK(error_is(err, err_other));
    CHECK(!error_is(err, err_base));
    error_release(err);
    err = error_join(error_new("x"), errorf("%pw", &claims.base));
    CHECK(error_is(err, err_other));
    error_release(err);
}

/* E12: equality is that of addresses here, so that nothing about a target can do
 * harm; two that look the same are the same by their `is` only. */
static void
E12_targets_are_not_looked_into(void)
{
    struct own a = {.base = {&leaf_kind}}, b = a;
    struct own claims = {.base = {&asker_kind}, .target = &b.base};
    bl_error nothing = {NULL}; /* not even a kind */

    CHECK(!error_is(&a.base, &b.base));
    CHECK(error_is(&claims.base, &b.base));
    CHECK(!error_is(&claims.base, &a.base) && !error_is(err_base, &nothing));
    CHECK(!error_is(&claims.base, &nothing));
}

static void
E13_nil_members_are_skipped(void)
{
    struct own leaf = {.base = {&leaf_kind}};
    struct own hollow = {{&multi_kind}, NULL, NULL, NULL, {NULL, NULL}, 2};
    struct own mixed = {{&multi_kind}, NULL, err_base, NULL, {NULL, &leaf.base}, 2};

    CHECK(!error_is(&hollow.base, NULL));
    CHECK(!error_is(&hollow.base, err_base));
    CHECK(!error_as(&hollow.base, &leaf_kind));
    CHECK(error_as(&mixed.base, &leaf_kind) == &leaf);
    CHECK(error_is(&mixed.base, &leaf.base));
}

static void
E19_a_chain_that_ends_in_nil(void)
{
    struct own empty = {.base = {&asker_kind}};
    bl_error *err = errorf("x: %pw", &empty.base);

    CHECK(!error_is(err, err_base) && !error_as(err, &leaf_kind));
    error_release(err);
}

/* --- as ---------------------------------------------------------------------- */

static void
E14_as_gives_the_first_that_fits(void)
{
    struct own first = {.base = {&leaf_kind}}, second = first;
    struct own seen = {.base = {&chameleon_kind}, .other = &second};
    bl_error *err = error_join(err_base, errorf("x: %pw", &first.base), &second.base);

    CHECK(error_as(err, &leaf_kind) == &first);
    CHECK(!error_as(err, &asker_kind));
    error_release(err);
    err = error_join(&seen.base, &first.base);
    CHECK(error_as(err, &leaf_kind) == &second); /* by the own `as` */
    CHECK(error_as(err, &chameleon_kind) == &seen);
    error_release(err);
}

static bool
can_unwrap(const bl_error *err, void *calls)
{
    ++*(int *)calls;
    return err->kind->unwrap != NULL;
}

/* An interface is a set of functions that a kind has. */
static void
E15_find_is_as_with_an_interface(void)
{
    struct own asker = {.base = {&asker_kind}};
    bl_error *err = error_join(err_base, err_other, &asker.base, err_base);
    int calls = 0;

    CHECK(bl_error_find(err, can_unwrap, &calls) == &asker.base);
    CHECK_EQ(calls, 4);
    CHECK(!bl_error_find(err_base, can_unwrap, &calls));
    CHECK(!bl_error_find(NULL, can_unwrap, &calls));
    error_release(err);
}

static bl_panic_info *caught;

static void
keep(void)
{
    bl_panic_free(caught);
    caught = bl_panic_copy(recover());
}

static void
catch_from(void (*f)(void))
{
    returns_nothing {
        defer_call(keep);
        f();
    }
}

static void
as_nothing(void)
{
    error_as(err_base, NULL);
}

/* E16: the other two misuses of Go's As are a compiler's business here. */
static void
E16_as_nothing_panics(void)
{
    catch_from(as_nothing);
    CHECK_STR(caught->text, "errors: target cannot be nil");
}

static void
E17_as_of_nil_is_false(void)
{
    CHECK(!error_as(NULL, &leaf_kind) && !error_as(NULL, NULL));
}

/* --- the system's errors ----------------------------------------------------- */

static void
E18_what_errnos_count_as(void)
{
    static const int unsupported[] = {ENOSYS, ENOTSUP, EOPNOTSUPP};

    CHECK_TEXT(bl_err_unsupported, "unsupported operation");
    CHECK_TEXT(bl_err_not_exist, "file does not exist");
    for (int i = 0; i < 3; i++)
        CHECK(error_is(bl_error_from_errno(unsupported[i]), bl_err_unsupported));
    CHECK(error_is(bl_error_from_errno(ENOENT), bl_err_not_exist));
    CHECK(error_is(bl_error_from_errno(EEXIST), bl_err_exist));
    CHECK(error_is(bl_error_from_errno(ENOTEMPTY), bl_err_exist));
    CHECK(error_is(bl_error_from_errno(EACCES), bl_err_permission));
    CHECK(error_is(bl_error_from_errno(EPERM), bl_err_permission));
    for (int n = 1; n < 300; n++) {
        bl_error *err = bl_error_from_errno(n);

        CHECK_EQ(error_is(err, bl_err_not_exist), n == ENOENT);
        CHECK_EQ(error_is(err, bl_err_permission), n == EACCES || n == EPERM);
        error_release(err);
    }
}

static void
errnos_have_texts_and_names(void)
{
    bl_error *err;

    CHECK(!bl_error_from_errno(0));
    CHECK_TEXT(bl_error_from_errno(ENOENT), "no such file or directory");
    CHECK_TEXT(bl_error_from_errno(-ENOENT), "no such file or directory");
    CHECK_TEXT(bl_error_from_errno(ERFKILL), "operation not possible due to RF-kill");
    CHECK_TEXT(bl_error_from_errno(EREMCHG), "remote address changed");
    CHECK_TEXT(bl_error_from_errno(ESRMNT), "srmount error");
    CHECK_TEXT(bl_error_from_errno(EDOTDOT), "RFS specific error");
    CHECK_TEXT(bl_error_from_errno(41), "errno 41");
    CHECK_STR(bl_error_name(bl_error_from_errno(ENOENT)), "ENOENT");
    CHECK_STR(bl_error_name(bl_error_from_errno(41)), "syscall.Errno");
    CHECK_STR(bl_error_name(err_base), "*errors.errorString");
    CHECK_STR(bl_error_name(NULL), "<nil>");
    CHECK(bl_error_from_errno(EPIPE) == bl_error_from_errno(EPIPE));

    err = bl_error_from_errno(99999);
    CHECK_TEXT(err, "errno 99999");
    CHECK_EQ(bl_error_errno(err), 99999);
    bl_error *same = bl_error_from_errno(-99999), *lowest = bl_error_from_errno(INT32_MIN);
    CHECK(err != same && error_is(err, same) && !error_is(err, lowest));
    CHECK_EQ(bl_error_errno(lowest), INT32_MIN);
    error_release(err);
    error_release(same);
    error_release(lowest);
}

static void
numbers_come_back_out_of_trees(void)
{
    bl_error *err = error_join(error_new("x"), error_wrap(bl_error_from_errno(EAGAIN), "y"));

    CHECK_EQ(bl_error_errno(err), EAGAIN);
    CHECK_EQ(bl_error_gai(err), 0);
    CHECK_EQ(bl_error_errno(NULL), 0);
    CHECK_EQ(bl_error_errno(err_base), 0);
    error_release(err);
}

static void
getaddrinfo_has_errors_too(void)
{
    bl_error *err = error_wrap(bl_error_from_gai(EAI_NONAME), "resolve %s", "host");

    CHECK(!bl_error_from_gai(0));
    CHECK_TEXT(err, "resolve host: name or service not known");
    CHECK_EQ(bl_error_gai(err), EAI_NONAME);
    CHECK_EQ(bl_error_errno(err), 0);
    CHECK_STR(bl_error_name(error_unwrap(err)), "EAI_NONAME");
    CHECK(error_is(err, bl_error_from_gai(EAI_NONAME)));
    CHECK(!error_is(err, bl_error_from_gai(EAI_AGAIN)));
    error_release(err);
    errno = EMFILE;
    CHECK(bl_error_from_gai(EAI_SYSTEM) == bl_error_from_errno(EMFILE));
    CHECK_TEXT(bl_error_from_gai(-77), "getaddrinfo code -77");
    err = bl_error_from_gai(4711);
    CHECK_TEXT(err, "getaddrinfo code 4711");
    error_release(err);
}

/* --- owners ------------------------------------------------------------------ */

static void
counted_errors_own_what_they_wrap(void)
{
    struct own *multi = bl_error_make(&counted_multi_kind);
    bl_error *shared = error_new("shared"), *err;

    cleared = 0;
    multi->count = 3;
    multi->list[0] = error_retain(shared);
    multi->list[2] = make_counted("deep", error_retain(shared));
    err = make_counted("top", &multi->base);
    CHECK(error_is(err, shared));
    CHECK_TEXT(err, "top");
    error_retain(err);
    error_release(err);
    CHECK_EQ(cleared, 0);
    error_release(err);
    CHECK_EQ(cleared, 3);
    CHECK_TEXT(shared, "shared");
    error_release(shared);
}

static void
nothing_happens_to_what_is_not_counted(void)
{
    const struct own own = {.base = {&leaf_kind}};

    CHECK(error_retain(NULL) == NULL);
    error_release(NULL);
    for (int i = 0; i < 3; i++) {
        error_release(err_base);
        error_release(&own.base);
        error_release(bl_error_from_errno(EIO));
    }
    CHECK(error_retain(&own.base) == &own.base);
}

static void
make_without_size(void)
{
    bl_error_make(&leaf_kind);
}

static void
release_twice(void)
{
    struct own *own = bl_error_make(&counted_kind);

    own->list[0] = &own->base; /* owns itself, and is not counted for it */
    error_release(&own->base);
}

static void
misuse_is_found(void)
{
    catch_from(make_without_size);
    CHECK_STR(caught->text, "errors: bl_error_make: kind leaf has no size");
}

/* In a child, so outside the leak check: fork is slow. */
static void
an_error_that_owns_itself_is_fatal(void)
{
    in_child(release_twice);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("fatal error: errors: an error was released too often\n");
}

/* --- long and circular ------------------------------------------------------- */

enum { LONG = SANITIZED ? 20000 : 200000 };

/* Chains and nested joins whose walks and ends must not recurse. */
static void
long_ones(void)
{
    bl_error *chain = error_new("end"), *left = error_new("x"), *end = chain;

    for (int i = 0; i < LONG; i++) {
        chain = errorf(HIDE("x%.0pw"), chain);
        left = error_join(left);
    }
    CHECK(error_is(chain, end) && !error_is(chain, err_base));
    CHECK(!error_is(left, err_base) && !error_as(left, &leaf_kind));
    error_release(chain);
    error_release(left);
}

static void
long_chains_need_no_stack(void)
{
    in_thread(long_ones, 128 << 10);
}

/* It is the length of a path that is bounded, not how many errors there are. */
static void
a_wide_tree_is_no_circle(void)
{
    enum { WIDE = 70000 };
    static bl_error *list[WIDE];
    static struct own leaf = {.base = {&leaf_kind}, .message = ""};
    bl_error *err;

    for (int i = 0; i < WIDE; i++)
        list[i] = &leaf.base;
    err = bl_error_join_list(list, WIDE);
    CHECK(!error_is(err, err_base));
    error_release(err);
}

static struct own circle = {.base = {&asker_kind}};
static struct own crossing = {.base = {&multi_kind}, .count = 2};

static void
walk_circle(void)
{
    error_is(&circle.base, err_base);
}

static void
walk_crossing(void)
{
    error_as(&crossing.base, &leaf_kind);
}

static void
circles_are_found(void)
{
    static char detail[1 << 17];

    circle.list[0] = &circle.base;
    crossing.list[0] = crossing.list[1] = &crossing.base;
    catch_from(walk_circle);
    CHECK_STR(caught->text,
              "errors: more than 65536 errors wrap each other: is it a circle?");
    catch_from(walk_crossing);
    CHECK_STR(caught->text,
              "errors: more than 65536 errors wrap each other: is it a circle?");
    CHECK(error_is(&circle.base, &circle.base)); /* found before it goes round */
    CHECK(bl_error_detail(&circle.base, detail, sizeof detail) < sizeof detail);
    CHECK(strstr(detail, "...more errors elided...\n") != NULL);
}

/* --- panics ------------------------------------------------------------------ */

static bl_error *kept;

static void
keep_error(void)
{
    kept = bl_error_from_panic(recover());
}

/* Runs f and keeps what it panics with. */
static void
error_of(void (*f)(void))
{
    returns_nothing {
        defer_call(keep_error);
        f();
    }
}

static void
panic_with_error(void)
{
    panic_error(error_wrap(err_base, "in a panic"));
}

static void
panic_again(void)
{
    const bl_panic_info *p = recover();

    if (p)
        repanic(p);
}

static void
panic_twice(void)
{
    returns_nothing {
        defer_call(panic_again);
        panic_with_error();
    }
}

static void
panic_over_panic(void)
{
    returns_nothing {
        defer_call(panic_with_error);
        panic_error(error_new("never seen"));
    }
}

static void
a_panic_takes_its_error_over(void)
{
    error_of(panic_with_error);
    CHECK_TEXT(kept, "in a panic: base");
    CHECK(error_is(kept, err_base));
    error_release(kept);
    error_of(panic_twice);
    CHECK_TEXT(kept, "in a panic: base");
    error_release(kept);
    error_of(panic_over_panic);
    CHECK_TEXT(kept, "in a panic: base");
    error_release(kept);
    kept = NULL;
}

static const bl_panic_info *last_info;

static void
only_recover(void)
{
    last_info = recover();
    if (last_info)
        CHECK_TEXT(last_info->error, "in a panic: base");
}

static void
recover_only(void)
{
    returns_nothing {
        defer_call(only_recover);
        panic_with_error();
    }
}

/* What is behind a recovered panic is gone when its function has returned, and says
 * so; a copy keeps it. */
static void
a_panics_error_ends_with_it(void)
{
    char text[128];

    recover_only();
    bl_panic_text(last_info, text, sizeof text);
    CHECK_STR(text, "belay: this error is gone: bl_error_retain() would have kept it");
    catch_from(panic_with_error);
    CHECK_TEXT(caught->error, "in a panic: base");
    CHECK(error_is(caught->error, err_base));
}

static void
goexit_over_panic(void)
{
    returns_nothing {
        defer_call(goexit);
        panic_with_error();
    }
}

static void
a_goexit_releases_it(void)
{
    in_thread(goexit_over_panic, MIB);
}

static void
panic_text(void)
{
    panic("text %d", 1);
}

static void
panic_value_of_7(void)
{
    panic_with(bl_int(7));
}

static UNUSED void
divide_by_zero(void)
{
    volatile int zero = 0;

    NOTE_INT(HIDE(7) / zero);
}

static void
follow_nil(void)
{
    NOTE_INT(*HIDE((volatile int *)8));
}

static void
any_panic_becomes_an_error(void)
{
    const bl_panicked *p;

    CHECK(!bl_error_from_panic(NULL));
    error_of(panic_text);
    CHECK_TEXT(kept, "text 1");
    p = error_as(kept, &bl_panicked_kind);
    CHECK_EQ(p->kind, BL_PANIC_TEXT);
    error_release(kept);
    error_of(panic_value_of_7);
    CHECK_TEXT(kept, "7");
    error_release(kept);
#if defined(__x86_64__) /* elsewhere it is 0, and nothing faults */
    error_of(divide_by_zero);
    CHECK_TEXT(kept, "runtime error: integer divide by zero");
    error_release(kept);
#endif
    error_of(follow_nil);
    CHECK_TEXT(kept, "runtime error: invalid memory address or nil pointer dereference");
    p = error_as(kept, &bl_panicked_kind);
    CHECK_EQ(p->kind, BL_PANIC_FAULT);
    CHECK_EQ(p->signal, SIGSEGV);
    CHECK_EQ(p->address, 8);
    error_release(kept);
    kept = NULL;
}

static void
uncaught_error(void)
{
    panic_error(error_join(error_new("first"), error_new("second")));
}

static void
an_uncaught_error_is_reported(void)
{
    in_child(uncaught_error);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: first\n\tsecond\n\ngoroutine 1 [running]:\nuncaught_error(...)\n");
}

/* --- in a returns body ------------------------------------------------------- */

static void
add_context(bl_error **err)
{
    *err = error_wrap(*err, "load");
}

static bl_error *
load(int how)
{
    returns (bl_error *, err) {
        defer_call(add_context, &err);
        if (how == 1)
            leave_with(error_new("one"));
        if (how == 2)
            leave_with(errorf("two: %pw", err_base));
    }
}

static void
an_error_is_a_result(void)
{
    bl_error *err = load(1);

    CHECK_TEXT(err, "load: one");
    error_release(err);
    err = load(2);
    CHECK_TEXT(err, "load: two: base");
    CHECK(error_is(err, err_base));
    error_release(err);
    CHECK(!load(0));
}

/* --- stacks ------------------------------------------------------------------ */

static NOINLINE bl_error *
make_inner(void)
{
    return error_new("inner");
}

static NOINLINE bl_error *
make_outer(void)
{
    return error_wrap(make_inner(), "outer");
}

static NOINLINE bl_error *
make_joined(void)
{
    return error_join(make_outer(), make_inner(), bl_error_from_errno(ENOENT));
}

static char detail[1 << 16];

/* Whether the words stand in the details of err, in this order. */
static void
check_detail(const bl_error *err, const char *const *words)
{
    const char *at = detail;

    CHECK(bl_error_detail(err, detail, sizeof detail) < sizeof detail);
    for (; *words; words++) {
        const char *found = strstr(at, *words);

        if (!found) {
            fprintf(stderr, "no \"%s\" in what follows \"%.40s\" in\n%s", *words, at, detail);
            _Exit(1);
        }
        at = found + strlen(*words);
    }
}

static void
details_name_the_place_of_each(void)
{
    static const char *const words[] = {
        "outer: inner\n\tinner\n\tno such file or directory\nmake_joined(...)\n\t",
        "errors_test.c:",
        "\n[1] outer: inner\nmake_outer(...)\n\t",
        "\n[1] caused by: inner\nmake_inner(...)\n\t",
        "\n[2] inner\nmake_inner(...)\n\t",
        "\n[3] no such file or directory (ENOENT)\n",
        NULL};
    bl_error *err = make_joined();

    check_detail(err, words);
    CHECK(!strstr(detail, "main(...)"));
    error_release(err);
    bl_error_detail(NULL, detail, sizeof detail);
    CHECK_STR(detail, "<nil>\n");
    CHECK_EQ(bl_error_detail(err_base, detail, 3), 5);
    CHECK_STR(detail, "ba");
}

static void
members_of_members_are_numbered(void)
{
    bl_error *err = error_join(err_base, error_join(err_other, errorf("w: %pw", err_base)));

    static const char *const words[] = {"\n[1] base\n", "[2] other\n\tw: base\n",
                                        "[2.1] other\n", "[2.2] w: base\n",
                                        "[2.2] caused by: base\n", NULL};

    check_detail(err, words);
    error_release(err);
}

static void
whole_stacks_can_be_had(void)
{
    static const char *const words[] = {
        "outer: inner\n", "make_outer(...)\n", "make_joined(...)\n",
        "whole_stacks_can_be_had(...)\n", "main(...)\n",
        "caused by: inner\nmake_inner(...)\n", "make_outer(...)\n",
        "make_joined(...)\n", "main(...)\n", NULL};
    bl_error *err;

    CHECK_EQ(bl_error_stack_depth(-1), 0);
    CHECK_EQ(bl_error_stack_depth(1000), 0);
    CHECK_EQ(bl_error_stack_depth(50), 50);
    err = make_joined();
    check_detail(bl_error_cause(err, 0), words);
    error_release(err);
    CHECK_EQ(bl_error_stack_depth(2), 50);
    err = make_joined();
    check_detail(bl_error_cause(err, 0), (const char *[]){"make_outer(...)\n",
                                                          "make_joined(...)\n", NULL});
    CHECK(!strstr(detail, "main(...)"));
    error_release(err);
    error_release(make_counted("own", make_joined()));
    error_release(make_inner());
    CHECK_EQ(bl_error_stack_depth(0), 2);
}

static void
a_panics_place_is_kept(void)
{
    static const char *const fault[] = {"dereference\n", "follow_nil(...)\n", NULL};
    static const char *const text[] = {"text 1\n", "panic_text(...)\n", NULL};

    error_of(follow_nil);
    check_detail(kept, fault);
    error_release(kept);
    error_of(panic_text);
    check_detail(kept, text);
    error_release(kept);
    kept = NULL;
}

static void
print_goes_to_a_descriptor(void)
{
    char got[256];
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    error_print(err_base, fds[1]);
    close(fds[1]);
    CHECK_EQ(read(fds[0], got, sizeof got), 5);
    CHECK_EQ(memcmp(got, "base\n", 5), 0);
    close(fds[0]);
}

/* --- memory and threads ------------------------------------------------------ */

static void
no_memory(void)
{
    struct rlimit limit = {256 * MIB, 256 * MIB};
    bl_error *cause = error_new("cause"), *second = error_new("second"), *err;

    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    use_up_memory();
    CHECK(error_is(error_new("x"), bl_error_from_errno(ENOMEM)));
    CHECK(error_is(errorf("x %d", 1), bl_error_from_errno(ENOMEM)));
    CHECK(!bl_error_make(&counted_kind));
    err = error_wrap(cause, "too much");
    CHECK(err == cause);
    CHECK(error_join(err, err_base) == err);
    error_release(second);
}

static void
where_memory_is_short_the_cause_is_left(void)
{
    if (SANITIZED)
        return; /* their own memory is beyond all limits */
    in_child(no_memory);
    if (ended.status == 77)
        return;
    if (ended.status != 0)
        fputs(ended.err, stderr);
    CHECK_EQ(ended.status, 0);
}

static bl_error *for_all_threads;
static _Atomic int looked;

static void *
share(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        bl_error *err = errorf("%d: %pw", i, error_retain(for_all_threads));

        looked += error_is(err, err_base);
        error_release(err);
    }
    return arg;
}

static void
any_thread_may_look_and_let_go(void)
{
    pthread_t threads[4];

    for_all_threads = error_join(error_wrap(err_base, "x"), err_other);
    looked = 0;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, share, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(looked, 4 * 20000);
    CHECK_TEXT(for_all_threads, "x: base\nother");
    error_release(for_all_threads);
}

/* --- what the header shows ----------------------------------------------------- */

static bl_error *
read_config(const char *path)
{
    char byte;
    ssize_t length;
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return error_wrap(bl_error_from_errno(errno), "open %s", path);
    length = read(fd, &byte, 1);
    close(fd);
    return length ? NULL : error_wrap(err_base, "read %s", path);
}

struct parse_error {
    bl_error base;
    int line;
    bl_error *cause;
};

static size_t
parse_error_text(const bl_error *err, char *buf, size_t size)
{
    const struct parse_error *e = (const struct parse_error *)err;

    return (size_t)snprintf(buf, size, "line %d", e->line);
}

static const bl_error *
parse_error_unwrap(const bl_error *err)
{
    return ((const struct parse_error *)err)->cause;
}

static const bl_error_kind parse_error_kind = {.name = "parse_error",
                                               .text = parse_error_text,
                                               .size = sizeof(struct parse_error),
                                               .unwrap = parse_error_unwrap};

static bl_error *
parse(int line)
{
    struct parse_error *e = bl_error_make(&parse_error_kind);

    e->line = line;
    e->cause = error_new("no value");
    return error_wrap(&e->base, "parse");
}

static void
the_headers_examples(void)
{
    bl_error *err = read_config("/nowhere/app.conf");
    const struct parse_error *e;

    CHECK(error_is(err, bl_err_not_exist));
    CHECK_TEXT(err, "open /nowhere/app.conf: no such file or directory");
    error_release(err);
    err = read_config("/dev/null");
    CHECK(error_is(err, err_base));
    error_release(err);
    CHECK(!read_config("/dev/zero"));

    err = parse(7);
    e = error_as(err, &parse_error_kind);
    CHECK(e && e->line == 7);
    CHECK_TEXT(error_unwrap(error_unwrap(err)), "no value");
    error_release(err);
}

/* ------------------------------------------------------------------------------- */

static void
values(void)
{
    OFTEN(E1_equal_texts_are_different_errors);
    OFTEN(new_copies_its_text);
    OFTEN(E2_unwrap_gives_a_single_cause_only);
    OFTEN(E3_one_w_is_the_text_and_the_cause);
    OFTEN(E4_several_w_in_the_order_of_arguments);
    OFTEN(E5_w_of_nil_says_so);
    OFTEN(E6_v_wraps_nothing);
    OFTEN(formats_are_printfs);
    OFTEN(formats_out_of_the_ordinary);
    OFTEN(texts_are_measured_and_cut);
    OFTEN(string_is_the_callers);
    OFTEN(E7_join_drops_nils);
    OFTEN(E8_join_of_joins_keeps_the_nesting);
    OFTEN(join_list_of_many);
}

static void
trees(void)
{
    OFTEN(E9_nil_is_nil_only);
    OFTEN(E10_is_goes_first_to_last_and_stops);
    OFTEN(E11_own_is_is_asked_at_every_node);
    OFTEN(E12_targets_are_not_looked_into);
    OFTEN(E13_nil_members_are_skipped);
    OFTEN(E14_as_gives_the_first_that_fits);
    OFTEN(E15_find_is_as_with_an_interface);
    OFTEN(E16_as_nothing_panics);
    OFTEN(E17_as_of_nil_is_false);
    OFTEN(E18_what_errnos_count_as);
    OFTEN(E19_a_chain_that_ends_in_nil);
    OFTEN(errnos_have_texts_and_names);
    OFTEN(numbers_come_back_out_of_trees);
    OFTEN(getaddrinfo_has_errors_too);
    RUN(long_chains_need_no_stack);
    RUN(a_wide_tree_is_no_circle);
    RUN(circles_are_found);
}

static void
owners(void)
{
    OFTEN(counted_errors_own_what_they_wrap);
    OFTEN(nothing_happens_to_what_is_not_counted);
    OFTEN(misuse_is_found);
    OFTEN(a_panic_takes_its_error_over);
    OFTEN(a_panics_error_ends_with_it);
    OFTEN(a_goexit_releases_it);
    OFTEN(any_panic_becomes_an_error);
    OFTEN(an_error_is_a_result);
    OFTEN(the_headers_examples);
    RUN(an_error_that_owns_itself_is_fatal);
    RUN(an_uncaught_error_is_reported);
    RUN(where_memory_is_short_the_cause_is_left);
    RUN(any_thread_may_look_and_let_go);
}

int
main(void)
{
    values();
    trees();
    owners();
    OFTEN(details_name_the_place_of_each);
    OFTEN(members_of_members_are_numbered);
    OFTEN(whole_stacks_can_be_had);
    OFTEN(a_panics_place_is_kept);
    OFTEN(print_goes_to_a_descriptor);
    bl_panic_free(caught);
    return 0;
}
