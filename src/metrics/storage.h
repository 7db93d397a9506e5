/* What a storage engine tells about itself: the result of lb_engine_ops.stats. */
#ifndef LB_METRICS_STORAGE_H
#define LB_METRICS_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

/* For objects and bytes that an engine does not keep count of. */
#define LB_STORAGE_UNKNOWN UINT64_MAX

struct lb_storage_stats {
    uint64_t objects, object_bytes;  /* stored, or LB_STORAGE_UNKNOWN */
    uint64_t size_bytes, free_bytes; /* of the storage; what lobos may still write */
    uint64_t reads, read_bytes;      /* pieces of objects read or given to be sent, since start */
    uint64_t writes, write_bytes;    /* pieces of objects written, since start */
    uint64_t syncs;                  /* flushes to the device for commits, since start */
    uint64_t synced;                 /* commits made durable by them, since start */
    uint64_t queue;                  /* commits that wait for a flush now */
    bool read_only;                  /* it takes no writes until a restart */
};

#endif
