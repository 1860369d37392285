/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/regions.c - all memory of this process in which a pointer may be: what is mapped,
 * and which pages of it are there. */
#define _GNU_SOURCE
#include "base/hex.h"
#include "observe/mark.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    RUNS = 64,                   /* of pages, asked for at once */
};

/* Without PAGEMAP_SCAN a hole costs as much as memory: what is larger is not looked at. */
#define SPARSE (UINT64_C(1) << 37)

/* Whether a shared mapping is memory of processes, and no file. */
static bool
is_memory(const char *path)
{
    static const char *const paths[] = {"/dev/zero", "/memfd:", "/SYSV", "/dev/shm/"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strncmp(path, paths[i], strlen(paths[i])) == 0)
            return true;
    return false;
}

static uintptr_t
parse_hex(const char **s)
{
    uintptr_t v = 0;

    for (; bl__hex_value(**s) >= 0; ++*s)
        v = v << 4 | (uintptr_t)bl__hex_value(**s);
    return v;
}

/* low-high rwxp offset device inode path */
static bool
add_region(struct bl__regions *all, const char *line)
{
    const char *rights, *path;
    struct bl__region r, *new;

    r.low = parse_hex(&line);
    line++;
    r.high = parse_hex(&line);
    rights = line + 1;
    r.is_shared = rights[3] == 's';
    path = rights;
    for (int i = 0; i < 4 && *path; i++) {
        path += strcspn(path, " ");
        path += strspn(path, " ");
    }
    if (strcmp(path, "[heap]") == 0) {
        all->brk_low = r.low;
        all->brk_high = r.high;
    }
    if (rights[0] != 'r' || strncmp(path, "[v", 2) == 0 ||
        (r.is_shared && (rights[1] != 'w' || !is_memory(path))))
        return true;
    new = bl__list_add(&all->list, sizeof *new);
    if (new)
        *new = r;
    return new != NULL;
}

enum bl__marked
bl__regions_read(struct bl__regions *r)
{
    bool is_complete = true;
    char text[8192];
    size_t n = 0;
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0) {
        char *line = text, *end;

        text[n += (size_t)got] = '\0';
        for (; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            is_complete = add_region(r, line) && is_complete;
        }
        n = strlen(line);
        memmove(text, line, n);
    }
    if (fd >= 0)
        close(fd);
    r->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    r->has_scan = true;
    return !is_complete ? BL__MARK_MEMORY : r->list.n > 0 ? BL__MARK_DONE : BL__MARK_BLIND;
}

void
bl__regions_free(struct bl__regions *r)
{
    if (r->pagemap > 0)
        close(r->pagemap);
    bl__list_free(&r->list);
}

/* linux/fs.h of 6.7 */
struct pm_scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, mask, any_of, wanted;
};

struct page_run {
    uint64_t start, end, categories;
};

#define PM_SCAN _IOWR('f', 16, struct pm_scan)

enum { PM_FILE = 1 << 2, PM_PRESENT = 1 << 3, PM_SWAPPED = 1 << 4, PM_ZERO = 1 << 5 };

struct scanning {
    const struct bl__regions *r;
    void (*each)(void *arg, uintptr_t low, uintptr_t high);
    void *arg;
};

/* The pages that were written: not those of a file, and there. */
static bool
scan_region(const struct scanning *k, uintptr_t low, uintptr_t high)
{
    struct page_run runs[RUNS];
    struct pm_scan s = {.size = sizeof s, .start = low, .end = high,
                        .vec = (uintptr_t)runs, .vec_len = RUNS,
                        .inverted = PM_FILE | PM_ZERO, .mask = PM_FILE | PM_ZERO,
                        .any_of = PM_PRESENT | PM_SWAPPED, .wanted = PM_PRESENT};

    for (; s.start < high; s.start = s.walk_end) {
        int n = ioctl(k->r->pagemap, PM_SCAN, &s);

        if (n < 0 || s.walk_end <= s.start)
            return false;
        for (int i = 0; i < n; i++)
            k->each(k->arg, runs[i].start, runs[i].end);
    }
    return true;
}

/* The same where the kernel is older. */
static bool
scan_pages(const struct scanning *k, uintptr_t low, uintptr_t high)
{
    uint64_t entries[512];

    if (high - low > SPARSE)
        return false;
    for (uintptr_t at = low; at < high;) {
        size_t n = (high - at) / PAGE < 512 ? (high - at) / PAGE : 512;

        if (pread(k->r->pagemap, entries, n * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(n * 8))
            return false;
        for (size_t i = 0; i < n; i++, at += PAGE)
            if (entries[i] >> 62 && !(entries[i] >> 61 & 1))
                k->each(k->arg, at, at + PAGE);
    }
    return true;
}

static bool
scan_shared(const struct scanning *k, uintptr_t low, uintptr_t high)
{
    unsigned char there[4096];

    if (high - low > SPARSE)
        return false;
    for (uintptr_t at = low; at < high;) {
        size_t n = (high - at) / PAGE < 4096 ? (high - at) / PAGE : 4096;

        if (mincore((void *)at, n * PAGE, there) != 0)
            memset(there, 1, n);
        for (size_t i = 0; i < n; i++, at += PAGE)
            if (there[i] & 1)
                k->each(k->arg, at, at + PAGE);
    }
    return true;
}

bool
bl__regions_scan(struct bl__regions *r, const struct bl__region *part,
                 void (*each)(void *arg, uintptr_t low, uintptr_t high), void *arg)
{
    struct scanning k = {r, each, arg};

    if (part->low >= part->high)
        return true;
    if (part->is_shared)
        return scan_shared(&k, part->low, part->high);
    if (r->has_scan && (r->has_scan = scan_region(&k, part->low, part->high)))
        return true;
    return scan_pages(&k, part->low, part->high);
}
