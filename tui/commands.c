/* The one table of commands, and the keys that run them. */
#include "command.h"

#include <stdlib.h>

// clang-format off
const struct tui_command tui_commands[] = {
    {.name = "up", .keys = "k up", .sentence = "moves the cursor up", .run = tui_cmd_up},
    {.name = "down", .keys = "j down", .sentence = "moves the cursor down", .run = tui_cmd_down},
    {.name = "page-up", .keys = "pgup ctrl-b ctrl-u", .sentence = "moves up by a page", .run = tui_cmd_page_up},
    {.name = "page-down", .keys = "pgdn ctrl-f ctrl-d", .sentence = "moves down by a page", .run = tui_cmd_page_down},
    {.name = "first", .keys = "g home", .sentence = "moves to the first row", .run = tui_cmd_first},
    {.name = "last", .keys = "G", .sentence = "moves to the last row", .run = tui_cmd_last},
    {.name = "next-pane", .keys = "tab l right", .sentence = "gives the keys to the next pane", .footer = "pane", .rank = 5, .run = tui_cmd_next_pane},
    {.name = "previous-pane", .keys = "shift-tab h left", .sentence = "gives the keys to the pane before", .run = tui_cmd_previous_pane},
    {.name = "open", .keys = "enter", .sentence = "goes deeper: opens what is under the cursor", .footer = "open", .rank = 4, .usable = tui_can_open, .run = tui_cmd_enter},
    {.name = "back", .keys = "esc backspace", .sentence = "goes back: filter, detail, view before", .footer = "back", .rank = 6, .usable = tui_can_go_back, .run = tui_cmd_back},
    {.name = "next-match", .keys = "n", .sentence = "moves to the next line that matches", .usable = tui_on_page, .run = tui_cmd_next_match},
    {.name = "previous-match", .keys = "N", .sentence = "moves to the match before", .usable = tui_on_page, .run = tui_cmd_previous_match},

    {.name = "overview", .keys = "1", .group = TUI_LOOKING, .view = &tui_view_overview},
    {.name = "router", .keys = "2", .group = TUI_LOOKING, .view = &tui_view_router},
    {.name = "tasks", .keys = "3", .group = TUI_LOOKING, .view = &tui_view_tasks},
    {.name = "modules", .keys = "4", .group = TUI_LOOKING, .view = &tui_view_modules},
    {.name = "incidents", .keys = "5", .group = TUI_LOOKING, .view = &tui_view_incidents},
    {.name = "retention", .keys = "6", .group = TUI_LOOKING, .view = &tui_view_retention},
    {.name = "audit", .keys = "7", .group = TUI_LOOKING, .view = &tui_view_audit},
    {.name = "mesh", .keys = "8", .group = TUI_LOOKING, .view = &tui_view_mesh},
    {.name = "help", .keys = "? f1", .group = TUI_LOOKING, .sentence = "shows the keys that work here", .footer = "help", .rank = 1, .run = tui_cmd_help},
    {.name = "palette", .keys = ":", .group = TUI_LOOKING, .sentence = "runs any command by its name", .footer = "cmd", .rank = 2, .run = tui_cmd_palette},
    {.name = "filter", .keys = "/", .group = TUI_LOOKING, .argument = "TERMS", .sentence = "narrows the lists: word, key:value, !not, ~regex", .footer = "filter", .rank = 3, .run = tui_cmd_filter},
    {.name = "sort", .keys = "s", .group = TUI_LOOKING, .argument = "COLUMN", .sentence = "sorts by a column; without one by the next", .footer = "sort", .rank = 11, .usable = tui_on_list, .run = tui_cmd_sort, .complete = tui_columns_complete},
    {.name = "reverse", .keys = "S", .group = TUI_LOOKING, .sentence = "turns the order around", .usable = tui_on_list, .run = tui_cmd_reverse},
    {.name = "follow", .keys = "f", .group = TUI_LOOKING, .sentence = "follows what is newest again", .footer = "follow", .rank = 9, .usable = tui_can_follow, .run = tui_cmd_follow},
    {.name = "mark", .keys = "space", .group = TUI_LOOKING, .sentence = "marks the row, or takes the mark off", .footer = "mark", .rank = 10, .usable = tui_on_row, .run = tui_cmd_mark},
    {.name = "mark-range", .keys = "ctrl-space", .group = TUI_LOOKING, .sentence = "marks all rows from the last mark to here", .usable = tui_on_row, .run = tui_cmd_mark_range},
    {.name = "unmark", .keys = "u", .group = TUI_LOOKING, .sentence = "takes all marks off", .usable = tui_on_list, .run = tui_cmd_unmark},
    {.name = "copy", .keys = "y", .group = TUI_LOOKING, .sentence = "copies the key of the row, or the marked rows, by OSC 52", .footer = "copy", .rank = 13, .run = tui_cmd_copy},
    {.name = "export", .keys = "x", .group = TUI_LOOKING, .argument = "FORMAT [FILE]", .sentence = "writes what is listed to a new file: csv, json, text", .footer = "export", .rank = 12, .run = tui_cmd_export, .complete = tui_formats_complete},
    {.name = "record", .keys = "", .group = TUI_LOOKING, .argument = "[FILE]", .sentence = "records the screen as an asciicast; again: ends it", .run = tui_cmd_record},

    {.name = "pause", .keys = "p", .group = TUI_IN_TIME, .sentence = "holds this instant; data still comes", .footer = "pause", .rank = 8, .run = tui_cmd_pause},
    {.name = "second-back", .keys = "[", .group = TUI_IN_TIME, .sentence = "goes a second back in time, in all views", .footer = "]time", .rank = 9, .run = tui_cmd_second_back},
    {.name = "second-on", .keys = "]", .group = TUI_IN_TIME, .sentence = "goes a second on", .usable = tui_is_past, .run = tui_cmd_second_on},
    {.name = "minute-back", .keys = "{", .group = TUI_IN_TIME, .sentence = "goes a minute back", .run = tui_cmd_minute_back},
    {.name = "minute-on", .keys = "}", .group = TUI_IN_TIME, .sentence = "goes a minute on", .usable = tui_is_past, .run = tui_cmd_minute_on},
    {.name = "at", .keys = "", .group = TUI_IN_TIME, .argument = "TIME", .sentence = "goes to a time of the last 24 h: 11:55, 11:55:07, -5m", .run = tui_cmd_at},
    {.name = "live", .keys = "end", .group = TUI_IN_TIME, .sentence = "goes back to what is now", .footer = "live", .rank = 7, .usable = tui_can_go_live, .run = tui_cmd_live},
    {.name = "compare", .keys = "=", .group = TUI_IN_TIME, .sentence = "compares with this instant from now on; again: ends it", .run = tui_cmd_compare},

    {.name = "act", .keys = "a", .group = TUI_ACTING, .sentence = "lists what can be done here", .footer = "act", .rank = 6, .usable = tui_can_act, .run = tui_cmd_act},
    {.name = "cancel", .keys = "", .group = TUI_ACTING, .argument = "[TASK]", .sentence = "cancels the task, or the marked ones; asks before", .run = tui_cmd_cancel},
    {.name = "drain", .keys = "", .group = TUI_ACTING, .argument = "[HOST]", .sentence = "takes a host out of service; asks before", .run = tui_cmd_drain},
    {.name = "undrain", .keys = "", .group = TUI_ACTING, .argument = "[HOST]", .sentence = "takes a host back into service; asks before", .run = tui_cmd_undrain},
    {.name = "reload", .keys = "", .group = TUI_ACTING, .sentence = "reloads the policy from the router's files; asks before", .run = tui_cmd_reload},
    {.name = "sweep-preview", .keys = "", .group = TUI_ACTING, .sentence = "counts what a sweep would delete; deletes nothing", .run = tui_cmd_sweep},
    {.name = "verify", .keys = "", .group = TUI_ACTING, .sentence = "has the hashes of the audit log computed anew", .run = tui_cmd_verify},

    {.name = "set", .keys = "", .group = TUI_SETTING, .argument = "NAME VALUE", .sentence = "changes a setting: ascii, graphs, mouse, tz, colors, rate", .run = tui_cmd_set, .complete = tui_settings_complete},
    {.name = "theme", .keys = "", .group = TUI_SETTING, .argument = "NAME", .sentence = "dark, light, deuteranopia, tritanopia or mono", .run = tui_cmd_theme, .complete = tui_themes_complete},
    {.name = "faster", .keys = "+", .group = TUI_SETTING, .sentence = "refreshes more often, up to 20 a second", .run = tui_cmd_faster},
    {.name = "slower", .keys = "-", .group = TUI_SETTING, .sentence = "refreshes less often", .run = tui_cmd_slower},
    {.name = "bind", .keys = "", .group = TUI_SETTING, .argument = "KEY COMMAND", .sentence = "gives a key a command; also in the file of settings", .run = tui_cmd_bind},
    {.name = "unbind", .keys = "", .group = TUI_SETTING, .argument = "KEY", .sentence = "takes a key its command", .run = tui_cmd_unbind},
    {.name = "redraw", .keys = "ctrl-l", .group = TUI_SETTING, .sentence = "draws the whole screen anew", .run = tui_cmd_redraw},
    {.name = "suspend", .keys = "ctrl-z", .group = TUI_SETTING, .sentence = "gives the terminal to the shell; fg comes back", .run = tui_cmd_suspend},
    {.name = "interrupt", .keys = "ctrl-c", .group = TUI_SETTING, .sentence = "twice: leaves the console", .run = tui_cmd_interrupt},
    {.name = "quit", .keys = "q", .group = TUI_SETTING, .sentence = "closes the detail, then leaves the console", .run = tui_cmd_quit},
};
// clang-format on
const size_t tui_command_count = aion_countof(tui_commands);

