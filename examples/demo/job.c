/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* job.c - options, sums, clocks and the printed result of both C programs.
 *
 * Leaks are read from the system, not counted by the program: descriptors are
 * the entries of /proc/self/fd, memory is what malloc says is in use
 * (mallinfo2, whole process), each before and after.  malloc counts the small
 * per-thread cache of freed blocks as in use; the work is therefore done in a
 * thread of its own, whose cache is gone when the second reading is taken.  A
 * first pass over some files (WARM_UP_FILES) comes before the first reading, so
 * that what libraries allocate once is not taken for a leak.  With MALLOC_TRACE
 * set and libc_malloc_debug.so.0 preloaded, glibc itself writes a list of all
 * calls, from which run.sh counts the blocks that were never freed. */
#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <mcheck.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_LIMIT = 20000, WARM_UP_FILES = 1000 };

static const char *const default_trees[] = {
    "/usr/include",
    "/usr/share/doc",
    "/usr/lib/python3",
    "/usr/share/man",
};

static const char *const kind_names[KINDS] = {
    [FINE] = "fine",
    [UNBALANCED] = "unbalanced",
    [UNTERMINATED] = "unterminated",
    [BAD_BYTE] = "bad_byte",
    [UNKNOWN_NAME] = "unknown_name",
    [ZERO_DIVISOR] = "zero_divisor",
    [NO_MEMORY] = "no_memory",
    [UNREADABLE] = "unreadable",
    [TOO_LARGE] = "too_large",
};

struct options {
    const char *program;
    bool stats;
    bool list;
    long limit;
    const char *const *trees;
    int tree_count;
};

struct pass { /* one walk over all trees, in a thread */
    const struct options *options;
    walk_function *walk;
    struct job job;
};

struct reading { /* of what the system knows about this process */
    int64_t wall_us;
    int64_t cpu_us;
    long descriptors;
    long heap_bytes;
    long peak_kb;
};

/* --- sums ---------------------------------------------------------------- */

bool
is_full(const struct job *job)
{
    return job->files >= job->limit;
}

void
add_outcome(struct job *job, const char *path, size_t size,
            struct outcome outcome)
{
    if (outcome.kind < UNREADABLE) {
        job->files++;
        job->bytes += (int64_t)size;
        job->checksum = mix(job->checksum, outcome.sum);
    }
    job->count[outcome.kind]++;
    if (job->list)
        printf("%s\t%d\t%s\n", kind_names[outcome.kind], outcome.line, path);
}

void
add_example(struct job *job, const char *path, struct outcome outcome,
            const char *text)
{
    char *to = job->example[outcome.kind];

    if (!*to)
        snprintf(to, sizeof job->example[0], "%s:%d: %s", path, outcome.line,
                 text);
}

void
add_unreadable_folder(struct job *job, const char *folder)
{
    job->folders_unreadable++;
    if (job->warns)
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, folder,
                strerror(errno));
}

/* --- folders ------------------------------------------------------------- */

int
type_of(const char *path, const struct dirent *entry)
{
    struct stat about;

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return DT_UNKNOWN;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (lstat(path, &about) < 0)
        return DT_UNKNOWN;
    return (int)IFTODT(about.st_mode);
}

int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

void
free_names(struct dirent **names, int count)
{
    while (count > 0)
        free(names[--count]);
    free(names);
}

/* --- files --------------------------------------------------------------- */

