#include <errno.h>
#include <stdlib.h>

#include "records_env.h"

#define ROUNDS 3000

static const uint8_t volume_id[16] = "sixteen bytes..";

static struct vol_super a_super(struct lb_prng *p) {
    struct vol_super s = {
        .generation = lb_prng_next(p),
        .units = VOL_UNITS_MIN + lb_prng_below(p, 1u << 30),
        .created_ns = lb_prng_next(p),
        .epoch = lb_prng_next(p),
        .replay_at = lb_prng_next(p),
        .replay_seq = lb_prng_below(p, 1000),
        .next_seq = 1000 + lb_prng_below(p, 1000),
        .replay_sum = (uint32_t)lb_prng_next(p),
        .clean = lb_prng_below(p, 2),
    };
    s.journal_units = vol_journal_units(s.units);
    if (lb_prng_below(p, 2))
        s.checkpoint = (struct vol_extent){VOL_JOURNAL_AT + s.journal_units, 77};
    for (size_t i = 0; i < sizeof(s.id); i++)
        s.id[i] = (uint8_t)lb_prng_next(p);
    return s;
}

static void test_super_round_trip(void **state) {
    struct lb_prng p;
    uint8_t unit[VOL_UNIT], again[VOL_UNIT];
    lb_prng_seed(&p, 1);
    for (int i = 0; i < 200; i++) {
        struct vol_super s = a_super(&p), got;
        vol_super_encode(&s, unit);
        assert_int_equal(vol_super_decode(unit, &got), 0);
        vol_super_encode(&got, again);
        assert_memory_equal(unit, again, VOL_UNIT);
        assert_true(got.units == s.units && got.clean == s.clean && got.epoch == s.epoch);
        assert_true(got.replay_at == s.replay_at && got.next_seq == s.next_seq);
        assert_memory_equal(got.id, s.id, 16);
    }
}

