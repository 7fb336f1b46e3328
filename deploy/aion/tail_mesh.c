/* aion events tail, from the mesh's own log; aion events forget. */
#include "cli_tail.h"

#include "aion/v1/events.mesh.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_S = 1, SOURCES_MAX = 1024, PAGE = 500 };

/* A reader's place: of every source, as control tells it. */
struct place {
    Aion__V1__EventPosition positions[SOURCES_MAX];
    Aion__V1__EventPosition *list[SOURCES_MAX];
    char names[SOURCES_MAX][64];
    size_t count;
};

static const struct mesh_method *method(int index)
{
    return &aion_v1_events_type.methods[index];
}

/* -- places ------------------------------------------------------------------------- */
static bool place_set(struct place *place, aion_str source, uint64_t sequence)
{
    size_t at = 0;
    while (at < place->count && !aion_str_is(source, place->names[at]))
        at++;
    if (at == SOURCES_MAX || source.size >= sizeof(place->names[0]))
        return false;
    if (at == place->count) {
        aion_str_copy(place->names[at], sizeof(place->names[at]), source);
        aion__v1__event_position__init(&place->positions[at]);
        place->positions[at].source = place->names[at];
        place->list[at] = &place->positions[at];
        place->count++;
    }
    place->positions[at].sequence = sequence;
    return true;
}

/* "17:4711,18:12": a source's name ends at its last colon. */
static bool parse_place(struct place *place, const char *text, struct aion_err *err)
{
    aion_str rest = aion_str_of(text);
    while (rest.data != NULL) {
        aion_str one = aion_str_cut(&rest, ',');
        const char *colon = one.size > 0 ? memrchr(one.data, ':', one.size) : NULL;
        uint64_t sequence;
        if (colon == NULL ||
            !aion_str_u64(aion_str_n(colon + 1, (size_t)(one.data + one.size - colon - 1)),
                          &sequence) ||
            !place_set(place, aion_str_n(one.data, (size_t)(colon - one.data)), sequence))
            return aion_fail(err, AION_INVALID,
                             "--from \"%.*s\" is neither beginning, end nor a position as "
                             "17:4711,18:12",
                             AION_STR_ARG(one));
    }
    return true;
}

static void print_place(const struct place *place, struct aion_buf *out)
{
    for (size_t i = 0; i < place->count; i++)
        aion_buf_printf(out, "%s%s:%llu", i > 0 ? "," : "", place->names[i],
                        (unsigned long long)place->positions[i].sequence);
}

/* -- reading ------------------------------------------------------------------------ */
static const Aion__V1__ReadEventsReply *read_page(struct cli_tail *tail, struct place *place,
                                                  struct aion_err *err)
{
    Aion__V1__ReadEventsRequest request = AION__V1__READ_EVENTS_REQUEST__INIT;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    wait.seconds = tail->follow ? WAIT_S : 0;
    request.topic = (char *)(uintptr_t)tail->argument;
    request.group = (char *)(uintptr_t)tail->group;
    request.after = place->list;
    request.n_after = place->count;
    request.from = strcmp(tail->from, "end") == 0
                       ? AION__V1__READ_EVENTS_REQUEST__FROM__FROM_END
                       : AION__V1__READ_EVENTS_REQUEST__FROM__FROM_BEGINNING;
    request.limit = PAGE;
    request.wait = &wait;
    aion_arena_reset(&tail->client.arena);
    return (const Aion__V1__ReadEventsReply *)cli_call(
        &tail->client, "control", method(AION_V1_EVENTS_READ_EVENTS), &request.base, 0, err);
}

static bool commit(struct cli_tail *tail, struct place *place, struct aion_err *err)
{
    Aion__V1__CommitEventsRequest request = AION__V1__COMMIT_EVENTS_REQUEST__INIT;
    request.topic = (char *)(uintptr_t)tail->argument;
    request.group = (char *)(uintptr_t)tail->group;
    request.positions = place->list;
    request.n_positions = place->count;
    return tail->group[0] == '\0' ||
           cli_call(&tail->client, "control", method(AION_V1_EVENTS_COMMIT_EVENTS),
                    &request.base, 0, err) != NULL;
}

/* Shows a page; the place moves behind it. */
static bool show_page(struct cli_tail *tail, struct place *place,
                      const Aion__V1__ReadEventsReply *page, struct aion_err *err)
{
    for (size_t i = 0; i < page->n_records; i++) {
        const Aion__V1__EventRecord *record = page->records[i];
        const struct cli_tail_shown shown = {.key = aion_str_of(record->key),
                                             .value = aion_str_of(record->value),
                                             .schema = aion_str_of(record->schema),
                                             .source = aion_str_of(record->source),
                                             .sequence = record->sequence,
                                             .partition = -1};
        cli_tail_show(tail, &shown);
    }
    for (size_t i = 0; i < page->n_positions; i++)
        if (!place_set(place, aion_str_of(page->positions[i]->source),
                       page->positions[i]->sequence))
            return aion_fail(err, AION_EXHAUSTED, "the topic has more than %d sources",
                             SOURCES_MAX);
    return true;
}

static int follow(struct cli_tail *tail, struct place *place)
{
    struct aion_err err;
    while (!cli_tail_stop) {
        const Aion__V1__ReadEventsReply *page = read_page(tail, place, &err);
        if (page == NULL)
            return cli_error(&err);
        bool nothing = page->n_records == 0 && !page->more;
        bool moved = page->n_records > 0;
        if (!show_page(tail, place, page, &err) || (moved && !commit(tail, place, &err)))
            return cli_error(&err);
        if (nothing && !tail->follow)
            return CLI_OK;
    }
    return CLI_OK;
}

int cli_tail_mesh(struct cli_tail *tail)
{
    static struct place place;
    struct aion_err err;
    bool given = strcmp(tail->from, "end") != 0 && strcmp(tail->from, "beginning") != 0;
    if (given && !parse_place(&place, tail->from, &err))
        return cli_error_given(&err);
    int status = cli_client_open(&tail->client, tail->home, &err) ? follow(tail, &place)
                                                                  : cli_error(&err);
    print_place(&place, &tail->position);
    cli_client_close(&tail->client);
    return status;
}

/* -- forget ------------------------------------------------------------------------- */
int cli_tail_forget(struct cli_tail *tail)
{
    Aion__V1__ForgetReaderRequest request = AION__V1__FORGET_READER_REQUEST__INIT;
    struct aion_err err;
    if (tail->argument != NULL) {
        request.reader_case = AION__V1__FORGET_READER_REQUEST__READER_GROUP;
        request.group = (char *)(uintptr_t)tail->argument;
    } else {
        request.reader_case = AION__V1__FORGET_READER_REQUEST__READER_KAFKA;
        request.kafka = true;
    }
    int status = CLI_OK;
    if (!cli_client_open(&tail->client, tail->home, &err) ||
        cli_call(&tail->client, "control", method(AION_V1_EVENTS_FORGET_READER), &request.base,
                 0, &err) == NULL)
        status = cli_error(&err);
    cli_client_close(&tail->client);
    return status;
}
