/* The model of a disk under a recording. A file is an image that is durable and the entries
 * since; a name is a row of a small table, durable or now. */
#include "disk.h"

#include "base/compiler.h"
#include "base/rand.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 4096, NAMES_MAX = 64, NAME_BYTES = 256, IDS_MAX = 4096, TICKETS_MAX = 64 };

struct image {
    uint8_t *bytes;
    size_t size, room;
};

/* Entries of the log that are not surely on the disk, in order, each with its place. */
struct pending {
    const struct powerloss_entry **entries;
    size_t *places;
    size_t count, room;
};

struct disk_file {
    struct image durable;
    struct pending pending;
};

/* A folder: names of files (indices). */
struct names {
    struct name {
        char text[NAME_BYTES];
        uint32_t file;
    } all[NAMES_MAX];
    size_t count;
};

struct ticket {
    uint64_t number;
    uint32_t file;
    size_t place;
};

struct disk {
    uint8_t *log;
    size_t size, at, place;
    struct disk_file files[FILES_MAX];
    uint32_t file_count;
    uint32_t ids[IDS_MAX]; /* of this session's recorder → files */
    struct names now, durable;
    struct pending renames; /* of the folder */
    struct ticket tickets[TICKETS_MAX];
    size_t ticket_count;
    const struct powerloss_entry *newest; /* write */
    char untracked[128];
    struct image scratch;
};

static void refuse(const char *what)
{
    fprintf(stderr, "the recording makes no sense: %s\n", what);
    exit(1);
}

static const void *payload(const struct powerloss_entry *entry)
{
    return entry + 1;
}

/* -- images ----------------------------------------------------------------------------- */
static void image_resize(struct image *image, size_t size, int filler)
{
    if (size > image->room) {
        image->room = 2 * size;
        image->bytes = realloc(image->bytes, image->room);
        if (image->bytes == NULL)
            refuse("out of memory");
    }
    if (size > image->size)
        memset(image->bytes + image->size, filler, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, size_t at, const uint8_t *bytes, size_t size,
                        int filler)
{
    if (at + size > image->size)
        image_resize(image, at + size, filler);
    memcpy(image->bytes + at, bytes, size);
}

static void image_copy(struct image *to, const struct image *from)
{
    to->size = 0;
    image_resize(to, from->size, 0);
    if (from->size > 0)
        memcpy(to->bytes, from->bytes, from->size);
}

/* -- a power loss ----------------------------------------------------------------------- */
struct fate {
    const struct disk_loss *loss;
    const struct powerloss_entry *newest;
    struct aion_rand rand;
};

static bool is_spared(struct fate *fate, const struct powerloss_entry *entry)
{
    unsigned keep = fate->loss->keep_permille;
    if ((fate->loss->newest_only && entry != fate->newest) || keep == 1000)
        return true;
    return keep > 0 && aion_rand_below(&fate->rand, 1000) < keep;
}

static void apply_write(struct image *image, const struct powerloss_entry *entry,
                        struct fate *fate)
{
    const uint8_t *bytes = payload(entry);
    size_t at = entry->offset, end = at + entry->size, sector = fate->loss->sector;
    while (at < end) {
        size_t next = (at / sector + 1) * sector;
        next = next < end ? next : end;
        if (is_spared(fate, entry))
            image_write(image, at, bytes + (at - entry->offset), next - at,
                        fate->loss->rubbish ? 0x5a : 0);
        at = next;
    }
}

static void apply(struct image *image, const struct powerloss_entry *entry, struct fate *fate)
{
    if (entry->kind == POWERLOSS_WRITE)
        apply_write(image, entry, fate);
    else if (is_spared(fate, entry))
        image_resize(image, entry->offset, 0);
}

/* -- pending ---------------------------------------------------------------------------- */
static void pending_add(struct pending *pending, const struct powerloss_entry *entry,
                        size_t place)
{
    if (pending->count == pending->room) {
        pending->room = pending->room > 0 ? 2 * pending->room : 64;
        pending->entries = realloc(pending->entries, pending->room * sizeof(void *));
        pending->places = realloc(pending->places, pending->room * sizeof(size_t));
        if (pending->entries == NULL || pending->places == NULL)
            refuse("out of memory");
    }
    pending->entries[pending->count] = entry;
    pending->places[pending->count++] = place;
}

/* How many of them lie before `place`. */
static size_t pending_before(const struct pending *pending, size_t place)
{
    size_t count = 0;
    while (count < pending->count && pending->places[count] < place)
        count++;
    return count;
}

static void pending_drop(struct pending *pending, size_t count)
{
    size_t left = pending->count - count;
    if (count == 0 || left == 0) {
        pending->count = left;
        return;
    }
    memmove(pending->entries, pending->entries + count, left * sizeof(void *));
    memmove(pending->places, pending->places + count, left * sizeof(size_t));
    pending->count = left;
}

/* -- names ------------------------------------------------------------------------------ */
static struct name *names_find(struct names *names, const char *text, size_t size)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->all[i].text) == size && memcmp(names->all[i].text, text, size) == 0)
            return &names->all[i];
    return NULL;
}

