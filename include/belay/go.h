/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/go.h - goroutines: functions that run beside each other, on all cores.
 *
 *     void serve(int fd, const char *peer);
 *
 *     bl_go(serve, fd, peer);            // runs beside us; arguments are copied
 *     bl_go_with(((bl_go_options){.stack_bytes = 64 << 10, .name = "pump"}),
 *                pump, in, out);
 *
 * No init call: main is goroutine 1.  Returning from main ends the program, as in
 * Go.  Any C code may block in a goroutine (sleep, read, getaddrinfo, a long
 * loop): the others go on, on another thread.
 *
 * A goroutine may go on on another thread whenever it calls Belay.  So do not keep
 * the address of a thread-local across such a call (compilers do that for errno:
 * look at errno right behind the call that set it), do not call Belay while a
 * pthread mutex is held, and use bl_lock_os_thread() around libraries that want
 * one thread.  errno itself goes with the goroutine.
 *
 * A stack is 256 KiB of address space (BELAYDEBUG=stacksize=N), of which only what
 * is touched is memory; its end is guarded: running over it is a fatal error that
 * names the goroutine. */
#ifndef BELAY_GO_H
#define BELAY_GO_H

#include <belay/config.h>
#include <belay/defer.h>

BL_BEGIN_DECLS

typedef struct bl_go_options {
    size_t stack_bytes; /* rounded up to a power of two, 16 KiB at least, 1 GiB at
                           most; 0: the default */
    const char *name;   /* for reports; kept, not copied; NULL: none */
} bl_go_options;

#if !defined(__cplusplus) && !defined(__belay_vet__)

/* bl_go(f, args...): starts a goroutine that calls f(args...).  f and the arguments
 * are evaluated now, and checked as for a direct call; up to 32.
 * Call from: anywhere.  Blocks: no.  Panics: when there is no memory for a stack;
 * a NULL f is a fatal error. */
#define bl_go(...) BL__GO(bl__go, (const bl_go_options *)0, __VA_ARGS__)

/* bl_go_with(options, f, args...): starts a goroutine with options, in parentheses:
 * a bl_go_options value.  Else as bl_go(). */
#define bl_go_with(options, ...)                                               \
    BL__GO(bl__go, ((const bl_go_options[1]){options}), __VA_ARGS__)

/* bl_try_go(f, args...): starts a goroutine as bl_go() does, but returns 0, -ENOMEM
 * when there is no memory for a stack, or -EINVAL for a stack size above 1 GiB, and
 * does not panic.  bl_try_go_with(options, f, args...): the same with options. */
#define bl_try_go(...) BL__GO(bl__go_try, (const bl_go_options *)0, __VA_ARGS__)
#define bl_try_go_with(options, ...)                                           \
    BL__GO(bl__go_try, ((const bl_go_options[1]){options}), __VA_ARGS__)

#endif

/* Lets other goroutines run; the caller goes on later.
 * Call from: anywhere; in a plain thread it does nothing.  Blocks: that long. */
BL_API void bl_gosched(void);

/* Sets how many threads run goroutines at the same time; with n < 1 only asks.
 * Returns what it was.  The default is what the affinity mask and the cgroup's
 * quota give, or BELAYMAXPROCS.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_gomaxprocs(int n);

/* Sets how many threads Belay may have, those that are blocked included; with n < 1
 * only asks.  Returns what it was, 10,000 at first (Go's debug.SetMaxThreads).  A
 * program that would need more has most likely gone wrong: fatal error "thread
 * exhaustion".  Plain threads of the program's own don't count.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_set_max_threads(int n);

/* How many CPUs the process may use. */
BL_API int bl_num_cpu(void);

/* How many goroutines there are. */
BL_API int64_t bl_num_goroutine(void);

/* The calling goroutine's id, as reports print it; a plain thread has one too. */
BL_API uint64_t bl_goroutine_id(void);

/* Whether the caller is a goroutine, not a plain thread. */
BL_API bool bl_on_goroutine(void);

/* Sets, or returns, the calling goroutine's name for reports.  The pointer is kept,
 * so it has to outlive the goroutine (a literal does).  NULL: none. */
BL_API void bl_set_name(const char *name);
BL_API const char *bl_name(void);

/* Binds the calling goroutine to the thread it runs on, until as many
 * bl_unlock_os_thread() or its end: nothing else runs there (Go's LockOSThread).
 * Call from: goroutine; in a plain thread both do nothing.  Blocks: no. */
BL_API void bl_lock_os_thread(void);
BL_API void bl_unlock_os_thread(void);

/* What stacks take; all but the first count them in all sizes together. */
typedef struct bl_stack_stats {
    uint64_t reserved_bytes; /* address space */
    uint64_t used;           /* of goroutines that live */
    uint64_t cached;         /* of dead ones, kept with their memory */
    uint64_t released;       /* times that a stack's memory was given back */
} bl_stack_stats;

/* Reads what the goroutines' stacks take.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_read_stack_stats(bl_stack_stats *stats);

/* Gives the memory of stacks that nobody uses back to the system now; otherwise
 * that happens to those that have been free for a second or two.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_release_stacks(void);

/* Writes the stacks of all goroutines, as a report with BELAYTRACEBACK=all does,
 * the caller's first, into buf, and returns the number of bytes written; never
 * more than size - 1; always terminated (Go's runtime.Stack(buf, true)).  Those
 * that run on other threads are listed without frames.
 * Call from: anywhere.  Blocks: reads debug information on first use. */
BL_API size_t bl_stack_all(char *buf, size_t size);

/* Writes the stack of goroutine id alone, with its pending deferred calls.  Returns 0 if
 * there is no such goroutine.
 * Call from: anywhere.  Blocks: as bl_stack_all(). */
BL_API size_t bl_stack_of(uint64_t id, char *buf, size_t size);

/* --- what the macros use --------------------------------------------------- */

#if !defined(__belay_vet__)
BL_API void bl__go(bl__thunk *thunk, const void *args, size_t size, void *callee,
                   const struct bl__site *site, const bl_go_options *options);
BL_API int bl__go_try(bl__thunk *thunk, const void *args, size_t size, void *callee,
                      const struct bl__site *site, const bl_go_options *options);
#endif

BL_END_DECLS

#endif
