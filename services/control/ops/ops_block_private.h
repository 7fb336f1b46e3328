/* What the files of blocks share. */
#ifndef OPS_BLOCK_PRIVATE_H
#define OPS_BLOCK_PRIVATE_H

#include "ops_block.h"

enum { OPS_PLANE_VALUE = 0, OPS_PLANE_BELOW = 1, OPS_PLANE_ABOVE = 2 };

static inline unsigned ops_block_columns(const struct ops_block_entity *entity)
{
    return ops_kind_info(entity->kind)->column_count;
}
/* One more, with room for its values; NULL: too many. */
struct ops_block_entity *ops_block_entity_add(struct ops_block *block, enum ops_kind kind,
                                              uint32_t id);

#endif
