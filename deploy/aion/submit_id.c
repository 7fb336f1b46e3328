#include "submit.h"

#include "base/uuid.h"

void cli_submit_id(Aion__V1__TaskRequest *request, struct aion_arena *arena)
{
    if (request->_task_id_case != 0 || request->_idempotency_key_case != 0)
        return;
    struct aion_uuid id = aion_uuid_new();
    request->task_id = aion_arena_alloc(arena, AION_UUID_TEXT);
    request->_task_id_case = AION__V1__TASK_REQUEST___TASK_ID_TASK_ID;
    aion_uuid_text(&id, request->task_id);
}
