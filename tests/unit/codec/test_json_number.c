/* Numbers both ways against the C library, on hard cases and at random, in a locale with a
 * decimal comma too. */
#include "base/rand.h"
#include "codec/json_private.h"
#include "codec_test.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

static double read_double(const char *text)
{
    struct json_number number;
    double value = 0;
    assert_true(codec_json_number_scan(text, text + strlen(text), &number));
    assert_int_equal(number.text.size, strlen(text));
    assert_true(codec_json_number_double(&number, &value));
    return value;
}

static void reads_doubles_correctly_rounded(void **state)
{
    static const char *const hard[] = {
        "0",
        "-0",
        "0.1",
        "1e22",
        "1e23",
        "9007199254740993",
        "9007199254740992",
        "123456789012345678",
        "1.7976931348623157e308",
        "2.2250738585072011e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "0.000000000000000000000000000000000000000000000000000001",
        "100000000000000000000000000000000",
        "1.00000000000000011102230246251565404236316680908203125",
        "8.5e15",
        "179769313486231570000e288",
        "0.30000000000000004",
        "5e-1",
        "12345678901234567890",
        "6.02214076e23",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
        assert_true(read_double(hard[i]) == strtod(hard[i], NULL));
    assert_true(signbit(read_double("-0")));
}

static void reads_numbers_of_any_length(void **state)
{
    char text[1000];
    (void)state;
    memset(text, '1', sizeof(text));
    text[1] = '.';
    text[sizeof(text) - 1] = '\0';
    assert_true(read_double(text) == strtod(text, NULL));
    struct json_number number;
    float narrow;
    assert_true(codec_json_number_scan(text, text + strlen(text), &number));
    assert_true(codec_json_number_float(&number, &narrow));
    assert_true(narrow == strtof(text, NULL));
}

static void prints_the_shortest_text(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.25, "0.25"},
        {100, "100"},
        {1e15, "1000000000000000"},
        {1e22, "1e+22"},
        {0.30000000000000004, "0.30000000000000004"},
        {5e-324, "4.94065645841247e-324"},
        {3.14159, "3.14159"},
        {1e-5, "0.00001"},
        {1e-7, "1e-07"},
        {123.456, "123.456"},
        {-0.001, "-0.001"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
    };
    char out[JSON_NUMBER_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out[codec_json_print_double(out, cases[i].value)] = '\0';
        assert_string_equal(out, cases[i].text);
    }
    out[codec_json_print_float(out, 0.1F)] = '\0';
    assert_string_equal(out, "0.1");
    out[codec_json_print_float(out, 3.4028235e38F)] = '\0';
    assert_string_equal(out, "3.4028235e+38");
}

static void every_double_reads_back(void **state)
{
    struct aion_rand random;
    char out[JSON_NUMBER_MAX + 1];
    (void)state;
    aion_rand_seed(&random, 4711);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = aion_rand_u64(&random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 4 == 1)
            value = (double)(int64_t)(bits >> 20) / 1000;
        else if (i % 4 == 2)
            value = (double)(bits >> 40) / 100;
        if (!isfinite(value))
            continue;
        size_t size = codec_json_print_double(out, value);
        assert_true(size <= JSON_NUMBER_MAX);
        out[size] = '\0';
        assert_true(strtod(out, NULL) == value);
        assert_true(read_double(out) == value);
        float narrow = (float)value;
        if (!isfinite(narrow))
            continue;
        out[codec_json_print_float(out, narrow)] = '\0';
        assert_true(strtof(out, NULL) == narrow);
    }
}

static void every_short_decimal_is_printed_as_it_is_written(void **state)
{
    char text[40], out[JSON_NUMBER_MAX + 1];
    (void)state;
    for (int i = 1; i < 100000; i++) {
        if (i % 10 == 0)
            continue;
        snprintf(text, sizeof(text), "%d.%03d", i / 1000, i % 1000);
        out[codec_json_print_double(out, strtod(text, NULL))] = '\0';
        assert_int_equal(strtod(out, NULL) == strtod(text, NULL), true);
        assert_string_equal(out, text);
    }
}

static void integers_are_exact_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool is_u64;
        uint64_t u64;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"1.0", true, 1},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"1844674407370955161500e-2", true, UINT64_MAX},
        {"1e19", true, 10000000000000000000u},
        {"1e20", false, 0},
        {"0e999999999999", true, 0},
        {"0.5", false, 0},
        {"5e-1", false, 0},
        {"50e-1", true, 5},
        {"-1", false, 0},
        {"1.00000000000000000000000000000000", true, 1},
        {"1.00000000000000000000000000000001", false, 0},
        {"0.000000000000000000000000000000000000001e39", true, 1},
    };
    struct json_number number;
    uint64_t value;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(codec_json_number_scan(cases[i].text, cases[i].text + strlen(cases[i].text),
                                           &number));
        assert_int_equal(codec_json_number_u64(&number, UINT64_MAX, &value), cases[i].is_u64);
        if (cases[i].is_u64)
            assert_true(value == cases[i].u64);
    }
    int64_t least;
    static const char lowest[] = "-9223372036854775808";
    assert_true(codec_json_number_scan(lowest, lowest + 20, &number));
    assert_true(codec_json_number_i64(&number, INT64_MIN, INT64_MAX, &least) &&
                least == INT64_MIN);
    assert_false(codec_json_number_i64(&number, INT32_MIN, INT32_MAX, &least));
}

static void the_locale_does_not_matter(void **state)
{
    /* Any locale with a decimal comma that the machine has; none is no reason to fail. */
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    for (size_t i = 0; i < 4; i++)
        if (setlocale(LC_ALL, names[i]) != NULL)
            break;
    char out[JSON_NUMBER_MAX + 1];
    out[codec_json_print_double(out, 1.2345678901234567e-9)] = '\0';
    bool good = strchr(out, ',') == NULL && read_double(out) == 1.2345678901234567e-9;
    setlocale(LC_ALL, "C");
    assert_true(good);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_doubles_correctly_rounded, "doubles are read as the C library reads them"),
        TEST(reads_numbers_of_any_length, "numbers of a thousand digits are read"),
        TEST(prints_the_shortest_text, "doubles are printed short"),
        TEST(every_double_reads_back, "every double and float reads back"),
        TEST(every_short_decimal_is_printed_as_it_is_written,
             "every short decimal is printed as written"),
        TEST(integers_are_exact_or_refused, "integers are exact or refused"),
        TEST(the_locale_does_not_matter, "the process's locale does not matter"),
    };
    return cmocka_run_group_tests_name("json_number", tests, NULL, NULL);
}
