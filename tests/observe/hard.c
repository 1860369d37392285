/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/hard.c - what has gone wrong once: code whose tables lie, under the
 * profile of the CPU; children of a profiled program; locks that fork() and snapshots
 * want; code that goes away.
 *
 * Prints what failed; exits with 1 then. */
#define _GNU_SOURCE
#include <belay/belay.h>
#include <belay/pprof.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
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

/* --- fork, beside who is in malloc() with a lock of the program's ----------------- */

static pthread_mutex_t programs = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_watched, is_forking;

/* The last one to be called before a fork: it was registered before all libraries'. */
static void
take_programs(void)
{
    if (is_watched)
        pthread_mutex_lock(&programs);
}

static void
give_programs(void)
{
    if (is_watched)
        pthread_mutex_unlock(&programs);
}

static void
register_first(void)
{
    pthread_atfork(take_programs, give_programs, give_programs);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) =
    register_first;

static void
say_forking(void)
{
    is_forking = true;
}

static void
allocate_a_lot(int n)
{
    void *p[64];

    while (n-- > 0) {
        for (int i = 0; i < 64; i++)
            p[i] = malloc((size_t)(n + i));
        for (int i = 0; i < 64; i++)
            free(p[i]);
    }
}

static void *
allocate_with_lock(void *is_locked)
{
    pthread_mutex_lock(&programs);
    pthread_barrier_wait(is_locked);
    while (!is_forking)
        allocate_a_lot(1);
    usleep(20000); /* and the handlers in between have been called */
    allocate_a_lot(100);
    pthread_mutex_unlock(&programs);
    return NULL;
}

static _Noreturn void
fork_beside_allocation(void)
{
    pthread_barrier_t is_locked;
    pthread_t thread;
    int status = 0;
    pid_t pid;

    alarm(20);
    is_watched = true;
    bl_set_heap_profile_rate(1);
    pthread_atfork(say_forking, NULL, NULL);
    pthread_barrier_init(&is_locked, NULL, 2);
    pthread_create(&thread, NULL, allocate_with_lock, &is_locked);
    pthread_barrier_wait(&is_locked);
    pid = fork();
    if (pid == 0) {
        allocate_a_lot(100);
        _exit(3);
    }
    waitpid(pid, &status, 0);
    pthread_join(thread, NULL);
    _exit(status == 3 << 8 ? 0 : 1);
}

/* Threads die in the midst of it, as seen from the child. */
static void *
allocate_until(void *stop)
{
    while (!*(_Atomic bool *)stop)
        allocate_a_lot(10);
    return NULL;
}

static _Noreturn void
fork_in_the_midst(void)
{
    static _Atomic bool stop;
    pthread_t threads[3];
    int status = 0;

    alarm(40);
    bl_set_heap_profile_rate(1);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, allocate_until, &stop);
    for (int i = 0; i < 100 && status == 0; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            alarm(20);
            allocate_a_lot(100);
            _exit(bl_pprof_write("heap", nowhere, 0) != 0);
        }
        waitpid(pid, &status, 0);
    }
    stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    _exit(status != 0);
}

/* --- snapshots, beside who has the loader's lock ----------------------------------- */

static void
do_nothing(void)
{
}

static int
start_goroutines(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info, (void)size, (void)arg;
    for (int i = 0; i < 100; i++) {
        bl_go(do_nothing);
        usleep(1000);
    }
    return 1;
}

static void *
hold_loader(void *is_over)
{
    dl_iterate_phdr(start_goroutines, NULL);
    *(_Atomic bool *)is_over = true;
    return NULL;
}

static _Noreturn void
look_beside_loader(void)
{
    static _Atomic bool is_over;
    pthread_t thread;
    int error = 0;

    alarm(20);
    pthread_create(&thread, NULL, hold_loader, &is_over);
    while (!is_over && error == 0)
        error = bl_pprof_write("goroutine", nowhere, 2);
    pthread_join(thread, NULL);
    _exit(error != 0);
}

/* In a process of its own: it may hang.  Not in QEMU, where a process that has threads can't
 * fork. */
static void
test_apart(const char *what, void (*f)(void))
{
    int status = 0;
    pid_t pid;

    if (getenv("BELAY_TEST_NO_FORK"))
        return;
    pid = fork();
    if (pid == 0)
        f();
    waitpid(pid, &status, 0);
    check(what, status == 0);
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
    test_apart("fork beside who allocates with a lock", fork_beside_allocation);
    test_apart("children of who allocates", fork_in_the_midst);
    test_apart("snapshots beside who has the loader's lock", look_beside_loader);
    if (!failures)
        puts("ok hard");
    return failures > 0;
}
