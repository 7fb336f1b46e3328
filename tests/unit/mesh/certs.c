#include "certs.h"

#include "auth/ca.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/aion-mesh-certs-XXXXXX";

static void folder_of(char out[128], int authority)
{
    snprintf(out, 128, "%s/%d", root, authority);
}

int certs_setup(void **state)
{
    struct aion_err err;
    (void)state;
    if (mkdtemp(root) == NULL)
        return -1;
    for (int i = 0; i < 2; i++) {
        char folder[128];
        folder_of(folder, i);
        if (mkdir(folder, 0700) != 0 || !auth_ca_ensure(folder, "aion.local", &err))
            return -1;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

int certs_teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void certs_make(struct certs_tls *certs, int authority, const char *name, const char *trust,
                const char *path)
{
    char folder[128], trusted[128];
    struct aion_err err;
    folder_of(folder, authority);
    folder_of(trusted, 0);
    snprintf(certs->ca, sizeof(certs->ca), "%s/ca.crt", trusted);
    snprintf(certs->cert, sizeof(certs->cert), "%s/%s.crt", folder, name);
    snprintf(certs->key, sizeof(certs->key), "%s/%s.key", folder, name);
    if (!auth_leaf_ensure(folder, name, trust, path, (int64_t)time(NULL), NULL, &err))
        fail_msg("%s: %s", err.text, err.detail);
    certs->tls = (struct mesh_tls){.ca_file = certs->ca,
                                   .cert_file = certs->cert,
                                   .key_file = certs->key,
                                   .trust_domain = "aion.local"};
}
