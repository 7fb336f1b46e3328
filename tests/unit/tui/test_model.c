/* Goal: a second of the past is what it was when it was live, value by value and cell by cell;
 * space is bounded; entities come, go and change their labels without losing anything.
 * Method: frames of a seeded world for twenty minutes, hashes remembered at whole seconds and
 * compared after seeking; frames made by hand for what a world does not do. */
#include "tui_test.h"

#include "model.h"
#include "stage.h"

enum { SECOND = 1000000 };

/* -- pictures -------------------------------------------------------------- */

/* A number made of all keys and values, whatever slots they have. */
static uint64_t hash_of(const struct tui_picture *picture)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < picture->room; i++) {
        const struct tui_row *row = picture->rows[i];
        if (row == NULL)
            continue;
        uint64_t name = aion_siphash(1, 2, row->entity->id.data, row->entity->id.size);
        sum += aion_siphash(name, 3, row->values,
                            tui_kinds[row->entity->kind].count * sizeof(int64_t));
    }
    return sum;
}

static void feed_second(struct tui_model *model, const struct world *world,
                        struct world_reader *reader, int64_t at_us, int64_t step_us)
{
    struct aion_arena arena;
    struct tui_time now = {at_us, at_us};
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    aion_arena_init(&arena, 64 << 20, NULL, 0);
    for (int64_t at = at_us - SECOND + step_us; at <= at_us; at += step_us) {
        reply.server_us = at;
        reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
        reply.frame =
            world_frame(world, reader, at / 1000, at % SECOND == 0 ? 1000 : 100, 0, &arena);
        tui_model_reply(model, &reply, now);
        aion_arena_reset(&arena);
    }
    aion_arena_done(&arena);
}

static void a_second_of_the_past_is_what_it_was(void **state)
{
    static uint64_t hashes[1200];
    const struct world_conf conf = {.seed = 11, .routes = 30, .hosts = 20};
    struct world_reader reader = {.last = NULL};
    static struct tui_model model;
    struct world world;
    (void)state;
    world_init(&world, &conf);
    assert_true(tui_model_init(&model, 8 << 20));
    for (int i = 0; i < 1200; i++) {
        feed_second(&model, &world, &reader, STAGE_START_US + (i + 1) * (int64_t)SECOND,
                    SECOND);
        hashes[i] = hash_of(&model.live);
    }
    int64_t oldest = tui_history_oldest(&model.history);
    assert_true(tui_history_newest(&model.history) - oldest >= INT64_C(900) * SECOND);
    for (int i = 1199; i >= 0; i--) {
        int64_t at = STAGE_START_US + (i + 1) * (int64_t)SECOND;
        if (at < oldest)
            break;
        assert_true(tui_model_seek(&model, at));
        assert_true(tui_model_at(&model) == at);
        assert_true(hash_of(model.shown) == hashes[i]);
    }
    assert_true(model.history.bytes < 8 << 20);
    world_reader_done(&reader);
    tui_model_done(&model);
}

static void old_minutes_make_room_for_new_ones(void **state)
{
    const struct world_conf conf = {.seed = 11, .routes = 200, .hosts = 200};
    struct world_reader reader = {.last = NULL};
    static struct tui_model model;
    struct world world;
    (void)state;
    world_init(&world, &conf);
    assert_true(tui_model_init(&model, 1 << 20));
    for (int i = 1; i <= 300; i++)
        feed_second(&model, &world, &reader, STAGE_START_US + i * (int64_t)SECOND, SECOND);
    assert_true(model.history.bytes <= 1 << 20);
    assert_true(tui_history_oldest(&model.history) > STAGE_START_US);
    assert_false(tui_model_seek(&model, STAGE_START_US + SECOND));
    assert_true(model.wanted_us == STAGE_START_US + SECOND);
    world_reader_done(&reader);
    tui_model_done(&model);
}

