/* An export of any bytes: it is imported, or refused with an error that has a text; what was
 * imported is read back. The first byte says whether the rest stands for a whole file or for
 * the rows of one block, whose sum is made right, so that more than the sum is tried. */
#include "base/map.h"
#include "store/store_dump.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE = 20, HEAD = 13 };

/* The beginning of every export: the first line and the block of tables. */
static struct {
    char bytes[8192];
    size_t size;
} front;

static struct store *open_script(void)
{
    struct aion_err err;
    struct store_conf conf = {.url = "script:"};
    struct store *store = store_open(&conf, &err);
    assert(store != NULL);
    return store;
}

static void make_front(void)
{
    struct aion_err err;
    struct store_dump dump = {.progress = NULL};
    struct store *store = open_script();
    int fd = memfd_create("front", MFD_CLOEXEC);
    assert(fd >= 0 && store_export(store, fd, &dump, &err));
    ssize_t got = pread(fd, front.bytes, sizeof(front.bytes), 0);
    assert(got > LINE + HEAD);
    front.size =
        LINE + HEAD +
        ((size_t)(uint8_t)front.bytes[LINE + 1] | (size_t)(uint8_t)front.bytes[LINE + 2] << 8);
    assert(front.size < (size_t)got);
    close(fd);
    store_close(store);
}

static void write_out(int fd, const void *data, size_t size)
{
    assert(size == 0 || write(fd, data, size) == (ssize_t)size);
}

static void write_rows(int fd, const uint8_t *data, size_t size)
{
    uint8_t head[HEAD] = {'R'};
    uint64_t sum = aion_siphash(0, 'R', data, size);
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(size >> 8 * i);
    for (unsigned i = 0; i < 8; i++)
        head[5 + i] = (uint8_t)(sum >> 8 * i);
    write_out(fd, front.bytes, front.size);
    write_out(fd, head, sizeof(head));
    write_out(fd, data, size);
}

/* What was taken is read without harm, whatever it holds. */
static void read_back(struct store *store)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_load load = {.op.arena = &arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    struct store_list list = {.op.arena = &arena, .limit = 10};
    assert(store_load_wait(store, &load, &err) || err.code == AION_EXHAUSTED);
    assert(store_list_wait(store, &list, &err) || err.code == AION_EXHAUSTED);
    aion_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aion_err err = {.code = AION_OK};
    struct store_dump dump = {.progress = NULL};
    if (front.size == 0)
        make_front();
    if (size == 0)
        return 0;
    int fd = memfd_create("export", MFD_CLOEXEC);
    if (data[0] == 'R')
        write_rows(fd, data + 1, size - 1);
    else
        write_out(fd, data, size);
    lseek(fd, 0, SEEK_SET);
    struct store *store = open_script();
    if (!store_import(fd, store, &dump, &err))
        assert(err.code != AION_OK && err.text[0] != '\0');
    for (enum store_table i = 0; i < STORE_TABLE_COUNT; i++)
        assert(dump.added[i] <= dump.rows[i]);
    read_back(store);
    store_close(store);
    close(fd);
    return 0;
}
