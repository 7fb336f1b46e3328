/* Options of the gateway, beside those of every program. */
#ifndef GATEWAY_CONF_H
#define GATEWAY_CONF_H

#include "base/conf.h"

struct gw_conf {
    const char *control, *router, *retention; /* "host:port[,host:port]" */
    const char *api_keys;
    const char *http_cert, *http_key; /* "" = cleartext */
    int64_t timeout;                  /* µs; of one upstream call */
    int64_t body_bytes_max;
    int64_t head_bytes_max;
    int64_t connections_max, connections_per_peer, streams_per_connection;
    int64_t header_timeout, body_timeout, idle_timeout, stall_timeout; /* µs */
    int64_t body_rate_min;
    int64_t heartbeat; /* µs */
    int64_t key_rate, key_burst, peer_rate, peer_burst, failure_rate;
    bool access_log;
};

extern const struct aion_opt gw_options[];
extern const size_t gw_option_count;

#endif
