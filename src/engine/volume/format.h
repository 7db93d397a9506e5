/* The volume's bytes: format.md in C. Encoders append to a buffer; decoders check everything and
 * borrow from what they are given. Sans I/O. Decoders return 0 or -EBADMSG, with *ret undefined;
 * superblocks also -EPROTONOSUPPORT, what takes an arena also -ENOMEM. */
#ifndef LB_ENGINE_VOLUME_FORMAT_H
#define LB_ENGINE_VOLUME_FORMAT_H

#include "base/arena.h"
#include "base/buf.h"
#include "engine/volume/device.h"
#include "engine/volume/index.h"

#define VOL_SUPER_A 0u
#define VOL_SUPER_B 256u
#define VOL_JOURNAL_AT 512u
#define VOL_JOURNAL_MIN 4096u
#define VOL_JOURNAL_MAX 131072u
#define VOL_UNITS_MIN 8192u     /* 32 MiB */
#define VOL_BATCH_MAX 256u      /* units of a batch */
#define VOL_PACK_MAX (1u << 20) /* bytes of a pack */
#define VOL_CHUNK_MAX 4096u     /* units of an extent of a checkpoint */
#define VOL_UNITS_MAX (1ull << 48)

/* CRC-32C: of everything here, and of each VOL_SUM_SIZE of a body. */
uint32_t vol_crc(struct lb_slice s);

/* Checksums and units that a body of so many bytes has. */
static inline uint64_t vol_sums_of(uint64_t size) {
    return size / VOL_SUM_SIZE + (size % VOL_SUM_SIZE > 0);
}
static inline uint64_t vol_units_of(uint64_t size) {
    return size / VOL_UNIT + (size % VOL_UNIT > 0);
}

/* Units of the journal in a volume of so many units. */
uint64_t vol_journal_units(uint64_t units);

struct vol_super {
    uint8_t id[16];
    uint64_t generation, units, journal_units, created_ns, epoch;
    uint64_t replay_at, replay_seq; /* position and sequence number where replay begins */
    struct vol_extent checkpoint;   /* its first extent; n 0: none */
    uint64_t next_seq;              /* none at or above it was handed out when this was written */
    uint32_t replay_sum; /* checksum field of the batch before replay_at: journal.previous */
    bool clean;
};

void vol_super_encode(const struct vol_super *s, uint8_t ret[VOL_UNIT]);
int vol_super_decode(const uint8_t unit[VOL_UNIT], struct vol_super *ret);

enum vol_kind {
    VOL_REC_PUT = 1,
    VOL_REC_REMOVE = 2,
    VOL_REC_BUCKET = 3,
    VOL_REC_NO_BUCKET = 4,
    VOL_REC_UPLOAD = 5,
    VOL_REC_PART = 6,
    VOL_REC_END_UPLOAD = 7,
    VOL_REC_PACK = 8,
    VOL_REC_MOVE = 10,
    VOL_REC_DAMAGED = 11,
    VOL_REC_ENTRY = 12, /* of a checkpoint alone */
};

/* A record of the journal, of a pack (PUT and PART alone) or of a checkpoint (BUCKET, UPLOAD, PACK
 * and ENTRY). What each kind uses is in format.md. */
struct vol_record {
    enum vol_kind kind;
    uint32_t bucket;
    /* PUT, PART: with meta in full. MOVE: key, seq, extents.
     * REMOVE, DAMAGED: key, seq. ENTRY: see vol_entry_encode. bucket is set in decoding. */
    struct vol_object object;
    struct lb_slice body;      /* of a small object: PUT and PART without extents */
    struct lb_slice name;      /* BUCKET */
    int64_t created_ns;        /* BUCKET, UPLOAD */
    struct lb_slice blob;      /* BUCKET: settings; UPLOAD: meta */
    struct lb_slice upload_id; /* UPLOAD, PART, END_UPLOAD */
    uint32_t part;             /* PART */
    struct vol_extent pack;    /* PACK */
    struct lb_slice packed;    /* PACK: of each record in it, seq and place, see vol_packed_* */
    /* out, of decoding */
    size_t len;     /* bytes of it, padding included: what rest got shorter by */
    size_t body_at; /* place of body in the record */
};

