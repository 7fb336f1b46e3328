/* The table of actions, what each knows before and does. */
#include "action.h"
#include "diff.h"
#include "tables.h"

#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.schema.h"
#include "aion/v1/retention.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"

#include <inttypes.h>

static const ProtobufCMessage *answer_about(const struct tui_scene *scene, enum tui_ask ask,
                                            const char *about)
{
    const struct tui_answer *answer = &scene->answers->list[ask];
    return strcmp(answer->about, about) == 0 ? answer->message : NULL;
}

/* -- cancel ---------------------------------------------------------------- */

static void cancel_look(struct tui_app *app, const char *target)
{
    tui_session_ask(app, TUI_ASK_TASK, target);
}

static void cancel_effect(const Aion__V1__Task *task, struct tui_lines *out)
{
    int state = (int)task->state;
    if (state >= TUI_TASK_FINAL)
        tui_line_pair(out, "effect", "none: it has ended already");
    else if (state == AION__V1__TASK_STATE__TASK_STATE_RUNNING)
        tui_line_pair(out, "effect", "its module is told to stop; what it made is not kept");
    else
        tui_line_pair(out, "effect", "it ends as CANCELLED and is not run");
}

static void cancel_preview(struct tui_app *app, const struct tui_scene *scene,
                           struct tui_lines *out)
{
    const struct tui_dialog *dialog = &app->dialog;
    const struct tui_answer *answer = &scene->answers->list[TUI_ASK_TASK];
    if (dialog->target_count > 1) {
        tui_line_addf(out, TUI_PLAIN, 0, "%zu marked tasks, one after the other",
                      dialog->target_count);
        tui_line_pair(out, "effect", "those that have ended stay as they are");
        return;
    }
    const Aion__V1__Task *task =
        (const Aion__V1__Task *)answer_about(scene, TUI_ASK_TASK, dialog->targets[0]);
    tui_line_addf(out, TUI_PLAIN, 0, "%s", dialog->targets[0]);
    if (task == NULL) {
        tui_line_addf(out, TUI_WARN, 0, "%s",
                      answer->err.code != AION_OK ? answer->err.text : "asking control ...");
        return;
    }
    tui_line_pair(out, "task", "%s of tenant %s, %s, attempt %zu", task->intent, task->tenant,
                  tui_task_word((int)task->state).word, task->n_attempts);
    cancel_effect(task, out);
}

static void cancel_run(struct tui_app *app, const char *target, const char *reason)
{
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    request.task_id = (char *)(uintptr_t)target;
    request.reason = (char *)(uintptr_t)reason;
    tui_ask_action(&app->answers, TUI_CONTROL,
                   &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_CANCEL], &request.base,
                   target, app->now);
}

static void cancel_tell(const ProtobufCMessage *answer, char *out, size_t size)
{
    const Aion__V1__Task *task = (const Aion__V1__Task *)answer;
    int state = (int)task->state;
    snprintf(out, size, "%s is %s%s", task->task_id, tui_task_word(state).word,
             state < TUI_TASK_FINAL ? "; it ends when its module has stopped" : "");
}

/* -- drain ----------------------------------------------------------------- */

static void hosts_look(struct tui_app *app, const char *target)
{
    (void)target;
    tui_session_ask(app, TUI_ASK_HOSTS, "");
}

/* Goes on taking tasks when all that the dialog is about are drained. */
static bool stays(const struct tui_dialog *dialog, const Aion__V1__HostInfo *host)
{
    for (size_t i = 0; i < dialog->target_count; i++)
        if (strcmp(dialog->targets[i], host->host_id) == 0)
            return false;
    return !host->draining;
}

static void pool_effect(const struct tui_dialog *dialog, const Aion__V1__ListHostsReply *reply,
                        const Aion__V1__HostInfo *host, struct tui_lines *out)
{
    unsigned left = 0, all = 0;
    for (size_t i = 0; i < reply->n_hosts; i++) {
        const Aion__V1__HostInfo *other = reply->hosts[i];
        if (strcmp(other->pool, host->pool) != 0)
            continue;
        all += other->slots;
        left += stays(dialog, other) ? other->slots : 0;
    }
    tui_line_addf(out, left == 0 ? TUI_ALARM : TUI_PLAIN, 0,
                  "%-12s pool %s keeps %u of %u slots%s", "effect", host->pool, left, all,
                  left == 0 ? ": its tasks will wait" : "");
    tui_line_pair(out, "", "%u tasks run there now and finish; no new ones are given",
                  host->running);
}

