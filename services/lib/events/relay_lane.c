/* One lane of the relay: its cursor is loaded, rows are read behind it and sent, what is
 * acknowledged from the front on moves the cursor. */
#include "events/relay_private.h"

#include <stdlib.h>

enum { ROWS_AT_LEAST = 16 }; /* a read of fewer waits for room, unless the window is small */

/* -- the cursor --------------------------------------------------------------------- */
static void cursor_loaded(struct events_cursor *cursor, const struct aion_err *err)
{
    struct relay_lane *lane = aion_container(cursor, struct relay_lane, mark);
    struct events_relay *relay = lane->relay;
    lane->busy = false;
    if (lane->left) {
        relay_lane_drop_if_idle(lane);
    } else if (err != NULL) {
        relay_trouble(relay, err); /* tried again with the next poll */
    } else {
        lane->loaded = true;
        lane->marked = lane->acked = lane->read = cursor->sequence;
        relay_lane_want(lane);
    }
    relay_go_on(relay);
}

void relay_lane_load(struct relay_lane *lane)
{
    struct events_relay *relay = lane->relay;
    struct aion_err err;
    lane->mark = (struct events_cursor){
        .name = aion_str_of(relay->conf.cursor), .lane = lane->id, .done = cursor_loaded};
    lane->busy = true;
    if (relay->conf.source->cursor_read(relay->conf.source, &lane->mark, &err))
        return;
    lane->busy = false;
    relay_trouble(relay, &err);
}

static void mark_at(struct relay_lane *lane, int64_t at_us)
{
    lane->mark_at_us = at_us;
    aion_list_remove(&lane->unmarked);
    aion_list_add_last(&lane->relay->unmarked, &lane->unmarked);
}

static void cursor_marked(struct events_cursor *cursor, const struct aion_err *err)
{
    struct relay_lane *lane = aion_container(cursor, struct relay_lane, mark);
    struct events_relay *relay = lane->relay;
    lane->busy = false;
    if (err == NULL)
        lane->marked = cursor->sequence;
    else
        relay_trouble(relay, err);
    if (lane->left)
        relay_lane_drop_if_idle(lane);
    else if (lane->acked > lane->marked && (err == NULL || !relay->draining))
        mark_at(lane, relay_now(relay) + relay->conf.mark_us);
    relay_go_on(relay);
}

void relay_lane_mark(struct relay_lane *lane)
{
    struct events_relay *relay = lane->relay;
    struct aion_err err;
    aion_list_remove(&lane->unmarked);
    lane->mark = (struct events_cursor){.name = aion_str_of(relay->conf.cursor),
                                        .lane = lane->id,
                                        .sequence = lane->acked,
                                        .done = cursor_marked};
    lane->busy = true;
    if (relay->conf.source->cursor_put(relay->conf.source, &lane->mark, &err))
        return;
    lane->busy = false;
    relay_trouble(relay, &err);
    if (!relay->draining) /* a drain does not wait for a store that refuses */
        mark_at(lane, relay_now(relay) + relay->conf.poll_us);
}

/* -- acknowledgements --------------------------------------------------------------- */
static void item_free(struct events_relay *relay, struct relay_item *item)
{
    aion_list_remove(&item->link);
    aion_list_add_last(&relay->free_items, &item->link);
    relay->free_count++;
}

/* Moves `acked` over what is acknowledged without a gap. */
static void take_acked(struct relay_lane *lane)
{
    struct events_relay *relay = lane->relay;
    uint64_t before = lane->acked;
    struct aion_link *link;
    while ((link = aion_list_first(&lane->items)) != NULL) {
        struct relay_item *item = aion_container(link, struct relay_item, link);
        if (!item->acked)
            break;
        if (item->last) {
            lane->acked = item->post.record.sequence;
            relay->stats.rows++;
        }
        item_free(relay, item);
    }
    if (lane->acked > before && !lane->busy && !lane->left && aion_list_empty(&lane->unmarked))
        mark_at(lane, relay_now(relay) + relay->conf.mark_us);
}

