/* A running mesh as the console and its batch commands want it. */
#ifndef CLI_MESH_H
#define CLI_MESH_H

#include "cli_client.h"

#include "tui_main.h"

struct cli_mesh {
    struct cli_client client;
    struct tui_options options; /* addresses and identity, all into this struct */
    char targets[3][CLI_TARGET_MAX];
};

/* Of the home (NULL: the default). */
bool cli_mesh_find(struct cli_mesh *mesh, const char *home, struct aion_err *err);

#endif
