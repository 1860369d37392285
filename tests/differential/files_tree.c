/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/files_tree.c - builds the folders that files.py has written on
 * standard input, and asks a server that has them; files_go/main.go is the same in Go, and
 * the language is described there.
 *
 * Where the path to redirect to has to be encoded, Go's file server does not: ours is
 * decoded before it is compared. */
#define _GNU_SOURCE
#include "../../src/http/pattern.h"

#include "asking.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64], served[512];
static bl_http_files files = {.root = root, .list = true, .dot_files = true};
static int64_t folder_seconds;

static void
fail(const char *what)
{
    perror(what);
    exit(1);
}

/* --- folders ---------------------------------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int
touch_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    const struct timespec times[2] = {{folder_seconds, 0}, {folder_seconds, 0}};

    (void)st, (void)ftw;
    return kind == FTW_DP ? utimensat(AT_FDCWD, path, times, 0) : 0;
}

static void
begin(void)
{
    if (*root)
        nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    strcpy(root, "/tmp/filesXXXXXX");
    if (!mkdtemp(root))
        fail("mkdtemp");
}

static void
make_folders(char *path)
{
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

static void
write_content(int fd, int size, int kind)
{
    static const struct { const char *s; int n; } starts[] = {
        {"", 0}, {"<!DOCTYPE html>", 15}, {"\x89PNG\r\n\x1a\n", 8}, {"  <p>", 5},
        {"%PDF-", 5}, {"\0\1", 2}, {"plain text\n", 11}, {"<?xml", 5}};
    uint32_t state = (uint32_t)(size + kind);
    char *data = malloc((size_t)size + 16);
    int n = starts[kind].n;

    memcpy(data, starts[kind].s, (size_t)n);
    while (n < size) {
        state = state * 1664525 + 1013904223;
        data[n++] = (char)(32 + (state >> 24) % 95);
    }
    if (write(fd, data, (size_t)size) != size)
        fail("write");
    free(data);
}

static void
make_file(const char *line)
{
    struct timespec times[2];
    char path[512];
    int size, kind, at = 0, fd;
    int64_t seconds, nanos;

    sscanf(line, "f %d %d %" SCNd64 " %" SCNd64 " %n", &size, &kind, &seconds, &nanos, &at);
    snprintf(path, sizeof path, "%s/%s", root, line + at);
    make_folders(path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        fail(path);
    write_content(fd, size, kind);
    times[0] = times[1] = (struct timespec){seconds, nanos};
    futimens(fd, times);
    close(fd);
}

/* --- requests ----------------------------------------------------------------------------- */

static void
serve(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    if (*served)
        bl_http_serve_file(w, r, served);
    else
        bl_http_serve_files(w, r, &files);
}

/* All of it becomes "B". */
static void
shorten(struct reply *reply, const char *boundary)
{
    size_t n = strlen(boundary);
    char *to = reply->body, *from = to, *end = to + reply->length, *found;

    while ((found = memmem(from, (size_t)(end - from), boundary, n))) {
        memmove(to, from, (size_t)(found - from));
        to += found - from;
        *to++ = 'B';
        from = found + n;
    }
    memmove(to, from, (size_t)(end - from));
    reply->length = (size_t)(to - reply->body) + (size_t)(end - from);
}

static uint64_t
hash_of(const char *data, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3;
    return hash;
}

static void
print(struct reply *reply)
{
    char kind[512], location[1024];
    const char *boundary = strstr(field(reply, "Content-Type"), "boundary=");

    snprintf(kind, sizeof kind, "%s", field(reply, "Content-Type"));
    if (boundary) {
        strcpy(strstr(kind, "boundary=") + 9, "B");
        if (reply->body)
            shorten(reply, boundary + 9);
    }
    if (!reply->body)
        reply->length = 0;
    printf("%d %s|%s|%s|%zu %" PRIx64, reply->status, kind, field(reply, "Content-Range"),
           field(reply, "Accept-Ranges"), reply->length,
           hash_of(reply->body, reply->length));
    if (*field(reply, "Accept-Ranges") && !boundary)
        printf("|%s", field(reply, "Content-Length"));
    if (reply->status < 300 || reply->status == 304)
        printf("|%s|%s", field(reply, "Last-Modified"), field(reply, "ETag"));
    strcpy(location, field(reply, "Location"));
    location[bl__path_decode(location, strlen(location), location)] = '\0';
    printf("|%s\n", location);
}

/* From "METHOD TARGET^AHEADER..." */
static void
ask(char *line)
{
    char request[8192], *to = request, *at = strchr(line, '\1');
    struct reply reply;

    to += sprintf(to, "%.*s HTTP/1.1\r\nHost: h\r\n", (int)(at - line), line);
    for (char *h = strtok(at + 1, "\1"); h; h = strtok(NULL, "\1"))
        to += sprintf(to, "%s\r\n", h);
    strcpy(to, "\r\n");
    if (exchange(request, &reply))
        print(&reply);
    else
        printf("no reply\n");
    release_reply(&reply);
}

static void
obey(char *line)
{
    *served = '\0';
    if (strncmp(line, "tree ", 5) == 0) {
        printf("%s\n", line);
        begin();
    } else if (*line == 't') {
        folder_seconds = atoll(line + 2);
        nftw(root, touch_one, 16, FTW_DEPTH | FTW_PHYS);
    } else if (*line == 'f') {
        make_file(line);
    } else if (*line == 's') {
        char *end = strchr(line, '\1');

        snprintf(served, sizeof served, "%s/%.*s", root, (int)(end - line - 2), line + 2);
        ask(end + 1);
    } else {
        ask(line + 2);
    }
}

int
main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    start_server(serve);
    while ((n = getline(&line, &room, stdin)) > 0) {
        line[n - 1] = '\0';
        obey(line);
    }
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
