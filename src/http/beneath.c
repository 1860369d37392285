/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/beneath.c - opening a file below a folder, and nowhere else, whatever the path says
 * and whatever links there are.  The kernel sees to it (openat2, Linux 5.6); where it can't,
 * or may not (a container's filter), open_by_step() takes one name after the other, follows
 * links itself, and keeps the way down to find ".." again. */
#define _GNU_SOURCE
#include "http/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, /* a pipe must not block us */
    DEPTH_MOST = 64, /* folders below the root, by step */
    LINKS_MOST = 40, /* the kernel's own limit */
};

/* --- by step -------------------------------------------------------------------------------- */

struct walk {
    int folders[DEPTH_MOST]; /* the first is the root, which is not ours */
    int depth;               /* of the last */
    int links;
    char rest[2 * PATH_MAX]; /* what is still to be walked */
};

static int
leave(struct walk *walk, int result)
{
    while (walk->depth > 0)
        close(walk->folders[walk->depth--]);
    return result;
}

/* The first name of what is left; false: there is none. */
static bool
take_name(struct walk *walk, char name[NAME_MAX + 1], int *error)
{
    char *s = walk->rest + strspn(walk->rest, "/");
    size_t n = strcspn(s, "/");

    *error = n > NAME_MAX ? -ENAMETOOLONG : 0;
    if (n == 0 || *error)
        return false;
    memcpy(name, s, n);
    name[n] = '\0';
    memmove(walk->rest, s + n, strlen(s + n) + 1);
    return true;
}

/* A link's text takes its place in front of what is left. */
static int
follow(struct walk *walk, const char *name)
{
    char text[2 * PATH_MAX];
    ssize_t n = readlinkat(walk->folders[walk->depth], name, text, PATH_MAX);

    if (n < 0)
        return -errno;
    if (++walk->links > LINKS_MOST)
        return -ELOOP;
    if (n == 0 || text[0] == '/')
        return -EXDEV;
    if ((size_t)n + strlen(walk->rest) + 1 > sizeof walk->rest)
        return -ENAMETOOLONG;
    strcpy(text + n, walk->rest);
    strcpy(walk->rest, text);
    return 0;
}

static int
go_up(struct walk *walk)
{
    if (walk->depth == 0)
        return -EXDEV;
    close(walk->folders[walk->depth--]);
    return 0;
}

static int
go_down(struct walk *walk, const char *name)
{
    int fd;

    if (walk->depth + 1 == DEPTH_MOST)
        return -ENAMETOOLONG;
    fd = openat(walk->folders[walk->depth], name,
                O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    walk->folders[++walk->depth] = fd;
    return 0;
}

/* One name on: the last one is opened, and its descriptor returned; else 0 or -errno. */
static int
step(struct walk *walk, const char *name)
{
    bool is_last = walk->rest[strspn(walk->rest, "/")] == '\0';
    struct stat st;
    int fd;

    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0)
        return go_up(walk);
    if (fstatat(walk->folders[walk->depth], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return follow(walk, name);
    if (!is_last || S_ISDIR(st.st_mode))
        return go_down(walk, name);
    if (*walk->rest) /* "file/" */
        return -ENOTDIR;
    /* what has become a link meanwhile is not followed: ELOOP */
    fd = openat(walk->folders[walk->depth], name, FLAGS | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int
bl__open_by_step(int root, const char *path)
{
    struct walk *walk = malloc(sizeof *walk);
    char name[NAME_MAX + 1];
    int result = 0;

    if (!walk)
        return -ENOMEM;
    walk->folders[0] = root;
    walk->depth = walk->links = 0;
    if (strlen(path) >= PATH_MAX)
        result = -ENAMETOOLONG;
    else
        strcpy(walk->rest, path);
    while (result == 0 && take_name(walk, name, &result))
        result = step(walk, name);
    if (result == 0) { /* it was a folder */
        result = openat(walk->folders[walk->depth], ".", FLAGS);
        result = result < 0 ? -errno : result;
    }
    result = leave(walk, result);
    free(walk);
    return result;
}

/* --- by the kernel ---------------------------------------------------------------------------- */

/* Set once it has said that it can't. */
static _Atomic bool without_openat2;

static int
ask_kernel(int root, const char *path)
{
    struct open_how how = {.flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd;
    int tries = 8;

    /* EAGAIN: somebody has moved folders while it went through ".." */
    do
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || (errno == EAGAIN && --tries > 0)));
    return fd < 0 ? -errno : (int)fd;
}

static int
open_in(int root, const char *path)
{
    int fd = -ENOSYS;

    path += strspn(path, "/");
    if (!*path)
        path = ".";
    if (!atomic_load_explicit(&without_openat2, memory_order_relaxed))
        fd = ask_kernel(root, path);
    if (fd == -ENOSYS)
        atomic_store_explicit(&without_openat2, true, memory_order_relaxed);
    /* EPERM is what filters say, and what nobody else does who only reads */
    return fd == -ENOSYS || fd == -EPERM ? bl__open_by_step(root, path) : fd;
}

int
bl__open_beneath(const char *root, const char *path)
{
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

    if (folder < 0)
        return -errno;
    fd = open_in(folder, path);
    close(folder);
    return fd;
}
