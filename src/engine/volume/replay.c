/* A start reads the journal: twice, since only its end tells from where on bodies have to be
 * verified, and nothing is applied that lies behind one that does not fit. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/volume/recover_priv.h"

#define WINDOW (2 * VOL_BATCH_MAX) /* units read at once */

struct replay {
    struct vol_engine *v;
    struct lb_buf *why;
    struct lb_arena arena;
    char *window; /* units from position window_at on */
    char *sum;    /* VOL_SUM_SIZE bytes */
    uint64_t window_at, window_n;
    /* what the next batch has to fit */
    uint64_t at, seq, epoch;
    uint32_t previous;
    uint64_t flushed; /* position known to be flushed */
};

static int io_failed(struct replay *r, const char *what, int err) {
    lb_buf_printf(r->why, "reading %s failed: %s", what, strerror(-err));
    return err;
}

static int damaged(struct replay *r, const char *what, uint64_t position) {
    lb_buf_printf(r->why, "the journal is damaged at position %llu (%s)",
                  (unsigned long long)position, what);
    return -EBADMSG;
}

static void rewind_to_start(struct replay *r) {
    const struct vol_super *s = &r->v->super;
    r->at = s->replay_at;
    r->seq = s->replay_seq;
    r->previous = s->replay_sum;
    r->epoch = 0;
}

/* The bytes from a position on, to the end of what may be one batch, or of the ring. */
static int look(struct replay *r, uint64_t position, struct lb_slice *ret) {
    uint64_t ring = r->v->super.journal_units, to_end = ring - position % ring;
    uint64_t need = to_end < VOL_BATCH_MAX ? to_end : VOL_BATCH_MAX;
    uint64_t skip = position - r->window_at;
    if (position < r->window_at || skip > r->window_n || r->window_n - skip < need) {
        struct vol_device *d = r->v->device;
        r->window_n = to_end < WINDOW ? to_end : WINDOW;
        r->window_at = position;
        skip = 0;
        int err = d->ops->read_now(d, VOL_JOURNAL_AT + position % ring, r->window,
                                   (size_t)r->window_n * VOL_UNIT);
        if (err) {
            r->window_n = 0;
            return io_failed(r, "the journal", err);
        }
    }
    *ret = lb_slice(r->window + skip * VOL_UNIT, (size_t)(r->window_n - skip) * VOL_UNIT);
    return 0;
}

/* Returns 1 and the next batch, 0 at the end, or an error. */
static int next(struct replay *r, struct vol_batch *ret) {
    const struct vol_super *s = &r->v->super;
    struct lb_slice bytes;
    if (r->at - s->replay_at >= s->journal_units)
        return 0;
    int err = look(r, r->at, &bytes);
    if (err)
        return err;
    if (vol_batch_decode(bytes, ret) != 0 || ret->position != r->at || ret->epoch < r->epoch ||
        ret->first_seq < r->seq || ret->previous != r->previous)
        return 0;
    r->at += ret->units;
    r->seq = ret->first_seq + ret->records;
    r->epoch = ret->epoch;
    r->previous = ret->sum;
    return 1;
}

/* Is there one behind the end that says that the end had been flushed? */
static int look_behind(struct replay *r) {
    uint64_t ring = r->v->super.journal_units;
    for (uint64_t at = r->at; at < r->at + WINDOW; at++) {
        struct vol_batch b;
        struct lb_slice bytes;
        int err = look(r, at, &bytes);
        if (err)
            return err;
        if (vol_batch_decode(bytes, &b) == 0 && b.position >= at &&
            b.position % ring == at % ring && b.flushed > r->at)
            return damaged(r, "there are batches behind it", r->at);
    }
    return 0;
}

/* Finds the end, and what is known to be flushed. */
static int scan(struct replay *r, uint64_t least) {
    struct vol_batch b;
    int rc;
    rewind_to_start(r);
    r->flushed = r->at > least ? r->at : least;
    while ((rc = next(r, &b)) == 1) {
        if (b.flushed > r->flushed)
            r->flushed = b.flushed;
    }
    if (rc)
        return rc;
    if (r->at < least)
        return damaged(r, "it ends too early", r->at);
    return look_behind(r);
}

/* ---- bodies ---- */

/* Where unit `n` of a body is, and how many follow it there; 0: nowhere. */
static uint64_t body_unit(const struct vol_engine *v, const struct vol_object *o, uint64_t n,
                          uint64_t *ret_left) {
    uint64_t data = VOL_JOURNAL_AT + v->super.journal_units;
    for (size_t i = 0; i < o->extents_n; i++) {
        struct vol_extent e = o->extents[i];
        if (n >= e.n) {
            n -= e.n;
            continue;
        }
        *ret_left = e.n - n;
        bool inside =
            e.first >= data && e.first < v->super.units && e.n <= v->super.units - e.first;
        return inside ? e.first + n : 0;
    }
    return 0;
}

/* Returns 1 when piece i of the body fits its checksum, 0 when not, or an error. */
static int piece_fits(struct replay *r, const struct vol_object *o, size_t i) {
    struct vol_device *d = r->v->device;
    uint64_t at = (uint64_t)i * VOL_SUM_SIZE, len = o->size - at;
    if (len > VOL_SUM_SIZE)
        len = VOL_SUM_SIZE;
    for (uint64_t have = 0, left = 0; have < len; have += left * VOL_UNIT) {
        uint64_t unit = body_unit(r->v, o, (at + have) / VOL_UNIT, &left);
        uint64_t want = vol_units_of(len - have);
        if (unit == 0)
            return 0;
        if (left > want)
            left = want;
        int err = d->ops->read_now(d, unit, r->sum + have, (size_t)left * VOL_UNIT);
        if (err)
            return io_failed(r, "a body", err);
    }
    return vol_crc(lb_slice(r->sum, len)) == o->sums[i];
}

