#include "model.h"

#include <stdio.h>

enum { SECOND_US = 1000000 };

/* The years 1970 to 9999: with other times nothing is computed. */
static bool is_time(int64_t utc_us)
{
    return utc_us > 0 && utc_us < INT64_C(253402300800) * SECOND_US;
}

/* -- life ------------------------------------------------------------------ */

bool tui_model_init(struct tui_model *model, size_t history_bytes_max)
{
    memset(model, 0, sizeof(*model));
    tui_entities_init(&model->entities);
    tui_history_init(&model->history, history_bytes_max);
    model->shown = &model->live;
    return tui_series_init(&model->near);
}

void tui_model_done(struct tui_model *model)
{
    tui_picture_done(&model->live);
    tui_picture_done(&model->seen);
    tui_picture_done(&model->base);
    tui_picture_done(&model->window);
    tui_history_done(&model->history);
    tui_series_done(&model->near);
    tui_series_done(&model->far);
    tui_records_done(&model->records);
    tui_ids_done(&model->live_ids);
    tui_ids_done(&model->window_ids);
    tui_entities_done(&model->entities);
}

/* -- the live stream ------------------------------------------------------- */

void tui_model_opened(struct tui_model *model, struct tui_time now)
{
    model->heard_us = now.mono_us;
    model->dropped_before = model->dropped;
    model->version++;
}

void tui_model_closed(struct tui_model *model, struct tui_time now)
{
    if (model->open || model->lost_us == 0)
        model->lost_us = now.mono_us;
    model->open = false;
    model->version++;
}

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static void take_hello(struct tui_model *model, const Aion__V1__OpsHello *hello)
{
    struct tui_hello *to = &model->hello;
    size_t used = 0;
    copy(to->control, sizeof(to->control), hello->control);
    copy(to->instance, sizeof(to->instance), hello->instance);
    copy(to->environment, sizeof(to->environment), hello->environment);
    copy(to->subject, sizeof(to->subject), hello->subject);
    copy(to->tenant, sizeof(to->tenant), hello->tenant);
    to->roles[0] = '\0';
    for (size_t i = 0; i < hello->n_roles && used < sizeof(to->roles); i++)
        used += (size_t)snprintf(to->roles + used, sizeof(to->roles) - used, "%s%s",
                                 i > 0 ? "," : "", hello->roles[i]);
    to->oldest_us = is_time(hello->oldest_us) ? hello->oldest_us : 0;
    to->read_only = hello->read_only;
}

static void forget_slot(void *user, uint32_t slot)
{
    struct tui_model *model = user;
    tui_series_forget(&model->near, slot);
    tui_series_forget(&model->far, slot);
}

static void forget_unnamed(struct tui_model *model)
{
    const struct tui_picture *const held[] = {&model->live, &model->seen, &model->base,
                                              &model->window, &model->history.last};
    tui_entities_sweep_begin(&model->entities);
    for (size_t i = 0; i < aion_countof(held); i++)
        tui_picture_mark(held[i], &model->entities);
    tui_ids_mark(&model->live_ids, &model->entities);
    tui_ids_mark(&model->window_ids, &model->entities);
    tui_entities_sweep_end(&model->entities, tui_history_oldest(&model->history), forget_slot,
                           model);
}

/* Whole seconds are kept. Once a minute what nobody names any more is forgotten. */
static void keep_second(struct tui_model *model)
{
    const struct tui_picture *live = &model->live;
    int64_t before = tui_history_newest(&model->history);
    tui_picture_seen(live, live->at_us);
    tui_history_add(&model->history, live);
    tui_series_add(&model->near, live);
    if (live->at_us / (60 * (int64_t)SECOND_US) != before / (60 * (int64_t)SECOND_US))
        forget_unnamed(model);
}

static void take_frame(struct tui_model *model, const Aion__V1__OpsFrame *frame)
{
    if (!is_time(frame->at_us))
        return;
    tui_fold_frame(&model->live_ids, &model->entities, frame, frame->at_us, &model->live, NULL);
    if (frame->at_us % SECOND_US == 0)
        keep_second(model);
}

/* The smallest distance seen is the one with the least delay in it; it may drift back. */
static void take_clock(struct tui_model *model, int64_t server_us, int64_t at_us,
                       struct tui_time now)
{
    int64_t offset = server_us - now.utc_us;
    if (model->offset_us == 0 || offset > model->offset_us)
        model->offset_us = offset;
    else
        model->offset_us += (offset - model->offset_us) / 256;
    if (is_time(at_us)) {
        int64_t lag = now.utc_us + model->offset_us - at_us;
        model->lag_us = lag > 0 ? lag : 0;
    }
}

/* A frame in which nothing moved says only that control is there; the age that is shown of it
 * is drawn once a second in any case. */
