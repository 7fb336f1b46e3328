/* The line at the bottom: `:` with what can be completed and a sentence for each, `/` with the
 * count of what matches while it is typed. */
#include "command.h"

#include <stdlib.h>

enum { SHOWN_MAX = 12, MATCHES_MAX = 64 };

struct match {
    const struct tui_command *command; /* or NULL: */
    const char *word;                  /* of an argument */
    int score;
    size_t place;
};

struct matches {
    struct match list[MATCHES_MAX];
    size_t count;
};

static int by_score(const void *a, const void *b)
{
    const struct match *left = a, *right = b;
    if (left->score != right->score)
        return right->score - left->score;
    return (left->place > right->place) - (left->place < right->place);
}

static void add(struct matches *matches, const struct tui_command *command, const char *word,
                int score)
{
    if (score < 0 || matches->count == MATCHES_MAX)
        return;
    matches->list[matches->count] = (struct match){command, word, score, matches->count};
    matches->count++;
}

/* A name counts more than a sentence. */
static int score_of(aion_str typed, const struct tui_command *command)
{
    int name = tui_fuzzy(typed, aion_str_of(command->name));
    int sentence = tui_fuzzy(typed, aion_str_of(tui_command_sentence(command)));
    if (name >= 0)
        return name * 2 + 40;
    return typed.size >= 3 ? sentence : -1;
}

/* The command whose argument is being typed; NULL: its name is. */
static const struct tui_command *argument_of(const struct tui_app *app, aion_str *ret_argument)
{
    aion_str rest = tui_prompt_text(&app->prompt);
    aion_str name = aion_str_cut(&rest, ' ');
    const struct tui_command *command = rest.data != NULL ? tui_command_named(name) : NULL;
    if (command != NULL)
        *ret_argument = aion_str_trim(rest);
    return command;
}

static void find(struct tui_app *app, struct matches *out)
{
    struct tui_choices choices = {.count = 0};
    aion_str argument = {0};
    const struct tui_command *command = argument_of(app, &argument);
    out->count = 0;
    if (command != NULL) {
        if (command->complete != NULL)
            command->complete(app, &choices);
        for (size_t i = 0; i < choices.count; i++)
            add(out, NULL, choices.words[i],
                tui_fuzzy(argument, aion_str_of(choices.words[i])));
    } else {
        for (size_t i = 0; i < tui_command_count; i++)
            add(out, &tui_commands[i], NULL,
                score_of(tui_prompt_text(&app->prompt), &tui_commands[i]));
    }
    qsort(out->list, out->count, sizeof(out->list[0]), by_score);
    if (app->choice >= out->count)
        app->choice = out->count > 0 ? out->count - 1 : 0;
}

/* -- keys ------------------------------------------------------------------ */

static void complete(struct tui_app *app, const struct matches *matches)
{
    char line[TUI_PROMPT_MAX];
    aion_str argument;
    if (matches->count == 0)
        return;
    const struct match *match = &matches->list[app->choice];
    const struct tui_command *command = argument_of(app, &argument);
    if (match->command != NULL)
        snprintf(line, sizeof(line), "%s%s", match->command->name,
                 match->command->argument != NULL ? " " : "");
    else
        snprintf(line, sizeof(line), "%s %s ", command->name, match->word);
    tui_prompt_set(&app->prompt, aion_str_of(line));
    app->choice = 0;
}

/* What was chosen by the arrows; else what was typed, when it names a command, or what answers
 * it best. */
static void accept(struct tui_app *app, const struct matches *matches)
{
    char line[TUI_PROMPT_MAX];
    if (app->choice > 0)
        complete(app, matches);
    aion_str rest = tui_prompt_text(&app->prompt);
    aion_str_copy(line, sizeof(line), rest);
    aion_str name = aion_str_cut(&rest, ' ');
    app->mode = TUI_NORMAL;
    if (name.size == 0)
        return;
    if (tui_command_named(name) == NULL && rest.data == NULL && matches->count > 0)
        snprintf(line, sizeof(line), "%s", matches->list[app->choice].command->name);
    tui_app_execute(app, aion_str_of(line));
}

static void palette_key(struct tui_app *app, uint32_t key)
{
    struct matches matches;
    find(app, &matches);
    switch (key) {
    case TUI_KEY_ESCAPE:
    case TUI_KEY_CTRL | 'c':
        app->mode = TUI_NORMAL;
        break;
    case TUI_KEY_ENTER:
        accept(app, &matches);
        break;
    case TUI_KEY_TAB:
        complete(app, &matches);
        break;
    case TUI_KEY_UP:
    case TUI_KEY_TAB | TUI_KEY_SHIFT:
        app->choice -= app->choice > 0;
        break;
    case TUI_KEY_DOWN:
        app->choice += app->choice + 1 < matches.count;
        break;
    default:
        if (key == TUI_KEY_BACKSPACE && app->prompt.size == 0)
            app->mode = TUI_NORMAL;
        else if (tui_prompt_key(&app->prompt, key))
            app->choice = 0;
        break;
    }
}

