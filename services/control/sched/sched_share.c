/* Weighted deficit round robin between the tenants of a class in a pool.
 *
 * Rounds are numbered. In each, a tenant is given a quantum of one microsecond of work per
 * weight, and may start tasks while it has credit; a task takes its cost off, so the credit may
 * end below zero, and the tenant waits for the round in which the debt is paid. Rounds in which
 * nobody has credit are not walked through: the heap by (round, turn) steps over them, so a
 * small quantum costs nothing, and a turn is as short as it can be: with weight 1, one task.
 *
 * While two tenants both wait and could be served, what they were served divided by their
 * weights differs by no more than one task of each: a tenant starts a task only in a round no
 * later than the other's, and its own round then moves on by the task's cost over its weight.
 *
 * A tenant that comes back joins in the present round, or where its debt is paid when that is
 * later: leaving for a moment pays nothing. Credit is not saved up: one that could not be
 * served for long (parked, or no host) has the first turn, then is in the present round like
 * others. */
#include "sched_private.h"

static void next_turn(struct control_sched *sched, struct control_sched_share *share,
                      uint64_t round, int64_t credit)
{
    share->round = round;
    share->credit = credit;
    share->turn = ++sched->next_turn;
}

void control_sched_share_grow(struct control_sched *sched, struct control_sched_member *member,
                              unsigned class)
{
    struct control_sched_share *share = &member->shares[class];
    struct control_sched_pool *pool = member->pool;
    if (share->count++ > 0)
        return;
    pool->weights[class] += member->tenant->weight;
    if (share->turn == 0 || share->round < pool->rounds[class])
        next_turn(sched, share, pool->rounds[class], member->tenant->weight);
}

void control_sched_share_shrink(struct control_sched_member *member, unsigned class)
{
    if (--member->shares[class].count == 0)
        member->pool->weights[class] -= member->tenant->weight;
}

void control_sched_share_serve(struct control_sched *sched, struct control_sched_member *member,
                               unsigned class, int64_t cost_us)
{
    struct control_sched_share *share = &member->shares[class];
    uint64_t *present = &member->pool->rounds[class];
    int64_t quantum = member->tenant->weight, credit = share->credit - cost_us;
    int64_t rounds = credit > 0 ? 0 : -credit / quantum + 1;
    if (share->round > *present)
        *present = share->round;
    if (rounds == 0 && share->round == *present)
        share->credit = credit;
    else
        next_turn(sched, share, *present + (uint64_t)rounds, credit + rounds * quantum);
    aion_list_each (link, &share->flows)
        control_sched_flow_place(aion_container(link, struct control_sched_flow, of_share));
}

/* A debt is of work, not of rounds. */
static void weigh_share(struct control_sched_member *member, unsigned class, uint32_t weight)
{
    struct control_sched_share *share = &member->shares[class];
    uint64_t present = member->pool->rounds[class], was = member->tenant->weight;
    if (share->count > 0) {
        member->pool->weights[class] += weight;
        member->pool->weights[class] -= was;
    }
    if (share->round > present)
        share->round = present + (share->round - present) * was / weight;
    if (share->credit > weight)
        share->credit = weight;
    aion_list_each (link, &share->flows)
        control_sched_flow_place(aion_container(link, struct control_sched_flow, of_share));
}

void control_sched_tenant_weigh(struct control_sched_tenant *tenant, uint32_t weight)
{
    if (weight == tenant->weight)
        return;
    aion_list_each (link, &tenant->members)
        for (unsigned each = 0; each < SCHED_CLASSES; each++)
            weigh_share(aion_container(link, struct control_sched_member, link), each, weight);
    tenant->weight = weight;
}
