/* The scripted driver, for tests: the contract in memory, with operations that run when the
 * test says so and fail when the test says so. One thread (store_wait works, as operations are
 * applied where they are submitted unless held). */
#ifndef STORE_SCRIPT_SCRIPT_H
#define STORE_SCRIPT_SCRIPT_H

#include "store/store.h"

/* URL "script:": an empty store, all its own. "script:NAME": stores of one name are one store
 * that several replicas have open, shards leased as the contract says; empty when the first
 * opens it, gone with the last. Memory grows until then. */

/* Holds operations from now on, until store_script_step applies them; or applies each when it
 * is submitted. */
void store_script_hold(struct store *store, bool hold);
/* Applies at most `count` held operations in order; returns how many. Completions go to the
 * exec. */
size_t store_script_step(struct store *store, size_t count);
size_t store_script_held(const struct store *store);
/* The next `count` operations of this kind fail: refused at submission, or later through done;
 * UNCLEAR: through done with STORE_UNCLEAR, and is applied all the same. */
enum store_script_fault { STORE_SCRIPT_REFUSE, STORE_SCRIPT_FAIL, STORE_SCRIPT_UNCLEAR };
void store_script_fail(struct store *store, enum store_kind kind, enum store_script_fault fault,
                       enum aion_code code, size_t count);
/* The next operation of this kind is applied when it is its turn, and says so only when told
 * to: what was applied after it has said so before. */
void store_script_mute(struct store *store, enum store_kind kind);
void store_script_tell(struct store *store);
/* All writes fail with STORE_DOWN while down. */
void store_script_down(struct store *store, bool down);
/* Of a store without name: another replica takes these shards: the next epoch, not ours any
 * more. */
void store_script_lose(struct store *store, uint64_t shards);
/* Of a named one: what leases go by from now on; 0 = the clock. */
void store_script_clock(struct store *store, int64_t utc_us);
/* Operations of this kind submitted so far, refused ones too. */
size_t store_script_count(const struct store *store, enum store_kind kind);
/* As a failed fsync would: fatal runs, every write is refused from now on. */
void store_script_break(struct store *store);

#endif
