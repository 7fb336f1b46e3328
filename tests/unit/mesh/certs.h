/* Certificates for tests: two authorities in a folder of their own, leaves made on demand. */
#ifndef MESH_TEST_CERTS_H
#define MESH_TEST_CERTS_H

#include "mesh/identity.h"

/* cmocka group fixtures. */
int certs_setup(void **state);
int certs_teardown(void **state);

struct certs_tls {
    struct mesh_tls tls; /* points into what follows */
    char ca[256], cert[256], key[256];
};

/* A leaf NAME for spiffe://TRUST/PATH, signed by authority 0 or 1; trusts authority 0.
 * Overwrites a NAME of before. */
void certs_make(struct certs_tls *certs, int authority, const char *name, const char *trust,
                const char *path);

#endif
