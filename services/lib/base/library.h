/* A shared library that is loaded when it is needed first. What a driver needs of third parties
 * is not linked: every process of the mesh would pay for what one of them may use (libpq brings
 * Kerberos, LDAP and GnuTLS: 3 MB a process). See adr/0013. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include "base/compiler.h"
#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct aion_library {
    const char *soname;  /* "libpq.so.5" */
    const char *package; /* what to install: "libpq5" */
    const char *const *names;
    size_t count;
    void **slots; /* filled in the order of the names */
    pthread_mutex_t lock;
    bool loaded AION_GUARDED_BY(lock);
};

/* A library of this soname and package; `table` has a slot for each of `list`, in its order. */
#define AION_LIBRARY(name, of_package, list, table)                                    \
    {                                                                                  \
        .soname = (name), .package = (of_package), .names = (list),                    \
        .count = sizeof(list) / sizeof((list)[0]), .slots = (void **)(void *)&(table), \
        .lock = PTHREAD_MUTEX_INITIALIZER                                              \
    }

/* Loads it and fills the slots, once; it stays loaded. UNAVAILABLE names the library, the
 * package and the loader's words; the next call tries again. Any thread. May block on the disk.
 */
bool aion_library_load(struct aion_library *library, struct aion_err *err) AION_MUST_CHECK;

#endif
