/* The volume engine as a whole: opening one, and the loops' ports. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

#define STAGED_DEFAULT (8u << 20)

static int attach(struct lb_engine *e, struct lb_io *io, struct lb_pool *pool,
                  struct lb_engine_port **ret) {
    struct vol_engine *v = LB_CONTAINER_OF(e, struct vol_engine, engine);
    struct vol_loop *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->port = (struct lb_engine_port){.ops = e->ops, .io = io, .pool = pool};
    l->engine = v;
    int err = v->device->ops->attach(v->device, io, &l->device);
    if (err) {
        free(l);
        return err;
    }
    *ret = &l->port;
    return 0;
}

static void detach(struct lb_engine_port *port) {
    if (!port)
        return;
    struct vol_loop *l = vol_loop_of(port);
    /* Another loop may be about to have told this one that its last change is done. */
    pthread_mutex_lock(&l->engine->lock);
    pthread_mutex_unlock(&l->engine->lock);
    l->device->device->ops->detach(l->device);
    free(l);
}

static void memory_free(struct vol_engine *v) {
    vol_catalog_fini(v);
    vol_journal_fini(v);
    vol_index_free(v->index);
    vol_alloc_free(v->alloc);
    free(v->checkpoint);
    if (v->device)
        v->device->ops->close(v->device);
    pthread_cond_destroy(&v->wake);
    pthread_mutex_destroy(&v->lock);
    free((char *)v->conf.path);
    free(v);
}

static void engine_free(struct lb_engine *e) {
    if (!e)
        return;
    struct vol_engine *v = LB_CONTAINER_OF(e, struct vol_engine, engine);
    vol_keeper_stop(v);
    memory_free(v);
}

static int stats(struct lb_engine *e, struct lb_storage_stats *ret) {
    struct vol_engine *v = LB_CONTAINER_OF(e, struct vol_engine, engine);
    struct lb_storage_stats s = {0};
    pthread_mutex_lock(&v->lock);
    uint64_t free_units = vol_alloc_free_units(v->alloc) + vol_alloc_later_units(v->alloc);
    uint64_t kept = vol_keep_free(v);
    s.size_bytes = v->super.units * VOL_UNIT;
    s.free_bytes = free_units > kept ? (free_units - kept) * VOL_UNIT : 0;
    for (struct lb_map_node *n = lb_map_first(&v->buckets); n; n = lb_map_next(&v->buckets, n)) {
        uint64_t objects, bytes;
        vol_index_usage(v->index, LB_CONTAINER_OF(n, struct vol_bucket, by_name)->number, &objects,
                        &bytes);
        s.objects += objects;
        s.object_bytes += bytes;
    }
    s.reads = v->reads;
    s.read_bytes = v->read_bytes;
    s.writes = v->writes;
    s.write_bytes = v->write_bytes;
    s.syncs = v->syncs;
    s.synced = v->journal.synced;
    s.queue = v->journal.pending_n;
    s.read_only = v->journal.failed;
    pthread_mutex_unlock(&v->lock);
    *ret = s;
    return 0;
}

static const struct lb_engine_ops vol_ops = {
    .name = "volume",
    .attach = attach,
    .detach = detach,
    .free = engine_free,
    .stats = stats,
    .bucket_create = vol_bucket_create,
    .bucket_delete = vol_bucket_delete,
    .bucket_head = vol_bucket_head,
    .bucket_set = vol_bucket_set,
    .bucket_list = vol_bucket_list,
    .bucket_known = vol_bucket_known,
    .open = vol_open,
    .read = vol_read,
    .reader_close = vol_reader_close,
    .head = vol_head,
    .create = vol_create,
    .write = vol_write,
    .append = vol_append,
    .commit = vol_commit,
    .abort = vol_abort,
    .remove = vol_remove,
    .set_meta = vol_set_meta,
    .list = vol_list,
    .upload_create = vol_upload_create,
    .upload_head = vol_upload_head,
    .upload_list = vol_upload_list,
    .upload_parts = vol_upload_parts,
    .upload_complete = vol_upload_complete,
    .upload_abort = vol_upload_abort,
};

static struct vol_engine *engine_new(const struct lb_volume_conf *conf, struct lb_vfs *vfs) {
    struct vol_engine *v = calloc(1, sizeof(*v));
    if (!v)
        return NULL;
    v->engine.ops = &vol_ops;
    v->conf = *conf;
    v->vfs = vfs;
    if (v->conf.staged_max == 0)
        v->conf.staged_max = STAGED_DEFAULT;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->wake, NULL);
    vol_catalog_init(v);
    v->conf.path = strdup(conf->path);
    v->index = vol_index_new();
    if (v->conf.path && v->index && vol_journal_init(v) == 0)
        return v;
    memory_free(v);
    return NULL;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int start(struct vol_engine *v, struct lb_buf *why) {
    bool empty = false;
    int err = vol_device_file_open(v->conf.path, v->conf.size, v->vfs, why, &v->device, &empty);
    if (!err && (empty || v->conf.format))
        err = vol_format(v->device, now_ns(), why);
    if (!err)
        err = vol_recover(v, why);
    v->journal.made_at = v->journal.at;
    v->journal.made_seq = v->journal.next_seq;
    if (!err && !v->conf.no_keeper)
        err = vol_keeper_start(v);
    return err;
}

int lb_volume_open(const struct lb_volume_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                   struct lb_engine **ret) {
    struct vol_engine *v = engine_new(conf, vfs);
    if (!v)
        return -ENOMEM;
    int err = start(v, why);
    if (err) {
        memory_free(v);
        return err;
    }
    *ret = &v->engine;
    return 0;
}
