/* Listing a bucket: the plain keys of the directory tree, the hidden keys and, when versions are
 * wanted, the keys that have some, merged in byte order, grouped by the delimiter.
 *
 * Whatever the delimiter, a group is answered when its first key is met, and then all sources move
 * on to the first key past all that begin with it. For '/', the walk answers a directory as a group
 * without entering it. */
#include <errno.h>

#include "engine/fs/list_priv.h"

struct lister {
    struct fs_engine *fs;
    struct lb_engine_op *op;
    struct fs_walk walk;
    struct lb_buf blob;
    struct fs_list_set sets[FS_KEYS_KINDS];
    bool ended;            /* nothing can come after the last group */
    char past[LB_KEY_MAX]; /* past a group */
};

static int set_seek(struct lister *l, enum fs_keys kind, struct lb_slice target, bool inclusive) {
    struct fs_list_set *set = &l->sets[kind];
    int found = fs_keys_next(l->fs, kind, l->op->bucket, l->op->prefix, target, inclusive, set->key,
                             &set->len);
    set->has = found > 0;
    return found < 0 ? found : 0;
}

/* Moves the sets that are listed. */
static int sets_seek(struct lister *l, struct lb_slice target, bool inclusive) {
    int err = set_seek(l, FS_KEYS_HIDDEN, target, inclusive);
    if (!err && l->op->versions)
        err = set_seek(l, FS_KEYS_VERSIONED, target, inclusive);
    return err;
}

/* Returns 1, 0 at the end, or -errno. */
static int peek(struct lister *l, struct fs_list_next *ret) {
    struct lb_slice plain;
    bool prefix;
    int found = fs_walk_peek(&l->walk, &plain, &prefix);
    if (found < 0)
        return found;
    *ret = (struct fs_list_next){0};
    if (found)
        *ret = (struct fs_list_next){.key = plain, .plain = true, .prefix = prefix};
    for (enum fs_keys kind = 0; kind < FS_KEYS_KINDS; kind++) {
        struct lb_slice key = lb_slice(l->sets[kind].key, l->sets[kind].len);
        if (!l->sets[kind].has)
            continue;
        int order = found ? lb_slice_cmp(key, ret->key) : -1;
        if (order < 0)
            *ret = (struct fs_list_next){.key = key};
        if (order <= 0)
            ret->in[kind] = true;
        found = 1;
    }
    return found;
}

static int step(struct lister *l, const struct fs_list_next *n) {
    int err = 0;
    if (n->plain)
        fs_walk_step(&l->walk);
    for (enum fs_keys kind = 0; kind < FS_KEYS_KINDS && !err; kind++) {
        if (n->in[kind])
            err = set_seek(l, kind, lb_slice(l->sets[kind].key, l->sets[kind].len), false);
    }
    return err;
}

/* Moves all sources past every key that begins with group, which may be part of any one's key. */
static int step_past(struct lister *l, struct lb_slice group) {
    size_t n = group.len;
    memcpy(l->past, group.ptr, n);
    while (n && (uint8_t)l->past[n - 1] == 0xff)
        n--;
    l->ended = n == 0;
    if (l->ended)
        return 0;
    l->past[n - 1]++;
    int err = fs_walk_seek(&l->walk, lb_slice(l->past, n), true);
    return err ? err : sets_seek(l, lb_slice(l->past, n), true);
}

/* The common prefix that key belongs to, or an empty slice. */
static struct lb_slice group_of(const struct lb_engine_op *op, const struct fs_list_next *n) {
    if (n->prefix)
        return n->key;
    if (op->delimiter.len == 0)
        return lb_slice(NULL, 0);
    ptrdiff_t at = lb_slice_find_slice(lb_slice_from(n->key, op->prefix.len), op->delimiter);
    if (at < 0)
        return lb_slice(NULL, 0);
    return lb_slice_first(n->key, op->prefix.len + (size_t)at + op->delimiter.len);
}

/* Describes a file that cannot be opened: by its name alone. */
static int describe_closed(struct lister *l, struct lb_slice key, struct fs_found *f) {
    char path[FS_PATH_MAX];
    fs_plain_path(l->fs, l->op->bucket, key, path);
    int err = l->fs->vfs->ops->stat(l->fs->vfs, l->fs->root, path, &f->st);
    if (err)
        return err;
    return f->st.type == LB_VFS_FILE ? fs_object_info(&f->st, NULL, &f->info) : -ENOENT;
}

/* Reads about the object n names. Returns 0; -ENOENT when it is gone. */
static int describe(struct lister *l, const struct fs_list_next *n, struct fs_found *f) {
    struct lb_vfs *v = l->fs->vfs;
    char path[FS_PATH_MAX];
    *f = (struct fs_found){.fd = -1};
    if (n->plain) {
        f->fd = fs_walk_open(&l->walk);
    } else {
        fs_hidden_path(l->fs, l->op->bucket, n->key, path);
        f->fd = v->ops->open(v, l->fs->root, path, 0, 0);
    }
    if (f->fd < 0)
        return n->plain && f->fd == -EACCES ? describe_closed(l, n->key, f) : f->fd;
    int err = fs_describe(l->fs, l->op->bucket, n->key, 0, &l->blob, f);
    if (err == LB_ERR_CORRUPT) /* it is there, to be seen and deleted */
        err = fs_damaged_info(f);
    v->ops->close(v, f->fd);
    return err;
}

