/* The volume engine on the simulator: a file of the simulated file system. */
#ifndef LB_TESTS_SIM_VOLUME_H
#define LB_TESTS_SIM_VOLUME_H

#include "sim_store.h"

#define SIM_VOLUME_PATH "/volume"
#define SIM_VOLUME_SIZE (32u << 20)

/* As sim_store_open. The volume is made when it is not there; its housekeeping runs between the
 * turns of the loop. */
int sim_volume_open(struct sim_store *s, struct sim_fs *fs, uint64_t seed);

#endif