static void tenths_between_do_not_change_whole_seconds(void **state)
{
    const struct world_conf conf = {.seed = 3};
    struct world_reader fine = {.last = NULL}, coarse = {.last = NULL};
    static struct tui_model a, b;
    struct world world;
    (void)state;
    world_init(&world, &conf);
    tui_model_init(&a, 1 << 20);
    tui_model_init(&b, 1 << 20);
    for (int i = 1; i <= 20; i++) {
        feed_second(&a, &world, &fine, STAGE_START_US + i * (int64_t)SECOND, SECOND / 10);
        feed_second(&b, &world, &coarse, STAGE_START_US + i * (int64_t)SECOND, SECOND);
        assert_true(hash_of(&a.live) == hash_of(&b.live));
    }
    world_reader_done(&fine);
    world_reader_done(&coarse);
    tui_model_done(&a);
    tui_model_done(&b);
}

/* -- frames by hand -------------------------------------------------------- */

struct hand {
    Aion__V1__OpsFrame frame;
    Aion__V1__OpsEntity entity, *entities[1];
    Aion__V1__OpsRow row, *rows[1];
    Aion__V1__OpsEntity__LabelsEntry entry, *labels[1];
    int64_t values[4];
    uint32_t gone[1];
};

static Aion__V1__OpsFrame *hand_frame(struct hand *hand, int64_t at_us)
{
    memset(hand, 0, sizeof(*hand));
    aion__v1__ops_frame__init(&hand->frame);
    aion__v1__ops_entity__init(&hand->entity);
    aion__v1__ops_row__init(&hand->row);
    aion__v1__ops_entity__labels_entry__init(&hand->entry);
    hand->frame.at_us = at_us;
    hand->frame.span_ms = 1000;
    hand->frame.entities = hand->entities;
    hand->frame.rows = hand->rows;
    hand->frame.gone = hand->gone;
    hand->entities[0] = &hand->entity;
    hand->rows[0] = &hand->row;
    hand->entity.id = hand->row.entity = 1;
    hand->entity.kind = AION__V1__OPS_KIND__OPS_KIND_QUEUE;
    hand->entity.key = (char *)(uintptr_t) "cpu/normal";
    hand->entity.labels = hand->labels;
    hand->labels[0] = &hand->entry;
    hand->row.values = hand->values;
    return &hand->frame;
}

struct folded {
    struct tui_ids ids;
    struct tui_entities entities;
    struct tui_picture picture;
};

static void fold(struct folded *folded, const Aion__V1__OpsFrame *frame)
{
    tui_fold_frame(&folded->ids, &folded->entities, frame, frame->at_us, &folded->picture,
                   NULL);
}

static void folded_done(struct folded *folded)
{
    tui_ids_done(&folded->ids);
    tui_picture_done(&folded->picture);
    tui_entities_done(&folded->entities);
}

static void rows_come_change_and_go(void **state)
{
    struct folded folded = {.ids.room = 0};
    struct hand hand;
    (void)state;
    tui_entities_init(&folded.entities);
    Aion__V1__OpsFrame *frame = hand_frame(&hand, 10 * SECOND);
    frame->full = true;
    frame->n_entities = frame->n_rows = 1;
    hand.row.n_values = 4;
    hand.values[0] = 7;
    fold(&folded, frame);
    const struct tui_row *row =
        tui_picture_key(&folded.picture, TUI_QUEUE, AION_STR("cpu/normal"));
    assert_true(row != NULL && row->values[0] == 7 && row->values[3] == 0);

    frame = hand_frame(&hand, 11 * SECOND);
    frame->n_rows = 1;
    hand.row.changed = 1u << 2 | 1u << 9; /* a column that this console does not know */
    hand.row.n_values = 2;
    hand.values[0] = 99;
    fold(&folded, frame);
    row = tui_picture_key(&folded.picture, TUI_QUEUE, AION_STR("cpu/normal"));
    assert_true(row->values[0] == 7 && row->values[2] == 99);

    frame = hand_frame(&hand, 12 * SECOND); /* other labels: another entity, the same numbers */
    frame->n_entities = 1;
    hand.entity.n_labels = 1;
    hand.entry.key = (char *)(uintptr_t) "zone";
    hand.entry.value = (char *)(uintptr_t) "b";
    fold(&folded, frame);
    row = tui_picture_key(&folded.picture, TUI_QUEUE, AION_STR("cpu/normal"));
    assert_true(row->values[2] == 99 && folded.picture.counts[TUI_QUEUE] == 1);
    assert_true(aion_str_is(tui_entity_label(row->entity, "zone"), "b"));

    frame = hand_frame(&hand, 13 * SECOND);
    frame->n_gone = 1;
    hand.gone[0] = 1;
    fold(&folded, frame);
    assert_int_equal(folded.picture.counts[TUI_QUEUE], 0);
    folded_done(&folded);
}

