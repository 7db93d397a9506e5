/* lobosctl bucket ... */
#include "ctl/commands.h"
#include "ctl/format.h"
#include "ctl/show.h"

#define ACCESS (&lobosadmin__access__descriptor)
#define VERSIONING (&lobosadmin__versioning__descriptor)
#define DURABILITY (&lobosadmin__durability__descriptor)

static void bucket_json(struct lb_json *doc, const Lobosadmin__Bucket *b) {
    char word[LB_RIGHTS_MAX];
    bool counted = b->usage && b->usage->counted != 0;
    lb_json_object(doc, NULL);
    lb_json_str(doc, "name", b->name);
    lb_json_time(doc, "created", b->created);
    lb_json_str(doc, "owner", b->owner[0] ? b->owner : NULL);
    lb_json_str(doc, "access", lb_enum_word(ACCESS, (int)b->access, word));
    lb_json_str(doc, "versioning", lb_enum_word(VERSIONING, (int)b->versioning, word));
    lb_json_str(doc, "durability", lb_enum_word(DURABILITY, (int)b->durability, word));
    if (counted) {
        lb_json_u64(doc, "objects", b->usage->objects);
        lb_json_u64(doc, "bytes", b->usage->bytes);
    } else {
        lb_json_str(doc, "objects", NULL);
        lb_json_str(doc, "bytes", NULL);
    }
    lb_json_time(doc, "counted", counted ? b->usage->counted : 0);
    lb_json_end(doc);
}

/* A bucket as rows of name and value. */
static void show(struct lb_ctl *c, const Lobosadmin__Bucket *b) {
    char text[LB_FORMAT_MAX], word[LB_RIGHTS_MAX];
    bool counted = b->usage && b->usage->counted != 0;
    struct lb_table t;
    if (c->json) {
        bucket_json(&c->doc, b);
        return;
    }
    lb_table_init(&t, NULL, "ll");
    lb_table_cell(&t, "bucket");
    lb_table_cell(&t, b->name);
    lb_table_cell(&t, "created");
    lb_table_cell(&t, lb_format_time(b->created, text));
    lb_table_cell(&t, "owner");
    lb_table_cell(&t, b->owner[0] ? b->owner : "(administrator)");
    lb_table_cell(&t, "access");
    lb_table_cell(&t, lb_enum_word(ACCESS, (int)b->access, word));
    lb_table_cell(&t, "versioning");
    lb_table_cell(&t, lb_enum_word(VERSIONING, (int)b->versioning, word));
    lb_table_cell(&t, "durability");
    lb_table_cell(&t, lb_enum_word(DURABILITY, (int)b->durability, word));
    lb_table_cell(&t, "objects");
    lb_table_cell(&t, counted ? lb_format_count(b->usage->objects, text) : "(not counted yet)");
    if (counted) {
        lb_table_cell(&t, "size");
        lb_table_cell(&t, lb_format_bytes(b->usage->bytes, text));
        lb_table_cell(&t, "counted");
        lb_table_cell(&t, lb_format_time(b->usage->counted, text));
    }
    lb_ctl_print(c, &t, NULL);
}

/* Calls a method that answers a bucket, and shows it. */
static int call_and_show(struct lb_ctl *c, const char *method, const ProtobufCMessage *request) {
    Lobosadmin__Bucket *bucket;
    int err = lb_ctl_call(c, method, request, &bucket);
    if (err)
        return err;
    show(c, bucket);
    lb_message_free(&bucket->base);
    return 0;
}

/* The value of an option that takes a word of an enumeration; 0 without it. */
static int setting(const struct lb_ctl *c, const char *name, const ProtobufCEnumDescriptor *type) {
    const char *word = lb_ctl_option(c, name);
    return word ? lb_enum_value(type, word) : 0;
}

int lb_bucket_add(struct lb_ctl *c) {
    Lobosadmin__CreateBucketRequest request = LOBOSADMIN__CREATE_BUCKET_REQUEST__INIT;
    const char *owner = lb_ctl_option(c, "owner");
    request.name = c->args.words[0];
    if (owner)
        request.owner = (char *)owner;
    request.access = (Lobosadmin__Access)setting(c, "access", ACCESS);
    request.versioning = (Lobosadmin__Versioning)setting(c, "versioning", VERSIONING);
    request.durability = (Lobosadmin__Durability)setting(c, "durability", DURABILITY);
    return call_and_show(c, "CreateBucket", &request.base);
}

