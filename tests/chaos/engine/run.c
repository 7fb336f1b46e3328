/* The process that dies. One thread drives it all: control, the channel to it, a router and a
 * host that says what its tasks are. */
#include "engine.h"

#include "../../unit/control/mesh_bench.h"
#include "base/clock.h"
#include "base/failpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LANES = 12,
    SLOTS = 16,
    OPEN_MAX = 40,
    ATTEMPTS_MAX = 10,
    HOST_LEASE_US = 5000000,
    ASKED_AT_ONCE = 16
};

/* A submission under way. */
struct lane {
    uint32_t number;
    bool busy;
};

static struct {
    const struct engine_run *conf;
    struct bench bench;
    struct lane lanes[LANES];
    uint32_t again; /* numbers below are acknowledged, or under way in a lane */
    size_t executes, settles;
    unsigned open; /* acknowledged here and not committed */
} self;

void engine_text(uint32_t number, char out[ENGINE_TEXT_MAX])
{
    snprintf(out, ENGINE_TEXT_MAX, "%u is what it says", number);
}

void engine_chunk_text(uint32_t number, unsigned chunk, char out[ENGINE_TEXT_MAX])
{
    snprintf(out, ENGINE_TEXT_MAX, "%u/%u. ", number, chunk);
}

bool engine_streams(uint32_t number)
{
    return number % 3 == 1;
}

bool engine_fails_first(uint32_t number)
{
    return number % 5 == 2;
}

void engine_hear(struct engine_ledger *ledger, struct engine_said said)
{
    uint32_t number = said.number;
    if (number >= ENGINE_TASKS_MAX)
        engine_die("too many tasks", NULL);
    if (number >= ledger->count)
        ledger->count = number + 1;
    if (said.word == ENGINE_COMMITTED) {
        ledger->said_twice |= ledger->committed[number];
        ledger->committed[number] = true;
    } else if (said.word == ENGINE_ACKNOWLEDGED) {
        ledger->said_twice |=
            ledger->acked[number] && !aion_uuid_eq(&ledger->ids[number], &said.id);
        ledger->acked[number] = true;
        ledger->ids[number] = said.id;
    }
}

static void say(enum engine_word word, uint32_t number, const char *task_id)
{
    struct engine_said said = {.word = word, .number = number};
    if ((task_id != NULL && !aion_uuid_parse(aion_str_of(task_id), &said.id)) ||
        write(self.conf->out, &said, sizeof(said)) != (ssize_t)sizeof(said))
        _exit(3);
    engine_hear(self.conf->ledger, said);
}

/* -- the clients ------------------------------------------------------------------------ */
/* A full queue is an answer: the same number again, later. */
static void submitted(void *user, const struct mesh_result *result)
{
    struct lane *lane = user;
    lane->busy = false;
    if (result->err == NULL) {
        say(ENGINE_ACKNOWLEDGED, lane->number,
            ((const Aion__V1__Task *)result->reply)->task_id);
        self.open++;
    } else if (result->err->code == AION_EXHAUSTED) {
        self.again = lane->number < self.again ? lane->number : self.again;
    } else {
        engine_die("a submission was refused", result->err);
    }
}

static bool under_way(uint32_t number)
{
    for (size_t i = 0; i < LANES; i++)
        if (self.lanes[i].busy && self.lanes[i].number == number)
            return true;
    return false;
}

/* What no process has heard an answer to comes first, under the key it had. */
static bool next_number(uint32_t *ret_number)
{
    const struct engine_ledger *ledger = self.conf->ledger;
    while (self.again < ledger->count && (ledger->acked[self.again] || under_way(self.again)))
        self.again++;
    *ret_number = self.again;
    return self.again < ledger->count || !self.conf->calm;
}

static void submit_more(void)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
    for (size_t i = 0; i < LANES && self.open < OPEN_MAX; i++) {
        struct lane *lane = &self.lanes[i];
        char text[ENGINE_TEXT_MAX], key[ENGINE_TEXT_MAX];
        uint32_t number;
        if (lane->busy || !next_number(&number))
            continue;
        *lane = (struct lane){number, true};
        self.again = number + 1;
        say(ENGINE_SUBMITS, number, NULL);
        engine_text(number, text);
        snprintf(key, sizeof(key), "key-%u", number);
        mesh_unary(self.bench.channel,
                   &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
                   &bench_request(&self.bench, text, key)->base, &opts, submitted, lane);
    }
}

