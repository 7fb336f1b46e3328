#include "shard_book.h"

uint64_t control_book_release(struct control_book *book)
{
    book->given = book->quiet;
    return book->given | book->strange;
}

/* -- others -------------------------------------------------------------------------- */
static unsigned number_of(struct control_book *book, const struct store_shard *shard)
{
    struct control_owner owner;
    if (shard->mine || shard->owner.size == 0 ||
        !aion_str_copy(owner.id, sizeof(owner.id), shard->owner) ||
        !aion_str_copy(owner.address, sizeof(owner.address), shard->address))
        return 0;
    for (unsigned i = 0; i < book->other_count; i++)
        if (strcmp(book->others[i].id, owner.id) == 0)
            return i + 1;
    book->others[book->other_count++] = owner;
    return book->other_count;
}

static bool is_among(const struct control_book *book, const struct control_owner *owner)
{
    for (unsigned i = 0; i < book->other_count; i++)
        if (strcmp(book->others[i].id, owner->id) == 0 &&
            strcmp(book->others[i].address, owner->address) == 0)
            return true;
    return false;
}

static bool same_owner(const struct control_owner *a, const struct control_owner *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a->id, b->id) == 0;
}

static void note_others(struct control_book *book, const struct store_lease *lease,
                        struct control_change *change)
{
    const struct control_book before = *book;
    book->other_count = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        book->owners[i] = (uint8_t)number_of(book, &lease->shards[i]);
        change->moved |=
            !same_owner(control_book_owner(book, i), control_book_owner(&before, i));
    }
    change->others = book->other_count != before.other_count;
    for (unsigned i = 0; i < before.other_count; i++)
        change->others |= !is_among(book, &before.others[i]);
}

/* A lease that ends sooner than the next one is due should be looked at then. */
static int64_t first_end(const struct store_lease *lease)
{
    int64_t first = INT64_MAX;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &lease->shards[i];
        int64_t left = shard->until_us - lease->now_us;
        if (!shard->mine && shard->owner.size > 0 && left > 0 && left < first)
            first = left;
    }
    return first;
}

/* -- ours ---------------------------------------------------------------------------- */
static void drop(struct control_book *book, uint64_t set)
{
    book->mine &= ~set;
    book->loading &= ~set;
    book->leaving &= ~set;
    book->quiet &= ~set;
}

static void not_ours(struct control_book *book, uint64_t bit, struct control_change *change)
{
    if ((book->mine & bit) == 0)
        return;
    if ((book->given & bit) != 0)
        change->returned |= bit;
    else
        change->lost |= bit;
    drop(book, bit);
}

/* Taken by this lease: whatever we knew of it is of another time. */
static void gained(struct control_book *book, unsigned shard, uint64_t epoch,
                   struct control_change *change)
{
    uint64_t bit = control_shard_bit(shard);
    change->lost |= book->mine & bit;
    change->gained |= bit;
    drop(book, bit);
    book->mine |= bit;
    book->loading |= bit;
    book->epochs[shard] = epoch;
}

/* The store's table says that it is ours, and it was before this lease. That we do not know of
 * it: an answer was lost. That it has another epoch than ours, or that a write of ours was
 * refused: somebody else has our name. */
static void ours_still(struct control_book *book, unsigned shard, uint64_t epoch,
                       struct control_change *change)
{
    uint64_t bit = control_shard_bit(shard);
    if ((book->mine & bit) != 0)
        change->clash |= book->epochs[shard] != epoch;
    else if ((book->fenced & bit) != 0)
        change->clash = true;
    else
        book->strange |= bit;
}

struct control_change control_book_answer(struct control_book *book,
                                          const struct store_lease *lease, int64_t asked_us,
                                          bool forever)
{
    struct control_change change = {.clash = false};
    note_others(book, lease, &change);
    bool old = asked_us <= book->fenced_us; /* it says nothing of what was refused since */
    book->strange = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &lease->shards[i];
        uint64_t bit = control_shard_bit(i);
        if (old && (book->fenced & bit) != 0)
            continue;
        if (!shard->mine)
            not_ours(book, bit, &change);
        else if (shard->claimed)
            gained(book, i, shard->epoch, &change);
        else
            ours_still(book, i, shard->epoch, &change);
    }
    book->fenced = old ? book->fenced : 0;
    book->given = 0;
    book->replicas = lease->replicas;
    book->until_us = forever ? INT64_MAX : asked_us + lease->lease_us * 2 / 3;
    book->next_us = first_end(lease);
    return change;
}

bool control_book_fenced(struct control_book *book, unsigned shard, uint64_t epoch,
                         int64_t now_us)
{
    uint64_t bit = control_shard_bit(shard);
    if ((book->mine & bit) == 0 || book->epochs[shard] != epoch)
        return false; /* of a time before */
    drop(book, bit);
    book->fenced |= bit;
    book->fenced_us = now_us;
    return true;
}

static unsigned size_of(uint64_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

uint64_t control_book_surplus(const struct control_book *book, unsigned at_once, bool all)
{
    unsigned replicas = book->replicas > 0 ? book->replicas : 1;
    unsigned share = all ? 0 : (STORE_SHARDS + replicas - 1) / replicas;
    unsigned kept = size_of(book->mine & ~book->leaving);
    unsigned leaving = size_of(book->leaving);
    uint64_t may = all ? book->mine & ~book->leaving : control_book_open(book), set = 0;
    while (may != 0 && kept > share && leaving < at_once) {
        uint64_t last = UINT64_C(1) << (63 - __builtin_clzll(may));
        set |= last;
        may &= ~last;
        kept--;
        leaving++;
    }
    return set;
}

const struct control_owner *control_book_owner(const struct control_book *book, unsigned shard)
{
    unsigned number = book->owners[shard];
    return number > 0 ? &book->others[number - 1] : NULL;
}
