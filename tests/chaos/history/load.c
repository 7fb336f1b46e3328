/* Makes a history: load CONTROLS CA CERT KEY HOST_CERT HOST_KEY OPERATIONS SEED FILE
 *
 * Prints "calm" when enough operations were begun and no new task is taken: from then on nobody
 * should be killed any more, for every task that was promised must come to its end. Ends with 1
 * when one does not within PATIENCE. */
#include "history.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LANES = 40, HOSTS = 3, TICK_US = 20000, PATIENCE_US = 60000000, SETTLE_US = 2000000 };

static struct history history;
static struct mesh_timer watch;
static int64_t calm_us, ended_us;

bool history_chance(struct history *self, unsigned percent)
{
    return aion_rand_below(&self->rand, 100) < percent;
}

static const char *given(const char *text)
{
    return text != NULL ? text : "";
}

/* No text of ours needs an escape. */
void history_write(struct history *self, const struct operation *it)
{
    self->operations++;
    fprintf(self->out,
            "{\"call\":%" PRId64 ",\"return\":%" PRId64 ",\"client\":%u,\"task\":\"%s\","
            "\"op\":\"%s\",\"outcome\":\"%s\",\"body\":%u,\"id\":\"%s\",\"state\":\"%s\","
            "\"whole\":%s,\"result\":\"%s\",\"kind\":\"%s\",\"host\":\"%s\","
            "\"epoch\":%" PRIu64 ",\"attempt\":%u}\n",
            it->called_us, it->returned_us, it->client, it->task, it->name, it->outcome,
            it->body, given(it->id), given(it->state), it->whole ? "true" : "false",
            given(it->result), given(it->kind), given(it->host), it->epoch, it->attempt);
}

static void tick(struct mesh_timer *timer)
{
    int64_t now_us = mesh_loop_now(history.loop);
    if (calm_us == 0 && history.operations >= history.wanted) {
        calm_us = now_us;
        printf("calm\n");
        fflush(stdout);
    }
    if (ended_us == 0 && clients_ended())
        ended_us = now_us; /* what hosts still send is settled, or never */
    bool out_of_time = calm_us != 0 && now_us - calm_us > PATIENCE_US;
    if ((ended_us != 0 && now_us - ended_us > SETTLE_US) || out_of_time) {
        history.over = true;
        mesh_loop_stop(history.loop);
        return;
    }
    mesh_timer_set(history.loop, timer, now_us + TICK_US);
}

static struct mesh_channel *clients_channel(const char *targets, const struct mesh_tls *tls,
                                            struct aion_err *err)
{
    struct mesh_channel_conf conf = {.name = "control",
                                     .target = targets,
                                     .tls = tls,
                                     .peer_service = "control",
                                     .timeout_us = 5000000};
    return mesh_channel_new(history.loop, &conf, err);
}

static bool begin(char **args, struct aion_err *err)
{
    struct mesh_tls client = {.trust_domain = "aion.local",
                              .ca_file = args[1],
                              .cert_file = args[2],
                              .key_file = args[3]};
    static struct mesh_tls host;
    host = client;
    host.cert_file = args[4];
    host.key_file = args[5];
    history.loop = mesh_loop_new(NULL, err);
    if (history.loop == NULL || !hosts_start(&history, args[0], &host, HOSTS, err))
        return false;
    struct mesh_channel *channel = clients_channel(args[0], &client, err);
    if (channel == NULL)
        return false;
    clients_start(&history, channel, LANES);
    watch.fire = tick;
    tick(&watch);
    return true;
}

int main(int argc, char **argv)
{
    struct aion_err err = {.code = AION_OK};
    uint64_t seed;
    if (argc != 10 || !aion_str_u64(aion_str_of(argv[7]), &history.wanted) ||
        !aion_str_u64(aion_str_of(argv[8]), &seed)) {
        fprintf(stderr, "usage: load CONTROLS CA CERT KEY HOST_CERT HOST_KEY OPERATIONS SEED "
                        "FILE\n");
        return 2;
    }
    aion_rand_seed(&history.rand, seed);
    aion_log_start("load", 2, AION_LOG_ERROR);
    history.out = fopen(argv[9], "w");
    if (history.out == NULL || !begin(argv + 1, &err)) {
        fprintf(stderr, "load: %s %s\n", err.text, err.detail);
        return 1;
    }
    mesh_loop_run(history.loop);
    unsigned unfinished = clients_unfinished();
    hosts_end();
    printf("%" PRIu64 " operations\n", history.operations);
    return fclose(history.out) == 0 && unfinished == 0 ? 0 : 1;
}
