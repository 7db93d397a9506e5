/* The users file: what is written is read, damage at any byte is seen, secrets are sealed. */
#include "users_helper.h"

#include "hash/hash.h"

static struct sim_fs *fs;
static struct lb_buf why;
static char file[65536];
static size_t file_len;

/* Writes a file with three users and reads its bytes. */
static void make_file(const uint8_t *key) {
    struct lb_users *u = users_open(fs, key);
    assert_int_equal(users_add(u, "alice", "ALICES-KEY"), 0);
    assert_int_equal(users_add(u, "bob", "BOBS-KEY"), 0);
    assert_int_equal(lb_users_create(u, LB_S("carol"), true, NULL, NULL, NULL, NULL), 0);
    assert_int_equal(lb_users_set_grant(u, LB_S("bob"), LB_S("team-*"), 7, NULL, NULL), 0);
    lb_users_free(u);
    int64_t len = sim_fs_get(fs, USERS_PATH, file, sizeof(file));
    assert_true(len > 0);
    file_len = (size_t)len;
}

static int setup(void **state) {
    const struct sim_fs_conf conf = {.seed = 1};
    fs = sim_fs_new(&conf);
    lb_buf_init(&why, 4096);
    return 0;
}

static int teardown(void **state) {
    assert_int_equal(sim_fs_open_count(fs), 0);
    sim_fs_free(fs);
    lb_buf_fini(&why);
    return 0;
}

static int decode(const char *bytes, size_t len, const uint8_t *key) {
    struct users_state *s = users_state_new();
    const char *reason = NULL;
    char *copy = check_dup(lb_slice(bytes, len));
    int err = users_format_decode(lb_slice(copy, len), key, s, &reason);
    assert_int_equal(reason != NULL, err == -EBADMSG);
    users_state_unref(s);
    free(copy);
    return err;
}

static void seal(char *bytes, size_t len) {
    struct lb_digest crc;
    lb_hash_once(LB_HASH_CRC32C, lb_slice(bytes, len - 4), &crc);
    for (unsigned i = 0; i < 4; i++)
        bytes[len - 1 - i] = (char)crc.bytes[i];
}

static bool has(const char *text) {
    return lb_slice_find_slice(lb_slice(file, file_len), lb_slice_cstr(text)) >= 0;
}

/* Opens the users from the file as it is, which must fail and leave it so. */
static void check_refused(const uint8_t *key, int err, const char *text) {
    const struct lb_users_conf conf = {.master_key = key};
    struct lb_users *u = NULL;
    static char after[sizeof(file)];
    lb_buf_clear(&why);
    assert_int_equal(users_open_with(fs, &conf, &why, &u), err);
    if (lb_slice_find_slice(lb_buf_slice(&why), lb_slice_cstr(text)) < 0)
        fail_msg("no \"%s\" in %.*s", text, LB_SLICE_ARG(lb_buf_slice(&why)));
    assert_int_equal(sim_fs_get(fs, USERS_PATH, after, sizeof(after)), file_len);
    assert_memory_equal(after, file, file_len);
}

static void test_plain(void **state) {
    make_file(NULL);
    assert_int_equal(decode(file, file_len, NULL), 0);
    assert_memory_equal(file, "LBUSERS\n\1\0\0\0\0\0\0\0", 16);
    assert_true(has("secret-of-someone") && has("team-*"));
}

static void test_each_byte(void **state) {
    for (unsigned encrypted = 0; encrypted < 2; encrypted++) {
        const uint8_t *key = encrypted ? master_key : NULL;
        make_file(key);
        for (size_t i = 0; i < file_len; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                file[i] ^= (char)(1u << bit);
                int err = decode(file, file_len, key);
                if (err != -EBADMSG && !(err == -EPROTONOSUPPORT && i >= 8 && i < 12))
                    fail_msg("byte %zu, bit %u: %d", i, bit, err);
                file[i] ^= (char)(1u << bit);
            }
        }
        assert_int_equal(decode(file, file_len, key), 0);
        sim_fs_free(fs);
        setup(NULL);
    }
}

static void test_each_length(void **state) {
    make_file(NULL);
    for (size_t len = 0; len < file_len; len++)
        assert_int_equal(decode(file, len, NULL), -EBADMSG);
    file[file_len] = 0;
    assert_int_equal(decode(file, file_len + 1, NULL), -EBADMSG);
}

/* Each byte changed under a right checksum: whatever it says, it is no crash, and what is accepted
 * says something else. */
static void test_each_byte_sealed(void **state) {
    make_file(NULL);
    for (size_t i = 12; i < file_len - 4; i++) {
        for (unsigned v = 0; v < 256; v += 15) {
            char old = file[i];
            file[i] = (char)v;
            seal(file, file_len);
            int err = decode(file, file_len, NULL);
            assert_true(err == 0 || err == -EBADMSG || err == -EKEYREJECTED);
            file[i] = old;
        }
    }
}

