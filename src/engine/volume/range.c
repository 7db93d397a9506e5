/* Addresses are mapped without access, which takes no memory and counts against no limit of it;
 * access is given in steps, so that a lack of memory is an error here and not a fault later. */
#include "engine/volume/range.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

/* Also the size of a huge page: look-ups touch memory at random. */
#define STEP ((size_t)2 << 20)
#define PAGE ((size_t)4096)

int vol_range_init(struct vol_range *r, size_t size) {
    void *map =
        mmap(NULL, size + STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    *r = (struct vol_range){.size = size, .map = map};
    r->base = (char *)map + (STEP - (uintptr_t)map % STEP) % STEP;
    (void)madvise(r->base, size, MADV_HUGEPAGE); /* a kernel without them does it with small ones */
    return 0;
}

void vol_range_fini(struct vol_range *r) {
    if (r->map)
        munmap(r->map, r->size + STEP);
    *r = (struct vol_range){.map = NULL};
}

int vol_range_need(struct vol_range *r, size_t n) {
    if (n <= r->usable)
        return 0;
    if (n > r->size)
        return -ENOMEM;
    size_t more = (n - r->usable + STEP - 1) / STEP * STEP;
    if (more > r->size - r->usable)
        more = r->size - r->usable;
    if (mprotect(r->base + r->usable, more, PROT_READ | PROT_WRITE) < 0)
        return -ENOMEM;
    r->usable += more;
    return 0;
}

size_t vol_range_pages(size_t *at, size_t n) {
    size_t from = (*at + PAGE - 1) / PAGE * PAGE, to = (*at + n) / PAGE * PAGE;
    *at = from;
    return to > from ? to - from : 0;
}

void vol_range_drop(struct vol_range *r, size_t at, size_t n) {
    (void)madvise(r->base + at, n, MADV_DONTNEED);
}