static void test_super_every_bit(void **state) {
    struct lb_prng p;
    uint8_t unit[VOL_UNIT];
    lb_prng_seed(&p, 2);
    struct vol_super s = a_super(&p), got;
    vol_super_encode(&s, unit);
    for (size_t bit = 0; bit < 8 * sizeof(unit); bit++) {
        unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(vol_super_decode(unit, &got), -EBADMSG);
        unit[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(vol_super_decode(unit, &got), 0);
}

static void set_le(uint8_t *at, uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

/* Changes a field and the checksum with it. */
static int with(const uint8_t *unit, size_t at, uint64_t v, size_t n) {
    uint8_t changed[VOL_UNIT];
    struct vol_super got;
    memcpy(changed, unit, VOL_UNIT);
    set_le(changed + at, v, n);
    set_le(changed + 8, vol_crc(lb_slice(changed + 12, VOL_UNIT - 12)), 4);
    return vol_super_decode(changed, &got);
}

static void test_super_rules(void **state) {
    struct lb_prng p;
    uint8_t unit[VOL_UNIT];
    lb_prng_seed(&p, 3);
    struct vol_super s = a_super(&p);
    s.units = 1 << 20;
    s.journal_units = vol_journal_units(s.units);
    vol_super_encode(&s, unit);
    assert_int_equal(with(unit, 32, 1, 8), 0);
    assert_int_equal(with(unit, 12, 2, 4), -EPROTONOSUPPORT);
    assert_int_equal(with(unit, 12, 0, 4), -EBADMSG);
    assert_int_equal(with(unit, 40, VOL_UNITS_MIN - 1, 8), -EBADMSG);
    assert_int_equal(with(unit, 40, UINT64_MAX, 8), -EBADMSG);
    assert_int_equal(with(unit, 48, s.journal_units + 1, 8), -EBADMSG);
    assert_int_equal(with(unit, 80, s.next_seq + 1, 8), -EBADMSG);
    assert_int_equal(with(unit, 88, 100, 8), -EBADMSG);
    assert_int_equal(with(unit, 96, UINT32_MAX, 4), -EBADMSG);
    assert_int_equal(with(unit, 100, 2, 4), -EBADMSG);
    assert_int_equal(with(unit, 116, 1, 1), -EBADMSG);
    assert_int_equal(with(unit, 4095, 1, 1), -EBADMSG);
}

static void test_record_round_trip(void **state) {
    struct records_env *env = calloc(1, sizeof(*env));
    struct lb_arena arena;
    struct lb_buf buf, again;
    env_init(env, 4);
    lb_arena_init(&arena, 1 << 20);
    lb_buf_init(&buf, 1 << 20);
    lb_buf_init(&again, 1 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        struct vol_record got, r = env_record(env, (enum vol_kind)(1 + i % ENV_KINDS));
        lb_buf_clear(&buf);
        lb_buf_clear(&again);
        vol_record_encode(&r, &buf);
        assert_int_equal(buf.err, 0);
        assert_int_equal(buf.len % 8, 0);
        char *exact = check_dup(lb_buf_slice(&buf));
        struct lb_slice rest = lb_slice(exact, buf.len);
        assert_int_equal(vol_record_decode(&rest, &arena, &got), 0);
        assert_int_equal(rest.len, 0);
        assert_int_equal(got.len, buf.len);
        env_same(&r, &got);
        if (got.body.len)
            assert_ptr_equal(got.body.ptr, exact + got.body_at);
        vol_record_encode(&got, &again);
        assert_true(lb_slice_eq(lb_buf_slice(&buf), lb_buf_slice(&again)));
        free(exact);
        lb_arena_reset(&arena);
    }
    lb_buf_fini(&buf);
    lb_buf_fini(&again);
    lb_arena_fini(&arena);
    free(env);
}

/* What decodes after damage, or cut short, encodes to what it was read from. */
static void test_record_damage(void **state) {
    struct records_env *env = calloc(1, sizeof(*env));
    struct lb_arena arena;
    struct lb_buf buf, again;
    env_init(env, 5);
    lb_arena_init(&arena, 1 << 20);
    lb_buf_init(&buf, 1 << 20);
    lb_buf_init(&again, 1 << 20);
    for (int i = 0; i < 4 * ROUNDS; i++) {
        struct vol_record got, r = env_record(env, (enum vol_kind)(1 + i % ENV_KINDS));
        lb_buf_clear(&buf);
        lb_buf_clear(&again);
        vol_record_encode(&r, &buf);
        size_t len = buf.len;
        if (env_below(env, 4) == 0)
            len = env_below(env, len);
        size_t near = len < 64 || env_below(env, 2) ? len : 64;
        if (near)
            buf.ptr[env_below(env, near)] ^= (char)(1u << env_below(env, 8));
        char *exact = check_dup(lb_slice(buf.ptr, len));
        struct lb_slice rest = lb_slice(exact, len);
        if (vol_record_decode(&rest, &arena, &got) == 0) {
            vol_record_encode(&got, &again);
            assert_true(lb_slice_eq(lb_buf_slice(&again), lb_slice(exact, got.len)));
        } else {
            assert_true(rest.ptr == exact && rest.len == len);
        }
        free(exact);
        lb_arena_reset(&arena);
    }
    lb_buf_fini(&buf);
    lb_buf_fini(&again);
    lb_arena_fini(&arena);
    free(env);
}

static void put_batch(struct lb_buf *buf, struct vol_batch *b, struct records_env *env) {
    lb_buf_clear(buf);
    assert_non_null(lb_buf_reserve(buf, VOL_BATCH_HEAD));
    buf->len = VOL_BATCH_HEAD;
    for (unsigned i = 0; i < b->records; i++) {
        struct vol_record r = env_record(env, (enum vol_kind)(1 + i % 11));
        vol_record_encode(&r, buf);
    }
    vol_batch_seal(b, buf);
    assert_int_equal(buf->err, 0);
}

static void test_batch_every_bit(void **state) {
    struct records_env *env = calloc(1, sizeof(*env));
    struct vol_batch b = {.epoch = 3,
                          .position = 99,
                          .first_seq = 7,
                          .flushed = 90,
                          .previous = 5,
                          .records = 3},
                     got;
    struct lb_buf buf;
    env_init(env, 6);
    lb_buf_init(&buf, 1 << 20);
    put_batch(&buf, &b, env);
    char *exact = check_dup(lb_buf_slice(&buf));
    struct lb_slice all = lb_slice(exact, buf.len);
    assert_int_equal(vol_batch_decode(all, &got), 0);
    assert_true(got.epoch == 3 && got.position == 99 && got.first_seq == 7 && got.flushed == 90);
    assert_true(got.previous == 5 && got.records == 3 && got.units == buf.len / VOL_UNIT);
    assert_true(got.sum == b.sum && got.body.len == b.body.len);
    for (size_t bit = 0; bit < 8 * all.len; bit++) {
        exact[bit / 8] ^= (char)(1u << bit % 8);
        assert_int_equal(vol_batch_decode(all, &got), -EBADMSG);
        exact[bit / 8] ^= (char)(1u << bit % 8);
    }
    free(exact);
    lb_buf_fini(&buf);
    free(env);
}

/* Cut anywhere, or with any of its sectors not written, it is no batch. */
static void test_batch_torn(void **state) {
    struct records_env *env = calloc(1, sizeof(*env));
    struct vol_batch b = {.epoch = 3, .position = 99, .first_seq = 7, .records = 40}, got;
    struct lb_buf buf;
    env_init(env, 7);
    lb_buf_init(&buf, 1 << 20);
    put_batch(&buf, &b, env);
    assert_true(b.units > 1);
    size_t end = VOL_BATCH_HEAD + b.body.len;
    for (size_t len = 0; len < buf.len; len += 512) {
        char *cut = check_dup(lb_slice(buf.ptr, len));
        assert_int_equal(vol_batch_decode(lb_slice(cut, len), &got), -EBADMSG);
        free(cut);
    }
    for (size_t at = 0; at < end; at += 512) {
        char *torn = check_dup(lb_buf_slice(&buf));
        memset(torn + at, 0xee, 512);
        assert_int_equal(vol_batch_decode(lb_slice(torn, buf.len), &got), -EBADMSG);
        free(torn);
    }
    lb_buf_fini(&buf);
    free(env);
}

static void test_pack(void **state) {
    struct records_env *env = calloc(1, sizeof(*env));
    struct lb_arena arena;
    struct lb_buf pack;
    uint32_t at[20], len[20];
    env_init(env, 8);
    lb_arena_init(&arena, 1 << 20);
    lb_buf_init(&pack, VOL_PACK_MAX);
    vol_pack_begin(&pack);
    for (unsigned i = 0; i < 20; i++) {
        struct vol_record r = env_record(env, i % 2 ? VOL_REC_PUT : VOL_REC_PART);
        at[i] = vol_pack_add(&pack, &r, &len[i]);
    }
    vol_pack_seal(&pack, volume_id, 1234, 20);
    assert_int_equal(pack.err, 0);
    uint64_t seq;
    uint32_t records;
    struct lb_slice body;
    struct lb_slice all = lb_buf_slice(&pack);
    assert_int_equal(vol_pack_decode(all, volume_id, &seq, &records, &body), 0);
    assert_true(seq == 1234 && records == 20);
    for (unsigned i = 0; i < 20; i++) {
        struct vol_record r;
        assert_ptr_equal(body.ptr, pack.ptr + at[i]);
        assert_int_equal(vol_pack_record(&body, &arena, &r), 0);
        assert_int_equal(r.len, len[i]);
        assert_int_equal(r.kind, i % 2 ? VOL_REC_PUT : VOL_REC_PART);
        lb_arena_reset(&arena);
    }
    assert_int_equal(body.len, 0);
    for (size_t bit = 0; bit < 8 * all.len; bit += bit < 400 ? 1 : 97) {
        pack.ptr[bit / 8] ^= (char)(1u << bit % 8);
        assert_int_equal(vol_pack_decode(all, volume_id, &seq, &records, &body), -EBADMSG);
        pack.ptr[bit / 8] ^= (char)(1u << bit % 8);
    }
    assert_int_equal(
        vol_pack_decode(all, (const uint8_t *)"another volume..", &seq, &records, &body), -EBADMSG);
    lb_buf_fini(&pack);
    lb_arena_fini(&arena);
    free(env);
}

static void test_chunk(void **state) {
    struct records_env *env = calloc(1, sizeof(*env));
    struct lb_buf buf;
    env_init(env, 9);
    lb_buf_init(&buf, 1 << 20);
    assert_non_null(lb_buf_reserve(&buf, VOL_CHUNK_HEAD));
    buf.len = VOL_CHUNK_HEAD;
    for (unsigned i = 0; i < 20; i++) {
        struct vol_record r = env_record(env, VOL_REC_ENTRY);
        vol_entry_encode(&r.object, &buf);
    }
    struct vol_chunk got,
        c = {.number = 3, .seq = 88, .entries = 20, .objects = 1, .bytes = 2, .units = 3};
    vol_chunk_seal(&c, volume_id, &buf);
    struct lb_slice all = lb_buf_slice(&buf);
    assert_int_equal(vol_chunk_decode(all, volume_id, &got), 0);
    assert_true(got.number == 3 && got.seq == 88 && got.entries == 20 && got.next.n == 0);
    assert_true(got.objects == 1 && got.bytes == 2 && got.units == 3);
    for (size_t bit = 0; bit < 8 * all.len; bit += bit < 800 ? 1 : 97) {
        buf.ptr[bit / 8] ^= (char)(1u << bit % 8);
        assert_int_equal(vol_chunk_decode(all, volume_id, &got), -EBADMSG);
        buf.ptr[bit / 8] ^= (char)(1u << bit % 8);
    }
    lb_buf_fini(&buf);
    free(env);
}

static void test_packed(void **state) {
    struct lb_buf buf;
    lb_buf_init(&buf, 1 << 20);
    for (uint32_t i = 0; i < 10; i++)
        vol_packed_add(&buf, &(struct vol_packed){i, 2 * i, 3 * i});
    struct lb_slice rest = lb_buf_slice(&buf);
    struct vol_packed p;
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(vol_packed_next(&rest, &p));
        assert_true(p.seq == i && p.at == 2 * i && p.len == 3 * i);
    }
    assert_false(vol_packed_next(&rest, &p));
    lb_buf_fini(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_super_round_trip),
        cmocka_unit_test(test_super_every_bit),
        cmocka_unit_test(test_super_rules),
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_damage),
        cmocka_unit_test(test_batch_every_bit),
        cmocka_unit_test(test_batch_torn),

        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_chunk),
        cmocka_unit_test(test_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
