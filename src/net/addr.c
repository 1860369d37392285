/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/addr.c - addresses: read, written, looked up. */
#define _GNU_SOURCE
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST = 256, PORT = 64 };

static const struct bl__network networks[] = {
    {"tcp", AF_UNSPEC, SOCK_STREAM, false},
    {"tcp4", AF_INET, SOCK_STREAM, false},
    {"tcp6", AF_INET6, SOCK_STREAM, false},
    {"udp", AF_UNSPEC, SOCK_DGRAM, false},
    {"udp4", AF_INET, SOCK_DGRAM, false},
    {"udp6", AF_INET6, SOCK_DGRAM, false},
    {"unix", AF_UNIX, SOCK_STREAM, true},
    {"unixgram", AF_UNIX, SOCK_DGRAM, true},
    {"unixpacket", AF_UNIX, SOCK_SEQPACKET, true},
};

enum { NNETWORKS = sizeof networks / sizeof networks[0] };

static const struct bl__network *
find_name(const char *name)
{
    for (int i = 0; i < NNETWORKS; i++)
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    return NULL;
}

const struct bl__network *
bl__network_find(const char *network, const char **address)
{
    const struct bl__network *net = find_name(network);

    if (!net || strncmp(*address, "unix:", 5) != 0)
        return net;
    *address += 5;
    if (net->is_unix)
        return net;
    return find_name(net->type == SOCK_STREAM ? "unix" : "unixgram");
}

const char *
bl__network_name(int family, int type)
{
    if (family == AF_INET || family == AF_INET6)
        return type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "ip";
    if (family != AF_UNIX)
        return "file";
    return type == SOCK_STREAM ? "unix" : type == SOCK_DGRAM ? "unixgram" : "unixpacket";
}

/* --- text ------------------------------------------------------------------------ */

static void
put_unix(struct bl__text *t, const bl_addr *addr)
{
    size_t n = addr->length - offsetof(struct sockaddr_un, sun_path);
    const char *path = addr->name.un.sun_path;

    if (addr->length <= offsetof(struct sockaddr_un, sun_path))
        return;
    if (path[0])
        n = strnlen(path, n);
    for (size_t i = 0; i < n; i++)
        bl__put_char(t, path[i] ? path[i] : '@');
}

static void
put_v6(struct bl__text *t, const struct sockaddr_in6 *in)
{
    char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];

    if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
        inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], host, sizeof host);
        bl__put(t, host);
        return;
    }
    inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    bl__put_char(t, '[');
    bl__put(t, host);
    if (in->sin6_scope_id) {
        bl__put_char(t, '%');
        if (if_indextoname(in->sin6_scope_id, zone))
            bl__put(t, zone);
        else
            bl__put_uint(t, in->sin6_scope_id);
    }
    bl__put_char(t, ']');
}

size_t
bl__addr_text(const bl_addr *addr, char *buf, size_t size, bool prefix)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    char host[INET_ADDRSTRLEN];

    switch (addr->length ? addr->name.any.sa_family : AF_UNSPEC) {
    case AF_UNIX:
        if (prefix)
            bl__put(&t, "unix:");
        put_unix(&t, addr);
        break;
    case AF_INET:
        inet_ntop(AF_INET, &addr->name.v4.sin_addr, host, sizeof host);
        bl__put(&t, host);
        break;
    case AF_INET6:
        put_v6(&t, &addr->name.v6);
        break;
    }
    if (addr->length && addr->name.any.sa_family != AF_UNIX) {
        bl__put_char(&t, ':');
        bl__put_int(&t, bl_addr_port(addr));
    }
    bl__text_flush(&t);
    return t.length;
}

size_t
bl_addr_text(const bl_addr *addr, char *buf, size_t size)
{
    return bl__addr_text(addr, buf, size, true);
}

int
bl_addr_port(const bl_addr *addr)
{
    switch (addr->length ? addr->name.any.sa_family : AF_UNSPEC) {
    case AF_INET:
        return ntohs(addr->name.v4.sin_port);
    case AF_INET6:
        return ntohs(addr->name.v6.sin6_port);
    default:
        return 0;
    }
}

