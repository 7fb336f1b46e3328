/* The audit log as a source of rows. A lane is a writer; which there are is asked with every
 * read, as writers come by themselves. */
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADS_ARENA_MAX = 1 << 20, WRITER_MAX = 80, NAME_MAX_SIZE = 128 };

struct writer {
    char name[WRITER_MAX];
    uint64_t newest;
};

struct audit_source {
    struct events_source source;
    struct control *control;
    struct writer writers[EVENTS_LANES];
    uint32_t count;
    bool looking;
};

static struct audit_source *audit_of(struct events_source *source)
{
    return aion_container(source, struct audit_source, source);
}

int control_events_audit_lane(const struct events_source *source, aion_str writer)
{
    const struct audit_source *audit =
        aion_container((struct events_source *)(uintptr_t)source, struct audit_source, source);
    for (uint32_t i = 0; i < audit->count; i++)
        if (aion_str_is(writer, audit->writers[i].name))
            return (int)i;
    return -1;
}

const char *control_events_audit_writer(const struct events_source *source, uint32_t lane)
{
    const struct audit_source *audit =
        aion_container((struct events_source *)(uintptr_t)source, struct audit_source, source);
    return lane < audit->count ? audit->writers[lane].name : "";
}

/* -- which writers there are -------------------------------------------------------- */
/* An operation that begins with asking. */
struct asking {
    struct store_audit_heads heads;
    struct aion_arena arena;
    struct audit_source *audit;
    void (*then)(struct asking *asking, const struct aion_err *err); /* consumes it */
    struct events_read *read;
    struct events_cursor *cursor;
    uint32_t lane;
    union {
        struct store_audit_list list;
        struct store_cursor_read place;
        struct store_cursor_put mark;
    } as;
    char name[NAME_MAX_SIZE];
};

static void asking_free(struct asking *asking)
{
    aion_arena_done(&asking->arena);
    free(asking);
}

/* Writers beyond as many as there are lanes are left out; so are names of no use. */
static void take_head(struct audit_source *audit, const struct store_audit_head *head)
{
    int lane = control_events_audit_lane(&audit->source, head->writer);
    if (lane < 0 && audit->count < EVENTS_LANES && head->writer.size < WRITER_MAX) {
        lane = (int)audit->count++;
        aion_str_copy(audit->writers[lane].name, WRITER_MAX, head->writer);
    }
    if (lane >= 0)
        audit->writers[lane].newest = head->number;
}

static void heads_read(struct store_op *op, const struct aion_err *err)
{
    struct asking *asking = aion_container(op, struct asking, heads.op);
    for (size_t i = 0; err == NULL && i < asking->heads.count; i++)
        take_head(asking->audit, &asking->heads.heads[i]);
    asking->then(asking, err);
}

