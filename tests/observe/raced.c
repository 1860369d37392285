/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/raced.c SECONDS - all of libbelay-pprof at once, from goroutines and plain
 * threads, for ThreadSanitizer and for whoever looks for a crash: labels, profiles of the
 * program's own, panics, waits, snapshots, the CPU's profile, the server.  Nobody computes
 * for long: ThreadSanitizer delivers signals only when a thread calls something. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/pprof.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 6, THREADS = 3 };

static _Atomic bool done;
static _Atomic long asked, written;
static bl_profile *things;
static bl_mutex mutex;
static bl_chan *hall;
static int nowhere, port;

/* --- goroutines ------------------------------------------------------------------ */

static void
release(int n)
{
    (void)n;
}

static void
note_panic(bool *seen)
{
    returns_nothing {
        *seen = recover() != NULL;
    }
}

__attribute__((noinline)) static void
fail(bool *seen)
{
    returns_nothing {
        defer_call(note_panic, seen);
        defer_call(release, 1);
        panic("on purpose");
    }
}

__attribute__((noinline)) static void
note_thing(const void *thing)
{
    returns_nothing {
        bl_profile_add(things, thing, 0);
        defer_call(bl_profile_remove, things, thing);
        gosched();
    }
}

__attribute__((noinline)) static void
carry_labels(int n)
{
    returns_nothing {
        char value[20];

        snprintf(value, sizeof value, "%d", n);
        defer_call(bl_labels_restore, bl_labels_set("n", value));
        bl_sleep(BL_MICROSECOND * 50);
        if (strcmp(bl_label("n"), value) != 0)
            abort();
    }
}

static void
work(int number)
{
    for (int i = 0; !done; i++) {
        char thing;
        bool seen = false;

        fail(&seen);
        if (!seen)
            abort();
        note_thing(&thing);
        carry_labels(number * 1000 + i % 10);
        bl_mutex_lock(&mutex);
        gosched();
        bl_mutex_unlock(&mutex);
        free(malloc((size_t)(i % 5000)));
        bl_chan_send(hall, &i);
        bl_chan_recv(hall, &i);
    }
}

/* --- threads that ask ------------------------------------------------------------- */

static void
ask(const char *path)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char buf[4096], head[13] = "";

    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    dprintf(fd, "GET /debug/pprof/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (recv(fd, head, 12, MSG_WAITALL) == 12 && strcmp(head + 9, "200") != 0)
        printf("%s: %s\n", path, head);
    while (read(fd, buf, sizeof buf) > 0)
        ;
    close(fd);
    asked++;
}

static void *
ask_server(void *unused)
{
    static const char *const paths[] = {"", "goroutine?debug=1", "goroutine", "defer?debug=1",
                                        "panic", "block?debug=1", "mutex", "things",
                                        "goroutine?debug=2", "sched", "cmdline"};

    (void)unused;
    for (unsigned i = 0; !done; i++)
        ask(paths[i % (sizeof paths / sizeof paths[0])]);
    return NULL;
}

static void *
profile_cpu(void *unused)
{
    (void)unused;
    while (!done) {
        if (bl_cpu_profile_start() != 0)
            abort();
        usleep(200000);
        if (bl_cpu_profile_stop(nowhere) != 0)
            abort();
        written++;
    }
    return NULL;
}

static void *
write_profiles(void *unused)
{
    static const char *const names[] = {"defer", "goroutine", "things", "panic", "mutex"};

    (void)unused;
    for (unsigned i = 0; !done; i++) {
        if (bl_pprof_write(names[i % 5], nowhere, (int)(i % 2)) != 0)
            abort();
        bl_set_block_profile_rate(i % 3 ? 1000 : 1);
        written++;
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    void *(*const threads[THREADS])(void *) = {ask_server, profile_cpu, write_profiles};
    pthread_t thread[THREADS];
    bl_waitgroup all = {0};

    if (argc != 2)
        return 2;
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    things = bl_profile_new("things");
    hall = bl_chan_new(sizeof(int), WORKERS);
    bl_set_mutex_profile_fraction(2);
    port = bl_pprof_serve("127.0.0.1:0");
    if (port < 0)
        return 1;
    for (int i = 0; i < WORKERS; i++)
        go(work, i);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, threads[i], NULL);
    bl_sleep((int64_t)(atof(argv[1]) * 1e9));
    done = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    bl_pprof_stop_serving();
    bl_waitgroup_wait(&all);
    printf("ok raced: %ld answers, %ld profiles\n", asked, written);
    return asked == 0 || written == 0;
}
