#include "records.h"

#include <stdlib.h>

enum { BYTES_MAX = 2 * 1024 * 1024, TEXTS = 9, TEXT_MAX = 1024 };

struct tui_word tui_task_word(int state)
{
    static const struct tui_word words[TUI_TASK_STATES] = {
        {"-", TUI_DIM},          {"ACCEPTED", TUI_PLAIN}, {"QUEUED", TUI_PLAIN},
        {"RUNNING", TUI_ACCENT}, {"RETRY", TUI_WARN},     {"IN DOUBT", TUI_ALARM},
        {"HELD", TUI_WARN},      {"done", TUI_GOOD},      {"FAILED", TUI_ALARM},
        {"cancelled", TUI_DIM},  {"EXPIRED", TUI_ALARM},  {"DEAD", TUI_ALARM},
    };
    return state >= 0 && state < TUI_TASK_STATES ? words[state]
                                                 : (struct tui_word){"?", TUI_DIM};
}

int64_t tui_stamp_us(const Google__Protobuf__Timestamp *stamp)
{
    const int64_t most = INT64_C(253402300799), least = -INT64_C(62135596800);
    if (stamp == NULL)
        return 0;
    int64_t seconds = stamp->seconds < least  ? least
                      : stamp->seconds > most ? most
                                              : stamp->seconds;
    return seconds * 1000000 + stamp->nanos / 1000;
}

/* -- the ring -------------------------------------------------------------- */

static void drop_oldest(struct tui_records *records)
{
    struct tui_record *oldest = records->ring[records->first];
    records->kept[oldest->kind]--;
    records->bytes -= (size_t)(oldest->note.data + oldest->note.size - (char *)oldest);
    free(oldest);
    records->first = (records->first + 1) % TUI_RECORDS_MAX;
    records->count--;
}

void tui_records_done(struct tui_records *records)
{
    while (records->count > 0)
        drop_oldest(records);
}

/* The texts follow the struct; `note` is the last. */
static struct tui_record *new_record(const Aion__V1__OpsEvent *event)
{
    const char *texts[TEXTS] = {event->what,   event->task_id, event->tenant,
                                event->intent, event->route,   event->host,
                                event->actor,  event->reason,  event->note};
    size_t sizes[TEXTS], all = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        sizes[i] = strnlen(texts[i], TEXT_MAX);
        all += sizes[i];
    }
    struct tui_record *record = calloc(1, sizeof(*record) + all + 1);
    if (record == NULL)
        return NULL;
    aion_str *to[TEXTS] = {&record->what,   &record->task_id, &record->tenant,
                           &record->intent, &record->route,   &record->host,
                           &record->actor,  &record->reason,  &record->note};
    char *at = (char *)(record + 1);
    for (size_t i = 0; i < TEXTS; i++) {
        memcpy(at, texts[i], sizes[i]);
        *to[i] = aion_str_n(at, sizes[i]);
        at += sizes[i];
    }
    return record;
}

static enum tui_record_kind kind_of(int kind)
{
    return kind > 0 && kind < TUI_RECORD_KINDS ? (enum tui_record_kind)kind : TUI_NO_RECORD;
}

static void add_event(struct tui_records *records, const Aion__V1__OpsEvent *event)
{
    struct tui_record *record = new_record(event);
    if (record == NULL)
        return;
    record->kind = kind_of((int)event->kind);
    record->state = (int)event->state;
    record->attempt = event->attempt;
    record->ordinal = ++records->heard;
    record->sequence = event->sequence;
    record->at_us = event->at_us > 0 ? event->at_us : 0;
    record->latency_us = event->latency_us;
    record->cost_nano_usd = event->cost_nano_usd;
    size_t size = (size_t)(record->note.data + record->note.size - (char *)record);
    while (records->count == TUI_RECORDS_MAX ||
           (records->count > 0 && records->bytes + size > BYTES_MAX))
        drop_oldest(records);
    size_t place = (records->first + records->count++) % TUI_RECORDS_MAX;
    records->ring[place] = record;
    records->kinds[place] = (uint8_t)record->kind;
    records->kept[record->kind]++;
    records->bytes += size;
}

void tui_records_add(struct tui_records *records, const Aion__V1__OpsEvents *events)
{
    for (size_t i = 0; i < events->n_events; i++)
        add_event(records, events->events[i]);
    for (size_t i = 0; i < events->n_counts; i++) {
        int state = (int)events->counts[i]->state;
        if (state >= 0 && state < TUI_TASK_STATES)
            records->counts[kind_of((int)events->counts[i]->kind)][state] +=
                events->counts[i]->count;
    }
    records->sampled += events->sampled;
    records->version++;
}

const struct tui_record *tui_records_at(const struct tui_records *records, size_t back)
{
    if (back >= records->count)
        return NULL;
    return records->ring[(records->first + records->count - 1 - back) % TUI_RECORDS_MAX];
}

