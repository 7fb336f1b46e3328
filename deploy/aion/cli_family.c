#include "cli_family.h"

#include "base/clock.h"
#include "cli_money.h"
#include "codec/message.h"
#include "format.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* -- choices -------------------------------------------------------------- */

void cli_choice_text(char out[CLI_CHOICE_SIZE], const ProtobufCEnumDescriptor *choices,
                     const char *prefix, int value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(choices, value);
    const char *name = found != NULL ? found->name + strlen(prefix) : "unknown";
    size_t i = 0;
    for (; name[i] != '\0' && i + 1 < CLI_CHOICE_SIZE; i++)
        out[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    out[i] = '\0';
}

/* In either case, with - or _. */
static bool is_choice(const char *text, const char *choice)
{
    for (; *text != '\0' && *choice != '\0'; text++, choice++)
        if (*choice != (*text == '_' ? '-' : (char)tolower((unsigned char)*text)))
            return false;
    return *text == *choice;
}

static int no_choice(const struct cli_family *family, const struct cli_option *option,
                     const char *value)
{
    struct aion_buf names;
    char name[CLI_CHOICE_SIZE];
    aion_buf_init(&names, 1024);
    for (unsigned i = 1; i < option->choices->n_values; i++) {
        cli_choice_text(name, option->choices, option->prefix,
                        option->choices->values[i].value);
        aion_buf_printf(&names, "%s%s", i > 1 ? ", " : "", name);
    }
    int status = cli_usage(family->command, "%s: \"%s\" is none of %s", option->name, value,
                           names.data != NULL ? names.data : "");
    aion_buf_done(&names);
    return status;
}

static int take_choice(const struct cli_family *family, const struct cli_option *option,
                       const char *value, int *ret)
{
    char name[CLI_CHOICE_SIZE];
    for (unsigned i = 1; i < option->choices->n_values; i++) {
        cli_choice_text(name, option->choices, option->prefix,
                        option->choices->values[i].value);
        if (!is_choice(value, name))
            continue;
        *ret = option->choices->values[i].value;
        return CLI_OK;
    }
    return no_choice(family, option, value);
}

/* -- values --------------------------------------------------------------- */

static int take_value(const struct cli_family *family, const struct cli_option *option,
                      const char *value, void *to)
{
    aion_str text = aion_str_of(value);
    int64_t number = 0;
    if (option->kind == CLI_CHOICE)
        return take_choice(family, option, value, to);
    if (option->kind == CLI_TEXT) {
        *(const char **)to = value;
        return value[0] != '\0'
                   ? CLI_OK
                   : cli_usage(family->command, "%s: the value is empty", option->name);
    }
    if (option->kind == CLI_MONEY && !cli_money_parse(text, &number))
        return cli_usage(family->command,
                         "%s: \"%s\" is no amount: give US dollars with at most nine digits "
                         "behind the point (12.5), or nano-dollars (500nano)",
                         option->name, value);
    if (option->kind == CLI_TIME && !tui_parse_time(text, aion_clock_utc_us(), false, &number))
        return cli_usage(family->command,
                         "%s: \"%s\" is no time: 11:55, 11:55:07, 2026-11-23T11:55:07Z, or how "
                         "long ago: 90s, 5m, 2h, 7d",
                         option->name, value);
    if (option->kind == CLI_NUMBER &&
        (!aion_str_i64(text, &number) || number < option->least || number > option->most))
        return cli_usage(family->command, "%s: \"%s\" is not %lld..%lld", option->name, value,
                         (long long)option->least, (long long)option->most);
    *(int64_t *)to = number;
    return CLI_OK;
}

static int wrong_verb(const struct cli_family *family, const struct cli_option *option,
                      const struct cli_verb *verb)
{
    return cli_usage(family->command, "%s takes no %s", verb->name, option->name);
}

/* The option at args->at, taken; *ret_status says how it went. False: none stands there. */
static bool take_option(const struct cli_family *family, const struct cli_verb *verb,
                        struct cli_args *args, struct cli_deed *deed, int *ret_status)
{
    for (size_t i = 0; i < family->option_count; i++) {
        const struct cli_option *option = &family->options[i];
        void *to = (char *)deed + option->at;
        const char *value = NULL;
        bool flag = option->kind == CLI_FLAG && cli_flag(args, option->name);
        if (!flag &&
            (option->kind == CLI_FLAG || (value = cli_value(args, option->name)) == NULL))
            continue;
        if ((option->verbs >> (verb - family->verbs) & 1) == 0)
            *ret_status = wrong_verb(family, option, verb);
        else if (flag)
            *(bool *)to = true;
        else
            *ret_status = take_value(family, option, value, to);
        return true;
    }
    return false;
}

static bool take_common(const struct cli_family *family, struct cli_args *args,
                        struct cli_deed *deed, int *ret_status)
{
    const char *value;
    if ((value = cli_value(args, "--home")) != NULL) {
        deed->home = value;
        return true;
    }
    if ((value = cli_value(args, "-o")) == NULL)
        return false;
    deed->json = strcmp(value, "json") == 0;
    if (!deed->json && strcmp(value, "table") != 0)
        *ret_status = cli_usage(family->command, "-o: \"%s\" is neither json nor table", value);
    return true;
}

/* -- the whole ------------------------------------------------------------ */

static const struct cli_verb *find_verb(const struct cli_family *family, const char *name)
{
    for (size_t i = 0; name != NULL && i < family->verb_count; i++)
        if (strcmp(family->verbs[i].name, name) == 0)
            return &family->verbs[i];
    return NULL;
}

static bool has_word(const struct cli_command *command, const char *word)
{
    for (size_t i = 0; command->words[i] != NULL; i++)
        if (strcmp(command->words[i], word) == 0)
            return true;
    return false;
}

/* What can be said can be completed. */
static void check_words(const struct cli_family *family)
{
    assert(has_word(family->command, "--home") && has_word(family->command, "-o"));
    for (size_t i = 0; i < family->option_count; i++)
        assert(has_word(family->command, family->options[i].name));
    for (size_t i = 0; i < family->verb_count; i++)
        assert(family->verbs[i].name[0] == '\0' ||
               has_word(family->command, family->verbs[i].name));
}

static int take_id(const struct cli_family *family, const struct cli_verb *verb,
                   struct cli_args *args, struct cli_deed *deed)
{
    const char *argument = args->argv[args->at];
    if (argument[0] == '-' || deed->id_count >= verb->most) {
        if (argument[0] != '-' && verb->what == NULL)
            return cli_usage(family->command, "%s takes no parameter: \"%s\"", verb->name,
                             argument);
        return cli_unexpected(family->command, args);
    }
    if (argument[0] == '\0')
        return cli_usage(family->command, "%s needs %s, not an empty one", verb->name,
                         verb->what);
    deed->ids[deed->id_count++] = argument;
    args->at++;
    return CLI_OK;
}

static int read_args(const struct cli_family *family, const struct cli_verb *verb,
                     struct cli_args *args, struct cli_deed *deed)
{
    int status = CLI_OK;
    while (args->at < args->argc && status == CLI_OK)
        if (!take_common(family, args, deed, &status) &&
            !take_option(family, verb, args, deed, &status))
            status = take_id(family, verb, args, deed);
    if (status == CLI_OK && deed->id_count < verb->least)
        status = cli_usage(family->command, "%s%sneeds %s", verb->name,
                           verb->name[0] != '\0' ? " " : "", verb->what);
    if (status == CLI_OK && verb->check != NULL)
        status = verb->check(deed);
    return status;
}

static int no_verb(const struct cli_family *family, const char *name)
{
    struct aion_buf names;
    bool given = name != NULL && name[0] != '-';
    aion_buf_init(&names, 1024);
    for (size_t i = 0; i < family->verb_count; i++)
        aion_buf_printf(&names, "%s%s", i > 0 ? ", " : "", family->verbs[i].name);
    int status =
        given ? cli_usage(family->command, "no verb \"%s\"; there are: %s", name, names.data)
              : cli_usage(family->command, "name a verb: %s", names.data);
    aion_buf_done(&names);
    return status;
}

/* What all verbs take may stand before the verb, too. */
static int read_verb(const struct cli_family *family, struct cli_args *args,
                     struct cli_deed *deed, const struct cli_verb **ret_verb)
{
    int status = CLI_OK;
    *ret_verb = family->verbs;
    if (family->verbs[0].name[0] == '\0')
        return CLI_OK;
    while (args->at < args->argc && status == CLI_OK &&
           take_common(family, args, deed, &status)) {
    }
    if (status != CLI_OK)
        return status;
    const char *name = args->at < args->argc ? args->argv[args->at] : NULL;
    *ret_verb = find_verb(family, name);
    args->at++;
    return *ret_verb != NULL ? CLI_OK : no_verb(family, name);
}

int cli_family_run(const struct cli_family *family, int argc, char **argv,
                   struct cli_deed *deed)
{
    struct cli_args args = {argc, argv, 1};
    const struct cli_verb *verb;
    struct aion_err err;
    check_words(family);
    int status = read_verb(family, &args, deed, &verb);
    if (status == CLI_OK)
        status = read_args(family, verb, &args, deed);
    if (status != CLI_OK)
        return status;
    status =
        cli_client_open(&deed->client, deed->home, &err) ? verb->run(deed) : cli_error(&err);
    cli_client_close(&deed->client);
    return status;
}

const ProtobufCMessage *cli_ask(struct cli_deed *deed, const struct mesh_method *method,
                                const ProtobufCMessage *request, int *ret_status)
{
    struct aion_err err;
    const ProtobufCMessage *reply =
        cli_call(&deed->client, "control", method, request, 0, &err);
    *ret_status = CLI_OK;
    if (reply == NULL)
        *ret_status = cli_error(&err);
    else if (deed->json)
        *ret_status = cli_print_json(method->reply, reply);
    return deed->json ? NULL : reply;
}
