/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/urls_tree.c - reads URLs that urls.py has written, and says what
 * Belay makes of them; urls_go/main.go is the same in Go. */
#include <belay/belay.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/url.h"

static void
put_span(struct bl__span s)
{
    for (size_t i = 0; i < s.n; i++)
        printf("%02x", (unsigned char)s.at[i]);
}

static const char *
word(bool yes)
{
    return yes ? "true" : "false";
}

static void
put_with(size_t (*write)(const struct bl__url *u, char *buf, size_t size),
         const struct bl__url *u)
{
    size_t n = write(u, NULL, 0);
    char *text = malloc(n + 1);

    if (!text || write(u, text, n + 1) != n || strlen(text) > n)
        abort();
    put_span((struct bl__span){text, n});
    free(text);
}

static void
show(const struct bl__url *u)
{
    const struct bl__span rest[] = {u->host, u->path, u->raw_path, u->query, u->fragment,
                                    u->raw_fragment};
    struct bl__span name, port;

    printf("%.*s|", (int)u->scheme.n, u->scheme.at ? u->scheme.at : "");
    put_span(u->opaque);
    printf("|%s ", word(u->has_user));
    put_span(u->user);
    printf("|%s ", word(u->has_password));
    put_span(u->password);
    putchar('|');
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        put_span(rest[i]);
        putchar('|');
    }
    printf("%s %s\n= ", word(u->force_query), word(u->omit_host));
    put_with(bl__url_text, u);
    printf("\n> ");
    put_with(bl__url_target, u);
    bl__url_split_host(u, &name, &port);
    printf("\n: ");
    put_span(name);
    putchar(' ');
    put_span(port);
    putchar('\n');
}

static void
show_error(bl_error *err)
{
    char *text = bl_error_string(err);

    puts(text);
    free(text);
    bl_error_release(err);
}

static struct bl__span
decode(const char *line)
{
    struct bl__span s = {NULL, strcspn(line, "\n") / 2};
    char *exact = malloc(s.n ? s.n : 1); /* for AddressSanitizer */

    for (size_t i = 0; i < s.n; i++) {
        unsigned c;

        sscanf(line + 2 * i, "%2x", &c);
        exact[i] = (char)c;
    }
    s.at = exact;
    return s;
}

static void
resolve(const struct bl__url *base, const struct bl__url *u)
{
    struct bl__url both;
    bl_error *err = bl__url_resolve(base, u, &both);

    if (err) {
        show_error(err);
        return;
    }
    show(&both);
    bl__url_free(&both);
}

int
main(void)
{
    static char line[8192];
    struct bl__url base = {0}, u;
    bool is_first = true, has_base = false;

    while (fgets(line, sizeof line, stdin)) {
        struct bl__span text;
        bl_error *err;

        if (strncmp(line, "tree ", 5) == 0) {
            fputs(line, stdout);
            bl__url_free(&base);
            has_base = false;
            is_first = true;
            continue;
        }
        text = decode(line);
        err = bl__url_parse(text, &u);
        free((char *)text.at);
        if (err) {
            show_error(err);
        } else {
            show(&u);
            if (!is_first && has_base)
                resolve(&base, &u);
            if (is_first) {
                base = u;
                has_base = true;
            } else {
                bl__url_free(&u);
            }
        }
        is_first = false;
    }
    bl__url_free(&base);
    return 0;
}
