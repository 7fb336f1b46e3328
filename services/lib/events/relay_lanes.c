/* The relay's lanes: their cursors are loaded, rows are read behind them and sent, what is
 * acknowledged from the front on moves them. */
#include "events/relay_private.h"

#include "base/failpoint.h"

enum { ROWS_AT_LEAST = 16 }; /* a read of fewer waits for room, unless the window is small */

/* -- cursors ------------------------------------------------------------------------ */
static void cursor_loaded(struct events_cursor *cursor, const struct aion_err *err)
{
    struct events_relay *relay = aion_container(cursor, struct events_relay, load);
    relay->loading = false;
    if (err != NULL) {
        relay_trouble(relay, err); /* tried again with the next poll */
        relay_go_on(relay);
        return;
    }
    uint64_t loaded = relay->unloaded & cursor->lanes;
    for (uint32_t i = 0; i < EVENTS_LANES; i++) {
        struct relay_lane *lane = &relay->lanes[i];
        if ((loaded & relay_bit(i)) != 0)
            lane->marked = lane->acked = lane->read = cursor->sequence[i];
    }
    relay->unloaded &= ~loaded;
    relay->catching_up |= loaded;
    relay_want(relay, loaded);
    relay_load(relay); /* what was taken meanwhile */
    relay_go_on(relay);
}

void relay_load(struct events_relay *relay)
{
    struct aion_err err;
    if (relay->unloaded == 0 || relay->loading || relay->draining)
        return;
    /* read shows all lanes; the set remembers which of them waited when it was asked for: one
     * left and taken again since then must be read anew */
    relay->load = (struct events_cursor){.name = aion_str_of(relay->conf.cursor),
                                         .lanes = relay->unloaded,
                                         .done = cursor_loaded};
    relay->loading = true;
    if (relay->conf.source->cursor_read(relay->conf.source, &relay->load, &err))
        return;
    relay->loading = false;
    relay_trouble(relay, &err);
}

bool relay_unmarked(const struct events_relay *relay)
{
    for (uint32_t i = 0; i < EVENTS_LANES; i++)
        if (relay->lanes[i].acked > relay->lanes[i].marked)
            return true;
    return false;
}

static void cursor_marked(struct events_cursor *cursor, const struct aion_err *err)
{
    struct events_relay *relay = aion_container(cursor, struct events_relay, mark);
    relay->marking = false;
    for (uint32_t i = 0; i < EVENTS_LANES && err == NULL; i++)
        if ((cursor->lanes & relay->taken & relay_bit(i)) != 0 &&
            relay->lanes[i].marked < cursor->sequence[i])
            relay->lanes[i].marked = cursor->sequence[i];
    if (err != NULL)
        relay_trouble(relay, err);
    /* a drain does not wait for a store that refuses */
    if (relay_unmarked(relay) && (err == NULL || !relay->draining))
        relay->mark_at_us = relay_now(relay) + relay->conf.mark_us;
    relay_go_on(relay);
}

void relay_mark(struct events_relay *relay)
{
    struct aion_err err;
    relay->mark_at_us = 0;
    relay->mark =
        (struct events_cursor){.name = aion_str_of(relay->conf.cursor), .done = cursor_marked};
    for (uint32_t i = 0; i < EVENTS_LANES; i++) {
        const struct relay_lane *lane = &relay->lanes[i];
        if (lane->acked <= lane->marked)
            continue;
        relay->mark.lanes |= relay_bit(i);
        relay->mark.sequence[i] = lane->acked;
    }
    if (relay->mark.lanes == 0)
        return; /* they were left */
    relay->marking = true;
    aion_failpoint("events/before_mark");
    if (relay->conf.source->cursor_put(relay->conf.source, &relay->mark, &err))
        return;
    relay->marking = false;
    relay_trouble(relay, &err);
    if (!relay->draining)
        relay->mark_at_us = relay_now(relay) + relay->conf.poll_us;
}

/* -- acknowledgements --------------------------------------------------------------- */
void relay_item_free(struct events_relay *relay, struct relay_item *item)
{
    aion_list_remove(&item->link);
    aion_list_add_last(&relay->free_items, &item->link);
    relay->free_count++;
}

/* Moves `acked` over what is acknowledged without a gap. */
static void take_acked(struct events_relay *relay, struct relay_lane *lane)
{
    struct aion_link *link;
    while ((link = aion_list_first(&lane->items)) != NULL) {
        struct relay_item *item = aion_container(link, struct relay_item, link);
        if (!item->acked)
            break;
        if (item->last) {
            lane->acked = item->post.record.sequence;
            relay->stats.rows++;
            if (relay->mark_at_us == 0)
                relay->mark_at_us = relay_now(relay) + relay->conf.mark_us;
        }
        relay_item_free(relay, item);
    }
}

