#include <errno.h>
#include <expat.h>

#include "base/err.h"
#include "s3/xml_priv.h"

struct parsing {
    XML_Parser parser;
    struct lb_arena *arena;
    struct s3_xml *root;
    struct s3_xml *at;  /* the element that is open */
    struct lb_buf text; /* of the element that is open, since its last child */
    unsigned depth;
    unsigned nodes;
    int err;
};

static void stop(struct parsing *p, int err) {
    if (p->err == 0)
        p->err = err;
    XML_StopParser(p->parser, XML_FALSE);
}

/* The name without its namespace's prefix. */
static struct lb_slice local_name(const char *name) {
    const char *colon = strrchr(name, ':');
    return lb_slice_cstr(colon ? colon + 1 : name);
}

/* Gives the text read so far to the element that ends, when that is all there is in it. */
static void keep_text(struct parsing *p) {
    if (p->text.err || (!p->at->child && p->text.len &&
                        lb_arena_copy(p->arena, lb_buf_slice(&p->text), &p->at->text) < 0))
        stop(p, -ENOMEM);
    lb_buf_clear(&p->text);
}

static void on_start(void *ctx, const char *name, const char **attributes) {
    struct parsing *p = ctx;
    struct s3_xml *node;
    lb_buf_clear(&p->text);
    if (++p->depth > S3_XML_DEPTH_MAX || ++p->nodes > S3_XML_NODES_MAX) {
        stop(p, LB_ERR_MALFORMED_XML);
        return;
    }
    node = lb_arena_zalloc(p->arena, sizeof(*node));
    if (!node || lb_arena_copy(p->arena, local_name(name), &node->name) < 0) {
        stop(p, -ENOMEM);
        return;
    }
    node->parent = p->at;
    if (!p->at)
        p->root = node;
    else if (p->at->last)
        p->at->last->next = node;
    else
        p->at->child = node;
    if (p->at)
        p->at->last = node;
    p->at = node;
}

static void on_end(void *ctx, const char *name) {
    struct parsing *p = ctx;
    keep_text(p);
    if (p->err)
        return;
    p->depth--;
    p->at = p->at->parent;
}

static void on_text(void *ctx, const char *text, int len) {
    struct parsing *p = ctx;
    lb_buf_append(&p->text, lb_slice(text, (size_t)len));
}

static void on_doctype(void *ctx, const char *name, const char *system, const char *public_id,
                       int internal) {
    stop(ctx, LB_ERR_MALFORMED_XML);
}

int s3_xml_parse(struct lb_arena *a, struct lb_slice document, const struct s3_xml **ret) {
    struct parsing p = {.arena = a, .parser = XML_ParserCreate(NULL)};
    if (!p.parser)
        return -ENOMEM;
    lb_buf_init(&p.text, document.len + 1);
    XML_SetUserData(p.parser, &p);
    XML_SetElementHandler(p.parser, on_start, on_end);
    XML_SetCharacterDataHandler(p.parser, on_text);
    XML_SetStartDoctypeDeclHandler(p.parser, on_doctype);
    enum XML_Status status = document.len > INT32_MAX
                                 ? XML_STATUS_ERROR
                                 : XML_Parse(p.parser, document.ptr, (int)document.len, 1);
    if (p.err == 0 && (status != XML_STATUS_OK || !p.root))
        p.err = XML_GetErrorCode(p.parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : LB_ERR_MALFORMED_XML;
    lb_buf_fini(&p.text);
    XML_ParserFree(p.parser);
    if (p.err)
        return p.err;
    *ret = p.root;
    return 0;
}

const struct s3_xml *s3_xml_child(const struct s3_xml *node, struct lb_slice name) {
    for (const struct s3_xml *c = node->child; c; c = c->next) {
        if (lb_slice_eq(c->name, name))
            return c;
    }
    return NULL;
}

struct lb_slice s3_xml_child_text(const struct s3_xml *node, struct lb_slice name) {
    const struct s3_xml *c = s3_xml_child(node, name);
    if (!c)
        return lb_slice(NULL, 0);
    return c->text.ptr ? c->text : lb_slice("", 0);
}