int lb_bucket_set(struct lb_ctl *c) {
    Lobosadmin__SetBucketRequest request = LOBOSADMIN__SET_BUCKET_REQUEST__INIT;
    Google__Protobuf__StringValue owner = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
    request.name = c->args.words[0];
    if (lb_ctl_option(c, "owner")) {
        owner.value = (char *)lb_ctl_option(c, "owner");
        request.owner = &owner;
    }
    request.access = (Lobosadmin__Access)setting(c, "access", ACCESS);
    request.versioning = (Lobosadmin__Versioning)setting(c, "versioning", VERSIONING);
    request.durability = (Lobosadmin__Durability)setting(c, "durability", DURABILITY);
    if (!request.owner && !request.access && !request.versioning && !request.durability)
        return lb_ctl_fail(c, LB_EXIT_USAGE,
                           "bucket set %s: nothing to set: see lobosctl help bucket set",
                           request.name);
    return call_and_show(c, "SetBucket", &request.base);
}

int lb_bucket_show(struct lb_ctl *c) {
    Lobosadmin__BucketName request = LOBOSADMIN__BUCKET_NAME__INIT;
    request.name = c->args.words[0];
    return call_and_show(c, "GetBucket", &request.base);
}

int lb_bucket_rm(struct lb_ctl *c) {
    Lobosadmin__BucketName request = LOBOSADMIN__BUCKET_NAME__INIT;
    request.name = c->args.words[0];
    int err = lb_ctl_confirm(c, "The bucket %s and its settings will be removed.", request.name);
    return err ? err : lb_ctl_call_done(c, "DeleteBucket", &request.base);
}

/* ---- list ---- */

static void list_one(struct lb_ctl *c, struct lb_table *t, const Lobosadmin__Bucket *b) {
    char text[LB_FORMAT_MAX], word[LB_RIGHTS_MAX];
    bool counted = b->usage && b->usage->counted != 0;
    if (c->json) {
        bucket_json(&c->doc, b);
        return;
    }
    lb_table_cell(t, b->name);
    lb_table_cell(t, counted ? lb_format_count(b->usage->objects, text) : "-");
    lb_table_cell(t, counted ? lb_format_bytes(b->usage->bytes, text) : "-");
    lb_table_cell(t, b->owner[0] ? b->owner : "(administrator)");
    lb_table_cell(t, lb_enum_word(ACCESS, (int)b->access, word));
    lb_table_cell(t, lb_enum_word(VERSIONING, (int)b->versioning, word));
    lb_table_cell(t, lb_format_time(b->created, text));
}

int lb_bucket_list(struct lb_ctl *c) {
    static const char *const heads[] = {"BUCKET", "OBJECTS",    "SIZE",   "OWNER",
                                        "ACCESS", "VERSIONING", "CREATED"};
    Lobosadmin__ListBucketsRequest request = LOBOSADMIN__LIST_BUCKETS_REQUEST__INIT;
    Lobosadmin__ListBucketsReply *page = NULL, *next;
    const char *prefix = lb_ctl_option(c, "prefix");
    struct lb_table t;
    bool more = true;
    int err = 0;
    lb_table_init(&t, heads, "lrrllll");
    lb_ctl_begin_list(c, "buckets");
    request.limit = LB_CTL_PAGE;
    if (prefix)
        request.prefix = (char *)prefix;
    while (more) {
        if (page)
            request.after = page->buckets[page->n_buckets - 1]->name;
        err = lb_ctl_call(c, "ListBuckets", &request.base, &next);
        if (err)
            break;
        if (page)
            lb_message_free(&page->base);
        page = next;
        for (size_t i = 0; i < page->n_buckets; i++)
            list_one(c, &t, page->buckets[i]);
        more = page->more && page->n_buckets > 0;
    }
    if (page)
        lb_message_free(&page->base);
    return lb_ctl_end_list(c, &t, "There are no buckets.", err);
}
