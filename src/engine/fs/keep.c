/* Giving a version its place in versions/, before the change that makes it count.
 *
 * The current object is linked there, under a second name for the same file: its bytes are not
 * copied, and its first name is replaced or removed in one step afterwards. Where a link cannot be
 * (the filesystem or its rules refuse it, the object is reached by a symlink, or another program
 * has given the file names of its own) the object is copied, with its time in the attributes. */
#include "engine/fs/versions_priv.h"

#define COPY_STEP (32u << 20)
#define COPY_BUF (1u << 20)

struct keeping {
    struct fs_engine *fs;
    struct lb_slice bucket, key;
    struct fs_key_state *s;
    struct fs_version version;
    char path[FS_PATH_MAX]; /* its place in versions/ */
};

static struct fs_attrs attrs_of(const struct keeping *k) {
    const struct fs_found *f = &k->s->found;
    return (struct fs_attrs){.size = f->st.size,
                             .mtime_ns = f->st.mtime_ns,
                             .etag = f->info.etag,
                             .key = k->key,
                             .meta = f->info.meta,
                             .version = k->version};
}

/* Where the current object is. */
static void place_path(const struct keeping *k, char ret[FS_PATH_MAX]) {
    if (k->s->found.hidden)
        fs_hidden_path(k->fs, k->bucket, k->key, ret);
    else
        fs_plain_path(k->fs, k->bucket, k->key, ret);
}

static void tmp_path(const struct keeping *k, char ret[FS_PATH_MAX]) {
    static atomic_uint_fast64_t count;
    char rest[64];
    snprintf(rest, sizeof(rest), "tmp/version-%llx",
             (unsigned long long)atomic_fetch_add(&count, 1));
    fs_reserved_path(k->fs, k->bucket, rest, ret);
}

/* ---- a link ---- */

/* The file tells which version it is before it gets the name that says so. */
static int identify(const struct keeping *k) {
    const struct fs_found *f = &k->s->found;
    struct fs_attrs a = attrs_of(k);
    if (f->version.order)
        return 0;
    int rc = fs_attrs_store(k->fs, k->bucket, f->fd, &f->st, &a, true);
    return rc == 0 && !k->fs->journaled ? fs_file_sync(k->fs, f->fd) : rc;
}

/* Is name in dir the file that was found, and nothing but it? */
static bool is_found(const struct keeping *k, int dir, const char *name, unsigned nlink) {
    struct lb_vfs_stat st;
    return k->fs->vfs->ops->stat(k->fs->vfs, dir, name, &st) == 0 && st.type == LB_VFS_FILE &&
           st.ino == k->s->found.st.ino && st.dev == k->s->found.st.dev && st.nlink == nlink;
}

/* -EPERM: it is to be copied. */
static int link_in(const struct keeping *k, int dir, const char *name) {
    struct lb_vfs *v = k->fs->vfs;
    if (!is_found(k, dir, name, 1))
        return -EPERM;
    int rc = identify(k);
    if (rc == -EPERM || rc == -EACCES)
        return -EPERM;
    if (rc == 0)
        rc = v->ops->link(v, dir, name, k->fs->root, k->path);
    if (rc == -EOPNOTSUPP || rc == -EMLINK || rc == -EXDEV || rc == -EACCES || rc == -ENOSYS)
        return -EPERM;
    /* Another program may have put another file there meanwhile. */
    if (rc == 0 && !is_found(k, k->fs->root, k->path, 2)) {
        v->ops->unlink(v, k->fs->root, k->path);
        return -EPERM;
    }
    return rc;
}

static int keep_link(const struct keeping *k) {
    char path[FS_PATH_MAX];
    const char *name;
    int dir;
    place_path(k, path);
    int rc = fs_dir_open(k->fs, k->bucket, path, false, &dir, &name);
    if (rc == 0) {
        rc = link_in(k, dir, name);
        fs_dir_close(k->fs, dir);
    }
    return rc == -ENOENT || rc == -ENOTDIR ? -EPERM : rc;
}

/* ---- a copy ---- */

int fs_copy_range(struct lb_vfs *v, int from, uint64_t from_off, int to, uint64_t to_off,
                  uint64_t len) {
    char *buf = malloc(COPY_BUF);
    if (!buf)
        return -ENOMEM;
    int rc = 0;
    for (uint64_t done = 0; done < len && rc == 0;) {
        size_t want = len - done < COPY_BUF ? (size_t)(len - done) : COPY_BUF;
        int64_t n = v->ops->pread(v, from, buf, want, from_off + done);
        if (n <= 0)
            rc = n < 0 ? (int)n : LB_ERR_OBJECT_CHANGED;
        else
            rc = fs_write_all(v, to, buf, (size_t)n, to_off + done);
        done += n > 0 ? (uint64_t)n : 0;
    }
    free(buf);
    return rc;
}

