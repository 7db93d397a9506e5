/* Batches of the journal, packs and the extents of a checkpoint: heads over records. */
#include <assert.h>
#include <errno.h>

#include "engine/volume/format_priv.h"

#define BATCH_MAGIC "LbJ1"
#define PACK_MAGIC "LbP1"
#define CHUNK_MAGIC "LbC1"
#define RECORD_MIN 16u
#define PLACED_HEAD 16u

/* ---- batches ---- */

void vol_batch_seal(struct vol_batch *b, struct lb_buf *bytes) {
    size_t used = bytes->len;
    vol_pad(bytes, 0, VOL_UNIT);
    if (bytes->err)
        return;
    assert(used >= VOL_BATCH_HEAD && used % 8 == 0 && bytes->len <= VOL_BATCH_MAX * VOL_UNIT);
    char *head = bytes->ptr;
    b->units = (unsigned)(bytes->len / VOL_UNIT);
    memset(head, 0, VOL_BATCH_HEAD);
    vol_set_le(head + 8, b->epoch, 8);
    vol_set_le(head + 16, b->position, 8);
    vol_set_le(head + 24, b->first_seq, 8);
    vol_set_le(head + 32, used, 4);
    vol_set_le(head + 36, b->units, 2);
    vol_set_le(head + 38, b->records, 2);
    vol_set_le(head + 40, b->flushed, 8);
    vol_set_le(head + 48, b->previous, 4);
    vol_seal(bytes, BATCH_MAGIC, used);
    b->sum = (uint32_t)vol_get_le(head + 4, 4);
    b->body = lb_slice(bytes->ptr + VOL_BATCH_HEAD, used - VOL_BATCH_HEAD);
}

int vol_batch_decode(struct lb_slice bytes, struct vol_batch *ret) {
    if (bytes.len < VOL_UNIT)
        return -EBADMSG;
    const char *head = bytes.ptr;
    size_t used = vol_get_le(head + 32, 4), units = vol_get_le(head + 36, 2);
    if (units > VOL_BATCH_MAX || vol_unseal(bytes, BATCH_MAGIC, VOL_BATCH_HEAD, used) != 0)
        return -EBADMSG;
    *ret = (struct vol_batch){
        .epoch = vol_get_le(head + 8, 8),
        .position = vol_get_le(head + 16, 8),
        .first_seq = vol_get_le(head + 24, 8),
        .flushed = vol_get_le(head + 40, 8),
        .previous = (uint32_t)vol_get_le(head + 48, 4),
        .records = (uint16_t)vol_get_le(head + 38, 2),
        .sum = (uint32_t)vol_get_le(head + 4, 4),
        .units = (unsigned)units,
        .body = lb_slice(head + VOL_BATCH_HEAD, used - VOL_BATCH_HEAD),
    };
    size_t least = (used + VOL_UNIT - 1) / VOL_UNIT;
    if (used % 8 != 0 || vol_get_le(head + 52, 4) != 0 || ret->flushed > ret->position ||
        ret->records > ret->body.len / RECORD_MIN || units != least)
        return -EBADMSG;
    return 0;
}

/* ---- packs ---- */

void vol_pack_begin(struct lb_buf *pack) {
    assert(pack->len == 0);
    char *head = lb_buf_reserve(pack, VOL_PACK_HEAD);
    if (head) {
        memset(head, 0, VOL_PACK_HEAD);
        pack->len = VOL_PACK_HEAD;
    }
}

uint32_t vol_pack_add(struct lb_buf *pack, const struct vol_record *r, uint32_t *ret_len) {
    size_t at = pack->len, record = at + PLACED_HEAD;
    assert(r->kind == VOL_REC_PUT || r->kind == VOL_REC_PART);
    vol_put_le(pack, r->object.seq, 8);
    vol_put_le(pack, 0, 8);
    vol_record_encode(r, pack);
    *ret_len = (uint32_t)(pack->len - at);
    if (pack->err == 0)
        vol_set_le(pack->ptr + at + 8, vol_crc(lb_slice(pack->ptr + record, pack->len - record)),
                   4);
    return (uint32_t)at;
}

