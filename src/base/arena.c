/* Blocks of memory, newest first, from which allocations are cut. */
#include "base/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/asan.h"

/* A signed request takes 5 KiB: with what malloc adds, two pages. */
#define ARENA_BLOCK_MIN (LB_ASAN ? 0 : 8144)

struct lb_arena_block {
    struct lb_arena_block *next;
    size_t cap;
    size_t len;
    size_t charged; /* to the arena's budget */
    _Alignas(16) char bytes[];
};

void lb_arena_init(struct lb_arena *a, size_t size_max) {
    *a = (struct lb_arena){.size_max = size_max};
}

static void free_newest(struct lb_arena *a) {
    struct lb_arena_block *b = a->blocks;
    a->blocks = b->next;
    if (b->charged)
        lb_budget_give_arena(a->budget, b->charged);
    free(b);
}

void lb_arena_fini(struct lb_arena *a) {
    while (a->blocks)
        free_newest(a);
    a->used = 0;
}

void lb_arena_reset(struct lb_arena *a) {
    while (a->blocks && (a->blocks->next || a->blocks->charged || ARENA_BLOCK_MIN == 0))
        free_newest(a);
    if (a->blocks)
        a->blocks->len = 0;
    a->used = 0;
}

/* A block of that many bytes, charged unless it is among the first of the arena. */
static struct lb_arena_block *block_new(struct lb_arena *a, size_t cap) {
    size_t size = sizeof(struct lb_arena_block) + cap;
    size_t charged = a->budget && a->used + size > LB_BUDGET_FREE ? size : 0;
    if (charged && !lb_budget_take_arena(a->budget, charged, a->used))
        return NULL;
    struct lb_arena_block *b = malloc(size);
    if (b)
        *b = (struct lb_arena_block){.next = a->blocks, .cap = cap, .charged = charged};
    else if (charged)
        lb_budget_give_arena(a->budget, charged);
    return b;
}

void *lb_arena_alloc(struct lb_arena *a, size_t n) {
    if (n > a->size_max - a->used)
        return NULL;
    size_t need = (n + 15) & ~(size_t)15;
    struct lb_arena_block *b = a->blocks;
    if (!b || need > b->cap - b->len) {
        size_t cap = need > ARENA_BLOCK_MIN ? need : ARENA_BLOCK_MIN;
        b = block_new(a, cap);
        if (!b)
            return NULL;
        a->blocks = b;
    }
    void *p = b->bytes + b->len;
    b->len += need;
    a->used += n;
    return p;
}

void *lb_arena_zalloc(struct lb_arena *a, size_t n) {
    void *p = lb_arena_alloc(a, n);
    if (p)
        memset(p, 0, n);
    return p;
}

int lb_arena_copy(struct lb_arena *a, struct lb_slice s, struct lb_slice *ret) {
    char *p = lb_arena_alloc(a, s.len + 1);
    if (!p)
        return -ENOMEM;
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    *ret = lb_slice(p, s.len);
    return 0;
}

int lb_arena_printf(struct lb_arena *a, struct lb_slice *ret, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : lb_arena_alloc(a, (size_t)n + 1);
    if (!p)
        return -ENOMEM;
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    *ret = lb_slice(p, (size_t)n);
    return 0;
}
