/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/config.h - version, symbol visibility and function attributes.
 *
 * Every other header includes this one; a program has no need to.  It names no
 * type and declares no function, so it is the same for C11, C17, C23 and C++. */
#ifndef BELAY_CONFIG_H
#define BELAY_CONFIG_H

#define BL_VERSION_MAJOR 0
#define BL_VERSION_MINOR 1
#define BL_VERSION_PATCH 0
#define BL_VERSION "0.1.0"

#if !defined(__GNUC__)
#error "belay: needs GCC (or clang, without defer { })"
#endif
#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "belay: runs on Linux, x86-64 and aarch64"
#endif

#define BL_API __attribute__((visibility("default")))
#define BL_NORETURN __attribute__((noreturn))
#define BL_COLD __attribute__((cold))
#define BL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#ifdef __cplusplus
#define BL_BEGIN_DECLS extern "C" {
#define BL_END_DECLS }
#else
#define BL_BEGIN_DECLS
#define BL_END_DECLS
#endif

#endif