size_t tui_records_of(const struct tui_records *records, unsigned kinds, int64_t until_us,
                      const struct tui_record **out, size_t max)
{
    size_t left = 0, count = 0;
    for (unsigned kind = 0; kind < TUI_RECORD_KINDS; kind++)
        left += (kinds >> kind & 1) != 0 ? records->kept[kind] : 0;
    for (size_t back = 0; left > 0 && count < max; back++) {
        size_t place = (records->first + records->count - 1 - back) % TUI_RECORDS_MAX;
        if ((kinds >> records->kinds[place] & 1) == 0)
            continue;
        left--;
        if (records->ring[place]->at_us <= until_us)
            out[count++] = records->ring[place];
    }
    return count;
}

uint64_t tui_records_total(const struct tui_records *records, enum tui_record_kind kind)
{
    uint64_t total = 0;
    for (size_t i = 0; i < TUI_TASK_STATES; i++)
        total += records->counts[kind][i];
    return total;
}

/* -- tasks ----------------------------------------------------------------- */

static void keep(aion_str *have, aion_str older)
{
    if (have->size == 0)
        *have = older;
}

/* An event older than those that were taken in: it fills what they left open. */
static void add_older(struct tui_task *task, const struct tui_record *record)
{
    keep(&task->tenant, record->tenant);
    keep(&task->intent, record->intent);
    keep(&task->route, record->route);
    keep(&task->host, record->host);
    if (task->attempt == 0)
        task->attempt = record->attempt;
    if (task->latency_us == 0)
        task->latency_us = record->latency_us;
    if (task->cost_nano_usd == 0)
        task->cost_nano_usd = record->cost_nano_usd;
    task->first_us = record->at_us;
}

static void begin_task(struct tui_task *task, const struct tui_record *record)
{
    *task = (struct tui_task){.id = record->task_id,
                              .note = record->note.size > 0 ? record->note : record->what,
                              .state = record->state,
                              .at_us = record->at_us};
    add_older(task, record);
}

static void read_listed(struct tui_task *task, const Aion__V1__Task *listed)
{
    *task = (struct tui_task){.id = aion_str_of(listed->task_id),
                              .tenant = aion_str_of(listed->tenant),
                              .intent = aion_str_of(listed->intent),
                              .state = (int)listed->state,
                              .first_us = tui_stamp_us(listed->created_at),
                              .at_us = tui_stamp_us(listed->updated_at)};
    if (listed->engine != NULL)
        task->route = aion_str_of(listed->engine->route);
    if (listed->usage != NULL) {
        task->latency_us = listed->usage->latency_us;
        task->cost_nano_usd = listed->usage->cost_nano_usd;
    }
    if (listed->error != NULL)
        task->note = aion_str_of(listed->error->message);
}

/* What was listed knows the task's whole life; the events what came after. */
static void add_listed(struct tui_task *task, const Aion__V1__Task *listed, int64_t at_us)
{
    struct tui_task from;
    read_listed(&from, listed);
    if (from.at_us > task->at_us && from.at_us <= at_us)
        task->state = from.state;
    keep(&task->tenant, from.tenant);
    keep(&task->intent, from.intent);
    keep(&task->route, from.route);
    if (from.first_us > 0 && from.first_us < task->first_us)
        task->first_us = from.first_us;
}

/* No event is kept of it: what it was before its last change is not known. */
static void add_unheard(struct tui_task *task, const Aion__V1__Task *listed, int64_t at_us)
{
    read_listed(task, listed);
    if (task->at_us <= at_us)
        return;
    task->state = 0;
    task->at_us = task->first_us;
}

/* By when they began, so that a row keeps its place while others come and change. */
static int newest_first(const void *a, const void *b)
{
    const struct tui_task *left = a, *right = b;
    if (left->first_us != right->first_us)
        return left->first_us < right->first_us ? 1 : -1;
    return aion_str_cmp(left->id, right->id);
}

size_t tui_tasks_fold(const struct tui_records *records, const Aion__V1__ListTasksReply *listed,
                      int64_t at_us, struct tui_task *out, size_t max)
{
    struct aion_map by_id;
    size_t count = 0;
    const struct tui_record *record;
    aion_map_init(&by_id, max);
    for (size_t back = 0; (record = tui_records_at(records, back)) != NULL; back++) {
        if (record->kind != TUI_TASK_EVENT || record->at_us > at_us ||
            record->task_id.size == 0)
            continue;
        struct tui_task *task = aion_map_get(&by_id, record->task_id);
        if (task != NULL) {
            add_older(task, record);
        } else if (count < max) {
            begin_task(&out[count], record);
            aion_map_put(&by_id, out[count].id, &out[count]);
            count++;
        }
    }
    for (size_t i = 0; listed != NULL && i < listed->n_tasks; i++) {
        struct tui_task *task = aion_map_get(&by_id, aion_str_of(listed->tasks[i]->task_id));
        if (task != NULL)
            add_listed(task, listed->tasks[i], at_us);
        else if (count < max && tui_stamp_us(listed->tasks[i]->created_at) <= at_us)
            add_unheard(&out[count++], listed->tasks[i], at_us);
    }
    aion_map_done(&by_id);
    qsort(out, count, sizeof(*out), newest_first);
    return count;
}
