/* What the volume engine's operations share. Everything runs on the operation's loop; what takes a
 * struct vol_engine is called under the lock unless it says otherwise. */
#ifndef LB_ENGINE_VOLUME_OPS_PRIV_H
#define LB_ENGINE_VOLUME_OPS_PRIV_H

#include "engine/volume/volume_priv.h"
#include "hash/hash.h"

static inline struct vol_engine *vol_of(struct lb_engine_port *p) {
    return vol_loop_of(p)->engine;
}

/* Completes op with err, through the loop. No lock. */
void vol_complete(struct lb_engine_port *p, struct lb_engine_op *op, int err);

/* Checks what the format can hold. Pure. */
int vol_key_check(struct lb_slice key);
uint64_t vol_key_hash(uint32_t bucket, struct lb_slice key);

/* "null", or 16 hexadecimal digits. */
void vol_version_text(const struct vol_object *o, struct lb_version_id *ret);
/* Without the meta blob. */
void vol_info(const struct vol_object *o, struct lb_object_info *ret);
/* The version of that id (empty: the current one), a marker too. Returns 0 or -ENOENT. */
int vol_version_find(struct vol_engine *v, uint32_t bucket, struct lb_slice key,
                     struct lb_slice version, struct vol_object *ret);
/* What op means, by bucket, key and version; else NO_SUCH_*, or METHOD_NOT_ALLOWED, with op->info
 * of a marker. */
int vol_object_find(struct vol_engine *v, struct lb_engine_op *op, struct vol_object *ret);
/* op's precondition against what is there. */
int vol_precond(struct vol_engine *v, uint32_t bucket, struct lb_slice key,
                const struct lb_engine_op *op);
/* Is there room for what a put leaves in memory, once it goes to a pack? 0 or STORAGE_FULL. */
int vol_room(const struct vol_engine *v);

/* ---- an operation that is one change ---- */

struct vol_call {
    struct vol_change c;
    struct lb_engine_op *op;
    uint64_t upload;    /* number */
    struct lb_buf keys; /* of `more` */
};

static inline struct vol_call *vol_call_of(struct vol_change *c) {
    return LB_CONTAINER_OF(c, struct vol_call, c);
}

/* Sends it to the journal; op is done with its result. No lock. */
void vol_call(struct lb_engine_port *p, struct lb_engine_op *op, uint64_t key_hash, bool alone,
              int (*decide)(struct vol_engine *v, struct vol_change *c));

/* ---- a page of what a map of the catalog holds ---- */

struct vol_paging {
    const struct lb_map *map;
    bool (*listed)(const struct lb_engine_op *op, const struct lb_map_node *n);
    int (*compare)(const void *a, const void *b); /* qsort's, of pointers to nodes */
    /* Sets entry op->n of op's results, whose array is there. Returns 0 or -ENOMEM. */
    int (*fill)(struct lb_engine_op *op, const struct lb_map_node *n);
};

/* Fills in the first op->max of what is listed, in order; sets op->n and op->truncated. Returns 0
 * or -ENOMEM. */
int vol_page(struct lb_engine_op *op, const struct vol_paging *by);

/* ---- load.c: the record of a version, from memory or its pack ---- */

struct vol_load {
    struct lb_engine_port *port;
    struct lb_arena *arena; /* for the record */
    uint32_t bucket;
    struct lb_slice key;
    uint64_t seq;
    void (*done)(struct vol_load *l, int err); /* not called when vol_load returns 0 or less */
    struct vol_record record;                  /* out; in the arena */
    const struct vol_staged *staged;           /* out: where it was found; not to be looked into */
    uint64_t pack;                             /* or this, and */
    uint32_t pack_at;
    struct vol_io io;
    struct vol_hold *hold;
    char *bytes;
    size_t at, len;
};

/* Returns 1 when done will come; 0; or -ENOENT (it is gone), CORRUPT, -ENOMEM. No lock. */
int vol_load(struct vol_load *l);

/* ---- list.c: meta blobs for a list, those that the index does not hold after it ---- */

struct vol_want {
    uint32_t bucket;
    struct lb_slice key; /* good until the operation is done */
    uint64_t seq;
    struct lb_slice *ret;
};

struct vol_metas {
    struct vol_load load;
    struct lb_arena arena;
    struct lb_engine_op *op;
    struct vol_want *wants;
    size_t n, at;
};

/* For at most max blobs of op; NULL without memory. */
struct vol_metas *vol_metas_new(struct lb_engine_port *p, struct lb_engine_op *op, size_t max);
/* Sets *ret now or when run; under the lock. Returns 0 or -ENOMEM. */
int vol_metas_add(struct vol_metas *m, const struct vol_object *o, struct lb_slice key,
                  struct lb_slice *ret);
/* Loads what is missing (err 0), completes the operation, frees m. No lock. */
void vol_metas_run(struct vol_metas *m, int err);

/* ---- runs of units ---- */

/* Reads or writes of one piece of a body in its extents: as many transfers as extents it crosses.
 */
struct vol_transfer {
    void (*done)(struct vol_transfer *t, int err); /* on the loop, never from inside the call */
    unsigned left;
    int err;
    struct vol_part_io *parts; /* owned, kept for the next */
    size_t cap;
};
/* [unit, unit + len / VOL_UNIT) of the extents from or to buf. Returns 0 or -ENOMEM (then done is
 * not called). No lock. */
int vol_transfer(struct vol_transfer *t, struct vol_port *p, const struct vol_extent *e, size_t n,
                 uint64_t unit, void *buf, size_t len, bool write);
void vol_transfer_fini(struct vol_transfer *t);

/* ---- the operations ---- */

void vol_bucket_create(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_bucket_delete(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_bucket_head(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_bucket_set(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_bucket_list(struct lb_engine_port *p, struct lb_engine_op *op);
bool vol_bucket_known(struct lb_engine_port *p, struct lb_slice bucket);
void vol_open(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_read(struct lb_reader *r, struct lb_engine_op *op, uint64_t off, uint64_t len, bool files);
void vol_reader_close(struct lb_reader *r);
void vol_head(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_create(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_write(struct lb_writer *w, struct lb_engine_op *op, struct lb_pool_buf *buf);
void vol_append(struct lb_writer *w, struct lb_engine_op *op, struct lb_reader *from, uint64_t off,
                uint64_t len);
void vol_commit(struct lb_writer *w, struct lb_engine_op *op);
void vol_abort(struct lb_writer *w);
void vol_remove(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_set_meta(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_list(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_upload_create(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_upload_head(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_upload_list(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_upload_parts(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_upload_complete(struct lb_engine_port *p, struct lb_engine_op *op);
void vol_upload_abort(struct lb_engine_port *p, struct lb_engine_op *op);

#endif
