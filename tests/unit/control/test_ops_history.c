/* Blocks and their files: every cell of every frame comes back, over blocks, segments, a crash
 * at any byte, a full disk and a clock that goes back. The frames that went in are kept beside
 * and compared. */
#include "ops/ops_history.h"
#include "ops/ops_record.h"

#include "base/rand.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND_US ((int64_t)1000000)
#define BEGIN_US  (1795478400 * SECOND_US)

enum { HOSTS = 5, KEPT = 4000 };

static struct {
    char dir[64];
    struct ops_history *history;
    struct ops_table table;
    struct aion_rand rand;
    struct aion_arena arena;
    unsigned frames[OPS_TIERS];
    uint32_t stamps[OPS_TIERS];
    int64_t seconds, cells[KEPT][HOSTS]; /* what host i's CPU column was in second s */
    int64_t offset_us;
} t;

static const struct ops_view all = {.kinds = OPS_ALL_KINDS};

static void open_history(int64_t bytes_max)
{
    struct aion_err err;
    t.history = ops_history_open(t.dir, bytes_max, &err);
    if (t.history == NULL)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    snprintf(t.dir, sizeof(t.dir), "/tmp/aion-history.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    aion_rand_seed(&t.rand, 5);
    aion_arena_init(&t.arena, 64 << 20, NULL, 0);
    ops_table_init(&t.table);
    open_history(INT64_MAX);
    return 0;
}

static void each_file(void (*fn)(const char *path))
{
    DIR *dir = opendir(t.dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", t.dir, entry->d_name);
        if (entry->d_name[0] != '.')
            fn(path);
    }
    closedir(dir);
}

static void delete (const char *path)
{
    unlink(path);
}

static int teardown(void **state)
{
    (void)state;
    ops_history_close(t.history);
    ops_table_done(&t.table);
    aion_arena_done(&t.arena);
    each_file(delete);
    rmdir(t.dir);
    return 0;
}

/* -- writing ------------------------------------------------------------------------ */
static bool append(enum ops_tier_name tier, int64_t at_us, bool gap, enum ops_append brings)
{
    struct aion_err err;
    unsigned lost;
    uint32_t since = brings == OPS_APPEND_ROWS ? t.stamps[tier] : 0;
    Aion__V1__OpsFrame *frame = tier == OPS_TIER_SECOND
                                    ? ops_frame_second(&t.table, since, &t.arena)
                                    : ops_frame_ten(&t.table, since, &t.arena);
    frame->at_us = at_us;
    frame->gap = gap;
    size_t size = aion__v1__ops_frame__get_packed_size(frame);
    char *wire = aion_arena_alloc(&t.arena, size);
    aion__v1__ops_frame__pack(frame, (uint8_t *)wire);
    t.stamps[tier] = t.table.stamp;
    t.frames[tier]++;
    bool good =
        ops_history_append(t.history, tier, brings, aion_str_n(wire, size), &lost, &err);
    aion_arena_reset(&t.arena);
    return good;
}

static enum ops_append next_brings(enum ops_tier_name tier)
{
    if (t.frames[tier] < OPS_FRAMES_A_BLOCK)
        return t.stamps[tier] == 0 ? OPS_APPEND_NAMES : OPS_APPEND_ROWS;
    t.frames[tier] = 0;
    return OPS_APPEND_BLOCK;
}

static int64_t time_of(int64_t second)
{
    return BEGIN_US + t.offset_us + second * SECOND_US;
}

static bool second(bool gap)
{
    char key[24];
    int64_t at_us = time_of(++t.seconds);
    for (int i = 0; i < HOSTS; i++) {
        snprintf(key, sizeof(key), "host-%d", i);
        struct ops_entity *host = ops_entity(&t.table, OPS_HOST, aion_str_of(key));
        int64_t value = (int64_t)aion_rand_below(&t.rand, 1000000);
        ops_set(&t.table, host, 4, value);
        ops_set(&t.table, host, 3, value / 1000 * 1000);
        t.cells[t.seconds][i] = value;
    }
    ops_table_second(&t.table);
    bool good = append(OPS_TIER_SECOND, at_us, gap, next_brings(OPS_TIER_SECOND));
    if (at_us % (10 * SECOND_US) == 0) {
        good = append(OPS_TIER_TEN, at_us, gap, next_brings(OPS_TIER_TEN)) && good;
        ops_table_ten(&t.table);
    }
    ops_table_next(&t.table);
    return good;
}

static void seconds(int count)
{
    for (int i = 0; i < count; i++)
        assert_true(second(false));
}

/* Control ends without a word; its ids begin anew, its names are the same. */
static void crash(void)
{
    ops_history_close(t.history);
    open_history(INT64_MAX);
    ops_table_done(&t.table);
    ops_table_init(&t.table);
    ops_entity(&t.table, OPS_TENANT, AION_STR("somebody")); /* other ids than before */
    for (int i = 0; i < OPS_TIERS; i++) {
        t.frames[i] = ops_history_open_frames(t.history, (enum ops_tier_name)i);
        t.stamps[i] = 0;
    }
}

/* -- reading ------------------------------------------------------------------------ */
static const Aion__V1__OpsFrame *find(int64_t at_us, uint32_t span_ms, struct aion_err *err)
{
    struct ops_place place;
    aion_arena_reset(&t.arena);
    if (!ops_history_find(t.history, at_us, span_ms, &place, err))
        return NULL;
    return ops_block_frame(place.block, place.index, true, &all, &t.arena);
}

static int64_t cell_of(const Aion__V1__OpsFrame *frame, const char *key, unsigned column)
{
    for (size_t i = 0; i < frame->n_entities; i++)
        for (size_t k = 0; k < frame->n_rows && strcmp(frame->entities[i]->key, key) == 0; k++)
            if (frame->rows[k]->entity == frame->entities[i]->id)
                return frame->rows[k]->values[column];
    fail_msg("no row of %s", key);
    return 0;
}

static void assert_second(int64_t second)
{
    struct aion_err err;
    const Aion__V1__OpsFrame *frame = find(time_of(second), 1000, &err);
    char key[24];
    if (frame == NULL)
        fail_msg("second %lld: %s", (long long)second, err.text);
    assert_int_equal(frame->at_us, time_of(second));
    for (int i = 0; i < HOSTS; i++) {
        snprintf(key, sizeof(key), "host-%d", i);
        assert_int_equal(cell_of(frame, key, 4), t.cells[second][i]);
    }
}

static void every_second_comes_back_from_block_and_journal(void **state)
{
    (void)state;
    seconds(200);
    for (int64_t i = 1; i <= 200; i++)
        assert_second(i);
    crash();
    for (int64_t i = 1; i <= 200; i++)
        assert_second(i);
}

static void tens_have_the_least_and_the_most_of_their_seconds(void **state)
{
    struct aion_err err;
    (void)state;
    seconds(1300);
    int64_t from = (10 - time_of(0) / SECOND_US % 10) % 10 + 10; /* the end of some ten */
    for (int64_t end = from; end <= 1300; end += 130) {
        const Aion__V1__OpsFrame *frame = find(time_of(end) - 3 * SECOND_US, 10000, &err);
        assert_non_null(frame);
        assert_int_equal(frame->at_us, time_of(end));
        int64_t least = INT64_MAX, most = 0, sum = 0;
        for (int64_t i = end - 9; i <= end; i++) {
            int64_t value = t.cells[i][0];
            least = value < least ? value : least;
            most = value > most ? value : most;
            sum += value;
        }
        assert_int_equal(cell_of(frame, "host-0", 4), (sum + 5) / 10);
        for (size_t i = 0; i < frame->n_least; i++)
            if (frame->least[i]->entity == 1) {
                assert_int_equal(frame->least[i]->changed & 1 << 4, 1 << 4);
                assert_int_equal(frame->least[i]->values[1], least);
                assert_int_equal(frame->most[i]->values[1], most);
            }
    }
}

static void a_time_between_gets_the_frame_that_ends_after_it(void **state)
{
    struct aion_err err;
    (void)state;
    seconds(70);
    assert_int_equal(find(time_of(30) + 1, 0, &err)->at_us, time_of(31));
    assert_int_equal(find(time_of(31), 0, &err)->at_us, time_of(31));
}

static void too_old_and_too_new_are_told_apart(void **state)
{
    struct aion_err err;
    (void)state;
    assert_null(find(BEGIN_US, 0, &err));
    assert_int_equal(err.code, AION_NOT_FOUND);
    seconds(5);
    assert_null(find(time_of(-5), 0, &err));
    assert_string_equal(err.reason, "FRAME_TOO_OLD");
    assert_non_null(strstr(err.text, "2026-11-24T"));
    assert_null(find(time_of(5) + 1, 0, &err));
    assert_string_equal(err.reason, "FRAME_TOO_NEW");
}

static void restarts_within_a_block_lose_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        seconds(7);
        crash();
        assert_true(second(true));
    }
    for (int64_t i = 1; i <= t.seconds; i++)
        assert_second(i);
    struct aion_err err;
    assert_true(find(time_of(8), 1000, &err)->gap);
    assert_false(find(time_of(9), 1000, &err)->gap);
}