static void nonsense_changes_nothing(void **state)
{
    struct folded folded = {.ids.room = 0};
    struct hand hand;
    (void)state;
    tui_entities_init(&folded.entities);
    Aion__V1__OpsFrame *frame = hand_frame(&hand, SECOND);
    frame->n_entities = frame->n_rows = frame->n_gone = 1;
    hand.entity.kind = (Aion__V1__OpsKind)77;
    hand.gone[0] = 4000000000u;
    hand.row.entity = 4000000000u;
    hand.row.n_values = 4;
    fold(&folded, frame);
    assert_int_equal(folded.entities.slot_count, 0);
    hand.entity.kind = AION__V1__OPS_KIND__OPS_KIND_HOST;
    hand.entity.id = 4000000000u;
    fold(&folded, frame);
    assert_int_equal(folded.picture.counts[TUI_HOST], 0);
    folded_done(&folded);
}

static void entities_that_nobody_names_are_forgotten(void **state)
{
    static struct tui_model model;
    struct hand hand;
    char key[32];
    (void)state;
    tui_model_init(&model, 1 << 20);
    for (int minute = 0; minute < 400; minute++) {
        Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
        Aion__V1__OpsFrame *frame =
            hand_frame(&hand, STAGE_START_US + minute * INT64_C(60) * SECOND);
        struct tui_time now = {frame->at_us, frame->at_us};
        snprintf(key, sizeof(key), "queue-%d", minute);
        hand.entity.key = key;
        frame->full = true;
        frame->n_entities = frame->n_rows = 1;
        hand.row.n_values = 4;
        reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
        reply.frame = frame;
        tui_model_reply(&model, &reply, now);
    }
    assert_true(model.entities.by_id.count <= TUI_SEGMENTS_MAX + 1);
    assert_true(model.entities.slot_count <= 256); /* slots are used again */
    tui_model_done(&model);
}

static void events_come_alone_or_beside_a_frame(void **state)
{
    static struct tui_model model;
    Aion__V1__OpsEventCount count = AION__V1__OPS_EVENT_COUNT__INIT, *counts[] = {&count};
    Aion__V1__OpsEvents events = AION__V1__OPS_EVENTS__INIT;
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    struct tui_time now = {STAGE_START_US, STAGE_START_US};
    struct hand hand;
    (void)state;
    tui_model_init(&model, 1 << 20);
    count.kind = AION__V1__OPS_EVENT__KIND__KIND_TASK;
    count.count = 3;
    events.counts = counts;
    events.n_counts = 1;
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_EVENTS;
    reply.events = &events;
    tui_model_reply(&model, &reply, now);
    assert_int_equal(tui_records_total(&model.records, TUI_TASK_EVENT), 3);
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = hand_frame(&hand, STAGE_START_US);
    reply.frame->full = true;
    reply.beside = &events;
    tui_model_reply(&model, &reply, now);
    assert_int_equal(tui_records_total(&model.records, TUI_TASK_EVENT), 6);
    assert_true(model.live.at_us == STAGE_START_US);
    tui_model_done(&model);
}

/* Control counts for each stream. */
static void losses_of_earlier_streams_are_not_forgotten(void **state)
{
    static struct tui_model model;
    static const uint64_t dropped[] = {0, 3, 0, 2}, in_all[] = {0, 3, 3, 5};
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    struct tui_time now = {STAGE_START_US, STAGE_START_US};
    struct hand hand;
    (void)state;
    tui_model_init(&model, 1 << 20);
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = hand_frame(&hand, STAGE_START_US);
    for (size_t i = 0; i < 4; i++) {
        if (i % 2 == 0)
            tui_model_opened(&model, now);
        reply.dropped = dropped[i];
        tui_model_reply(&model, &reply, now);
        assert_int_equal(model.dropped, in_all[i]);
    }
    tui_model_done(&model);
}

