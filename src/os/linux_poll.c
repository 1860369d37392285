/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* os/linux_poll.c - os.h on Linux: readiness of descriptors, by epoll. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* Linux 5.11 */
#endif

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000, MOST_EVENTS = 128 };

int
bl__os_poll_make(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int
bl__os_poll_add(int set, int fd, void *tag)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = tag};

    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

void
bl__os_poll_remove(int set, int fd)
{
    epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
}

int
bl__os_poll_add_alarm(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* Rounded up: who wakes before its time would only come back. */
static int
wait_ms(int set, struct epoll_event *events, int n, int64_t ns)
{
    int64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS > 0);

    return epoll_wait(set, events, n, ms > INT_MAX ? INT_MAX : (int)ms);
}

static int
wait_ns(int set, struct epoll_event *events, int n, int64_t ns)
{
    static _Atomic bool is_missing;
    struct timespec t = {ns / NS_PER_S, ns % NS_PER_S};
    int r;

    if (!atomic_load_explicit(&is_missing, memory_order_relaxed)) {
        r = (int)syscall(SYS_epoll_pwait2, set, events, n, &t, NULL, 0);
        if (r >= 0 || (errno != ENOSYS && errno != EPERM))
            return r;
        atomic_store_explicit(&is_missing, true, memory_order_relaxed);
    }
    return wait_ms(set, events, n, ns);
}

static unsigned
meaning(uint32_t events)
{
    unsigned what = 0;

    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        what |= BL__EVENT_READ;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        what |= BL__EVENT_WRITE;
    if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        what |= BL__EVENT_ODD;
    return what;
}

int
bl__os_poll_wait(int set, struct bl__event *events, int n, int64_t until_ns)
{
    struct epoll_event found[MOST_EVENTS];
    int64_t left;
    int r;

    if (n > MOST_EVENTS)
        n = MOST_EVENTS;
    if (until_ns == 0) {
        r = epoll_wait(set, found, n, 0);
    } else if (until_ns == INT64_MAX) {
        r = epoll_wait(set, found, n, -1);
    } else {
        left = until_ns - bl__os_now();
        r = wait_ns(set, found, n, left > 0 ? left : 0);
    }
    for (int i = 0; i < r; i++)
        events[i] = (struct bl__event){found[i].data.ptr, meaning(found[i].events)};
    return r > 0 ? r : 0;
}

bool
bl__os_is_ready(int fd, bool to_write)
{
    struct pollfd p = {.fd = fd, .events = to_write ? POLLOUT : POLLIN};

    return poll(&p, 1, 0) != 0;
}

void
bl__os_close(int fd)
{
    close(fd);
}

int
bl__os_alarm_make(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

/* A counter that is full rings already. */
void
bl__os_alarm_ring(int fd)
{
    static const uint64_t one = 1;

    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void
bl__os_alarm_stop(int fd)
{
    uint64_t n;

    while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
}
