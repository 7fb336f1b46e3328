/* The wire between host and spawner, and the spawner's own loop. */
#ifndef HOST_SPAWNER_PRIVATE_H
#define HOST_SPAWNER_PRIVATE_H

#include "host_spawner.h"

struct spawner_request {
    enum { SPAWNER_SPAWN, SPAWNER_KILL } kind;
    uint64_t ticket;
    pid_t pid;
    struct spawner_limits limits;
    char path[SPAWNER_PATH_MAX];
};

enum { SPAWNER_CHILDREN_MAX = 1024 };

/* Runs in the forked process until the host closes its end of `socket`; never returns. */
void spawner_serve(int socket) AION_NORETURN;

/* Sends a packet with file descriptors (count may be 0); false: the other end is gone. */
bool spawner_send(int socket, const void *packet, size_t size, const int *fds, size_t count);

#endif
