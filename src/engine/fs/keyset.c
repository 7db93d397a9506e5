/* Which keys of each bucket are hidden ("<bucket>/.lobos/keys"), and which have versions
 * ("<bucket>/.lobos/versions"): a sorted array per bucket and kind, loaded at first use and kept up
 * by whatever changes them. About 16 bytes and the key for each.
 *
 * Invariants:
 * 1. A set is there only once it is complete.
 * 2. `loading` is held while a set is read from disk and while one is changed. A hidden key is
 *    added or removed after its file is there or gone, so a load either saw that on disk or the
 *    change finds the set. A key is added to the versioned ones before its first version is there.
 * 3. `lock` guards the sets themselves and is never held across a system call: loops may ask.
 * 4. A set that cannot be kept up (no memory) is dropped, to be loaded again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/fs/fs_priv.h"

struct set {
    struct lb_map_node node;
    struct lb_slice bucket;
    struct lb_slice *keys; /* ascending; each owned */
    size_t n;
    size_t cap;
};

struct fs_keysets {
    pthread_mutex_t loading;
    pthread_rwlock_t lock;
    struct lb_map sets[FS_KEYS_KINDS];
};

static bool set_eq(const struct lb_map_node *node, const void *key) {
    return lb_slice_eq(LB_CONTAINER_OF(node, struct set, node)->bucket,
                       *(const struct lb_slice *)key);
}

struct fs_keysets *fs_keysets_new(void) {
    struct fs_keysets *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    pthread_mutex_init(&h->loading, NULL);
    pthread_rwlock_init(&h->lock, NULL);
    for (int i = 0; i < FS_KEYS_KINDS; i++)
        lb_map_init(&h->sets[i], set_eq);
    return h;
}

static void set_free(struct set *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free((char *)s->keys[i].ptr);
    free(s->keys);
    free((char *)s->bucket.ptr);
    free(s);
}

void fs_keysets_free(struct fs_keysets *h) {
    if (!h)
        return;
    for (int i = 0; i < FS_KEYS_KINDS; i++) {
        for (struct lb_map_node *node = lb_map_first(&h->sets[i]); node;) {
            struct lb_map_node *next = lb_map_next(&h->sets[i], node);
            set_free(LB_CONTAINER_OF(node, struct set, node));
            node = next;
        }
        lb_map_fini(&h->sets[i]);
    }
    pthread_rwlock_destroy(&h->lock);
    pthread_mutex_destroy(&h->loading);
    free(h);
}

/* A copy on the heap, or one with ptr NULL. */
static struct lb_slice dup_slice(struct lb_slice s) {
    char *p = malloc(s.len + 1);
    if (p && s.len)
        memcpy(p, s.ptr, s.len);
    return lb_slice(p, s.len);
}

static struct set *find_set(const struct fs_keysets *h, enum fs_keys kind, struct lb_slice bucket) {
    struct lb_map_node *node = lb_map_find(&h->sets[kind], lb_hash_bytes(bucket), &bucket);
    return node ? LB_CONTAINER_OF(node, struct set, node) : NULL;
}

