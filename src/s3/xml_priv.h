/* XML in and out, as much as S3 needs. In: a small tree in the arena, read by expat; documents with
 * a DTD are refused, so nothing expands. Out: elements appended to a buffer. */
#ifndef LB_S3_XML_PRIV_H
#define LB_S3_XML_PRIV_H

#include "base/arena.h"
#include "base/buf.h"

/* An element: its local name; its children in order, or its text (white space kept) when it has
 * none. What stands between children is dropped. */
struct s3_xml {
    struct lb_slice name;
    struct lb_slice text;
    struct s3_xml *parent;
    struct s3_xml *child;
    struct s3_xml *last;
    struct s3_xml *next;
};

#define S3_XML_DEPTH_MAX 16
#define S3_XML_NODES_MAX 100000

/* Parses a document. Returns 0 and the root (arena memory); MALFORMED_XML (also for a DTD, or more
 * than the bounds above); -ENOMEM. */
int s3_xml_parse(struct lb_arena *a, struct lb_slice document, const struct s3_xml **ret);

/* The first child of that name, or NULL. */
const struct s3_xml *s3_xml_child(const struct s3_xml *node, struct lb_slice name);

/* The text of the first child of that name; ptr NULL when there is none. */
struct lb_slice s3_xml_child_text(const struct s3_xml *node, struct lb_slice name);

/* Appends text with & < > " and the control characters that XML 1.0 can carry as references; those
 * it can't carry become U+FFFD. */
void s3_xml_escape(struct lb_buf *b, struct lb_slice text);

/* Appends <?xml ...?> and <name xmlns="http://s3.amazonaws.com/doc/2006-03-01/">. */
void s3_xml_begin(struct lb_buf *b, const char *name);
void s3_xml_open(struct lb_buf *b, const char *name);
void s3_xml_close(struct lb_buf *b, const char *name);

/* Appends <name>text</name>, escaped; a number; a truth value; a time in ISO form; an ETag in
 * quotes. */
void s3_xml_text(struct lb_buf *b, const char *name, struct lb_slice text);
void s3_xml_u64(struct lb_buf *b, const char *name, uint64_t value);
void s3_xml_bool(struct lb_buf *b, const char *name, bool value);
void s3_xml_time(struct lb_buf *b, const char *name, int64_t wall_ns);
void s3_xml_etag(struct lb_buf *b, struct lb_slice etag);

/* Appends <name>text</name>, percent-encoded when url (encoding-type=url). */
void s3_xml_name(struct lb_buf *b, const char *name, struct lb_slice text, bool url);

/* Appends <name><ID/><DisplayName/></name>, for Owner and Initiator. */
void s3_xml_owner(struct lb_buf *b, const char *name, struct lb_slice id, struct lb_slice display);

#endif
