#include "ops_record.h"

#include <pthread.h>

static const char magic[4] = {'A', 'O', 'F', '1'};

/* -- CRC-32C (Castagnoli; RFC 3720 appendix B.4), eight bytes at a time ------------- */
static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
        tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
}

static uint32_t crc32c(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint32_t crc = ~(uint32_t)0;
    pthread_once(&tables_once, tables_make);
    for (; size >= 8; size -= 8, at += 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
              tables[0][at[7]];
    }
    for (; size > 0; size--, at++)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    return ~crc;
}

/* -- numbers: little-endian --------------------------------------------------------- */
static void put(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* -- records: magic, type, size, check, first, last, frames, check of the head ------ */
void ops_record_write(struct aion_buf *out, const struct ops_record *about, aion_str payload)
{
    unsigned char head[OPS_RECORD_HEAD];
    memcpy(head, magic, sizeof(magic));
    put(head + 4, (uint64_t)about->type, 4);
    put(head + 8, payload.size, 4);
    put(head + 12, crc32c(payload.data, payload.size), 4);
    put(head + 16, (uint64_t)about->first_us, 8);
    put(head + 24, (uint64_t)about->last_us, 8);
    put(head + 32, about->frames, 4);
    put(head + 36, crc32c(head, 36), 4);
    aion_buf_add(out, head, sizeof(head));
    aion_buf_str(out, payload);
}

bool ops_record_head(aion_str bytes, struct ops_record *ret_record)
{
    unsigned char head[OPS_RECORD_HEAD];
    if (bytes.size < sizeof(head))
        return false;
    memcpy(head, bytes.data, sizeof(head));
    uint64_t type = get(head + 4, 4);
    if (memcmp(head, magic, sizeof(magic)) != 0 || get(head + 36, 4) != crc32c(head, 36) ||
        type < OPS_RECORD_FRAME || type > OPS_RECORD_BLOCK ||
        get(head + 8, 4) > OPS_RECORD_BYTES_MAX)
        return false;
    *ret_record = (struct ops_record){
        .type = (enum ops_record_type)type,
        .size = (uint32_t)get(head + 8, 4),
        .check = (uint32_t)get(head + 12, 4),
        .first_us = (int64_t)get(head + 16, 8),
        .last_us = (int64_t)get(head + 24, 8),
        .frames = (uint32_t)get(head + 32, 4),
    };
    return ret_record->first_us <= ret_record->last_us;
}

bool ops_record_holds(const struct ops_record *record, aion_str payload)
{
    return payload.size == record->size && crc32c(payload.data, payload.size) == record->check;
}
