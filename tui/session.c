/* What is asked of the mesh and when: the live stream at the rate that is looked at, the past
 * that is sought, and what the open view wants to know besides. */
#include "app.h"
#include "tables.h"

#include "aion/v1/modules.schema.h"
#include "aion/v1/ops.schema.h"
#include "aion/v1/retention.schema.h"
#include "aion/v1/router.schema.h"
#include "aion/v1/tasks.schema.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    SECOND_US = 1000000,
    RETRY_US = 300000,  /* between two attempts to reach control */
    SETTLE_US = 400000, /* after the last letter of a filter */
    WINDOW_S = 17 * 60, /* a graph's 15 minutes and the rest of its first sample */
    REFRESH_US = 10 * SECOND_US,
    TASK_REFRESH_US = SECOND_US,
    TASKS_PAGE = 200,
    AUDIT_PAGE = 500,
};

/* -- the live stream ------------------------------------------------------- */

/* "" when no tasks are looked at. */
static const char *tasks_filter(const struct tui_app *app)
{
    return app->view == TUI_TASKS_VIEW ? app->views[TUI_TASKS_VIEW].filter.text : "";
}

/* A term that control understands, and whose names are to be like its value. */
struct known {
    const char *name;
    enum tui_kind kind;
    enum tui_key_part part; /* of their keys */
};

/* Control compares whole names, a filter of ours parts of them in either case: they agree when
 * the name is known and no other one holds it. */
static bool is_one_of(const struct tui_picture *live, const struct known *known, aion_str typed)
{
    bool found = false;
    for (size_t i = 0; i < live->room; i++) {
        const struct tui_row *row = live->rows[i];
        if (row == NULL || row->entity->kind != known->kind)
            continue;
        aion_str name = tui_key_part(row->entity->key, known->part);
        if (aion_str_eq(name, typed))
            found = true;
        else if (tui_filter_holds(name, typed))
            return false;
    }
    return found;
}

/* Terms of the tasks' filter that control understands, too. */
static void event_filter(const struct tui_app *app, Aion__V1__OpsEventFilter *filter,
                         char texts[4][TUI_FILTER_MAX])
{
    static const struct known known[4] = {{"tenant", TUI_TENANT, TUI_WHOLE_KEY},
                                          {"intent", TUI_ROUTE, TUI_BEFORE_SLASH},
                                          {"route", TUI_ROUTE, TUI_BEHIND_SLASH},
                                          {"host", TUI_HOST, TUI_WHOLE_KEY}};
    const struct tui_filter *typed = &app->views[TUI_TASKS_VIEW].filter;
    char **to[4] = {&filter->tenant, &filter->intent, &filter->route, &filter->host};
    for (size_t i = 0; i < 4 && app->view == TUI_TASKS_VIEW; i++) {
        aion_str value = tui_filter_value(typed, known[i].name);
        if (value.size == 0 || !is_one_of(&app->model.live, &known[i], value))
            continue;
        aion_str_copy(texts[i], TUI_FILTER_MAX, value);
        *to[i] = texts[i];
    }
}

static void open_stream(struct tui_app *app)
{
    Aion__V1__OpsWatchRequest request = AION__V1__OPS_WATCH_REQUEST__INIT;
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    char texts[4][TUI_FILTER_MAX];
    request.rate_hz = app->asked_hz = tui_app_rate(app);
    event_filter(app, &filter, texts);
    filter.all = app->wish.all;
    request.events = &filter;
    request.joined = true;
    aion_str_copy(app->asked_filter, sizeof(app->asked_filter), aion_str_of(tasks_filter(app)));
    tui_ask(&app->answers, TUI_ASK_WATCH, &request.base, "", app->now);
    tui_model_opened(&app->model, app->now);
}

