/* Reading: an object is open as the version that it was, its units are held until it is closed.
 * No byte is given out unless the 64 KiB it lies in have been read and their checksum fits. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/volume/ops_priv.h"

#define WINDOW_MAX (512u * 1024u) /* read at a time */
#define TRIES_MAX 16              /* opens of an object that is replaced all the time */
#define READER_MEMORY_MAX (1u << 30)

/* A run of bytes with extents and checksums of its own: the object, or a part of it. */
struct segment {
    uint64_t start, size;
    uint32_t bucket;
    struct lb_slice key;
    uint64_t seq;
    const struct vol_extent *extents;
    size_t extents_n;
    const uint32_t *sums;
    struct lb_slice body; /* of a small one */
};

struct reader {
    struct lb_reader r;
    struct lb_arena arena;
    struct vol_object object; /* in the arena */
    struct vol_hold *hold;
    struct segment *segments;
    size_t segments_n, loaded; /* those before it need no load any more */
    bool head_loaded;
    unsigned tries;
    struct vol_load load;
    struct lb_engine_op *op; /* that is under way */
    /* the piece that is being read */
    struct vol_transfer transfer;
    struct lb_pool_waiter waiter;
    struct lb_pool_buf *buf;
    const struct segment *segment;
    uint64_t begin;      /* in the segment, at a checksum */
    size_t window, skip; /* bytes read, and those before the piece */
    size_t len;          /* of the piece */
    struct vol_change c; /* the mark of damage */
};

static struct reader *reader_of(struct lb_reader *r) {
    return LB_CONTAINER_OF(r, struct reader, r);
}

static void reader_free(struct reader *r) {
    struct vol_engine *v = vol_of(r->r.port);
    if (r->hold) {
        pthread_mutex_lock(&v->lock);
        vol_unhold(v, r->hold);
        pthread_mutex_unlock(&v->lock);
    }
    vol_transfer_fini(&r->transfer);
    lb_arena_fini(&r->arena);
    free(r);
}

void vol_reader_close(struct lb_reader *reader) {
    if (reader)
        reader_free(reader_of(reader));
}

/* ---- open ---- */

static void *keep(struct lb_arena *a, const void *from, size_t n) {
    void *to = lb_arena_alloc(a, n);
    if (to && n)
        memcpy(to, from, n);
    return to;
}

/* What the index knows of one run, copied. */
static int segment_fill(struct reader *r, const struct vol_object *o, struct segment *s) {
    *s =
        (struct segment){.size = o->size,
                         .bucket = o->bucket,
                         .seq = o->seq,
                         .extents = keep(&r->arena, o->extents, o->extents_n * sizeof(*o->extents)),
                         .extents_n = o->extents_n,
                         .sums = keep(&r->arena, o->sums, o->sums_n * sizeof(*o->sums))};
    if (!s->extents || !s->sums)
        return -ENOMEM;
    if (o->flags & VOL_DAMAGED || o->sums_n != vol_sums_of(o->size))
        return LB_ERR_CORRUPT;
    return lb_arena_copy(&r->arena, o->key, &s->key);
}

/* The parts that an object is composed of. */
static int parts_fill(struct vol_engine *v, struct reader *r, struct vol_extent composed) {
    char first[VOL_UPLOAD_ID_LEN + 1] = "";
    struct lb_slice prefix = lb_slice(first, VOL_UPLOAD_ID_LEN);
    struct vol_object o;
    uint64_t at = 0;
    vol_id_text(composed.first, first);
    r->segments = lb_arena_alloc(&r->arena, (size_t)composed.n * sizeof(*r->segments));
    int err =
        r->segments ? vol_index_seek(v->index, VOL_PARTS_BUCKET, prefix, UINT64_MAX, &o) : -ENOMEM;
    while (!err && o.bucket == VOL_PARTS_BUCKET && lb_slice_starts_with(o.key, prefix) &&
           r->segments_n < composed.n) {
        struct segment *s = &r->segments[r->segments_n];
        err = segment_fill(r, &o, s);
        if (err)
            return err;
        s->start = at;
        at += s->size;
        r->segments_n += s->size > 0;
        if (vol_index_next(v->index, &o, &o) < 0)
            break;
    }
    if (err == -ENOMEM)
        return err;
    return err || at != r->object.size ? LB_ERR_CORRUPT : 0;
}

