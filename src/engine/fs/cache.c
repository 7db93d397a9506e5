/* A loop's cache of open objects. Invariants in cache_priv.h. */
#include "engine/fs/cache_priv.h"

#include <assert.h>
#include <stdlib.h>

#define META_CACHED_MAX 16384u            /* larger attributes are read anew each time */
#define READERS_MAX 256u                  /* freed readers kept for reuse */
#define DOOMED_MAX 1024u                  /* deleted files that wait to be closed */
#define CHECK_EVERY_NS 1000000000u        /* how often deleted and idle files are looked for */
#define CHECKS_MAX 512u                   /* how many at a time */
#define IDLE_MAX_NS (60u * 1000000000ull) /* an unused file is closed after this */
#define CLOSE_TURN_NS 10000000u

struct name {
    struct lb_slice bucket, key;
};

static bool entry_eq(const struct lb_map_node *node, const void *key) {
    const struct fs_entry *e = LB_CONTAINER_OF(node, struct fs_entry, node);
    const struct name *n = key;
    return lb_slice_eq(e->key, n->key) && lb_slice_eq(e->bucket, n->bucket);
}

static uint64_t name_hash(struct lb_slice bucket, struct lb_slice key) {
    return lb_hash_bytes(bucket) * 0x9e3779b97f4a7c15u ^ lb_hash_bytes(key);
}

static void check_some(struct lb_io_timer *t);

struct fs_cache *fs_cache_new(struct fs_engine *fs, struct lb_io *io, unsigned open_files_max) {
    struct fs_cache *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->fs = fs;
    c->io = io;
    c->max = open_files_max;
    lb_map_init(&c->map, entry_eq);
    lb_list_init(&c->lru);
    lb_list_init(&c->checks);
    lb_list_init(&c->doomed);
    lb_list_init(&c->closing);
    lb_list_init(&c->readers);
    lb_buf_init(&c->blob, FS_ATTRS_MAX);
    c->timer.fn = check_some;
    return c;
}

static char *append(char **at, struct lb_slice s) {
    char *p = *at;
    if (s.len)
        memcpy(p, s.ptr, s.len);
    *at += s.len;
    return p;
}

/* Where the found object can be asked for again. A hidden one whose key a path could carry cannot:
 * the path has precedence as soon as something is there. */
static bool cache_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                       const struct fs_found *found, char ret[FS_PATH_MAX]) {
    if (found->info.meta.len > META_CACHED_MAX || (found->hidden && fs_key_is_plain(key)))
        return false;
    if (found->hidden)
        fs_hidden_path(fs, bucket, key, ret);
    else
        fs_plain_path(fs, bucket, key, ret);
    return true;
}

struct fs_entry *fs_entry_new(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                              const struct fs_found *found, int64_t wall_ns) {
    char path[FS_PATH_MAX];
    bool cacheable = cache_path(fs, bucket, key, found, path);
    size_t path_size = cacheable ? strlen(path) + 1 : 0;
    struct lb_slice meta = found->info.meta;
    struct fs_entry *e = malloc(sizeof(*e) + bucket.len + key.len + path_size + meta.len);
    if (!e) {
        fs->vfs->ops->close(fs->vfs, found->fd);
        return NULL;
    }
    *e = (struct fs_entry){
        .node.hash = name_hash(bucket, key),
        .refs = 1,
        .racy = wall_ns - found->st.ctime_ns < FS_RACY_NS,
        .fd = found->fd,
        .st = found->st,
        .info = found->info,
    };
    lb_list_init(&e->lru);
    lb_list_init(&e->check);
    char *at = e->bytes;
    e->bucket = lb_slice(append(&at, bucket), bucket.len);
    e->key = lb_slice(append(&at, key), key.len);
    e->path = cacheable ? append(&at, lb_slice(path, path_size)) : NULL;
    e->info.meta = lb_slice(append(&at, meta), meta.len);
    return e;
}