/* What the series lacks of the last 15 minutes, in frames of 10 s. */
static void ask_backfill(struct tui_app *app)
{
    Aion__V1__OpsWatchRequest request = AION__V1__OPS_WATCH_REQUEST__INIT;
    int64_t until = tui_history_oldest(&app->model.history);
    if (until == 0 || app->wish.plain || app->answers.list[TUI_ASK_WINDOW].id != 0)
        return;
    request.rate_hz = 1;
    request.from_us = until - (int64_t)WINDOW_S * SECOND_US;
    if (request.from_us < app->model.hello.oldest_us)
        request.from_us = app->model.hello.oldest_us;
    request.until_us = until - SECOND_US;
    request.span_ms = 10000;
    if (request.until_us - request.from_us < 10 * SECOND_US)
        return;
    tui_model_window(&app->model, 0);
    tui_ask(&app->answers, TUI_ASK_WINDOW, &request.base, "", app->now);
}

/* Another rate or another filter needs another stream. A filter settles first. */
static bool wants_another(struct tui_app *app)
{
    const char *filter = tasks_filter(app);
    if (tui_app_rate(app) != app->asked_hz)
        return true;
    if (strcmp(filter, app->asked_filter) == 0) {
        app->filter_us = 0;
        return false;
    }
    if (app->filter_us == 0)
        app->filter_us = app->now.mono_us;
    return app->mode != TUI_NARROW && app->now.mono_us - app->filter_us >= SETTLE_US;
}

/* Who has fallen silent may be gone without a word: no more is waited for on that connection.
 * It is lost since its last word, however late that is seen. */
static void give_up(struct tui_app *app)
{
    tui_ask_drop(&app->answers, TUI_ASK_WATCH);
    tui_model_closed(&app->model, (struct tui_time){.mono_us = app->model.heard_us});
    app->port->renew(app->port->user, TUI_CONTROL);
    app->retry_us = app->now.mono_us;
}

static void keep_stream(struct tui_app *app)
{
    const struct tui_answer *watch = &app->answers.list[TUI_ASK_WATCH];
    if (!watch->pending) {
        if (app->now.mono_us >= app->retry_us)
            open_stream(app);
        return;
    }
    if (app->now.mono_us >= tui_app_lost_us(app)) {
        give_up(app);
    } else if (app->model.live.at_us != 0 && wants_another(app)) {
        open_stream(app);
    } else if (tui_app_fresh(app) == TUI_FRESH) {
        ask_backfill(app);
    }
}

/* -- the past -------------------------------------------------------------- */

/* Graphs that end at an instant before the history want frames around it. */
static void ask_window(struct tui_app *app, int64_t at_us)
{
    Aion__V1__OpsWatchRequest request = AION__V1__OPS_WATCH_REQUEST__INIT;
    int64_t far = app->model.far_us, minute = 60 * (int64_t)SECOND_US;
    if (far != 0 && at_us <= far && at_us > far - minute)
        return;
    far = (at_us / minute + 1) * minute;
    if (far > tui_history_newest(&app->model.history))
        far = tui_history_newest(&app->model.history);
    request.rate_hz = 1;
    request.from_us = far - (int64_t)WINDOW_S * SECOND_US;
    if (request.from_us < app->model.hello.oldest_us)
        request.from_us = app->model.hello.oldest_us;
    request.until_us = far;
    tui_model_window(&app->model, far);
    tui_ask(&app->answers, TUI_ASK_WINDOW, &request.base, "far", app->now);
}

void tui_session_seek(struct tui_app *app, int64_t at_us)
{
    Aion__V1__OpsGetAtRequest request = AION__V1__OPS_GET_AT_REQUEST__INIT;
    if (app->model.live.at_us == 0) {
        tui_say(app, TUI_WARN, "nothing is known yet");
        return;
    }
    tui_ask_drop(&app->answers, TUI_ASK_AT);
    if (tui_model_seek(&app->model, at_us))
        return;
    request.at_us = app->model.wanted_us;
    tui_ask(&app->answers, TUI_ASK_AT, &request.base, "", app->now);
    ask_window(app, app->model.wanted_us);
}

/* -- what views want ------------------------------------------------------- */

static void ask_tasks(struct tui_app *app)
{
    Aion__V1__ListTasksRequest request = AION__V1__LIST_TASKS_REQUEST__INIT;
    request.page_size = TASKS_PAGE;
    tui_ask(&app->answers, TUI_ASK_TASKS, &request.base, "", app->now);
}

static void ask_task(struct tui_app *app, const char *about)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    request.task_id = (char *)(uintptr_t)about;
    tui_ask(&app->answers, TUI_ASK_TASK, &request.base, about, app->now);
}

