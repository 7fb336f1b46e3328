/* How tasks end, and how attempts end that do not end them. Whatever the reason, the end is one
 * write under the token of the attempt; while it is under way the task is settling and nothing
 * else may be decided about it. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/rand.h"
#include "control_private.h"

#include <assert.h>
#include <stdio.h>

static const enum control_state final_of[TASK_EVENTS] = {
    [TASK_SUCCEED] = TASK_SUCCEEDED, [TASK_FAIL] = TASK_FAILED,    [TASK_DIE] = TASK_DEAD,
    [TASK_CANCEL] = TASK_CANCELLED,  [TASK_EXPIRE] = TASK_EXPIRED,
};

static struct store_error stored_error(const struct control_error *error)
{
    return (struct store_error){error->code, aion_str_of(error->reason),
                                aion_str_of(error->message)};
}

static struct store_token token_of(const struct control_task *task)
{
    return (struct store_token){task->epoch, task->attempt};
}

/* -- the end ------------------------------------------------------------------------ */
/* The store holds another end than ours: only its word counts, and whoever waits is sent there.
 * It cannot happen while one control owns the store. */
static void disowned(struct control_task *task)
{
    control_count(COUNT_STALE);
    control_handover_drop(task);
}

static enum control_event event_to(enum store_state state)
{
    enum control_event event = TASK_SUCCEED;
    while ((int)final_of[event] != (int)state)
        event = (enum control_event)((int)event + 1);
    return event;
}

/* The end is what is told. */
static void ended(struct control_write *write)
{
    struct control *control = write->control;
    struct control_task *task = write->task;
    control_task_set_error(task, &write->error);
    control_move_at(control, task, event_to(write->as.finish.state), write->as.finish.at_us);
    control_record_task(task);
    if (task->host != NULL)
        control_host_settled(task->host, task, NULL, task->reported);
    control_attempt_leave(task);
    aion_heap_remove(&control->deadlines, &task->deadline);
    aion_list_remove(&task->of_shard);
    control_cache_finished(&control->tasks, task);
    control_waits_tell(task);
    control_watchers_wake(task);
    control_hosts_pause(control);
}

static void finish_done(struct control_write *write)
{
    struct control *control = write->control;
    struct control_task *task = write->task;
    task->settling = false;
    aion_failpoint("control/after_finish_before_settled");
    if (write->as.write.outcome != STORE_DONE) {
        disowned(task);
        return;
    }
    control->pending_bytes -= task->log.pending_bytes;
    control_log_commit(&task->log, write->cursor);
    control_bytes_free(&task->body);
    ended(write);
}

/* A direct task's end is told before it is recorded. */
static void finish_direct(struct control_write *write)
{
    write->done = control_direct_recorded;
    write->as.write.op.lazy = true;
    control_write_end(write);
    write->task->settling = false;
    control_direct_ended(write);
    ended(write);
}

static void fill_finish(struct control_write *write, enum control_event event)
{
    const struct control_task *task = write->task;
    struct store_finish *finish = &write->as.finish;
    *finish = (struct store_finish){
        .token = token_of(task),
        .state = (enum store_state)final_of[event],
        .at_us = aion_clock_utc_us(),
        .error = stored_error(&write->error),
        .usage = {task->usage.queue_us, task->usage.run_us, task->usage.tokens_in,
                  task->usage.tokens_out, task->usage.cost_nano_usd},
        .result = event == TASK_SUCCEED ? control_bytes_view(&task->result) : (aion_str){0},
        .stream_digest = event == TASK_SUCCEED && task->stream_digest_known
                             ? aion_str_n(task->stream_digest, sizeof(task->stream_digest))
                             : (aion_str){0},
    };
}

static void finish_chunks(struct control_write *write)
{
    control_write_chunks(write, &write->as.finish.chunks, &write->as.finish.count);
    write->as.finish.cursor = write->cursor;
}

void control_finish(struct control *control, struct control_task *task,
                    enum control_event event, const struct control_error *error)
{
    assert(!task->settling && final_of[event] != TASK_NONE &&
           control_state_next(task->state, event) == final_of[event]);
    task->settling = true;
    control_dequeue(control, task);
    if (task->host == NULL)
        aion_list_remove(
            &task->on_host); /* its host may come back before this is on the disk */
    struct control_write *write = control_write_new(control, task, STORE_FINISH, finish_done);
    if (error != NULL)
        write->error = *error;
    fill_finish(write, event);
    control_charge_settle(control, write, event);
    write->prepare = finish_chunks;
    if (task->direct != NULL)
        finish_direct(write);
    else
        control_write_end(write);
}

/* -- another attempt ---------------------------------------------------------------- */
/* Doubled each time, with up to a half more by chance, so that what failed together does not
 * come back together; the longest has room for chance, too. */
static int64_t retry_wait_us(const struct control *control, uint32_t attempt)
{
    const int64_t first_us = control->conf->retry_first,
                  longest_us = control->conf->retry_longest, most_us = longest_us / 3 * 2;
    int64_t wait_us = first_us;
    for (uint32_t i = 1; i < attempt && wait_us < most_us; i++)
        wait_us *= 2;
    if (wait_us > most_us)
        wait_us = most_us > first_us ? most_us : first_us;
    int64_t more_us = wait_us / 2 < longest_us - wait_us ? wait_us / 2 : longest_us - wait_us;
    uint64_t chance;
    aion_rand_secret(&chance, sizeof(chance));
    return wait_us + (int64_t)(chance % (uint64_t)(more_us + 1));
}

