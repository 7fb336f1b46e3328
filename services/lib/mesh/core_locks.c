/* The core's locks without their deadlock detector.
 *
 * Debian builds absl in its debugging form: each lock and unlock of an absl::Mutex, of which
 * the core takes several a call, is written into a graph of who holds what. That is a few
 * percent of a server's CPU and guards against mistakes inside the core alone; absl has a
 * public switch for it (absl/synchronization/mutex.h: SetMutexDeadlockDetectionMode, kIgnore).
 * It is C++ and its name carries the library's version, so it is looked up by that name: with
 * another build of absl nothing is found, and nothing changes. */
#include "mesh/core_private.h"

#include <dlfcn.h>

void mesh_core_locks(void)
{
    static const char name[] =
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE";
    enum { IGNORE = 0 }; /* absl::OnDeadlockCycle::kIgnore */
    void (*set_mode)(int);
    *(void **)&set_mode = dlsym(RTLD_DEFAULT, name);
    if (set_mode != NULL)
        set_mode(IGNORE);
}
