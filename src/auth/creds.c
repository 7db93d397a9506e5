/* The set of access keys: a hash table that is filled once and then only read. */
#include "auth/creds.h"
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
    struct lb_map_node node;
    struct lb_cred cred;
};

struct lb_creds {
    struct lb_map map;
};

static bool entry_eq(const struct lb_map_node *node, const void *key) {
    const struct entry *e = (const struct entry *)node;
    return lb_slice_eq(lb_slice_cstr(e->cred.access_key), *(const struct lb_slice *)key);
}

struct lb_creds *lb_creds_new(void) {
    struct lb_creds *c = malloc(sizeof(*c));
    if (c)
        lb_map_init(&c->map, entry_eq);
    return c;
}

void lb_creds_free(struct lb_creds *c) {
    if (!c)
        return;
    for (struct lb_map_node *node = lb_map_first(&c->map); node;) {
        struct entry *e = (struct entry *)node;
        node = lb_map_next(&c->map, node);
        lb_map_remove(&c->map, &e->node);
        explicit_bzero(e, sizeof(*e));
        free(e);
    }
    lb_map_fini(&c->map);
    free(c);
}

/* Does s (of a field of size bytes) end within the field, and hold only bytes from first to '~'? */
static bool is_printable(const char *s, size_t size, char first) {
    size_t len = strnlen(s, size);
    if (len == 0 || len == size)
        return false;
    for (size_t i = 0; i < len; i++)
        if (s[i] < first || s[i] > '~')
            return false;
    return true;
}

int lb_creds_add(struct lb_creds *c, const struct lb_cred *cred) {
    if (!is_printable(cred->access_key, sizeof(cred->access_key), '!') ||
        strchr(cred->access_key, ',') ||
        !is_printable(cred->secret_key, sizeof(cred->secret_key), ' '))
        return -EINVAL;
    struct lb_slice key = lb_slice_cstr(cred->access_key);
    uint64_t hash = lb_hash_bytes(key);
    if (lb_map_find(&c->map, hash, &key))
        return -EEXIST;
    struct entry *e = malloc(sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->node.hash = hash;
    e->cred = *cred;
    int err = lb_map_add(&c->map, &e->node);
    if (err < 0) {
        explicit_bzero(e, sizeof(*e));
        free(e);
    }
    return err;
}

const struct lb_cred *lb_creds_find(const struct lb_creds *c, struct lb_slice access_key) {
    struct lb_map_node *node = lb_map_find(&c->map, lb_hash_bytes(access_key), &access_key);
    return node ? &((struct entry *)node)->cred : NULL;
}

size_t lb_creds_len(const struct lb_creds *c) {
    return c->map.len;
}
