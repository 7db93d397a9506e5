/* Checkpoints: all that is live, written while changes go on, so that the journal before it is not
 * needed any more (format.md says why a replay over it gives what memory held).
 *
 * First is noted where a replay would begin. What is staged then is packed, since its records lie
 * before that place; what is staged later is left out. Then the index is walked in slices under the
 * lock. All batches whose effects the walk can have seen are flushed before a superblock names it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "engine/volume/format_priv.h"
#include "engine/volume/keeper.h"

#define CHUNK_UNITS 256u     /* of an extent of the chain; one record may need a little more */
#define CHUNK_ROOM 272u      /* units of its buffer */
#define SLICE 512u           /* entries encoded under the lock at once */
#define SLICE_PAUSE_NS 50000 /* in which others get it */
#define CATALOG_MAX (1u << 30)

struct chunk {
    struct lb_buf bytes;
    struct vol_extent extent;
    uint32_t records;
};

struct chain {
    struct vol_engine *v;
    struct vol_super super; /* to be written */
    bool same;              /* as the former one: nothing has changed since */
    size_t staged;          /* records, when the replay was noted to begin */
    struct chunk
        chunks[2];   /* the full one, which waits to know the next, and the one being filled */
    bool full;       /* chunks[0] is in use */
    uint64_t number; /* of chunks[0] */
    struct vol_extent *extents; /* all that were taken; owned */
    size_t n, cap;
    uint64_t objects, bytes, units;
    /* where the walk is */
    uint32_t bucket;
    char key[LB_KEY_MAX];
    size_t key_len;
    uint64_t seq;
};

static void chain_free(struct chain *c) {
    lb_buf_fini(&c->chunks[0].bytes);
    lb_buf_fini(&c->chunks[1].bytes);
    free(c->extents);
    free(c);
}

static struct chain *chain_new(struct vol_engine *v) {
    struct chain *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->v = v;
    c->seq = UINT64_MAX;
    if (vol_buf_aligned(&c->chunks[0].bytes, CHUNK_ROOM) == 0 &&
        vol_buf_aligned(&c->chunks[1].bytes, CHUNK_ROOM) == 0)
        return c;
    chain_free(c);
    return NULL;
}

/* ---- extents ---- */

/* Under the lock. An extent for chunks[1] with room for a record of `least` bytes. */
static int chunk_begin(struct chain *c, size_t least) {
    struct vol_engine *v = c->v;
    struct chunk *open = &c->chunks[1];
    uint64_t need = (VOL_CHUNK_HEAD + least + VOL_UNIT - 1) / VOL_UNIT;
    uint64_t longest = vol_alloc_longest(v->alloc);
    uint64_t units = longest < CHUNK_UNITS ? longest : CHUNK_UNITS;
    if (need > CHUNK_ROOM)
        return -EMSGSIZE;
    if (units < need)
        units = need;
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct vol_extent *more = realloc(c->extents, cap * sizeof(*more));
        if (!more)
            return -ENOMEM;
        c->extents = more;
        c->cap = cap;
    }
    int n = vol_alloc_take(v->alloc, units, 0, 0, &open->extent, 1);
    if (n < 0)
        return n == -EMLINK ? -ENOSPC : n;
    c->extents[c->n++] = open->extent;
    open->records = 0;
    lb_buf_clear(&open->bytes);
    memset(lb_buf_reserve(&open->bytes, VOL_CHUNK_HEAD), 0, VOL_CHUNK_HEAD);
    open->bytes.len = VOL_CHUNK_HEAD;
    return 0;
}

/* Under the lock. What chunks[1] does not need of its extent is given back. */
static void chunk_end(struct chain *c) {
    struct vol_extent *e = &c->chunks[1].extent, *all = &c->extents[c->n - 1];
    uint64_t used = (c->chunks[1].bytes.len + VOL_UNIT - 1) / VOL_UNIT;
    vol_alloc_give(c->v->alloc, (struct vol_extent){e->first + used, e->n - used});
    e->n = all->n = used;
}

/* Under the lock. */
static void give_back(struct vol_engine *v, const struct vol_extent *e, size_t n) {
    for (size_t i = 0; i < n; i++)
        vol_alloc_give(v->alloc, e[i]);
}

/* ---- chunks ---- */

static int chunk_write(struct chain *c, struct chunk *k, struct vol_chunk head) {
    head.number = c->number++;
    head.seq = c->super.replay_seq;
    head.entries = k->records;
    vol_chunk_seal(&head, c->super.id, &k->bytes);
    if (k->bytes.err)
        return k->bytes.err;
    assert(k->bytes.len == k->extent.n * VOL_UNIT);
    return vol_keep_write(c->v, k->extent.first, k->bytes.ptr, k->bytes.len);
}

/* chunks[1] is as long as it gets: writes the one before, which can name it now. */
static int chunk_close(struct chain *c) {
    pthread_mutex_lock(&c->v->lock);
    chunk_end(c);
    pthread_mutex_unlock(&c->v->lock);
    if (!c->full)
        return 0;
    return chunk_write(c, &c->chunks[0], (struct vol_chunk){.next = c->chunks[1].extent});
}

