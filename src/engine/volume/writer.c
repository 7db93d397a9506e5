/* Writing an object or a part: the body goes to units of its own as it comes, its checksums are
 * made on the way, and the commit is a change like others. A small body waits in memory. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

#define STEP_MIN 256u   /* units taken at least when the size is not known: 1 MiB */
#define STEP_MAX 16384u /* and at most: 64 MiB */
#define EXTENTS_MAX 65535u
#define TAKE_MAX 64u /* extents taken at once */

struct vol_writer {
    struct lb_writer w;
    uint32_t bucket; /* number */
    uint32_t part;
    uint64_t upload;
    struct lb_slice name, key; /* owned, with the structure; of a part: key in VOL_PARTS_BUCKET */
    char id[VOL_UPLOAD_ID_LEN + 1];
    struct vol_extent *extents;
    size_t extents_n, extents_cap;
    uint64_t units, hint;
    uint32_t *sums;
    size_t sums_n, sums_cap;
    struct lb_hasher hash; /* of the 64 KiB that are not yet whole */
    char *small;
    int err;             /* of a write that failed: there is no commit then */
    struct vol_change c; /* the commit */
    struct lb_engine_op *op;
};

static struct vol_writer *writer_of(struct lb_writer *w) {
    return LB_CONTAINER_OF(w, struct vol_writer, w);
}

/* ---- space ---- */

static int extents_room(struct vol_writer *w, size_t n) {
    if (w->extents_n + n <= w->extents_cap)
        return 0;
    size_t cap = w->extents_cap ? 2 * w->extents_cap : TAKE_MAX;
    if (cap < w->extents_n + n)
        cap = w->extents_n + n;
    struct vol_extent *e = realloc(w->extents, cap * sizeof(*e));
    if (!e)
        return -ENOMEM;
    w->extents = e;
    w->extents_cap = cap;
    return 0;
}

static void add_extent(struct vol_writer *w, struct vol_extent e) {
    struct vol_extent *last = w->extents_n ? &w->extents[w->extents_n - 1] : NULL;
    w->units += e.n;
    if (last && last->first + last->n == e.first)
        last->n += e.n;
    else
        w->extents[w->extents_n++] = e;
}

/* Takes n units more. */
static int take(struct vol_engine *v, struct vol_writer *w, uint64_t n) {
    const struct vol_extent *last = w->extents_n ? &w->extents[w->extents_n - 1] : NULL;
    struct vol_extent got[TAKE_MAX];
    if (w->extents_n + TAKE_MAX > EXTENTS_MAX)
        return -EMLINK;
    pthread_mutex_lock(&v->lock);
    int rc = v->journal.failed ? LB_ERR_READ_ONLY
                               : vol_alloc_take(v->alloc, n, last ? last->first + last->n : 0,
                                                vol_keep_free(v), got, TAKE_MAX);
    pthread_mutex_unlock(&v->lock);
    for (int i = 0; i < rc; i++)
        add_extent(w, got[i]);
    return rc < 0 ? rc : 0;
}

/* Units to take at once when a body has come to need `least`: a known size is taken as a whole, an
 * unknown one in steps that grow. */
static uint64_t step(const struct vol_writer *w, uint64_t least) {
    uint64_t want = vol_units_of(w->hint);
    if (w->hint == LB_SIZE_UNKNOWN || want < least) {
        uint64_t more = w->units < STEP_MIN ? STEP_MIN : w->units;
        want = w->units + (more < STEP_MAX ? more : STEP_MAX);
    }
    return (want < least ? least : want) - w->units;
}

/* Makes sure of units for a body of `size` bytes. In scattered free space it takes pieces. */
static int reserve(struct vol_engine *v, struct vol_writer *w, uint64_t size) {
    uint64_t least = vol_units_of(size);
    uint64_t n = least > w->units ? step(w, least) : 0;
    while (w->units < least) {
        int err = extents_room(w, TAKE_MAX);
        if (!err)
            err = take(v, w, n);
        if (err == -ENOSPC && n > least - w->units)
            n = least - w->units;
        else if (err == -EMLINK && n > 1)
            n = (n + 1) / 2;
        else if (err)
            return err == -ENOSPC || err == -EMLINK ? LB_ERR_STORAGE_FULL : err;
    }
    return 0;
}

