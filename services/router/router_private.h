/* The router at work: the active policy, its revisions, the handlers. */
#ifndef ROUTER_PRIVATE_H
#define ROUTER_PRIVATE_H

#include "aion/v1/router.mesh.h"
#include "aion/v1/state.mesh.h"
#include "base/list.h"
#include "program/program.h"
#include "router_conf.h"
#include "router_decide.h"

struct router {
    struct program *program;
    const struct router_conf *conf;
    struct mesh_channel *control;
    struct aion_snapshot active;  /* router_policy; published by workers too */
    struct router_policy *cached; /* the I/O thread's */
    uint64_t cached_generation;
    pthread_mutex_t lock;
    struct router_fault rejected AION_GUARDED_BY(lock); /* line 0 = none */
    pthread_mutex_t activating; /* one reload or rollback at a time: they come into force in the
                                   order in which control records them */
    bool ready;
    struct mesh_timer reconcile_timer;
    struct aion_link streams; /* of DecideStream, open */
};

/* Ends the standing streams: their clients open them anew where the router is next. */
void router_end_streams(struct router *router);

/* The policy in force, borrowed until the next call. I/O thread. */
const struct router_policy *router_active(struct router *router);

/* -- router_files.c: any thread ------------------------------------------- */
struct router_files {
    struct router_file files[ROUTER_FILES_MAX];
    size_t count;
    struct aion_arena arena;
};
/* Reads the folder's *.yaml files (not those whose names begin with a dot). NOT_FOUND, DENIED,
 * EXHAUSTED. */
bool router_files_read(const char *dir, struct router_files *ret_files, struct aion_err *err);
void router_files_done(struct router_files *files);

enum { ROUTER_REASON_MAX = 128 }; /* bytes of a reload's reason */

/* -- router_revision.c ---------------------------------------------------- */
/* Compiles, has control record it, puts it in force. On a worker. INVALID reason POLICY_INVALID
 * with file:line:column; UNAVAILABLE: control cannot record it: the old one stays. NULL =
 * failed; else a reference. */
struct router_policy *router_activate(struct router *router, const struct router_file *files,
                                      size_t count, const char *by, const char *cause,
                                      struct aion_err *err);
/* Compiled and put in force without control: at the start. */
bool router_activate_first(struct router *router, struct aion_err *err);
/* Asks control, from the I/O thread, which revision was the last, and follows it: records ours
 * when it is new, goes back to what a rollback chose. Tries again until control answers; then
 * the router is ready. */
void router_reconcile(struct router *router);

/* -- router_wire.c -------------------------------------------------------- */
/* Protobuf form; texts borrow the policy, which must outlive the message's use. */
Aion__V1__Policy *router_policy_message(const struct router_policy *policy, bool with_files,
                                        struct aion_arena *arena);
bool router_request_read(const Aion__V1__DecideRequest *message,
                         struct router_request *ret_request, struct aion_err *err);
Aion__V1__Decision *router_decision_message(const struct router_policy *policy,
                                            const struct router_decision *decision,
                                            struct aion_arena *arena);

/* -- handlers: router_decide_calls.c, router_policy_calls.c --------------- */
void router_bind(struct router *router);
void router_decide_call(struct mesh_call *call, const Aion__V1__DecideRequest *request);
void router_decide_stream_open(struct mesh_call *call);
void router_decide_stream(struct mesh_call *call, const Aion__V1__DecideStreamRequest *request);
void router_decide_stream_half_close(struct mesh_call *call);
void router_decide_stream_writable(struct mesh_call *call);
void router_decide_stream_done(struct mesh_call *call, bool cancelled);
void router_get_policy(struct mesh_call *call, const Aion__V1__GetPolicyRequest *request);
void router_validate_policy(struct mesh_call *call,
                            const Aion__V1__ValidatePolicyRequest *request);
void router_reload_policy(struct mesh_call *call, const Aion__V1__ReloadPolicyRequest *request);
void router_rollback_policy(struct mesh_call *call,
                            const Aion__V1__RollbackPolicyRequest *request);
void router_list_policy_revisions(struct mesh_call *call,
                                  const Aion__V1__ListPolicyRevisionsRequest *request);

#endif
