/* The terminal comes back whole, however the console ends.
 *
 * A small parent forks the console and waits. In the console, handlers of INT TERM HUP QUIT
 * SEGV ABRT BUS FPE ILL put the terminal right with async-signal-safe calls alone and let the
 * signal do its work. When the console dies without them (KILL), the parent does it; when the
 * parent dies, the console ends by TERM. */
#ifndef TUI_GUARD_H
#define TUI_GUARD_H

#include "base/str.h"

/* Forks; `run` is the console, its result the exit status. Called before any thread. The parent
 * returns when it has ended: the status, or it dies by the same signal. */
int tui_guard_run(int (*run)(void *user), void *user);

/* -- in the console -------------------------------------------------------- */
/* Remembers the terminal's settings as they are now. False: fd is no terminal. */
bool tui_guard_begin(int fd);
/* From now on the terminal is not as it was: `restore` (at most 255 bytes) puts it right. */
void tui_guard_arm(aion_str restore);
/* Puts it right and forgets about it. */
void tui_guard_disarm(void);

#endif
