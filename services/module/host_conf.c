#include "host_conf.h"

#define AT(member) offsetof(struct host_conf, member)

const struct aion_opt host_options[] = {
    {"control", AION_OPT_TEXT, "127.0.0.1:8081", 0, 0, false, false, "AION_CONTROL",
     "address of a control, host:port; the others are learned from it", AT(control)},
    {"host_id", AION_OPT_TEXT, "host-1", 0, 0, false, false, NULL,
     "name of this host, the same over restarts", AT(host_id)},
    {"pool", AION_OPT_TEXT, "cpu", 0, 0, false, false, NULL, "pool that policies send work to",
     AT(pool)},
    {"labels", AION_OPT_TEXT, "", 0, 0, false, false, NULL,
     "what policies may ask of a host: gpu=true,zone=a", AT(labels)},
    {"modules_dir", AION_OPT_TEXT, "modules", 0, 0, false, false, NULL,
     "folder of modules: NAME/module.yaml and the executable", AT(modules_dir)},
    {"slots", AION_OPT_INT, "4", 1, 256, false, false, NULL, "tasks that run at once",
     AT(slots)},
    {"warm", AION_OPT_INT, "1", 0, 64, false, false, NULL, "idle processes kept per module",
     AT(warm)},
};
const size_t host_option_count = aion_countof(host_options);

static bool part_valid(aion_str part)
{
    for (size_t i = 0; i < part.size; i++) {
        char c = part.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return part.size >= 1 && part.size <= 64;
}

bool host_labels_next(aion_str *rest, aion_str *ret_name, aion_str *ret_value)
{
    aion_str value = aion_str_trim(aion_str_cut(rest, ','));
    *ret_name = aion_str_cut(&value, '=');
    *ret_value = value;
    return part_valid(*ret_name) && value.data != NULL && part_valid(value);
}

bool host_conf_check(const void *conf_, struct aion_err *err)
{
    const struct host_conf *conf = conf_;
    aion_str rest = aion_str_of(conf->labels), name, value;
    size_t count = 0;
    if (rest.size == 0)
        return true;
    while (rest.data != NULL)
        if (!host_labels_next(&rest, &name, &value) || ++count > HOST_LABELS_MAX)
            return aion_fail(
                err, AION_INVALID,
                "labels \"%s\": expected at most %d of NAME=VALUE, as gpu=true,zone=a",
                conf->labels, (int)HOST_LABELS_MAX);
    return true;
}
