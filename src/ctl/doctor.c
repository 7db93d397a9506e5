/* lobosctl doctor: is this machine, and this directory, what lobos wants? Asks no server. */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/commands.h"

static const char *const states[] = {"ok", "warn", "fail"};

void lb_finding_set(struct lb_finding *f, enum lb_finding_state state, const char *advice,
                    const char *format, ...) {
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    f->state = state;
    lb_buf_clear(&f->what);
    lb_buf_append(&f->what, lb_slice_cstr(what));
    lb_buf_append_char(&f->what, '\0');
    lb_buf_clear(&f->advice);
    lb_buf_append(&f->advice, lb_slice_cstr(state == LB_FINDING_OK ? "" : advice));
    lb_buf_append_char(&f->advice, '\0');
}

static void show(struct lb_ctl *c, struct lb_table *t, const char *name,
                 const struct lb_finding *f) {
    if (f->what.err || f->advice.err) {
        t->failed = true;
        return;
    }
    if (c->json) {
        lb_json_object(&c->doc, NULL);
        lb_json_str(&c->doc, "check", name);
        lb_json_str(&c->doc, "state", states[f->state]);
        lb_json_str(&c->doc, "found", f->what.ptr);
        lb_json_str(&c->doc, "advice", f->advice.ptr[0] ? f->advice.ptr : NULL);
        lb_json_end(&c->doc);
        return;
    }
    lb_table_cell(t, states[f->state]);
    lb_table_cell(t, name);
    lb_table_cell(t, f->what.ptr);
    if (!f->advice.ptr[0])
        return;
    lb_table_cell(t, "");
    lb_table_cell(t, "");
    lb_table_cellf(t, "-> %s", f->advice.ptr);
}

/* Runs checks and counts them by state. */
static void run(struct lb_ctl *c, struct lb_table *t, const struct lb_doctor *d,
                const struct lb_doctor_check *checks, unsigned counts[3]) {
    struct lb_finding f;
    lb_buf_init(&f.what, 4096);
    lb_buf_init(&f.advice, 4096);
    for (; checks->name; checks++) {
        checks->run(d, &f);
        counts[f.state]++;
        show(c, t, checks->name, &f);
    }
    lb_buf_fini(&f.what);
    lb_buf_fini(&f.advice);
}

static int open_dir(struct lb_ctl *c, struct lb_doctor *d) {
    d->dir_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0)
        return lb_ctl_fail(c, LB_EXIT_USAGE, "%s: %s", d->dir, strerror(errno));
    int n = snprintf(d->probe_path, sizeof(d->probe_path), "%s/.lobos-doctor-XXXXXX", d->dir);
    if (n < 0 || (size_t)n >= sizeof(d->probe_path)) {
        close(d->dir_fd);
        return lb_ctl_fail(c, LB_EXIT_USAGE, "%s: %s", d->dir, strerror(ENAMETOOLONG));
    }
    d->probe_fd = mkostemp(d->probe_path, O_CLOEXEC);
    d->probe_err = d->probe_fd < 0 ? errno : 0;
    return 0;
}

static void close_dir(struct lb_doctor *d) {
    if (d->probe_fd >= 0) {
        unlink(d->probe_path);
        close(d->probe_fd);
    }
    close(d->dir_fd);
}

int lb_doctor(struct lb_ctl *c) {
    struct lb_doctor d = {.dir = c->args.words_n > 0 ? c->args.words[0] : "."};
    unsigned counts[3] = {0};
    struct lb_table t;
    int err = open_dir(c, &d);
    if (err)
        return err;
    lb_table_init(&t, NULL, "lll");
    lb_ctl_begin_list(c, "checks");
    run(c, &t, &d, lb_doctor_system, counts);
    run(c, &t, &d, lb_doctor_directory, counts);
    close_dir(&d);
    lb_ctl_end_list(c, &t, "", 0);
    if (!c->json)
        lb_buf_printf(&c->out, "\n%u ok, %u to look at, %u wrong\n", counts[LB_FINDING_OK],
                      counts[LB_FINDING_WARN], counts[LB_FINDING_FAIL]);
    return counts[LB_FINDING_FAIL] ? LB_EXIT_FAILED : 0;
}
