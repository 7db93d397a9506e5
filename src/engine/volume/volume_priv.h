/* The insides of the volume engine. What is shared by all loops (index, allocator, buckets,
 * uploads, journal) is guarded by one mutex, `lock`, held for moments and never across I/O. Each
 * loop does its own reads and writes of bodies through its port; all changes go through the
 * journal, one batch at a time. A housekeeping thread moves small objects to packs, writes
 * checkpoints and compacts. */
#ifndef LB_ENGINE_VOLUME_PRIV_H
#define LB_ENGINE_VOLUME_PRIV_H

#include <pthread.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "engine/volume/format.h"
#include "engine/volume/volume.h"

struct vol_engine;
struct vol_change;

/* Where the parts of uploads are. */
#define VOL_PARTS_BUCKET UINT32_MAX
#define VOL_UPLOAD_ID_LEN 16                      /* hexadecimal digits of its number */
#define VOL_PART_KEY_LEN (VOL_UPLOAD_ID_LEN + 5u) /* and the part's number in decimal */

/* ---- buckets and uploads, in memory (catalog.c); under the lock ---- */

struct vol_bucket {
    struct lb_map_node by_name;
    uint32_t number; /* never used twice */
    int64_t created_ns;
    char *name;     /* owned */
    char *settings; /* owned */
    size_t settings_len;
    size_t uploads; /* in progress */
};

struct vol_upload {
    struct lb_map_node by_id;
    uint32_t bucket;
    uint64_t number;
    char id[VOL_UPLOAD_ID_LEN + 1];
    int64_t created_ns;
    struct lb_slice key, meta; /* owned, with the structure */
    /* Its parts are index entries with VOL_PART: key = the upload's id and the part's number in
     * five digits, in bucket number VOL_PARTS_BUCKET; a part that is written again gets a greater
     * seq. */
};
/* Under the lock. NULL when it is not there. */
struct vol_bucket *vol_bucket_find(struct vol_engine *v, struct lb_slice name);
struct vol_upload *vol_upload_find(struct vol_engine *v, struct lb_slice id);
void vol_catalog_init(struct vol_engine *v);
void vol_catalog_fini(struct vol_engine *v);
/* What the records BUCKET, NO_BUCKET, UPLOAD and the end of an upload do. */
int vol_catalog_bucket(struct vol_engine *v, const struct vol_record *r);
void vol_catalog_no_bucket(struct vol_engine *v, uint32_t number, uint64_t position);
int vol_catalog_upload(struct vol_engine *v, const struct vol_record *r);
/* Without its parts. */
void vol_catalog_end_upload(struct vol_engine *v, uint64_t number);
/* A number in 16 hexadecimal digits, with a NUL. */
void vol_id_text(uint64_t number, char ret[VOL_UPLOAD_ID_LEN + 1]);
int vol_id_parse(struct lb_slice id, uint64_t *ret);
void vol_part_key(uint64_t upload, uint32_t part, char ret[VOL_PART_KEY_LEN + 1]);
static inline uint64_t vol_hash_u64(uint64_t n) {
    n *= 0x9e3779b97f4a7c15u;
    return n ^ n >> 32;
}

/* ---- staged: small bodies and heads not yet in a pack (stage.c); under the lock ---- */

/* The encoded record of an object whose pack is still to be written, by its seq. */
struct vol_staged {
    struct lb_map_node by_seq;
    struct lb_list link; /* oldest first */
    uint64_t seq;
    uint32_t bucket;
    struct lb_slice key, record; /* owned, with the structure */
    unsigned readers;            /* that look at record: freed after the last */
    bool gone;                   /* not in the map: its object was replaced or removed, or packed */
};

/* ---- journal.c ---- */

struct vol_loop;

