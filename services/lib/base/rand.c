#include "base/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void aion_rand_secret(void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = getrandom((char *)out + done, size - done, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* no randomness, no secrets: nothing safe is left to do */
        if (n > 0)
            done += (size_t)n;
    }
}

static uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

void aion_rand_seed(struct aion_rand *rand, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 (Steele, Lea, Flood 2014) */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        rand->state[i] = z ^ z >> 31;
    }
}

uint64_t aion_rand_u64(struct aion_rand *rand)
{
    uint64_t *s = rand->state; /* xoshiro256** (Blackman, Vigna 2018) */
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t aion_rand_below(struct aion_rand *rand, uint64_t bound)
{
    uint64_t floor =
        (0 - bound) % bound; /* 2^64 mod bound: values below it would be taken twice */
    uint64_t value;
    do
        value = aion_rand_u64(rand);
    while (value < floor);
    return value % bound;
}