/* Gives back what is behind the first `keep` units. */
static void give_back(struct vol_engine *v, struct vol_writer *w, uint64_t keep) {
    if (w->units <= keep)
        return;
    pthread_mutex_lock(&v->lock);
    while (w->units > keep) {
        struct vol_extent *last = &w->extents[w->extents_n - 1];
        uint64_t n = w->units - keep < last->n ? w->units - keep : last->n;
        /* After a failure nobody knows what the journal names. */
        if (!v->journal.failed)
            vol_alloc_give(v->alloc, (struct vol_extent){last->first + last->n - n, n});
        last->n -= n;
        w->units -= n;
        w->extents_n -= last->n == 0;
    }
    pthread_mutex_unlock(&v->lock);
}

/* ---- create ---- */

static void writer_free(struct vol_writer *w) {
    lb_hasher_fini(&w->hash);
    free(w->extents);
    free(w->sums);
    free(w->small);
    free(w);
}

static struct vol_writer *writer_new(struct lb_engine_port *p, const struct lb_engine_op *op) {
    size_t key_len = op->part ? VOL_PART_KEY_LEN + 1 : op->key.len;
    struct vol_writer *w = calloc(1, sizeof(*w) + op->bucket.len + key_len);
    if (!w)
        return NULL;
    char *bytes = (char *)(w + 1);
    w->w.port = p;
    w->part = op->part;
    w->hint = op->size_hint;
    memcpy(bytes, op->bucket.ptr, op->bucket.len);
    w->name = lb_slice(bytes, op->bucket.len);
    bytes += op->bucket.len;
    if (op->part) {
        vol_id_parse(op->upload_id, &w->upload);
        vol_id_text(w->upload, w->id);
        vol_part_key(w->upload, op->part, bytes);
        key_len--;
    } else {
        memcpy(bytes, op->key.ptr, key_len);
    }
    w->key = lb_slice(bytes, key_len);
    if (lb_hasher_init(&w->hash, LB_HASH_BIT(LB_HASH_CRC32C)) == 0)
        return w;
    free(w);
    return NULL;
}

/* Is the bucket there, and the upload? */
static int place_check(struct vol_engine *v, const struct lb_engine_op *op, uint32_t *ret_bucket) {
    pthread_mutex_lock(&v->lock);
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    const struct vol_upload *u = b && op->part ? vol_upload_find(v, op->upload_id) : NULL;
    int err = b ? 0 : LB_ERR_NO_SUCH_BUCKET;
    if (b && op->part && !(u && u->bucket == b->number && lb_slice_eq(u->key, op->key)))
        err = LB_ERR_NO_SUCH_UPLOAD;
    if (!err && v->journal.failed)
        err = LB_ERR_READ_ONLY;
    *ret_bucket = b ? b->number : 0;
    pthread_mutex_unlock(&v->lock);
    return err;
}

static int create(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    uint32_t bucket;
    int err = vol_key_check(op->key);
    if (!err)
        err = place_check(v, op, &bucket);
    if (err)
        return err;
    if (op->part > LB_PARTS_MAX)
        return LB_ERR_INVALID_ARGUMENT;
    struct vol_writer *w = writer_new(p, op);
    if (!w)
        return -ENOMEM;
    w->bucket = bucket;
    if (op->size_hint != LB_SIZE_UNKNOWN && op->size_hint > VOL_INLINE_BODY_MAX)
        err = reserve(v, w, op->size_hint);
    if (err) {
        give_back(v, w, 0);
        writer_free(w);
        return err;
    }
    op->writer = &w->w;
    return 0;
}

void vol_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    vol_complete(p, op, create(p, op));
}

/* ---- write ---- */

struct vol_write {
    struct vol_transfer transfer;
    struct vol_writer *writer;
    struct lb_engine_op *op;
};

