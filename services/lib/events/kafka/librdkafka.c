#define LIBRDKAFKA_PLAIN
#include "events/kafka/librdkafka.h"

#include "base/library.h"

#define NAME(name) #name,
static const char *const names[] = {LIBRDKAFKA(NAME)};

struct librdkafka librdkafka;
_Static_assert(sizeof(librdkafka) == aion_countof(names) * sizeof(void *), "a slot a name");

bool librdkafka_load(struct aion_err *err)
{
    static struct aion_library library =
        AION_LIBRARY("librdkafka.so.1", "librdkafka1", names, librdkafka);
    return aion_library_load(&library, err);
}