/* Under the lock: the object as it is now. */
static int capture(struct vol_engine *v, struct reader *r, struct lb_engine_op *op) {
    struct vol_object o;
    int err = vol_object_find(v, op, &o);
    if (err)
        return err;
    if (o.flags & VOL_DAMAGED)
        return LB_ERR_CORRUPT;
    r->object = o;
    err = lb_arena_copy(&r->arena, o.key, &r->object.key);
    if (!err)
        err = lb_arena_copy(&r->arena, o.meta, &r->object.meta);
    r->hold = err ? NULL : vol_hold(v, o.seq);
    if (!r->hold)
        return -ENOMEM;
    vol_info(&o, &r->r.info);
    r->head_loaded = o.meta_len <= VOL_META_INLINE;
    r->r.info.meta = r->object.meta;
    if (o.flags & VOL_COMPOSED)
        return o.extents_n == 1 ? parts_fill(v, r, o.extents[0]) : LB_ERR_CORRUPT;
    r->segments = lb_arena_alloc(&r->arena, sizeof(*r->segments));
    if (!r->segments)
        return -ENOMEM;
    r->segments_n = o.size > 0;
    return segment_fill(r, &o, r->segments);
}

static void open_again(struct lb_engine_port *p, struct lb_engine_op *op, unsigned tries);

/* The operation ends; the reader is op's, or gone. later: not from inside the call. */
static void opened(struct reader *r, int err, bool later) {
    struct lb_engine_op *op = r->op;
    struct lb_engine_port *p = r->r.port;
    unsigned tries = r->tries;
    r->op = NULL;
    if (err) {
        reader_free(r);
    } else {
        op->reader = &r->r;
        op->info = r->r.info;
    }
    if (err == -ENOENT && tries < TRIES_MAX)
        open_again(p, op, tries + 1);
    else if (later)
        vol_complete(p, op, err == -ENOENT ? LB_ERR_SLOW_DOWN : err);
    else
        op->done(op, err == -ENOENT ? LB_ERR_SLOW_DOWN : err);
}

/* The first segment whose small body is not there yet, or NULL. */
static struct segment *missing(struct reader *r) {
    for (; r->loaded < r->segments_n; r->loaded++) {
        struct segment *s = &r->segments[r->loaded];
        if (s->extents_n == 0 && s->body.len != s->size)
            return s;
    }
    return NULL;
}

/* What was loaded goes to where it is needed. */
static int take_loaded(struct reader *r) {
    const struct vol_record *rec = &r->load.record;
    struct segment *s = missing(r);
    if (rec->object.seq == r->object.seq) {
        r->head_loaded = true;
        r->r.info.meta = rec->object.meta;
    }
    if (!s)
        return 0;
    s->body = rec->body;
    return rec->object.seq == s->seq && s->body.len == s->size ? 0 : LB_ERR_CORRUPT;
}

/* Loads what is not in the index, one after the other: small bodies, a long meta blob. */
static void load_next(struct reader *r, bool later) {
    int rc = 0;
    while (rc == 0) {
        const struct segment *s = missing(r);
        if (!s && r->head_loaded)
            break;
        r->load.bucket = s ? s->bucket : r->object.bucket;
        r->load.key = s ? s->key : r->object.key;
        r->load.seq = s ? s->seq : r->object.seq;
        rc = vol_load(&r->load);
        if (rc > 0)
            return;
        if (rc == 0)
            rc = take_loaded(r);
    }
    opened(r, rc, later);
}

static void on_load(struct vol_load *l, int err) {
    struct reader *r = LB_CONTAINER_OF(l, struct reader, load);
    if (!err)
        err = take_loaded(r);
    if (err)
        opened(r, err, false);
    else
        load_next(r, false);
}

static void open_again(struct lb_engine_port *p, struct lb_engine_op *op, unsigned tries) {
    struct vol_engine *v = vol_of(p);
    struct reader *r = calloc(1, sizeof(*r));
    if (!r) {
        vol_complete(p, op, -ENOMEM);
        return;
    }
    lb_arena_init(&r->arena, READER_MEMORY_MAX);
    r->r.port = p;
    r->op = op;
    r->tries = tries;
    r->load.port = p;
    r->load.arena = &r->arena;
    r->load.done = on_load;
    pthread_mutex_lock(&v->lock);
    int err = capture(v, r, op);
    pthread_mutex_unlock(&v->lock);
    if (err)
        opened(r, err, true);
    else
        load_next(r, true);
}

