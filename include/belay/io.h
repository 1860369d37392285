/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/io.h - buffered reading and writing, from anything: Go's bufio.
 *
 *     bl_reader *r = bl_reader_of_conn(c, 0);
 *     const char *line;
 *     size_t n;
 *     while (!(err = bl_reader_line(r, &line, &n)))   // without the line's end
 *         handle(line, n);
 *     bl_reader_free(r);
 *
 *     bl_writer *w = bl_writer_of_conn(c, 0);
 *     bl_writer_printf(w, "%s %d\r\n", name, code);   // errors stay: ask once
 *     err = bl_writer_flush(w);
 *
 * A reader, or writer, is for one goroutine at a time.  What a function points to in the
 * reader's buffer stays there until the next call. */
#ifndef BELAY_IO_H
#define BELAY_IO_H

#include <belay/net.h>
#include <stdarg.h>

BL_BEGIN_DECLS

/* As bl_conn_read(): stores one byte at least, or returns an error: bl_err_eof at the
 * end.  As in Go whoever calls it takes what comes with an error, too, and asks again a
 * hundred times if nothing came; then that is bl_err_no_progress. */
typedef bl_error *bl_read_func(void *from, void *buf, size_t size, size_t *n);

/* As bl_conn_write(): all, or an error; n is never NULL. */
typedef bl_error *bl_write_func(void *to, const void *buf, size_t size, size_t *n);

typedef struct bl_reader bl_reader;
typedef struct bl_writer bl_writer;

/* What a line, or a peek, that does not fit the buffer returns: "bufio: buffer full". */
BL_API extern bl_error *const bl_err_buffer_full;

/* "multiple Read calls return no data or error": a bl_read_func that does neither. */
BL_API extern bl_error *const bl_err_no_progress;

/* --- readers --------------------------------------------------------------------- */

/* Makes a reader with a buffer of so many bytes (0: 4096; 16 at least).  NULL when memory
 * is short.
 * Call from: anywhere, as all of this header.  Blocks: no.  Owner: caller,
 * bl_reader_free(); `from` and c stay the caller's. */
BL_API bl_reader *bl_reader_new(bl_read_func *read, void *from, size_t buffer_bytes);
BL_API bl_reader *bl_reader_of_conn(bl_conn *c, size_t buffer_bytes);

/* Begins anew with something else to read from, and the same buffer. */
BL_API void bl_reader_reset(bl_reader *r, bl_read_func *read, void *from);

/* From now on the end comes after n bytes at the latest (SIZE_MAX: as it is).  Asks how
 * many are left of that. */
BL_API void bl_reader_set_limit(bl_reader *r, uint64_t n);
BL_API uint64_t bl_reader_limit(const bl_reader *r);

/* How many bytes can be read without asking `read` for more. */
BL_API size_t bl_reader_buffered(const bl_reader *r);

/* Reads what there is, as bl_conn_read(): with an empty buffer and a large size straight
 * into buf.  Blocks: as the function that it reads with, as all that follow. */
BL_API bl_error *bl_reader_read(bl_reader *r, void *buf, size_t size, size_t *n);

/* Reads size bytes; bl_err_eof if there is none, bl_err_unexpected_eof if there are less.
 * n may be NULL. */
BL_API bl_error *bl_reader_read_full(bl_reader *r, void *buf, size_t size, size_t *n);

/* Reads one byte. */
BL_API bl_error *bl_reader_byte(bl_reader *r, unsigned char *byte);

/* Points *data to the next n bytes without reading them.  With an error there are less:
 * those that bl_reader_buffered() says. */
BL_API bl_error *bl_reader_peek(bl_reader *r, size_t n, const void **data);

/* Passes over n bytes. */
BL_API bl_error *bl_reader_skip(bl_reader *r, uint64_t n);

/* Reads up to and including the first such byte, and points *data to it.  At the end there
 * may be some without: they are returned with bl_err_eof; *n is 0 if there are none.
 * More than the buffer has room for: bl_err_buffer_full, with what it holds. */
BL_API bl_error *bl_reader_slice(bl_reader *r, int delimiter, const char **data, size_t *n);

/* The same up to "\n", which is cut off, as is a "\r" in front of it.  The last line need
 * not have one; bl_err_eof comes behind it. */
BL_API bl_error *bl_reader_line(bl_reader *r, const char **line, size_t *n);

/* The same, of any length up to `most` bytes, in memory of its own, terminated by a zero.
 * Longer ones: bl_err_buffer_full.  Owner: caller, free(). */
BL_API bl_error *bl_reader_line_copy(bl_reader *r, size_t most, char **line, size_t *n);

/* Frees r, not what it reads from.  NULL is fine. */
BL_API void bl_reader_free(bl_reader *r);

/* --- writers --------------------------------------------------------------------- */

/* Makes a writer, as bl_reader_new() a reader. */
BL_API bl_writer *bl_writer_new(bl_write_func *write, void *to, size_t buffer_bytes);
BL_API bl_writer *bl_writer_of_conn(bl_conn *c, size_t buffer_bytes);

/* Begins anew; what was not flushed is lost, and errors are forgotten. */
BL_API void bl_writer_reset(bl_writer *w, bl_write_func *write, void *to);

/* Writes into the buffer, and what does not fit to where it goes.  After an error nothing
 * is written any more; all calls return that error, bl_writer_flush() included.
 * Blocks: as the function that it writes with, as all that follow.  Owner of the error:
 * caller. */
BL_API bl_error *bl_writer_write(bl_writer *w, const void *buf, size_t size);
BL_API bl_error *bl_writer_string(bl_writer *w, const char *s);
BL_API bl_error *bl_writer_byte(bl_writer *w, unsigned char byte);

/* The same, and nothing is returned: for several in a row, with bl_writer_flush() at the
 * end, which has the first error. */
BL_API BL_PRINTF(2, 3) void bl_writer_printf(bl_writer *w, const char *format, ...);
BL_API BL_PRINTF(2, 0) void bl_writer_vprintf(bl_writer *w, const char *format,
                                              va_list args);

/* Hands over what is in the buffer. */
BL_API bl_error *bl_writer_flush(bl_writer *w);

/* How many bytes are in the buffer, and for how many there is room. */
BL_API size_t bl_writer_buffered(const bl_writer *w);
BL_API size_t bl_writer_available(const bl_writer *w);

/* Frees w; does not flush.  NULL is fine. */
BL_API void bl_writer_free(bl_writer *w);

/* --- all of it -------------------------------------------------------------------- */

/* Copies from r to w until r ends, and flushes w; n, if not NULL: how many bytes. */
BL_API bl_error *bl_copy(bl_writer *w, bl_reader *r, uint64_t *n);

/* Reads all there is, up to `most` bytes, into memory of its own, with a zero behind it.
 * More than that: bl_err_buffer_full.  Owner: caller, free(). */
BL_API bl_error *bl_read_all(bl_reader *r, size_t most, void **data, size_t *n);

BL_END_DECLS

#endif
