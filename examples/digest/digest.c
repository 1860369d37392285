/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* digest.c - SHA-256 of every file of a tree, by a pipeline of goroutines.
 *
 *     walk --jobs--> N workers --results--> collect
 *
 * Both channels are bounded: nobody runs ahead of who comes behind.  The end goes
 * with the data: the walk closes jobs, every worker ends when jobs is empty, and
 * when all have ended results is closed.  Cancelling goes the other way: the
 * collector closes `done`, walk and workers see that and end early, and what they
 * have sent is still collected.
 *
 * One bad file costs that file only.  Read digest_file() first: whatever goes wrong
 * in it, the descriptor is closed and the worker goes on.  digest.go is the same
 * program in Go, function for function. */
#define _GNU_SOURCE
#include "digest.h"

#include <belay/belay.h>
#include <belay/keywords.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    JOBS_AHEAD = 64,
    BUFFER_BYTES = 64 << 10,
    WALK_STACK_BYTES = 2 << 20, /* for a folder in a folder in a folder ... */
};

struct job {
    char *path; /* who takes the job from the channel owns it */
    bool is_trap;
};

struct pipeline {
    const struct options *options;
    EVP_MD *sha256;
    chan_of(struct job) jobs;
    chan_of(struct result) results;
    chan_of(bool) ended;       /* a message from the walk and from every worker */
    chan_of(bool) done;        /* closed: end early; only the collector closes it */
    chan_of(bool) interrupted; /* a message: somebody has pressed ^C */
    int64_t walked;            /* the walk's own: files, and their bytes */
    int64_t walked_bytes;
};

/* For what fails only when memory is short.  In digest_file() that is one more bad
 * file; elsewhere nobody recovers it, and the program ends with a report. */
static void
must(bool done)
{
    if (!done)
        panic("out of memory");
}

static bool
is_done(const struct pipeline *p)
{
    return bl_try_recv(p->done, NULL) == 0;
}

/* --- workers ------------------------------------------------------------- */

struct worker {
    const struct pipeline *pipeline;
    EVP_MD_CTX *sha;
    byte *buffer;
};

/* Digests what can be read from fd.  Returns 0 or an errno. */
static int
digest_contents(const struct worker *w, int fd, struct result *r)
{
    while (!(r->is_cut = is_done(w->pipeline))) {
        ssize_t n = read(fd, w->buffer, BUFFER_BYTES);
        int error = errno; /* right behind the call */

        if (n < 0 && error == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? error : 0;
        must(EVP_DigestUpdate(w->sha, w->buffer, (size_t)n));
        r->bytes += n;
    }
    return 0;
}

/* Digests one file.  The trap makes digest_contents() follow NULL: the blocks below
 * run, last in first out, the outermost turns the panic into a result, and the caller
 * gets that as if nothing had been. */
static void
digest_file(const struct worker *w, const struct job *job, struct result *r)
{
    returns_nothing {
        defer {
            const bl_panic_info *why = recover();

            if (why)
                bl_panic_text(why, r->why, sizeof r->why);
        };

        int fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) {
            r->error = errno;
            return;
        }
        defer { close(fd); };

        must(EVP_DigestInit_ex(w->sha, w->pipeline->sha256, NULL));
        must(EVP_DigestUpdate(w->sha, job->path, strlen(job->path) + 1));
        r->error = digest_contents(w, fd, job->is_trap ? NULL : r);
        must(EVP_DigestFinal_ex(w->sha, r->digest, NULL));
    }
}

static void
work(struct pipeline *p)
{
    defer { bl_send(p->ended, true); };

    struct worker w = {p, EVP_MD_CTX_new(), malloc(BUFFER_BYTES)};
    defer { free(w.buffer); };
    defer { EVP_MD_CTX_free(w.sha); };
    must(w.sha && w.buffer);

    for (;;) {
        struct job job;
        bool is_job = false;

        bl_select(on_recv_ok(p->jobs, &job, &is_job), on_recv(p->done, NULL));
        if (!is_job) /* there are no more, or we are to end early */
            return;

        struct result r = {.path = job.path};
        digest_file(&w, &job, &r);
        bl_send(p->results, r);
    }
}

/* --- the walk ------------------------------------------------------------ */

static bool walk(struct pipeline *p, const char *folder);

/* Takes the path over.  Returns whether the walk is to go on. */
static bool
offer(struct pipeline *p, char *path, int64_t bytes)
{
    const struct options *o = p->options;
    struct job job = {.path = path};

    p->walked++;
    p->walked_bytes += bytes;
    job.is_trap = p->walked == o->trap;
    if (p->walked == o->vanish) {
        must(asprintf(&job.path, "%s.vanished", path) >= 0);
        free(path);
    }
    if (bl_select(on_send(p->jobs, job), on_recv(p->done, NULL)) != 0) {
        free(job.path);
        return false;
    }
    return p->walked < o->files && p->walked_bytes < o->bytes;
}

/* The same for what could not be looked at. */
static bool
offer_error(struct pipeline *p, const char *path, int error)
{
    struct result r = {.path = strdup(path), .error = error};

    must(r.path != NULL);
    bl_send(p->results, r);
    return true;
}

static bool
visit(struct pipeline *p, const char *folder, const char *name)
{
    struct stat about;
    char *path;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    must(asprintf(&path, "%s/%s", folder, name) >= 0);
    defer { free(path); }; /* what path is then: NULL if it was given away */

    if (lstat(path, &about) < 0)
        return offer_error(p, path, errno);
    if (S_ISDIR(about.st_mode))
        return walk(p, path);
    if (!S_ISREG(about.st_mode))
        return true;

    char *given = path;
    path = NULL;
    return offer(p, given, about.st_size);
}

