/* The relay's phases (running, halted after a failure, draining) and its one timer. */
#include "events/relay.h"

#include "events/relay_private.h"

#include <stdlib.h>

enum { READ_ARENA_MAX = 16 << 20 };

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_defaults(struct events_relay_conf *conf)
{
    conf->window_records = (uint32_t)or_default(conf->window_records, 8192);
    conf->window_bytes = (size_t)or_default((int64_t)conf->window_bytes, 32 << 20);
    conf->batch_rows = (uint32_t)or_default(conf->batch_rows, 512);
    conf->linger_us = or_default(conf->linger_us, 10000);
    conf->poll_us = or_default(conf->poll_us, 1000000);
    conf->mark_us = or_default(conf->mark_us, 100000);
    conf->wait_first_us = or_default(conf->wait_first_us, 200000);
    conf->wait_longest_us = or_default(conf->wait_longest_us, 5000000);
}

static void make_items(struct events_relay *relay)
{
    relay->items = calloc(relay->conf.window_records, sizeof(*relay->items));
    if (relay->items == NULL)
        abort();
    aion_list_init(&relay->free_items);
    for (size_t i = 0; i < relay->conf.window_records; i++) {
        relay->items[i].relay = relay;
        aion_list_add_last(&relay->free_items, &relay->items[i].link);
    }
    relay->free_count = relay->conf.window_records;
}

struct events_relay *events_relay_new(const struct events_relay_conf *conf)
{
    struct events_relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL)
        abort();
    relay->conf = *conf;
    set_defaults(&relay->conf);
    relay->batch = relay->conf.batch_rows;
    relay_each_lane(relay, lane)
    {
        aion_list_init(&lane->items);
    }
    make_items(relay);
    aion_arena_init(&relay->read_arena, READ_ARENA_MAX, NULL, 0);
    events_encoder_init(&relay->encoder);
    aion_rand_seed(&relay->rand, conf->seed);
    relay->poll_at_us = relay_now(relay) + relay->conf.poll_us;
    return relay;
}

void events_relay_free(struct events_relay *relay)
{
    if (relay == NULL)
        return;
    aion_arena_done(&relay->read_arena);
    events_encoder_done(&relay->encoder);
    free(relay->items);
    free(relay);
}

/* -- lanes -------------------------------------------------------------------------- */
void events_relay_take(struct events_relay *relay, uint64_t lanes)
{
    uint64_t fresh = lanes & ~relay->taken;
    relay->taken |= fresh;
    relay->unloaded |= fresh;
    relay_load(relay);
    relay_go_on(relay);
}

static void leave_lane(struct events_relay *relay, struct relay_lane *lane)
{
    aion_list_each_safe (link, &lane->items) {
        struct relay_item *item = aion_container(link, struct relay_item, link);
        aion_list_remove(&item->link);
        item->left = true;
        if (item->acked || item->failed)
            relay_item_free(relay, item);
    }
    lane->marked = lane->acked = lane->read = lane->woken = 0;
}

void events_relay_leave(struct events_relay *relay, uint64_t lanes)
{
    if (!relay->marking && relay_unmarked(relay))
        relay_mark(relay); /* so that the next one repeats the less */
    for (uint32_t i = 0; i < EVENTS_LANES; i++)
        if ((lanes & relay->taken & relay_bit(i)) != 0)
            leave_lane(relay, &relay->lanes[i]);
    relay->taken &= ~lanes;
    relay->unloaded &= ~lanes;
    relay->wanting &= ~lanes;
    relay->again &= ~lanes;
    relay_go_on(relay);
}

void events_relay_wake(struct events_relay *relay, uint32_t lane_number, uint64_t sequence)
{
    struct relay_lane *lane = &relay->lanes[lane_number];
    if ((relay->taken & ~relay->unloaded & relay_bit(lane_number)) == 0 ||
        sequence <= lane->read)
        return; /* it is read as soon as its cursor is known; or was already */
    relay_unread(lane, sequence);
    relay_want(relay, relay_bit(lane_number));
    relay_go_on(relay);
}

/* -- failing ------------------------------------------------------------------------ */
static void tell(struct events_relay *relay, enum events_relay_state state,
                 const struct aion_err *err)
{
    if (relay->conf.changed != NULL)
        relay->conf.changed(relay->conf.user, state, err);
}

void relay_trouble(struct events_relay *relay, const struct aion_err *err)
{
    if (relay->conf.trouble != NULL)
        relay->conf.trouble(relay->conf.user, err);
}

void relay_fail(struct events_relay *relay, uint32_t lane, uint64_t sequence,
                const struct aion_err *err)
{
    if (relay->halted)
        return; /* the others of the same failure */
    relay->halted = true;
    relay->retry_at_us = 0;
    relay->error = *err;
    relay->failed_lane = lane;
    relay->failed_sequence = sequence;
    relay->stats.failures++;
    relay->conf.sink->ops->reset(relay->conf.sink);
    if (!relay->failing) {
        relay->failing = true;
        tell(relay, EVENTS_RELAY_FAILED, err);
    }
}

