/* What a request may be, and the handlers of the generated tables. Included by
 * control_private.h. */
#ifndef CONTROL_CALLS_PRIVATE_H
#define CONTROL_CALLS_PRIVATE_H

#include "control_private.h"

/* -- requests (control_request.c): pure --------------------------------------------- */
enum {
    INPUT_BYTES_MAX = 4 << 20,
    PARAMS_BYTES_MAX = 64 << 10,
    PARAMS_DEPTH_MAX = 32,
    WAIT_SECONDS_MAX = 60,
};
/* What a valid TaskRequest says. Texts borrow the request. */
struct control_request {
    bool has_id;
    struct aion_uuid id;
    aion_str key;
    unsigned priority;   /* 1..5 */
    int64_t deadline_us; /* UTC */
    int64_t wait_us;
};
/* INVALID, with the field, its value and what was expected. */
bool control_request_check(const Aion__V1__TaskRequest *request, int64_t now_utc_us,
                           struct control_request *ret_request,
                           struct aion_err *err) AION_MUST_CHECK;
/* What must be the same for the same key: the request without key, id, deadline, wait and
 * trace. */
bool control_request_digest(const Aion__V1__TaskRequest *request, uint8_t ret_digest[32],
                            struct aion_buf *scratch, struct aion_err *err) AION_MUST_CHECK;

/* The wire form on the heap. False: no memory. */
bool control_pack(struct control_bytes *bytes, const ProtobufCMessage *message) AION_MUST_CHECK;

/* -- the handlers of the generated tables; what each does is said where it is ------- */
void control_submit(struct mesh_call *call, const Aion__V1__TaskRequest *request);
size_t control_submission_size(void); /* of a Submit under way, in spare_submissions */
void control_submit_batch(struct mesh_call *call, const Aion__V1__SubmitBatchRequest *request);
void control_get_budget(struct mesh_call *call, const Aion__V1__BudgetRef *request);
void control_set_budget(struct mesh_call *call, const Aion__V1__Budget *request);
void control_list_budgets(struct mesh_call *call, const Aion__V1__ListBudgetsRequest *request);
void control_ops_list_audit(struct mesh_call *call, const Aion__V1__ListAuditRequest *request);
void control_ops_verify_audit(struct mesh_call *call,
                              const Aion__V1__VerifyAuditRequest *request);
void control_hold_queue(struct mesh_call *call, const Aion__V1__HoldQueueRequest *request);
void control_release_queue(struct mesh_call *call,
                           const Aion__V1__ReleaseQueueRequest *request);
void control_list_holds(struct mesh_call *call, const Aion__V1__ListHoldsRequest *request);
void control_list_dead_letters(struct mesh_call *call,
                               const Aion__V1__ListDeadLettersRequest *request);
void control_replay_dead_letters(struct mesh_call *call,
                                 const Aion__V1__ReplayDeadLettersRequest *request);
void control_get_replay(struct mesh_call *call, const Aion__V1__GetReplayRequest *request);
void control_resolve_doubt(struct mesh_call *call,
                           const Aion__V1__ResolveDoubtRequest *request);
void control_status_by_id(struct mesh_call *call, const Aion__V1__TaskRef *request);
void control_get_task(struct mesh_call *call, const Aion__V1__GetTaskRequest *request);
void control_list_tasks(struct mesh_call *call, const Aion__V1__ListTasksRequest *request);
void control_cancel(struct mesh_call *call, const Aion__V1__CancelRequest *request);
void control_stream(struct mesh_call *call, const Aion__V1__StreamRequest *request);
void control_stream_writable(struct mesh_call *call);
void control_stream_done(struct mesh_call *call, bool cancelled);
void control_watch_tasks(struct mesh_call *call, const Aion__V1__WatchTasksRequest *request);
void control_watch_tasks_writable(struct mesh_call *call);
void control_watch_tasks_done(struct mesh_call *call, bool cancelled);
void control_ack_stream(struct mesh_call *call, const Aion__V1__AckStreamRequest *request);
void control_watch_streams_open(struct mesh_call *call);
void control_watch_streams(struct mesh_call *call,
                           const Aion__V1__WatchStreamsRequest *request);
void control_watch_streams_half_close(struct mesh_call *call);
void control_watch_streams_writable(struct mesh_call *call);
void control_watch_streams_done(struct mesh_call *call, bool cancelled);
void control_attach_open(struct mesh_call *call);
void control_attach(struct mesh_call *call, const Aion__V1__HostMessage *message);
void control_attach_half_close(struct mesh_call *call);
void control_attach_writable(struct mesh_call *call);
void control_attach_done(struct mesh_call *call, bool cancelled);
void control_list_hosts(struct mesh_call *call, const Aion__V1__ListHostsRequest *request);
void control_state_put_policy_revision(struct mesh_call *call,
                                       const Aion__V1__PutPolicyRevisionRequest *request);
void control_state_list_policy_revisions(
    struct mesh_call *call, const Aion__V1__StateListPolicyRevisionsRequest *request);
void control_state_get_policy_revision(struct mesh_call *call,
                                       const Aion__V1__GetPolicyRevisionRequest *request);
void control_state_get_retention_plan(struct mesh_call *call,
                                      const Aion__V1__GetPlanRequest *request);
void control_state_put_retention_plan(struct mesh_call *call,
                                      const Aion__V1__RetentionPlan *request);
void control_state_replay_letter(struct mesh_call *call,
                                 const Aion__V1__ReplayLetterRequest *request);
void control_state_look_at_shards(struct mesh_call *call,
                                  const Aion__V1__LookAtShardsRequest *request);
void control_state_sweep_tasks(struct mesh_call *call,
                               const Aion__V1__SweepTasksRequest *request);

#endif
