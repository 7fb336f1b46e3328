#include "auth/digest.h"
#include "base/clock.h"
#include "base/metric.h"
#include "control_private.h"

#include <stdlib.h>

static const struct aion_metric_family dropped_family = {
    .name = "aion_control_audit_dropped",
    .help = "refusals that were too many to be told in the audit log",
    .kind = AION_COUNTER};

enum { TEXT_MAX = 1024, HEADS_ARENA = 1 << 20, AGAIN_US = 500000 };

/* A line that waits for its turn, or is under way. */
struct line {
    struct aion_link link;
    struct control *control;
    struct store_audit audit;
    uint8_t prev[32], hash[32];
    struct store_audit_put put; /* when it has no effect to go with */
    struct store_op *op;        /* the effect's, or &put.op */
    enum store_kind kind;
    store_done_fn *done; /* the effect's own */
    struct mesh_timer again;
    char texts[]; /* what audit's texts point into */
};

/* -- hashes -------------------------------------------------------------------------- */
static void add_number(struct auth_sha256 *sha, uint64_t number)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(number >> (56 - 8 * i));
    auth_sha256_add(sha, aion_str_n(bytes, sizeof(bytes)));
}

static void add_text(struct auth_sha256 *sha, aion_str text)
{
    add_number(sha, text.size);
    auth_sha256_add(sha, text);
}

void control_audit_hash(const struct store_audit *line, uint8_t out[32])
{
    struct auth_sha256 *sha = auth_sha256_new();
    add_text(sha, line->prev);
    add_text(sha, line->writer);
    add_number(sha, line->number);
    add_number(sha, (uint64_t)line->at_us);
    const aion_str texts[] = {line->actor,  line->role,   line->action, line->target,
                              line->result, line->reason, line->body};
    for (size_t i = 0; i < aion_countof(texts); i++)
        add_text(sha, texts[i]);
    auth_sha256_end(sha, out);
    auth_sha256_free(sha);
}

/* -- lines --------------------------------------------------------------------------- */
static char *put_text(aion_str *to, char *at, aion_str text)
{
    size_t size = text.size < TEXT_MAX ? text.size : TEXT_MAX;
    if (size > 0)
        memcpy(at, text.data, size);
    *to = aion_str_n(at, size);
    return at + size;
}

/* "tenant\ndetail": the line's body. */
static char *put_body(aion_str *to, char *at, aion_str tenant, aion_str detail)
{
    aion_str part;
    char *begin = at;
    at = put_text(&part, at, tenant);
    *at++ = '\n';
    at = put_text(&part, at, detail);
    *to = aion_str_n(begin, (size_t)(at - begin));
    return at;
}

static struct line *line_new(struct control *control, const struct control_deed *deed,
                             const char *result)
{
    struct line *line = calloc(1, sizeof(*line) + (size_t)8 * TEXT_MAX + 1);
    if (line == NULL)
        abort(); /* what is done is told */
    char *at = line->texts;
    line->control = control;
    line->audit.writer = aion_str_of(control->conf->replica);
    line->audit.at_us = aion_clock_utc_us();
    at = put_text(&line->audit.action, at, aion_str_of(deed->action));
    at = put_text(&line->audit.actor, at, deed->actor);
    at = put_text(&line->audit.role, at, deed->role);
    at = put_text(&line->audit.target, at, deed->target);
    at = put_text(&line->audit.reason, at, deed->reason);
    at = put_text(&line->audit.result, at, aion_str_of(result));
    put_body(&line->audit.body, at, deed->tenant, deed->detail);
    return line;
}

/* -- the chain ----------------------------------------------------------------------- */
static void next(struct control_audit *audit);

static void take_head(struct control_audit *audit, const struct store_audit_head *head)
{
    audit->number = head->number;
    memcpy(audit->hash, head->hash, sizeof(audit->hash));
    audit->has_hash = true;
}

static void find_head(struct control_audit *audit, const struct store_audit_heads *read)
{
    aion_str writer = aion_str_of(audit->control->conf->replica);
    audit->number = 0;
    audit->has_hash = false;
    for (size_t i = 0; i < read->count; i++)
        if (aion_str_eq(read->heads[i].writer, writer))
            take_head(audit, &read->heads[i]);
}

