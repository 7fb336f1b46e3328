#include "cli_mesh.h"

bool cli_mesh_find(struct cli_mesh *mesh, const char *home, struct aion_err *err)
{
    static const char *const names[] = {"control", "router", "retention"};
    const char **to[] = {&mesh->options.control, &mesh->options.router,
                         &mesh->options.retention};
    mesh->options = (struct tui_options){.control = NULL};
    if (!cli_client_find(&mesh->client, home, err))
        return false;
    for (size_t i = 0; i < aion_countof(names); i++)
        if (cli_client_target(&mesh->client, names[i], mesh->targets[i]))
            *to[i] = mesh->targets[i];
    mesh->options.tls = &mesh->client.tls;
    return true;
}
