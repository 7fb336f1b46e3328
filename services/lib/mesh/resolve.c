/* Names with several addresses: each address becomes an endpoint, so that calls are spread over
 * all of them and an ill one is left out.
 *
 * A name's own endpoint (the core resolves it and takes its first address that answers) stays
 * as a stand-in: calls go over it until one of the addresses serves, and when none does. A name
 * with one address needs no more than that. Names are asked for on a worker, again every
 * AGAIN_US; an answer that does not come leaves what there is. */
#include "mesh/channel_private.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

enum { AGAIN_US = 30000000, AGAIN_SOON_US = 5000000, NAMES_MAX = 8 };

struct mesh_resolver {
    struct mesh_work work;
    struct mesh_timer again;
    struct mesh_channel *channel; /* NULL: closed, the end of the work frees this */
    struct mesh_loop *loop;
    bool working, loopback_only;
    char names[NAMES_MAX][MESH_ADDRESS_MAX]; /* "host:port" */
    size_t name_count;
    struct mesh_addresses found;
    bool answered; /* every name was */
};

static void split(const char *name, char host[MESH_ADDRESS_MAX], const char **ret_port)
{
    const char *colon = strrchr(name, ':'); /* it was valid */
    aion_str_copy(host, MESH_ADDRESS_MAX, aion_str_n(name, (size_t)(colon - name)));
    *ret_port = colon + 1;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void add(struct mesh_addresses *found, const struct sockaddr *address, const char *port)
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = address->sa_family == AF_INET;
    const void *bytes =
        v4 ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
           : (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (found->count == MESH_ENDPOINTS_MAX ||
        inet_ntop(address->sa_family, bytes, text, sizeof(text)) == NULL)
        return;
    snprintf(found->names[found->count++], MESH_ADDRESS_MAX, v4 ? "ipv4:%s:%s" : "ipv6:[%s]:%s",
             text, port);
}

static bool ask(struct mesh_resolver *resolver, const char *name)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    char host[MESH_ADDRESS_MAX];
    const char *port;
    split(name, host, &port);
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return false;
    size_t before = resolver->found.count;
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next)
        if ((i->ai_family == AF_INET || i->ai_family == AF_INET6) &&
            (!resolver->loopback_only || is_loopback(i->ai_addr)))
            add(&resolver->found, i->ai_addr, port);
    freeaddrinfo(list);
    if (resolver->found.count == before + 1)
        resolver->found.count = before; /* its stand-in is enough */
    return true;
}

static void work(struct mesh_work *base)
{
    struct mesh_resolver *resolver = aion_container(base, struct mesh_resolver, work);
    resolver->found.count = 0;
    resolver->answered = true;
    for (size_t i = 0; i < resolver->name_count; i++)
        resolver->answered = ask(resolver, resolver->names[i]) && resolver->answered;
}

static void work_done(struct mesh_work *base)
{
    struct mesh_resolver *resolver = aion_container(base, struct mesh_resolver, work);
    resolver->working = false;
    if (resolver->channel == NULL) {
        free(resolver);
        return;
    }
    if (resolver->answered)
        mesh_channel_resolved(resolver->channel, &resolver->found);
    mesh_timer_set(resolver->loop, &resolver->again,
                   resolver->loop->now_us + (resolver->answered ? AGAIN_US : AGAIN_SOON_US));
}

static void begin(struct mesh_timer *timer)
{
    struct mesh_resolver *resolver = aion_container(timer, struct mesh_resolver, again);
    resolver->working = mesh_offload(resolver->loop, &resolver->work);
    if (!resolver->working)
        mesh_timer_set(resolver->loop, &resolver->again,
                       resolver->loop->now_us + AGAIN_SOON_US);
}

struct mesh_resolver *mesh_resolver_new(struct mesh_channel *channel,
                                        const struct mesh_addresses *target)
{
    static const char dns[] = "dns:///";
    struct mesh_resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL)
        abort();
    resolver->channel = channel;
    resolver->loop = channel->loop;
    resolver->loopback_only = channel->tls == NULL;
    resolver->work = (struct mesh_work){.work = work, .done = work_done};
    resolver->again.fire = begin;
    for (size_t i = 0; i < target->count && resolver->name_count < NAMES_MAX; i++)
        if (strncmp(target->names[i], dns, sizeof(dns) - 1) == 0)
            aion_str_copy(resolver->names[resolver->name_count++], MESH_ADDRESS_MAX,
                          aion_str_of(target->names[i] + sizeof(dns) - 1));
    if (resolver->name_count > 0)
        begin(&resolver->again);
    return resolver;
}

void mesh_resolver_free(struct mesh_resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver->channel = NULL;
    mesh_timer_cancel(resolver->loop, &resolver->again);
    if (!resolver->working)
        free(resolver);
}
