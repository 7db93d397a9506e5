/* The versions of one key in a list: as they are at one moment, with the key's lock held. Of the
 * names in its directory no more are remembered than the page has room for, and one. */
#include "engine/fs/list_priv.h"

struct page {
    struct fs_engine *fs;
    struct lb_engine_op *op;
    struct lb_slice key;
    struct fs_key_state s;
    bool current;             /* the current object is wanted */
    struct fs_version below;  /* only older ones than this; order 0: all */
    struct fs_version *found; /* newest first */
    size_t n, max;
};

static int found_add(void *ctx, const struct fs_version *v) {
    struct page *p = ctx;
    size_t at = p->n;
    if (!fs_state_counts(&p->s, v) || (p->below.order && fs_version_cmp(v, &p->below) >= 0))
        return 0;
    while (at > 0 && fs_version_cmp(&p->found[at - 1], v) < 0)
        at--;
    if (at == p->max)
        return 0;
    if (p->n < p->max)
        p->n++;
    memmove(&p->found[at + 1], &p->found[at], (p->n - 1 - at) * sizeof(*p->found));
    p->found[at] = *v;
    return 0;
}

/* Where the last page ended. A null version that is gone since tells nothing: then all are listed
 * again, so that none is missed. */
static void begin_after(struct page *p) {
    struct lb_engine_op *op = p->op;
    struct fs_version v;
    p->current = p->s.current;
    if (op->after_id.len == 0 || !lb_slice_eq(op->after, p->key) ||
        !fs_version_parse(op->after_id, &v))
        return;
    if (v.null && fs_state_is_null(&p->s)) {
        p->current = false;
        return;
    }
    if (v.null)
        v = p->s.null;
    p->below = v;
    /* The current one is the newest. */
    if (v.order)
        p->current =
            p->s.current && p->s.found.version.order && fs_version_cmp(&p->s.found.version, &v) < 0;
}

static int add_current(struct page *p) {
    struct fs_found *f = &p->s.found;
    int err = p->s.damaged ? fs_damaged_info(f) : 0;
    if (err)
        return err;
    f->info.latest = true;
    return fs_list_add(p->op, p->key, &f->info);
}

static int add_version(struct page *p, const struct fs_version *v, struct lb_buf *blob) {
    struct fs_found f = {.fd = -1};
    int err = fs_version_open(p->fs, p->op->bucket, p->key, v, blob, &f);
    if (err == LB_ERR_CORRUPT)
        err = fs_damaged_info(&f);
    if (f.fd >= 0)
        p->fs->vfs->ops->close(p->fs->vfs, f.fd);
    if (err)
        return err == -ENOENT ? 0 : err;
    f.info.latest = !p->s.current && v->marker && fs_version_cmp(v, &p->s.newest) == 0;
    return fs_list_add(p->op, p->key, &f.info);
}

static int add_all(struct page *p, struct lb_buf *blob) {
    struct lb_engine_op *op = p->op;
    begin_after(p);
    p->max = op->max - op->list.n + 1;
    p->found = malloc((p->max + 1) * sizeof(*p->found));
    if (!p->found)
        return -ENOMEM;
    int err = p->s.any ? fs_versions_each(p->fs, op->bucket, p->key, found_add, p) : 0;
    if (err >= 0 && p->current)
        err = add_current(p);
    for (size_t i = 0; i < p->n && !err; i++)
        err = op->list.n == op->max ? 1 : add_version(p, &p->found[i], blob);
    free(p->found);
    return err;
}

int fs_list_versions(struct fs_engine *fs, struct lb_engine_op *op, struct lb_slice key,
                     struct lb_buf *blob) {
    struct page p = {.fs = fs, .op = op, .key = key};
    pthread_mutex_t *lock = fs_key_lock(fs, op->bucket, key);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    int err = fs_state_load(fs, op->bucket, key, blob, &p.s);
    if (!err) {
        err = add_all(&p, blob);
        fs_state_fini(fs, &p.s);
    }
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    return err;
}
