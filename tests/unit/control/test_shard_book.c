/* Which shards are ours, step by step, as answers of leases come; in virtual time.
 *
 * Goal: no shard is ever used that is another's or not read yet; a name that two processes
 * share is found; what is too much is given back a little at a time. Method: answers are
 * written by hand, as the store would give them. */
#include "shard_book.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LEASE INT64_C(9000000)
#define ALL   STORE_ALL_SHARDS

static struct control_book book;
static struct store_lease lease;

static int setup(void **state)
{
    (void)state;
    book = (struct control_book){.mine = 0};
    lease = (struct store_lease){.lease_us = LEASE, .replicas = 1, .now_us = 1000000000};
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        lease.shards[i].epoch = 1;
    return 0;
}

static void give(uint64_t set, const char *owner, const char *address, int64_t until_us)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        struct store_shard *shard = &lease.shards[i];
        if ((set & control_shard_bit(i)) == 0)
            continue;
        *shard = (struct store_shard){.owner = aion_str_of(owner),
                                      .address = aion_str_of(address),
                                      .epoch = shard->epoch,
                                      .until_us = until_us};
    }
}

/* As if this lease claimed them. */
static void claim(uint64_t set)
{
    give(set, "us", "us:1", lease.now_us + LEASE);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if ((set & control_shard_bit(i)) != 0) {
            lease.shards[i].mine = lease.shards[i].claimed = true;
            lease.shards[i].epoch++;
        }
}

/* As the next one renews them. */
static void keep(void)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        lease.shards[i].claimed = false;
}

static struct control_change answer(int64_t asked_us)
{
    return control_book_answer(&book, &lease, asked_us, false);
}

static void open_all(uint64_t set)
{
    claim(set);
    answer(0);
    book.loading = 0;
    keep();
}

static void a_shard_is_open_once_its_tasks_are_read(void **state)
{
    (void)state;
    claim(0xf);
    struct control_change change = answer(0);
    assert_int_equal(change.gained, 0xf);
    assert_int_equal(change.lost, 0);
    assert_int_equal(book.mine, 0xf);
    assert_int_equal(control_book_open(&book), 0);
    assert_int_equal(book.epochs[3], 2);
    book.loading &= ~UINT64_C(3);
    assert_int_equal(control_book_open(&book), 3);
    keep();
    change = answer(LEASE / 3);
    assert_int_equal(change.gained | change.lost | change.returned, 0);
    assert_int_equal(control_book_open(&book), 3);
}

static void it_is_awake_for_two_thirds_of_the_lease_since_it_asked(void **state)
{
    (void)state;
    open_all(ALL);
    assert_true(control_book_awake(&book, LEASE * 2 / 3 - 1));
    assert_false(control_book_awake(&book, LEASE * 2 / 3));
    answer(LEASE / 3); /* however long the answer took */
    assert_true(control_book_awake(&book, LEASE - 1));
    assert_false(control_book_awake(&book, LEASE));
    control_book_answer(&book, &lease, 0, true);
    assert_true(control_book_awake(&book, INT64_MAX - 1));
}

static void what_another_has_by_now_is_lost(void **state)
{
    (void)state;
    open_all(ALL);
    give(0xff, "they", "they:1", lease.now_us + LEASE);
    struct control_change change = answer(LEASE);
    assert_int_equal(change.lost, 0xff);
    assert_true(change.others);
    assert_int_equal(book.mine, ALL & ~UINT64_C(0xff));
    assert_string_equal(control_book_owner(&book, 7)->address, "they:1");
    assert_null(control_book_owner(&book, 8));
    assert_false(answer(LEASE).others);
    give(0xff, "they", "they:2", lease.now_us + LEASE); /* the same, elsewhere */
    assert_true(answer(LEASE).others);
}

static void a_shard_that_was_another_s_in_between_is_lost_and_gained(void **state)
{
    (void)state;
    open_all(ALL);
    lease.shards[5].epoch = 7;
    claim(control_shard_bit(5));
    struct control_change change = answer(LEASE);
    assert_int_equal(change.lost, control_shard_bit(5));
    assert_int_equal(change.gained, control_shard_bit(5));
    assert_int_equal(book.loading, control_shard_bit(5));
    assert_int_equal(book.epochs[5], 8);
}

