/* Options from flags, environment, file and defaults, by one table. */
#include "base/conf.h"

#include "base/file.h"

#include <stdlib.h>

enum { NAME_MAX_SIZE = 96, SECRET_FILE_MAX = 1024 * 1024 };

/* queue_depth_max → AION_CONTROL_QUEUE_DEPTH_MAX, or the option's own name. */
static const char *env_name(const struct aion_conf_spec *spec, const struct aion_opt *opt,
                            char out[NAME_MAX_SIZE])
{
    if (opt->env != NULL)
        return opt->env;
    int size = snprintf(out, NAME_MAX_SIZE, "AION_%s_%s", spec->program, opt->name);
    for (int i = 0; i < size && i < NAME_MAX_SIZE - 1; i++)
        if (out[i] >= 'a' && out[i] <= 'z')
            out[i] = (char)(out[i] - 32);
        else if (out[i] == '-')
            out[i] = '_';
    return out;
}

static void flag_name(const struct aion_opt *opt, char out[NAME_MAX_SIZE])
{
    snprintf(out, NAME_MAX_SIZE, "--%s", opt->name);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '_')
            *at = '-';
}

static aion_str env_value(char *const *environ_, const char *name)
{
    size_t size = strlen(name);
    for (; environ_ != NULL && *environ_ != NULL; environ_++)
        if (strncmp(*environ_, name, size) == 0 && (*environ_)[size] == '=')
            return aion_str_of(*environ_ + size + 1);
    return (aion_str){0};
}

/* -- one value ------------------------------------------------------------ */

static const char *expected(const struct aion_opt *opt, char out[NAME_MAX_SIZE])
{
    switch (opt->kind) {
    case AION_OPT_INT:
        snprintf(out, NAME_MAX_SIZE, "an integer, %lld..%lld", (long long)opt->min,
                 (long long)opt->max);
        break;
    case AION_OPT_DURATION:
        snprintf(out, NAME_MAX_SIZE, "a duration such as 50ms, 10s or 5m, %lldus..%lldus",
                 (long long)opt->min, (long long)opt->max);
        break;
    case AION_OPT_BYTES:
        snprintf(out, NAME_MAX_SIZE, "a size such as 64KiB or 4MiB, %lld..%lld bytes",
                 (long long)opt->min, (long long)opt->max);
        break;
    case AION_OPT_BOOL:
        snprintf(out, NAME_MAX_SIZE, "true or false");
        break;
    case AION_OPT_TEXT:
        snprintf(out, NAME_MAX_SIZE, "a text");
        break;
    }
    return out;
}

static bool parse_bool(aion_str text, bool *ret_value)
{
    static const char *const yes[] = {"true", "1", "yes"}, *const no[] = {"false", "0", "no"};
    for (size_t i = 0; i < aion_countof(yes); i++) {
        if (aion_str_is(text, yes[i]) || aion_str_is(text, no[i])) {
            *ret_value = aion_str_is(text, yes[i]);
            return true;
        }
    }
    return false;
}

static bool parse_number(const struct aion_opt *opt, aion_str text, int64_t *ret_value)
{
    uint64_t bytes;
    bool good = false;
    if (opt->kind == AION_OPT_INT)
        good = aion_str_i64(text, ret_value);
    else if (opt->kind == AION_OPT_DURATION)
        good = aion_str_duration(text, ret_value);
    else if (aion_str_bytes(text, &bytes)) {
        *ret_value = (int64_t)bytes;
        good = true;
    }
    return good && *ret_value >= opt->min && *ret_value <= opt->max;
}

static bool store(const struct aion_opt *opt, void *conf, aion_str text,
                  struct aion_arena *arena)
{
    void *member = (char *)conf + opt->offset;
    if (opt->kind == AION_OPT_TEXT) {
        const char *copy = aion_arena_text(arena, text);
        memcpy(member, &copy, sizeof(copy));
        return copy != NULL;
    }
    if (opt->kind == AION_OPT_BOOL) {
        bool value;
        if (!parse_bool(text, &value))
            return false;
        memcpy(member, &value, sizeof(value));
        return true;
    }
    int64_t value;
    if (!parse_number(opt, text, &value))
        return false;
    memcpy(member, &value, sizeof(value));
    return true;
}

/* `name` is the option as it was written there: --flag, VARIABLE or key; `at` where, or NULL.
 */
static bool set(const struct aion_opt *opt, void *conf, aion_str text, const char *name,
                const char *at, struct aion_arena *arena, struct aion_err *err)
{
    char want[NAME_MAX_SIZE];
    if (store(opt, conf, text, arena))
        return true;
    aion_str shown = opt->secret ? AION_STR("(secret)") : text;
    aion_err_set(err, __func__, AION_INVALID, "%s%s%s: \"%.*s\" is not %s",
                 at != NULL ? at : "", at != NULL ? ": " : "", name, AION_STR_ARG(shown),
                 expected(opt, want));
    aion_err_field(err, "%s", opt->name);
    return false;
}

/* -- sources -------------------------------------------------------------- */

