/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/list.c - lists for those that may not allocate: see mark.h. */
#define _GNU_SOURCE
#include "observe/mark.h"

#include <sys/mman.h>

void *
bl__list_add(struct bl__list *l, size_t size)
{
    size_t bytes = l->size ? l->size * 2 : 1 << 16;
    void *data;

    if ((l->n + 1) * size > l->size) {
        data = l->data ? mremap(l->data, l->size, bytes, MREMAP_MAYMOVE)
                       : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data == MAP_FAILED)
            return NULL;
        l->data = data;
        l->size = bytes;
    }
    return (char *)l->data + l->n++ * size;
}

void
bl__list_free(struct bl__list *l)
{
    if (l->data)
        munmap(l->data, l->size);
}

/* Elements begin with the address that they are sorted by.  Heap sort: qsort() may
 * allocate. */
static void
swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t t = *(uint64_t *)(a + i);

        *(uint64_t *)(a + i) = *(uint64_t *)(b + i);
        *(uint64_t *)(b + i) = t;
    }
}

static void
sink(char *data, size_t i, size_t n, size_t size)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n &&
            *(uintptr_t *)(data + child * size) < *(uintptr_t *)(data + (child + 1) * size))
            child++;
        if (*(uintptr_t *)(data + i * size) >= *(uintptr_t *)(data + child * size))
            return;
        swap(data + i * size, data + child * size, size);
    }
}

void
bl__list_sort(struct bl__list *l, size_t size)
{
    char *data = l->data;

    for (size_t i = l->n / 2; i-- > 0;)
        sink(data, i, l->n, size);
    for (size_t n = l->n; n-- > 1;) {
        swap(data, data + n * size, size);
        sink(data, 0, n, size);
    }
}

void *
bl__list_find(const struct bl__list *l, size_t size, uintptr_t at)
{
    size_t low = 0, high = l->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        char *e = (char *)l->data + middle * size;

        if (at < ((uintptr_t *)e)[0])
            high = middle;
        else if (at >= ((uintptr_t *)e)[1])
            low = middle + 1;
        else
            return e;
    }
    return NULL;
}

