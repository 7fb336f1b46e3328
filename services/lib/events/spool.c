/* The ring is a list of entries, oldest first: sent ones, then those under way, then those that
 * wait. An entry that is pushed out while it is under way lives on until the sink's answer. */
#include "events/spool.h"

#include "base/list.h"

#include <assert.h>
#include <stdlib.h>

enum spool_state { SPOOL_WAITING, SPOOL_UNDER_WAY, SPOOL_DONE };

struct spool_entry {
    struct aion_link link; /* in the spool's entries; pushed out under way: in its leaving */
    struct events_spool *spool;
    struct events_post post;
    enum spool_state state;
    bool out; /* pushed out while under way */
    size_t bytes;
    char data[]; /* key, value */
};

struct events_spool {
    struct events_spool_conf conf;
    struct aion_link entries; /* oldest first */
    struct aion_link leaving;
    size_t bytes;
    struct events_spool_stats stats;
};

struct events_spool *events_spool_new(const struct events_spool_conf *conf)
{
    struct events_spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL)
        abort();
    spool->conf = *conf;
    if (conf->records_max == 0)
        spool->conf.records_max = 4096;
    if (conf->bytes_max == 0)
        spool->conf.bytes_max = 16 << 20;
    if (conf->under_way_max == 0)
        spool->conf.under_way_max = 256;
    aion_list_init(&spool->entries);
    aion_list_init(&spool->leaving);
    return spool;
}

static void free_entries(struct aion_link *entries)
{
    aion_list_each_safe (link, entries) {
        free(aion_container(link, struct spool_entry, link));
    }
}

void events_spool_free(struct events_spool *spool)
{
    if (spool == NULL)
        return;
    free_entries(&spool->entries);
    free_entries(&spool->leaving);
    free(spool);
}

/* -- sending ------------------------------------------------------------------------ */
/* What no repetition will make right. */
static bool hopeless(const struct aion_err *err)
{
    return err->code == AION_INVALID || err->code == AION_PRECONDITION ||
           err->code == AION_DENIED;
}

static void record_done(struct events_post *post, const struct aion_err *err)
{
    struct spool_entry *entry = aion_container(post, struct spool_entry, post);
    struct events_spool *spool = entry->spool;
    spool->stats.under_way--;
    if (err == NULL) {
        spool->stats.sent++;
        entry->state = SPOOL_DONE;
    } else if (entry->out || hopeless(err)) {
        spool->stats.dropped++;
        entry->state = SPOOL_DONE;
    } else {
        spool->stats.waiting++;
        entry->state = SPOOL_WAITING; /* with the next put */
    }
    if (entry->out) {
        aion_list_remove(&entry->link);
        free(entry);
    }
}

void events_spool_send(struct events_spool *spool)
{
    if (spool->conf.sink == NULL)
        return;
    aion_list_each (link, &spool->entries) {
        struct spool_entry *entry = aion_container(link, struct spool_entry, link);
        if (spool->stats.waiting == 0 || spool->stats.under_way >= spool->conf.under_way_max)
            return;
        if (entry->state != SPOOL_WAITING)
            continue;
        if (!events_send(spool->conf.sink, &entry->post, NULL))
            return;
        entry->state = SPOOL_UNDER_WAY;
        spool->stats.waiting--;
        spool->stats.under_way++;
    }
}

/* -- the ring ----------------------------------------------------------------------- */
static void push_out_oldest(struct events_spool *spool)
{
    assert(!aion_list_empty(&spool->entries));
    struct spool_entry *entry = aion_container(spool->entries.next, struct spool_entry, link);
    aion_list_remove(&entry->link);
    spool->bytes -= entry->bytes;
    spool->stats.records--;
    if (entry->state == SPOOL_UNDER_WAY) {
        entry->out = true;
        aion_list_add_last(&spool->leaving, &entry->link);
        return;
    }
    if (entry->state == SPOOL_WAITING) {
        spool->stats.waiting--;
        spool->stats.dropped += spool->conf.sink != NULL;
    }
    free(entry);
}

static struct spool_entry *make_entry(struct events_spool *spool,
                                      const struct events_record *record, size_t bytes)
{
    struct spool_entry *entry = malloc(sizeof(*entry) + bytes);
    if (entry == NULL)
        return NULL;
    *entry = (struct spool_entry){.spool = spool, .bytes = bytes};
    if (record->key.size > 0)
        memcpy(entry->data, record->key.data, record->key.size);
    if (record->value.size > 0)
        memcpy(entry->data + record->key.size, record->value.data, record->value.size);
    entry->post = (struct events_post){.record = *record, .done = record_done};
    entry->post.record.key.data = entry->data;
    entry->post.record.value.data = entry->data + record->key.size;
    return entry;
}

bool events_spool_put(struct events_spool *spool, const struct events_record *record)
{
    size_t bytes = record->key.size + record->value.size;
    struct spool_entry *entry =
        bytes <= spool->conf.bytes_max ? make_entry(spool, record, bytes) : NULL;
    spool->stats.put++;
    if (entry == NULL) {
        spool->stats.dropped++;
        return false;
    }
    while (spool->stats.records >= spool->conf.records_max ||
           spool->bytes + bytes > spool->conf.bytes_max)
        push_out_oldest(spool);
    aion_list_add_last(&spool->entries, &entry->link);
    spool->bytes += bytes;
    spool->stats.records++;
    spool->stats.waiting++;
    events_spool_send(spool);
    return true;
}

/* -- readers ------------------------------------------------------------------------ */
size_t events_spool_read(const struct events_spool *spool, uint64_t after, size_t limit,
                         struct events_record *ret_records)
{
    size_t count = 0;
    aion_list_each (link, &spool->entries) {
        const struct spool_entry *entry = aion_container(link, struct spool_entry, link);
        if (count == limit)
            break;
        if (entry->post.record.sequence > after)
            ret_records[count++] = entry->post.record;
    }
    return count;
}

uint64_t events_spool_newest(const struct events_spool *spool)
{
    if (aion_list_empty(&spool->entries))
        return 0;
    return aion_container(spool->entries.prev, struct spool_entry, link)->post.record.sequence;
}

struct events_spool_stats events_spool_stats(const struct events_spool *spool)
{
    return spool->stats;
}
