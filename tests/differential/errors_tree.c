/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/errors_tree.c - builds the trees of errors that errors.py has
 * written on standard input, and answers its questions; errors_go/main.go is the same
 * in Go, function for function, and the language is described there. */
#include <belay/belay.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 64, ARGS = 8 };

static bl_error *nodes[NODES];
static int count;
static char text[1 << 16];
static bool quiet;

/* --- kinds of our own ------------------------------------------------------------ */

struct own {
    bl_error base;
    int id;
    const bl_error *target, *seen;
    size_t count;
    const bl_error *list[ARGS];
};

static size_t
own_text(const bl_error *err, char *buf, size_t size)
{
    return (size_t)snprintf(buf, size, "own%d", ((const struct own *)err)->id);
}

static const bl_error *
own_unwrap(const bl_error *err)
{
    return ((const struct own *)err)->list[0];
}

static const bl_error *const *
own_causes(const bl_error *err, size_t *n)
{
    *n = ((const struct own *)err)->count;
    return ((const struct own *)err)->list;
}

static bool
own_is(const bl_error *err, const bl_error *target)
{
    const struct own *own = (const struct own *)err;

    printf(" ?%d", own->id);
    return own->target == target;
}

static const void *own_as(const bl_error *err, const bl_error_kind *kind);

#define OWN .text = own_text, .size = sizeof(struct own), .is = own_is, .as = own_as

enum { LEAF_A, LEAF_B, LEAF_C, CHAIN, MULTI, KINDS };

static const bl_error_kind kinds[KINDS] = {
    [LEAF_A] = {.name = "leafA", OWN},
    [LEAF_B] = {.name = "leafB", OWN},
    [LEAF_C] = {.name = "leafC", OWN},
    [CHAIN] = {.name = "chain", OWN, .unwrap = own_unwrap},
    [MULTI] = {.name = "multi", OWN, .causes = own_causes},
};

static const void *
own_as(const bl_error *err, const bl_error_kind *kind)
{
    const struct own *own = (const struct own *)err;

    if (!quiet)
        printf(" !%d", own->id);
    return kind == &kinds[LEAF_B] ? own->seen : NULL;
}

static bool
is_marked(const bl_error *err, void *unused)
{
    (void)unused;
    return err->kind == &kinds[LEAF_C] || err->kind == &kinds[CHAIN];
}

/* --- building ---------------------------------------------------------------------- */

bl_error_static(err_1, "one");
bl_error_static(err_2, "two");

static bl_error *
sentinel(int n)
{
    bl_error *const all[] = {bl_err_not_exist,   bl_err_exist, bl_err_permission,
                             bl_err_unsupported, err_1,        err_2};

    return all[n];
}

static bl_error *
node(int i)
{
    return i < 0 ? NULL : nodes[i];
}

/* The next number of the line, or `none`. */
static int
number(char **at, int none)
{
    char *end;
    long n = strtol(*at, &end, 10);

    if (end == *at)
        return none;
    *at = end;
    return (int)n;
}

static int
numbers(char **at, int *list)
{
    int n = 0;

    while (n < ARGS && (list[n] = number(at, INT32_MIN)) != INT32_MIN)
        n++;
    return n;
}

/* `w1 v2`: what stands for which argument; or `w v`, for the next ones. */
static void
write_format(char *format, const char *items)
{
    for (; *items && *items != '|'; items++) {
        if (*items == ' ') {
            format = stpcpy(format, ", ");
        } else if (items[1] >= '1' && items[1] <= '9') {
            format += sprintf(format, "%%%c$p%c", items[1], *items);
            items++;
        } else {
            format += sprintf(format, "%%p%c", *items);
        }
    }
    *format = '\0';
}

/* All arguments that %pw takes over get an owner more; each once. */
static bl_error *
make_formatted(char *line)
{
    char format[256];
    bl_error *args[4] = {0};
    int list[ARGS], n, next = 1;
    unsigned wrapped = 0;
    char *bar = strchr(line, '|'), *at = bar + 1;

    write_format(format, line);
    n = numbers(&at, list);
    for (int i = 0; i < n; i++)
        args[i] = node(list[i]);
    for (char *p = line; p < bar; p++) {
        if (*p != 'w' && *p != 'v')
            continue;
        if (*p == 'w')
            wrapped |= 1U << (p[1] >= '1' && p[1] <= '9' ? p[1] - '0' : next);
        next++;
    }
    for (int i = 0; i < n; i++)
        if (wrapped & (2U << i))
            bl_error_retain(args[i]);
    return bl_errorf(format, args[0], args[1], args[2], args[3]);
}