static bool remains(const struct tui_dialog *dialog, const Aion__V1__ListHostsReply *reply,
                    const char *module)
{
    for (size_t i = 0; i < reply->n_hosts; i++)
        for (size_t k = 0; stays(dialog, reply->hosts[i]) && k < reply->hosts[i]->n_modules;
             k++)
            if (strcmp(reply->hosts[i]->modules[k]->module, module) == 0)
                return true;
    return false;
}

static void drain_effect(const struct tui_dialog *dialog, const Aion__V1__ListHostsReply *reply,
                         const Aion__V1__HostInfo *host, struct tui_lines *out)
{
    pool_effect(dialog, reply, host, out);
    for (size_t i = 0; i < host->n_modules; i++)
        if (!remains(dialog, reply, host->modules[i]->module))
            tui_line_addf(out, TUI_ALARM, 0, "%-12s nobody else has module %s", "",
                          host->modules[i]->module);
}

static void drain_preview(struct tui_app *app, const struct tui_scene *scene,
                          struct tui_lines *out)
{
    const Aion__V1__ListHostsReply *reply =
        (const Aion__V1__ListHostsReply *)tui_answer(scene->answers, TUI_ASK_HOSTS);
    bool undrain = strcmp(app->dialog.action->name, "undrain") == 0;
    for (size_t i = 0; i < app->dialog.target_count && i < 4; i++) {
        const Aion__V1__HostInfo *host = tui_host_of(scene->answers, app->dialog.targets[i]);
        tui_line_addf(out, TUI_PLAIN, 0, "%s", app->dialog.targets[i]);
        if (host == NULL)
            tui_line_addf(out, TUI_WARN, 0, "%s",
                          reply == NULL ? "asking control ..." : "is not attached now");
        else if (undrain && !host->draining)
            tui_line_pair(out, "effect", "none: it is not drained");
        else if (undrain)
            tui_line_pair(out, "effect", "its %u slots take tasks again", host->slots);
        else if (host->draining)
            tui_line_pair(out, "effect", "none: it is drained already");
        else
            drain_effect(&app->dialog, reply, host, out);
    }
    if (app->dialog.target_count > 4)
        tui_line_addf(out, TUI_PLAIN, 0, "and %zu more", app->dialog.target_count - 4);
}

static void ask_drain(struct tui_app *app, const char *target, const char *reason, bool undrain)
{
    Aion__V1__DrainHostRequest request = AION__V1__DRAIN_HOST_REQUEST__INIT;
    request.host_id = (char *)(uintptr_t)target;
    request.reason = (char *)(uintptr_t)reason;
    request.undrain = undrain;
    tui_ask_action(&app->answers, TUI_CONTROL,
                   &aion_v1_hosts_type.methods[AION_V1_HOSTS_DRAIN_HOST], &request.base, target,
                   app->now);
}

static void drain_run(struct tui_app *app, const char *target, const char *reason)
{
    ask_drain(app, target, reason, false);
}

static void undrain_run(struct tui_app *app, const char *target, const char *reason)
{
    ask_drain(app, target, reason, true);
}

static void drain_tell(const ProtobufCMessage *answer, char *out, size_t size)
{
    const Aion__V1__DrainHostReply *reply = (const Aion__V1__DrainHostReply *)answer;
    if (reply->host == NULL)
        snprintf(out, size, "done");
    else
        snprintf(out, size, "%s %s, %u of %u slots busy", reply->host->host_id,
                 reply->host->draining ? "is DRAINING" : "is in service", reply->host->running,
                 reply->host->slots);
}

/* -- reload ---------------------------------------------------------------- */

static void reload_look(struct tui_app *app, const char *target)
{
    Aion__V1__ValidatePolicyRequest validate = AION__V1__VALIDATE_POLICY_REQUEST__INIT;
    Aion__V1__GetPolicyRequest on_disk = AION__V1__GET_POLICY_REQUEST__INIT;
    (void)target;
    on_disk.on_disk = true;
    tui_ask_drop(&app->answers, TUI_ASK_VALIDATE); /* what an earlier look saw is old */
    tui_ask_drop(&app->answers, TUI_ASK_DISK_POLICY);
    tui_session_ask(app, TUI_ASK_POLICY, "");
    tui_ask(&app->answers, TUI_ASK_VALIDATE, &validate.base, "", app->now);
    tui_ask(&app->answers, TUI_ASK_DISK_POLICY, &on_disk.base, "", app->now);
}

