/* Commands that change how it looks and behaves, and the ends. */
#include "command.h"

#include <string.h>

enum { RATE_MAX = 20, SECOND_US = 1000000 };

/* -- settings -------------------------------------------------------------- */

/* One of two words; another one changes nothing. */
static bool read_switch(aion_str value, const char *on, const char *off, bool *ret_on)
{
    if (!aion_str_is(value, on) && !aion_str_is(value, off))
        return false;
    *ret_on = aion_str_is(value, on);
    return true;
}

static bool set_theme(struct tui_app *app, aion_str value)
{
    for (unsigned i = 0; i < TUI_THEMES; i++)
        if (aion_str_is(value, tui_theme_names[i])) {
            app->settings.theme = (enum tui_theme)i;
            return true;
        }
    return false;
}

static bool set_ascii(struct tui_app *app, aion_str value)
{
    return read_switch(value, "on", "off", &app->settings.ascii);
}

static bool set_graphs(struct tui_app *app, aion_str value)
{
    return read_switch(value, "blocks", "braille", &app->settings.blocks);
}

static bool set_mouse(struct tui_app *app, aion_str value)
{
    return read_switch(value, "on", "off", &app->settings.mouse);
}

static bool set_tz(struct tui_app *app, aion_str value)
{
    for (size_t i = 0; i < TUI_VIEWS; i++)
        for (size_t k = 0; k < TUI_PANES_MAX; k++)
            app->views[i].panes[k].stamp = 0; /* pages say times, too */
    return read_switch(value, "local", "utc", &app->settings.local_time);
}

static bool set_colors(struct tui_app *app, aion_str value)
{
    static const struct {
        const char *name;
        unsigned colors;
    } depths[] = {{"auto", 0}, {"none", 1}, {"16", 16}, {"256", 256}, {"truecolor", 1u << 24}};
    for (size_t i = 0; i < aion_countof(depths); i++)
        if (aion_str_is(value, depths[i].name)) {
            app->settings.colors = depths[i].colors;
            return true;
        }
    return false;
}

static bool set_rate(struct tui_app *app, aion_str value)
{
    uint64_t rate;
    if (!aion_str_u64(value, &rate) || rate < 1 || rate > RATE_MAX)
        return false;
    app->settings.rate_hz = (unsigned)rate;
    return true;
}

static const struct {
    const char *name, *values; /* for completion and errors */
    bool (*set)(struct tui_app *app, aion_str value);
} settings[] = {
    {"theme", "dark light deuteranopia tritanopia mono", set_theme},
    {"ascii", "on off", set_ascii},
    {"graphs", "braille blocks", set_graphs},
    {"mouse", "on off", set_mouse},
    {"tz", "utc local", set_tz},
    {"colors", "auto none 16 256 truecolor", set_colors},
    {"rate", "1 .. 20", set_rate},
};

void tui_cmd_set(struct tui_app *app, aion_str argument)
{
    aion_str value = argument;
    aion_str name = aion_str_cut(&value, ' ');
    value = value.data != NULL ? aion_str_trim(value) : (aion_str){0};
    app->redraw = true;
    for (size_t i = 0; i < aion_countof(settings); i++) {
        if (!aion_str_is(name, settings[i].name))
            continue;
        if (!settings[i].set(app, value))
            tui_say(app, TUI_WARN, "%s \"%.*s\": expected one of %s", settings[i].name,
                    AION_STR_ARG(value), settings[i].values);
        return;
    }
    tui_say(app, TUI_WARN, "no setting \"%.*s\"", AION_STR_ARG(name));
}

void tui_settings_complete(struct tui_app *app, struct tui_choices *out)
{
    for (size_t i = 0; i < aion_countof(settings); i++) {
        aion_str values = aion_str_of(settings[i].values);
        while (values.data != NULL && out->count < TUI_CHOICES_MAX) {
            aion_str value = aion_str_cut(&values, ' ');
            const char *word = aion_arena_printf(&app->arena, "%s %.*s", settings[i].name,
                                                 AION_STR_ARG(value));
            if (word != NULL && !aion_str_is(value, ".."))
                out->words[out->count++] = word;
        }
    }
}

void tui_cmd_theme(struct tui_app *app, aion_str argument)
{
    app->redraw = true;
    if (!set_theme(app, argument))
        tui_say(app, TUI_WARN, "theme \"%.*s\": expected one of %s", AION_STR_ARG(argument),
                settings[0].values);
}

void tui_themes_complete(struct tui_app *app, struct tui_choices *out)
{
    (void)app;
    for (size_t i = 0; i < TUI_THEMES; i++)
        out->words[out->count++] = tui_theme_names[i];
}

