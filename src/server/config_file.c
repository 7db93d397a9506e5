/* The text of a configuration, by inih, which asks for a line and then calls back with what it
 * found in it; so a mistake is known by its line. A key may stand there once. */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/config_priv.h"

#define FILE_SIZE_MAX (8u << 20)
#define SAID_MAX 4096

struct reading {
    struct lb_config *config;
    struct lb_slice rest; /* lines to come */
    unsigned line;
    unsigned set_at[CONFIG_KEYS_MAX]; /* the line that sets a key; 0: none yet */
    int err;                          /* of the line, its reason in said */
    struct lb_buf said;
};

static void fail(struct reading *r, const char *text) {
    lb_buf_append(&r->said, lb_slice_cstr(text));
    r->err = -EINVAL;
}

/* "[section]", which inih passes over until a key follows. */
static void check_section(struct reading *r, struct lb_slice line) {
    ptrdiff_t end = lb_slice_find(line, ']');
    if (line.len && line.ptr[0] == '[' && end > 0)
        r->err = config_check_section(lb_slice(line.ptr + 1, (size_t)end - 1), &r->said);
}

/* Gives inih the next line, without the white space that would make it the continuation of the one
 * before. */
static char *next_line(char *to, int cap, void *stream) {
    struct reading *r = stream;
    if (r->err || r->rest.len == 0)
        return NULL;
    struct lb_slice line = lb_slice_trim(lb_slice_cut(&r->rest, '\n'));
    r->line++;
    if (lb_slice_ends_with(line, LB_S("\r")))
        line = lb_slice_trim(lb_slice_first(line, line.len - 1));
    if (lb_slice_find(line, '\0') >= 0)
        fail(r, "holds a NUL byte");
    else if (line.len + 2 > (size_t)cap)
        fail(r, "the line is too long; --set KEY=VALUE takes a value of any length");
    else
        check_section(r, line);
    if (r->err)
        return NULL;
    memcpy(to, line.ptr, line.len);
    memcpy(to + line.len, "\n", 2);
    return to;
}

static int set_once(struct reading *r, const char *section, const char *name) {
    int key = config_find_key(lb_slice_cstr(section), lb_slice_cstr(name), &r->said);
    if (key < 0)
        return key;
    if (r->set_at[key]) {
        lb_buf_printf(&r->said, "%s is set in line %u already", name, r->set_at[key]);
        return -EINVAL;
    }
    r->set_at[key] = r->line;
    return 0;
}

static int on_pair(void *user, const char *section, const char *name, const char *value) {
    struct reading *r = user;
    if (r->err)
        return 1;
    if (!section[0]) {
        lb_buf_printf(&r->said, "%s stands before any section", name);
        r->err = -EINVAL;
    } else if (strcmp(section, "users") != 0) {
        r->err = set_once(r, section, name);
    }
    if (r->err == 0)
        r->err = lb_config_set(r->config, section, name, value, &r->said);
    return 1;
}

int lb_config_read_text(struct lb_config *c, const char *name, struct lb_slice text,
                        struct lb_buf *why) {
    struct reading r = {.config = c, .rest = text};
    if (lb_slice_starts_with(text, LB_S("\xef\xbb\xbf")))
        r.rest = lb_slice_from(text, 3);
    lb_buf_init(&r.said, SAID_MAX);
    int bad_line = ini_parse_stream(next_line, &r, on_pair, &r);
    if (bad_line && !r.err) {
        r.line = bad_line > 0 ? (unsigned)bad_line : r.line;
        fail(&r, "is neither a [section], a key = value, nor a comment");
    }
    if (r.err)
        lb_buf_printf(why, "%s:%u: %.*s", name, r.line, LB_SLICE_ARG(lb_buf_slice(&r.said)));
    lb_buf_fini(&r.said);
    return r.err;
}

/* All of a file. */
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
    err = lb_config_read_text(c, path, lb_slice(text, len), why);
    explicit_bzero(text, len);
    free(text);
    return err;
}
