/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/files.h - what the files that serve files share. */
#ifndef BELAY_HTTP_FILES_H
#define BELAY_HTTP_FILES_H

#include "http/http.h"

#include <sys/stat.h>

/* --- mime.c ------------------------------------------------------------------------------ */

/* The type that a name's extension stands for; NULL: none that is known. */
const char *bl__mime_type(const char *name);

/* --- beneath.c --------------------------------------------------------------------------- */

/* Opens what a path names below the folder `root`, to read it; symbolic links are followed
 * as long as they stay there.  Returns the descriptor or -errno: -EXDEV for a path that
 * leads out.  Without openat2(2) it goes from folder to folder. */
int bl__open_beneath(const char *root, const char *path);
/* The same, always from folder to folder: for kernels without openat2(2), and the test. */
int bl__open_by_step(int root, const char *path);

/* --- content.c --------------------------------------------------------------------------- */

/* Answers with a plain file of which st says the size and the time; type may be NULL. */
void bl__content_serve(bl_http_response *w, bl_http_request *r, int fd,
                       const struct stat *st, const char *name, const char *type);
/* Answers 404, 403 or 500 for an errno. */
void bl__content_fail(bl_http_response *w, int error);
/* The same with a text of ours: headers about content are taken away. */
void bl__content_error(bl_http_response *w, const char *text, int code);

/* --- listing.c ----------------------------------------------------------------------------- */

/* Answers with the names in a folder; those that begin with a dot only if `dots`. */
void bl__listing_serve(bl_http_response *w, bl_http_request *r, int fd,
                       const struct stat *st, bool dots);

#endif
