/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Our client, for other people's servers:
 *
 *     fetch [-c ROOTS] [-m METHOD] [-b BODY] [-n BYTES] [-s BYTES] [-h NAME] URL...
 *
 * -n sends a body of so many bytes from memory, -s one from a function, in chunks.  Prints
 * for each URL the status, what -h names, of the header or behind the body, and the body,
 * of a long one its length and a sum. */
#include <belay/belay.h>
#include <belay/http.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bl_error *
read_some(void *from, void *buf, size_t size, size_t *n)
{
    size_t *left = from;

    *n = size < *left ? size : *left;
    memset(buf, 'x', *n);
    *left -= *n;
    return *n ? NULL : bl_err_eof;
}

static bl_error *
show_body(bl_http_reply *reply)
{
    char first[201], buf[10000];
    size_t n, sum = 0;
    uint64_t hash = 0;
    bl_error *err;

    while (!(err = bl_http_reply_read(reply, buf, sizeof buf, &n))) {
        for (size_t i = 0; i < n; i++) {
            if (sum + i < sizeof first)
                first[sum + i] = buf[i];
            hash = hash * 31 + (unsigned char)buf[i];
        }
        sum += n;
    }
    if (err != bl_err_eof)
        return err;
    if (sum < sizeof first)
        printf("%.*s", (int)sum, first);
    else
        printf("%zu bytes %08" PRIx32, sum, (uint32_t)hash);
    return NULL;
}

static void
show_field(const char *name, const char *where, const bl_http_header *header)
{
    const char *value = name ? bl_http_header_get(header, name) : NULL;

    if (value)
        printf(" %s=%s", where, value);
}

static bl_error *
fetch(bl_http_client *client, bl_http_call_options *call, const char *field)
{
    bl_http_reply *reply;
    bl_error *err = bl_http_do(bl_context_background(), client, call, &reply);

    if (err)
        return err;
    printf("%d ", reply->status);
    err = show_body(reply);
    show_field(field, "header", reply->header);
    show_field(field, "trailer", reply->trailer);
    putchar('\n');
    bl_http_reply_release(reply);
    return err;
}

/* Returns the body's memory. */
static char *
put_number(bl_http_call_options *call, int option, const char *text)
{
    static size_t left;
    size_t n = strtoul(text, NULL, 10);
    char *body = NULL;

    if (option == 's') {
        left = n;
        call->read = read_some;
        call->from = &left;
    } else {
        body = malloc(n + 1);
        call->body = memset(body, 'x', n);
        call->body_size = n;
    }
    return body;
}

int
main(int argc, char **argv)
{
    bl_http_client_options options = {0};
    bl_http_call_options call = {0};
    const char *field = NULL;
    char *body = NULL;
    bl_http_client *client;
    bl_error *err = NULL;
    int option, status = 0;

    while (!err && (option = getopt(argc, argv, "c:m:b:n:s:h:")) != -1) {
        if (option == 'c')
            err = bl_http_tls_client(optarg, &options.tls);
        else if (option == 'm')
            call.method = optarg;
        else if (option == 'b')
            call.body = optarg, call.body_size = strlen(optarg);
        else if (option == 'h')
            field = optarg;
        else if (option == 'n' || option == 's')
            body = put_number(&call, option, optarg);
        else
            return 2;
    }
    if (!err)
        err = bl_http_client_new(&options, &client);
    for (int i = optind; !err && i < argc; i++) {
        char text[1024];

        call.url = argv[i];
        err = fetch(client, &call, field);
        if (!err)
            continue;
        bl_error_text(err, text, sizeof text);
        printf("%s\n", text);
        bl_error_release(err);
        err = NULL;
        status = 1;
    }
    if (err) {
        bl_error_print(err, 2);
        return 2;
    }
    bl_http_client_free(client);
    bl_http_tls_free(options.tls);
    free(body);
    return status;
}
