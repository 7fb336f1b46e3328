/* A whole store as a file, and from one store to another. Blocking; nobody else may use the
 * stores meanwhile.
 *
 * The file: the line "aion store export 2", then blocks: kind (1 byte), size of the payload (4
 * bytes, little-endian), SipHash-2-4 of kind and payload under a key of zeros (8 bytes),
 * payload.
 *
 *   H  texts, a line each: "driver NAME", and "table NAME COLUMN:TYPE ..." (i, t or b) for each
 *      table in the order of their numbers, the first being 0
 *   R  table's number, rows, then the rows' values one after the other: i as zigzag varint, t
 *      and b as length and bytes; numbers and lengths are varints (as in protobuf)
 *   E  how many rows of each table there were: the end
 *
 * Tables come in an order that keeps a half-imported store harmless. */
#ifndef STORE_STORE_DUMP_H
#define STORE_STORE_DUMP_H

#include "store/store.h"

struct store_dump {
    /* Called now and then with the rows so far; NULL fine. */
    void (*progress)(void *user, uint64_t rows);
    void *user;
    /* Into a store that holds tasks already: go on with an import that was cut off. */
    bool resume;
    /* out */
    uint64_t rows[STORE_TABLE_COUNT];  /* read, of each table */
    uint64_t added[STORE_TABLE_COUNT]; /* written; the others were there */
};

/* Errors of all three: the stores'; and
 *
 *  - PRECONDITION: the target holds tasks and `resume` is not set; or a control owns shards of
 * one of the stores (the text names it).
 *  - DATA_LOSS: the file is damaged or ends too early; rows before that place are imported.
 *  - INVALID: it is no export; or one of tables that are not known here.
 *  - UNAVAILABLE: the file cannot be read or written. */
bool store_export(struct store *from, int fd, struct store_dump *dump,
                  struct aion_err *err) AION_MUST_CHECK;
bool store_import(int fd, struct store *to, struct store_dump *dump,
                  struct aion_err *err) AION_MUST_CHECK;
/* Then counts what the target holds: DATA_LOSS when it is less than what was read. */
bool store_copy(struct store *from, struct store *to, struct store_dump *dump,
                struct aion_err *err) AION_MUST_CHECK;

#endif
