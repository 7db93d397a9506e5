/* Leaky buckets of refusals by address, in a table of fixed size: sets of a few slots, in which the
 * one that was refused longest ago gives way. */
#include "s3/throttle_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/map.h"
#include "io/io.h"
#include "s3/request_priv.h"

#define WAYS 4
#define SETS 256
#define SECOND_NS 1000000000ull

struct slot {
    uint64_t address; /* its hash; 0: free */
    uint64_t last_ns;
    unsigned level;
};

struct s3_throttle {
    unsigned delayed;
    struct slot slots[SETS * WAYS];
};

struct s3_throttle *s3_throttle_new(void) {
    return calloc(1, sizeof(struct s3_throttle));
}

void s3_throttle_free(struct s3_throttle *t) {
    free(t);
}

/* A number for the address in "192.0.2.1:4711" or "[2001:db8::1]:4711". Of IPv6 only the first 64
 * bits count: whoever has one address of a network has them all. */
static uint64_t address_of(struct lb_slice peer) {
    struct in6_addr v6;
    char text[INET6_ADDRSTRLEN] = "";
    struct lb_slice bytes = peer;
    if (lb_slice_starts_with(peer, LB_S("["))) {
        struct lb_slice rest = lb_slice_from(peer, 1);
        struct lb_slice ip = lb_slice_cut(&rest, ']');
        if (ip.len < sizeof(text))
            memcpy(text, ip.ptr, ip.len);
        if (inet_pton(AF_INET6, text, &v6) == 1)
            bytes = IN6_IS_ADDR_V4MAPPED(&v6) ? lb_slice(&v6.s6_addr[12], 4) : lb_slice(&v6, 8);
    } else {
        bytes = lb_slice_cut(&peer, ':');
    }
    return lb_hash_bytes(bytes) | 1;
}

/* The slot of the address, or the one that it gets. */
static struct slot *slot_of(struct s3_throttle *t, uint64_t address) {
    struct slot *set = &t->slots[(address >> 1) % SETS * WAYS], *oldest = set;
    for (struct slot *s = set; s < set + WAYS; s++) {
        if (s->address == address)
            return s;
        if (s->last_ns < oldest->last_ns)
            oldest = s;
    }
    *oldest = (struct slot){.address = address};
    return oldest;
}

bool s3_throttle_note(struct s3_throttle *t, struct lb_slice peer, uint64_t now_ns) {
    struct slot *s = slot_of(t, address_of(peer));
    uint64_t forgotten = s->level ? (now_ns - s->last_ns) / SECOND_NS : 0;
    if (forgotten >= s->level)
        s->last_ns = now_ns;
    else
        s->last_ns += forgotten * SECOND_NS;
    s->level -= forgotten < s->level ? (unsigned)forgotten : s->level;
    if (s->level < S3_THROTTLE_LEVEL_MAX)
        s->level++;
    return s->level > S3_THROTTLE_FREE;
}

bool s3_throttle_concerns(int err) {
    return err == LB_ERR_INVALID_ACCESS_KEY || err == LB_ERR_SIGNATURE_MISMATCH ||
           err == LB_ERR_KEY_EXPIRED;
}

static void on_delay(struct lb_io_timer *timer) {
    struct s3_request *r = LB_CONTAINER_OF(timer, struct s3_request, refusal_timer);
    r->s3->throttle->delayed--;
    s3_fail(r, r->refusal);
}

void s3_refuse(struct s3_request *r, int err) {
    struct s3_throttle *t = r->s3->throttle;
    if (!s3_throttle_note(t, r->x->peer, lb_io_now_ns(r->s3->io))) {
        s3_fail(r, err);
    } else if (t->delayed == S3_THROTTLE_DELAYED_MAX) {
        s3_fail(r, LB_ERR_AUTH_THROTTLED);
    } else {
        t->delayed++;
        r->refusal = err;
        r->refusal_timer = (struct lb_io_timer){.fn = on_delay};
        lb_io_timer_start(r->s3->io, &r->refusal_timer, S3_THROTTLE_DELAY_NS);
    }
}
