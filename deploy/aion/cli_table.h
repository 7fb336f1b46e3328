/* A table on stdout, as `aion get` prints one: titles, then rows, columns as wide as their
 * widest cell. Cells are given one after the other; what they hold comes from others, so it is
 * cleaned: no control character reaches the terminal. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/buf.h"

enum { CLI_COLUMNS_MAX = 16 };

struct cli_column {
    const char *title;
    bool right; /* numbers */
};

struct cli_table {
    const struct cli_column *columns;
    size_t count;
    struct aion_buf cells; /* texts, a NUL behind each */
    size_t cell_count;
};

/* At most CLI_COLUMNS_MAX columns, borrowed. */
void cli_table_init(struct cli_table *table, const struct cli_column *columns, size_t count);
/* The next cell. An empty text is printed as "-". */
void cli_table_text(struct cli_table *table, const char *text);
void cli_table_cell(struct cli_table *table, const char *fmt, ...) AION_PRINTF(2, 3);
/* "2026-11-23 12:04:31" of UTC microseconds; 0 = not known. */
void cli_table_time(struct cli_table *table, int64_t utc_us);
/* Prints whole rows and frees; the exit status. */
int cli_table_print(struct cli_table *table);

/* Says on stderr that a list was cut, when the token of the next page says so. */
void cli_list_more(const char *next_page_token);
/* One cleaned text on stdout, for lines that are no table. */
void cli_print_clean(const char *text);

#endif