/* ---- closing ---- */

static void entry_free(struct fs_cache *c, struct fs_entry *e) {
    c->fs->vfs->ops->close(c->fs->vfs, e->fd);
    free(e);
}

static void free_list(struct fs_cache *c, struct lb_list *list) {
    for (struct lb_list *it; (it = lb_list_pop(list));)
        entry_free(c, LB_CONTAINER_OF(it, struct fs_entry, lru));
}

static int64_t close_work(struct lb_io_op *op) {
    struct fs_cache *c = LB_CONTAINER_OF(op, struct fs_cache, closer);
    free_list(c, &c->closing);
    return 0;
}

static void closer_start(struct fs_cache *c) {
    if (c->closer.kind != LB_IO_IDLE)
        return;
    for (struct lb_list *it; (it = lb_list_pop(&c->doomed));)
        lb_list_append(&c->closing, it);
    c->doomed_n = 0;
    if (!lb_list_empty(&c->closing))
        lb_io_work(c->io, &c->closer, close_work);
}

static void closed(struct lb_io_op *op, int64_t res) {
    closer_start(LB_CONTAINER_OF(op, struct fs_cache, closer));
}

/* Closes an entry nobody has: here when its file is still there (or too many wait), else on a
 * worker. */
static void doom(struct fs_cache *c, struct fs_entry *e) {
    struct lb_vfs_stat st;
    int err = c->fs->vfs->ops->fstat(c->fs->vfs, e->fd, &st);
    if (err || st.nlink > 0 || c->doomed_n == DOOMED_MAX) {
        entry_free(c, e);
        return;
    }
    c->doomed_n++;
    lb_list_append(&c->doomed, &e->lru);
    c->closer.done = closed;
    closer_start(c);
}

/* ---- the map ---- */

static void take_out(struct fs_cache *c, struct fs_entry *e) {
    assert(e->in_map);
    lb_map_remove(&c->map, &e->node);
    lb_list_remove(&e->lru);
    lb_list_remove(&e->check);
    e->in_map = false;
}

/* For one whose path names another file now. */
static void drop_stale(struct fs_cache *c, struct fs_entry *e) {
    take_out(c, e);
    if (e->refs == 0)
        doom(c, e);
}

static void drop_oldest(struct fs_cache *c) {
    struct fs_entry *e = LB_CONTAINER_OF(c->lru.prev, struct fs_entry, lru);
    take_out(c, e);
    if (e->refs == 0)
        entry_free(c, e);
}

void fs_cache_free(struct fs_cache *c) {
    if (!c)
        return;
    lb_io_timer_stop(c->io, &c->timer);
    while (!lb_list_empty(&c->lru)) {
        assert(LB_CONTAINER_OF(c->lru.next, struct fs_entry, lru)->refs == 0);
        drop_oldest(c);
    }
    while (c->closer.kind != LB_IO_IDLE)
        lb_io_turn(c->io, CLOSE_TURN_NS);
    for (struct lb_list *it; (it = lb_list_pop(&c->readers));)
        free(LB_CONTAINER_OF(it, struct fs_reader, link));
    lb_map_fini(&c->map);
    lb_buf_fini(&c->blob);
    free(c);
}

