/* The options every program has, beside its own; one command line, one file, for both. */
#include "base/log.h"
#include "program/program_private.h"
#include "yaml/yaml.h"

#include "base/file.h"

#include <stdlib.h>
#include <unistd.h>

#define COMMON(member) offsetof(struct program_common, member)

static const struct aion_opt common_options[] = {
    {"listen", AION_OPT_TEXT, "127.0.0.1:0", 0, 0, false, false, NULL, "address to serve on",
     COMMON(listen)},
    {"admin_listen", AION_OPT_TEXT, "127.0.0.1:0", 0, 0, false, false, NULL,
     "address of /metrics, /healthz, /readyz", COMMON(admin_listen)},
    {"tls_ca", AION_OPT_TEXT, "", 0, 0, false, false, "AION_CA",
     "CA certificate of the mesh, PEM", COMMON(tls_ca)},
    {"tls_cert", AION_OPT_TEXT, "", 0, 0, false, false, "AION_CERT", "own certificate, PEM",
     COMMON(tls_cert)},
    {"tls_key", AION_OPT_TEXT, "", 0, 0, false, false, "AION_KEY", "own private key, PEM",
     COMMON(tls_key)},
    {"trust_domain", AION_OPT_TEXT, "aion.local", 0, 0, false, false, "AION_TRUST_DOMAIN",
     "trust domain of SPIFFE ids", COMMON(trust_domain)},
    {"log_level", AION_OPT_TEXT, "info", 0, 0, true, false, "AION_LOG_LEVEL",
     "debug, info, warn or error", COMMON(log_level)},
    {"delegates", AION_OPT_TEXT, "gateway,control", 0, 0, false, false, NULL,
     "services that may speak for principals, comma-separated", COMMON(delegates)},
    {"drain_grace", AION_OPT_DURATION, "8s", 0, 600000000, false, false, NULL,
     "time for calls in flight after SIGTERM", COMMON(drain_grace)},
    {"plaintext", AION_OPT_BOOL, "false", 0, 0, false, false, NULL,
     "no TLS: for tests, on loopback only", COMMON(plaintext)},
};

/* Both structs in one block: the common one first. */
static bool merge(struct program_options *options, const struct program_spec *spec,
                  struct aion_conf_spec *ret_spec)
{
    size_t common = aion_countof(common_options), count = common + spec->option_count;
    struct aion_opt *all = aion_arena_array(&options->arena, count, sizeof(*all));
    if (all == NULL)
        return false;
    memcpy(all, common_options, sizeof(common_options));
    for (size_t i = 0; i < spec->option_count; i++) {
        all[common + i] = spec->options[i];
        all[common + i].offset += sizeof(struct program_common);
    }
    *ret_spec = (struct aion_conf_spec){spec->name, spec->summary, all, count};
    return true;
}

/* Takes the arguments that are no options (--help ...) out of argv; *ret_file is --config's
 * value. */
static int take_verbs(struct program_options *options, int argc, char **argv,
                      const char **ret_file)
{
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (strcmp(argv[i], "--version") == 0)
            options->version = true;
        else if (strcmp(argv[i], "--check-config") == 0)
            options->check = true;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            *ret_file = argv[++i];
        else if (strncmp(argv[i], "--config=", 9) == 0)
            *ret_file = argv[i] + 9;
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

static bool read_file(struct program_options *options, const char *file,
                      const struct aion_conf_pair **ret_pairs, size_t *ret_count,
                      struct aion_err *err)
{
    struct aion_buf text;
    *ret_count = 0;
    if (file == NULL)
        return true;
    aion_buf_init(&text, YAML_BYTES_MAX);
    const struct yaml_node *root = NULL;
    if (aion_file_read(file, &text, err))
        root = yaml_parse(file, aion_buf_view(&text), &options->arena, err);
    bool good =
        root != NULL && yaml_conf_pairs(root, &options->arena, ret_pairs, ret_count, err);
    aion_buf_done(&text);
    return good;
}

static bool level_valid(const char *level)
{
    return strcmp(level, "debug") == 0 || strcmp(level, "info") == 0 ||
           strcmp(level, "warn") == 0 || strcmp(level, "error") == 0;
}

static bool check_common(const struct program_common *common, struct aion_err *err)
{
    if (!level_valid(common->log_level))
        return aion_fail(err, AION_INVALID,
                         "log_level \"%s\" is none of debug, info, warn, error",
                         common->log_level);
    bool any =
        common->tls_ca[0] != '\0' || common->tls_cert[0] != '\0' || common->tls_key[0] != '\0';
    bool all =
        common->tls_ca[0] != '\0' && common->tls_cert[0] != '\0' && common->tls_key[0] != '\0';
    if (common->plaintext ? any : !all)
        return aion_fail(
            err, AION_INVALID,
            "give --tls-ca, --tls-cert and --tls-key together (or --plaintext alone, on "
            "loopback)");
    return true;
}

bool program_options_load(struct program_options *options, const struct program_spec *spec,
                          int argc, char **argv, struct aion_err *err)
{
    const char *file = getenv("AION_CONFIG");
    const struct aion_conf_pair *pairs = NULL;
    size_t pair_count = 0;
    struct aion_conf_spec merged;
    *options = (struct program_options){0};
    aion_arena_init(&options->arena, (size_t)64 * 1024 * 1024, NULL, 0);
    int kept = take_verbs(options, argc - 1, argv + 1, &file);
    char *both =
        aion_arena_zalloc(&options->arena, sizeof(struct program_common) + spec->conf_size);
    if (both == NULL || !merge(options, spec, &merged))
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    options->own_spec = merged;
    options->conf = both + sizeof(struct program_common);
    if (options->help || options->version)
        return true;
    if (!read_file(options, file, &pairs, &pair_count, err) ||
        !aion_conf_load(&merged, both, kept, argv + 1, environ, pairs, pair_count,
                        &options->arena, err))
        return false;
    memcpy(&options->common, both, sizeof(options->common));
    return check_common(&options->common, err) &&
           (spec->check == NULL || spec->check(options->conf, err));
}

void program_options_done(struct program_options *options)
{
    aion_arena_done(&options->arena);
}

void program_options_help(const struct program_options *options, struct aion_buf *out)
{
    aion_conf_help(&options->own_spec, out);
    aion_buf_text(out,
                  "\n  --config FILE            YAML file of options (or AION_CONFIG)\n"
                  "  --check-config           check the options, print them, do not start\n"
                  "  --version, --help\n");
}

void program_options_print(const struct program_options *options, struct aion_buf *out)
{
    aion_conf_print(&options->own_spec,
                    (const char *)options->conf - sizeof(struct program_common), out);
}

static void warn(void *user, const char *text)
{
    (void)user;
    aion_log(AION_LOG_WARN, "unknown variable", LOG_TEXT("warning", text));
}

void program_options_warn(const struct program_options *options)
{
    aion_conf_unknown(&options->own_spec, environ, warn, NULL);
}
