/* A page of the log: rows are read and encoded until the page is full or nothing is left. Rows
 * that give no record of the topic are stepped over, some reads long at most: the caller sees
 * progress and asks again. */
#include "events/log.h"

#include "events/encode.h"

#include <stdlib.h>

enum { ROUNDS_MAX = 8, ROWS_ARENA_MAX = 16 << 20 };

struct events_log_step {
    struct events_read rows;
    struct aion_arena arena; /* of one read */
    struct events_encoder encoder;
    struct events_log_read *read;
    size_t bytes;
    unsigned rounds;
};

static void finish(struct events_log_step *step, const struct aion_err *err)
{
    struct events_log_read *read = step->read;
    aion_arena_done(&step->arena);
    events_encoder_done(&step->encoder);
    free(step);
    read->done(read, err);
}

/* -- one row ------------------------------------------------------------------------ */
static bool keep(struct events_log_read *read, const struct events_record *record,
                 uint32_t lane)
{
    struct events_log_record *to = &read->records[read->count];
    *to = (struct events_log_record){.record = *record, .lane = lane};
    to->record.key = aion_arena_str(read->arena, record->key);
    to->record.value = aion_arena_str(read->arena, record->value);
    if ((record->key.size > 0 && to->record.key.data == NULL) || to->record.value.data == NULL)
        return false;
    read->count++;
    return true;
}

/* False: the page is full; the row comes with the next one. */
static bool take_row(struct events_log_step *step, const struct events_row *row)
{
    struct events_log_read *read = step->read;
    size_t count;
    /* what cannot be told whole is told in part, as by the relay */
    bool whole = events_encode(&step->encoder, read->source->stream, row, &count, NULL);
    (void)whole;
    for (size_t i = 0; i < count; i++) {
        const struct events_record *record = &step->encoder.records[i];
        size_t bytes = record->key.size + record->value.size;
        if (record->topic != read->topic)
            continue;
        if (read->count == read->limit ||
            (read->count > 0 && step->bytes + bytes > read->bytes_max) ||
            !keep(read, record, row->lane))
            return false;
        step->bytes += bytes;
    }
    read->after[row->lane] = row->sequence;
    return true;
}

/* -- reads -------------------------------------------------------------------------- */
static bool read_on(struct events_log_step *step, struct aion_err *err);

/* Of an ordered source every lane has come as far as the last row: the next page need not begin
 * where a quiet one had its last event. */
static void move_quiet_lanes(struct events_log_read *read, uint64_t sequence)
{
    for (uint32_t lane = 0; lane < EVENTS_LANES && read->source->ordered; lane++)
        if ((read->lanes >> lane & 1) != 0 && read->after[lane] < sequence)
            read->after[lane] = sequence;
}

static bool take_rows(struct events_log_step *step)
{
    for (size_t i = 0; i < step->rows.count; i++) {
        if (!take_row(step, &step->rows.rows[i]))
            return false;
        move_quiet_lanes(step->read, step->rows.rows[i].sequence);
    }
    return true;
}

static void rows_read(struct events_read *rows, const struct aion_err *err)
{
    struct events_log_step *step = aion_container(rows, struct events_log_step, rows);
    struct aion_err refused;
    if (err != NULL) {
        finish(step, err);
        return;
    }
    bool full = !take_rows(step);
    step->read->more = full || rows->more;
    if (full && step->read->count == 0) {
        aion_err_set(&refused, __func__, AION_EXHAUSTED,
                     "an event does not fit in the answer's memory");
        finish(step, &refused);
    } else if (full || !rows->more || step->read->count == step->read->limit ||
               ++step->rounds == ROUNDS_MAX) {
        finish(step, NULL);
    } else if (!read_on(step, &refused)) {
        finish(step, step->read->count > 0 ? NULL : &refused);
    }
}

static bool read_on(struct events_log_step *step, struct aion_err *err)
{
    const struct events_log_read *read = step->read;
    aion_arena_reset(&step->arena);
    step->rows = (struct events_read){
        .lanes = read->lanes, .limit = read->limit, .arena = &step->arena, .done = rows_read};
    memcpy(step->rows.after, read->after, sizeof(read->after));
    return read->source->read(read->source, &step->rows, err);
}

bool events_log_read(struct events_log_read *read, struct aion_err *err)
{
    struct events_log_step *step = calloc(1, sizeof(*step));
    read->count = 0;
    read->more = false;
    read->records = aion_arena_array(read->arena, read->limit, sizeof(*read->records));
    if (step == NULL || read->records == NULL) {
        free(step);
        return aion_fail(err, AION_EXHAUSTED, "no memory for a page of %u events", read->limit);
    }
    step->read = read;
    aion_arena_init(&step->arena, ROWS_ARENA_MAX, NULL, 0);
    events_encoder_init(&step->encoder);
    if (read_on(step, err))
        return true;
    aion_arena_done(&step->arena);
    events_encoder_done(&step->encoder);
    free(step);
    return false;
}
