/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/heap.c FOLDER - memory of known size, kept and given back; writes the
 * heap's profile. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MB = 1 << 20 };

static void *volatile kept[16];
static void **small;

__attribute__((noinline)) static void
keep_large(void)
{
    for (int i = 0; i < 16; i++)
        kept[i] = calloc(1, 4 * MB);
}

__attribute__((noinline)) static void
keep_small(void)
{
    small = aligned_alloc(64, 16384 * sizeof *small);
    for (int i = 0; i < 16384; i++) {
        small[i] = malloc(100);
        small[i] = realloc(small[i], 2040);
    }
}

__attribute__((noinline)) static void
churn(void)
{
    for (int i = 0; i < 65536; i++) {
        volatile char *p = malloc(4096);

        p[0] = 1;
        free((void *)p);
    }
}

static void *
churn_in_thread(void *unused)
{
    for (int i = 0; i < 200000; i++) {
        void *p = malloc((size_t)i % 300), *q = strdup("some text");

        free(q);
        free(p);
    }
    return unused;
}

int
main(int argc, char **argv)
{
    char path[4096];
    pthread_t threads[4];
    void *aligned;

    if (argc != 2)
        return 2;
    bl_set_heap_profile_rate(65536);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn_in_thread, NULL);
    keep_large();
    keep_small();
    churn();
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    if (posix_memalign(&aligned, 4096, 100) != 0 || (size_t)aligned % 4096 ||
        malloc_usable_size(aligned) < 100 || posix_memalign(&aligned, 3, 1) == 0)
        return 3;
    for (int debug = 0; debug < 2; debug++) {
        int fd;

        snprintf(path, sizeof path, "%s/heap.%s", argv[1], debug ? "txt" : "pb.gz");
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (bl_pprof_write("heap", fd, debug) != 0)
            return 4;
        close(fd);
    }
    return 0;
}