static void record_done(struct events_post *post, const struct aion_err *err)
{
    struct relay_item *item = aion_container(post, struct relay_item, post);
    struct relay_lane *lane = item->lane;
    struct events_relay *relay = lane->relay;
    relay->under_way--;
    relay->bytes -= item->bytes;
    relay->full = false;
    item->acked = err == NULL;
    item->failed = err != NULL;
    if (err == NULL)
        relay_acknowledged(relay);
    else
        relay_fail(relay, err);
    if (lane->left)
        item_free(relay, item);
    else
        take_acked(lane);
    relay_lane_drop_if_idle(lane);
    relay_go_on(relay);
}

/* -- sending ------------------------------------------------------------------------ */
static struct relay_item *item_take(struct relay_lane *lane, const struct events_record *record)
{
    struct events_relay *relay = lane->relay;
    struct aion_link *link = aion_list_first(&relay->free_items);
    if (link == NULL)
        return NULL; /* a row that was sent in part before has taken it */
    struct relay_item *item = aion_container(link, struct relay_item, link);
    aion_list_remove(&item->link);
    relay->free_count--;
    item->lane = lane;
    item->last = item->acked = item->failed = false;
    item->bytes = record->key.size + record->value.size;
    item->post = (struct events_post){.record = *record, .done = record_done};
    aion_list_add_last(&lane->items, &item->link);
    return item;
}

/* The last item of a sent row. */
static bool send_record(struct relay_lane *lane, const struct events_record *record,
                        struct relay_item **ret_item, struct aion_err *err)
{
    struct events_relay *relay = lane->relay;
    size_t bytes = record->key.size + record->value.size;
    if (relay->under_way > 0 && relay->bytes + bytes > relay->conf.window_bytes)
        return aion_fail(err, AION_EXHAUSTED, "window full");
    struct relay_item *item = item_take(lane, record);
    if (item == NULL)
        return aion_fail(err, AION_EXHAUSTED, "window full");
    if (!events_send(relay->conf.sink, &item->post, err)) {
        item_free(relay, item);
        return false;
    }
    relay->under_way++;
    relay->bytes += bytes;
    *ret_item = item;
    return true;
}

/* A row that gives no record is acknowledged by itself, in its place. */
static bool send_row(struct relay_lane *lane, const struct events_row *row,
                     struct aion_err *err)
{
    struct events_relay *relay = lane->relay;
    struct relay_item *item = NULL;
    struct aion_err part;
    size_t count;
    if (!events_encode(&relay->encoder, lane->id, row, &count, &part)) {
        relay->stats.malformed++;
        relay_trouble(relay, &part);
    }
    for (size_t i = 0; i < count; i++)
        if (!send_record(lane, &relay->encoder.records[i], &item, err))
            return false;
    if (count == 0) {
        const struct events_record none = {.sequence = row->sequence, .at_us = row->at_us};
        item = item_take(lane, &none);
        if (item == NULL)
            return aion_fail(err, AION_EXHAUSTED, "window full");
        item->acked = true;
    }
    item->last = true;
    lane->read = row->sequence;
    return true;
}

/* False: the rest must be read again. */
static bool send_rows(struct relay_lane *lane, const struct events_read *read)
{
    struct events_relay *relay = lane->relay;
    struct aion_err err;
    for (size_t i = 0; i < read->count; i++) {
        if (send_row(lane, &read->rows[i], &err))
            continue;
        if (err.code != AION_EXHAUSTED)
            relay_fail(relay, &err);
        else if (relay->under_way > 0)
            relay->full = true; /* until a record is done */
        else                    /* full of somebody else's: nothing of ours will tell */
            relay->read_at_us = relay_now(relay) + relay->conf.linger_us;
        return false;
    }
    return true;
}

/* -- reading ------------------------------------------------------------------------ */
void relay_lane_want(struct relay_lane *lane)
{
    struct events_relay *relay = lane->relay;
    if (lane->reading) {
        lane->again = true;
        return;
    }
    if (!aion_list_empty(&lane->wanting))
        return;
    if (aion_list_empty(&relay->wanting) && relay->read_at_us <= relay_now(relay))
        relay->read_at_us = relay_now(relay) + relay->conf.linger_us;
    aion_list_add_last(&relay->wanting, &lane->wanting);
}

/* Before the linger's time, as there is more for sure. */
static void want_at_once(struct relay_lane *lane)
{
    aion_list_remove(&lane->wanting);
    aion_list_add_last(&lane->relay->wanting, &lane->wanting);
}

