/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/http/hello.c - libbelay-http: "Hello, world!" to everybody. */
#include <belay/belay.h>
#include <belay/http.h>
#include <stdio.h>

static void
hello(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)r, (void)data;
    bl_error_release(bl_http_string(w, "Hello, world!\n"));
}

int
main(int argc, char **argv)
{
    bl_error *err = bl_http_listen_and_serve(argc > 1 ? argv[1] : "127.0.0.1:8080",
                                             (bl_http_handler){hello, NULL});

    bl_error_print(err, 2);
    return 1;
}
