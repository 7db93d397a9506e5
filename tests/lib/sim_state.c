/* One version of an inode's content: pages, attributes, entries. Bytes of a page beyond the file's
 * size are always zero. Memory that runs out ends the test. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim_fs_priv.h"

void *sim_grow(void *array, size_t n, size_t item) {
    void *p = realloc(array, n ? n * item : 1);
    assert(p);
    return p;
}

struct sim_blob *sim_blob_new(const void *bytes, size_t len) {
    struct sim_blob *b = sim_grow(NULL, sizeof(*b) + len + 1, 1);
    b->refs = 1;
    b->len = len;
    if (len && bytes)
        memcpy(b->bytes, bytes, len);
    b->bytes[len] = 0;
    return b;
}

struct sim_blob *sim_blob_ref(struct sim_blob *b) {
    if (b)
        b->refs++;
    return b;
}

void sim_blob_unref(struct sim_blob *b) {
    if (b && --b->refs == 0)
        free(b);
}

bool sim_blob_eq(const struct sim_blob *a, const struct sim_blob *b) {
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void page_unref(struct sim_page *p) {
    if (p && --p->refs == 0)
        free(p);
}

/* The page for writing: made when it is a hole, copied when it is shared. */
static struct sim_page *page_own(struct sim_state *s, size_t index) {
    if (index >= s->pages_n) {
        s->pages = sim_grow(s->pages, index + 1, sizeof(*s->pages));
        memset(s->pages + s->pages_n, 0, (index + 1 - s->pages_n) * sizeof(*s->pages));
        s->pages_n = index + 1;
    }
    struct sim_page *old = s->pages[index];
    if (old && old->refs == 1)
        return old;
    struct sim_page *p = sim_grow(NULL, 1, sizeof(*p));
    if (old)
        memcpy(p->bytes, old->bytes, SIM_PAGE);
    else
        memset(p->bytes, 0, SIM_PAGE);
    p->refs = 1;
    page_unref(old);
    return s->pages[index] = p;
}

static void pages_cut(struct sim_state *s, size_t n) {
    while (s->pages_n > n)
        page_unref(s->pages[--s->pages_n]);
}

void sim_state_fini(struct sim_state *s) {
    pages_cut(s, 0);
    free(s->pages);
    for (size_t i = 0; i < s->xattrs_n; i++) {
        sim_blob_unref(s->xattrs[i].name);
        sim_blob_unref(s->xattrs[i].value);
    }
    free(s->xattrs);
    for (size_t i = 0; i < s->entries_n; i++)
        sim_blob_unref(s->entries[i].name);
    free(s->entries);
    memset(s, 0, sizeof(*s));
}

void sim_state_copy(struct sim_state *dst, const struct sim_state *src) {
    *dst = *src;
    dst->pages = sim_grow(NULL, src->pages_n, sizeof(*src->pages));
    for (size_t i = 0; i < src->pages_n; i++) {
        dst->pages[i] = src->pages[i];
        if (dst->pages[i])
            dst->pages[i]->refs++;
    }
    dst->xattrs = sim_grow(NULL, src->xattrs_n, sizeof(*src->xattrs));
    for (size_t i = 0; i < src->xattrs_n; i++) {
        dst->xattrs[i].name = sim_blob_ref(src->xattrs[i].name);
        dst->xattrs[i].value = sim_blob_ref(src->xattrs[i].value);
    }
    dst->entries = sim_grow(NULL, src->entries_n, sizeof(*src->entries));
    for (size_t i = 0; i < src->entries_n; i++) {
        dst->entries[i] = src->entries[i];
        sim_blob_ref(dst->entries[i].name);
    }
}

void sim_state_write(struct sim_state *s, uint64_t off, const uint8_t *bytes, size_t len,
                     uint64_t size) {
    for (size_t done = 0; done < len;) {
        size_t at = (off + done) % SIM_PAGE;
        size_t n = len - done < SIM_PAGE - at ? len - done : SIM_PAGE - at;
        struct sim_page *p = page_own(s, (off + done) / SIM_PAGE);
        if (bytes)
            memcpy(p->bytes + at, bytes + done, n);
        else
            memset(p->bytes + at, 0, n);
        done += n;
    }
    if (s->size < size)
        s->size = size;
}

