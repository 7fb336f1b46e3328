/* The first use of OpenSSL in a process. */
#ifndef AUTH_START_H
#define AUTH_START_H

/* OpenSSL stays as it is when the process ends, instead of being taken down while threads of
 * gRPC's, which nobody waits for, are in the middle of a handshake: they would crash. Before
 * anything else uses OpenSSL; main's first act. */
void auth_start(void);

#endif
