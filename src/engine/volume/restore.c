/* A start reads the checkpoint. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/recover_priv.h"

struct chain {
    struct vol_engine *v;
    struct lb_arena arena;
    struct vol_extent at;
    struct vol_chunk chunk;
    uint64_t number, seq, objects, bytes, units;
    size_t cap; /* of v->checkpoint */
};

static int damaged(struct lb_buf *why, const char *what, uint64_t unit) {
    lb_buf_printf(why, "the checkpoint is damaged at unit %llu (%s)", (unsigned long long)unit,
                  what);
    return -EBADMSG;
}

static int note_extent(struct chain *c) {
    struct vol_engine *v = c->v;
    if (v->checkpoint_n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct vol_extent *more = realloc(v->checkpoint, cap * sizeof(*more));
        if (!more)
            return -ENOMEM;
        v->checkpoint = more;
        c->cap = cap;
    }
    v->checkpoint[v->checkpoint_n++] = c->at;
    return 0;
}

static int load_entry(struct chain *c, const struct vol_object *o) {
    c->objects++;
    c->bytes += o->size;
    for (size_t i = 0; !(o->flags & VOL_COMPOSED) && i < o->extents_n; i++)
        c->units += o->extents[i].n;
    return vol_index_load(c->v->index, o);
}

static int load_record(struct chain *c, const struct vol_record *r) {
    switch (r->kind) {
    case VOL_REC_ENTRY:
        return load_entry(c, &r->object);
    case VOL_REC_BUCKET:
    case VOL_REC_UPLOAD:
    case VOL_REC_PACK:
        return vol_apply(c->v, r, 0);
    default:
        return -EBADMSG;
    }
}

static int load_chunk(struct chain *c) {
    struct lb_slice rest = c->chunk.body;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < c->chunk.entries; i++) {
        struct vol_record r;
        err = vol_record_decode(&rest, &c->arena, &r);
        if (err == 0)
            err = load_record(c, &r);
        if (err == 1)
            err = -EBADMSG;
        lb_arena_reset(&c->arena);
    }
    return err == 0 && rest.len ? -EBADMSG : err;
}

/* Reads the extent at c->at and what is in it. */
static int read_chunk(struct chain *c, char *bytes, struct lb_buf *why) {
    struct vol_engine *v = c->v;
    size_t len = (size_t)c->at.n * VOL_UNIT;
    int err = v->device->ops->read_now(v->device, c->at.first, bytes, len);
    if (err) {
        lb_buf_printf(why, "reading the checkpoint failed: %s", strerror(-err));
        return err;
    }
    if (vol_chunk_decode(lb_slice(bytes, len), v->super.id, &c->chunk) != 0)
        return damaged(why, "checksum", c->at.first);
    if (c->number == 0)
        c->seq = c->chunk.seq;
    if (c->chunk.number != c->number++ || c->chunk.seq != c->seq || c->seq > v->super.replay_seq)
        return damaged(why, "order", c->at.first);
    err = load_chunk(c);
    return err == -EBADMSG ? damaged(why, "record", c->at.first) : err;
}

static int read_chain(struct chain *c, struct lb_buf *why) {
    const struct vol_super *s = &c->v->super;
    int err = 0;
    for (c->at = s->checkpoint; err == 0 && c->at.n; c->at = c->chunk.next) {
        if (c->at.n > VOL_CHUNK_MAX || c->at.first < VOL_JOURNAL_AT + s->journal_units ||
            c->at.first >= s->units || c->at.n > s->units - c->at.first)
            return damaged(why, "place", c->at.first);
        char *bytes = vol_units_new(c->at.n);
        err = bytes ? note_extent(c) : -ENOMEM;
        if (err == 0)
            err = read_chunk(c, bytes, why);
        free(bytes);
    }
    return err;
}

int vol_restore(struct vol_engine *v, struct lb_buf *why) {
    struct chain c = {.v = v};
    if (v->super.checkpoint.n == 0)
        return 0;
    lb_arena_init(&c.arena, 16u << 20);
    int err = read_chain(&c, why);
    lb_arena_fini(&c.arena);
    if (err == 0 &&
        (c.objects != c.chunk.objects || c.bytes != c.chunk.bytes || c.units != c.chunk.units))
        err = damaged(why, "totals", v->super.checkpoint.first);
    return err;
}
