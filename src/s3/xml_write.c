#include "http/date.h"
#include "http/uri.h"
#include "s3/xml_priv.h"

/* What stands for a byte in text, or NULL when it stands for itself. */
static const char *reference(unsigned char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\r':
        return "&#13;";
    case '\n':
        return "&#10;";
    case '\t':
        return "&#9;";
    default:
        return c < 0x20 ? "\xEF\xBF\xBD" : NULL;
    }
}

void s3_xml_escape(struct lb_buf *b, struct lb_slice text) {
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *ref = reference((unsigned char)text.ptr[i]);
        if (!ref)
            continue;
        lb_buf_append(b, lb_slice(text.ptr + done, i - done));
        lb_buf_append(b, lb_slice_cstr(ref));
        done = i + 1;
    }
    lb_buf_append(b, lb_slice_from(text, done));
}

static void tag(struct lb_buf *b, const char *before, const char *name, const char *after) {
    lb_buf_append(b, lb_slice_cstr(before));
    lb_buf_append(b, lb_slice_cstr(name));
    lb_buf_append(b, lb_slice_cstr(after));
}

void s3_xml_begin(struct lb_buf *b, const char *name) {
    lb_buf_append(b, LB_S("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    tag(b, "<", name, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
}

void s3_xml_open(struct lb_buf *b, const char *name) {
    tag(b, "<", name, ">");
}

void s3_xml_close(struct lb_buf *b, const char *name) {
    tag(b, "</", name, ">");
}

void s3_xml_text(struct lb_buf *b, const char *name, struct lb_slice text) {
    s3_xml_open(b, name);
    s3_xml_escape(b, text);
    s3_xml_close(b, name);
}

void s3_xml_u64(struct lb_buf *b, const char *name, uint64_t value) {
    s3_xml_open(b, name);
    lb_buf_append_u64(b, value);
    s3_xml_close(b, name);
}

void s3_xml_bool(struct lb_buf *b, const char *name, bool value) {
    s3_xml_text(b, name, value ? LB_S("true") : LB_S("false"));
}

void s3_xml_time(struct lb_buf *b, const char *name, int64_t wall_ns) {
    char text[LB_DATE_ISO_LEN];
    lb_date_iso(wall_ns, text);
    s3_xml_text(b, name, lb_slice(text, sizeof(text)));
}

void s3_xml_etag(struct lb_buf *b, struct lb_slice etag) {
    lb_buf_append(b, LB_S("<ETag>&quot;"));
    lb_buf_append(b, etag);
    lb_buf_append(b, LB_S("&quot;</ETag>"));
}

void s3_xml_name(struct lb_buf *b, const char *name, struct lb_slice text, bool url) {
    s3_xml_open(b, name);
    if (url)
        lb_uri_encode(b, text, true);
    else
        s3_xml_escape(b, text);
    s3_xml_close(b, name);
}

void s3_xml_owner(struct lb_buf *b, const char *name, struct lb_slice id, struct lb_slice display) {
    s3_xml_open(b, name);
    s3_xml_text(b, "ID", id);
    s3_xml_text(b, "DisplayName", display);
    s3_xml_close(b, name);
}
