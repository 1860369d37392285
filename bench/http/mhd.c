/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/http/mhd.c - hello.c's twin: libmicrohttpd, with epoll and a thread a CPU, its
 * fastest mode. */
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;

static enum MHD_Result
answer_file(struct MHD_Connection *c, const char *name)
{
    struct MHD_Response *r;
    enum MHD_Result result;
    char path[4096];
    struct stat st;
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return MHD_NO;
    r = MHD_create_response_from_fd((uint64_t)st.st_size, fd);
    result = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result
hello(void *arg, struct MHD_Connection *c, const char *url, const char *method,
      const char *version, const char *data, size_t *size, void **state)
{
    static int seen;
    (void)method, (void)version, (void)data, (void)size;

    if (!*state) { /* the head; the answer comes with the next call */
        *state = &seen;
        return MHD_YES;
    }
    if (strncmp(url, "/static/", 8) == 0)
        return answer_file(c, url + 8);
    return MHD_queue_response(c, 200, arg);
}

int
main(int argc, char **argv)
{
    static char text[] = "Hello, world!\n";
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *d;

    if (argc < 3)
        return 2;
    folder = argv[2];
    MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
    d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO,
                         (uint16_t)atoi(strrchr(argv[1], ':') + 1), NULL, NULL, hello, r,
                         MHD_OPTION_THREAD_POOL_SIZE, (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
                         MHD_OPTION_CONNECTION_LIMIT, 10000u, MHD_OPTION_END);
    if (!d)
        return 1;
    pause();
    return 0;
}