bool
bl_addr_equal(const bl_addr *a, const bl_addr *b)
{
    const struct sockaddr_in6 *x = &a->name.v6, *y = &b->name.v6;

    if (a->length != b->length || a->type != b->type)
        return false;
    if (a->length == 0)
        return true;
    if (a->name.any.sa_family != b->name.any.sa_family)
        return false;
    switch (a->name.any.sa_family) {
    case AF_INET: /* the rest is padding */
        return a->name.v4.sin_port == b->name.v4.sin_port &&
               a->name.v4.sin_addr.s_addr == b->name.v4.sin_addr.s_addr;
    case AF_INET6:
        return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
               memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
    default:
        return memcmp(&a->name, &b->name, a->length) == 0;
    }
}

/* --- reading --------------------------------------------------------------------- */

static bl_error *
bad_address(const char *address, const char *why)
{
    return bl_errorf("address %s: %s", address, why);
}

/* [first, end) into a buffer of `size`. */
static bool
cut(char *to, size_t size, const char *first, const char *end)
{
    size_t n = (size_t)(end - first);

    if (n >= size)
        return false;
    memcpy(to, first, n);
    to[n] = '\0';
    return true;
}

/* "host:port", "[host]:port": Go's words for what is wrong. */
static bl_error *
split(const char *address, char host[HOST], char port[PORT])
{
    const char *colon = strrchr(address, ':'), *first = address, *end = colon;

    if (!colon)
        return bad_address(address, "missing port in address");
    if (*address == '[') {
        end = strchr(address, ']');
        if (!end)
            return bad_address(address, "missing ']' in address");
        if (end[1] == '\0')
            return bad_address(address, "missing port in address");
        if (end + 1 != colon)
            return bad_address(address, end[1] == ':' ? "too many colons in address"
                                                      : "missing port in address");
        first++;
    } else if (strchr(address, ':') != colon) {
        return bad_address(address, "too many colons in address");
    }
    if (memchr(first, '[', (size_t)(end - first)))
        return bad_address(address, "unexpected '[' in address");
    if (strchr(end + (*address == '['), ']'))
        return bad_address(address, "unexpected ']' in address");
    if (!cut(host, HOST, first, end) ||
        !cut(port, PORT, colon + 1, colon + 1 + strlen(colon + 1)))
        return bad_address(address, "too long");
    return NULL;
}

static bl_error *
read_port(const struct bl__network *net, const char *text, int *port)
{
    const char *proto = net->type == SOCK_STREAM ? "tcp" : "udp";
    struct servent entry, *found = NULL;
    char *end, buf[1024];
    long n = strtol(text, &end, 10);

    *port = (int)n;
    if (*text == '\0' || (*end == '\0' && n >= 0 && n <= 65535))
        return NULL;
    if (*end == '\0')
        return bad_address(text, "invalid port");
    if (getservbyname_r(text, proto, &entry, buf, sizeof buf, &found) == 0 && found) {
        *port = ntohs((uint16_t)found->s_port);
        return NULL;
    }
    return bl_errorf("lookup %s/%s: unknown port", proto, text);
}

static void
set_v4(bl_addr *addr, const void *host, int port)
{
    addr->length = sizeof addr->name.v4;
    addr->name.v4.sin_family = AF_INET;
    addr->name.v4.sin_port = htons((uint16_t)port);
    memcpy(&addr->name.v4.sin_addr, host, sizeof addr->name.v4.sin_addr);
}

static void
set_v6(bl_addr *addr, const void *host, int port)
{
    addr->length = sizeof addr->name.v6;
    addr->name.v6.sin6_family = AF_INET6;
    addr->name.v6.sin6_port = htons((uint16_t)port);
    memcpy(&addr->name.v6.sin6_addr, host, sizeof addr->name.v6.sin6_addr);
}

/* Numbers, with an interface's name or number behind a '%'. */
static bool
read_numbers(bl_addr *addr, const char *text, int port)
{
    char host[HOST];
    const char *zone = strchr(text, '%');
    unsigned char bytes[16];

    if (inet_pton(AF_INET, text, bytes) == 1) {
        set_v4(addr, bytes, port);
        return true;
    }
    if (!cut(host, sizeof host, text, zone ? zone : text + strlen(text)) ||
        inet_pton(AF_INET6, host, bytes) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED((struct in6_addr *)bytes)) {
        set_v4(addr, bytes + 12, port);
        return true;
    }
    set_v6(addr, bytes, port);
    if (zone) {
        addr->name.v6.sin6_scope_id = if_nametoindex(zone + 1);
        if (addr->name.v6.sin6_scope_id == 0)
            addr->name.v6.sin6_scope_id = (uint32_t)strtoul(zone + 1, NULL, 10);
    }
    return true;
}