/* The place of the first key >= key. */
static size_t lower_bound(const struct set *s, struct lb_slice key) {
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (lb_slice_cmp(s->keys[mid], key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static bool has(const struct set *s, size_t at, struct lb_slice key) {
    return at < s->n && lb_slice_eq(s->keys[at], key);
}

static int set_insert(struct set *s, size_t at, struct lb_slice key) {
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct lb_slice *keys = realloc(s->keys, cap * sizeof(*keys));
        if (!keys)
            return -ENOMEM;
        s->keys = keys;
        s->cap = cap;
    }
    struct lb_slice copy = dup_slice(key);
    if (!copy.ptr)
        return -ENOMEM;
    memmove(s->keys + at + 1, s->keys + at, (s->n - at) * sizeof(*s->keys));
    s->keys[at] = copy;
    s->n++;
    return 0;
}

/* ---- loading ---- */

struct load {
    struct fs_engine *fs;
    enum fs_keys kind;
    struct lb_slice bucket;
    struct set *set;
    struct lb_buf blob;
    int dir;          /* the folder being read */
    const char *hash; /* the name that the key must have */
};

static const char *const folders[FS_KEYS_KINDS] = {"keys", "versions"};

/* Adds the key that the file `name` in l->dir records. Returns 1; 0 when it is damaged or under
 * another's name: it is left alone and out. */
static int load_key(struct load *l, const char *name) {
    struct lb_vfs *v = l->fs->vfs;
    struct lb_vfs_stat st;
    struct fs_attrs attrs;
    char hash[FS_HASH_HEX + 1];
    int fd = v->ops->open(v, l->dir, name, O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int err = v->ops->fstat(v, fd, &st);
    if (!err)
        err = fs_attrs_load(l->fs, l->bucket, fd, &st, false, &l->blob, &attrs);
    v->ops->close(v, fd);
    if (err)
        return err == -ENODATA || err == LB_ERR_CORRUPT ? 0 : err;
    fs_key_hash(attrs.key, hash);
    if (strcmp(hash, l->hash) != 0)
        return 0;
    err = set_insert(l->set, l->set->n, attrs.key);
    return err ? err : 1;
}

/* Any one of a key's versions tells which key it is. */
static int load_version(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct fs_version v;
    return fs_version_name_parse(lb_slice(name, len), &v) ? load_key(ctx, name) : 0;
}

static int load_versions(struct load *l, const char *name) {
    struct lb_vfs *v = l->fs->vfs;
    int above = l->dir;
    int fd = v->ops->open(v, l->dir, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
    l->dir = fd;
    int found = v->ops->readdir(v, fd, load_version, l);
    l->dir = above;
    v->ops->close(v, fd);
    return found;
}

static int load_entry(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct load *l = ctx;
    l->hash = name;
    int found = l->kind == FS_KEYS_HIDDEN ? load_key(l, name) : load_versions(l, name);
    /* A directory without versions was left by a crash. */
    if (found == 0 && l->kind == FS_KEYS_HIDDEN)
        lb_warn("a hidden object's file is damaged", LB_LOG_S("bucket", l->bucket),
                LB_LOG_S("file", lb_slice(name, len)));
    return found < 0 ? found : 0;
}

static int load_folder(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct load *l = ctx;
    struct lb_vfs *v = l->fs->vfs;
    char rest[16], path[FS_PATH_MAX];
    if (len != 2)
        return 0;
    snprintf(rest, sizeof(rest), "%s/%s", folders[l->kind], name);
    fs_reserved_path(l->fs, l->bucket, rest, path);
    l->dir = v->ops->open(v, l->fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (l->dir < 0)
        return l->dir == -ENOENT || l->dir == -ENOTDIR ? 0 : l->dir;
    int err = v->ops->readdir(v, l->dir, load_entry, l);
    v->ops->close(v, l->dir);
    return err;
}

static int key_cmp(const void *a, const void *b) {
    return lb_slice_cmp(*(const struct lb_slice *)a, *(const struct lb_slice *)b);
}

static int load_set(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                    struct set **ret) {
    struct lb_vfs *v = fs->vfs;
    char path[FS_PATH_MAX];
    struct load l = {.fs = fs, .kind = kind, .bucket = bucket, .set = calloc(1, sizeof(*l.set))};
    if (!l.set)
        return -ENOMEM;
    lb_buf_init(&l.blob, FS_ATTRS_MAX);
    l.set->bucket = dup_slice(bucket);
    l.set->node.hash = lb_hash_bytes(bucket);
    int err = l.set->bucket.ptr ? 0 : -ENOMEM;
    if (!err) {
        fs_reserved_path(fs, bucket, folders[kind], path);
        int fd = v->ops->open(v, fs->root, path, O_RDONLY | O_DIRECTORY, 0);
        err = fd < 0 ? fd : v->ops->readdir(v, fd, load_folder, &l);
        if (fd >= 0)
            v->ops->close(v, fd);
        if (err == -ENOENT)
            err = 0;
    }
    lb_buf_fini(&l.blob);
    if (err) {
        set_free(l.set);
        return err;
    }
    if (l.set->n)
        qsort(l.set->keys, l.set->n, sizeof(*l.set->keys), key_cmp);
    *ret = l.set;
    return 0;
}

bool fs_keys_loaded(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket) {
    struct fs_keysets *h = fs->keysets;
    pthread_rwlock_rdlock(&h->lock);
    bool loaded = find_set(h, kind, bucket) != NULL;
    pthread_rwlock_unlock(&h->lock);
    return loaded;
}

int fs_keys_load(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket) {
    struct fs_keysets *h = fs->keysets;
    struct set *set = NULL;
    if (fs_keys_loaded(fs, kind, bucket))
        return 0;
    pthread_mutex_lock(&h->loading);
    int err = fs_keys_loaded(fs, kind, bucket) ? 0 : fs_bucket_check(fs, bucket);
    if (!err && !fs_keys_loaded(fs, kind, bucket)) {
        err = load_set(fs, kind, bucket, &set);
        pthread_rwlock_wrlock(&h->lock);
        if (!err && (err = lb_map_add(&h->sets[kind], &set->node)) != 0)
            set_free(set);
        pthread_rwlock_unlock(&h->lock);
    }
    pthread_mutex_unlock(&h->loading);
    return err;
}

/* ---- asking and changing ---- */

bool fs_keys_maybe(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                   struct lb_slice key) {
    struct fs_keysets *h = fs->keysets;
    pthread_rwlock_rdlock(&h->lock);
    const struct set *s = find_set(h, kind, bucket);
    bool maybe = !s || has(s, lower_bound(s, key), key);
    pthread_rwlock_unlock(&h->lock);
    return maybe;
}

static void drop_set(struct fs_keysets *h, enum fs_keys kind, struct set *s) {
    lb_map_remove(&h->sets[kind], &s->node);
    set_free(s);
}

void fs_keys_add(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                 struct lb_slice key) {
    struct fs_keysets *h = fs->keysets;
    pthread_mutex_lock(&h->loading);
    pthread_rwlock_wrlock(&h->lock);
    struct set *s = find_set(h, kind, bucket);
    if (s) {
        size_t at = lower_bound(s, key);
        if (!has(s, at, key) && set_insert(s, at, key) != 0)
            drop_set(h, kind, s);
    }
    pthread_rwlock_unlock(&h->lock);
    pthread_mutex_unlock(&h->loading);
}

void fs_keys_remove(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                    struct lb_slice key) {
    struct fs_keysets *h = fs->keysets;
    pthread_mutex_lock(&h->loading);
    pthread_rwlock_wrlock(&h->lock);
    struct set *s = find_set(h, kind, bucket);
    size_t at = s ? lower_bound(s, key) : 0;
    if (s && has(s, at, key)) {
        free((char *)s->keys[at].ptr);
        s->n--;
        memmove(s->keys + at, s->keys + at + 1, (s->n - at) * sizeof(*s->keys));
    }
    pthread_rwlock_unlock(&h->lock);
    pthread_mutex_unlock(&h->loading);
}

int fs_keys_next(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                 struct lb_slice prefix, struct lb_slice after, bool inclusive, char *ret,
                 size_t *ret_len) {
    struct fs_keysets *h = fs->keysets;
    int found = fs_keys_load(fs, kind, bucket);
    if (found < 0)
        return found;
    if (lb_slice_cmp(after, prefix) < 0) {
        after = prefix;
        inclusive = true;
    }
    pthread_rwlock_rdlock(&h->lock);
    const struct set *s = find_set(h, kind, bucket);
    size_t at = s ? lower_bound(s, after) : 0;
    if (s && !inclusive && has(s, at, after))
        at++;
    if (s && at < s->n && lb_slice_starts_with(s->keys[at], prefix)) {
        if (s->keys[at].len)
            memcpy(ret, s->keys[at].ptr, s->keys[at].len);
        *ret_len = s->keys[at].len;
        found = 1;
    }
    pthread_rwlock_unlock(&h->lock);
    return found;
}

void fs_keys_drop_bucket(struct fs_engine *fs, struct lb_slice bucket) {
    struct fs_keysets *h = fs->keysets;
    pthread_mutex_lock(&h->loading);
    pthread_rwlock_wrlock(&h->lock);
    for (enum fs_keys kind = 0; kind < FS_KEYS_KINDS; kind++) {
        struct set *s = find_set(h, kind, bucket);
        if (s)
            drop_set(h, kind, s);
    }
    pthread_rwlock_unlock(&h->lock);
    pthread_mutex_unlock(&h->loading);
}
