/* The console without its terminal: keys and messages in, cells and questions out. Pure but for
 * its port; time comes in with every call. One thread.
 *
 * What a key does is a command of the one table in commands.c; palette, help and footer are
 * made of the same table. */
#ifndef TUI_APP_H
#define TUI_APP_H

#include "key.h"
#include "prompt.h"
#include "view.h"

enum tui_theme { TUI_DARK, TUI_LIGHT, TUI_DEUTERANOPIA, TUI_TRITANOPIA, TUI_MONO, TUI_THEMES };
extern const char *const tui_theme_names[TUI_THEMES];

/* How it looks and behaves; `:set`, `:theme`, the file of settings. */
struct tui_settings {
    enum tui_theme theme;
    bool ascii, blocks;
    bool mouse;
    bool local_time;  /* :set tz local: all times but those that are exported */
    unsigned rate_hz; /* 1..20 wanted; control sends at most 10 */
    unsigned colors;  /* 0 = what the terminal has, else 1 (none), 16, 256, 16777216 */
};

struct tui_pane_state {
    struct tui_list list;
    struct tui_page page;
    struct tui_lines lines; /* of a page, kept until its stamp changes */
    struct aion_arena arena;
    uint64_t stamp;
    struct tui_rect rect; /* where it was drawn last; rows 0 = hidden */
};

struct tui_view_state {
    size_t focus;
    bool detail;
    struct tui_filter filter;
    struct tui_pane_state panes[TUI_PANES_MAX];
};

enum tui_mode {
    TUI_NORMAL,
    TUI_PALETTE, /* `:` */
    TUI_NARROW,  /* `/` */
    TUI_MENU,    /* `a`: which action */
    TUI_DIALOG,  /* its preview */
    TUI_HELP,
    TUI_QUITTING, /* an action is under way: really? */
};

struct tui_app;
struct tui_action;

/* An action on its way: preview, reason, confirmation, result. */
enum { TUI_TARGETS_MAX = TUI_MARKS_MAX };
struct tui_dialog {
    const struct tui_action *action;
    char (*targets)[TUI_LIST_KEY_MAX];
    size_t target_count, done, refused, unknown; /* done: that worked */
    uint32_t asked;                              /* the key that asked */
    int64_t opened_us;                           /* mono */
    struct tui_prompt reason, confirm;
    bool in_confirm; /* the second field has the keys */
    bool running;
    char result[256];
    enum tui_role result_role;
};

struct tui_message {
    char text[256];
    enum tui_role role;
    int64_t until_us; /* mono */
};

enum { TUI_BINDINGS_MAX = 160, TUI_TRAIL_MAX = 8, TUI_KEYS_SEEN = 20 };
struct tui_binding {
    uint32_t key;
    const struct tui_command *command;
    char argument[64];
};

struct tui_app {
    struct tui_model model;
    struct tui_answers answers;
    const struct tui_port *port;
    struct tui_settings settings;
    size_t view;
    struct tui_rect body; /* where views were drawn last */
    struct tui_view_state views[TUI_VIEWS];
    size_t trail[TUI_TRAIL_MAX]; /* views that esc leads back to */
    size_t trail_count;
    enum tui_mode mode;
    struct tui_prompt prompt;    /* of the palette and the filter */
    size_t choice;               /* in the palette or the menu */
    char before[TUI_FILTER_MAX]; /* the filter that esc brings back */
    struct tui_dialog dialog;
    struct tui_page help;
    struct tui_message message;
    struct tui_binding bindings[TUI_BINDINGS_MAX];
    size_t binding_count;
    struct aion_arena arena; /* of one drawing, or one key */
    void *scratch;           /* its first memory: what every drawing needs */

    /* Of the stream, when no person looks: all events, no sample; no history and no rest. */
    struct {
        bool all, plain;
    } wish;

    struct tui_time now;
    bool focused, quit, redraw;
    bool due;     /* what a person waits for has come: not to wait for the pace */
    bool suspend; /* ctrl-z: the terminal is to be given back for a while */
    bool blocked; /* the terminal takes nothing right now */
    bool recording;
    uint32_t key;                   /* the last one ... */
    int64_t key_us;                 /* ... and when, mono */
    int64_t seen_us[TUI_KEYS_SEEN]; /* mono: the last keys, for what is a paste */
    size_t seen_at;
    int64_t deaf_until_us;
    int64_t quit_us;   /* mono: ctrl-c was pressed once */
    int64_t slept_us;  /* mono: this program did not run for a while until then */
    int64_t retry_us;  /* mono: when the stream is opened again; 0 = now */
    unsigned asked_hz; /* of the stream that stands */
    char asked_filter[TUI_FILTER_MAX];
    uint64_t audit_heard; /* events when the log was asked for */
    int64_t filter_us;    /* mono: when the filter changed */
    uint64_t drawn_version;
    int64_t drawn_second, drawn_us; /* of the clock that is shown; mono */
    enum tui_fresh drawn_fresh;
};