static void written(struct vol_transfer *t, int err) {
    struct vol_write *write = LB_CONTAINER_OF(t, struct vol_write, transfer);
    struct lb_engine_op *op = write->op;
    if (err)
        write->writer->err = err;
    vol_transfer_fini(t);
    free(write);
    op->done(op, err);
}

static uint32_t digest(struct lb_hasher *h) {
    struct lb_digest d;
    lb_hasher_final(h, LB_HASH_CRC32C, &d);
    lb_hasher_fini(h);
    return (uint32_t)d.bytes[0] << 24 | (uint32_t)d.bytes[1] << 16 | (uint32_t)d.bytes[2] << 8 |
           d.bytes[3];
}

static int sums_room(struct vol_writer *w, uint64_t size) {
    size_t n = (size_t)vol_sums_of(size);
    if (n <= w->sums_cap)
        return 0;
    size_t known = w->hint == LB_SIZE_UNKNOWN ? 0 : (size_t)vol_sums_of(w->hint);
    size_t cap = w->sums_cap ? 2 * w->sums_cap : 16;
    cap = known > n && known < 1u << 20 ? known : cap < n ? n : cap;
    uint32_t *sums = realloc(w->sums, cap * sizeof(*sums));
    if (!sums)
        return -ENOMEM;
    w->sums = sums;
    w->sums_cap = cap;
    return 0;
}

/* The checksums of what comes behind w->w.size bytes. */
static int sum(struct vol_writer *w, struct lb_slice data) {
    uint64_t size = w->w.size;
    int err = sums_room(w, size + data.len);
    while (data.len && !err) {
        size_t left = VOL_SUM_SIZE - (size_t)(size % VOL_SUM_SIZE);
        struct lb_slice piece = lb_slice_first(data, left);
        if (piece.len == VOL_SUM_SIZE) {
            w->sums[w->sums_n++] = vol_crc(piece);
        } else {
            lb_hasher_update(&w->hash, piece);
            if (piece.len == left) {
                w->sums[w->sums_n++] = digest(&w->hash);
                err = lb_hasher_init(&w->hash, LB_HASH_BIT(LB_HASH_CRC32C));
            }
        }
        size += piece.len;
        data = lb_slice_from(data, piece.len);
    }
    return err;
}

static int write_small(struct vol_writer *w, struct lb_pool_buf *buf) {
    w->small = malloc(VOL_INLINE_BODY_MAX);
    if (!w->small)
        return -ENOMEM;
    memcpy(w->small, buf->ptr, buf->len);
    w->w.size = buf->len;
    return 0;
}

/* Returns 0 when it is under way. */
static int write_units(struct vol_writer *w, struct lb_engine_op *op, struct lb_pool_buf *buf) {
    struct vol_engine *v = vol_of(w->w.port);
    size_t len = (size_t)vol_units_of(buf->len) * VOL_UNIT;
    int err = reserve(v, w, w->w.size + buf->len);
    if (!err)
        err = sum(w, lb_slice(buf->ptr, buf->len));
    if (err)
        return err;
    struct vol_write *write = calloc(1, sizeof(*write));
    if (!write)
        return -ENOMEM;
    assert(len <= buf->cap);
    memset(buf->ptr + buf->len, 0, len - buf->len);
    write->op = op;
    write->writer = w;
    write->transfer.done = written;
    err = vol_transfer(&write->transfer, vol_loop_of(w->w.port)->device, w->extents, w->extents_n,
                       w->w.size / VOL_UNIT, buf->ptr, len, true);
    if (err) {
        free(write);
        return err;
    }
    w->w.size += buf->len;
    return 0;
}

void vol_write(struct lb_writer *writer, struct lb_engine_op *op, struct lb_pool_buf *buf) {
    struct vol_writer *w = writer_of(writer);
    int err;
    if (buf->len == 0) {
        err = 0;
    } else if (w->w.size % VOL_UNIT != 0) {
        w->err = err = -EINVAL;
    } else if (w->w.size == 0 && buf->len <= VOL_INLINE_BODY_MAX) {
        err = write_small(w, buf);
    } else {
        err = write_units(w, op, buf);
        if (!err)
            return;
        w->err = err;
    }
    vol_complete(writer->port, op, err);
}

