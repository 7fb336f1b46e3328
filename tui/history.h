/* The last minutes of pictures, one a second, in bounded space: segments of a minute, each a
 * whole picture and then what changed, as variable-length differences. What does not fit falls
 * off the old end; older seconds are asked of control. */
#ifndef TUI_HISTORY_H
#define TUI_HISTORY_H

#include "picture.h"

enum {
    TUI_SEGMENTS_MAX = 17, /* 15 minutes, the one that fills, and one that is leaving */
    TUI_SEGMENT_US = 60 * 1000000,
};

struct tui_segment {
    int64_t first_us, last_us;
    char *bytes;
    size_t size, capacity;
    bool torn; /* memory ran out in the frame that is being added */
};

struct tui_history {
    struct tui_segment segments[TUI_SEGMENTS_MAX]; /* oldest first */
    size_t count;
    size_t bytes, bytes_max;
    struct tui_picture last; /* the newest that was added */
    bool last_unknown;       /* memory ran out over it: the next one is written whole */
};

void tui_history_init(struct tui_history *history, size_t bytes_max);
void tui_history_done(struct tui_history *history);
/* Adds a picture newer than all before; an older one is left out, and one that there is no
 * memory for. */
void tui_history_add(struct tui_history *history, const struct tui_picture *picture);
/* UTC of the oldest and the newest picture; 0 = none. */
int64_t tui_history_oldest(const struct tui_history *history);
int64_t tui_history_newest(const struct tui_history *history);
/* The newest picture that is not after at_us; false: none is that old. */
bool tui_history_at(const struct tui_history *history, const struct tui_entities *entities,
                    int64_t at_us, struct tui_picture *picture);

#endif
