/* What the operating system tells of this process. */
#ifndef LB_SERVER_PROCESS_H
#define LB_SERVER_PROCESS_H

#include "metrics/report.h"

/* Reads /proc, which may block: not on a loop that serves. Returns 0, or -errno with *ret
 * untouched. */
int lb_process_read(struct lb_process_stats *ret);

#endif
