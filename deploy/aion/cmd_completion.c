/* aion completion bash|zsh|fish: from the same table as everything else. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_completion = {"completion", "bash|zsh|fish",
                                           "print completion for a shell", shells, run};

static void print_words(const struct cli_command *command, const char *separator)
{
    for (size_t i = 0; command->words != NULL && command->words[i] != NULL; i++)
        printf("%s%s", i > 0 ? separator : "", command->words[i]);
}

static void print_bash(void)
{
    printf("_aion() {\n    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then words='");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", cli_commands[i]->name);
    printf("'; else case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        printf("    %s) words='", cli_commands[i]->name);
        print_words(cli_commands[i], " ");
        printf("' ;;\n");
    }
    printf("    esac; fi\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
           "complete -o default -F _aion aion\n");
}

static void print_zsh(void)
{
    printf("#compdef aion\n_aion() {\n    if (( CURRENT == 2 )); then\n        local -a "
           "commands=(\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        printf("            '%s:%s'\n", cli_commands[i]->name, cli_commands[i]->summary);
    printf("        )\n        _describe command commands\n        return\n    fi\n"
           "    case $words[2] in\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        printf("    %s) compadd -- ", cli_commands[i]->name);
        print_words(cli_commands[i], " ");
        printf(" ;;\n");
    }
    printf("    esac\n}\ncompdef _aion aion\n");
}

static void print_fish(void)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        const struct cli_command *command = cli_commands[i];
        printf("complete -c aion -n __fish_use_subcommand -a %s -d '%s'\n", command->name,
               command->summary);
        printf("complete -c aion -n '__fish_seen_subcommand_from %s' -a '", command->name);
        print_words(command, " ");
        printf("'\n");
    }
}

static int run(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "bash") == 0)
        print_bash();
    else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
        print_zsh();
    else if (argc == 2 && strcmp(argv[1], "fish") == 0)
        print_fish();
    else
        return cli_usage(&cli_completion, "name the shell");
    return CLI_OK;
}
