/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bounds.c - how many connections this machine lets us have, and why not more. */
#include "lab.h"
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    SPARE = 64,            /* descriptors that are no connections */
    SHARDS = 32,           /* processes that are measured, at most */
    CONNECTION = 32 << 10, /* bytes: a goroutine, both ends in the kernel, and more */
};

/* The number behind `label` in a file; `otherwise` if it can't be read. */
static int64_t
read_number(const char *path, const char *label, int64_t otherwise)
{
    FILE *file = fopen(path, "r");
    char line[256];
    int64_t n = otherwise;

    while (file && n == otherwise && fgets(line, sizeof line, file))
        if (strncmp(line, label, strlen(label)) == 0)
            n = strtoll(line + strlen(label), NULL, 10);
    if (file)
        fclose(file);
    return n;
}

/* Raises the limit of open files to what is wanted, or as far as permitted. */
static int64_t
raise_limit(int64_t wanted)
{
    struct rlimit all = {.rlim_cur = (rlim_t)wanted, .rlim_max = (rlim_t)wanted}, limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    if (limit.rlim_cur >= (rlim_t)wanted)
        return wanted;
    if (limit.rlim_max < (rlim_t)wanted && setrlimit(RLIMIT_NOFILE, &all) == 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (int64_t)limit.rlim_cur;
}

static void
lessen(struct lab *lab, int64_t most, const char *format, int64_t figure)
{
    char why[160];

    if (most >= lab->n)
        return;
    snprintf(why, sizeof why, format, lab_count(figure).text);
    tool_error("%s connections instead of %s: %s", lab_count(most > 0 ? most : 0).text,
               lab_count(lab->n).text, why);
    lab->n = most > 0 ? (int)most : 0;
}

bool
bounds_find(struct lab *lab, int wanted)
{
    int64_t spare_memory = read_number("/proc/meminfo", "MemAvailable:", 1 << 20);
    int64_t files = read_number("/proc/sys/fs/file-max", "", INT64_MAX);
    int64_t limit = raise_limit((int64_t)wanted + SPARE), each;
    int shards = lab->serve_address ? 1 : SHARDS;

    lab->n = wanted;
    lessen(lab, spare_memory * 1024 / CONNECTION, "only %s kB of memory are available",
           spare_memory);
    lessen(lab, files / 4, "the system has no more than %s open files (fs.file-max)",
           files);
    lessen(lab, (limit - SPARE) * shards,
           shards > 1 ? "no more than %s open files a process are permitted (ulimit -Hn)"
                      : "one process is served, and may not have more than %s open files "
                        "(ulimit -Hn)", limit);
    if (lab->n < 1)
        return false;
    each = limit - SPARE;
    lab->limit = limit;
    lab->shards = (int)((lab->n + each - 1) / each);
    return true;
}
