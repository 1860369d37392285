/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* idioms.c - what clean-up, panics and errors are for, in one small server.
 *
 *     idioms [request...]
 *
 * A request is a word and its arguments: "divide 7 0", "sum 1+2", "transfer 30",
 * "copy /etc/passwd /dev/full".  Without any the program answers some of its own.
 * Each request goes through two layers, one that traces it and one that turns a panic
 * into an error, to its handler; a handler may panic, divide by zero or follow NULL.
 * docs/guide/idioms.md explains the parts one by one. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

error_static(err_syntax, "syntax error");
error_static(err_short, "not enough money");
error_static(err_request, "no such request");

struct request {
    const char *text; /* all of it */
    const char *rest; /* what stands behind the first word */
    char *answer;     /* room for one */
    size_t size;
};

typedef bl_error *handler(struct request *r);

/* --- a fault becomes a result ------------------------------------------------- */

static bool
safe_divide(int a, int b, int *q)
{
    returns (bool, ok) {
        defer { recover(); };

        *q = a / b;
        ok = true;
    }
}

static bl_error *
handle_divide(struct request *r)
{
    int a, b, q;

    if (sscanf(r->rest, "%d %d", &a, &b) != 2)
        return error_wrap(err_syntax, "divide");
    if (!safe_divide(a, b, &q))
        return errorf("%d can't be divided by %d", a, b);
    snprintf(r->answer, r->size, "%d", q);
    return NULL;
}

/* --- panics inside, errors outside ---------------------------------------------- */

static int
read_number(const char **at)
{
    int n = 0;

    if (!isdigit((unsigned char)**at))
        panic_error(error_wrap(err_syntax, "at `%s`", *at));
    while (isdigit((unsigned char)**at))
        n = 10 * n + *(*at)++ - '0';
    return n;
}

static int
read_sum(const char **at)
{
    int n = read_number(at);

    while (**at == '+') {
        ++*at;
        n += read_number(at);
    }
    return n;
}

/* Recovers what is its own; anything else is somebody's mistake, and goes on. */
static bl_error *
handle_sum(struct request *r)
{
    returns (bl_error *, err) {
        defer {
            const bl_panic_info *p = recover();

            if (p && !error_is(p->error, err_syntax))
                repanic(p);
            err = bl_error_from_panic(p);
        };
        const char *at = strcmp(r->rest, "nothing") == 0 ? NULL : r->rest;

        snprintf(r->answer, r->size, "%d", read_sum(&at));
    }
}

/* --- the first error, and the close error ----------------------------------------- */

static bl_error *
copy(FILE *to, FILE *from)
{
    char buffer[4096];
    size_t n;

    while ((n = fread(buffer, 1, sizeof buffer, from)) > 0)
        if (fwrite(buffer, 1, n, to) != n)
            return error_wrap(bl_error_from_errno(errno), "write");
    return ferror(from) ? error_wrap(bl_error_from_errno(errno), "read") : NULL;
}

static bl_error *
copy_file(const char *to, const char *from)
{
    returns (bl_error *, err) {
        FILE *in = fopen(from, "r");
        if (!in)
            leave_with(error_wrap(bl_error_from_errno(errno), "open %s", from));
        bl_closer close_in = bl_closer_file(in);
        defer { close_into(NULL, &close_in); };

        FILE *out = fopen(to, "w");
        if (!out)
            leave_with(error_wrap(bl_error_from_errno(errno), "open %s", to));
        bl_closer close_out = bl_closer_file(out);
        defer { close_into(&err, &close_out); };

        err = copy(out, in);
    }
}

static bl_error *
handle_copy(struct request *r)
{
    char from[100], to[100];

    if (sscanf(r->rest, "%99s %99s", from, to) != 2)
        return error_wrap(err_syntax, "copy");
    return error_wrap(copy_file(to, from), "copy %s", from);
}

/* --- locks, and commit or roll back ------------------------------------------------ */

static struct {
    bl_mutex mutex;
    int from, to; /* protected by it */
} accounts = {.from = 100};

struct transaction {
    int from, to; /* as they were */
};

static void
roll_back(const struct transaction *t)
{
    accounts.from = t->from;
    accounts.to = t->to;
}

static bl_error *
handle_transfer(struct request *r)
{
    int amount = atoi(r->rest);

    returns (bl_error *, err) {
        bl_mutex_lock(&accounts.mutex);
        defer { bl_mutex_unlock(&accounts.mutex); };
        struct transaction before = {accounts.from, accounts.to};
        bl_closer open = with_closer(&before, roll_back);
        defer { close_into(&err, &open); };

        accounts.from -= amount;
        if (amount == 13)
            panic("transfer: %d?", amount); /* half of it is done */
        accounts.to += amount;
        if (accounts.from < 0)
            leave_with(err_short);
        snprintf(r->answer, r->size, "%d and %d", accounts.from, accounts.to);
        bl_closer_keep(&open); /* commit */
    }
}

/* --- a pool of connections ------------------------------------------------------------ */

struct conn {
    int number;
    char last[32]; /* what it was asked last */
};

