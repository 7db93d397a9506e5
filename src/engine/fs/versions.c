/* What versions a key has, and finding one of them. */
#include "engine/fs/versions_priv.h"

#include "engine/fs/bytes_priv.h"

#define CLEAN_STEP 32 /* files removed between two looks into a directory */

bool fs_versions_maybe(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    return atomic_load_explicit(&fs->versions, memory_order_relaxed) &&
           fs_keys_maybe(fs, FS_KEYS_VERSIONED, bucket, key);
}

void fs_version_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                     const struct fs_version *v, char ret[FS_PATH_MAX]) {
    fs_versions_path(fs, bucket, key, ret);
    size_t n = strlen(ret);
    ret[n] = '/';
    fs_version_name(v, ret + n + 1);
}

/* ---- looking ---- */

struct each {
    int (*fn)(void *ctx, const struct fs_version *v);
    void *ctx;
};

static int each_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct each *e = ctx;
    struct fs_version v;
    return fs_version_name_parse(lb_slice(name, len), &v) ? e->fn(e->ctx, &v) : 0;
}

int fs_versions_each(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                     int (*fn)(void *ctx, const struct fs_version *v), void *ctx) {
    struct lb_vfs *v = fs->vfs;
    struct each each = {fn, ctx};
    char path[FS_PATH_MAX];
    fs_versions_path(fs, bucket, key, path);
    int dir = v->ops->open(v, fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return dir == -ENOENT || dir == -ENOTDIR ? 0 : dir;
    int rc = v->ops->readdir(v, dir, each_seen, &each);
    v->ops->close(v, dir);
    return rc;
}

struct look {
    struct fs_engine *fs;
    struct lb_slice bucket, key;
    struct fs_key_state *s;
    size_t seen, counted;
};

/* Is this file the current one itself? Only then does the current one have a second name, and only
 * when it has lost its version to another program is that not told by the order. */
static bool is_current(struct look *l, const struct fs_version *v) {
    struct fs_key_state *s = l->s;
    struct lb_vfs_stat st;
    char path[FS_PATH_MAX];
    if (!s->current || s->found.version.order || s->found.st.nlink < 2)
        return false;
    fs_version_path(l->fs, l->bucket, l->key, v, path);
    return l->fs->vfs->ops->stat(l->fs->vfs, l->fs->root, path, &st) == 0 &&
           st.ino == s->found.st.ino && st.dev == s->found.st.dev;
}

static void rank(struct fs_key_state *s, const struct fs_version *v) {
    if (fs_version_cmp(v, &s->newest) > 0) {
        s->second = s->newest;
        s->newest = *v;
    } else if (fs_version_cmp(v, &s->second) > 0) {
        s->second = *v;
    }
}

static int look_at(void *ctx, const struct fs_version *v) {
    struct look *l = ctx;
    struct fs_key_state *s = l->s;
    l->seen++;
    if (v->order > s->last)
        s->last = v->order;
    if (is_current(l, v)) {
        s->linked = *v;
        return 0;
    }
    if (s->found.version.order && fs_version_cmp(v, &s->found.version) >= 0)
        return 0;
    if (v->null) {
        if (!fs_state_is_null(s) && fs_version_cmp(v, &s->null) > 0)
            s->null = *v;
        return 0;
    }
    l->counted++;
    rank(s, v);
    if (s->want.order && fs_version_cmp(v, &s->want) == 0)
        s->match = *v;
    return 0;
}

bool fs_state_counts(const struct fs_key_state *s, const struct fs_version *v) {
    if (v->null)
        return s->null.order && fs_version_cmp(v, &s->null) == 0;
    if (s->linked.order && fs_version_cmp(v, &s->linked) == 0)
        return false;
    return !s->found.version.order || fs_version_cmp(v, &s->found.version) < 0;
}

int fs_state_load(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                  struct lb_buf *blob, struct fs_key_state *s) {
    struct look l = {.fs = fs, .bucket = bucket, .key = key, .s = s};
    *s = (struct fs_key_state){.want = s->want, .found.fd = -1};
    int rc = fs_find(fs, bucket, key, blob, &s->found);
    if (rc == LB_ERR_NO_SUCH_KEY) {
        s->found = (struct fs_found){.fd = -1};
    } else if (rc == 0 || rc == LB_ERR_CORRUPT) {
        s->current = true;
        s->damaged = rc < 0;
        s->last = s->found.version.order;
    } else {
        s->found.fd = -1;
        return rc;
    }
    rc = fs_versions_maybe(fs, bucket, key) ? fs_versions_each(fs, bucket, key, look_at, &l) : 0;
    if (s->null.order) {
        l.counted++;
        rank(s, &s->null);
        if (s->want.null)
            s->match = s->null;
    }
    s->any = l.seen > 0;
    s->left = l.seen > l.counted;
    if (rc < 0)
        fs_state_fini(fs, s);
    return rc;
}

void fs_state_fini(struct fs_engine *fs, struct fs_key_state *s) {
    if (s->found.fd >= 0)
        fs->vfs->ops->close(fs->vfs, s->found.fd);
    s->found.fd = -1;
}

bool fs_state_is_wanted(const struct fs_key_state *s) {
    if (s->want.null)
        return fs_state_is_null(s);
    return s->current && s->want.order && !s->found.version.null &&
           fs_version_cmp(&s->want, &s->found.version) == 0;
}

int fs_state_precond(const struct fs_key_state *s, const struct lb_precond *pre) {
    if (s->damaged)
        return fs_precond_any(pre) ? LB_ERR_CORRUPT : 0;
    return lb_precond_check(pre, s->current ? &s->found.info : NULL);
}

struct fs_version fs_state_next(const struct fs_key_state *s, int64_t wall_ns) {
    static atomic_uint_fast64_t count;
    uint64_t seed[2] = {(uint64_t)wall_ns, atomic_fetch_add(&count, 1)};
    struct fs_version v = {.order = wall_ns > 0 ? (uint64_t)wall_ns : 1};
    if (v.order <= s->last)
        v.order = s->last + 1;
    v.salt = (uint32_t)lb_hash_bytes(lb_slice(seed, sizeof(seed)));
    return v;
}

/* ---- what does not count ---- */

struct clean {
    const struct fs_key_state *s;
    struct fs_version found[CLEAN_STEP];
    size_t n;
};

static int clean_seen(void *ctx, const struct fs_version *v) {
    struct clean *c = ctx;
    if (!fs_state_counts(c->s, v))
        c->found[c->n++] = *v;
    return c->n == CLEAN_STEP;
}

static int clean(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                 const struct fs_key_state *s) {
    char path[FS_PATH_MAX];
    for (;;) {
        struct clean c = {.s = s};
        int rc = fs_versions_each(fs, bucket, key, clean_seen, &c);
        for (size_t i = 0; i < c.n && rc >= 0; i++) {
            int gone = fs_version_drop(fs, bucket, key, &c.found[i]);
            rc = gone < 0 ? gone : rc;
        }
        if (rc < 0)
            return rc;
        if (c.n < CLEAN_STEP)
            break;
    }
    if (fs->journaled)
        return 0;
    fs_version_path(fs, bucket, key, &s->want, path);
    return fs_path_settle(fs, bucket, path);
}

int fs_state_enter(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   struct lb_buf *blob, struct fs_key_state *s) {
    int rc = fs_state_load(fs, bucket, key, blob, s);
    if (rc < 0 || !s->left)
        return rc;
    rc = clean(fs, bucket, key, s);
    fs_state_fini(fs, s);
    if (rc == 0)
        rc = fs_state_load(fs, bucket, key, blob, s);
    if (rc == 0)
        s->any = true;
    return rc;
}

int fs_version_drop(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    const struct fs_version *v) {
    char path[FS_PATH_MAX];
    if (v->order == 0)
        return 0;
    fs_version_path(fs, bucket, key, v, path);
    int rc = fs_unlink_with(fs, bucket, fs->root, path, true);
    return rc == -ENOENT ? 0 : rc;
}

void fs_versions_prune(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    char path[FS_PATH_MAX];
    fs_versions_path(fs, bucket, key, path);
    int rc = fs->vfs->ops->rmdir(fs->vfs, fs->root, path);
    if (rc == 0 || rc == -ENOENT)
        fs_keys_remove(fs, FS_KEYS_VERSIONED, bucket, key);
}

int fs_key_settle(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    char path[FS_PATH_MAX];
    int rc = 0;
    if (fs->journaled)
        return 0;
    if (fs_key_is_plain(key)) {
        fs_plain_path(fs, bucket, key, path);
        rc = fs_path_settle(fs, bucket, path);
    }
    fs_hidden_path(fs, bucket, key, path);
    return rc ? rc : fs_path_settle(fs, bucket, path);
}

/* ---- finding one ---- */

static int marker_stat(struct fs_engine *fs, const char *path, const struct fs_version *v,
                       struct fs_found *ret) {
    struct fs_found f = {.fd = -1, .version = *v};
    int rc = fs->vfs->ops->stat(fs->vfs, fs->root, path, &f.st);
    if (rc < 0)
        return rc;
    f.info = (struct lb_object_info){.mtime_ns = f.st.mtime_ns, .marker = true};
    fs_version_id(v, &f.info.version);
    *ret = f;
    return 0;
}

int fs_version_open(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    const struct fs_version *v, struct lb_buf *blob, struct fs_found *ret) {
    char path[FS_PATH_MAX];
    fs_version_path(fs, bucket, key, v, path);
    if (v->marker)
        return marker_stat(fs, path, v, ret);
    int rc = fs_find_at(fs, bucket, key, path, 0, blob, ret);
    if (rc == 0 && fs_version_cmp(v, &ret->version) != 0) {
        fs->vfs->ops->close(fs->vfs, ret->fd);
        ret->fd = -1;
        rc = LB_ERR_CORRUPT;
    }
    if (rc == LB_ERR_CORRUPT)
        ret->version = *v;
    return rc;
}

static int find_marker(struct fs_engine *fs, struct lb_engine_op *op, const struct fs_version *v,
                       int err) {
    struct fs_found f;
    int rc = fs_version_open(fs, op->bucket, op->key, v, NULL, &f);
    if (rc < 0)
        return rc;
    op->info = f.info;
    return err;
}

int fs_state_find(struct fs_engine *fs, struct lb_engine_op *op, struct fs_key_state *s,
                  struct lb_buf *blob, struct fs_found *ret) {
    if (op->version.len == 0 ? s->current : fs_state_is_wanted(s)) {
        *ret = s->found;
        s->found.fd = -1;
        return s->damaged ? LB_ERR_CORRUPT : 0;
    }
    if (op->version.len == 0)
        return s->newest.marker ? find_marker(fs, op, &s->newest, LB_ERR_NO_SUCH_KEY)
                                : LB_ERR_NO_SUCH_KEY;
    if (s->match.order == 0)
        return LB_ERR_NO_SUCH_VERSION;
    if (s->match.marker)
        return find_marker(fs, op, &s->match, LB_ERR_METHOD_NOT_ALLOWED);
    return fs_version_open(fs, op->bucket, op->key, &s->match, blob, ret);
}

int fs_version_find(struct fs_engine *fs, struct lb_engine_op *op, struct lb_buf *blob,
                    struct fs_found *ret) {
    struct fs_key_state s = {0};
    pthread_mutex_t *lock = fs_key_lock(fs, op->bucket, op->key);
    if (!fs_bucket_name_ok(fs, op->bucket))
        return LB_ERR_NO_SUCH_BUCKET;
    /* From then on it is known without asking the disk which keys have none. */
    int rc = fs_keys_load(fs, FS_KEYS_VERSIONED, op->bucket);
    if (rc < 0)
        return rc;
    if (op->version.len && !fs_version_parse(op->version, &s.want))
        return LB_ERR_NO_SUCH_VERSION;
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    rc = fs_state_load(fs, op->bucket, op->key, blob, &s);
    if (rc == 0) {
        rc = fs_state_find(fs, op, &s, blob, ret);
        fs_state_fini(fs, &s);
    }
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    return rc == -ENOENT ? LB_ERR_NO_SUCH_VERSION : rc;
}