static void seconds_go_after_two_hours_and_tens_remain(void **state)
{
    struct aion_err err;
    (void)state;
    seconds(370);
    t.offset_us = 3 * 3600 * SECOND_US; /* nothing in between: the same as long away */
    assert_non_null(find(BEGIN_US + 30 * SECOND_US, 1000, &err));
    seconds(120);
    assert_null(find(BEGIN_US + 30 * SECOND_US, 1000, &err));
    assert_string_equal(err.reason, "FRAME_TOO_OLD");
    const Aion__V1__OpsFrame *ten = find(BEGIN_US + 31 * SECOND_US, 0, &err);
    assert_non_null(ten);
    assert_int_equal(ten->span_ms, 10000);
    assert_int_equal(ten->at_us, BEGIN_US + 40 * SECOND_US);
    assert_second(490);
}

static void bytes_are_bounded_by_giving_up_the_oldest(void **state)
{
    struct aion_err err;
    (void)state;
    ops_history_close(t.history);
    open_history(20000);
    seconds(1500);
    assert_in_range(ops_history_bytes(t.history), 1, 40000);
    assert_null(find(time_of(10), 1000, &err));
    assert_second(1500);
}

/* -- damage ------------------------------------------------------------------------- */
static char longest[512];
static size_t longest_bytes;