static bl_error *
make_join(char *at)
{
    bl_error *args[ARGS];
    int list[ARGS], n = numbers(&at, list);

    for (int i = 0; i < n; i++)
        args[i] = bl_error_retain(node(list[i]));
    return bl_error_join_list(args, (size_t)n);
}

static bl_error *
make_own(char *at)
{
    int kind = number(&at, 0), target, list[ARGS], n;
    struct own *own = bl_error_make(&kinds[kind]);

    own->id = count;
    target = number(&at, -1);
    own->target = node(target);
    own->seen = node(number(&at, -1));
    n = numbers(&at, list);
    own->count = (size_t)n;
    for (int i = 0; i < n; i++)
        own->list[i] = bl_error_retain(node(list[i]));
    return &own->base;
}

static bl_error *
build(const char *what, char *at)
{
    char *words = at + 1;
    int a;

    if (strcmp(what, "new") == 0)
        return bl_error_new(words);
    if (strcmp(what, "fmt") == 0)
        return make_formatted(words);
    if (strcmp(what, "join") == 0)
        return make_join(at);
    if (strcmp(what, "own") == 0)
        return make_own(at);
    a = number(&at, 0);
    if (strcmp(what, "errno") == 0)
        return bl_error_from_errno(a);
    if (strcmp(what, "sent") == 0)
        return sentinel(a);
    if (strcmp(what, "wrap") == 0)
        return bl_error_wrap(bl_error_retain(node(a)), "%s", at + 1);
    fprintf(stderr, "errors_tree: what is %s?\n", what);
    exit(2);
}

/* --- questions --------------------------------------------------------------------- */

static void
print_node(const bl_error *err)
{
    if (!err) {
        printf(" nil");
        return;
    }
    for (int i = 0; i < count; i++) {
        if (nodes[i] == err) {
            printf(" #%d", i);
            return;
        }
    }
    printf(" another");
}

static void
print_text(const bl_error *err)
{
    bl_error_text(err, text, sizeof text);
    for (const char *p = text; *p; p++)
        *p == '\n' ? printf("\\n") : putchar(*p);
}

static bool
answer(const char *what, char *at)
{
    const bl_error *err;
    const void *found;
    int b;

    if (strlen(what) != 1 || !strchr("tucisafn", *what))
        return false;
    err = node(number(&at, -1));
    b = number(&at, -1);
    printf("%s:", what);
    if (*what == 't') {
        print_text(err);
    } else if (*what == 'u') {
        print_node(bl_error_unwrap(err));
    } else if (*what == 'c') {
        for (size_t i = 0; i < bl_error_cause_count(err); i++)
            print_node(bl_error_cause(err, i));
    } else if (*what == 'i') {
        printf(bl_error_is(err, node(b)) ? " true" : " false");
    } else if (*what == 'a') {
        found = bl_error_as(err, &kinds[b]);
        print_node(found);
    } else {
        quiet = true;
        print_node(bl_error_find(err, is_marked, NULL));
        quiet = false;
    }
    putchar('\n');
    return true;
}

static void
forget(void)
{
    while (count > 0)
        bl_error_release(nodes[--count]);
}

int
main(void)
{
    static char line[1 << 12];
    size_t trees = 0, early = 0, late;

    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    while (fgets(line, sizeof line, stdin)) {
        char *at = line;

        line[strcspn(line, "\n")] = '\0';
        at += strcspn(line, " ");
        memmove(at + 1, at, strlen(at) + 1); /* ends the first word */
        *at++ = '\0';
        if (strcmp(line, "tree") == 0) {
            forget();
            if (++trees == 500)
                early = mallinfo2().uordblks;
            printf("tree%s\n", at);
        } else if (!answer(line, at)) {
            bl_error *err = build(line, at);

            nodes[count++] = err;
        }
    }
    forget();
    late = mallinfo2().uordblks;
    if (early && late > early + 16 * trees) {
        fprintf(stderr, "errors_tree: %zu bytes more after %zu trees\n", late - early, trees);
        return 1;
    }
    return 0;
}
