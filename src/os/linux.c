/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* os/linux.c - os.h on Linux. */
#define _GNU_SOURCE
#include "os/os.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIGSTACK_SIZE = 256 * 1024, GUARD_SIZE = 64 * 1024 }; /* any page size */

void *
bl__os_map(size_t size)
{
    /* not through the C library: ThreadSanitizer would take it for a write */
    void *p = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void
bl__os_unmap(void *p, size_t size)
{
    munmap(p, size);
}

bool
bl__os_is_main_thread(void)
{
    return syscall(SYS_gettid) == getpid();
}

/* The C library finds the main thread's stack by reading /proc.  The kernel puts
 * the program's file name at its very top, and a word of zeros behind. */
static void
main_stack(uintptr_t *low, uintptr_t *high)
{
    const char *name = (const char *)getauxval(AT_EXECFN);
    struct rlimit limit;
    uintptr_t size = 8 << 20, page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;

    if (getrlimit(RLIMIT_STACK, &limit) == 0)
        size = limit.rlim_cur == RLIM_INFINITY ? (uintptr_t)1 << 40 : limit.rlim_cur;
    *high = name ? (uintptr_t)name + strlen(name) + 1 + 8
                 : (uintptr_t)__builtin_frame_address(0);
    *high = (*high + page) & ~page;
    *low = size < *high ? *high - size : 0;
}

void
bl__os_stack(uintptr_t *low, uintptr_t *high)
{
    pthread_attr_t attr;
    void *base = NULL;
    size_t size = 0;

    if (bl__os_is_main_thread()) {
        main_stack(low, high);
        return;
    }
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &base, &size);
        pthread_attr_destroy(&attr);
    }
    *low = (uintptr_t)base;
    *high = (uintptr_t)base + size;
}

/* The line of /proc/self/maps, "low-high perms ...", whose range has `at`. */
static bool
scan_map(int fd, uintptr_t at, uintptr_t *low, uintptr_t *high)
{
    char buf[4096];
    uintptr_t v[2] = {0, 0};
    int field = 0; /* 0 low, 1 high, 2 the rest of the line */
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            char c = buf[i];

            if (c == '\n') {
                v[0] = v[1] = 0;
                field = 0;
            } else if (field < 2 && (c == '-' || c == ' ')) {
                if (++field == 2 && at >= v[0] && at < v[1]) {
                    *low = v[0];
                    *high = v[1];
                    return true;
                }
            } else if (field < 2) {
                v[field] = v[field] << 4 | (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
            }
        }
    }
    return false;
}

void
bl__os_stack_in_handler(uintptr_t *low, uintptr_t *high)
{
    int fd;

    *low = *high = 0;
    if (bl__os_is_main_thread()) {
        main_stack(low, high);
        return;
    }
    fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        scan_map(fd, (uintptr_t)__builtin_frame_address(0), low, high);
        close(fd);
    }
}

/* Counts the entries of /proc/self/task without opendir, which allocates. */
int
bl__os_thread_count(void)
{
    _Alignas(8) char buf[1024];
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int entries = 0;
    long n;

    if (fd < 0)
        return 0;
    while ((n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0)
        for (long at = 0; at < n; entries++)
            at += *(unsigned short *)(buf + at + 16); /* d_reclen */
    close(fd);
    return entries > 2 ? entries - 2 : 0; /* "." and ".." */
}

bool
bl__os_is_single_thread(void)
{
    return bl__os_thread_count() <= 1;
}

void *
bl__os_sigstack_make(void)
{
    stack_t old, ss = {.ss_size = SIGSTACK_SIZE};
    char *p;

    if (sigaltstack(NULL, &old) == 0 && !(old.ss_flags & SS_DISABLE))
        return NULL; /* the program, or a sanitizer, has its own */
    p = bl__os_map(SIGSTACK_SIZE + GUARD_SIZE);
    if (!p)
        return NULL;
    mprotect(p, GUARD_SIZE, PROT_NONE);
    ss.ss_sp = p + GUARD_SIZE;
    if (sigaltstack(&ss, NULL) != 0) {
        bl__os_unmap(p, SIGSTACK_SIZE + GUARD_SIZE);
        return NULL;
    }
    return p;
}

void
bl__os_sigstack_free(void *stack)
{
    stack_t old, off = {.ss_flags = SS_DISABLE};

    if (!stack)
        return;
    if (sigaltstack(NULL, &old) == 0 && old.ss_sp == (char *)stack + GUARD_SIZE)
        sigaltstack(&off, NULL);
    bl__os_unmap(stack, SIGSTACK_SIZE + GUARD_SIZE);
}
