#include "control_private.h"

#include <stdlib.h>

enum {
    NUDGE_TIMEOUT_US = 1000000,
    PARK_FIRST_US = 50000,
    PARK_MOST_US = 400000,
    IDLE_US = 60000000, /* a channel to nobody's address is closed then */
};

/* A channel to another control. */
struct peer {
    struct aion_link link;
    char address[CLUSTER_ADDRESS_MAX];
    struct mesh_channel *channel;
    int64_t used_us;
};

/* -- channels ------------------------------------------------------------------------ */
static void peer_free(struct peer *peer)
{
    aion_list_remove(&peer->link);
    mesh_channel_close(peer->channel);
    free(peer);
}

struct mesh_channel *control_cluster_channel(struct control *control, const char *address)
{
    struct mesh_channel_conf conf = {
        .name = "control", .target = address, .tls = control->tls, .peer_service = "control"};
    struct aion_err err;
    aion_list_each (link, &control->cluster.peers) {
        struct peer *peer = aion_container(link, struct peer, link);
        if (strcmp(peer->address, address) != 0)
            continue;
        peer->used_us = mesh_loop_now(control->loop);
        return peer->channel;
    }
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL || control->draining ||
        (peer->channel = mesh_channel_new(control->loop, &conf, &err)) == NULL) {
        free(peer);
        return NULL; /* an address that is none, or no certificate: said at every call */
    }
    aion_str_copy(peer->address, sizeof(peer->address), aion_str_of(address));
    peer->used_us = mesh_loop_now(control->loop);
    aion_list_add_last(&control->cluster.peers, &peer->link);
    return peer->channel;
}

struct mesh_channel *control_cluster_owner(struct control *control, unsigned shard)
{
    const struct control_owner *owner = control_book_owner(&control->shards.book, shard);
    return owner != NULL ? control_cluster_channel(control, owner->address) : NULL;
}

static bool is_owner(const struct control_book *book, const char *address)
{
    for (unsigned i = 0; i < book->other_count; i++)
        if (strcmp(book->others[i].address, address) == 0)
            return true;
    return false;
}

static void close_idle(struct control *control)
{
    int64_t now_us = mesh_loop_now(control->loop);
    aion_list_each_safe (link, &control->cluster.peers) {
        struct peer *peer = aion_container(link, struct peer, link);
        if (is_owner(&control->shards.book, peer->address))
            peer->used_us = now_us;
        else if (now_us - peer->used_us > IDLE_US)
            peer_free(peer);
    }
}

void control_cluster_changed(struct control *control)
{
    aion_list_each (link, &control->hosts)
        control_host_peers(aion_container(link, struct control_host, link));
    close_idle(control);
}

/* -- calls under way ----------------------------------------------------------------- */
void control_flight_begin(struct control *control, struct control_flight *flight,
                          struct mesh_rpc *rpc, unsigned shard)
{
    const struct control_owner *owner = control_book_owner(&control->shards.book, shard);
    flight->rpc = rpc;
    flight->shard = shard;
    aion_str_copy(flight->owner, sizeof(flight->owner), aion_str_of(owner->id));
    aion_list_add_last(&control->cluster.flights, &flight->link);
}

void control_flight_end(struct control_flight *flight)
{
    aion_list_remove(&flight->link);
    flight->rpc = NULL;
}

/* Nobody's is still its last owner's: it may just be late. */
static void cancel_misled(struct control *control)
{
    aion_list_each_safe (link, &control->cluster.flights) {
        struct control_flight *flight = aion_container(link, struct control_flight, link);
        const struct control_owner *owner =
            control_book_owner(&control->shards.book, flight->shard);
        bool other = owner != NULL && strcmp(owner->id, flight->owner) != 0;
        if (other || control_shard_has(control, flight->shard))
            mesh_rpc_cancel(flight->rpc);
    }
}

void control_cluster_moved(struct control *control)
{
    cancel_misled(control);
    control_unpark(control);
}

/* -- nudges -------------------------------------------------------------------------- */
static void nudged(void *user, const struct mesh_result *result)
{
    (void)user; /* who is not there looks when its time comes */
    (void)result;
}

