#include "s3/slow_priv.h"

#define PATIENCE_MS 5000
#define NS_PER_MS 1000000ull
#define DOCUMENT_MAX 32768u
#define SPACES_MAX 4096u /* hours of them */

static const char prolog[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

struct s3_slow {
    struct s3_request *r;
    struct lb_io_timer timer;
    bool headed;  /* the head is out */
    bool sending; /* a send is in flight */
    bool ended;   /* the document is known */
    bool gone;    /* so is the client */
    size_t left;  /* bytes to send of what was announced */
    struct lb_slice document;
};

static void tick(struct lb_io_timer *t);

static void wait(struct s3_slow *s) {
    unsigned ms = s->r->s3->conf->patience_ms ? s->r->s3->conf->patience_ms : PATIENCE_MS;
    lb_io_timer_start(s->r->s3->io, &s->timer, ms * NS_PER_MS);
}

static void on_space_sent(struct lb_exchange *x, int err);

static void send_space(struct s3_slow *s, struct lb_slice space) {
    s->sending = true;
    s->left -= space.len;
    s->r->x->ops->send(s->r->x, space, on_space_sent);
}

/* What the document leaves is filled, then it follows. */
static void finish(struct s3_slow *s) {
    static const char spaces[] = "                                                                ";
    struct s3_request *r = s->r;
    if (s->gone || s->document.len == 0 || s->document.len > s->left) {
        s3_sent(r->x, LB_ERR_CANCELED); /* with bytes missing, the connection is broken off */
        return;
    }
    size_t fill = s->left - s->document.len;
    if (fill > 0)
        send_space(s, lb_slice_first(lb_slice(spaces, sizeof(spaces) - 1), fill));
    else
        r->x->ops->send(r->x, s->document, s3_sent);
}

static void on_space_sent(struct lb_exchange *x, int err) {
    struct s3_request *r = x->handler;
    struct s3_slow *s = r->slow;
    s->sending = false;
    s->gone = err < 0;
    if (s->ended)
        finish(s);
    else if (!s->gone && s->left > DOCUMENT_MAX)
        wait(s);
}

static void tick(struct lb_io_timer *t) {
    struct s3_slow *s = LB_CONTAINER_OF(t, struct s3_slow, timer);
    struct s3_request *r = s->r;
    if (s->headed) {
        send_space(s, LB_S(" "));
        return;
    }
    s->headed = true;
    s->left = sizeof(prolog) - 1 + SPACES_MAX + DOCUMENT_MAX;
    s3_header(r, LB_S("Content-Type"), LB_S("application/xml"));
    s3_head(r, 200, s->left);
    send_space(s, lb_slice(prolog, sizeof(prolog) - 1));
}

void s3_slow_begin(struct s3_request *r) {
    struct s3_slow *s = r->slow = lb_arena_zalloc(r->x->arena, sizeof(*s));
    if (!s)
        return;
    s->r = r;
    s->timer.fn = tick;
    wait(s);
}

bool s3_slow_end(struct s3_request *r, struct lb_slice document) {
    struct s3_slow *s = r->slow;
    lb_io_timer_stop(r->s3->io, &s->timer);
    if (!s->headed)
        return false;
    s->ended = true;
    if (lb_slice_starts_with(document, lb_slice(prolog, sizeof(prolog) - 1)))
        s->document = lb_slice_from(document, sizeof(prolog) - 1);
    if (!s->sending)
        finish(s);
    return true;
}
