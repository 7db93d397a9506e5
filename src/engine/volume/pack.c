/* Staged records go to packs.
 *
 * A pack is durable before the journal names it: else a start could follow the record to a place
 * that was never written. What is packed is decided again when the record is made: of an object
 * that has changed meanwhile, the journal's newer record counts. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/keeper.h"

#define MEMBERS_MAX 8192u
#define BEFORE_RECORD 16u /* what a pack has before each record */

struct packing {
    struct vol_change change;
    struct lb_buf bytes;  /* the pack */
    struct lb_buf packed; /* of the PACK record */
    struct lb_arena arena;
    struct vol_staged *staged[MEMBERS_MAX]; /* this is a reader of them */
    struct vol_packed places[MEMBERS_MAX];
    size_t n, named; /* staged; of them, those that the journal names */
    struct vol_extent extent;
};

static struct packing *packing_of(struct vol_change *c) {
    return LB_CONTAINER_OF(c, struct packing, change);
}

static void packing_free(struct packing *p) {
    lb_buf_fini(&p->bytes);
    lb_buf_fini(&p->packed);
    lb_arena_fini(&p->arena);
    free(p);
}

static struct packing *packing_new(void) {
    struct packing *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    lb_buf_init(&p->packed, MEMBERS_MAX * sizeof(struct vol_packed));
    lb_arena_init(&p->arena, 4 * VOL_PACK_MAX);
    if (vol_buf_aligned(&p->bytes, VOL_PACK_MAX / VOL_UNIT) == 0)
        return p;
    packing_free(p);
    return NULL;
}

/* Under the lock. Takes the oldest that fit `bytes`, at most `max`; returns what they take. */
static size_t choose(struct vol_engine *v, struct packing *p, size_t bytes, size_t max) {
    size_t len = VOL_PACK_HEAD;
    p->n = 0;
    LB_LIST_FOR_EACH(it, &v->staged_order) {
        struct vol_staged *s = LB_CONTAINER_OF(it, struct vol_staged, link);
        size_t need = BEFORE_RECORD + s->record.len;
        if (p->n == max || p->n == MEMBERS_MAX || need > bytes - len)
            break;
        len += need;
        p->staged[p->n++] = s;
    }
    return len;
}

/* Under the lock: those to be packed, and room for them in one piece. */
static int take(struct vol_engine *v, struct packing *p, size_t max) {
    size_t limit = VOL_PACK_MAX;
    int n = -EMLINK;
    while (n == -EMLINK) {
        size_t len = choose(v, p, limit, max);
        if (p->n == 0)
            return lb_list_empty(&v->staged_order) ? 0 : -ENOSPC;
        n = vol_alloc_take(v->alloc, (len + VOL_UNIT - 1) / VOL_UNIT, 0, 0, &p->extent, 1);
        if (n == -EMLINK)
            limit = vol_alloc_longest(v->alloc) * VOL_UNIT;
    }
    if (n < 0)
        return n;
    for (size_t i = 0; i < p->n; i++)
        p->staged[i]->readers++;
    return 0;
}

static int fill(struct packing *p, const uint8_t volume[16], uint64_t seq) {
    vol_pack_begin(&p->bytes);
    for (size_t i = 0; i < p->n; i++) {
        struct lb_slice rest = p->staged[i]->record;
        struct vol_record r;
        int err = vol_record_decode(&rest, &p->arena, &r);
        if (err)
            return err;
        p->places[i].seq = p->staged[i]->seq;
        p->places[i].at = vol_pack_add(&p->bytes, &r, &p->places[i].len);
        lb_arena_reset(&p->arena);
    }
    vol_pack_seal(&p->bytes, volume, seq, (uint32_t)p->n);
    return p->bytes.err;
}

static int decide(struct vol_engine *v, struct vol_change *c) {
    struct packing *p = packing_of(c);
    p->named = 0;
    lb_buf_clear(&p->packed);
    for (size_t i = 0; i < p->n; i++) {
        if (vol_staged_find(v, p->places[i].seq) != p->staged[i])
            continue;
        vol_packed_add(&p->packed, &p->places[i]);
        p->named++;
    }
    if (p->packed.err)
        return p->packed.err;
    if (p->named == 0)
        return 1;
    c->record = (struct vol_record){
        .kind = VOL_REC_PACK, .pack = p->extent, .packed = lb_buf_slice(&p->packed)};
    return 0;
}

/* Writes the pack, then says where it is. */
static int put(struct vol_engine *v, struct packing *p, uint64_t seq) {
    int err = fill(p, v->super.id, seq);
    if (!err)
        err = vol_keep_write(v, p->extent.first, p->bytes.ptr, p->bytes.len);
    if (!err)
        err = vol_keep_flush(v);
    p->change = (struct vol_change){.alone = true, .keeper = true, .decide = decide};
    return err ? err : vol_journal_now(v, &p->change);
}

/* One pack of at most max records; *ret: how many it was. */
static int pack_some(struct vol_engine *v, struct packing *p, size_t max, size_t *ret) {
    pthread_mutex_lock(&v->lock);
    int err = v->journal.failed ? LB_ERR_READ_ONLY : take(v, p, max);
    uint64_t seq = v->journal.next_seq;
    pthread_mutex_unlock(&v->lock);
    *ret = p->n;
    if (err || p->n == 0)
        return err;
    lb_buf_clear(&p->bytes);
    err = put(v, p, seq);
    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < p->n; i++)
        vol_staged_put(v, p->staged[i]);
    if ((err || p->named == 0) && !v->journal.failed)
        vol_alloc_give(v->alloc, p->extent);
    vol_journal_resume(v);
    pthread_mutex_unlock(&v->lock);
    return err;
}

int vol_pack_oldest(struct vol_engine *v, size_t records) {
    struct packing *p = packing_new();
    int err = p ? 0 : -ENOMEM;
    while (!err && records) {
        size_t n = 0;
        err = pack_some(v, p, records, &n);
        if (n == 0)
            break;
        records -= n;
    }
    if (p)
        packing_free(p);
    return err;
}

int vol_pack_down(struct vol_engine *v, size_t bytes) {
    struct packing *p = packing_new();
    int err = p ? 0 : -ENOMEM;
    size_t n = 1;
    while (!err && n) {
        pthread_mutex_lock(&v->lock);
        bool enough = v->staged_bytes <= bytes;
        pthread_mutex_unlock(&v->lock);
        if (enough)
            break;
        err = pack_some(v, p, MEMBERS_MAX, &n);
    }
    if (p)
        packing_free(p);
    return err;
}