const struct tui_command *tui_command_named(aion_str name)
{
    for (size_t i = 0; i < tui_command_count; i++)
        if (aion_str_is(name, tui_commands[i].name))
            return &tui_commands[i];
    return aion_str_is(name, "q") ? tui_command_named(AION_STR("quit")) : NULL;
}

const char *tui_command_sentence(const struct tui_command *command)
{
    return command->view != NULL ? command->view->sentence : command->sentence;
}

/* -- keys ------------------------------------------------------------------ */

const struct tui_binding *tui_binding_of(const struct tui_app *app, uint32_t key)
{
    for (size_t i = 0; i < app->binding_count; i++)
        if (app->bindings[i].key == key)
            return &app->bindings[i];
    return NULL;
}

void tui_command_key(const struct tui_app *app, const struct tui_command *command,
                     char out[TUI_KEY_NAME_SIZE])
{
    out[0] = '\0';
    for (size_t i = 0; i < app->binding_count && out[0] == '\0'; i++)
        if (app->bindings[i].command == command && app->bindings[i].argument[0] == '\0')
            tui_key_name(out, app->bindings[i].key);
}

void tui_unbind(struct tui_app *app, uint32_t key)
{
    for (size_t i = 0; i < app->binding_count; i++)
        if (app->bindings[i].key == key) {
            app->binding_count--;
            memmove(&app->bindings[i], &app->bindings[i + 1],
                    (app->binding_count - i) * sizeof(app->bindings[0]));
            return;
        }
}

static bool add(struct tui_app *app, uint32_t key, const struct tui_command *command,
                aion_str argument)
{
    if (command == NULL)
        return false;
    tui_unbind(app, key);
    if (app->binding_count == TUI_BINDINGS_MAX)
        return false;
    struct tui_binding *binding = &app->bindings[app->binding_count++];
    *binding = (struct tui_binding){.key = key, .command = command};
    aion_str_copy(binding->argument, sizeof(binding->argument), argument);
    return true;
}

bool tui_bind(struct tui_app *app, uint32_t key, aion_str command_line)
{
    aion_str rest = aion_str_trim(command_line);
    aion_str name = aion_str_cut(&rest, ' ');
    return add(app, key, tui_command_named(name),
               rest.data != NULL ? aion_str_trim(rest) : (aion_str){0});
}

void tui_bindings_reset(struct tui_app *app)
{
    app->binding_count = 0;
    for (size_t i = 0; i < tui_command_count; i++) {
        aion_str keys = aion_str_of(tui_commands[i].keys);
        uint32_t key;
        while (keys.size > 0) {
            aion_str name = aion_str_cut(&keys, ' ');
            if (tui_key_parse(name, &key))
                add(app, key, &tui_commands[i], (aion_str){0});
        }
    }
}
