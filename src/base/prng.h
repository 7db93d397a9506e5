/* Randomness: the system's for secrets and names, a seeded generator for simulation. */
#ifndef LB_BASE_PRNG_H
#define LB_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct lb_prng {
    uint64_t s[4];
};

/* xoshiro256**, seeded through splitmix64. Not for secrets. */
void lb_prng_seed(struct lb_prng *p, uint64_t seed);
uint64_t lb_prng_next(struct lb_prng *p);

/* Uniform in [0, n), n > 0. */
uint64_t lb_prng_below(struct lb_prng *p, uint64_t n);

/* n bytes of the system's cryptographic random source (getrandom). Aborts where there is none. */
void lb_random_bytes(void *ret, size_t n);

#endif
