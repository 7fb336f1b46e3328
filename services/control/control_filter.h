/* Which tasks a manager means: TaskFilter, checked and ready to try tasks with. Pure. */
#ifndef CONTROL_FILTER_H
#define CONTROL_FILTER_H

#include "aion/v1/tasks.pb-c.h"
#include "base/err.h"
#include "base/uuid.h"

enum { FILTER_IDS_MAX = 1000 };

struct control_filter {
    char tenant[65], intent[65], module[64], reason[48]; /* empty = any */
    int64_t after_us, before_us;                         /* of admission; 0 = open */
    struct aion_uuid *ids;                               /* owned; NULL = any */
    size_t id_count;
};

/* What a filter is tried on. */
struct control_subject {
    struct aion_uuid id;
    aion_str tenant, intent, module, reason;
    int64_t created_us;
};

/* `tenant` is the caller's; an admin may name another, or none. INVALID names the field: an id
 * that is none, too many of them, a text too long, nothing set and not `all`. DENIED: another's
 * tenant. NULL filter: everything the caller may see. The filter is to be freed. */
bool control_filter_read(const Aion__V1__TaskFilter *from, aion_str tenant, bool admin,
                         struct control_filter *ret_filter,
                         struct aion_err *err) AION_MUST_CHECK;
void control_filter_free(struct control_filter *filter);
bool control_filter_fits(const struct control_filter *filter,
                         const struct control_subject *subject);

#endif
