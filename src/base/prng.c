/* xoshiro256** 1.0 and splitmix64 (Blackman and Vigna), and the system's random source. */
#include "base/prng.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int by) {
    return (x << by) | (x >> (64 - by));
}

void lb_prng_seed(struct lb_prng *p, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        p->s[i] = splitmix64(&seed);
}

uint64_t lb_prng_next(struct lb_prng *p) {
    uint64_t *s = p->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t lb_prng_below(struct lb_prng *p, uint64_t n) {
    assert(n > 0);
    /* The high half of a 64x64 product is uniform once the few low halves that would make it
     * uneven, those below 2^64 mod n, are drawn again. */
    uint64_t reject_below = (0 - n) % n;
    unsigned __int128 product;
    do {
        product = (unsigned __int128)lb_prng_next(p) * n;
    } while ((uint64_t)product < reject_below);
    return (uint64_t)(product >> 64);
}

void lb_random_bytes(void *ret, size_t n) {
    char *to = ret;
    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        to += got;
        n -= (size_t)got;
    }
}
