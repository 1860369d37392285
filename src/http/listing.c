/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/listing.c - a page with what is in a folder, as Go's looks. */
#include "http/files.h"
#include "http/pattern.h"
#include "http/range.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct entry {
    const char *name;
    bool is_folder;
};

struct listing {
    struct bl__arena *arena;
    struct entry *entries;
    size_t count, room;
};

static void
add(struct listing *l, const char *name, bool is_folder)
{
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct entry *entries = bl__arena_alloc(l->arena, room * sizeof *entries);

        if (l->count)
            memcpy(entries, l->entries, l->count * sizeof *entries);
        l->entries = entries;
        l->room = room;
    }
    l->entries[l->count++] =
        (struct entry){bl__arena_copy(l->arena, name, strlen(name)), is_folder};
}

static bool
is_folder(int fd, const struct dirent *d)
{
    struct stat st;

    if (d->d_type != DT_UNKNOWN)
        return d->d_type == DT_DIR;
    return fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Returns an errno.  fd stays the caller's. */
static int
read_folder(struct listing *l, int fd, bool dots)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *d;

    if (!dir) {
        error = errno;
        if (copy >= 0)
            close(copy);
        return error;
    }
    while (errno = 0, d = readdir(dir)) {
        const char *name = d->d_name;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && (dots || *name != '.'))
            add(l, name, is_folder(copy, d));
    }
    error = errno;
    closedir(dir);
    return error;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* "a:b" would be a scheme: as Go does, it becomes "./a:b". */
static void
write_entry(bl_http_response *w, struct bl__arena *arena, const struct entry *e)
{
    size_t n = strlen(e->name), size = bl_http_escape_html(e->name, NULL, 0) + 1;
    char *url = bl__arena_alloc(arena, 3 * n + 1), *text = bl__arena_alloc(arena, size);
    const char *slash = e->is_folder ? "/" : "";

    bl__path_encode(e->name, n, url, false);
    bl_http_escape_html(e->name, text, size);
    bl_error_release(bl_http_printf(w, "<a href=\"%s%s%s\">%s%s</a>\n",
                                    strchr(e->name, ':') ? "./" : "", url, slash, text,
                                    slash));
}

/* A folder's time says that names have come or gone; that is all the page shows. */
static bool
has_changed(bl_http_response *w, bl_http_request *r, const struct stat *st)
{
    struct bl__version version = {.modified = st->st_mtim.tv_sec};
    char date[BL__DATE_SIZE];

    if (!bl__conditions_modified(r, &version)) {
        bl_http_status(w, 304);
        return false;
    }
    if (version.modified) {
        bl__date_print(version.modified, date);
        bl_http_header_set(bl_http_response_header(w), "Last-Modified", date);
    }
    return true;
}

void
bl__listing_serve(bl_http_response *w, bl_http_request *r, int fd, const struct stat *st,
                  bool dots)
{
    struct listing l = {.arena = bl__request_of(r)->arena};

    if (!has_changed(w, r, st))
        return;
    if (read_folder(&l, fd, dots) != 0) {
        bl_http_error(w, "Error reading directory", 500);
        return;
    }
    if (l.count)
        qsort(l.entries, l.count, sizeof *l.entries, compare);
    bl_http_header_set(bl_http_response_header(w), "Content-Type",
                       "text/html; charset=utf-8");
    bl_error_release(bl_http_string(w, "<!doctype html>\n<meta name=\"viewport\" "
                                       "content=\"width=device-width\">\n<pre>\n"));
    for (size_t i = 0; i < l.count; i++)
        write_entry(w, l.arena, &l.entries[i]);
    bl_error_release(bl_http_string(w, "</pre>\n"));
}
