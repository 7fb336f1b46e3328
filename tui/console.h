/* The console's process behind the guard: terminal, app and feed in one loop. */
#ifndef TUI_CONSOLE_H
#define TUI_CONSOLE_H

#include "options.h"

/* The exit status, as tui_run says. */
int tui_console_run(const struct tui_options *options);

#endif