static bool ask(struct audit_source *audit, const struct asking *what, struct aion_err *err)
{
    struct asking *asking = calloc(1, sizeof(*asking));
    if (asking == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    *asking = *what;
    asking->audit = audit;
    aion_arena_init(&asking->arena, HEADS_ARENA_MAX, NULL, 0);
    asking->heads.op.done = heads_read;
    asking->heads.op.arena = &asking->arena;
    if (store_audit_heads(audit->control->store, &asking->heads, err))
        return true;
    asking_free(asking);
    return false;
}

static void looked(struct asking *asking, const struct aion_err *err)
{
    (void)err; /* who asks next may know */
    asking->audit->looking = false;
    asking_free(asking);
}

void control_events_audit_look(struct events_source *source)
{
    struct audit_source *audit = audit_of(source);
    const struct asking what = {.then = looked};
    if (!audit->looking)
        audit->looking = ask(audit, &what, NULL);
}

/* -- rows --------------------------------------------------------------------------- */
static struct events_row row_of(uint32_t lane, const struct store_audit *line)
{
    return (struct events_row){.lane = lane,
                               .sequence = line->number,
                               .at_us = line->at_us,
                               .of.audit = {.writer = line->writer,
                                            .actor = line->actor,
                                            .role = line->role,
                                            .action = line->action,
                                            .target = line->target,
                                            .result = line->result,
                                            .reason = line->reason,
                                            .number = line->number,
                                            .hash = line->hash}};
}

/* The next lane of the set with something new, from `lane` on; EVENTS_LANES: none. */
static uint32_t lane_with_news(const struct audit_source *audit, const struct events_read *read,
                               uint32_t lane)
{
    while (lane < audit->count &&
           ((read->lanes >> lane & 1) == 0 || audit->writers[lane].newest <= read->after[lane]))
        lane++;
    return lane < audit->count ? lane : EVENTS_LANES;
}

static void read_end(struct asking *asking, const struct aion_err *err)
{
    struct events_read *read = asking->read;
    asking_free(asking);
    read->done(read, err);
}

static void lines_read(struct store_op *op, const struct aion_err *err)
{
    struct asking *asking = aion_container(op, struct asking, as.list.op);
    const struct store_audit_list *list = &asking->as.list;
    struct events_read *read = asking->read;
    struct aion_err full;
    if (err != NULL) {
        read_end(asking, err);
        return;
    }
    struct events_row *rows = aion_arena_array(read->arena, list->count, sizeof(*rows));
    if (rows == NULL) {
        aion_err_set(&full, __func__, AION_EXHAUSTED, "lines of the audit do not fit");
        read_end(asking, &full);
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        rows[i] = row_of(asking->lane, &list->lines[i]);
    read->rows = rows;
    read->count = list->count;
    read->more =
        list->more || lane_with_news(asking->audit, read, asking->lane + 1) < EVENTS_LANES;
    read_end(asking, NULL);
}

static void read_lines(struct asking *asking, const struct aion_err *err)
{
    struct events_read *read = asking->read;
    struct aion_err own;
    asking->lane = err == NULL ? lane_with_news(asking->audit, read, 0) : EVENTS_LANES;
    if (asking->lane == EVENTS_LANES) {
        read_end(asking, err);
        return;
    }
    asking->as.list = (struct store_audit_list){
        .op = {.done = lines_read, .arena = read->arena},
        .writer = aion_str_of(asking->audit->writers[asking->lane].name),
        .before_number = read->after[asking->lane],
        .limit = read->limit < 1000 ? read->limit : 1000,
        .oldest_first = true};
    if (!store_audit_list(asking->audit->control->store, &asking->as.list, &own))
        read_end(asking, &own);
}

static bool audit_read(struct events_source *source, struct events_read *read,
                       struct aion_err *err)
{
    const struct asking what = {.then = read_lines, .read = read};
    read->count = 0;
    read->more = false;
    return ask(audit_of(source), &what, err);
}

/* -- cursors, one writer after the other -------------------------------------------- */
static void cursor_end(struct asking *asking, const struct aion_err *err)
{
    struct events_cursor *cursor = asking->cursor;
    asking_free(asking);
    cursor->done(cursor, err);
}

static void set_name(struct asking *asking)
{
    snprintf(asking->name, sizeof(asking->name), "%.*s-audit:%s",
             AION_STR_ARG(asking->cursor->name), asking->audit->writers[asking->lane].name);
}

static void read_place(struct asking *asking);

static void place_read(struct store_op *op, const struct aion_err *err)
{
    struct asking *asking = aion_container(op, struct asking, as.place.op);
    if (err != NULL) {
        cursor_end(asking, err);
        return;
    }
    asking->cursor->sequence[asking->lane++] = asking->as.place.sequence[0];
    read_place(asking);
}

static void read_place(struct asking *asking)
{
    struct aion_err err;
    if (asking->lane == asking->audit->count) {
        cursor_end(asking, NULL);
        return;
    }
    set_name(asking);
    asking->as.place = (struct store_cursor_read){
        .op = {.done = place_read, .arena = &asking->arena}, .name = aion_str_of(asking->name)};
    if (!store_cursor_read(asking->audit->control->store, &asking->as.place, &err))
        cursor_end(asking, &err);
}

static void read_places(struct asking *asking, const struct aion_err *err)
{
    if (err != NULL)
        cursor_end(asking, err);
    else
        read_place(asking);
}

static bool audit_cursor_read(struct events_source *source, struct events_cursor *cursor,
                              struct aion_err *err)
{
    const struct asking what = {.then = read_places, .cursor = cursor};
    memset(cursor->sequence, 0, sizeof(cursor->sequence));
    return ask(audit_of(source), &what, err);
}

static void mark_next(struct asking *asking);

static void marked(struct store_op *op, const struct aion_err *err)
{
    struct asking *asking = aion_container(op, struct asking, as.mark.op);
    if (err != NULL) {
        cursor_end(asking, err);
        return;
    }
    asking->lane++;
    mark_next(asking);
}

static void mark_next(struct asking *asking)
{
    const struct audit_source *audit = asking->audit;
    const struct events_cursor *cursor = asking->cursor;
    struct aion_err err;
    while (asking->lane < audit->count && (cursor->lanes >> asking->lane & 1) == 0)
        asking->lane++;
    if (asking->lane == audit->count) {
        cursor_end(asking, NULL);
        return;
    }
    set_name(asking);
    asking->as.mark = (struct store_cursor_put){.op = {.done = marked, .lazy = true},
                                                .name = aion_str_of(asking->name),
                                                .shards = 1,
                                                .sequence = {cursor->sequence[asking->lane]}};
    if (!store_cursor_put(audit->control->store, &asking->as.mark, &err))
        cursor_end(asking, &err);
}

static void mark_writers(struct asking *asking, const struct aion_err *err)
{
    if (err != NULL)
        cursor_end(asking, err);
    else
        mark_next(asking);
}

static bool audit_cursor_put(struct events_source *source, struct events_cursor *cursor,
                             struct aion_err *err)
{
    const struct asking what = {.then = mark_writers, .cursor = cursor};
    return ask(audit_of(source), &what, err);
}

/* -- life --------------------------------------------------------------------------- */
struct events_source *control_events_audit_new(struct control *control)
{
    struct audit_source *audit = calloc(1, sizeof(*audit));
    if (audit == NULL)
        abort();
    audit->control = control;
    audit->source = (struct events_source){.stream = EVENTS_STREAM_AUDIT,
                                           .read = audit_read,
                                           .cursor_read = audit_cursor_read,
                                           .cursor_put = audit_cursor_put};
    return &audit->source;
}

void control_events_source_free(struct events_source *source)
{
    free(source); /* each source's first member */
}
