/* Canned ACLs: their names, and the grants that each of them stands for. */
#include "s3/acl_priv.h"

#include "s3/request_priv.h"
#include "s3/xml_priv.h"

#define GROUPS "http://acs.amazonaws.com/groups/global/"

enum { GRANT_ALL_READ = 1, GRANT_ALL_WRITE = 2, GRANT_AUTH_READ = 4 };

/* What each grants beyond the owner's FULL_CONTROL. */
static const unsigned acl_grants[LB_S3_ACLS] = {
    [LB_S3_ACL_PUBLIC_READ] = GRANT_ALL_READ,
    [LB_S3_ACL_PUBLIC_READ_WRITE] = GRANT_ALL_READ | GRANT_ALL_WRITE,
    [LB_S3_ACL_AUTHENTICATED_READ] = GRANT_AUTH_READ,
    [LB_S3_ACL_OPEN_READ] = GRANT_ALL_READ,
};

static const struct {
    unsigned bit;
    struct lb_slice group, permission;
} grants[] = {
    {GRANT_ALL_READ, {GROUPS "AllUsers", sizeof(GROUPS "AllUsers") - 1}, {"READ", 4}},
    {GRANT_ALL_WRITE, {GROUPS "AllUsers", sizeof(GROUPS "AllUsers") - 1}, {"WRITE", 5}},
    {GRANT_AUTH_READ,
     {GROUPS "AuthenticatedUsers", sizeof(GROUPS "AuthenticatedUsers") - 1},
     {"READ", 4}},
};
#define GRANTS_N (sizeof(grants) / sizeof(grants[0]))

bool s3_acl_reads(enum lb_s3_acl acl, bool is_user) {
    return acl_grants[acl] & GRANT_ALL_READ || (is_user && acl_grants[acl] & GRANT_AUTH_READ);
}

bool s3_acl_given(const struct s3_request *r) {
    return s3_request_field(r, LB_S("x-amz-acl")).ptr != NULL;
}

int s3_acl_parse(const struct s3_request *r, enum lb_s3_acl *ret) {
    static const struct {
        struct lb_slice name;
        int acl; /* or an error */
    } names[] = {
#define NAME(name, acl) {{name, sizeof(name) - 1}, acl}
        NAME("private", LB_S3_ACL_PRIVATE),
        NAME("public-read", LB_S3_ACL_PUBLIC_READ),
        NAME("public-read-write", LB_S3_ACL_PUBLIC_READ_WRITE),
        NAME("authenticated-read", LB_S3_ACL_AUTHENTICATED_READ),
        NAME("bucket-owner-read", LB_S3_ACL_PRIVATE),
        NAME("bucket-owner-full-control", LB_S3_ACL_PRIVATE),
        NAME("aws-exec-read", LB_ERR_NOT_IMPLEMENTED),
        NAME("log-delivery-write", LB_ERR_NOT_IMPLEMENTED),
#undef NAME
    };
    struct lb_slice value = s3_request_field(r, LB_S("x-amz-acl"));
    *ret = LB_S3_ACL_PRIVATE;
    if (!value.ptr)
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!lb_slice_eq(value, names[i].name))
            continue;
        if (names[i].acl < 0)
            return names[i].acl;
        *ret = (enum lb_s3_acl)names[i].acl;
        return 0;
    }
    return LB_ERR_INVALID_ARGUMENT;
}

/* Adds what a Grant grants to *bits. */
static int read_grant(const struct s3_xml *grant, struct lb_slice owner_id, unsigned *bits) {
    const struct s3_xml *grantee = s3_xml_child(grant, LB_S("Grantee"));
    struct lb_slice permission = s3_xml_child_text(grant, LB_S("Permission"));
    if (!grantee || !lb_slice_eq(grant->name, LB_S("Grant")) || !permission.ptr)
        return LB_ERR_MALFORMED_XML;
    struct lb_slice group = s3_xml_child_text(grantee, LB_S("URI"));
    struct lb_slice id = s3_xml_child_text(grantee, LB_S("ID"));
    if (lb_slice_eq(id, owner_id) && lb_slice_eq(permission, LB_S("FULL_CONTROL")))
        return 0;
    for (size_t i = 0; i < GRANTS_N; i++) {
        if (lb_slice_eq(group, grants[i].group) && lb_slice_eq(permission, grants[i].permission)) {
            *bits |= grants[i].bit;
            return 0;
        }
    }
    return LB_ERR_NOT_IMPLEMENTED;
}

int s3_acl_parse_document(struct lb_arena *a, struct lb_slice document, struct lb_slice owner_id,
                          enum lb_s3_acl *ret) {
    const struct s3_xml *root, *list, *owner;
    unsigned bits = 0;
    int err = s3_xml_parse(a, document, &root);
    if (err < 0)
        return err;
    list = s3_xml_child(root, LB_S("AccessControlList"));
    owner = s3_xml_child(root, LB_S("Owner"));
    if (!lb_slice_eq(root->name, LB_S("AccessControlPolicy")) || !list || !owner)
        return LB_ERR_MALFORMED_XML;
    if (!lb_slice_eq(s3_xml_child_text(owner, LB_S("ID")), owner_id))
        return LB_ERR_ACCESS_DENIED;
    for (const struct s3_xml *grant = list->child; grant && err == 0; grant = grant->next)
        err = read_grant(grant, owner_id, &bits);
    if (err < 0)
        return err;
    for (unsigned acl = 0; acl < LB_S3_ACLS; acl++) {
        if (acl_grants[acl] == bits) {
            *ret = (enum lb_s3_acl)acl;
            return 0;
        }
    }
    return LB_ERR_NOT_IMPLEMENTED;
}

static void open_grantee(struct lb_buf *b, const char *type) {
    s3_xml_open(b, "Grant");
    lb_buf_append(b, LB_S("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                          "xsi:type=\""));
    lb_buf_append(b, lb_slice_cstr(type));
    lb_buf_append(b, LB_S("\">"));
}

static void close_grantee(struct lb_buf *b, struct lb_slice permission) {
    s3_xml_close(b, "Grantee");
    s3_xml_text(b, "Permission", permission);
    s3_xml_close(b, "Grant");
}

void s3_acl_write_document(struct lb_buf *b, enum lb_s3_acl acl, struct lb_slice owner_id,
                           struct lb_slice owner_name) {
    s3_xml_begin(b, "AccessControlPolicy");
    s3_xml_owner(b, "Owner", owner_id, owner_name);
    s3_xml_open(b, "AccessControlList");
    open_grantee(b, "CanonicalUser");
    s3_xml_text(b, "ID", owner_id);
    s3_xml_text(b, "DisplayName", owner_name);
    close_grantee(b, LB_S("FULL_CONTROL"));
    for (size_t i = 0; i < GRANTS_N; i++) {
        if (!(acl_grants[acl] & grants[i].bit))
            continue;
        open_grantee(b, "Group");
        s3_xml_text(b, "URI", grants[i].group);
        close_grantee(b, grants[i].permission);
    }
    s3_xml_close(b, "AccessControlList");
    s3_xml_close(b, "AccessControlPolicy");
}
