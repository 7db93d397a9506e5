/* Buffers for bodies: 4 KiB-aligned, power-of-two sizes from 4 KiB to 1 MiB, cut from 2 MiB-aligned
 * regions, so that O_DIRECT and DMA can use them as they are. A pool belongs to one loop: get and
 * put run on its thread. Other threads may use a buffer's bytes while its owner keeps it. */
#ifndef LB_BASE_POOL_H
#define LB_BASE_POOL_H

#include "base/list.h"
#include "base/slice.h"

#define LB_POOL_BUF_MIN 4096u
#define LB_POOL_BUF_MAX (1024u * 1024u)

struct lb_pool;

struct lb_pool_buf {
    char *ptr;
    uint32_t cap;
    uint32_t len; /* bytes of content, the owner's to keep */
    struct lb_pool *pool;
    struct lb_list link; /* the owner's while it holds the buffer */
};

/* Someone who waits for memory. fn is called once, from the put that makes room, with the waiter
 * already unlinked; it should try again and may wait again. */
struct lb_pool_waiter {
    struct lb_list link;
    void (*fn)(struct lb_pool_waiter *w);
};

/* A pool that holds at most size_max bytes of buffers. Returns owned, or NULL without memory. */
struct lb_pool *lb_pool_new(size_t size_max);

/* All buffers must have been put back. */
void lb_pool_free(struct lb_pool *p);

/* A buffer of at least size bytes (rounded up to a power of two; size at most LB_POOL_BUF_MAX), or
 * NULL when the pool is at its bound: then answer SLOW_DOWN, or wait. Contents are undefined. */
struct lb_pool_buf *lb_pool_get(struct lb_pool *p, size_t size);

/* Gives the buffer back. NULL is allowed. Regions that are wholly free beyond a small reserve are
 * returned to the operating system. */
void lb_pool_put(struct lb_pool_buf *b);

/* Queues w (not linked) behind the other waiters. lb_list_remove(&w->link) cancels. */
void lb_pool_wait(struct lb_pool *p, struct lb_pool_waiter *w);

/* Bytes in buffers that are out, and bytes of regions held from the operating system. */
size_t lb_pool_used(const struct lb_pool *p);
size_t lb_pool_held(const struct lb_pool *p);

#endif
