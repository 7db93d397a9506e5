/* The set in force, and how loops take it: by a number that changes with it. */
#include "auth/creds.h"

#include <stdlib.h>

void lb_creds_box_init(struct lb_creds_box *b, struct lb_creds *set) {
    *b = (struct lb_creds_box){.set = set};
    atomic_init(&b->generation, 1);
    pthread_mutex_init(&b->lock, NULL);
}

void lb_creds_box_fini(struct lb_creds_box *b) {
    for (size_t i = 0; i < b->retired_n; i++)
        lb_creds_unref(b->retired[i]);
    free(b->retired);
    lb_creds_unref(b->set);
    b->set = NULL;
    pthread_mutex_destroy(&b->lock);
}

/* Frees the sets that no reader holds any more. */
static void sweep(struct lb_creds_box *b) {
    size_t n = 0;
    for (size_t i = 0; i < b->retired_n; i++) {
        if (lb_creds_shared(b->retired[i]))
            b->retired[n++] = b->retired[i];
        else
            lb_creds_unref(b->retired[i]);
    }
    b->retired_n = n;
}

static void retire(struct lb_creds_box *b, struct lb_creds *old) {
    struct lb_creds **retired = realloc(b->retired, (b->retired_n + 1) * sizeof(struct lb_creds *));
    if (!retired) {
        lb_creds_unref(old); /* then a loop may have to free it */
        return;
    }
    b->retired = retired;
    b->retired[b->retired_n++] = old;
}

void lb_creds_box_put(struct lb_creds_box *b, struct lb_creds *set) {
    pthread_mutex_lock(&b->lock);
    struct lb_creds *old = b->set;
    b->set = set;
    atomic_fetch_add_explicit(&b->generation, 1, memory_order_release);
    pthread_mutex_unlock(&b->lock);
    retire(b, old);
    sweep(b);
}

static void take(struct lb_creds_reader *r) {
    pthread_mutex_lock(&r->box->lock);
    r->set = lb_creds_ref(r->box->set);
    r->generation = atomic_load_explicit(&r->box->generation, memory_order_relaxed);
    pthread_mutex_unlock(&r->box->lock);
}

void lb_creds_reader_init(struct lb_creds_reader *r, struct lb_creds_box *box) {
    r->box = box;
    take(r);
}

void lb_creds_reader_fini(struct lb_creds_reader *r) {
    lb_creds_unref(r->set);
    r->set = NULL;
}

const struct lb_creds *lb_creds_reader_get(struct lb_creds_reader *r) {
    if (atomic_load_explicit(&r->box->generation, memory_order_acquire) != r->generation) {
        lb_creds_unref(r->set);
        take(r);
    }
    return r->set;
}