static void note_journal(const char *path)
{
    struct stat about;
    if (strstr(path, "/1s.journal") == NULL)
        return;
    stat(path, &about);
    snprintf(longest, sizeof(longest), "%s", path);
    longest_bytes = (size_t)about.st_size;
}

static void a_journal_torn_at_any_byte_keeps_what_was_whole(void **state)
{
    char *whole;
    (void)state;
    seconds(12);
    ops_history_close(t.history);
    each_file(note_journal);
    whole = malloc(longest_bytes);
    int fd = open(longest, O_RDWR);
    assert_int_equal(read(fd, whole, longest_bytes), (ssize_t)longest_bytes);
    unsigned before = 12;
    for (size_t size = longest_bytes; size-- > 0;) {
        assert_int_equal(pwrite(fd, whole, longest_bytes, 0), (ssize_t)longest_bytes);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        open_history(INT64_MAX);
        unsigned frames = ops_history_open_frames(t.history, OPS_TIER_SECOND);
        assert_true(frames <= before);
        before = frames;
        for (int64_t i = 1; i <= frames; i++)
            if (size % 97 == 0)
                assert_second(i);
        ops_history_close(t.history);
    }
    assert_int_equal(before, 0);
    close(fd);
    free(whole);
    open_history(INT64_MAX);
}

static void flip_in_segment(const char *path)
{
    unsigned char byte;
    if (strstr(path, "/1s-") == NULL)
        return;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 200), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    close(fd);
}

static void a_damaged_block_is_told_and_the_others_are_read(void **state)
{
    struct aion_err err;
    (void)state;
    seconds(130);
    crash();
    each_file(flip_in_segment); /* in the first of two blocks */
    assert_null(find(time_of(10), 1000, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(err.text, "damaged"));
    assert_second(100);
    assert_second(130);
}

static void append_garbage(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "AOF1 but no record of ours, and longer than a head", 50), 50);
    close(fd);
}

