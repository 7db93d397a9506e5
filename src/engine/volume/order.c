/* A node holds up to WIDTH numbers: a leaf those of the set, an inner node, of each of its
 * children, the first number beneath it. number[0] of an inner node is never compared and may be
 * stale; all others are kept right. Leaves are chained. A node that falls below LOW is joined or
 * evened out with a neighbour, so none but the root is ever small. */
#include "engine/volume/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 120u
#define LOW (WIDTH / 4)
#define DEPTH_MAX 8 /* LOW^7 numbers are more than there can be */

struct node {
    uint16_t n;
    bool leaf;
    uint32_t number[WIDTH];
    struct node *child[]; /* WIDTH of them; of a leaf one: the next leaf */
};

struct vol_order {
    vol_order_fn compare;
    const void *ctx;
    struct node *root;
    size_t memory;
};

/* The way down to a leaf: in each node, which child was taken. */
struct path {
    struct node *node[DEPTH_MAX];
    unsigned at[DEPTH_MAX];
    unsigned depth; /* of the leaf; 0: it is the root */
};

static size_t node_size(bool leaf) {
    return sizeof(struct node) + (leaf ? 1 : WIDTH) * sizeof(struct node *);
}

static struct node *node_new(struct vol_order *t, bool leaf) {
    struct node *n = malloc(node_size(leaf));
    if (!n)
        return NULL;
    n->n = 0;
    n->leaf = leaf;
    n->child[0] = NULL;
    t->memory += node_size(leaf);
    return n;
}

static void node_free(struct vol_order *t, struct node *n) {
    t->memory -= node_size(n->leaf);
    free(n);
}

struct vol_order *vol_order_new(vol_order_fn compare, const void *ctx) {
    struct vol_order *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->compare = compare;
    t->ctx = ctx;
    t->root = node_new(t, true);
    if (!t->root) {
        free(t);
        return NULL;
    }
    return t;
}

static void free_below(struct vol_order *t, struct node *n) {
    for (unsigned i = 0; !n->leaf && i < n->n; i++)
        free_below(t, n->child[i]);
    node_free(t, n);
}

void vol_order_free(struct vol_order *t) {
    if (!t)
        return;
    free_below(t, t->root);
    free(t);
}

/* The first i in [from, n) whose number is at or after the key (beyond it, with `after`). */
static unsigned search(const struct vol_order *t, const struct node *n, unsigned from,
                       const void *key, bool after) {
    unsigned low = from, high = n->n;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int c = t->compare(t->ctx, n->number[mid], key);
        if (c < 0 || (after && c == 0))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct node *descend(const struct vol_order *t, const void *key, struct path *path) {
    struct node *n = t->root;
    path->depth = 0;
    while (!n->leaf) {
        unsigned i = search(t, n, 1, key, true) - 1;
        path->node[path->depth] = n;
        path->at[path->depth++] = i;
        n = n->child[i];
    }
    return n;
}

/* ---- adding ---- */

static void insert(struct node *n, unsigned i, uint32_t number, struct node *child) {
    memmove(&n->number[i + 1], &n->number[i], (n->n - i) * sizeof(n->number[0]));
    n->number[i] = number;
    if (!n->leaf) {
        memmove((void *)&n->child[i + 1], (void *)&n->child[i], (n->n - i) * sizeof(n->child[0]));
        n->child[i] = child;
    }
    n->n++;
}

/* Moves what n has from `at` on to `right`, which is new. */
static void split(struct node *n, struct node *right, unsigned at) {
    unsigned moved = n->n - at;
    memcpy(right->number, &n->number[at], moved * sizeof(n->number[0]));
    if (n->leaf) {
        right->child[0] = n->child[0];
        n->child[0] = right;
    } else {
        memcpy((void *)right->child, (void *)&n->child[at], moved * sizeof(n->child[0]));
    }
    right->n = (uint16_t)moved;
    n->n = (uint16_t)at;
}

/* New nodes for every full one on the way up from the leaf, and a root: taken before anything is
 * changed. Returns how many, or -ENOMEM. */
static int prepare(struct vol_order *t, const struct path *path, const struct node *leaf,
                   struct node *fresh[DEPTH_MAX + 1]) {
    unsigned n = 0;
    if (leaf->n < WIDTH)
        return 0;
    if (path->depth + 1 >= DEPTH_MAX)
        return -ENOMEM;
    fresh[n] = node_new(t, true);
    unsigned d = path->depth;
    while (fresh[n] && d > 0 && path->node[d - 1]->n == WIDTH) {
        fresh[++n] = node_new(t, false);
        d--;
    }
    if (fresh[n] && d == 0)
        fresh[++n] = node_new(t, false);
    if (fresh[n])
        return (int)n + 1;
    while (n)
        node_free(t, fresh[--n]);
    return -ENOMEM;
}

/* Puts a number at place i of the leaf; full nodes are split at `at`. */
static int put(struct vol_order *t, struct path *path, struct node *n, unsigned i, uint32_t number,
               unsigned at) {
    struct node *fresh[DEPTH_MAX + 1], *child = NULL;
    int left = prepare(t, path, n, fresh);
    if (left < 0)
        return left;
    for (struct node **next = fresh; n->n == WIDTH;) {
        struct node *right = *next++;
        split(n, right, at);
        uint32_t first = right->n ? right->number[0] : number;
        if (i > at || (i == at && right->n == 0) || (i == at && !n->leaf))
            insert(right, i - at, number, child);
        else
            insert(n, i, number, child);
        number = right->n ? right->number[0] : first;
        child = right;
        if (path->depth == 0) {
            struct node *root = *next;
            root->n = 0;
            insert(root, 0, n->number[0], n);
            insert(root, 1, number, child);
            t->root = root;
            return 0;
        }
        n = path->node[--path->depth];
        i = path->at[path->depth] + 1;
    }
    insert(n, i, number, child);
    return 0;
}

int vol_order_add(struct vol_order *t, uint32_t number, const void *key) {
    struct path path;
    struct node *leaf = descend(t, key, &path);
    return put(t, &path, leaf, search(t, leaf, 0, key, false), number, WIDTH / 2);
}

int vol_order_append(struct vol_order *t, uint32_t number) {
    struct path path = {.depth = 0};
    struct node *n = t->root;
    for (; !n->leaf; n = n->child[n->n - 1]) {
        path.node[path.depth] = n;
        path.at[path.depth++] = n->n - 1u;
    }
    /* All but a few stay behind: what is loaded in order fills its leaves. */
    return put(t, &path, n, n->n, number, WIDTH - LOW);
}
