/* The policy's folder. */
#include "router_private.h"

#include "base/buf.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

static bool is_policy(const char *name)
{
    aion_str text = aion_str_of(name);
    return name[0] != '.' && text.size < 256 &&
           (aion_str_ends(text, AION_STR(".yaml")) || aion_str_ends(text, AION_STR(".yml")));
}

static bool read_one(const char *dir, const char *name, struct router_files *files,
                     struct aion_err *err)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (size < 0 || (size_t)size >= sizeof(path) || files->count == ROUTER_FILES_MAX)
        return aion_fail(err, AION_EXHAUSTED, "%s: more than %d policy files", dir,
                         ROUTER_FILES_MAX);
    struct aion_buf content;
    aion_buf_init(&content, ROUTER_FILE_BYTES_MAX);
    bool good = aion_file_read(path, &content, err);
    if (good) {
        struct router_file *file = &files->files[files->count++];
        file->path = aion_arena_text(&files->arena, aion_str_of(name));
        file->content = aion_arena_str(&files->arena, aion_buf_view(&content));
    }
    aion_buf_done(&content);
    return good;
}

bool router_files_read(const char *dir, struct router_files *ret_files, struct aion_err *err)
{
    ret_files->count = 0;
    aion_arena_init(&ret_files->arena, SIZE_MAX, NULL, 0);
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return aion_fail_errno(err, errno == EACCES ? AION_DENIED : AION_NOT_FOUND,
                               "policy folder %s cannot be read", dir);
    const struct dirent *entry;
    bool good = true;
    while (good && (entry = readdir(folder)) != NULL)
        if (is_policy(entry->d_name))
            good = read_one(dir, entry->d_name, ret_files, err);
    closedir(folder);
    return good;
}

void router_files_done(struct router_files *files)
{
    aion_arena_done(&files->arena);
}
