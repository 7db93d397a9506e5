/* A range of addresses that gets memory from its beginning on, as it is needed, so that what is in
 * it never moves. One user at a time. */
#ifndef LB_ENGINE_VOLUME_RANGE_H
#define LB_ENGINE_VOLUME_RANGE_H

#include <stddef.h>

struct vol_range {
    char *base;
    size_t size;   /* bytes of addresses */
    size_t usable; /* bytes from base on that may be touched */
    void *map;     /* what was mapped: base is aligned in it */
};

/* Reserves addresses, no memory. Returns 0 or -ENOMEM. */
int vol_range_init(struct vol_range *r, size_t size);
void vol_range_fini(struct vol_range *r);

/* Makes the first n bytes usable; new ones are zero. Returns 0 or -ENOMEM. */
int vol_range_need(struct vol_range *r, size_t n);

/* Bytes of the whole pages in [*at, *at + n); *at becomes where they begin. */
size_t vol_range_pages(size_t *at, size_t n);
/* Gives the memory of whole pages back to the system; what they held is lost. */
void vol_range_drop(struct vol_range *r, size_t at, size_t n);

#endif