void vol_open(struct lb_engine_port *p, struct lb_engine_op *op) {
    open_again(p, op, 0);
}

/* ---- read ---- */

static void finish(struct reader *r, int err) {
    struct lb_engine_op *op = r->op;
    struct vol_engine *v = vol_of(r->r.port);
    r->op = NULL;
    if (err) {
        lb_pool_put(r->buf);
    } else {
        op->piece = (struct lb_piece){.fd = -1, .len = r->len, .buf = r->buf, .buf_at = r->skip};
        r->buf->len = (uint32_t)(r->skip + r->len);
        pthread_mutex_lock(&v->lock);
        v->reads++;
        v->read_bytes += r->len;
        pthread_mutex_unlock(&v->lock);
    }
    r->buf = NULL;
    op->done(op, err);
}

static int decide_damaged(struct vol_engine *v, struct vol_change *c) {
    const struct segment *s = LB_CONTAINER_OF(c, struct reader, c)->segment;
    struct vol_object o;
    if (vol_index_version(v->index, s->bucket, s->key, s->seq, &o) < 0 || (o.flags & VOL_DAMAGED))
        return 1;
    c->record = (struct vol_record){.kind = VOL_REC_DAMAGED,
                                    .bucket = s->bucket,
                                    .object = {.bucket = s->bucket, .key = s->key, .seq = s->seq}};
    return 0;
}

static void marked(struct vol_change *c, int err) {
    finish(LB_CONTAINER_OF(c, struct reader, c), LB_ERR_CORRUPT);
}

/* A checksum does not match: the version is marked, and served no more. */
static void damaged(struct reader *r) {
    struct vol_engine *v = vol_of(r->r.port);
    const struct segment *s = r->segment;
    lb_error("an object's bytes are damaged and are not served", LB_LOG_S("key", r->object.key),
             LB_LOG_I("bucket", r->object.bucket),
             LB_LOG_I("offset", (int64_t)(s->start + r->begin)));
    pthread_mutex_lock(&v->lock);
    v->damaged++;
    pthread_mutex_unlock(&v->lock);
    r->c = (struct vol_change){
        .key_hash = vol_key_hash(s->bucket, s->key), .decide = decide_damaged, .done = marked};
    vol_journal_submit(v, vol_loop_of(r->r.port), &r->c);
}

static bool intact(const struct reader *r) {
    size_t sum = (size_t)(r->begin / VOL_SUM_SIZE);
    for (size_t at = 0; at < r->window; at += VOL_SUM_SIZE, sum++) {
        size_t n = r->window - at < VOL_SUM_SIZE ? r->window - at : VOL_SUM_SIZE;
        if (vol_crc(lb_slice(r->buf->ptr + at, n)) != r->segment->sums[sum])
            return false;
    }
    return true;
}

static void on_read(struct vol_transfer *t, int err) {
    struct reader *r = LB_CONTAINER_OF(t, struct reader, transfer);
    if (err)
        finish(r, err);
    else if (intact(r))
        finish(r, 0);
    else
        damaged(r);
}

static void failed(struct reader *r, int err) {
    struct lb_engine_op *op = r->op;
    lb_pool_put(r->buf);
    r->buf = NULL;
    r->op = NULL;
    vol_complete(r->r.port, op, err);
}

static void small_done(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    finish(op->state, 0);
}

static void start(struct reader *r) {
    struct lb_engine_port *p = r->r.port;
    const struct segment *s = r->segment;
    size_t bytes = (size_t)vol_units_of(r->window) * VOL_UNIT;
    r->buf = lb_pool_get(p->pool, bytes);
    if (!r->buf) {
        lb_pool_wait(p->pool, &r->waiter);
        return;
    }
    if (s->extents_n == 0) {
        memcpy(r->buf->ptr, s->body.ptr, s->body.len);
        r->op->run.io.done = small_done;
        lb_io_defer(p->io, &r->op->run.io, 0);
        return;
    }
    r->transfer.done = on_read;
    int err = vol_transfer(&r->transfer, vol_loop_of(p)->device, s->extents, s->extents_n,
                           r->begin / VOL_UNIT, r->buf->ptr, bytes, false);
    if (err)
        failed(r, err);
}

