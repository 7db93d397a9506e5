/* The checks of `lobosctl doctor`. */
#ifndef LB_CTL_DOCTOR_H
#define LB_CTL_DOCTOR_H

#include "base/buf.h"

enum lb_finding_state { LB_FINDING_OK, LB_FINDING_WARN, LB_FINDING_FAIL };

/* What a check found: a state, what is, and, unless that is ok, what to change. */
struct lb_finding {
    enum lb_finding_state state;
    struct lb_buf what, advice;
};

/* What a check looks at. The probe is a new file in the directory, or probe_fd is -1 (the directory
 * takes no files: then probe_err says why, as errno). */
struct lb_doctor {
    const char *dir;
    int dir_fd, probe_fd, probe_err;
    char probe_path[4096];
};

struct lb_doctor_check {
    const char *name;
    void (*run)(const struct lb_doctor *d, struct lb_finding *f);
};

/* In the order they are shown; the last has no name. */
extern const struct lb_doctor_check lb_doctor_system[];
extern const struct lb_doctor_check lb_doctor_directory[];

/* Sets what a check found: state, what it says, and advice (empty when ok). */
void lb_finding_set(struct lb_finding *f, enum lb_finding_state state, const char *advice,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