/* Records before the one that fails may go through again and again: only it counts. */
void relay_acknowledged(struct events_relay *relay)
{
    bool ours = (relay->taken & relay_bit(relay->failed_lane)) != 0;
    if (!relay->failing || relay->halted ||
        (ours && relay->lanes[relay->failed_lane].acked < relay->failed_sequence))
        return;
    relay->wait_us = 0;
    relay->failing = false;
    tell(relay, relay->draining ? EVENTS_RELAY_DRAINING : EVENTS_RELAY_RUNNING, NULL);
}

/* Doubled each time, with up to a quarter less, so that several relays do not come together. */
static void set_retry(struct events_relay *relay)
{
    int64_t longest = relay->conf.wait_longest_us;
    relay->wait_us = relay->wait_us == 0 ? relay->conf.wait_first_us : relay->wait_us * 2;
    if (relay->wait_us > longest)
        relay->wait_us = longest;
    int64_t less = (int64_t)aion_rand_below(&relay->rand, (uint64_t)(relay->wait_us / 4 + 1));
    relay->retry_at_us = relay_now(relay) + relay->wait_us - less;
}

/* -- going on ----------------------------------------------------------------------- */
static void check_drained(struct events_relay *relay)
{
    if (!relay->draining || relay->drained == NULL || relay->under_way > 0 || relay->reading ||
        relay->loading || relay->marking || relay->mark_at_us != 0)
        return;
    void (*drained)(void *user) = relay->drained;
    relay->drained = NULL;
    drained(relay->conf.user);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_time(struct events_relay *relay)
{
    int64_t at = relay->poll_at_us;
    if (relay->retry_at_us != 0)
        at = least(at, relay->retry_at_us);
    /* a read that waits for room or for another read is begun when that ends */
    if (!relay->halted && relay->wanting != 0 && relay->read_at_us > relay_now(relay))
        at = least(at, relay->read_at_us);
    if (relay->mark_at_us != 0 && !relay->marking)
        at = least(at, relay->mark_at_us);
    return at;
}

void relay_go_on(struct events_relay *relay)
{
    if (relay->halted && relay->under_way == 0 && relay->retry_at_us == 0)
        set_retry(relay);
    relay_read(relay);
    if (relay->mark_at_us != 0 && !relay->marking &&
        (relay->mark_at_us <= relay_now(relay) || relay->draining))
        relay_mark(relay);
    check_drained(relay);
    int64_t at = next_time(relay);
    if (at != relay->armed_us) {
        relay->armed_us = at;
        relay->conf.arm(relay->conf.user, at);
    }
}

void events_relay_run(struct events_relay *relay)
{
    int64_t now = relay_now(relay);
    relay->armed_us = 0;
    if (relay->retry_at_us != 0 && relay->retry_at_us <= now) {
        relay->halted = false;
        relay->retry_at_us = 0;
        relay_rewind(relay);
    }
    if (relay->poll_at_us <= now) {
        relay->poll_at_us = now + relay->conf.poll_us;
        relay_load(relay);
        relay_want(relay, relay->taken & ~relay->unloaded);
    }
    relay_go_on(relay);
}

void events_relay_drain(struct events_relay *relay, void (*drained)(void *user))
{
    relay->draining = true;
    relay->drained = drained;
    relay_go_on(relay);
}

/* -- figures ------------------------------------------------------------------------ */
static void add_lane(struct events_relay_stats *stats, struct relay_lane *lane)
{
    stats->lag += lane->woken;
    aion_list_each (link, &lane->items) {
        stats->lag += aion_container(link, struct relay_item, link)->last;
    }
    struct aion_link *link = aion_list_first(&lane->items);
    if (link == NULL)
        return;
    int64_t at_us = aion_container(link, struct relay_item, link)->post.record.at_us;
    if (stats->oldest_us == 0 || at_us < stats->oldest_us)
        stats->oldest_us = at_us;
}

struct events_relay_stats events_relay_stats(const struct events_relay *relay)
{
    struct events_relay_stats stats = relay->stats;
    stats.state = relay->failing    ? EVENTS_RELAY_FAILED
                  : relay->draining ? EVENTS_RELAY_DRAINING
                                    : EVENTS_RELAY_RUNNING;
    stats.error = relay->failing ? relay->error.text : "";
    stats.under_way = relay->under_way;
    stats.catching_up = ((relay->catching_up | relay->unloaded) & relay->taken) != 0;
    for (uint32_t i = 0; i < EVENTS_LANES; i++)
        add_lane(&stats, (struct relay_lane *)(uintptr_t)&relay->lanes[i]);
    return stats;
}
