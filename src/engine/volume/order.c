/* A node holds up to WIDTH numbers: a leaf those of the set, an inner node, of each of its
 * children, the first number beneath it. number[0] of an inner node is never compared and may be
 * stale; all others are kept right, since what a stale one names may be gone. Leaves are chained.
 *
 * On the way down to where a number is added every full node is split, and on the way to where one
 * is removed every small node is joined or evened out with a neighbour: so what happens below never
 * has to come back up. Nodes of fewer than LOW are the root, and those at the right edge. */
#include "engine/volume/order.h"

#include <errno.h>
#include <string.h>

#define WIDTH 126u /* a leaf takes 512 bytes */
#define LOW (WIDTH / 4)

struct node {
    uint16_t n;
    uint16_t leaf;
    uint32_t next; /* leaf: the next one, or 0 */
    uint32_t number[WIDTH];
    uint32_t child[]; /* inner: WIDTH of them */
};

static size_t node_size(bool leaf) {
    return sizeof(struct node) + (leaf ? 0 : WIDTH * sizeof(uint32_t));
}

static struct node *at(const struct vol_order *t, uint32_t number) {
    return vol_slab_at(t->slab, number);
}

/* Returns 0 without memory. */
static uint32_t node_new(struct vol_order *t, bool leaf) {
    uint32_t number = vol_slab_take(t->slab, node_size(leaf));
    if (!number)
        return 0;
    struct node *n = at(t, number);
    n->n = 0;
    n->leaf = leaf;
    n->next = 0;
    t->memory += node_size(leaf);
    return number;
}

static void node_give(struct vol_order *t, uint32_t number) {
    size_t size = node_size(at(t, number)->leaf);
    t->memory -= size;
    vol_slab_give(t->slab, number, size);
}

void vol_order_init(struct vol_order *t, struct vol_slab *slab, vol_order_fn compare) {
    *t = (struct vol_order){.compare = compare, .slab = slab};
}

/* Of what may be compared next: memory is slower than all else here. */
static void prefetch(const struct vol_order *t, uint32_t number) {
    const char *piece = vol_slab_at(t->slab, number);
    __builtin_prefetch(piece);
    __builtin_prefetch(piece + 64);
}

