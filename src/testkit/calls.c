/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/calls.c - stands before the C library's calls that acquire, release and fail.
 *
 * Each asks whether it is to fail, calls the next definition, and tells watch.c what was
 * acquired.  When nothing is watched that is two loads.  What a call does inside is not
 * the test's (bl__watch_quiet): fopen() counts as a stream, not as memory as well.
 *
 * Under AddressSanitizer and ThreadSanitizer the heap is theirs, and under the second
 * the mutexes are, too: BL__KIT_NO_HEAP and BL__KIT_NO_MUTEXES leave ours out. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#pragma GCC visibility push(default)
#include "testkit/testkit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#define CALLER ((uintptr_t)__builtin_return_address(0))

/* The next definition of a function: the C library's, or a sanitizer's. */
#define NEXT(name)                                                             \
    __extension__({                                                            \
        static void *next_;                                                    \
        if (!__atomic_load_n(&next_, __ATOMIC_RELAXED))                        \
            __atomic_store_n(&next_, find_next(#name), __ATOMIC_RELAXED);      \
        (__typeof__(&name))__atomic_load_n(&next_, __ATOMIC_RELAXED);          \
    })

static void *
find_next(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);

    if (!f)
        abort(); /* not a C library that has it */
    return f;
}

/* Whether a call is to fail; errno says how.  May panic instead. */
static bool
fails(unsigned what, const char *call, bool may_panic, uintptr_t pc)
{
    int error = bl__order_step(what, call, may_panic, pc);

    if (error)
        errno = error;
    return error != 0;
}

/* Calls within the parentheses are not the test's. */
#define QUIETLY(type, call)                                                    \
    __extension__({                                                            \
        type result_;                                                          \
        bl__watch_quiet++;                                                     \
        result_ = (call);                                                      \
        bl__watch_quiet--;                                                     \
        result_;                                                               \
    })

/* --- the heap -------------------------------------------------------------------------- */

#ifdef BL__KIT_NO_HEAP
void
bl__real_free(void *p)
{
    free(p);
}
#else

/* glibc's own names: dlsym() may call malloc. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

void
bl__real_free(void *p)
{
    __libc_free(p);
}

static void *
got_block(const char *call, void *p, uintptr_t pc)
{
    if (p && bl__watch_is_on())
        bl__watch_got(BL__HEAP, call, (uintptr_t)p, pc, BL__HELD);
    return p;
}

/* Whether p may be given to the C library now: else watch.c does, in the end. */
static bool
let_go(void *p, uintptr_t pc)
{
    bool known;

    bl__watch_gone(BL__HEAP, NULL, (uintptr_t)p, pc, &known);
    return !known;
}

void *
malloc(size_t n)
{
    if (fails(BL_FAIL_MALLOC, "malloc", false, CALLER))
        return NULL;
    return got_block("malloc", __libc_malloc(n), CALLER);
}

void *
calloc(size_t n, size_t size)
{
    if (fails(BL_FAIL_MALLOC, "calloc", false, CALLER))
        return NULL;
    return got_block("calloc", __libc_calloc(n, size), CALLER);
}

void
free(void *p)
{
    int saved = errno;

    if (p && let_go(p, CALLER))
        __libc_free(p);
    errno = saved;
}

/* While it is watched always another block: the old one must not be used again. */
void *
realloc(void *p, size_t n)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *more;

    if (fails(BL_FAIL_MALLOC, "realloc", false, CALLER))
        return NULL;
    if (!p || !bl__watch_is_on())
        return got_block("realloc", __libc_realloc(p, n), CALLER);
    more = n > 0 ? __libc_malloc(n) : NULL;
    if (n > 0 && !more)
        return NULL;
    if (more)
        memcpy(more, p, old < n ? old : n);
    if (let_go(p, CALLER))
        __libc_free(p);
    return got_block("realloc", more, CALLER);
}