static void line_free(struct line *line)
{
    struct control_audit *audit = &line->control->audit;
    mesh_timer_cancel(line->control->loop, &line->again);
    aion_list_remove(&line->link);
    audit->count--;
    free(line);
}

static bool is_done(const struct line *line, const struct aion_err *err)
{
    const struct store_write *write = (const struct store_write *)(const void *)line->op;
    bool fenced = line->kind <= STORE_ACK; /* those begin with a store_write */
    return err == NULL && (!fenced || write->outcome == STORE_DONE);
}

/* An effect that did not come about is told by a line of its own. */
static void tell_failure(struct control *control, const struct line *line,
                         const struct aion_err *err)
{
    struct control_deed deed = {.action = line->audit.action.data,
                                .actor = line->audit.actor,
                                .role = line->audit.role,
                                .target = line->audit.target,
                                .reason = aion_str_of(err != NULL ? err->text : "")};
    char action[64];
    aion_str_copy(action, sizeof(action), line->audit.action);
    deed.action = action;
    control_audit_note(control, &deed, err != NULL ? aion_code_name(err->code) : "no_op");
}

static void line_again(struct mesh_timer *timer)
{
    struct line *line = aion_container(timer, struct line, again);
    line->control->audit.busy = false;
    next(&line->control->audit);
}

/* A line of its own is written until it is there. */
static void later(struct line *line)
{
    line->again.fire = line_again;
    mesh_timer_set(line->control->loop, &line->again,
                   mesh_loop_now(line->control->loop) + AGAIN_US);
}

static void end(struct control_audit *audit, struct line *line, const struct aion_err *err)
{
    bool own = line->op == &line->put.op;
    audit->unclear = err != NULL && strcmp(err->reason, "STORE_UNCLEAR") == 0;
    if (is_done(line, err)) {
        audit->number = line->audit.number;
        memcpy(audit->hash, line->hash, sizeof(audit->hash));
        audit->has_hash = true;
    } else if (own) {
        later(line);
        return;
    } else {
        tell_failure(audit->control, line, err);
    }
    audit->busy = false;
    if (!own) {
        line->op->audit = NULL;
        line->op->done = line->done;
        line->done(line->op, err);
    }
    line_free(line);
    next(audit);
}

static struct line *first_of(struct control_audit *audit)
{
    struct aion_link *link = aion_list_first(&audit->waiting);
    return link != NULL ? aion_container(link, struct line, link) : NULL;
}

static void written(struct store_op *op, const struct aion_err *err)
{
    /* the operation carries our own line, const to the store alone */
    struct line *line =
        aion_container((struct store_audit *)(uintptr_t)op->audit, struct line, audit);
    end(&line->control->audit, line, err);
}

/* Whether the last one is there is asked before another is chained to it. */
struct reading {
    struct store_audit_heads heads;
    struct control_audit *audit;
    struct aion_arena arena;
};

static void heads_read(struct store_op *op, const struct aion_err *err)
{
    struct reading *reading = aion_container(op, struct reading, heads.op);
    struct control_audit *audit = reading->audit;
    if (err == NULL) {
        find_head(audit, &reading->heads);
        audit->unclear = false;
    }
    aion_arena_done(&reading->arena);
    free(reading);
    struct line *line = first_of(audit);
    if (err != NULL && line != NULL) {
        later(line);
        return;
    }
    audit->busy = false;
    next(audit);
}

static void read_heads(struct control_audit *audit, struct line *line)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        abort();
    aion_arena_init(&reading->arena, HEADS_ARENA, NULL, 0);
    reading->audit = audit;
    reading->heads.op = (struct store_op){.done = heads_read, .arena = &reading->arena};
    audit->busy = true;
    if (store_audit_heads(audit->control->store, &reading->heads, NULL))
        return;
    aion_arena_done(&reading->arena);
    free(reading);
    later(line);
}

