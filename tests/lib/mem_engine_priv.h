/* The inside of the engine in memory. */
#ifndef LB_TESTS_LIB_MEM_ENGINE_PRIV_H
#define LB_TESTS_LIB_MEM_ENGINE_PRIV_H

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "mem_engine.h"

/* Bytes, and what is known of them, or a delete marker; freed with the last reader. */
struct mem_version {
    struct lb_list link; /* of its object: newest first */
    unsigned refs;
    struct lb_buf data, meta;
    struct lb_object_info info; /* meta borrows from the buffer */
};

struct mem_object {
    struct lb_list link; /* in order of key */
    struct lb_buf key;
    struct lb_list versions; /* one at least */
};

struct mem_part {
    struct lb_list link; /* in order of number */
    uint32_t number;
    struct mem_version *version;
};

struct mem_upload {
    struct lb_list link; /* in order of key, then id */
    struct lb_buf key, id, meta;
    int64_t created_ns;
    struct lb_list parts;
};

struct mem_bucket {
    struct lb_list link; /* in order of name */
    struct lb_buf name, settings;
    int64_t created_ns;
    uint64_t id;
    struct lb_list objects, uploads;
};

struct mem_engine {
    struct lb_engine engine;
    struct lb_engine_port port;
    struct lb_list buckets;
    uint64_t next_id;
    struct mem_engine_test test;
};

struct mem_writer {
    struct lb_writer writer;
    struct mem_version *version;
    uint64_t bucket_id;
    struct lb_buf bucket, key, upload_id;
    uint32_t part;
    bool short_write; /* the last write was no multiple of LB_WRITE_UNIT */
};

struct mem_reader {
    struct lb_reader reader;
    struct mem_version *version;
};

struct mem_engine *mem_of(struct lb_engine_port *p);
/* Completes op with err, through the loop. */
void mem_done(struct lb_engine_port *p, struct lb_engine_op *op, int err);
void mem_copy(struct lb_buf *b, struct lb_slice s);
struct lb_slice mem_keep(struct lb_engine_op *op, struct lb_slice s);

struct mem_bucket *mem_bucket(struct mem_engine *e, struct lb_slice name);
struct mem_object *mem_object(struct mem_bucket *b, struct lb_slice key);
struct mem_upload *mem_upload(struct mem_bucket *b, struct lb_slice key, struct lb_slice id);
void mem_upload_free(struct mem_upload *u);

struct mem_version *mem_version_new(void);
void mem_version_unref(struct mem_version *v);
void mem_meta(struct mem_version *v, struct lb_slice meta);
void mem_object_free(struct mem_object *o);
/* What op means by key and version; else sets *ret_err, and op->info of a marker. */
struct mem_version *mem_version_find(struct lb_engine_port *p, struct lb_engine_op *op,
                                     int *ret_err);
int mem_precond(struct mem_bucket *b, const struct lb_engine_op *op, struct lb_slice key);
void mem_publish(struct mem_engine *e, struct mem_bucket *b, struct lb_slice key,
                 struct mem_version *v, enum lb_versioning versioning);
void mem_remove(struct lb_engine_port *p, struct lb_engine_op *op);
/* Of a list: the version after v (NULL: the first) that goes into it; NULL: no more of this key. */
struct mem_version *mem_version_next(const struct mem_object *o, const struct mem_version *v,
                                     const struct lb_engine_op *op);
bool mem_version_latest(const struct mem_object *o, const struct mem_version *v);

void mem_list(struct lb_engine_port *p, struct lb_engine_op *op);
void mem_upload_create(struct lb_engine_port *p, struct lb_engine_op *op);
void mem_upload_head(struct lb_engine_port *p, struct lb_engine_op *op);
void mem_upload_list(struct lb_engine_port *p, struct lb_engine_op *op);
void mem_upload_parts(struct lb_engine_port *p, struct lb_engine_op *op);
void mem_upload_complete(struct lb_engine_port *p, struct lb_engine_op *op);
void mem_upload_abort(struct lb_engine_port *p, struct lb_engine_op *op);
int mem_upload_put(struct mem_upload *u, uint32_t number, struct mem_version *v);

#endif
