/* A start: from what is on the volume to what was in memory. format.md has the steps and why they
 * are right. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/volume/recover_priv.h"

/* The two superblocks as they were found. */
struct supers {
    struct vol_super super[2];
    int err[2];   /* of reading or decoding each */
    bool magic;   /* one of them says that this is a volume */
    unsigned use; /* the one with the greater generation */
};

static const uint64_t places[2] = {VOL_SUPER_A, VOL_SUPER_B};

int vol_forget(struct vol_engine *v) {
    vol_catalog_fini(v);
    vol_catalog_init(v);
    v->next_bucket = 1;
    vol_index_free(v->index);
    v->index = vol_index_new();
    free(v->checkpoint);
    v->checkpoint = NULL;
    v->checkpoint_n = 0;
    return v->index ? 0 : -ENOMEM;
}

/* ---- superblocks ---- */

static int read_supers(struct vol_device *d, struct supers *s) {
    char *buf = vol_units_new(1);
    if (!buf)
        return -ENOMEM;
    for (unsigned i = 0; i < 2; i++) {
        s->err[i] = d->ops->read_now(d, places[i], buf, VOL_UNIT);
        if (s->err[i])
            continue;
        s->magic = s->magic || memcmp(buf, "LobosVol", 8) == 0;
        s->err[i] = vol_super_decode((const uint8_t *)buf, &s->super[i]);
    }
    free(buf);
    return 0;
}

/* Neither is valid: what to say. */
static int none_valid(const struct supers *s, struct lb_buf *why) {
    for (unsigned i = 0; i < 2; i++) {
        if (s->err[i] != -EBADMSG) {
            lb_buf_printf(why, "reading the superblock failed: %s", strerror(-s->err[i]));
            return s->err[i];
        }
    }
    if (!s->magic) {
        lb_buf_append(why, LB_S("this is neither empty nor a volume; to lose what is there, ask "
                                "for formatting"));
        return -EEXIST;
    }
    lb_buf_append(why, LB_S("both superblocks are damaged"));
    return -EBADMSG;
}

static int choose_super(struct supers *s, struct lb_buf *why) {
    if (s->err[0] == -EPROTONOSUPPORT || s->err[1] == -EPROTONOSUPPORT) {
        lb_buf_append(why, LB_S("the volume has a newer format than this program knows"));
        return -EPROTONOSUPPORT;
    }
    if (s->err[0] && s->err[1])
        return none_valid(s, why);
    s->use = s->err[0] || (!s->err[1] && s->super[1].generation > s->super[0].generation);
    if (s->err[!s->use])
        lb_warn("one of the two superblocks is damaged: the other is used");
    return 0;
}

static int check_super(const struct vol_engine *v, const struct supers *s, struct lb_buf *why) {
    const struct vol_super *a = &s->super[0], *b = &s->super[1];
    if (!s->err[0] && !s->err[1] && memcmp(a->id, b->id, sizeof(a->id)) != 0) {
        lb_buf_append(why, LB_S("the two superblocks are of different volumes"));
        return -EBADMSG;
    }
    if (s->super[s->use].units > v->device->units) {
        lb_buf_printf(why, "the volume has %llu units, but there is room for %llu only",
                      (unsigned long long)s->super[s->use].units,
                      (unsigned long long)v->device->units);
        return -EBADMSG;
    }
    return 0;
}

/* ---- the whole ---- */

/* From the newer superblock, or, when its checkpoint is damaged, the older one: then the journal
 * must still reach to where the newer one begins. */
static int load(struct vol_engine *v, struct supers *s, uint64_t *ret_epoch, struct lb_buf *why) {
    v->super = s->super[s->use];
    v->next_bucket = 1;
    uint64_t least = v->super.replay_at;
    int err = vol_restore(v, why);
    if (err == -EBADMSG && !s->err[!s->use]) {
        lb_warn("the newer checkpoint is damaged: the older one is tried",
                LB_LOG_S("reason", lb_buf_slice(why)));
        lb_buf_clear(why);
        s->use = !s->use;
        v->super = s->super[s->use];
        err = vol_forget(v);
        if (!err)
            err = vol_restore(v, why);
    }
    if (!err)
        err = vol_replay_journal(v, least, ret_epoch, why);
    return err ? err : vol_claim_all(v, why);
}

/* Over the one that is not in use. */
static int write_super(struct vol_engine *v, const struct vol_super *super, unsigned place,
                       struct lb_buf *why) {
    struct vol_device *d = v->device;
    uint8_t *unit = vol_units_new(1);
    if (!unit)
        return -ENOMEM;
    vol_super_encode(super, unit);
    int err = d->ops->write_now(d, places[place], unit, VOL_UNIT);
    if (err == 0)
        err = d->ops->flush_now(d);
    free(unit);
    if (err)
        lb_buf_printf(why, "writing the superblock failed: %s", strerror(-err));
    else
        v->super = *super;
    return err;
}

static int recover(struct vol_engine *v, struct supers *s, struct lb_buf *why) {
    uint64_t generation = s->super[s->use].generation, epoch = s->super[s->use].epoch;
    int err = load(v, s, &epoch, why);
    if (err)
        return err;
    struct vol_super next = v->super;
    next.generation = generation + 1;
    next.epoch = epoch + 1;
    next.next_seq = v->journal.next_seq;
    next.clean = false;
    v->super_place = !s->use;
    err = write_super(v, &next, v->super_place, why);
    v->journal.flushed = v->journal.at; /* the flush was of all that was read, too */
    return err;
}

int vol_recover(struct vol_engine *v, struct lb_buf *why) {
    struct supers s = {.use = 0};
    int err = read_supers(v->device, &s);
    if (err == 0)
        err = choose_super(&s, why);
    if (err == 0)
        err = check_super(v, &s, why);
    if (err == 0)
        err = recover(v, &s, why);
    if (err && why->len == 0)
        lb_buf_printf(why, "opening the volume failed: %s", strerror(-err));
    return err;
}
