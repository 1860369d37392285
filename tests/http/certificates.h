/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* Where certificates.sh has put what it makes: beside the tests' programs. */
#ifndef BELAY_TESTS_HTTP_CERTIFICATES_H
#define BELAY_TESTS_HTTP_CERTIFICATES_H

#include <belay/test.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char certificate_paths[8][PATH_MAX + 64];

/* The path of a file of that name.  Good until the eighth call behind this one. */
static inline const char *
certificate(bl_test *t, const char *name)
{
    static int next;
    static char folder[PATH_MAX];
    char *path = certificate_paths[next++ % 8], command[2 * PATH_MAX + 128];

    if (!*folder) {
        ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 32);

        bl_require(t, n > 0);
        folder[n] = 0;
        strcpy(strrchr(folder, '/'), "/http-certificates");
        snprintf(command, sizeof command, "'%s/certificates.sh' '%s' </dev/null", HTTP_TESTS,
                 folder);
        if (system(command) != 0)
            bl_test_skip(t, "no certificates: openssl is missing?");
    }
    snprintf(path, sizeof certificate_paths[0], "%s/%s", folder, name);
    return path;
}

#endif