static void a_refused_write_loses_its_shard_at_once(void **state)
{
    (void)state;
    open_all(ALL);
    assert_false(control_book_fenced(&book, 9, 1, LEASE)); /* of a time before we had it */
    assert_true(control_book_fenced(&book, 9, 2, LEASE));
    assert_false(control_book_fenced(&book, 9, 2, LEASE)); /* only once */
    assert_int_equal(book.mine, ALL & ~control_shard_bit(9));
    answer(LEASE - 1); /* asked for before: it still calls it ours */
    assert_int_equal(book.mine, ALL & ~control_shard_bit(9));
    give(control_shard_bit(9), "they", "they:1", lease.now_us + LEASE);
    struct control_change change = answer(LEASE + 1);
    assert_false(change.clash);
    assert_int_equal(change.lost, 0);
}

static void two_processes_of_one_name_are_found(void **state)
{
    (void)state;
    open_all(ALL);
    lease.shards[0].epoch++; /* the other one's first lease has claimed it */
    assert_true(answer(LEASE).clash);
    setup(NULL);
    open_all(ALL);
    control_book_fenced(&book, 0, 2, LEASE);
    lease.shards[0].epoch++;
    assert_true(answer(LEASE + 1).clash);
}

static void what_a_lost_answer_gave_us_is_given_back_and_taken_anew(void **state)
{
    (void)state;
    open_all(0xf);
    claim(0xf0);
    keep(); /* nobody heard the answer to that; the next one */
    struct control_change change = answer(LEASE);
    assert_false(change.clash);
    assert_int_equal(change.gained, 0);
    assert_int_equal(book.mine, 0xf);
    assert_int_equal(control_book_release(&book), 0xf0);
    give(0xf0, "", "", 0);
    answer(LEASE + 1);
    assert_int_equal(control_book_release(&book), 0);
    claim(0xf0);
    assert_int_equal(answer(LEASE + 2).gained, 0xf0);
}

static unsigned size_of(uint64_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

static void what_is_beyond_the_fair_share_leaves_a_few_at_a_time(void **state)
{
    (void)state;
    open_all(ALL);
    lease.replicas = 3;
    answer(LEASE);
    uint64_t set = control_book_surplus(&book, 8, false);
    assert_int_equal(size_of(set), 8);
    book.leaving |= set;
    assert_int_equal(control_book_open(&book), ALL & ~set);
    assert_int_equal(control_book_surplus(&book, 8, false), 0); /* they are under way */
    assert_int_equal(control_book_release(&book), 0);
    book.quiet |= set;
    assert_int_equal(control_book_release(&book), set);
    give(set, "", "", 0);
    struct control_change change = answer(LEASE);
    assert_int_equal(change.returned, set);
    assert_int_equal(change.lost, 0);
    assert_int_equal(book.leaving | book.quiet | book.given, 0);
    for (int i = 0; (set = control_book_surplus(&book, 8, false)) != 0; i++) {
        assert_true(i < 10);
        book.leaving |= set;
        book.quiet |= set;
        control_book_release(&book);
        give(set, "they", "they:1", lease.now_us + LEASE);
        answer(LEASE);
    }
    assert_int_equal(size_of(book.mine), 22);
    set = control_book_surplus(&book, STORE_SHARDS, true); /* a drain */
    assert_int_equal(set, book.mine);
}

static void it_looks_again_when_another_lease_ends(void **state)
{
    (void)state;
    open_all(0xf);
    assert_true(book.next_us == INT64_MAX);
    give(0xf0, "they", "they:1", lease.now_us + 1234);
    give(0xf00, "others", "others:1", lease.now_us + 99999);
    give(0xf000, "dead", "dead:1", lease.now_us - 1);
    answer(0);
    assert_true(book.next_us == 1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_shard_is_open_once_its_tasks_are_read, setup),
        cmocka_unit_test_setup(it_is_awake_for_two_thirds_of_the_lease_since_it_asked, setup),
        cmocka_unit_test_setup(what_another_has_by_now_is_lost, setup),
        cmocka_unit_test_setup(a_shard_that_was_another_s_in_between_is_lost_and_gained, setup),
        cmocka_unit_test_setup(a_refused_write_loses_its_shard_at_once, setup),
        cmocka_unit_test_setup(two_processes_of_one_name_are_found, setup),
        cmocka_unit_test_setup(what_a_lost_answer_gave_us_is_given_back_and_taken_anew, setup),
        cmocka_unit_test_setup(what_is_beyond_the_fair_share_leaves_a_few_at_a_time, setup),
        cmocka_unit_test_setup(it_looks_again_when_another_lease_ends, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
