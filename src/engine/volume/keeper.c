/* Housekeeping: a thread that moves what is staged to packs, writes checkpoints before the journal
 * is full, and compacts. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "engine/volume/keeper.h"

#define WAIT_S 1 /* between looks when nobody wakes it, and after an error */

/* ---- what all of it uses ---- */

int vol_buf_aligned(struct lb_buf *b, size_t units) {
    size_t size = units * VOL_UNIT;
    *b = (struct lb_buf){.cap = size, .cap_max = size};
    b->ptr = aligned_alloc(VOL_UNIT, size);
    return b->ptr ? 0 : -ENOMEM;
}

static int failed(struct vol_engine *v, int err) {
    pthread_mutex_lock(&v->lock);
    vol_journal_fail(v, err);
    pthread_mutex_unlock(&v->lock);
    return err;
}

int vol_keep_write(struct vol_engine *v, uint64_t at, const void *buf, size_t len) {
    int err = v->device->ops->write_now(v->device, at, buf, len);
    return err ? failed(v, err) : 0;
}

int vol_keep_flush(struct vol_engine *v) {
    struct vol_journal *j = &v->journal;
    pthread_mutex_lock(&v->lock);
    uint64_t at = j->at;
    pthread_mutex_unlock(&v->lock);
    int err = v->device->ops->flush_now(v->device);
    if (err)
        return failed(v, err);
    pthread_mutex_lock(&v->lock);
    v->syncs++;
    if (j->failed)
        err = LB_ERR_READ_ONLY; /* a flush failed meanwhile: this one may have been told nothing */
    else if (j->flushed < at)
        j->flushed = at;
    vol_alloc_settled(v->alloc, j->flushed);
    pthread_mutex_unlock(&v->lock);
    return err;
}

/* ---- what is due ---- */

static bool packs_due(const struct vol_engine *v) {
    return v->staged_bytes > v->conf.staged_max;
}

static bool checkpoint_due(const struct vol_engine *v) {
    return v->journal.at - v->journal.tail > v->super.journal_units / 2;
}

static bool due(const struct vol_engine *v) {
    return !v->journal.failed && (packs_due(v) || checkpoint_due(v));
}

/* Returns 1 when it did something, 0 when there is nothing to do, or an error. */
static int keep(struct vol_engine *v) {
    pthread_mutex_lock(&v->lock);
    bool packs = due(v) && packs_due(v), checkpoint = due(v) && checkpoint_due(v);
    bool compact = !v->journal.failed;
    pthread_mutex_unlock(&v->lock);
    if (checkpoint) {
        int err = vol_checkpoint(v, false);
        return err ? err : 1;
    }
    if (packs) {
        int err = vol_pack_down(v, v->conf.staged_max / 2);
        return err ? err : 1;
    }
    return compact ? vol_compact(v) : 0;
}

bool vol_keep(struct vol_engine *v) {
    return keep(v) > 0;
}

/* ---- the thread ---- */

static void *run(void *arg) {
    struct vol_engine *v = arg;
    pthread_mutex_lock(&v->lock);
    while (!v->stopping) {
        pthread_mutex_unlock(&v->lock);
        int rc = keep(v);
        pthread_mutex_lock(&v->lock);
        if (v->stopping || rc > 0 || (rc == 0 && due(v)))
            continue;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_S;
        pthread_cond_timedwait(&v->wake, &v->lock, &until);
    }
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

int vol_keeper_start(struct vol_engine *v) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&v->keeper, NULL, run, v);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    v->keeper_runs = err == 0;
    return -err;
}

void vol_keeper_stop(struct vol_engine *v) {
    if (v->keeper_runs) {
        pthread_mutex_lock(&v->lock);
        v->stopping = true;
        pthread_cond_broadcast(&v->wake);
        pthread_mutex_unlock(&v->lock);
        pthread_join(v->keeper, NULL);
        v->keeper_runs = false;
    }
    vol_checkpoint(v, true);
}

/* ---- space ---- */

/* An entry takes about as much in a checkpoint as in memory (a half more, to be sure); a bucket or
 * upload about a unit; then two packs and two chunks, which are written before others are freed. */
uint64_t vol_keep_free(const struct vol_engine *v) {
    uint64_t entries = vol_index_memory(v->index) / VOL_UNIT;
    uint64_t catalog = v->buckets.len + v->uploads.len + v->packs.len / 64;
    return entries + entries / 2 + catalog + 4 * (VOL_PACK_MAX / VOL_UNIT);
}
