/* The command line. */
#ifndef LB_SERVER_OPTIONS_H
#define LB_SERVER_OPTIONS_H

#include "server/config.h"

enum lb_options_action {
    LB_OPTIONS_RUN,
    LB_OPTIONS_HELP,
    LB_OPTIONS_VERSION,
    LB_OPTIONS_CHECK,
    LB_OPTIONS_IMPORT,
    LB_OPTIONS_FORMAT, /* the volume, even though something is on it */
};

struct lb_options {
    enum lb_options_action action;
    const char *config_path; /* borrowed from argv; NULL: none was named */
    bool single_dir;         /* --dir: the older form */
    const char *import_dir;  /* borrowed from argv; with LB_OPTIONS_IMPORT */
};

/* Fills c from defaults, the file named, the environment and the options, and checks it. Returns 0,
 * or -EINVAL and one line in why. For HELP and VERSION c is not checked. */
int lb_options_parse(int argc, char **argv, struct lb_config *c, struct lb_options *ret,
                     struct lb_buf *why);

/* What --help prints. Static. */
extern const char lb_options_help[];

#endif
