/* The table and its frames: what changed is in the next frame and only that, who comes and goes
 * is told, ten seconds are what their seconds were, and bounds hold. Frames are applied to a
 * reader's copy, which must equal the table after each. */
#include "ops/ops_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IDS = 4096 };

/* A reader: what it knows after the frames it got. */
static struct reader {
    int kind[IDS];
    char key[IDS][OPS_KEY_MAX + 1];
    int64_t cells[IDS][OPS_COLUMNS_MAX];
} reader;

static struct ops_table table;
static struct aion_arena arena;
static const struct ops_view all = {.kinds = OPS_ALL_KINDS};

static int setup(void **state)
{
    (void)state;
    ops_table_init(&table);
    aion_arena_init(&arena, 16 << 20, NULL, 0);
    memset(&reader, 0, sizeof(reader));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ops_table_done(&table);
    aion_arena_done(&arena);
    return 0;
}

static void apply_row(const Aion__V1__OpsRow *row)
{
    size_t next = 0;
    assert_true(row->entity < IDS && reader.kind[row->entity] != 0);
    for (unsigned i = 0; i < OPS_COLUMNS_MAX && next < row->n_values; i++)
        if (row->changed == 0 || (row->changed >> i & 1) != 0)
            reader.cells[row->entity][i] = row->values[next++];
    assert_int_equal(next, row->n_values);
}

static void apply(const Aion__V1__OpsFrame *frame)
{
    assert_non_null(frame);
    if (frame->full)
        memset(&reader, 0, sizeof(reader));
    for (size_t i = 0; i < frame->n_gone; i++)
        reader.kind[frame->gone[i]] = 0;
    for (size_t i = 0; i < frame->n_entities; i++) {
        uint32_t id = frame->entities[i]->id;
        reader.kind[id] = frame->entities[i]->kind;
        snprintf(reader.key[id], sizeof(reader.key[id]), "%s", frame->entities[i]->key);
    }
    for (size_t i = 0; i < frame->n_rows; i++)
        apply_row(frame->rows[i]);
}

static void assert_same(void)
{
    size_t known = 0, there = 0;
    for (size_t i = 0; i < IDS; i++)
        known += reader.kind[i] != 0;
    for (int kind = 0; kind < OPS_KINDS; kind++)
        aion_list_each (link, &table.kinds[kind].entities) {
            const struct ops_entity *entity = aion_container(link, struct ops_entity, link);
            there++;
            assert_int_equal(reader.kind[entity->id], kind);
            assert_string_equal(reader.key[entity->id], entity->key);
            assert_memory_equal(reader.cells[entity->id], entity->cells,
                                ops_kind_info((enum ops_kind)kind)->column_count *
                                    sizeof(int64_t));
        }
    assert_int_equal(known, there);
}

static uint32_t frame(uint32_t since)
{
    apply(ops_frame_build(&table, &all, since, &arena));
    assert_same();
    uint32_t at = table.stamp;
    ops_table_next(&table);
    return at;
}

static void a_frame_holds_what_changed_and_nothing_else(void **state)
{
    (void)state;
    struct ops_entity *route = ops_entity(&table, OPS_ROUTE, AION_STR("a/local"));
    struct ops_entity *host = ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    ops_set(&table, route, 4, 7);
    uint32_t at = frame(0);
    ops_add(&table, route, 4, 1);
    ops_add(&table, route, 5, 2);
    const Aion__V1__OpsFrame *next = ops_frame_build(&table, &all, at, &arena);
    assert_int_equal(next->n_rows, 1);
    assert_int_equal(next->rows[0]->entity, route->id);
    assert_int_equal(next->rows[0]->changed, 1 << 4 | 1 << 5);
    assert_int_equal(next->n_entities, 0);
    at = frame(at);
    ops_set(&table, host, 1, 0);
    assert_int_equal(ops_frame_build(&table, &all, at, &arena)->n_rows, 0);
}

static void new_ones_come_whole_and_lost_ones_are_told_once(void **state)
{
    (void)state;
    uint32_t at = frame(0);
    struct ops_entity *host = ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    ops_set(&table, host, 2, 5);
    at = frame(at);
    ops_table_sweep(&table, OPS_IDLE_US + 1);
    assert_null(ops_entity_find(&table, OPS_HOST, AION_STR("host-1")));
    at = frame(at);
    assert_int_equal(ops_frame_build(&table, &all, at, &arena)->n_gone, 0);
    struct ops_entity *again = ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    assert_int_not_equal(again->id, 1);
    frame(at);
    ops_table_sweep(&table, OPS_IDLE_US + OPS_GRAVE_US + 1);
    assert_true(aion_list_empty(&table.kinds[OPS_HOST].graves));
}

