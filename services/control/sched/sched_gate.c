/* Gates: what a tenant has of an intent on a module, and how much of it may run at once. The
 * flows of a full gate are parked: out of their lanes' heaps, so that nobody looks at them
 * until a slot of theirs is given back. */
#include "sched_private.h"

#include <stdlib.h>

enum { KEY_MAX = 3 * (SCHED_NAME_MAX + 1) };

static aion_str key_of(const struct control_sched_place *place, char out[KEY_MAX])
{
    const aion_str parts[] = {place->tenant, place->intent, place->module};
    size_t size = 0;
    for (size_t i = 0; i < aion_countof(parts); i++) {
        size_t part = parts[i].size < SCHED_NAME_MAX ? parts[i].size : SCHED_NAME_MAX;
        if (part > 0)
            memcpy(out + size, parts[i].data, part);
        size += part;
        out[size++] = '\0';
    }
    return aion_str_n(out, size);
}

static void name_it(struct control_sched_gate *gate, aion_str key)
{
    memcpy((char *)(gate + 1), key.data, key.size);
    gate->name = aion_str_n(gate + 1, key.size);
    aion_str rest = gate->name;
    (void)aion_str_cut(&rest, '\0');
    gate->intent = aion_str_cut(&rest, '\0');
    gate->module = aion_str_cut(&rest, '\0');
}

struct control_sched_gate *control_sched_gate_of(struct control_sched *sched,
                                                 const struct control_sched_place *place)
{
    char text[KEY_MAX];
    aion_str key = key_of(place, text);
    struct control_sched_gate *gate = aion_map_get(&sched->gates_by_name, key);
    if (gate != NULL)
        return gate;
    gate = calloc(1, sizeof(*gate) + key.size);
    if (gate == NULL)
        abort();
    name_it(gate, key);
    gate->tenant = control_sched_tenant_of(sched, place->tenant);
    gate->limit =
        control_sched_rules_limit(sched->rules, gate->tenant->name, gate->intent, gate->module);
    aion_list_init(&gate->flows);
    aion_list_add_last(&gate->tenant->gates, &gate->link);
    if (!aion_map_put(&sched->gates_by_name, gate->name, gate))
        abort();
    return gate;
}

void control_sched_gate_drop(struct control_sched *sched, struct control_sched_gate *gate)
{
    struct control_sched_tenant *tenant = gate->tenant;
    if (gate->waiting == 0 && gate->running == 0) {
        (void)aion_map_remove(&sched->gates_by_name, gate->name);
        aion_list_remove(&gate->link);
        free(gate);
    }
    control_sched_tenant_changed(sched, tenant);
}

bool control_sched_gate_full(const struct control_sched_gate *gate)
{
    return gate->limit > 0 && gate->running >= gate->limit;
}

/* Parks or wakes, when it has become full, or is it no more. */
static void turned(struct control_sched_gate *gate, bool was_full)
{
    if (was_full == control_sched_gate_full(gate))
        return;
    aion_list_each (link, &gate->flows)
        control_sched_flow_place(aion_container(link, struct control_sched_flow, of_gate));
}

void control_sched_gate_enter(struct control_sched_item *item)
{
    struct control_sched_gate *gate = item->gate;
    bool was_full = control_sched_gate_full(gate);
    item->counted = true;
    gate->running++;
    gate->tenant->running++;
    turned(gate, was_full);
}

void control_sched_gate_leave(struct control_sched *sched, struct control_sched_item *item)
{
    struct control_sched_gate *gate = item->gate;
    if (!item->counted)
        return;
    bool was_full = control_sched_gate_full(gate);
    item->counted = false;
    item->gate = NULL;
    gate->running--;
    gate->tenant->running--;
    turned(gate, was_full);
    control_sched_gate_drop(sched, gate);
}

void control_sched_gate_limit(struct control_sched_gate *gate, uint32_t limit)
{
    bool was_full = control_sched_gate_full(gate);
    gate->limit = limit;
    turned(gate, was_full);
}
