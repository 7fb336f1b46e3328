/* The console: a guard, and behind it the loop. */
#include "tui_main.h"

#include "console.h"
#include "guard.h"

static int run(void *user)
{
    return tui_console_run(user);
}

int tui_run(const struct tui_options *options)
{
    return tui_guard_run(run, (void *)(uintptr_t)options);
}
