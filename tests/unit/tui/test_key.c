/* Goal: keys of all terminals are told apart, whatever pieces they come in; what is no key is
 * swallowed; names go both ways.
 * Method: byte sequences of xterm, the Linux console and the vt100, whole and byte by byte. */
#include "tui_test.h"

#include "key.h"

struct heard {
    char text[512];
};

static void hear(void *user, const struct tui_event *event)
{
    struct heard *heard = user;
    char name[TUI_KEY_NAME_SIZE] = "";
    size_t used = strlen(heard->text);
    if (event->kind == TUI_EVENT_KEY)
        tui_key_name(name, event->key);
    else if (event->kind == TUI_EVENT_FOCUS)
        snprintf(name, sizeof(name), "<focus %d>", event->on);
    else if (event->kind == TUI_EVENT_MOUSE)
        snprintf(name, sizeof(name), "<%d@%d,%d>", event->button, event->y, event->x);
    else if (event->kind == TUI_EVENT_SYNCED)
        snprintf(name, sizeof(name), "<synced %d>", event->on);
    snprintf(heard->text + used, sizeof(heard->text) - used, "%s%s", used > 0 ? " " : "", name);
    used = strlen(heard->text);
    if (event->kind == TUI_EVENT_PASTE)
        snprintf(heard->text + used, sizeof(heard->text) - used, "<paste %.*s>",
                 AION_STR_ARG(event->text));
}

/* The same whether the bytes come at once or one by one. */
static void assert_keys(const char *bytes, size_t size, const char *expected)
{
    struct tui_input input = {.size = 0};
    struct heard heard = {""};
    tui_input_feed(&input, aion_str_n(bytes, size), hear, &heard);
    assert_string_equal(heard.text, expected);
    heard.text[0] = '\0';
    for (size_t i = 0; i < size; i++)
        tui_input_feed(&input, aion_str_n(bytes + i, 1), hear, &heard);
    assert_string_equal(heard.text, expected);
}
#define KEYS(bytes, expected) assert_keys(bytes, sizeof(bytes) - 1, expected)

static void characters_are_keys(void **state)
{
    (void)state;
    KEYS("aG \xc3\xa9\xe6\xbc\xa2", "a G space \xc3\xa9 \xe6\xbc\xa2");
    KEYS("\r\t\x7f\x04\x00", "enter tab backspace ctrl-d ctrl-space");
    KEYS("\xff\xc0z", "z"); /* bytes of no character */
}

static void every_terminal_has_its_arrows(void **state)
{
    (void)state;
    KEYS("\x1b[A\x1bOB\x1b[C\x1bOD", "up down right left");
    KEYS("\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~", "home end home end home end");
    KEYS("\x1b[5~\x1b[6~\x1b[2~\x1b[3~\x1b[Z", "pgup pgdn insert delete shift-tab");
    KEYS("\x1bOP\x1b[11~\x1b[[A\x1b[24~\x1b[15~", "f1 f1 f1 f12 f5");
    KEYS("\x1b[1;5C\x1b[1;2A\x1b[3;3~", "ctrl-right shift-up alt-delete");
    KEYS("\x1bx\x1b\x1b[A", "alt-x esc up");
}

static void reports_are_no_keys(void **state)
{
    (void)state;
    KEYS("\x1b[I\x1b[O", "<focus 1> <focus 0>");
    KEYS("\x1b[<0;5;3M\x1b[<0;5;3m\x1b[<64;1;1M", "<0@2,4> <64@0,0>");
    KEYS("\x1b[?2026;2$y\x1b[?2026;0$y", "<synced 1> <synced 0>");
    KEYS("\x1b[?1;2c\x1b[>0;276;0cq", "q");
    KEYS("\x1b[999999999999999999999;1;1;1;1;1;1;1;1;1;1;1Xq", "q");
}

static void a_paste_is_one_event(void **state)
{
    (void)state;
    KEYS("\x1b[200~dd\x1b[Ay\x1b[201~z", "<paste dd\x1b[Ay> z");
    KEYS("\x1b[200~\x1b[20\x1b[201~", "<paste \x1b[20>");
}

static void a_lone_escape_is_a_key_after_a_while(void **state)
{
    struct tui_input input = {.size = 0};
    struct heard heard = {""};
    (void)state;
    tui_input_feed(&input, AION_STR("\x1b"), hear, &heard);
    assert_string_equal(heard.text, "");
    assert_true(tui_input_wait_us(&input) > 0);
    tui_input_flush(&input, hear, &heard);
    assert_string_equal(heard.text, "esc");
    assert_int_equal(tui_input_wait_us(&input), 0);
    tui_input_feed(&input, AION_STR("\x1b[200~never ends"), hear, &heard);
    assert_true(tui_input_wait_us(&input) > 100000);
    tui_input_flush(&input, hear, &heard);
    assert_string_equal(heard.text, "esc <paste never ends>");
}

static void endless_sequences_are_swallowed(void **state)
{
    struct tui_input input = {.size = 0};
    struct heard heard = {""};
    (void)state;
    tui_input_feed(&input, AION_STR("\x1b["), hear, &heard);
    for (int i = 0; i < 1000; i++)
        tui_input_feed(&input, AION_STR("1;"), hear, &heard);
    tui_input_feed(&input, AION_STR("Aq"), hear, &heard);
    assert_string_equal(heard.text, "q");
}

static void names_go_both_ways(void **state)
{
    static const char *const names[] = {"a",    "G",   "space",     "ctrl-d",  "shift-tab",
                                        "f12",  "end", "alt-x",     "[",       "ctrl-space",
                                        "pgup", "esc", "backspace", "\xc3\xa9"};
    char name[TUI_KEY_NAME_SIZE];
    uint32_t key;
    (void)state;
    for (size_t i = 0; i < aion_countof(names); i++) {
        assert_true(tui_key_parse(aion_str_of(names[i]), &key));
        tui_key_name(name, key);
        assert_string_equal(name, names[i]);
    }
    assert_false(tui_key_parse(AION_STR("f13"), &key));
    assert_false(tui_key_parse(AION_STR(""), &key));
    assert_false(tui_key_parse(AION_STR("ctrl-"), &key));
    assert_false(tui_key_parse(AION_STR("\x1b"), &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_keys),
        cmocka_unit_test(every_terminal_has_its_arrows),
        cmocka_unit_test(reports_are_no_keys),
        cmocka_unit_test(a_paste_is_one_event),
        cmocka_unit_test(a_lone_escape_is_a_key_after_a_while),
        cmocka_unit_test(endless_sequences_are_swallowed),
        cmocka_unit_test(names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