static void names_put(struct names *names, const char *text, size_t size, uint32_t file)
{
    struct name *name = names_find(names, text, size);
    if (name == NULL && names->count < NAMES_MAX)
        name = &names->all[names->count++];
    if (name == NULL || size >= sizeof(name->text))
        refuse("too many names");
    memcpy(name->text, text, size);
    name->text[size] = '\0';
    name->file = file;
}

static void names_remove(struct names *names, const char *text, size_t size)
{
    struct name *name = names_find(names, text, size);
    if (name != NULL)
        *name = names->all[--names->count];
}

/* The file of a CREATE stands in the entry's `reserved` by then (disk_create). */
static void names_apply(struct names *names, const struct powerloss_entry *entry)
{
    const char *text = payload(entry);
    if (entry->kind == POWERLOSS_CREATE)
        names_put(names, text, entry->size, entry->reserved);
    else if (entry->kind == POWERLOSS_UNLINK)
        names_remove(names, text, entry->size);
    else {
        size_t size = strnlen(text, entry->size);
        names_remove(names, text, size);
        names_put(names, text + size + 1, entry->size - size - 1, entry->reserved);
    }
}

static bool is_shared(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, "-shm") == 0;
}

/* -- stepping --------------------------------------------------------------------------- */
static uint32_t file_new(struct disk *disk)
{
    if (disk->file_count == FILES_MAX)
        refuse("too many files");
    return disk->file_count++;
}

static uint32_t file_by_id(const struct disk *disk, uint32_t id)
{
    if (id == 0 || id >= IDS_MAX)
        refuse("a file's id");
    return disk->ids[id];
}

static void disk_create(struct disk *disk, struct powerloss_entry *entry)
{
    if (entry->file == 0 || entry->file >= IDS_MAX)
        refuse("a file's id");
    disk->ids[entry->file] = entry->reserved = file_new(disk);
    names_apply(&disk->now, entry);
    pending_add(&disk->renames, entry, disk->place);
}

static void disk_found(struct disk *disk, const struct powerloss_entry *entry)
{
    struct name *name = names_find(&disk->now, payload(entry), entry->size);
    if (name == NULL || entry->file == 0 || entry->file >= IDS_MAX) {
        snprintf(disk->untracked, sizeof(disk->untracked), "a file was made unseen");
        return;
    }
    disk->ids[entry->file] = name->file;
}

static void disk_rename(struct disk *disk, struct powerloss_entry *entry)
{
    if (entry->kind == POWERLOSS_RENAME)
        entry->reserved = file_by_id(disk, entry->file);
    names_apply(&disk->now, entry);
    pending_add(&disk->renames, entry, disk->place);
}

static void disk_sync(struct disk *disk, const struct powerloss_entry *entry)
{
    if (disk->ticket_count == TICKETS_MAX)
        refuse("too many fsyncs at once");
    disk->tickets[disk->ticket_count++] =
        (struct ticket){entry->offset, entry->file, disk->place};
}

static void folder_synced(struct disk *disk, size_t place)
{
    size_t count = pending_before(&disk->renames, place);
    for (size_t i = 0; i < count; i++)
        names_apply(&disk->durable, disk->renames.entries[i]);
    pending_drop(&disk->renames, count);
}

