/* A terminal that is drawn on for a while, and put back afterwards, also when a signal ends the
 * program. */
#ifndef LB_CTL_SCREEN_H
#define LB_CTL_SCREEN_H

#include "base/slice.h"

/* Takes the terminal of standard input and output: another page, no cursor, keys as they are
 * pressed. Returns 0, or -errno when it is none. */
int lb_screen_open(void);
/* Puts it back. */
void lb_screen_close(void);

void lb_screen_size(unsigned *ret_columns, unsigned *ret_rows);

/* Shows a text: its lines from the top, cut at the edges, the rest of the page empty. */
void lb_screen_draw(struct lb_slice text);

/* Waits for a key, at most so long. Returns it, or 0 when the time is up or the size has changed.
 */
int lb_screen_key(int timeout_ms);

/* Has a signal asked to end? */
bool lb_screen_ended(void);

#endif