/* chunks[1] is full: begins another. */
static int chunk_next(struct chain *c, size_t least) {
    int err = chunk_close(c);
    if (err)
        return err;
    struct chunk full = c->chunks[1];
    c->chunks[1] = c->chunks[0];
    c->chunks[0] = full;
    c->full = true;
    pthread_mutex_lock(&c->v->lock);
    err = chunk_begin(c, least);
    pthread_mutex_unlock(&c->v->lock);
    return err;
}

static int chain_end(struct chain *c) {
    int err = chunk_close(c);
    struct vol_chunk last = {.objects = c->objects, .bytes = c->bytes, .units = c->units};
    return err ? err : chunk_write(c, &c->chunks[1], last);
}

/* Did what was appended to chunks[1] from `at` on fit? If not, it is taken back; *ret_least: how
 * many bytes it needs. */
static bool fits(struct chain *c, size_t at, size_t *ret_least) {
    struct chunk *k = &c->chunks[1];
    if (k->bytes.err == 0 && k->bytes.len <= k->extent.n * VOL_UNIT) {
        k->records++;
        return true;
    }
    *ret_least = k->bytes.err ? CHUNK_ROOM * VOL_UNIT - VOL_CHUNK_HEAD : k->bytes.len - at;
    if (k->bytes.err && at == VOL_CHUNK_HEAD)
        *ret_least = SIZE_MAX / 2; /* no chunk is large enough */
    k->bytes.err = 0;
    k->bytes.len = at;
    return false;
}

/* ---- buckets, uploads and packs ---- */

static void encode_bucket(const struct vol_bucket *b, struct lb_buf *ret) {
    struct vol_record r = {.kind = VOL_REC_BUCKET,
                           .bucket = b->number,
                           .name = lb_slice_cstr(b->name),
                           .created_ns = b->created_ns,
                           .blob = lb_slice(b->settings, b->settings_len)};
    vol_record_encode(&r, ret);
}

static void encode_upload(const struct vol_upload *u, struct lb_buf *ret) {
    struct vol_record r = {.kind = VOL_REC_UPLOAD,
                           .bucket = u->bucket,
                           .object.key = u->key,
                           .upload_id = lb_slice_cstr(u->id),
                           .created_ns = u->created_ns,
                           .blob = u->meta};
    vol_record_encode(&r, ret);
}

/* Under the lock. */
static void encode_catalog(struct vol_engine *v, struct lb_buf *ret) {
    struct lb_map_node *n;
    for (n = lb_map_first(&v->buckets); n; n = lb_map_next(&v->buckets, n))
        encode_bucket(LB_CONTAINER_OF(n, struct vol_bucket, by_name), ret);
    for (n = lb_map_first(&v->uploads); n; n = lb_map_next(&v->uploads, n))
        encode_upload(LB_CONTAINER_OF(n, struct vol_upload, by_id), ret);
    for (n = lb_map_first(&v->packs); n; n = lb_map_next(&v->packs, n)) {
        const struct vol_pack *p = LB_CONTAINER_OF(n, struct vol_pack, by_unit);
        struct vol_record r = {.kind = VOL_REC_PACK, .pack = p->extent};
        vol_record_encode(&r, ret);
    }
}

static int put_catalog(struct chain *c) {
    struct lb_buf all;
    lb_buf_init(&all, CATALOG_MAX);
    pthread_mutex_lock(&c->v->lock);
    encode_catalog(c->v, &all);
    pthread_mutex_unlock(&c->v->lock);
    int err = all.err;
    for (size_t at = 0; !err && at < all.len;) {
        size_t len = vol_get_le(all.ptr + at, 4), least, was = c->chunks[1].bytes.len;
        len += vol_padding(len, 8);
        lb_buf_append(&c->chunks[1].bytes, lb_slice(all.ptr + at, len));
        if (fits(c, was, &least))
            at += len;
        else
            err = chunk_next(c, least);
    }
    lb_buf_fini(&all);
    return err;
}

/* ---- entries ---- */

static void count(struct chain *c, const struct vol_object *o) {
    c->objects++;
    c->bytes += o->size;
    for (size_t i = 0; !(o->flags & VOL_COMPOSED) && i < o->extents_n; i++)
        c->units += o->extents[i].n;
}

/* Where the walk goes on after o. */
static void pass(struct chain *c, const struct vol_object *o) {
    assert(o->key.len <= sizeof(c->key) && o->seq > 0);
    c->bucket = o->bucket;
    memcpy(c->key, o->key.ptr, o->key.len);
    c->key_len = o->key.len;
    c->seq = o->seq - 1;
}

/* Under the lock. A slice of the index. Returns 0 at the end of the index, 1 when it goes on (with
 * *ret_least not 0: in the next chunk), or an error. */
