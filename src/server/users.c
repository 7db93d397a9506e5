#include "server/users.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/vfs.h"

#define RESERVED ".lobos" /* the engine's own folder in the data root */
#define KEY_FILE_MAX 4096

static int read_key_file(struct lb_vfs *v, const char *path, struct lb_buf *why,
                         uint8_t ret[LB_USERS_MASTER_KEY_LEN]) {
    char text[KEY_FILE_MAX];
    int fd = v->ops->open(v, -1, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    int64_t n = fd < 0 ? fd : v->ops->pread(v, fd, text, sizeof(text), 0);
    if (fd >= 0)
        v->ops->close(v, fd);
    if (n < 0) {
        lb_buf_printf(why, "master_key_file = %s: %s", path, strerror((int)-n));
        return (int)n;
    }
    int err = lb_users_master_key_parse(lb_slice(text, (size_t)n), ret);
    explicit_bzero(text, sizeof(text));
    if (err < 0)
        lb_buf_printf(why,
                      "master_key_file = %s: must hold 32 bytes as 64 hexadecimal digits or "
                      "as base64",
                      path);
    return err;
}

/* Returns 1 when there is a master key, 0 when there is none. */
static int find_master_key(const struct lb_config *c, struct lb_vfs *v, struct lb_buf *why,
                           uint8_t ret[LB_USERS_MASTER_KEY_LEN]) {
    const char *text = getenv("LOBOS_MASTER_KEY");
    if (text && *text) {
        if (lb_users_master_key_parse(lb_slice_cstr(text), ret) == 0)
            return 1;
        lb_buf_append(why, LB_S("LOBOS_MASTER_KEY: must be 32 bytes as 64 hexadecimal digits or as "
                                "base64"));
        return -EINVAL;
    }
    if (!c->master_key_file[0])
        return 0;
    int err = read_key_file(v, c->master_key_file, why, ret);
    return err < 0 ? err : 1;
}

/* A volume in a file has its users in another beside it; one that is a device has no such place. */
static int beside_volume(const struct lb_config *c, struct lb_vfs *v, struct lb_buf *why,
                         char ret[PATH_MAX]) {
    struct lb_vfs_stat stat;
    int err = v->ops->stat(v, -1, c->volume_path, &stat);
    if (err == 0 && (stat.type == LB_VFS_BLOCK || stat.type == LB_VFS_OTHER)) {
        lb_buf_append(why, LB_S("users_file must be set: a volume that is a device has no place "
                                "for it"));
        return -EINVAL;
    }
    return snprintf(ret, PATH_MAX, "%s.users", c->volume_path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Where the file is; makes the folder that it is in by default. */
static int find_path(const struct lb_config *c, struct lb_vfs *v, struct lb_buf *why,
                     char ret[PATH_MAX]) {
    if (c->users_file[0]) {
        snprintf(ret, PATH_MAX, "%s", c->users_file);
        return strlen(c->users_file) < PATH_MAX ? 0 : -ENAMETOOLONG;
    }
    if (lb_config_is_volume(c))
        return beside_volume(c, v, why, ret);
    if (snprintf(ret, PATH_MAX, "%s/" RESERVED "/users", c->fs_directory) >= PATH_MAX)
        return -ENAMETOOLONG;
    int dir = v->ops->open(v, -1, c->fs_directory, O_RDONLY | O_DIRECTORY, 0);
    int err = dir < 0 ? dir : v->ops->mkdir(v, dir, RESERVED, 0755);
    if (err == 0 || err == -EEXIST)
        err =
            v->ops->fsync(v, dir, false); /* what is in the folder lasts no longer than its name */
    if (dir >= 0)
        v->ops->close(v, dir);
    if (err == 0)
        return 0;
    lb_buf_printf(why, "directory = %s: %s", c->fs_directory, strerror(-err));
    return err;
}

int lb_server_users_open(const struct lb_config *c, struct lb_vfs *vfs, struct lb_buf *why,
                         struct lb_users **ret) {
    char path[PATH_MAX];
    uint8_t master_key[LB_USERS_MASTER_KEY_LEN];
    struct lb_users_fixed *fixed = calloc(c->users_n + 1, sizeof(*fixed));
    size_t n = 0;
    if (!fixed)
        return -ENOMEM;
    if (c->access_key[0])
        fixed[n++] = (struct lb_users_fixed){LB_CONFIG_ADMIN, c->access_key, c->secret_key, true};
    for (size_t i = 0; i < c->users_n; i++)
        fixed[n++] = (struct lb_users_fixed){c->users[i].name, c->users[i].access_key,
                                             c->users[i].secret_key, false};
    int has_key = find_master_key(c, vfs, why, master_key);
    int err = has_key < 0 ? has_key : find_path(c, vfs, why, path);
    const struct lb_users_conf conf = {.vfs = vfs,
                                       .path = path,
                                       .master_key = has_key > 0 ? master_key : NULL,
                                       .fixed = fixed,
                                       .fixed_n = n};
    if (err == 0)
        err = lb_users_open(&conf, why, ret);
    explicit_bzero(master_key, sizeof(master_key));
    free(fixed);
    return err;
}
