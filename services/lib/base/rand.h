/* Randomness: secrets from the kernel, jitter and picks from a seedable generator. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void aion_rand_secret(void *out,
                      size_t size); /* getrandom(2); aborts when the kernel refuses */

struct aion_rand {
    uint64_t state[4];
};
void aion_rand_seed(struct aion_rand *rand, uint64_t seed); /* xoshiro256**, by splitmix64 */
uint64_t aion_rand_u64(struct aion_rand *rand);
uint64_t aion_rand_below(struct aion_rand *rand, uint64_t bound); /* 0 <= x < bound, unbiased */

#endif
