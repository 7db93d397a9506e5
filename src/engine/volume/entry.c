/* The hot fields (what look-ups compare) come first; the key follows as near as it can. Arrays lie
 * as their readers want them, aligned; a single extent, which is what nearly all objects have, is
 * packed like the numbers. */
#include "engine/volume/entry.h"

#include <errno.h>
#include <stddef.h>

#define HEAD offsetof(struct vol_entry, more)
_Static_assert(HEAD == 36, "the counts and checksums behind it are aligned");
#define MD5 16u

static unsigned width(uint64_t v) {
    return v ? (71u - (unsigned)__builtin_clzll(v)) / 8 : 0;
}

static char *put(char *to, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        to[i] = (char)(uint8_t)(v >> 8 * i);
    return to + n;
}

static uint64_t get(const void *from, unsigned n) {
    const uint8_t *p = from;
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Bytes of an array with its count. */
static size_t array_size(uint8_t count, size_t n, size_t size) {
    return (count == VOL_ENTRY_MANY ? sizeof(uint32_t) : 0) + n * size;
}

/* ---- where what follows is ---- */

struct parts {
    size_t extents_n, sums_n;
    const char *extents, *sums, *key;
};

static struct parts parts_of(const struct vol_entry *e) {
    struct parts p = {.extents_n = e->extents, .sums_n = e->sums};
    const char *at = e->more;
    if (e->extents == VOL_ENTRY_MANY) {
        p.extents_n = get(at, 4);
        at += sizeof(uint32_t);
        p.extents = at;
        at += p.extents_n * sizeof(struct vol_extent);
    }
    if (e->sums == VOL_ENTRY_MANY) {
        p.sums_n = get(at, 4);
        at += sizeof(uint32_t);
    }
    p.sums = at;
    p.key = at + p.sums_n * sizeof(uint32_t);
    return p;
}

static size_t etag_size(const struct vol_entry *e) {
    return e->etag == VOL_ENTRY_MANY ? MD5 : e->etag;
}

static size_t meta_size(const struct vol_entry *e) {
    return e->meta == VOL_ENTRY_MANY ? sizeof(uint32_t) : e->meta;
}

static const char *numbers_of(const struct vol_entry *e, const char *key) {
    return key + e->key_len + etag_size(e) + meta_size(e);
}

static size_t entry_size(const struct vol_entry *e) {
    const char *numbers = numbers_of(e, parts_of(e).key);
    return (size_t)(numbers - (const char *)e) + (e->widths & 15) + (e->widths >> 4) +
           (e->extent_widths & 15) + (e->extent_widths >> 4);
}

struct lb_slice vol_entry_name(const struct vol_entry *e) {
    return lb_slice(parts_of(e).key, e->key_len);
}

uint64_t vol_entry_seq(const struct vol_entry *e) {
    return get(numbers_of(e, parts_of(e).key), e->widths & 15);
}

uint64_t vol_entry_size(const struct vol_entry *e) {
    return get(numbers_of(e, parts_of(e).key) + (e->widths & 15), e->widths >> 4);
}

int vol_entry_compare(const void *entry, const void *key) {
    const struct vol_entry *e = entry;
    const struct vol_entry_key *k = key;
    if (e->bucket != k->bucket)
        return e->bucket < k->bucket ? -1 : 1;
    int c = lb_slice_cmp(vol_entry_name(e), k->key);
    if (c != 0)
        return c;
    uint64_t seq = vol_entry_seq(e);
    return (seq < k->seq) - (seq > k->seq);
}

/* ---- packing ---- */

/* Is the ETag 32 lower-case hexadecimal digits? */
static bool is_md5(const struct lb_etag *etag, uint8_t ret[MD5]) {
    static const uint8_t digit[256] = {
        /* and 1 */
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};
    if (etag->len != 2 * MD5)
        return false;
    bool good = true;
    for (unsigned i = 0; i < MD5; i++) {
        unsigned high = digit[(uint8_t)etag->text[2 * i]];
        unsigned low = digit[(uint8_t)etag->text[2 * i + 1]];
        good = good && high && low;
        ret[i] = (uint8_t)((high - 1) << 4 | ((low - 1) & 15));
    }
    return good;
}

static bool in_range(const struct vol_object *o) {
    return o->key.len <= UINT16_MAX && o->etag.len <= sizeof(o->etag.text) &&
           o->extents_n <= VOL_EXTENTS_MAX && o->sums_n <= VOL_SUMS_MAX &&
           (o->meta_len > VOL_META_INLINE || o->meta.len == o->meta_len);
}

int vol_entry_set_pack(struct vol_entry *e, uint64_t pack, uint32_t at, uint32_t len) {
    if (pack >> 40 || at >> 24 || len >> 24)
        return -EINVAL;
    put((char *)e->pack, pack, sizeof(e->pack));
    put((char *)e->pack_at, at, sizeof(e->pack_at));
    put((char *)e->pack_len, len, sizeof(e->pack_len));
    return 0;
}

static char *put_bytes(char *to, const void *from, size_t n) {
    if (n)
        memcpy(to, from, n);
    return to + n;
}

static void fill(struct vol_entry *e, const struct vol_object *o, const uint8_t md5[MD5]) {
    char *at = e->more;
    if (e->extents == VOL_ENTRY_MANY) {
        at = put(at, o->extents_n, sizeof(uint32_t));
        at = put_bytes(at, o->extents, o->extents_n * sizeof(*o->extents));
    }
    if (e->sums == VOL_ENTRY_MANY)
        at = put(at, o->sums_n, sizeof(uint32_t));
    at = put_bytes(at, o->sums, o->sums_n * sizeof(*o->sums));
    at = put_bytes(at, o->key.ptr, o->key.len);
    if (e->etag == VOL_ENTRY_MANY)
        at = put_bytes(at, md5, MD5);
    else
        at = put_bytes(at, o->etag.text, e->etag);
    if (e->meta == VOL_ENTRY_MANY)
        at = put(at, o->meta_len, sizeof(uint32_t));
    else
        at = put_bytes(at, o->meta.ptr, e->meta);
    at = put(at, o->seq, e->widths & 15);
    at = put(at, o->size, e->widths >> 4);
    if (e->extents == 1) {
        at = put(at, o->extents[0].first, e->extent_widths & 15);
        put(at, o->extents[0].n, e->extent_widths >> 4);
    }
}

int vol_entry_new(struct vol_slab *slab, const struct vol_object *o, uint32_t *ret) {
    uint8_t md5[MD5];
    if (!in_range(o))
        return -EINVAL;
    struct vol_entry e = {
        .bucket = o->bucket,
        .mtime_ns = o->mtime_ns,
        .flags = o->flags,
        .key_len = (uint16_t)o->key.len,
        .meta = o->meta_len > VOL_META_INLINE ? VOL_ENTRY_MANY : (uint8_t)o->meta_len,
        .etag = is_md5(&o->etag, md5) ? VOL_ENTRY_MANY : o->etag.len,
        .extents = o->extents_n > 1 ? VOL_ENTRY_MANY : (uint8_t)o->extents_n,
        .sums = o->sums_n >= VOL_ENTRY_MANY ? VOL_ENTRY_MANY : (uint8_t)o->sums_n,
        .widths = (uint8_t)(width(o->seq) | width(o->size) << 4),
    };
    if (e.extents == 1)
        e.extent_widths = (uint8_t)(width(o->extents[0].first) | width(o->extents[0].n) << 4);
    if (vol_entry_set_pack(&e, o->pack, o->pack_at, o->pack_len) < 0)
        return -EINVAL;
    size_t size = HEAD + array_size(e.extents, e.extents > 1 ? o->extents_n : 0, 16) +
                  array_size(e.sums, o->sums_n, sizeof(*o->sums)) + e.key_len + etag_size(&e) +
                  meta_size(&e) + (e.widths & 15) + (e.widths >> 4) + (e.extent_widths & 15) +
                  (e.extent_widths >> 4);
    uint32_t piece = vol_slab_take(slab, size);
    if (!piece)
        return -ENOMEM;
    struct vol_entry *to = vol_slab_at(slab, piece);
    memcpy(to, &e, HEAD);
    fill(to, o, md5);
    *ret = piece;
    return 0;
}

void vol_entry_give(struct vol_slab *slab, uint32_t piece) {
    vol_slab_give(slab, piece, entry_size(vol_slab_at(slab, piece)));
}

void vol_entry_unpack(const struct vol_entry *e, struct vol_object *ret,
                      struct vol_extent *single) {
    struct parts p = parts_of(e);
    struct vol_object o = {
        .bucket = e->bucket,
        .key = lb_slice(p.key, e->key_len),
        .mtime_ns = e->mtime_ns,
        .flags = e->flags,
        .pack = get(e->pack, sizeof(e->pack)),
        .pack_at = (uint32_t)get(e->pack_at, sizeof(e->pack_at)),
        .pack_len = (uint32_t)get(e->pack_len, sizeof(e->pack_len)),
        .sums = p.sums_n ? (const uint32_t *)(const void *)p.sums : NULL,
        .sums_n = p.sums_n,
        .extents = (const struct vol_extent *)(const void *)p.extents,
        .extents_n = p.extents_n,
        .meta_len = e->meta,
    };
    const char *at = p.key + e->key_len;
    if (e->etag == VOL_ENTRY_MANY) {
        char text[2 * MD5 + 1];
        lb_hex_encode((const uint8_t *)at, MD5, text);
        memcpy(o.etag.text, text, 2 * MD5);
        o.etag.len = 2 * MD5;
    } else {
        memcpy(o.etag.text, at, e->etag);
        o.etag.len = e->etag;
    }
    at += etag_size(e);
    if (e->meta == VOL_ENTRY_MANY)
        o.meta_len = (uint32_t)get(at, sizeof(uint32_t));
    else if (e->meta)
        o.meta = lb_slice(at, e->meta);
    at += meta_size(e);
    o.seq = get(at, e->widths & 15);
    at += e->widths & 15;
    o.size = get(at, e->widths >> 4);
    at += e->widths >> 4;
    if (e->extents == 1) {
        single->first = get(at, e->extent_widths & 15);
        single->n = get(at + (e->extent_widths & 15), e->extent_widths >> 4);
        o.extents = single;
    }
    *ret = o;
}
