/* What drivers must know of an operation whatever its kind. Pure. */
#include "store/store_private.h"

struct store_write *store_write_of(struct store_op *op)
{
    /* op is the first member of the first member of all of these */
    return op->kind <= STORE_ACK ? (struct store_write *)(void *)op : NULL;
}

const struct store_accept *store_admission_of(const struct store_op *op)
{
    return op->kind == STORE_FINISH ? ((const struct store_finish *)(const void *)op)->accept
                                    : NULL;
}

enum store_cause store_cause_of(const struct store_op *op, uint64_t *ret_number)
{
    static const enum store_cause causes[] = {
        [STORE_ACCEPT] = STORE_CAUSE_ACCEPT, [STORE_ROUTE] = STORE_CAUSE_ROUTE,
        [STORE_START] = STORE_CAUSE_START,   [STORE_CHUNKS] = STORE_CAUSE_CHUNKS,
        [STORE_RETRY] = STORE_CAUSE_RETRY,   [STORE_FINISH] = STORE_CAUSE_FINISH,
        [STORE_MARK] = STORE_CAUSE_MARK,     [STORE_ACK] = STORE_CAUSE_ACK,
    };
    const void *any = op;
    *ret_number = 0;
    if (op->kind == STORE_START)
        *ret_number = ((const struct store_start *)any)->begin.token.attempt;
    else if (op->kind == STORE_CHUNKS && ((const struct store_chunks *)any)->count > 0)
        *ret_number = ((const struct store_chunks *)any)->chunks[0].cursor;
    else if (op->kind == STORE_RETRY)
        *ret_number = ((const struct store_retry *)any)->token.attempt;
    else if (op->kind == STORE_MARK)
        *ret_number = ((const struct store_mark *)any)->number;
    else if (op->kind == STORE_ACK)
        *ret_number = ((const struct store_ack *)any)->cursor;
    return causes[op->kind];
}

const struct store_audit *store_audit_due(struct store_op *op)
{
    const struct store_write *write = store_write_of(op);
    if (op->audit == NULL || op->err != NULL || (write != NULL && write->outcome != STORE_DONE))
        return NULL;
    if (op->kind == STORE_REAP &&
        ((const struct store_reap *)(const void *)op)->outcome != STORE_DONE)
        return NULL;
    return op->audit;
}

int64_t store_write_at(const struct store_op *op)
{
    const void *any = op;
    switch ((int)op->kind) {
    case STORE_ROUTE:
        return ((const struct store_route *)any)->at_us;
    case STORE_START:
        return ((const struct store_start *)any)->begin.at_us;
    case STORE_RETRY:
        return ((const struct store_retry *)any)->at_us;
    case STORE_FINISH:
        return ((const struct store_finish *)any)->at_us;
    case STORE_MARK:
        return ((const struct store_mark *)any)->at_us;
    case STORE_ACK:
        return ((const struct store_ack *)any)->at_us;
    default: /* accept, and chunks, which have no time of their own */
        return store_seq_us(((const struct store_write *)any)->seq);
    }
}
