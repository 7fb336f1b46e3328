/* TLS for the public port: OpenSSL behind four functions. TLS 1.2 (AEAD, forward secrecy)
 * and 1.3; ALPN h2, http/1.1.
 *
 * Functions that move bytes never block; GW_TLS_READ and GW_TLS_WRITE say which readiness they
 * wait for. */
#ifndef GW_HTTP_TLS_H
#define GW_HTTP_TLS_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

struct gw_tls_context; /* certificate and key; swapped whole by reload */
struct gw_tls;         /* one connection */

enum { GW_TLS_READ = -1, GW_TLS_WRITE = -2, GW_TLS_GONE = -3 };

/* UNAVAILABLE names the file and what is wrong with it. */
struct gw_tls_context *gw_tls_context_new(const char *cert_file, const char *key_file,
                                          struct aion_err *err);
void gw_tls_context_free(struct gw_tls_context *context); /* connections keep what they need */

struct gw_tls *gw_tls_new(struct gw_tls_context *context, int fd); /* NULL: memory */
void gw_tls_free(struct gw_tls *tls);
int gw_tls_handshake(struct gw_tls *tls);    /* 0 = done, or GW_TLS_x */
bool gw_tls_is_h2(const struct gw_tls *tls); /* ALPN chose h2 */
ssize_t gw_tls_read(struct gw_tls *tls, void *out,
                    size_t size); /* bytes, 0 = end, or GW_TLS_x */
ssize_t gw_tls_write(struct gw_tls *tls, const void *bytes, size_t size);
bool gw_tls_pending(
    const struct gw_tls *tls);         /* decrypted bytes wait that epoll does not see */
void gw_tls_close(struct gw_tls *tls); /* close_notify, best effort */

#endif
