/* Options of the router. */
#ifndef ROUTER_CONF_H
#define ROUTER_CONF_H

#include "base/conf.h"

struct router_conf {
    const char *policy_dir; /* *.yaml files */
    const char *control;    /* address of control, which keeps the revisions */
};

extern const struct aion_opt router_options[];
extern const size_t router_option_count;

#endif
