/* Users of the original lobos: a folder for each, in it an empty file for each key, named
 * <key>_<secret>_<backend>. File names hold secrets: none of them is said. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "control/users_priv.h"

#define FOLDER ".__lobos__user__"
#define LINE_MAX_LEN 512

struct import {
    struct lb_users *u;
    struct lb_vfs *vfs;
    int folder;
    const struct lb_users_import *conf;
    struct lb_users_imported done;
    bool changed;
    struct user_record *user; /* whose folder is read */
};

__attribute__((format(printf, 2, 3))) static void say(struct import *im, const char *format, ...) {
    char line[LINE_MAX_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    im->conf->say(im->conf->ctx, line);
}

static void skip(struct import *im, struct lb_slice key, const char *why) {
    im->done.skipped++;
    say(im, "%s: %.*s skipped: %s", im->user->name, LB_SLICE_ARG(key.len ? key : LB_S("a key")),
        why);
}

/* The parts of a file name. Where a key or a secret holds an underscore, nobody can tell which. */
static bool split(struct lb_slice name, struct lb_slice *ret_key, struct lb_slice *ret_secret,
                  struct lb_slice *ret_backend) {
    *ret_key = lb_slice_cut(&name, '_');
    *ret_secret = lb_slice_cut(&name, '_');
    *ret_backend = name;
    return name.ptr && lb_slice_find(name, '_') < 0;
}

static const char *why_not(const struct import *im, struct lb_slice key, struct lb_slice secret,
                           struct lb_slice backend) {
    if (!lb_slice_eq(backend, LB_S("lobos")))
        return "it is of another backend";
    if (!users_key_valid(key) || !users_secret_valid(secret))
        return "key or secret has characters that are not allowed";
    if (user_record_key(im->user, key))
        return "the user has it already";
    if (lb_creds_find(im->u->pending->creds, key))
        return "another user has it";
    return im->user->keys_n < LB_USER_KEYS_MAX ? NULL : "the user has too many";
}

static int on_key(void *ctx, const char *file, size_t len, enum lb_vfs_type type) {
    struct import *im = ctx;
    struct lb_slice key, secret, backend;
    struct user_key added = {.shown = {.created_s = time(NULL)}};
    if (!split(lb_slice(file, len), &key, &secret, &backend)) {
        skip(im, LB_S(""), "its file's name is not KEY_SECRET_BACKEND with two underscores");
        return 0;
    }
    const char *why = why_not(im, key, secret, backend);
    if (why) {
        skip(im, users_key_valid(key) ? key : LB_S(""), why);
        return 0;
    }
    memcpy(added.shown.access_key, key.ptr, key.len);
    memcpy(added.secret_key, secret.ptr, secret.len);
    user_record_add_key(im->user, &added);
    explicit_bzero(&added, sizeof(added));
    im->done.keys++;
    say(im, "%s: %.*s imported", im->user->name, LB_SLICE_ARG(key));
    return 0;
}

/* A record with room for as many keys as there may be. */
static struct user_record *record_of(struct import *im, struct lb_slice name) {
    const struct user_record *old = users_state_find(im->u->pending, name);
    struct user_record *r = user_record_new(name, LB_USER_KEYS_MAX, old ? old->grants_n : 0);
    if (!r || !old) {
        if (r)
            r->created_s = time(NULL);
        return r;
    }
    r->admin = old->admin;
    r->created_s = old->created_s;
    memcpy(r->keys, old->keys, old->keys_n * sizeof(*r->keys));
    memcpy(r->grants, old->grants, old->grants_n * sizeof(*r->grants));
    r->keys_n = old->keys_n;
    r->grants_n = old->grants_n;
    return r;
}

static int read_keys(struct import *im, const char *name) {
    struct lb_vfs *v = im->vfs;
    int fd = v->ops->open(v, im->folder, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = v->ops->readdir(v, fd, on_key, im);
    v->ops->close(v, fd);
    return err;
}

static int import_user(struct import *im, struct lb_slice name, const char *folder) {
    const struct user_record *old = users_state_find(im->u->pending, name);
    size_t keys = im->done.keys;
    if (!old && im->u->pending->n >= LB_USERS_MAX)
        return -E2BIG;
    im->user = record_of(im, name);
    if (!im->user)
        return -ENOMEM;
    int err = read_keys(im, folder);
    if (err < 0 || (old && keys == im->done.keys)) {
        user_record_unref(im->user);
        return err;
    }
    im->done.users += !old;
    im->changed = true;
    if (!old)
        say(im, "%s: imported, without rights", im->user->name);
    return users_change(im->u, im->user);
}

static int on_user(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct import *im = ctx;
    struct lb_slice user = lb_slice(name, len);
    const struct user_record *old = users_state_find(im->u->pending, user);
    if (!lb_users_name_valid(user) || (old && old->fixed)) {
        im->done.skipped++;
        say(im, "%.*s skipped: %s", LB_SLICE_ARG(lb_slice_first(user, LB_USER_NAME_MAX)),
            old ? "the configuration has a user of that name" : "the name is not allowed");
        return 0;
    }
    int err = import_user(im, user, name);
    if (err != -ENOTDIR)
        return err;
    im->done.skipped++;
    say(im, "%s skipped: it is no folder", name);
    return 0;
}

static int import_folder(struct import *im, int dir) {
    struct lb_vfs *v = im->vfs;
    im->folder = v->ops->open(v, dir, FOLDER, O_RDONLY | O_DIRECTORY, 0);
    if (im->folder < 0)
        return im->folder;
    pthread_mutex_lock(&im->u->lock);
    int err = v->ops->readdir(v, im->folder, on_user, im);
    if (err < 0)
        users_roll_back(im->u, err);
    else if (im->changed)
        err = users_wait(im->u);
    pthread_mutex_unlock(&im->u->lock);
    v->ops->close(v, im->folder);
    return err;
}

int lb_users_import(struct lb_users *u, const struct lb_users_import *conf,
                    struct lb_users_imported *ret) {
    struct lb_vfs *v = u->store.vfs;
    struct import im = {.u = u, .vfs = v, .conf = conf};
    int dir = v->ops->open(v, -1, conf->dir, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return dir;
    int err = import_folder(&im, dir);
    v->ops->close(v, dir);
    if (err == 0)
        *ret = im.done;
    return err;
}
