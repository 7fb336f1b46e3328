/* Options of the module host. */
#ifndef HOST_CONF_H
#define HOST_CONF_H

#include "base/conf.h"

enum { HOST_LABELS_MAX = 16 };

struct host_conf {
    const char *control; /* address, host:port */
    const char *host_id;
    const char *pool;   /* "cpu" */
    const char *labels; /* "gpu=true,zone=a" */
    const char *modules_dir;
    int64_t slots, warm;
};

extern const struct aion_opt host_options[];
extern const size_t host_option_count;
/* What one option cannot say alone. */
bool host_conf_check(const void *conf, struct aion_err *err);
/* Cuts the first label off the text; false: it is malformed. */
bool host_labels_next(aion_str *rest, aion_str *ret_name, aion_str *ret_value);

#endif
