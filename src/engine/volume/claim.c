/* A start finds out which units are free: those that nothing owns. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/recover_priv.h"

static int claim(struct vol_engine *v, struct vol_extent e, const char *whose, struct lb_buf *why) {
    int err = vol_alloc_claim(v->alloc, e);
    if (err != -EEXIST)
        return err;
    lb_buf_printf(why,
                  "damaged: units %llu to %llu of %s are another's, too, or none of the volume's",
                  (unsigned long long)e.first, (unsigned long long)(e.first + e.n - 1), whose);
    return -EBADMSG;
}

/* A version's extents, and its share of a pack. */
static int claim_object(struct vol_engine *v, const struct vol_object *o, struct lb_buf *why) {
    int err = 0;
    for (size_t i = 0; err == 0 && !(o->flags & VOL_COMPOSED) && i < o->extents_n; i++)
        err = claim(v, o->extents[i], "an object", why);
    if (err)
        return err;
    struct vol_pack *p = o->pack ? vol_pack_find(v, o->pack) : NULL;
    if (p)
        p->live += o->pack_len;
    if (p || (o->pack == 0 && vol_staged_find(v, o->seq)))
        return 0;
    lb_buf_printf(why, "damaged: the head of object %llu is nowhere", (unsigned long long)o->seq);
    return -EBADMSG;
}

static int claim_objects(struct vol_engine *v, struct lb_buf *why) {
    struct vol_object o;
    int end = vol_index_seek(v->index, 0, LB_S(""), UINT64_MAX, &o);
    for (; end == 0; end = vol_index_next(v->index, &o, &o)) {
        int err = claim_object(v, &o, why);
        if (err)
            return err;
    }
    return 0;
}

/* Those in which nothing is alive are dropped. */
static int claim_packs(struct vol_engine *v, struct lb_buf *why) {
    struct lb_map_node *next;
    for (struct lb_map_node *n = lb_map_first(&v->packs); n; n = next) {
        struct vol_pack *p = LB_CONTAINER_OF(n, struct vol_pack, by_unit);
        next = lb_map_next(&v->packs, n);
        if (p->live == 0) {
            lb_map_remove(&v->packs, n);
            free(p);
            continue;
        }
        int err = claim(v, p->extent, "a pack", why);
        if (err)
            return err;
    }
    return 0;
}

int vol_claim_all(struct vol_engine *v, struct lb_buf *why) {
    uint64_t data = VOL_JOURNAL_AT + v->super.journal_units;
    struct lb_map_node *n;
    v->alloc = vol_alloc_new(data, v->super.units - data);
    if (!v->alloc)
        return -ENOMEM;
    for (n = lb_map_first(&v->packs); n; n = lb_map_next(&v->packs, n))
        LB_CONTAINER_OF(n, struct vol_pack, by_unit)->live = 0;
    int err = claim_objects(v, why);
    if (err == 0)
        err = claim_packs(v, why);
    for (size_t i = 0; err == 0 && i < v->checkpoint_n; i++)
        err = claim(v, v->checkpoint[i], "the checkpoint", why);
    return err;
}