/* A change on its way into the journal. decide runs under the lock, done on its loop. */
struct vol_change {
    struct lb_list link;
    struct vol_loop *loop; /* NULL: of vol_journal_now */
    struct lb_io_msg msg;
    uint64_t key_hash; /* of what it changes: of two with the same hash the second waits a batch */
    bool sync;         /* acknowledge only what is durable */
    bool alone;        /* shares a batch with no other: what it decides on is more than one key */
    bool keeper;       /* may use the room that is kept for it */
    /* When its batch is made, after everything in earlier batches has been applied: decides
     * preconditions and fills in `record` (seq is c->seq). Returns 0, or an error that it ends
     * with, leaving no trace; 1: there is nothing to do, which is success. May set `more`. */
    int (*decide)(struct vol_engine *v, struct vol_change *c);
    void (*done)(struct vol_change *c, int err);
    struct vol_record record;
    struct vol_record *more; /* written behind record, in the same batch; owned by the change */
    size_t more_n;
    uint64_t seq;      /* of record; more have those behind it */
    uint64_t position; /* of its batch */
    int64_t wall_ns;   /* time of day when it was submitted */
    int err;
    /* the journal's */
    struct vol_staged *staged; /* made for record, until it is applied */
    bool written, lead, finished;
};

/* On its loop. c->err and done: READ_ONLY when a flush or a write of the journal has failed. */
void vol_journal_submit(struct vol_engine *v, struct vol_loop *l, struct vol_change *c);
/* The same for a thread without a loop; blocks. Returns what done would get (done is not called).
 */
int vol_journal_now(struct vol_engine *v, struct vol_change *c);
/* The journal has room again (tail was moved). Under the lock. */
void vol_journal_resume(struct vol_engine *v);
/* No more writes until a restart; all who wait are told. Under the lock. */
void vol_journal_fail(struct vol_engine *v, int err);
int vol_journal_init(struct vol_engine *v);
void vol_journal_fini(struct vol_engine *v);

struct vol_journal {
    struct lb_list pending; /* struct vol_change */
    size_t pending_n;
    bool running;      /* a batch is in flight, or a leader has been told */
    uint64_t at;       /* position of the next batch */
    uint64_t tail;     /* position that the superblock names: what is before it may be reused */
    uint64_t flushed;  /* position up to which batches are known to be durable */
    uint32_t previous; /* checksum of the batch before */
    uint64_t next_seq;
    bool failed; /* no more writes until a restart */
    bool full;   /* changes wait for a checkpoint */
    /* the batch in flight */
    struct lb_list batch; /* struct vol_change */
    /* What at, next_seq and previous were before it: where the replay of what has not been applied
     * begins, while units is not 0. */
    uint64_t made_at, made_seq;
    uint32_t made_previous;
    struct lb_buf bytes; /* VOL_BATCH_MAX units, aligned */
    struct vol_change *leader;
    struct vol_io io;
    uint64_t unit;  /* where it is written */
    unsigned units; /* 0: none is in flight */
    bool sync;
    uint64_t synced; /* changes made durable */
};

/* Units of the journal that only changes with `keeper` may use. */
#define VOL_JOURNAL_KEPT 1024u

/* ---- apply.c ---- */

/* What a record means to memory: index, catalog, staged, packs; frees what it replaces, as of batch
 * `position` (v->alloc NULL, at a start: nothing is freed). Applying a record again, or one whose
 * effect was already seen by a later checkpoint, changes nothing. Under the lock. Returns 0; 1 when
 * there is a later one already; -ENOMEM; -EBADMSG for a record that can't be. */
int vol_apply(struct vol_engine *v, const struct vol_record *r, uint64_t position);
/* At a start: vol_apply, and keeps a copy of the record's bytes as staged. */
int vol_replay(struct vol_engine *v, const struct vol_record *r, struct lb_slice encoded);

/* What readers look at while it may be freed: by an object's seq, or a pack's unit. */
#define VOL_HOLD_PACK (1ull << 63)
struct vol_hold {
    struct lb_map_node by_key;
    uint64_t key;
    unsigned readers;
    struct vol_extent *freed; /* given back with the last reader; owned */
    size_t freed_n;
    uint64_t position;
};
/* Under the lock. NULL without memory. */
struct vol_hold *vol_hold(struct vol_engine *v, uint64_t key);
void vol_unhold(struct vol_engine *v, struct vol_hold *h);
/* Gives extents back, when no reader holds them, after `position` has been flushed. */
void vol_release_extents(struct vol_engine *v, uint64_t key, const struct vol_extent *e, size_t n,
                         uint64_t position);