int vol_pack_record(struct lb_slice *rest, struct lb_arena *arena, struct vol_record *ret) {
    struct vol_cursor c = {.rest = *rest};
    uint64_t seq = vol_take_le(&c, 8), sum = vol_take_le(&c, 4);
    vol_take_zero(&c, 4);
    struct lb_slice record = c.rest;
    if (c.bad)
        return -EBADMSG;
    int err = vol_record_decode(&c.rest, arena, ret);
    if (err)
        return err;
    if (ret->object.seq != seq || vol_crc(lb_slice_first(record, ret->len)) != sum ||
        (ret->kind != VOL_REC_PUT && ret->kind != VOL_REC_PART))
        return -EBADMSG;
    ret->len += PLACED_HEAD;
    if (ret->body_at)
        ret->body_at += PLACED_HEAD;
    *rest = c.rest;
    return 0;
}

void vol_pack_seal(struct lb_buf *pack, const uint8_t volume[16], uint64_t seq, uint32_t records) {
    size_t used = pack->len;
    vol_pad(pack, 0, VOL_UNIT);
    if (pack->err)
        return;
    assert(used >= VOL_PACK_HEAD && used <= UINT32_MAX);
    vol_set_le(pack->ptr + 8, seq, 8);
    vol_set_le(pack->ptr + 16, used, 4);
    vol_set_le(pack->ptr + 20, records, 4);
    memcpy(pack->ptr + 24, volume, 16);
    vol_seal(pack, PACK_MAGIC, used);
}

int vol_pack_decode(struct lb_slice pack, const uint8_t volume[16], uint64_t *ret_seq,
                    uint32_t *ret_records, struct lb_slice *ret_body) {
    if (pack.len < VOL_UNIT || memcmp(pack.ptr + 24, volume, 16) != 0)
        return -EBADMSG;
    size_t used = vol_get_le(pack.ptr + 16, 4);
    if (used % 8 != 0 || vol_unseal(pack, PACK_MAGIC, VOL_PACK_HEAD, used) != 0)
        return -EBADMSG;
    *ret_seq = vol_get_le(pack.ptr + 8, 8);
    *ret_records = (uint32_t)vol_get_le(pack.ptr + 20, 4);
    *ret_body = lb_slice(pack.ptr + VOL_PACK_HEAD, used - VOL_PACK_HEAD);
    return 0;
}

/* ---- the extents of a checkpoint ---- */

void vol_chunk_seal(const struct vol_chunk *c, const uint8_t volume[16], struct lb_buf *bytes) {
    size_t used = bytes->len;
    vol_pad(bytes, 0, VOL_UNIT);
    if (bytes->err)
        return;
    assert(used >= VOL_CHUNK_HEAD && used <= UINT32_MAX && c->next.n <= UINT32_MAX);
    char *head = bytes->ptr;
    memset(head, 0, VOL_CHUNK_HEAD);
    memcpy(head + 8, volume, 16);
    vol_set_le(head + 24, c->seq, 8);
    vol_set_le(head + 32, c->number, 8);
    vol_set_le(head + 40, c->next.first, 8);
    vol_set_le(head + 48, c->next.n, 4);
    vol_set_le(head + 52, used, 4);
    vol_set_le(head + 56, c->entries, 4);
    vol_set_le(head + 64, c->objects, 8);
    vol_set_le(head + 72, c->bytes, 8);
    vol_set_le(head + 80, c->units, 8);
    vol_seal(bytes, CHUNK_MAGIC, used);
}

int vol_chunk_decode(struct lb_slice bytes, const uint8_t volume[16], struct vol_chunk *ret) {
    if (bytes.len < VOL_UNIT || memcmp(bytes.ptr + 8, volume, 16) != 0)
        return -EBADMSG;
    const char *head = bytes.ptr;
    size_t used = vol_get_le(head + 52, 4);
    if (used % 8 != 0 || vol_unseal(bytes, CHUNK_MAGIC, VOL_CHUNK_HEAD, used) != 0)
        return -EBADMSG;
    *ret = (struct vol_chunk){
        .number = vol_get_le(head + 32, 8),
        .seq = vol_get_le(head + 24, 8),
        .next = {vol_get_le(head + 40, 8), vol_get_le(head + 48, 4)},
        .entries = (uint32_t)vol_get_le(head + 56, 4),
        .body = lb_slice(head + VOL_CHUNK_HEAD, used - VOL_CHUNK_HEAD),
        .objects = vol_get_le(head + 64, 8),
        .bytes = vol_get_le(head + 72, 8),
        .units = vol_get_le(head + 80, 8),
    };
    if (vol_get_le(head + 60, 4) != 0 || vol_get_le(head + 88, 8) != 0)
        return -EBADMSG;
    if (ret->next.n == 0)
        return ret->next.first == 0 ? 0 : -EBADMSG;
    return ret->objects == 0 && ret->bytes == 0 && ret->units == 0 ? 0 : -EBADMSG;
}
