/* rpc ListAudit and VerifyAudit: reading the log, and proving that nobody rewrote it. */
#include "auth/digest.h"
#include "control_private.h"

#include <stdlib.h>

enum { CALL_ARENA = 64 << 20, VERIFY_PAGE = 1000, VERIFY_LINES_MAX = 1000000 };

/* -- ListAudit ----------------------------------------------------------------------- */
struct listing {
    struct control *control;
    struct mesh_call *call; /* held */
    struct aion_arena arena;
    struct store_audit_list list;
};

static void listing_end(struct listing *listing, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(listing->call, err);
    mesh_drop(listing->call);
    aion_arena_done(&listing->arena);
    free(listing);
}

static char *hash_text(struct aion_arena *arena, aion_str hash)
{
    char text[AUTH_SHA256_TEXT];
    if (hash.size != AUTH_SHA256_SIZE)
        return aion_arena_text(arena, AION_STR(""));
    auth_sha256_text(text, (const uint8_t *)hash.data);
    return aion_arena_text(arena, aion_str_of(text));
}

static Aion__V1__AuditLine *line_message(const struct store_audit *line,
                                         struct aion_arena *arena)
{
    Aion__V1__AuditLine *message = aion_arena_alloc(arena, sizeof(*message));
    aion_str detail = line->body, tenant = aion_str_cut(&detail, '\n');
    if (message == NULL)
        return NULL;
    aion__v1__audit_line__init(message);
    const struct {
        char **to;
        aion_str from;
    } texts[] = {
        {&message->writer, line->writer}, {&message->actor, line->actor},
        {&message->role, line->role},     {&message->tenant, tenant},
        {&message->action, line->action}, {&message->target, line->target},
        {&message->result, line->result}, {&message->reason, line->reason},
        {&message->detail, detail},
    };
    for (size_t i = 0; i < aion_countof(texts); i++)
        if ((*texts[i].to = aion_arena_text(arena, texts[i].from)) == NULL)
            return NULL;
    message->number = line->number;
    message->at = control_timestamp(arena, line->at_us);
    message->hash = hash_text(arena, line->hash);
    message->previous = hash_text(arena, line->prev);
    return message->hash != NULL && message->previous != NULL ? message : NULL;
}

/* "AT_US:NUMBER:WRITER" of the page's last line. */
static void list_read(struct store_op *op, const struct aion_err *err)
{
    struct listing *listing = aion_container(op, struct listing, list.op);
    const struct store_audit_list *list = &listing->list;
    Aion__V1__ListAuditReply reply = AION__V1__LIST_AUDIT_REPLY__INIT;
    if (err != NULL) {
        listing_end(listing, err);
        return;
    }
    reply.lines = aion_arena_array(&listing->arena, list->count, sizeof(*reply.lines));
    for (size_t i = 0; reply.lines != NULL && i < list->count; i++) {
        reply.lines[i] = line_message(&list->lines[i], &listing->arena);
        if (reply.lines[i] == NULL)
            break;
        reply.n_lines++;
    }
    if (list->more && list->count > 0) {
        const struct store_audit *last = &list->lines[list->count - 1];
        char *token =
            aion_arena_printf(&listing->arena, "%lld:%llu:%.*s", (long long)last->at_us,
                              (unsigned long long)last->number, AION_STR_ARG(last->writer));
        if (token != NULL)
            reply.next_page_token = token;
    }
    if (reply.n_lines == list->count)
        aion_v1_ops_list_audit_reply(listing->call, &reply);
    else
        mesh_fail(listing->call, AION_EXHAUSTED, "the page does not fit: ask for fewer lines");
    listing_end(listing, NULL);
}

static bool read_token(const char *text, struct store_audit_list *list)
{
    aion_str rest = aion_str_of(text);
    uint64_t at_us;
    if (rest.size == 0)
        return true;
    if (!aion_str_u64(aion_str_cut(&rest, ':'), &at_us) || at_us > INT64_MAX ||
        !aion_str_u64(aion_str_cut(&rest, ':'), &list->before_number) ||
        list->before_number == 0 || rest.size == 0)
        return false;
    list->before_us = (int64_t)at_us;
    list->before_writer = rest;
    return true;
}

static bool read_page(const Aion__V1__ListAuditRequest *request, struct store_audit_list *list,
                      struct aion_err *err)
{
    uint32_t size = request->page != NULL ? request->page->size : 0;
    if (size > 1000) {
        aion_err_set(err, __func__, AION_INVALID, "page.size is %u: give 1 to 1000", size);
        aion_err_field(err, "page.size");
        return false;
    }
    list->limit = size > 0 ? size : 50;
    if (request->page == NULL || read_token(request->page->token, list))
        return true;
    aion_err_set(err, __func__, AION_INVALID,
                 "page.token is not one that a page before has given");
    aion_err_field(err, "page.token");
    return false;
}

static int64_t time_of(const Google__Protobuf__Timestamp *stamp)
{
    return stamp != NULL ? stamp->seconds * 1000000 + stamp->nanos / 1000 : 0;
}

