/* A buddy allocator of 4 KiB units in 2 MiB regions.
 *
 * Invariants: the free blocks of order o (4 KiB << o) are on free[o], through the link of the unit
 * they begin with; a block is free and on its list, out, or part of a larger block; two free
 * buddies never stay beside each other; a region that is wholly free is one block of order
 * REGION_ORDER. */
#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/asan.h"

#define REGION_SIZE ((size_t)2 * 1024 * 1024)
#define REGION_ORDER 9
#define UNITS (1u << REGION_ORDER)
/* Wholly free regions kept for the next burst: a quarter of the pool, at most this many. To map one
 * again costs hundreds of page faults. */
#define REGIONS_FREE_MAX 16

_Static_assert(LB_POOL_BUF_MIN << REGION_ORDER == REGION_SIZE, "units fill a region");

enum unit_state { UNIT_INSIDE, UNIT_FREE, UNIT_OUT };

struct unit {
    struct lb_pool_buf buf; /* link is the pool's while the block is free */
    uint16_t index;
    uint8_t order; /* of the block that begins here */
    uint8_t state;
};

struct region {
    char *bytes;
    struct unit units[UNITS];
};

struct lb_pool {
    struct lb_list free[REGION_ORDER + 1];
    struct lb_list waiters;
    struct lb_pool_waiter *waking; /* the one whose fn is running */
    bool waited_again;             /* it called lb_pool_wait */
    size_t used;
    size_t held;
    size_t size_max;
    size_t held_max;
    size_t regions_free;
    size_t regions_free_max;
};

static size_t order_size(unsigned order) {
    return (size_t)LB_POOL_BUF_MIN << order;
}

static struct region *region_of(struct unit *u) {
    return LB_CONTAINER_OF(u - u->index, struct region, units);
}

struct lb_pool *lb_pool_new(size_t size_max) {
    struct lb_pool *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    for (unsigned order = 0; order <= REGION_ORDER; order++)
        lb_list_init(&p->free[order]);
    lb_list_init(&p->waiters);
    p->size_max = size_max;
    p->held_max = (size_max + REGION_SIZE - 1) / REGION_SIZE * REGION_SIZE;
    p->regions_free_max = (p->held_max / REGION_SIZE + 3) / 4;
    if (p->regions_free_max > REGIONS_FREE_MAX)
        p->regions_free_max = REGIONS_FREE_MAX;
    return p;
}

static void put_block(struct lb_pool *p, struct unit *u, unsigned order) {
    u->state = UNIT_FREE;
    u->order = (uint8_t)order;
    lb_list_prepend(&p->free[order], &u->buf.link);
    if (order == REGION_ORDER)
        p->regions_free++;
}

static void take_block(struct lb_pool *p, struct unit *u) {
    assert(u->state == UNIT_FREE);
    lb_list_remove(&u->buf.link);
    u->state = UNIT_INSIDE;
    if (u->order == REGION_ORDER)
        p->regions_free--;
}