/* These would be seen as the C library's own calls of malloc. */
char *
strndup(const char *s, size_t most)
{
    size_t n = strnlen(s, most);
    char *copy;

    if (fails(BL_FAIL_MALLOC, "strndup", false, CALLER))
        return NULL;
    copy = got_block("strndup", __libc_malloc(n + 1), CALLER);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *
strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy;

    if (fails(BL_FAIL_MALLOC, "strdup", false, CALLER))
        return NULL;
    copy = got_block("strdup", __libc_malloc(n), CALLER);
    return copy ? memcpy(copy, s, n) : NULL;
}

void *
memalign(size_t alignment, size_t n)
{
    if (fails(BL_FAIL_MALLOC, "memalign", false, CALLER))
        return NULL;
    return got_block("memalign", __libc_memalign(alignment, n), CALLER);
}

void *
aligned_alloc(size_t alignment, size_t n)
{
    if (fails(BL_FAIL_MALLOC, "aligned_alloc", false, CALLER))
        return NULL;
    return got_block("aligned_alloc", __libc_memalign(alignment, n), CALLER);
}

int
posix_memalign(void **p, size_t alignment, size_t n)
{
    int error = bl__order_step(BL_FAIL_MALLOC, "posix_memalign", false, CALLER);
    void *block;

    if (error)
        return error;
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
        return EINVAL;
    block = __libc_memalign(alignment, n);
    if (!block)
        return ENOMEM;
    *p = got_block("posix_memalign", block, CALLER);
    return 0;
}
#endif

/* --- descriptors ----------------------------------------------------------------------- */

/* Their numbers begin at 0, ids at 1. */
static int
got_fd(const char *call, int fd, uintptr_t pc)
{
    if (fd >= 0 && bl__watch_is_on())
        bl__watch_got(BL__DESCRIPTOR, call, (uintptr_t)fd + 1, pc, BL__HELD);
    return fd;
}

static int
got_two(const char *call, int result, const int fds[2], uintptr_t pc)
{
    if (result == 0) {
        got_fd(call, fds[0], pc);
        got_fd(call, fds[1], pc);
    }
    return result;
}

int
bl__real_close(int fd)
{
    return NEXT(close)(fd);
}

static int nowhere = -1; /* a descriptor */

void
bl__calls_prepare(void)
{
    if (nowhere < 0)
        nowhere = NEXT(open)("/", O_PATH | O_CLOEXEC);
}

/* While it is watched the number stays taken, by a descriptor that leads nowhere. */
int
close(int fd)
{
    enum bl__watch_state was;
    bool known;

    if (!bl__watch_is_on())
        return NEXT(close)(fd);
    was = bl__watch_gone(BL__DESCRIPTOR, NULL, (uintptr_t)fd + 1, CALLER, &known);
    if (!known)
        return NEXT(close)(fd);
    if (was != BL__HELD) {
        errno = EBADF;
        return -1;
    }
    if (nowhere >= 0)
        NEXT(dup3)(nowhere, fd, O_CLOEXEC);
    return 0;
}

