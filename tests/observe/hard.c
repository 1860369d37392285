/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/hard.c - what has gone wrong once: code whose tables lie, under the
 * profile of the CPU; children of a profiled program; snapshots while code goes away.
 *
 * Prints what failed; exits with 1 then. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

int
main(void)
{
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    test_astray();
    test_children();
    if (!failures)
        puts("ok hard");
    return failures > 0;
}