static void submit(struct control_audit *audit, struct line *line)
{
    struct aion_err err;
    line->audit.number = audit->number + 1;
    memcpy(line->prev, audit->hash, sizeof(line->prev));
    line->audit.prev =
        audit->has_hash ? aion_str_n(line->prev, sizeof(line->prev)) : (aion_str){0};
    control_audit_hash(&line->audit, line->hash);
    line->audit.hash = aion_str_n(line->hash, sizeof(line->hash));
    line->op->audit = &line->audit;
    line->op->done = written;
    audit->busy = true;
    if (!store_submit(audit->control->store, line->op, line->kind, &err))
        end(audit, line, &err);
}

static void next(struct control_audit *audit)
{
    struct line *line = first_of(audit);
    if (audit->busy || line == NULL)
        return;
    if (audit->unclear)
        read_heads(audit, line);
    else
        submit(audit, line);
}

static void add(struct control_audit *audit, struct line *line)
{
    aion_list_add_last(&audit->waiting, &line->link);
    audit->count++;
    next(audit);
}

/* -- what others call ------------------------------------------------------------------ */
bool control_audit_open(struct control *control, struct aion_err *err)
{
    struct control_audit *audit = &control->audit;
    struct aion_arena arena;
    aion_arena_init(&arena, HEADS_ARENA, NULL, 0);
    struct store_audit_heads heads = {.op.arena = &arena};
    bool good = store_audit_heads_wait(control->store, &heads, err);
    if (good)
        find_head(audit, &heads);
    aion_arena_done(&arena);
    return good;
}

void control_audit_done(struct control *control)
{
    aion_list_each_safe (link, &control->audit.waiting)
        line_free(aion_container(link, struct line, link));
}

struct control_deed control_deed_of(const struct mesh_call *call)
{
    const struct mesh_principal *principal = mesh_principal(call);
    return (struct control_deed){.action = mesh_call_method(call)->path,
                                 .actor = principal->subject,
                                 .role = aion_str_of(mesh_role_name(principal->role)),
                                 .tenant = principal->tenant};
}

/* "/aion.v1.Budgets/SetBudget" → "Budgets/SetBudget" */
static const char *short_action(const char *path)
{
    static const char package[] = "/aion.v1.";
    bool ours = strncmp(path, package, sizeof(package) - 1) == 0;
    return ours ? path + sizeof(package) - 1 : path;
}

bool control_audit_effect(struct control *control, const struct control_deed *deed,
                          struct store_op *op, enum store_kind kind, struct aion_err *err)
{
    struct control_deed own = *deed;
    if (control->audit.count >= AUDIT_WAITING_MAX)
        return aion_fail(err, AION_EXHAUSTED,
                         "too many audited changes wait for the disk: try again");
    own.action = short_action(deed->action);
    struct line *line = line_new(control, &own, "done");
    line->op = op;
    line->kind = kind;
    line->done = op->done;
    add(&control->audit, line);
    return true;
}

void control_audit_note(struct control *control, const struct control_deed *deed,
                        const char *result)
{
    struct control_deed own = *deed;
    if (control->audit.count >= AUDIT_WAITING_MAX) {
        aion_metric_add(aion_metric(&dropped_family), 1);
        return;
    }
    own.action = short_action(deed->action);
    struct line *line = line_new(control, &own, result);
    line->op = &line->put.op;
    line->kind = STORE_AUDIT_PUT;
    add(&control->audit, line);
}

static bool may_tell_refusal(struct control_audit *audit)
{
    int64_t now_us = mesh_loop_now(audit->control->loop);
    if (now_us - audit->second_us >= 1000000) {
        audit->second_us = now_us;
        audit->refusals = 0;
    }
    return audit->refusals++ < AUDIT_REFUSALS_MAX;
}

void control_audit_failed(void *user, struct mesh_call *call, const struct aion_err *err)
{
    struct control *control = user;
    struct control_deed deed = control_deed_of(call);
    deed.reason = aion_str_of(err->text);
    if (may_tell_refusal(&control->audit))
        control_audit_note(control, &deed, aion_code_name(err->code));
    else
        aion_metric_add(aion_metric(&dropped_family), 1);
}
