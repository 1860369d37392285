/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* A site for other people's clients: site [CHAIN KEY] prints where it listens, and serves,
 * with TLS if it has a certificate, a page that loads all the rest, and a WebSocket. */
#include <belay/belay.h>
#include <stdio.h>
#include <string.h>

#include "websocket.h"

static const char page[] =
    "<!doctype html>\n"
    "<title>Belay</title>\n"
    "<link rel=stylesheet href=/style.css>\n"
    "<p id=fetched>not fetched</p><p id=posted>not posted</p><p id=streamed>not streamed</p>\n"
    "<p id=styled>not styled</p><p id=spoken>not spoken</p><p id=done>not done</p>\n"
    "<script src=/script.js></script><img src=/held>\n";
static const char style[] = "#styled { color: rgb(1, 2, 3) }\n";
static const char script[] =
    "const show = (id, text) => document.getElementById(id).textContent = text\n"
    "async function go() {\n"
    "    show('fetched', (await (await fetch('/json?x=1')).json()).x)\n"
    "    const body = new Uint8Array(1000000)\n"
    "    show('posted', await (await fetch('/count', {method: 'POST', body})).text())\n"
    "    show('streamed', await (await fetch('/chunks')).text())\n"
    "    show('styled', getComputedStyle(document.getElementById('styled')).color)\n"
    "    const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws')\n"
    "    await new Promise(go => socket.onopen = go)\n"
    "    socket.send('spoken ' + 'x'.repeat(70000))\n"
    "    const heard = await new Promise(go => socket.onmessage = go)\n"
    "    show('spoken', heard.data.slice(0, 8) + heard.data.length)\n"
    "    socket.close(1000, 'bye')\n"
    "    const end = await new Promise(go => socket.onclose = go)\n"
    "    show('done', `closed ${end.code} ${end.wasClean}`)\n"
    "}\n"
    "go().catch(error => show('done', error))\n";

static void
give(bl_http_response *w, const char *type, const char *text)
{
    bl_http_header_set(bl_http_response_header(w), "Content-Type", type);
    bl_error_release(bl_http_string(w, text));
}

static void
give_chunks(bl_http_response *w)
{
    for (int i = 1; i <= 3; i++) {
        bl_error_release(bl_http_printf(w, "%d ", i));
        bl_error_release(bl_http_flush(w));
        bl_sleep(10 * BL_MILLISECOND);
    }
}

static void
count_body(bl_http_response *w, bl_http_request *r)
{
    char buf[16384];
    size_t n, sum = 0;
    bl_error *err;

    while (!(err = bl_http_read(r, buf, sizeof buf, &n)))
        sum += n;
    if (err == bl_err_eof)
        bl_error_release(bl_http_printf(w, "%zu", sum));
    bl_error_release(err);
}

static void
give_much(bl_http_response *w)
{
    static char piece[100000];
    bl_error *err = NULL;

    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 30 && !err; i++)
        err = bl_http_write(w, piece, sizeof piece);
    bl_error_release(err);
}

static bl_waitgroup spoken;  /* until somebody has spoken over a WebSocket */
static bl_once spoken_once;

static void
end_wait(void *unused)
{
    (void)unused;
    bl_waitgroup_done(&spoken);
}

static void
speak(bl_http_response *w, bl_http_request *r, void *data)
{
    websocket_echo(w, r, data);
    bl_once_do(&spoken_once, end_wait, NULL);
}

/* A browser without a screen takes a page for done when all its pictures are there. */
static void
hold(bl_http_response *w)
{
    bl_waitgroup_wait_until(&spoken, bl_after_ns(20 * BL_SECOND));
    bl_sleep(200 * BL_MILLISECOND);
    give(w, "text/plain", "spoken");
}

static void
answer(bl_http_response *w, bl_http_request *r, void *data)
{
    const char *x;

    if (strcmp(r->path, "/") == 0)
        give(w, "text/plain", r->tls ? "hello over TLS" : "hello");
    else if (strcmp(r->path, "/page") == 0)
        give(w, "text/html", page);
    else if (strcmp(r->path, "/style.css") == 0)
        give(w, "text/css", style);
    else if (strcmp(r->path, "/script.js") == 0)
        give(w, "text/javascript", script);
    else if (strcmp(r->path, "/json") == 0 && (x = bl_http_query(r, "x")))
        bl_error_release(bl_http_printf(w, "{\"x\": \"fetched %s\"}", x));
    else if (strcmp(r->path, "/chunks") == 0)
        give_chunks(w);
    else if (strcmp(r->path, "/count") == 0)
        count_body(w, r);
    else if (strcmp(r->path, "/much") == 0)
        give_much(w);
    else if (strcmp(r->path, "/ws") == 0)
        speak(w, r, data);
    else if (strcmp(r->path, "/held") == 0)
        hold(w);
    else
        bl_http_not_found(w, r, data);
}

int
main(int argc, char **argv)
{
    bl_http_server_options o = {.handler = {answer, NULL}};
    char where[BL_ADDR_TEXT];
    bl_http_server *s;
    bl_listener *l;
    bl_error *err = argc > 2 ? bl_http_tls_server(argv[1], argv[2], &o.tls) : NULL;

    bl_waitgroup_add(&spoken, 1);
    if (!err)
        err = bl_listen("tcp", "127.0.0.1:0", &l);
    if (!err)
        err = bl_http_server_new(&o, &s);
    if (!err) {
        bl_addr_text(bl_listener_addr(l), where, sizeof where);
        puts(where);
        fflush(stdout);
        err = bl_http_serve(s, l);
    }
    bl_error_print(err, 2);
    return 1;
}