bool
read_all(int fd, unsigned char *text, size_t *size)
{
    size_t done = 0;

    while (done < *size) {
        ssize_t n = read(fd, text + done, *size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *size = done;
    text[done] = 0;
    return true;
}

/* --- options ------------------------------------------------------------- */

static void
print_help(const struct options *o, const char *about)
{
    printf("usage: %s [--stats] [--list] [--limit N] [folder...]\n\n%s\n\n"
           "  --stats    print `key value' lines\n"
           "  --list     print a line for each file: kind, line, path\n"
           "  --limit N  parse N files at most (%d)\n"
           "  --help     print this\n\nFolders, if none are named:",
           o->program, about, DEFAULT_LIMIT);
    for (size_t i = 0; i < sizeof default_trees / sizeof *default_trees; i++)
        printf(" %s", default_trees[i]);
    puts("\nExit status: 0 done; 1 nothing to read, or something leaked; "
         "2 wrong usage.");
}

static void
fail_usage(const struct options *o)
{
    fprintf(stderr, "%s: try --help\n", o->program);
    exit(2);
}

static long
limit_of(const struct options *o, const char *text)
{
    char *end;
    long limit = strtol(text, &end, 10);

    if (end == text || *end || limit < 1) {
        fprintf(stderr, "%s: --limit wants a number above 0, not '%s'\n",
                o->program, text);
        fail_usage(o);
    }
    return limit;
}

static void
read_options(struct options *o, int argc, char **argv, const char *about)
{
    static const struct option known[] = {
        {"stats", no_argument, NULL, 's'},
        {"list", no_argument, NULL, 'l'},
        {"limit", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (c) {
        case 's': o->stats = true; break;
        case 'l': o->list = true; break;
        case 'n': o->limit = limit_of(o, optarg); break;
        case 'h': print_help(o, about); exit(0);
        default: fail_usage(o);
        }
    o->trees = (const char *const *)argv + optind;
    o->tree_count = argc - optind;
}

/* A folder that the user named has to be there; of ours, those that are. */
static void
check_trees(struct options *o)
{
    static const char *found[sizeof default_trees / sizeof *default_trees];
    bool named = o->tree_count > 0;

    for (int i = 0; named && i < o->tree_count; i++) {
        DIR *d = opendir(o->trees[i]);

        if (!d) {
            fprintf(stderr, "%s: %s: %s\n", o->program, o->trees[i],
                    strerror(errno));
            exit(1);
        }
        closedir(d);
    }
    if (named)
        return;
    o->trees = found;
    for (size_t i = 0; i < sizeof default_trees / sizeof *default_trees; i++)
        if (access(default_trees[i], R_OK | X_OK) == 0)
            found[o->tree_count++] = default_trees[i];
}

/* --- readings ------------------------------------------------------------ */

static long
count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    long count = 0;

    if (!d)
        return 0;
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static struct reading
take_reading(void)
{
    struct reading now = {.descriptors = count_descriptors()};
    struct mallinfo2 heap = mallinfo2();
    struct rusage used;
    struct timespec t;

    now.heap_bytes = (long)(heap.uordblks + heap.hblkhd);
    getrusage(RUSAGE_SELF, &used);
    now.peak_kb = used.ru_maxrss;
    now.cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                 used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    clock_gettime(CLOCK_MONOTONIC, &t);
    now.wall_us = t.tv_sec * 1000000 + t.tv_nsec / 1000;
    return now;
}

/* --- the passes ---------------------------------------------------------- */

static void *
walk_trees(void *arg)
{
    struct pass *pass = arg;
    const struct options *o = pass->options;

    for (int i = 0; i < o->tree_count && !is_full(&pass->job); i++)
        pass->walk(&pass->job, o->trees[i]);
    return NULL;
}

static void
run_pass(struct pass *pass)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, walk_trees, pass);

    if (error) {
        fprintf(stderr, "%s: cannot start a thread: %s\n",
                pass->options->program, strerror(error));
        exit(1);
    }
    pthread_join(thread, NULL);
}

static void
warm_up(const struct options *o, walk_function *walk)
{
    static struct pass pass;
    struct options one = *o;

    pass = (struct pass){.options = &one, .walk = walk};
    one.tree_count = 1;
    for (int i = 0; i < o->tree_count; i++) { /* some of each tree */
        one.trees = o->trees + i;
        pass.job = (struct job){.limit = WARM_UP_FILES / o->tree_count};
        run_pass(&pass);
    }
}

static void
print_stats(const struct job *j, const struct reading *a,
            const struct reading *b)
{
    printf("files %ld\nfolders %ld\nfolders_unreadable %ld\nbytes %lld\n",
           j->files, j->folders, j->folders_unreadable, (long long)j->bytes);
    for (int i = 0; i < KINDS; i++) {
        printf("%s %ld\n", kind_names[i], j->count[i]);
        if (j->example[i][0])
            printf("such_as_%s %s\n", kind_names[i], j->example[i]);
    }
    printf("checksum %016llx\ndescriptors_leaked %ld\nheap_bytes_leaked %ld\n"
           "wall_us %lld\ncpu_us %lld\npeak_kb %ld\n",
           (unsigned long long)j->checksum, b->descriptors - a->descriptors,
           b->heap_bytes - a->heap_bytes, (long long)(b->wall_us - a->wall_us),
           (long long)(b->cpu_us - a->cpu_us), b->peak_kb);
}

static void
print_result(const struct job *j, const struct reading *a,
             const struct reading *b)
{
    double ms = (double)(b->wall_us - a->wall_us) / 1e3;

    printf("%ld files (%.1f MB) in %ld folders, %.0f ms\n", j->files,
           (double)j->bytes / 1e6, j->folders, ms);
    for (int i = 0; i < KINDS; i++) {
        if (j->count[i])
            printf("  %-14s %7ld\n", kind_names[i], j->count[i]);
        if (j->example[i][0])
            printf("      such as %s\n", j->example[i]);
    }
    printf("leaked: %ld descriptors, %ld bytes of heap\n",
           b->descriptors - a->descriptors, b->heap_bytes - a->heap_bytes);
}

int
run_job(int argc, char **argv, const char *about, walk_function *walk)
{
    static struct pass pass;
    static char output[BUFSIZ];
    struct options o = {.program = program_invocation_short_name,
                        .limit = DEFAULT_LIMIT};
    struct reading before, after;

    setvbuf(stdout, output, _IOFBF, sizeof output); /* not from the heap */
    read_options(&o, argc, argv, about);
    check_trees(&o);
    warm_up(&o, walk);
    pass = (struct pass){.options = &o, .walk = walk};
    pass.job.limit = o.limit;
    pass.job.list = o.list;
    pass.job.warns = true;
    mtrace(); /* does nothing without MALLOC_TRACE */
    before = take_reading();
    run_pass(&pass);
    after = take_reading();
    muntrace();
    if (pass.job.files == 0) {
        fprintf(stderr, "%s: no files found\n", o.program);
        return 1;
    }
    (o.stats ? print_stats : print_result)(&pass.job, &before, &after);
    return after.descriptors > before.descriptors ||
           after.heap_bytes > before.heap_bytes;
}
