/* The console against one address, for tests and benchmarks: in plain text, or as CERT at a
 * control of CA alone:
 *   console_run ADDRESS [--ascii] [--theme NAME] [--settings FILE] [--tls CA CERT KEY]
 *   console_run ADDRESS get|watch NAME [json] [all] [COUNT] */
#include "tui_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(const struct tui_options *options, int argc, char **argv)
{
    struct tui_batch batch = {.mesh = options, .what = argv[3]};
    struct aion_err err;
    for (int i = 4; i < argc; i++) {
        batch.json |= strcmp(argv[i], "json") == 0;
        batch.all |= strcmp(argv[i], "all") == 0;
        batch.count = batch.count > 0 ? batch.count : strtoull(argv[i], NULL, 10);
    }
    bool get = strcmp(argv[2], "get") == 0;
    if (tui_batch_knows(batch.what) && (get ? tui_get(&batch, &err) : tui_watch(&batch, &err)))
        return 0;
    fprintf(stderr, "console_run: %s\n", err.text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: console_run ADDRESS [--ascii] [--theme NAME] [--settings FILE] "
                        "[--tls CA CERT KEY]\n");
        return 2;
    }
    struct mesh_tls tls = {.trust_domain = "aion.local"};
    struct tui_options options = {.control = argv[1], .router = argv[1], .retention = argv[1]};
    if (argc > 3 && (strcmp(argv[2], "get") == 0 || strcmp(argv[2], "watch") == 0))
        return print(&options, argc, argv);
    for (int i = 2; i < argc; i++) {
        options.ascii |= strcmp(argv[i], "--ascii") == 0;
        if (strcmp(argv[i], "--theme") == 0 && i + 1 < argc)
            options.theme = argv[i + 1];
        if (strcmp(argv[i], "--settings") == 0 && i + 1 < argc) {
            options.settings_file = argv[i + 1];
            options.settings_named = true;
        }
        if (strcmp(argv[i], "--tls") == 0 && i + 3 < argc) {
            tls.ca_file = argv[i + 1];
            tls.cert_file = argv[i + 2];
            tls.key_file = argv[i + 3];
            options.tls = &tls;
            options.router = options.retention = NULL;
        }
    }
    return tui_run(&options);
}