static bool from_secret_file(const struct aion_opt *opt, void *conf, const char *name,
                             aion_str path, struct aion_arena *arena, struct aion_err *err)
{
    struct aion_buf content;
    aion_buf_init(&content, SECRET_FILE_MAX);
    const char *file = aion_arena_text(arena, path);
    bool good = file != NULL && aion_file_read(file, &content, err);
    if (good) {
        while (content.size > 0 && strchr("\r\n", content.data[content.size - 1]) != NULL)
            content.size--;
        good = set(opt, conf, aion_buf_view(&content), name, NULL, arena, err);
    }
    aion_buf_done(&content);
    return good;
}

static bool from_env(const struct aion_conf_spec *spec, void *conf, char *const *environ_,
                     struct aion_arena *arena, struct aion_err *err)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct aion_opt *opt = &spec->options[i];
        char made[NAME_MAX_SIZE], file_name[NAME_MAX_SIZE + 8];
        const char *name = env_name(spec, opt, made);
        snprintf(file_name, sizeof(file_name), "%s_FILE", name);
        aion_str file = opt->secret ? env_value(environ_, file_name) : (aion_str){0};
        aion_str text = env_value(environ_, name);
        if (file.size > 0) {
            if (!from_secret_file(opt, conf, file_name, file, arena, err))
                return false;
        } else if (text.data != NULL && !set(opt, conf, text, name, NULL, arena, err)) {
            return false;
        }
    }
    return true;
}

/* The option whose name is nearest, NULL when none is near. */
static const struct aion_opt *nearest(const struct aion_conf_spec *spec, aion_str name)
{
    const struct aion_opt *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < spec->option_count; i++) {
        size_t distance = aion_str_distance(name, aion_str_of(spec->options[i].name));
        if (distance < least) {
            least = distance;
            best = &spec->options[i];
        }
    }
    return best;
}

static const struct aion_opt *find(const struct aion_conf_spec *spec, aion_str name)
{
    for (size_t i = 0; i < spec->option_count; i++)
        if (aion_str_is(name, spec->options[i].name))
            return &spec->options[i];
    return NULL;
}

static bool from_file(const struct aion_conf_spec *spec, void *conf,
                      const struct aion_conf_pair *pairs, size_t count,
                      struct aion_arena *arena, struct aion_err *err)
{
    for (size_t i = 0; i < count; i++) {
        aion_str key = aion_str_of(pairs[i].key);
        const struct aion_opt *opt = find(spec, key);
        if (opt == NULL) {
            const struct aion_opt *near = nearest(spec, key);
            return aion_fail(err, AION_INVALID, "%s: \"%s\" is no option of %s%s%s",
                             pairs[i].at, pairs[i].key, spec->program,
                             near != NULL ? "; nearest: " : "", near != NULL ? near->name : "");
        }
        if (!set(opt, conf, aion_str_of(pairs[i].value), pairs[i].key, pairs[i].at, arena, err))
            return false;
    }
    return true;
}

