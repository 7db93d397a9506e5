/* What the control plane can change. Each change is decided against the pending state, so that of
 * two that contradict each other the second is refused, though the first is not yet written. */
#include <errno.h>
#include <time.h>

#include "base/err.h"
#include "control/users_priv.h"

#define KEEP_MAX_S (100 * 365 * 86400ll)

static int refuse(struct lb_buf *why, int err, const char *text) {
    if (why)
        lb_buf_append(why, lb_slice_cstr(text));
    return err;
}

static int refuse_named(struct lb_buf *why, int err, const char *what, struct lb_slice name,
                        const char *text) {
    if (why)
        lb_buf_printf(why, "%s %.*s %s", what, LB_SLICE_ARG(lb_slice_first(name, 128)), text);
    return err;
}

/* The end of a change that was written, or could not be. */
static int written(struct lb_users *u, int err, struct lb_buf *why) {
    pthread_mutex_unlock(&u->lock);
    if (err == -EROFS)
        return refuse(why, err,
                      "an earlier change of the users file may not have reached the disk: see the "
                      "server's log and restart it");
    if (err == -ENOSPC || err == -EDQUOT)
        return refuse(why, err, "the disk is full: nothing was changed");
    if (err < 0 && why)
        lb_buf_printf(why, "the users file could not be written (%s): nothing was changed",
                      lb_err_name(err));
    return err;
}

/* The end of a change that is not made. */
static int unlock(struct lb_users *u, int err) {
    pthread_mutex_unlock(&u->lock);
    return err;
}

static int check_fixed(const struct user_record *r, struct lb_buf *why) {
    if (!r->fixed)
        return 0;
    return refuse_named(why, -EPERM, "user", lb_slice_cstr(r->name),
                        "comes from the server's configuration: change it there");
}

/* A copy of the user to be changed. ENOENT EPERM ENOMEM. */
static int edit(struct lb_users *u, struct lb_slice name, struct lb_buf *why,
                struct user_record **ret) {
    const struct user_record *r = users_state_find(u->pending, name);
    int err = r ? check_fixed(r, why) : refuse_named(why, -ENOENT, "user", name, "does not exist");
    if (err < 0)
        return err;
    *ret = user_record_copy(r);
    return *ret ? 0 : refuse(why, -ENOMEM, "no memory");
}

/* The same for the user who has a key. */
static int edit_by_key(struct lb_users *u, struct lb_slice access_key, struct lb_buf *why,
                       struct user_record **ret) {
    const struct user_record *r = users_state_find_key(u->pending, access_key);
    if (!r)
        return refuse_named(why, -ENOENT, "access key", access_key, "does not exist");
    return edit(u, lb_slice_cstr(r->name), why, ret);
}

/* Puts the changed user in, shows it as it is then, and unlocks. */
static int put_and_show(struct lb_users *u, struct user_record *r, struct lb_user *ret,
                        struct lb_buf *why) {
    struct lb_user shown = {0};
    if (ret && user_record_show(r, &shown) < 0) {
        user_record_unref(r);
        return unlock(u, refuse(why, -ENOMEM, "no memory"));
    }
    int err = users_put(u, r);
    if (err < 0)
        lb_user_fini(&shown);
    else if (ret)
        *ret = shown;
    return written(u, err, why);
}

/* ---- users ---- */

static int make_key(const struct lb_users *u, const struct lb_key_spec *spec,
                    const struct user_record *r, struct lb_buf *why, struct user_key *ret);

/* A record with its first key. */
static int make_user(struct lb_users *u, struct lb_slice name, bool admin,
                     const struct lb_key_spec *spec, struct lb_buf *why, struct user_record **ret) {
    struct user_key key = {0};
    if (!lb_users_name_valid(name))
        return refuse(why, -EINVAL,
                      "a user's name is 1 to 64 letters, digits and . _ @ + = , - and not "
                      "\"lobos\" or \"anonymous\"");
    if (users_state_find(u->pending, name))
        return refuse_named(why, -EEXIST, "user", name, "exists");
    if (u->pending->n >= LB_USERS_MAX)
        return refuse(why, -E2BIG, "there are as many users as there may be");
    struct user_record *r = user_record_new(name, 1, 0);
    if (!r)
        return refuse(why, -ENOMEM, "no memory");
    r->admin = admin;
    r->created_s = time(NULL);
    int err = spec ? make_key(u, spec, r, why, &key) : 0;
    if (err < 0) {
        user_record_unref(r);
        return err;
    }
    if (spec)
        user_record_add_key(r, &key);
    explicit_bzero(&key, sizeof(key));
    *ret = r;
    return 0;
}