static bool
fits(const struct bl__network *net, const bl_addr *addr)
{
    return net->family == AF_UNSPEC || net->family == addr->name.any.sa_family;
}

static bl_error *
read_unix(const struct bl__network *net, const char *path, bl_addr *addr)
{
    struct sockaddr_un *un = &addr->name.un;
    size_t n = strlen(path);

    *addr = (bl_addr){.type = net->type};
    if (n >= sizeof un->sun_path)
        return bl_error_wrap(bl_error_from_errno(ENAMETOOLONG), "address %s", path);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n);
    addr->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    if (*path == '@') { /* abstract: as long as it is, without the zero behind it */
        un->sun_path[0] = '\0';
        addr->length--;
    }
    if (n == 0)
        addr->length = sizeof un->sun_family;
    return NULL;
}

/* Without asking: *host is set where that is not enough. */
static bl_error *
read_address(const struct bl__network *net, const char *address, bool wild, bl_addr *addr,
             char host[HOST], int *port)
{
    char service[PORT];
    bl_error *err;

    *host = '\0';
    if (net->is_unix)
        return read_unix(net, address, addr);
    *addr = (bl_addr){.type = net->type};
    if ((err = split(address, host, service)) || (err = read_port(net, service, port)))
        return err;
    if (*host == '\0' && wild) {
        if (net->family == AF_INET)
            set_v4(addr, &(struct in_addr){0}, *port);
        else
            set_v6(addr, &in6addr_any, *port);
        return NULL;
    }
    if (*host == '\0')
        memcpy(host, net->family == AF_INET6 ? "::1" : "127.0.0.1", 10);
    if (!read_numbers(addr, host, *port))
        return NULL;
    if (!fits(net, addr))
        return bad_address(host, "no suitable address found");
    *host = '\0';
    return NULL;
}

bl_error *
bl_addr_parse(const char *network, const char *address, bl_addr *addr)
{
    const struct bl__network *net = bl__network_find(network, &address);
    char host[HOST];
    int port = 0;
    bl_error *err;

    if (!net)
        return bl_errorf("unknown network %s", network);
    err = read_address(net, address, true, addr, host, &port);
    if (!err && *host)
        err = bl_errorf("invalid IP address: %s", host);
    return err;
}

/* --- looking up ------------------------------------------------------------------- */

static bl_error *
lookup_failed(int code, const char *host)
{
    if (code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY)
        return bl_error_wrap(bl_error_from_gai(code), "lookup %s: no such host", host);
    return bl_error_wrap(bl_error_from_gai(code), "lookup %s", host);
}

static bl_error *
ask(const struct bl__network *net, const char *host, int port, bl_addr *addrs, size_t size,
    size_t *n)
{
    struct addrinfo hints = {.ai_family = net->family, .ai_socktype = net->type};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, NULL, &hints, &list);

    if (code != 0)
        return lookup_failed(code, host);
    for (const struct addrinfo *a = list; a && *n < size; a = a->ai_next) {
        bl_addr *addr = &addrs[*n];

        if (a->ai_addrlen > sizeof addr->name)
            continue;
        *addr = (bl_addr){.length = a->ai_addrlen, .type = net->type};
        memcpy(&addr->name, a->ai_addr, a->ai_addrlen);
        if (a->ai_family == AF_INET)
            addr->name.v4.sin_port = htons((uint16_t)port);
        else if (a->ai_family == AF_INET6)
            addr->name.v6.sin6_port = htons((uint16_t)port);
        else
            continue;
        ++*n;
    }
    freeaddrinfo(list);
    return *n > 0 ? NULL : lookup_failed(EAI_NONAME, host);
}

bl_error *
bl__lookup(const struct bl__network *net, const char *address, bool wild, bl_addr *addrs,
           size_t size, size_t *n)
{
    char host[HOST];
    int port = 0;
    bl_error *err = read_address(net, address, wild, &addrs[0], host, &port);

    *n = 0;
    if (err)
        return err;
    if (*host)
        return ask(net, host, port, addrs, size, n);
    *n = 1;
    return NULL;
}

bl_error *
bl_lookup(const char *network, const char *address, bl_addr *addrs, size_t size, size_t *n)
{
    const struct bl__network *net = bl__network_find(network, &address);

    *n = 0;
    if (!net)
        return bl_errorf("unknown network %s", network);
    if (size == 0)
        return bl_error_from_errno(EINVAL);
    return bl__lookup(net, address, false, addrs, size, n);
}
