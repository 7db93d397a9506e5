/* Users, their keys and grants: what the control plane changes and the loops authenticate with.
 *
 * There are two sources. Users of the configuration are fixed: they are listed, and can't be
 * changed. All others are kept in one file (users-format.md has its layout), which a change writes
 * anew and puts in place of the old one, synced, before the call returns. Changes that come while
 * one is written go out together with the next write. What is in memory is what is in the file: a
 * change that can't be written has not happened.
 *
 * Every call may come from any thread, and several at once. A call that changes something blocks
 * until that is durable and in force: a request that begins after it sees it. None may come from a
 * loop's thread.
 *
 * Errors of the changes, all with one sentence for a person in why (borrowed, appended to; may be
 * NULL), which never holds a secret:
 *   -EINVAL   a name, key, secret, pattern or time that is not allowed
 *   -ENOENT   no such user, or key
 *   -EEXIST   the name is taken, or another user has the key
 *   -EALREADY this very user has the key
 *   -EBUSY    the user has keys, and force was not set
 *   -EPERM    the user comes from the configuration
 *   -E2BIG    the user has as many keys or grants as allowed, or there are too many users
 *   -ENOSPC, -EDQUOT  the disk is full; nothing was changed
 *   -EROFS    an earlier fsync failed: no change is taken until a restart
 *   -ENOMEM, other -errno  of writing; nothing was changed */
#ifndef LB_CONTROL_USERS_H
#define LB_CONTROL_USERS_H

#include "auth/creds.h"
#include "base/buf.h"

struct lb_vfs;
struct lb_users;

#define LB_USER_NAME_MAX 64
#define LB_USER_KEYS_MAX 32
#define LB_USERS_MAX 100000
#define LB_USERS_MASTER_KEY_LEN 32

/* ---- life ---- */

/* A user of the configuration. Borrowed. */
struct lb_users_fixed {
    const char *name;
    const char *access_key;
    const char *secret_key;
    bool admin;
};

struct lb_users_conf {
    struct lb_vfs *vfs;
    const char *path;          /* of the file; its directory is there */
    const uint8_t *master_key; /* LB_USERS_MASTER_KEY_LEN bytes that encrypt the secrets, or NULL */
    const struct lb_users_fixed *fixed; /* each name and key once */
    size_t fixed_n;
};

/* Reads the file (none: no users yet) and locks it against another server. conf is copied; vfs
 * outlives the users. Returns 0, or with one line in why that says what to do, and the file
 * untouched:
 *   -EBADMSG          damaged
 *   -EPROTONOSUPPORT  written by a newer lobos
 *   -EKEYREJECTED     encrypted, and there is no master key or it is another
 *   -EEXIST           a name or key is both in the file and in the configuration
 *   -EINVAL           a fixed user that is not allowed
 *   -EWOULDBLOCK      another server has it
 *   -ENOMEM, other -errno  of reading */
int lb_users_open(const struct lb_users_conf *conf, struct lb_buf *why, struct lb_users **ret);

/* Wipes and frees. No call may be running, and no reader of the box may be left. NULL is allowed.
 */
void lb_users_free(struct lb_users *u);

/* What the loops authenticate with. Lives as long as u. */
struct lb_creds_box *lb_users_box(struct lb_users *u);

/* Reads a master key: 64 hexadecimal digits or base64 of 32 bytes, and white space around it.
 * Returns 0 or -EINVAL. */
int lb_users_master_key_parse(struct lb_slice text, uint8_t ret[LB_USERS_MASTER_KEY_LEN]);

/* ---- what there is ---- */

struct lb_user_key {
    char access_key[LB_ACCESS_KEY_MAX + 1];
    int64_t created_s; /* seconds since 1970; 0: of the configuration */
    int64_t expires_s; /* 0: never */
    bool disabled;
};

/* A user, copied: owned by who asked. */
struct lb_user {
    char name[LB_USER_NAME_MAX + 1];
    bool admin;
    bool fixed; /* of the configuration */
    int64_t created_s;
    struct lb_user_key *keys; /* by access key */
    size_t keys_n;
    struct lb_grant *grants; /* by pattern */
    size_t grants_n;
};

struct lb_user_list {
    struct lb_user *users; /* by name */
    size_t n;
    bool more; /* there are others after the last */
};

/* Harmless on a zeroed one. */
void lb_user_fini(struct lb_user *user);
void lb_user_list_fini(struct lb_user_list *list);

/* Number of users, fixed ones included. */
size_t lb_users_count(struct lb_users *u);

/* The user of that name. Returns 0 and *ret owned, -ENOENT or -ENOMEM. */
int lb_users_get(struct lb_users *u, struct lb_slice name, struct lb_user *ret);

