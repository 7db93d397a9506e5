/* Where a key lives. Every path is relative to the data root and made of checked components alone;
 * vfs->open resolves it beneath the root whatever it says. */
#include <assert.h>
#include <stdio.h>

#include "engine/fs/fs_priv.h"
#include "hash/hash.h"

#define COMPONENT_MAX 255

struct path {
    char *at;
    char *end;
};

static struct path path_start(char ret[FS_PATH_MAX]) {
    return (struct path){ret, ret + FS_PATH_MAX - 1};
}

static void path_add(struct path *p, struct lb_slice s) {
    assert(s.len <= (size_t)(p->end - p->at));
    if (s.len)
        memcpy(p->at, s.ptr, s.len);
    p->at += s.len;
    *p->at = '\0';
}

static bool component_ok(struct lb_slice c) {
    if (c.len == 0 || c.len > COMPONENT_MAX)
        return false;
    if (lb_slice_eq(c, LB_S(".")) || lb_slice_eq(c, LB_S("..")))
        return false;
    return true;
}

bool fs_key_is_plain(struct lb_slice key) {
    if (key.len == 0 || key.len > LB_KEY_MAX || memchr(key.ptr, '\0', key.len))
        return false;
    bool first = true;
    for (struct lb_slice rest = key; rest.ptr; first = false) {
        struct lb_slice c = lb_slice_cut(&rest, '/');
        if (!component_ok(c) || (first && lb_slice_eq(c, LB_S(FS_RESERVED))))
            return false;
    }
    return true;
}

bool fs_bucket_name_ok(const struct fs_engine *fs, struct lb_slice bucket) {
    if (fs->conf.single_bucket)
        return lb_slice_eq(bucket, lb_slice_cstr(fs->conf.single_bucket));
    return bucket.len > 0 && bucket.len <= COMPONENT_MAX && bucket.ptr[0] != '.' &&
           !memchr(bucket.ptr, '/', bucket.len) && !memchr(bucket.ptr, '\0', bucket.len);
}

void fs_bucket_path(const struct fs_engine *fs, struct lb_slice bucket, char ret[FS_PATH_MAX]) {
    struct path p = path_start(ret);
    path_add(&p, fs->conf.single_bucket ? LB_S(".") : bucket);
}

void fs_plain_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   char ret[FS_PATH_MAX]) {
    struct path p = path_start(ret);
    if (!fs->conf.single_bucket) {
        path_add(&p, bucket);
        path_add(&p, LB_S("/"));
    }
    path_add(&p, key);
}

void fs_reserved_path(const struct fs_engine *fs, struct lb_slice bucket, const char *rest,
                      char ret[FS_PATH_MAX]) {
    struct path p = path_start(ret);
    if (!fs->conf.single_bucket) {
        path_add(&p, bucket);
        path_add(&p, LB_S("/"));
    }
    path_add(&p, LB_S(FS_RESERVED "/"));
    path_add(&p, lb_slice_cstr(rest));
}

void fs_key_hash(struct lb_slice key, char ret[FS_HASH_HEX + 1]) {
    struct lb_digest d;
    lb_hash_once(LB_HASH_SHA256, key, &d);
    lb_hex_encode(d.bytes, FS_HASH_HEX / 2, ret);
}

static void hashed_path(const struct fs_engine *fs, struct lb_slice bucket, const char *dir,
                        struct lb_slice key, char ret[FS_PATH_MAX]) {
    char hash[FS_HASH_HEX + 1], rest[sizeof("versions/hh/") + FS_HASH_HEX];
    fs_key_hash(key, hash);
    snprintf(rest, sizeof(rest), "%s/%.2s/%s", dir, hash, hash);
    fs_reserved_path(fs, bucket, rest, ret);
}

void fs_hidden_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    char ret[FS_PATH_MAX]) {
    hashed_path(fs, bucket, "keys", key, ret);
}

void fs_versions_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                      char ret[FS_PATH_MAX]) {
    hashed_path(fs, bucket, "versions", key, ret);
}

pthread_mutex_t *fs_key_lock(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key) {
    uint64_t h = lb_hash_bytes(bucket) * 0x9e3779b97f4a7c15u ^ lb_hash_bytes(key);
    return &fs->key_locks[h % FS_LOCKS];
}

bool fs_utf8_ok(struct lb_slice s) {
    while (s.len) {
        size_t n = lb_utf8_len(s);
        if (n == 0)
            return false;
        s = lb_slice_from(s, n);
    }
    return true;
}