static void file_synced(struct disk_file *file, size_t place)
{
    static const struct disk_loss none = {.keep_permille = 1000, .sector = 4096};
    struct fate fate = {.loss = &none};
    size_t count = pending_before(&file->pending, place);
    for (size_t i = 0; i < count; i++)
        apply(&file->durable, file->pending.entries[i], &fate);
    pending_drop(&file->pending, count);
}

static void disk_synced(struct disk *disk, const struct powerloss_entry *entry)
{
    for (size_t i = 0; i < disk->ticket_count; i++) {
        struct ticket ticket = disk->tickets[i];
        if (ticket.number != entry->offset)
            continue;
        disk->tickets[i] = disk->tickets[--disk->ticket_count];
        if (ticket.file == POWERLOSS_FOLDER)
            folder_synced(disk, ticket.place);
        else
            file_synced(&disk->files[file_by_id(disk, ticket.file)], ticket.place);
        return;
    }
    refuse("an fsync that never began");
}

static void disk_change(struct disk *disk, const struct powerloss_entry *entry)
{
    pending_add(&disk->files[file_by_id(disk, entry->file)].pending, entry, disk->place);
    if (entry->kind == POWERLOSS_WRITE)
        disk->newest = entry;
}

static void take(struct disk *disk, struct powerloss_entry *entry)
{
    switch ((enum powerloss_kind)entry->kind) {
    case POWERLOSS_SESSION: /* an fsync of a process that was killed has covered nothing */
        disk->ticket_count = 0;
        break;
    case POWERLOSS_CREATE:
        disk_create(disk, entry);
        break;
    case POWERLOSS_FOUND:
        disk_found(disk, entry);
        break;
    case POWERLOSS_WRITE:
    case POWERLOSS_TRUNCATE:
        disk_change(disk, entry);
        break;
    case POWERLOSS_UNLINK:
    case POWERLOSS_RENAME:
        disk_rename(disk, entry);
        break;
    case POWERLOSS_SYNC:
        disk_sync(disk, entry);
        break;
    case POWERLOSS_SYNCED:
        disk_synced(disk, entry);
        break;
    case POWERLOSS_NOTE:
        break;
    case POWERLOSS_UNTRACKED:
        snprintf(disk->untracked, sizeof(disk->untracked), "%.*s", (int)entry->size,
                 (const char *)payload(entry));
        break;
    }
}

/* An entry that a killed process left unfinished ends the log. */
static struct powerloss_entry *peek(const struct disk *disk)
{
    struct powerloss_entry *entry = (void *)(disk->log + disk->at);
    if (disk->size - disk->at < sizeof(*entry) ||
        disk->size - disk->at - sizeof(*entry) < powerloss_padded(entry->size))
        return NULL;
    return entry;
}

const struct powerloss_entry *disk_peek(const struct disk *disk)
{
    return peek(disk);
}

const struct powerloss_entry *disk_step(struct disk *disk)
{
    struct powerloss_entry *entry = peek(disk);
    if (entry == NULL)
        return NULL;
    take(disk, entry);
    disk->at += sizeof(*entry) + powerloss_padded(entry->size);
    disk->place++;
    return entry;
}

size_t disk_place(const struct disk *disk)
{
    return disk->place;
}

const char *disk_untracked(const struct disk *disk)
{
    return disk->untracked[0] != '\0' ? disk->untracked : NULL;
}

/* -- folders ---------------------------------------------------------------------------- */
static bool empty_folder(int folder)
{
    DIR *list = fdopendir(dup(folder));
    if (list == NULL)
        return false;
    rewinddir(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.' && unlinkat(folder, entry->d_name, 0) != 0) {
            closedir(list);
            return false;
        }
    closedir(list);
    return true;
}

static bool put_file(int folder, const char *name, const void *bytes, size_t size)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return good;
}

/* What was shared memory is anything afterwards. */
static bool put_shared(int folder, const char *name, struct fate *fate)
{
    uint8_t bytes[8192];
    uint64_t kind = aion_rand_below(&fate->rand, 3);
    if (kind == 0)
        return true;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = kind == 1 ? 0 : (uint8_t)aion_rand_u64(&fate->rand);
    return put_file(folder, name, bytes, sizeof(bytes));
}

