#include "base/library.h"

#include <dlfcn.h>

static const char *said(void)
{
    const char *words = dlerror();
    return words != NULL ? words : "the loader does not say why";
}

static bool load(const struct aion_library *library, struct aion_err *err)
{
    void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "%s cannot be loaded (%s): install %s",
                         library->soname, said(), library->package);
    for (size_t i = 0; i < library->count; i++) {
        library->slots[i] = dlsym(handle, library->names[i]);
        if (library->slots[i] == NULL)
            return aion_fail(err, AION_UNAVAILABLE, "%s is too old (%s): install a newer %s",
                             library->soname, said(), library->package);
    }
    return true;
}

bool aion_library_load(struct aion_library *library, struct aion_err *err)
{
    pthread_mutex_lock(&library->lock);
    if (!library->loaded)
        library->loaded = load(library, err);
    bool loaded = library->loaded;
    pthread_mutex_unlock(&library->lock);
    return loaded;
}
