#define LIBPQ_PLAIN
#include "store/postgres/libpq.h"

#include "base/library.h"

#define NAME(name) #name,
static const char *const names[] = {LIBPQ(NAME)};

struct libpq libpq;
_Static_assert(sizeof(libpq) == aion_countof(names) * sizeof(void *), "a slot a name");

bool libpq_load(struct aion_err *err)
{
    static struct aion_library library = AION_LIBRARY("libpq.so.5", "libpq5", names, libpq);
    return aion_library_load(&library, err);
}
