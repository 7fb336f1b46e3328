/* Commands that give out what is seen: clipboard, files, recordings. */
#include "command.h"

#include <stdio.h>

enum { EXPORT_MAX = 16 * 1024 * 1024 };

/* -- what is meant --------------------------------------------------------- */

/* The marked rows of the list, or all of them. */
static const struct tui_item *chosen_rows(struct tui_app *app, bool all, size_t *ret_count)
{
    const struct tui_list *list = &tui_app_pane_state(app)->list;
    size_t count, kept = 0;
    const struct tui_item *items = tui_app_items(app, &count);
    const struct tui_item *cursor = tui_list_item(list, items, count);
    struct tui_item *chosen =
        count > 0 ? aion_arena_array(&app->arena, count, sizeof(*chosen)) : NULL;
    *ret_count = 0;
    if (chosen == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        bool wanted = list->mark_count > 0 ? tui_list_marked(list, items[i].key)
                                           : all || &items[i] == cursor;
        if (wanted)
            chosen[kept++] = items[i];
    }
    *ret_count = kept;
    return chosen;
}

static void page_text(const struct tui_pane_state *state, struct aion_buf *out)
{
    char clean[4096];
    for (size_t i = 0; i < state->lines.count; i++) {
        const struct tui_line *line = &state->lines.lines[i];
        size_t size = tui_text_clean(clean, sizeof(clean), line->text, (int)sizeof(clean));
        aion_buf_printf(out, "%*s", line->indent, "");
        aion_buf_add(out, clean, size);
        aion_buf_char(out, '\n');
    }
}

/* Numbers as they are, not as differences; times in UTC. */
static struct tui_scene plain_scene(struct tui_app *app)
{
    struct tui_scene scene = tui_app_scene(app);
    scene.base = NULL;
    scene.local_time = false;
    return scene;
}

/* -- the clipboard --------------------------------------------------------- */

static void copy(struct tui_app *app, const struct aion_buf *text, bool one)
{
    struct aion_err err;
    if (text->size == 0)
        tui_say(app, TUI_DIM, "nothing to copy");
    else if (text->overflow)
        tui_say(app, TUI_WARN, "more than %d bytes: mark fewer rows", EXPORT_MAX);
    else if (!app->port->copy(app->port->user, aion_buf_view(text), &err))
        tui_say(app, TUI_WARN, "nothing was copied: %s", err.text);
    else if (one)
        tui_say(app, TUI_GOOD, "copied %.*s", AION_STR_ARG(aion_buf_view(text)));
    else
        tui_say(app, TUI_GOOD, "copied %zu bytes", text->size);
}

void tui_cmd_copy(struct tui_app *app, aion_str argument)
{
    struct tui_scene scene = plain_scene(app);
    struct aion_buf text;
    size_t count = 0;
    (void)argument;
    aion_buf_init(&text, EXPORT_MAX);
    if (tui_on_page(app)) {
        page_text(tui_app_pane_state(app), &text);
    } else {
        const struct tui_item *items = chosen_rows(app, false, &count);
        if (count == 1)
            aion_buf_str(&text, items[0].key);
        else if (count > 0)
            tui_export_text(tui_app_pane(app)->table, &scene, items, count, &text);
    }
    copy(app, &text, count == 1);
    aion_buf_done(&text);
}

/* -- files ----------------------------------------------------------------- */

static void put_json(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *items, size_t count, struct aion_buf *out)
{
    aion_buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        aion_buf_text(out, i > 0 ? ",\n " : "");
        tui_export_json(table, scene, &items[i], out);
    }
    aion_buf_text(out, "]\n");
}

static void put_csv(const struct tui_table *table, const struct tui_scene *scene,
                    const struct tui_item *items, size_t count, struct aion_buf *out)
{
    tui_export_csv_head(table, out);
    for (size_t i = 0; i < count; i++)
        tui_export_csv(table, scene, &items[i], out);
}

static const struct {
    const char *name, *ending;
    void (*put)(const struct tui_table *table, const struct tui_scene *scene,
                const struct tui_item *items, size_t count, struct aion_buf *out);
} formats[] = {
    {"csv", "csv", put_csv}, {"json", "json", put_json}, {"text", "txt", tui_export_text}};

