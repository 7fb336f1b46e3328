/* The console as a program: deploy/aion alone includes this. */
#ifndef TUI_MAIN_H
#define TUI_MAIN_H

#include "batch.h"
#include "options.h"

/* Runs it on the terminal of stdin and stdout until it is left. 0; 2: there is no terminal for
 * it, a setting is wrong, or there is no memory or thread; the reason is on stderr. */
int tui_run(const struct tui_options *options);

#endif
