/* Options of the module host. */
#ifndef HOST_CONF_H
#define HOST_CONF_H

#include "base/conf.h"

struct host_conf {
    const char *control; /* address, host:port */
    const char *host_id;
    const char *pool; /* "cpu" */
    const char *modules_dir;
    int64_t slots, warm;
};

extern const struct aion_opt host_options[];
extern const size_t host_option_count;

#endif