static void garbage_behind_a_file_is_counted_and_ignored(void **state)
{
    (void)state;
    seconds(130);
    ops_history_close(t.history);
    each_file(append_garbage);
    open_history(INT64_MAX);
    assert_int_equal(ops_history_torn(t.history), 3); /* a segment, two journals */
    for (int64_t i = 1; i <= 130; i++)
        assert_second(i);
}

static void a_full_disk_loses_files_not_the_process(void **state)
{
    struct rlimit before, small = {.rlim_cur = 4000, .rlim_max = RLIM_INFINITY};
    struct aion_err err;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    seconds(3);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool failed = false;
    for (int i = 0; i < 40; i++)
        if (!second(false)) {
            failed = true;
            t.stamps[OPS_TIER_SECOND] = 0; /* as control does: all names with the next */
        }
    assert_true(failed);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_second(40); /* from memory */
    seconds(100);
    crash();
    assert_second(140);
    assert_non_null(find(time_of(143), 1000, &err));
}

static void a_clock_that_goes_back_begins_a_block_of_its_own(void **state)
{
    (void)state;
    seconds(90);
    t.offset_us = -50 * SECOND_US;
    int64_t back = t.seconds;
    t.frames[OPS_TIER_SECOND] = OPS_FRAMES_A_BLOCK; /* as control does */
    seconds(20);
    for (int64_t i = back + 1; i <= t.seconds; i++)
        assert_second(i); /* the newer of the two */
}

static void without_a_folder_the_open_block_is_all(void **state)
{
    struct aion_err err;
    (void)state;
    ops_history_close(t.history);
    t.history = ops_history_open("", INT64_MAX, &err);
    assert_non_null(t.history);
    seconds(70);
    assert_second(65);
    assert_null(find(time_of(10), 1000, &err));
    assert_int_equal(ops_history_bytes(t.history), 0);
}

/* -- frames for readers ------------------------------------------------------------- */
static void deltas_of_a_block_add_up_to_its_frames(void **state)
{
    struct aion_err err;
    struct ops_place place;
    int64_t known[64] = {0};
    (void)state;
    seconds(30);
    ops_table_sweep(&t.table, 2 * (int64_t)OPS_IDLE_US); /* all go ... */
    assert_true(append(OPS_TIER_SECOND, time_of(++t.seconds), false, OPS_APPEND_ROWS));
    ops_table_next(&t.table);
    seconds(5); /* ... and come again under other ids */
    assert_true(ops_history_find(t.history, time_of(1), 1000, &place, &err));
    for (unsigned i = 0; i < place.block->frames; i++) {
        aion_arena_reset(&t.arena);
        const Aion__V1__OpsFrame *frame =
            ops_block_frame(place.block, i, false, &all, &t.arena);
        assert_int_equal(frame->full, i == 0);
        assert_int_equal(frame->n_gone, i == 30 ? HOSTS : 0);
        for (size_t k = 0; k < frame->n_rows; k++) {
            const Aion__V1__OpsRow *row = frame->rows[k];
            size_t next = 0;
            for (unsigned c = 0; c < 10; c++)
                if (row->changed == 0 || row->changed >> c & 1) {
                    int64_t value = row->values[next++];
                    known[row->entity] = c == 4 ? value : known[row->entity];
                }
        }
        for (uint32_t host = 1; host <= HOSTS && i != 30; host++)
            assert_int_equal(known[i < 30 ? host : host + HOSTS], t.cells[i + 1][host - 1]);
    }
}

/* -- other versions ----------------------------------------------------------------- */
static Aion__V1__OpsFrame *dependency_frame(size_t values)
{
    static int64_t cells[8] = {1, 500, 3, 4000, 77, 78};
    static Aion__V1__OpsFrame frame;
    static Aion__V1__OpsEntity entity, *entities[] = {&entity};
    static Aion__V1__OpsRow row, *rows[] = {&row};
    static char key[] = "sqlite";
    aion__v1__ops_frame__init(&frame);
    aion__v1__ops_entity__init(&entity);
    aion__v1__ops_row__init(&row);
    frame.at_us = BEGIN_US;
    frame.span_ms = 1000;
    frame.n_entities = frame.n_rows = 1;
    frame.entities = entities;
    frame.rows = rows;
    entity.id = row.entity = 1;
    entity.kind = AION__V1__OPS_KIND__OPS_KIND_DEPENDENCY;
    entity.key = key;
    row.values = cells;
    row.n_values = values;
    return &frame;
}

