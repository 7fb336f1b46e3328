#include "base/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t aion_base64_encode(char *out, const void *data, size_t size)
{
    const uint8_t *p = data;
    char *at = out;
    for (; size >= 3; p += 3, size -= 3) {
        *at++ = alphabet[p[0] >> 2];
        *at++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *at++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *at++ = alphabet[p[2] & 63];
    }
    if (size > 0) {
        uint8_t second = size == 2 ? p[1] : 0;
        *at++ = alphabet[p[0] >> 2];
        *at++ = alphabet[(p[0] & 3) << 4 | second >> 4];
        *at++ = size == 2 ? alphabet[(second & 15) << 2] : '=';
        *at++ = '=';
    }
    *at = '\0';
    return (size_t)(at - out);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Padding, when there is any, must be whole. */
static bool strip_padding(aion_str *text)
{
    size_t padding = 0;
    while (padding < 2 && text->size > 0 && text->data[text->size - 1] == '=') {
        text->size--;
        padding++;
    }
    return text->size % 4 != 1 && (padding == 0 || (text->size + padding) % 4 == 0);
}

bool aion_base64_decode(uint8_t *out, size_t *ret_size, aion_str text)
{
    if (!strip_padding(&text))
        return false;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[size++] = (uint8_t)(bits >> have);
        }
    }
    *ret_size = size;
    return (bits & ((1u << have) - 1)) == 0;
}

void aion_hex(char *out, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool aion_unhex(uint8_t *out, size_t size, aion_str text)
{
    if (text.size != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