/* -- series ---------------------------------------------------------------- */

static void graphs_are_the_same_from_seconds_and_from_tens(void **state)
{
    struct tui_series seconds, tens;
    struct tui_picture picture;
    struct tui_entities entities;
    int64_t a[TUI_TREND_SHOWN + 1], b[TUI_TREND_SHOWN + 1];
    (void)state;
    tui_series_init(&seconds);
    tui_series_init(&tens);
    tui_entities_init(&entities);
    tui_picture_init(&picture);
    struct tui_entity *entity = tui_entity_of(&entities, TUI_QUEUE, AION_STR("q"), NULL, 0, 0);
    struct tui_row *row = tui_picture_row(&picture, entity);
    int64_t most = 0;
    for (int64_t second = 60001; second <= 61200; second++) {
        row->values[0] = second * 7919 % 1000;
        most = row->values[0] > most ? row->values[0] : most;
        picture.at_us = second * SECOND;
        picture.span_ms = 1000;
        tui_series_add(&seconds, &picture);
        if (second % 10 != 0)
            continue;
        tui_series_add_most(&tens, entity, picture.at_us, most);
        most = 0;
    }
    tui_series_trend(&seconds, entity->slot, INT64_C(61200) * SECOND, 5, a);
    tui_series_trend(&tens, entity->slot, INT64_C(61200) * SECOND, 5, b);
    assert_memory_equal(a, b, sizeof(a));
    assert_true(a[TUI_TREND_SHOWN] == 5 && a[0] > 0);
    tui_picture_done(&picture);
    tui_entities_done(&entities);
    tui_series_done(&seconds);
    tui_series_done(&tens);
}

/* A mesh of one row whose numbers the second alone decides. */
static void mesh_second(struct tui_row *row, int64_t second, int64_t seconds)
{
    for (size_t i = 0; i < tui_kinds[TUI_MESH].count; i++)
        row->values[i] = 0;
    for (int64_t one = second - seconds + 1; one <= second; one++)
        row->values[20] += one % 7 == 0;
    row->values[0] = second * 7919 % 1000;
    row->values[7] = second * 104729 % 1000;
}

struct graphed {
    struct tui_entities entities;
    struct tui_picture picture;
    struct tui_row *row;
};

static void graphed_init(struct graphed *graphed)
{
    tui_entities_init(&graphed->entities);
    tui_picture_init(&graphed->picture);
    graphed->row =
        tui_picture_row(&graphed->picture, tui_entity_of(&graphed->entities, TUI_MESH,
                                                         AION_STR("mesh"), NULL, 0, 0));
}

static void graphed_done(struct graphed *graphed)
{
    tui_picture_done(&graphed->picture);
    tui_entities_done(&graphed->entities);
}

static void add_mesh(struct tui_series *series, struct graphed *graphed, int64_t second,
                     int64_t seconds)
{
    mesh_second(graphed->row, second, seconds);
    graphed->picture.at_us = second * SECOND;
    graphed->picture.span_ms = (uint32_t)seconds * 1000;
    tui_series_add(series, &graphed->picture);
}

/* The same asked of a series that has computed nothing yet. */
static void assert_samples(struct tui_series *series, unsigned column, enum tui_fold fold,
                           int64_t second)
{
    int64_t kept[62], fresh[62];
    struct tui_series bare = *series;
    bare.kept = calloc(TUI_SAMPLES_KEPT, sizeof(*bare.kept));
    int64_t top = tui_series_samples(series, column, second * SECOND, 15, fold, kept, 62);
    assert_true(top == tui_series_samples(&bare, column, second * SECOND, 15, fold, fresh, 62));
    assert_memory_equal(kept, fresh, sizeof(kept));
    free(bare.kept[column * TUI_FOLDS + (unsigned)fold].values);
    free(bare.kept);
}

