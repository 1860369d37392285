/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/hard.c - what has gone wrong once: code whose tables lie, under the
 * profile of the CPU; children of a profiled program; code that goes away.
 *
 * Prints what failed; exits with 1 then. */
#define _GNU_SOURCE
#include <belay/belay.h>
#include <belay/pprof.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static int failures;
static int nowhere; /* /dev/null */

static void
check(const char *what, bool is_right)
{
    if (is_right)
        return;
    printf("FAIL %s\n", what);
    failures++;
}

/* --- tables that lie -------------------------------------------------------- */

/* Counts n down.  Says that its frame is where `frame` points, where nothing is. */
void astray(void *frame, long n);

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl astray\n"
        ".type astray, @function\n"
        "astray:\n"
        ".cfi_startproc\n"
        ".cfi_def_cfa %rdi, 8\n"
        "1: dec %rsi\n"
        "jnz 1b\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size astray, . - astray\n");
#else
__asm__(".text\n"
        ".globl astray\n"
        ".type astray, %function\n"
        "astray:\n"
        ".cfi_startproc\n"
        ".cfi_def_cfa x0, 16\n"
        ".cfi_offset x30, -8\n"
        "1: subs x1, x1, #1\n"
        "b.ne 1b\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size astray, . - astray\n");
#endif

static void *
go_astray(void *frame)
{
    for (int i = 0; i < 100; i++)
        astray(frame, 1000000);
    return frame;
}

static void
go_astray_and_say(void *frame, bl_chan *done)
{
    int v = 0;

    go_astray(frame);
    bl_chan_send(done, &v);
}

static void
test_astray(void)
{
    bl_chan *done = bl_chan_new(sizeof(int), 0);
    pthread_t thread;
    int v;

    bl_set_cpu_profile_rate(1000);
    check("the profile starts", bl_cpu_profile_start() == 0);
    for (uintptr_t frame = 0x10000; frame; frame = frame == 0x10000 ? 0x10003 : 0) {
        pthread_create(&thread, NULL, go_astray, (void *)frame);
        bl_go(go_astray_and_say, (void *)frame, done);
        bl_chan_recv(done, &v);
        pthread_join(thread, NULL);
    }
    check("the profile ends", bl_cpu_profile_stop(nowhere) == 0);
    bl_set_cpu_profile_rate(100);
    bl_chan_free(done);
}

/* --- children ----------------------------------------------------------------- */

static _Noreturn void
be_child(void)
{
    alarm(20);
    if (bl_cpu_profile_start() != 0)
        _exit(10);
    if (bl_pprof_write("goroutine", nowhere, 2) != 0)
        _exit(11);
    if (bl_pprof_write("defer", nowhere, 1) != 0)
        _exit(12);
    if (bl_cpu_profile_stop(nowhere) != 0)
        _exit(13);
    _exit(3);
}

static void
test_children(void)
{
    int status = 0;
    pid_t pid;

    check("the profile starts", bl_cpu_profile_start() == 0);
    pid = fork();
    if (pid == 0)
        be_child();
    waitpid(pid, &status, 0);
    check("a child has profiles of its own", status == 3 << 8);
    check("the parent's has gone on", bl_cpu_profile_stop(nowhere) == 0);
}

/* --- a module that goes while it is on the stack -------------------------------- */

struct extent {
    uintptr_t inside, low, high;
};

static int
measure_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct extent *e = arg;
    uintptr_t low = UINTPTR_MAX, high = 0;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;

        if (p->p_type != PT_LOAD)
            continue;
        low = at < low ? at : low;
        high = at + p->p_memsz > high ? at + p->p_memsz : high;
    }
    if (e->inside < low || e->inside >= high)
        return 0;
    e->low = low & -(uintptr_t)PAGE;
    e->high = (high + PAGE - 1) & -(uintptr_t)PAGE;
    return 1;
}

/* As dlclose() in a deferred call does: the loader will hear of it a little later. */
static _Noreturn void
go_away(void *arg)
{
    struct extent *e = arg;
    clock_t end = clock() + CLOCKS_PER_SEC / 2;

    dl_iterate_phdr(measure_module, e);
    if (!e->low || munmap((void *)e->low, e->high - e->low) != 0)
        _exit(12);
    while (clock() < end)
        ;
    _exit(0);
}

static _Noreturn void
be_without_module(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    int (*call)(void (*)(void *), void *, int);
    struct extent e = {0};
    void *handle;

    path[n > 0 ? n : 0] = '\0';
    strcpy(strrchr(path, '/') ? strrchr(path, '/') + 1 : path, "plugin.so");
    handle = dlopen(path, RTLD_NOW);
    if (!handle)
        _exit(77);
    *(void **)&call = dlsym(handle, "plugin_call");
    e.inside = (uintptr_t)call;
    bl_set_cpu_profile_rate(1000);
    if (bl_cpu_profile_start() != 0)
        _exit(11);
    call(go_away, &e, 20);
    _exit(13);
}

static void
test_module_that_goes(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        be_without_module();
    waitpid(pid, &status, 0);
    check("a module goes while it is on the stack",
          WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}

int
main(void)
{
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    test_astray();
    test_children();
    test_module_that_goes();
    if (!failures)
        puts("ok hard");
    return failures > 0;
}
