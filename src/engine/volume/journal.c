/* The journal: many changes, one write and one flush.
 *
 * One batch is in flight at a time. A change that comes meanwhile is taken by the next one; so the
 * batch forms itself. It is led by one of those who wait: its writes and flush run on that change's
 * loop, and at its end the next leader is told by message. Thus nothing outlives the operations of
 * the loop that it runs for.
 *
 * When a batch is made, everything before it has been applied to memory. Its changes are decided in
 * the order they came, no two of the same key, so that each sees all that the others did.
 *
 * After a write or flush that failed nobody knows what is on the device. There is no retry: all who
 * wait fail, and the engine takes no more writes until a restart. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/volume/volume_priv.h"

#define CHANGES_MAX 1024u /* in a batch */
#define SEEN_SLOTS 2048u
#define LATER_SHARE 16u /* flush even for `relaxed` when 1/16 of the free units waits for it */

enum step { STEP_WRITTEN, STEP_FLUSHED, STEP_SETTLED, STEP_DONE };

static struct vol_change *change_of(struct lb_list *l) {
    return LB_CONTAINER_OF(l, struct vol_change, link);
}

int vol_journal_init(struct vol_engine *v) {
    struct vol_journal *j = &v->journal;
    lb_list_init(&j->pending);
    lb_list_init(&j->batch);
    size_t size = (size_t)VOL_BATCH_MAX * VOL_UNIT;
    j->bytes = (struct lb_buf){.cap = size, .cap_max = size};
    j->bytes.ptr = aligned_alloc(VOL_UNIT, size);
    return j->bytes.ptr ? 0 : -ENOMEM;
}

void vol_journal_fini(struct vol_engine *v) {
    lb_buf_fini(&v->journal.bytes);
}

static void on_done(struct lb_io *io, struct lb_io_msg *m) {
    struct vol_change *c = LB_CONTAINER_OF(m, struct vol_change, msg);
    c->done(c, c->err);
}

/* Tells its owner. Changes of `own` go to the list instead. Under the lock: a loop that has been
 * told may be detached once that has been had. */
static void finish(struct vol_engine *v, struct vol_change *c, struct vol_loop *own,
                   struct lb_list *ret) {
    if (c->staged)
        vol_staged_put(v, c->staged);
    c->staged = NULL;
    free(c->more);
    c->more = NULL;
    if (!c->loop) {
        c->finished = true;
        pthread_cond_broadcast(&v->wake);
    } else if (c->loop == own) {
        lb_list_append(ret, &c->link);
    } else {
        c->msg.fn = on_done;
        lb_io_post(c->loop->port.io, &c->msg);
    }
}

static void on_lead(struct lb_io *io, struct lb_io_msg *m);

/* The first of those who wait makes the next batch. */
static void pass_lead(struct vol_engine *v) {
    struct vol_journal *j = &v->journal;
    struct vol_change *c = change_of(j->pending.next);
    j->running = !lb_list_empty(&j->pending) && (!j->full || c->keeper);
    if (!j->running)
        return;
    if (!c->loop) {
        c->lead = true;
        pthread_cond_broadcast(&v->wake);
    } else {
        c->msg.fn = on_lead;
        lb_io_post(c->loop->port.io, &c->msg);
    }
}

void vol_journal_fail(struct vol_engine *v, int err) {
    if (!v->journal.failed)
        lb_error("the journal can't be written: no more writes until a restart",
                 LB_LOG_C("reason", lb_err_name(err)));
    v->journal.failed = true;
    vol_journal_resume(v);
}

void vol_journal_resume(struct vol_engine *v) {
    v->journal.full = false;
    if (!v->journal.running)
        pass_lead(v);
}

/* ---- making a batch ---- */

/* Is there a change with this hash in the batch already? Else notes it. */
static bool seen_add(uint64_t *seen, uint64_t hash) {
    hash |= 1;
    for (size_t i = hash >> 32;; i++) {
        uint64_t *at = &seen[i % SEEN_SLOTS];
        if (*at == hash)
            return true;
        if (!*at) {
            *at = hash;
            return false;
        }
    }
}

