/* Formats a line in a buffer on the stack and writes it with one write(2): lines of several threads
 * do not mix, and no lock is needed. */
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/civil.h"

#define LINE_MAX_LEN 8192
#define LINE_TAIL 8 /* kept free for what closes a line that was cut */

struct line {
    size_t len;
    bool full; /* something did not fit: only closing bytes are added from here on */
    char bytes[LINE_MAX_LEN];
};

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_format = LB_LOG_TEXT;
static atomic_int log_level = LB_LOG_INFO;
static atomic_uint_fast64_t log_dropped;

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void lb_log_setup(int fd, enum lb_log_format format, enum lb_log_level level) {
    atomic_store(&log_fd, fd);
    atomic_store(&log_format, (int)format);
    lb_log_set_level(level);
}

void lb_log_set_level(enum lb_log_level level) {
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool lb_log_on(enum lb_log_level level) {
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

uint64_t lb_log_dropped(void) {
    return atomic_load_explicit(&log_dropped, memory_order_relaxed);
}

/* Closing bytes may already stand in the tail: then there is none left. */
static size_t room(const struct line *l) {
    size_t max = sizeof(l->bytes) - LINE_TAIL;
    return l->full || l->len > max ? 0 : max - l->len;
}

/* Adds s whole, or nothing. */
static void put(struct line *l, struct lb_slice s) {
    if (s.len > room(l)) {
        l->full = true;
        return;
    }
    memcpy(l->bytes + l->len, s.ptr, s.len);
    l->len += s.len;
}

/* Adds bytes that close what is open: there is always room for them. */
static void put_closing(struct line *l, struct lb_slice s) {
    memcpy(l->bytes + l->len, s.ptr, s.len);
    l->len += s.len;
}

static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_escape(struct line *l, unsigned char c, bool json) {
    static const char digits[] = "0123456789abcdef";
    const char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    const char hex[] = {'\\', 'x', digits[c >> 4], digits[c & 15]};
    if (c == '"' || c == '\\')
        put(l, lb_slice((char[]){'\\', (char)c}, 2));
    else if (c == '\n')
        put(l, LB_S("\\n"));
    else if (c == '\r')
        put(l, LB_S("\\r"));
    else if (c == '\t')
        put(l, LB_S("\\t"));
    else if (!json)
        put(l, lb_slice(hex, sizeof(hex)));
    else if (c < 0x80)
        put(l, lb_slice(escape, sizeof(escape)));
    else
        put(l, LB_S("\\ufffd")); /* not UTF-8, which JSON must be */
}

/* Adds s so that it holds no control character (U+0080 to U+009F included), no quote, and only
 * well-formed UTF-8. */
static void put_escaped(struct line *l, struct lb_slice s, bool json) {
    while (s.len && !l->full) {
        size_t n = 0;
        while (n < s.len && is_plain(s.ptr[n]))
            n++;
        size_t fits = n < room(l) ? n : room(l);
        put(l, lb_slice_first(s, fits));
        if (fits < n)
            l->full = true;
        s = lb_slice_from(s, n);
        if (s.len == 0)
            break;
        n = lb_utf8_len(s);
        bool c1 = n == 2 && (uint8_t)s.ptr[0] == 0xc2 && (uint8_t)s.ptr[1] < 0xa0;
        if (n > 1 && !c1) {
            put(l, lb_slice_first(s, n));
        } else {
            put_escape(l, (unsigned char)s.ptr[0], json);
            n = 1;
        }
        s = lb_slice_from(s, n);
    }
}

static void put_number(struct line *l, int64_t num) {
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t v = num < 0 ? 0 - (uint64_t)num : (uint64_t)num;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    if (num < 0)
        digits[--at] = '-';
    put(l, lb_slice(digits + at, sizeof(digits) - at));
}

/* Does a value have to stand in quotes in the text form? */
static bool needs_quotes(struct lb_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_plain(s.ptr[i]) || s.ptr[i] == ' ' || s.ptr[i] == '=')
            return true;
    }
    return s.len == 0;
}

static void put_quoted(struct line *l, struct lb_slice s, bool json) {
    size_t before = l->len;
    put(l, LB_S("\""));
    if (l->len == before)
        return;
    put_escaped(l, s, json);
    put_closing(l, LB_S("\""));
}

/* Adds one field, or nothing when not even its name fits. A name is never left without a value. */
static void put_field(struct line *l, const struct lb_log_field *f, bool json) {
    size_t before = l->len;
    put(l, json ? LB_S(",\"") : LB_S(" "));
    put(l, lb_slice_cstr(f->name));
    put(l, json ? LB_S("\":") : LB_S("="));
    size_t value = l->len;
    if (l->full)
        value = SIZE_MAX;
    else if (f->kind == LB_LOG_INT)
        put_number(l, f->num);
    else if (json || needs_quotes(f->str))
        put_quoted(l, f->str, json);
    else
        put_escaped(l, f->str, json);
    if (l->len <= value && l->full)
        l->len = before;
}

static void put_digits(char *to, int64_t v, int n) {
    for (int i = n - 1; i >= 0; i--, v /= 10)
        to[i] = (char)('0' + v % 10);
}

static void put_time(struct line *l) {
    struct timespec now;
    char text[] = "0000-00-00T00:00:00.000Z";
    clock_gettime(CLOCK_REALTIME, &now);
    struct lb_civil c = lb_civil_from_seconds(now.tv_sec);
    put_digits(text, c.year, 4);
    put_digits(text + 5, c.month, 2);
    put_digits(text + 8, c.day, 2);
    put_digits(text + 11, c.hour, 2);
    put_digits(text + 14, c.minute, 2);
    put_digits(text + 17, c.second, 2);
    put_digits(text + 20, now.tv_nsec / 1000000, 3);
    put(l, lb_slice(text, sizeof(text) - 1));
}

void lb_log_write(enum lb_log_level level, const char *message, const struct lb_log_field *fields,
                  size_t n) {
    int saved_errno = errno;
    bool json = atomic_load_explicit(&log_format, memory_order_relaxed) == LB_LOG_JSON;
    struct line l;
    l.len = 0;
    l.full = false;
    put(&l, json ? LB_S("{\"ts\":\"") : LB_S(""));
    put_time(&l);
    put(&l, json ? LB_S("\",\"level\":\"") : LB_S(" "));
    put(&l, lb_slice_cstr(level_names[level]));
    put(&l, json ? LB_S("\",\"msg\":") : LB_S(" "));
    if (json)
        put_quoted(&l, lb_slice_cstr(message), json);
    else
        put_escaped(&l, lb_slice_cstr(message), json);
    for (size_t i = 0; i < n; i++)
        put_field(&l, &fields[i], json);
    put_closing(&l, json ? LB_S("}\n") : LB_S("\n"));
    ssize_t written;
    do {
        written = write(atomic_load_explicit(&log_fd, memory_order_relaxed), l.bytes, l.len);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)l.len)
        atomic_fetch_add_explicit(&log_dropped, 1, memory_order_relaxed);
    errno = saved_errno;
}
