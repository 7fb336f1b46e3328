/* The help: every key that works, the view's own words, the terminal, the server. All of it
 * from the table of commands. */
#include "command.h"

#include <inttypes.h>

static const char *const group_names[TUI_GROUPS] = {"MOVING", "LOOKING", "TIME", "ACTING",
                                                    "SETTINGS"};

/* "k up", at most `size` bytes. */
static void keys_of(const struct tui_app *app, const struct tui_command *command, char *out,
                    size_t size)
{
    char name[TUI_KEY_NAME_SIZE];
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < app->binding_count && used < size; i++) {
        if (app->bindings[i].command != command)
            continue;
        tui_key_name(name, app->bindings[i].key);
        used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? " " : "", name);
    }
}

static void group_lines(struct tui_app *app, enum tui_group group, struct tui_lines *out)
{
    char keys[48], words[64];
    tui_line_add(out, TUI_HEAD, 0, aion_str_of(group_names[group]));
    for (size_t i = 0; i < tui_command_count; i++) {
        const struct tui_command *command = &tui_commands[i];
        if (command->group != group)
            continue;
        keys_of(app, command, keys, sizeof(keys));
        snprintf(words, sizeof(words), ":%s%s%s", command->name,
                 command->argument != NULL ? " " : "",
                 command->argument != NULL ? command->argument : "");
        bool works = command->usable == NULL || command->usable(app);
        tui_line_addf(out, works ? TUI_PLAIN : TUI_DIM, 1, "%-20s %-24s %s", keys, words,
                      tui_command_sentence(command));
    }
}

static void state_lines(struct tui_app *app, struct tui_lines *out)
{
    const struct tui_hello *hello = &app->model.hello;
    const struct tui_records *records = &app->model.records;
    char oldest[TUI_FORMAT_SIZE], kept[TUI_FORMAT_SIZE];
    tui_format_date_time(oldest, hello->oldest_us, false);
    tui_format(kept, TUI_BYTES, (int64_t)app->model.history.bytes);
    tui_line_add(out, TUI_HEAD, 0, AION_STR("SERVER AND TERMINAL"));
    if (app->model.live.at_us == 0) {
        tui_line_add(out, TUI_WARN, 1, AION_STR("control has not said anything yet"));
    } else {
        tui_line_addf(out, TUI_PLAIN, 1, "control %s (%s), oldest second %sZ", hello->control,
                      hello->instance, oldest);
        tui_line_addf(out, TUI_PLAIN, 1, "you are %s of tenant %s: %s, %s", hello->subject,
                      hello->tenant, hello->roles,
                      hello->read_only ? "read only" : "may change");
    }
    tui_line_addf(out, TUI_PLAIN, 1,
                  "stream %u Hz, frames dropped %" PRIu64 ", events sampled away %" PRIu64,
                  app->asked_hz, app->model.dropped, records->sampled);
    tui_line_addf(out, TUI_PLAIN, 1, "history here: %s, entities refused %" PRIu64, kept,
                  app->model.entities.refused);
    tui_line_addf(out, TUI_PLAIN, 1, "theme %s, graphs %s, mouse %s",
                  tui_theme_names[app->settings.theme],
                  app->settings.ascii    ? "ascii"
                  : app->settings.blocks ? "blocks"
                                         : "braille",
                  app->settings.mouse ? "on" : "off");
    tui_line_add(out, TUI_DIM, 1,
                 AION_STR("the same outside: aion get VIEW -o json|table, aion watch"));
}

void tui_help_draw(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect)
{
    struct tui_lines lines = {.arena = &app->arena, .width = rect.cols - 2};
    const struct tui_view *view = tui_app_view(app);
    tui_put_rule(canvas, tui_rect_top(&rect, 1), 0,
                 aion_str_of(aion_arena_printf(&app->arena, "help for %s", view->title)),
                 AION_STR("any key closes"), true);
    tui_line_text(&lines, TUI_ACCENT, 0, aion_str_of(view->help));
    for (unsigned group = 0; group < TUI_GROUPS; group++)
        group_lines(app, (enum tui_group)group, &lines);
    state_lines(app, &lines);
    tui_page_draw(canvas, rect, &app->help, &lines, NULL);
}
