/* What a reader of Ops.Watch knows: frames folded into entities and cells, and a hash over all
 * of them, by which two readers (or a reader and the history) can be compared. For tests and
 * benchmarks. */
#ifndef TESTS_OPS_MODEL_H
#define TESTS_OPS_MODEL_H

#include "aion/v1/ops.pb-c.h"
#include "base/map.h"

enum { OPS_MODEL_COLUMNS = 64 };

struct ops_model_entity {
    uint32_t id;
    int kind;
    char *key;
    size_t columns; /* that were ever told */
    int64_t cells[OPS_MODEL_COLUMNS];
};

struct ops_model {
    struct aion_map by_id;
    int64_t at_us; /* of the frame applied last; 0 = none */
    uint32_t span_ms;
    uint64_t frames, faults; /* faults: rows of unknown entities, values too few or too many */
};

void ops_model_init(struct ops_model *model);
void ops_model_done(struct ops_model *model);
void ops_model_apply(struct ops_model *model, const Aion__V1__OpsFrame *frame);
/* Of kinds, keys and cells; the order of entities and their ids do not matter. */
uint64_t ops_model_hash(const struct ops_model *model);
/* NULL = no such entity. */
const struct ops_model_entity *ops_model_find(const struct ops_model *model, int kind,
                                              const char *key);

#endif
