/* Sets of access keys: an open-addressed table of pointers to entries that sets share. Slots are
 * probed one after the other; removal closes the gap, so a search ends at the first empty slot. */
#include "auth/creds.h"
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SLOTS_MIN 16

struct entry {
    atomic_uint refs; /* sets that hold it */
    uint64_t hash;
    struct lb_cred cred;
    struct lb_grant grants[];
};

struct lb_creds {
    atomic_uint refs;
    size_t len;
    size_t slots_n; /* a power of two; more than len */
    struct entry **slots;
};

/* ---- entries ---- */

static struct entry *entry_new(const struct lb_cred *cred, uint64_t hash) {
    struct entry *e = malloc(sizeof(*e) + cred->grants_n * sizeof(e->grants[0]));
    if (!e)
        return NULL;
    atomic_init(&e->refs, 1);
    e->hash = hash;
    e->cred = *cred;
    e->cred.grants = e->grants;
    if (cred->grants_n)
        memcpy(e->grants, cred->grants, cred->grants_n * sizeof(e->grants[0]));
    return e;
}

static void entry_unref(struct entry *e) {
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) > 1)
        return;
    explicit_bzero(&e->cred, sizeof(e->cred));
    free(e);
}

/* ---- sets ---- */

static struct lb_creds *set_new(size_t slots_n) {
    struct lb_creds *c = malloc(sizeof(*c));
    struct entry **slots = calloc(slots_n, sizeof(struct entry *));
    if (!c || !slots) {
        free(c);
        free(slots);
        return NULL;
    }
    *c = (struct lb_creds){.slots_n = slots_n, .slots = slots};
    atomic_init(&c->refs, 1);
    return c;
}

struct lb_creds *lb_creds_new(void) {
    return set_new(SLOTS_MIN);
}

struct lb_creds *lb_creds_dup(const struct lb_creds *c) {
    struct lb_creds *copy = set_new(c->slots_n);
    if (!copy)
        return NULL;
    copy->len = c->len;
    memcpy(copy->slots, c->slots, c->slots_n * sizeof(struct entry *));
    for (size_t i = 0; i < c->slots_n; i++) {
        if (copy->slots[i])
            atomic_fetch_add_explicit(&copy->slots[i]->refs, 1, memory_order_relaxed);
    }
    return copy;
}

struct lb_creds *lb_creds_ref(struct lb_creds *c) {
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void lb_creds_unref(struct lb_creds *c) {
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < c->slots_n; i++) {
        if (c->slots[i])
            entry_unref(c->slots[i]);
    }
    free(c->slots);
    free(c);
}

bool lb_creds_shared(const struct lb_creds *c) {
    return atomic_load_explicit(&c->refs, memory_order_acquire) > 1;
}

/* The slot of that key, or the empty one where it belongs. */
static size_t slot_of(const struct lb_creds *c, uint64_t hash, struct lb_slice key) {
    size_t i = hash & (c->slots_n - 1);
    while (c->slots[i] && (c->slots[i]->hash != hash ||
                           !lb_slice_eq(lb_slice_cstr(c->slots[i]->cred.access_key), key)))
        i = (i + 1) & (c->slots_n - 1);
    return i;
}

static int grow(struct lb_creds *c) {
    size_t slots_n = c->slots_n * 2;
    struct entry **slots = calloc(slots_n, sizeof(struct entry *));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < c->slots_n; i++) {
        if (!c->slots[i])
            continue;
        size_t at = c->slots[i]->hash & (slots_n - 1);
        while (slots[at])
            at = (at + 1) & (slots_n - 1);
        slots[at] = c->slots[i];
    }
    free(c->slots);
    c->slots = slots;
    c->slots_n = slots_n;
    return 0;
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
    assert(atomic_load_explicit(&c->refs, memory_order_relaxed) == 1);
    struct lb_slice key = lb_slice_cstr(cred->access_key);
    uint64_t hash = lb_hash_bytes(key);
    if (c->slots[slot_of(c, hash, key)])
        return -EEXIST;
    if ((c->len + 1) * 4 > c->slots_n * 3) {
        int err = grow(c);
        if (err < 0)
            return err;
    }
    struct entry *e = entry_new(cred, hash);
    if (!e)
        return -ENOMEM;
    c->slots[slot_of(c, hash, key)] = e;
    c->len++;
    return 0;
}

int lb_creds_remove(struct lb_creds *c, struct lb_slice access_key) {
    size_t mask = c->slots_n - 1, gap = slot_of(c, lb_hash_bytes(access_key), access_key);
    assert(atomic_load_explicit(&c->refs, memory_order_relaxed) == 1);
    if (!c->slots[gap])
        return -ENOENT;
    entry_unref(c->slots[gap]);
    c->len--;
    /* What stands behind the gap moves into it, unless that would be before its first slot. */
    for (size_t i = (gap + 1) & mask; c->slots[i]; i = (i + 1) & mask) {
        size_t first = c->slots[i]->hash & mask;
        if (((i - first) & mask) >= ((i - gap) & mask)) {
            c->slots[gap] = c->slots[i];
            gap = i;
        }
    }
    c->slots[gap] = NULL;
    return 0;
}

const struct lb_cred *lb_creds_find(const struct lb_creds *c, struct lb_slice access_key) {
    const struct entry *e = c->slots[slot_of(c, lb_hash_bytes(access_key), access_key)];
    return e ? &e->cred : NULL;
}

size_t lb_creds_len(const struct lb_creds *c) {
    return c->len;
}
