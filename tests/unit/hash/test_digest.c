/* Every kind against published vectors and, for the digests, against libcrypto. */
#include "base/slice.h"
#include "hash/crc_priv.h"
#include "hash/hash.h"
#include "hash/md5_priv.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL_KINDS ((1u << LB_HASH_KINDS) - 1)

static uint64_t seed = 42;

static uint32_t rnd(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static uint8_t *random_bytes(size_t n) {
    uint8_t *p = malloc(n + 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)rnd(256);
    return p;
}

static void assert_hex(const struct lb_digest *d, const char *hex) {
    char got[2 * LB_HASH_SIZE_MAX + 1];
    lb_hex_encode(d->bytes, d->len, got);
    assert_string_equal(got, hex);
}

static void test_known_vectors(void **state) {
    static const struct {
        enum lb_hash_kind kind;
        const char *text, *hex;
    } vectors[] = {
        {LB_HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {LB_HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {LB_HASH_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {LB_HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {LB_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {LB_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {LB_HASH_CRC32, "", "00000000"},
        {LB_HASH_CRC32, "123456789", "cbf43926"},
        {LB_HASH_CRC32C, "123456789", "e3069283"},
        {LB_HASH_CRC64NVME, "", "0000000000000000"},
        {LB_HASH_CRC64NVME, "123456789", "ae8b14860a799888"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct lb_digest d;
        lb_hash_once(vectors[i].kind, lb_slice_cstr(vectors[i].text), &d);
        assert_int_equal(d.len, lb_hash_size(vectors[i].kind));
        assert_hex(&d, vectors[i].hex);
    }
}

/* RFC 3720, B.4. */
static void test_crc32c_rfc3720(void **state) {
    uint8_t data[32];
    struct lb_digest d;
    memset(data, 0, sizeof(data));
    lb_hash_once(LB_HASH_CRC32C, lb_slice(data, sizeof(data)), &d);
    assert_hex(&d, "8a9136aa");
    memset(data, 0xff, sizeof(data));
    lb_hash_once(LB_HASH_CRC32C, lb_slice(data, sizeof(data)), &d);
    assert_hex(&d, "62a8ab43");
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    lb_hash_once(LB_HASH_CRC32C, lb_slice(data, sizeof(data)), &d);
    assert_hex(&d, "46dd794e");
}

/* RFC 4231, 4.2, 4.3 and 4.7 (a key longer than a block). */
static void test_hmac_vectors(void **state) {
    uint8_t key[131], mac[32];
    char hex[65];
    memset(key, 0x0b, 20);
    lb_hmac_sha256(lb_slice(key, 20), LB_S("Hi There"), mac);
    lb_hex_encode(mac, 32, hex);
    assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    lb_hmac_sha256(LB_S("Jefe"), LB_S("what do ya want for nothing?"), mac);
    lb_hex_encode(mac, 32, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    lb_hmac_sha256(lb_slice(key, sizeof(key)),
                   LB_S("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    lb_hex_encode(mac, 32, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* An empty key and message are a null pointer each. */
    lb_hmac_sha256(lb_slice(NULL, 0), lb_slice(NULL, 0), mac);
    lb_hex_encode(mac, 32, hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_eq(void **state) {
    assert_true(lb_hash_eq("abcd", "abcd", 4));
    assert_false(lb_hash_eq("abcd", "abce", 4));
    assert_true(lb_hash_eq("abcd", "abce", 3));
    assert_true(lb_hash_eq("a", "b", 0));
}

static void assert_like_libcrypto(enum lb_hash_kind kind, const struct lb_digest *d,
                                  struct lb_slice data) {
    static const char *const names[] = {"MD5", "SHA1", "SHA256"};
    uint8_t want[EVP_MAX_MD_SIZE];
    size_t len;
    assert_true(EVP_Q_digest(NULL, names[kind], NULL, data.ptr, data.len, want, &len));
    assert_int_equal(len, d->len);
    assert_memory_equal(want, d->bytes, len);
}

/* A CRC bit by bit, from its definition. */
static uint64_t crc_by_definition(enum lb_hash_kind kind, struct lb_slice data) {
    uint64_t poly = kind == LB_HASH_CRC32    ? 0xedb88320
                    : kind == LB_HASH_CRC32C ? 0x82f63b78
                                             : 0x9a6c9329ac4bc9b5;
    uint64_t ones = kind == LB_HASH_CRC64NVME ? UINT64_MAX : UINT32_MAX, r = ones;
    for (size_t i = 0; i < data.len; i++) {
        r ^= (uint8_t)data.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1 ? poly : 0);
    }
    return r ^ ones;
}

static void assert_right(enum lb_hash_kind kind, const struct lb_digest *d, struct lb_slice data) {
    if (!lb_crc_is(kind)) {
        assert_like_libcrypto(kind, d, data);
        return;
    }
    uint64_t got = 0;
    for (int i = 0; i < d->len; i++)
        got = got << 8 | d->bytes[i];
    assert_true(got == crc_by_definition(kind, data));
}

static void check_length(size_t n) {
    uint8_t *p = random_bytes(n);
    struct lb_slice data = lb_slice(p, n);
    struct lb_hasher h;
    assert_int_equal(lb_hasher_init(&h, ALL_KINDS), 0);
    for (size_t at = 0; at < n;) {
        size_t piece = 1 + rnd(200);
        lb_hasher_update(&h, lb_slice_first(lb_slice_from(data, at), piece));
        at += piece;
    }
    for (int kind = 0; kind < LB_HASH_KINDS; kind++) {
        struct lb_digest once, streamed;
        lb_hash_once(kind, data, &once);
        assert_right(kind, &once, data);
        lb_hasher_final(&h, kind, &streamed);
        assert_int_equal(once.len, streamed.len);
        assert_memory_equal(once.bytes, streamed.bytes, once.len);
    }
    lb_hasher_fini(&h);
    free(p);
}

static void test_lengths(void **state) {
    for (size_t n = 0; n <= 300; n++)
        check_length(n);
    for (int i = 0; i < 20; i++)
        check_length(1 + rnd(200000));
}

static void test_hasher_fini_of_zeroed(void **state) {
    struct lb_hasher h = {0};
    lb_hasher_fini(&h);
    assert_int_equal(lb_hasher_init(&h, 0), 0);
    lb_hasher_update(&h, LB_S("nothing asked"));
    lb_hasher_fini(&h);
}

/* The folding routine and the tables, from any state and at any alignment. */
static void test_crc_routines_agree(void **state) {
    uint8_t *p = random_bytes(4096);
    for (int kind = LB_HASH_CRC32; kind <= LB_HASH_CRC64NVME; kind++) {
        uint64_t from = lb_crc_start(kind) / 3;
        for (size_t n = 0; n < 600; n++) {
            size_t at = rnd(64);
            assert_true(lb_crc_update(kind, from, p + at, n) ==
                        lb_crc_update_table(kind, from, p + at, n));
        }
    }
    free(p);
}

static void check_combine(enum lb_hash_kind kind, size_t len_a, size_t len_b) {
    uint8_t *p = random_bytes(len_a + len_b);
    struct lb_digest a, b, whole, got;
    lb_hash_once(kind, lb_slice(p, len_a), &a);
    lb_hash_once(kind, lb_slice(p + len_a, len_b), &b);
    lb_hash_once(kind, lb_slice(p, len_a + len_b), &whole);
    lb_crc_combine(kind, &a, &b, len_b, &got);
    assert_int_equal(got.len, whole.len);
    assert_memory_equal(got.bytes, whole.bytes, whole.len);
    /* In place. */
    lb_crc_combine(kind, &a, &b, len_b, &a);
    assert_memory_equal(a.bytes, whole.bytes, whole.len);
    free(p);
}

static void test_combine(void **state) {
    for (int kind = LB_HASH_CRC32; kind <= LB_HASH_CRC64NVME; kind++) {
        check_combine(kind, 0, 0);
        check_combine(kind, 0, 9);
        check_combine(kind, 9, 0);
        check_combine(kind, 1, 1);
        check_combine(kind, 5 << 20, 123457);
        for (int i = 0; i < 50; i++)
            check_combine(kind, rnd(5000), rnd(5000));
    }
}

/* Lengths no test can hash: x^(8a) * x^(8b) must be x^(8(a + b)) at the top of the range too. */
static void test_combine_long(void **state) {
    static const uint64_t half = 1ull << 62;
    for (int kind = LB_HASH_CRC32; kind <= LB_HASH_CRC64NVME; kind++) {
        struct lb_digest a, none, twice, once;
        lb_hash_once(kind, LB_S("some text"), &a);
        lb_hash_once(kind, LB_S(""), &none);
        lb_crc_combine(kind, &a, &none, half + 7, &twice);
        lb_crc_combine(kind, &twice, &none, half + 9, &twice);
        lb_crc_combine(kind, &a, &none, 2 * half + 16, &once);
        assert_memory_equal(twice.bytes, once.bytes, once.len);
        assert_memory_not_equal(a.bytes, once.bytes, once.len);
    }
}

static void test_md5_finish(void **state) {
    static const uint32_t init[4] = LB_MD5_INIT;
    for (size_t n = 0; n <= 300; n++) {
        uint8_t *p = random_bytes(n);
        struct lb_digest d = {.len = 16};
        uint32_t md5[4];
        memcpy(md5, init, sizeof(md5));
        lb_md5_blocks(md5, p, n / LB_MD5_BLOCK);
        lb_md5_finish(md5, p + n / LB_MD5_BLOCK * LB_MD5_BLOCK, n, d.bytes);
        assert_like_libcrypto(LB_HASH_MD5, &d, lb_slice(p, n));
        free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_vectors),
        cmocka_unit_test(test_crc32c_rfc3720),
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_eq),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_hasher_fini_of_zeroed),
        cmocka_unit_test(test_crc_routines_agree),
        cmocka_unit_test(test_combine),
        cmocka_unit_test(test_combine_long),
        cmocka_unit_test(test_md5_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
