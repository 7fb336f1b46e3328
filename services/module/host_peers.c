/* The controls of the mesh, and what each of them may give this host.
 *
 * The first link is opened to what --control names; any control answers there and names the
 * others, and the host keeps a stream to each. Each is told how many attempts it may have here:
 * what runs for it, and its share of what is free. So the shares never add up to more than the
 * slots, an idle control's part is used by the others as soon as the next round, and nobody has
 * to ask. */
#include "host_private.h"

enum {
    LINKS_MAX = 64,
    SHARE_EVERY_US = 10000 /* between two rounds: tasks start and end more often */
};

bool host_attached(const struct host *host)
{
    aion_list_each (pos, &host->links)
        if (aion_container(pos, struct host_link, link)->welcomed)
            return true;
    return false;
}

/* -- shares --------------------------------------------------------------- */

void host_link_send_capacity(struct host_link *link)
{
    Aion__V1__HostMessage__Capacity capacity = AION__V1__HOST_MESSAGE__CAPACITY__INIT;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    capacity.slots = link->host->draining ? 0 : link->share;
    capacity.draining = link->host->draining;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CAPACITY;
    message.capacity = &capacity;
    host_link_send(link, &message);
}

static unsigned count_welcomed(const struct host *host)
{
    unsigned count = 0;
    aion_list_each (pos, &host->links)
        count += aion_container(pos, struct host_link, link)->welcomed;
    return count;
}

static void share_out(struct host *host)
{
    unsigned slots = (unsigned)host->conf->slots, links = count_welcomed(host), turn = 0;
    unsigned left = host->running < slots ? slots - host->running : 0;
    aion_list_each (pos, &host->links) {
        struct host_link *link = aion_container(pos, struct host_link, link);
        if (!link->welcomed)
            continue;
        unsigned share = link->running + left / links + (turn++ < left % links);
        if (links == 1)
            share = slots;
        if (share == link->share && !host->draining)
            continue;
        link->share = share;
        host_link_send_capacity(link);
    }
}

static void share_tick(struct mesh_timer *timer)
{
    struct host *host = aion_container(timer, struct host, share_timer);
    host->sharing = false;
    share_out(host);
}

/* With one control there is nothing to share: no message a task. */
void host_share_changed(struct host *host)
{
    if (host->sharing || host->leaving)
        return;
    host->sharing = true;
    host->share_timer.fire = share_tick;
    mesh_timer_set(host->program->loop, &host->share_timer,
                   mesh_loop_now(host->program->loop) + SHARE_EVERY_US);
}

/* -- peers ---------------------------------------------------------------- */

static struct host_link *link_to(struct host *host, const char *address)
{
    aion_list_each (pos, &host->links) {
        struct host_link *link = aion_container(pos, struct host_link, link);
        if (strcmp(link->address, address) == 0)
            return link;
    }
    return NULL;
}

static void add_link(struct host *host, const char *address)
{
    struct aion_err err;
    if (aion_list_count(&host->links) >= LINKS_MAX ||
        !host_link_open(host, address, false, &err))
        return; /* an address that is none: the next word of peers may be better */
    struct host_link *link = aion_container(host->links.prev, struct host_link, link);
    aion_str_copy(link->address, sizeof(link->address), aion_str_of(address));
    host_link_attach(link);
}

static bool is_named(const Aion__V1__HostCommand__Peers *peers, const char *address)
{
    if (strcmp(peers->self, address) == 0)
        return true;
    for (size_t i = 0; i < peers->n_addresses; i++)
        if (strcmp(peers->addresses[i], address) == 0)
            return true;
    return false;
}

/* The first link may have come out at a control that has one already: the younger of the two is
 * given up, and the first looks for another. */
static void know_self(struct host_link *link, const char *self)
{
    struct host_link *other = link_to(link->host, self);
    aion_str_copy(link->address, sizeof(link->address), aion_str_of(self));
    if (other == NULL || other == link)
        return;
    struct host_link *spare = other->seed ? link : other;
    spare->wanted = false;
    spare->address[0] = '\0';
    if (spare->stream != NULL)
        mesh_rpc_cancel(spare->stream);
}

void host_peers(struct host_link *link, const Aion__V1__HostCommand__Peers *peers)
{
    struct host *host = link->host;
    know_self(link, peers->self);
    for (size_t i = 0; i < peers->n_addresses; i++)
        if (link_to(host, peers->addresses[i]) == NULL)
            add_link(host, peers->addresses[i]);
    aion_list_each (pos, &host->links) {
        struct host_link *one = aion_container(pos, struct host_link, link);
        one->wanted = one->seed || is_named(peers, one->address);
    }
}
