#include "ops_model.h"

#include <stdlib.h>

enum { ENTITIES_MAX = 65536 };

void ops_model_init(struct ops_model *model)
{
    *model = (struct ops_model){.at_us = 0};
    aion_map_init(&model->by_id, ENTITIES_MAX);
}

static void forget(struct ops_model *model, struct ops_model_entity *entity)
{
    aion_map_remove(&model->by_id, aion_str_n(&entity->id, sizeof(entity->id)));
    free(entity->key);
    free(entity);
}

static void forget_all(struct ops_model *model)
{
    struct ops_model_entity *entity;
    size_t cursor = 0;
    while ((entity = aion_map_next(&model->by_id, &cursor)) != NULL) {
        forget(model, entity);
        cursor = 0;
    }
}

void ops_model_done(struct ops_model *model)
{
    forget_all(model);
    aion_map_done(&model->by_id);
}

static struct ops_model_entity *by_id(const struct ops_model *model, uint32_t id)
{
    return aion_map_get(&model->by_id, aion_str_n(&id, sizeof(id)));
}

static void name(struct ops_model *model, const Aion__V1__OpsEntity *message)
{
    struct ops_model_entity *entity = by_id(model, message->id);
    if (entity != NULL) {
        model->faults += entity->kind != (int)message->kind;
        return; /* new labels */
    }
    entity = calloc(1, sizeof(*entity));
    if (entity == NULL || (entity->key = strdup(message->key)) == NULL)
        abort();
    entity->id = message->id;
    entity->kind = (int)message->kind;
    if (!aion_map_put(&model->by_id, aion_str_n(&entity->id, sizeof(entity->id)), entity))
        abort();
}

static void row(struct ops_model *model, const Aion__V1__OpsRow *message)
{
    struct ops_model_entity *entity = by_id(model, message->entity);
    size_t next = 0;
    if (entity == NULL) {
        model->faults++;
        return;
    }
    for (size_t i = 0; i < OPS_MODEL_COLUMNS && next < message->n_values; i++) {
        if (message->changed != 0 && (message->changed >> i & 1) == 0)
            continue;
        entity->cells[i] = message->values[next++];
        entity->columns = i >= entity->columns ? i + 1 : entity->columns;
    }
    model->faults += next != message->n_values;
}

void ops_model_apply(struct ops_model *model, const Aion__V1__OpsFrame *frame)
{
    if (frame->full)
        forget_all(model);
    for (size_t i = 0; i < frame->n_gone; i++) {
        struct ops_model_entity *entity = by_id(model, frame->gone[i]);
        if (entity != NULL)
            forget(model, entity);
    }
    for (size_t i = 0; i < frame->n_entities; i++)
        name(model, frame->entities[i]);
    for (size_t i = 0; i < frame->n_rows; i++)
        row(model, frame->rows[i]);
    model->at_us = frame->at_us;
    model->span_ms = frame->span_ms;
    model->frames++;
}

uint64_t ops_model_hash(const struct ops_model *model)
{
    const struct ops_model_entity *entity;
    uint64_t hash = 0;
    size_t cursor = 0;
    while ((entity = aion_map_next(&model->by_id, &cursor)) != NULL) {
        uint64_t of_key =
            aion_siphash((uint64_t)entity->kind, 1, entity->key, strlen(entity->key));
        hash +=
            aion_siphash(of_key, 2, entity->cells, entity->columns * sizeof(entity->cells[0]));
    }
    return hash;
}

const struct ops_model_entity *ops_model_find(const struct ops_model *model, int kind,
                                              const char *key)
{
    const struct ops_model_entity *entity;
    size_t cursor = 0;
    while ((entity = aion_map_next(&model->by_id, &cursor)) != NULL)
        if (entity->kind == kind && strcmp(entity->key, key) == 0)
            return entity;
    return NULL;
}
