#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cli_value(struct cli_args *args, const char *name)
{
    const char *argument = args->argv[args->at];
    size_t size = strlen(name);
    if (strncmp(argument, name, size) != 0)
        return NULL;
    if (argument[size] == '=') {
        args->at++;
        return argument + size + 1;
    }
    if (argument[size] != '\0' || args->at + 1 >= args->argc)
        return NULL;
    args->at += 2;
    return args->argv[args->at - 1];
}

bool cli_flag(struct cli_args *args, const char *name)
{
    if (strcmp(args->argv[args->at], name) != 0)
        return false;
    args->at++;
    return true;
}

int cli_usage(const struct cli_command *command, const char *fmt, ...)
{
    va_list list;
    fprintf(stderr, "aion %s: ", command->name);
    va_start(list, fmt);
    vfprintf(stderr, fmt, list);
    va_end(list);
    const char *more = strstr(command->arguments, "\n\n");
    size_t size =
        more != NULL ? (size_t)(more - command->arguments) : strlen(command->arguments);
    fprintf(stderr, "\nusage: aion %s %.*s\n", command->name, (int)size, command->arguments);
    return CLI_USAGE;
}

int cli_unexpected(const struct cli_command *command, const struct cli_args *args)
{
    const char *argument = args->argv[args->at];
    for (size_t i = 0; argument[0] == '-' && command->words[i] != NULL; i++)
        if (strcmp(argument, command->words[i]) == 0)
            return cli_usage(command, "%s needs a value", argument);
    return cli_usage(command, "unexpected argument \"%s\"", argument);
}
