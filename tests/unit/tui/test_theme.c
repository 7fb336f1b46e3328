/* Goal: text can be read in every theme and depth of colour, and no state is a colour alone.
 * Method: contrast of every role's colours by WCAG 2.1 beside dark and light backgrounds; the
 * words of all states; what is left without colour. */
#include "tui_test.h"

#include "theme.h"

#include <math.h>

static double linear(uint32_t part)
{
    double share = part / 255.0;
    return share <= 0.03928 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4);
}

static double luminance(uint32_t rgb)
{
    return 0.2126 * linear(rgb >> 16 & 255) + 0.7152 * linear(rgb >> 8 & 255) +
           0.0722 * linear(rgb & 255);
}

static double contrast(uint32_t a, uint32_t b)
{
    double x = luminance(a), y = luminance(b);
    return x > y ? (x + 0.05) / (y + 0.05) : (y + 0.05) / (x + 0.05);
}

/* Rules and the faint end of the heat map are no text. */
static bool is_text(enum tui_role role)
{
    return role != TUI_TITLE && role != TUI_HEAT_1 && role != TUI_HEAT_2 && role != TUI_HEAT_3;
}

static void text_has_contrast_in_every_theme(void **state)
{
    (void)state;
    for (unsigned theme = 0; theme < TUI_MONO; theme++)
        for (unsigned role = 0; role < TUI_ROLES; role++) {
            struct tui_style style =
                tui_theme_style((enum tui_theme)theme, 256, (enum tui_role)role, 0);
            uint32_t ground = theme == TUI_LIGHT ? 0xFFFFFF : 0x101010;
            uint32_t bg = style.bg >= 0 ? tui_theme_rgb(style.bg) : ground;
            if (style.fg < 0 || !is_text((enum tui_role)role))
                continue;
            double ratio = contrast(tui_theme_rgb(style.fg), bg);
            if (ratio < 4.5)
                fail_msg("theme %s, role %u: contrast %.1f", tui_theme_names[theme], role,
                         ratio);
        }
}

static void good_and_bad_differ_for_every_eye(void **state)
{
    static const enum tui_role roles[] = {TUI_GOOD, TUI_WARN, TUI_ALARM};
    (void)state;
    for (unsigned theme = 0; theme < TUI_THEMES; theme++)
        for (size_t i = 0; i < 3; i++)
            for (size_t k = 0; k < i; k++) {
                struct tui_style a = tui_theme_style((enum tui_theme)theme, 256, roles[i], 0),
                                 b = tui_theme_style((enum tui_theme)theme, 256, roles[k], 0);
                assert_true(a.fg != b.fg || a.attributes != b.attributes);
            }
    /* green and red are not what tells them apart for those who do not see one of them */
    struct tui_style good = tui_theme_style(TUI_DEUTERANOPIA, 256, TUI_GOOD, 0);
    struct tui_style bad = tui_theme_style(TUI_DEUTERANOPIA, 256, TUI_ALARM, 0);
    assert_true((tui_theme_rgb(good.fg) & 255) > 200 && (tui_theme_rgb(bad.fg) & 255) < 50);
}

static void without_colour_attributes_are_left(void **state)
{
    (void)state;
    for (unsigned role = 0; role < TUI_ROLES; role++)
        for (unsigned flags = 0; flags < 16; flags++) {
            struct tui_style style = tui_theme_style(TUI_DARK, 1, (enum tui_role)role, flags);
            assert_true(style.fg == -1 && style.bg == -1);
        }
    assert_true((tui_theme_style(TUI_MONO, 256, TUI_PLAIN, TUI_SELECTED).attributes &
                 TUI_REVERSE) != 0);
    assert_true((tui_theme_style(TUI_MONO, 256, TUI_PLAIN, TUI_OLD).attributes & TUI_FAINT) !=
                0);
    assert_true(tui_theme_style(TUI_MONO, 256, TUI_BAR_ALARM, 0).attributes !=
                tui_theme_style(TUI_MONO, 256, TUI_BAR, 0).attributes);
}

static void few_colours_stay_within_their_number(void **state)
{
    (void)state;
    for (unsigned theme = 0; theme < TUI_THEMES; theme++)
        for (unsigned role = 0; role < TUI_ROLES; role++)
            for (unsigned flags = 0; flags < 16; flags++) {
                struct tui_style eight =
                    tui_theme_style((enum tui_theme)theme, 8, (enum tui_role)role, flags);
                struct tui_style sixteen =
                    tui_theme_style((enum tui_theme)theme, 16, (enum tui_role)role, flags);
                assert_true(eight.fg < 8 && eight.bg < 8 && sixteen.fg < 16 && sixteen.bg < 16);
            }
}

static void every_state_has_a_word(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < TUI_KINDS; kind++)
        for (size_t i = 0; i < tui_kinds[kind].count; i++) {
            const struct tui_measure *measure = &tui_kinds[kind].measures[i];
            if (measure->unit != TUI_STATE)
                continue;
            for (size_t word = 0; word < measure->word_count; word++) {
                assert_true(strlen(measure->words[word].word) > 1);
                for (size_t other = 0; other < word; other++)
                    assert_string_not_equal(measure->words[word].word,
                                            measure->words[other].word);
            }
            assert_string_equal(tui_word_of(measure, 99).word, "?");
            assert_string_equal(tui_word_of(measure, -1).word, "-");
        }
    for (int task = 1; task < TUI_TASK_STATES; task++)
        assert_true(strlen(tui_task_word(task).word) > 2);
    assert_string_equal(tui_task_word(99).word, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_contrast_in_every_theme),
        cmocka_unit_test(good_and_bad_differ_for_every_eye),
        cmocka_unit_test(without_colour_attributes_are_left),
        cmocka_unit_test(few_colours_stay_within_their_number),
        cmocka_unit_test(every_state_has_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
