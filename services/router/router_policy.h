/* A policy, compiled: what the YAML files say, checked and ready to decide with. Immutable once
 * built; many threads may read it. Strings live in the policy's own arena. */
#ifndef ROUTER_POLICY_H
#define ROUTER_POLICY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/snapshot.h"

enum router_privacy { ROUTER_PRIVACY_DEFAULT, ROUTER_PRIVACY_LOCAL_ONLY, ROUTER_PRIVACY_ANY };
enum router_tier { ROUTER_TIER_LOCAL, ROUTER_TIER_PROVIDER };
/* How one of several remaining routes is taken. */
enum router_choose {
    ROUTER_CHOOSE_FIRST,
    ROUTER_CHOOSE_CHEAPEST,
    ROUTER_CHOOSE_FASTEST,
    ROUTER_CHOOSE_WEIGHTED
};

/* Whether a task is kept before it runs (design.md, two lanes). */
enum router_lane { ROUTER_LANE_DEFAULT, ROUTER_LANE_DURABLE, ROUTER_LANE_DIRECT };

enum {
    ROUTER_ROUTES_MAX = 512,
    ROUTER_RULES_MAX = 4096,
    ROUTER_FILES_MAX = 64,
    ROUTER_FILE_BYTES_MAX = 256 * 1024,
    ROUTER_PATH_MAX = 255,
    ROUTER_FAULTS_MAX = 100,
    ROUTER_LABELS_MAX = 8, /* of a route */
    ROUTER_LABELS_BYTES_MAX = 200,
    ROUTER_PRIORITIES = 5, /* critical 1 .. batch 5, as bits 1 << priority */
};

struct router_file {
    const char *path; /* relative to the policy's folder */
    aion_str content;
};

struct router_names { /* a list of names; count 0 = any */
    const aion_str *names;
    size_t count;
};

struct router_route {
    aion_str name;
    struct router_names intents;
    aion_str module;
    aion_str pool;
    struct router_names labels; /* that a host must have, "gpu=true", sorted */
    enum router_tier tier;
    int64_t cost_nano_usd;         /* of a task */
    int64_t cost_nano_usd_per_kib; /* and of each begun KiB of input */
    int64_t p95_us;                /* expected; 0 = unknown, passes every p95 asked for */
    int64_t timeout_us;            /* of one attempt */
    uint32_t attempts;
    bool repeat_unsafe; /* an attempt nobody knows the end of must not be repeated */
    uint32_t weight;
    aion_str at; /* "10-routes.yaml:3" */
};

struct router_rule {
    aion_str name;
    aion_str at;
    struct router_names intents, tenants;
    uint32_t priorities;         /* bits; 0 = any */
    enum router_privacy privacy; /* DEFAULT = any */
    const uint16_t
        *use; /* indexes of routes, in order of preference; NULL = all of the intent */
    size_t use_count;
    enum router_choose choose;
    enum router_lane lane; /* DEFAULT = the policy's */
    aion_str deny;         /* not empty: refuse with this text */
};

struct router_policy {
    struct aion_snap snap; /* first: published as a snapshot */
    struct aion_arena arena;
    const struct router_route *routes;
    size_t route_count;
    const struct router_rule *rules;
    size_t rule_count;
    enum router_privacy privacy;     /* of requests that name none; never DEFAULT */
    enum router_choose choose;       /* without a rule */
    enum router_lane lane;           /* where no rule says; never DEFAULT */
    char digest[72];                 /* "sha256:" + 64 hex */
    const struct router_file *files; /* what it was compiled from, by path */
    size_t file_count;
    /* How it came into force; written once, before it is published. */
    uint64_t ordinal;     /* of the revision; 0 = not yet recorded by control */
    int64_t activated_us; /* UTC */
    char activated_by[128], cause[192];
};

struct router_fault {
    char file[256];
    int line, column;
    char message[256];
};

/* Compiles files, taken in the order of their paths. On success refs is 1. NULL: *faults[0 ..
 * *ret_fault_count) say what is wrong, at most ROUTER_FAULTS_MAX; at least one. The digest is
 * set on success. */
struct router_policy *router_policy_compile(const struct router_file *files, size_t file_count,
                                            struct router_fault *faults,
                                            size_t *ret_fault_count);
/* "sha256:..." over the sorted `path NUL sha256(bytes) LF` of the files (design.md §6). */
void router_policy_digest(const struct router_file *files, size_t file_count, char out[72]);

#endif
