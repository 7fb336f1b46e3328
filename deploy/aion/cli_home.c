/* The home of a mesh and its run.json. */
#include "cli.h"

#include "base/file.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_MAX = 65536 };

bool cli_path(char out[CLI_PATH_MAX], const char *dir, const char *name)
{
    int size = snprintf(out, CLI_PATH_MAX, "%s/%s", dir, name);
    return size > 0 && size < CLI_PATH_MAX;
}

bool cli_home(const char *given, char out[CLI_PATH_MAX], struct aion_err *err)
{
    const char *home = given != NULL ? given : getenv("AION_HOME");
    const char *state = getenv("XDG_STATE_HOME"), *user = getenv("HOME");
    int size;
    if (home != NULL && home[0] != '\0')
        size = snprintf(out, CLI_PATH_MAX, "%s", home);
    else if (state != NULL && state[0] == '/')
        size = snprintf(out, CLI_PATH_MAX, "%s/aion", state);
    else if (user != NULL && user[0] == '/')
        size = snprintf(out, CLI_PATH_MAX, "%s/.local/state/aion", user);
    else
        return aion_fail(err, AION_INVALID, "no home: give --home DIR or set AION_HOME");
    return (size > 0 && size < CLI_PATH_MAX - 64) ||
           aion_fail(err, AION_INVALID, "the home's path is too long");
}

const struct cli_process *cli_run_process(const struct cli_run *run, const char *name)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (strcmp(run->processes[i].name, name) == 0)
            return &run->processes[i];
    return NULL;
}

const char *cli_run_url(const struct cli_run *run, char out[CLI_URL_MAX])
{
    const struct cli_process *gateway = cli_run_process(run, "gateway");
    snprintf(out, CLI_URL_MAX, "http%s://127.0.0.1:%d", run->https ? "s" : "",
             gateway != NULL ? gateway->port : 0);
    return out;
}

/* -- writing -------------------------------------------------------------- */

bool cli_run_write(const struct cli_run *run, struct aion_err *err)
{
    struct aion_buf out;
    char path[CLI_PATH_MAX];
    aion_buf_init(&out, RUN_MAX);
    aion_buf_printf(&out, "{\"pid\":%d,\"started_s\":%lld,\"home\":", run->pid,
                    (long long)run->started_s);
    aion_buf_json(&out, aion_str_of(run->home));
    aion_buf_text(&out, ",\"trust_domain\":");
    aion_buf_json(&out, aion_str_of(run->trust_domain));
    aion_buf_text(&out, ",\"api_key_file\":");
    aion_buf_json(&out, aion_str_of(run->api_key_file));
    aion_buf_printf(&out, ",\"https\":%s,\"processes\":[", run->https ? "true" : "false");
    for (size_t i = 0; i < run->process_count; i++) {
        const struct cli_process *process = &run->processes[i];
        aion_buf_printf(&out,
                        "%s\n{\"name\":\"%s\",\"pid\":%d,\"port\":%d,\"admin_port\":%d,"
                        "\"restarts\":%u,\"ready\":%s}",
                        i > 0 ? "," : "", process->name, process->pid, process->port,
                        process->admin_port, process->restarts,
                        process->ready ? "true" : "false");
    }
    aion_buf_text(&out, "\n]}\n");
    bool good = cli_path(path, run->home, "run.json") &&
                aion_file_replace(path, aion_buf_view(&out), 0600, err);
    aion_buf_done(&out);
    return good;
}

/* -- reading -------------------------------------------------------------- */

static void copy_text(char *out, size_t size, json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    aion_str_copy(out, size, aion_str_of(text != NULL ? text : ""));
}

static int number(json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static void read_process(json_t *object, struct cli_process *process)
{
    copy_text(process->name, sizeof(process->name), object, "name");
    process->pid = number(object, "pid");
    process->port = number(object, "port");
    process->admin_port = number(object, "admin_port");
    process->restarts = (unsigned)number(object, "restarts");
    process->ready = json_is_true(json_object_get(object, "ready"));
}

static bool parse(const struct aion_buf *text, struct cli_run *run)
{
    json_t *root = json_loadb(text->data, text->size, JSON_REJECT_DUPLICATES, NULL);
    json_t *list = json_object_get(root, "processes");
    copy_text(run->home, sizeof(run->home), root, "home");
    copy_text(run->trust_domain, sizeof(run->trust_domain), root, "trust_domain");
    copy_text(run->api_key_file, sizeof(run->api_key_file), root, "api_key_file");
    run->https = json_is_true(json_object_get(root, "https"));
    run->pid = number(root, "pid");
    run->started_s = json_integer_value(json_object_get(root, "started_s"));
    for (size_t i = 0; i < json_array_size(list) && i < CLI_PROCESSES_MAX; i++)
        read_process(json_array_get(list, i), &run->processes[run->process_count++]);
    json_decref(root);
    return run->pid > 0;
}

bool cli_run_read(const char *home, struct cli_run *ret_run, struct aion_err *err)
{
    struct aion_buf text;
    struct aion_err why = {.code = AION_OK};
    char path[CLI_PATH_MAX];
    *ret_run = (struct cli_run){.pid = 0};
    aion_buf_init(&text, RUN_MAX);
    bool good = cli_path(path, home, "run.json") && aion_file_read(path, &text, &why) &&
                parse(&text, ret_run) && kill(ret_run->pid, 0) == 0;
    aion_buf_done(&text);
    if (good)
        return true;
    if (why.code == AION_DENIED) {
        *err = why;
        return false;
    }
    return aion_fail(err, AION_UNAVAILABLE,
                     "no mesh runs in %s; start one by `aion up` (or name its home by --home)",
                     home);
}