static void read_failed(struct relay_lane *lane, const struct aion_err *err)
{
    /* rows that do not fit in memory together fit one by one */
    if (err->code == AION_EXHAUSTED && lane->limit > 1)
        lane->limit /= 2;
    else
        relay_trouble(lane->relay, err);
    relay_lane_want(lane);
}

static void use_rows(struct relay_lane *lane, const struct events_read *read)
{
    lane->limit = lane->relay->conf.batch_rows;
    if (read->newest > lane->newest)
        lane->newest = read->newest;
    /* the lane was rewound meanwhile: these rows would leave a gap */
    bool whole = read->after == lane->read && send_rows(lane, read);
    if (lane->relay->halted)
        return;       /* rewound when it begins anew */
    take_acked(lane); /* rows without records */
    if (!whole || read->more)
        want_at_once(lane);
    else if (lane->again)
        relay_lane_want(lane);
}

static void rows_read(struct events_read *op, const struct aion_err *err)
{
    struct relay_read *read = aion_container(op, struct relay_read, op);
    struct events_relay *relay = read->relay;
    struct relay_lane *lane = read->lane;
    relay->reserved -= read->reserved;
    relay->reading--;
    lane->reading = false;
    read->lane = NULL;
    if (err == NULL && !lane->left && !relay->halted && !relay->draining)
        use_rows(lane, op);
    else if (err != NULL && !lane->left)
        read_failed(lane, err);
    lane->again = false;
    aion_arena_reset(&read->arena);
    relay_lane_drop_if_idle(lane);
    relay_go_on(relay);
}

static struct relay_read *unused_read(struct events_relay *relay)
{
    for (size_t i = 0; i < RELAY_READS; i++)
        if (relay->reads[i].lane == NULL)
            return &relay->reads[i];
    return NULL;
}

/* How many rows may be read now; 0: none. */
static uint32_t room_for(const struct relay_lane *lane)
{
    const struct events_relay *relay = lane->relay;
    size_t room = (relay->free_count - relay->reserved) / EVENTS_PER_ROW;
    size_t enough = relay->conf.window_records / (4 * EVENTS_PER_ROW);
    if (room < (enough < ROWS_AT_LEAST ? enough : ROWS_AT_LEAST) ||
        relay->bytes >= relay->conf.window_bytes)
        return 0;
    return room < lane->limit ? (uint32_t)room : lane->limit;
}

bool relay_lane_read(struct relay_lane *lane)
{
    struct events_relay *relay = lane->relay;
    struct relay_read *read = unused_read(relay);
    uint32_t rows = room_for(lane);
    struct aion_err err;
    if (read == NULL || rows == 0)
        return false;
    aion_list_remove(&lane->wanting);
    read->op = (struct events_read){.lane = lane->id,
                                    .after = lane->read,
                                    .limit = rows,
                                    .arena = &read->arena,
                                    .done = rows_read};
    read->relay = relay;
    read->lane = lane;
    read->reserved = rows * EVENTS_PER_ROW;
    relay->reserved += read->reserved;
    relay->reading++;
    lane->reading = true;
    if (relay->conf.source->read(relay->conf.source, &read->op, &err))
        return true;
    relay->reserved -= read->reserved;
    relay->reading--;
    lane->reading = false;
    read->lane = NULL;
    read_failed(lane, &err);
    return false;
}

/* -- anew, and the end -------------------------------------------------------------- */
void relay_lane_leave(struct relay_lane *lane)
{
    lane->left = true;
    aion_list_remove(&lane->wanting);
    aion_list_remove(&lane->unmarked);
    aion_list_each_safe (link, &lane->items) {
        struct relay_item *item = aion_container(link, struct relay_item, link);
        if (item->acked || item->failed)
            item_free(lane->relay, item);
    }
    relay_lane_drop_if_idle(lane);
}

void relay_lane_rewind(struct relay_lane *lane)
{
    aion_list_each_safe (link, &lane->items) {
        item_free(lane->relay, aion_container(link, struct relay_item, link));
    }
    lane->read = lane->acked;
    if (lane->loaded)
        relay_lane_want(lane);
}

void relay_lane_drop_if_idle(struct relay_lane *lane)
{
    if (!lane->left || lane->busy || lane->reading || !aion_list_empty(&lane->items))
        return;
    aion_list_remove(&lane->all);
    free(lane);
}
