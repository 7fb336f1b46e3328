/* Ageing: what waits climbs one class per step, so that no class starves another.
 *
 * A task that asked for class a and came at t is in class a - k from t + k * step on. The tasks
 * of a pool that asked for a and have climbed k classes are in one list, in the order in which
 * they came, so that only heads are looked at. They climb before a task is picked: at most
 * SCHED_CLIMBS_MAX then, one class each, those first that reach the top.
 *
 * The bound. A task that came at t is in the most urgent class at t + a * step, or a few starts
 * of its pool later: a of them, and one for every SCHED_CLIMBS_MAX climbs that were due before
 * its own. There its tenant is served in its turn (sched_share.c), and of its tenant's tasks
 * only those are before it that are in that class already. So it starts, whatever comes into
 * the most urgent class after it. */
#include "sched_private.h"

void control_sched_age_add(struct control_sched_pool *pool, struct control_sched_item *item)
{
    aion_list_add_last(&pool->ages[item->asked][item->asked - item->class], &item->age);
}

static void climb(struct control_sched *sched, struct control_sched_item *item)
{
    struct control_sched_lane *lane = item->flow->lane;
    struct control_sched_flow *rest = control_sched_flow_pull(item);
    if (rest != NULL)
        control_sched_flow_place(rest);
    aion_list_remove(&item->age);
    control_sched_flow_push(sched, lane, item->gate, item, item->class - 1u);
    control_sched_age_add(lane->pool, item);
}

static unsigned climb_list(struct control_sched *sched, struct control_sched_pool *pool,
                           unsigned asked, unsigned climbed, int64_t before_us, unsigned most)
{
    struct aion_link *link;
    unsigned done = 0;
    while (done < most && (link = aion_list_first(&pool->ages[asked][climbed])) != NULL) {
        struct control_sched_item *item = aion_container(link, struct control_sched_item, age);
        if (item->since_us > before_us)
            break;
        climb(sched, item);
        done++;
    }
    return done;
}

void control_sched_age(struct control_sched *sched, struct control_sched_pool *pool,
                       int64_t now_us)
{
    int64_t step_us = sched->conf.ageing_step_us;
    unsigned left = SCHED_CLIMBS_MAX;
    for (unsigned from = 1; step_us > 0 && from < SCHED_CLASSES; from++)
        for (unsigned asked = from; asked < SCHED_CLASSES; asked++) {
            unsigned climbed = asked - from;
            left -= climb_list(sched, pool, asked, climbed,
                               now_us - (int64_t)(climbed + 1) * step_us, left);
        }
}
