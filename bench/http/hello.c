/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/http/hello.c ADDRESS FOLDER - libbelay-http: "Hello, world!" to everybody, but for
 * the folder's files below /static/. */
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
    bl_http_files files = {.root = argc > 2 ? argv[2] : ".", .strip_prefix = "/static"};
    bl_http_mux *mux = bl_http_mux_new();
    bl_error *err;

    bl_http_handle(mux, "/", hello, NULL);
    bl_http_handle(mux, "/static/", bl_http_serve_files, &files);
    err = bl_http_listen_and_serve(argc > 1 ? argv[1] : "127.0.0.1:8080",
                                   bl_http_mux_handler(mux));
    bl_error_print(err, 2);
    return 1;
}