/* The filter works while it is typed; one that cannot be read yet narrows nothing. */
static void narrow_key(struct tui_app *app, uint32_t key)
{
    struct tui_filter *filter = &tui_app_state(app)->filter;
    struct aion_err err;
    if (key == TUI_KEY_ENTER) {
        app->mode = TUI_NORMAL;
        if (!tui_filter_set(filter, tui_prompt_text(&app->prompt), &err))
            tui_say(app, TUI_WARN, "filter: %s", err.text);
        return;
    }
    if (key == TUI_KEY_ESCAPE || key == (TUI_KEY_CTRL | 'c')) {
        app->mode = TUI_NORMAL;
        tui_filter_set(filter, aion_str_of(app->before), &err);
        return;
    }
    if (tui_prompt_key(&app->prompt, key))
        tui_filter_set(filter, tui_prompt_text(&app->prompt), &err);
}

void tui_palette_key(struct tui_app *app, uint32_t key)
{
    if (app->mode == TUI_NARROW)
        narrow_key(app, key);
    else
        palette_key(app, key);
}

/* -- drawing --------------------------------------------------------------- */

static void draw_match(struct tui_canvas *canvas, struct tui_rect rect, int y,
                       struct tui_app *app, const struct match *match, bool chosen)
{
    char key[TUI_KEY_NAME_SIZE] = "";
    int x = 1;
    if (match->command == NULL) {
        tui_put(canvas, rect, y, x, TUI_ACCENT, aion_str_of(match->word));
    } else {
        tui_command_key(app, match->command, key);
        x = tui_put(canvas, rect, y, x, TUI_ACCENT, aion_str_of(match->command->name)) + 1;
        if (match->command->argument != NULL)
            tui_put(canvas, rect, y, x, TUI_DIM, aion_str_of(match->command->argument));
        tui_put(canvas, rect, y, 32, TUI_PLAIN,
                aion_str_of(tui_command_sentence(match->command)));
        tui_put_field(canvas, rect, y, rect.cols - 12, 11, true, TUI_DIM, aion_str_of(key));
    }
    if (chosen)
        tui_flag(canvas, rect, y, 0, rect.cols, TUI_SELECTED);
}

static void draw_matches(struct tui_app *app, struct tui_canvas *canvas)
{
    struct tui_rect rect = tui_canvas_rect(canvas);
    struct matches matches;
    find(app, &matches);
    int rows = (int)matches.count < SHOWN_MAX ? (int)matches.count : SHOWN_MAX;
    tui_rect_bottom(&rect, 1);
    struct tui_rect box = tui_rect_bottom(&rect, rows + 1);
    size_t from = app->choice >= SHOWN_MAX ? app->choice - SHOWN_MAX + 1 : 0;
    tui_put_rule(canvas, box, 0, AION_STR("commands"), AION_STR("tab completes, enter runs"),
                 true);
    for (int i = 0; i < rows; i++) {
        tui_put_run(canvas, box, i + 1, 0, box.cols, TUI_PLAIN, ' ');
        draw_match(canvas, box, i + 1, app, &matches.list[from + (size_t)i],
                   from + (size_t)i == app->choice);
    }
}

static void draw_count(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect line)
{
    const struct tui_pane *pane = tui_app_pane(app);
    const struct tui_pane_state *state = tui_app_pane_state(app);
    struct tui_scene scene = tui_app_scene(app);
    char text[64];
    struct aion_err err;
    struct tui_filter check = {.count = 0};
    bool good = tui_filter_set(&check, tui_prompt_text(&app->prompt), &err);
    tui_filter_done(&check);
    if (!good) {
        tui_put_field(canvas, line, 0, line.cols - 46, 45, true, TUI_WARN,
                      aion_str_of(err.text));
        return;
    }
    if (tui_filter_slow(&tui_app_state(app)->filter)) {
        snprintf(text, sizeof(text), "too slow: hides nothing");
    } else if (pane->kind == TUI_LIST) {
        size_t all;
        tui_table_items(pane->table, &scene, NULL, -1, false, &all);
        snprintf(text, sizeof(text), "%zu of %zu match", state->list.shown, all);
    } else {
        snprintf(text, sizeof(text), "%zu of %zu lines match", state->page.found,
                 state->page.count);
    }
    tui_put_field(canvas, line, 0, line.cols - 32, 31, true, TUI_BAR, aion_str_of(text));
}

void tui_palette_draw(struct tui_app *app, struct tui_canvas *canvas)
{
    struct tui_rect rect = tui_canvas_rect(canvas);
    struct tui_rect line = tui_rect_bottom(&rect, 1);
    bool narrow = app->mode == TUI_NARROW;
    tui_put_run(canvas, line, 0, 0, line.cols, TUI_BAR, ' ');
    tui_put_char(canvas, line, 0, 0, TUI_BAR_ON, narrow ? '/' : ':');
    tui_prompt_draw(canvas, line, 0, 1, line.cols - (narrow ? 48 : 2), &app->prompt, true);
    if (narrow)
        draw_count(app, canvas, line);
    else
        draw_matches(app, canvas);
}