static void reload_preview(struct tui_app *app, const struct tui_scene *scene,
                           struct tui_lines *out)
{
    const Aion__V1__ValidatePolicyReply *checked =
        (const Aion__V1__ValidatePolicyReply *)tui_answer(scene->answers, TUI_ASK_VALIDATE);
    const Aion__V1__Policy *now =
        (const Aion__V1__Policy *)tui_answer(scene->answers, TUI_ASK_POLICY);
    const Aion__V1__Policy *disk =
        (const Aion__V1__Policy *)tui_answer(scene->answers, TUI_ASK_DISK_POLICY);
    const struct tui_answer *answer = &scene->answers->list[TUI_ASK_VALIDATE];
    (void)app;
    if (checked == NULL || now == NULL) {
        tui_line_addf(out, TUI_WARN, 0, "%s",
                      answer->err.code != AION_OK ? answer->err.text : "asking the router ...");
        return;
    }
    bool same = now->revision != NULL && strcmp(now->revision->digest, checked->digest) == 0;
    tui_line_pair(out, "in force", "revision %" PRIu64,
                  now->revision != NULL ? now->revision->ordinal : 0);
    for (size_t i = 0; i < checked->n_faults && i < 5; i++)
        tui_line_addf(out, TUI_ALARM, 0, "%s:%u:%u %s", checked->faults[i]->file,
                      checked->faults[i]->line, checked->faults[i]->column,
                      checked->faults[i]->message);
    tui_line_pair(out, "effect", "%s",
                  !checked->valid ? "REFUSED: the policy in force stays"
                  : same          ? "none: the files are those in force"
                                  : "the files come in force as a new revision");
    if (checked->valid && !same && disk != NULL)
        tui_diff(tui_policy_text(now, scene->arena), tui_policy_text(disk, scene->arena), out);
}

static void reload_run(struct tui_app *app, const char *target, const char *reason)
{
    Aion__V1__ReloadPolicyRequest request = AION__V1__RELOAD_POLICY_REQUEST__INIT;
    (void)target;
    request.reason = (char *)(uintptr_t)reason;
    tui_ask_action(&app->answers, TUI_ROUTER,
                   &aion_v1_router_type.methods[AION_V1_ROUTER_RELOAD_POLICY], &request.base,
                   "", app->now);
}

static void reload_tell(const ProtobufCMessage *answer, char *out, size_t size)
{
    const Aion__V1__Policy *policy = (const Aion__V1__Policy *)answer;
    snprintf(out, size, "revision %" PRIu64 " is in force: %u routes, %u rules",
             policy->revision != NULL ? policy->revision->ordinal : 0, policy->routes,
             policy->rules);
}

/* -- the table ------------------------------------------------------------- */

const struct tui_action tui_actions[] = {
    {.name = "cancel",
     .title = "CANCEL",
     .letter = 'c',
     .table = &tui_tasks,
     .view = TUI_TASKS_VIEW,
     .verb = "cancel",
     .undo = "no: submit the task anew",
     .asks_reason = true,
     .look = cancel_look,
     .preview = cancel_preview,
     .run = cancel_run,
     .tell = cancel_tell},
    {.name = "drain",
     .title = "DRAIN A HOST",
     .letter = 'd',
     .table = &tui_hosts,
     .view = TUI_MODULES_VIEW,
     .verb = "drain",
     .reversible = true,
     .undo = "undrain takes it back",
     .asks_reason = true,
     .look = hosts_look,
     .preview = drain_preview,
     .run = drain_run,
     .tell = drain_tell},
    {.name = "undrain",
     .title = "TAKE A HOST BACK",
     .letter = 'u',
     .table = &tui_hosts,
     .view = TUI_MODULES_VIEW,
     .verb = "undrain",
     .reversible = true,
     .undo = "drain takes it out again",
     .asks_reason = true,
     .look = hosts_look,
     .preview = drain_preview,
     .run = undrain_run,
     .tell = drain_tell},
    {.name = "reload",
     .title = "RELOAD THE POLICY",
     .letter = 'r',
     .view = TUI_ROUTER_VIEW,
     .verb = "reload",
     .reversible = true,
     .undo = "aion policy rollback",
     .asks_reason = true,
     .look = reload_look,
     .preview = reload_preview,
     .run = reload_run,
     .tell = reload_tell},
};
const size_t tui_action_count = aion_countof(tui_actions);

/* -- commands -------------------------------------------------------------- */

static void open_named(struct tui_app *app, const char *name, aion_str target)
{
    for (size_t i = 0; i < tui_action_count; i++)
        if (strcmp(tui_actions[i].name, name) == 0)
            tui_dialog_open(app, &tui_actions[i], target);
}

void tui_cmd_cancel(struct tui_app *app, aion_str argument)
{
    open_named(app, "cancel", argument);
}

