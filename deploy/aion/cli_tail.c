/* What comes is shown once, as a line or as JSON; a signal ends it. */
#include "cli_tail.h"

#include <stdio.h>

volatile sig_atomic_t cli_tail_stop;

static void on_signal(int number)
{
    (void)number;
    cli_tail_stop = 1;
}

void cli_tail_catch(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* -- printing ----------------------------------------------------------------------- */
static void add_text(struct aion_buf *line, const char *name, aion_str text)
{
    if (text.size == 0)
        return;
    aion_buf_printf(line, "\"%s\":", name);
    aion_buf_json(line, text);
    aion_buf_char(line, ',');
}

/* Values are JSON of ours already; what somebody else wrote there becomes a string. */
static void print_json(struct aion_buf *line, const struct cli_tail_shown *record)
{
    aion_buf_char(line, '{');
    add_text(line, "key", record->key);
    add_text(line, "schema", record->schema);
    add_text(line, "source", record->source);
    if (record->sequence > 0)
        aion_buf_printf(line, "\"sequence\":\"%llu\",", (unsigned long long)record->sequence);
    if (record->partition >= 0)
        aion_buf_printf(line, "\"partition\":%d,\"offset\":\"%lld\",", record->partition,
                        (long long)record->offset);
    aion_buf_text(line, "\"value\":");
    if (codec_json_check(record->value, 0, NULL))
        aion_buf_str(line, record->value);
    else
        aion_buf_json(line, record->value);
    aion_buf_char(line, '}');
}

void cli_tail_show(struct cli_tail *tail, const struct cli_tail_shown *record)
{
    if (record->sequence > 0 && !events_dedup_first(tail->dedup, record->key, record->sequence))
        return;
    aion_buf_reset(&tail->line);
    if (tail->json)
        print_json(&tail->line, record);
    else
        aion_buf_printf(&tail->line, "%.*s #%llu %.*s", AION_STR_ARG(record->key),
                        (unsigned long long)record->sequence, AION_STR_ARG(record->value));
    aion_buf_char(&tail->line, '\n');
    fwrite(tail->line.data, 1, tail->line.size, stdout);
    fflush(stdout);
    tail->shown++;
}