static int encode(struct vol_change *c, struct lb_buf *bytes) {
    size_t at = bytes->len;
    vol_record_encode(&c->record, bytes);
    size_t end = bytes->len;
    for (size_t i = 0; i < c->more_n; i++)
        vol_record_encode(&c->more[i], bytes);
    int err = bytes->err;
    if (!err && (c->record.kind == VOL_REC_PUT || c->record.kind == VOL_REC_PART)) {
        c->staged = vol_staged_new(&c->record, lb_slice(bytes->ptr + at, end - at));
        err = c->staged ? 0 : -ENOMEM;
    }
    if (err) {
        bytes->len = at;
        bytes->err = 0;
    }
    return err;
}

/* Decides a change and adds its records. Returns 0, 1 for nothing to do, -EMSGSIZE when the batch
 * has no room for it, or its error. */
static int take(struct vol_engine *v, struct vol_change *c, struct vol_batch *b) {
    struct vol_journal *j = &v->journal;
    free(c->more);
    c->more = NULL;
    c->more_n = 0;
    c->seq = j->next_seq;
    int err = c->decide(v, c);
    if (err)
        return err;
    err = encode(c, &j->bytes);
    if (err)
        return err;
    c->written = true;
    b->records = (uint16_t)(b->records + 1 + c->more_n);
    j->next_seq += 1 + c->more_n;
    j->sync = j->sync || c->sync;
    return 0;
}

/* Units that the batch may have; 0: the journal is full. */
static uint64_t room(const struct vol_engine *v, const struct vol_change *first) {
    const struct vol_journal *j = &v->journal;
    uint64_t units = v->super.journal_units;
    uint64_t left = units - (j->at - j->tail);
    uint64_t kept = first->keeper ? 0 : VOL_JOURNAL_KEPT;
    if (left < kept + 2 * VOL_BATCH_MAX ||
        (!first->keeper && v->staged_bytes > 2 * v->conf.staged_max))
        return 0;
    uint64_t to_end = units - j->at % units;
    return to_end < VOL_BATCH_MAX ? to_end : VOL_BATCH_MAX;
}

static void pick(struct vol_engine *v, struct vol_batch *b) {
    struct vol_journal *j = &v->journal;
    uint64_t seen[SEEN_SLOTS] = {0};
    unsigned n = 0;
    LB_LIST_FOR_EACH_SAFE(it, &j->pending) {
        struct vol_change *c = change_of(it);
        if (n == CHANGES_MAX || b->records > UINT16_MAX / 2 || (c->alone && b->records))
            break;
        if (seen_add(seen, c->key_hash))
            continue;
        c->err = j->failed ? LB_ERR_READ_ONLY : take(v, c, b);
        if (c->err == -EMSGSIZE && (b->records || j->bytes.cap_max < j->bytes.cap))
            break;
        lb_list_remove(it);
        lb_list_append(&j->batch, it);
        j->pending_n--;
        n++;
        if (c->alone && c->written)
            break;
    }
}

/* The gap at the ring's end: batches without records, of a unit each. */
static void fill_gap(struct vol_engine *v, struct vol_batch *b, uint64_t units) {
    struct vol_journal *j = &v->journal;
    for (uint64_t i = 0; i < units; i++) {
        struct lb_buf one = {.ptr = j->bytes.ptr + i * VOL_UNIT,
                             .len = VOL_BATCH_HEAD,
                             .cap = VOL_UNIT,
                             .cap_max = VOL_UNIT};
        b->position = j->at + i;
        vol_batch_seal(b, &one);
        b->previous = b->sum;
    }
    j->bytes.len = units * VOL_UNIT;
}

/* Under the lock: what goes into the next batch, encoded. Returns false when nothing is to be
 * written. */
