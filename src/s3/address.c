/* Addressing. The Host is looked at first:
 *
 *   an IP address, "localhost", or the configured domain itself   no bucket
 *   NAME.localhost, NAME.<domain>                                 the bucket NAME
 *   first label is a bucket that is there                         that bucket (with one label only,
 * the path goes first, below) anything else                                                 no
 * bucket
 *
 * With a bucket from the Host, the whole path is the key. Without one, the first segment of the
 * path is the bucket (path style); with default_bucket set, it is so only when that names a bucket
 * that is there, else the default bucket is meant and the whole path is the key. */
#include "s3/address_priv.h"

#include <ctype.h>
#include <errno.h>

struct addressing {
    struct lb_arena *arena;
    const struct lb_s3_conf *conf;
    s3_bucket_known_fn known;
    void *ctx;
};

bool s3_bucket_name_plausible(struct lb_slice name) {
    if (name.len == 0 || name.len > 255 || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c == '/' || c == '\\' || c == 0x7f)
            return false;
    }
    return lb_utf8_valid(name);
}

static bool label_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool looks_like_ipv4(struct lb_slice s) {
    unsigned parts = 0;
    while (s.ptr) {
        uint64_t n;
        struct lb_slice part = lb_slice_cut(&s, '.');
        if (part.len > 3 || lb_slice_to_u64(part, &n) < 0 || n > 255)
            return false;
        parts++;
    }
    return parts == 4;
}

/* Is there no dot beside a dot or a hyphen? */
static bool dots_apart(struct lb_slice name) {
    for (size_t i = 1; i < name.len; i++) {
        char a = name.ptr[i - 1], b = name.ptr[i];
        if ((a == '.' && !label_char(b)) || (b == '.' && !label_char(a)))
            return false;
    }
    return true;
}

bool lb_s3_bucket_name_valid(struct lb_slice name) {
    if (name.len < 3 || name.len > 63 || !label_char(name.ptr[0]) ||
        !label_char(name.ptr[name.len - 1]) || !dots_apart(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!label_char(c) && c != '-' && c != '.')
            return false;
    }
    return !looks_like_ipv4(name) && !lb_slice_starts_with(name, LB_S("xn--")) &&
           !lb_slice_ends_with(name, LB_S("-s3alias"));
}

int s3_key_check(struct lb_slice key) {
    if (key.len > LB_KEY_MAX)
        return LB_ERR_KEY_TOO_LONG;
    return key.len && lb_utf8_valid(key) ? 0 : LB_ERR_INVALID_URI;
}

/* Host without port, in lower case. */
static int host_name(struct lb_arena *a, struct lb_slice host, struct lb_slice *ret) {
    if (host.len && host.ptr[0] == '[') {
        *ret = lb_slice_first(host, (size_t)(lb_slice_find(host, ']') + 1));
        return 0;
    }
    host = lb_slice_cut(&host, ':');
    if (lb_slice_ends_with(host, LB_S("."))) /* a name's root, as resolvers allow */
        host.len--;
    char *p = lb_arena_alloc(a, host.len + 1);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < host.len; i++)
        p[i] = (char)tolower((unsigned char)host.ptr[i]);
    *ret = lb_slice(p, host.len);
    return 0;
}

/* What stands before ".suffix" in host; empty when it isn't beneath it. */
static struct lb_slice beneath(struct lb_slice host, struct lb_slice suffix) {
    if (suffix.len == 0 || host.len < suffix.len + 2 ||
        host.ptr[host.len - suffix.len - 1] != '.' ||
        !lb_slice_eq_nocase(lb_slice_from(host, host.len - suffix.len), suffix))
        return LB_S("");
    return lb_slice_first(host, host.len - suffix.len - 1);
}

/* The first segment of a path without its leading slash, decoded; *rest is what stands behind it.
 */
static int first_segment(struct lb_arena *a, struct lb_slice path, struct lb_slice *ret,
                         struct lb_slice *rest) {
    struct lb_slice segment = lb_slice_cut(&path, '/');
    *rest = path;
    return lb_uri_decode(a, segment, false, ret);
}

static bool path_names_bucket(const struct addressing *ad, struct lb_slice path) {
    struct lb_slice name, rest;
    return first_segment(ad->arena, path, &name, &rest) == 0 && s3_bucket_name_plausible(name) &&
           ad->known(ad->ctx, name);
}

/* The bucket that the Host names, or the empty slice. */
static struct lb_slice host_bucket(const struct addressing *ad, struct lb_slice host,
                                   struct lb_slice path) {
    if (host.len == 0 || host.ptr[0] == '[' || looks_like_ipv4(host) ||
        lb_slice_eq(host, LB_S("localhost")) || lb_slice_eq_nocase(host, ad->conf->domain))
        return LB_S("");
    struct lb_slice bucket = beneath(host, LB_S("localhost"));
    if (bucket.len == 0)
        bucket = beneath(host, ad->conf->domain);
    if (bucket.len)
        return bucket;
    struct lb_slice rest = host;
    bucket = lb_slice_cut(&rest, '.');
    if (!s3_bucket_name_plausible(bucket) || !ad->known(ad->ctx, bucket))
        return LB_S("");
    return rest.ptr || !path_names_bucket(ad, path) ? bucket : LB_S("");
}

static int with_key(const struct addressing *ad, struct lb_slice bucket, struct lb_slice raw_key,
                    struct s3_address *ret) {
    struct s3_address address = {.level = S3_BUCKET, .bucket = bucket, .key = LB_S("")};
    if (!s3_bucket_name_plausible(bucket))
        return LB_ERR_INVALID_BUCKET_NAME;
    if (raw_key.len) {
        int err = lb_uri_decode(ad->arena, raw_key, false, &address.key);
        if (err == 0)
            err = s3_key_check(address.key);
        if (err < 0)
            return err;
        address.level = S3_OBJECT;
    }
    *ret = address;
    return 0;
}

int s3_address(struct lb_arena *a, const struct lb_s3_conf *conf, s3_bucket_known_fn known,
               void *ctx, struct lb_slice host, struct lb_slice path, struct s3_address *ret) {
    const struct addressing ad = {.arena = a, .conf = conf, .known = known, .ctx = ctx};
    if (path.len == 0 || path.ptr[0] != '/')
        return LB_ERR_INVALID_URI;
    path = lb_slice_from(path, 1);
    int err = host_name(a, host, &host);
    if (err < 0)
        return err;
    struct lb_slice bucket = host_bucket(&ad, host, path), rest;
    if (bucket.len)
        return with_key(&ad, bucket, path, ret);
    if (conf->default_bucket.len && !path_names_bucket(&ad, path))
        return with_key(&ad, conf->default_bucket, path, ret);
    if (path.len == 0) {
        *ret = (struct s3_address){.level = S3_SERVICE};
        return 0;
    }
    err = first_segment(a, path, &bucket, &rest);
    return err < 0 ? err : with_key(&ad, bucket, rest, ret);
}
