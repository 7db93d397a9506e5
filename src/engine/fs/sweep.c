/* What a crash left, removed at start: temporaries and half-removed buckets always; sidecars of
 * files that are gone while a bounded walk can tell; uploads that nobody has touched for long.
 * Nothing here is needed for correctness: what can't be removed is only logged. */
#include "engine/fs/versions_priv.h"

#define WALK_MAX 200000u /* entries looked at for one bucket's sidecars; more: they stay */
#define WALK_DEPTH_MAX 200
#define SIDECARS_MAX 100000u
#define SWEEP_KEYS_MAX 2000u /* of a bucket, whose versions are looked at */

static void failed(const char *what, const char *path, int err) {
    lb_warn("sweep: could not remove", LB_LOG_C("what", what), LB_LOG_C("path", path),
            LB_LOG_C("reason", lb_err_name(err)));
}

/* The names in a directory, read before anything is removed from it. */
static int name_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct lb_buf *names = ctx;
    lb_buf_append(names, lb_slice(name, len));
    lb_buf_append_char(names, '\0');
    return names->err;
}

static int names_of(struct fs_engine *fs, const char *path, struct lb_buf *names) {
    struct lb_vfs *v = fs->vfs;
    int dir = v->ops->open(v, fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    int rc = v->ops->readdir(v, dir, name_seen, names);
    v->ops->close(v, dir);
    return rc;
}

#define NAMES_EACH(name, names)                                                       \
    for (const char *name = (names)->ptr; name && name < (names)->ptr + (names)->len; \
         name += strlen(name) + 1)

/* Empties a directory of our own. */
static void clear(struct fs_engine *fs, const char *dir) {
    struct lb_vfs *v = fs->vfs;
    struct lb_buf names;
    lb_buf_init(&names, SIZE_MAX / 2);
    int rc = names_of(fs, dir, &names);
    if (rc < 0)
        failed("directory", dir, rc);
    NAMES_EACH(name, &names) {
        char path[FS_PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        rc = v->ops->unlink(v, fs->root, path);
        if (rc == -EISDIR || rc == -EPERM)
            rc = fs_tree_remove(fs, path);
        if (rc < 0 && rc != -ENOENT)
            failed("leftover", path, rc);
    }
    lb_buf_fini(&names);
}

/* ---- sidecars ---- */

struct sidecar {
    uint64_t ino;
    bool used;
};

struct walk {
    struct fs_engine *fs;
    struct sidecar *sidecars; /* sorted by ino */
    size_t n;
    size_t seen;
    int dir; /* the one being read */
    unsigned depth;
};

static int sidecar_cmp(const void *a, const void *b) {
    uint64_t x = ((const struct sidecar *)a)->ino, y = ((const struct sidecar *)b)->ino;
    return (x > y) - (x < y);
}

static int walk_dir(struct walk *w, int dir, const char *name);

static int walk_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct walk *w = ctx;
    struct lb_vfs_stat st;
    if (++w->seen > WALK_MAX)
        return -E2BIG;
    int rc = w->fs->vfs->ops->stat(w->fs->vfs, w->dir, name, &st);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    /* A symlink may bring in files from elsewhere, whose inodes this walk would miss. */
    if (st.type == LB_VFS_SYMLINK)
        return -E2BIG;
    if (st.type == LB_VFS_DIR)
        return walk_dir(w, w->dir, name);
    struct sidecar key = {.ino = st.ino};
    struct sidecar *s = bsearch(&key, w->sidecars, w->n, sizeof(key), sidecar_cmp);
    if (s)
        s->used = true;
    return 0;
}

static int walk_dir(struct walk *w, int dir, const char *name) {
    struct lb_vfs *v = w->fs->vfs;
    if (w->depth == WALK_DEPTH_MAX)
        return -E2BIG;
    int fd = v->ops->open(v, dir, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int above = w->dir;
    w->dir = fd;
    w->depth++;
    int rc = v->ops->readdir(v, fd, walk_seen, w);
    w->depth--;
    w->dir = above;
    v->ops->close(v, fd);
    return rc;
}

/* Inode numbers of the sidecars there are. */
static int sidecars_read(struct fs_engine *fs, const struct lb_buf *names, struct walk *w) {
    w->sidecars = calloc(SIDECARS_MAX, sizeof(w->sidecars[0]));
    if (!w->sidecars)
        return -ENOMEM;
    NAMES_EACH(name, names) {
        char *end;
        uint64_t ino = strtoull(name, &end, 16);
        if (*end || end == name)
            continue;
        if (w->n == SIDECARS_MAX)
            return -E2BIG;
        w->sidecars[w->n++].ino = ino;
    }
    qsort(w->sidecars, w->n, sizeof(w->sidecars[0]), sidecar_cmp);
    return 0;
}

static void sweep_sidecars(struct fs_engine *fs, struct lb_slice bucket) {
    struct walk w = {.fs = fs, .dir = -1};
    struct lb_buf names;
    char path[FS_PATH_MAX];
    lb_buf_init(&names, SIZE_MAX / 2);
    fs_reserved_path(fs, bucket, "attrs", path);
    int rc = names_of(fs, path, &names);
    if (rc != 0 || names.len > 0)
        atomic_store(&fs->sidecars, true);
    if (rc == 0 && names.len > 0) {
        rc = sidecars_read(fs, &names, &w);
        fs_bucket_path(fs, bucket, path);
        if (rc == 0)
            rc = walk_dir(&w, fs->root, path);
        for (size_t i = 0; rc == 0 && i < w.n; i++) {
            if (!w.sidecars[i].used)
                fs_attrs_drop(fs, bucket, w.sidecars[i].ino);
        }
        free(w.sidecars);
    }
    lb_buf_fini(&names);
}

/* ---- versions ---- */

/* What a change that was cut off has left there counts for nothing; it is removed where that is not
 * much work, elsewhere with the next change of the key. */
static void sweep_key(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    struct fs_key_state s = {0};
    struct lb_buf blob;
    lb_buf_init(&blob, FS_ATTRS_MAX);
    int rc = fs_state_enter(fs, bucket, key, &blob, &s);
    if (rc == 0) {
        fs_state_fini(fs, &s);
        if (s.any)
            fs_versions_prune(fs, bucket, key);
    } else {
        failed("versions of", "a key", rc);
    }
    lb_buf_fini(&blob);
}

/* The key whose versions are in a directory, which any of them tells. Returns its length; 0: not
 * known. */
static size_t key_of(struct fs_engine *fs, struct lb_slice bucket, const char *dir, char *ret) {
    struct lb_vfs *v = fs->vfs;
    struct lb_buf names, blob;
    char path[FS_PATH_MAX], made[FS_PATH_MAX];
    size_t len = 0;
    lb_buf_init(&names, SIZE_MAX / 2);
    lb_buf_init(&blob, FS_ATTRS_MAX);
    names_of(fs, dir, &names);
    NAMES_EACH(name, &names) {
        struct lb_vfs_stat st;
        struct fs_attrs a;
        if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
            continue;
        int fd = v->ops->open(v, fs->root, path, O_RDONLY, 0);
        if (fd < 0)
            continue;
        if (v->ops->fstat(v, fd, &st) == 0 &&
            fs_attrs_load(fs, bucket, fd, &st, false, &blob, &a) == 0) {
            fs_versions_path(fs, bucket, a.key, made);
            len = strcmp(made, dir) == 0 ? a.key.len : 0;
        }
        if (len)
            memcpy(ret, a.key.ptr, len);
        v->ops->close(v, fd);
        if (len)
            break;
    }
    lb_buf_fini(&blob);
    lb_buf_fini(&names);
    return len;
}

static void sweep_folder(struct fs_engine *fs, struct lb_slice bucket, const char *folder,
                         unsigned *left) {
    struct lb_buf names;
    char path[FS_PATH_MAX], key[LB_KEY_MAX];
    lb_buf_init(&names, SIZE_MAX / 2);
    names_of(fs, folder, &names);
    NAMES_EACH(name, &names) {
        if (*left == 0)
            break;
        --*left;
        if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
            continue;
        /* Without versions it was left by a crash. */
        if (fs->vfs->ops->rmdir(fs->vfs, fs->root, path) == 0)
            continue;
        size_t len = key_of(fs, bucket, path, key);
        if (len)
            sweep_key(fs, bucket, lb_slice(key, len));
    }
    lb_buf_fini(&names);
}

static void sweep_versions(struct fs_engine *fs, struct lb_slice bucket) {
    struct lb_vfs_stat st;
    struct lb_buf folders;
    char path[FS_PATH_MAX], rest[sizeof("versions/hh")];
    unsigned left = SWEEP_KEYS_MAX;
    fs_reserved_path(fs, bucket, "versions", path);
    if (fs->vfs->ops->stat(fs->vfs, fs->root, path, &st) < 0)
        return;
    atomic_store(&fs->versions, true);
    lb_buf_init(&folders, SIZE_MAX / 2);
    names_of(fs, path, &folders);
    NAMES_EACH(folder, &folders) {
        if (left == 0 || strlen(folder) != 2)
            continue;
        snprintf(rest, sizeof(rest), "versions/%.2s", folder);
        fs_reserved_path(fs, bucket, rest, path);
        sweep_folder(fs, bucket, path, &left);
    }
    lb_buf_fini(&folders);
}

/* ---- uploads ---- */

static void sweep_uploads(struct fs_engine *fs, struct lb_slice bucket, int64_t before_ns) {
    struct lb_vfs *v = fs->vfs;
    struct lb_buf names;
    char path[FS_PATH_MAX];
    lb_buf_init(&names, SIZE_MAX / 2);
    fs_reserved_path(fs, bucket, "uploads", path);
    int rc = names_of(fs, path, &names);
    NAMES_EACH(id, &names) {
        char upload[FS_OWN_PATH_MAX];
        struct lb_vfs_stat st;
        if (rc < 0 || !fs_upload_id_ok(lb_slice_cstr(id)))
            continue;
        fs_own_path(fs, bucket, "uploads", id, NULL, upload);
        /* Every part that arrives changes the directory. */
        if (v->ops->stat(v, fs->root, upload, &st) < 0 || st.mtime_ns >= before_ns)
            continue;
        int gone = fs_upload_hide(fs, bucket, id);
        while (gone >= 0 && (gone = fs_upload_clear(fs, bucket, id)) > 0)
            continue;
        if (gone < 0)
            failed("upload", upload, gone);
    }
    lb_buf_fini(&names);
}

/* The time by the filesystem's own clock, which the uploads' times are of. */
static int64_t now_ns(struct fs_engine *fs) {
    const char *path = FS_RESERVED "/clock";
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st;
    v->ops->unlink(v, fs->root, path);
    int fd = v->ops->open(v, fs->root, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return INT64_MIN;
    int rc = v->ops->fstat(v, fd, &st);
    v->ops->close(v, fd);
    v->ops->unlink(v, fs->root, path);
    return rc < 0 ? INT64_MIN : st.mtime_ns;
}

/* ---- buckets ---- */

static void sweep_bucket(struct fs_engine *fs, struct lb_slice bucket, int64_t before_ns) {
    char path[FS_PATH_MAX];
    if (before_ns != INT64_MIN)
        sweep_uploads(fs, bucket, before_ns);
    fs_reserved_path(fs, bucket, "tmp", path);
    clear(fs, path);
    sweep_versions(fs, bucket);
    sweep_sidecars(fs, bucket);
}

int fs_sweep(struct fs_engine *fs) {
    struct lb_buf names;
    int64_t before_ns = INT64_MIN;
    uint64_t age_max_s = fs->conf.upload_age_max_s;
    int64_t now = age_max_s ? now_ns(fs) : INT64_MIN;
    if (now != INT64_MIN && age_max_s < (uint64_t)now / 1000000000u)
        before_ns = now - (int64_t)age_max_s * 1000000000;
    clear(fs, FS_RESERVED "/trash");
    if (fs->conf.single_bucket) {
        sweep_bucket(fs, lb_slice_cstr(fs->conf.single_bucket), before_ns);
        return 0;
    }
    lb_buf_init(&names, SIZE_MAX / 2);
    int rc = names_of(fs, ".", &names);
    NAMES_EACH(name, &names) {
        struct lb_slice bucket = lb_slice_cstr(name);
        if (rc == 0 && fs_bucket_name_ok(fs, bucket) && fs_bucket_check(fs, bucket) == 0)
            sweep_bucket(fs, bucket, before_ns);
    }
    lb_buf_fini(&names);
    return rc;
}
