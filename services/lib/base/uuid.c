#include "base/uuid.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/rand.h"

#include <pthread.h>

/* The last one made; a new one in the same millisecond is this plus a small random step, so
 * that order is kept. */
static struct {
    pthread_mutex_t lock;
    int64_t ms;
    uint64_t tail;   /* the 62 random bits */
    uint32_t middle; /* the 12 bits beside the version */
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A pool of kernel randomness, so that an id costs no system call; guarded by last.lock. */
static struct {
    uint64_t words[64];
    unsigned left;
} pool;

static uint64_t random_word(void)
{
    if (pool.left == 0) {
        aion_rand_secret(pool.words, sizeof(pool.words));
        pool.left = aion_countof(pool.words);
    }
    return pool.words[--pool.left];
}

static const uint64_t tail_mask = ((uint64_t)1 << 62) - 1;

static void advance(int64_t now_ms)
{
    if (now_ms > last.ms) {
        last.ms = now_ms;
        last.middle = (uint32_t)(random_word() & 0x7ff); /* top bit 0: room to count */
        last.tail = random_word() & tail_mask;
        return;
    }
    uint64_t step = (random_word() & 0xffffffff) + 1;
    last.tail += step;
    if (last.tail <= tail_mask)
        return;
    last.tail &= tail_mask;
    if (++last.middle > 0xfff) {
        last.middle = 0;
        last.ms++;
    }
}

/* middle: 12 bits; of tail the lower 62 count. */
static struct aion_uuid compose(uint64_t ms, uint32_t middle, uint64_t tail)
{
    struct aion_uuid uuid;
    for (int i = 0; i < 6; i++)
        uuid.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid.bytes[6] = (uint8_t)(0x70 | middle >> 8);
    uuid.bytes[7] = (uint8_t)middle;
    for (int i = 0; i < 8; i++)
        uuid.bytes[8 + i] = (uint8_t)(tail >> (56 - 8 * i));
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    return uuid;
}

struct aion_uuid aion_uuid_new(void)
{
    int64_t now_ms = aion_clock_utc_us() / 1000;
    pthread_mutex_lock(&last.lock);
    advance(now_ms);
    uint64_t ms = (uint64_t)last.ms, tail = last.tail;
    uint32_t middle = last.middle;
    pthread_mutex_unlock(&last.lock);
    return compose(ms, middle, tail);
}

struct aion_uuid aion_uuid_at(int64_t utc_us, unsigned low)
{
    pthread_mutex_lock(&last.lock);
    uint64_t chance = random_word();
    pthread_mutex_unlock(&last.lock);
    uint32_t middle = (uint32_t)(utc_us % 1000) << 2 | (uint32_t)(chance >> 62);
    return compose((uint64_t)(utc_us / 1000), middle, (chance & ~(uint64_t)63) | (low & 63));
}

/* Places of the hyphens in 8-4-4-4-12. */
static bool hyphen_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

bool aion_uuid_parse(aion_str text, struct aion_uuid *ret_uuid)
{
    char hex[32];
    size_t used = 0;
    if (text.size != AION_UUID_TEXT - 1)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!hyphen_at(i))
            hex[used++] = text.data[i];
        else if (text.data[i] != '-')
            return false;
    }
    return aion_unhex(ret_uuid->bytes, 16, aion_str_n(hex, 32));
}

void aion_uuid_text(const struct aion_uuid *uuid, char out[AION_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (hyphen_at(at))
            out[at++] = '-';
        out[at++] = digits[uuid->bytes[i] >> 4];
        out[at++] = digits[uuid->bytes[i] & 15];
    }
    out[at] = '\0';
}

int64_t aion_uuid_ms(const struct aion_uuid *uuid)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | uuid->bytes[i];
    return ms;
}

int64_t aion_uuid_us(const struct aion_uuid *uuid)
{
    int us = (uuid->bytes[6] & 0x0f) << 6 | uuid->bytes[7] >> 2;
    if (uuid->bytes[6] >> 4 != 7 || uuid->bytes[8] >> 6 != 2 || us > 999)
        return 0;
    return aion_uuid_ms(uuid) * 1000 + us;
}
