#include "auth/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/base64.h"

struct auth_sha256 {
    EVP_MD_CTX *context;
};

struct auth_sha256 *auth_sha256_new(void)
{
    struct auth_sha256 *sha = calloc(1, sizeof(*sha));
    if (sha == NULL || (sha->context = EVP_MD_CTX_new()) == NULL ||
        EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL) != 1)
        abort(); /* SHA-256 of OpenSSL is always there; only memory can be out */
    return sha;
}

void auth_sha256_add(struct auth_sha256 *sha, aion_str bytes)
{
    if (bytes.size > 0 && EVP_DigestUpdate(sha->context, bytes.data, bytes.size) != 1)
        abort();
}

void auth_sha256_end(struct auth_sha256 *sha, uint8_t out[AUTH_SHA256_SIZE])
{
    if (EVP_DigestFinal_ex(sha->context, out, NULL) != 1)
        abort();
}

void auth_sha256_free(struct auth_sha256 *sha)
{
    if (sha == NULL)
        return;
    EVP_MD_CTX_free(sha->context);
    free(sha);
}

void auth_sha256(uint8_t out[AUTH_SHA256_SIZE], aion_str bytes)
{
    if (EVP_Digest(bytes.size > 0 ? bytes.data : "", bytes.size, out, NULL, EVP_sha256(),
                   NULL) != 1)
        abort();
}

void auth_sha256_text(char out[AUTH_SHA256_TEXT], const uint8_t digest[AUTH_SHA256_SIZE])
{
    memcpy(out, "sha256:", 7);
    aion_hex(out + 7, digest, AUTH_SHA256_SIZE);
}