static void retry_done(struct control_write *write)
{
    struct control *control = write->control;
    struct control_task *task = write->task;
    task->settling = false;
    if (write->as.write.outcome != STORE_DONE) {
        disowned(task);
        return;
    }
    control->pending_bytes -= task->log.pending_bytes;
    control_log_commit(&task->log, write->cursor);
    control_count(COUNT_RETRY);
    control_task_set_error(task, &write->error);
    if (task->host != NULL)
        control_host_settled(task->host, task, NULL, task->reported);
    control_attempt_leave(task);
    control_move_at(control, task, TASK_RETRY, write->as.retry.at_us);
    control_watchers_wake(task);
    control_hosts_pause(control);
    int64_t wait_us = write->as.retry.due_us - aion_clock_utc_us();
    if (task->cancelling)
        control_cancel_task(control, task, NULL);
    else
        control_due_at(control, task,
                       mesh_loop_now(control->loop) + (wait_us > 0 ? wait_us : 0));
}

static void retry_chunks(struct control_write *write)
{
    control_write_chunks(write, &write->as.retry.chunks, &write->as.retry.count);
}

void control_retry(struct control *control, struct control_task *task,
                   const struct control_error *error)
{
    if (task->direct != NULL && !task->cancelling) {
        task->direct->again = true;
        control_finish(control, task, TASK_FAIL, error);
        return;
    }
    if (task->cancelling || task->attempt >= task->attempts_max) {
        control_finish(control, task, task->cancelling ? TASK_CANCEL : TASK_DIE, error);
        return;
    }
    assert(!task->settling && task->state == TASK_RUNNING);
    task->settling = true;
    control_due_never(control, task);
    struct control_write *write = control_write_new(control, task, STORE_RETRY, retry_done);
    int64_t now_us = aion_clock_utc_us();
    write->error = *error;
    write->as.retry = (struct store_retry){
        .token = token_of(task),
        .at_us = now_us,
        .due_us = now_us + retry_wait_us(control, task->attempt),
        .error = stored_error(&write->error),
    };
    write->prepare = retry_chunks;
    control_write_end(write);
}

/* -- ends from outside -------------------------------------------------------------- */
static struct control_error cancelled_error(const char *reason)
{
    struct control_error error = {.code = AION_CANCELLED, .reason = "CANCELLED"};
    snprintf(error.message, sizeof(error.message), "%.*s", (int)sizeof(error.message) - 1,
             reason[0] != '\0' ? reason : "cancelled by its client");
    return error;
}

void control_cancel_task(struct control *control, struct control_task *task, const char *reason)
{
    if (task->settling || control_state_final(task->state))
        return;
    if (reason != NULL)
        control_task_set_cancel_reason(task, reason);
    if (task->state == TASK_RUNNING && task->host != NULL) {
        if (!task->cancelling)
            control_due_at(control, task,
                           mesh_loop_now(control->loop) + control->conf->cancel_grace);
        task->cancelling = true;
        control_host_cancel(task, control_task_cancel_reason(task));
        return;
    }
    struct control_error error = cancelled_error(control_task_cancel_reason(task));
    control_finish(control, task, TASK_CANCEL, &error);
}

/* Its host may still run it: it is told to stop, and what it sends is stale. */
void control_expire(struct control *control, struct control_task *task)
{
    struct control_error error = {.code = AION_DEADLINE, .reason = "DEADLINE_PASSED"};
    if (task->settling || control_state_final(task->state))
        return;
    snprintf(error.message, sizeof(error.message), "its deadline passed while it was %s",
             control_state_name(task->state));
    if (task->host != NULL)
        control_host_cancel(task, "its deadline passed");
    control_finish(control, task, TASK_EXPIRE, &error);
}

static void attempt_overdue(struct control *control, struct control_task *task)
{
    struct control_error error = {.code = AION_DEADLINE, .reason = "ATTEMPT_TIMEOUT"};
    if (task->cancelling) {
        error = cancelled_error(control_task_cancel_reason(task));
        control_finish(control, task, TASK_CANCEL, &error);
        return;
    }
    snprintf(error.message, sizeof(error.message),
             "host %s did not report within the attempt's %lld ms", task->host_id,
             (long long)(task->timeout_us / 1000));
    if (task->host != NULL)
        control_host_cancel(task, "its time is over");
    control_outcome_unknown(control, task, &error);
}

void control_due(struct control *control, struct control_task *task)
{
    if (task->settling || control_state_final(task->state) || control->draining)
        return; /* the next control will see to it */
    if (task->direct != NULL && !control_shard_opened(control, store_seq_shard(task->seq))) {
        control_handover_drop(task); /* its shard is given away */
    } else if (task->direct != NULL && task->state == TASK_QUEUED) {
        control_direct_overdue(control, task);
    } else if (task->state == TASK_RETRY_WAIT) {
        control_move(control, task, TASK_DUE);
        control_enqueue(control, task);
    } else if (task->state == TASK_RUNNING && task->host == NULL) {
        control_attempt_lost(control, task);
    } else if (task->state == TASK_RUNNING) {
        attempt_overdue(control, task);
    }
}