/* The first i in [from, n) whose number is at or after the key; with `beyond`, after it. */
static unsigned search(const struct vol_order *t, const struct node *n, unsigned from,
                       const void *key, bool beyond) {
    unsigned low = from, high = n->n;
    while (low < high) {
        unsigned mid = (low + high) / 2, above = (mid + 1 + high) / 2;
        prefetch(t, n->number[(low + mid) / 2]);
        prefetch(t, n->number[above < high ? above : mid]);
        int c = t->compare(vol_slab_at(t->slab, n->number[mid]), key);
        if (c < 0 || (beyond && c == 0))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The child of an inner node that the key belongs to. */
static unsigned search_child(const struct vol_order *t, const struct node *n, const void *key) {
    return search(t, n, 1, key, true) - 1;
}

/* ---- moving numbers ---- */

static void shift(struct node *n, unsigned from, unsigned to) {
    unsigned moved = n->n - from;
    memmove(&n->number[to], &n->number[from], moved * sizeof(n->number[0]));
    if (!n->leaf)
        memmove(&n->child[to], &n->child[from], moved * sizeof(n->child[0]));
    n->n = (uint16_t)(n->n + to - from);
}

static void copy(struct node *to, unsigned to_at, const struct node *from, unsigned from_at,
                 unsigned n) {
    memcpy(&to->number[to_at], &from->number[from_at], n * sizeof(to->number[0]));
    if (!to->leaf)
        memcpy(&to->child[to_at], &from->child[from_at], n * sizeof(to->child[0]));
}

/* ---- adding ---- */

static void insert(struct node *n, unsigned i, uint32_t number, uint32_t child) {
    shift(n, i, i + 1);
    n->number[i] = number;
    if (!n->leaf)
        n->child[i] = child;
}

/* Child i of a parent that has room keeps its first `keep` numbers; the rest goes to a new node
 * behind it. */
static int split(struct vol_order *t, struct node *parent, unsigned i, unsigned keep) {
    struct node *left = at(t, parent->child[i]);
    uint32_t number = node_new(t, left->leaf);
    if (!number)
        return -ENOMEM;
    struct node *right = at(t, number);
    right->n = (uint16_t)(left->n - keep);
    copy(right, 0, left, keep, right->n);
    left->n = (uint16_t)keep;
    if (left->leaf) {
        right->next = left->next;
        left->next = number;
    }
    insert(parent, i + 1, right->number[0], number);
    return 0;
}

/* Gives the tree a root that has room. */
static int prepare_root(struct vol_order *t, unsigned keep) {
    if (!t->root) {
        t->root = node_new(t, true);
        return t->root ? 0 : -ENOMEM;
    }
    if (at(t, t->root)->n < WIDTH)
        return 0;
    uint32_t number = node_new(t, false);
    if (!number)
        return -ENOMEM;
    struct node *root = at(t, number);
    insert(root, 0, at(t, t->root)->number[0], t->root);
    if (split(t, root, 0, keep) < 0) {
        node_give(t, number);
        return -ENOMEM;
    }
    t->root = number;
    return 0;
}

int vol_order_add(struct vol_order *t, uint32_t number, const void *key) {
    if (prepare_root(t, WIDTH / 2) < 0)
        return -ENOMEM;
    struct node *n = at(t, t->root);
    while (!n->leaf) {
        unsigned i = search_child(t, n, key);
        if (at(t, n->child[i])->n == WIDTH) {
            if (split(t, n, i, WIDTH / 2) < 0)
                return -ENOMEM;
            i += t->compare(vol_slab_at(t->slab, n->number[i + 1]), key) <= 0;
        }
        n = at(t, n->child[i]);
    }
    insert(n, search(t, n, 0, key, false), number, 0);
    return 0;
}

int vol_order_append(struct vol_order *t, uint32_t number) {
    if (prepare_root(t, WIDTH - 1) < 0)
        return -ENOMEM;
    struct node *n = at(t, t->root);
    while (!n->leaf) {
        if (at(t, n->child[n->n - 1])->n == WIDTH && split(t, n, n->n - 1u, WIDTH - 1) < 0)
            return -ENOMEM;
        n = at(t, n->child[n->n - 1]);
    }
    insert(n, n->n, number, 0);
    return 0;
}

/* ---- removing ---- */

/* Moves all of child i + 1 to the end of child i. */
static void join(struct vol_order *t, struct node *parent, unsigned i) {
    struct node *left = at(t, parent->child[i]);
    uint32_t number = parent->child[i + 1];
    struct node *right = at(t, number);
    right->number[0] = parent->number[i + 1];
    copy(left, left->n, right, 0, right->n);
    left->n = (uint16_t)(left->n + right->n);
    left->next = right->next;
    node_give(t, number);
    shift(parent, i + 2, i + 1);
}

/* Gives children i and i + 1 about as many numbers each. */
static void even_out(struct vol_order *t, struct node *parent, unsigned i) {
    struct node *left = at(t, parent->child[i]), *right = at(t, parent->child[i + 1]);
    unsigned keep = (left->n + right->n) / 2u;
    right->number[0] = parent->number[i + 1];
    if (left->n > keep) {
        unsigned moved = left->n - keep;
        shift(right, 0, moved);
        copy(right, 0, left, keep, moved);
        left->n = (uint16_t)keep;
    } else {
        unsigned moved = keep - left->n;
        copy(left, left->n, right, 0, moved);
        left->n = (uint16_t)keep;
        shift(right, moved, 0);
    }
    parent->number[i + 1] = right->number[0];
}

/* Makes child i larger than LOW. Returns where it is now. */
static unsigned enlarge(struct vol_order *t, struct node *parent, unsigned i) {
    if (at(t, parent->child[i])->n > LOW || parent->n == 1)
        return i;
    unsigned left = i > 0 ? i - 1 : 0;
    if (at(t, parent->child[left])->n + at(t, parent->child[left + 1])->n <= WIDTH)
        join(t, parent, left);
    else
        even_out(t, parent, left);
    return left;
}

/* Is place i of a leaf that key's? */
static bool is_at(const struct vol_order *t, const struct node *n, unsigned i, const void *key) {
    return i < n->n && t->compare(vol_slab_at(t->slab, n->number[i]), key) == 0;
}

uint32_t vol_order_remove(struct vol_order *t, const void *key, uint32_t *ret_next) {
    if (!t->root)
        return 0;
    uint32_t *first = NULL; /* where an inner node names the first number of the leaf */
    struct node *n = at(t, t->root);
    while (!n->leaf) {
        enlarge(t, n, search_child(t, n, key));
        if (n->n == 1) { /* the root alone can come down to one child */
            uint32_t child = n->child[0];
            node_give(t, t->root);
            t->root = child;
            n = at(t, child);
            continue;
        }
        unsigned i = search_child(t, n, key);
        if (i > 0)
            first = &n->number[i];
        n = at(t, n->child[i]);
    }
    unsigned i = search(t, n, 0, key, false);
    if (!is_at(t, n, i, key))
        return 0;
    uint32_t number = n->number[i];
    shift(n, i + 1, i);
    if (i == 0 && first)
        *first = n->number[0];
    *ret_next = i < n->n ? n->number[i] : n->next ? at(t, n->next)->number[0] : 0;
    return number;
}

/* ---- looking ---- */

uint32_t vol_order_set(struct vol_order *t, const void *key, uint32_t number) {
    if (!t->root)
        return 0;
    uint32_t *first = NULL;
    struct node *n = at(t, t->root);
    while (!n->leaf) {
        unsigned i = search_child(t, n, key);
        if (i > 0)
            first = &n->number[i];
        n = at(t, n->child[i]);
    }
    unsigned i = search(t, n, 0, key, false);
    if (!is_at(t, n, i, key))
        return 0;
    uint32_t old = n->number[i];
    n->number[i] = number;
    if (i == 0 && first)
        *first = number;
    return old;
}

uint32_t vol_order_seek(const struct vol_order *t, const void *key, struct vol_order_at *ret) {
    if (!t->root)
        return 0;
    uint32_t leaf = t->root;
    const struct node *n = at(t, leaf);
    while (!n->leaf) {
        leaf = n->child[search_child(t, n, key)];
        n = at(t, leaf);
    }
    unsigned i = search(t, n, 0, key, false);
    if (i == n->n) {
        leaf = n->next;
        i = 0;
        if (!leaf)
            return 0;
        n = at(t, leaf);
    }
    *ret = (struct vol_order_at){leaf, i};
    return i < n->n ? n->number[i] : 0;
}

uint32_t vol_order_next(const struct vol_order *t, struct vol_order_at *place) {
    const struct node *n = at(t, place->leaf);
    uint32_t leaf = place->leaf;
    unsigned i = place->i + 1;
    if (i >= n->n) {
        leaf = n->next;
        i = 0;
        if (!leaf)
            return 0;
        n = at(t, leaf);
    }
    *place = (struct vol_order_at){leaf, i};
    return n->number[i];
}

uint32_t vol_order_first(const struct vol_order *t, struct vol_order_at *ret) {
    if (!t->root)
        return 0;
    uint32_t leaf = t->root;
    while (!at(t, leaf)->leaf)
        leaf = at(t, leaf)->child[0];
    *ret = (struct vol_order_at){leaf, 0};
    return at(t, leaf)->n ? at(t, leaf)->number[0] : 0;
}

/* ---- checking ---- */

struct check {
    const struct vol_order *t;
    uint32_t next; /* the leaf that must come next; 0 before the first */
    size_t memory;
    int depth; /* of all leaves; -1: none seen */
};

/* first: what the parent says is the first number beneath; 0: it may not know. */
static bool check_leaf(struct check *c, uint32_t number, uint32_t first, int depth) {
    const struct node *n = at(c->t, number);
    bool in_place = c->depth < 0 || (c->depth == depth && c->next == number);
    c->depth = depth;
    c->next = n->next;
    return in_place && (!first || n->number[0] == first);
}

static bool check_below(struct check *c, uint32_t number, uint32_t first, int depth, bool edge) {
    const struct node *n = at(c->t, number);
    unsigned least = depth == 0 ? (n->leaf ? 0 : 2) : edge ? 1 : LOW;
    c->memory += node_size(n->leaf);
    if (n->n > WIDTH || n->n < least)
        return false;
    if (n->leaf)
        return check_leaf(c, number, first, depth);
    for (unsigned i = 0; i < n->n; i++) {
        bool last = edge && i == n->n - 1u;
        if (!check_below(c, n->child[i], i ? n->number[i] : first, depth + 1, last))
            return false;
    }
    return true;
}

bool vol_order_check(const struct vol_order *t) {
    struct check c = {.t = t, .depth = -1};
    if (!t->root)
        return t->memory == 0;
    return check_below(&c, t->root, 0, 0, true) && c.next == 0 && c.memory == t->memory;
}
