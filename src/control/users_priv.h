/* The inside of the users: immutable records, the states made of them, and their file.
 *
 * A state is all users at one time. There are up to three: the one in force (committed), the one
 * that is being written, and the one that the next changes go into (pending); they share records.
 * A state that more than one holds is not changed any more: the next change goes into a copy.
 * Counts of references are kept under the users' lock. */
#ifndef LB_CONTROL_USERS_PRIV_H
#define LB_CONTROL_USERS_PRIV_H

#include <pthread.h>

#include "control/users.h"
#include "io/vfs.h"

/* ---- users_record.c: one user; not changed any more once it is in a state ---- */

struct user_key {
    struct lb_user_key shown;
    char secret_key[LB_SECRET_KEY_MAX + 1];
    uint64_t epoch; /* of the secret, unique in this process */
};

struct user_record {
    unsigned refs;
    char name[LB_USER_NAME_MAX + 1];
    bool admin;
    bool fixed;
    int64_t created_s;
    struct user_key *keys; /* by access key; room for LB_USER_KEYS_MAX or keys_n + 1 */
    size_t keys_n;
    struct lb_grant *grants; /* by pattern; room for grants_n + 1 */
    size_t grants_n;
    char *blob; /* as it is in the file; NULL: not encoded yet */
    size_t blob_len;
};

/* A user without keys and grants, with room for so many. name is valid. Returns owned, or NULL
 * without memory. */
struct user_record *user_record_new(struct lb_slice name, size_t keys_n, size_t grants_n);
/* A copy to be changed, with room for one more key and grant, and no blob. */
struct user_record *user_record_copy(const struct user_record *r);
/* The last one wipes. NULL is allowed. */
void user_record_unref(struct user_record *r);

/* The key, or NULL. */
struct user_key *user_record_key(const struct user_record *r, struct lb_slice access_key);
/* Adds a key that is not there; gives it an epoch. There is room. */
void user_record_add_key(struct user_record *r, const struct user_key *key);
void user_record_remove_key(struct user_record *r, struct user_key *key);
/* Sets, replaces or (rights 0) removes the grant of that pattern. There is room. */
void user_record_set_grant(struct user_record *r, struct lb_slice pattern, uint8_t rights);
/* The user as it is shown. Returns 0 and *ret owned, or -ENOMEM. */
int user_record_show(const struct user_record *r, struct lb_user *ret);

/* ---- users_state.c ---- */

struct users_state {
    unsigned refs;
    size_t n, room;
    size_t fixed_n;
    struct user_record **users; /* by name */
    struct lb_creds *creds;     /* all their keys */
};

/* Returns owned, or NULL without memory. */
struct users_state *users_state_new(void);
struct users_state *users_state_copy(const struct users_state *s);
void users_state_unref(struct users_state *s);

/* The place of the first user whose name is not before name. */
size_t users_state_at(const struct users_state *s, struct lb_slice name);
/* The user of that name, or NULL. */
struct user_record *users_state_find(const struct users_state *s, struct lb_slice name);
/* Whose key it is, or NULL. */
struct user_record *users_state_find_key(const struct users_state *s, struct lb_slice access_key);
/* Puts a user in, in place of the one of that name, with its keys, which nobody else has; takes r
 * over. Only where nobody else holds s. Returns 0 or -ENOMEM: then s is of no use any more. */
int users_state_put(struct users_state *s, struct user_record *r);
/* Takes a user out, with its keys. */
void users_state_remove(struct users_state *s, struct user_record *r);

/* ---- users_format.c: the file; users-format.md has its layout ---- */

/* Makes r->blob, if there is none. master_key: encrypts the secrets; or NULL. Returns 0 or -ENOMEM.
 */
int users_format_record(struct user_record *r, const uint8_t *master_key);
/* Appends the whole file. All records but the fixed ones have blobs made with that master key. An
 * error sticks to ret. */
void users_format_encode(const struct users_state *s, const uint8_t *master_key,
                         struct lb_buf *ret);