/* -- the host --------------------------------------------------------------------------- */
static void run_attempt(struct bench_host *host, const struct bench_word *word)
{
    uint32_t number = (uint32_t)strtoul(word->text, NULL, 10);
    char text[ENGINE_TEXT_MAX];
    for (unsigned chunk = 1; engine_streams(number) && chunk <= ENGINE_CHUNKS; chunk++) {
        engine_chunk_text(number, chunk, text);
        bench_chunk(host, word, chunk, text);
    }
    aion_failpoint("engine/after_run_before_report");
    if (engine_fails_first(number) && word->attempt == 1)
        bench_failure(host, word, true, "AGAIN");
    else
        bench_result(host, word, word->text);
}

static const char *text_of(struct bench_host *host, const struct bench_word *settled)
{
    for (size_t i = 0; i < BENCH_EVENTS; i++)
        if (strcmp(host->executed[i].task_id, settled->task_id) == 0)
            return host->executed[i].text;
    engine_die("a result was settled that nobody gave", NULL);
}

/* What was heard since the last time. Failures are settled, too; results count once. */
static void serve_host(void)
{
    struct bench_host *host = &self.bench.hosts[0];
    for (; self.settles < host->settles; self.settles++) {
        const struct bench_word *word = &host->settled[self.settles % BENCH_EVENTS];
        uint32_t number = (uint32_t)strtoul(text_of(host, word), NULL, 10);
        if (!word->accepted || (engine_fails_first(number) && word->attempt == 1))
            continue;
        say(ENGINE_COMMITTED, number, word->task_id);
        self.open -= self.open > 0;
    }
    for (; self.executes < host->executes; self.executes++)
        run_attempt(host, &host->executed[self.executes % BENCH_EVENTS]);
}

/* -- the process ------------------------------------------------------------------------ */
static void begin(void)
{
    bench_start_on(&self.bench, self.conf->url);
    self.bench.attempts_max = ATTEMPTS_MAX;
    self.bench.cost_nano_usd = ENGINE_PRICE;
    self.bench.conf.host_lease = HOST_LEASE_US;
    self.bench.hosts[0].silent = true;
    control_reload(self.bench.control, &self.bench.conf);
    self.again = self.conf->ledger->all_below;
}

/* The host answers no ping, so it is let go of after a lease: it comes back without what it
 * had, as it does at the start. */
static void turn(void)
{
    struct bench_host *host = &self.bench.hosts[0];
    if (host->rpc == NULL) {
        self.executes = host->executes; /* those of before are lost with their stream */
        bench_attach(&self.bench, 0, SLOTS, NULL, 0);
    }
    submit_more();
    bench_turn(&self.bench);
    if (host->rpc != NULL)
        serve_host();
}

/* An Aion__V1__TaskState; 0: it cannot be read. */
static int state_of(uint32_t number)
{
    char id[AION_UUID_TEXT];
    aion_uuid_text(&self.conf->ledger->ids[number], id);
    const Aion__V1__TaskStatus *status = bench_status(&self.bench, id);
    return status != NULL ? (int)status->state : 0;
}

static bool has_succeeded(uint32_t number)
{
    return state_of(number) == AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
}

static void no_progress(uint32_t number)
{
    bool acked = self.conf->ledger->acked[number];
    fprintf(stderr, "nothing ends any more: task %u is %s, its state %d\n", number,
            acked ? "acknowledged" : "not acknowledged", acked ? state_of(number) : 0);
    _exit(1);
}

/* Every task is acknowledged and ends, whoever began it: for twice a host's lease nothing new
 * came of it means that the first of those left is stuck. A few are asked for at a time, as
 * meanwhile nobody serves the host. */
static void wait_for_all(void)
{
    const struct engine_ledger *ledger = self.conf->ledger;
    int64_t last_us = aion_clock_mono_us();
    size_t settles = 0;
    for (uint32_t number = ledger->all_below; number < ledger->count;) {
        turn();
        uint32_t before = number;
        while (number < ledger->count && number < before + ASKED_AT_ONCE &&
               ledger->acked[number] && has_succeeded(number))
            number++;
        if (self.settles > settles || number > before)
            last_us = aion_clock_mono_us();
        settles = self.settles;
        if (aion_clock_mono_us() - last_us > 2 * HOST_LEASE_US)
            no_progress(number);
    }
}

void engine_run(const struct engine_run *run)
{
    self.conf = run;
    begin();
    if (run->calm)
        wait_for_all();
    else
        for (;;)
            turn();
}
