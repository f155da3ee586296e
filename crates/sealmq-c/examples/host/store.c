#define _DEFAULT_SOURCE
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char MAGIC[8] = "SEALMQC1";

typedef struct record {
    struct record *next;
    char *key;
    uint8_t *value;
    size_t len;
} record;

struct file_store {
    sealmq_store callbacks;
    char *path, *draft, *folder;
    int lock;
    record *records;
};

static void free_record(record *r) {
    explicit_bzero(r->value, r->len);
    free(r->value);
    free(r->key);
    free(r);
}

static void free_records(record *r) {
    while (r) {
        record *next = r->next;
        free_record(r);
        r = next;
    }
}

/* Puts a copy into a list, in the place of an older one. */
static int put(record **list, const char *key, const uint8_t *value, size_t len) {
    record *r = calloc(1, sizeof *r);
    if (!r)
        return ENOMEM;
    r->key = strdup(key);
    r->value = malloc(len ? len : 1);
    r->len = len;
    if (!r->key || !r->value) {
        free(r->key);
        free(r->value);
        free(r);
        return ENOMEM;
    }
    if (len)
        memcpy(r->value, value, len);
    for (record **at = list; *at; at = &(*at)->next)
        if (!strcmp((*at)->key, key)) {
            record *old = *at;
            r->next = old->next;
            *at = r;
            free_record(old);
            return 0;
        }
    r->next = *list;
    *list = r;
    return 0;
}

static void take_out(record **list, const char *key) {
    for (record **at = list; *at; at = &(*at)->next)
        if (!strcmp((*at)->key, key)) {
            record *old = *at;
            *at = old->next;
            free_record(old);
            return;
        }
}

static int copy(const record *from, record **to) {
    for (; from; from = from->next) {
        int failed = put(to, from->key, from->value, from->len);
        if (failed)
            return failed;
    }
    return 0;
}

static int sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno;
    int failed = fsync(fd) ? errno : 0;
    close(fd);
    return failed;
}

static int write_file(const file_store *store, const record *records) {
    int fd = open(store->draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        return failed;
    }
    /* Otherwise a copy of the secrets would stay in a buffer of the C library. */
    setvbuf(file, NULL, _IONBF, 0);
    int good = fwrite(MAGIC, sizeof MAGIC, 1, file) == 1;
    for (const record *r = records; good && r; r = r->next) {
        uint32_t sizes[2] = {(uint32_t)strlen(r->key), (uint32_t)r->len};
        good = fwrite(sizes, sizeof sizes, 1, file) == 1 && fwrite(r->key, sizes[0], 1, file) == 1 &&
               (!r->len || fwrite(r->value, r->len, 1, file) == 1);
    }
    good = good && !fsync(fileno(file));
    int failed = good ? 0 : (errno ? errno : EIO);
    if (fclose(file) && !failed)
        failed = errno;
    if (!failed && rename(store->draft, store->path))
        failed = errno;
    return failed ? failed : sync_folder(store->folder);
}

static int read_file(file_store *store) {
    FILE *file = fopen(store->path, "rb");
    if (!file)
        return errno == ENOENT ? 0 : errno;
    setvbuf(file, NULL, _IONBF, 0);
    char magic[sizeof MAGIC];
    int failed = fread(magic, sizeof magic, 1, file) == 1 && !memcmp(magic, MAGIC, sizeof magic) ? 0 : EBADMSG;
    uint32_t sizes[2];
    while (!failed && fread(sizes, sizeof sizes, 1, file) == 1) {
        char key[256];
        uint8_t *value = sizes[1] < (64U << 20) ? malloc(sizes[1] + 1) : NULL;
        if (value && sizes[0] < sizeof key && fread(key, sizes[0], 1, file) == 1 &&
            (!sizes[1] || fread(value, sizes[1], 1, file) == 1)) {
            key[sizes[0]] = 0;
            failed = put(&store->records, key, value, sizes[1]);
            explicit_bzero(value, sizes[1]);
        } else
            failed = EBADMSG;
        free(value);
    }
    fclose(file);
    return failed;
}

static int load(void *context, sealmq_loader *loader) {
    const file_store *store = context;
    for (const record *r = store->records; r; r = r->next)
        if (sealmq_loader_add(loader, r->key, r->value, r->len) != SEALMQ_OK)
            return EINVAL;
    return 0;
}

/* All or none: the changes are made to a copy, which takes the place of the records when it is on the
 * disk. */
static int commit(void *context, const sealmq_change *changes, size_t count) {
    file_store *store = context;
    record *next = NULL;
    int failed = copy(store->records, &next);
    for (size_t i = 0; !failed && i < count; i++) {
        if (changes[i].remove)
            take_out(&next, changes[i].key);
        else
            failed = put(&next, changes[i].key, changes[i].value, changes[i].value_len);
    }
    if (!failed)
        failed = write_file(store, next);
    if (failed) {
        fprintf(stderr, "%s: %s\n", store->path, strerror(failed));
        free_records(next);
        return failed;
    }
    free_records(store->records);
    store->records = next;
    return 0;
}

static char *join(const char *a, const char *b) {
    size_t size = strlen(a) + strlen(b) + 1;
    char *both = malloc(size);
    if (both)
        snprintf(both, size, "%s%s", a, b);
    return both;
}

file_store *file_store_open(const char *path) {
    file_store *store = calloc(1, sizeof *store);
    char *lock = join(path, ".lock"), *own = join(path, "");
    if (!store || !lock || !own)
        abort();
    store->path = join(path, "");
    store->draft = join(path, ".new");
    store->folder = join(dirname(own), "");
    if (!store->path || !store->draft || !store->folder)
        abort();
    store->callbacks = (sealmq_store){.context = store, .load = load, .commit = commit};
    /* Two processes with one store would use the same numbers twice. */
    store->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int failed = store->lock < 0 || flock(store->lock, LOCK_EX | LOCK_NB) ? errno : read_file(store);
    free(lock);
    free(own);
    if (failed) {
        fprintf(stderr, "%s: %s\n", path, failed == EWOULDBLOCK ? "another process has it open" : strerror(failed));
        file_store_close(store);
        return NULL;
    }
    return store;
}

const sealmq_store *file_store_callbacks(const file_store *store) { return &store->callbacks; }

void file_store_close(file_store *store) {
    if (!store)
        return;
    free_records(store->records);
    if (store->lock >= 0)
        close(store->lock);
    free(store->path);
    free(store->draft);
    free(store->folder);
    free(store);
}
