/* Versions by name. An id is 24 hex digits: 16 of the order, 8 of the salt; so ids sort as versions
 * do. */
#include "engine/fs/fs_priv.h"

#define ORDER_LEN 16

int fs_version_cmp(const struct fs_version *a, const struct fs_version *b) {
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return (a->salt > b->salt) - (a->salt < b->salt);
}

/* 24 digits and no NUL. */
static void put_id(const struct fs_version *v, char *to) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < ORDER_LEN; i++)
        to[i] = digits[v->order >> (60 - 4 * i) & 15];
    for (int i = 0; i < FS_VERSION_LEN - ORDER_LEN; i++)
        to[ORDER_LEN + i] = digits[v->salt >> (28 - 4 * i) & 15];
}

static bool get_hex(struct lb_slice s, uint64_t *ret) {
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = lb_hex_digit(s.ptr[i]);
        if (digit < 0 || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F'))
            return false;
        n = n << 4 | (uint64_t)digit;
    }
    *ret = n;
    return true;
}

static bool get_id(struct lb_slice s, struct fs_version *ret) {
    uint64_t order, salt;
    if (s.len != FS_VERSION_LEN || !get_hex(lb_slice_first(s, ORDER_LEN), &order) ||
        !get_hex(lb_slice_from(s, ORDER_LEN), &salt) || order == 0)
        return false;
    *ret = (struct fs_version){.order = order, .salt = (uint32_t)salt};
    return true;
}

void fs_version_id(const struct fs_version *v, struct lb_version_id *ret) {
    if (!v || v->order == 0 || v->null) {
        memcpy(ret->text, "null", 4);
        ret->len = 4;
        return;
    }
    put_id(v, ret->text);
    ret->len = FS_VERSION_LEN;
}

bool fs_version_parse(struct lb_slice id, struct fs_version *ret) {
    if (!lb_slice_eq(id, LB_S("null")))
        return get_id(id, ret);
    *ret = (struct fs_version){.null = true};
    return true;
}

void fs_version_name(const struct fs_version *v, char ret[FS_VERSION_NAME_MAX]) {
    char *at = ret + FS_VERSION_LEN;
    put_id(v, ret);
    if (v->null || v->marker)
        *at++ = '.';
    if (v->null)
        *at++ = 'n';
    if (v->marker)
        *at++ = 'm';
    *at = '\0';
}

bool fs_version_name_parse(struct lb_slice name, struct fs_version *ret) {
    char made[FS_VERSION_NAME_MAX];
    struct fs_version v;
    if (name.len < FS_VERSION_LEN || !get_id(lb_slice_first(name, FS_VERSION_LEN), &v))
        return false;
    struct lb_slice kind = lb_slice_from(name, FS_VERSION_LEN);
    v.null = lb_slice_starts_with(kind, LB_S(".n"));
    v.marker = lb_slice_ends_with(kind, LB_S("m"));
    fs_version_name(&v, made);
    if (!lb_slice_eq(name, lb_slice_cstr(made)))
        return false;
    *ret = v;
    return true;
}
