/* The users' life: opening, reading, and how changes become durable.
 *
 * The first of those who wait writes for all: it takes the pending state, gives up the lock, writes
 * the file and puts the state in force. Who comes meanwhile changes a copy, and one of them writes
 * next. A write that fails fails all who wait, also those who came later, since their changes were
 * made on top. */
#include <errno.h>
#include <stdlib.h>

#include "control/users_priv.h"

#define FILE_MAX ((size_t)1 << 30)

/* Changes that one write carries. */
struct users_batch {
    unsigned refs; /* calls that wait for it */
    bool done;
    int err;
};

const uint8_t *users_master_key(const struct lb_users *u) {
    return u->has_master_key ? u->master_key : NULL;
}

/* ---- opening ---- */

static int fail(struct lb_buf *why, int err, const char *path, const char *text) {
    lb_buf_printf(why, "the users file %s %s", path, text);
    return err;
}

static int add_fixed(struct users_state *s, const struct lb_users_fixed *f, struct lb_buf *why) {
    struct lb_slice name = lb_slice_cstr(f->name), key = lb_slice_cstr(f->access_key),
                    secret = lb_slice_cstr(f->secret_key);
    struct user_key added = {0};
    if (name.len == 0 || name.len > LB_USER_NAME_MAX || key.len > LB_ACCESS_KEY_MAX ||
        secret.len == 0 || secret.len > LB_SECRET_KEY_MAX) {
        lb_buf_printf(why, "the user %s of the configuration: name or key is too long", f->name);
        return -EINVAL;
    }
    if (users_state_find(s, name) || lb_creds_find(s->creds, key)) {
        lb_buf_printf(why,
                      "the user %s, or its access key, is in the configuration and in the users "
                      "file, too: take it out of the configuration",
                      f->name);
        return -EEXIST;
    }
    struct user_record *r = user_record_new(name, 1, 0);
    if (!r)
        return -ENOMEM;
    r->admin = f->admin;
    r->fixed = true;
    memcpy(added.shown.access_key, key.ptr, key.len);
    memcpy(added.secret_key, secret.ptr, secret.len);
    user_record_add_key(r, &added);
    explicit_bzero(&added, sizeof(added));
    int err = users_state_put(s, r);
    if (err == -EINVAL)
        lb_buf_printf(why, "the key of user %s of the configuration is not allowed", f->name);
    return err;
}

static int decode(struct lb_users *u, struct lb_slice file, struct lb_buf *why) {
    const char *reason = "", *path = u->store.path;
    int err = users_format_decode(file, users_master_key(u), u->committed, &reason);
    for (size_t i = 0; i < u->committed->n && err == 0; i++)
        err = users_format_record(u->committed->users[i], users_master_key(u));
    switch (err) {
    case -EBADMSG:
        lb_buf_printf(why,
                      "the users file %s is damaged (%s) and was left as it is: put a copy from a "
                      "backup in its place, or move it away to begin without users",
                      path, reason);
        return err;
    case -EPROTONOSUPPORT:
        return fail(why, err, path, "was written by a newer lobos and was left as it is: use that");
    case -EKEYREJECTED:
        return fail(why, err, path,
                    users_master_key(u)
                        ? "was encrypted with another master key than that of LOBOS_MASTER_KEY or "
                          "master_key_file"
                        : "is encrypted: give its master key, by LOBOS_MASTER_KEY or "
                          "master_key_file");
    default:
        return err;
    }
}

static int load(struct lb_users *u, struct lb_buf *why) {
    struct lb_buf file;
    lb_buf_init(&file, FILE_MAX + 1);
    int err = users_store_read(&u->store, &file);
    if (err == 0)
        err = decode(u, lb_buf_slice(&file), why);
    else if (err == -EBADMSG)
        fail(why, err, u->store.path, "is no ordinary file, or far too large");
    else if (err == -ENOENT)
        err = 0; /* no users yet */
    if (file.ptr)
        explicit_bzero(file.ptr, file.len);
    lb_buf_fini(&file);
    return err;
}

static int open_store(struct lb_users *u, const struct lb_users_conf *conf, struct lb_buf *why) {
    int err = users_store_init(&u->store, conf->vfs, conf->path);
    if (err == -EWOULDBLOCK)
        fail(why, err, conf->path, "is in use by another lobos");
    return err;
}

int lb_users_open(const struct lb_users_conf *conf, struct lb_buf *why, struct lb_users **ret) {
    struct lb_users *u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->written, NULL);
    u->has_master_key = conf->master_key != NULL;
    if (conf->master_key)
        memcpy(u->master_key, conf->master_key, sizeof(u->master_key));
    u->committed = users_state_new();
    int err = open_store(u, conf, why);
    if (err == 0)
        err = u->committed ? load(u, why) : -ENOMEM;
    for (size_t i = 0; i < conf->fixed_n && err == 0; i++)
        err = add_fixed(u->committed, &conf->fixed[i], why);
    if (err < 0) {
        if (why->len == 0)
            lb_buf_printf(why, "the users file %s can't be opened: %s", conf->path, strerror(-err));
        lb_users_free(u);
        return err;
    }
    u->pending = u->committed;
    u->pending->refs++;
    lb_creds_box_init(&u->box, lb_creds_ref(u->committed->creds));
    *ret = u;
    return 0;
}

void lb_users_free(struct lb_users *u) {
    if (!u)
        return;
    if (u->box.set)
        lb_creds_box_fini(&u->box);
    free(u->batch);
    users_state_unref(u->pending);
    users_state_unref(u->committed);
    users_store_fini(&u->store);
    pthread_cond_destroy(&u->written);
    pthread_mutex_destroy(&u->lock);
    explicit_bzero(u->master_key, sizeof(u->master_key));
    free(u);
}

