/* Listing a bucket: the plain keys of the directory tree and the hidden keys, merged in byte order,
 * grouped by the delimiter.
 *
 * Whatever the delimiter, a group is answered when its first key is met, and then both sources move
 * on to the first key past all that begin with it. For '/', the walk answers a directory as a group
 * without entering it. */
#include <errno.h>

#include "engine/fs/walk_priv.h"

struct lister {
    struct fs_engine *fs;
    struct lb_engine_op *op;
    struct fs_walk walk;
    struct lb_buf blob;
    size_t hidden_len;
    bool has_hidden; /* `hidden` is the next hidden key */
    bool ended;      /* nothing can come after the last group */
    char hidden[LB_KEY_MAX];
    char past[LB_KEY_MAX]; /* past a group */
};

/* What comes next. */
struct next {
    struct lb_slice key;
    bool plain; /* from the walk */
    bool both;  /* and the hidden key is the same */
    bool prefix;
};

static int hidden_seek(struct lister *l, struct lb_slice target, bool inclusive) {
    int found = fs_hidden_next(l->fs, l->op->bucket, l->op->prefix, target, inclusive, l->hidden,
                               &l->hidden_len);
    l->has_hidden = found > 0;
    return found < 0 ? found : 0;
}

/* Returns 1, 0 at the end, or -errno. */
static int peek(struct lister *l, struct next *ret) {
    struct lb_slice plain, hidden = lb_slice(l->hidden, l->hidden_len);
    bool prefix;
    int found = fs_walk_peek(&l->walk, &plain, &prefix);
    if (found < 0 || (found == 0 && !l->has_hidden))
        return found;
    int order = !l->has_hidden ? -1 : found == 0 ? 1 : lb_slice_cmp(plain, hidden);
    if (order <= 0)
        *ret = (struct next){.key = plain, .plain = true, .both = order == 0, .prefix = prefix};
    else
        *ret = (struct next){.key = hidden};
    return 1;
}

static int step(struct lister *l, const struct next *n) {
    if (n->plain)
        fs_walk_step(&l->walk);
    if (!n->plain || n->both)
        return hidden_seek(l, lb_slice(l->hidden, l->hidden_len), false);
    return 0;
}

/* Moves both sources past every key that begins with group, which may be part of either's key. */
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
    return err ? err : hidden_seek(l, lb_slice(l->past, n), true);
}

/* The common prefix that key belongs to, or an empty slice. */
static struct lb_slice group_of(const struct lb_engine_op *op, const struct next *n) {
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
static int describe(struct lister *l, const struct next *n, struct fs_found *f) {
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
    int err = fs_describe(l->fs, l->op->bucket, 0, &l->blob, f);
    if (err == LB_ERR_CORRUPT) /* it is there, to be seen and deleted */
        err = fs_object_info(&f->st, NULL, &f->info);
    v->ops->close(v, f->fd);
    return err;
}

static bool is_gone(int err) {
    return err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -EXDEV || err == -ENXIO;
}

static int add_object(struct lister *l, const struct next *n) {
    struct lb_engine_op *op = l->op;
    struct lb_list_entry *e = &op->list.entries[op->list.n];
    struct fs_found f;
    int err = describe(l, n, &f);
    if (err)
        return is_gone(err) ? 0 : err;
    *e = (struct lb_list_entry){.info = f.info};
    e->info.meta = lb_slice(NULL, 0);
    err = lb_arena_copy(op->arena, n->key, &e->key);
    if (!err && op->want_meta)
        err = lb_arena_copy(op->arena, f.info.meta, &e->info.meta);
    if (!err)
        op->list.n++;
    return err;
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
    struct next n;
    int found = l->ended ? 0 : peek(l, &n);
    if (found <= 0)
        return found;
    struct lb_slice group = group_of(op, &n);
    if (op->list.n == op->max) {
        op->list.truncated = true;
        return 0;
    }
    int err = group.len ? add_group(l, group) : add_object(l, &n);
    if (!err)
        err = group.len ? step_past(l, group) : step(l, &n);
    return err ? err : 1;
}

/* Moves both sources to the first key after op->after. */
static int seek_after(struct lister *l) {
    struct lb_engine_op *op = l->op;
    if (lb_slice_cmp(op->after, op->prefix) < 0 || op->after.len == 0)
        return hidden_seek(l, op->prefix, true);
    if (op->delimiter.len && lb_slice_ends_with(op->after, op->delimiter) &&
        lb_slice_starts_with(op->after, op->prefix)) {
        const struct next n = {.key = op->after};
        struct lb_slice group = group_of(op, &n);
        if (group.len && group.len <= LB_KEY_MAX)
            return step_past(l, group);
    }
    int err = fs_walk_seek(&l->walk, op->after, false);
    return err ? err : hidden_seek(l, op->after, false);
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
