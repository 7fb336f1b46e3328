/* The option table: flag --name, variable AION_GATEWAY_NAME, key of the file. */
#include "gateway_conf.h"

#define AT(member) offsetof(struct gw_conf, member)
#define S          1000000LL

// clang-format off
const struct aion_opt gw_options[] = {
    {"control", AION_OPT_TEXT, "127.0.0.1:8081", 0, 0, false, false, NULL, "control's addresses", AT(control)},
    {"router", AION_OPT_TEXT, "127.0.0.1:8082", 0, 0, false, false, NULL, "the router's addresses", AT(router)},
    {"retention", AION_OPT_TEXT, "127.0.0.1:8083", 0, 0, false, false, NULL, "retention's addresses", AT(retention)},
    {"api_keys", AION_OPT_TEXT, "", 0, 0, true, true, NULL,
     "secret[@tenant]:role1|role2,... ; none = every request is refused", AT(api_keys)},
    {"http_cert", AION_OPT_TEXT, "", 0, 0, false, false, NULL,
     "certificate chain for HTTPS, PEM; re-read on SIGHUP; none = cleartext, on loopback only", AT(http_cert)},
    {"http_key", AION_OPT_TEXT, "", 0, 0, false, false, NULL, "its private key, PEM", AT(http_key)},
    {"timeout", AION_OPT_DURATION, "10s", 1000, 600 * S, false, false, NULL,
     "answer 504 after this time (a task's wait comes on top)", AT(timeout)},
    {"body_bytes_max", AION_OPT_BYTES, "6MiB", 1024, 64 << 20, false, false, NULL,
     "largest request body; methods have their own, smaller bounds", AT(body_bytes_max)},
    {"head_bytes_max", AION_OPT_BYTES, "16KiB", 1024, 64 << 10, false, false, NULL,
     "largest request head", AT(head_bytes_max)},
    {"connections_max", AION_OPT_INT, "16384", 1, 1000000, false, false, NULL,
     "connections at a time; further ones wait in the kernel's queue", AT(connections_max)},
    {"connections_per_peer", AION_OPT_INT, "16384", 1, 1000000, false, false, NULL,
     "of one address; further ones are closed", AT(connections_per_peer)},
    {"streams_per_connection", AION_OPT_INT, "128", 1, 10000, false, false, NULL,
     "concurrent HTTP/2 streams", AT(streams_per_connection)},
    {"header_timeout", AION_OPT_DURATION, "10s", 10000, 600 * S, false, false, NULL,
     "for a request's head, and for the TLS handshake", AT(header_timeout)},
    {"body_timeout", AION_OPT_DURATION, "10s", 10000, 600 * S, false, false, NULL,
     "before body_rate_min is asked for", AT(body_timeout)},
    {"body_rate_min", AION_OPT_BYTES, "1KiB", 1, 1 << 30, false, false, NULL,
     "bytes per second a body must come with", AT(body_rate_min)},
    {"idle_timeout", AION_OPT_DURATION, "75s", 10000, 3600 * S, false, false, NULL,
     "a connection without a request is closed", AT(idle_timeout)},
    {"stall_timeout", AION_OPT_DURATION, "30s", 10000, 3600 * S, false, false, NULL,
     "a client that reads nothing is cut", AT(stall_timeout)},
    {"heartbeat", AION_OPT_DURATION, "15s", 10000, 3600 * S, false, false, NULL,
     "comment on an idle event stream", AT(heartbeat)},
    {"key_rate", AION_OPT_INT, "0", 0, 1000000, true, false, NULL,
     "requests per second of one key; 0 = no limit", AT(key_rate)},
    {"key_burst", AION_OPT_INT, "100", 1, 1000000, true, false, NULL, "of one key at once", AT(key_burst)},
    {"peer_rate", AION_OPT_INT, "0", 0, 1000000, true, false, NULL,
     "requests per second of one address; 0 = no limit", AT(peer_rate)},
    {"peer_burst", AION_OPT_INT, "200", 1, 1000000, true, false, NULL, "of one address at once", AT(peer_burst)},
    {"failure_rate", AION_OPT_INT, "20", 0, 1000000, true, false, NULL,
     "refused keys per second of one address, burst five times that; 0 = no limit", AT(failure_rate)},
    {"access_log", AION_OPT_BOOL, "true", 0, 0, true, false, NULL, "one line per request", AT(access_log)},
};
// clang-format on
const size_t gw_option_count = aion_countof(gw_options);
