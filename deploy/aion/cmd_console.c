/* aion console: the whole mesh live in one terminal. */
#include "cli_mesh.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const words[] = {"--home", "--theme", "--settings", "--ascii", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_console = {
    "console",
    "[--theme NAME] [--ascii] [--settings FILE] [--home DIR]"
    "\n\n"
    "? in it says which keys work.\n\n"
    "  aion console --theme light",
    "show the mesh live, and act on it", words, run};

/* $XDG_CONFIG_HOME/aion/console, else ~/.config/aion/console; "" = neither is known. */
static void settings_path(char out[CLI_PATH_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    out[0] = '\0';
    if (config != NULL && config[0] == '/')
        cli_path(out, config, "aion/console");
    else if (home != NULL)
        cli_path(out, home, ".config/aion/console");
}

static int start(struct tui_options *options, const char *home)
{
    static struct cli_mesh mesh;
    struct aion_err err;
    if (!cli_mesh_find(&mesh, home, &err))
        return cli_error(&err);
    options->control = mesh.options.control;
    options->router = mesh.options.router;
    options->retention = mesh.options.retention;
    options->tls = mesh.options.tls;
    return tui_run(options);
}

static int run(int argc, char **argv)
{
    struct tui_options options = {.theme = NULL};
    char path[CLI_PATH_MAX];
    struct cli_args args = {argc, argv, 1};
    const char *value, *home = NULL;
    settings_path(path);
    options.settings_file = path[0] != '\0' ? path : NULL;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) != NULL)
            home = value;
        else if ((value = cli_value(&args, "--theme")) != NULL)
            options.theme = value;
        else if ((value = cli_value(&args, "--settings")) != NULL) {
            options.settings_file = value;
            options.settings_named = true;
        } else if (cli_flag(&args, "--ascii"))
            options.ascii = true;
        else
            return cli_unexpected(&cli_console, &args);
    }
    return start(&options, home);
}