void vol_abort(struct lb_writer *writer) {
    struct vol_writer *w = writer_of(writer);
    give_back(vol_of(writer->port), w, 0);
    writer_free(w);
}

/* ---- commit ---- */

/* The place is still what it was at create, and the condition holds. */
static int commit_check(struct vol_engine *v, const struct vol_writer *w) {
    const struct vol_bucket *b = vol_bucket_find(v, w->name);
    if (!b || b->number != w->bucket)
        return LB_ERR_NO_SUCH_BUCKET;
    if (!w->part)
        return vol_precond(v, w->bucket, w->key, w->op);
    return vol_upload_find(v, lb_slice_cstr(w->id)) ? 0 : LB_ERR_NO_SUCH_UPLOAD;
}

static int decide(struct vol_engine *v, struct vol_change *c) {
    struct vol_writer *w = LB_CONTAINER_OF(c, struct vol_writer, c);
    const struct lb_engine_op *op = w->op;
    int err = commit_check(v, w);
    if (!err)
        err = vol_room(v);
    if (err)
        return err;
    struct vol_record *r = &c->record;
    *r = (struct vol_record){.kind = w->part ? VOL_REC_PART : VOL_REC_PUT,
                             .bucket = w->part ? VOL_PARTS_BUCKET : w->bucket,
                             .body = lb_slice(w->small, w->small ? w->w.size : 0),
                             .upload_id = lb_slice_cstr(w->part ? w->id : NULL),
                             .part = w->part};
    r->object = (struct vol_object){.bucket = r->bucket,
                                    .key = w->key,
                                    .seq = c->seq,
                                    .size = w->w.size,
                                    .mtime_ns = c->wall_ns,
                                    .etag = op->etag,
                                    .meta_len = (uint32_t)op->meta.len,
                                    .meta = op->meta,
                                    .extents = w->extents,
                                    .extents_n = w->extents_n,
                                    .sums = w->sums,
                                    .sums_n = w->sums_n};
    if (w->part)
        r->object.flags = VOL_PART;
    else if (op->versioning != LB_VERSIONING_ON)
        r->object.flags = VOL_NULL;
    return 0;
}

static void count(struct vol_engine *v, uint64_t bytes) {
    pthread_mutex_lock(&v->lock);
    v->writes++;
    v->write_bytes += bytes;
    pthread_mutex_unlock(&v->lock);
}

static void committed(struct vol_change *c, int err) {
    struct vol_writer *w = LB_CONTAINER_OF(c, struct vol_writer, c);
    struct lb_engine_op *op = w->op;
    struct vol_engine *v = vol_of(w->w.port);
    if (err) {
        give_back(v, w, 0);
    } else {
        count(v, w->w.size);
        vol_info(&c->record.object, &op->info);
        op->info.meta = op->meta;
    }
    writer_free(w);
    op->done(op, err);
}

/* The last checksum, and the units that were taken in vain. */
static int settle(struct vol_writer *w) {
    give_back(vol_of(w->w.port), w, w->small ? 0 : vol_units_of(w->w.size));
    if (w->w.size % VOL_SUM_SIZE == 0)
        return 0;
    int err = sums_room(w, w->w.size);
    if (!err)
        w->sums[w->sums_n++] = w->small ? vol_crc(lb_slice(w->small, w->w.size)) : digest(&w->hash);
    return err;
}

void vol_commit(struct lb_writer *writer, struct lb_engine_op *op) {
    struct vol_writer *w = writer_of(writer);
    struct lb_engine_port *p = writer->port;
    int err = op->meta.len > LB_META_MAX ? LB_ERR_METADATA_TOO_LARGE : w->err;
    if (!err)
        err = settle(w);
    if (err) {
        vol_abort(writer);
        vol_complete(p, op, err);
        return;
    }
    w->op = op;
    w->c.key_hash = vol_key_hash(w->part ? VOL_PARTS_BUCKET : w->bucket, w->key);
    w->c.sync = !op->relaxed;
    w->c.decide = decide;
    w->c.done = committed;
    vol_journal_submit(vol_of(p), vol_loop_of(p), &w->c);
}