size_t sim_state_read(const struct sim_state *s, uint64_t off, uint8_t *buf, size_t len) {
    if (off >= s->size)
        return 0;
    if (len > s->size - off)
        len = s->size - off;
    for (size_t done = 0; done < len;) {
        size_t index = (off + done) / SIM_PAGE, at = (off + done) % SIM_PAGE;
        size_t n = len - done < SIM_PAGE - at ? len - done : SIM_PAGE - at;
        const struct sim_page *p = index < s->pages_n ? s->pages[index] : NULL;
        if (p)
            memcpy(buf + done, p->bytes + at, n);
        else
            memset(buf + done, 0, n);
        done += n;
    }
    return len;
}

void sim_state_resize(struct sim_state *s, uint64_t size) {
    size_t keep = (size + SIM_PAGE - 1) / SIM_PAGE, at = size % SIM_PAGE;
    pages_cut(s, keep);
    if (at && keep <= s->pages_n && s->pages[keep - 1])
        memset(page_own(s, keep - 1)->bytes + at, 0, SIM_PAGE - at);
    s->size = size;
}

void sim_state_allocate(struct sim_state *s, uint64_t off, uint64_t len) {
    if (len == 0)
        return;
    for (size_t i = off / SIM_PAGE; i <= (off + len - 1) / SIM_PAGE; i++)
        page_own(s, i);
}

size_t sim_state_missing(const struct sim_state *s, uint64_t off, uint64_t len) {
    size_t n = 0;
    if (len == 0)
        return 0;
    for (size_t i = off / SIM_PAGE; i <= (off + len - 1) / SIM_PAGE; i++)
        n += i >= s->pages_n || !s->pages[i];
    return n;
}

size_t sim_state_pages(const struct sim_state *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->pages_n; i++)
        n += s->pages[i] != NULL;
    return n;
}

uint64_t sim_state_lookup(const struct sim_state *s, const char *name, size_t len) {
    for (size_t i = 0; i < s->entries_n; i++) {
        const struct sim_blob *b = s->entries[i].name;
        if (b->len == len && memcmp(b->bytes, name, len) == 0)
            return s->entries[i].ino;
    }
    return 0;
}

void sim_state_set_entry(struct sim_state *s, struct sim_blob *name, uint64_t ino) {
    size_t i = 0;
    while (i < s->entries_n && !sim_blob_eq(s->entries[i].name, name))
        i++;
    if (i < s->entries_n && ino) {
        s->entries[i].ino = ino;
    } else if (i < s->entries_n) {
        sim_blob_unref(s->entries[i].name);
        memmove(s->entries + i, s->entries + i + 1, (--s->entries_n - i) * sizeof(*s->entries));
    } else if (ino) {
        s->entries = sim_grow(s->entries, s->entries_n + 1, sizeof(*s->entries));
        s->entries[s->entries_n++] = (struct sim_entry){sim_blob_ref(name), ino};
    }
}

const struct sim_xattr *sim_state_xattr(const struct sim_state *s, const char *name) {
    for (size_t i = 0; i < s->xattrs_n; i++) {
        if (strcmp((const char *)s->xattrs[i].name->bytes, name) == 0)
            return &s->xattrs[i];
    }
    return NULL;
}

void sim_state_set_xattr(struct sim_state *s, struct sim_blob *name, struct sim_blob *value) {
    sim_blob_ref(value);
    for (size_t i = 0; i < s->xattrs_n; i++) {
        if (sim_blob_eq(s->xattrs[i].name, name)) {
            sim_blob_unref(s->xattrs[i].value);
            s->xattrs[i].value = value;
            return;
        }
    }
    s->xattrs = sim_grow(s->xattrs, s->xattrs_n + 1, sizeof(*s->xattrs));
    s->xattrs[s->xattrs_n++] = (struct sim_xattr){sim_blob_ref(name), value};
}
