/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/status.c - the words that belong to a status, by its first digit and the rest. */
#include "http/http.h"

static const char *const informational[] = {"Continue", "Switching Protocols", "Processing",
                                            "Early Hints"};
static const char *const successful[] = {
    "OK", "Created", "Accepted", "Non-Authoritative Information", "No Content",
    "Reset Content", "Partial Content", "Multi-Status", "Already Reported",
    [26] = "IM Used"};
static const char *const redirections[] = {
    "Multiple Choices", "Moved Permanently", "Found", "See Other", "Not Modified",
    "Use Proxy", NULL, "Temporary Redirect", "Permanent Redirect"};
static const char *const client_errors[] = {
    "Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found",
    "Method Not Allowed", "Not Acceptable", "Proxy Authentication Required",
    "Request Timeout", "Conflict", "Gone", "Length Required", "Precondition Failed",
    "Request Entity Too Large", "Request URI Too Long", "Unsupported Media Type",
    "Requested Range Not Satisfiable", "Expectation Failed", "I'm a teapot",
    [21] = "Misdirected Request", "Unprocessable Entity", "Locked", "Failed Dependency",
    "Too Early", "Upgrade Required", [28] = "Precondition Required", "Too Many Requests",
    [31] = "Request Header Fields Too Large", [51] = "Unavailable For Legal Reasons"};
static const char *const server_errors[] = {
    "Internal Server Error", "Not Implemented", "Bad Gateway", "Service Unavailable",
    "Gateway Timeout", "HTTP Version Not Supported", "Variant Also Negotiates",
    "Insufficient Storage", "Loop Detected", [10] = "Not Extended",
    "Network Authentication Required"};

#define LIST(a) {a, sizeof(a) / sizeof *(a)}

const char *
bl_http_status_text(int code)
{
    static const struct {
        const char *const *text;
        size_t n;
    } lists[] = {LIST(informational), LIST(successful), LIST(redirections),
                 LIST(client_errors), LIST(server_errors)};
    size_t rest = (size_t)(code % 100);

    if (code < 100 || code > 599 || rest >= lists[code / 100 - 1].n)
        return "";
    return lists[code / 100 - 1].text[rest] ? lists[code / 100 - 1].text[rest] : "";
}