bool tui_app_init(struct tui_app *app, const struct tui_port *port, struct tui_time now);
void tui_app_done(struct tui_app *app);

/* -- what comes in --------------------------------------------------------- */
void tui_app_event(struct tui_app *app, const struct tui_event *event, struct tui_time now);
void tui_app_message(struct tui_app *app, uint64_t id, const ProtobufCMessage *message,
                     struct tui_time now);
/* err NULL: it ended well. */
void tui_app_ended(struct tui_app *app, uint64_t id, const struct aion_err *err,
                   struct tui_time now);
/* Asks what is to be asked now. Often enough: before every wait. */
void tui_app_tick(struct tui_app *app, struct tui_time now);

/* -- what comes out -------------------------------------------------------- */
void tui_app_draw(struct tui_app *app, struct tui_canvas *canvas, struct tui_time now);
/* Executes a line of the palette; false: the message says why not. */
bool tui_app_execute(struct tui_app *app, aion_str line);
/* A file of such lines ("#" comments): settings and keys. The fault names the line. */
bool tui_app_config(struct tui_app *app, const char *path, aion_str text, struct aion_err *err);

/* -- for commands, actions and drawing ------------------------------------- */
void tui_say(struct tui_app *app, enum tui_role role, const char *fmt, ...) AION_PRINTF(3, 4);
static inline const struct tui_view *tui_app_view(const struct tui_app *app)
{
    return tui_views[app->view];
}
static inline struct tui_view_state *tui_app_state(struct tui_app *app)
{
    return &app->views[app->view];
}
static inline const struct tui_pane *tui_app_pane(const struct tui_app *app)
{
    return &tui_views[app->view]->panes[app->views[app->view].focus];
}
static inline struct tui_pane_state *tui_app_pane_state(struct tui_app *app)
{
    return &app->views[app->view].panes[app->views[app->view].focus];
}
/* What views may look at; valid until the arena is reset. */
struct tui_scene tui_app_scene(struct tui_app *app);
/* Items of the focused list, or NULL when a page has the focus. */
const struct tui_item *tui_app_items(struct tui_app *app, size_t *ret_count);
/* Opens a view; the one before goes on the trail. */
void tui_app_open(struct tui_app *app, size_t view);
bool tui_app_back(struct tui_app *app); /* false: there is nothing to go back to */
/* Why nothing may be changed; NULL: it may. */
const char *tui_app_forbidden(const struct tui_app *app);

/* -- when (pace.c) --------------------------------------------------------- */
/* Whether drawing would show something else than last time. */
bool tui_app_changed(const struct tui_app *app, struct tui_time now);
/* Microseconds between two drawings: 100 ms by default; 1 s when nobody looks; 500 ms when the
 * terminal does not keep up. */
int64_t tui_app_pace_us(const struct tui_app *app);
/* Whether it is to be drawn now. */
bool tui_app_ripe(const struct tui_app *app, struct tui_time now);
/* Monotonic: when that is to be looked at again if nothing comes until then. */
int64_t tui_app_next_us(const struct tui_app *app, struct tui_time now);
enum tui_fresh tui_app_fresh(const struct tui_app *app);
/* Monotonic: from when on control is given up if it says nothing more ... */
int64_t tui_app_lost_us(const struct tui_app *app);
/* ... and when its silence next means something: stale numbers, or that. */
int64_t tui_app_silence_us(const struct tui_app *app, struct tui_time now);
/* Hz that are wanted of control now. */
unsigned tui_app_rate(const struct tui_app *app);

/* -- the session (session.c) ----------------------------------------------- */
void tui_session_tick(struct tui_app *app);
bool tui_session_message(struct tui_app *app, enum tui_ask ask,
                         const ProtobufCMessage *message);
void tui_session_ended(struct tui_app *app, enum tui_ask ask, const struct aion_err *err);
/* A question of a view, whether it is due or not. */
void tui_session_ask(struct tui_app *app, enum tui_ask ask, const char *about);
/* Shows the instant, asking control for it when it must. */
void tui_session_seek(struct tui_app *app, int64_t at_us);

/* -- drawing (frame.c, dialog.c, palette.c, help.c) ------------------------ */
void tui_frame_header(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect);
void tui_frame_footer(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect);
void tui_palette_draw(struct tui_app *app, struct tui_canvas *canvas);
void tui_palette_key(struct tui_app *app, uint32_t key);
void tui_dialog_draw(struct tui_app *app, struct tui_canvas *canvas);
void tui_dialog_key(struct tui_app *app, uint32_t key);
void tui_dialog_ended(struct tui_app *app, const struct aion_err *err);
void tui_dialog_paste(struct tui_app *app, aion_str text);
void tui_menu_draw(struct tui_app *app, struct tui_canvas *canvas);
void tui_menu_key(struct tui_app *app, uint32_t key);
void tui_help_draw(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect);

#endif
