/* The users file, encoded and decoded; users-format.md has the layout. */
#include <errno.h>
#include <stdlib.h>

#include "control/users_priv.h"
#include "hash/hash.h"

#define MAGIC LB_S("LBUSERS\n")
#define VERSION 1
#define HEADER_LEN 56
#define CRC_LEN 4
#define CHECK LB_S("lobos users") /* what the seal in the header is about */
#define RECORD_MAX (64u << 10)

enum { FILE_ENCRYPTED = 1 };
enum { USER_ADMIN = 1 };
enum { KEY_DISABLED = 1 };

/* What a secret's seal is about. ret has room for both names. Returns its length. */
static struct lb_slice about(const char *name, const char *access_key, char *ret) {
    size_t name_size = strlen(name) + 1, key_len = strlen(access_key);
    memcpy(ret, name, name_size);
    memcpy(ret + name_size, access_key, key_len);
    return lb_slice(ret, name_size + key_len);
}

#define ABOUT_MAX (LB_USER_NAME_MAX + 1 + LB_ACCESS_KEY_MAX)

/* ---- encoding ---- */

static void put(struct lb_buf *b, uint64_t v, unsigned len) {
    for (unsigned i = 0; i < len; i++)
        lb_buf_append_char(b, (char)(v >> 8 * i));
}

static void put_text(struct lb_buf *b, struct lb_slice text) {
    put(b, text.len, 1);
    lb_buf_append(b, text);
}

static void put_secret(struct lb_buf *b, const struct user_record *r, const struct user_key *key,
                       const uint8_t *master_key) {
    struct lb_slice secret = lb_slice_cstr(key->secret_key);
    char names[ABOUT_MAX];
    if (!master_key) {
        put_text(b, secret);
        return;
    }
    put(b, secret.len, 1);
    char *to = lb_buf_reserve(b, secret.len + USERS_SEAL_LEN);
    if (!to)
        return;
    int err = users_crypt_seal(master_key, about(r->name, key->shown.access_key, names), secret,
                               (uint8_t *)to);
    if (err < 0)
        b->err = err;
    else
        b->len += secret.len + USERS_SEAL_LEN;
}

static void put_record(struct lb_buf *b, const struct user_record *r, const uint8_t *master_key) {
    put_text(b, lb_slice_cstr(r->name));
    put(b, r->admin ? USER_ADMIN : 0, 1);
    put(b, (uint64_t)r->created_s, 8);
    put(b, r->keys_n, 2);
    put(b, r->grants_n, 2);
    for (size_t i = 0; i < r->keys_n; i++) {
        const struct user_key *key = &r->keys[i];
        put_text(b, lb_slice_cstr(key->shown.access_key));
        put(b, key->shown.disabled ? KEY_DISABLED : 0, 1);
        put(b, (uint64_t)key->shown.created_s, 8);
        put(b, (uint64_t)key->shown.expires_s, 8);
        put_secret(b, r, key, master_key);
    }
    for (size_t i = 0; i < r->grants_n; i++) {
        put_text(b, lb_slice_cstr(r->grants[i].pattern));
        put(b, r->grants[i].rights, 1);
    }
}

/* The buffer grows by copying itself: what it leaves behind holds secrets. So it is given its size
 * at once, and its bytes are wiped. */
int users_format_record(struct user_record *r, const uint8_t *master_key) {
    struct lb_buf b;
    if (r->blob)
        return 0;
    lb_buf_init(&b, RECORD_MAX);
    size_t size = 128 + r->keys_n * (sizeof(r->keys[0]) + 64) + r->grants_n * sizeof(r->grants[0]);
    if (lb_buf_reserve(&b, size))
        put_record(&b, r, master_key);
    char *blob = b.err ? NULL : malloc(b.len);
    if (blob) {
        memcpy(blob, b.ptr, b.len);
        r->blob = blob;
        r->blob_len = b.len;
    }
    if (b.ptr)
        explicit_bzero(b.ptr, b.len);
    lb_buf_fini(&b);
    return blob ? 0 : -ENOMEM;
}

static void put_header(struct lb_buf *b, const struct users_state *s, size_t len,
                       const uint8_t *master_key) {
    uint8_t check[USERS_SEAL_LEN] = {0};
    int err = master_key ? users_crypt_seal(master_key, CHECK, LB_S(""), check) : 0;
    if (err < 0)
        b->err = err;
    lb_buf_append(b, MAGIC);
    put(b, VERSION, 4);
    put(b, master_key ? FILE_ENCRYPTED : 0, 4);
    put(b, len, 8);
    put(b, s->n - s->fixed_n, 4);
    lb_buf_append(b, lb_slice(check, sizeof(check)));
}