static void one_that_came_and_went_between_two_frames_is_not_told(void **state)
{
    (void)state;
    uint32_t at = frame(0);
    ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    ops_table_sweep(&table, OPS_IDLE_US + 1);
    assert_int_equal(ops_frame_build(&table, &all, at, &arena)->n_gone, 0);
    frame(at);
}

static void what_is_pinned_stays(void **state)
{
    (void)state;
    struct ops_entity *pinned = ops_pin(ops_entity(&table, OPS_TENANT, AION_STR("acme")));
    ops_table_sweep(&table, 10 * (int64_t)OPS_IDLE_US);
    assert_ptr_equal(ops_entity_find(&table, OPS_TENANT, AION_STR("acme")), pinned);
    ops_unpin(&pinned);
    ops_table_sweep(&table, 11 * (int64_t)OPS_IDLE_US);
    assert_null(ops_entity_find(&table, OPS_TENANT, AION_STR("acme")));
}

static void beyond_the_most_others_share_one(void **state)
{
    char key[32];
    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "tenant-%d", i);
        ops_add(&table, ops_entity(&table, OPS_TENANT, aion_str_of(key)), 2, 1);
    }
    struct ops_entity *other = ops_entity_find(&table, OPS_TENANT, AION_STR("other"));
    assert_non_null(other);
    assert_int_equal(ops_get(other, 2), 2000 - 1024);
    assert_int_equal(table.kinds[OPS_TENANT].count, 1025);
}

static void a_tenants_reader_sees_its_own_row(void **state)
{
    const struct ops_view own = {.kinds = OPS_ALL_KINDS, .tenant = AION_STR("acme")};
    (void)state;
    ops_entity(&table, OPS_TENANT, AION_STR("acme"));
    ops_entity(&table, OPS_TENANT, AION_STR("beta"));
    ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    const Aion__V1__OpsFrame *seen = ops_frame_build(&table, &own, 0, &arena);
    assert_int_equal(seen->n_entities, 1);
    assert_int_equal(seen->n_rows, 1);
    assert_string_equal(seen->entities[0]->key, "acme");
}

static void labels_are_named_anew_when_they_change(void **state)
{
    (void)state;
    struct ops_entity *host = ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    struct ops_label label = {AION_STR("pool"), AION_STR("cpu")};
    ops_entity_label(&table, host, &label, 1);
    uint32_t at = frame(0);
    ops_entity_label(&table, host, &label, 1);
    assert_int_equal(ops_frame_build(&table, &all, at, &arena)->n_entities, 0);
    label.value = AION_STR("gpu");
    ops_entity_label(&table, host, &label, 1);
    const Aion__V1__OpsFrame *next = ops_frame_build(&table, &all, at, &arena);
    assert_int_equal(next->n_entities, 1);
    assert_string_equal(next->entities[0]->labels[0]->value, "gpu");
}

static void labels_keep_within_their_bounds(void **state)
{
    static char large[OPS_LABEL_BYTES_MAX];
    struct ops_label labels[20];
    (void)state;
    memset(large, 'x', sizeof(large));
    for (size_t i = 0; i < aion_countof(labels); i++)
        labels[i] = (struct ops_label){AION_STR("n"), AION_STR("v")};
    struct ops_entity *host = ops_entity(&table, OPS_HOST, AION_STR("host-1"));
    ops_entity_label(&table, host, labels, aion_countof(labels));
    assert_int_equal(host->label_count, OPS_LABELS_MAX);
    labels[1].value = aion_str_n(large, sizeof(large));
    ops_entity_label(&table, host, labels, aion_countof(labels));
    assert_int_equal(host->label_count, 1);
}