static void ask_output(struct tui_app *app, const char *about)
{
    Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
    if (strcmp(app->answers.list[TUI_ASK_OUTPUT].about, about) != 0)
        tui_output_reset(&app->answers.output);
    request.task_id = (char *)(uintptr_t)about;
    request.after_cursor = app->answers.output.cursor;
    tui_ask(&app->answers, TUI_ASK_OUTPUT, &request.base, about, app->now);
}

static void ask_policy(struct tui_app *app)
{
    Aion__V1__GetPolicyRequest request = AION__V1__GET_POLICY_REQUEST__INIT;
    tui_ask(&app->answers, TUI_ASK_POLICY, &request.base, "", app->now);
}

static void ask_other_policy(struct tui_app *app, const char *about)
{
    Aion__V1__GetPolicyRequest request = AION__V1__GET_POLICY_REQUEST__INIT;
    request.ordinal = strtoull(about, NULL, 10);
    tui_ask(&app->answers, TUI_ASK_OTHER_POLICY, &request.base, about, app->now);
}

static void ask_revisions(struct tui_app *app)
{
    Aion__V1__ListPolicyRevisionsRequest request =
        AION__V1__LIST_POLICY_REVISIONS_REQUEST__INIT;
    tui_ask(&app->answers, TUI_ASK_REVISIONS, &request.base, "", app->now);
}

static void ask_hosts(struct tui_app *app)
{
    Aion__V1__ListHostsRequest request = AION__V1__LIST_HOSTS_REQUEST__INIT;
    tui_ask(&app->answers, TUI_ASK_HOSTS, &request.base, "", app->now);
}

static void ask_plan(struct tui_app *app)
{
    Aion__V1__GetPlanRequest request = AION__V1__GET_PLAN_REQUEST__INIT;
    tui_ask(&app->answers, TUI_ASK_PLAN, &request.base, "", app->now);
}

/* Of the past: what stood there at that second. */
static void ask_audit(struct tui_app *app, const char *about)
{
    Aion__V1__ListAuditRequest request = AION__V1__LIST_AUDIT_REQUEST__INIT;
    Aion__V1__Page page = AION__V1__PAGE__INIT;
    Google__Protobuf__Timestamp until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    page.size = AUDIT_PAGE;
    request.page = &page;
    if (strcmp(about, TUI_LOG_NOW) != 0) {
        until.seconds = strtoll(about, NULL, 10);
        request.until = &until;
    }
    app->audit_heard = tui_records_total(&app->model.records, TUI_AUDIT);
    tui_ask(&app->answers, TUI_ASK_AUDIT, &request.base, about, app->now);
}

void tui_session_ask(struct tui_app *app, enum tui_ask ask, const char *about)
{
    if (ask == TUI_ASK_TASKS)
        ask_tasks(app);
    else if (ask == TUI_ASK_TASK)
        ask_task(app, about);
    else if (ask == TUI_ASK_OUTPUT)
        ask_output(app, about);
    else if (ask == TUI_ASK_POLICY)
        ask_policy(app);
    else if (ask == TUI_ASK_OTHER_POLICY)
        ask_other_policy(app, about);
    else if (ask == TUI_ASK_REVISIONS)
        ask_revisions(app);
    else if (ask == TUI_ASK_HOSTS)
        ask_hosts(app);
    else if (ask == TUI_ASK_PLAN)
        ask_plan(app);
    else if (ask == TUI_ASK_AUDIT)
        ask_audit(app, about);
}

/* What answers of the past and of other revisions say does not change. A task that has ended
 * does not either; its output is read once. */
static bool is_settled(const struct tui_app *app, enum tui_ask ask)
{
    const Aion__V1__Task *task =
        (const Aion__V1__Task *)app->answers.list[TUI_ASK_TASK].message;
    const struct tui_answer *answer = &app->answers.list[ask];
    if (ask == TUI_ASK_OTHER_POLICY ||
        (ask == TUI_ASK_AUDIT && strcmp(answer->about, TUI_LOG_NOW) != 0))
        return answer->message != NULL;
    if (ask == TUI_ASK_TASK)
        return task != NULL && (int)task->state >= TUI_TASK_FINAL;
    return ask == TUI_ASK_OUTPUT && app->answers.output.ended;
}