/* In the order of the bytes, whatever the locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void
free_names(struct dirent **names, int count)
{
    while (count > 0)
        free(names[--count]);
    free(names);
}

static bool
walk(struct pipeline *p, const char *folder)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, by_name);

    if (count < 0)
        return offer_error(p, folder, errno);
    defer { free_names(names, count); };
    for (int i = 0; i < count; i++)
        if (!visit(p, folder, names[i]->d_name))
            return false;
    return true;
}

static void
walk_all(struct pipeline *p)
{
    defer { bl_send(p->ended, true); };
    defer { chan_close(p->jobs); };

    walk(p, p->options->folder);
}

/* --- the collector ------------------------------------------------------- */

static bool
is_larger(const struct result *a, const struct result *b)
{
    if (!a->path || !b->path)
        return a->path != NULL;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes;
    return strcmp(a->path, b->path) < 0;
}

/* Takes the result over; what falls off the list's end goes. */
static void
keep_largest(struct total *t, struct result r)
{
    for (int i = 0; i < LARGEST; i++) {
        if (is_larger(&r, &t->largest[i])) {
            struct result smaller = t->largest[i];

            t->largest[i] = r;
            r = smaller;
        }
    }
    free(r.path);
}

static void
add(struct total *t, struct result r)
{
    if (r.is_cut || r.error || r.why[0]) {
        t->errors += r.error != 0;
        t->panics += r.why[0] != 0;
        if (!r.is_cut)
            fprintf(stderr, "%s: %s: %s%s\n", program_invocation_short_name, r.path,
                    r.error ? "" : "recovered: ", r.error ? strerror(r.error) : r.why);
        free(r.path);
        return;
    }
    t->files++;
    t->bytes += r.bytes;
    for (int i = 0; i < DIGEST_BYTES; i++)
        t->digest[i] ^= r.digest[i];
    keep_largest(t, r);
}

static void
cancel(struct pipeline *p, struct total *t)
{
    if (!t->is_cancelled)
        chan_close(p->done);
    t->is_cancelled = true;
}

/* Returns when results is closed and empty. */
static void
collect(struct pipeline *p, struct total *t)
{
    const struct options *o = p->options;

    for (;;) {
        struct result r;
        bool is_result = true;

        if (t->goroutines < bl_num_goroutine())
            t->goroutines = bl_num_goroutine();
        switch (bl_select(on_recv_ok(p->results, &r, &is_result),
                          on_recv(p->interrupted, NULL))) {
        case 0:
            if (!is_result)
                return;
            add(t, r);
            if (t->files >= o->cancel_after)
                cancel(p, t);
            break;
        case 1:
            cancel(p, t);
        }
    }
}

/* --- ^C ------------------------------------------------------------------ */

static int interrupts[2]; /* a pipe */

/* A signal handler may call write(2), and not Belay. */
static void
on_interrupt(int signal)
{
    int saved = errno;

    (void)signal;
    if (write(interrupts[1], "", 1) < 0) {
        /* nobody can be told from here */
    }
    errno = saved;
}

/* A goroutine may block in any system call; the others go on. */
static void
watch_interrupts(struct pipeline *p)
{
    char c;

    while (read(interrupts[0], &c, 1) > 0)
        bl_try_send(p->interrupted, true);
    bl_send(p->ended, true);
}

/* The second ^C ends the program at once. */
static void
catch_interrupts(struct pipeline *p, struct sigaction *old)
{
    struct sigaction catch = {.sa_handler = on_interrupt};

    catch.sa_flags = (int)(SA_RESTART | SA_ONSTACK | SA_RESETHAND);
    if (pipe2(interrupts, O_CLOEXEC) < 0)
        panic("no pipe: %s", strerror(errno));
    sigaction(SIGINT, &catch, old);
    go(watch_interrupts, p);
}

static void
release_interrupts(struct pipeline *p, const struct sigaction *old)
{
    sigaction(SIGINT, old, NULL);
    close(interrupts[1]); /* the watcher's read returns 0 */
    bl_recv(p->ended);
    close(interrupts[0]);
}

/* --- all of it ----------------------------------------------------------- */

/* Closes results when nobody can send to it any more. */
static void
close_results(struct pipeline *p)
{
    for (int i = 0; i < p->options->workers + 1; i++)
        bl_recv(p->ended);
    chan_close(p->results);
}

/* What a cancelled run left in the channel had no owner but the channel. */
static void
free_jobs(struct pipeline *p)
{
    for_recv (struct job, job, p->jobs)
        free(job.path);
    chan_free(p->jobs);
}

void
digest_tree(const struct options *o, struct total *t)
{
    struct pipeline p = {
        .options = o,
        .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
        .jobs = chan_make(struct job, JOBS_AHEAD),
        .results = chan_make(struct result, o->workers),
        .ended = chan_make(bool, o->workers + 1),
        .done = chan_make(bool, 0),
        .interrupted = chan_make(bool, 1),
    };
    struct sigaction old;

    must(p.sha256 && p.jobs && p.results && p.ended && p.done && p.interrupted);
    defer { EVP_MD_free(p.sha256); };
    defer { chan_free(p.interrupted); };
    defer { chan_free(p.done); };
    defer { chan_free(p.ended); };
    defer { chan_free(p.results); };
    defer { free_jobs(&p); };

    catch_interrupts(&p, &old);
    defer { release_interrupts(&p, &old); };

    bl_go_with(((bl_go_options){.stack_bytes = WALK_STACK_BYTES, .name = "walk"}),
               walk_all, &p);
    for (int i = 0; i < o->workers; i++)
        go(work, &p);
    go(close_results, &p);
    collect(&p, t);
}
