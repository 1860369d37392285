/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tree.c - finding the pattern for a request.  At each level the literal is tried
 * first, then the wildcard, then what takes the rest: that is from the most specific to
 * the least, since patterns for which it is not clear were refused (conflict.c).  A node
 * is reached on one way only, so a search visits each once at the most, and no deeper than
 * the longest pattern. */
#include "http/tree.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing; a quarter is free at least, so that looking ends. */
struct bl__children {
    size_t count, room; /* count: who adds; room: a power of two, constant */
    _Atomic(struct bl__node *) at[];
};

struct bl__memory {
    struct bl__memory *next;
    max_align_t data[];
};

/* acquire: what it points to is as whoever has stored it has left it (pairs with PUT) */
#define GET(place) atomic_load_explicit(place, memory_order_acquire)
#define PUT(place, value) atomic_store_explicit(place, value, memory_order_release)

void *
bl__tree_alloc(struct bl__tree *tree, size_t size)
{
    struct bl__memory *m = calloc(1, sizeof *m + size);

    if (!m)
        return NULL;
    m->next = tree->memory;
    tree->memory = m;
    return m->data;
}

void
bl__tree_free(struct bl__tree *tree)
{
    while (tree->memory) {
        struct bl__memory *m = tree->memory;

        tree->memory = m->next;
        free(m);
    }
}

/* --- segments of a path ------------------------------------------------------------------- */

/* Encoded, as it stands in the path.  `coded`: has something to decode. */
struct piece {
    const char *s;
    size_t n, decoded; /* its length, and what that is decoded */
    uint32_t hash;     /* of what it is decoded */
    bool coded;
};

static unsigned char
decoded_byte(const char **at)
{
    const char *s = *at;

    if (*s != '%') {
        *at = s + 1;
        return (unsigned char)*s;
    }
    *at = s + 3;
    return (unsigned char)(bl__hex_value(s[1]) << 4 | bl__hex_value(s[2]));
}

static struct piece
plain_piece(const char *s, size_t n)
{
    return (struct piece){s, n, n, bl__hash_text(BL__HASH_START, s, n), false};
}

static struct piece
make_piece(const char *s, size_t n)
{
    struct piece p = {.s = s, .n = n, .hash = BL__HASH_START, .coded = true};

    if (!memchr(s, '%', n) || !bl__path_can_decode(s, n))
        return plain_piece(s, n);
    for (const char *at = s; at < s + n; p.decoded++)
        p.hash = bl__hash_byte(p.hash, decoded_byte(&at));
    return p;
}

/* The first one, of what begins with a slash; the slash itself where that is all. */
static struct piece
first_piece(const char *path, size_t n, size_t *used)
{
    const char *end;

    if (n == 1) {
        *used = 1;
        return plain_piece(path, 1);
    }
    end = memchr(path + 1, '/', n - 1);
    *used = end ? (size_t)(end - path) : n;
    return make_piece(path + 1, *used - 1);
}

static bool
is_key(const struct bl__node *node, const struct piece *p)
{
    if (node->hash != p->hash || node->n != p->decoded)
        return false;
    if (!p->coded)
        return memcmp(node->key, p->s, p->n) == 0;
    for (const char *at = p->s, *key = node->key; at < p->s + p->n; key++)
        if (decoded_byte(&at) != (unsigned char)*key)
            return false;
    return true;
}

static struct bl__node *
find_literal(const struct bl__node *node, const struct piece *p)
{
    struct bl__children *children = GET(&((struct bl__node *)node)->literals);

    if (!children)
        return NULL;
    for (size_t i = p->hash;; i++) {
        struct bl__node *child = GET(&children->at[i & (children->room - 1)]);

        if (!child || is_key(child, p))
            return child;
    }
}

/* --- looking ------------------------------------------------------------------------------ */

static const struct bl__route *
match_path(struct bl__node *node, const char *path, size_t n)
{
    const struct bl__route *route = NULL;
    struct bl__node *child;
    struct piece piece;
    size_t used;

    if (!node || n == 0)
        return node ? GET(&node->route) : NULL;
    piece = first_piece(path, n, &used);
    child = find_literal(node, &piece);
    if (child)
        route = match_path(child, path + used, n - used);
    if (route)
        return route;
    /* a single wildcard does not take a slash at the end */
    child = GET(&node->wild);
    if (child && !(piece.decoded == 1 && piece.hash == bl__hash_text(BL__HASH_START, "/", 1)))
        route = match_path(child, path + used, n - used);
    return route ? route : GET(&node->multi);
}

