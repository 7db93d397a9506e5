/* lobosctl status, reload, drain */
#include <inttypes.h>
#include <time.h>

#include "ctl/commands.h"
#include "ctl/format.h"

static void status_json(struct lb_json *doc, const Lobosadmin__Status *s) {
    lb_json_object(doc, NULL);
    lb_json_str(doc, "version", s->version);
    lb_json_str(doc, "engine", s->engine);
    lb_json_str(doc, "storage", s->storage);
    lb_json_str(doc, "address", s->address);
    lb_json_bool(doc, "authentication", s->authentication);
    lb_json_time(doc, "started", s->started);
    lb_json_u64(doc, "pid", (uint64_t)s->pid);
    lb_json_u64(doc, "loops", s->loops);
    lb_json_str(doc, "io", s->io);
    lb_json_u64(doc, "connections", s->connections);
    lb_json_u64(doc, "in_flight", s->in_flight);
    lb_json_u64(doc, "memory_used", s->memory_used);
    lb_json_u64(doc, "memory_max", s->memory_max);
    lb_json_u64(doc, "storage_free", s->storage_free);
    lb_json_u64(doc, "storage_total", s->storage_total);
    lb_json_u64(doc, "users", s->users);
    lb_json_bool(doc, "draining", s->draining);
    lb_json_bool(doc, "read_only", s->read_only);
    lb_json_end(doc);
}

/* A row of two figures, "12.0 GiB of 1.8 TiB". */
static void of_row(struct lb_table *t, const char *name, uint64_t part, uint64_t whole,
                   const char *word) {
    char a[LB_FORMAT_MAX], b[LB_FORMAT_MAX];
    lb_table_cell(t, name);
    lb_table_cellf(t, "%s of %s %s", lb_format_bytes(part, a), lb_format_bytes(whole, b), word);
}

static void status_text(struct lb_ctl *c, const Lobosadmin__Status *s) {
    char a[LB_FORMAT_MAX], b[LB_FORMAT_MAX];
    struct lb_table t;
    lb_table_init(&t, NULL, "ll");
    lb_table_cell(&t, "server");
    lb_table_cellf(&t, "lobos %s, process %" PRId64, s->version, s->pid);
    lb_table_cell(&t, "state");
    lb_table_cell(&t, s->draining    ? "draining: it is about to stop"
                      : s->read_only ? "read-only: the storage takes no writes"
                                     : "serving");
    lb_table_cell(&t, "up");
    lb_table_cellf(&t, "%s, since %s", lb_format_duration(time(NULL) - s->started, a),
                   lb_format_time(s->started, b));
    lb_table_cell(&t, "address");
    lb_table_cell(&t, s->address);
    lb_table_cell(&t, "authentication");
    lb_table_cell(&t, s->authentication ? "on" : "off: any request is accepted");
    lb_table_cell(&t, "users");
    lb_table_cell(&t, lb_format_count(s->users, a));
    lb_table_cell(&t, "engine");
    lb_table_cellf(&t, "%s, %s", s->engine, s->storage);
    of_row(&t, "storage", s->storage_free, s->storage_total, "free");
    lb_table_cell(&t, "loops");
    lb_table_cellf(&t, "%u, %s", s->loops, s->io);
    lb_table_cell(&t, "connections");
    lb_table_cellf(&t, "%s, %s requests in progress", lb_format_count(s->connections, a),
                   lb_format_count(s->in_flight, b));
    of_row(&t, "buffers", s->memory_used, s->memory_max, "used");
    lb_ctl_print(c, &t, NULL);
}

int lb_status(struct lb_ctl *c) {
    Lobosadmin__Nothing request = LOBOSADMIN__NOTHING__INIT;
    Lobosadmin__Status *s;
    int err = lb_ctl_call(c, "GetStatus", &request.base, &s);
    if (err)
        return err;
    if (c->json)
        status_json(&c->doc, s);
    else
        status_text(c, s);
    lb_message_free(&s->base);
    return 0;
}

int lb_reload(struct lb_ctl *c) {
    Lobosadmin__Nothing request = LOBOSADMIN__NOTHING__INIT;
    return lb_ctl_call_done(c, "Reload", &request.base);
}

int lb_drain(struct lb_ctl *c) {
    Lobosadmin__Nothing request = LOBOSADMIN__NOTHING__INIT;
    int err = lb_ctl_confirm(c, "The server will finish what is in progress and stop.");
    return err ? err : lb_ctl_call_done(c, "Drain", &request.base);
}
