/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* main.c - options, readings and the printed result of the digest program. */
#define _GNU_SOURCE
#include "digest.h"

#include <belay/belay.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status { WHOLE, FAILED, WRONG_USAGE, PARTIAL };

enum { DEFAULT_FILES = 50000, DEFAULT_WORKERS = 8, MOST_WORKERS = 10000 };

static const int64_t default_bytes = 1 << 30;

struct reading { /* of what there is in this process */
    int64_t ns;
    int64_t descriptors;
    int64_t goroutines;
};

/* --- options ------------------------------------------------------------- */

static void
print_help(const char *program)
{
    printf("usage: %s [option...] [folder]\n\n"
           "Digests (SHA-256) the regular files below the folder, /usr if none is\n"
           "named, by a pipeline of goroutines.  Links are left alone.\n\n"
           "  --workers N       goroutines that digest (%d)\n"
           "  --files N         end the walk after N files (%d)\n"
           "  --bytes N         end the walk after N bytes; 64k, 5M, 1G (%" PRId64 "M)\n"
           "  --vanish N        plant an error: file N is gone when it is opened\n"
           "  --trap N          plant a panic: file N makes its worker follow NULL\n"
           "  --cancel-after N  cancel when N files are digested; ^C cancels, too\n"
           "  --stats           print `key value' lines\n"
           "  --help            print this\n\n"
           "Exit status: 0 done, failed files included; 1 cannot start, or something\n"
           "leaked; 2 wrong usage; 3 cancelled, the result is partial.\n",
           program, DEFAULT_WORKERS, DEFAULT_FILES, default_bytes >> 20);
}

static void
fail_usage(const char *program)
{
    fprintf(stderr, "%s: try --help\n", program);
    exit(WRONG_USAGE);
}

/* Returns the factor that a letter behind a number stands for; 0: none. */
static int64_t
unit_of(const char *text)
{
    static const char units[] = "kMG";
    const char *unit = *text ? strchr(units, *text) : NULL;

    if (!*text)
        return 1;
    return unit && !text[1] ? INT64_C(1) << 10 * (unit - units + 1) : 0;
}

/* Reads an option's number, 1 .. most. */
static int64_t
number(const char *program, const char *option, const char *text, int64_t most)
{
    char *end;

    errno = 0;
    int64_t n = strtoll(text, &end, 10);
    bool is_read = errno == 0 && end != text;
    int64_t unit = is_read ? unit_of(end) : 0;

    if (unit > 0 && n >= 1 && n <= most / unit)
        return n * unit;
    fprintf(stderr, "%s: --%s wants a number above 0", program, option);
    if (most < INT64_MAX)
        fprintf(stderr, ", %" PRId64 " at most", most);
    fprintf(stderr, ", not '%s'\n", text);
    fail_usage(program);
    return 0;
}

static void
read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"workers", required_argument, NULL, 'w'},
        {"files", required_argument, NULL, 'n'},
        {"bytes", required_argument, NULL, 'b'},
        {"vanish", required_argument, NULL, 'v'},
        {"trap", required_argument, NULL, 't'},
        {"cancel-after", required_argument, NULL, 'c'},
        {"stats", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *program = program_invocation_short_name;
    int which = 0;

    for (int c; (c = getopt_long(argc, argv, "h", known, &which)) != -1;) {
        const char *name = known[which].name;

        switch (c) {
        case 'w': o->workers = (int)number(program, name, optarg, MOST_WORKERS); break;
        case 'n': o->files = number(program, name, optarg, INT64_MAX); break;
        case 'b': o->bytes = number(program, name, optarg, INT64_MAX); break;
        case 'v': o->vanish = number(program, name, optarg, INT64_MAX); break;
        case 't': o->trap = number(program, name, optarg, INT64_MAX); break;
        case 'c': o->cancel_after = number(program, name, optarg, INT64_MAX); break;
        case 's': o->stats = true; break;
        case 'h': print_help(program); exit(WHOLE);
        default: fail_usage(program);
        }
    }
    if (argc - optind > 1) {
        fprintf(stderr, "%s: one folder, not %d\n", program, argc - optind);
        fail_usage(program);
    }
    if (optind < argc)
        o->folder = argv[optind];
}

