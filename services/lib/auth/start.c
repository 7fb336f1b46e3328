#include "auth/start.h"

#include <openssl/crypto.h>

void auth_start(void)
{
    /* fails only without memory: then OpenSSL ends as it would have */
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