static void nudge(struct control *control, const char *address, bool swept)
{
    Aion__V1__LookAtShardsRequest request = AION__V1__LOOK_AT_SHARDS_REQUEST__INIT;
    struct mesh_rpc_opts opts = {.timeout_us = NUDGE_TIMEOUT_US};
    struct mesh_channel *channel = control_cluster_channel(control, address);
    request.address = control->cluster.self;
    request.swept = swept;
    if (channel != NULL)
        aion_v1_state_look_at_shards_call(channel, &request, &opts, nudged, NULL);
}

void control_cluster_nudge(struct control *control)
{
    struct control_cluster *cluster = &control->cluster;
    const struct control_book *book = &control->shards.book;
    for (unsigned i = 0; i < book->other_count; i++)
        nudge(control, book->others[i].address, false);
    for (unsigned i = 0; i < CLUSTER_GUESTS_MAX; i++)
        if (cluster->guests[i][0] != '\0' && !is_owner(book, cluster->guests[i]))
            nudge(control, cluster->guests[i], false);
}

void control_cluster_swept(struct control *control)
{
    const struct control_book *book = &control->shards.book;
    control_cache_drop_finished(&control->tasks);
    for (unsigned i = 0; i < book->other_count; i++)
        nudge(control, book->others[i].address, true);
}

static void note_guest(struct control *control, const char *address)
{
    struct control_cluster *cluster = &control->cluster;
    for (unsigned i = 0; i < CLUSTER_GUESTS_MAX; i++)
        if (strcmp(cluster->guests[i], address) == 0)
            return;
    aion_str_copy(cluster->guests[cluster->guest], CLUSTER_ADDRESS_MAX, aion_str_of(address));
    cluster->guest = (cluster->guest + 1) % CLUSTER_GUESTS_MAX;
}

/* rpc LookAtShards. Inline. */
void control_state_look_at_shards(struct mesh_call *call,
                                  const Aion__V1__LookAtShardsRequest *request)
{
    struct control *control = mesh_service(call);
    Aion__V1__LookAtShardsReply reply = AION__V1__LOOK_AT_SHARDS_REPLY__INIT;
    if (!control_state_caller(call, "control"))
        return;
    if (strlen(request->address) >= CLUSTER_ADDRESS_MAX) {
        mesh_fail(call, AION_INVALID, "address has more than %d bytes",
                  (int)CLUSTER_ADDRESS_MAX - 1);
        return;
    }
    note_guest(control, request->address);
    if (request->swept)
        control_cache_drop_finished(&control->tasks);
    else
        control_shards_look(control);
    aion_v1_state_look_at_shards_reply(call, &reply);
}

/* -- waiting for a shard ------------------------------------------------------------- */
static void park_over(struct mesh_timer *timer)
{
    struct control_park *park = aion_container(timer, struct control_park, timer);
    aion_list_remove(&park->link);
    park->wake(park);
}

void control_park(struct control *control, struct control_park *park)
{
    int64_t wait_us = (int64_t)PARK_FIRST_US << (park->times < 3 ? park->times : 3);
    park->times++;
    park->control = control;
    park->timer.fire = park_over;
    aion_list_add_last(&control->cluster.parks, &park->link);
    mesh_timer_set(control->loop, &park->timer,
                   mesh_loop_now(control->loop) +
                       (wait_us < PARK_MOST_US ? wait_us : PARK_MOST_US));
}

void control_park_leave(struct control_park *park)
{
    if (park->control == NULL || aion_list_empty(&park->link))
        return;
    aion_list_remove(&park->link);
    mesh_timer_cancel(park->control->loop, &park->timer);
}

/* Those that must wait on stand in line anew: taken out first. */
void control_unpark(struct control *control)
{
    struct aion_link woken, *link;
    aion_list_init(&woken);
    while ((link = aion_list_first(&control->cluster.parks)) != NULL) {
        aion_list_remove(link);
        aion_list_add_last(&woken, link);
    }
    while ((link = aion_list_first(&woken)) != NULL) {
        struct control_park *park = aion_container(link, struct control_park, link);
        control_park_leave(park);
        park->wake(park);
    }
}

/* -- life ---------------------------------------------------------------------------- */
void control_cluster_init(struct control *control)
{
    aion_list_init(&control->cluster.peers);
    aion_list_init(&control->cluster.parks);
    aion_list_init(&control->cluster.flights);
}

void control_cluster_leave(struct control *control)
{
    aion_list_each_safe (link, &control->cluster.peers)
        peer_free(aion_container(link, struct peer, link));
}

void control_cluster_done(struct control *control)
{
    control_cluster_leave(control);
}