/* At most limit users whose names begin with prefix and come after `after` (empty: from the
 * first). Returns 0 and *ret owned, or -ENOMEM. */
int lb_users_list(struct lb_users *u, struct lb_slice prefix, struct lb_slice after, size_t limit,
                  struct lb_user_list *ret);

/* ---- changes; their errors are above ---- */

/* A key as it is asked for, and as it was made. */
struct lb_key_spec {
    struct lb_slice access_key; /* empty: made here, "LB" and 18 of 0-9 A-Z */
    struct lb_slice secret_key; /* empty: made here, 40 of 0-9 A-Z a-z + */
    int64_t expires_s;          /* 0: never; else in the future */
};

struct lb_new_key {
    char user[LB_USER_NAME_MAX + 1];
    struct lb_user_key key;
    char secret_key[LB_SECRET_KEY_MAX + 1]; /* shown once: wipe it (explicit_bzero) after use */
};

/* Is it a name that a user may have: 1 to 64 of letters, digits and . _ @ + = , - ; not "lobos" or
 * "anonymous", nor "." or ".."? */
bool lb_users_name_valid(struct lb_slice name);

/* Creates a user; with a key unless key is NULL. ret_key may be NULL only when key is. *ret is
 * owned by the caller; ret may be NULL. EINVAL EEXIST E2BIG. */
int lb_users_create(struct lb_users *u, struct lb_slice name, bool admin,
                    const struct lb_key_spec *key, struct lb_user *ret, struct lb_new_key *ret_key,
                    struct lb_buf *why);

/* Deletes a user with its grants; its keys, too, with force. What it owns stays, and would belong
 * to another user of the same name. ENOENT EBUSY EPERM. */
int lb_users_delete(struct lb_users *u, struct lb_slice name, bool force, struct lb_buf *why);

/* ENOENT EPERM. ret as above. */
int lb_users_set_admin(struct lb_users *u, struct lb_slice name, bool admin, struct lb_user *ret,
                       struct lb_buf *why);

/* Adds a key. EINVAL ENOENT EEXIST EALREADY EPERM E2BIG. */
int lb_users_key_create(struct lb_users *u, struct lb_slice name, const struct lb_key_spec *key,
                        struct lb_new_key *ret, struct lb_buf *why);

/* Adds a generated key to the user of access_key, which stays valid for keep_s more seconds (but
 * not beyond its own end) and is then refused; with 0 it is deleted now. Keys of that user that
 * have expired are deleted. EINVAL ENOENT EPERM E2BIG. */
int lb_users_key_rotate(struct lb_users *u, struct lb_slice access_key, int64_t keep_s,
                        struct lb_new_key *ret, struct lb_buf *why);

/* Disables or enables a key, or sets its end (0: never; the past: it is refused from now on). NULL:
 * as it is. Sets *ret_key, and ret_user (LB_USER_NAME_MAX + 1 bytes) to whose it is, unless NULL.
 * EINVAL ENOENT EPERM. */
int lb_users_key_set(struct lb_users *u, struct lb_slice access_key, const bool *disabled,
                     const int64_t *expires_s, char *ret_user, struct lb_user_key *ret_key,
                     struct lb_buf *why);

/* Deletes a key. name: whose it must be (else ENOENT); empty: anyone's. ENOENT EPERM. */
int lb_users_key_delete(struct lb_users *u, struct lb_slice name, struct lb_slice access_key,
                        struct lb_buf *why);

/* Grants rights (LB_RIGHT_ bits) on a bucket, or with "prefix*" on all whose names begin so; in
 * place of what the user was granted by the same pattern before. 0 revokes it (nothing to revoke is
 * no error). EINVAL ENOENT EPERM E2BIG. ret as above. */
int lb_users_set_grant(struct lb_users *u, struct lb_slice name, struct lb_slice pattern,
                       unsigned rights, struct lb_user *ret, struct lb_buf *why);

/* ---- users of the original lobos ---- */

struct lb_users_import {
    const char *dir; /* the original's data directory, with .__lobos__user__ in it */
    void (*say)(void *ctx, const char *line); /* what was imported, and what was not and why;
                                                 without secrets */
    void *ctx;
};

struct lb_users_imported {
    size_t users, keys; /* that are new */
    size_t skipped;     /* users and keys that were not imported */
};

/* Imports users and keys; all of them or, on an error, none. Those that are there already are left
 * alone, so it may be repeated. Imported users have no rights. Returns 0, -ENOENT when there are
 * none to import, or what a change returns. */
int lb_users_import(struct lb_users *u, const struct lb_users_import *conf,
                    struct lb_users_imported *ret);

#endif