/* Of a graph only what is new is computed; nobody may see that. */
static void graphs_that_grow_are_those_made_anew(void **state)
{
    struct tui_series series;
    struct graphed graphed;
    (void)state;
    tui_series_init(&series);
    graphed_init(&graphed);
    for (int64_t second = 70000; second < 72100; second++) {
        if (second % 50 != 3) /* one is missing */
            add_mesh(&series, &graphed, second, 1);
        if (second % 40 < 20 || second % 40 == 33) { /* not drawn for a while */
            assert_samples(&series, 0, TUI_MEAN, second);
            assert_samples(&series, 7, TUI_MOST, second - second % 3); /* and back in time */
            assert_samples(&series, 20, TUI_SUM, second);
        }
    }
    add_mesh(&series, &graphed, 71000, 10); /* into the midst of it */
    assert_samples(&series, 0, TUI_MEAN, 72099);
    tui_series_clear(&series);
    assert_samples(&series, 0, TUI_MEAN, 72099);
    graphed_done(&graphed);
    tui_series_done(&series);
}

static void rare_ones_are_counted_by_seconds_and_by_tens_alike(void **state)
{
    int64_t seconds[62], tens[62], sum = 0;
    struct tui_series a, b;
    struct graphed graphed;
    (void)state;
    tui_series_init(&a);
    tui_series_init(&b);
    graphed_init(&graphed);
    for (int64_t second = 70001; second <= 71000; second++) {
        add_mesh(&a, &graphed, second, 1);
        if (second % 10 == 0)
            add_mesh(&b, &graphed, second, 10);
    }
    tui_series_samples(&a, 20, INT64_C(71000) * SECOND, 10, TUI_SUM, seconds, 62);
    tui_series_samples(&b, 20, INT64_C(71000) * SECOND, 10, TUI_SUM, tens, 62);
    assert_memory_equal(seconds, tens, sizeof(tens));
    for (int i = 0; i < 62; i++)
        sum += seconds[i];
    assert_int_equal(sum, 88); /* of 620 seconds every seventh */
    graphed_done(&graphed);
    tui_series_done(&a);
    tui_series_done(&b);
}

/* -- freshness ------------------------------------------------------------- */

static void silence_is_told_from_absence(void **state)
{
    const struct world_conf conf = {.seed = 3};
    struct world_reader reader = {.last = NULL};
    static struct tui_model model;
    struct world world;
    struct tui_time now = {5 * SECOND, STAGE_START_US};
    (void)state;
    world_init(&world, &conf);
    tui_model_init(&model, 1 << 20);
    assert_int_equal(tui_model_fresh(&model, now, SECOND), TUI_CONNECTING);
    tui_model_opened(&model, now);
    feed_second(&model, &world, &reader, STAGE_START_US, SECOND);
    now = (struct tui_time){STAGE_START_US, STAGE_START_US};
    assert_int_equal(tui_model_fresh(&model, now, SECOND), TUI_FRESH);
    now.mono_us += 2 * SECOND;
    assert_int_equal(tui_model_fresh(&model, now, SECOND), TUI_STALE);
    tui_model_closed(&model, now);
    assert_int_equal(tui_model_fresh(&model, now, SECOND), TUI_DISCONNECTED);
    int64_t lost = model.lost_us;
    now.mono_us += SECOND;
    tui_model_opened(&model, now); /* trying is not being there */
    tui_model_closed(&model, now);
    assert_true(model.lost_us == lost);
    world_reader_done(&reader);
    tui_model_done(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_of_the_past_is_what_it_was),
        cmocka_unit_test(old_minutes_make_room_for_new_ones),
        cmocka_unit_test(tenths_between_do_not_change_whole_seconds),
        cmocka_unit_test(rows_come_change_and_go),
        cmocka_unit_test(nonsense_changes_nothing),
        cmocka_unit_test(entities_that_nobody_names_are_forgotten),
        cmocka_unit_test(events_come_alone_or_beside_a_frame),
        cmocka_unit_test(losses_of_earlier_streams_are_not_forgotten),
        cmocka_unit_test(graphs_are_the_same_from_seconds_and_from_tens),
        cmocka_unit_test(graphs_that_grow_are_those_made_anew),
        cmocka_unit_test(rare_ones_are_counted_by_seconds_and_by_tens_alike),
        cmocka_unit_test(silence_is_told_from_absence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