static bool make(struct vol_engine *v) {
    struct vol_journal *j = &v->journal;
    uint64_t units = j->failed ? VOL_BATCH_MAX : room(v, change_of(j->pending.next));
    j->units = 0;
    j->sync = false;
    j->made_at = j->at;
    j->made_seq = j->next_seq;
    j->made_previous = j->previous;
    j->full = units == 0;
    if (j->full) {
        pthread_cond_broadcast(&v->wake);
        return false;
    }
    j->bytes.cap_max = units * VOL_UNIT;
    j->bytes.len = VOL_BATCH_HEAD;
    j->bytes.err = 0;
    struct vol_batch b = {.epoch = v->super.epoch,
                          .position = j->at,
                          .first_seq = j->next_seq,
                          .flushed = j->flushed,
                          .previous = j->previous};
    pick(v, &b);
    if (b.records)
        vol_batch_seal(&b, &j->bytes);
    else if (lb_list_empty(&j->batch))
        fill_gap(v, &b, units);
    else
        return false;
    j->units = (unsigned)(j->bytes.len / VOL_UNIT);
    j->unit = VOL_JOURNAL_AT + j->at % v->super.journal_units;
    j->previous = b.sum;
    return true;
}

/* ---- what follows its write ---- */

static void apply(struct vol_engine *v, struct vol_change *c) {
    int err = vol_apply(v, &c->record, c->position);
    for (size_t i = 0; !err && i < c->more_n; i++)
        err = vol_apply(v, &c->more[i], c->position);
    if (c->staged)
        vol_staged_add(v, c->staged);
    c->staged = NULL;
    if (err) {
        c->err = err;
        vol_journal_fail(v, err);
    }
}

static void apply_all(struct vol_engine *v) {
    struct vol_journal *j = &v->journal;
    LB_LIST_FOR_EACH(it, &j->batch) {
        struct vol_change *c = change_of(it);
        c->position = j->at;
        if (c->written)
            apply(v, c);
    }
    vol_alloc_settled(v->alloc, j->flushed);
}

/* What waits for a flush is a good part of what is free. */
static bool flush_due(const struct vol_engine *v) {
    uint64_t later = vol_alloc_later_units(v->alloc);
    return later && later >= vol_alloc_free_units(v->alloc) / LATER_SHARE;
}

static void flushed(struct vol_engine *v) {
    struct vol_journal *j = &v->journal;
    j->flushed = j->at;
    v->syncs++;
    vol_alloc_settled(v->alloc, j->flushed);
}

static void failed(struct vol_engine *v, int err) {
    LB_LIST_FOR_EACH(it, &v->journal.batch) {
        struct vol_change *c = change_of(it);
        if (c->written && !c->err)
            c->err = LB_ERR_READ_ONLY;
        c->written = false;
    }
    vol_journal_fail(v, err);
}

/* Under the lock, after a write (at: STEP_WRITTEN) or flush: true when a flush is next. */
static bool advance(struct vol_engine *v, enum step *at, int err) {
    struct vol_journal *j = &v->journal;
    /* A flush that comes after another's failure proves nothing. */
    if (err || j->failed) {
        failed(v, err);
        *at = STEP_DONE;
        return false;
    }
    if (*at == STEP_WRITTEN) {
        j->at += j->units;
        if (j->sync) {
            *at = STEP_FLUSHED;
            return true;
        }
    } else {
        flushed(v);
    }
    if (*at != STEP_SETTLED)
        apply_all(v);
    if (*at == STEP_WRITTEN && flush_due(v)) {
        *at = STEP_SETTLED;
        return true;
    }
    *at = STEP_DONE;
    return false;
}

/* Under the lock: everyone of the batch is told, those of `own` when the lock is given up. */
static void end(struct vol_engine *v, struct vol_loop *own, struct lb_list *ret) {
    struct vol_journal *j = &v->journal;
    for (struct lb_list *it; (it = lb_list_pop(&j->batch));) {
        struct vol_change *c = change_of(it);
        if (c->err == 1)
            c->err = 0;
        j->synced += c->written && c->sync;
        finish(v, c, own, ret);
    }
    j->units = 0;
    if (j->at - j->tail > v->super.journal_units / 2 || v->staged_bytes > v->conf.staged_max)
        pthread_cond_broadcast(&v->wake);
    pass_lead(v);
}

