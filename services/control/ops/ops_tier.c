#include "ops_tier.h"

#include "codec/message.h"

#include "aion/v1/ops.schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAME_ARENA_MAX = 256 << 20, FILES_MAX = 65536 };

static const char suffix[] = ".frames";

/* -- files -------------------------------------------------------------------------- */
static bool read_at(int fd, void *to, size_t size, size_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* All or nothing: what was written of it is taken back. */
static bool write_all(int fd, aion_str bytes, size_t file_bytes, const char *path,
                      struct aion_err *err)
{
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t put =
            pwrite(fd, bytes.data + done, bytes.size - done, (off_t)(file_bytes + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            int reason = put < 0 ? errno : ENOSPC;
            if (ftruncate(fd, (off_t)file_bytes) != 0)
                reason = errno; /* a torn record behind the good ones: readers stop there */
            errno = reason;
            return aion_fail_errno(err, AION_EXHAUSTED, "%s cannot be written", path);
        }
        done += (size_t)put;
    }
    return true;
}

static size_t size_of(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && about.st_size > 0 ? (size_t)about.st_size : 0;
}

/* -- segments ----------------------------------------------------------------------- */
static void segment_free(struct ops_tier *tier, struct ops_segment *segment)
{
    for (size_t i = 0; i < segment->piece_count; i++)
        if (tier->read_piece == &segment->pieces[i])
            tier->read_piece = NULL;
    tier->segment_bytes -= segment->bytes;
    aion_list_remove(&segment->link);
    free(segment);
}

static struct ops_segment *segment_add(struct ops_tier *tier, const char *path)
{
    struct ops_segment *segment = calloc(1, sizeof(*segment));
    if (segment == NULL)
        abort();
    aion_str_copy(segment->path, sizeof(segment->path), aion_str_of(path));
    aion_list_add_last(&tier->segments, &segment->link);
    return segment;
}

static void piece_add(struct ops_tier *tier, struct ops_segment *segment,
                      const struct ops_record *record)
{
    size_t bytes = OPS_RECORD_HEAD + record->size;
    segment->pieces[segment->piece_count++] =
        (struct ops_piece){record->first_us, record->last_us, segment->bytes, bytes};
    segment->bytes += bytes;
    tier->segment_bytes += bytes;
}

/* Heads alone: what a payload is worth is found out when it is read. */
static void scan_segment(struct ops_tier *tier, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = fd >= 0 ? size_of(fd) : 0;
    struct ops_segment *segment = segment_add(tier, path);
    while (segment->bytes < size && segment->piece_count < OPS_SEGMENT_BLOCKS) {
        char head[OPS_RECORD_HEAD];
        struct ops_record record;
        if (!read_at(fd, head, sizeof(head), segment->bytes) ||
            !ops_record_head(aion_str_n(head, sizeof(head)), &record) ||
            record.type != OPS_RECORD_BLOCK ||
            segment->bytes + OPS_RECORD_HEAD + record.size > size)
            break;
        piece_add(tier, segment, &record);
    }
    tier->torn += segment->bytes < size;
    if (fd >= 0)
        close(fd);
    if (segment->piece_count == 0) {
        unlink(path);
        segment_free(tier, segment);
    }
}

static bool is_ours(const struct ops_tier *tier, const char *file)
{
    aion_str name = aion_str_of(file);
    size_t prefix = strlen(tier->name);
    return aion_str_starts(name, aion_str_of(tier->name)) && name.size > prefix &&
           name.data[prefix] == '-' && aion_str_ends(name, aion_str_of(suffix));
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* In the order of their names, which begin with the time of their first frame. */
static bool scan_dir(struct ops_tier *tier, struct aion_err *err)
{
    DIR *dir = opendir(tier->dir);
    char **names = dir != NULL ? calloc(FILES_MAX, sizeof(*names)) : NULL;
    size_t count = 0;
    const struct dirent *entry;
    if (names == NULL) {
        if (dir != NULL)
            closedir(dir);
        return aion_fail_errno(err, AION_UNAVAILABLE, "folder %s cannot be read", tier->dir);
    }
    while (count < FILES_MAX && (entry = readdir(dir)) != NULL)
        if (is_ours(tier, entry->d_name) && (names[count] = strdup(entry->d_name)) != NULL)
            count++;
    closedir(dir);
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        char path[OPS_PATH_MAX];
        if (snprintf(path, sizeof(path), "%s/%s", tier->dir, names[i]) < OPS_PATH_MAX)
            scan_segment(tier, path);
        free(names[i]);
    }
    free(names);
    return true;
}

static struct ops_segment *newest_segment(const struct ops_tier *tier)
{
    if (aion_list_empty(&tier->segments))
        return NULL;
    return aion_container(tier->segments.prev, struct ops_segment, link);
}

/* One that takes a further block; NULL: none can be made. */
static struct ops_segment *growing_segment(struct ops_tier *tier, int64_t first_us, int *ret_fd,
                                           struct aion_err *err)
{
    struct ops_segment *segment = newest_segment(tier);
    char path[OPS_PATH_MAX];
    if (segment != NULL && segment->growing && segment->piece_count < OPS_SEGMENT_BLOCKS) {
        *ret_fd = open(segment->path, O_WRONLY | O_CLOEXEC);
        if (*ret_fd >= 0)
            return segment;
        segment->growing = false; /* it is gone or not ours any more: another one, then */
    }
    /* the clock may have gone back to where a file of this name began */
    for (unsigned copy = 0; copy < 100; copy++) {
        snprintf(path, sizeof(path), "%.480s/%s-%016lld-%02u%s", tier->dir, tier->name,
                 (long long)first_us, copy, suffix);
        *ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (*ret_fd >= 0 || errno != EEXIST)
            break;
    }
    if (*ret_fd < 0) {
        (void)aion_fail_errno(err, AION_UNAVAILABLE, "%s cannot be made", path);
        return NULL;
    }
    segment = segment_add(tier, path);
    segment->growing = true;
    return segment;
}

bool ops_tier_drop_oldest(struct ops_tier *tier)
{
    struct aion_link *first = aion_list_first(&tier->segments);
    if (first == NULL)
        return false;
    struct ops_segment *segment = aion_container(first, struct ops_segment, link);
    if (segment->growing && segment->piece_count < OPS_SEGMENT_BLOCKS)
        return false;
    unlink(segment->path);
    segment_free(tier, segment);
    return true;
}

void ops_tier_prune(struct ops_tier *tier, int64_t now_us)
{
    while (!aion_list_empty(&tier->segments)) {
        const struct ops_segment *oldest =
            aion_container(tier->segments.next, struct ops_segment, link);
        if (oldest->pieces[oldest->piece_count - 1].last_us >= now_us - tier->window_us ||
            !ops_tier_drop_oldest(tier))
            return;
    }
}

/* -- the open block ----------------------------------------------------------------- */
static void open_forget(struct ops_tier *tier)
{
    ops_block_reset(&tier->open);
    tier->journal_bytes = 0;
    if (tier->journal >= 0 && ftruncate(tier->journal, 0) != 0) {
        close(tier->journal); /* its records would come back after a restart */
        tier->journal = -1;
    }
}

static bool add_packed(struct ops_block *block, enum ops_append brings, aion_str wire,
                       struct aion_err *err)
{
    struct aion_arena arena;
    aion_arena_init(&arena, FRAME_ARENA_MAX, NULL, 0);
    const Aion__V1__OpsFrame *frame = (const Aion__V1__OpsFrame *)codec_unpack(
        &aion__v1__ops_frame__schema, wire, NULL, &arena, err);
    if (frame != NULL && brings != OPS_APPEND_ROWS)
        ops_block_rename(block);
    bool good = frame != NULL && ops_block_add(block, frame, err);
    aion_arena_done(&arena);
    return good;
}

/* A frame that does not fit to those before it (one between was lost) is left out. */
static void recover(struct ops_tier *tier, aion_str bytes)
{
    struct ops_record record;
    size_t at = 0;
    while (at < bytes.size && tier->open.frames < OPS_BLOCK_FRAMES) {
        aion_str rest = aion_str_n(bytes.data + at, bytes.size - at);
        if (!ops_record_head(rest, &record) || rest.size < OPS_RECORD_HEAD + record.size)
            break;
        aion_str payload = aion_str_n(rest.data + OPS_RECORD_HEAD, record.size);
        if (!ops_record_holds(&record, payload) || record.type == OPS_RECORD_BLOCK)
            break;
        (void)add_packed(&tier->open,
                         record.type == OPS_RECORD_FIRST ? OPS_APPEND_NAMES : OPS_APPEND_ROWS,
                         payload, NULL);
        at += OPS_RECORD_HEAD + record.size;
    }
    tier->torn += at < bytes.size;
    tier->journal_bytes = at;
    if (ftruncate(tier->journal, (off_t)at) != 0)
        open_forget(tier);
}

/* A crash between a block and the end of its journal leaves both: the block counts. */
static void drop_doubles(struct ops_tier *tier)
{
    const struct ops_segment *newest = newest_segment(tier);
    if (newest != NULL && tier->open.frames > 0 &&
        tier->open.at_us[tier->open.frames - 1] <=
            newest->pieces[newest->piece_count - 1].last_us)
        open_forget(tier);
}

static bool open_journal(struct ops_tier *tier, struct aion_err *err)
{
    char path[OPS_PATH_MAX];
    snprintf(path, sizeof(path), "%.480s/%s.journal", tier->dir, tier->name);
    tier->journal = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (tier->journal < 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "%s cannot be opened", path);
    size_t size = size_of(tier->journal);
    char *bytes = malloc(size + 1);
    if (bytes == NULL || !read_at(tier->journal, bytes, size, 0))
        size = 0;
    recover(tier, aion_str_n(bytes, size));
    free(bytes);
    drop_doubles(tier);
    return true;
}

bool ops_tier_open(struct ops_tier *tier, const char *dir, const char *name, uint32_t span_ms,
                   int64_t window_us, struct aion_err *err)
{
    *tier = (struct ops_tier){.dir = dir, .name = name, .window_us = window_us, .journal = -1};
    aion_list_init(&tier->segments);
    ops_block_init(&tier->open, span_ms);
    ops_block_init(&tier->read, span_ms);
    return dir[0] == '\0' || (scan_dir(tier, err) && open_journal(tier, err));
}

void ops_tier_close(struct ops_tier *tier)
{
    while (!aion_list_empty(&tier->segments))
        segment_free(tier, aion_container(tier->segments.next, struct ops_segment, link));
    ops_block_done(&tier->open);
    ops_block_done(&tier->read);
    if (tier->journal >= 0)
        close(tier->journal);
    tier->journal = -1;
}

/* -- appending ---------------------------------------------------------------------- */
/* On disk for good before the journal lets go of it. */
static bool append_block(struct ops_tier *tier, aion_str wire, const struct ops_record *record,
                         struct aion_err *err)
{
    int fd = -1;
    struct ops_segment *segment = growing_segment(tier, record->first_us, &fd, err);
    if (segment == NULL)
        return false;
    bool good = write_all(fd, wire, segment->bytes, segment->path, err);
    if (good && fdatasync(fd) != 0)
        good = aion_fail_errno(err, AION_UNAVAILABLE, "%s cannot be synced", segment->path);
    close(fd);
    if (good)
        piece_add(tier, segment, record);
    else if (segment->piece_count == 0) {
        unlink(segment->path);
        segment_free(tier, segment);
    }
    return good;
}

static bool write_block(struct ops_tier *tier, struct aion_err *err)
{
    struct aion_buf block, record;
    aion_buf_init(&block, OPS_RECORD_BYTES_MAX);
    aion_buf_init(&record, OPS_RECORD_BYTES_MAX + OPS_RECORD_HEAD);
    ops_block_write(&tier->open, &block);
    struct ops_record about = {.type = OPS_RECORD_BLOCK,
                               .size = (uint32_t)block.size,
                               .frames = tier->open.frames,
                               .first_us = tier->open.at_us[0],
                               .last_us = tier->open.at_us[tier->open.frames - 1]};
    ops_record_write(&record, &about, aion_buf_view(&block));
    bool good = !block.overflow && !record.overflow
                    ? append_block(tier, aion_buf_view(&record), &about, err)
                    : aion_fail(err, AION_EXHAUSTED, "a block of frames is too large");
    aion_buf_done(&block);
    aion_buf_done(&record);
    return good;
}

/* Ends the open block, on disk or for good. */
static bool end_block(struct ops_tier *tier, unsigned *ret_lost, struct aion_err *err)
{
    if (tier->open.frames == 0)
        return true;
    bool good = tier->dir[0] != '\0' && write_block(tier, err);
    if (!good)
        *ret_lost += tier->open.frames;
    open_forget(tier);
    return good || tier->dir[0] == '\0';
}

static bool write_journal(struct ops_tier *tier, enum ops_append brings, int64_t at_us,
                          aion_str wire, struct aion_err *err)
{
    struct aion_buf record;
    if (tier->journal < 0)
        return tier->dir[0] == '\0' || open_journal(tier, err);
    aion_buf_init(&record, OPS_RECORD_BYTES_MAX + OPS_RECORD_HEAD);
    struct ops_record about = {.type = brings == OPS_APPEND_ROWS ? OPS_RECORD_FRAME
                                                                 : OPS_RECORD_FIRST,
                               .frames = 1,
                               .first_us = at_us,
                               .last_us = at_us};
    ops_record_write(&record, &about, wire);
    bool good = record.overflow
                    ? aion_fail(err, AION_EXHAUSTED, "a frame of %zu bytes", wire.size)
                    : write_all(tier->journal, aion_buf_view(&record), tier->journal_bytes,
                                "the journal of frames", err);
    if (good)
        tier->journal_bytes += record.size;
    aion_buf_done(&record);
    return good;
}

bool ops_tier_append(struct ops_tier *tier, enum ops_append brings, aion_str wire,
                     unsigned *ret_lost, struct aion_err *err)
{
    bool kept = true;
    if (brings == OPS_APPEND_BLOCK || tier->open.frames == OPS_BLOCK_FRAMES)
        kept = end_block(tier, ret_lost, err);
    if (!add_packed(&tier->open, brings, wire, err))
        return false;
    int64_t at_us = tier->open.at_us[tier->open.frames - 1];
    return write_journal(tier, brings, at_us, wire, err) && kept;
}

/* -- finding ------------------------------------------------------------------------ */
/* When a run of frames from first to last has one at or after at_us, about when. */
static int64_t candidate(int64_t first_us, int64_t last_us, int64_t at_us)
{
    if (last_us < at_us)
        return INT64_MAX;
    return first_us > at_us ? first_us : at_us;
}

static int64_t open_candidate(const struct ops_tier *tier, int64_t at_us)
{
    int64_t best = INT64_MAX;
    for (unsigned i = 0; i < tier->open.frames; i++)
        if (tier->open.at_us[i] >= at_us && tier->open.at_us[i] < best)
            best = tier->open.at_us[i];
    return best;
}

/* The newest of those that fit best: the clock may have shown a time twice. */
static const struct ops_piece *best_piece(const struct ops_tier *tier, int64_t at_us,
                                          const struct ops_segment **ret_segment,
                                          int64_t *ret_us)
{
    const struct ops_piece *best = NULL;
    *ret_us = INT64_MAX;
    aion_list_each (link, &tier->segments) {
        const struct ops_segment *segment = aion_container(link, struct ops_segment, link);
        for (size_t i = 0; i < segment->piece_count; i++) {
            const struct ops_piece *piece = &segment->pieces[i];
            int64_t us = candidate(piece->first_us, piece->last_us, at_us);
            if (us == INT64_MAX || us > *ret_us)
                continue;
            best = piece;
            *ret_us = us;
            *ret_segment = segment;
        }
    }
    return best;
}

int64_t ops_tier_next_us(const struct ops_tier *tier, int64_t at_us)
{
    const struct ops_segment *segment;
    int64_t piece_us, open_us = open_candidate(tier, at_us);
    (void)best_piece(tier, at_us, &segment, &piece_us);
    return piece_us < open_us ? piece_us : open_us;
}

int64_t ops_tier_oldest_us(const struct ops_tier *tier)
{
    return ops_tier_next_us(tier, INT64_MIN + 1);
}

static bool read_piece(struct ops_tier *tier, const struct ops_segment *segment,
                       const struct ops_piece *piece, struct aion_err *err)
{
    struct ops_record record;
    if (tier->read_piece == piece)
        return true;
    tier->read_piece = NULL;
    ops_block_reuse(&tier->read);
    int fd = open(segment->path, O_RDONLY | O_CLOEXEC);
    char *bytes = fd >= 0 ? malloc(piece->bytes) : NULL;
    bool good = bytes != NULL && read_at(fd, bytes, piece->bytes, piece->offset);
    if (fd >= 0)
        close(fd);
    if (!good) {
        free(bytes);
        return aion_fail(err, AION_UNAVAILABLE, "frames of %s cannot be read", segment->path);
    }
    aion_str payload = aion_str_n(bytes + OPS_RECORD_HEAD, piece->bytes - OPS_RECORD_HEAD);
    good = ops_record_head(aion_str_n(bytes, piece->bytes), &record) &&
           ops_record_holds(&record, payload) && ops_block_read(&tier->read, payload, NULL);
    free(bytes);
    if (!good)
        return aion_fail(err, AION_UNAVAILABLE, "frames of %s are damaged", segment->path);
    tier->read_piece = piece;
    return true;
}

static bool place_in(const struct ops_block *block, int64_t at_us, struct ops_place *ret_place)
{
    for (unsigned i = 0; i < block->frames; i++)
        if (block->at_us[i] >= at_us) {
            *ret_place = (struct ops_place){block, i, block->frames};
            return true;
        }
    return false;
}

bool ops_tier_find(struct ops_tier *tier, int64_t at_us, struct ops_place *ret_place,
                   struct aion_err *err)
{
    const struct ops_segment *segment = NULL;
    int64_t piece_us;
    const struct ops_piece *piece = best_piece(tier, at_us, &segment, &piece_us);
    if (piece != NULL && piece_us < open_candidate(tier, at_us))
        return read_piece(tier, segment, piece, err) &&
               (place_in(&tier->read, at_us, ret_place) ||
                aion_fail(err, AION_UNAVAILABLE,
                          "a block of frames holds others than it says"));
    return place_in(&tier->open, at_us, ret_place) ||
           aion_fail(err, AION_NOT_FOUND, "no frames are kept yet");
}
