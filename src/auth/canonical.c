/* The canonical request: method, path, query, headers, their names, payload hash, a line each. */
#include "auth/sigv4_priv.h"
#include "base/err.h"

#include <errno.h>

#define CANONICAL_SIZE_FIRST 1280 /* most requests are shorter */

bool auth_signed_has(const struct auth_signed *s, struct lb_slice name) {
    for (size_t i = 0; i < s->n; i++)
        if (lb_slice_eq_nocase(s->names[i], name))
            return true;
    return false;
}

int auth_signed_split(struct lb_slice text, struct auth_signed *ret) {
    struct lb_slice rest = text;
    ret->text = text;
    ret->n = 0;
    if (!text.len || text.ptr[text.len - 1] == ';')
        return -EINVAL;
    while (rest.len) {
        struct lb_slice name = lb_slice_cut(&rest, ';');
        if (!name.len || ret->n == AUTH_SIGNED_MAX || auth_signed_has(ret, name))
            return -EINVAL;
        ret->names[ret->n++] = name;
    }
    return 0;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* Appends a header's value without the space around it, runs of space within it as one space. */
static void add_value(struct auth_text *t, struct lb_slice value) {
    value = lb_slice_trim(value);
    char *p = auth_text_reserve(t, value.len);
    if (!p)
        return;
    char *begin = p;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_space(value.ptr[i]))
            *p++ = value.ptr[i];
        else if (!is_space(value.ptr[i - 1])) /* trimmed: never the first */
            *p++ = ' ';
    }
    t->len += (size_t)(p - begin);
}

/* Appends "name:value,value\n" for all headers of that name, in the order they came. A name that no
 * header has counts as an empty value. */
static void add_header(struct auth_text *t, const struct lb_auth_request *r, struct lb_slice name) {
    bool first = true;
    auth_text_add(t, name);
    auth_text_add_char(t, ':');
    for (size_t i = 0; i < r->headers_n; i++) {
        if (!lb_slice_eq_nocase(r->headers[i].name, name))
            continue;
        if (!first)
            auth_text_add_char(t, ',');
        first = false;
        add_value(t, r->headers[i].value);
    }
    auth_text_add_char(t, '\n');
}

static void add_path(struct auth_text *t, struct lb_slice path, bool raw) {
    if (!path.len)
        auth_text_add_char(t, '/');
    else if (raw)
        auth_text_add(t, path);
    else
        auth_text_add_recoded(t, path, false, true);
}

int auth_canonical_request(const struct lb_auth_request *r, const struct auth_signed *names,
                           struct lb_slice payload, unsigned raw, struct lb_arena *arena,
                           struct lb_slice *ret) {
    struct auth_text t = {.arena = arena};
    auth_text_reserve(&t, CANONICAL_SIZE_FIRST);
    auth_text_add(&t, r->method);
    auth_text_add_char(&t, '\n');
    add_path(&t, r->path, raw & AUTH_RAW_PATH);
    auth_text_add_char(&t, '\n');
    int err = auth_canonical_query(&t, r->query, raw & AUTH_RAW_QUERY);
    if (err < 0)
        return err;
    auth_text_add_char(&t, '\n');
    for (size_t i = 0; i < names->n; i++)
        add_header(&t, r, names->names[i]);
    auth_text_add_char(&t, '\n');
    auth_text_add(&t, names->text);
    auth_text_add_char(&t, '\n');
    auth_text_add(&t, payload);
    if (t.failed)
        return -ENOMEM;
    *ret = auth_text_slice(&t);
    return 0;
}