void users_format_encode(const struct users_state *s, const uint8_t *master_key,
                         struct lb_buf *ret) {
    struct lb_digest crc;
    size_t len = HEADER_LEN + CRC_LEN;
    for (size_t i = 0; i < s->n; i++)
        len += s->users[i]->fixed ? 0 : s->users[i]->blob_len;
    if (!lb_buf_reserve(ret, len))
        return;
    put_header(ret, s, len, master_key);
    for (size_t i = 0; i < s->n; i++) {
        if (!s->users[i]->fixed)
            lb_buf_append(ret, lb_slice(s->users[i]->blob, s->users[i]->blob_len));
    }
    lb_hash_once(LB_HASH_CRC32C, lb_buf_slice(ret), &crc);
    for (unsigned i = CRC_LEN; i > 0; i--) /* a digest has its most significant byte first */
        lb_buf_append_char(ret, (char)crc.bytes[i - 1]);
}

/* ---- decoding ---- */

struct reader {
    struct lb_slice rest;
    const uint8_t *master_key; /* NULL: secrets are not encrypted */
    const char *why;           /* the first thing that is wrong */
    int err;
};

static void bad(struct reader *in, const char *why) {
    if (in->err == 0) {
        in->err = -EBADMSG;
        in->why = why;
    }
    in->rest.len = 0;
}

static struct lb_slice take(struct reader *in, size_t n) {
    if (n > in->rest.len) {
        bad(in, "it is too short");
        return lb_slice("", 0);
    }
    struct lb_slice taken = lb_slice_first(in->rest, n);
    in->rest = lb_slice_from(in->rest, n);
    return taken;
}

static uint64_t get(struct reader *in, unsigned len) {
    struct lb_slice bytes = take(in, len);
    uint64_t v = 0;
    for (size_t i = bytes.len; i > 0; i--)
        v = v << 8 | (uint8_t)bytes.ptr[i - 1];
    return v;
}

static struct lb_slice get_text(struct reader *in) {
    return take(in, get(in, 1));
}

static bool get_flag(struct reader *in) {
    uint64_t flags = get(in, 1);
    if (flags > 1)
        bad(in, "it has flags that are not known");
    return flags & 1;
}

static int64_t get_time(struct reader *in) {
    int64_t t = (int64_t)get(in, 8);
    if (t < 0)
        bad(in, "it has a time before 1970");
    return t;
}

static void get_secret(struct reader *in, const struct user_record *r, struct user_key *key) {
    char names[ABOUT_MAX];
    size_t len = get(in, 1);
    struct lb_slice text = take(in, len + (in->master_key ? USERS_SEAL_LEN : 0));
    if (in->err == 0 && len > LB_SECRET_KEY_MAX)
        bad(in, "a secret is too long");
    if (in->err < 0)
        return;
    if (in->master_key) {
        int err = users_crypt_open(in->master_key, about(r->name, key->shown.access_key, names),
                                   text, (uint8_t *)key->secret_key);
        if (err == -EKEYREJECTED)
            bad(in, "a secret can't be decrypted");
        else if (err < 0)
            in->err = err;
    } else {
        memcpy(key->secret_key, text.ptr, len);
    }
    if (in->err == 0 && !users_secret_valid(lb_slice(key->secret_key, len)))
        bad(in, "a secret is not allowed");
}

static void get_key(struct reader *in, struct user_record *r) {
    struct user_key key = {0};
    struct lb_slice access_key = get_text(in);
    if (!users_key_valid(access_key)) {
        bad(in, "an access key is not allowed");
        return;
    }
    memcpy(key.shown.access_key, access_key.ptr, access_key.len);
    key.shown.disabled = get_flag(in);
    key.shown.created_s = get_time(in);
    key.shown.expires_s = get_time(in);
    get_secret(in, r, &key);
    if (r->keys_n && strcmp(r->keys[r->keys_n - 1].shown.access_key, key.shown.access_key) >= 0)
        bad(in, "access keys are not in order");
    if (in->err == 0)
        user_record_add_key(r, &key);
    explicit_bzero(&key, sizeof(key));
}

static void get_grant(struct reader *in, struct user_record *r) {
    struct lb_slice pattern = get_text(in);
    uint64_t rights = get(in, 1);
    if (!users_pattern_valid(pattern) || rights == 0 || rights > LB_RIGHTS_ALL)
        bad(in, "a grant is not allowed");
    else if (r->grants_n &&
             lb_slice_cmp(lb_slice_cstr(r->grants[r->grants_n - 1].pattern), pattern) >= 0)
        bad(in, "grants are not in order");
    else
        user_record_set_grant(r, pattern, (uint8_t)rights);
}