static bool is_gone(int err) {
    return err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -EXDEV || err == -ENXIO;
}

int fs_list_add(struct lb_engine_op *op, struct lb_slice key, const struct lb_object_info *info) {
    struct lb_list_entry *e = &op->list.entries[op->list.n];
    *e = (struct lb_list_entry){.info = *info};
    e->info.meta = lb_slice(NULL, 0);
    int err = lb_arena_copy(op->arena, key, &e->key);
    if (!err && op->want_meta)
        err = lb_arena_copy(op->arena, info->meta, &e->info.meta);
    if (!err)
        op->list.n++;
    return err;
}

/* An object that changes from one version to another meanwhile is found with both, since its key is
 * known to have versions before that. Returns 1 when the page is full and more of the key remains.
 */
static int add_object(struct lister *l, const struct fs_list_next *n) {
    struct fs_found f;
    int err = 0;
    struct lb_engine_op *op = l->op;
    bool known = n->in[FS_KEYS_VERSIONED]; /* even when the last version has gone meanwhile */
    bool again = op->after_id.len && lb_slice_eq(op->after, n->key);
    if (!known) {
        err = describe(l, n, &f);
        if (err && !is_gone(err))
            return err;
    }
    if (op->versions && (known || again || fs_versions_maybe(l->fs, op->bucket, n->key))) {
        int rc = fs_list_versions(l->fs, op, n->key, &l->blob);
        if (rc != LB_ERR_ACCESS_DENIED)
            return rc;
        /* A file that may not be read stands for its key. */
        err = again ? -ENOENT : describe(l, n, &f);
        if (err && !is_gone(err))
            return err;
    }
    f.info.latest = op->versions;
    return err ? 0 : fs_list_add(op, n->key, &f.info);
}

static int add_group(struct lister *l, struct lb_slice group) {
    struct lb_engine_op *op = l->op;
    struct lb_list_entry *e = &op->list.entries[op->list.n];
    *e = (struct lb_list_entry){.is_prefix = true};
    int err = lb_arena_copy(op->arena, group, &e->key);
    if (!err)
        op->list.n++;
    return err;
}

/* Takes up what is next. Returns 1 to go on, 0 at the end, or -errno. */
static int take(struct lister *l) {
    struct lb_engine_op *op = l->op;
    struct fs_list_next n;
    int found = l->ended ? 0 : peek(l, &n);
    if (found <= 0)
        return found;
    struct lb_slice group = group_of(op, &n);
    if (op->list.n == op->max) {
        op->list.truncated = true;
        return 0;
    }
    int err = group.len ? add_group(l, group) : add_object(l, &n);
    if (err > 0) {
        op->list.truncated = true;
        return 0;
    }
    if (!err)
        err = group.len ? step_past(l, group) : step(l, &n);
    return err ? err : 1;
}

/* Moves all sources to the first key after op->after. */
static int seek_after(struct lister *l) {
    struct lb_engine_op *op = l->op;
    bool within = op->versions && op->after_id.len; /* more of the same key are wanted */
    if (lb_slice_cmp(op->after, op->prefix) < 0 || op->after.len == 0)
        return sets_seek(l, op->prefix, true);
    if (!within && op->delimiter.len && lb_slice_ends_with(op->after, op->delimiter) &&
        lb_slice_starts_with(op->after, op->prefix)) {
        const struct fs_list_next n = {.key = op->after};
        struct lb_slice group = group_of(op, &n);
        if (group.len && group.len <= LB_KEY_MAX)
            return step_past(l, group);
    }
    int err = fs_walk_seek(&l->walk, op->after, within);
    return err ? err : sets_seek(l, op->after, within);
}

static int list(struct lister *l) {
    struct lb_engine_op *op = l->op;
    int err = fs_walk_init(&l->walk, l->fs, op->bucket, op->prefix,
                           lb_slice_eq(op->delimiter, LB_S("/")), op->run.wall_ns);
    if (!err)
        err = seek_after(l);
    while (!err) {
        int more = take(l);
        if (more <= 0)
            return more;
    }
    return err;
}

static int list_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct lister l = {.fs = fs_of(p), .op = op};
    op->list = (struct lb_list_result){0};
    int err = fs_bucket_check(l.fs, op->bucket);
    if (err || op->prefix.len > LB_KEY_MAX || op->max == 0)
        return err;
    op->list.entries = lb_arena_alloc(op->arena, op->max * sizeof(*op->list.entries));
    if (!op->list.entries)
        return -ENOMEM;
    lb_buf_init(&l.blob, FS_ATTRS_MAX);
    err = list(&l);
    fs_walk_fini(&l.walk);
    lb_buf_fini(&l.blob);
    return err;
}

void fs_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    fs_work(p, op, list_work);
}