/* Turns "queue-depth-max" into "queue_depth_max"; false: too long. */
static bool option_name(aion_str flag, char out[NAME_MAX_SIZE])
{
    if (!aion_str_copy(out, NAME_MAX_SIZE, flag))
        return false;
    for (char *at = out; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
    return true;
}

static bool unknown_flag(const struct aion_conf_spec *spec, aion_str flag, const char *name,
                         struct aion_err *err)
{
    char near_flag[NAME_MAX_SIZE] = "";
    const struct aion_opt *near = nearest(spec, aion_str_of(name));
    if (near != NULL)
        flag_name(near, near_flag);
    return aion_fail(err, AION_INVALID, "--%.*s is no option of %s%s%s; see --help",
                     AION_STR_ARG(flag), spec->program, near != NULL ? "; nearest: " : "",
                     near_flag);
}

/* One flag at argv[*i]; steps over its value when that is the next argument. */
static bool from_flag(const struct aion_conf_spec *spec, void *conf, int argc,
                      char *const *argv, int *i, struct aion_arena *arena, struct aion_err *err)
{
    aion_str argument = aion_str_of(argv[*i]);
    if (!aion_str_starts(argument, AION_STR("--")))
        return aion_fail(err, AION_INVALID, "unexpected argument \"%s\"; options begin with --",
                         argv[*i]);
    aion_str rest = aion_str_n(argument.data + 2, argument.size - 2);
    aion_str flag = aion_str_cut(&rest, '='); /* rest: the value, or no data */
    char name[NAME_MAX_SIZE], shown[NAME_MAX_SIZE];
    const struct aion_opt *opt = option_name(flag, name) ? find(spec, aion_str_of(name)) : NULL;
    aion_str value = rest;
    if (opt == NULL && strncmp(name, "no_", 3) == 0 && rest.data == NULL) {
        opt = find(spec, aion_str_of(name + 3));
        opt = opt != NULL && opt->kind == AION_OPT_BOOL ? opt : NULL;
        value = AION_STR("false");
    }
    if (opt == NULL)
        return unknown_flag(spec, flag, name, err);
    flag_name(opt, shown);
    if (value.data == NULL && opt->kind == AION_OPT_BOOL) {
        value = AION_STR("true");
    } else if (value.data == NULL) {
        if (*i + 1 >= argc)
            return aion_fail(err, AION_INVALID, "%s needs a value", shown);
        value = aion_str_of(argv[++*i]);
    }
    return set(opt, conf, value, shown, NULL, arena, err);
}

bool aion_conf_load(const struct aion_conf_spec *spec, void *out, int argc, char *const *argv,
                    char *const *environ_, const struct aion_conf_pair *pairs,
                    size_t pair_count, struct aion_arena *arena, struct aion_err *err)
{
    for (size_t i = 0; i < spec->option_count; i++)
        if (!set(&spec->options[i], out, aion_str_of(spec->options[i].fallback),
                 spec->options[i].name, "default", arena, err))
            return false;
    if (!from_file(spec, out, pairs, pair_count, arena, err) ||
        !from_env(spec, out, environ_, arena, err))
        return false;
    for (int i = 0; i < argc; i++)
        if (!from_flag(spec, out, argc, argv, &i, arena, err))
            return false;
    return true;
}

/* -- telling -------------------------------------------------------------- */

void aion_conf_help(const struct aion_conf_spec *spec, struct aion_buf *out)
{
    aion_buf_printf(out, "aion %s: %s\n\nOptions (flag > environment > file > default):\n",
                    spec->program, spec->summary);
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct aion_opt *opt = &spec->options[i];
        char flag[NAME_MAX_SIZE], made[NAME_MAX_SIZE], want[NAME_MAX_SIZE];
        flag_name(opt, flag);
        aion_buf_printf(out, "  %-24s %s\n", flag, opt->help);
        aion_buf_printf(out, "  %-24s %s; default \"%s\"; %s%s%s\n", "", expected(opt, want),
                        opt->secret && opt->fallback[0] != '\0' ? "(secret)" : opt->fallback,
                        env_name(spec, opt, made), opt->secret ? " or ..._FILE" : "",
                        opt->reload ? "; reloads on SIGHUP" : "");
    }
}

void aion_conf_print(const struct aion_conf_spec *spec, const void *conf, struct aion_buf *out)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct aion_opt *opt = &spec->options[i];
        const void *member = (const char *)conf + opt->offset;
        const char *text;
        int64_t number;
        bool truth;
        aion_buf_printf(out, "%s = ", opt->name);
        if (opt->kind == AION_OPT_TEXT) {
            memcpy(&text, member, sizeof(text));
            if (opt->secret)
                aion_buf_text(out, text[0] != '\0' ? "(set)" : "(empty)");
            else
                aion_buf_json(out, aion_str_of(text));
        } else if (opt->kind == AION_OPT_BOOL) {
            memcpy(&truth, member, sizeof(truth));
            aion_buf_text(out, truth ? "true" : "false");
        } else {
            memcpy(&number, member, sizeof(number));
            aion_buf_i64(out, number);
            aion_buf_text(out, opt->kind == AION_OPT_DURATION ? "us" : "");
        }
        aion_buf_char(out, '\n');
    }
}

static bool names_option(const struct aion_conf_spec *spec, aion_str variable)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        char made[NAME_MAX_SIZE];
        const char *name = env_name(spec, &spec->options[i], made);
        aion_str known = aion_str_of(name);
        if (aion_str_eq(variable, known))
            return true;
        if (spec->options[i].secret && variable.size == known.size + 5 &&
            aion_str_starts(variable, known) && aion_str_ends(variable, AION_STR("_FILE")))
            return true;
    }
    return false;
}

void aion_conf_unknown(const struct aion_conf_spec *spec, char *const *environ_,
                       void (*warn)(void *user, const char *text), void *user)
{
    char prefix[NAME_MAX_SIZE];
    struct aion_opt none = {.name = ""};
    aion_str start = aion_str_of(env_name(spec, &none, prefix)); /* "AION_CONTROL_" */
    for (; environ_ != NULL && *environ_ != NULL; environ_++) {
        aion_str rest = aion_str_of(*environ_);
        aion_str variable = aion_str_cut(&rest, '=');
        if (!aion_str_starts(variable, start) || names_option(spec, variable))
            continue;
        char name[NAME_MAX_SIZE], made[NAME_MAX_SIZE], text[3 * NAME_MAX_SIZE];
        aion_str_copy(name, sizeof(name),
                      aion_str_n(variable.data + start.size, variable.size - start.size));
        for (char *at = name; *at != '\0'; at++)
            if (*at >= 'A' && *at <= 'Z')
                *at = (char)(*at + 32);
        const struct aion_opt *near = nearest(spec, aion_str_of(name));
        snprintf(text, sizeof(text), "%.*s is no option%s%s", AION_STR_ARG(variable),
                 near != NULL ? "; nearest: " : "",
                 near != NULL ? env_name(spec, near, made) : "");
        warn(user, text);
    }
}
