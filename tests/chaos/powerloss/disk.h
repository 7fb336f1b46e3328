/* A disk as a recording (log.h) knows it: what of each file is surely there, what is only in
 * memory, and the folders that a power loss at this moment could leave.
 *
 * Allowed are, per file, any subset of what was not yet synchronised, sector by sector,
 * whatever the order; of the folder any subset of names made and removed. Not allowed: anything
 * that a finished fsync or fdatasync covers. Shared memory (-shm) is no durable state: it is
 * missing, zeros or rubbish afterwards. One thread; memory grows with the recording. */
#ifndef CHAOS_POWERLOSS_DISK_H
#define CHAOS_POWERLOSS_DISK_H

#include "log.h"

#include <stdbool.h>
#include <stddef.h>

struct disk;

/* NULL: it cannot be read. */
struct disk *disk_open(const char *log);
void disk_close(struct disk *disk);

/* Takes the next entry into the model and gives it; NULL at the end. */
const struct powerloss_entry *disk_step(struct disk *disk);
/* The entry that disk_step would take; NULL at the end. */
const struct powerloss_entry *disk_peek(const struct disk *disk);
/* How many entries were taken. */
size_t disk_place(const struct disk *disk);
/* A call was made that cannot be replayed; NULL: none so far. */
const char *disk_untracked(const struct disk *disk);

/* What the power loss spares of that which was not synchronised. */
struct disk_loss {
    uint64_t seed;
    unsigned keep_permille; /* of the pieces; 1000 = all, 0 = none */
    unsigned sector;        /* bytes of a piece: 512 or 4096 */
    bool newest_only; /* all but the newest write is spared; keep_permille is for that one */
    bool rubbish;     /* holes are not zeros */
};

/* Makes `folder` hold just that. False: errno. */
bool disk_build(struct disk *disk, const char *folder, const struct disk_loss *loss);
/* Removes the folder and the files in it. */
bool disk_remove(const char *folder);
/* Whether `folder` is byte for byte what the recorded calls make of it: whether none was
 * missed. NULL: it is; else the name of the first file that differs (static). */
const char *disk_matches(struct disk *disk, const char *folder);

#endif