void tui_formats_complete(struct tui_app *app, struct tui_choices *out)
{
    (void)app;
    for (size_t i = 0; i < aion_countof(formats); i++)
        out->words[out->count++] = formats[i].name;
}

/* "aion-routes-20261123-120431.csv": of the instant that is shown. */
static void default_path(struct tui_app *app, const char *what, const char *ending, char *out,
                         size_t size)
{
    char at[TUI_FORMAT_SIZE], digits[16];
    size_t used = 0;
    tui_format_date_time(at, tui_model_at(&app->model), false);
    for (const char *c = at; *c != '\0' && used + 1 < sizeof(digits); c++)
        if (*c >= '0' && *c <= '9')
            digits[used++] = *c;
    digits[used] = '\0';
    snprintf(out, size, "aion-%s-%.8s-%s.%s", what, digits, used > 8 ? digits + 8 : "0",
             ending);
}

static void save(struct tui_app *app, const char *path, const struct aion_buf *bytes,
                 size_t count)
{
    struct aion_err err;
    if (bytes->overflow)
        tui_say(app, TUI_WARN, "more than %d bytes: narrow the list first", EXPORT_MAX);
    else if (app->port->save(app->port->user, path, aion_buf_view(bytes), &err))
        tui_say(app, TUI_GOOD, "wrote %s: %zu rows, %zu bytes", path, count, bytes->size);
    else
        tui_say(app, TUI_WARN, "%s", err.text);
}

static void export_to(struct tui_app *app, size_t format, aion_str file)
{
    const struct tui_pane *pane = tui_app_pane(app);
    struct tui_scene scene = plain_scene(app);
    struct aion_buf bytes;
    char path[512];
    size_t count = 0;
    aion_buf_init(&bytes, EXPORT_MAX);
    if (pane->kind == TUI_LIST) {
        const struct tui_item *items = chosen_rows(app, true, &count);
        formats[format].put(pane->table, &scene, items, count, &bytes);
        default_path(app, pane->table->name, formats[format].ending, path, sizeof(path));
    } else {
        page_text(tui_app_pane_state(app), &bytes);
        count = tui_app_pane_state(app)->lines.count;
        default_path(app, tui_app_view(app)->name, "txt", path, sizeof(path));
    }
    if (file.size > 0)
        aion_str_copy(path, sizeof(path), file);
    save(app, path, &bytes, count);
    aion_buf_done(&bytes);
}

void tui_cmd_export(struct tui_app *app, aion_str argument)
{
    aion_str file = argument;
    aion_str format = aion_str_cut(&file, ' ');
    if (format.size == 0) {
        tui_cmd_palette(app, AION_STR("export "));
        return;
    }
    if (aion_str_is(format, "cast")) {
        tui_cmd_record(app, file.data != NULL ? aion_str_trim(file) : (aion_str){0});
        return;
    }
    for (size_t i = 0; i < aion_countof(formats); i++)
        if (aion_str_is(format, formats[i].name)) {
            export_to(app, i, file.data != NULL ? aion_str_trim(file) : (aion_str){0});
            return;
        }
    tui_say(app, TUI_WARN, "\"%.*s\" is none of csv, json, text, cast", AION_STR_ARG(format));
}

void tui_cmd_record(struct tui_app *app, aion_str argument)
{
    struct aion_err err;
    char path[512];
    if (app->recording) {
        app->recording = false;
        app->port->record(app->port->user, NULL, &err);
        tui_say(app, TUI_GOOD, "the recording has ended");
        return;
    }
    default_path(app, "screen", "cast", path, sizeof(path));
    if (argument.size > 0)
        aion_str_copy(path, sizeof(path), argument);
    app->recording = app->port->record(app->port->user, path, &err);
    app->redraw = true;
    if (app->recording)
        tui_say(app, TUI_GOOD, "recording to %s; :record ends it", path);
    else
        tui_say(app, TUI_WARN, "%s", err.text);
}
