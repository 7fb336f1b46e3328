/* Heads: however the bytes arrive the verdict is the same, and what is accepted lies within the
 * bytes and is framed in one way only. */
#include "http1/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
    if (!good)
        abort();
}

static bool within(aion_str part, aion_str bytes)
{
    return part.size == 0 ||
           (part.data >= bytes.data && part.data + part.size <= bytes.data + bytes.size);
}

static void check(const struct http1_head *head, aion_str bytes)
{
    need(head->method.size > 0 && within(head->method, bytes) && within(head->target, bytes));
    need(within(head->host, bytes) && within(head->query, bytes));
    need(!(head->chunked && head->has_length));
    need(head->minor == 0 || head->host.size > 0);
    need(head->field_count <= HTTP1_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        need(within(head->fields[i].name, bytes) && within(head->fields[i].value, bytes));
        need(memchr(head->fields[i].value.data, '\n', head->fields[i].value.size) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    aion_str bytes = aion_str_n(data, size);
    struct http1_head head, slow;
    size_t scanned = 0, length = 0, slow_length = 0;
    const char *why = NULL;
    enum http1_result whole = http1_head_parse(bytes, &scanned, &head, &length, &why);
    need(whole >= HTTP1_MORE || why != NULL);
    if (whole == HTTP1_DONE)
        check(&head, bytes);
    enum http1_result parted = HTTP1_MORE;
    scanned = 0;
    for (size_t end = 0; parted == HTTP1_MORE && end <= size; end++)
        parted = http1_head_parse(aion_str_n(data, end), &scanned, &slow, &slow_length, &why);
    need(parted == whole);
    need(whole != HTTP1_DONE || slow_length == length);
    return 0;
}