static void show_new(const struct user_record *r, const struct user_key *key,
                     struct lb_new_key *ret) {
    strcpy(ret->user, r->name);
    ret->key = key->shown;
    strcpy(ret->secret_key, key->secret_key);
}

int lb_users_create(struct lb_users *u, struct lb_slice name, bool admin,
                    const struct lb_key_spec *key, struct lb_user *ret, struct lb_new_key *ret_key,
                    struct lb_buf *why) {
    struct user_record *r = NULL;
    struct lb_new_key made;
    pthread_mutex_lock(&u->lock);
    int err = make_user(u, name, admin, key, why, &r);
    if (err < 0)
        return unlock(u, err);
    if (key)
        show_new(r, &r->keys[0], &made);
    err = put_and_show(u, r, ret, why);
    if (err == 0 && key)
        *ret_key = made;
    explicit_bzero(&made, sizeof(made));
    return err;
}

int lb_users_delete(struct lb_users *u, struct lb_slice name, bool force, struct lb_buf *why) {
    pthread_mutex_lock(&u->lock);
    struct user_record *r = users_state_find(u->pending, name);
    int err = r ? check_fixed(r, why) : refuse_named(why, -ENOENT, "user", name, "does not exist");
    if (err == 0 && r->keys_n && !force)
        err = refuse_named(why, -EBUSY, "user", name, "has keys: delete them first, or force it");
    if (err < 0)
        return unlock(u, err);
    return written(u, users_remove(u, r), why);
}

int lb_users_set_admin(struct lb_users *u, struct lb_slice name, bool admin, struct lb_user *ret,
                       struct lb_buf *why) {
    struct user_record *r = NULL;
    pthread_mutex_lock(&u->lock);
    int err = edit(u, name, why, &r);
    if (err < 0)
        return unlock(u, err);
    r->admin = admin;
    return put_and_show(u, r, ret, why);
}

int lb_users_set_grant(struct lb_users *u, struct lb_slice name, struct lb_slice pattern,
                       unsigned rights, struct lb_user *ret, struct lb_buf *why) {
    struct user_record *r = NULL;
    if (!users_pattern_valid(pattern))
        return refuse(why, -EINVAL,
                      "a grant is for a bucket's name, or the beginning of names followed by *");
    if (rights & ~(unsigned)LB_RIGHTS_ALL)
        return refuse(why, -EINVAL, "there is no such right");
    pthread_mutex_lock(&u->lock);
    int err = edit(u, name, why, &r);
    if (err < 0)
        return unlock(u, err);
    user_record_set_grant(r, pattern, (uint8_t)rights);
    if (r->grants_n > LB_GRANTS_MAX) {
        user_record_unref(r);
        return unlock(u, refuse_named(why, -E2BIG, "user", name,
                                      "has as many grants as there may be: use prefixes"));
    }
    return put_and_show(u, r, ret, why);
}

/* ---- keys ---- */

static int check_key_spec(const struct lb_key_spec *spec, struct lb_buf *why) {
    if (spec->access_key.len && !users_key_valid(spec->access_key))
        return refuse(why, -EINVAL,
                      "an access key is at most 128 printable characters without space, comma "
                      "and slash");
    if (spec->secret_key.len && !users_secret_valid(spec->secret_key))
        return refuse(why, -EINVAL,
                      "a secret key is at most 128 printable characters without space");
    if (spec->expires_s && spec->expires_s <= time(NULL))
        return refuse(why, -EINVAL, "the end of the key's validity is not in the future");
    return 0;
}

/* Makes the key that is asked for, for a user that it is not yet added to. EINVAL EEXIST EALREADY
 * E2BIG. */
static int make_key(const struct lb_users *u, const struct lb_key_spec *spec,
                    const struct user_record *r, struct lb_buf *why, struct user_key *ret) {
    struct user_key key = {.shown = {.created_s = time(NULL), .expires_s = spec->expires_s}};
    int err = check_key_spec(spec, why);
    if (err < 0)
        return err;
    if (user_record_key(r, spec->access_key))
        return refuse(why, -EALREADY, "the user has this access key");
    if (lb_creds_find(u->pending->creds, spec->access_key))
        return refuse(why, -EEXIST, "another user has this access key");
    if (r->keys_n >= LB_USER_KEYS_MAX)
        return refuse(why, -E2BIG, "the user has as many keys as there may be: delete one first");
    if (spec->access_key.len)
        memcpy(key.shown.access_key, spec->access_key.ptr, spec->access_key.len);
    while (spec->access_key.len == 0 &&
           (!key.shown.access_key[0] ||
            lb_creds_find(u->pending->creds, lb_slice_cstr(key.shown.access_key))))
        users_make_access_key(key.shown.access_key);
    if (spec->secret_key.len)
        memcpy(key.secret_key, spec->secret_key.ptr, spec->secret_key.len);
    else
        users_make_secret_key(key.secret_key);
    *ret = key;
    explicit_bzero(&key, sizeof(key));
    return 0;
}

