/* Events: packed once, filtered and sampled by view, counted exactly whatever is left out. What
 * views take is unpacked with the generated code. */
#include "ops/ops_events.h"

#include "aion/v1/ops.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RING = 16384 };

static struct ops_events events;
static struct ops_event_view view;
static struct aion_buf out;
static Aion__V1__OpsEvents *taken;

static int setup(void **state)
{
    (void)state;
    ops_events_init(&events, RING);
    aion_buf_init(&out, 1 << 20);
    taken = NULL;
    return 0;
}

static void forget(void)
{
    if (taken != NULL)
        aion__v1__ops_events__free_unpacked(taken, NULL);
    taken = NULL;
    aion_buf_reset(&out);
}

static int teardown(void **state)
{
    (void)state;
    forget();
    ops_event_view_close(&view);
    ops_events_done(&events);
    aion_buf_done(&out);
    return 0;
}

static void open_view(const struct ops_event_filter *filter)
{
    assert_true(ops_event_view_open(&events, &view, filter, 0));
}

/* What the view takes at that time, with its counts. */
static bool take(int64_t now_us)
{
    forget();
    size_t count;
    bool more = ops_event_view_take(&events, &view, now_us, &out, &count);
    ops_event_counts_write(&view.counts, &out);
    view.counts = (struct ops_event_counts){.sampled = 0};
    taken = aion__v1__ops_events__unpack(NULL, out.size, (const uint8_t *)out.data);
    assert_non_null(taken);
    assert_int_equal(taken->n_events, count);
    return more;
}

static uint64_t counted(void)
{
    uint64_t count = 0;
    for (size_t i = 0; i < taken->n_counts; i++)
        count += taken->counts[i]->count;
    return count;
}

static struct ops_event task_event(unsigned state, const char *tenant)
{
    return (struct ops_event){.kind = OPS_EVENT_TASK,
                              .state = state,
                              .at_us = 1795478400000000,
                              .attempt = 2,
                              .latency_us = 1500,
                              .cost_nano_usd = 99,
                              .what = AION_STR("succeeded"),
                              .task_id = AION_STR("01a20d71-507e-71d6-9db6-3a4ee1f8b889"),
                              .tenant = aion_str_of(tenant),
                              .intent = AION_STR("noop"),
                              .route = AION_STR("local"),
                              .host = AION_STR("host-1"),
                              .reason = AION_STR("REASON"),
                              .note = AION_STR("a note")};
}

static const struct ops_event_filter everything = {.per_second_max = 1, .all = true};

static void every_field_arrives(void **state)
{
    struct ops_event event = task_event(7, "acme");
    (void)state;
    open_view(&everything);
    ops_events_put(&events, &event);
    assert_false(take(0));
    assert_int_equal(taken->n_events, 1);
    const Aion__V1__OpsEvent *got = taken->events[0];
    assert_int_equal(got->sequence, 1);
    assert_int_equal(got->kind, AION__V1__OPS_EVENT__KIND__KIND_TASK);
    assert_int_equal(got->at_us, 1795478400000000);
    assert_string_equal(got->what, "succeeded");
    assert_string_equal(got->task_id, "01a20d71-507e-71d6-9db6-3a4ee1f8b889");
    assert_string_equal(got->tenant, "acme");
    assert_string_equal(got->intent, "noop");
    assert_int_equal(got->state, 7);
    assert_int_equal(got->attempt, 2);
    assert_string_equal(got->route, "local");
    assert_string_equal(got->host, "host-1");
    assert_string_equal(got->reason, "REASON");
    assert_string_equal(got->note, "a note");
    assert_int_equal(got->latency_us, 1500);
    assert_int_equal(got->cost_nano_usd, 99);
    assert_int_equal(taken->n_counts, 1);
    assert_int_equal(taken->counts[0]->state, 7);
    assert_int_equal(taken->counts[0]->count, 1);
}

static void texts_are_cut_between_code_points_and_bad_ones_left_out(void **state)
{
    char note[OPS_EVENT_NOTE_MAX + 20];
    struct ops_event event = task_event(7, "acme");
    (void)state;
    memset(note, 'x', sizeof(note));
    memcpy(note + OPS_EVENT_NOTE_MAX - 1, "\xc3\xa9", 2); /* é over the edge */
    event.note = aion_str_n(note, sizeof(note));
    event.reason = AION_STR("\xff\xfe");
    event.host = aion_str_n("a\0b", 3);
    open_view(&everything);
    ops_events_put(&events, &event);
    take(0);
    assert_int_equal(strlen(taken->events[0]->note), OPS_EVENT_NOTE_MAX - 1);
    assert_string_equal(taken->events[0]->reason, "");
    assert_string_equal(taken->events[0]->host, "");
}

