/* Binds the generated tables to the handlers. */
#include "control_private.h"

const struct aion_v1_aion_tasks_server control_tasks_table = AION_V1_AION_TASKS_SERVER(control);
const struct aion_v1_hosts_server control_hosts_table = AION_V1_HOSTS_SERVER(control);
const struct aion_v1_state_server control_state_table = AION_V1_STATE_SERVER(control_state);
const struct aion_v1_budgets_server control_budgets_table = AION_V1_BUDGETS_SERVER(control);
const struct aion_v1_events_server control_events_table = AION_V1_EVENTS_SERVER(control);

const struct aion_v1_ops_server control_ops_table = AION_V1_OPS_SERVER(control_ops);

/* Of Modules and Keys every method is unstable: the runtime answers UNIMPLEMENTED. */
static const struct aion_v1_modules_server modules_table = AION_V1_MODULES_SERVER(control);
static const struct aion_v1_keys_server keys_table = AION_V1_KEYS_SERVER(control);

void control_bind(struct control *control, struct mesh_server *server)
{
    mesh_server_bind(server, &aion_v1_aion_tasks_type, &control_tasks_table, control);
    mesh_server_bind(server, &aion_v1_hosts_type, &control_hosts_table, control);
    mesh_server_bind(server, &aion_v1_state_type, &control_state_table, control);
    mesh_server_bind(server, &aion_v1_budgets_type, &control_budgets_table, control);
    mesh_server_on_failed(server, control_audit_failed, control);
    mesh_server_bind(server, &aion_v1_events_type, &control_events_table, control);
    mesh_server_bind(server, &aion_v1_modules_type, &modules_table, control);
    mesh_server_bind(server, &aion_v1_keys_type, &keys_table, control);
    mesh_server_bind(server, &aion_v1_ops_type, &control_ops_table, control);
}
