/* Modules that lie on disk: MODULES_DIR/NAME/module.yaml and the executable beside it.
 *
 *   module: summarize_text        # name; also the executable's file name
 *   version: 1.0.0
 *   intents: [summarize_text]
 *   memory: 256MiB                # address space of one process; default 512MiB
 *   timeout: 60s                  # most an attempt may take, or a batch; default 5m
 *   batch: {max: 8, wait: 5ms}    # tasks that it takes together, and how long the first waits
 *                                 # for others; default: one by one */
#ifndef HOST_MANIFEST_H
#define HOST_MANIFEST_H

#include "base/arena.h"
#include "base/err.h"

enum { HOST_MODULES_MAX = 64, HOST_INTENTS_MAX = 32, HOST_BATCH_MAX = 64 };

struct host_manifest {
    const char *name, *version;
    const char *path; /* of the executable, absolute */
    char digest[72];  /* "sha256:..." of the executable */
    const char *intents[HOST_INTENTS_MAX];
    size_t intent_count;
    uint64_t memory_bytes;
    int64_t timeout_us;
    uint32_t batch_max; /* 1 = one by one */
    int64_t batch_wait_us;
};

/* Reads all modules of the folder. INVALID with file:line:column, NOT_FOUND, EXHAUSTED. */
bool host_manifests_read(const char *dir, struct host_manifest *manifests, size_t *ret_count,
                         struct aion_arena *arena, struct aion_err *err) AION_MUST_CHECK;

#endif
