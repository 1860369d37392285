/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/routes_tree.c - builds the routers that routes.py has written on
 * standard input, and sends its requests to a server that has them; routes_go/main.go is
 * the same in Go, and the language is described there.
 *
 * Redirections are where Belay's router differs: Go's encodes a cleaned path once more,
 * and decodes one to which it adds a slash.  go_location() does that to ours: the rest has
 * to be the same. */
#define _GNU_SOURCE
#include "../../src/http/pattern.h"
#include "../../src/http/text.h"

#include "asking.h"

static const char *const names[] = {"x", "y", "z", "_1", "été", "r"};

static bl_http_mux *mux;

/* what the server has seen of the last request; written before it answers */
static char seen_pattern[1024], seen_values[8192];

static void
quote(char *to, const char *text)
{
    struct bl__out out = {0};

    bl__out_quoted(&out, text, strlen(text));
    strcpy(to, out.text);
    free(out.text);
}

/* --- the server ------------------------------------------------------------------------- */

static void
answer(bl_http_response *w, bl_http_request *r, void *data)
{
    char *to = seen_values;

    (void)w, (void)data;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = bl_http_path_value(r, names[i]);

        if (!*value)
            continue;
        to += sprintf(to, "%s%s=", to > seen_values ? "," : "", names[i]);
        quote(to, value);
        to += strlen(to);
    }
}

static void
serve(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    seen_values[0] = '\0';
    bl_http_mux_serve(w, r, mux);
    quote(seen_pattern, r->pattern);
}

/* --- what Go would say ------------------------------------------------------------------ */

/* The path, and where it ends. */
static const char *
path_of(const char *target, size_t *n)
{
    if (strncmp(target, "http://", 7) == 0)
        target += 7 + strcspn(target + 7, "/?");
    *n = strcspn(target, "?");
    return target;
}

/* Ours with a slash at its end has to be the cleaned path with one.  Go's is that of the
 * decoded path. */
static size_t
slash_location(const char *path, size_t n, const char *location, size_t length, char *to)
{
    char decoded[4096], clean[4096];

    if (bl__path_clean(path, n, clean) != length - 1 ||
        memcmp(clean, location, length - 1) != 0)
        return (size_t)sprintf(to, "wrong: %s", location);
    n = bl__path_decode(path, n, decoded);
    n = bl__path_clean(decoded, n, clean);
    clean[n++] = '/';
    n = bl__path_clean(clean, n, decoded);
    return bl__path_encode(decoded, n, to, false);
}

static void
go_location(const char *target, const char *location, char *to)
{
    size_t n, length = strcspn(location, "?");
    const char *path = path_of(target, &n);

    /* a slash was added where the path has none, and the location does */
    if (length > 1 && location[length - 1] == '/' && n && path[n - 1] != '/')
        to += slash_location(path, n, location, length, to);
    else
        to += bl__path_encode(location, length, to, false);
    strcpy(to, strchrnul(location, '?'));
}

/* --- the language ------------------------------------------------------------------------ */

static void
add(const char *pattern)
{
    bl_returns_nothing {
        bl__http_handle_at(mux, pattern, answer, NULL, "X");
        printf("ok\n");
    }
}

static void
say_why(void)
{
    const bl_panic_info *p = bl_recover();
    char text[4096];

    if (!p)
        return;
    bl_error_text(p->error, text, sizeof text);
    printf("%s\n", text);
}

static void
try_add(const char *pattern)
{
    bl_returns_nothing {
        bl_defer_call(say_why);
        add(pattern);
    }
}

static void
ask(char *line)
{
    char *method = strtok(line, " "), *target = strtok(NULL, " "), *host = strtok(NULL, " ");
    char request[8192], location[4096] = "";
    struct reply reply;

    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, target,
             host);
    if (exchange(request, &reply)) {
        if (*field(&reply, "Location"))
            go_location(target, field(&reply, "Location"), location);
        printf("%d %s %s loc=%s allow=%s\n", reply.status, seen_pattern, seen_values,
               location, field(&reply, "Allow"));
    } else {
        printf("no reply\n");
    }
    release_reply(&reply);
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
        if (strncmp(line, "tree ", 5) == 0) {
            printf("%s\n", line);
            bl_http_mux_free(mux);
            mux = bl_http_mux_new();
        } else if (*line == 'p') {
            try_add(line + 2);
        } else {
            ask(line + 2);
        }
    }
    return 0;
}