static void record_done(struct events_post *post, const struct aion_err *err)
{
    struct relay_item *item = aion_container(post, struct relay_item, post);
    struct events_relay *relay = item->relay;
    relay->under_way--;
    relay->bytes -= item->bytes;
    relay->full = false;
    item->acked = err == NULL;
    item->failed = err != NULL;
    relay->stats.records += err == NULL;
    if (err != NULL)
        relay_fail(relay, item->lane, item->post.record.sequence, err);
    if (item->left)
        relay_item_free(relay, item);
    else
        take_acked(relay, &relay->lanes[item->lane]);
    relay_acknowledged(relay);
    relay_go_on(relay);
}

/* -- sending ------------------------------------------------------------------------ */
/* NULL: a row that was sent in part before has taken the last ones. */
static struct relay_item *item_take(struct events_relay *relay, uint32_t lane,
                                    const struct events_record *record)
{
    struct aion_link *link = aion_list_first(&relay->free_items);
    if (link == NULL)
        return NULL;
    struct relay_item *item = aion_container(link, struct relay_item, link);
    aion_list_remove(&item->link);
    relay->free_count--;
    item->lane = lane;
    item->left = item->last = item->acked = item->failed = false;
    item->bytes = record->key.size + record->value.size;
    item->post = (struct events_post){.record = *record, .done = record_done};
    aion_list_add_last(&relay->lanes[lane].items, &item->link);
    return item;
}

static bool send_record(struct events_relay *relay, uint32_t lane,
                        const struct events_record *record, struct relay_item **ret_item,
                        struct aion_err *err)
{
    size_t bytes = record->key.size + record->value.size;
    if (relay->under_way > 0 && relay->bytes + bytes > relay->conf.window_bytes)
        return aion_fail(err, AION_EXHAUSTED, "window full");
    struct relay_item *item = item_take(relay, lane, record);
    if (item == NULL)
        return aion_fail(err, AION_EXHAUSTED, "window full");
    if (!events_send(relay->conf.sink, &item->post, err)) {
        relay_item_free(relay, item);
        return false;
    }
    relay->under_way++;
    relay->bytes += bytes;
    *ret_item = item;
    return true;
}

/* A row that gives no record is acknowledged by itself, in its place. */
static bool pass_row(struct events_relay *relay, const struct events_row *row,
                     struct relay_item **ret_item, struct aion_err *err)
{
    const struct events_record none = {.sequence = row->sequence, .at_us = row->at_us};
    *ret_item = item_take(relay, row->lane, &none);
    if (*ret_item == NULL)
        return aion_fail(err, AION_EXHAUSTED, "window full");
    (*ret_item)->acked = true;
    return true;
}

static bool send_row(struct events_relay *relay, const struct events_row *row,
                     struct aion_err *err)
{
    struct relay_item *item = NULL;
    struct relay_lane *lane = &relay->lanes[row->lane];
    struct aion_err part;
    size_t count;
    if (!events_encode(&relay->encoder, relay->conf.source->stream, row, &count, &part)) {
        relay->stats.malformed++;
        relay_trouble(relay, &part);
    }
    for (size_t i = 0; i < count; i++)
        if (!send_record(relay, row->lane, &relay->encoder.records[i], &item, err))
            return false;
    if (count == 0 && !pass_row(relay, row, &item, err))
        return false;
    item->last = true;
    /* a row's records carry one place: the row's own sequence */
    item->post.record.sequence = row->sequence;
    lane->read = row->sequence;
    if (lane->woken > 0 && row->sequence >= lane->woken_from)
        lane->woken--;
    if (count == 0)
        take_acked(relay, lane);
    return true;
}

/* False: the rest must be read again. */
static bool send_rows(struct events_relay *relay, const struct events_read *read,
                      uint64_t lanes)
{
    struct aion_err err;
    for (size_t i = 0; i < read->count; i++) {
        if ((lanes & relay_bit(read->rows[i].lane)) == 0)
            continue;
        if (send_row(relay, &read->rows[i], &err))
            continue;
        if (err.code != AION_EXHAUSTED)
            relay_fail(relay, read->rows[i].lane, read->rows[i].sequence, &err);
        else if (relay->under_way > 0)
            relay->full = true; /* until a record is done */
        else                    /* full of somebody else's: nothing of ours will tell */
            relay->read_at_us = relay_now(relay) + relay->conf.linger_us;
        return false;
    }
    return true;
}

/* -- reading ------------------------------------------------------------------------ */
void relay_want(struct events_relay *relay, uint64_t lanes)
{
    uint64_t being_read = relay->reading ? lanes & relay->read.lanes : 0;
    relay->again |= being_read;
    lanes &= ~being_read;
    if (lanes != 0 && relay->wanting == 0 && relay->read_at_us <= relay_now(relay))
        relay->read_at_us = relay_now(relay) + relay->conf.linger_us;
    relay->wanting |= lanes;
}

