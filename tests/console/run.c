/* The console against an address in plain text, for tests without certificates:
 *   console_run ADDRESS [--ascii] [--theme NAME] [--settings FILE] */
#include "tui_main.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr,
                "usage: console_run ADDRESS [--ascii] [--theme NAME] [--settings FILE]\n");
        return 2;
    }
    struct tui_options options = {.control = argv[1], .router = argv[1], .retention = argv[1]};
    for (int i = 2; i < argc; i++) {
        options.ascii |= strcmp(argv[i], "--ascii") == 0;
        if (strcmp(argv[i], "--theme") == 0 && i + 1 < argc)
            options.theme = argv[i + 1];
        if (strcmp(argv[i], "--settings") == 0 && i + 1 < argc) {
            options.settings_file = argv[i + 1];
            options.settings_named = true;
        }
    }
    return tui_run(&options);
}
