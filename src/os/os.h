/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* os/os.h - what is asked of the kernel and the C library's thread side.
 *
 * Internal functions return values, never errno.  All may run in a signal
 * handler unless they say otherwise. */
#ifndef BELAY_OS_OS_H
#define BELAY_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory from the kernel, page granular.  NULL when there is none. */
void *bl__os_map(size_t size);
void bl__os_unmap(void *p, size_t size);

/* Bounds of the calling thread's stack: [*low, *high), *guard bytes below *low
 * fault.  The main thread's low end is where its limit lets it grow to.
 * Not from a signal handler: the C library may allocate. */
void bl__os_stack(uintptr_t *low, uintptr_t *high);

/* The same for a thread in a signal handler, from the process's map; both 0 if
 * that can't be read. */
void bl__os_stack_in_handler(uintptr_t *low, uintptr_t *high);

/* Whether the calling thread is the one that runs main. */
bool bl__os_is_main_thread(void);

/* Whether it is the only thread of the process. */
bool bl__os_is_single_thread(void);

/* Gives the calling thread an alternate signal stack unless it has one.
 * Returns what was mapped for it, NULL if nothing was. */
void *bl__os_sigstack_make(void);
void bl__os_sigstack_free(void *stack);

/* --- time ---------------------------------------------------------------- */

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t bl__os_now(void);

/* CPU time that a thread has used, in ns; -1 if it has ended. */
int64_t bl__os_thread_cpu(int tid);

/* --- waiting ------------------------------------------------------------- */

/* Sleeps while *word == value, until woken or, unless until_ns is INT64_MAX, the
 * monotonic time until_ns has come.  May return early. */
void bl__os_futex_wait(const void *word, uint32_t value, int64_t until_ns);
void bl__os_futex_wake(const void *word, int n);

/* Sleeps for about ns. */
void bl__os_nap(int64_t ns);

/* --- readiness of descriptors --------------------------------------------- */

/* What has happened to a descriptor since it was last told. */
enum {
    BL__EVENT_READ = 1,   /* there may be something to read, an end or an error */
    BL__EVENT_WRITE = 2,  /* there may be room, or an error */
    BL__EVENT_ODD = 4,    /* the other side sends no more, or all is over, or urgent data */
};

struct bl__event {
    void *tag;            /* what bl__os_poll_add() was given */
    unsigned what;
};

/* A set of descriptors to wait for; a negative errno if there is none left.  Closed on
 * exec, as the descriptors below. */
int bl__os_poll_make(void);

/* From now on events of fd, reading and writing, are told once each (edge-triggered),
 * what is so already included; until fd is closed.  -EEXIST: it is there already;
 * -EPERM: it is of a kind that is always ready. */
int bl__os_poll_add(int set, int fd, void *tag);

void bl__os_poll_remove(int set, int fd);

/* The same for a descriptor of bl__os_alarm_make(): told as long as it rings. */
int bl__os_poll_add_alarm(int set, int fd);

/* Fills events[0 .. n) and returns how many; 0 when until_ns has come (0: do not wait),
 * or early.  An alarm's tag is NULL. */
int bl__os_poll_wait(int set, struct bl__event *events, int n, int64_t until_ns);

/* Whether fd can be read, or written, without waiting; also if it is broken. */
bool bl__os_is_ready(int fd, bool to_write);

void bl__os_close(int fd);

/* An alarm rings from bl__os_alarm_ring() until bl__os_alarm_stop(). */
int bl__os_alarm_make(void);
void bl__os_alarm_ring(int fd);
void bl__os_alarm_stop(int fd);

/* --- threads and processors ---------------------------------------------- */

/* What to ask for, so that thread-locals leave a thread that many bytes of stack. */
size_t bl__os_stack_size(size_t bytes);

/* Starts a thread that runs fn(arg) with stack_bytes of stack; with no_signals it
 * blocks all of them.  Returns 0 or a negative errno. */
int bl__os_thread_start(void (*fn)(void *), void *arg, size_t stack_bytes,
                        bool no_signals);
int bl__os_thread_id(void);

/* How many threads the process has; 0 if that can't be read. */
int bl__os_thread_count(void);

/* CPUs the process may use: its affinity mask and its cgroup's quota, rounded up;
 * at least 1. */
int bl__os_cpus(void);

/* Makes bl__os_barrier() possible.  Returns whether it is. */
bool bl__os_barrier_init(void);

/* A full memory barrier on every CPU that runs a thread of this process. */
void bl__os_barrier(void);

/* --- address space for stacks -------------------------------------------- */

/* Reserves size bytes, aligned to align, of zeroed memory that is committed when
 * touched, a page at a time.  NULL when there is none. */
void *bl__os_reserve(size_t size, size_t align);

/* Makes [p, p + size) fault.  Returns 0 or a negative errno; -ENOMEM is what the
 * kernel says at its limit of mappings. */
/* Guards of `size` bytes at p, p + stride, ...: n of them.  Returns how many there are
 * now, or, if that is none, a negative errno. */
int bl__os_guards(char *p, size_t stride, unsigned n, size_t size);
int bl__os_guard(void *p, size_t size);

/* Whether guards cost no mapping of their own (MADV_GUARD_INSTALL). */
bool bl__os_guards_are_free(void);

/* Gives the memory of [p, p + size) back; it reads as zero, or as it was if lazily
 * and the kernel had no need of it. */
void bl__os_release(void *p, size_t size, bool lazily);

#endif
