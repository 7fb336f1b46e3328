/* The mesh's own certificate authority: ECDSA P-256, CA 10 years, leaves 30 days, notBefore −5
 * min, one SPIFFE URI SAN and, for services, DNS localhost, IP 127.0.0.1 and ::1. Files are
 * written atomically, keys 0600. */
#ifndef AUTH_CA_H
#define AUTH_CA_H

#include "base/err.h"

/* Makes DIR/ca.crt and DIR/ca.key unless both are there and valid. */
bool auth_ca_ensure(const char *dir, const char *trust_domain, struct aion_err *err);
/* Issues NAME.crt and NAME.key in dir, signed by dir's CA, for the SPIFFE id
 * spiffe://TRUST/<path>
 * ("service/control"). An existing pair is kept while it is valid for this id and CA and less
 * than ⅔ of its life is over; *ret_renewed (may be NULL) says whether files were written.
 * now_s: seconds since 1970. */
bool auth_leaf_ensure(const char *dir, const char *name, const char *trust_domain,
                      const char *path, int64_t now_s, bool *ret_renewed, struct aion_err *err);
/* When the certificate ends and begins, seconds since 1970. INVALID: no certificate. */
bool auth_cert_times(const char *file, int64_t *ret_begin, int64_t *ret_end,
                     struct aion_err *err);
/* Whether a peer that knows this CA would take who shows this certificate: signed by it, in its
 * time, and the key is its own. INVALID: what is wrong, with the files' names. */
bool auth_leaf_check(const char *ca_file, const char *cert_file, const char *key_file,
                     int64_t now_s, struct aion_err *err);

#endif
