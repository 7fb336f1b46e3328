/* Tables as JSON, CSV and aligned text. */
#include "table.h"

#include "base/clock.h"

enum { CELL_MAX = 512 };

/* Numbers keep their unit in the name, so nobody has to guess. */
static const char *suffix_of(enum tui_unit unit)
{
    switch (unit) {
    case TUI_RATE:
        return "_per_s";
    case TUI_US:
    case TUI_AGE:
        return "_us";
    case TUI_SHARE:
        return "_ppm";
    case TUI_BYTES:
        return "_bytes";
    case TUI_USD:
        return "_nano_usd_per_s";
    case TUI_TEXT:
    case TUI_COUNT:
    case TUI_TIME:
    case TUI_DATE:
    case TUI_STATE:
    case TUI_TREND:
        break;
    }
    return "";
}

static bool is_exported(const struct tui_column *column)
{
    return column->unit != TUI_TREND && !column->shown;
}

static void put_time(struct aion_buf *out, const struct tui_value *value, bool quoted)
{
    char text[AION_RFC3339_SIZE];
    bool date = value->unit == TUI_DATE; /* in seconds */
    size_t size = aion_clock_rfc3339(text, date ? value->number : value->number / 1000000,
                                     date ? 0 : (int32_t)(value->number % 1000000) * 1000);
    if (quoted)
        aion_buf_json(out, aion_str_n(text, size));
    else
        aion_buf_str(out, aion_str_n(text, size));
}

/* The raw number; nothing where it is not known. */
static void put_number(struct aion_buf *out, const struct tui_value *value)
{
    if (value->unit == TUI_RATE)
        aion_buf_printf(out, "%lld.%03lld", (long long)(value->number / 1000),
                        (long long)(value->number % 1000));
    else
        aion_buf_i64(out, value->number);
}

/* As it is, but escaped wherever a terminal would not just show it. */
static void put_json_text(struct aion_buf *out, aion_str text)
{
    size_t pos = 0;
    char code[4];
    aion_buf_char(out, '"');
    while (pos < text.size) {
        uint32_t ch = aion_utf8_next(text, &pos);
        if (ch == '"' || ch == '\\')
            aion_buf_printf(out, "\\%c", (int)ch);
        else if (tui_char_shown(ch))
            aion_buf_add(out, code, tui_text_encode(code, ch));
        else if (ch < 0x10000)
            aion_buf_printf(out, "\\u%04x", ch);
        else
            aion_buf_printf(out, "\\u%04x\\u%04x", 0xD800 + ((ch - 0x10000) >> 10),
                            0xDC00 + ((ch - 0x10000) & 0x3FF));
    }
    aion_buf_char(out, '"');
}

static void put_json_value(struct aion_buf *out, const struct tui_value *value)
{
    if (!tui_unit_is_number(value->unit))
        put_json_text(out, value->text);
    else if (value->number < 0)
        aion_buf_text(out, "null");
    else if (value->unit == TUI_TIME || value->unit == TUI_DATE)
        put_time(out, value, true);
    else
        put_number(out, value);
}

void tui_export_json(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *item, struct aion_buf *out)
{
    struct tui_value value;
    bool first = true;
    aion_buf_char(out, '{');
    for (size_t i = 0; i < table->count; i++) {
        struct tui_column column = tui_column_of(table, i);
        if (!is_exported(&column))
            continue;
        tui_table_value(table, scene, item, i, &value);
        aion_buf_printf(out, "%s\"%s%s\":", first ? "" : ",", column.name,
                        suffix_of(column.unit));
        put_json_value(out, &value);
        first = false;
    }
    aion_buf_char(out, '}');
}

/* -- CSV (RFC 4180) -------------------------------------------------------- */

void tui_export_csv_head(const struct tui_table *table, struct aion_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < table->count; i++) {
        struct tui_column column = tui_column_of(table, i);
        if (!is_exported(&column))
            continue;
        aion_buf_printf(out, "%s%s%s", first ? "" : ",", column.name, suffix_of(column.unit));
        first = false;
    }
    aion_buf_text(out, "\r\n");
}

static void put_csv_text(struct aion_buf *out, aion_str text)
{
    char clean[CELL_MAX];
    size_t size = tui_text_clean(clean, sizeof(clean), text, CELL_MAX);
    aion_buf_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (clean[i] == '"')
            aion_buf_char(out, '"');
        aion_buf_char(out, clean[i]);
    }
    aion_buf_char(out, '"');
}

void tui_export_csv(const struct tui_table *table, const struct tui_scene *scene,
                    const struct tui_item *item, struct aion_buf *out)
{
    struct tui_value value;
    bool first = true;
    for (size_t i = 0; i < table->count; i++) {
        struct tui_column column = tui_column_of(table, i);
        if (!is_exported(&column))
            continue;
        tui_table_value(table, scene, item, i, &value);
        aion_buf_text(out, first ? "" : ",");
        first = false;
        if (!tui_unit_is_number(value.unit))
            put_csv_text(out, value.text);
        else if (value.number >= 0 && (value.unit == TUI_TIME || value.unit == TUI_DATE))
            put_time(out, &value, false);
        else if (value.number >= 0)
            put_number(out, &value);
    }
    aion_buf_text(out, "\r\n");
}

/* -- aligned text ---------------------------------------------------------- */

static int cell_width(const struct tui_table *table, const struct tui_scene *scene,
                      const struct tui_item *item, size_t index)
{
    char text[TUI_FORMAT_SIZE];
    struct tui_value value;
    tui_table_value(table, scene, item, index, &value);
    int width = tui_text_width(tui_value_text(scene, &value, text));
    return width < CELL_MAX / 4 ? width : CELL_MAX / 4;
}

static void put_padded(struct aion_buf *out, aion_str text, int width, bool right, bool last)
{
    char clean[CELL_MAX];
    size_t size = tui_text_clean(clean, sizeof(clean), text, width);
    int pad = width - tui_text_width(aion_str_n(clean, size));
    for (int i = 0; right && i < pad; i++)
        aion_buf_char(out, ' ');
    aion_buf_add(out, clean, size);
    for (int i = 0; !right && !last && i < pad; i++)
        aion_buf_char(out, ' ');
    aion_buf_text(out, last ? "\n" : "  ");
}

void tui_export_text(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *items, size_t count, struct aion_buf *out)
{
    size_t shown[TUI_TABLE_COLUMNS_MAX], columns = 0;
    int widths[TUI_TABLE_COLUMNS_MAX];
    char text[TUI_FORMAT_SIZE];
    struct tui_value value;
    for (size_t i = 0; i < table->count && columns < TUI_TABLE_COLUMNS_MAX; i++) {
        struct tui_column column = tui_column_of(table, i);
        if (!is_exported(&column) || column.hidden)
            continue;
        widths[columns] = tui_text_width(aion_str_of(column.title));
        for (size_t row = 0; row < count; row++) {
            int width = cell_width(table, scene, &items[row], i);
            widths[columns] = width > widths[columns] ? width : widths[columns];
        }
        shown[columns++] = i;
    }
    for (size_t i = 0; i < columns; i++) {
        struct tui_column column = tui_column_of(table, shown[i]);
        put_padded(out, aion_str_of(column.title), widths[i], tui_unit_is_number(column.unit),
                   i + 1 == columns);
    }
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < columns; i++) {
            tui_table_value(table, scene, &items[row], shown[i], &value);
            put_padded(out, tui_value_text(scene, &value, text), widths[i],
                       tui_unit_is_number(value.unit), i + 1 == columns);
        }
}