static int put_slice(struct chain *c, size_t *ret_least) {
    struct vol_index *x = c->v->index;
    struct vol_object o, next;
    *ret_least = 0;
    int err = vol_index_seek(x, c->bucket, lb_slice(c->key, c->key_len), c->seq, &o);
    for (size_t i = 0; err == 0; i++) {
        size_t at = c->chunks[1].bytes.len;
        if (i == SLICE)
            return 1;
        if (o.pack) {
            vol_entry_encode(&o, &c->chunks[1].bytes);
            if (!fits(c, at, ret_least))
                return 1;
            count(c, &o);
        } else if (!vol_staged_find(c->v, o.seq)) {
            return -ENOMEM; /* there was none to stage it: the journal alone has it */
        }
        pass(c, &o);
        err = vol_index_next(x, &o, &next);
        o = next;
    }
    return 0;
}

static int put_entries(struct chain *c, bool pause) {
    for (int more = 1; more;) {
        size_t least;
        pthread_mutex_lock(&c->v->lock);
        more = put_slice(c, &least);
        pthread_mutex_unlock(&c->v->lock);
        int err = more < 0 ? more : least ? chunk_next(c, least) : 0;
        if (err)
            return err;
        if (more && pause)
            nanosleep(&(struct timespec){.tv_nsec = SLICE_PAUSE_NS}, NULL);
    }
    return 0;
}

/* ---- the superblock ---- */

/* Over the older one. After an error in it nobody knows which one counts: the journal has failed.
 */
static int put_super(struct vol_engine *v, const struct vol_super *s, unsigned place) {
    uint8_t *unit = aligned_alloc(VOL_UNIT, VOL_UNIT);
    if (!unit)
        return -ENOMEM;
    vol_super_encode(s, unit);
    int err = vol_keep_write(v, place ? VOL_SUPER_B : VOL_SUPER_A, unit, VOL_UNIT);
    free(unit);
    return err ? err : vol_keep_flush(v);
}

/* ---- all of it ---- */

/* Notes where a replay begins. */
static int chain_begin(struct chain *c, bool clean) {
    struct vol_engine *v = c->v;
    const struct vol_journal *j = &v->journal;
    pthread_mutex_lock(&v->lock);
    bool flight = j->units != 0;
    c->super = v->super;
    c->super.generation++;
    c->super.replay_at = flight ? j->made_at : j->at;
    c->super.replay_seq = flight ? j->made_seq : j->next_seq;
    c->super.replay_sum = flight ? j->made_previous : j->previous;
    c->super.clean = clean;
    c->same = v->super.checkpoint.n && c->super.replay_at == v->super.replay_at;
    c->staged = v->staged.len;
    int err = j->failed ? LB_ERR_READ_ONLY : 0;
    pthread_mutex_unlock(&v->lock);
    return err;
}

static int chain_put(struct chain *c) {
    pthread_mutex_lock(&c->v->lock);
    int err = chunk_begin(c, 0);
    pthread_mutex_unlock(&c->v->lock);
    if (!err)
        err = put_catalog(c);
    if (!err)
        err = put_entries(c, !c->super.clean);
    if (!err)
        err = chain_end(c);
    c->super.checkpoint = c->n ? c->extents[0] : (struct vol_extent){0};
    return err ? err : vol_keep_flush(c->v);
}

/* The superblock names the chain: the former one's room, and the journal's, may be used again. */
static void settle(struct chain *c) {
    struct vol_engine *v = c->v;
    pthread_mutex_lock(&v->lock);
    v->super = c->super;
    v->super_place ^= 1;
    v->journal.tail = c->super.replay_at;
    if (!c->same) {
        give_back(v, v->checkpoint, v->checkpoint_n);
        free(v->checkpoint);
        v->checkpoint = c->extents;
        v->checkpoint_n = c->n;
        c->extents = NULL;
    }
    vol_journal_resume(v);
    pthread_mutex_unlock(&v->lock);
}

static int checkpoint(struct chain *c, bool clean) {
    struct vol_engine *v = c->v;
    int err = clean ? vol_pack_down(v, 0) : 0;
    if (!err)
        err = chain_begin(c, clean);
    if (!err && !c->same)
        err = vol_pack_oldest(v, c->staged);
    if (!err && !c->same)
        err = chain_put(c);
    if (!err) {
        pthread_mutex_lock(&v->lock);
        c->super.next_seq = v->journal.next_seq;
        pthread_mutex_unlock(&v->lock);
        err = put_super(v, &c->super, v->super_place ^ 1);
    }
    if (!err) {
        settle(c);
        return 0;
    }
    pthread_mutex_lock(&v->lock);
    if (!v->journal.failed)
        give_back(v, c->extents, c->n);
    pthread_mutex_unlock(&v->lock);
    return err;
}

int vol_checkpoint(struct vol_engine *v, bool clean) {
    struct chain *c = chain_new(v);
    int err = c ? checkpoint(c, clean) : -ENOMEM;
    if (c)
        chain_free(c);
    if (err)
        lb_warn("no checkpoint", LB_LOG_C("reason", lb_err_name(err)));
    return err;
}