static int body_fits(struct replay *r, const struct vol_record *record) {
    const struct vol_object *o = &record->object;
    for (size_t i = 0; i < o->sums_n; i++) {
        int rc = piece_fits(r, o, i);
        if (rc != 1)
            return rc;
    }
    return 1;
}

/* ---- records ---- */

/* Calls fn for each record of a batch while it returns 1. Returns 1, or what else fn returned. */
static int each_record(struct replay *r, const struct vol_batch *b,
                       int (*fn)(struct replay *r, const struct vol_record *record,
                                 struct lb_slice encoded)) {
    struct lb_slice rest = b->body;
    int rc = 1;
    for (unsigned i = 0; rc == 1 && i < b->records; i++) {
        struct vol_record record;
        struct lb_slice was = rest;
        rc = vol_record_decode(&rest, &r->arena, &record);
        if (rc == 0)
            rc = fn(r, &record, lb_slice_first(was, record.len));
        lb_arena_reset(&r->arena);
    }
    if (rc == 1 && rest.len)
        rc = -EBADMSG;
    return rc == -EBADMSG && r->why->len == 0 ? damaged(r, "record", b->position) : rc;
}

/* Is what a record put still there at the end? Else its units may have been given to another. */
static bool lives(const struct replay *r, const struct vol_record *record) {
    const struct vol_object *o = &record->object;
    struct vol_object now;
    return o->extents_n &&
           vol_index_version(r->v->index, record->bucket, o->key, o->seq, &now) == 0 &&
           now.extents_n == o->extents_n && now.extents[0].first == o->extents[0].first;
}

static int verify(struct replay *r, const struct vol_record *record, struct lb_slice encoded) {
    bool put = record->kind == VOL_REC_PUT || record->kind == VOL_REC_PART;
    return put && lives(r, record) ? body_fits(r, record) : 1;
}

static int apply(struct replay *r, const struct vol_record *record, struct lb_slice encoded) {
    int err = vol_replay(r->v, record, encoded);
    return err ? err : 1;
}

/* Calls fn for each record of the batches in [from, end). Returns 1, or what else fn returned: then
 * r stands before that batch. */
static int each_batch(struct replay *r, uint64_t from, uint64_t end,
                      int (*fn)(struct replay *r, const struct vol_record *record,
                                struct lb_slice encoded)) {
    int rc = 1;
    rewind_to_start(r);
    while (rc == 1 && r->at < end) {
        uint64_t at = r->at, seq = r->seq, epoch = r->epoch;
        uint32_t previous = r->previous;
        struct vol_batch b;
        rc = next(r, &b);
        if (rc == 1 && at >= from)
            rc = each_record(r, &b, fn);
        if (rc != 1) {
            r->at = at;
            r->seq = seq;
            r->epoch = epoch;
            r->previous = previous;
        }
    }
    return rc;
}

/* Applies what is before the end, which moves to the first body that does not fit. Only what lives
 * at the end is looked at: the units of what a later batch has freed may have been written anew. So
 * a body that was flushed with its batch always fits, and an end found so cuts off nothing that was
 * flushed. */
static int apply_all(struct replay *r) {
    for (;;) {
        uint64_t end = r->at;
        int rc = each_batch(r, 0, end, apply);
        if (rc == 1)
            rc = each_batch(r, r->flushed, end, verify);
        if (rc != 0)
            return rc == 1 ? 0 : rc;
        lb_info("the journal ends before an object that was not written in full",
                LB_LOG_I("position", r->at));
        rc = vol_forget(r->v);
        if (rc == 0)
            rc = vol_restore(r->v, r->why);
        if (rc)
            return rc;
    }
}

static int replay(struct replay *r, uint64_t least) {
    r->window = vol_units_new(WINDOW);
    r->sum = vol_units_new(VOL_SUM_SIZE / VOL_UNIT);
    if (!r->window || !r->sum)
        return -ENOMEM;
    rewind_to_start(r);
    if (r->v->super.clean)
        return 0;
    int err = scan(r, least);
    return err ? err : apply_all(r);
}

int vol_replay_journal(struct vol_engine *v, uint64_t least, uint64_t *ret_epoch,
                       struct lb_buf *why) {
    const struct vol_super *s = &v->super;
    struct vol_journal *j = &v->journal;
    struct replay r = {.v = v, .why = why};
    lb_arena_init(&r.arena, 16u << 20);
    int err = replay(&r, least);
    lb_arena_fini(&r.arena);
    free(r.window);
    free(r.sum);
    if (err)
        return err;
    j->at = r.at;
    j->tail = s->replay_at;
    j->previous = r.previous;
    j->next_seq = r.seq > s->next_seq ? r.seq : s->next_seq;
    if (!s->clean)
        j->next_seq += s->journal_units * VOL_BATCH_MAX;
    if (r.epoch > *ret_epoch)
        *ret_epoch = r.epoch;
    return 0;
}
