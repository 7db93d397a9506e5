/* Buckets in an array, ordered by name. */
#include "metrics/usage.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define NAME_MAX_LEN 255

struct lb_usage {
    pthread_mutex_t lock;            /* of all below */
    struct lb_bucket_usage *entries; /* their names are owned */
    size_t n, cap, max;
};

struct lb_usage *lb_usage_new(size_t buckets_max) {
    struct lb_usage *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    pthread_mutex_init(&u->lock, NULL);
    u->max = buckets_max;
    return u;
}

void lb_usage_free(struct lb_usage *u) {
    if (!u)
        return;
    for (size_t i = 0; i < u->n; i++)
        free((char *)u->entries[i].bucket.ptr);
    free(u->entries);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

/* Where a bucket is, or would be. */
static size_t find(const struct lb_usage *u, struct lb_slice bucket, bool *ret_there) {
    size_t low = 0, high = u->n;
    *ret_there = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = lb_slice_cmp(u->entries[middle].bucket, bucket);
        if (c == 0) {
            *ret_there = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int grow(struct lb_usage *u) {
    if (u->n == u->max)
        return -ENOSPC;
    if (u->n < u->cap)
        return 0;
    size_t cap = u->cap ? 2 * u->cap : 16;
    struct lb_bucket_usage *entries = realloc(u->entries, cap * sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    u->entries = entries;
    u->cap = cap;
    return 0;
}

static int insert(struct lb_usage *u, size_t at, const struct lb_bucket_usage *b) {
    int err = grow(u);
    if (err < 0)
        return err;
    char *name = malloc(b->bucket.len);
    if (!name)
        return -ENOMEM;
    memcpy(name, b->bucket.ptr, b->bucket.len);
    memmove(&u->entries[at + 1], &u->entries[at], (u->n - at) * sizeof(u->entries[0]));
    u->entries[at] = *b;
    u->entries[at].bucket.ptr = name;
    u->n++;
    return 0;
}

int lb_usage_set(struct lb_usage *u, const struct lb_bucket_usage *b) {
    bool there;
    int err = 0;
    if (b->bucket.len == 0 || b->bucket.len > NAME_MAX_LEN)
        return -EINVAL;
    pthread_mutex_lock(&u->lock);
    size_t at = find(u, b->bucket, &there);
    if (there) {
        struct lb_slice name = u->entries[at].bucket;
        u->entries[at] = *b;
        u->entries[at].bucket = name;
    } else {
        err = insert(u, at, b);
    }
    pthread_mutex_unlock(&u->lock);
    return err;
}

bool lb_usage_get(struct lb_usage *u, struct lb_slice bucket, struct lb_bucket_usage *ret) {
    bool there;
    pthread_mutex_lock(&u->lock);
    size_t at = find(u, bucket, &there);
    if (there) {
        *ret = u->entries[at];
        ret->bucket = bucket;
    }
    pthread_mutex_unlock(&u->lock);
    return there;
}

void lb_usage_remove(struct lb_usage *u, struct lb_slice bucket) {
    bool there;
    pthread_mutex_lock(&u->lock);
    size_t at = find(u, bucket, &there);
    if (there) {
        free((char *)u->entries[at].bucket.ptr);
        u->n--;
        memmove(&u->entries[at], &u->entries[at + 1], (u->n - at) * sizeof(u->entries[0]));
    }
    pthread_mutex_unlock(&u->lock);
}

void lb_usage_prune(struct lb_usage *u, int64_t before_s) {
    size_t kept = 0;
    pthread_mutex_lock(&u->lock);
    for (size_t i = 0; i < u->n; i++) {
        if (u->entries[i].counted_s < before_s)
            free((char *)u->entries[i].bucket.ptr);
        else
            u->entries[kept++] = u->entries[i];
    }
    u->n = kept;
    pthread_mutex_unlock(&u->lock);
}

void lb_usage_each(struct lb_usage *u, void (*fn)(void *ctx, const struct lb_bucket_usage *b),
                   void *ctx) {
    pthread_mutex_lock(&u->lock);
    for (size_t i = 0; i < u->n; i++)
        fn(ctx, &u->entries[i]);
    pthread_mutex_unlock(&u->lock);
}