static void filters_look_at_each_field(void **state)
{
    static const struct {
        struct ops_event_filter filter;
        int passes;
    } cases[] = {
        {{.states = 1 << 7}, 1},
        {{.states = 1 << 8}, 0},
        {{.kinds = 1 << OPS_EVENT_TASK}, 1},
        {{.kinds = 1 << OPS_EVENT_AUDIT}, 0},
        {{.tenant = "acme"}, 1},
        {{.tenant = "acm"}, 0},
        {{.intent = "noop"}, 1},
        {{.intent = "x"}, 0},
        {{.route = "local"}, 1},
        {{.route = "api"}, 0},
        {{.host = "host-1"}, 1},
        {{.host = "host-2"}, 0},
        {{.text = "71d6-9db6"}, 1},
        {{.text = "note"}, 1},
        {{.text = "REAS"}, 1},
        {{.text = "acme"}, 0},
    };
    struct ops_event event = task_event(7, "acme");
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        struct ops_event_filter filter = cases[i].filter;
        filter.all = true;
        filter.per_second_max = 1;
        open_view(&filter);
        ops_events_put(&events, &event);
        take(0);
        assert_int_equal(taken->n_events, cases[i].passes);
        assert_int_equal(counted(), cases[i].passes);
        ops_event_view_close(&view);
    }
}

static void beyond_the_rate_events_are_sampled_and_counted(void **state)
{
    const struct ops_event_filter tail = {.per_second_max = 10};
    struct ops_event event = task_event(7, "acme");
    uint64_t count = 0, sent = 0, sampled = 0;
    (void)state;
    open_view(&tail);
    for (int64_t now_us = 0; now_us <= 4000000; now_us += 50000) {
        for (int i = 0; i < 20; i++)
            ops_events_put(&events, &event);
        take(now_us);
        count += counted();
        sent += taken->n_events;
        sampled += taken->sampled;
    }
    assert_int_equal(count, 81 * 20);
    assert_int_equal(sent + sampled, count);
    assert_in_range(sent, 49, 51); /* ten at first, ten a second */
}

static void a_slow_tail_gets_its_second_at_once(void **state)
{
    const struct ops_event_filter tail = {.per_second_max = 10};
    struct ops_event event = task_event(7, "acme");
    (void)state;
    open_view(&tail);
    for (int i = 0; i < 30; i++)
        ops_events_put(&events, &event);
    take(60000000);
    assert_int_equal(taken->n_events, 10);
    assert_int_equal(taken->sampled, 20);
}

static void batches_have_256_at_most(void **state)
{
    struct ops_event event = {.kind = OPS_EVENT_TASK, .state = 2};
    (void)state;
    open_view(&everything);
    for (int i = 0; i < 300; i++) {
        event.state = i % 12;
        ops_events_put(&events, &event);
    }
    assert_true(ops_event_view_waits(&events, &view));
    assert_true(take(0));
    assert_int_equal(taken->n_events, OPS_EVENTS_BATCH);
    assert_false(take(0));
    assert_int_equal(taken->n_events, 44);
    assert_false(ops_event_view_waits(&events, &view));
}

static void a_view_that_stood_still_loses_events_but_no_counts(void **state)
{
    (void)state;
    open_view(&everything);
    for (unsigned i = 0; i < 1000; i++) {
        struct ops_event event =
            task_event(i % 12, i % 3 ? "acme" : "a-tenant-with-a-long-name");
        ops_events_put(&events, &event);
    }
    uint64_t sent = 0, sampled = 0, count = 0, sequence = 0;
    bool more = true;
    while (more) {
        more = take(0);
        sent += taken->n_events;
        sampled += taken->sampled;
        count += counted();
        for (size_t i = 0; i < taken->n_events; i++) {
            assert_true(taken->events[i]->sequence > sequence);
            sequence = taken->events[i]->sequence;
        }
    }
    assert_int_equal(count, 1000);
    assert_int_equal(sent + sampled, 1000);
    assert_int_equal(sequence, 1000);
    assert_in_range(sent, 40, RING / 100); /* what the ring holds */
}

static void without_a_view_events_are_numbered_alone(void **state)
{
    struct ops_event event = task_event(7, "acme");
    (void)state;
    for (int i = 0; i < 10; i++)
        ops_events_put(&events, &event);
    open_view(&everything);
    ops_events_put(&events, &event);
    take(0);
    assert_int_equal(taken->n_events, 1);
    assert_int_equal(taken->events[0]->sequence, 11);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_field_arrives),
        TEST(texts_are_cut_between_code_points_and_bad_ones_left_out),
        TEST(filters_look_at_each_field),
        TEST(beyond_the_rate_events_are_sampled_and_counted),
        TEST(a_slow_tail_gets_its_second_at_once),
        TEST(batches_have_256_at_most),
        TEST(a_view_that_stood_still_loses_events_but_no_counts),
        TEST(without_a_view_events_are_numbered_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
