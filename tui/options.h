/* What the console is told when it starts. */
#ifndef TUI_OPTIONS_H
#define TUI_OPTIONS_H

#include "mesh/identity.h"

struct tui_options {
    const char *control, *router, *retention; /* "127.0.0.1:8081"; NULL = not there */
    const struct mesh_tls *tls;               /* NULL: plain text on loopback, for tests */
    const char *theme;                        /* NULL = dark */
    const char *settings_file;                /* must exist when it was named */
    bool settings_named, ascii;
};

#endif