static char *map_aligned(void) {
    char *p =
        mmap(NULL, 2 * REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (0 - (size_t)p) & (REGION_SIZE - 1);
    if (before)
        munmap(p, before);
    munmap(p + before + REGION_SIZE, REGION_SIZE - before);
    return p + before;
}

static int region_add(struct lb_pool *p) {
    if (p->held >= p->held_max)
        return -1;
    struct region *r = malloc(sizeof(*r));
    char *bytes = r ? map_aligned() : NULL;
    if (!bytes) {
        free(r);
        return -1;
    }
    r->bytes = bytes;
    for (unsigned i = 0; i < UNITS; i++) {
        struct unit *u = &r->units[i];
        *u = (struct unit){.index = (uint16_t)i, .state = UNIT_INSIDE};
        u->buf = (struct lb_pool_buf){.ptr = bytes + i * LB_POOL_BUF_MIN, .pool = p};
        lb_list_init(&u->buf.link);
    }
    lb_asan_poison(bytes, REGION_SIZE);
    p->held += REGION_SIZE;
    put_block(p, &r->units[0], REGION_ORDER);
    return 0;
}

static void region_remove(struct lb_pool *p, struct unit *first) {
    struct region *r = region_of(first);
    assert(first->order == REGION_ORDER);
    take_block(p, first);
    lb_asan_unpoison(r->bytes, REGION_SIZE);
    munmap(r->bytes, REGION_SIZE);
    p->held -= REGION_SIZE;
    free(r);
}

void lb_pool_free(struct lb_pool *p) {
    if (!p)
        return;
    assert(p->used == 0 && lb_list_empty(&p->waiters));
    struct lb_list *whole = &p->free[REGION_ORDER];
    while (!lb_list_empty(whole))
        region_remove(p, LB_CONTAINER_OF(whole->next, struct unit, buf.link));
    assert(p->held == 0);
    free(p);
}

/* The smallest free block of at least that order, or NULL. */
static struct unit *find_block(struct lb_pool *p, unsigned order) {
    for (; order <= REGION_ORDER; order++) {
        if (!lb_list_empty(&p->free[order]))
            return LB_CONTAINER_OF(p->free[order].next, struct unit, buf.link);
    }
    return NULL;
}

struct lb_pool_buf *lb_pool_get(struct lb_pool *p, size_t size) {
    unsigned order = 0;
    assert(size <= LB_POOL_BUF_MAX);
    while (order_size(order) < size)
        order++;
    if (order_size(order) > p->size_max - p->used)
        return NULL;
    struct unit *u = find_block(p, order);
    if (!u && region_add(p) == 0)
        u = find_block(p, order);
    if (!u)
        return NULL;
    unsigned from = u->order;
    take_block(p, u);
    while (from > order) {
        from--;
        put_block(p, u + (1u << from), from);
    }
    u->order = (uint8_t)order;
    u->state = UNIT_OUT;
    u->buf.cap = (uint32_t)order_size(order);
    u->buf.len = 0;
    lb_asan_unpoison(u->buf.ptr, u->buf.cap);
    p->used += u->buf.cap;
    return &u->buf;
}

/* Joins a block that was out with its free buddies and lists the result. */
static void merge_block(struct lb_pool *p, struct unit *u) {
    struct region *r = region_of(u);
    unsigned order = u->order;
    u->state = UNIT_INSIDE;
    while (order < REGION_ORDER) {
        struct unit *buddy = &r->units[u->index ^ (1u << order)];
        if (buddy->state != UNIT_FREE || buddy->order != order)
            break;
        take_block(p, buddy);
        if (buddy < u)
            u = buddy;
        order++;
    }
    put_block(p, u, order);
    if (p->regions_free > p->regions_free_max)
        region_remove(p, u);
}

/* Wakes waiters in their order until one of them finds too little and waits again. */
static void wake(struct lb_pool *p) {
    while (!p->waking && !lb_list_empty(&p->waiters)) {
        struct lb_list *link = lb_list_pop(&p->waiters);
        p->waking = LB_CONTAINER_OF(link, struct lb_pool_waiter, link);
        p->waited_again = false;
        p->waking->fn(p->waking);
        p->waking = NULL;
        if (p->waited_again)
            break;
    }
}

void lb_pool_put(struct lb_pool_buf *b) {
    if (!b)
        return;
    struct unit *u = LB_CONTAINER_OF(b, struct unit, buf);
    struct lb_pool *p = b->pool;
    assert(u->state == UNIT_OUT);
    lb_asan_poison(b->ptr, b->cap);
    p->used -= b->cap;
    merge_block(p, u);
    wake(p);
}

void lb_pool_wait(struct lb_pool *p, struct lb_pool_waiter *w) {
    if (w == p->waking) {
        /* It keeps its place, or those who want little would starve one who wants much. */
        p->waited_again = true;
        lb_list_prepend(&p->waiters, &w->link);
    } else {
        lb_list_append(&p->waiters, &w->link);
    }
}

size_t lb_pool_used(const struct lb_pool *p) {
    return p->used;
}

size_t lb_pool_held(const struct lb_pool *p) {
    return p->held;
}
