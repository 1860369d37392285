/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/codegen/shapes.c - small functions, each twice: d_NAME cleans up by
 * bl_defer, h_NAME by hand.  codegen.py compares what the compiler makes of the
 * two; nothing here is ever run. */
#include <belay/belay.h>

struct state {
    int busy;
    long value;
};

int cg_open(const char *path);
void cg_close(int fd);
int cg_use(int fd);
void *cg_alloc(size_t n);
void cg_free(void *p);
int cg_fill(void *p, size_t n);
int cg_next(int i);
void cg_lock(void *m);
void cg_unlock(void *m);
void cg_work(struct state *s);

/* --- a file descriptor is closed ------------------------------------------ */

int
d_close_fd(const char *path)
{
    int fd = cg_open(path);

    if (fd < 0)
        return -1;
    bl_defer { cg_close(fd); };
    return cg_use(fd);
}

int
h_close_fd(const char *path)
{
    int fd = cg_open(path), r;

    if (fd < 0)
        return -1;
    r = cg_use(fd);
    cg_close(fd);
    return r;
}

/* --- memory is freed ------------------------------------------------------- */

int
d_alloc_free(size_t n)
{
    int *p = cg_alloc(n);

    if (!p)
        return -1;
    bl_defer { cg_free(p); };
    return cg_fill(p, n) + p[0];
}

int
h_alloc_free(size_t n)
{
    int *p = cg_alloc(n), r;

    if (!p)
        return -1;
    r = cg_fill(p, n);
    r += p[0];
    cg_free(p);
    return r;
}

/* --- the same, reading a char: a load and an extension -------------------- */

int
d_read_char(size_t n)
{
    char *p = cg_alloc(n);

    if (!p)
        return -1;
    bl_defer { cg_free(p); };
    return cg_fill(p, n) + p[0];
}

int
h_read_char(size_t n)
{
    char *p = cg_alloc(n);
    int r;

    if (!p)
        return -1;
    r = cg_fill(p, n);
    r += p[0];
    cg_free(p);
    return r;
}

/* --- two blocks, the second behind a return ------------------------------- */

int
d_two(const char *from, const char *to)
{
    int in = cg_open(from);

    if (in < 0)
        return -1;
    bl_defer { cg_close(in); };
    int out = cg_open(to);
    if (out < 0)
        return -2;
    bl_defer { cg_close(out); };
    return cg_use(in) + cg_use(out);
}

int
h_two(const char *from, const char *to)
{
    int in = cg_open(from), out, r;

    if (in < 0)
        return -1;
    out = cg_open(to);
    if (out < 0) {
        cg_close(in);
        return -2;
    }
    r = cg_use(in);
    r += cg_use(out);
    cg_close(out);
    cg_close(in);
    return r;
}

/* --- early returns --------------------------------------------------------- */

int
d_early(const char *path, int mode)
{
    int fd = cg_open(path);
    bl_defer { cg_close(fd); };

    if (mode == 0)
        return 7;
    int r = cg_use(fd);
    if (r < 0)
        return r;
    return cg_use(r);
}

int
h_early(const char *path, int mode)
{
    int fd = cg_open(path), r;

    if (mode == 0) {
        cg_close(fd);
        return 7;
    }
    r = cg_use(fd);
    if (r < 0) {
        cg_close(fd);
        return r;
    }
    r = cg_use(r);
    cg_close(fd);
    return r;
}

/* --- a block inside a loop, left by continue ------------------------------ */

long
d_loop(int n)
{
    long sum = 0;

    for (int i = 0; i < n; i++) {
        int fd = cg_next(i);
        bl_defer { cg_close(fd); };
        if (fd < 0)
            continue;
        sum += cg_use(fd);
    }
    return sum;
}

long
h_loop(int n)
{
    long sum = 0;

    for (int i = 0; i < n; i++) {
        int fd = cg_next(i);

        if (fd < 0) {
            cg_close(fd);
            continue;
        }
        sum += cg_use(fd);
        cg_close(fd);
    }
    return sum;
}

/* --- a mutex is unlocked ---------------------------------------------------- */

void
d_unlock(void *m, struct state *s)
{
    cg_lock(m);
    bl_defer { cg_unlock(m); };
    cg_work(s);
}

void
h_unlock(void *m, struct state *s)
{
    cg_lock(m);
    cg_work(s);
    cg_unlock(m);
}

/* --- a flag is reset: no call in the block ---------------------------------- */

long
d_flag(struct state *s)
{
    s->busy = 1;
    bl_defer { s->busy = 0; };
    cg_work(s);
    return s->value;
}

long
h_flag(struct state *s)
{
    long v;

    s->busy = 1;
    cg_work(s);
    v = s->value;
    s->busy = 0;
    return v;
}

/* --- the block changes a variable that is used after it --------------------- */

int
d_value_after(int a)
{
    int n = a * 3;

    {
        bl_defer { n = cg_use(n); };
        cg_close(n);
    }
    return n + 1;
}

int
h_value_after(int a)
{
    int n = a * 3;

    cg_close(n);
    n = cg_use(n);
    return n + 1;
}

/* --- a block in one branch only --------------------------------------------- */

int
d_branch(const char *path, int want)
{
    int r = 0;

    if (want) {
        int fd = cg_open(path);
        bl_defer { cg_close(fd); };
        r = cg_use(fd);
    }
    return cg_next(r);
}

int
h_branch(const char *path, int want)
{
    int r = 0;

    if (want) {
        int fd = cg_open(path);

        r = cg_use(fd);
        cg_close(fd);
    }
    return cg_next(r);
}

/* --- clean-up of what may not be there --------------------------------------- */

int
d_maybe(size_t n)
{
    char *p = NULL;
    bl_defer {
        if (p)
            cg_free(p);
    };

    if (n > 100) {
        p = cg_alloc(n);
        if (cg_fill(p, n) < 0)
            return -1;
    }
    return cg_next(3);
}

int
h_maybe(size_t n)
{
    char *p = NULL;
    int r;

    if (n > 100) {
        p = cg_alloc(n);
        if (cg_fill(p, n) < 0) {
            r = -1;
            goto out;
        }
    }
    r = cg_next(3);
out:
    if (p)
        cg_free(p);
    return r;
}

/* --- counter-example: a clean-up that costs --------------------------------- */

/* What a defer with a flag would be.  codegen.py has to call it different, or
 * it sees nothing at all. */
int
d_flagged_WRONG(const char *path)
{
    int fd = cg_open(path);
    volatile char pending = 1;

    if (fd < 0)
        return -1;
    bl_defer {
        if (pending)
            cg_close(fd);
    };
    return cg_use(fd);
}

int
h_flagged_WRONG(const char *path)
{
    int fd = cg_open(path), r;

    if (fd < 0)
        return -1;
    r = cg_use(fd);
    cg_close(fd);
    return r;
}
