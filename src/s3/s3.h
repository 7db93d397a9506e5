/* The S3 protocol on top of an engine: one service per loop. */
#ifndef LB_S3_S3_H
#define LB_S3_S3_H

#include "auth/sigv4.h"
#include "engine/engine.h"
#include "hash/hash.h"
#include "http/exchange.h"
#include "s3/bucket_settings.h"

/* Shared by the services of all loops; read-only while they run. All borrowed. */
struct lb_s3_conf {
    struct lb_slice region; /* answered as LocationConstraint; "us-east-1" gives the empty one */
    struct lb_slice domain; /* virtual hosts beneath it; empty: none configured. bucket.localhost
                               always works */
    struct lb_slice default_bucket; /* single-bucket mode; empty: off */
    bool relaxed;                   /* durability = relaxed */
    struct lb_creds_box *creds;     /* NULL: authentication off */
    struct lb_slice owner_id;       /* shown when authentication is off */
    struct lb_slice owner_name;
    struct lb_s3_buckets *buckets; /* one for all loops and the control plane */
    uint64_t part_size_min;        /* 5 MiB */
    unsigned patience_ms;          /* how long a completion may take before the client gets white
                                      space; 0 = 5000 */
    unsigned body_window;          /* pool buffers of 256 KiB one upload may hold; 0 = 2 */
};

struct lb_s3 {
    const struct lb_s3_conf *conf;
    struct lb_engine_port *port;
    struct lb_io *io;
    struct lb_hash_service *hash;
    struct lb_auth_key_cache *keys;     /* owned */
    struct s3_settings_cache *settings; /* owned */
    struct s3_throttle *throttle;       /* owned */
    struct lb_creds_reader creds;       /* of conf->creds, when there are any */
    uint64_t next_id;
};

/* The service of a loop; everything is borrowed and outlives it. Returns owned, or NULL without
 * memory. */
struct lb_s3 *lb_s3_new(const struct lb_s3_conf *conf, struct lb_engine_port *port,
                        struct lb_hash_service *hash);
/* No exchange may be in its hands. NULL is allowed. */
void lb_s3_free(struct lb_s3 *s);

/* Answers one exchange; an lb_exchange_handler, ctx is the lb_s3. */
void lb_s3_handle(void *ctx, struct lb_exchange *x);

/* The name of operation i, which exchanges carry as i + 1; NULL beyond the last. Some names come
 * twice. Static. */
const char *lb_s3_op_name(size_t i);

/* Is name a valid bucket name by S3's rules (3 to 63 of a-z 0-9 . -, and so on)? */
bool lb_s3_bucket_name_valid(struct lb_slice name);

#endif
