/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/tree.h - patterns and their handlers as a tree: hosts, then methods, then one level
 * a segment.  tree.c has it, mux.c answers requests with it.
 *
 * It only grows, so that those who look need no lock, and write nothing: a pattern is
 * found from the moment its route is stored at the end of its way.  Those who add take
 * turns (the caller's lock).  What is replaced, tables that have become too small, stays
 * until the tree is freed: less than what has replaced it. */
#ifndef BELAY_HTTP_TREE_H
#define BELAY_HTTP_TREE_H

#include <belay/http.h>
#include "http/pattern.h"

struct bl__route {
    struct bl__pattern *pattern;
    bl_http_handler handler;
};

struct bl__children;

struct bl__node {
    const char *key; /* the literal; constant, as the two that follow */
    size_t n;
    uint32_t hash;
    _Atomic(struct bl__route *) route; /* of the pattern that ends here */
    _Atomic(struct bl__route *) multi; /* of the one that takes all below */
    _Atomic(struct bl__node *) wild;   /* hosts, methods: any */
    _Atomic(struct bl__children *) literals;
};

struct bl__tree {
    struct bl__node root;
    struct bl__memory *memory; /* of all nodes, tables, routes */
};

/* Adds a route to p's handler.  false when memory is short: then p is not found. */
bool bl__tree_add(struct bl__tree *tree, struct bl__pattern *p, bl_http_handler handler);

/* Who takes a request; NULL: nobody.  path is encoded. */
const struct bl__route *bl__tree_match(const struct bl__tree *tree, const char *host,
                                       size_t host_size, const char *method,
                                       const char *path, size_t n);

/* Calls with the name of every method for which there is one for that path; a name may
 * come twice. */
void bl__tree_methods(const struct bl__tree *tree, const char *host, size_t host_size,
                      const char *path, size_t n, void (*found)(void *arg, const char *name),
                      void *arg);

/* Memory that goes with the tree, zeroed; NULL when it is short. */
void *bl__tree_alloc(struct bl__tree *tree, size_t size);
void bl__tree_free(struct bl__tree *tree);

#endif