void tui_cmd_drain(struct tui_app *app, aion_str argument)
{
    open_named(app, "drain", argument);
}

void tui_cmd_undrain(struct tui_app *app, aion_str argument)
{
    open_named(app, "undrain", argument);
}

void tui_cmd_reload(struct tui_app *app, aion_str argument)
{
    open_named(app, "reload", argument);
}

/* Changes nothing, so it needs no preview: it is one. */
void tui_cmd_sweep(struct tui_app *app, aion_str argument)
{
    Aion__V1__SweepRequest request = AION__V1__SWEEP_REQUEST__INIT;
    (void)argument;
    request.dry_run = true;
    tui_ask(&app->answers, TUI_ASK_SWEEP, &request.base, "dry run", app->now);
    tui_app_open(app, TUI_RETENTION_VIEW);
}

/* The same. */
void tui_cmd_verify(struct tui_app *app, aion_str argument)
{
    Aion__V1__VerifyAuditRequest request = AION__V1__VERIFY_AUDIT_REQUEST__INIT;
    (void)argument;
    tui_ask(&app->answers, TUI_ASK_VERIFY, &request.base, "", app->now);
    tui_app_open(app, TUI_AUDIT_VIEW);
}

/* What the menu offers beside actions: it changes nothing. */
static const struct look {
    size_t view;
    char letter;
    const char *text;
    void (*run)(struct tui_app *app, aion_str argument);
} looks[] = {
    {TUI_RETENTION_VIEW, 's', "preview sweep: counts what is due, deletes nothing",
     tui_cmd_sweep},
    {TUI_AUDIT_VIEW, 'v', "verify the log: computes all hashes anew", tui_cmd_verify},
};

static const struct look *look_of(const struct tui_app *app)
{
    for (size_t i = 0; i < aion_countof(looks); i++)
        if (looks[i].view == app->view)
            return &looks[i];
    return NULL;
}

/* -- the menu -------------------------------------------------------------- */

static size_t offered(const struct tui_app *app, const struct tui_action *out[8])
{
    size_t count = 0;
    for (size_t i = 0; i < tui_action_count && count < 8; i++)
        if (tui_actions[i].view == app->view)
            out[count++] = &tui_actions[i];
    return count;
}

bool tui_can_act(struct tui_app *app)
{
    const struct tui_action *list[8];
    return look_of(app) != NULL || offered(app, list) > 0;
}

void tui_cmd_act(struct tui_app *app, aion_str argument)
{
    (void)argument;
    app->mode = TUI_MENU;
    app->choice = 0;
}

void tui_menu_key(struct tui_app *app, uint32_t key)
{
    const struct tui_action *list[8];
    size_t count = offered(app, list);
    const struct look *look = look_of(app);
    app->mode = TUI_NORMAL;
    if (look != NULL && key == (uint32_t)look->letter)
        look->run(app, (aion_str){0});
    for (size_t i = 0; i < count; i++)
        if (key == (uint32_t)list[i]->letter)
            tui_dialog_open(app, list[i], (aion_str){0});
}

void tui_menu_draw(struct tui_app *app, struct tui_canvas *canvas)
{
    const struct tui_action *list[8];
    size_t count = offered(app, list);
    const char *forbidden = tui_app_forbidden(app);
    struct tui_rect all = tui_canvas_rect(canvas);
    const struct look *look = look_of(app);
    int rows = (int)count + (look != NULL) + (forbidden != NULL) + 2;
    struct tui_rect box = {all.rows - 1 - rows, 2, rows, all.cols - 4 < 64 ? all.cols - 4 : 64};
    struct tui_rect inner =
        tui_put_box(canvas, box, AION_STR("what can be done here"), AION_STR("esc: nothing"));
    int y = 0;
    for (size_t i = 0; i < count; i++, y++) {
        tui_putf(canvas, inner, y, 0, TUI_ACCENT, "%c", list[i]->letter);
        tui_putf(canvas, inner, y, 3, forbidden != NULL ? TUI_DIM : TUI_PLAIN, "%-10s %s",
                 list[i]->verb,
                 tui_command_sentence(tui_command_named(aion_str_of(list[i]->name))));
    }
    if (look != NULL) {
        tui_put_char(canvas, inner, y, 0, TUI_ACCENT, (uint32_t)look->letter);
        tui_put(canvas, inner, y++, 3, TUI_PLAIN, aion_str_of(look->text));
    }
    if (forbidden != NULL)
        tui_put(canvas, inner, y, 0, TUI_WARN, aion_str_of(forbidden));
}