/* Sooner than usual where it is known that there is something new. */
static int64_t refresh_us(const struct tui_app *app, enum tui_ask ask)
{
    bool heard = tui_records_total(&app->model.records, TUI_AUDIT) != app->audit_heard;
    bool soon = ask == TUI_ASK_TASK || ask == TUI_ASK_OUTPUT || (ask == TUI_ASK_AUDIT && heard);
    return soon ? TASK_REFRESH_US : REFRESH_US;
}

static bool is_due(const struct tui_app *app, enum tui_ask ask, const char *about)
{
    const struct tui_answer *answer = &app->answers.list[ask];
    bool same = strcmp(answer->about, about) == 0;
    int64_t age = app->now.mono_us - answer->at_us;
    if (!same)
        return true;
    if (answer->pending || is_settled(app, ask))
        return false;
    return answer->id == 0 || age >= refresh_us(app, ask);
}

static void ask_wanted(struct tui_app *app)
{
    const struct tui_view *view = tui_app_view(app);
    unsigned wants = view->wants | (tui_app_state(app)->detail ? view->wants_detail : 0);
    struct tui_scene scene = tui_app_scene(app);
    for (unsigned ask = 0; ask < TUI_ASKS && scene.cursors != NULL; ask++) {
        if ((wants >> ask & 1) == 0)
            continue;
        bool needs_about = ask == TUI_ASK_TASK || ask == TUI_ASK_OUTPUT ||
                           ask == TUI_ASK_OTHER_POLICY || ask == TUI_ASK_AUDIT;
        const char *about = needs_about ? view->about(&scene, (enum tui_ask)ask) : "";
        if (needs_about && (about == NULL || about[0] == '\0'))
            continue;
        if (is_due(app, (enum tui_ask)ask, about))
            tui_session_ask(app, (enum tui_ask)ask, about);
    }
}

void tui_session_tick(struct tui_app *app)
{
    keep_stream(app);
    if (app->model.live.at_us != 0 && app->model.open)
        ask_wanted(app);
}

/* -- what comes back ------------------------------------------------------- */

bool tui_session_message(struct tui_app *app, enum tui_ask ask, const ProtobufCMessage *message)
{
    switch (ask) {
    case TUI_ASK_WATCH:
        tui_model_reply(&app->model, (const Aion__V1__OpsWatchReply *)message, app->now);
        return true;
    case TUI_ASK_WINDOW:
        tui_model_window_reply(&app->model, (const Aion__V1__OpsWatchReply *)message);
        return true;
    case TUI_ASK_AT:
        tui_model_frame(&app->model, (const Aion__V1__OpsFrame *)message);
        return true;
    case TUI_ASK_OUTPUT:
        tui_output_chunk(&app->answers.output, (const Aion__V1__StreamChunk *)message);
        app->model.version++;
        return true;
    case TUI_ASK_TASKS:
    case TUI_ASK_TASK:
    case TUI_ASK_POLICY:
    case TUI_ASK_OTHER_POLICY:
    case TUI_ASK_DISK_POLICY:
    case TUI_ASK_REVISIONS:
    case TUI_ASK_VALIDATE:
    case TUI_ASK_HOSTS:
    case TUI_ASK_PLAN:
    case TUI_ASK_SWEEP:
    case TUI_ASK_AUDIT:
    case TUI_ASK_VERIFY:
    case TUI_ASK_ACTION:
    case TUI_ASKS:
        break;
    }
    return false;
}

void tui_session_ended(struct tui_app *app, enum tui_ask ask, const struct aion_err *err)
{
    if (ask == TUI_ASK_WATCH) {
        tui_model_closed(&app->model, app->now);
        app->retry_us = app->now.mono_us + RETRY_US;
        if (err != NULL && err->code != AION_UNAVAILABLE)
            tui_say(app, TUI_WARN, "control: %s", err->text);
    } else if (ask == TUI_ASK_AT && err != NULL) {
        tui_model_not_kept(&app->model);
        tui_say(app, TUI_WARN, "control: %s", err->text);
    } else if (ask == TUI_ASK_ACTION) {
        tui_dialog_ended(app, err);
    }
}
