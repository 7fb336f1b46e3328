/* The world's log: somebody reloads the policy every minute, every other time in vain. */
#include "world.h"

#include <inttypes.h>

enum { LINES = 40, MINUTE_S = 60, SECOND_US = 1000000 };

static Aion__V1__AuditLine *line_of(int64_t second, struct aion_arena *arena)
{
    Aion__V1__AuditLine *line = aion_arena_zalloc(arena, sizeof(*line));
    bool good = second % (2 * MINUTE_S) == 0;
    aion__v1__audit_line__init(line);
    line->at = aion_arena_zalloc(arena, sizeof(*line->at));
    google__protobuf__timestamp__init(line->at);
    line->at->seconds = second;
    line->writer = aion_arena_text(arena, AION_STR("control-1"));
    line->number = (uint64_t)(second / MINUTE_S % 100000);
    line->actor = aion_arena_text(arena, good ? AION_STR("ana") : AION_STR("ci"));
    line->role = aion_arena_text(arena, AION_STR("admin"));
    line->tenant = aion_arena_text(arena, AION_STR("acme"));
    line->action = aion_arena_text(arena, AION_STR("Router/ReloadPolicy"));
    line->target = aion_arena_text(arena, AION_STR("policy"));
    line->result =
        aion_arena_text(arena, good ? AION_STR("done") : AION_STR("INVALID_ARGUMENT"));
    line->reason = aion_arena_text(arena, good ? AION_STR("chat prefers local")
                                               : AION_STR("10-routes.yaml:12: no such route"));
    line->detail = aion_arena_text(arena, good ? AION_STR("revision 41 -> 42") : AION_STR(""));
    line->hash = aion_arena_printf(arena, "sha256:%08" PRIx64, line->number * 0x9f3c1a);
    line->previous =
        aion_arena_printf(arena, "sha256:%08" PRIx64, (line->number - 1) * 0x9f3c1a);
    return line;
}

Aion__V1__ListAuditReply *world_audit(int64_t until_us, struct aion_arena *arena)
{
    Aion__V1__ListAuditReply *reply = aion_arena_zalloc(arena, sizeof(*reply));
    aion__v1__list_audit_reply__init(reply);
    reply->lines = aion_arena_array(arena, LINES, sizeof(*reply->lines));
    int64_t second = until_us / SECOND_US / MINUTE_S * MINUTE_S;
    for (; reply->n_lines < LINES; second -= MINUTE_S)
        reply->lines[reply->n_lines++] = line_of(second, arena);
    reply->next_page_token = aion_arena_text(arena, AION_STR("more"));
    return reply;
}

Aion__V1__VerifyAuditReply *world_proof(struct aion_arena *arena)
{
    Aion__V1__VerifyAuditReply *reply = aion_arena_zalloc(arena, sizeof(*reply));
    aion__v1__verify_audit_reply__init(reply);
    reply->chains = aion_arena_array(arena, 2, sizeof(*reply->chains));
    for (; reply->n_chains < 2; reply->n_chains++) {
        Aion__V1__VerifyAuditReply__Chain *chain = aion_arena_zalloc(arena, sizeof(*chain));
        aion__v1__verify_audit_reply__chain__init(chain);
        chain->writer = aion_arena_text(arena, reply->n_chains == 0 ? AION_STR("control-1")
                                                                    : AION_STR("control-2"));
        chain->lines = 7112;
        chain->first_bad = reply->n_chains == 0 ? 0 : 4711;
        chain->fault = aion_arena_text(arena, AION_STR("its hash is another"));
        reply->chains[reply->n_chains] = chain;
    }
    return reply;
}
