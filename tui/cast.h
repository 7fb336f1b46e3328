/* Files that the console writes: exports, and recordings of the screen as asciicast v2. They
 * are new ones always, for their owner alone. */
#ifndef TUI_CAST_H
#define TUI_CAST_H

#include "model.h"

#include "base/err.h"

/* EXISTS: there is a file of this name; INVALID: it cannot be made. */
bool tui_file_save(const char *path, aion_str bytes, struct aion_err *err);

struct tui_cast {
    int fd; /* -1 = none */
    int64_t began_us;
    size_t bytes;
};
bool tui_cast_begin(struct tui_cast *cast, const char *path, int rows, int cols,
                    struct tui_time now, struct aion_err *err);
/* False: it ended, for want of room (64 MB) or of the disk. */
bool tui_cast_frame(struct tui_cast *cast, aion_str bytes, struct tui_time now);
/* The terminal has another size from now on. */
bool tui_cast_size(struct tui_cast *cast, int rows, int cols, struct tui_time now);
void tui_cast_end(struct tui_cast *cast);

#endif