/* rpc ListAudit. Inline. */
void control_ops_list_audit(struct mesh_call *call, const Aion__V1__ListAuditRequest *request)
{
    struct aion_err err;
    struct listing *listing = calloc(1, sizeof(*listing));
    if (listing == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    listing->control = mesh_service(call);
    listing->call = mesh_hold(call);
    aion_arena_init(&listing->arena, CALL_ARENA, NULL, 0);
    listing->list = (struct store_audit_list){
        .op = {.done = list_read, .arena = &listing->arena},
        .actor = aion_str_of(request->actor),
        .action = aion_str_of(request->action),
        .from_us = time_of(request->since),
        .until_us = time_of(request->until),
    };
    if (!read_page(request, &listing->list, &err) ||
        !store_audit_list(listing->control->store, &listing->list, &err))
        listing_end(listing, &err);
}

/* -- VerifyAudit --------------------------------------------------------------------- */
/* One writer after the other, a page at a time, so that nothing waits long for it. */
struct verifying {
    struct control *control;
    struct mesh_call *call;  /* held */
    struct aion_arena arena; /* of the answer */
    struct aion_arena page;  /* of the page under way */
    struct store_audit_heads heads;
    struct store_audit_list list;
    Aion__V1__VerifyAuditReply reply;
    Aion__V1__VerifyAuditReply__Chain *chain;
    uint8_t before[32]; /* hash of the line before */
    uint64_t read;
};

static void verifying_end(struct verifying *self, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(self->call, err);
    mesh_drop(self->call);
    aion_arena_done(&self->page);
    aion_arena_done(&self->arena);
    free(self);
}

static void fault(struct verifying *self, uint64_t number, const char *text)
{
    self->chain->first_bad = number;
    self->chain->fault = (char *)(uintptr_t)text;
    self->reply.valid = false;
}

/* False: the line does not hold, and those behind it prove nothing any more. */
static bool holds(struct verifying *self, const struct store_audit *line)
{
    uint8_t hash[32];
    uint64_t expected = self->chain->lines + 1;
    aion_str before = expected == 1 ? (aion_str){0} : aion_str_n(self->before, 32);
    if (line->number != expected) {
        fault(self, expected, "the line is missing");
        return false;
    }
    if (!aion_str_eq(line->prev, before)) {
        fault(self, line->number, "it does not follow the line before it");
        return false;
    }
    control_audit_hash(line, hash);
    if (!aion_str_eq(line->hash, aion_str_n(hash, sizeof(hash)))) {
        fault(self, line->number, "it is not what was written");
        return false;
    }
    memcpy(self->before, hash, sizeof(hash));
    self->chain->lines++;
    return true;
}

static void read_more(struct verifying *self);

static void next_chain(struct verifying *self)
{
    size_t index = self->reply.n_chains;
    if (index == self->heads.count) {
        aion_v1_ops_verify_audit_reply(self->call, &self->reply);
        verifying_end(self, NULL);
        return;
    }
    self->chain = aion_arena_alloc(&self->arena, sizeof(*self->chain));
    if (self->chain == NULL) {
        mesh_fail(self->call, AION_EXHAUSTED, "the chains do not fit in an answer");
        verifying_end(self, NULL);
        return;
    }
    aion__v1__verify_audit_reply__chain__init(self->chain);
    self->chain->writer = aion_arena_text(&self->arena, self->heads.heads[index].writer);
    self->chain->head = hash_text(&self->arena, aion_str_n(self->heads.heads[index].hash, 32));
    self->reply.chains[self->reply.n_chains++] = self->chain;
    self->list = (struct store_audit_list){
        .writer = self->heads.heads[index].writer, .limit = VERIFY_PAGE, .oldest_first = true};
    read_more(self);
}

/* The newest line must be the one that the head names. */
static void end_chain(struct verifying *self)
{
    const struct store_audit_head *head = &self->heads.heads[self->reply.n_chains - 1];
    if (self->chain->first_bad == 0 && self->chain->lines < head->number)
        fault(self, self->chain->lines + 1, "the line is missing");
    next_chain(self);
}

static void page_read(struct store_op *op, const struct aion_err *err)
{
    struct verifying *self = aion_container(op, struct verifying, list.op);
    if (err != NULL || mesh_ended(self->call)) {
        verifying_end(self, err);
        return;
    }
    for (size_t i = 0; i < self->list.count; i++) {
        self->read++;
        if (!holds(self, &self->list.lines[i])) {
            end_chain(self);
            return;
        }
    }
    self->list.before_number = self->chain->lines;
    if (self->list.more && self->read < VERIFY_LINES_MAX)
        read_more(self);
    else
        end_chain(self);
}

static void read_more(struct verifying *self)
{
    struct aion_err err;
    aion_arena_reset(&self->page);
    self->list.op = (struct store_op){.done = page_read, .arena = &self->page};
    if (!store_audit_list(self->control->store, &self->list, &err))
        verifying_end(self, &err);
}

static void heads_read(struct store_op *op, const struct aion_err *err)
{
    struct verifying *self = aion_container(op, struct verifying, heads.op);
    if (err != NULL) {
        verifying_end(self, err);
        return;
    }
    self->reply.chains =
        aion_arena_array(&self->arena, self->heads.count, sizeof(*self->reply.chains));
    self->reply.valid = true;
    next_chain(self);
}

/* rpc VerifyAudit. Inline. */
void control_ops_verify_audit(struct mesh_call *call,
                              const Aion__V1__VerifyAuditRequest *request)
{
    struct aion_err err;
    struct verifying *self = calloc(1, sizeof(*self));
    (void)request;
    if (self == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    self->control = mesh_service(call);
    self->call = mesh_hold(call);
    aion_arena_init(&self->arena, CALL_ARENA, NULL, 0);
    aion_arena_init(&self->page, CALL_ARENA, NULL, 0);
    aion__v1__verify_audit_reply__init(&self->reply);
    self->heads.op = (struct store_op){.done = heads_read, .arena = &self->arena};
    if (!store_audit_heads(self->control->store, &self->heads, &err))
        verifying_end(self, &err);
}