static void tell(struct lb_list *own) {
    for (struct lb_list *it; (it = lb_list_pop(own));) {
        struct vol_change *c = change_of(it);
        c->done(c, c->err);
    }
}

/* ---- led by a loop ---- */

static void on_written(struct vol_io *io, int err);
static void on_flushed(struct vol_io *io, int err);
static void on_settled(struct vol_io *io, int err);

static void step(struct vol_io *io, enum step at, int err) {
    struct vol_engine *v = LB_CONTAINER_OF(io, struct vol_engine, journal.io);
    struct vol_loop *l = v->journal.leader->loop;
    struct lb_list own;
    lb_list_init(&own);
    pthread_mutex_lock(&v->lock);
    bool flush = advance(v, &at, err);
    if (!flush)
        end(v, l, &own);
    pthread_mutex_unlock(&v->lock);
    if (flush) {
        io->done = at == STEP_FLUSHED ? on_flushed : on_settled;
        l->device->device->ops->flush(l->device, io);
    }
    tell(&own);
}

static void on_written(struct vol_io *io, int err) {
    step(io, STEP_WRITTEN, err);
}

static void on_flushed(struct vol_io *io, int err) {
    step(io, STEP_FLUSHED, err);
}

static void on_settled(struct vol_io *io, int err) {
    step(io, STEP_SETTLED, err);
}

static void on_lead(struct lb_io *io, struct lb_io_msg *m) {
    struct vol_change *c = LB_CONTAINER_OF(m, struct vol_change, msg);
    struct vol_loop *l = c->loop;
    struct vol_engine *v = l->engine;
    struct vol_journal *j = &v->journal;
    struct lb_list own;
    lb_list_init(&own);
    pthread_mutex_lock(&v->lock);
    j->leader = c;
    bool write = make(v);
    if (!write)
        end(v, l, &own);
    pthread_mutex_unlock(&v->lock);
    if (write) {
        j->io.done = on_written;
        l->device->device->ops->write(l->device, &j->io, j->unit, j->bytes.ptr, j->bytes.len);
    }
    tell(&own);
}

/* Under the lock. */
static void submit(struct vol_engine *v, struct vol_change *c) {
    struct vol_journal *j = &v->journal;
    c->written = c->lead = c->finished = false;
    c->staged = NULL;
    c->err = 0;
    if (c->keeper)
        lb_list_prepend(&j->pending, &c->link);
    else
        lb_list_append(&j->pending, &c->link);
    j->pending_n++;
    if (!j->running)
        pass_lead(v);
}

void vol_journal_submit(struct vol_engine *v, struct vol_loop *l, struct vol_change *c) {
    c->loop = l;
    c->wall_ns = lb_io_wall_ns(l->port.io);
    pthread_mutex_lock(&v->lock);
    submit(v, c);
    pthread_mutex_unlock(&v->lock);
}

/* ---- led by a thread ---- */

/* Under the lock, which it gives up meanwhile. */
static void lead_now(struct vol_engine *v, struct vol_change *c) {
    struct vol_journal *j = &v->journal;
    const struct vol_device_ops *ops = v->device->ops;
    enum step at = STEP_WRITTEN;
    struct lb_list none;
    lb_list_init(&none);
    j->leader = c;
    if (make(v)) {
        pthread_mutex_unlock(&v->lock);
        int err = ops->write_now(v->device, j->unit, j->bytes.ptr, j->bytes.len);
        pthread_mutex_lock(&v->lock);
        while (advance(v, &at, err)) {
            pthread_mutex_unlock(&v->lock);
            err = ops->flush_now(v->device);
            pthread_mutex_lock(&v->lock);
        }
    }
    end(v, NULL, &none);
}

int vol_journal_now(struct vol_engine *v, struct vol_change *c) {
    c->loop = NULL;
    pthread_mutex_lock(&v->lock);
    submit(v, c);
    while (!c->finished) {
        if (!c->lead) {
            pthread_cond_wait(&v->wake, &v->lock);
            continue;
        }
        c->lead = false;
        lead_now(v, c);
    }
    pthread_mutex_unlock(&v->lock);
    return c->err;
}
