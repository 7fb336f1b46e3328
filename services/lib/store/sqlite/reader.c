/* Readers: each takes one read at a time from the common queue and answers it on its own
 * connection, in a read transaction, so that a task and its history are of one moment. They see
 * what is committed; the writer never waits for them, nor they for it. */
#include "store/sqlite/sqlite_private.h"

static struct store_op *take_read(struct sqlite_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->sleeping++;
    while (queue->first == NULL && !queue->stopping)
        pthread_cond_wait(&queue->wake, &queue->lock);
    queue->sleeping--;
    struct store_op *op = queue->first;
    if (op != NULL) {
        queue->first = op->next;
        if (queue->first == NULL)
            queue->last = &queue->first;
        queue->count--;
        queue->urgent -= !op->lazy;
        op->next = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    return op;
}

static bool run(struct sqlite_conn *conn, enum sql_id id)
{
    struct sql_use use = sql_use(conn, id);
    return sql_run(&use);
}

static bool read_one(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *op)
{
    sqlite_conn_clear(conn);
    if (!run(conn, SQL_BEGIN_READ))
        return false;
    bool read = sqlite_windows_refresh(conn) && sqlite_apply(self, conn, op);
    int rc = conn->rc;
    conn->rc = SQLITE_OK;
    run(conn, SQL_COMMIT);
    conn->rc = rc;
    return read;
}

/* The connection of the calling reader: the first that is not taken. */
static struct sqlite_conn *own_connection(struct sqlite_store *self)
{
    return &self->readers[atomic_fetch_add(&self->readers_taken, 1)];
}

void *sqlite_reader_main(void *arg)
{
    struct sqlite_store *self = arg;
    struct sqlite_conn *conn = own_connection(self);
    struct store_op *op;
    while ((op = take_read(&self->reads)) != NULL) {
        if (!read_one(self, conn, op)) {
            struct aion_err err;
            sqlite_error(conn, __func__, &err);
            store_op_fail(op, &err);
        }
        store_complete(&self->base, op);
    }
    return NULL;
}
