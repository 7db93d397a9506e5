/* Free extents in two treaps over the same nodes: by place, so that neighbours are found and
 * joined, and by length, so that the best fit is found. Priorities come from a fixed generator: the
 * shape does not depend on the order of what is put in. */
#include "engine/volume/alloc.h"

#include <errno.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/prng.h"

enum order { PLACE, LENGTH, ORDERS };

struct node {
    struct vol_extent e;
    struct node *child[ORDERS][2];
    uint32_t priority;
};

struct later {
    struct lb_list link;
    struct vol_extent e;
    uint64_t position;
};

struct vol_alloc {
    uint64_t first, end; /* of all units that may be free */
    struct node *root[ORDERS];
    struct lb_list later; /* by position */
    struct lb_prng prng;
    uint64_t free, later_n;
};

/* ---- treaps ---- */

static int compare(enum order o, struct vol_extent a, struct vol_extent b) {
    if (o == LENGTH && a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.first < b.first ? -1 : a.first > b.first;
}

/* Splits t into what is before e and the rest. */
static void split(enum order o, struct node *t, struct vol_extent e, struct node **before,
                  struct node **rest) {
    while (t) {
        if (compare(o, t->e, e) < 0) {
            *before = t;
            before = &t->child[o][1];
            t = *before;
        } else {
            *rest = t;
            rest = &t->child[o][0];
            t = *rest;
        }
    }
    *before = *rest = NULL;
}

static struct node *join(enum order o, struct node *a, struct node *b) {
    struct node *root = NULL, **at = &root;
    while (a && b) {
        if (a->priority >= b->priority) {
            *at = a;
            at = &a->child[o][1];
            a = *at;
        } else {
            *at = b;
            at = &b->child[o][0];
            b = *at;
        }
    }
    *at = a ? a : b;
    return root;
}

static void tree_add(struct vol_alloc *a, enum order o, struct node *n) {
    struct node **at = &a->root[o];
    while (*at && (*at)->priority >= n->priority)
        at = &(*at)->child[o][compare(o, (*at)->e, n->e) < 0];
    split(o, *at, n->e, &n->child[o][0], &n->child[o][1]);
    *at = n;
}

static void tree_remove(struct vol_alloc *a, enum order o, struct node *n) {
    struct node **at = &a->root[o];
    while (*at != n)
        at = &(*at)->child[o][compare(o, (*at)->e, n->e) < 0];
    *at = join(o, n->child[o][0], n->child[o][1]);
}

/* The last node at or before e, or the first one at or after it. */
static struct node *find(const struct vol_alloc *a, enum order o, struct vol_extent e, bool after) {
    struct node *found = NULL;
    for (struct node *n = a->root[o]; n;) {
        int order = compare(o, n->e, e);
        if (order == 0)
            return n;
        if ((order > 0) == after)
            found = n;
        n = n->child[o][order < 0];
    }
    return found;
}

static struct node *longest(const struct vol_alloc *a) {
    struct node *n = a->root[LENGTH];
    while (n && n->child[LENGTH][1])
        n = n->child[LENGTH][1];
    return n;
}

/* ---- extents ---- */

static struct node *add(struct vol_alloc *a, struct vol_extent e) {
    struct node *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    n->e = e;
    n->priority = (uint32_t)lb_prng_next(&a->prng);
    tree_add(a, PLACE, n);
    tree_add(a, LENGTH, n);
    return n;
}

static void drop(struct vol_alloc *a, struct node *n) {
    tree_remove(a, PLACE, n);
    tree_remove(a, LENGTH, n);
    free(n);
}

/* Its order by place must stay. */
static void change(struct vol_alloc *a, struct node *n, struct vol_extent e) {
    tree_remove(a, LENGTH, n);
    n->e = e;
    tree_add(a, LENGTH, n);
}

struct vol_alloc *vol_alloc_new(uint64_t first, uint64_t n) {
    struct vol_alloc *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    *a = (struct vol_alloc){.first = first, .end = first + n, .free = n};
    lb_list_init(&a->later);
    lb_prng_seed(&a->prng, 1);
    if (n && !add(a, (struct vol_extent){first, n})) {
        free(a);
        return NULL;
    }
    return a;
}

void vol_alloc_free(struct vol_alloc *a) {
    if (!a)
        return;
    while (a->root[PLACE])
        drop(a, a->root[PLACE]);
    while (!lb_list_empty(&a->later)) {
        struct later *l = LB_CONTAINER_OF(a->later.next, struct later, link);
        lb_list_remove(&l->link);
        free(l);
    }
    free(a);
}

static bool inside(const struct vol_alloc *a, struct vol_extent e) {
    return e.n && e.first >= a->first && e.n <= a->end - a->first && e.first <= a->end - e.n;
}

/* Takes e, which lies in n, out of it. */
static int cut(struct vol_alloc *a, struct node *n, struct vol_extent e) {
    struct vol_extent left = {n->e.first, e.first - n->e.first};
    struct vol_extent right = {e.first + e.n, n->e.first + n->e.n - e.first - e.n};
    if (left.n && right.n) {
        struct vol_extent whole = n->e;
        change(a, n, left);
        if (!add(a, right)) {
            change(a, n, whole);
            return -ENOMEM;
        }
    } else if (left.n || right.n) {
        change(a, n, left.n ? left : right);
    } else {
        drop(a, n);
    }
    a->free -= e.n;
    return 0;
}

int vol_alloc_claim(struct vol_alloc *a, struct vol_extent e) {
    if (!inside(a, e))
        return -EEXIST;
    struct node *n = find(a, PLACE, e, false);
    if (!n || n->e.first + n->e.n < e.first + e.n)
        return -EEXIST;
    return cut(a, n, e);
}

/* Where the next piece of n units comes from: behind `near`, else the shortest that holds it all,
 * else the longest. */
static struct vol_extent choose(const struct vol_alloc *a, uint64_t n, uint64_t near) {
    struct node *at = near ? find(a, PLACE, (struct vol_extent){near, 0}, false) : NULL;
    if (at && at->e.first <= near && near - at->e.first < at->e.n) {
        uint64_t left = at->e.first + at->e.n - near;
        if (left >= n || at == longest(a))
            return (struct vol_extent){near, left < n ? left : n};
    }
    at = find(a, LENGTH, (struct vol_extent){0, n}, true);
    if (!at)
        at = longest(a);
    return (struct vol_extent){at->e.first, at->e.n < n ? at->e.n : n};
}

int vol_alloc_take(struct vol_alloc *a, uint64_t n, uint64_t near, uint64_t keep,
                   struct vol_extent *ret, size_t max) {
    size_t got = 0;
    int err = 0;
    if (n > a->free || a->free - n < keep)
        return -ENOSPC;
    for (uint64_t left = n; left && err == 0;) {
        if (got == max) {
            err = -EMLINK;
            break;
        }
        struct vol_extent e = choose(a, left, near);
        err = cut(a, find(a, PLACE, e, false), e);
        if (err == 0) {
            ret[got++] = e;
            left -= e.n;
            near = 0;
        }
    }
    if (err == 0)
        return (int)got;
    while (got)
        vol_alloc_give(a, ret[--got]);
    return err;
}

void vol_alloc_give(struct vol_alloc *a, struct vol_extent e) {
    if (e.n == 0)
        return;
    struct node *before = find(a, PLACE, e, false), *after = find(a, PLACE, e, true);
    bool left = before && before->e.first + before->e.n == e.first;
    bool right = after && e.first + e.n == after->e.first;
    if (left && right) {
        struct vol_extent all = {before->e.first, before->e.n + e.n + after->e.n};
        drop(a, after);
        change(a, before, all);
    } else if (left) {
        change(a, before, (struct vol_extent){before->e.first, before->e.n + e.n});
    } else if (right) {
        change(a, after, (struct vol_extent){e.first, after->e.n + e.n});
    } else if (!add(a, e)) {
        return; /* without memory they come back at the next start */
    }
    a->free += e.n;
}

int vol_alloc_give_later(struct vol_alloc *a, struct vol_extent e, uint64_t position) {
    struct later *last =
        lb_list_empty(&a->later) ? NULL : LB_CONTAINER_OF(a->later.prev, struct later, link);
    if (e.n == 0)
        return 0;
    struct later *l = malloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (struct later){.e = e, .position = position};
    if (last && last->position > position)
        l->position = last->position; /* in order; later than asked for is safe */
    lb_list_append(&a->later, &l->link);
    a->later_n += e.n;
    return 0;
}

void vol_alloc_settled(struct vol_alloc *a, uint64_t position) {
    while (!lb_list_empty(&a->later)) {
        struct later *l = LB_CONTAINER_OF(a->later.next, struct later, link);
        if (l->position > position)
            return;
        lb_list_remove(&l->link);
        a->later_n -= l->e.n;
        vol_alloc_give(a, l->e);
        free(l);
    }
}

uint64_t vol_alloc_free_units(const struct vol_alloc *a) {
    return a->free;
}

uint64_t vol_alloc_later_units(const struct vol_alloc *a) {
    return a->later_n;
}

uint64_t vol_alloc_longest(const struct vol_alloc *a) {
    const struct node *n = longest(a);
    return n ? n->e.n : 0;
}

/* Adds up what is beneath n, in order o; false when something is out of order. */
static bool sum(const struct node *n, enum order o, const struct node **last, uint64_t *total) {
    if (!n)
        return true;
    for (int i = 0; i < 2; i++) {
        if (n->child[o][i] && n->child[o][i]->priority > n->priority)
            return false;
    }
    if (!sum(n->child[o][0], o, last, total))
        return false;
    if (*last && compare(o, (*last)->e, n->e) >= 0)
        return false;
    if (o == PLACE && *last && (*last)->e.first + (*last)->e.n >= n->e.first)
        return false; /* neighbours are joined */
    *last = n;
    *total += n->e.n;
    return sum(n->child[o][1], o, last, total);
}

int vol_alloc_check(const struct vol_alloc *a) {
    for (enum order o = PLACE; o < ORDERS; o++) {
        const struct node *last = NULL;
        uint64_t total = 0;
        if (!sum(a->root[o], o, &last, &total) || total != a->free)
            return -EBADMSG;
    }
    return 0;
}
