#include "router_conf.h"

const struct aion_opt router_options[] = {
    {"policy_dir", AION_OPT_TEXT, "policies", 0, 0, false, false, NULL,
     "folder of the policy's *.yaml files", offsetof(struct router_conf, policy_dir)},
    {"control", AION_OPT_TEXT, "127.0.0.1:8081", 0, 0, false, false, "AION_CONTROL",
     "address of control, host:port", offsetof(struct router_conf, control)},
};
const size_t router_option_count = aion_countof(router_options);
