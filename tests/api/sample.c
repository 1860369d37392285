/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/api/sample.c - every macro of defer.h and keywords.h at least once, for
 * headers_test.sh, which counts what the analysis mode marks: six bodies, four
 * blocks.  -DWITH_DEFER: with the blocks, which clang refuses otherwise. */
#include <belay/belay.h>
#include <belay/keywords.h>

typedef struct pair {
    long a, b;
} pair;

error_static(err_sample, "sample");

bl_error *errors(const char *path);

bl_error *
errors(const char *path)
{
    returns (bl_error *, err) {
        err = error_wrap(err_sample, "open %s", path);
        if (error_is(err, err_sample) && !error_as(err, err->kind))
            err = error_join(err, error_new("new"), errorf("%s", path));
    }
}

static const bl_context_key sample_key = {.name = "sample"};

int contexts(bl_context *parent, chan_of(int) c);

int
contexts(bl_context *parent, chan_of(int) c)
{
    bl_context *ctx = context_with_value(parent, &sample_key, "v");
    int v, error = bl_send_ctx(c, 1, ctx);

    if (error == 0)
        error = bl_recv_ctx(c, &v, ctx);
    if (error == 0)
        error = bl_select_ctx(ctx, on_recv(c, &v), on_recv(context_done(ctx), NULL));
    context_end(ctx);
    return error;
}

struct my_error {
    bl_error base;
    int code;
};

void flush(void);
int log_line(const char *format, ...);
void close_fd(int fd);
long log_text(const char *text);

static void
done(const char *what, int n)
{
    if (recover())
        log_line("%s %d\n", what, n);
}

int
divide(int a, int b)
{
    returns (int, q) {
#ifdef WITH_DEFER
        defer {
            if (recover())
                q = -1;
        };
#endif
        q = a / b;
    }
}

pair
two(int n)
{
    returns (pair, p) {
        if (n == 0)
            leave;
        if (n == 1)
            leave_with((pair){1, 2});
        defer_call(done, "two", n);
        defer_call(log_line, "%d %s\n", n, "lines");
        defer_call(flush);
        p.a = n;
    }
}

static void *
find(const char *name)
{
    returns (void *, found) {
        const struct my_error err = {{0}, 3};

        if (!name)
            panic("no name");
        if (name[0] == 'e')
            panic_error(&err.base);
        if (name[0] == 'v')
            panic_value(name, "char *");
        if (name[0] == 'w')
            panic_with(bl_named(bl_float(1.5), "metres"));
        found = (void *)(uintptr_t)name;
    }
}

void
loops(int n)
{
    returns_nothing {
        for (int i = 0; i < n; i++) {
#ifdef WITH_DEFER
            defer { close_fd(i); };
            defer {
                defer { close_fd(-i); };
                log_line("leaving\n");
            };
#endif
            if (i == 3)
                continue;
            if (find("x") == NULL)
                return;
            defer_call(close_fd, i);
        }
    }
}

void
again(void)
{
    returns_nothing {
        const bl_panic_info *p = recover();

        if (p)
            repanic(p);
        goexit();
    }
}

struct two {
    const char *a;
    int b;
};

static bl_error *
close_two(const struct two t)
{
    return t.b ? bl_errorf("%s", t.a) : NULL;
}

bl_error *
closers(void (*f)(int))
{
    bl_closers all = {0};
    const int three = 3;
    char text[4] = "abc";
    bl_closer first = with_closer(three, f);
    bl_error *err = bl_closers_add(&all, bl_closer_of(&first));

    err = bl_error_join(err, bl_closers_add(&all, with_closer(text, log_text)));
    err = bl_error_join(
        err, bl_closers_add(&all, with_closer(((struct two){"a", 1}), close_two)));
    close_into(&err, &first);
    return bl_error_join(err, bl_closers_close(&all));
}
