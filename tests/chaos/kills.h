/* What the loops of kill -9 share: their arguments, the folder they work in, and where a
 * process dies. */
#ifndef CHAOS_KILLS_H
#define CHAOS_KILLS_H

#include "base/rand.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KILL_TEXT_MAX = 160 };

/* Counted by the kill that it was. */
struct kill_point {
    const char *name; /* of base/failpoint.h; NULL: at a moment of chance */
    uint64_t most;    /* the point's hit that kills is 1..most; 0: it is not met here */
    unsigned kills;
};

/* [KILLS] [SEED] as arguments, twenty times as many kills with AION_TEST_LONG; prints the seed.
 * False: one is no number. */
bool kill_arguments(int argc, char **argv, uint64_t *kills, struct aion_rand *ret_rand);

/* In memory where there is room for it: a kill -9 leaves the page cache alone, and what fsync
 * costs would only make the loop slow. NULL: it cannot be made. One a program. */
const char *kill_folder_make(const char *name);
/* With the database and the file "complaints" in it. */
void kill_folder_remove(const char *folder);

/* What arms it, at one of its hits; "" where a moment of chance kills. */
void kill_point_text(const struct kill_point *point, struct aion_rand *rand,
                     char text[KILL_TEXT_MAX]);
/* Prints them, and COUNTED lines of kills of `what`. */
void kill_points_report(const struct kill_point *points, size_t count, const char *what);
/* A point that killed nobody although there were a hundred kills or more: it is not where it
 * was. NULL: none. */
const char *kill_points_unmet(const struct kill_point *points, size_t count);

#endif