/* Makes a key and puts the user in with it; takes r over, and unlocks. */
static int put_with_key(struct lb_users *u, struct user_record *r, const struct lb_key_spec *spec,
                        struct lb_new_key *ret, struct lb_buf *why) {
    struct user_key key = {0};
    struct lb_new_key made;
    int err = make_key(u, spec, r, why, &key);
    if (err < 0) {
        user_record_unref(r);
        return unlock(u, err);
    }
    user_record_add_key(r, &key);
    show_new(r, &key, &made);
    err = written(u, users_put(u, r), why);
    if (err == 0)
        *ret = made;
    explicit_bzero(&key, sizeof(key));
    explicit_bzero(&made, sizeof(made));
    return err;
}

int lb_users_key_create(struct lb_users *u, struct lb_slice name, const struct lb_key_spec *key,
                        struct lb_new_key *ret, struct lb_buf *why) {
    struct user_record *r = NULL;
    pthread_mutex_lock(&u->lock);
    int err = edit(u, name, why, &r);
    return err < 0 ? unlock(u, err) : put_with_key(u, r, key, ret, why);
}

static void remove_expired(struct user_record *r, int64_t now_s) {
    for (size_t i = r->keys_n; i > 0; i--) {
        struct user_key *key = &r->keys[i - 1];
        if (key->shown.expires_s && key->shown.expires_s <= now_s)
            user_record_remove_key(r, key);
    }
}

int lb_users_key_rotate(struct lb_users *u, struct lb_slice access_key, int64_t keep_s,
                        struct lb_new_key *ret, struct lb_buf *why) {
    const struct lb_key_spec fresh = {0};
    struct user_record *r = NULL;
    int64_t end_s = time(NULL) + keep_s;
    if (keep_s < 0 || keep_s > KEEP_MAX_S)
        return refuse(why, -EINVAL, "a key is kept for 0 to 3153600000 seconds");
    pthread_mutex_lock(&u->lock);
    int err = edit_by_key(u, access_key, why, &r);
    if (err < 0)
        return unlock(u, err);
    struct user_key *old = user_record_key(r, access_key);
    if (old->shown.expires_s == 0 || old->shown.expires_s > end_s)
        old->shown.expires_s = end_s;
    remove_expired(r, end_s - keep_s);
    return put_with_key(u, r, &fresh, ret, why);
}

int lb_users_key_set(struct lb_users *u, struct lb_slice access_key, const bool *disabled,
                     const int64_t *expires_s, char *ret_user, struct lb_user_key *ret_key,
                     struct lb_buf *why) {
    struct user_record *r = NULL;
    char name[LB_USER_NAME_MAX + 1];
    if (expires_s && *expires_s < 0)
        return refuse(why, -EINVAL, "the end of a key's validity is a time since 1970, or 0");
    pthread_mutex_lock(&u->lock);
    int err = edit_by_key(u, access_key, why, &r);
    if (err < 0)
        return unlock(u, err);
    struct user_key *key = user_record_key(r, access_key);
    if (disabled)
        key->shown.disabled = *disabled;
    if (expires_s)
        key->shown.expires_s = *expires_s;
    struct lb_user_key shown = key->shown;
    strcpy(name, r->name);
    err = written(u, users_put(u, r), why);
    if (err == 0 && ret_user)
        strcpy(ret_user, name);
    if (err == 0 && ret_key)
        *ret_key = shown;
    return err;
}

int lb_users_key_delete(struct lb_users *u, struct lb_slice name, struct lb_slice access_key,
                        struct lb_buf *why) {
    struct user_record *r = NULL;
    pthread_mutex_lock(&u->lock);
    int err = name.len ? edit(u, name, why, &r) : edit_by_key(u, access_key, why, &r);
    if (err < 0)
        return unlock(u, err);
    struct user_key *key = user_record_key(r, access_key);
    if (!key) {
        user_record_unref(r);
        return unlock(
            u, refuse_named(why, -ENOENT, "access key", access_key, "is none of this user's"));
    }
    user_record_remove_key(r, key);
    return written(u, users_put(u, r), why);
}
