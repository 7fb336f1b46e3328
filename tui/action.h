/* What can be done: each action says what it is about, what it will do as far as is known, how
 * it is confirmed, and makes one call per target. Roles are control's: it refuses, too. */
#ifndef TUI_ACTION_H
#define TUI_ACTION_H

#include "command.h"

struct tui_action {
    const char *name;              /* of the command */
    const char *title;             /* "CANCEL A TASK" */
    char letter;                   /* in the menu */
    const struct tui_table *table; /* whose rows are targets; NULL = it has none */
    size_t view;                   /* where the menu offers it */
    const char *verb;              /* "cancel" */
    bool reversible;               /* false: more than a key is asked to confirm it */
    const char *undo;              /* how it is undone, or that it is not */
    bool asks_reason;
    /* Asks what the preview wants to know. */
    void (*look)(struct tui_app *app, const char *target);
    void (*preview)(struct tui_app *app, const struct tui_scene *scene, struct tui_lines *out);
    /* One call; the answer comes as TUI_ASK_ACTION. */
    void (*run)(struct tui_app *app, const char *target, const char *reason);
    /* What the answer says. */
    void (*tell)(const ProtobufCMessage *answer, char *out, size_t size);
};

extern const struct tui_action tui_actions[];
extern const size_t tui_action_count;

/* Opens the preview. Targets: the given one, else the marked rows, else the one under the
 * cursor. */
void tui_dialog_open(struct tui_app *app, const struct tui_action *action, aion_str target);

#endif
