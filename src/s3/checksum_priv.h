/* S3's additional checksums: their names, their headers, their text. MD5 is not one of them. Where
 * a kind is an unsigned, LB_HASH_KINDS means none. */
#ifndef LB_S3_CHECKSUM_PRIV_H
#define LB_S3_CHECKSUM_PRIV_H

#include "s3/meta_priv.h"
#include "s3/request_priv.h"

#define S3_CHECKSUM_TEXT_MAX 48 /* base64 of the longest digest, and a NUL */

/* "CRC64NVME", "x-amz-checksum-crc64nvme" and "ChecksumCRC64NVME". Static. */
struct lb_slice s3_checksum_name(unsigned kind);
struct lb_slice s3_checksum_header(unsigned kind);
struct lb_slice s3_checksum_element(unsigned kind);

/* The kind with that name, header or element (none of them minds case), or LB_HASH_KINDS. */
unsigned s3_checksum_by_name(struct lb_slice name);
unsigned s3_checksum_by_header(struct lb_slice name);
unsigned s3_checksum_by_element(struct lb_slice name);

/* "FULL_OBJECT" or "COMPOSITE". Static. by_name: returns 0 or INVALID_REQUEST. */
struct lb_slice s3_checksum_type_name(enum s3_checksum_type type);
int s3_checksum_type_by_name(struct lb_slice name, enum s3_checksum_type *ret);

/* base64 (RFC 4648) of n bytes; ret has room for 4 * ((n + 2) / 3) and a NUL. Returns the length.
 */
size_t s3_base64_encode(const uint8_t *bytes, size_t n, char *ret);
/* Decodes exactly n bytes, strictly: padded, no white space. Returns 0 or -EINVAL. */
int s3_base64_decode(struct lb_slice text, uint8_t *ret, size_t n);

/* base64 of a digest into text (S3_CHECKSUM_TEXT_MAX bytes); borrows text. */
struct lb_slice s3_checksum_text(const struct lb_digest *d, char *text);
/* Parses the text of a kind's digest. Returns 0 or -EINVAL. */
int s3_checksum_parse(unsigned kind, struct lb_slice text, struct lb_digest *ret);

/* The checksum that a request's headers carry: x-amz-checksum-<name>: <base64>. Returns 0 and the
 * kind (LB_HASH_KINDS: none) and value or digest; INVALID_REQUEST for more than one, BAD_DIGEST for
 * a value that is no digest of its kind. */
int s3_checksum_header_find(const struct s3_request *r, unsigned *ret_kind, struct lb_slice *ret);
int s3_checksum_from_headers(const struct s3_request *r, unsigned *ret_kind,
                             struct lb_digest *ret_digest);

/* Adds x-amz-checksum-<name> and x-amz-checksum-type to the response, when d has bytes. A composite
 * checksum has "-<parts_n>" behind it; with parts_n 0 it is that of one part. */
void s3_checksum_reply(struct s3_request *r, unsigned kind, const struct lb_digest *d,
                       enum s3_checksum_type type, uint32_t parts_n);

/* Appends an object's checksum to a document: <ChecksumCRC32>...</ChecksumCRC32> and
 * <ChecksumType>, when it has one; a composite one with "-<parts>" behind it. */
void s3_checksum_write(struct lb_buf *xml, const struct s3_meta *m);

/* Appends <ChecksumAlgorithm> and <ChecksumType>, when there is a checksum to be. */
void s3_checksum_write_kind(struct lb_buf *xml, const struct s3_meta *m);

#endif