static struct user_record *get_record(struct reader *in) {
    struct lb_slice name = get_text(in);
    bool admin = get_flag(in);
    int64_t created_s = get_time(in);
    size_t keys_n = get(in, 2), grants_n = get(in, 2);
    if (in->err == 0 && !lb_users_name_valid(name))
        bad(in, "a name is not allowed");
    if (in->err == 0 && (keys_n > LB_USER_KEYS_MAX || grants_n > LB_GRANTS_MAX))
        bad(in, "a user has too many keys or grants");
    struct user_record *r = in->err ? NULL : user_record_new(name, keys_n, grants_n);
    if (!r) {
        in->err = in->err ? in->err : -ENOMEM;
        return NULL;
    }
    r->admin = admin;
    r->created_s = created_s;
    for (size_t i = 0; i < keys_n && in->err == 0; i++)
        get_key(in, r);
    for (size_t i = 0; i < grants_n && in->err == 0; i++)
        get_grant(in, r);
    return r;
}

/* A key that two users have, or a user that comes after one who should be behind him. */
static void check_among(struct reader *in, const struct users_state *s,
                        const struct user_record *r) {
    if (s->n && strcmp(s->users[s->n - 1]->name, r->name) >= 0)
        bad(in, "users are not in order");
    for (size_t i = 0; i < r->keys_n; i++) {
        if (lb_creds_find(s->creds, lb_slice_cstr(r->keys[i].shown.access_key)))
            bad(in, "an access key is there twice");
    }
}

/* The beginning of the file, with the seal by which a wrong key is known. */
static uint64_t get_header(struct reader *in, size_t len, const uint8_t *master_key) {
    static const uint8_t no_seal[USERS_SEAL_LEN];
    uint8_t nothing[1];
    uint64_t flags = get(in, 4);
    if (flags > FILE_ENCRYPTED)
        bad(in, "it has flags that are not known");
    if (get(in, 8) != len)
        bad(in, "it has another length than it should");
    uint64_t n = get(in, 4);
    struct lb_slice check = take(in, USERS_SEAL_LEN);
    if (n > LB_USERS_MAX)
        bad(in, "it has too many users");
    if (in->err == 0 && !(flags & FILE_ENCRYPTED) &&
        !lb_slice_eq(check, lb_slice(no_seal, USERS_SEAL_LEN)))
        bad(in, "it has a seal without encryption");
    if (in->err < 0 || !(flags & FILE_ENCRYPTED))
        return n;
    in->master_key = master_key;
    in->err = master_key ? users_crypt_open(master_key, CHECK, check, nothing) : -EKEYREJECTED;
    return n;
}

/* Magic, version and checksum. */
static void check_whole(struct reader *in, struct lb_slice file) {
    struct lb_digest crc;
    uint8_t given[CRC_LEN];
    if (!lb_slice_eq(take(in, MAGIC.len), MAGIC))
        bad(in, "it does not begin as one");
    uint64_t version = get(in, 4);
    if (in->err == 0 && version > VERSION)
        in->err = -EPROTONOSUPPORT;
    else if (version != VERSION)
        bad(in, "its version was never used");
    if (in->err < 0)
        return;
    if (file.len < HEADER_LEN + CRC_LEN) {
        bad(in, "it is too short");
        return;
    }
    lb_hash_once(LB_HASH_CRC32C, lb_slice_first(file, file.len - CRC_LEN), &crc);
    for (unsigned i = 0; i < CRC_LEN; i++)
        given[i] = (uint8_t)file.ptr[file.len - 1 - i];
    if (memcmp(given, crc.bytes, CRC_LEN) != 0)
        bad(in, "its checksum is wrong");
    in->rest.len -= in->rest.len ? CRC_LEN : 0;
}

int users_format_decode(struct lb_slice file, const uint8_t *master_key, struct users_state *s,
                        const char **ret_why) {
    struct reader in = {.rest = file};
    check_whole(&in, file);
    uint64_t n = in.err == 0 ? get_header(&in, file.len, master_key) : 0;
    for (uint64_t i = 0; i < n && in.err == 0; i++) {
        struct user_record *r = get_record(&in);
        if (r && in.err == 0)
            check_among(&in, s, r);
        if (in.err < 0)
            user_record_unref(r);
        else
            in.err = users_state_put(s, r);
    }
    if (in.err == 0 && in.rest.len)
        bad(&in, "there is more in it than there should be");
    if (in.err == -EBADMSG)
        *ret_why = in.why;
    return in.err;
}
