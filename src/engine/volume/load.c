/* The record of a version: its head with the whole meta blob, and a small body. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

/* Is it the record that was looked for? err: of decoding it. */
static int check(const struct vol_load *l, int err) {
    if (err == -ENOMEM)
        return err;
    const struct vol_record *r = &l->record;
    bool fits = err == 0 && r->bucket == l->bucket && r->object.seq == l->seq &&
                lb_slice_eq(r->object.key, l->key) &&
                (r->body.len == 0 || vol_crc(r->body) == r->object.sums[0]);
    return fits ? 0 : LB_ERR_CORRUPT;
}

static int unpack(struct vol_load *l) {
    struct lb_slice all;
    int err = lb_arena_copy(l->arena, lb_slice(l->bytes + l->at, l->len), &all);
    return err ? err : check(l, vol_pack_record(&all, l->arena, &l->record));
}

static void loaded(struct vol_io *io, int err) {
    struct vol_load *l = LB_CONTAINER_OF(io, struct vol_load, io);
    struct vol_engine *v = vol_of(l->port);
    pthread_mutex_lock(&v->lock);
    vol_unhold(v, l->hold);
    pthread_mutex_unlock(&v->lock);
    if (!err)
        err = unpack(l);
    free(l->bytes);
    l->bytes = NULL;
    l->done(l, err);
}

/* Under the lock: where it is. A staged one is copied. */
static int find(struct vol_engine *v, struct vol_load *l, struct lb_slice *ret) {
    struct vol_object o;
    if (vol_index_version(v->index, l->bucket, l->key, l->seq, &o) < 0)
        return -ENOENT;
    l->pack = o.pack;
    l->pack_at = o.pack_at;
    l->staged = NULL;
    if (!o.pack) {
        l->staged = vol_staged_find(v, l->seq);
        return l->staged ? lb_arena_copy(l->arena, l->staged->record, ret) : LB_ERR_CORRUPT;
    }
    l->at = o.pack_at % VOL_UNIT;
    l->len = o.pack_len;
    l->hold = vol_hold(v, VOL_HOLD_PACK | o.pack);
    return l->hold ? 1 : -ENOMEM;
}

int vol_load(struct vol_load *l) {
    struct vol_engine *v = vol_of(l->port);
    struct lb_slice record;
    pthread_mutex_lock(&v->lock);
    int rc = find(v, l, &record);
    pthread_mutex_unlock(&v->lock);
    if (rc == 0)
        return check(l, vol_record_decode(&record, l->arena, &l->record));
    if (rc < 0)
        return rc;
    struct vol_port *p = vol_loop_of(l->port)->device;
    size_t size = (size_t)vol_units_of(l->at + l->len) * VOL_UNIT;
    l->bytes = aligned_alloc(VOL_UNIT, size);
    if (!l->bytes) {
        pthread_mutex_lock(&v->lock);
        vol_unhold(v, l->hold);
        pthread_mutex_unlock(&v->lock);
        return -ENOMEM;
    }
    l->io.done = loaded;
    p->device->ops->read(p, &l->io, l->pack + l->pack_at / VOL_UNIT, l->bytes, size);
    return 1;
}