/* All that a version owns: extents, parts (they leave the index), its share of a pack, what is
 * staged. The entry itself is left to the caller; *o may be borrowed from the index. */
void vol_release(struct vol_engine *v, const struct vol_object *o, uint64_t position);
/* The parts of an upload leave the index; hold: whose readers look at them. */
void vol_release_parts(struct vol_engine *v, uint64_t upload, uint64_t hold, uint64_t position);
struct vol_pack *vol_pack_find(struct vol_engine *v, uint64_t unit);
/* Staged records (stage.c). New: a copy, in no map yet, with one reader;
 * NULL without memory. */
struct vol_staged *vol_staged_new(const struct vol_record *r, struct lb_slice encoded);
void vol_staged_add(struct vol_engine *v,
                    struct vol_staged *s); /* replaces one of the same seq; a reader less */
struct vol_staged *vol_staged_find(struct vol_engine *v, uint64_t seq);
/* Takes it out (its pack is written, or its object is gone); freed when no one reads it. */
void vol_staged_drop(struct vol_engine *v, struct vol_staged *s);
void vol_staged_put(struct vol_engine *v, struct vol_staged *s); /* a reader less */

/* ---- the engine ---- */

struct vol_engine {
    struct lb_engine engine;
    struct lb_volume_conf conf;
    struct lb_vfs *vfs;
    struct vol_device *device;
    pthread_mutex_t lock;   /* of everything below */
    struct vol_super super; /* as last written */
    unsigned super_place;   /* 0 or 1: which of the two that is */
    struct vol_alloc *alloc;
    struct vol_index *index;
    struct lb_map buckets; /* by name */
    struct lb_map uploads; /* by id */
    uint32_t next_bucket;
    struct lb_map staged;
    struct lb_list staged_order;
    struct lb_map holds;
    size_t staged_bytes;
    struct vol_journal journal;
    struct vol_extent *checkpoint; /* extents of the one that the superblock names; owned */
    size_t checkpoint_n;
    struct lb_map packs; /* struct vol_pack by unit: live bytes of each */
    uint64_t reads, read_bytes, writes, write_bytes, syncs, damaged;
    pthread_t keeper; /* housekeeping */
    bool keeper_runs, stopping;
    pthread_cond_t wake; /* the keeper, and who waits for it */
};

struct vol_pack {
    struct lb_map_node by_unit;
    struct vol_extent extent;
    uint64_t live;   /* bytes of records in it that the index names */
    bool unreadable; /* found by compaction, which leaves it alone */
};

/* A loop's port. */
struct vol_loop {
    struct lb_engine_port port;
    struct vol_engine *engine;
    struct vol_port *device;
};

static inline struct vol_loop *vol_loop_of(struct lb_engine_port *p) {
    return LB_CONTAINER_OF(p, struct vol_loop, port);
}

/* ---- open.c, recover.c: blocking, before the loops start ---- */

/* Writes an empty volume. */
int vol_format(struct vol_device *d, int64_t now_ns, struct lb_buf *why);
/* Fills the engine from the volume: superblocks, checkpoint, journal, the map of free units. */
int vol_recover(struct vol_engine *v, struct lb_buf *why);

/* ---- keeper.c, checkpoint.c, pack.c: blocking, on the keeper's thread (or the simulator's) ----
 */

/* Starts and stops the thread; stop ends with vol_checkpoint(v, true). */
int vol_keeper_start(struct vol_engine *v);
void vol_keeper_stop(struct vol_engine *v);
/* One round: packs if enough is staged, a checkpoint if the journal is more than half full,
 * compaction if a pack is less than half alive. Returns true when it did something. Takes the
 * lock itself. */
bool vol_keep(struct vol_engine *v);
/* Everything staged goes to packs, then a checkpoint and a superblock; clean: for a stop. */
int vol_checkpoint(struct vol_engine *v, bool clean);

/* Units that must stay free for one checkpoint, one pack and the removals of a full journal. */
uint64_t vol_keep_free(const struct vol_engine *v);

#endif
