#include "host_conf.h"

#define AT(member) offsetof(struct host_conf, member)

const struct aion_opt host_options[] = {
    {"control", AION_OPT_TEXT, "127.0.0.1:8081", 0, 0, false, false, "AION_CONTROL",
     "address of a control, host:port; the others are learned from it", AT(control)},
    {"host_id", AION_OPT_TEXT, "host-1", 0, 0, false, false, NULL,
     "name of this host, the same over restarts", AT(host_id)},
    {"pool", AION_OPT_TEXT, "cpu", 0, 0, false, false, NULL, "pool that policies send work to",
     AT(pool)},
    {"modules_dir", AION_OPT_TEXT, "modules", 0, 0, false, false, NULL,
     "folder of modules: NAME/module.yaml and the executable", AT(modules_dir)},
    {"slots", AION_OPT_INT, "4", 1, 256, false, false, NULL, "tasks that run at once",
     AT(slots)},
    {"warm", AION_OPT_INT, "1", 0, 64, false, false, NULL, "idle processes kept per module",
     AT(warm)},
};
const size_t host_option_count = aion_countof(host_options);