static void ten_seconds_are_mean_sum_and_last_with_least_and_most(void **state)
{
    (void)state;
    struct ops_entity *mesh = ops_entity(&table, OPS_MESH, AION_STR("mesh"));
    for (int i = 0; i < 10; i++) {
        ops_set(&table, mesh, 0, i * 1000); /* a rate */
        ops_set(&table, mesh, 7, 10 - i);   /* queued */
        ops_set(&table, mesh, 20, 2);       /* of the latency's buckets */
        for (int k = 0; k < 10; k++)
            ops_record(mesh, i < 9 ? 100 : 1000000);
        ops_set(&table, mesh, 10, ops_hist_quantile(mesh->second, 500));
        ops_table_second(&table);
    }
    assert_int_equal(ops_ten_value(mesh, 0), 4500);
    assert_int_equal(ops_ten_value(mesh, 7), 1);
    assert_int_equal(ops_ten_value(mesh, 20), 20);
    assert_in_range(ops_ten_value(mesh, 10), 100, 107);
    assert_in_range(ops_ten_value(mesh, 12), 1000000, 1063000); /* the tenth second was slow */
    const Aion__V1__OpsFrame *ten = ops_frame_ten(&table, 0, &arena);
    assert_int_equal(ten->n_least, 1);
    assert_int_equal(ten->least[0]->changed & 1, 1);
    assert_int_equal(ten->least[0]->values[0], 0);
    assert_int_equal(ten->most[0]->values[0], 9000);
    assert_int_equal(ten->least[0]->changed >> 20 & 1, 0); /* not of sums */
    ops_table_ten(&table);
    assert_int_equal(ops_ten_value(mesh, 0), OPS_UNKNOWN);
}

static void what_was_unknown_for_a_while_is_left_out_of_the_ten(void **state)
{
    (void)state;
    struct ops_entity *mesh = ops_entity(&table, OPS_MESH, AION_STR("mesh"));
    for (int i = 0; i < 10; i++) {
        ops_set(&table, mesh, 0, i % 2 ? 6000 : OPS_UNKNOWN);
        ops_table_second(&table);
    }
    assert_int_equal(ops_ten_value(mesh, 0), 6000);
}

static void quantiles_are_within_a_sixteenth(void **state)
{
    struct ops_hist *hist = calloc(1, sizeof(*hist)), *sum = calloc(1, sizeof(*sum));
    (void)state;
    assert_int_equal(ops_hist_quantile(hist, 500), -1);
    for (int i = 1; i <= 1000; i++)
        ops_hist_record(hist, i * 100);
    assert_in_range(ops_hist_quantile(hist, 500), 50000, 53200);
    assert_in_range(ops_hist_quantile(hist, 990), 99000, 105300);
    assert_in_range(ops_hist_between(hist, -1, 50000), 470, 500);
    ops_hist_merge(sum, hist);
    ops_hist_merge(sum, hist);
    assert_int_equal(sum->total, 2000);
    assert_int_equal(ops_hist_quantile(sum, 950), ops_hist_quantile(hist, 950));
    ops_hist_add(sum, OPS_HIST_BUCKETS, 5);
    assert_int_equal(sum->total, 2000);
    ops_hist_reset(sum);
    assert_int_equal(ops_hist_quantile(sum, 950), -1);
    free(hist);
    free(sum);
}

static void shares_and_bytes_are_rounded(void **state)
{
    (void)state;
    assert_int_equal(ops_share_ppm(1, 83), 12000);
    assert_int_equal(ops_share_ppm(0, 83), 0);
    assert_int_equal(ops_share_ppm(5, 0), 0);
    assert_int_equal(ops_share_ppm(7, 7), 1000000);
    assert_int_equal(ops_round_digits(999), 999);
    assert_int_equal(ops_round_digits(12345), 12300);
    assert_int_equal(ops_round_digits(OPS_UNKNOWN), OPS_UNKNOWN);
    assert_int_equal(ops_round_age(140000), 100000);
    assert_int_equal(ops_round_bytes(100000), 131072);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_holds_what_changed_and_nothing_else),
        TEST(new_ones_come_whole_and_lost_ones_are_told_once),
        TEST(one_that_came_and_went_between_two_frames_is_not_told),
        TEST(what_is_pinned_stays),
        TEST(beyond_the_most_others_share_one),
        TEST(a_tenants_reader_sees_its_own_row),
        TEST(labels_are_named_anew_when_they_change),
        TEST(labels_keep_within_their_bounds),
        TEST(ten_seconds_are_mean_sum_and_last_with_least_and_most),
        TEST(what_was_unknown_for_a_while_is_left_out_of_the_ten),
        TEST(quantiles_are_within_a_sixteenth),
        TEST(shares_and_bytes_are_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