/* Reads a file into s, which is empty. Returns 0; -EBADMSG, with *ret_why a few words (static);
 * -EPROTONOSUPPORT; -EKEYREJECTED; -ENOMEM. */
int users_format_decode(struct lb_slice file, const uint8_t *master_key, struct users_state *s,
                        const char **ret_why);

/* ---- users_crypt.c ---- */

#define USERS_NONCE_LEN 12
#define USERS_TAG_LEN 16
#define USERS_SEAL_LEN (USERS_NONCE_LEN + USERS_TAG_LEN) /* beside the text */

/* AES-256-GCM with a random nonce. ret: nonce, text, tag: plain.len + USERS_SEAL_LEN bytes. about:
 * what it belongs to; needed to open it again. Returns 0 or -ENOMEM. */
int users_crypt_seal(const uint8_t *master_key, struct lb_slice about, struct lb_slice plain,
                     uint8_t *ret);
/* ret: sealed.len - USERS_SEAL_LEN bytes (sealed has at least that many). Returns 0, -EKEYREJECTED
 * (another key, or damaged) or -ENOMEM. */
int users_crypt_open(const uint8_t *master_key, struct lb_slice about, struct lb_slice sealed,
                     uint8_t *ret);

/* ---- users_keys.c: what is allowed, and new keys ---- */

bool users_key_valid(struct lb_slice access_key);
bool users_secret_valid(struct lb_slice secret_key);
bool users_pattern_valid(struct lb_slice pattern);
/* 20 and 40 characters, from the system's random source, and a NUL. */
void users_make_access_key(char *ret);
void users_make_secret_key(char *ret);

/* ---- users_store.c: the file on the disk ---- */

struct users_store {
    struct lb_vfs *vfs;
    int dir;          /* descriptor */
    int lock;         /* descriptor */
    char *path;       /* for messages; owned */
    const char *name; /* its last component */
    bool broken;      /* what is on the disk is not known; no more writes */
};

/* Opens the directory and locks. Returns 0, -EWOULDBLOCK or -errno; users_store_fini in any case.
 */
int users_store_init(struct users_store *st, struct lb_vfs *vfs, const char *path);
void users_store_fini(struct users_store *st);
/* Appends the file. Returns 0, -ENOENT, -EBADMSG (absurdly large) or -errno. */
int users_store_read(struct users_store *st, struct lb_buf *ret);
/* Puts a new file in place, durably. Returns 0 or -errno: the old one is in place, or (then -EROFS
 * from now on) it is not known which. */
int users_store_write(struct users_store *st, struct lb_slice file);

/* ---- users.c ---- */

struct lb_users {
    pthread_mutex_t lock; /* of everything but store and box */
    pthread_cond_t written;
    struct lb_creds_box box;
    struct users_store store; /* of the thread that writes */
    bool has_master_key;
    uint8_t master_key[LB_USERS_MASTER_KEY_LEN];
    struct users_state *committed;
    struct users_state *pending;
    struct users_state *writing; /* by a thread that has given up the lock; else NULL */
    struct users_batch *batch;   /* of the changes that the next write carries; NULL: none */
};

/* The master key, or NULL. */
const uint8_t *users_master_key(const struct lb_users *u);

/* The following with the lock held; users_wait gives it up meanwhile.
 *
 * users_change puts a user (taken over) into the pending state: returns 0, and then users_wait must
 * be called; or -errno, and nothing is changed. users_wait waits until the pending state is durable
 * and in force: returns 0, or -errno and nothing was changed. users_put does both, users_remove the
 * same with a user that is in the pending state. */
int users_change(struct lb_users *u, struct user_record *r);
int users_wait(struct lb_users *u);
int users_put(struct lb_users *u, struct user_record *r);
int users_remove(struct lb_users *u, struct user_record *r);
/* Takes back all changes that no write carries yet; their calls return err. */
void users_roll_back(struct lb_users *u, int err);

#endif