/* Appends a record, padded. buf->err tells of a failure: -EMSGSIZE also when it has more extents
 * or longer ones than the format can say. What breaks the format's rules ends the program. */
void vol_record_encode(const struct vol_record *r, struct lb_buf *ret);
/* Takes the first record off *rest. Extents and sums of the object come from the arena. */
int vol_record_decode(struct lb_slice *rest, struct lb_arena *arena, struct vol_record *ret);

/* Where a record is in a pack: what a PACK record's `packed` is made of. next returns false at the
 * end. */
struct vol_packed {
    uint64_t seq; /* of the object */
    uint32_t at, len;
};
void vol_packed_add(struct lb_buf *packed, const struct vol_packed *p);
bool vol_packed_next(struct lb_slice *rest, struct vol_packed *ret);

struct vol_batch {
    uint64_t epoch, position, first_seq, flushed; /* flushed: position known durable before it */
    uint32_t previous;                            /* checksum field of the batch before */
    uint16_t records;
    /* out */
    uint32_t sum; /* its own checksum field */
    unsigned units;
    struct lb_slice body; /* the records */
};

#define VOL_BATCH_HEAD 56u
/* bytes: VOL_BATCH_HEAD bytes of room, then b->records records. Fills the head and pads with zeros
 * to whole units. */
void vol_batch_seal(struct vol_batch *b, struct lb_buf *bytes);
/* bytes: from the batch's first unit on; what is behind it does not matter. Checks head, checksum
 * and padding; the records are the caller's to decode. */
int vol_batch_decode(struct lb_slice bytes, struct vol_batch *ret);

/* A pack: begin, append records (vol_pack_add tells where each is), seal. */
#define VOL_PACK_HEAD 40u
void vol_pack_begin(struct lb_buf *pack);
/* Puts a record and, before it, its sequence number and checksum. Returns the byte where those
 * begin; *ret_len: bytes of both. */
uint32_t vol_pack_add(struct lb_buf *pack, const struct vol_record *r, uint32_t *ret_len);
void vol_pack_seal(struct lb_buf *pack, const uint8_t volume[16], uint64_t seq, uint32_t records);
/* Takes the first record off what is in a pack (or off those *ret_len bytes alone), and checks it.
 * len and body_at count from where *rest began. */
int vol_pack_record(struct lb_slice *rest, struct lb_arena *arena, struct vol_record *ret);
/* Checks the head and the checksum of a pack; what is behind its last unit does not matter. */
int vol_pack_decode(struct lb_slice pack, const uint8_t volume[16], uint64_t *ret_seq,
                    uint32_t *ret_records, struct lb_slice *ret_body);

/* One extent of a checkpoint: records of buckets, uploads and packs (without `packed`), and
 * entries, which are heads with place and checksums, without a body and without a meta blob of more
 * than VOL_META_INLINE. */
struct vol_chunk {
    uint64_t number; /* in the chain, from 0 */
    uint64_t seq;
    struct vol_extent next; /* n 0: it is the last */
    uint32_t entries;
    struct lb_slice body;
    uint64_t objects, bytes, units; /* totals, in the last one */
};
#define VOL_CHUNK_HEAD 96u
/* bytes: VOL_CHUNK_HEAD bytes of room, then c->entries records. Fills the head and pads with zeros
 * to whole units. */
void vol_chunk_seal(const struct vol_chunk *c, const uint8_t volume[16], struct lb_buf *bytes);
/* bytes: of the extent; what is behind its last record's unit does not matter. */
int vol_chunk_decode(struct lb_slice bytes, const uint8_t volume[16], struct vol_chunk *ret);
/* An entry is a record of kind VOL_REC_ENTRY; vol_record_decode reads it, too. */
void vol_entry_encode(const struct vol_object *o, struct lb_buf *ret);

#endif
