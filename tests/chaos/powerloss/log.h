/* What the recorder writes and the replayer reads: the calls that change the files of one
 * folder, in the order in which they took effect.
 *
 * A synchronisation is two entries. What was done to its file before the first is on the disk
 * once the second is reached; what came between the two may or may not be. */
#ifndef CHAOS_POWERLOSS_LOG_H
#define CHAOS_POWERLOSS_LOG_H

#include <stdint.h>

enum powerloss_kind {
    POWERLOSS_SESSION = 1, /* a process begins */
    POWERLOSS_CREATE,      /* file, name */
    POWERLOSS_FOUND,       /* file, name: was there before the recorder saw it made */
    POWERLOSS_WRITE,       /* file, offset, bytes */
    POWERLOSS_TRUNCATE,    /* file, offset = its new size */
    POWERLOSS_UNLINK,      /* name */
    POWERLOSS_RENAME,      /* old name, NUL, new name */
    POWERLOSS_SYNC,        /* file or POWERLOSS_FOLDER; offset = ticket */
    POWERLOSS_SYNCED,      /* the same ticket: it has returned without error */
    POWERLOSS_NOTE,        /* the program's own words: an acknowledgement */
    POWERLOSS_UNTRACKED, /* text: a call that cannot be replayed; the recording is worthless */
};

enum { POWERLOSS_FOLDER = 0 }; /* "file" of the folder itself */

/* `size` bytes follow, and zeros up to the next multiple of POWERLOSS_ALIGN. */
struct powerloss_entry {
    uint32_t kind, file;
    uint64_t offset;
    uint32_t size, reserved; /* reserved: the replayer's */
};

enum { POWERLOSS_ALIGN = 8 };
static inline uint64_t powerloss_padded(uint64_t size)
{
    return (size + POWERLOSS_ALIGN - 1) / POWERLOSS_ALIGN * POWERLOSS_ALIGN;
}

/* What the recorder is told by environment. */
#define POWERLOSS_ENV_FOLDER "AION_RECORD_FOLDER" /* absolute; only its files are recorded */
#define POWERLOSS_ENV_LOG    "AION_RECORD_LOG"    /* appended to */
/* Lies, for tests of the test: "sync" = no fsync happens, "sync-db" = none of the database
 * file, "sync-folder" = none of the folder, "hide" = one write is not recorded. */
#define POWERLOSS_ENV_LIE "AION_RECORD_LIE"

/* Exported by the recorder; a program finds them by dlsym. */
#define POWERLOSS_NOTE_FN "powerloss_note"
typedef void powerloss_note_fn(const void *data, uint32_t size);
/* kill -9 of oneself, between two recorded calls and never inside one. */
#define POWERLOSS_DIE_FN "powerloss_die"
typedef void powerloss_die_fn(void);

#endif
