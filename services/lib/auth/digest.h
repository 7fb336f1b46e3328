/* SHA-256 (OpenSSL). */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H

#include "base/str.h"

enum { AUTH_SHA256_SIZE = 32, AUTH_SHA256_TEXT = 7 + 64 + 1 };

void auth_sha256(uint8_t out[AUTH_SHA256_SIZE], aion_str bytes);
/* "sha256:" and 64 lower-case hex digits. */
void auth_sha256_text(char out[AUTH_SHA256_TEXT], const uint8_t digest[AUTH_SHA256_SIZE]);

struct auth_sha256; /* incremental */
struct auth_sha256 *auth_sha256_new(void);
void auth_sha256_add(struct auth_sha256 *sha, aion_str bytes);
void auth_sha256_end(struct auth_sha256 *sha,
                     uint8_t out[AUTH_SHA256_SIZE]); /* nothing may be added after */
void auth_sha256_free(struct auth_sha256 *sha);

#endif
