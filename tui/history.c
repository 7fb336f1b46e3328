#include "history.h"

#include <stdlib.h>

enum { GONE = 1, GROW_MIN = 4096, VARINT_MAX = 10 };

/* -- bytes ----------------------------------------------------------------- */

static bool grow(struct tui_segment *segment, size_t more)
{
    if (segment->size + more <= segment->capacity)
        return true;
    size_t capacity = segment->capacity + segment->capacity / 4 + more + GROW_MIN;
    char *bytes = realloc(segment->bytes, capacity);
    if (bytes == NULL)
        return false;
    segment->bytes = bytes;
    segment->capacity = capacity;
    return true;
}

static void put(struct tui_segment *segment, uint64_t value)
{
    if (segment->torn || !grow(segment, VARINT_MAX)) {
        segment->torn = true;
        return;
    }
    while (value >= 0x80) {
        segment->bytes[segment->size++] = (char)(0x80 | (value & 0x7F));
        value >>= 7;
    }
    segment->bytes[segment->size++] = (char)value;
}

static void put_signed(struct tui_segment *segment, int64_t value)
{
    put(segment, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

struct reader {
    const char *at, *end;
};

/* Only what put() wrote is read. */
static uint64_t get(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; reader->at < reader->end && shift < 64; shift += 7) {
        uint64_t byte = (unsigned char)*reader->at++;
        value |= (byte & 0x7F) << shift;
        if (byte < 0x80)
            break;
    }
    return value;
}

static int64_t get_signed(struct reader *reader)
{
    uint64_t value = get(reader);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* -- writing --------------------------------------------------------------- */

/* Differences may wrap around: they are added the same way. */
static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static void put_row(struct tui_segment *segment, const struct tui_row *row,
                    const struct tui_row *before)
{
    size_t count = tui_kinds[row->entity->kind].count;
    uint64_t mask = 0;
    for (size_t i = 0; i < count; i++)
        if (row->values[i] != (before != NULL ? before->values[i] : TUI_UNKNOWN))
            mask |= UINT64_C(1) << i;
    if (mask == 0 && before != NULL)
        return;
    put(segment, ((uint64_t)row->entity->slot + 1) << 1);
    put(segment, mask);
    for (size_t i = 0; i < count; i++)
        if ((mask >> i & 1) != 0)
            put_signed(segment,
                       minus(row->values[i], before != NULL ? before->values[i] : TUI_UNKNOWN));
}

/* A frame: time since the one before, span and gap, changes, 0. */
static void put_frame(struct tui_segment *segment, const struct tui_picture *picture,
                      const struct tui_picture *before)
{
    put(segment, (uint64_t)minus(picture->at_us, segment->last_us));
    put(segment, (uint64_t)picture->span_ms << 1 | picture->gap);
    for (uint32_t slot = 0; before != NULL && slot < before->room; slot++) {
        const struct tui_row *old = before->rows[slot], *now = tui_picture_find(picture, slot);
        if (old != NULL && (now == NULL || now->entity != old->entity))
            put(segment, ((uint64_t)slot + 1) << 1 | GONE);
    }
    for (uint32_t slot = 0; slot < picture->room; slot++) {
        const struct tui_row *row = picture->rows[slot];
        const struct tui_row *old = before != NULL ? tui_picture_find(before, slot) : NULL;
        if (row != NULL)
            put_row(segment, row, old != NULL && old->entity == row->entity ? old : NULL);
    }
    put(segment, 0);
    segment->last_us = picture->at_us;
}

/* -- segments -------------------------------------------------------------- */

static void drop_oldest(struct tui_history *history)
{
    history->bytes -= history->segments[0].capacity;
    free(history->segments[0].bytes);
    history->count--;
    memmove(&history->segments[0], &history->segments[1],
            history->count * sizeof(history->segments[0]));
}

/* What a full segment does not need goes back. */
static void close_newest(struct tui_history *history)
{
    if (history->count == 0)
        return;
    struct tui_segment *segment = &history->segments[history->count - 1];
    char *bytes = segment->size > 0 ? realloc(segment->bytes, segment->size) : NULL;
    if (bytes == NULL)
        return;
    history->bytes -= segment->capacity - segment->size;
    segment->bytes = bytes;
    segment->capacity = segment->size;
}

static struct tui_segment *open_segment(struct tui_history *history, int64_t at_us)
{
    close_newest(history);
    if (history->count == TUI_SEGMENTS_MAX)
        drop_oldest(history);
    struct tui_segment *segment = &history->segments[history->count++];
    *segment = (struct tui_segment){.first_us = at_us, .last_us = at_us};
    return segment;
}

void tui_history_init(struct tui_history *history, size_t bytes_max)
{
    *history = (struct tui_history){.bytes_max = bytes_max};
    tui_picture_init(&history->last);
}

void tui_history_done(struct tui_history *history)
{
    while (history->count > 0)
        drop_oldest(history);
    tui_picture_done(&history->last);
}

/* All of the frame, or none of it. */
static bool add_frame(struct tui_segment *segment, const struct tui_picture *picture,
                      const struct tui_picture *before)
{
    size_t size = segment->size;
    int64_t last_us = segment->last_us;
    put_frame(segment, picture, before);
    if (!segment->torn)
        return true;
    segment->torn = false;
    segment->size = size;
    segment->last_us = last_us;
    return false;
}

static void drop_if_empty(struct tui_history *history)
{
    struct tui_segment *newest = &history->segments[history->count - 1];
    if (newest->size > 0)
        return;
    history->bytes -= newest->capacity;
    free(newest->bytes);
    history->count--;
}

void tui_history_add(struct tui_history *history, const struct tui_picture *picture)
{
    struct tui_segment *segment =
        history->count > 0 ? &history->segments[history->count - 1] : NULL;
    const struct tui_picture *before = &history->last;
    if (picture->at_us <= tui_history_newest(history))
        return;
    if (segment == NULL || history->last_unknown ||
        picture->at_us - segment->first_us >= TUI_SEGMENT_US) {
        segment = open_segment(history, picture->at_us);
        before = NULL; /* a segment begins with everything */
    }
    size_t capacity = segment->capacity;
    bool added = add_frame(segment, picture, before);
    history->bytes += segment->capacity - capacity;
    if (added)
        history->last_unknown = !tui_picture_copy(&history->last, picture);
    else
        drop_if_empty(history);
    while (history->bytes > history->bytes_max && history->count > 1)
        drop_oldest(history);
}

int64_t tui_history_oldest(const struct tui_history *history)
{
    return history->count > 0 ? history->segments[0].first_us : 0;
}

int64_t tui_history_newest(const struct tui_history *history)
{
    return history->count > 0 ? history->segments[history->count - 1].last_us : 0;
}

/* -- reading --------------------------------------------------------------- */

static void get_row(struct reader *reader, const struct tui_entities *entities, uint64_t slot,
                    struct tui_picture *picture)
{
    uint64_t mask = get(reader);
    struct tui_entity *entity = slot < entities->slot_count ? entities->slots[slot] : NULL;
    struct tui_row *row = entity != NULL ? tui_picture_row(picture, entity) : NULL;
    for (unsigned i = 0; i < TUI_COLUMNS_MAX; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        int64_t change = get_signed(reader);
        if (row != NULL && i < tui_kinds[entity->kind].count)
            row->values[i] = (int64_t)((uint64_t)row->values[i] + (uint64_t)change);
    }
}

static void get_frame(struct reader *reader, const struct tui_entities *entities,
                      struct tui_picture *picture)
{
    uint64_t change;
    while ((change = get(reader)) != 0) {
        uint64_t slot = (change >> 1) - 1;
        if ((change & GONE) != 0)
            tui_picture_remove(picture, (uint32_t)slot);
        else
            get_row(reader, entities, slot, picture);
    }
}

bool tui_history_at(const struct tui_history *history, const struct tui_entities *entities,
                    int64_t at_us, struct tui_picture *picture)
{
    size_t i = history->count;
    while (i > 0 && history->segments[i - 1].first_us > at_us)
        i--;
    if (i == 0)
        return false;
    const struct tui_segment *segment = &history->segments[i - 1];
    struct reader reader = {segment->bytes, segment->bytes + segment->size};
    int64_t now_us = segment->first_us;
    tui_picture_clear(picture);
    while (reader.at < reader.end) {
        now_us += (int64_t)get(&reader);
        if (now_us > at_us)
            break;
        uint64_t head = get(&reader);
        picture->at_us = now_us;
        picture->span_ms = (uint32_t)(head >> 1);
        picture->gap = (head & 1) != 0;
        get_frame(&reader, entities, picture);
    }
    return true;
}