static mode_t
mode_of(int flags, va_list args)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                             \
    int name(const char *path, int flags, ...)                                 \
    {                                                                          \
        va_list args;                                                          \
        mode_t mode;                                                           \
                                                                               \
        va_start(args, flags);                                                 \
        mode = mode_of(flags, args);                                           \
        va_end(args);                                                          \
        if (fails(BL_FAIL_OPEN, #name, true, CALLER))                          \
            return -1;                                                         \
        return got_fd(#name, NEXT(name)(path, flags, mode), CALLER);           \
    }
#define OPENAT(name)                                                           \
    int name(int folder, const char *path, int flags, ...)                     \
    {                                                                          \
        va_list args;                                                          \
        mode_t mode;                                                           \
                                                                               \
        va_start(args, flags);                                                 \
        mode = mode_of(flags, args);                                           \
        va_end(args);                                                          \
        if (fails(BL_FAIL_OPEN, #name, true, CALLER))                          \
            return -1;                                                         \
        return got_fd(#name, NEXT(name)(folder, path, flags, mode), CALLER);   \
    }
/* Calls that return a descriptor, or -1. */
#define RETURNS_FD(what, may_panic, name, parameters, arguments)               \
    int name parameters                                                        \
    {                                                                          \
        if (fails(what, #name, may_panic, CALLER))                             \
            return -1;                                                         \
        return got_fd(#name, NEXT(name) arguments, CALLER);                    \
    }
/* Calls that fill in two of them. */
#define FILLS_FDS(what, name, parameters, arguments, fds)                      \
    int name parameters                                                        \
    {                                                                          \
        if (fails(what, #name, false, CALLER))                                 \
            return -1;                                                         \
        return got_two(#name, NEXT(name) arguments, fds, CALLER);              \
    }
/* Calls that acquire nothing, and return -1. */
#define RETURNS(type, what, may_panic, name, parameters, arguments)            \
    type name parameters                                                       \
    {                                                                          \
        if (fails(what, #name, may_panic, CALLER))                             \
            return -1;                                                         \
        return NEXT(name) arguments;                                           \
    }

/* What -D_FORTIFY_SOURCE makes of open and read. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
RETURNS_FD(BL_FAIL_OPEN, true, __open_2, (const char *path, int flags), (path, flags))
RETURNS_FD(BL_FAIL_OPEN, true, __open64_2, (const char *path, int flags), (path, flags))
RETURNS_FD(BL_FAIL_OPEN, true, creat, (const char *path, mode_t mode), (path, mode))
RETURNS_FD(BL_FAIL_OPEN, true, creat64, (const char *path, mode_t mode), (path, mode))
RETURNS_FD(BL_FAIL_OPEN, true, mkstemp, (char *path), (path))
RETURNS_FD(BL_FAIL_OPEN, true, mkostemp, (char *path, int flags), (path, flags))
RETURNS_FD(BL_FAIL_OPEN, false, dup, (int fd), (fd))
RETURNS_FD(BL_FAIL_OPEN, false, dup2, (int fd, int as), (fd, as))
RETURNS_FD(BL_FAIL_OPEN, false, dup3, (int fd, int as, int flags), (fd, as, flags))
RETURNS_FD(BL_FAIL_OPEN, false, eventfd, (unsigned n, int flags), (n, flags))
RETURNS_FD(BL_FAIL_OPEN, false, epoll_create1, (int flags), (flags))
RETURNS_FD(BL_FAIL_OPEN, false, timerfd_create, (clockid_t clock, int flags), (clock, flags))
RETURNS_FD(BL_FAIL_OPEN, false, memfd_create, (const char *name, unsigned flags),
           (name, flags))
RETURNS_FD(BL_FAIL_SOCKET, false, socket, (int domain, int type, int protocol),
           (domain, type, protocol))
RETURNS_FD(BL_FAIL_SOCKET, true, accept,
           (int fd, __SOCKADDR_ARG address, socklen_t *length), (fd, address, length))
RETURNS_FD(BL_FAIL_SOCKET, true, accept4,
           (int fd, __SOCKADDR_ARG address, socklen_t *length, int flags),
           (fd, address, length, flags))
FILLS_FDS(BL_FAIL_OPEN, pipe, (int fds[2]), (fds), fds)
FILLS_FDS(BL_FAIL_OPEN, pipe2, (int fds[2], int flags), (fds, flags), fds)
FILLS_FDS(BL_FAIL_SOCKET, socketpair, (int domain, int type, int protocol, int fds[2]),
          (domain, type, protocol, fds), fds)

RETURNS(int, BL_FAIL_SOCKET, true, connect,
        (int fd, __CONST_SOCKADDR_ARG address, socklen_t length), (fd, address, length))
RETURNS(int, BL_FAIL_SOCKET, false, bind,
        (int fd, __CONST_SOCKADDR_ARG address, socklen_t length), (fd, address, length))
RETURNS(int, BL_FAIL_SOCKET, false, listen, (int fd, int n), (fd, n))
RETURNS(ssize_t, BL_FAIL_READ, true, read, (int fd, void *buf, size_t n), (fd, buf, n))
RETURNS(ssize_t, BL_FAIL_READ, true, __read_chk, (int fd, void *buf, size_t n, size_t size),
        (fd, buf, n, size))
RETURNS(ssize_t, BL_FAIL_READ, true, pread, (int fd, void *buf, size_t n, off_t at),
        (fd, buf, n, at))
RETURNS(ssize_t, BL_FAIL_READ, true, pread64, (int fd, void *buf, size_t n, off64_t at),
        (fd, buf, n, at))
RETURNS(ssize_t, BL_FAIL_READ, true, readv, (int fd, const struct iovec *parts, int n),
        (fd, parts, n))
RETURNS(ssize_t, BL_FAIL_READ, true, recv, (int fd, void *buf, size_t n, int flags),
        (fd, buf, n, flags))
RETURNS(ssize_t, BL_FAIL_READ, true, recvmsg, (int fd, struct msghdr *message, int flags),
        (fd, message, flags))
RETURNS(ssize_t, BL_FAIL_WRITE, true, write, (int fd, const void *buf, size_t n),
        (fd, buf, n))
RETURNS(ssize_t, BL_FAIL_WRITE, true, pwrite, (int fd, const void *buf, size_t n, off_t at),
        (fd, buf, n, at))
RETURNS(ssize_t, BL_FAIL_WRITE, true, pwrite64,
        (int fd, const void *buf, size_t n, off64_t at), (fd, buf, n, at))
RETURNS(ssize_t, BL_FAIL_WRITE, true, writev, (int fd, const struct iovec *parts, int n),
        (fd, parts, n))
RETURNS(ssize_t, BL_FAIL_WRITE, true, send, (int fd, const void *buf, size_t n, int flags),
        (fd, buf, n, flags))
RETURNS(ssize_t, BL_FAIL_WRITE, true, sendmsg,
        (int fd, const struct msghdr *message, int flags), (fd, message, flags))
RETURNS(int, BL_FAIL_WRITE, true, fsync, (int fd), (fd))

#define FCNTL(name)                                                            \
    int name(int fd, int command, ...)                                         \
    {                                                                          \
        va_list args;                                                          \
        void *arg;                                                             \
                                                                               \
        va_start(args, command);                                               \
        arg = va_arg(args, void *); /* an int is passed in the same register */ \
        va_end(args);                                                          \
        if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)                  \
            return NEXT(name)(fd, command, arg);                               \
        if (fails(BL_FAIL_OPEN, #name, true, CALLER))                          \
            return -1;                                                         \
        return got_fd(#name, NEXT(name)(fd, command, arg), CALLER);            \
    }

FCNTL(fcntl)
FCNTL(fcntl64)

/* --- streams and directories ------------------------------------------------------------ */

/* The descriptor that a stream or directory has closes with it. */
static void
got_with_fd(enum bl__watch_kind kind, const char *call, void *p, int fd, bool had_fd,
            uintptr_t pc)
{
    if (!p || !bl__watch_is_on())
        return;
    if (had_fd)
        bl__watch_entrust(fd, BL__OWNED);
    else if (fd >= 0)
        bl__watch_got(BL__DESCRIPTOR, call, (uintptr_t)fd + 1, pc, BL__OWNED);
    bl__watch_got(kind, call, (uintptr_t)p, pc, BL__HELD);
}

/* Whether it is to be closed: not a second time. */
static bool
closes(enum bl__watch_kind kind, void *p, int (*fd_of)(void *p), uintptr_t pc)
{
    bool known;

    if (!bl__watch_is_on())
        return true;
    if (bl__watch_gone(kind, NULL, (uintptr_t)p, pc, &known) == BL__HELD) {
        if (known)
            bl__watch_entrust(fd_of(p), BL__RELEASED);
        return true;
    }
    errno = EBADF;
    return false;
}

static int
stream_fd(void *f)
{
    return fileno(f);
}

static int
directory_fd(void *d)
{
    return dirfd(d);
}

#define OPENS(kind, type, fd_of, had_fd, name, parameters, arguments)          \
    type *name parameters                                                      \
    {                                                                          \
        type *p;                                                               \
                                                                               \
        if (fails(BL_FAIL_OPEN, #name, true, CALLER))                          \
            return NULL;                                                       \
        p = QUIETLY(type *, NEXT(name) arguments);                             \
        got_with_fd(kind, #name, p, p ? fd_of(p) : -1, had_fd, CALLER);        \
        return p;                                                              \
    }

OPENS(BL__STREAM, FILE, stream_fd, false, fopen, (const char *path, const char *mode),
      (path, mode))
OPENS(BL__STREAM, FILE, stream_fd, false, fopen64, (const char *path, const char *mode),
      (path, mode))
OPENS(BL__STREAM, FILE, stream_fd, true, fdopen, (int fd, const char *mode), (fd, mode))
OPENS(BL__STREAM, FILE, stream_fd, false, tmpfile, (void), ())
OPENS(BL__STREAM, FILE, stream_fd, false, tmpfile64, (void), ())
OPENS(BL__STREAM, FILE, stream_fd, false, popen, (const char *command, const char *mode),
      (command, mode))
OPENS(BL__DIRECTORY, DIR, directory_fd, false, opendir, (const char *path), (path))
OPENS(BL__DIRECTORY, DIR, directory_fd, true, fdopendir, (int fd), (fd))

#define CLOSES(kind, type, fd_of, name)                                        \
    int name(type *p)                                                          \
    {                                                                          \
        return closes(kind, p, fd_of, CALLER) ? QUIETLY(int, NEXT(name)(p))    \
                                              : -1;                            \
    }

CLOSES(BL__STREAM, FILE, stream_fd, fclose)
CLOSES(BL__STREAM, FILE, stream_fd, pclose)
CLOSES(BL__DIRECTORY, DIR, directory_fd, closedir)

/* --- libraries --------------------------------------------------------------------------- */

void *
dlopen(const char *path, int mode)
{
    void *p = QUIETLY(void *, NEXT(dlopen)(path, mode));

    if (p && bl__watch_is_on())
        bl__watch_got(BL__LIBRARY, "dlopen", (uintptr_t)p, CALLER, BL__HELD);
    return p;
}

int
dlclose(void *p)
{
    bool known;

    if (bl__watch_is_on() &&
        bl__watch_gone(BL__LIBRARY, NULL, (uintptr_t)p, CALLER, &known) != BL__HELD)
        return -1;
    return QUIETLY(int, NEXT(dlclose)(p));
}

/* --- threads and mutexes ------------------------------------------------------------------- */

#ifndef BL__KIT_NO_MUTEXES
static int
got_mutex(const char *call, int result, pthread_mutex_t *m, uintptr_t pc)
{
    if ((result == 0 || result == EOWNERDEAD) && bl__watch_is_on())
        bl__watch_got(BL__MUTEX, call, (uintptr_t)m, pc, BL__HELD);
    return result;
}

int
pthread_mutex_lock(pthread_mutex_t *m)
{
    return got_mutex("pthread_mutex_lock", NEXT(pthread_mutex_lock)(m), m, CALLER);
}

int
pthread_mutex_trylock(pthread_mutex_t *m)
{
    return got_mutex("pthread_mutex_trylock", NEXT(pthread_mutex_trylock)(m), m, CALLER);
}

int
pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
    return got_mutex("pthread_mutex_timedlock", NEXT(pthread_mutex_timedlock)(m, until), m,
                     CALLER);
}

/* Told of before it is done: another thread may lock it at once. */
int
pthread_mutex_unlock(pthread_mutex_t *m)
{
    bool known;

    if (bl__watch_is_on() &&
        bl__watch_gone(BL__MUTEX, NULL, (uintptr_t)m, CALLER, &known) != BL__HELD)
        return EPERM;
    return NEXT(pthread_mutex_unlock)(m);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*f)(void *),
               void *arg)
{
    int error = bl__order_step(BL_FAIL_THREAD, "pthread_create", false, CALLER);

    return error ? error : QUIETLY(int, NEXT(pthread_create)(thread, attributes, f, arg));
}
#endif