static bl_connpool *pool;

static bl_error *
dial(void *opened, int64_t until_ns, bl_closer *closer)
{
    struct conn *c = malloc(sizeof *c);

    (void)until_ns; /* a real one gives up by then */
    if (!c)
        return bl_error_from_errno(ENOMEM);
    *c = (struct conn){.number = ++*(int *)opened};
    *closer = with_closer(c, free);
    return NULL;
}

static bl_error *
handle_ask(struct request *r)
{
    bl_connpool_lease lease;
    bl_error *err = bl_connpool_get_until(pool, &lease, bl_after_ns(BL_SECOND));
    if (err)
        return err;
    defer { bl_connpool_put(&lease); }; /* a panic closes the connection */

    struct conn *c = lease.conn;

    snprintf(c->last, sizeof c->last, "%.31s", r->rest);
    if (strcmp(r->rest, "badly") == 0)
        *(volatile char *)NULL = 0;
    snprintf(r->answer, r->size, "connection %d, %s", c->number, c->last);
    return NULL;
}

/* --- layers around the handlers --------------------------------------------------------- */

static const struct route {
    const char *word;
    handler *handle;
} routes[] = {
    {"divide", handle_divide},     {"sum", handle_sum}, {"copy", handle_copy},
    {"transfer", handle_transfer}, {"ask", handle_ask},
};

static bl_error *
dispatch(struct request *r)
{
    size_t n = strcspn(r->text, " ");

    r->rest = r->text + n + (r->text[n] != '\0');
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strlen(routes[i].word) == n && strncmp(r->text, routes[i].word, n) == 0)
            return routes[i].handle(r);
    return err_request;
}

/* A panic is one request that has failed.  The first frames say where. */
static bl_error *
guarded(struct request *r)
{
    returns (bl_error *, err) {
        defer {
            const bl_panic_info *p = recover();
            char stack[2000];

            if (p) {
                bl_stack(stack, sizeof stack);
                err = errorf("panic: %pw\n%s", bl_error_from_panic(p), stack);
            }
        };
        err = dispatch(r);
    }
}

struct trace {
    const char *what;
    int64_t began;
};

static struct trace
trace_begin(const char *what)
{
    fprintf(stderr, "> %s\n", what);
    return (struct trace){what, bl_now()};
}

static void
trace_end(const struct trace *t)
{
    fprintf(stderr, "< %s, %.3f ms\n", t->what, 1e-6 * (double)(bl_now() - t->began));
}

static bl_error *
traced(struct request *r)
{
    struct trace t = trace_begin(r->text);
    defer { trace_end(&t); };

    return guarded(r);
}

static bool
serve(const char *text)
{
    char answer[200] = "done", *why;
    struct request r = {.text = text, .answer = answer, .size = sizeof answer};
    bl_error *err = traced(&r);
    defer { error_release(err); };

    if (!err) {
        printf("%s: %s\n", text, answer);
        return true;
    }
    why = bl_error_string(err);
    defer { free(why); };
    printf("%s: failed: %s\n", text, why ? why : "no memory to say why");
    return false;
}

/* --- the program -------------------------------------------------------------------- */

static void
report(bl_connpool *p)
{
    bl_connpool_stats s;

    bl_connpool_read_stats(p, &s);
    printf("connections: %d opened, %d closed as broken, %d open\n", (int)s.opened,
           (int)s.closed_broken, (int)s.open);
}

/* Last in, first out: the report comes before the end of what it reports on. */
static bl_error *
serve_all(const char *const *texts, size_t n, bool *good)
{
    returns (bl_error *, err) {
        int opened = 0;
        bl_closers all = {0};
        defer { bl_closers_close_into(&err, &all); };

        pool = bl_connpool_new(&(bl_connpool_options){
            .open = dial, .arg = &opened, .max_open = 4, .idle_ns = BL_MINUTE});
        if (!pool)
            leave_with(bl_error_from_errno(ENOMEM));
        err = bl_closers_add(&all, with_closer(pool, bl_connpool_free));
        if (err)
            leave;
        err = bl_closers_add(&all, with_closer(pool, report));
        for (size_t i = 0; !err && i < n; i++)
            *good &= serve(texts[i]);
    }
}

int
main(int argc, char **argv)
{
    static const char *const own[] = {
        "divide 7 2", "divide 7 0", "sum 1+2+39", "sum 1+x", "sum nothing",
        "copy /etc/passwd /dev/null", "copy /etc/passwd /dev/full", "copy /nowhere x",
        "transfer 30", "transfer 100", "transfer 13", "transfer 1", "ask well",
        "ask badly", "ask again", "what",
    };
    bool good = true, fails_on_purpose = true;
    bl_error *err =
        argc > 1 ? serve_all((const char *const *)argv + 1, (size_t)argc - 1, &good)
                 : serve_all(own, sizeof own / sizeof own[0], &fails_on_purpose);

    if (err)
        error_print(err, STDERR_FILENO);
    error_release(err);
    return err ? 2 : good ? 0 : 1;
}
