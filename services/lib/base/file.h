/* Whole files: read with a bound, replaced atomically. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

/* Reads all of `path` into buf (added). NOT_FOUND, DENIED, EXHAUSTED (larger than buf's
 * maximum), UNAVAILABLE: the text names the path and what to do. */
bool aion_file_read(const char *path, struct aion_buf *buf,
                    struct aion_err *err) AION_MUST_CHECK;
/* Writes a temporary file beside `path`, fsyncs, renames over it and fsyncs the folder. */
bool aion_file_replace(const char *path, aion_str content, mode_t mode,
                       struct aion_err *err) AION_MUST_CHECK;
/* mkdir -p with `mode` for what is made. */
bool aion_file_mkdirs(const char *path, mode_t mode, struct aion_err *err) AION_MUST_CHECK;

#endif
