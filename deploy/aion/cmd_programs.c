/* The programs as subcommands. */
#include "cli.h"

#include "control_main.h"
#include "gateway_main.h"
#include "module_main.h"
#include "retention_main.h"
#include "router_main.h"

static const char *const words[] = {
    "--help", "--version", "--check-config", "--config", "--listen", "--admin-listen", NULL};

const struct cli_command cli_gateway = {"gateway", "[--help] [OPTIONS]", "run the HTTP gateway",
                                        words, gw_run};
const struct cli_command cli_control = {"control", "[--help] [OPTIONS]", "run control", words,
                                        control_run};
const struct cli_command cli_router = {"router", "[--help] [OPTIONS]", "run the router", words,
                                       router_run};
const struct cli_command cli_host = {"host", "[--help] [OPTIONS]", "run a module host", words,
                                     module_run};
const struct cli_command cli_retention = {"retention", "[--help] [OPTIONS]", "run retention",
                                          words, retention_run};