static bool is_news(const struct tui_model *model, const Aion__V1__OpsWatchReply *reply)
{
    const Aion__V1__OpsFrame *frame = reply->frame;
    if (reply->body_case != AION__V1__OPS_WATCH_REPLY__BODY_FRAME || !model->open ||
        model->dropped_before + reply->dropped != model->dropped)
        return true;
    return reply->beside != NULL || frame->full || frame->gap != model->live.gap ||
           model->live.at_us == 0 || frame->n_rows + frame->n_entities + frame->n_gone > 0;
}

void tui_model_reply(struct tui_model *model, const Aion__V1__OpsWatchReply *reply,
                     struct tui_time now)
{
    model->version += is_news(model, reply);
    model->open = true;
    model->heard_us = now.mono_us;
    model->dropped = model->dropped_before + reply->dropped;
    if (is_time(reply->server_us))
        take_clock(
            model, reply->server_us,
            reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME ? reply->frame->at_us : 0,
            now);
    if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME)
        take_frame(model, reply->frame);
    else if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_EVENTS)
        tui_records_add(&model->records, reply->events);
    else if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_HELLO)
        take_hello(model, reply->hello);
    if (reply->beside != NULL)
        tui_records_add(&model->records, reply->beside);
}

enum tui_fresh tui_model_fresh(const struct tui_model *model, struct tui_time now,
                               int64_t silence_us)
{
    if (!model->open)
        return model->lost_us == 0 ? TUI_CONNECTING : TUI_DISCONNECTED;
    if (now.mono_us - model->heard_us > silence_us)
        return TUI_STALE;
    return model->live.at_us == 0 ? TUI_CONNECTING : TUI_FRESH;
}

int64_t tui_model_now(const struct tui_model *model, struct tui_time now)
{
    return now.utc_us + model->offset_us;
}

/* -- time ------------------------------------------------------------------ */

void tui_model_pause(struct tui_model *model)
{
    if (!tui_model_is_live(model) || model->live.at_us == 0)
        return;
    tui_picture_clear(&model->seen);
    tui_picture_copy(&model->seen, &model->live);
    model->shown = &model->seen;
    model->version++;
}

void tui_model_go_live(struct tui_model *model)
{
    model->shown = &model->live;
    model->wanted_us = 0;
    model->version++;
}

bool tui_model_seek(struct tui_model *model, int64_t at_us)
{
    int64_t newest = tui_history_newest(&model->history);
    at_us = at_us / SECOND_US * SECOND_US;
    if (newest > 0 && at_us > newest)
        at_us = newest;
    if (model->hello.oldest_us > 0 && at_us < model->hello.oldest_us)
        at_us = (model->hello.oldest_us + SECOND_US - 1) / SECOND_US * SECOND_US;
    model->version++;
    model->wanted_us = 0;
    if (tui_history_at(&model->history, &model->entities, at_us, &model->seen)) {
        model->shown = &model->seen;
        return true;
    }
    tui_model_pause(model);
    model->wanted_us = at_us;
    return false;
}

void tui_model_frame(struct tui_model *model, const Aion__V1__OpsFrame *frame)
{
    struct tui_ids ids = {.by_id = NULL};
    if (model->wanted_us == 0 || !is_time(frame->at_us))
        return;
    model->wanted_us = 0;
    model->version++;
    tui_picture_clear(&model->seen);
    tui_fold_frame(&ids, &model->entities, frame, tui_history_newest(&model->history),
                   &model->seen, NULL);
    tui_ids_done(&ids);
    model->shown = &model->seen;
}

void tui_model_not_kept(struct tui_model *model)
{
    model->wanted_us = 0;
    model->version++;
}

void tui_model_compare(struct tui_model *model, bool on)
{
    model->comparing = on && model->shown->at_us != 0;
    model->version++;
    tui_picture_clear(&model->base);
    if (model->comparing)
        tui_picture_copy(&model->base, model->shown);
}

/* -- windows of the past --------------------------------------------------- */

const struct tui_series *tui_model_series(const struct tui_model *model)
{
    int64_t at = tui_model_at(model);
    bool far =
        model->far_us != 0 && at <= model->far_us && at < tui_history_oldest(&model->history);
    return far ? &model->far : &model->near;
}

void tui_model_window(struct tui_model *model, int64_t at_us)
{
    tui_picture_clear(&model->window);
    tui_ids_done(&model->window_ids);
    model->window_far = at_us != 0;
    if (!model->window_far)
        return;
    if (model->far.seconds == NULL && !tui_series_init(&model->far))
        return;
    tui_series_clear(&model->far);
    model->far_us = at_us;
}

void tui_model_window_reply(struct tui_model *model, const Aion__V1__OpsWatchReply *reply)
{
    struct tui_series *series = model->window_far ? &model->far : &model->near;
    if (reply->body_case != AION__V1__OPS_WATCH_REPLY__BODY_FRAME ||
        !is_time(reply->frame->at_us) || series->seconds == NULL)
        return;
    tui_fold_frame(&model->window_ids, &model->entities, reply->frame,
                   tui_history_newest(&model->history), &model->window, series);
    tui_series_add(series, &model->window);
    model->version++;
}
