/* aion: the whole mesh in one executable. */
#include "auth/start.h"
#include "cli.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

static void print_help(FILE *out)
{
    fprintf(out,
            "aion %s: a gRPC service mesh for AI tasks\n\nusage: aion COMMAND [ARGUMENTS]\n\n",
            AION_VERSION);
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        fprintf(out, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fprintf(out, "\nExit status: 0 done, 1 failed, 2 wrong usage, 3 not running or "
                 "unreachable, 4 not found,\n"
                 "5 denied, 6 the task did not succeed. `aion COMMAND --help` tells more.\n");
}

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

/* Of a short name not a letter may be left, or everything would be near. */
static const char *nearest(const char *name)
{
    const char *best = NULL;
    size_t least = strlen(name) < 4 ? strlen(name) : 4;
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        size_t distance =
            aion_str_distance(aion_str_of(name), aion_str_of(cli_commands[i]->name));
        if (distance < least) {
            least = distance;
            best = cli_commands[i]->name;
        }
    }
    return best;
}

static bool has_word(const struct cli_command *command, const char *word)
{
    for (size_t i = 0; command->words[i] != NULL; i++)
        if (strcmp(command->words[i], word) == 0)
            return true;
    return false;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

/* A program has --help among its words and tells its own options. */
static int run(const struct cli_command *command, int argc, char **argv)
{
    if (has_word(command, "--help") || !asks_help(argc, argv))
        return command->run(argc - 1, argv + 1);
    printf("aion %s: %s\n\nusage: aion %s %s\n", command->name, command->summary, command->name,
           command->arguments);
    return CLI_OK;
}

static void print_version(void)
{
    printf("aion %s\nstore drivers:", AION_VERSION);
    for (size_t i = 0; store_driver_name(i) != NULL; i++)
        printf("%s %s", i > 0 ? "," : "", store_driver_name(i));
    printf("\nevent sinks: kafka\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    auth_start();
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 || strcmp(name, "-h") == 0) {
        print_help(argc > 1 ? stdout : stderr);
        return argc > 1 ? CLI_OK : CLI_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        print_version();
        return CLI_OK;
    }
    const struct cli_command *command = find(name);
    if (command != NULL)
        return run(command, argc, argv);
    const char *near = nearest(name);
    fprintf(stderr, "aion: no command \"%s\"%s%s%s; see aion --help\n", name,
            near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
            near != NULL ? "\"?" : "");
    return CLI_USAGE;
}