static bool
is_folder(const char *path)
{
    DIR *d = opendir(path);

    if (!d) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path,
                strerror(errno));
        return false;
    }
    closedir(d);
    return true;
}

/* --- readings ------------------------------------------------------------ */

static int64_t
count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t count = 0;

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
    return (struct reading){
        .ns = bl_now(),
        .descriptors = count_descriptors(),
        .goroutines = bl_num_goroutine(),
    };
}

/* A goroutine whose last message we have got may still be about to end. */
static void
wait_for_goroutines(int64_t count)
{
    int64_t until = bl_after_ns(BL_SECOND);

    while (bl_num_goroutine() > count && bl_now() < until)
        bl_sleep(BL_MICROSECOND * 10);
}

/* --- the result ---------------------------------------------------------- */

static const char *
hex(const byte *digest)
{
    static char text[2 * DIGEST_BYTES + 1];

    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

static void
print_stats(const struct total *t, const struct reading *a, const struct reading *b)
{
    printf("files %" PRId64 "\nbytes %" PRId64 "\ndigest %s\n", t->files, t->bytes,
           hex(t->digest));
    for (int i = 0; i < LARGEST && t->largest[i].path; i++)
        printf("largest_%d %" PRId64 " %s %s\n", i + 1, t->largest[i].bytes,
               hex(t->largest[i].digest), t->largest[i].path);
    printf("errors %" PRId64 "\npanics %" PRId64 "\npartial %d\n"
           "goroutines_peak %" PRId64 "\ngoroutines_left %" PRId64 "\n"
           "descriptors_leaked %" PRId64 "\nwall_us %" PRId64 "\n",
           t->errors, t->panics, t->is_cancelled, t->goroutines, b->goroutines,
           b->descriptors - a->descriptors, (b->ns - a->ns) / 1000);
}

static void
print_result(const struct total *t, const struct reading *a, const struct reading *b)
{
    double seconds = (double)(b->ns - a->ns) / 1e9, mb = (double)t->bytes / 1e6;

    if (t->is_cancelled)
        puts("cancelled: this is a partial result");
    printf("%s  %" PRId64 " files\n", hex(t->digest), t->files);
    printf("%.1f MB in %.2f s, %.0f MB/s\n", mb, seconds, mb / seconds);
    for (int i = 0; i < LARGEST && t->largest[i].path; i++)
        printf("  %12" PRId64 "  %.16s...  %s\n", t->largest[i].bytes,
               hex(t->largest[i].digest), t->largest[i].path);
    printf("%" PRId64 " errors, %" PRId64 " panics survived\n", t->errors, t->panics);
    printf("goroutines: %" PRId64 " at most, %" PRId64 " left; ", t->goroutines,
           b->goroutines);
    printf("descriptors leaked: %" PRId64 "\n", b->descriptors - a->descriptors);
}

int
main(int argc, char **argv)
{
    struct options o = {
        .folder = "/usr",
        .workers = DEFAULT_WORKERS,
        .files = DEFAULT_FILES,
        .bytes = default_bytes,
        .cancel_after = INT64_MAX,
    };
    struct total t = {.files = 0};
    struct reading before, after;

    read_options(&o, argc, argv);
    if (!is_folder(o.folder))
        return FAILED;

    before = take_reading();
    digest_tree(&o, &t);
    wait_for_goroutines(before.goroutines);
    after = take_reading();

    (o.stats ? print_stats : print_result)(&t, &before, &after);
    for (int i = 0; i < LARGEST; i++)
        free(t.largest[i].path);
    if (after.descriptors > before.descriptors || after.goroutines > before.goroutines)
        return FAILED;
    return t.is_cancelled ? PARTIAL : WHOLE;
}
