/* The text of a configuration: lines that are empty, a comment (# or ;), a [section], or
 * key = value. White space around each of these counts for nothing; " ;" begins a comment behind
 * them. A key may stand there once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/config_priv.h"

#define LINE_MAX_LEN 4096
#define FILE_SIZE_MAX (8u << 20)

struct reading {
    struct lb_config *config;
    char section[64];
    unsigned line;
    unsigned set_at[CONFIG_KEYS_MAX]; /* the line that sets a key; 0: none yet */
};

static int fail(struct lb_buf *why, const char *text) {
    lb_buf_append(why, lb_slice_cstr(text));
    return -EINVAL;
}

static struct lb_slice without_comment(struct lb_slice value) {
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == ';' && (i == 0 || value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t'))
            return lb_slice_trim(lb_slice(value.ptr, i));
    }
    return value;
}

static int read_section(struct reading *r, struct lb_slice name, struct lb_buf *why) {
    name = lb_slice_trim(name);
    if (name.len == 0 || name.len >= sizeof(r->section))
        return fail(why, "is no name of a section");
    memcpy(r->section, name.ptr, name.len);
    r->section[name.len] = '\0';
    return config_check_section(name, why);
}

/* The line's own memory is used to end name and value with a NUL. */
static int read_pair(struct reading *r, char *line, size_t equals, size_t len, struct lb_buf *why) {
    struct lb_slice name = lb_slice_trim(lb_slice(line, equals));
    struct lb_slice value = lb_slice_trim(lb_slice(line + equals + 1, len - equals - 1));
    value = without_comment(value);
    ((char *)name.ptr)[name.len] = '\0';
    ((char *)value.ptr)[value.len] = '\0';
    if (!r->section[0]) {
        lb_buf_printf(why, "%s stands before any section", name.ptr);
        return -EINVAL;
    }
    if (strcmp(r->section, "users") != 0) {
        int key = config_find_key(lb_slice_cstr(r->section), name, why);
        if (key < 0)
            return key;
        if (r->set_at[key]) {
            lb_buf_printf(why, "%s is set in line %u already", name.ptr, r->set_at[key]);
            return -EINVAL;
        }
        r->set_at[key] = r->line;
    }
    return lb_config_set(r->config, r->section, name.ptr, value.ptr, why);
}

/* line: len bytes and room for a NUL. */
static int read_line(struct reading *r, char *line, size_t len, struct lb_buf *why) {
    struct lb_slice s = lb_slice_trim(lb_slice(line, len));
    if (len > LINE_MAX_LEN)
        return fail(why, "the line is too long");
    if (memchr(line, '\0', len))
        return fail(why, "holds a NUL byte");
    if (s.len == 0 || s.ptr[0] == '#' || s.ptr[0] == ';')
        return 0;
    if (s.ptr[0] == '[') {
        s = without_comment(s);
        if (s.len > 1 && s.ptr[s.len - 1] == ']')
            return read_section(r, lb_slice(s.ptr + 1, s.len - 2), why);
    } else {
        const char *equals = memchr(line, '=', len);
        if (equals && equals != s.ptr)
            return read_pair(r, line, (size_t)(equals - line), len, why);
    }
    return fail(why, "is neither a [section], a key = value, nor a comment");
}

int lb_config_read_text(struct lb_config *c, const char *name, char *text, size_t len,
                        struct lb_buf *why) {
    static const char bom[] = "\xef\xbb\xbf";
    struct reading r = {.config = c};
    struct lb_buf said;
    int err = 0;
    size_t at = len >= 3 && memcmp(text, bom, 3) == 0 ? 3 : 0;
    lb_buf_init(&said, 2 * LINE_MAX_LEN);
    while (err == 0 && at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - (text + at)) : len - at;
        r.line++;
        n -= n > 0 && text[at + n - 1] == '\r';
        err = read_line(&r, text + at, n, &said);
        at = end ? (size_t)(end - text) + 1 : len;
    }
    if (err < 0)
        lb_buf_printf(why, "%s:%u: %.*s", name, r.line, (int)said.len, said.ptr ? said.ptr : "");
    lb_buf_fini(&said);
    return err;
}

/* All of a file, and room for one byte more. */
static int read_all(FILE *f, char **ret, size_t *ret_len) {
    char *text = malloc(FILE_SIZE_MAX + 1);
    if (!text)
        return -ENOMEM;
    errno = 0;
    size_t len = fread(text, 1, FILE_SIZE_MAX + 1, f);
    int err = ferror(f) ? -(errno ? errno : EIO) : len > FILE_SIZE_MAX ? -EFBIG : 0;
    if (err < 0) {
        explicit_bzero(text, len);
        free(text);
        return err;
    }
    *ret = text;
    *ret_len = len;
    return 0;
}

int lb_config_read_file(struct lb_config *c, const char *path, struct lb_buf *why) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = fopen(path, "re");
    if (f)
        setvbuf(f, NULL, _IONBF, 0); /* secrets are nowhere but in text, which is wiped */
    int err = f ? read_all(f, &text, &len) : -errno;
    if (f)
        fclose(f);
    if (err < 0) {
        lb_buf_printf(why, "%s: %s", path, strerror(-err));
        return err;
    }
    err = lb_config_read_text(c, path, text, len, why);
    explicit_bzero(text, len);
    free(text);
    return err;
}
