/* What a home holds before anything runs. Everything that is there already is kept. */
#include "up.h"

#include "auth/ca.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/rand.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name, *path;
} leaves[] = {
    {"control", "service/control"},     {"router", "service/router"},
    {"retention", "service/retention"}, {"gateway", "service/gateway"},
    {"host-1", "service/host"},         {"user-admin", "user/admin"},
};

/* The policy of a new mesh: local modules only. */
static const char first_policy[] =
    "# The policy of a new mesh. Change it, then: aion policy reload\n"
    "# Fields: services/router/README.md\n"
    "version: 1\n"
    "default:\n"
    "  privacy: local_only\n"
    "routes:\n"
    "  - name: local-summary\n"
    "    intents: [summarize_text]\n"
    "    module: summarize_text\n"
    "    tier: local\n"
    "    pool: cpu\n"
    "    p95: 500ms\n"
    "    timeout: 30s\n"
    "    attempts: 3\n"
    "  - name: local-noop\n"
    "    intents: [noop]\n"
    "    module: noop\n"
    "    tier: local\n"
    "    pool: cpu\n"
    "    timeout: 5s\n"
    "rules:\n"
    "  - name: summaries-stay-here\n"
    "    when: {intent: summarize_text}\n"
    "    use: [local-summary]\n";

static bool make_folders(struct up *up, struct aion_err *err)
{
    static const char *const names[] = {"tls", "logs", "frames", "policies"};
    char path[CLI_PATH_MAX];
    for (size_t i = 0; i < aion_countof(names); i++)
        if (!cli_path(path, up->run.home, names[i]) || !aion_file_mkdirs(path, 0700, err))
            return false;
    return true;
}

static bool make_certificates(struct up *up, struct aion_err *err)
{
    char tls[CLI_PATH_MAX];
    if (!cli_path(tls, up->run.home, "tls") || !auth_ca_ensure(tls, up->run.trust_domain, err))
        return false;
    for (size_t i = 0; i < aion_countof(leaves); i++)
        if (!auth_leaf_ensure(tls, leaves[i].name, up->run.trust_domain, leaves[i].path,
                              time(NULL), NULL, err))
            return false;
    return true;
}

void up_renew(struct up *up)
{
    struct aion_err err;
    if (!make_certificates(up, &err))
        fprintf(stderr, "aion up: certificates were not renewed: %s\n", err.text);
}

/* The file that the environment names to the gateway: it has those keys, so `aion env` must,
 * too. */
static bool take_api_keys(struct up *up, const char *file, struct aion_err *err)
{
    char *whole = realpath(file, NULL);
    bool good =
        whole != NULL && aion_str_copy(up->run.api_key_file, CLI_PATH_MAX, aion_str_of(whole));
    free(whole);
    return good || aion_fail_errno(err, AION_NOT_FOUND,
                                   "AION_GATEWAY_API_KEYS_FILE: there is no file \"%s\"", file);
}

/* The keys that the environment holds itself go into a file of the home's, as private as that
 * of our own key, so that `aion env` finds them, too. The next mesh has them only if it is
 * given them again. */
static bool keep_api_keys(struct up *up, const char *keys, struct aion_err *err)
{
    return (cli_path(up->run.api_key_file, up->run.home, "api-keys") ||
            aion_fail(err, AION_INVALID, "the home's path is too long")) &&
           aion_file_replace(up->run.api_key_file, aion_str_of(keys), 0600, err);
}

/* One key for the person who started the mesh: "SECRET:admin". */
static bool make_api_key(struct up *up, struct aion_err *err)
{
    uint8_t secret[24];
    char text[2 * sizeof(secret) + 16] = "aion_";
    const char *file = getenv("AION_GATEWAY_API_KEYS_FILE");
    const char *keys = getenv("AION_GATEWAY_API_KEYS");
    if (file != NULL && file[0] != '\0')
        return take_api_keys(up, file, err);
    if (keys != NULL && keys[0] != '\0')
        return keep_api_keys(up, keys, err);
    if (!cli_path(up->run.api_key_file, up->run.home, "api-key"))
        return aion_fail(err, AION_INVALID, "the home's path is too long");
    if (access(up->run.api_key_file, F_OK) == 0)
        return true;
    aion_rand_secret(secret, sizeof(secret));
    aion_hex(text + 5, secret, sizeof(secret));
    aion_str_copy(text + 5 + 2 * sizeof(secret), 16, AION_STR(":admin\n"));
    return aion_file_replace(up->run.api_key_file, aion_str_of(text), 0600, err);
}

static bool make_policy(struct up *up, struct aion_err *err)
{
    char file[CLI_PATH_MAX];
    if (up->policies[0] != '\0')
        return true; /* --policies DIR */
    if (!cli_path(up->policies, up->run.home, "policies") ||
        !cli_path(file, up->policies, "10-default.yaml"))
        return aion_fail(err, AION_INVALID, "the home's path is too long");
    return access(file, F_OK) == 0 ||
           aion_file_replace(file, aion_str_of(first_policy), 0600, err);
}

bool up_prepare(struct up *up, struct aion_err *err)
{
    return make_folders(up, err) && make_certificates(up, err) && make_api_key(up, err) &&
           make_policy(up, err);
}