static bool same_file(const struct lb_vfs_stat *a, const struct lb_vfs_stat *b) {
    return a->ino == b->ino && a->dev == b->dev && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

struct fs_entry *fs_cache_get(struct fs_cache *c, struct lb_slice bucket, struct lb_slice key) {
    struct lb_vfs *v = c->fs->vfs;
    struct name name = {bucket, key};
    struct lb_vfs_stat st;
    struct lb_map_node *node = lb_map_find(&c->map, name_hash(bucket, key), &name);
    if (!node)
        return NULL;
    struct fs_entry *e = LB_CONTAINER_OF(node, struct fs_entry, node);
    if (v->ops->stat(v, c->fs->root, e->path, &st) != 0 || !same_file(&st, &e->st)) {
        drop_stale(c, e);
        return NULL;
    }
    e->refs++;
    e->used_ns = lb_io_now_ns(c->io);
    lb_list_remove(&e->lru);
    lb_list_prepend(&c->lru, &e->lru);
    return e;
}

void fs_cache_put(struct fs_cache *c, struct fs_entry *e) {
    if (!e->path || e->racy || c->max == 0)
        return;
    struct name name = {e->bucket, e->key};
    struct lb_map_node *old = lb_map_find(&c->map, e->node.hash, &name);
    if (old)
        drop_stale(c, LB_CONTAINER_OF(old, struct fs_entry, node));
    while (c->map.len >= c->max)
        drop_oldest(c);
    if (lb_map_add(&c->map, &e->node) != 0)
        return;
    e->in_map = true;
    e->used_ns = lb_io_now_ns(c->io);
    lb_list_prepend(&c->lru, &e->lru);
    lb_list_append(&c->checks, &e->check);
    if (!c->timer_on)
        lb_io_timer_start(c->io, &c->timer, CHECK_EVERY_NS);
    c->timer_on = true;
}

void fs_cache_unref(struct fs_cache *c, struct fs_entry *e) {
    assert(e->refs > 0);
    if (--e->refs == 0 && !e->in_map)
        doom(c, e);
}

/* Closes files that were deleted, whose space would not come free otherwise, and idle ones. */
static void check_some(struct lb_io_timer *t) {
    struct fs_cache *c = LB_CONTAINER_OF(t, struct fs_cache, timer);
    struct lb_vfs *v = c->fs->vfs;
    uint64_t now = lb_io_now_ns(c->io);
    size_t n = c->map.len < CHECKS_MAX ? c->map.len : CHECKS_MAX;
    for (size_t i = 0; i < n; i++) {
        struct fs_entry *e = LB_CONTAINER_OF(c->checks.next, struct fs_entry, check);
        struct lb_vfs_stat st;
        lb_list_remove(&e->check);
        lb_list_append(&c->checks, &e->check);
        if (v->ops->fstat(v, e->fd, &st) != 0 || st.nlink == 0 || now - e->used_ns > IDLE_MAX_NS)
            drop_stale(c, e);
    }
    c->timer_on = !lb_list_empty(&c->checks);
    if (c->timer_on)
        lb_io_timer_start(c->io, &c->timer, CHECK_EVERY_NS);
}

/* ---- readers ---- */

struct fs_reader *fs_reader_new(struct lb_engine_port *p, struct fs_entry *e) {
    struct fs_cache *c = LB_CONTAINER_OF(p, struct fs_port, port)->cache;
    struct lb_list *free_one = lb_list_pop(&c->readers);
    struct fs_reader *r =
        free_one ? LB_CONTAINER_OF(free_one, struct fs_reader, link) : malloc(sizeof(*r));
    if (!r) {
        fs_cache_unref(c, e);
        return NULL;
    }
    if (free_one)
        c->readers_n--;
    *r = (struct fs_reader){.reader = {.port = p, .info = e->info}, .entry = e};
    lb_list_init(&r->link);
    lb_list_init(&r->waiter.link);
    return r;
}

void fs_reader_close(struct lb_reader *reader) {
    if (!reader)
        return;
    struct fs_reader *r = LB_CONTAINER_OF(reader, struct fs_reader, reader);
    struct fs_cache *c = LB_CONTAINER_OF(reader->port, struct fs_port, port)->cache;
    assert(!r->op);
    fs_cache_unref(c, r->entry);
    if (c->readers_n == READERS_MAX) {
        free(r);
        return;
    }
    c->readers_n++;
    lb_list_prepend(&c->readers, &r->link);
}

int fs_reader_fd(struct lb_reader *r) {
    return LB_CONTAINER_OF(r, struct fs_reader, reader)->entry->fd;
}
