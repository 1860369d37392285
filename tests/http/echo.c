/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* A server for clients_test.sh: prints where it listens, and then says what it was asked. */
#include <belay/belay.h>
#include <belay/http.h>
#include <stdio.h>
#include <string.h>

static void
give_back(bl_http_response *w, bl_http_request *r)
{
    char buf[16384];
    bl_error *err = NULL;
    size_t n;

    while (!err && !(err = bl_http_read(r, buf, sizeof buf, &n)))
        err = bl_http_write(w, buf, n);
    bl_error_release(err);
}

static void
tell(bl_http_response *w, bl_http_request *r)
{
    char *body;
    size_t n;

    if (bl_http_read_all(r, 1 << 20, &body, &n))
        return;
    bl_error_release(bl_http_printf(w, "%s %s %d.%d%s%s\n", r->method, r->path, r->major,
                                    r->minor, n ? " " : "", body));
}

static void
answer(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    if (strcmp(r->path, "/404") == 0)
        bl_http_not_found(w, r, NULL);
    else if (strcmp(r->path, "/panic") == 0)
        bl_panic("as you like");
    else if (strcmp(r->path, "/back") == 0)
        give_back(w, r);
    else if (strcmp(r->path, "/small") == 0) {
        bl_http_limit_body(r, 100);
        tell(w, r);
    } else
        tell(w, r);
}

int
main(void)
{
    bl_http_server_options o = {.handler = {answer, NULL}};
    char where[BL_ADDR_TEXT];
    bl_http_server *s;
    bl_listener *l;

    if (bl_listen("tcp", "127.0.0.1:0", &l) || bl_http_server_new(&o, &s))
        return 1;
    bl_addr_text(bl_listener_addr(l), where, sizeof where);
    puts(where);
    fflush(stdout);
    bl_error_print(bl_http_serve(s, l), 2);
    return 1;
}
