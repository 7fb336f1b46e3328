/* Goal: metrics count, histograms keep their error, the text is OpenMetrics, series are
 * bounded. */
#include "base/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct aion_metric_family calls = {.name = "test_calls",
                                                .help = "Calls.",
                                                .kind = AION_COUNTER,
                                                .labels = {"method"},
                                                .series_max = 4};
static const struct aion_metric_family times = {.name = "test_time_seconds",
                                                .help = "Times.",
                                                .unit = "seconds",
                                                .kind = AION_HISTOGRAM,
                                                .scale = 1e-6};

static void buckets_are_exact_below_16_and_within_a_sixteenth(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 16; value++)
        assert_int_equal(aion_hist_bound(aion_hist_bucket(value)), value);
    for (uint64_t value = 16; value < UINT64_MAX / 3; value += value / 2 + 1) {
        uint64_t bound = aion_hist_bound(aion_hist_bucket(value));
        assert_true(bound >= value && bound - value <= value / 16);
    }
    assert_int_equal(aion_hist_bucket(UINT64_MAX), AION_HIST_BUCKETS - 1);
}

static void the_text_is_openmetrics(void **state)
{
    struct aion_buf out;
    (void)state;
    aion_metric_add(aion_metric(&calls, "a\"b"), 3);
    for (int i = 1; i <= 100; i++)
        aion_metric_record(aion_metric(&times), i * 1000);
    assert_in_range(aion_metric_quantile(aion_metric(&times), 0.5), 50000, 54000);
    aion_buf_init(&out, 1 << 20);
    aion_metric_render(&out);
    assert_non_null(strstr(out.data, "# TYPE test_calls counter\n"));
    assert_non_null(strstr(out.data, "test_calls_total{method=\"a\\\"b\"} 3\n"));
    assert_non_null(strstr(out.data, "# UNIT test_time_seconds seconds\n"));
    assert_non_null(strstr(out.data, "test_time_seconds_bucket{le=\"+Inf\"} 100\n"));
    assert_non_null(strstr(out.data, "test_time_seconds_count 100\n"));
    assert_string_equal(out.data + out.size - 6, "# EOF\n");
    aion_buf_done(&out);
}

struct seen {
    size_t series, times;
    int64_t value;
    char label[32];
};

static void see(void *user, const struct aion_metric_family *family, struct aion_metric *metric,
                const char *const *values)
{
    struct seen *seen = user;
    seen->series++;
    seen->times += family == &times;
    if (family != &calls || strcmp(values[0], "walked") != 0)
        return;
    seen->value = aion_metric_value(metric);
    snprintf(seen->label, sizeof(seen->label), "%s", values[0]);
}

static void a_walk_sees_every_series_with_its_labels(void **state)
{
    static uint32_t counts[AION_HIST_BUCKETS];
    struct seen seen = {0};
    size_t before = aion_metric_made();
    (void)state;
    aion_metric_add(aion_metric(&calls, "walked"), 7);
    assert_int_equal(aion_metric_made(), before + 1);
    aion_metric_add(aion_metric(&calls, "walked"), 1);
    assert_int_equal(aion_metric_made(), before + 1);
    aion_metric_each(see, &seen);
    assert_int_equal(seen.series, before + 1);
    assert_int_equal(seen.times, 1);
    assert_int_equal(seen.value, 8);
    assert_string_equal(seen.label, "walked");
    int64_t sum = aion_metric_sum(aion_metric(&times));
    aion_metric_record(aion_metric(&times), 12);
    aion_metric_buckets(aion_metric(&times), counts);
    assert_int_equal(counts[12], 1);
    assert_int_equal(aion_metric_sum(aion_metric(&times)), sum + 12);
}

static void too_many_series_share_one(void **state)
{
    struct aion_metric *shared;
    (void)state;
    aion_metric(&calls, "1");
    aion_metric(&calls, "2");
    shared = aion_metric(&calls, "3");
    assert_ptr_equal(aion_metric(&calls, "4"), shared);
    assert_ptr_equal(aion_metric(&calls, "5"), shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_exact_below_16_and_within_a_sixteenth),
        cmocka_unit_test(the_text_is_openmetrics),
        cmocka_unit_test(a_walk_sees_every_series_with_its_labels),
        cmocka_unit_test(too_many_series_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
