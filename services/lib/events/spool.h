/* Records that are in no outbox (metrics): a ring in memory, bounded in records and bytes.
 *
 * With a sink they are sent as they come; the oldest that the sink has not taken are pushed out
 * by newer ones, and counted. Without one the ring is the embedded log's: readers find in it
 * what the newest `records_max` are. One thread. */
#ifndef EVENTS_SPOOL_H
#define EVENTS_SPOOL_H

#include "events/events.h"

struct events_spool;

struct events_spool_conf {
    struct events_sink *sink; /* NULL: none */
    size_t records_max;       /* 0 = 4096 */
    size_t bytes_max;         /* of keys and values; 0 = 16 MiB */
    size_t under_way_max;     /* with the sink; 0 = 256 */
};

/* Aborts without memory: called at start. */
struct events_spool *events_spool_new(const struct events_spool_conf *conf);
/* The sink has stopped. NULL fine. */
void events_spool_free(struct events_spool *spool);

/* Takes a copy; sequences must grow. False: it was dropped (larger than the ring, no memory).
 */
bool events_spool_put(struct events_spool *spool, const struct events_record *record);
/* Sends what waits, as far as the sink takes it; put does it too. For an owner's clock. */
void events_spool_send(struct events_spool *spool);

/* Up to `limit` records with sequence > after, oldest first; valid until the next put. */
size_t events_spool_read(const struct events_spool *spool, uint64_t after, size_t limit,
                         struct events_record *ret_records);
uint64_t events_spool_newest(const struct events_spool *spool); /* sequence; 0 = none */

struct events_spool_stats {
    uint64_t put, sent, dropped; /* ever; sent: acknowledged */
    size_t records, waiting, under_way;
};
struct events_spool_stats events_spool_stats(const struct events_spool *spool);

#endif
