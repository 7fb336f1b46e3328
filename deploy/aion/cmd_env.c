/* aion env: shell variables of a running mesh; eval "$(aion env)". */
#include "cli.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"--home", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_env = {"env", "[--home DIR]", "print shell variables of the mesh",
                                    words, run};

/* In single quotes; a quote inside ends, escapes and begins them anew. */
static void export_text(const char *name, const char *value)
{
    printf("export %s='", name);
    for (; *value != '\0'; value++)
        if (*value == '\'')
            printf("'\\''");
        else
            putchar(*value);
    printf("'\n");
}

static void export_address(const struct cli_run *run_, const char *name, const char *process)
{
    char text[64];
    const struct cli_process *found = cli_run_process(run_, process);
    snprintf(text, sizeof(text), "127.0.0.1:%d", found != NULL ? found->port : 0);
    export_text(name, text);
}

static void export_pids(const struct cli_run *mesh)
{
    char text[1024] = "";
    for (size_t i = 0; i < mesh->process_count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s=%d", i > 0 ? " " : "",
                 mesh->processes[i].name, mesh->processes[i].pid);
    }
    export_text("AION_PIDS", text);
}

/* The secret of the first key of the file. */
static bool export_key(const struct cli_run *mesh, struct aion_err *err)
{
    struct aion_buf text;
    aion_buf_init(&text, 65536);
    bool good = aion_file_read(mesh->api_key_file, &text, err);
    if (good) {
        size_t end = strcspn(text.data, ":@\n");
        text.data[end] = '\0';
        export_text("AION_API_KEY", text.data);
    }
    aion_buf_done(&text);
    return good;
}

static void export_file(const struct cli_run *mesh, const char *name, const char *file)
{
    char path[CLI_PATH_MAX];
    if (cli_path(path, mesh->home, file))
        export_text(name, path);
}

static int run(int argc, char **argv)
{
    struct cli_args args = {argc, argv, 1};
    struct cli_run mesh;
    struct aion_err err;
    char path[CLI_PATH_MAX], url[CLI_URL_MAX];
    const char *home = NULL, *value;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) == NULL)
            return cli_unexpected(&cli_env, &args);
        home = value;
    }
    if (!cli_home(home, path, &err) || !cli_run_read(path, &mesh, &err))
        return cli_error(&err);
    export_text("AION_HOME", mesh.home);
    export_text("AION_URL", cli_run_url(&mesh, url));
    if (!export_key(&mesh, &err))
        return cli_error(&err);
    export_address(&mesh, "AION_CONTROL", "control");
    export_address(&mesh, "AION_ROUTER", "router");
    export_address(&mesh, "AION_RETENTION", "retention");
    export_address(&mesh, "AION_HOSTS", "host-1");
    export_file(&mesh, "AION_CA", "tls/ca.crt");
    export_file(&mesh, "AION_CERT", "tls/user-admin.crt");
    export_file(&mesh, "AION_KEY", "tls/user-admin.key");
    export_pids(&mesh);
    return CLI_OK;
}
