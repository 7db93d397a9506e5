/* The set in force, and how loops take it: by a number that changes with it. */
#include "auth/creds.h"

void lb_creds_box_init(struct lb_creds_box *b, struct lb_creds *set) {
    atomic_init(&b->generation, 1);
    pthread_mutex_init(&b->lock, NULL);
    b->set = set;
}

void lb_creds_box_fini(struct lb_creds_box *b) {
    lb_creds_unref(b->set);
    b->set = NULL;
    pthread_mutex_destroy(&b->lock);
}

void lb_creds_box_put(struct lb_creds_box *b, struct lb_creds *set) {
    pthread_mutex_lock(&b->lock);
    struct lb_creds *old = b->set;
    b->set = set;
    atomic_fetch_add_explicit(&b->generation, 1, memory_order_release);
    pthread_mutex_unlock(&b->lock);
    lb_creds_unref(old);
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
