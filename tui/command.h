/* Commands: everything a key or a line of the palette can do, in one table (commands.c). It
 * makes the key bindings, the palette with its sentences, the help and the footer. */
#ifndef TUI_COMMAND_H
#define TUI_COMMAND_H

#include "app.h"

enum tui_group { TUI_MOVING, TUI_LOOKING, TUI_IN_TIME, TUI_ACTING, TUI_SETTING, TUI_GROUPS };

enum { TUI_CHOICES_MAX = 48 };
/* What an argument can be completed to. */
struct tui_choices {
    const char *words[TUI_CHOICES_MAX]; /* static, or in the app's arena */
    size_t count;
};

struct tui_command {
    const char *name;     /* of the palette: "at" */
    const char *keys;     /* names of keys, by blanks; "" = none */
    const char *argument; /* "TIME"; NULL = none */
    const char *sentence; /* NULL: the view's */
    const char *footer;   /* its word there; NULL = not shown */
    uint8_t rank;         /* in the footer: 1 comes first */
    enum tui_group group;
    const struct tui_view *view;         /* that it opens */
    bool (*usable)(struct tui_app *app); /* does it do anything here? NULL = always */
    void (*run)(struct tui_app *app, aion_str argument);
    void (*complete)(struct tui_app *app, struct tui_choices *out);
};

extern const struct tui_command tui_commands[];
extern const size_t tui_command_count;

const struct tui_command *tui_command_named(aion_str name);
const char *tui_command_sentence(const struct tui_command *command);
/* What a key does now; NULL: nothing. */
const struct tui_binding *tui_binding_of(const struct tui_app *app, uint32_t key);
/* The first key that runs a command without an argument of its own; "" = none. */
void tui_command_key(const struct tui_app *app, const struct tui_command *command,
                     char out[TUI_KEY_NAME_SIZE]);
/* The keys of the table. */
void tui_bindings_reset(struct tui_app *app);
/* False: there is no such command, or no room. */
bool tui_bind(struct tui_app *app, uint32_t key, aion_str command_line);
void tui_unbind(struct tui_app *app, uint32_t key);

/* -- cmd_move.c ------------------------------------------------------------ */
void tui_cmd_up(struct tui_app *app, aion_str argument);
void tui_cmd_down(struct tui_app *app, aion_str argument);
void tui_cmd_page_up(struct tui_app *app, aion_str argument);
void tui_cmd_page_down(struct tui_app *app, aion_str argument);
void tui_cmd_first(struct tui_app *app, aion_str argument);
void tui_cmd_last(struct tui_app *app, aion_str argument);
void tui_cmd_next_pane(struct tui_app *app, aion_str argument);
void tui_cmd_previous_pane(struct tui_app *app, aion_str argument);
void tui_cmd_enter(struct tui_app *app, aion_str argument);
void tui_cmd_back(struct tui_app *app, aion_str argument);
void tui_cmd_next_match(struct tui_app *app, aion_str argument);
void tui_cmd_previous_match(struct tui_app *app, aion_str argument);
bool tui_on_list(struct tui_app *app);
bool tui_on_page(struct tui_app *app);
bool tui_on_row(struct tui_app *app);
bool tui_can_open(struct tui_app *app);
bool tui_can_go_back(struct tui_app *app);
/* -- cmd_look.c ------------------------------------------------------------ */
void tui_cmd_view(struct tui_app *app, const struct tui_view *view);
void tui_cmd_palette(struct tui_app *app, aion_str argument);
void tui_cmd_filter(struct tui_app *app, aion_str argument);
void tui_cmd_help(struct tui_app *app, aion_str argument);
void tui_cmd_sort(struct tui_app *app, aion_str argument);
void tui_cmd_reverse(struct tui_app *app, aion_str argument);
void tui_cmd_follow(struct tui_app *app, aion_str argument);
void tui_cmd_mark(struct tui_app *app, aion_str argument);
void tui_cmd_mark_range(struct tui_app *app, aion_str argument);
void tui_cmd_unmark(struct tui_app *app, aion_str argument);
void tui_columns_complete(struct tui_app *app, struct tui_choices *out);
bool tui_can_follow(struct tui_app *app);
/* -- cmd_time.c ------------------------------------------------------------ */
void tui_cmd_pause(struct tui_app *app, aion_str argument);
void tui_cmd_live(struct tui_app *app, aion_str argument);
void tui_cmd_at(struct tui_app *app, aion_str argument);
void tui_cmd_second_back(struct tui_app *app, aion_str argument);
void tui_cmd_second_on(struct tui_app *app, aion_str argument);
void tui_cmd_minute_back(struct tui_app *app, aion_str argument);
void tui_cmd_minute_on(struct tui_app *app, aion_str argument);
void tui_cmd_compare(struct tui_app *app, aion_str argument);
bool tui_is_past(struct tui_app *app);
bool tui_can_go_live(struct tui_app *app);
/* -- cmd_out.c ------------------------------------------------------------- */
void tui_cmd_copy(struct tui_app *app, aion_str argument);
void tui_cmd_export(struct tui_app *app, aion_str argument);
void tui_cmd_record(struct tui_app *app, aion_str argument);
void tui_formats_complete(struct tui_app *app, struct tui_choices *out);
/* -- cmd_set.c ------------------------------------------------------------- */
void tui_cmd_set(struct tui_app *app, aion_str argument);
void tui_cmd_theme(struct tui_app *app, aion_str argument);
void tui_cmd_faster(struct tui_app *app, aion_str argument);
void tui_cmd_slower(struct tui_app *app, aion_str argument);
void tui_cmd_bind(struct tui_app *app, aion_str argument);
void tui_cmd_unbind(struct tui_app *app, aion_str argument);
void tui_cmd_redraw(struct tui_app *app, aion_str argument);
void tui_cmd_quit(struct tui_app *app, aion_str argument);
void tui_cmd_interrupt(struct tui_app *app, aion_str argument);
void tui_cmd_suspend(struct tui_app *app, aion_str argument);
void tui_settings_complete(struct tui_app *app, struct tui_choices *out);
void tui_themes_complete(struct tui_app *app, struct tui_choices *out);
/* -- actions.c ------------------------------------------------------------- */
void tui_cmd_act(struct tui_app *app, aion_str argument);
void tui_cmd_cancel(struct tui_app *app, aion_str argument);
void tui_cmd_drain(struct tui_app *app, aion_str argument);
void tui_cmd_undrain(struct tui_app *app, aion_str argument);
void tui_cmd_reload(struct tui_app *app, aion_str argument);
void tui_cmd_sweep(struct tui_app *app, aion_str argument);
void tui_cmd_verify(struct tui_app *app, aion_str argument);
bool tui_can_act(struct tui_app *app);

#endif