static bool put_files(struct disk *disk, int folder, struct names *names, struct fate *fate)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->all[i];
        struct disk_file *file = &disk->files[name->file];
        if (is_shared(name->text)) {
            if (!put_shared(folder, name->text, fate))
                return false;
            continue;
        }
        image_copy(&disk->scratch, &file->durable);
        for (size_t j = 0; j < file->pending.count; j++)
            apply(&disk->scratch, file->pending.entries[j], fate);
        if (!put_file(folder, name->text, disk->scratch.bytes, disk->scratch.size))
            return false;
    }
    return true;
}

bool disk_build(struct disk *disk, const char *folder, const struct disk_loss *loss)
{
    static struct names names;
    struct fate fate = {.loss = loss, .newest = disk->newest};
    aion_rand_seed(&fate.rand, loss->seed);
    names = disk->durable;
    for (size_t i = 0; i < disk->renames.count; i++)
        if (is_spared(&fate, disk->renames.entries[i]))
            names_apply(&names, disk->renames.entries[i]);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && empty_folder(fd) && put_files(disk, fd, &names, &fate);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return good;
}

bool disk_remove(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && empty_folder(fd);
    if (fd >= 0)
        close(fd);
    return good && rmdir(folder) == 0;
}

/* -- was anything missed ---------------------------------------------------------------- */
static bool same_bytes(int folder, const char *name, const struct image *image)
{
    struct stat stat;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool same = fstat(fd, &stat) == 0 && (size_t)stat.st_size == image->size;
    if (same && image->size > 0) {
        void *bytes = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
        same = bytes != MAP_FAILED && memcmp(bytes, image->bytes, image->size) == 0;
        if (bytes != MAP_FAILED)
            munmap(bytes, image->size);
    }
    close(fd);
    return same;
}

static bool same_file(struct disk *disk, int folder, const struct name *name)
{
    static const struct disk_loss none = {.keep_permille = 1000, .sector = 4096};
    struct fate fate = {.loss = &none};
    const struct disk_file *file = &disk->files[name->file];
    image_copy(&disk->scratch, &file->durable);
    for (size_t j = 0; j < file->pending.count; j++)
        apply(&disk->scratch, file->pending.entries[j], &fate);
    return is_shared(name->text) || same_bytes(folder, name->text, &disk->scratch);
}

static const char *find_stranger(struct disk *disk, int folder)
{
    static char name[NAME_BYTES];
    DIR *list = fdopendir(dup(folder));
    if (list == NULL)
        return "(the folder)";
    const char *stranger = NULL;
    for (struct dirent *entry; stranger == NULL && (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.' &&
            names_find(&disk->now, entry->d_name, strlen(entry->d_name)) == NULL) {
            snprintf(name, sizeof(name), "%s", entry->d_name);
            stranger = name;
        }
    closedir(list);
    return stranger;
}

const char *disk_matches(struct disk *disk, const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return "(the folder)";
    const char *differs = find_stranger(disk, fd);
    for (size_t i = 0; differs == NULL && i < disk->now.count; i++)
        if (!same_file(disk, fd, &disk->now.all[i]))
            differs = disk->now.all[i].text;
    close(fd);
    return differs;
}

/* -- opening ---------------------------------------------------------------------------- */
struct disk *disk_open(const char *log)
{
    struct stat stat;
    struct disk *disk = calloc(1, sizeof(*disk));
    int fd = open(log, O_RDONLY | O_CLOEXEC);
    if (disk == NULL || fd < 0 || fstat(fd, &stat) != 0) {
        free(disk);
        return NULL;
    }
    disk->size = (size_t)stat.st_size;
    /* private and writable: a CREATE's entry is given its file's number */
    disk->log = mmap(NULL, disk->size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    if (disk->log != MAP_FAILED)
        return disk;
    free(disk);
    return NULL;
}

static void pending_free(struct pending *pending)
{
    free(pending->entries);
    free(pending->places);
}

void disk_close(struct disk *disk)
{
    munmap(disk->log, disk->size + 1);
    for (uint32_t i = 0; i < disk->file_count; i++) {
        free(disk->files[i].durable.bytes);
        pending_free(&disk->files[i].pending);
    }
    pending_free(&disk->renames);
    free(disk->scratch.bytes);
    free(disk);
}
