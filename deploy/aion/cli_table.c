#include "cli_table.h"

#include "cli.h"
#include "format.h"
#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { CELLS_MAX = 64 * 1024 * 1024, CELL_MAX = 1024, CELL_COLUMNS = 200 };

void cli_table_init(struct cli_table *table, const struct cli_column *columns, size_t count)
{
    assert(count > 0 && count <= CLI_COLUMNS_MAX);
    *table = (struct cli_table){.columns = columns, .count = count};
    aion_buf_init(&table->cells, CELLS_MAX);
}

void cli_table_text(struct cli_table *table, const char *text)
{
    char clean[CELL_MAX];
    size_t size = tui_text_clean(clean, sizeof(clean), aion_str_of(text), CELL_COLUMNS);
    if (size == 0)
        clean[size++] = '-';
    clean[size] = '\0';
    aion_buf_add(&table->cells, clean, size + 1);
    table->cell_count++;
}

void cli_table_cell(struct cli_table *table, const char *fmt, ...)
{
    char text[CELL_MAX];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof(text), fmt, list);
    va_end(list);
    cli_table_text(table, text);
}

void cli_table_time(struct cli_table *table, int64_t utc_us)
{
    char text[TUI_FORMAT_SIZE] = "";
    if (utc_us != 0)
        tui_format_date_time(text, utc_us, false);
    cli_table_text(table, text);
}

static void put_cell(const char *text, int width, bool right, bool last)
{
    int blanks = width - tui_text_width(aion_str_of(text));
    if (right)
        printf("%*s%s", blanks, "", text);
    else
        printf("%s%*s", text, last ? 0 : blanks, "");
    fputs(last ? "\n" : "  ", stdout);
}

static void measure(const struct cli_table *table, int widths[CLI_COLUMNS_MAX])
{
    const char *cell = table->cells.data;
    for (size_t i = 0; i < table->count; i++)
        widths[i] = tui_text_width(aion_str_of(table->columns[i].title));
    for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1) {
        int width = tui_text_width(aion_str_of(cell));
        if (width > widths[i % table->count])
            widths[i % table->count] = width;
    }
}

int cli_table_print(struct cli_table *table)
{
    int widths[CLI_COLUMNS_MAX];
    const char *cell = table->cells.data;
    struct aion_err err;
    bool whole = !table->cells.overflow;
    assert(table->cell_count % table->count == 0);
    if (whole) {
        measure(table, widths);
        for (size_t i = 0; i < table->count; i++)
            put_cell(table->columns[i].title, widths[i], table->columns[i].right,
                     i + 1 == table->count);
        for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1)
            put_cell(cell, widths[i % table->count], table->columns[i % table->count].right,
                     i % table->count + 1 == table->count);
    }
    aion_buf_done(&table->cells);
    if (whole)
        return CLI_OK;
    aion_err_set(
        &err, __func__, AION_EXHAUSTED,
        "the table is too large to be laid out: ask for less (--limit), or use -o json");
    return cli_error(&err);
}

void cli_list_more(const char *next_page_token)
{
    if (next_page_token[0] != '\0')
        fprintf(stderr, "there are more: ask for more by --limit, or for older by --until\n");
}

void cli_print_clean(const char *text)
{
    char clean[4096];
    tui_text_clean(clean, sizeof(clean), aion_str_of(text), (int)sizeof(clean) / 4);
    fputs(clean, stdout);
}
