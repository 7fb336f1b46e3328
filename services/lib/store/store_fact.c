/* The list of tables and columns as data. */
#include "store/store.h"

#include <assert.h>

static const struct store_layout layouts[STORE_TABLE_COUNT] = {
#define COLUMN(name, type) {#name, STORE_##type},
#define ONE(name, type)    +1
#define LAYOUT(TABLE, name_, by_, keys_)                              \
    [STORE_TABLE_##TABLE] = {.name = #name_,                          \
                             .by = STORE_BY_##by_,                    \
                             .keys = keys_,                           \
                             .columns = 0 STORE_COLUMNS_##TABLE(ONE), \
                             .column = {STORE_COLUMNS_##TABLE(COLUMN)}},
    STORE_TABLES(LAYOUT)
#undef LAYOUT
#undef ONE
#undef COLUMN
};

const struct store_layout *store_layout(enum store_table table)
{
    assert((unsigned)table < STORE_TABLE_COUNT);
    return &layouts[table];
}
