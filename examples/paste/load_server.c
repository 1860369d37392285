/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/load_server.c - the server as a process: starting it, looking at it from outside,
 * ending it. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <belay/keywords.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLES_IN (15 * BL_SECOND)

extern char **environ;

/* --- start and end ---------------------------------------------------------------- */

static pid_t
spawn(char **argv, int out, const char *log)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int error;

    posix_spawn_file_actions_init(&actions);
    defer { posix_spawn_file_actions_destroy(&actions); };
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log,
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    if (error) {
        errno = error;
        return -1;
    }
    return pid;
}

/* "serving http://127.0.0.1:1234/" */
static bool
read_address(FILE *f, struct sockaddr_in *a)
{
    char line[256], *at;

    if (!fgets(line, sizeof line, f) || !(at = strstr(line, "127.0.0.1:")))
        return false;
    *a = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)atoi(at + 10))};
    return true;
}

static bl_error *
make_folder(struct server *s)
{
    const char *tmp = getenv("TMPDIR");

    if (snprintf(s->folder, sizeof s->folder, "%s/paste-load.XXXXXX",
                 tmp && *tmp ? tmp : "/tmp") >= (int)sizeof s->folder)
        return bl_error_from_errno(ENAMETOOLONG);
    return mkdtemp(s->folder) ? NULL
                              : bl_error_wrap(bl_error_from_errno(errno), "%s", s->folder);
}

bl_error *
server_start(struct server *s, const char *program)
{
    char database[96], log[96];
    char *argv[] = {(char *)program, "--listen", "127.0.0.1:0", "--pprof", "127.0.0.1:0",
                    "--faults", "--database", database, NULL};
    int ends[2];
    bl_error *err = make_folder(s);

    if (err)
        return err;
    setenv("BELAYDEBUG", "madvdontneed=1", 0); /* memory given back is to show at once */
    snprintf(database, sizeof database, "%s/paste.db", s->folder);
    snprintf(log, sizeof log, "%s/log", s->folder);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bl_error_from_errno(errno);
    FILE *out = fdopen(ends[0], "r");
    defer { fclose(out); };
    s->pid = spawn(argv, ends[1], log);
    int error = errno;
    close(ends[1]);
    if (s->pid < 0)
        return bl_error_wrap(bl_error_from_errno(error), "%s", program);
    if (read_address(out, &s->http) && read_address(out, &s->pprof))
        return NULL;
    return errorf("%s has not started: see %s", program, log);
}

bl_error *
server_stop(struct server *s, int *status)
{
    pid_t pid = s->pid;

    s->pid = 0;
    if (kill(pid, SIGTERM) < 0)
        return bl_error_from_errno(errno);
    return waitpid(pid, status, 0) == pid ? NULL : bl_error_from_errno(errno);
}

/* --- from outside ----------------------------------------------------------------- */

/* And how many of them are of a path that has `part`. */
static int
count_descriptors(const struct server *s, const char *part, int *such)
{
    char path[64], target[512];
    struct dirent *e;
    ssize_t size;
    int n = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", s->pid);
    *such = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    defer { closedir(dir); };
    while ((e = readdir(dir))) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        size = part ? readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1) : 0;
        target[size > 0 ? size : 0] = '\0';
        *such += part && strstr(target, part);
    }
    return n;
}

int
server_descriptors(const struct server *s)
{
    int such;

    return count_descriptors(s, NULL, &such);
}

int64_t
server_rss_kib(const struct server *s)
{
    char path[64], line[256];
    int64_t kib = -1;

    snprintf(path, sizeof path, "/proc/%d/status", s->pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    defer { fclose(f); };
    while (kib < 0 && fgets(line, sizeof line, f))
        sscanf(line, "VmRSS: %" SCNd64, &kib);
    return kib;
}

/* --- what it says ----------------------------------------------------------------- */

static bl_error *
fetch(const struct sockaddr_in *from, const char *path, struct reply *r)
{
    char head[256];
    struct link l;
    bl_error *err = link_open(&l, from, 0);

    if (err)
        return err;
    defer { link_close(&l); };
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             path);
    err = link_send(&l, head, NULL, 0);
    if (!err)
        err = link_receive(&l, r);
    if (!err && r->status != 200)
        err = errorf("%s: status %d", path, r->status);
    return err;
}

bl_error *
server_stats(const struct server *s, struct reply *stats)
{
    return fetch(&s->http, "/stats", stats);
}

int64_t
stats_number(const struct reply *stats, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = stats->body; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            return strtoll(line + n, NULL, 10);
    }
    return -1;
}

/* The debug server's profiles begin with "goroutine profile: total 12". */
static bl_error *
read_total(const struct server *s, const char *profile, int64_t *total)
{
    char path[64];
    const char *at;
    struct reply r = {0};

    defer { reply_free(&r); };
    snprintf(path, sizeof path, "/debug/pprof/%s?debug=1", profile);
    bl_error *err = fetch(&s->pprof, path, &r);
    if (err)
        return err;
    at = strstr(r.body, " total ");
    *total = at ? strtoll(at + 7, NULL, 10) : -1;
    return NULL;
}

bl_error *
server_look(const struct server *s, struct look *look)
{
    bl_error *err;

    look->descriptors = count_descriptors(s, s->folder, &look->of_folder);
    look->rss_kib = server_rss_kib(s);
    err = read_total(s, "goroutine", &look->goroutines);
    return err ? err : read_total(s, "defer", &look->defers);
}

/* Of the folder there is the log. */
static bool
is_quiet(const struct look *look, const struct look *like)
{
    return look->of_folder == 1 &&
           (!like || (look->descriptors <= like->descriptors &&
                      look->goroutines <= like->goroutines && look->defers <= like->defers));
}

static bool
is_same(const struct look *a, const struct look *b)
{
    return a->descriptors == b->descriptors && a->goroutines == b->goroutines &&
           a->defers == b->defers;
}

bl_error *
server_settle(const struct server *s, const struct look *like, struct look *look)
{
    int64_t until = bl_after_ns(SETTLES_IN);
    struct look last;
    bl_error *err;

    *look = (struct look){0};
    do {
        bl_sleep(200 * BL_MILLISECOND); /* our last questions' connections end meanwhile */
        last = *look;
        err = server_look(s, look);
    } while (!err && !(is_quiet(look, like) && is_same(look, &last)) && bl_now() < until);
    return err;
}