static void say_rate(struct tui_app *app)
{
    tui_say(app, TUI_DIM, "%u drawings a second", app->settings.rate_hz);
}

void tui_cmd_faster(struct tui_app *app, aion_str argument)
{
    static const unsigned steps[] = {1, 2, 5, 10, RATE_MAX};
    (void)argument;
    for (size_t i = 0; i < aion_countof(steps); i++)
        if (steps[i] > app->settings.rate_hz) {
            app->settings.rate_hz = steps[i];
            break;
        }
    say_rate(app);
}

void tui_cmd_slower(struct tui_app *app, aion_str argument)
{
    static const unsigned steps[] = {10, 5, 2, 1};
    (void)argument;
    for (size_t i = 0; i < aion_countof(steps); i++)
        if (steps[i] < app->settings.rate_hz) {
            app->settings.rate_hz = steps[i];
            break;
        }
    say_rate(app);
}

/* -- keys ------------------------------------------------------------------ */

void tui_cmd_bind(struct tui_app *app, aion_str argument)
{
    aion_str line = argument;
    aion_str name = aion_str_cut(&line, ' ');
    uint32_t key;
    if (!tui_key_parse(name, &key))
        tui_say(app, TUI_WARN, "no key \"%.*s\"", AION_STR_ARG(name));
    else if (line.data == NULL || !tui_bind(app, key, line))
        tui_say(app, TUI_WARN, "no command \"%.*s\", or no room", AION_STR_ARG(line));
}

void tui_cmd_unbind(struct tui_app *app, aion_str argument)
{
    uint32_t key;
    if (tui_key_parse(argument, &key))
        tui_unbind(app, key);
    else
        tui_say(app, TUI_WARN, "no key \"%.*s\"", AION_STR_ARG(argument));
}

/* -- ends ------------------------------------------------------------------ */

void tui_cmd_redraw(struct tui_app *app, aion_str argument)
{
    (void)argument;
    app->redraw = true;
}

void tui_cmd_suspend(struct tui_app *app, aion_str argument)
{
    (void)argument;
    app->suspend = true;
}

static void leave(struct tui_app *app)
{
    if (app->dialog.running)
        app->mode = TUI_QUITTING;
    else
        app->quit = true;
}

void tui_cmd_interrupt(struct tui_app *app, aion_str argument)
{
    (void)argument;
    if (app->quit_us != 0 && app->now.mono_us - app->quit_us < 2 * SECOND_US) {
        leave(app);
        return;
    }
    app->quit_us = app->now.mono_us;
    tui_say(app, TUI_WARN, "ctrl-c again leaves the console");
}

void tui_cmd_quit(struct tui_app *app, aion_str argument)
{
    (void)argument;
    if (tui_app_state(app)->detail)
        tui_app_back(app);
    else
        leave(app);
}

/* -- lines ----------------------------------------------------------------- */

bool tui_app_execute(struct tui_app *app, aion_str line)
{
    aion_str rest = aion_str_trim(line);
    aion_str name = aion_str_cut(&rest, ' ');
    aion_str argument = rest.data != NULL ? aion_str_trim(rest) : (aion_str){0};
    const struct tui_command *command = tui_command_named(name);
    int64_t before = app->message.until_us;
    if (command == NULL) {
        tui_say(app, TUI_WARN, "no command \"%.*s\"; tab completes", AION_STR_ARG(name));
        return false;
    }
    if (command->view != NULL)
        tui_cmd_view(app, command->view);
    else if (command->usable != NULL && !command->usable(app))
        tui_say(app, TUI_WARN, "%s: not here", command->name);
    else
        command->run(app, argument);
    return app->message.until_us == before || app->message.role != TUI_WARN;
}

bool tui_app_config(struct tui_app *app, const char *path, aion_str text, struct aion_err *err)
{
    static const char *const allowed[] = {"set", "theme", "bind", "unbind"};
    unsigned number = 0;
    while (text.data != NULL) {
        aion_str line = aion_str_trim(aion_str_cut(&text, '\n'));
        aion_str rest = line;
        aion_str name = aion_str_cut(&rest, ' ');
        bool good = false;
        number++;
        if (line.size == 0 || line.data[0] == '#')
            continue;
        for (size_t i = 0; i < aion_countof(allowed); i++)
            good = good || aion_str_is(name, allowed[i]);
        app->message.until_us = 0;
        if (good && tui_app_execute(app, line))
            continue;
        return aion_fail(err, AION_INVALID, "%.120s:%u: %.160s", path, number,
                         good ? app->message.text
                              : "only set, theme, bind and unbind stand here");
    }
    return true;
}
