#include "ctl/secret.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define SECRET_MAX 4096

/* Reads a line; what is typed on a terminal does not show. */
static int read_line(struct lb_ctl *c, char **ret) {
    char line[SECRET_MAX];
    struct termios before, silent;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        fprintf(stderr, "secret key: ");
    }
    if (!fgets(line, sizeof(line), stdin))
        line[0] = '\0';
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
        fprintf(stderr, "\n");
    }
    line[strcspn(line, "\r\n")] = '\0';
    char *secret = line[0] ? strdup(line) : NULL;
    explicit_bzero(line, sizeof(line));
    if (!secret)
        return lb_ctl_fail(c, LB_EXIT_USAGE, "there is no secret key on standard input");
    *ret = secret;
    return 0;
}

int lb_secret_option(struct lb_ctl *c, char **ret) {
    char *given = (char *)lb_ctl_option(c, "secret-key");
    *ret = NULL;
    if (!given)
        return 0;
    if (strcmp(given, "-") == 0)
        return read_line(c, ret);
    *ret = strdup(given);
    if (!*ret)
        return lb_ctl_fail(c, LB_EXIT_FAILED, "out of memory");
    explicit_bzero(given, strlen(given));
    return 0;
}

void lb_secret_free(char *secret) {
    if (!secret)
        return;
    explicit_bzero(secret, strlen(secret));
    free(secret);
}