static void test_refused(void **state) {
    make_file(NULL);
    file[file_len / 2] ^= 1;
    assert_int_equal(sim_fs_put(fs, USERS_PATH, file, file_len), 0);
    check_refused(NULL, -EBADMSG, "its checksum is wrong");
    file[8] = 2;
    assert_int_equal(sim_fs_put(fs, USERS_PATH, file, file_len), 0);
    check_refused(NULL, -EPROTONOSUPPORT, "newer lobos");
    file_len = 0;
    assert_int_equal(sim_fs_put(fs, USERS_PATH, "", 0), 0);
    check_refused(NULL, -EBADMSG, "backup");
}

static void test_encrypted(void **state) {
    static const uint8_t other[LB_USERS_MASTER_KEY_LEN] = "another";
    make_file(master_key);
    assert_false(has("secret-of-someone"));
    assert_true(has("ALICES-KEY"));
    check_refused(NULL, -EKEYREJECTED, "give its master key");
    check_refused(other, -EKEYREJECTED, "another master key");
    struct lb_users *u = users_open(fs, master_key);
    assert_string_equal(users_cred(u, "BOBS-KEY")->secret_key, "secret-of-someone");
    lb_users_free(u);
}

/* A plain file is encrypted by the next change. */
static void test_encrypts_later(void **state) {
    make_file(NULL);
    struct lb_users *u = users_open(fs, master_key);
    assert_string_equal(users_cred(u, "BOBS-KEY")->secret_key, "secret-of-someone");
    assert_int_equal(lb_users_delete(u, LB_S("carol"), false, NULL), 0);
    lb_users_free(u);
    file_len = (size_t)sim_fs_get(fs, USERS_PATH, file, sizeof(file));
    assert_false(has("secret-of-someone"));
    check_refused(NULL, -EKEYREJECTED, "encrypted");
}

/* A secret can't be moved to another key. */
static void test_seal_is_bound(void **state) {
    uint8_t sealed[6 + USERS_SEAL_LEN] = {0}, plain[6];
    const struct lb_slice whole = lb_slice(sealed, sizeof(sealed));
    assert_int_equal(users_crypt_seal(master_key, LB_S("a"), LB_S("secret"), sealed), 0);
    assert_int_equal(users_crypt_open(master_key, LB_S("a"), whole, plain), 0);
    assert_memory_equal(plain, "secret", 6);
    assert_int_equal(users_crypt_open(master_key, LB_S("b"), whole, plain), -EKEYREJECTED);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 1;
        assert_int_equal(users_crypt_open(master_key, LB_S("a"), whole, plain), -EKEYREJECTED);
        sealed[i] ^= 1;
    }
}

static void test_master_key_parse(void **state) {
    static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
    static const char *const wrong[] = {"",
                                        "00",
                                        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh==",
                                        "zz",
                                        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8f",
                                        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg"};
    uint8_t key[LB_USERS_MASTER_KEY_LEN];
    assert_int_equal(lb_users_master_key_parse(lb_slice_cstr(hex), key), 0);
    for (unsigned i = 0; i < sizeof(key); i++)
        assert_int_equal(key[i], i);
    memset(key, 0, sizeof(key));
    assert_int_equal(
        lb_users_master_key_parse(LB_S(" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), key), 0);
    for (unsigned i = 0; i < sizeof(key); i++)
        assert_int_equal(key[i], i);
    for (size_t i = 0; i < CHECK_COUNT(wrong); i++)
        assert_int_equal(lb_users_master_key_parse(lb_slice_cstr(wrong[i]), key), -EINVAL);
}

/* Every letter comes, and about equally often. */
static void test_made_keys(void **state) {
    unsigned count[256] = {0}, letters = 0;
    char access_key[21], secret_key[41], last[41] = "";
    for (unsigned i = 0; i < 10000; i++) {
        users_make_secret_key(secret_key);
        assert_int_equal(strlen(secret_key), 40);
        assert_string_not_equal(secret_key, last);
        strcpy(last, secret_key);
        for (unsigned j = 0; j < 40; j++)
            count[(uint8_t)secret_key[j]]++;
    }
    for (unsigned c = 0; c < 256; c++) {
        letters += count[c] > 0;
        assert_true(count[c] == 0 || (count[c] > 5800 && count[c] < 6900)); /* 6349, sigma 79 */
    }
    assert_int_equal(letters, 63);
    users_make_access_key(access_key);
    assert_int_equal(strlen(access_key), 20);
    assert_memory_equal(access_key, "LB", 2);
    assert_int_equal(strspn(access_key, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 20);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_plain),
        TEST(test_each_byte),
        TEST(test_each_length),
        TEST(test_each_byte_sealed),
        TEST(test_refused),
        TEST(test_encrypted),
        TEST(test_encrypts_later),
        TEST(test_seal_is_bound),
        TEST(test_master_key_parse),
        TEST(test_made_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
