#include "host_manifest.h"

#include "auth/digest.h"
#include "base/file.h"
#include "yaml/yaml.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXECUTABLE_MAX = 256 * 1024 * 1024, BATCH_WAIT_MAX_US = 1000000 };

static bool name_valid(aion_str name)
{
    if (name.size == 0 || name.size > 64)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
              c == '.'))
            return false;
    }
    return name.data[0] != '.';
}

static const struct yaml_node *text_of(const struct yaml_node *root, const char *key,
                                       struct aion_err *err)
{
    const struct yaml_node *node = yaml_get(root, key);
    if (node == NULL) {
        (void)yaml_fail(err, root, "%s is missing", key);
        return NULL;
    }
    if (node->kind == YAML_SCALAR && node->value.size > 0)
        return node;
    (void)yaml_fail(err, node, "%s: expected a text", key);
    return NULL;
}

static bool read_intents(const struct yaml_node *root, struct host_manifest *manifest,
                         struct aion_arena *arena, struct aion_err *err)
{
    const struct yaml_node *list = yaml_get(root, "intents");
    if (list == NULL || list->kind != YAML_LIST || list->count == 0 ||
        list->count > HOST_INTENTS_MAX)
        return yaml_fail(err, list != NULL ? list : root,
                         "intents: expected a list of 1..%d names", HOST_INTENTS_MAX);
    for (const struct yaml_node *item = list->first; item != NULL; item = item->next) {
        if (item->kind != YAML_SCALAR || !name_valid(item->value))
            return yaml_fail(err, item, "expected the name of an intent");
        manifest->intents[manifest->intent_count++] = aion_arena_text(arena, item->value);
    }
    return true;
}

static bool read_limits(const struct yaml_node *root, struct host_manifest *manifest,
                        struct aion_err *err)
{
    const struct yaml_node *memory = yaml_get(root, "memory"),
                           *timeout = yaml_get(root, "timeout");
    manifest->memory_bytes = (uint64_t)512 * 1024 * 1024;
    manifest->timeout_us = 300000000;
    if (memory != NULL && (memory->kind != YAML_SCALAR ||
                           !aion_str_bytes(memory->value, &manifest->memory_bytes) ||
                           manifest->memory_bytes < 16 * 1024 * 1024))
        return yaml_fail(err, memory,
                         "memory: expected a size of at least 16MiB, such as 256MiB");
    if (timeout != NULL && (timeout->kind != YAML_SCALAR ||
                            !aion_str_duration(timeout->value, &manifest->timeout_us) ||
                            manifest->timeout_us <= 0))
        return yaml_fail(err, timeout, "timeout: expected a duration such as 60s");
    return true;
}

static bool read_batch(const struct yaml_node *root, struct host_manifest *manifest,
                       struct aion_err *err)
{
    static const char *const known[] = {"max", "wait", NULL};
    const struct yaml_node *batch = yaml_get(root, "batch");
    int64_t most = 0;
    manifest->batch_max = 1;
    if (batch == NULL)
        return true;
    if (batch->kind != YAML_MAP)
        return yaml_fail(err, batch, "batch: expected a map such as {max: 8, wait: 5ms}");
    if (!yaml_only(batch, known, err))
        return false;
    const struct yaml_node *max = text_of(batch, "max", err);
    const struct yaml_node *wait = max != NULL ? text_of(batch, "wait", err) : NULL;
    if (wait == NULL)
        return false;
    if (!aion_str_i64(max->value, &most) || most < 2 || most > HOST_BATCH_MAX)
        return yaml_fail(err, max, "max: expected 2..%d", HOST_BATCH_MAX);
    if (!aion_str_duration(wait->value, &manifest->batch_wait_us) ||
        manifest->batch_wait_us < 0 || manifest->batch_wait_us > BATCH_WAIT_MAX_US)
        return yaml_fail(err, wait, "wait: expected a duration of at most 1s, such as 5ms");
    manifest->batch_max = (uint32_t)most;
    return true;
}

static bool digest_file(struct host_manifest *manifest, struct aion_err *err)
{
    struct aion_buf content;
    uint8_t digest[AUTH_SHA256_SIZE];
    aion_buf_init(&content, EXECUTABLE_MAX);
    bool good = aion_file_read(manifest->path, &content, err);
    if (good) {
        auth_sha256(digest, aion_buf_view(&content));
        auth_sha256_text(manifest->digest, digest);
    }
    aion_buf_done(&content);
    return good;
}

static bool read_fields(const struct yaml_node *root, const char *folder,
                        struct host_manifest *manifest, struct aion_arena *arena,
                        struct aion_err *err)
{
    static const char *const known[] = {"module",  "version", "intents", "memory",
                                        "timeout", "batch",   NULL};
    if (root->kind != YAML_MAP)
        return yaml_fail(err, root, "expected a map");
    if (!yaml_only(root, known, err))
        return false;
    const struct yaml_node *name = text_of(root, "module", err);
    const struct yaml_node *version = name != NULL ? text_of(root, "version", err) : NULL;
    if (version == NULL || !read_intents(root, manifest, arena, err) ||
        !read_limits(root, manifest, err) || !read_batch(root, manifest, err))
        return false;
    if (!name_valid(name->value))
        return yaml_fail(err, name, "module: expected 1..64 of a-z 0-9 _ - .");
    manifest->name = aion_arena_text(arena, name->value);
    manifest->version = aion_arena_text(arena, version->value);
    manifest->path = aion_arena_printf(arena, "%s/%s", folder, manifest->name);
    if (access(manifest->path, X_OK) != 0)
        return yaml_fail(err, name, "the executable %s is missing", manifest->path);
    return digest_file(manifest, err);
}

static bool read_one(const char *folder, struct host_manifest *manifest,
                     struct aion_arena *arena, struct aion_err *err)
{
    struct aion_buf text;
    const char *file = aion_arena_printf(arena, "%s/module.yaml", folder);
    const struct yaml_node *root = NULL;
    aion_buf_init(&text, YAML_BYTES_MAX);
    if (file != NULL && aion_file_read(file, &text, err))
        root = yaml_parse(file, aion_buf_view(&text), arena, err);
    bool good = root != NULL && read_fields(root, folder, manifest, arena, err);
    aion_buf_done(&text);
    return good;
}

bool host_manifests_read(const char *dir, struct host_manifest *manifests, size_t *ret_count,
                         struct aion_arena *arena, struct aion_err *err)
{
    char real[PATH_MAX];
    DIR *folder = realpath(dir, real) != NULL ? opendir(real) : NULL;
    if (folder == NULL)
        return aion_fail_errno(err, AION_NOT_FOUND, "modules folder %s cannot be read", dir);
    const struct dirent *entry;
    bool good = true;
    *ret_count = 0;
    while (good && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        const char *path = aion_arena_printf(arena, "%s/%s", real, entry->d_name);
        const char *file =
            path != NULL ? aion_arena_printf(arena, "%s/module.yaml", path) : NULL;
        if (file == NULL || access(file, F_OK) != 0)
            continue; /* something else than a module */
        if (*ret_count == HOST_MODULES_MAX)
            good = aion_fail(err, AION_EXHAUSTED, "%s: more than %d modules", dir,
                             HOST_MODULES_MAX);
        else
            good = read_one(path, &manifests[(*ret_count)++], arena, err);
    }
    closedir(folder);
    if (good && *ret_count == 0)
        return aion_fail(err, AION_NOT_FOUND, "%s holds no module (NAME/module.yaml)", dir);
    return good;
}
