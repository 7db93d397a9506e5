/* An engine in memory: the whole of engine.h, the simplest way. What it does is what every engine
 * must do; it is there so that the S3 layer runs without files. One port, one loop. */
#ifndef LB_TESTS_LIB_MEM_ENGINE_H
#define LB_TESTS_LIB_MEM_ENGINE_H

#include "engine/engine.h"

struct lb_engine *mem_engine_new(void);

/* Knobs and gauges of a test. */
struct mem_engine_test {
    unsigned fail_set;     /* so many set_meta and bucket_set find that another was faster */
    int fail_write;        /* error of the next write, then 0 again */
    unsigned writers;      /* open now */
    unsigned readers;      /* open now */
    unsigned writes;       /* in flight */
    unsigned writes_max;   /* at once, ever */
    bool unaligned;        /* a write before the last was no multiple of LB_WRITE_UNIT */
    uint64_t hint;         /* size_hint of the last create */
    unsigned bucket_heads; /* ever */
    bool relaxed;          /* the last write, removal or change */
};
struct mem_engine_test *mem_engine_test(struct lb_engine *e);

/* Puts an object there as another program would: no meta, an opaque ETag. */
void mem_engine_foreign(struct lb_engine *e, struct lb_slice bucket, struct lb_slice key,
                        struct lb_slice data);

/* Replaces a bucket's settings. */
void mem_engine_settings(struct lb_engine *e, struct lb_slice bucket, struct lb_slice settings);

#endif
