/* Which hidden keys each bucket has: a sorted array per bucket, loaded from "<bucket>/.lobos/keys"
 * at first use and kept up by commits and removes. About 16 bytes and the key for each.
 *
 * Invariants:
 * 1. A bucket's set is there only once it is complete.
 * 2. `loading` is held while a set is read from disk and while one is changed. A change comes after
 *    its file is there or gone, so a load either saw it on disk or the change finds the set.
 * 3. `lock` guards the sets themselves and is never held across a system call: loops may ask.
 * 4. A set that cannot be kept up (no memory) is dropped, to be loaded again. */
#include <errno.h>
#include <fcntl.h>
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

struct fs_hidden {
    pthread_mutex_t loading;
    pthread_rwlock_t lock;
    struct lb_map sets;
};

static bool set_eq(const struct lb_map_node *node, const void *key) {
    return lb_slice_eq(LB_CONTAINER_OF(node, struct set, node)->bucket,
                       *(const struct lb_slice *)key);
}

struct fs_hidden *fs_hidden_new(void) {
    struct fs_hidden *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    pthread_mutex_init(&h->loading, NULL);
    pthread_rwlock_init(&h->lock, NULL);
    lb_map_init(&h->sets, set_eq);
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

void fs_hidden_free(struct fs_hidden *h) {
    if (!h)
        return;
    for (struct lb_map_node *node = lb_map_first(&h->sets); node;) {
        struct lb_map_node *next = lb_map_next(&h->sets, node);
        set_free(LB_CONTAINER_OF(node, struct set, node));
        node = next;
    }
    lb_map_fini(&h->sets);
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

static struct set *find_set(const struct fs_hidden *h, struct lb_slice bucket) {
    struct lb_map_node *node = lb_map_find(&h->sets, lb_hash_bytes(bucket), &bucket);
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
    struct lb_slice bucket;
    struct set *set;
    struct lb_buf blob;
    int dir; /* the folder being read */
};

/* Adds the key that the hidden file `name` records. A file that is damaged or under another's name
 * is left alone and out. */
static int load_file(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct load *l = ctx;
    struct lb_vfs *v = l->fs->vfs;
    struct lb_vfs_stat st;
    struct fs_attrs attrs;
    char path[FS_PATH_MAX];
    int fd = v->ops->open(v, l->dir, name, O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int err = v->ops->fstat(v, fd, &st);
    if (!err)
        err = fs_attrs_load(l->fs, l->bucket, fd, &st, false, &l->blob, &attrs);
    v->ops->close(v, fd);
    if (!err) {
        fs_hidden_path(l->fs, l->bucket, attrs.key, path);
        if (len == FS_HIDDEN_HEX && lb_slice_ends_with(lb_slice_cstr(path), lb_slice(name, len)))
            return set_insert(l->set, l->set->n, attrs.key);
    }
    if (err && err != -ENODATA && err != LB_ERR_CORRUPT)
        return err;
    lb_warn("a hidden object's file is damaged", LB_LOG_S("bucket", l->bucket),
            LB_LOG_S("file", lb_slice(name, len)));
    return 0;
}

static int load_folder(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct load *l = ctx;
    struct lb_vfs *v = l->fs->vfs;
    char rest[16], path[FS_PATH_MAX];
    if (len != 2)
        return 0;
    memcpy(rest, "keys/", 5);
    memcpy(rest + 5, name, 3);
    fs_reserved_path(l->fs, l->bucket, rest, path);
    l->dir = v->ops->open(v, l->fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (l->dir < 0)
        return l->dir == -ENOENT || l->dir == -ENOTDIR ? 0 : l->dir;
    int err = v->ops->readdir(v, l->dir, load_file, l);
    v->ops->close(v, l->dir);
    return err;
}

static int key_cmp(const void *a, const void *b) {
    return lb_slice_cmp(*(const struct lb_slice *)a, *(const struct lb_slice *)b);
}

static int load_set(struct fs_engine *fs, struct lb_slice bucket, struct set **ret) {
    struct lb_vfs *v = fs->vfs;
    char path[FS_PATH_MAX];
    struct load l = {.fs = fs, .bucket = bucket, .set = calloc(1, sizeof(*l.set))};
    if (!l.set)
        return -ENOMEM;
    lb_buf_init(&l.blob, FS_ATTRS_MAX);
    l.set->bucket = dup_slice(bucket);
    l.set->node.hash = lb_hash_bytes(bucket);
    int err = l.set->bucket.ptr ? 0 : -ENOMEM;
    if (!err) {
        fs_reserved_path(fs, bucket, "keys", path);
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

bool fs_hidden_loaded(struct fs_engine *fs, struct lb_slice bucket) {
    struct fs_hidden *h = fs->hidden;
    pthread_rwlock_rdlock(&h->lock);
    bool loaded = find_set(h, bucket) != NULL;
    pthread_rwlock_unlock(&h->lock);
    return loaded;
}

int fs_hidden_load(struct fs_engine *fs, struct lb_slice bucket) {
    struct fs_hidden *h = fs->hidden;
    struct set *set = NULL;
    if (fs_hidden_loaded(fs, bucket))
        return 0;
    pthread_mutex_lock(&h->loading);
    int err = fs_hidden_loaded(fs, bucket) ? 0 : fs_bucket_check(fs, bucket);
    if (!err && !fs_hidden_loaded(fs, bucket)) {
        err = load_set(fs, bucket, &set);
        pthread_rwlock_wrlock(&h->lock);
        if (!err && (err = lb_map_add(&h->sets, &set->node)) != 0)
            set_free(set);
        pthread_rwlock_unlock(&h->lock);
    }
    pthread_mutex_unlock(&h->loading);
    return err;
}

/* ---- asking and changing ---- */

bool fs_hidden_maybe(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    struct fs_hidden *h = fs->hidden;
    pthread_rwlock_rdlock(&h->lock);
    const struct set *s = find_set(h, bucket);
    bool maybe = !s || has(s, lower_bound(s, key), key);
    pthread_rwlock_unlock(&h->lock);
    return maybe;
}

static void drop_set(struct fs_hidden *h, struct set *s) {
    lb_map_remove(&h->sets, &s->node);
    set_free(s);
}

int fs_hidden_add(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    struct fs_hidden *h = fs->hidden;
    pthread_mutex_lock(&h->loading);
    pthread_rwlock_wrlock(&h->lock);
    struct set *s = find_set(h, bucket);
    if (s) {
        size_t at = lower_bound(s, key);
        if (!has(s, at, key) && set_insert(s, at, key) != 0)
            drop_set(h, s);
    }
    pthread_rwlock_unlock(&h->lock);
    pthread_mutex_unlock(&h->loading);
    return 0;
}

void fs_hidden_remove(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    struct fs_hidden *h = fs->hidden;
    pthread_mutex_lock(&h->loading);
    pthread_rwlock_wrlock(&h->lock);
    struct set *s = find_set(h, bucket);
    size_t at = s ? lower_bound(s, key) : 0;
    if (s && has(s, at, key)) {
        free((char *)s->keys[at].ptr);
        s->n--;
        memmove(s->keys + at, s->keys + at + 1, (s->n - at) * sizeof(*s->keys));
    }
    pthread_rwlock_unlock(&h->lock);
    pthread_mutex_unlock(&h->loading);
}

int fs_hidden_next(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice prefix,
                   struct lb_slice after, bool inclusive, char *ret, size_t *ret_len) {
    struct fs_hidden *h = fs->hidden;
    int found = fs_hidden_load(fs, bucket);
    if (found < 0)
        return found;
    if (lb_slice_cmp(after, prefix) < 0) {
        after = prefix;
        inclusive = true;
    }
    pthread_rwlock_rdlock(&h->lock);
    const struct set *s = find_set(h, bucket);
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

void fs_hidden_drop_bucket(struct fs_engine *fs, struct lb_slice bucket) {
    struct fs_hidden *h = fs->hidden;
    pthread_mutex_lock(&h->loading);
    pthread_rwlock_wrlock(&h->lock);
    struct set *s = find_set(h, bucket);
    if (s)
        drop_set(h, s);
    pthread_rwlock_unlock(&h->lock);
    pthread_mutex_unlock(&h->loading);
}
