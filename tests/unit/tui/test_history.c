/* Goal: where memory runs out, a second is missing from the history, and all others are as they
 * were. Method: realloc, which a segment grows by, and malloc, which rows are made of, are
 * wrapped and refuse when they are told to; then every second is read back. */
#include "tui_test.h"

#include "history.h"

enum { SECONDS = 180, HOSTS = 40 };

static const int64_t SECOND = 1000000;

void *__real_realloc(void *bytes, size_t size);
void *__wrap_realloc(void *bytes, size_t size);

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static unsigned calls, refused_every; /* 0: none */
static bool rows_refused;

void *__wrap_malloc(size_t size)
{
    return rows_refused ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *bytes, size_t size)
{
    if (refused_every > 0 && ++calls % refused_every == 0)
        return NULL;
    return __real_realloc(bytes, size);
}

static struct tui_entities entities;
static struct tui_history history;
static struct tui_picture picture, read_back;

static int begin(void **state)
{
    (void)state;
    calls = refused_every = 0;
    tui_entities_init(&entities);
    tui_history_init(&history, 64 << 20);
    tui_picture_init(&picture);
    tui_picture_init(&read_back);
    return 0;
}

static int end(void **state)
{
    (void)state;
    refused_every = 0;
    tui_picture_done(&read_back);
    tui_picture_done(&picture);
    tui_history_done(&history);
    tui_entities_done(&entities);
    return 0;
}

static int64_t value_at(int64_t second, int host)
{
    return (second * 7919 + host) * 1000003; /* all move, by much */
}

static void fill(int64_t second)
{
    char key[24];
    picture.at_us = second * SECOND;
    picture.span_ms = 1000;
    for (int host = 0; host < HOSTS; host++) {
        snprintf(key, sizeof(key), "host-%d", host);
        struct tui_entity *entity =
            tui_entity_of(&entities, TUI_HOST, aion_str_of(key), NULL, 0, picture.at_us);
        struct tui_row *row = tui_picture_row(&picture, entity);
        assert_non_null(row);
        row->values[0] = value_at(second, host);
    }
}

/* How many of the seconds are there, each as it was. */
static int seconds_there(void)
{
    int there = 0;
    for (int64_t second = 1; second <= SECONDS; second++) {
        if (!tui_history_at(&history, &entities, second * SECOND, &read_back) ||
            read_back.at_us != second * SECOND)
            continue;
        there++;
        for (uint32_t slot = 0; slot < HOSTS; slot++) {
            const struct tui_row *row = tui_picture_find(&read_back, slot);
            assert_non_null(row);
            assert_int_equal(row->values[0], value_at(second, (int)slot));
        }
    }
    return there;
}

static void run(unsigned refuse)
{
    for (int64_t second = 1; second <= SECONDS; second++) {
        refused_every = 0;
        fill(second);
        refused_every = refuse;
        tui_history_add(&history, &picture);
    }
    refused_every = 0;
}

static void every_second_is_there(void **state)
{
    (void)state;
    run(0);
    assert_int_equal(seconds_there(), SECONDS);
}

static void seconds_without_memory_are_missing_alone(void **state)
{
    (void)state;
    run(3);
    int there = seconds_there();
    assert_in_range(there, SECONDS / 2, SECONDS - 1);
}

static void without_any_memory_there_is_none(void **state)
{
    (void)state;
    run(1);
    assert_int_equal(seconds_there(), 0);
    assert_int_equal(history.count, 0);
    fill(SECONDS);
    tui_history_add(&history, &picture);
    assert_int_equal(seconds_there(), 1);
}

/* It is written, but what the next one would differ from is not known. */
static void a_second_that_could_not_be_copied_costs_no_other(void **state)
{
    (void)state;
    fill(1);
    rows_refused = true;
    tui_history_add(&history, &picture);
    rows_refused = false;
    assert_true(history.last_unknown);
    run(0);
    assert_int_equal(seconds_there(), SECONDS);
}

#define test_of(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(every_second_is_there),
        test_of(seconds_without_memory_are_missing_alone),
        test_of(without_any_memory_there_is_none),
        test_of(a_second_that_could_not_be_copied_costs_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
