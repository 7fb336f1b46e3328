/* Finding messages, files and symbols by name, through the files and what they import. */
#include "codec/schema.h"

enum { IMPORT_DEPTH = 16 };

typedef const void *match_fn(const struct codec_file *file, aion_str name);

/* Depth first; the same file may be met twice, which costs time only: this is no hot path. */
static const void *search(const struct codec_file *const *files, aion_str name, match_fn *match,
                          int depth)
{
    for (; files != NULL && *files != NULL; files++) {
        const void *found = match(*files, name);
        if (found == NULL && depth > 0)
            found = search((*files)->imports, name, match, depth - 1);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const void *match_message(const struct codec_file *file, aion_str name)
{
    for (size_t i = 0; file->messages[i] != NULL; i++)
        if (aion_str_is(name, file->messages[i]->descriptor->name))
            return file->messages[i];
    return NULL;
}

static const void *match_symbol(const struct codec_file *file, aion_str name)
{
    for (size_t i = 0; file->symbols[i] != NULL; i++)
        if (aion_str_is(name, file->symbols[i]))
            return file;
    return NULL;
}

static const void *match_file(const struct codec_file *file, aion_str name)
{
    return aion_str_is(name, file->name) ? file : NULL;
}

const struct codec_message *codec_find_message(const struct codec_file *const *files,
                                               aion_str name)
{
    return search(files, name, match_message, IMPORT_DEPTH);
}

const struct codec_file *codec_find_symbol(const struct codec_file *const *files, aion_str name)
{
    return search(files, name, match_symbol, IMPORT_DEPTH);
}

const struct codec_file *codec_find_file(const struct codec_file *const *files, aion_str name)
{
    return search(files, name, match_file, IMPORT_DEPTH);
}

static int find_by(const struct codec_message *message, const uint16_t *order, bool json,
                   aion_str name)
{
    size_t low = 0, high = message->descriptor->n_fields;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint16_t index = order[middle];
        const char *have =
            json ? message->fields[index].json_name : message->descriptor->fields[index].name;
        int difference = aion_str_cmp(name, aion_str_of(have));
        if (difference == 0)
            return index;
        if (difference < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

int codec_field_index(const struct codec_message *message, aion_str name)
{
    if (message->descriptor->n_fields == 0)
        return -1;
    int index = find_by(message, message->by_json_name, true, name);
    return index >= 0 ? index : find_by(message, message->by_name, false, name);
}
