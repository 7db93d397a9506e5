/* The superblock, and what the volume's other parts have in common. */
#include <assert.h>
#include <errno.h>

#include "engine/volume/format_priv.h"
#include "hash/hash.h"

#define VERSION 1u
#define MAGIC "LobosVol"
#define SUM_AT 8u
#define SUMMED_AT 12u
#define SUPER_LEN 116u
#define FLAG_CLEAN 1u

uint32_t vol_crc(struct lb_slice s) {
    struct lb_digest d;
    lb_hash_once(LB_HASH_CRC32C, s, &d);
    return (uint32_t)d.bytes[0] << 24 | (uint32_t)d.bytes[1] << 16 | (uint32_t)d.bytes[2] << 8 |
           d.bytes[3];
}

uint64_t vol_journal_units(uint64_t units) {
    uint64_t n = units / 256;
    if (n < VOL_JOURNAL_MIN)
        return VOL_JOURNAL_MIN;
    return n > VOL_JOURNAL_MAX ? VOL_JOURNAL_MAX : n;
}

void vol_super_encode(const struct vol_super *s, uint8_t ret[VOL_UNIT]) {
    assert(s->checkpoint.n <= UINT32_MAX);
    memset(ret, 0, VOL_UNIT);
    memcpy(ret, MAGIC, 8);
    vol_set_le(ret + 12, VERSION, 4);
    memcpy(ret + 16, s->id, 16);
    vol_set_le(ret + 32, s->generation, 8);
    vol_set_le(ret + 40, s->units, 8);
    vol_set_le(ret + 48, s->journal_units, 8);
    vol_set_le(ret + 56, s->created_ns, 8);
    vol_set_le(ret + 64, s->epoch, 8);
    vol_set_le(ret + 72, s->replay_at, 8);
    vol_set_le(ret + 80, s->replay_seq, 8);
    vol_set_le(ret + 88, s->checkpoint.first, 8);
    vol_set_le(ret + 96, s->checkpoint.n, 4);
    vol_set_le(ret + 100, s->clean ? FLAG_CLEAN : 0, 4);
    vol_set_le(ret + 104, s->next_seq, 8);
    vol_set_le(ret + 112, s->replay_sum, 4);
    vol_set_le(ret + SUM_AT, vol_crc(lb_slice(ret + SUMMED_AT, VOL_UNIT - SUMMED_AT)), 4);
}

/* Do the numbers go together? */
static bool super_fits(const struct vol_super *s) {
    uint64_t data = VOL_JOURNAL_AT + s->journal_units;
    if (s->units < VOL_UNITS_MIN || s->units > VOL_UNITS_MAX)
        return false;
    if (s->journal_units != vol_journal_units(s->units) || s->replay_seq > s->next_seq)
        return false;
    if (s->checkpoint.n == 0)
        return s->checkpoint.first == 0;
    return s->checkpoint.first >= data && s->checkpoint.first < s->units &&
           s->checkpoint.n <= s->units - s->checkpoint.first;
}

int vol_super_decode(const uint8_t unit[VOL_UNIT], struct vol_super *ret) {
    struct lb_slice all = lb_slice(unit, VOL_UNIT);
    if (memcmp(unit, MAGIC, 8) != 0 ||
        vol_get_le(unit + SUM_AT, 4) != vol_crc(lb_slice_from(all, SUMMED_AT)))
        return -EBADMSG;
    if (vol_get_le(unit + 12, 4) > VERSION)
        return -EPROTONOSUPPORT;
    uint64_t flags = vol_get_le(unit + 100, 4);
    *ret = (struct vol_super){
        .generation = vol_get_le(unit + 32, 8),
        .units = vol_get_le(unit + 40, 8),
        .journal_units = vol_get_le(unit + 48, 8),
        .created_ns = vol_get_le(unit + 56, 8),
        .epoch = vol_get_le(unit + 64, 8),
        .replay_at = vol_get_le(unit + 72, 8),
        .replay_seq = vol_get_le(unit + 80, 8),
        .checkpoint = {vol_get_le(unit + 88, 8), vol_get_le(unit + 96, 4)},
        .next_seq = vol_get_le(unit + 104, 8),
        .replay_sum = (uint32_t)vol_get_le(unit + 112, 4),
        .clean = flags & FLAG_CLEAN,
    };
    memcpy(ret->id, unit + 16, sizeof(ret->id));
    if (vol_get_le(unit + 12, 4) != VERSION || flags > FLAG_CLEAN || !super_fits(ret) ||
        !vol_is_zero(lb_slice_from(all, SUPER_LEN)))
        return -EBADMSG;
    return 0;
}

void vol_pad(struct lb_buf *b, size_t from, size_t to) {
    if (b->err)
        return;
    size_t n = vol_padding(b->len - from, to);
    char *room = lb_buf_reserve(b, n);
    if (room) {
        memset(room, 0, n);
        b->len += n;
    }
}

void vol_put_extent(struct lb_buf *b, struct vol_extent e) {
    if (e.n > UINT32_MAX && b->err == 0)
        b->err = -EMSGSIZE;
    vol_put_le(b, e.first, 8);
    vol_put_le(b, e.n, 4);
}

struct vol_extent vol_take_extent(struct vol_cursor *c) {
    struct vol_extent e = vol_take_run(c);
    vol_want(c, e.n > 0 && e.first > VOL_JOURNAL_AT && e.first < VOL_UNITS_MAX);
    return e;
}

void vol_seal(struct lb_buf *bytes, const char magic[4], size_t used) {
    memcpy(bytes->ptr, magic, 4);
    vol_set_le(bytes->ptr + 4, vol_crc(lb_slice(bytes->ptr + 8, used - 8)), 4);
}

int vol_unseal(struct lb_slice bytes, const char magic[4], size_t head, size_t used) {
    if (memcmp(bytes.ptr, magic, 4) != 0 || used < head || used > bytes.len ||
        vol_padding(used, VOL_UNIT) > bytes.len - used)
        return -EBADMSG;
    if (vol_get_le(bytes.ptr + 4, 4) != vol_crc(lb_slice(bytes.ptr + 8, used - 8)))
        return -EBADMSG;
    struct lb_slice padding = lb_slice(bytes.ptr + used, vol_padding(used, VOL_UNIT));
    return vol_is_zero(padding) ? 0 : -EBADMSG;
}