struct lb_creds_box *lb_users_box(struct lb_users *u) {
    return &u->box;
}

/* ---- writing ---- */

static int write_state(struct lb_users *u, const struct users_state *s) {
    struct lb_buf file;
    lb_buf_init(&file, FILE_MAX);
    users_format_encode(s, users_master_key(u), &file);
    int err = file.err ? file.err : users_store_write(&u->store, lb_buf_slice(&file));
    if (file.ptr)
        explicit_bzero(file.ptr, file.len);
    lb_buf_fini(&file);
    return err;
}

/* Back to what is in force, or about to be; who has changed something since then is told. */
void users_roll_back(struct lb_users *u, int err) {
    struct users_batch *batch = u->batch;
    u->batch = NULL;
    if (batch && batch->refs == 0) {
        free(batch);
    } else if (batch) {
        batch->done = true;
        batch->err = err;
    }
    users_state_unref(u->pending);
    u->pending = u->writing ? u->writing : u->committed;
    u->pending->refs++;
    pthread_cond_broadcast(&u->written);
}

static void write_waiting(struct lb_users *u) {
    struct users_state *s = u->pending;
    struct users_batch *batch = u->batch;
    u->batch = NULL;
    s->refs++;
    u->writing = s;
    pthread_mutex_unlock(&u->lock);
    int err = write_state(u, s);
    pthread_mutex_lock(&u->lock);
    u->writing = NULL;
    batch->done = true;
    batch->err = err;
    if (err < 0) {
        users_roll_back(u, err);
        users_state_unref(s);
    } else {
        users_state_unref(u->committed);
        u->committed = s;
        lb_creds_box_put(&u->box, lb_creds_ref(s->creds));
    }
    pthread_cond_broadcast(&u->written);
}

/* The pending state holds a change: waits until it is durable. */
int users_wait(struct lb_users *u) {
    struct users_batch *batch = u->batch;
    batch->refs++;
    while (!batch->done) {
        if (u->writing)
            pthread_cond_wait(&u->written, &u->lock);
        else
            write_waiting(u);
    }
    int err = batch->err;
    if (--batch->refs == 0)
        free(batch);
    return err;
}

/* Makes the pending state one that may be changed, and a batch for the change. */
static int make_pending(struct lb_users *u) {
    if (!u->batch)
        u->batch = calloc(1, sizeof(*u->batch));
    if (!u->batch)
        return -ENOMEM;
    if (u->pending->refs == 1)
        return 0;
    struct users_state *s = users_state_copy(u->pending);
    if (!s)
        return -ENOMEM;
    users_state_unref(u->pending);
    u->pending = s;
    return 0;
}

int users_change(struct lb_users *u, struct user_record *r) {
    int err = users_format_record(r, users_master_key(u));
    if (err == 0)
        err = make_pending(u);
    if (err < 0) {
        user_record_unref(r);
        return err;
    }
    err = users_state_put(u->pending, r);
    if (err < 0)
        users_roll_back(u, err);
    return err;
}

int users_put(struct lb_users *u, struct user_record *r) {
    int err = users_change(u, r);
    return err < 0 ? err : users_wait(u);
}

int users_remove(struct lb_users *u, struct user_record *r) {
    int err = make_pending(u);
    if (err < 0)
        return err;
    users_state_remove(u->pending, r);
    return users_wait(u);
}

/* ---- reading ---- */

size_t lb_users_count(struct lb_users *u) {
    pthread_mutex_lock(&u->lock);
    size_t n = u->committed->n;
    pthread_mutex_unlock(&u->lock);
    return n;
}

int lb_users_get(struct lb_users *u, struct lb_slice name, struct lb_user *ret) {
    pthread_mutex_lock(&u->lock);
    const struct user_record *r = users_state_find(u->committed, name);
    int err = r ? user_record_show(r, ret) : -ENOENT;
    pthread_mutex_unlock(&u->lock);
    return err;
}

static int list(const struct users_state *s, struct lb_slice prefix, struct lb_slice after,
                size_t limit, struct lb_user_list *ret) {
    struct lb_user_list l = {.users =
                                 calloc(limit < s->n ? limit + 1 : s->n + 1, sizeof(*l.users))};
    if (!l.users)
        return -ENOMEM;
    size_t i = users_state_at(s, lb_slice_cmp(prefix, after) > 0 ? prefix : after);
    if (after.len && i < s->n && lb_slice_eq(lb_slice_cstr(s->users[i]->name), after))
        i++;
    for (; i < s->n && lb_slice_starts_with(lb_slice_cstr(s->users[i]->name), prefix); i++) {
        l.more = l.n == limit;
        if (l.more)
            break;
        int err = user_record_show(s->users[i], &l.users[l.n]);
        if (err < 0) {
            lb_user_list_fini(&l);
            return err;
        }
        l.n++;
    }
    *ret = l;
    return 0;
}

int lb_users_list(struct lb_users *u, struct lb_slice prefix, struct lb_slice after, size_t limit,
                  struct lb_user_list *ret) {
    pthread_mutex_lock(&u->lock);
    struct users_state *s = u->committed;
    s->refs++;
    pthread_mutex_unlock(&u->lock);
    int err = list(s, prefix, after, limit, ret);
    pthread_mutex_lock(&u->lock);
    users_state_unref(s);
    pthread_mutex_unlock(&u->lock);
    return err;
}