static int copy_bytes(const struct keeping *k, int to) {
    struct lb_vfs *v = k->fs->vfs;
    uint64_t size = k->s->found.st.size;
    int rc = 0;
    for (uint64_t at = 0; at < size && rc == 0; at += COPY_STEP) {
        uint64_t n = size - at < COPY_STEP ? size - at : COPY_STEP;
        rc = v->ops->clone(v, k->s->found.fd, at, to, at, n);
        if (rc == -EOPNOTSUPP)
            rc = fs_copy_range(v, k->s->found.fd, at, to, at, n);
    }
    return rc;
}

/* A file in tmp, finished with a, gets its place in versions/. */
static int make_file(const struct keeping *k, struct fs_attrs *a, bool copy, bool sync) {
    struct lb_vfs *v = k->fs->vfs;
    char tmp[FS_PATH_MAX];
    tmp_path(k, tmp);
    int rc = fs_reserved_make(k->fs, k->bucket, "tmp");
    if (rc < 0)
        return rc;
    int fd = v->ops->open(v, k->fs->root, tmp, O_RDWR | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        return fd;
    rc = copy ? copy_bytes(k, fd) : 0;
    if (rc == 0)
        rc = fs_record(k->fs, k->bucket, fd, a, sync, copy);
    if (rc == 0)
        rc = fs_rename_over(k->fs, k->bucket, tmp, k->fs->root, k->path);
    if (rc < 0)
        fs_tmp_discard(k->fs, k->bucket, tmp, fd);
    v->ops->close(v, fd);
    return rc;
}

static int keep_copy(const struct keeping *k) {
    struct fs_attrs a = attrs_of(k);
    a.shown_mtime_ns = k->s->found.info.mtime_ns;
    return make_file(k, &a, true, true);
}

/* ---- both ---- */

/* Makes the key's directory, which is known of before anything is in it. It lasts when what is put
 * into it is made to last. */
static int make_room(const struct keeping *k) {
    struct lb_vfs *v = k->fs->vfs;
    char hash[FS_HASH_HEX + 1], rest[sizeof("versions/hh")], path[FS_PATH_MAX];
    atomic_store(&k->fs->versions, true);
    int rc = fs_keys_load(k->fs, FS_KEYS_VERSIONED, k->bucket);
    if (rc < 0)
        return rc;
    fs_keys_add(k->fs, FS_KEYS_VERSIONED, k->bucket, k->key);
    fs_versions_path(k->fs, k->bucket, k->key, path);
    rc = v->ops->mkdir(v, k->fs->root, path, 0755);
    if (rc == -ENOENT) {
        fs_key_hash(k->key, hash);
        snprintf(rest, sizeof(rest), "versions/%.2s", hash);
        rc = fs_reserved_make(k->fs, k->bucket, rest);
        if (rc == 0)
            rc = v->ops->mkdir(v, k->fs->root, path, 0755);
    }
    return rc == -EEXIST ? 0 : rc;
}

int fs_keep(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
            struct fs_key_state *s, struct fs_version *ret) {
    struct keeping k = {
        .fs = fs, .bucket = bucket, .key = key, .s = s, .version = s->found.version};
    *ret = (struct fs_version){0};
    if (s->damaged && k.version.order == 0)
        return 0;
    if (k.version.order == 0)
        k.version = (struct fs_version){.order = s->last + 1, .null = true};
    fs_version_path(fs, bucket, key, &k.version, k.path);
    s->any = true;
    int rc = make_room(&k);
    if (rc == 0)
        rc = keep_link(&k);
    if (rc == -EPERM && s->damaged)
        return 0;
    if (rc == -EPERM)
        rc = keep_copy(&k);
    if (rc < 0)
        return rc;
    s->last = k.version.order > s->last ? k.version.order : s->last;
    s->found.version = k.version;
    *ret = k.version;
    return fs->journaled ? 0 : fs_path_settle(fs, bucket, k.path);
}

int fs_marker_make(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   const struct fs_version *v, bool sync) {
    struct keeping k = {.fs = fs, .bucket = bucket, .key = key, .version = *v};
    struct fs_attrs a = {.key = key, .version = *v};
    fs_version_path(fs, bucket, key, v, k.path);
    int rc = make_room(&k);
    return rc ? rc : make_file(&k, &a, false, sync);
}
