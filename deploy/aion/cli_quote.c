#include "cli_quote.h"

static size_t indent_of(aion_str line)
{
    size_t blanks = 0;
    while (blanks < line.size && line.data[blanks] == ' ')
        blanks++;
    return blanks;
}

aion_str cli_quote_item(aion_str text, unsigned line)
{
    aion_str rest = text, first = {0};
    for (unsigned i = 0; i < line && (i == 0 || first.data != NULL); i++)
        first = rest.data != NULL ? aion_str_cut(&rest, '\n') : (aion_str){0};
    if (indent_of(first) == first.size)
        return (aion_str){0};
    aion_str item = first;
    while (rest.data != NULL) {
        aion_str next = aion_str_cut(&rest, '\n');
        if (indent_of(next) == next.size)
            continue; /* an empty line belongs to what stands around it */
        if (indent_of(next) <= indent_of(first))
            break;
        item.size = (size_t)(next.data + next.size - first.data);
    }
    return item;
}

bool cli_quote_place(const char *reason, aion_str *ret_file, unsigned *ret_line)
{
    aion_str rest = aion_str_of(reason);
    aion_str place = aion_str_cut(&rest, ' ');
    uint64_t line;
    *ret_file = aion_str_cut(&place, ':');
    if (ret_file->size == 0 || place.data == NULL || !aion_str_u64(place, &line) || line == 0 ||
        line > UINT32_MAX)
        return false;
    *ret_line = (unsigned)line;
    return true;
}
