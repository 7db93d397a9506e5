#include "server/import.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "io/vfs.h"
#include "s3/s3.h"
#include "server/users.h"

#define BUCKET_FILE ".__lobos__bucket__" /* an xattr "user.BUCKET" for each */
#define XATTR_PREFIX "user."

static void say(void *ctx, const char *line) {
    puts(line);
}

/* ---- buckets ---- */

static int make_bucket(int root, struct lb_slice name) {
    char text[64];
    if (!lb_s3_bucket_name_valid(name)) {
        printf("bucket %.*s skipped: the name is not allowed\n", LB_SLICE_ARG(name));
        return 0;
    }
    snprintf(text, sizeof(text), "%.*s", LB_SLICE_ARG(name));
    if (mkdirat(root, text, 0755) == 0)
        printf("bucket %s: made\n", text);
    else if (errno != EEXIST)
        return -errno;
    return 0;
}

/* names: of xattrs, each with a NUL behind it. */
static int make_buckets(int root, struct lb_slice names) {
    int err = 0;
    while (names.len && err == 0) {
        struct lb_slice name = lb_slice_cut(&names, '\0');
        if (lb_slice_starts_with(name, LB_S(XATTR_PREFIX)))
            err = make_bucket(root, lb_slice_from(name, sizeof(XATTR_PREFIX) - 1));
    }
    if (err == 0 && fsync(root) < 0)
        err = -errno;
    return err;
}

static int import_buckets(const struct lb_config *c, const char *dir) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/" BUCKET_FILE, dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    ssize_t size = listxattr(path, NULL, 0);
    if (size < 0)
        return errno == ENOENT || errno == ENOTSUP ? 0 : -errno;
    char *names = malloc((size_t)size + 1);
    if (!names)
        return -ENOMEM;
    size = listxattr(path, names, (size_t)size);
    int root = size < 0 ? -1 : open(c->fs_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = root < 0 ? -errno : make_buckets(root, lb_slice(names, (size_t)size));
    if (root >= 0)
        close(root);
    free(names);
    return err;
}

/* ---- users ---- */

static int import_users(const struct lb_config *c, const char *dir, struct lb_buf *why) {
    const struct lb_users_import conf = {.dir = dir, .say = say};
    struct lb_users_imported done = {0};
    struct lb_users *users = NULL;
    int err = lb_server_users_open(c, lb_vfs_posix(), why, &users);
    if (err < 0)
        return err;
    err = lb_users_import(users, &conf, &done);
    lb_users_free(users);
    if (err == -ENOENT)
        lb_buf_printf(why, "%s holds no users of the original lobos", dir);
    else if (err < 0)
        lb_buf_printf(why, "%s: %s; nothing was imported", dir, strerror(-err));
    else
        printf("%zu users and %zu keys imported, %zu skipped\n", done.users, done.keys,
               done.skipped);
    return err;
}

int lb_server_import(const struct lb_config *c, const char *dir, struct lb_buf *why) {
    int err = import_users(c, dir, why);
    if (err == 0 && lb_config_is_volume(c))
        puts("buckets are not made in a volume: set buckets in the configuration");
    if (err < 0 || c->fs_single_bucket[0] || lb_config_is_volume(c))
        return err;
    err = import_buckets(c, dir);
    if (err < 0)
        lb_buf_printf(why, "the buckets were not all made: %s", strerror(-err));
    return err;
}
