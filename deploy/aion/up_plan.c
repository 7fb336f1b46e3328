/* Ports and command lines: gateway N, control N+1, router N+2, retention N+3, hosts from N+4;
 * admin ports at +20. */
#include "up.h"

#include "base/rand.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADMIN_OFFSET = 20,
    RANDOM_FIRST = 10000,
    RANDOM_COUNT = 20000,
    RANDOM_TRIES = 200,
    BACKLOG = 1024
};

static const char *const names[] = {"gateway", "control", "router", "retention", "host-1"};
static const char *const programs[] = {"gateway", "control", "router", "retention", "host"};

/* A socket bound to this port of loopback; -1: taken. */
static int bound_socket(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool port_free(int port)
{
    int fd = bound_socket(port);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The first port of the plan that is taken, 0 = none. */
static int taken_port(int base)
{
    for (int i = 0; i < (int)aion_countof(names); i++) {
        if (!port_free(base + i))
            return base + i;
        if (!port_free(base + ADMIN_OFFSET + i))
            return base + ADMIN_OFFSET + i;
    }
    return 0;
}

/* Base 0: a run of ports that the kernel gives, below the ephemeral range, where outgoing
 * connections would race for it. */
static bool choose_base(struct up *up, struct aion_err *err)
{
    struct aion_rand rand;
    uint64_t seed;
    aion_rand_secret(&seed, sizeof(seed));
    aion_rand_seed(&rand, seed);
    for (int i = 0; up->port_base == 0 && i < RANDOM_TRIES; i++) {
        int base = RANDOM_FIRST + (int)aion_rand_below(&rand, RANDOM_COUNT);
        if (taken_port(base) == 0)
            up->port_base = base;
    }
    int taken = up->port_base != 0 ? taken_port(up->port_base) : 0;
    if (up->port_base == 0)
        return aion_fail(err, AION_EXHAUSTED, "no run of free ports was found");
    return taken == 0 ||
           aion_fail(err, AION_EXISTS,
                     "port %d is in use; choose another base by --port-base N (0 = any "
                     "free one)",
                     taken);
}

static void add(struct up *up, struct up_child *child, const char *fmt, ...) AION_PRINTF(3, 4);

static void add(struct up *up, struct up_child *child, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (child->arg_count < UP_ARGS_MAX - 1)
        child->args[child->arg_count++] = aion_arena_vprintf(&up->arena, fmt, args);
    va_end(args);
}

static void add_common(struct up *up, struct up_child *child, const char *program)
{
    const char *home = up->run.home, *name = child->public->name;
    add(up, child, "%s", up->executable);
    add(up, child, "%s", program);
    add(up, child, "--listen=127.0.0.1:%d", child->public->port);
    add(up, child, "--admin-listen=127.0.0.1:%d", child->public->admin_port);
    add(up, child, "--tls-ca=%s/tls/ca.crt", home);
    add(up, child, "--tls-cert=%s/tls/%s.crt", home, name);
    add(up, child, "--tls-key=%s/tls/%s.key", home, name);
    add(up, child, "--trust-domain=%s", up->run.trust_domain);
}

/* An empty value is none. */
static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

/* Whoever names a store by the environment has it, and no password is in a command line. */
static bool has_store(void)
{
    return is_set("AION_STORE_URL") || is_set("AION_STORE_URL_FILE");
}

static void add_own(struct up *up, struct up_child *child, size_t index)
{
    int control = up->port_base + 1, router = up->port_base + 2, retention = up->port_base + 3;
    switch (index) {
    case 0:
        add(up, child, "--control=127.0.0.1:%d", control);
        add(up, child, "--router=127.0.0.1:%d", router);
        add(up, child, "--retention=127.0.0.1:%d", retention);
        break;
    case 1:
        if (!has_store())
            add(up, child, "--store-url=sqlite:%s/aion.db", up->run.home);
        add(up, child, "--frames-dir=%s/frames", up->run.home);
        add(up, child, "--router=127.0.0.1:%d", router);
        break;
    case 2:
        add(up, child, "--control=127.0.0.1:%d", control);
        add(up, child, "--policy-dir=%s", up->policies);
        break;
    case 3:
        add(up, child, "--control=127.0.0.1:%d", control);
        break;
    default:
        add(up, child, "--control=127.0.0.1:%d", control);
        add(up, child, "--host-id=%s", child->public->name);
        add(up, child, "--modules-dir=%s", up->modules);
        break;
    }
}

/* Opened here and handed to each gateway: while one restarts, clients wait in the kernel's
 * queue instead of being refused. */
static bool open_gateway(struct up *up, struct aion_err *err)
{
    up->gateway_fd = bound_socket(up->port_base);
    if (up->gateway_fd >= 0 && listen(up->gateway_fd, BACKLOG) == 0)
        return true;
    return aion_fail_errno(err, AION_EXISTS, "port %d cannot be listened on", up->port_base);
}

bool up_plan(struct up *up, struct aion_err *err)
{
    if (!choose_base(up, err) || !open_gateway(up, err))
        return false;
    up->run.https = is_set("AION_GATEWAY_HTTP_CERT");
    for (size_t i = 0; i < aion_countof(names); i++) {
        struct cli_process *row = &up->run.processes[up->run.process_count++];
        struct up_child *child = &up->children[up->count++];
        aion_str_copy(row->name, sizeof(row->name), aion_str_of(names[i]));
        row->port = up->port_base + (int)i;
        row->admin_port = row->port + ADMIN_OFFSET;
        *child = (struct up_child){
            .public = row, .ready_fd = -1, .out_fd = -1, .color = 31 + (int)i};
        aion_buf_init(&child->line, UP_LINE_MAX);
        add_common(up, child, programs[i]);
        add_own(up, child, i);
    }
    return true;
}