/* Lanes whose rows still follow what was handed on: not those left, or rewound, meanwhile. */
static uint64_t still_ours(const struct events_relay *relay, const struct events_read *read)
{
    uint64_t lanes = read->lanes & relay->taken & ~relay->unloaded;
    for (uint32_t i = 0; i < EVENTS_LANES; i++)
        if (read->after[i] != relay->lanes[i].read)
            lanes &= ~relay_bit(i);
    return lanes;
}

/* Lanes that have no row up to here have come as far: the next read of an ordered source need
 * not begin where they had their last one. */
static void move_quiet_lanes(struct events_relay *relay, uint64_t lanes, uint64_t sequence)
{
    for (uint32_t i = 0; i < EVENTS_LANES; i++) {
        struct relay_lane *lane = &relay->lanes[i];
        if ((lanes & relay_bit(i)) == 0 || lane->read >= sequence)
            continue;
        lane->read = sequence;
        if (aion_list_empty(&lane->items))
            lane->acked = sequence;
    }
}

static void use_rows(struct events_relay *relay, const struct events_read *read)
{
    uint64_t ours = still_ours(relay, read);
    bool whole = send_rows(relay, read, ours);
    if (whole && read->count > 0 && relay->conf.source->ordered)
        move_quiet_lanes(relay, ours, read->rows[read->count - 1].sequence);
    relay->batch = relay->conf.batch_rows;
    if (relay->halted)
        return; /* rewound when it begins anew */
    if (!whole || read->more)
        relay->wanting |= ours; /* at once, as there is more for sure */
    else
        relay->catching_up &= ~read->lanes;
}

static void read_failed(struct events_relay *relay, uint64_t lanes, const struct aion_err *err)
{
    /* rows that do not fit in memory together fit one by one */
    bool smaller = err->code == AION_EXHAUSTED && relay->batch > 1;
    if (smaller)
        relay->batch /= 2;
    else
        relay_trouble(relay, err);
    relay->read_at_us =
        relay_now(relay) + (smaller ? relay->conf.linger_us : relay->conf.poll_us);
    relay->wanting |= lanes & relay->taken;
}

static void rows_read(struct events_read *read, const struct aion_err *err)
{
    struct events_relay *relay = aion_container(read, struct events_relay, read);
    uint64_t again = relay->again;
    relay->reading = false;
    relay->again = 0;
    if (err != NULL)
        read_failed(relay, read->lanes, err);
    else if (!relay->halted && !relay->draining)
        use_rows(relay, read);
    relay_want(relay, again & relay->taken);
    aion_arena_reset(&relay->read_arena);
    relay_go_on(relay);
}

/* How many rows may be read now; 0: none. */
static uint32_t room(const struct events_relay *relay)
{
    size_t rows = relay->free_count / EVENTS_PER_ROW;
    size_t enough = relay->conf.window_records / (4 * EVENTS_PER_ROW);
    if (rows < (enough < ROWS_AT_LEAST ? enough : ROWS_AT_LEAST) ||
        relay->bytes >= relay->conf.window_bytes)
        return 0;
    return rows < relay->batch ? (uint32_t)rows : relay->batch;
}

void relay_read(struct events_relay *relay)
{
    struct aion_err err;
    uint32_t rows = room(relay);
    if (relay->halted || relay->draining || relay->full || relay->reading ||
        relay->wanting == 0 || rows == 0 || relay_now(relay) < relay->read_at_us)
        return;
    /* of an ordered source all lanes are read at once: so all of them move on together */
    uint64_t all = relay->taken & ~relay->unloaded;
    relay->read =
        (struct events_read){.lanes = relay->conf.source->ordered ? all : relay->wanting,
                             .limit = rows,
                             .arena = &relay->read_arena,
                             .done = rows_read};
    for (uint32_t i = 0; i < EVENTS_LANES; i++)
        relay->read.after[i] = relay->lanes[i].read;
    relay->wanting = 0;
    relay->reading = true;
    if (relay->conf.source->read(relay->conf.source, &relay->read, &err))
        return;
    relay->reading = false;
    read_failed(relay, relay->read.lanes, &err);
}

void relay_unread(struct relay_lane *lane, uint64_t sequence)
{
    if (lane->woken == 0 || sequence < lane->woken_from)
        lane->woken_from = sequence;
    lane->woken++;
}

/* -- anew --------------------------------------------------------------------------- */
void relay_rewind(struct events_relay *relay)
{
    relay_each_lane(relay, lane)
    {
        aion_list_each_safe (link, &lane->items) {
            struct relay_item *item = aion_container(link, struct relay_item, link);
            if (item->last) /* it counts as not read, again */
                relay_unread(lane, item->post.record.sequence);
            relay_item_free(relay, item);
        }
        lane->read = lane->acked;
    }
    relay_want(relay, relay->taken & ~relay->unloaded);
}