static const struct bl__route *
match_method(struct bl__node *node, const char *method, const char *path, size_t n)
{
    const struct bl__route *route;
    struct piece piece = plain_piece(method, strlen(method));

    if (!node)
        return NULL;
    route = match_path(find_literal(node, &piece), path, n);
    if (!route && strcmp(method, "HEAD") == 0) {
        piece = plain_piece("GET", 3);
        route = match_path(find_literal(node, &piece), path, n);
    }
    return route ? route : match_path(GET(&node->wild), path, n);
}

const struct bl__route *
bl__tree_match(const struct bl__tree *tree, const char *host, size_t host_size,
               const char *method, const char *path, size_t n)
{
    struct bl__node *root = (struct bl__node *)&tree->root;
    const struct bl__route *route = NULL;

    if (host_size && GET(&root->literals)) {
        struct piece piece = plain_piece(host, host_size);

        route = match_method(find_literal(root, &piece), method, path, n);
    }
    return route ? route : match_method(GET(&root->wild), method, path, n);
}

static void
each_method(struct bl__node *node, const char *path, size_t n,
            void (*found)(void *arg, const char *name), void *arg)
{
    struct bl__children *children = node ? GET(&node->literals) : NULL;

    for (size_t i = 0; children && i < children->room; i++) {
        struct bl__node *child = GET(&children->at[i]);

        if (child && match_path(child, path, n))
            found(arg, child->key);
    }
}

void
bl__tree_methods(const struct bl__tree *tree, const char *host, size_t host_size,
                 const char *path, size_t n, void (*found)(void *arg, const char *name),
                 void *arg)
{
    struct bl__node *root = (struct bl__node *)&tree->root;

    if (host_size) {
        struct piece piece = plain_piece(host, host_size);

        each_method(find_literal(root, &piece), path, n, found, arg);
    }
    each_method(GET(&root->wild), path, n, found, arg);
}

/* --- adding ------------------------------------------------------------------------------- */

static void
put_child(struct bl__children *children, struct bl__node *child)
{
    size_t i = child->hash & (children->room - 1);

    while (GET(&children->at[i]))
        i = (i + 1) & (children->room - 1);
    children->count++;
    PUT(&children->at[i], child);
}

/* The table with room for one more; those who look in the old one miss what is added from
 * now on, as if they had come a moment before. */
static struct bl__children *
make_room(struct bl__tree *tree, struct bl__node *node)
{
    struct bl__children *old = GET(&node->literals), *children;
    size_t room = old ? 2 * old->room : 4;

    if (old && 4 * (old->count + 1) <= 3 * old->room)
        return old;
    children = bl__tree_alloc(tree, sizeof *children + room * sizeof children->at[0]);
    if (!children)
        return NULL;
    children->room = room;
    for (size_t i = 0; old && i < old->room; i++)
        if (GET(&old->at[i]))
            put_child(children, GET(&old->at[i]));
    PUT(&node->literals, children);
    return children;
}

static struct bl__node *
add_literal(struct bl__tree *tree, struct bl__node *node, const char *key, size_t n)
{
    struct piece piece = plain_piece(key, n);
    struct bl__node *child = find_literal(node, &piece);
    struct bl__children *children;

    if (child)
        return child;
    children = make_room(tree, node);
    child = children ? bl__tree_alloc(tree, sizeof *child) : NULL;
    if (!child)
        return NULL;
    child->key = key;
    child->n = n;
    child->hash = piece.hash;
    put_child(children, child);
    return child;
}

static struct bl__node *
add_wild(struct bl__tree *tree, struct bl__node *node)
{
    struct bl__node *child = GET(&node->wild);

    if (child)
        return child;
    child = bl__tree_alloc(tree, sizeof *child);
    if (child)
        PUT(&node->wild, child);
    return child;
}

/* For a host, or a method: "" is any. */
static struct bl__node *
add_named(struct bl__tree *tree, struct bl__node *node, const char *name)
{
    return *name ? add_literal(tree, node, name, strlen(name)) : add_wild(tree, node);
}

bool
bl__tree_add(struct bl__tree *tree, struct bl__pattern *p, bl_http_handler handler)
{
    struct bl__route *route = bl__tree_alloc(tree, sizeof *route);
    bool multi = bl__pattern_last(p)->multi;
    struct bl__node *node = route ? add_named(tree, &tree->root, p->host) : NULL;

    node = node ? add_named(tree, node, p->method) : NULL;
    for (size_t i = 0; node && i < p->count - multi; i++) {
        const struct bl__segment *s = &p->segments[i];

        node = s->wild ? add_wild(tree, node) : add_literal(tree, node, s->s, s->n);
    }
    if (!node)
        return false;
    *route = (struct bl__route){p, handler};
    PUT(multi ? &node->multi : &node->route, route);
    return true;
}
