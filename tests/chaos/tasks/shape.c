/* What task N is, and the store it lives in. */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t begin_us = 1700000000000000;

/* Most tasks are plain; every other way through the state table comes often enough to be hit by
 * every kill loop. */
static const uint8_t shapes[][WORK_STEPS_MAX + 1] = {
    {WORK_ACCEPT, WORK_START, WORK_FINISH},
    {WORK_ACCEPT, WORK_START, WORK_FINISH},
    {WORK_ACCEPT, WORK_ROUTE, WORK_START, WORK_FINISH},
    {WORK_ACCEPT, WORK_START, WORK_CHUNKS, WORK_CHUNKS, WORK_ACK, WORK_CHUNKS, WORK_FINISH},
    {WORK_ACCEPT, WORK_START, WORK_FINISH},
    {WORK_ACCEPT, WORK_START, WORK_CHUNKS, WORK_RETRY, WORK_START, WORK_CHUNKS, WORK_FINISH},
    {WORK_ACCEPT, WORK_REFUSE},
    {WORK_ACCEPT, WORK_START, WORK_DOUBT, WORK_RESOLVE, WORK_START, WORK_FINISH},
    {WORK_ACCEPT, WORK_HOLD, WORK_RELEASE, WORK_START, WORK_FINISH},
};

static const char digest[] = "dddddddddddddddddddddddddddddddd";

const uint8_t *work_shape(uint32_t number)
{
    return shapes[number % aion_countof(shapes)];
}

bool work_has_own_id(uint32_t number)
{
    return number % 11 == 10;
}

bool work_restarts(uint32_t attempt)
{
    return attempt > 1;
}

void work_begin_at(int64_t at_us)
{
    begin_us = at_us - at_us % WORK_WINDOW_US;
}

int64_t work_admitted_us(uint32_t number)
{
    return begin_us + (int64_t)number * WORK_STEP_US;
}

uint64_t work_seq(uint32_t number)
{
    return store_seq(work_admitted_us(number), number % STORE_SHARDS);
}

int64_t work_price(uint32_t number)
{
    return 1000 + number % 977;
}

struct aion_uuid work_id(uint32_t number)
{
    struct aion_uuid id = {.bytes = {0x01, 0x57}};
    memcpy(id.bytes + 8, &number, sizeof(number));
    id.bytes[15] = (uint8_t)(number % STORE_SHARDS);
    return id;
}

bool work_number(const struct aion_uuid *id, uint32_t *ret_number)
{
    memcpy(ret_number, id->bytes + 8, sizeof(*ret_number));
    struct aion_uuid same = work_id(*ret_number);
    return aion_uuid_eq(id, &same);
}

/* Bodies and results are small as a rule; some fill pages of their own. */
static size_t text_size(uint32_t number, uint32_t part)
{
    if (part > 1)
        return 100 + number % 900;
    return number % 23 == 0 ? WORK_TEXT_MAX - part : 64 + number * 37 % 1500;
}

aion_str work_text(uint32_t number, uint32_t part, char out[WORK_TEXT_MAX])
{
    size_t size = text_size(number, part), head = 0;
    head = (size_t)snprintf(out, 32, "%u/%u ", number, part);
    for (size_t i = head; i < size; i++)
        out[i] = (char)('a' + (number + part + i * 7) % 26);
    return aion_str_n(out, size);
}

void work_fill_accept(struct store_accept *accept, uint32_t number, char key[16],
                      char body[WORK_TEXT_MAX])
{
    bool routed = work_shape(number)[1] != WORK_ROUTE, own_id = work_has_own_id(number);
    int size = snprintf(key, 16, "k%u", number);
    *accept =
        (struct store_accept){.write.seq = work_seq(number),
                              .id = work_id(number),
                              .own_id = own_id,
                              .tenant = AION_STR("default"),
                              .intent = AION_STR("noop"),
                              .key = own_id ? AION_STR("") : aion_str_n(key, (size_t)size),
                              .digest = aion_str_n(digest, 32),
                              .priority = 3,
                              .meta = AION_STR("meta"),
                              .body = work_text(number, 0, body)};
    if (routed)
        accept->decision = (struct store_decision){AION_STR("route"), AION_STR("the decision")};
}

void work_move(struct store_entry entries[2], aion_str from, aion_str to, int64_t price)
{
    entries[0] = (struct store_entry){from, -price};
    entries[1] = (struct store_entry){to, price};
}

bool work_open(const struct store_conf *conf, struct work_store *ret_store,
               struct aion_err *err)
{
    struct aion_arena arena;
    struct store_conf own = *conf;
    own.window_us = WORK_WINDOW_US;
    *ret_store = (struct work_store){.store = store_open(&own, err)};
    if (ret_store->store == NULL)
        return false;
    aion_arena_init(&arena, 1 << 16, NULL, 0);
    struct store_lease lease = {.op.arena = &arena,
                                .replica = AION_STR("writer"),
                                .lease_us = 600000000,
                                .shards_max = STORE_SHARDS,
                                .first = true};
    bool leased = store_lease_wait(ret_store->store, &lease, err);
    for (size_t i = 0; leased && i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &lease.shards[i];
        ret_store->epoch = shard->epoch; /* of all: they are always claimed together */
        if (shard->newest_event > ret_store->newest_event)
            ret_store->newest_event = shard->newest_event;
    }
    aion_arena_done(&arena);
    if (!leased)
        store_close(ret_store->store);
    return leased;
}

void work_die(const char *what, const struct aion_err *err)
{
    fprintf(stderr, "%s: %s (%s)\n", what, err != NULL ? err->text : "",
            err != NULL ? err->detail : "");
    exit(1);
}
