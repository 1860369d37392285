/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/websocket.h - a handler that says over a WebSocket (RFC 6455) what it hears. */
#ifndef BELAY_TESTS_HTTP_WEBSOCKET_H
#define BELAY_TESTS_HTTP_WEBSOCKET_H

#include <belay/http.h>

void websocket_echo(bl_http_response *w, bl_http_request *r, void *unused);

#endif
