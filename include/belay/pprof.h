/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/pprof.h - profiles of a running program: libbelay-pprof, an optional library.
 *
 *     int main(void)
 *     {
 *         bl_pprof_serve("127.0.0.1:6060");
 *         ...
 *     }
 *
 *     belay top http://localhost:6060
 *     belay prof http://localhost:6060/debug/pprof/profile?seconds=10
 *     go tool pprof http://localhost:6060/debug/pprof/heap
 *
 * The server answers as Go's net/http/pprof does, from a thread of its own: also when
 * every worker is busy or stuck.  Without a change to the program:
 *
 *     LD_PRELOAD=libbelay-pprof.so BELAYDEBUG=pprof=127.0.0.1:6060 ./program
 *
 * Link with `pkg-config --cflags --libs belay-pprof belay` (CMake: belay::belay_pprof).
 * Nothing is measured until it is asked for.
 *
 * Profiles: goroutine (every goroutine's stack and state), goroutineleak (those that
 * nothing will ever wake; docs/guide/profiles.md says how sure that is), defer (deferred calls that
 * are pending, by the place that registered them), panic (raised and recovered),
 * threadcreate, block, mutex, heap, allocs, profile (the CPU's), and those that the
 * program adds.  Blocks of bl_defer are in tables of the compiler: they cost nothing,
 * and are not counted; bl_defer_call's are. */
#ifndef BELAY_PPROF_H
#define BELAY_PPROF_H

#include <belay/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

BL_BEGIN_DECLS

/* --- the server ---------------------------------------------------------- */

typedef struct bl_pprof_options {
    const char *token;  /* who asks has to send "Authorization: Bearer TOKEN", or
                           ?token=TOKEN; NULL: nothing */
    bool allow_remote;  /* listen at addresses that are not this machine's own */
} bl_pprof_options;

/* Serves /debug/pprof/ at address: "127.0.0.1:6060", "[::1]:6060", "localhost:0" (any
 * free port) or "unix:PATH", from threads of its own.  Anything but a loopback address
 * is refused with -EACCES: the answers tell what the program does.  Counting of panics
 * begins here.  Returns the port (0 for a path), or a negative errno.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_pprof_serve(const char *address);

/* The same with options (NULL: none).  Strings are copied. */
BL_API int bl_pprof_serve_with(const char *address, const bl_pprof_options *options);

/* Ends all servers; connections are cut.
 * Call from: anywhere.  Blocks: for moments. */
BL_API void bl_pprof_stop_serving(void);

/* --- to a file ------------------------------------------------------------ */

/* Writes the profile of that name ("goroutine", "heap", "defer", ...) to fd: gzip'ed
 * protobuf if debug is 0, text with 1, for goroutine and goroutineleak every stack with 2 (Go's
 * Profile.WriteTo).  Returns 0, -ENOENT for an unknown name, or what writing failed
 * with.
 * Call from: anywhere.  Blocks: as write() does; goroutines stand still for moments. */
BL_API int bl_pprof_write(const char *name, int fd, int debug);

/* Sets how often each thread is looked at for every second that it computes: 100 at
 * first, 10000 at most, from the next profile of the CPU on; hz <= 0 only asks.  The
 * system looks at its clock some hundred times a second: where that is less often, one
 * sample stands for several.  Returns what it was.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_set_cpu_profile_rate(int hz);

/* Starts the profile of the CPU.  Returns 0, or -EBUSY if one is running.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_cpu_profile_start(void);

/* Ends it, and writes it to fd.  Returns 0 or a negative errno; -EINVAL if none was
 * running.
 * Call from: anywhere.  Blocks: as write() does. */
BL_API int bl_cpu_profile_stop(int fd);

/* --- what is measured ------------------------------------------------------ */

/* Sets from how many nanoseconds of waiting on every event is in the block profile;
 * shorter ones are taken by chance, and scaled up.  1: all; 0, as at first: none.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_set_block_profile_rate(int64_t ns);

/* One in n events of a contended mutex is in the mutex profile, scaled up; 0, as at
 * first: none; n < 0 only asks.  Returns what it was.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_set_mutex_profile_fraction(int n);

/* One allocation for about so many bytes is in the heap profile; 0: none.  Needs
 * libbelay-pprof's malloc: it is there if the library was linked or preloaded.  At
 * first 512 KiB if BELAYDEBUG has pprof or a server was started, else 0.  Returns what it was.
 * Call from: anywhere.  Blocks: no. */
BL_API int64_t bl_set_heap_profile_rate(int64_t bytes);

/* From now on panics are counted; a server's start does this too.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_panic_profile_start(void);

/* --- labels ------------------------------------------------------------------ */

typedef struct bl_labels bl_labels;

/* Makes the calling goroutine's labels plus key = value, which samples of the CPU and
 * of goroutines will carry.  The same key again replaces the value.
 * Returns the labels it had: hand them to bl_labels_restore().
 * Goroutines that it starts inherit them.
 *
 *     bl_labels *old = bl_labels_set("request", path);
 *     bl_defer_call(bl_labels_restore, old);        // Go's pprof.Do
 *
 * Call from: goroutine or thread.  Blocks: no.  Owner: caller, bl_labels_restore(). */
BL_API bl_labels *bl_labels_set(const char *key, const char *value);

/* Gives the calling goroutine back the labels it had.
 * Call from: where bl_labels_set() was.  Blocks: no. */
BL_API void bl_labels_restore(bl_labels *old);

/* The value of one of its labels; NULL: it has none of that key.  Valid until its
 * labels change.
 * Call from: anywhere.  Blocks: no. */
BL_API const char *bl_label(const char *key);

/* --- profiles of your own ------------------------------------------------------ */

typedef struct bl_profile bl_profile;

/* Makes a profile of things that are there or not: open files, sessions.  The name is
 * copied; an empty one, or one in use, panics (Go's pprof.NewProfile).
 * Call from: anywhere.  Blocks: no.  Owner: the library, for good. */
BL_API bl_profile *bl_profile_new(const char *name);

/* The profile of that name that bl_profile_new() made; NULL: none. */
BL_API bl_profile *bl_profile_find(const char *name);

/* Adds thing, with the caller's stack less `skip` frames.  Panics if it is there.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_profile_add(bl_profile *profile, const void *thing, int skip);

/* Takes it out; what is not there is no mistake.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_profile_remove(bl_profile *profile, const void *thing);

/* How many things are in it. */
BL_API int64_t bl_profile_count(bl_profile *profile);

BL_END_DECLS

#endif
