/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/files.c - from a path to a file: redirections that make its address the only one
 * ("/dir/" for a folder, "/dir/" and not "/dir/index.html"), and folders. */
#include "http/files.h"
#include "http/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Who asks for what. */
struct wanted {
    bl_http_response *w;
    bl_http_request *r;
    const bl_http_files *files; /* NULL: path is the program's own */
    const char *url;            /* the request's path, without files->strip_prefix */
    const char *path;           /* cleaned, from the root; or the program's */
};

struct opened {
    int fd; /* -errno: none */
    struct stat st;
};

/* Deferred: a panic must not keep the descriptor. */
static void
close_file(struct opened *o)
{
    if (o->fd >= 0)
        close(o->fd);
}

static struct opened
open_file(const struct wanted *q, const char *path)
{
    struct opened o;

    if (q->files)
        o.fd = bl__open_beneath(q->files->root, path);
    else
        o.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (o.fd < 0 && !q->files)
        o.fd = -errno;
    if (o.fd >= 0 && fstat(o.fd, &o.st) < 0) {
        int error = errno;

        close(o.fd);
        o.fd = -error;
    }
    return o;
}

/* --- redirections ----------------------------------------------------------------------------- */

/* To a place beside what was asked for: it stays right behind a prefix that was taken
 * off. */
static void
redirect(const struct wanted *q, const char *before, const char *name, size_t n,
         const char *behind)
{
    bool has_query = *q->r->query;
    char *encoded = bl_http_alloc(q->r, 3 * n + 1), *url;

    bl__path_encode(name, n, encoded, false);
    url = bl__arena_print(bl__request_of(q->r)->arena, "%s%s%s%s%s", before, encoded, behind,
                          has_query ? "?" : "", has_query ? q->r->query : "");
    bl_http_header_set(bl_http_response_header(q->w), "Location", url);
    bl_http_status(q->w, 301);
}

/* The last name of the URL, without slashes behind it. */
static const char *
last_name(const char *url, size_t *n)
{
    size_t end = strlen(url), start;

    while (end > 0 && url[end - 1] == '/')
        end--;
    start = end;
    while (start > 0 && url[start - 1] != '/')
        start--;
    *n = end - start;
    return url + start;
}

static void
redirect_to_folder(const struct wanted *q)
{
    size_t n;
    const char *name = last_name(q->url, &n);

    redirect(q, memchr(name, ':', n) ? "./" : "", name, n, "/");
}

static void
redirect_to_file(const struct wanted *q)
{
    size_t n;
    const char *name = last_name(q->url, &n);

    if (n == 0) /* the root itself is a file */
        bl__content_fail(q->w, ENOTDIR);
    else
        redirect(q, "../", name, n, "");
}

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), size = strlen(end);

    return n >= size && strcmp(text + n - size, end) == 0;
}

/* --- folders ------------------------------------------------------------------------------------ */

static void
serve_opened(const struct wanted *q, const struct opened *o, const char *name)
{
    if (S_ISREG(o->st.st_mode))
        bl__content_serve(q->w, q->r, o->fd, &o->st, name, NULL);
    else
        bl__content_fail(q->w, EACCES);
}

/* Its index.html, else a list of it, else 404: who must not see a list must not learn that
 * there is something either. */
static void
serve_folder(const struct wanted *q, const struct opened *folder)
{
    const char *slash = ends_with(q->path, "/") ? "" : "/";
    const char *path =
        bl__arena_print(bl__request_of(q->r)->arena, "%s%sindex.html", q->path, slash);
    struct opened index = open_file(q, path);

    bl_returns_nothing {
        bl_defer_call(close_file, &index);
        if (index.fd >= 0 && !S_ISDIR(index.st.st_mode))
            serve_opened(q, &index, path);
        else if (q->files && q->files->list)
            bl__listing_serve(q->w, q->r, folder->fd, &folder->st, q->files->dot_files);
        else
            bl__content_fail(q->w, ENOENT);
    }
}

/* A program's own path may be any, whatever the URL; a folder's URL has to end with a
 * slash all the same: what is in it is named from there. */
static void
serve(const struct wanted *q, const struct opened *o)
{
    bool has_slash = ends_with(q->url, "/");

    if (S_ISDIR(o->st.st_mode) && !has_slash)
        redirect_to_folder(q);
    else if (S_ISDIR(o->st.st_mode))
        serve_folder(q, o);
    else if (q->files && has_slash)
        redirect_to_file(q);
    else
        serve_opened(q, o, q->path);
}

static void
serve_wanted(const struct wanted *q)
{
    struct opened o;

    if (ends_with(q->url, "/index.html")) {
        redirect(q, "./", "", 0, "");
        return;
    }
    o = open_file(q, q->path);
    if (o.fd < 0) {
        bl__content_fail(q->w, -o.fd);
        return;
    }
    bl_returns_nothing {
        bl_defer_call(close_file, &o);
        serve(q, &o);
    }
}

/* --- handlers ----------------------------------------------------------------------------------- */

static bool
has_dots(const char *path, const char *what)
{
    size_t n = strlen(what);

    for (; *path; path += strcspn(path, "/\\")) {
        path += strspn(path, "/\\");
        if (strncmp(path, what, n) == 0 && (n == 1 || !path[n] || strchr("/\\", path[n])))
            return true;
    }
    return false;
}

void
bl_http_serve_file(bl_http_response *w, bl_http_request *r, const char *path)
{
    struct wanted q = {w, r, NULL, r->path, path};

    /* many a program has made `path` of the URL: then it can't be trusted */
    if (has_dots(r->path, ".."))
        bl__content_error(w, "invalid URL path", 400);
    else
        serve_wanted(&q);
}

void
bl_http_serve_files(bl_http_response *w, bl_http_request *r, void *data)
{
    const bl_http_files *files = data;
    struct wanted q = {w, r, files, r->path, NULL};
    size_t n = files->strip_prefix ? strlen(files->strip_prefix) : 0;
    char *path;

    if (n > 0 && strncmp(q.url, files->strip_prefix, n) != 0) {
        bl_http_not_found(w, r, NULL);
        return;
    }
    q.url += n;
    if (*q.url != '/')
        q.url = bl__arena_print(bl__request_of(r)->arena, "/%s", q.url);
    n = strlen(q.url);
    path = bl_http_alloc(r, n + 2);
    n = bl__path_clean(q.url, n, path);
    if (n > 1 && path[n - 1] == '/')
        path[n - 1] = '\0';
    q.path = path;
    if (!files->dot_files && has_dots(path, "."))
        bl__content_fail(w, ENOENT);
    else
        serve_wanted(&q);
}