static void memory_came(struct lb_pool_waiter *w) {
    start(LB_CONTAINER_OF(w, struct reader, waiter));
}

/* The segment that this byte is in. */
static const struct segment *segment_at(const struct reader *r, uint64_t off) {
    size_t low = 0, high = r->segments_n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (r->segments[middle].start <= off)
            low = middle;
        else
            high = middle;
    }
    return &r->segments[low];
}

void vol_read(struct lb_reader *reader, struct lb_engine_op *op, uint64_t off, uint64_t len,
              bool files) {
    struct reader *r = reader_of(reader);
    assert(!r->op && len > 0 && off < r->r.info.size && len <= r->r.info.size - off);
    const struct segment *s = segment_at(r, off);
    uint64_t in = off - s->start;
    r->begin = in - in % VOL_SUM_SIZE;
    r->skip = (size_t)(in - r->begin);
    uint64_t end = in + len < s->size ? in + len : s->size;
    end = (end + VOL_SUM_SIZE - 1) / VOL_SUM_SIZE * VOL_SUM_SIZE;
    end = end < s->size ? end : s->size;
    r->window = end - r->begin < WINDOW_MAX ? (size_t)(end - r->begin) : WINDOW_MAX;
    r->len = r->window - r->skip < len ? r->window - r->skip : (size_t)len;
    r->segment = s;
    r->op = op;
    r->waiter.fn = memory_came;
    op->state = r;
    start(r);
}

/* ---- head ---- */

struct head {
    struct vol_load load;
    struct lb_engine_op *op;
    unsigned tries;
    struct vol_object object;
};

static void head_again(struct head *h, bool later);

static void head_end(struct head *h, int err, bool later) {
    struct lb_engine_op *op = h->op;
    struct lb_engine_port *p = h->load.port;
    if (err == -ENOENT && h->tries++ < TRIES_MAX) {
        head_again(h, later);
        return;
    }
    if (!err)
        op->info.meta = h->load.record.object.meta;
    free(h);
    err = err == -ENOENT ? LB_ERR_SLOW_DOWN : err;
    if (later)
        vol_complete(p, op, err);
    else
        op->done(op, err);
}

static void on_head(struct vol_load *l, int err) {
    head_end(LB_CONTAINER_OF(l, struct head, load), err, false);
}

/* Under the lock. Returns 0, 1 when the meta blob is not in the index, or an error. */
static int head_find(struct vol_engine *v, struct lb_engine_op *op, struct vol_object *o) {
    int err = vol_object_find(v, op, o);
    if (err)
        return err;
    vol_info(o, &op->info);
    if (o->meta_len > VOL_META_INLINE)
        return 1;
    return lb_arena_copy(op->arena, o->meta, &op->info.meta);
}

static void head_again(struct head *h, bool later) {
    struct vol_engine *v = vol_of(h->load.port);
    struct lb_engine_op *op = h->op;
    pthread_mutex_lock(&v->lock);
    int rc = head_find(v, op, &h->object);
    pthread_mutex_unlock(&v->lock);
    if (rc > 0) {
        h->load.bucket = h->object.bucket;
        h->load.key = op->key;
        h->load.seq = h->object.seq;
        rc = vol_load(&h->load);
        if (rc <= 0)
            head_end(h, rc, later);
        return;
    }
    h->load.record.object.meta = op->info.meta;
    head_end(h, rc, later);
}

void vol_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    struct vol_object o;
    pthread_mutex_lock(&v->lock);
    int rc = head_find(v, op, &o);
    pthread_mutex_unlock(&v->lock);
    if (rc <= 0) {
        vol_complete(p, op, rc);
        return;
    }
    struct head *h = calloc(1, sizeof(*h));
    if (!h) {
        vol_complete(p, op, -ENOMEM);
        return;
    }
    h->op = op;
    h->load.port = p;
    h->load.arena = op->arena;
    h->load.done = on_head;
    head_again(h, true);
}