static void rows_of_other_versions_fit(void **state)
{
    struct ops_block block;
    struct aion_err err;
    (void)state;
    ops_block_init(&block, 1000);
    assert_true(ops_block_add(&block, dependency_frame(3), &err));
    assert_true(ops_block_add(&block, dependency_frame(6), &err));
    assert_int_equal(ops_block_value(&block.entities[0], 0, 2, 0), 3);
    assert_int_equal(ops_block_value(&block.entities[0], 0, 3, 0), OPS_UNKNOWN);
    assert_int_equal(ops_block_value(&block.entities[0], 0, 3, 1), 4000);
    ops_block_done(&block);
}

static void a_block_with_fewer_columns_leaves_the_rest_unknown(void **state)
{
    static const char columns[] = {12, 0, 32, 12, 6, 6, 8, 4, 10, 9, 4, 1, 8};
    struct ops_block block, back;
    struct aion_buf buf;
    struct aion_err err;
    (void)state;
    ops_block_init(&block, 1000);
    ops_block_init(&back, 1000);
    aion_buf_init(&buf, 4096);
    assert_true(ops_block_add(&block, dependency_frame(4), &err));
    ops_block_write(&block, &buf);
    char *at = memmem(buf.data, buf.size, columns, sizeof(columns));
    assert_non_null(at);
    at[1 + OPS_DEPENDENCY] = 3; /* the last column was not known then */
    assert_true(ops_block_read(&back, aion_buf_view(&buf), &err));
    assert_int_equal(ops_block_value(&back.entities[0], 0, 1, 0), 500);
    assert_int_equal(ops_block_value(&back.entities[0], 0, 2, 0), 3);
    assert_int_equal(ops_block_value(&back.entities[0], 0, 3, 0), OPS_UNKNOWN);
    aion_buf_done(&buf);
    ops_block_done(&block);
    ops_block_done(&back);
}

/* -- records ------------------------------------------------------------------------ */
static void a_record_changed_in_any_bit_is_none(void **state)
{
    struct aion_buf buf;
    struct ops_record about = {OPS_RECORD_FRAME, 0, 0, 1, 5, 7}, back;
    (void)state;
    aion_buf_init(&buf, 1000);
    ops_record_write(&buf, &about, AION_STR("a payload"));
    assert_true(ops_record_head(aion_buf_view(&buf), &back));
    assert_int_equal(back.first_us, 5);
    assert_int_equal(back.last_us, 7);
    assert_true(ops_record_holds(&back, AION_STR("a payload")));
    for (size_t bit = 0; bit < buf.size * 8; bit++) {
        buf.data[bit / 8] ^= (char)(1 << bit % 8);
        bool whole = ops_record_head(aion_buf_view(&buf), &back) &&
                     ops_record_holds(&back, aion_str_n(buf.data + OPS_RECORD_HEAD,
                                                        buf.size - OPS_RECORD_HEAD));
        assert_false(whole);
        buf.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    aion_buf_done(&buf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_second_comes_back_from_block_and_journal),
        TEST(tens_have_the_least_and_the_most_of_their_seconds),
        TEST(a_time_between_gets_the_frame_that_ends_after_it),
        TEST(too_old_and_too_new_are_told_apart),
        TEST(restarts_within_a_block_lose_nothing),
        TEST(seconds_go_after_two_hours_and_tens_remain),
        TEST(bytes_are_bounded_by_giving_up_the_oldest),
        TEST(a_journal_torn_at_any_byte_keeps_what_was_whole),
        TEST(a_damaged_block_is_told_and_the_others_are_read),
        TEST(garbage_behind_a_file_is_counted_and_ignored),
        TEST(a_full_disk_loses_files_not_the_process),
        TEST(a_clock_that_goes_back_begins_a_block_of_its_own),
        TEST(without_a_folder_the_open_block_is_all),
        TEST(deltas_of_a_block_add_up_to_its_frames),
        TEST(rows_of_other_versions_fit),
        TEST(a_block_with_fewer_columns_leaves_the_rest_unknown),
        TEST(a_record_changed_in_any_bit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
